"""`doctor --fix`: the repairs that are safe, each told; what a person must decide stays a finding (spec §7.5, §8.1).

What was damaged is kept byte for byte under `archive/damaged/`. A file of a newer version is never touched. Repairs of
healthy entities are one transaction; doing everything again changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from ai_workflow import fsio
from ai_workflow.config.ownership import handoff_paths
from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.base import Record
from ai_workflow.models.snapshot import Changes, Damage, Snapshot
from ai_workflow.policy.events import make_event
from ai_workflow.policy.repair import plan_repairs
from ai_workflow.services import claim, reports, resume
from ai_workflow.services.doctor import documents
from ai_workflow.services.doctor.examine import Examination, examine
from ai_workflow.services.doctor.leftovers import find_bad_lines, find_bad_operations, is_journal_damaged
from ai_workflow.services.doctor.repository import read_git_facts
from ai_workflow.services.doctor.salvage import ORDER, Salvage, plan_salvage, read_state
from ai_workflow.services.workspace import Workspace
from ai_workflow.store.layout import KIND_FOLDERS
from ai_workflow.store.reader import MISPLACED, is_misplaced


class Repair(Record, frozen=True, kw_only=True):
    """One thing that was done."""

    message: str
    path: str | None = None
    """The file that was repaired, relative to the root."""
    copy: str | None = None
    """Where what it held before is kept, relative to the root."""


class Repaired(Record, frozen=True, kw_only=True):
    """What was done, and what is found afterwards."""

    repairs: tuple[Repair, ...]
    after: Examination


def repair(ws: Workspace) -> Repaired:
    """Makes every safe repair.

    Raises:
        AiwError: LOCKED while another command holds the state; IO.
    """
    done: list[Repair] = []
    _set_journal_aside(ws, done)
    if fsio.find_own_bytes(ws.layout.journal) is not None:
        ws.store.recover()
        done.append(Repair(message="what a killed command had stored was completed from its journal"))
    for step in (
        _clear_places,
        _restore_damaged,
        _settle_intents,
        _clean_logs,
        _repair_state,
        _restore_documents,
        _log,
    ):
        try:
            step(ws, done)
        except AiwError as error:
            if error.kind == Kind.LOCKED:
                raise
            # What else can be repaired is; the examination that follows names what stood in the way.
            ws.talk(f"note: {error.message}")
    return Repaired(repairs=tuple(done), after=examine(ws))


def _set_journal_aside(ws: Workspace, done: list[Repair]) -> None:
    """A journal is never written torn, so somebody changed it: nobody can tell any more what it wanted."""
    if is_journal_damaged(ws) is None:
        return
    try:
        seen = fsio.find_own_bytes(ws.layout.journal)
    except AiwError:
        seen = None
    copy = ws.store.put_back("journal.json", seen=seen, text=None)
    if copy is not None:
        path = f"{ws.layout.state_rel}/journal.json"
        done.append(Repair(message=f"put {path} aside: it could not be read", path=path, copy=copy))


def _clear_places(ws: Workspace, done: list[Repair]) -> None:
    """What stands where a folder of the state must be is put aside; what belongs into the folder is restored then."""
    for rel in (*KIND_FOLDERS.values(), "operations", "events"):
        if not is_misplaced(ws.layout.in_state(rel)):
            continue
        try:
            seen = fsio.find_own_bytes(ws.layout.in_state(rel))
        except AiwError:
            seen = None
        copy = ws.store.put_back(rel, seen=seen, text=None)
        if copy is not None:
            path = f"{ws.layout.state_rel}/{rel}"
            done.append(Repair(message=f"put {path} aside: {MISPLACED}", path=path, copy=copy))


def _restore_damaged(ws: Workspace, done: list[Repair]) -> None:
    """First what is known for sure, then the rest, kind by kind, so that each can rely on those before it."""
    plan = plan_salvage(ws, read_state(ws), exact_only=True)
    for step in plan.steps:
        _put_back(ws, step, done)
    for kind in ORDER:
        snapshot = read_state(ws)
        if any(_is_of(ws, damage, kind) for damage in snapshot.damaged):
            for step in plan_salvage(ws, snapshot).steps:
                if step.kind == kind:
                    _put_back(ws, step, done)


def _is_of(ws: Workspace, damage: Damage, kind: str) -> bool:
    rel = damage.path.removeprefix(f"{ws.layout.state_rel}/")
    return not damage.newer and rel.startswith("project" if kind == "project" else f"{kind}s/")


def _put_back(ws: Workspace, step: Salvage, done: list[Repair]) -> None:
    if step.seen is None and step.text is not None and not os.path.lexists(ws.layout.in_state(step.rel)):
        if ws.store.put_missing(step.rel, step.text):
            done.append(Repair(message=f"restored {step.path}: {step.how}", path=step.path))
        return
    copy = ws.store.put_back(step.rel, seen=step.seen, text=step.text)
    if copy is not None:
        word = "took away" if step.text is None else "restored"
        done.append(Repair(message=f"{word} {step.path}: {step.how}", path=step.path, copy=copy))


def _settle_intents(ws: Workspace, done: list[Repair]) -> None:
    before = set(ws.store.snapshot().intents)
    if not before or ws.store.snapshot().project is None:
        return
    _try(ws, partial(resume.resume, ws))
    settled = before - set(ws.store.snapshot().intents)
    done.extend(
        Repair(message=f"settled {intent_id}, which a killed command had begun") for intent_id in sorted(settled)
    )


def _clean_logs(ws: Workspace, done: list[Repair]) -> None:
    """Lines and entries that cannot be read leave the logs; they are kept aside."""
    numbers = set(find_bad_lines(ws))
    if numbers:
        rel = ws.layout.events_rel
        path = f"{ws.layout.state_rel}/{rel}"
        try:
            seen = fsio.find_own_bytes(ws.layout.in_state(rel))
        except AiwError:
            seen = None
        lines = (seen or b"").split(b"\n")
        kept = [line for number, line in enumerate(lines, 1) if number not in numbers and line]
        text = b"".join(line + b"\n" for line in kept) if seen is not None else None
        copy = ws.store.put_back(rel, seen=seen, text=text)
        if copy is not None:
            count = f"{len(numbers)} line(s)"
            done.append(Repair(message=f"took {count} that cannot be read out of {path}", path=path, copy=copy))
    for rel in find_bad_operations(ws):
        path = f"{ws.layout.state_rel}/{rel}"
        try:
            seen = fsio.find_own_bytes(ws.layout.in_state(rel))
        except AiwError:
            seen = None
        copy = ws.store.put_back(rel, seen=seen, text=None)
        if copy is not None:
            done.append(Repair(message=f"put {path} aside: it cannot be read", path=path, copy=copy))


def _repair_state(ws: Workspace, done: list[Repair]) -> None:
    snapshot = ws.store.snapshot()
    if snapshot.project is None:
        return
    commits = _find_commits(ws, snapshot)
    if plan_repairs(snapshot, commits=commits, now="", actor="").changes == Changes():
        return
    with ws.store.transaction("doctor --fix") as change:
        repairs = plan_repairs(change.before, commits=commits, now=change.now, actor=ws.actor)
        change.apply(repairs.changes)
        done.extend(Repair(message=sentence) for sentence in repairs.told)


def _find_commits(ws: Workspace, snapshot: Snapshot) -> dict[str, str]:
    """Commits of done tasks whose recorded one is missing or unknown."""
    try:
        return dict(read_git_facts(ws, snapshot).rewritten)
    except AiwError as error:
        ws.talk(f"note: git was not asked: {error.message}")
        return {}


def _restore_documents(ws: Workspace, done: list[Repair]) -> None:
    """Documents that are missing, and everything that is a function of the state and not committed."""
    snapshot = ws.store.snapshot()
    if snapshot.project is None:
        return
    from ai_workflow.services.init import complete_documents

    done.extend(Repair(message=f"wrote {rel}", path=rel) for rel in complete_documents(ws))
    if snapshot.damaged:
        # Documents would lack what cannot be read.
        return
    # Handoffs that only lag stay: writing them makes the tree dirty, and the next finish commits them anyway.
    broken = [rel for rel, what in documents.look_at_handoffs(ws, snapshot).items() if what != "differs"]
    if broken:
        ws.documents.write_handoffs(snapshot, only=broken)
        done.extend(Repair(message=f"wrote {rel}", path=rel) for rel in broken if rel in handoff_paths(ws.config))
    _restore_adrs(ws, snapshot, done)
    ws.documents.follow(None, snapshot)
    for name, file_name in reports.FILES.items():
        if os.path.isfile(ws.layout.in_root(f"{ws.config.reports.dir}/{file_name}")):
            _try(ws, partial(reports.write_report, ws, name))
    if documents.find_missing_prompt(ws, snapshot) is not None:
        rel = _try(ws, lambda: claim.hand_out_active(ws, "core"))
        if rel is not None:
            done.append(Repair(message=f"wrote {rel}", path=str(rel)))


def _try(ws: Workspace, act: Callable[[], object]) -> object:
    try:
        return act()
    except AiwError as error:
        ws.talk(f"note: {error.message}")
        return None


def _restore_adrs(ws: Workspace, snapshot: Snapshot, done: list[Repair]) -> None:
    """Files of decisions, where no unmerged branch may hold a newer version."""
    from ai_workflow.services import adrs

    try:
        facts = documents.read_document_facts(ws, snapshot, read_git_facts(ws, snapshot))
    except AiwError as error:
        ws.talk(f"note: {error.message}")
        return
    if facts.is_elsewhere:
        return
    for adr_id, _ in (*facts.adr_missing, *facts.adr_behind):
        rel = adrs.bring_up_to_date(ws, adr_id)
        done.append(Repair(message=f"wrote the status of {adr_id} into {rel}", path=rel))


def _log(ws: Workspace, done: list[Repair]) -> None:
    """One event that tells what was repaired, when files outside of a transaction were."""
    told = [repair.message for repair in done if (repair.path or "").startswith(f"{ws.layout.state_rel}/")]
    snapshot = ws.store.snapshot()
    if not told or snapshot.project is None:
        return
    with ws.store.transaction("doctor --fix") as change:
        event = make_event(
            "state_repaired", f"{len(told)} file(s) repaired", now=change.now, actor=ws.actor, details=told
        )
        change.apply(Changes(events=(event,)))
