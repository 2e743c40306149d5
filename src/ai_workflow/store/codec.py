"""Records to the bytes of their files and back (spec §3): 2-space indent, sorted keys, UTF-8, final newline."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from ai_workflow.models.adr import Adr
from ai_workflow.models.base import SCHEMA_VERSION, Entity
from ai_workflow.models.blocker import Blocker
from ai_workflow.models.lane import Baseline, Lane
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.operation import Intent
from ai_workflow.models.project import Project
from ai_workflow.models.run import Run
from ai_workflow.models.snapshot import AnyEntity, Damage
from ai_workflow.models.task import Task

KINDS: dict[str, type[Entity]] = {
    "project": Project,
    "milestone": Milestone,
    "task": Task,
    "lane": Lane,
    "adr": Adr,
    "run": Run,
    "blocker": Blocker,
    "baseline": Baseline,
    "intent": Intent,
}
_KIND_OF = {record: kind for kind, record in KINDS.items()}
_E = TypeVar("_E", bound=Entity)
_BYTE_OFFSET = re.compile(r"\(byte (\d+)\)")
_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODERS: dict[type, msgspec.json.Decoder[object]] = {}


class DecodeError(Exception):
    """The bytes are not a healthy record; `damage` says why. Caught where files are read."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(damage.message)
        self.damage = damage


def kind_of(entity: Entity) -> str:
    """The kind's name, e.g. `task`."""
    return _KIND_OF[type(entity)]


def encode(record: msgspec.Struct) -> bytes:
    """The file's bytes. Pure; equal records give equal bytes."""
    return msgspec.json.format(_ENCODER.encode(record), indent=2) + b"\n"


def encode_list(key: str, records: Sequence[msgspec.Struct]) -> bytes:
    """The document `{key: [record, …]}`, formatted as the files are."""
    return msgspec.json.format(_ENCODER.encode({key: records}), indent=2) + b"\n"


def decode_list(kind: str, array: memoryview) -> list[AnyEntity] | None:
    """The records of a JSON array; None when it does not hold healthy ones only."""
    record: Any = KINDS[kind]
    try:
        found: list[AnyEntity] = msgspec.json.decode(array, type=list[record])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found


def encode_line(record: msgspec.Struct) -> bytes:
    """One line of a `.jsonl` file, newline included."""
    return _ENCODER.encode(record) + b"\n"


def decode(record: type[_E], data: bytes, *, path: str) -> _E:
    """The record that the bytes hold.

    Args:
        path: how damage names the file.

    Raises:
        DecodeError: empty, cut off, conflict-marked, of a newer version, or of the wrong shape.
    """
    decoder = _DECODERS.get(record)
    if decoder is None:
        decoder = _DECODERS[record] = msgspec.json.Decoder(record)
    try:
        entity = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(describe_damage(data, error, path)) from error
    if not isinstance(entity, record) or entity.schema_version > SCHEMA_VERSION:
        raise DecodeError(_newer(path, getattr(entity, "schema_version", 0)))
    return entity


def _newer(path: str, version: int) -> Damage:
    message = f"schema version {version} is newer than this aiw understands ({SCHEMA_VERSION}); update aiw"
    return Damage(path=path, line=None, message=message, newer=True)


def describe_damage(data: bytes, error: Exception, path: str) -> Damage:
    """What is wrong with the bytes that could not be decoded, with the line where that is known. Pure."""
    if not data.strip():
        return Damage(path=path, line=1, message="the file is empty")
    for number, text in enumerate(data.split(b"\n"), 1):
        if text.startswith((b"<<<<<<< ", b">>>>>>> ")):
            return Damage(path=path, line=number, message="the file holds merge-conflict markers")
    if isinstance(error, msgspec.ValidationError):
        version = _schema_version(data)
        if version > SCHEMA_VERSION:
            return _newer(path, version)
        return Damage(path=path, line=_line_of_key(data, str(error)), message=f"unexpected content: {error}")
    match = _BYTE_OFFSET.search(str(error))
    offset = int(match.group(1)) if match else len(data)
    line = data[:offset].count(b"\n") + 1
    return Damage(path=path, line=line, message="the file is cut off or not JSON")


def _schema_version(data: bytes) -> int:
    try:
        loose = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0
    version = loose.get("schema_version", 0) if isinstance(loose, dict) else 0
    return version if isinstance(version, int) else 0


def _line_of_key(data: bytes, message: str) -> int | None:
    match = re.search(r"`\$\.([A-Za-z_]+)|field `([A-Za-z_]+)`", message)
    if match is None:
        return None
    needle = f'"{match.group(1) or match.group(2)}"'.encode()
    position = data.find(needle)
    return data[:position].count(b"\n") + 1 if position >= 0 else None
