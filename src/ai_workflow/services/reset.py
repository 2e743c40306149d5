"""Begins a workspace anew, and brings it back (spec §6.10).

Both go the same way: an archive of what is there, then the state in one commit of the journal, then what is generated.
Killed anywhere, the same command again ends in the same state; the archive that was made is not made twice.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator, Mapping

import msgspec
from msgspec.structs import replace

from ai_workflow import folders, fsio
from ai_workflow.config.ownership import handoff_paths, plan_path
from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.refs import list_branches
from ai_workflow.models.base import Record
from ai_workflow.models.ids import highest_number
from ai_workflow.models.lane import Lane
from ai_workflow.models.project import Counters, Project
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.status import MILESTONE_CLOSED, TASK_ACTIVE
from ai_workflow.policy.events import make_event
from ai_workflow.services import resume, state_archive
from ai_workflow.services.history import read_history
from ai_workflow.services.state_archive import REPLACED, RESET, Archive
from ai_workflow.services.workspace import Workspace
from ai_workflow.store.codec import encode
from ai_workflow.store.founding import Founding, NewState, found_state
from ai_workflow.store.whole import WholeState

_NAME = "reset workspace"
_WORK = ("milestones", "tasks", "runs", "blockers", "baselines")
"""Folders of the state in which nothing lies after a reset."""
_COUNTED = {"task": "tasks", "run": "runs", "adr": "adrs", "blocker": "blockers", "operation": "operations"}


class ResetDone(Record, frozen=True, kw_only=True):
    """What a reset did."""

    outcome: str
    """`reset`, or `nothing` when the state was new already."""
    archive: str | None
    """Path relative to the root."""
    active_task: str | None = None
    """The task that was active: its uncommitted work stays where it is."""
    branches: tuple[str, ...] = ()
    """Milestone branches that stay in git."""
    parked: tuple[str, ...] = ()
    """Refs of parked work that stay in git."""
    left: tuple[str, ...] = ()
    """Files in the generated folders that no archive holds, so that they stay; paths relative to the root."""


class RestoreDone(Record, frozen=True, kw_only=True):
    """What a restore did."""

    outcome: str
    """`restored`, or `nothing` when everything was so already."""
    archive: str
    replaced: str | None = None
    """The archive of what was there before, path relative to the root."""
    notes: tuple[str, ...] = ()
    """What is not as it was then, and why."""


def reset(ws: Workspace, *, renews_handoffs: bool = False) -> ResetDone:
    """Archives the workspace and begins anew; ids go on, files of the repository and git branches stay.

    Args:
        renews_handoffs: whether the handoffs are written as the new state wants them.

    Raises:
        AiwError: LOCKED while a finish is under way; STATE while one is half done; IO.
    """
    with _alone(ws, _NAME) as whole:
        snapshot = ws.store.snapshot()
        _require_settled(snapshot)
        named = {milestone.branch for milestone in snapshot.milestones.values() if milestone.branch}
        counters = _highest(ws, snapshot, whole.files)
        done = ResetDone(outcome="nothing", archive=None)
        if _holds_work(snapshot, whole.files):
            lineage = snapshot.project.lineage if snapshot.project else None
            files = state_archive.collect(ws, whole.files)
            archive = state_archive.write_archive(ws, RESET, files, lineage=lineage, counters=counters, branches=named)
            active = next((task.id for task in snapshot.tasks.values() if task.status in TASK_ACTIVE), None)
            new = _new_state(ws, snapshot, counters)
            decisions = {rel: data for rel, data in whole.files.items() if rel.startswith("adrs/")}
            whole.replace({**decisions, **new.files}, operation=new.operation)
            done = ResetDone(outcome="reset", archive=archive, active_task=active)
        whole.remove_empty_folders()
        left = _find_unsaved(ws, RESET, {})
        _put_generated(ws, {rel: data for rel, data in state_archive.read_generated(ws).items() if rel in left})
        if renews_handoffs:
            ws.documents.write_handoffs(ws.store.snapshot())
        branches = [ref.removeprefix("refs/heads/") for ref in list_branches(ws.repository.git)]
        parked = tuple(list_branches(ws.repository.git, "refs/aiw/parked"))
        return replace(done, branches=tuple(name for name in branches if name in named), parked=parked, left=left)


@contextlib.contextmanager
def _alone(ws: Workspace, name: str) -> Iterator[WholeState]:
    """Nothing half done, no finish under way, and the state's lock held.

    Raises:
        AiwError: LOCKED, naming who is at work.
    """
    resume.resume(ws, needs_state=False)
    lease = ws.finish_lease("core", name)
    try:
        lease.acquire(deadline_s=0)
    except AiwError as error:
        raise AiwError(
            Kind.LOCKED,
            f"a task is being finished: {error.message.partition(': ')[2]}",
            hint="wait for it to end, then run the same command again",
        ) from error
    try:
        with ws.store.whole(name) as whole:
            yield whole
    finally:
        lease.release()


def _require_settled(snapshot: Snapshot) -> None:
    if snapshot.intents:
        intent = next(iter(snapshot.intents.values()))
        raise AiwError(
            Kind.STATE,
            f"{intent.kind} of {intent.task_id or 'the workspace'} ({intent.id}) is half done",
            hint="any writing command settles it when its own has ended, e.g. aiw next; then run this one again",
        )


def _holds_work(snapshot: Snapshot, files: Mapping[str, bytes]) -> bool:
    """Whether there is anything that a reset would put away."""
    return snapshot.project is None or bool(snapshot.damaged) or any(rel.split("/")[0] in _WORK for rel in files)


def _highest(ws: Workspace, snapshot: Snapshot, files: Mapping[str, bytes]) -> Counters:
    """The highest numbers given out: by the counters, by the names of files, and by the archives and commits when
    there are no counters to read."""
    project = snapshot.project
    known = project.counters if project else Counters()
    if project is not None:
        known = replace(known, workpackage=max(known.workpackage, project.package_number if project.workpackage else 0))
    seen = {kind: _numbers_in(files, folder) for kind, folder in _COUNTED.items()}
    found = [known, Counters(**seen)]
    if project is None:
        for name in state_archive.list_archives(ws):
            with contextlib.suppress(AiwError):
                found.append(state_archive.read_manifest(ws, name).counters)
        found.append(read_history(ws).highest)
    names = msgspec.structs.fields(Counters)
    return Counters(**{field.name: max(getattr(one, field.name) for one in found) for field in names})


def _numbers_in(files: Mapping[str, bytes], folder: str) -> int:
    return highest_number(rel.rpartition("/")[2] for rel in files if rel.startswith(f"{folder}/"))


def _new_state(ws: Workspace, snapshot: Snapshot, counters: Counters) -> NewState:
    """A state as `init` makes it, which goes on counting, and keeps the decisions and whose documents are whose."""
    now = ws.clock.now_utc()
    old = snapshot.project
    project = Project(
        project_name=old.project_name if old else ws.project_name,
        base_branch=ws.config.git.base_branch,
        lineage=old.lineage if old else uuid.uuid4().hex,
        serial=(old.serial if old else 0) + 1,
        counters=counters,
        scaffold_commit=old.scaffold_commit if old else None,
        documents=old.documents if old else {},
        pending_edits=old.pending_edits if old else (),
        accepted=old.accepted if old else None,
        created_at=old.created_at if old else now,
        updated_at=now,
    )
    lane = Lane(id="core", created_at=now, updated_at=now)
    founding = Founding(
        name=_NAME,
        event=make_event("workspace_reset", "workspace begun anew", now=now, actor=ws.actor),
        final=f"what was there before is in an archive, see {ws.command('workspace restore --list')}",
    )
    return found_state(ws.store, founding, project, [lane])


def _find_unsaved(
    ws: Workspace, kind: str, wanted: Mapping[str, bytes], *, plan: bytes | None = None
) -> tuple[str, ...]:
    """Files that would go or be written over, and that the newest archive of a kind does not hold as they are.

    Anybody may have put files of their own where aiw generates its own; paths relative to the root.

    Args:
        wanted: the generated files as they are to be.
        plan: the plan that is to be put in place, or None.
    """
    there = state_archive.read_generated(ws)
    at_risk = {rel: data for rel, data in there.items() if wanted.get(rel) != data}
    rel = plan_path(ws.config)
    own_plan = fsio.find_bytes(os.path.join(ws.root, *rel.split("/"))) if plan is not None else None
    if own_plan is not None and own_plan != plan and not ws.config.plan.commit:
        at_risk[rel] = own_plan
    saved = state_archive.find_digests(ws, kind)
    return tuple(rel for rel, data in at_risk.items() if saved.get(rel) != fsio.sha256_of(data))


def _put_generated(ws: Workspace, wanted: Mapping[str, bytes]) -> bool:
    """Makes the generated files exactly these; returns whether anything was different."""
    there = state_archive.read_generated(ws)
    for rel in there:
        if rel not in wanted:
            fsio.remove_file(ws.layout.in_root(rel))
    for rel, data in wanted.items():
        if there.get(rel) != data:
            fsio.write_file(ws.layout.to_write(rel), data, temp_dir=ws.layout.temp, durable=False)
    for rel in state_archive.generated_roots(ws):
        if rel.endswith("/"):
            folders.remove_empty_folders(ws.layout.in_root(rel.rstrip("/")))
    return there != wanted


def restore(ws: Workspace, name: str | None, *, is_forced: bool = False) -> RestoreDone:
    """Brings an archived workspace back, after archiving what is there.

    Args:
        name: an archive's name or path; None takes the newest that a reset made.
        is_forced: whether an archive of another workspace is taken too.

    Raises:
        AiwError: NOT_FOUND, CORRUPT for the archive; LOCKED, STATE as `reset`; CONFLICT for another workspace's.
    """
    with _alone(ws, "restore workspace") as whole:
        archive = state_archive.read_archive(ws, name)
        snapshot = ws.store.snapshot()
        _require_settled(snapshot)
        _require_kin(ws, snapshot, archive, is_forced=is_forced)
        counters = _highest(ws, snapshot, whole.files)
        state, notes = _restored_state(ws, archive, snapshot, whole.files, counters)
        others = {rel: data for rel, data in archive.files.items() if not rel.startswith(f"{ws.layout.state_rel}/")}
        plan = others.pop(plan_path(ws.config), None)
        for rel in handoff_paths(ws.config):
            others.pop(rel, None)
        # An archive may come from anywhere: nothing in it is written to where aiw generates nothing.
        generated = {rel: data for rel, data in others.items() if state_archive.is_generated(ws, rel)}
        if foreign := sorted(others.keys() - generated.keys()):
            notes += (f"not put back, because aiw generates no such file: {', '.join(foreign[:5])}",)
        is_new = whole.files != state or state_archive.read_generated(ws) != generated
        replaced = None
        loses_work = whole.files != state and _holds_work(snapshot, whole.files)
        if loses_work or _find_unsaved(ws, REPLACED, generated, plan=plan):
            named = {milestone.branch for milestone in snapshot.milestones.values() if milestone.branch}
            lineage = snapshot.project.lineage if snapshot.project else None
            files = state_archive.collect(ws, whole.files)
            replaced = state_archive.write_archive(
                ws, REPLACED, files, lineage=lineage, counters=counters, branches=named
            )
        whole.replace(state, operation=f"restore of {archive.name}")
        whole.remove_empty_folders()
        _put_generated(ws, generated)
        notes += _put_plan(ws, plan)
        notes += _missing_refs(ws, archive)
        outcome = "restored" if is_new else "nothing"
        return RestoreDone(outcome=outcome, archive=archive.name, replaced=replaced, notes=notes)


def _require_kin(ws: Workspace, snapshot: Snapshot, archive: Archive, *, is_forced: bool) -> None:
    if archive.manifest.workspace_dir != ws.config.workspace_dir:
        raise AiwError(
            Kind.CONFLICT,
            f"{archive.name} was made when workspace_dir was {archive.manifest.workspace_dir}",
            hint="set that key back for the restore",
        )
    own = snapshot.project.lineage if snapshot.project else None
    if own is not None and archive.manifest.lineage not in (own, None) and not is_forced:
        raise AiwError(
            Kind.CONFLICT,
            f"{archive.name} is of another workspace than this one",
            hint="if it is to take this one's place: aiw workspace restore ARCHIVE --force",
        )


def _restored_state(
    ws: Workspace, archive: Archive, snapshot: Snapshot, files: Mapping[str, bytes], counters: Counters
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The archived state, byte for byte; only what was given out or decided since then is not taken back."""
    below = f"{ws.layout.state_rel}/"
    state = {rel.removeprefix(below): data for rel, data in archive.files.items() if rel.startswith(below)}
    notes: list[str] = []
    damaged = {damage.path.removeprefix(below) for damage in snapshot.damaged}
    since = {
        rel: data
        for rel, data in files.items()
        if rel.startswith("adrs/") and rel not in damaged and state.get(rel) != data
    }
    if since:
        state.update(since)
        ids = ", ".join(sorted(rel.partition("/")[2].removesuffix(".json") for rel in since))
        notes.append(f"decisions of the repository stay as they are now: {ids}")
    try:
        project = msgspec.json.decode(state.get("project.json", b""), type=Project)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return state, tuple(notes)
    own = replace(counters, operation=0)
    raised = Counters(
        **{
            field.name: max(getattr(project.counters, field.name), getattr(own, field.name))
            for field in msgspec.structs.fields(Counters)
        }
    )
    package = project.workpackage.number if project.workpackage else 0
    raised = replace(
        raised, workpackage=project.counters.workpackage if raised.workpackage <= package else raised.workpackage
    )
    if raised != project.counters:
        state["project.json"] = encode(replace(project, counters=raised))
        notes.append("ids that were given out since then are not given out again")
    return state, tuple(notes)


def _put_plan(ws: Workspace, plan: bytes | None) -> tuple[str, ...]:
    """The plan of that time where the plan is a generated file; one under version control is the repository's."""
    rel = plan_path(ws.config)
    path = os.path.join(ws.root, *rel.split("/"))
    if plan is None or fsio.find_bytes(path) == plan:
        return ()
    if ws.config.plan.commit:
        return (f"{rel} belongs to the repository and stays as it is",)
    had = fsio.find_bytes(path) is not None
    fsio.write_file(path, plan, temp_dir=ws.layout.temp, durable=True)
    return (f"{rel} is the plan of that time again",) if had else ()


def _missing_refs(ws: Workspace, archive: Archive) -> tuple[str, ...]:
    git = ws.repository.git
    there = {**list_branches(git), **list_branches(git, "refs/aiw")}
    gone = [f"{ref} ({sha[:10]})" for ref, sha in archive.manifest.refs.items() if ref not in there]
    return (f"not in this repository any more: {', '.join(gone)}",) if gone else ()


def unmerged_branches(ws: Workspace, snapshot: Snapshot) -> tuple[str, ...]:
    """Branches of milestones that are neither merged nor cancelled, and exist."""
    there = list_branches(ws.repository.git)
    return tuple(
        milestone.branch
        for milestone in snapshot.milestones.values()
        if milestone.branch and milestone.status not in MILESTONE_CLOSED and f"refs/heads/{milestone.branch}" in there
    )
