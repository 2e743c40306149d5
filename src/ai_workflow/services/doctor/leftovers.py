"""What killed commands and careless hands leave in the state folder, besides entities that cannot be read."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator

from ai_workflow import fsio
from ai_workflow.errors import AiwError
from ai_workflow.locks import read_holder
from ai_workflow.models.operation import Operation
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.policy.diagnosis.finding import Diagnosis, Names
from ai_workflow.services.workspace import Workspace
from ai_workflow.store.codec import DecodeError, decode
from ai_workflow.store.journal import find_journal
from ai_workflow.store.reader import MISPLACED, is_misplaced, list_names

_LIVE_S = 0.3
"""Longer than a transaction at work needs from its journal's birth to its end."""
_HOLDER = re.compile(r"pid (\d+),")


def diagnose_leftovers(ws: Workspace, snapshot: Snapshot, names: Names) -> Iterator[Diagnosis]:
    """Journal, intents, log of events, log of operations, and rights. Raises AiwError(IO)."""
    yield from _diagnose_journal(ws, names)
    yield from _diagnose_intents(ws, snapshot, names)
    for folder in ("operations", "events"):
        if is_misplaced(ws.layout.in_state(folder)):
            path = f"{ws.layout.state_rel}/{folder}"
            yield Diagnosis(level="error", code="state-damaged", message=MISPLACED, path=path, fix=names.repair)
    lines = find_bad_lines(ws)
    if lines:
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        yield Diagnosis(
            level="warning",
            code="events-damaged",
            message=f"this line of the log of events cannot be read{more}",
            path=f"{ws.layout.state_rel}/{ws.layout.events_rel}",
            line=lines[0],
            fix=names.repair,
        )
    for rel in find_bad_operations(ws):
        yield Diagnosis(
            level="warning",
            code="operation-damaged",
            message="this entry of the log of operations cannot be read",
            path=f"{ws.layout.state_rel}/{rel}",
            fix=names.repair,
        )
    if os.path.lexists(ws.layout.state) and not os.access(ws.layout.state, os.W_OK):
        folder = ws.layout.workspace_rel
        yield Diagnosis(
            level="warning",
            code="state-not-writable",
            message="the state cannot be written from here, so aiw can only show things",
            path=ws.layout.state_rel,
            fix=f"chmod -R u+w {folder}",
        )


def _diagnose_journal(ws: Workspace, names: Names) -> Iterator[Diagnosis]:
    before = fsio.find_own_bytes(ws.layout.journal)
    if before is None:
        return
    time.sleep(_LIVE_S)
    if fsio.find_own_bytes(ws.layout.journal) == before:
        yield Diagnosis(
            level="warning",
            code="journal-left",
            message=f"a command was killed while it stored {find_operation(before)}; nothing is lost, the next command"
            " that changes something ends it",
            path=f"{ws.layout.state_rel}/journal.json",
            fix=names.repair,
        )


def find_operation(journal: bytes) -> str:
    """The operation that a journal belongs to, for people."""
    try:
        return str(json.loads(journal)["operation"])
    except (ValueError, KeyError, TypeError):
        return "a change"


def is_journal_damaged(ws: Workspace) -> str | None:
    """Why the journal cannot be read, or None when it can or there is none."""
    try:
        find_journal(ws.layout)
    except AiwError as error:
        return error.message
    return None


def _diagnose_intents(ws: Workspace, snapshot: Snapshot, names: Names) -> Iterator[Diagnosis]:
    for intent in snapshot.intents.values():
        what = f"{intent.kind} {intent.task_id}" if intent.task_id else intent.kind
        if _is_at_work(ws):
            yield Diagnosis(
                level="info",
                code="intent-at-work",
                message=f"a command is at work: {what}",
                path=f"{ws.layout.state_rel}/intents/{intent.id}.json",
            )
            continue
        yield Diagnosis(
            level="warning",
            code="intent-left",
            message=f"a command was killed in the middle of: {what}; the next command that changes something completes"
            " or drops it",
            path=f"{ws.layout.state_rel}/intents/{intent.id}.json",
            fix=names.repair,
        )


def _is_at_work(ws: Workspace) -> bool:
    """Whether the process that last held a lock lives; its name in the file is all that is asked, no lock is tried."""
    paths = [os.path.join(ws.layout.locks, "finish-core.lock")]
    with contextlib.suppress(AiwError):
        paths.append(os.path.join(ws.repository.common_dir, "aiw.lock"))
    return any(_is_alive(read_holder(path)) for path in paths)


def _is_alive(holder: str) -> bool:
    match = _HOLDER.match(holder)
    if match is None:
        return False
    try:
        os.kill(int(match.group(1)), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def find_bad_lines(ws: Workspace) -> list[int]:
    """Numbers of the lines of the log of events that are no event, 1-based."""
    import msgspec

    from ai_workflow.models.event import Event

    try:
        data = fsio.find_own_bytes(ws.layout.in_state(ws.layout.events_rel))
    except AiwError:
        return [1]
    decoder = msgspec.json.Decoder(Event)
    found = []
    for number, line in enumerate((data or b"").split(b"\n"), 1):
        if not line:
            continue
        try:
            decoder.decode(line)
        except msgspec.ValidationError:
            # Of another version, perhaps: a person's reading is not disturbed by more fields.
            if not line.startswith(b"{"):
                found.append(number)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found.append(number)
    return found


def find_bad_operations(ws: Workspace) -> list[str]:
    """Files of the log of operations that cannot be read, relative to the state folder."""
    found: list[str] = []
    if is_misplaced(ws.layout.state) or is_misplaced(ws.layout.operations):
        return found
    for name in sorted(list_names(ws.layout.operations)):
        rel = f"operations/{name}"
        try:
            decode(Operation, fsio.find_own_bytes(ws.layout.in_state(rel)) or b"", path=rel)
        except DecodeError as error:
            if not error.damage.newer:
                found.append(rel)
        except AiwError:
            found.append(rel)
    return found
