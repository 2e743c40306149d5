"""What the log of operations and a damaged file itself still tell of what the file should hold (spec §7.5).

The log keeps the text before each change and the digest after it. So the right text is known for sure when something
that can be made has the digest of the last change; the text before that change is at least a version that once was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ai_workflow import fsio
from ai_workflow.models.base import Entity, Record
from ai_workflow.models.operation import FileChange, Operation
from ai_workflow.store.codec import encode
from ai_workflow.store.layout import Layout
from ai_workflow.store.operations import read_log

_MARKERS = (b"<<<<<<< ", b"||||||| ", b"=======", b">>>>>>> ")
_MAX_CUTS = 400


class History(Record, frozen=True, kw_only=True):
    """What the log says of one file."""

    texts: tuple[bytes, ...] = ()
    """What it held before each change, oldest first."""
    expected: str | None = None
    """Digest of what it should hold."""
    is_removed: bool = False
    """Whether the last change removed it."""
    made_by: Operation | None = None
    """The operation that made it."""


def read_history(layout: Layout, rel: str) -> History:
    """What the log says of the file `rel`, a path relative to the state folder."""
    operations = read_log(layout, about=rel).operations
    changes: list[FileChange] = []
    made_by = None
    for operation in operations:
        own = [change for change in operation.changes if change.path == rel]
        if made_by is None and own and own[0].before is None:
            made_by = operation
        changes += own
    if not changes:
        return History()
    texts = [change.before.encode() for change in changes if change.before is not None]
    last = _last_of(changes)
    return History(
        texts=tuple(texts), expected=last.after_sha256, is_removed=last.after_sha256 is None, made_by=made_by
    )


def _last_of(changes: Sequence[FileChange]) -> FileChange:
    """The change of the latest transaction; operations overlap, so it is not always in the last of them."""
    if all(change.serial for change in changes):
        return max(changes, key=lambda change: change.serial)
    # Written before serials were recorded: the last one is the one whose result no other change began with.
    begun = {fsio.sha256_of(change.before.encode()) for change in changes if change.before is not None}
    open_ends = [change for change in changes if change.after_sha256 not in begun]
    return open_ends[-1] if open_ends else changes[-1]


def list_expected(layout: Layout) -> list[str]:
    """The files, relative to the state folder, that are there when the log is right: made, and not removed since."""
    changes: dict[str, list[FileChange]] = {}
    for operation in read_log(layout).operations:
        for change in operation.changes:
            changes.setdefault(change.path, []).append(change)
    return [rel for rel, own in sorted(changes.items()) if _last_of(own).after_sha256 is not None]


def find_exact(record: type[Entity], data: bytes, history: History) -> bytes | None:
    """The text that the file should hold, proven by its digest; None when it cannot be made."""
    if history.expected is None:
        return None
    for text in _propose(record, data, history):
        if fsio.sha256_of(text) == history.expected:
            return text
    return None


def list_readings(record: type[Entity], data: bytes) -> list[Entity]:
    """The records that the file, or a side of its conflict, holds as a whole."""
    plain = data.removeprefix(b"\xef\xbb\xbf")
    made = (make_record(record, _load(text.decode("utf-8", "ignore")) or {}) for text in (plain, *_sides(plain)))
    return [entity for entity in made if entity is not None]


def _propose(record: type[Entity], data: bytes, history: History) -> Iterator[bytes]:
    plain = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    for text in (plain, plain.rstrip() + b"\n", *_sides(plain)):
        yield text
        canonical = _canonical(record, read_fields(text))
        if canonical is not None:
            yield canonical
    yield from reversed(history.texts)
    fields = read_fields(plain)
    for text in reversed(history.texts):
        mixed = _canonical(record, {**read_fields(text), **fields})
        if mixed is not None:
            yield mixed


def _sides(data: bytes) -> Iterator[bytes]:
    """The two sides of a file with conflict markers."""
    if not any(line.startswith(_MARKERS) for line in data.split(b"\n")):
        return
    for kept in (0, 2):
        part, lines = -1, []
        for line in data.split(b"\n"):
            if line.startswith(b"<<<<<<< "):
                part = 0
            elif line.startswith(b"||||||| ") and part == 0:
                part = 1
            elif line.rstrip() == b"=======" and part in (0, 1):
                part = 2
            elif line.startswith(b">>>>>>> ") and part == 2:
                part = -1
            elif part in (-1, kept):
                lines.append(line)
        yield b"\n".join(lines)


def read_fields(data: bytes) -> dict[str, Any]:
    """The top-level fields that can still be read: all of a whole file, those before the cut of one that is cut off."""
    text = data.decode("utf-8", "ignore")
    whole = _load(text)
    if whole is not None:
        return whole
    if any(line.startswith(_MARKERS) for line in data.split(b"\n")):
        return {}
    lines = text.split("\n")
    for end in range(len(lines) - 1, max(0, len(lines) - _MAX_CUTS), -1):
        # A field ends with a comma, and the next one stands at the same depth: only there a cut is clean.
        if lines[end].startswith('  "') and lines[end - 1].endswith(","):
            found = _load("\n".join(lines[:end]).removesuffix(",") + "\n}")
            if found is not None:
                return found
    return {}


def _load(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _canonical(record: type[Entity], fields: dict[str, Any]) -> bytes | None:
    entity = make_record(record, fields)
    return None if entity is None else encode(entity)


def make_record(record: type[Entity], fields: dict[str, Any]) -> Entity | None:
    """The record that the fields make, unknown ones left out; None when they make none."""
    known = {field.encode_name for field in msgspec.structs.fields(record)}
    try:
        return msgspec.convert({key: value for key, value in fields.items() if key in known}, record)
    except msgspec.ValidationError:
        return None
