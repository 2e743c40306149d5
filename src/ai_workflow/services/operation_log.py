"""Shows the log of operations (spec §7.3). Writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ai_workflow import fsio
from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.base import Record
from ai_workflow.models.operation import FileChange, Operation
from ai_workflow.policy.undoing import undone_by
from ai_workflow.store.layout import Layout
from ai_workflow.store.operations import Log, read_log

_NOT_SHOWN = ("updated_at", "schema_version")
_MAX_VALUE = 60


class LoggedOperation(Record, frozen=True, kw_only=True):
    """One row of the log."""

    operation: Operation
    undone_by: str | None
    """The undo that holds it back."""


def list_operations(layout: Layout) -> tuple[tuple[LoggedOperation, ...], Log]:
    """The log, newest first. Raises AiwError(IO)."""
    log = read_log(layout)
    undone = undone_by(log.operations)
    rows = (LoggedOperation(operation=one, undone_by=undone.get(one.id)) for one in reversed(log.operations))
    return tuple(rows), log


def find_operation(operations: Sequence[Operation], text: str) -> Operation:
    """The operation of an id, or of its number: `OP-000008-3fa2c1`, `OP-8`, `8`.

    Raises:
        AiwError: NOT_FOUND.
    """
    wanted = text.strip().upper().removeprefix("OP-")
    for one in operations:
        is_number = wanted.isdigit() and int(wanted) == int(one.id.split("-")[1])
        if is_number or one.id.upper() == f"OP-{wanted}":
            return one
    raise AiwError(Kind.NOT_FOUND, f"operation {text} does not exist", hint="see `aiw op log`")


def describe_changes(layout: Layout, log: Log, operation: Operation) -> tuple[str, ...]:
    """What the operation changed, a line each: fields of state files, references, lines of repository files."""
    lines: list[str] = []
    for change in operation.changes:
        after = _text_after(layout, log, change)
        lines += _describe_file(change, after)
    for ref in operation.refs:
        lines.append(f"{_short(ref.ref)}: {_short(ref.before)} → {_short(ref.after)}")
    for file in operation.owned:
        for hunk in file.hunks:
            lines.append(f"{file.path}:{hunk.line + 1}")
            lines += [f"  - {line.rstrip()}" for line in hunk.before] + [f"  + {line.rstrip()}" for line in hunk.after]
    return tuple(lines)


def _text_after(layout: Layout, log: Log, change: FileChange) -> str | None:
    """What the file held after the change: what the next change of it found, or what it holds now."""
    later = [
        other
        for one in log.operations
        for other in one.changes
        if other.path == change.path and other.serial > change.serial
    ]
    if later:
        return min(later, key=lambda other: other.serial).before
    data = fsio.find_own_bytes(layout.in_state(change.path))
    is_it = data is not None and fsio.sha256_of(data) == change.after_sha256
    return data.decode("utf-8", "replace") if data is not None and is_it else None


def _describe_file(change: FileChange, after: str | None) -> Iterator[str]:
    if change.path == "project.json" or change.path.startswith("intents/"):
        return
    name = change.path.removesuffix(".json")
    if change.before is None:
        yield f"{name}: made"
        return
    if change.after_sha256 is None:
        yield f"{name}: removed"
        return
    old, new = _fields(change.before), _fields(after)
    if old is None or new is None:
        yield f"{name}: changed"
        return
    for field in sorted({*old, *new}):
        if field not in _NOT_SHOWN and old.get(field) != new.get(field):
            yield f"{name}: {field} {_value(old.get(field))} → {_value(new.get(field))}"


def _fields(text: str | None) -> dict[str, Any] | None:
    try:
        row = json.loads(text or "")
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]}…"


def _short(name: str | None) -> str:
    if name is None:
        return "none"
    is_sha = len(name) >= 40 and all(char in "0123456789abcdef" for char in name)
    return name[:10] if is_sha else name.removeprefix("refs/heads/")
