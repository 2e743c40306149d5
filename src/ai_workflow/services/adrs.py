"""Makes and moves architecture decisions, and keeps their files in step (spec §6.8)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from ai_workflow import fsio
from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.adr import Adr
from ai_workflow.models.base import Record
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.plan.parse import decode_plan
from ai_workflow.plan.pending_edits import add_file
from ai_workflow.policy.adrs import accept_adr, create_adr, deprecate_adr, supersede_adr
from ai_workflow.rendering.adr import adr_file_name, read_adr, read_decision, render_adr, update_status
from ai_workflow.rendering.text import strip_line
from ai_workflow.services.backlog_file import find_file
from ai_workflow.services.secret_texts import require_clean_text
from ai_workflow.services.workspace import Workspace
from ai_workflow.store.transaction import Transaction

_NAME = re.compile(r"ADR-(\d{1,9})(?:-.*)?\.md", re.IGNORECASE | re.ASCII | re.DOTALL)
Decide = Callable[[Snapshot, Adr, str], tuple[Changes, Adr]]
"""Gets the state, the decision and the time; gives what changes, and the decision as it will be."""


class Decided(Record, frozen=True, kw_only=True):
    """What became of a decision."""

    adr: Adr
    rel: str
    """Its file, relative to the root."""


def propose(
    ws: Workspace, *, title: str, decision: str, applies_to: Sequence[str], consequences: Sequence[str]
) -> Decided:
    """Records a proposed decision and writes its file.

    Raises:
        AiwError: USAGE without a title; IO.
    """
    with ws.store.transaction("adr new") as change:
        taken = max((number_of(name) for name in list_files(ws)), default=0)
        # A killed command may have written the very file and not come to record it: then its number is ours.
        for number in (taken - 1, taken):
            changes, adr = create_adr(
                change.before,
                title=strip_line(title),
                decision=decision.strip(),
                applies_to=_clean(applies_to),
                consequences=_clean(consequences),
                taken=max(0, number),
                now=change.now,
                actor=ws.actor,
            )
            if find_text(ws, adr) in (None, render_adr(adr)):
                break
        change.apply(changes)
        return _write(ws, change, adr, render_adr(adr))


def _clean(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for entry in texts if (text := strip_line(entry))))


def accept(ws: Workspace, adr_id: str) -> Decided:
    """Puts a decision in force. What a person wrote in its file counts as the decision.

    Raises:
        AiwError: NOT_FOUND; STATE when the table has no such move or nothing is decided yet; IO, PLAN.
    """
    return _move(ws, adr_id, "accept", lambda _, adr, now: accept_adr(adr, now=now, actor=ws.actor))


def deprecate(ws: Workspace, adr_id: str, *, reason: str | None) -> Decided:
    """Takes a decision out of force. Raises as `accept`."""
    why = strip_line(reason) if reason else None
    return _move(
        ws, adr_id, "deprecate", lambda _, adr, now: deprecate_adr(adr, reason=why or None, now=now, actor=ws.actor)
    )


def supersede(ws: Workspace, adr_id: str, *, by: str) -> Decided:
    """Replaces a decision by another one that is in force. Raises as `accept`."""
    return _move(
        ws, adr_id, "supersede", lambda state, adr, now: supersede_adr(state, adr, by, now=now, actor=ws.actor)
    )


def _move(ws: Workspace, adr_id: str, verb: str, decide: Decide) -> Decided:
    with ws.store.transaction(f"adr {verb} {adr_id}") as change:
        stored = change.before.get_adr(adr_id)
        text = find_text(ws, stored)
        is_edited = text is not None and text != render_adr(stored)
        if text is not None and is_edited:
            require_clean_text(ws.config.secrets, text, name=find_rel(ws, stored), talk=ws.talk)
        adr = _take_over(stored, text) if text is not None and is_edited else stored
        changes, moved = decide(change.before, adr, change.now)
        change.apply(changes)
        after = update_status(text, moved) if text is not None and is_edited else render_adr(moved)
        return _write(ws, change, moved, after)


def bring_up_to_date(ws: Workspace, adr_id: str) -> str:
    """Writes its file as the state has it: whole when it is not there, else the status line; returns its path.

    Raises:
        AiwError: NOT_FOUND, IO, PLAN.
    """
    with ws.store.transaction(f"write the file of {adr_id}") as change:
        adr = change.before.get_adr(adr_id)
        text = find_text(ws, adr)
        return _write(ws, change, adr, render_adr(adr) if text is None else update_status(text, adr)).rel


def _take_over(adr: Adr, text: str) -> Adr:
    """The decision with what its edited file says; where the file says nothing, or the same, as it was."""
    decision, consequences = read_decision(text)
    was_decision, was_consequences = read_decision(render_adr(adr))
    if decision and decision != was_decision:
        adr = replace(adr, decision=decision)
    if consequences and consequences != was_consequences:
        adr = replace(adr, consequences=consequences)
    return adr


def _write(ws: Workspace, change: Transaction, adr: Adr, text: str) -> Decided:
    """Writes the file and records it as wholly ours; a kill in between leaves a file that the same command renews."""
    rel = find_rel(ws, adr)
    path = find_file(ws.root, rel)
    if os.path.isdir(path):
        raise AiwError(Kind.IO, f"{rel} is a folder", hint="move it away, then run the same command again")
    before = fsio.find_bytes(path)
    if fsio.write_if_changed(path, text.encode(), temp_dir=ws.layout.temp):
        change.record_file(rel, before=before, after=text.encode())
    project = change.after.require_project()
    pending = add_file(project.pending_edits, rel)
    change.apply(Changes(put=(replace(project, pending_edits=pending),)))
    return Decided(adr=adr, rel=rel)


def find_text(ws: Workspace, adr: Adr) -> str | None:
    """The text of its file, or None when there is none. Raises AiwError(IO, PLAN)."""
    rel = find_rel(ws, adr)
    data = fsio.find_bytes(find_file(ws.root, rel))
    return None if data is None else decode_plan(data, rel)


def read_file(ws: Workspace, adr: Adr) -> Adr | None:
    """The decision with what its file in the repository says of it; None when there is no file.

    Raises as `find_text`, and AiwError(SECRET) when it holds one.

    Args:
        adr: what is known; a title of it counts, where it has none the file's does.
    """
    text = find_text(ws, adr)
    if text is None:
        return None
    require_clean_text(ws.config.secrets, text, name=find_rel(ws, adr), talk=ws.talk)
    return read_adr(text, adr)


def find_rel(ws: Workspace, adr: Adr) -> str:
    """Path of its file relative to the root; a file that a person renamed is found by its id."""
    usual = adr_file_name(adr)
    names = list_files(ws)
    if usual not in names:
        own = sorted(name for name in names if number_of(name) == number_of(f"{adr.id}.md"))
        usual = own[0] if own else usual
    return f"{ws.config.adr.dir}/{usual}"


def number_of(name: str) -> int:
    """The number in the name of a decision's file; 0 for other names."""
    match = _NAME.fullmatch(name)
    return int(match.group(1)) if match is not None else 0


def list_files(ws: Workspace) -> list[str]:
    """Names in the folder of the decisions. Raises AiwError(IO)."""
    try:
        return os.listdir(os.path.join(ws.root, *ws.config.adr.dir.split("/")))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AiwError(Kind.IO, f"cannot read {ws.config.adr.dir}: {os.strerror(error.errno or 0)}") from error
