"""Restores a state that is gone from plan, backlog, decisions and the trailers of commits (spec §7.5, ADR 0034).

First what lies in its place is copied, then a branch that only a remote has is made here, then the state is there in
one commit of the journal. Killed anywhere, the same command again ends in the same state.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from ai_workflow import fsio
from ai_workflow.config.ownership import backlog_path, plan_path
from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.refs import branch_ref, find_commit, move_ref
from ai_workflow.git.remotes import is_shallow
from ai_workflow.git.status import key_to_path, read_status, show_path
from ai_workflow.models.backlog import BacklogEdit
from ai_workflow.models.base import Record
from ai_workflow.models.history import History
from ai_workflow.models.lane import Baseline
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.plan.replant import replant
from ai_workflow.policy.backlog_status import follow_edits
from ai_workflow.policy.events import make_event
from ai_workflow.policy.rebuilding import Rebuilding, Setting
from ai_workflow.services.plan_place import find_readable_plan
from ai_workflow.services.state_sources import gather_sources
from ai_workflow.services.workspace import Workspace
from ai_workflow.store.founding import Founding, NewState, found_state
from ai_workflow.store.whole import read_files

NAME = "rebuild state"
KEPT = "archive/before-rebuild"
"""Where files that lay in the state's place are copied to, relative to the workspace folder."""


class StateRebuilt(Record, frozen=True, kw_only=True):
    """What a rebuild did, or would do."""

    outcome: str
    """`rebuilt`, `rehearsed` or `already_rebuilt`."""
    counts: dict[str, int] = msgspec.field(default_factory=dict)
    """Number of milestones, tasks and decisions restored, and of `done` tasks among them."""
    milestones: dict[str, str] = msgspec.field(default_factory=dict)
    """Milestone id → its status."""
    notes: tuple[str, ...] = ()
    """What could not be known, and what a person should look at, one sentence each."""
    kept: str | None = None
    """Where copies of what lay in the state's place are, relative to the root."""
    branches: tuple[str, ...] = ()
    """Milestone branches made here from those of a remote."""


def rebuild_state(ws: Workspace, *, is_dry_run: bool = False) -> StateRebuilt:
    """Restores the state; a state that is there is never written over.

    Raises:
        AiwError: STATE when there is a state, naming `doctor`; GIT outside a repository; LOCKED; IO; CORRUPT for a
            damaged journal.
    """
    _ = ws.repository
    if is_dry_run:
        return _refuse_state(ws) or _decide(ws, read_files(ws.layout.state))[0]
    with ws.git_effects(NAME), ws.store.whole(NAME) as whole:
        found = _refuse_state(ws)
        if found is not None:
            return found
        done, plan = _decide(ws, whole.files)
        kept = _keep(ws, whole.files)
        for name, sha in plan.branches.items():
            move_ref(ws.repository.git, branch_ref(name), new=sha, old=None, reason="aiw: the state is rebuilt")
        if plan.backlog is not None:
            path = os.path.join(ws.root, *backlog_path(ws.config).split("/"))
            fsio.write_if_changed(path, plan.backlog, temp_dir=ws.layout.temp)
        whole.replace(plan.state.files, operation=plan.state.operation)
        whole.remove_empty_folders()
        return replace(done, outcome="rebuilt", kept=kept)


def _refuse_state(ws: Workspace) -> StateRebuilt | None:
    """None when there is nothing to lose; the answer when this command was here before.

    Raises:
        AiwError: STATE when there is a state, whole or in pieces.
    """
    snapshot = ws.store.snapshot()
    damaged = {damage.path for damage in snapshot.damaged}
    newer = next((damage for damage in snapshot.damaged if damage.newer), None)
    if newer is not None:
        raise AiwError(Kind.CORRUPT, f"{newer.path}: {newer.message}", hint="update aiw, then look again")
    if ws.layout.state_rel in damaged:
        snapshot.require_undamaged()
    if snapshot.project is None and not (snapshot.tasks or snapshot.milestones):
        return None
    if damaged or snapshot.project is None:
        raise AiwError(
            Kind.STATE,
            f"there is a state, and {len(damaged)} of its files cannot be read",
            hint=f"repair it, which keeps more than a rebuild: {ws.command('doctor --fix')}",
        )
    if snapshot.project.serial == 1 and _made_by_us(ws):
        return StateRebuilt(outcome="already_rebuilt", milestones=_statuses(snapshot), counts=_count(snapshot))
    raise AiwError(
        Kind.STATE,
        "there is a state already, so nothing was rebuilt",
        hint=f"see whether something is wrong with it: {ws.command('doctor')}",
    )


def _made_by_us(ws: Workspace) -> bool:
    try:
        names = os.listdir(ws.layout.operations)
        return len(names) == 1 and f'"{NAME}"'.encode() in fsio.read_bytes(os.path.join(ws.layout.operations, names[0]))
    except (OSError, AiwError):
        return False


class _Effects(Record, frozen=True, kw_only=True):
    """What goes along with the new state."""

    state: NewState
    branches: dict[str, str]
    """Branches to make: name → commit."""
    backlog: bytes | None
    """The backlog's new text, or None when it stays."""


def _decide(ws: Workspace, files: Mapping[str, bytes]) -> tuple[StateRebuilt, _Effects]:
    now = ws.clock.now_utc()
    notes: list[str] = []
    found = gather_sources(ws, files, notes, now=now)
    plan, digest, failure = find_readable_plan(ws, is_taken_in=True)
    notes += [f"the plan was left out: {failure}"] if failure else []
    sources = found.sources
    setting = Setting(
        project_name=ws.project_name,
        base_branch=ws.config.git.base_branch,
        branch_prefix=ws.config.git.branch_prefix,
        lineage=uuid.uuid4().hex,
        command_prefix=ws.command_prefix,
        plan_path=plan_path(ws.config),
        actor=ws.actor,
        now=now,
    )
    rebuilding = Rebuilding(sources, setting)
    planned = None
    if plan is not None:
        replanted = replant(
            plan,
            rebuilding.empty,
            rebuilding.work,
            digest=digest,
            plan_path=setting.plan_path,
            base_branch=setting.base_branch,
            branch_prefix=setting.branch_prefix,
            now=now,
        )
        planned = replanted.snapshot
        notes += [replanted.note] if replanted.note else []
    rebuilt = rebuilding.build(planned)
    snapshot, backlog = _follow_backlog(ws, rebuilt.snapshot, notes)
    baseline = _read_dirt(ws, now=now)
    notes += [*rebuilt.notes, *_unknown(ws, sources.history, baseline)]
    new = _encode(ws, snapshot, baseline, now=now)
    done = StateRebuilt(
        outcome="rehearsed",
        counts=_count(snapshot),
        milestones=_statuses(snapshot),
        notes=tuple(notes),
        branches=tuple(found.missing_branches),
    )
    return done, _Effects(state=new, branches=found.missing_branches, backlog=backlog)


def _count(snapshot: Snapshot) -> dict[str, int]:
    done = sum(task.status == "done" for task in snapshot.tasks.values())
    return {
        "milestone": len(snapshot.milestones),
        "task": len(snapshot.tasks),
        "done": done,
        "adr": len(snapshot.adrs),
    }


def _statuses(snapshot: Snapshot) -> dict[str, str]:
    return {milestone.id: milestone.status for milestone in snapshot.milestones.values()}


def _follow_backlog(ws: Workspace, snapshot: Snapshot, notes: list[str]) -> tuple[Snapshot, bytes | None]:
    """The backlog's text in which items have the status of their tasks, and the state that knows that as aiw's."""
    from ai_workflow.plan.backlog_edits import Editor
    from ai_workflow.plan.pending_edits import add_backlog_edits
    from ai_workflow.services.backlog_file import find_text

    project = snapshot.require_project()
    wanted = follow_edits(Snapshot(project=project, entities={}), snapshot)
    rel = backlog_path(ws.config)
    try:
        text = find_text(ws.root, rel)
        if not wanted or text is None:
            return snapshot, None
        editor = Editor(text, path=rel)
        edits: list[BacklogEdit] = []
        for edit in wanted:
            item = editor.find(edit.item_id)
            if item is not None and not item.is_implied and item.status not in (edit.status, "rejected"):
                editor.apply(edit)
                edits.append(edit)
    except AiwError as error:
        notes.append(f"the backlog does not follow: {error.message}")
        return snapshot, None
    if not edits:
        return snapshot, None
    notes.append(f"the backlog follows its tasks: {', '.join(f'{one.item_id} is {one.status}' for one in edits)}")
    pending = add_backlog_edits(project.pending_edits, edits, path=rel)
    return snapshot.apply(Changes(put=(replace(project, pending_edits=pending),))), editor.text().encode()


def _read_dirt(ws: Workspace, *, now: str) -> Baseline | None:
    """What lies uncommitted counts as the user's: whose it was nobody can tell, and theirs is never committed."""
    from ai_workflow.services.changeset import collect_dirt, make_baseline

    if find_commit(ws.repository.git, "HEAD") is None:
        return None
    dirt = collect_dirt(ws, read_status(ws.repository.git))
    return make_baseline("core", dirt.paths, now=now)


def _unknown(ws: Workspace, history: History, baseline: Baseline | None) -> list[str]:
    notes = []
    if is_shallow(ws.repository.git):
        notes.append("the history here is cut off (shallow), so older work is unknown: git fetch --unshallow")
    if history.tasks or history.merges:
        notes.append(
            "not in git, so not restored: runs, blockers, recoveries, decisions about tasks, claims, times of claims,"
            " the log of operations (what was done before cannot be undone by aiw), tasks added or changed by command"
        )
    if baseline is not None and baseline.paths:
        shown = [show_path(ws.repository.to_root(key_to_path(key))) for key in baseline.paths]
        more = f" and {len(shown) - 8} more" if len(shown) > 8 else ""
        notes.append(
            f"uncommitted, counts as yours and stays out of tasks' commits unless adopted (agent finish --adopt PATH):"
            f" {', '.join(shown[:8])}{more}"
        )
    return notes


def _encode(ws: Workspace, snapshot: Snapshot, baseline: Baseline | None, *, now: str) -> NewState:
    project = replace(snapshot.require_project(), serial=1, documents=_own_documents(ws))
    groups = (snapshot.milestones, snapshot.tasks, snapshot.lanes, snapshot.adrs, snapshot.blockers)
    entities = [one for group in groups for one in group.values()]
    founding = Founding(
        name=NAME,
        event=make_event("state_rebuilt", "state rebuilt from plan and commits", now=now, actor=ws.actor),
        final="it was made from what commits and files tell, there is no state before it",
    )
    return found_state(ws.store, founding, project, [*entities, *([baseline] if baseline is not None else [])])


def _own_documents(ws: Workspace) -> dict[str, str]:
    """Digests of the documents that are as `init` writes them: nobody edited those."""
    from ai_workflow.services.init import render_documents

    found = {}
    for rel, text in render_documents(ws).items():
        if fsio.find_bytes(os.path.join(ws.root, *rel.split("/"))) == text.encode():
            found[rel] = fsio.sha256_of(text.encode())
    return found


def _keep(ws: Workspace, files: Mapping[str, bytes]) -> str | None:
    """Copies what lies in the state's place, byte for byte; returns where to."""
    written = []
    for rel, data in files.items():
        name = f"{rel}-{fsio.sha256_of(data)[:12]}"
        path = os.path.join(ws.layout.workspace, *KEPT.split("/"), *name.split("/"))
        fsio.write_if_changed(path, data, temp_dir=ws.layout.temp)
        written.append(path)
    fsio.sync_files(written)
    return f"{ws.layout.workspace_rel}/{KEPT}" if written else None
