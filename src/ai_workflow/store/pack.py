"""A derived copy of records, `locks/records.pack`, so that commands that decide need not read thousands of files.

For each kind the names of its healthy files, their looks, and their records as MessagePack. A record counts while its
file looks the same; anything else is read as ever. It is written together with `index`, can be deleted at any time, and
counts for nothing when it is damaged: it begins with the release that wrote it and a checksum of the rest, since it is
not synced and a power cut may leave anything.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

from ai_workflow import __version__, fsio
from ai_workflow.errors import AiwError
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.run import Run
from ai_workflow.models.snapshot import AnyEntity
from ai_workflow.models.task import Task
from ai_workflow.store.layout import Layout
from ai_workflow.store.looks import Looks

PACKED: dict[str, Any] = {"task": list[Task], "milestone": list[Milestone], "run": list[Run]}
"""The kinds of which there may be thousands, with the type of their records."""
_HEAD = f"aiw {__version__} records 1 "


class PackedColumn(msgspec.Struct, array_like=True, frozen=True):
    """The healthy files of one kind.

    Attributes:
        names: file names, sorted.
        looks: as they were when the records were read or written.
        records: an array of the records, encoded.
    """

    names: list[str]
    looks: Looks
    records: msgspec.Raw


def read_pack(layout: Layout) -> dict[str, PackedColumn]:
    """The columns by kind; empty when there is no pack that can be used."""
    try:
        data = fsio.find_bytes(_path(layout)) or b""
        head, _, body = data.partition(b"\n")
        if head.decode() != f"{_HEAD}{zlib.crc32(body):08x}":
            return {}
        return msgspec.msgpack.decode(body, type=dict[str, PackedColumn])
    except (AiwError, msgspec.DecodeError, UnicodeDecodeError):
        return {}


def unpack(kind: str, column: PackedColumn) -> list[AnyEntity] | None:
    """The records of the column, in the order of its names; None when they are not what this release writes."""
    try:
        records: list[AnyEntity] = msgspec.msgpack.decode(column.records, type=PACKED[kind])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    is_whole = len(records) == len(column.names) and all(len(one) == len(records) for one in column.looks)
    return records if is_whole else None


def pack_column(names: list[str], looks: Looks, records: list[AnyEntity]) -> PackedColumn:
    """The column of these files, healthy ones only."""
    return PackedColumn(names=names, looks=looks, records=msgspec.Raw(msgspec.msgpack.encode(records)))


def write_pack(layout: Layout, columns: Mapping[str, PackedColumn]) -> None:
    """Writes it whole. Raises AiwError(IO)."""
    body = msgspec.msgpack.encode(columns)
    data = f"{_HEAD}{zlib.crc32(body):08x}\n".encode() + body
    fsio.write_file(_path(layout), data, temp_dir=layout.temp, durable=False)


def _path(layout: Layout) -> str:
    return os.path.join(layout.locks, "records.pack")
