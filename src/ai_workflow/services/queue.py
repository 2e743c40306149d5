"""Goes on by itself: import what is not imported, start what is next, close what is finished, claim (spec §6.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from ai_workflow import fsio
from ai_workflow.errors import AiwError, ExitCode, Kind
from ai_workflow.models.base import Record
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.status import MILESTONE_CLOSED, TASK_ACTIVE
from ai_workflow.models.task import Task
from ai_workflow.policy.claiming import (
    claimable_tasks,
    explain_waiting,
    find_active_task,
    find_next_milestone,
    is_out_of_band,
    open_milestones,
    require_claimable,
)
from ai_workflow.policy.milestones import is_complete, require_startable
from ai_workflow.services import claim, parking, resume
from ai_workflow.services.plan_place import locate_plan
from ai_workflow.services.workspace import Workspace

if TYPE_CHECKING:
    from ai_workflow.services.closeout import CloseoutResult, Listeners

_MOST_MILESTONES = 10_000
"""More steps than any plan has milestones; a bound, so that a loop without end is an error."""


class Wishes(Record, frozen=True, kw_only=True):
    """What was asked for beyond the usual course."""

    imports_again: bool = False
    """Whether the plan is reconciled even if work of the last one is open."""
    optimizes: bool = False
    """Whether a plan is optimised when it is imported."""
    skips_unmerged: bool = False
    """Whether a finished milestone that cannot be merged yet is passed over."""


class Advance(Record, frozen=True, kw_only=True):
    """How far it went."""

    outcome: str
    """`task`, `complete` (the plan is done) or `blocked`."""
    claim: claim.Claim | None = None
    closeouts: tuple[CloseoutResult, ...] = ()
    """Milestones that were closed, or tried to be, on the way."""

    @property
    def exit_code(self) -> int:
        """What the command ends with."""
        return ExitCode.BLOCKED if self.outcome == "blocked" else ExitCode.OK


def advance(
    ws: Workspace,
    lane_id: str,
    *,
    plan: str | None = None,
    milestone_id: str | None = None,
    task_id: str | None = None,
    hands_out: bool = True,
    wishes: Wishes | None = None,
    listeners: Listeners = (None, None),
) -> Advance:
    """Does whatever is missing until a task is handed out, the plan is complete, or something blocks.

    Args:
        plan: a plan to import if it is not imported yet, path relative to the root; None takes the usual place.
        milestone_id: start this milestone instead of the next in order.
        task_id: claim this task instead of the next in order.
        hands_out: False stops once the milestone is started (`agent bootstrap`).
        wishes: what else was asked for.

    Raises:
        AiwError: every refusal; PLAN when there is no plan, STATE when nothing can be claimed, task by task.
    """
    resume.resume(ws)
    snapshot = ws.store.snapshot()
    snapshot.require_project()
    wishes = wishes or Wishes()
    if task_id is not None and (wanted := _find_wanted(snapshot, lane_id, task_id)) is not None:
        return Advance(outcome="task", claim=take(ws, lane_id, wanted.id))
    if find_active_task(snapshot) is None or wishes.imports_again:
        _import_if_needed(ws, snapshot, plan, wishes)
    done: list[CloseoutResult] = []
    left: set[str] = set()
    for _step in range(_MOST_MILESTONES):
        # Looked at anew in each round: another process may have claimed a task meanwhile.
        snapshot = ws.store.snapshot()
        milestone = _choose(snapshot, milestone_id, active=find_active_task(snapshot), left=left)
        if milestone is None:
            if left:
                return Advance(outcome="blocked", closeouts=tuple(done))
            return _ended(ws, snapshot, done)
        if not is_complete(snapshot, milestone):
            try:
                handed = _go_on(ws, lane_id, snapshot, milestone, task_id=task_id, hands_out=hands_out, wishes=wishes)
            except AiwError as error:
                if error.kind != Kind.STATE or not _has_moved_on(ws, snapshot):
                    raise
                continue
            return Advance(outcome="task", claim=handed, closeouts=tuple(done))
        from ai_workflow.services import closeout

        closed = closeout.advance(ws, milestone.id, listener_of_checks=listeners)
        done.append(closed)
        if closed.outcome != "merged":
            wishes = _pass_over(ws, closed, wishes)
            if not wishes.skips_unmerged:
                return Advance(outcome="blocked", closeouts=tuple(done))
            left.add(milestone.id)
        milestone_id = None
    raise AiwError(Kind.STATE, "the plan has more milestones than aiw can walk through")


def _pass_over(ws: Workspace, closed: CloseoutResult, wishes: Wishes) -> Wishes:
    """The wishes from here on: where the next milestone may be stacked on one whose request is open, it is."""
    stacks = ws.config.git.unmerged_previous == "stack" and closed.milestone.pr.status == "created"
    return replace(wishes, skips_unmerged=True) if stacks else wishes


def take(ws: Workspace, lane_id: str, task_id: str, *, is_started: bool = True) -> claim.Claim:
    """Claims exactly this task; work that was begun on another one is put aside first when this one was made out of
    band, and its milestone started.

    Raises:
        AiwError: STATE when the task cannot be claimed now; GIT when the tree cannot be made ready for it.
    """
    resume.resume(ws)
    snapshot = ws.store.snapshot()
    lane = snapshot.get_lane(lane_id)
    task = snapshot.get_task(task_id)
    if task.status not in TASK_ACTIVE:
        milestone = snapshot.get_milestone(task.milestone_id)
        leaves = lane.milestone_id is None or is_out_of_band(snapshot, milestone)
        require_claimable(snapshot, lane, task, leaves=leaves)
        if leaves:
            require_startable(snapshot, lane, milestone)
        parking.make_room(ws, lane_id, task)
        if leaves:
            from ai_workflow.services import milestones

            milestones.start(ws, lane_id, milestone.id)
    return claim.claim(ws, lane_id, task_id=task_id, is_started=is_started)


def take_next(ws: Workspace, lane_id: str, *, is_started: bool = True) -> claim.Claim:
    """Claims the next task of the milestone under way, or hands the active one out again.

    Raises:
        AiwError: STATE when nothing can be claimed; GIT when the tree cannot be made ready for it.
    """
    resume.resume(ws)
    snapshot = ws.store.snapshot()
    milestone = snapshot.find_milestone(snapshot.get_lane(lane_id).milestone_id)
    if find_active_task(snapshot) is None and milestone is not None:
        waiting = claimable_tasks(snapshot, milestone)
        if waiting:
            parking.make_room(ws, lane_id, waiting[0])
    return claim.claim(ws, lane_id, is_started=is_started)


def _find_wanted(snapshot: Snapshot, lane_id: str, task_id: str) -> Task | None:
    """The named task when it is to be taken as it is named; None when the loop leads to it anyway."""
    task = snapshot.get_task(task_id)
    milestone = snapshot.get_milestone(task.milestone_id)
    is_elsewhere = snapshot.get_lane(lane_id).milestone_id != milestone.id
    return task if task.status not in TASK_ACTIVE and is_elsewhere and is_out_of_band(snapshot, milestone) else None


def _go_on(
    ws: Workspace,
    lane_id: str,
    snapshot: Snapshot,
    milestone: Milestone,
    *,
    task_id: str | None,
    hands_out: bool,
    wishes: Wishes,
) -> claim.Claim | None:
    """Starts or resumes the milestone and hands a task out."""
    active = find_active_task(snapshot)
    claimable = claimable_tasks(snapshot, milestone)
    if active is None and not claimable and not task_id:
        raise _nothing_claimable(ws, snapshot, [milestone, *_others(snapshot, milestone)])
    named = snapshot.get_task(task_id) if task_id else None
    following = active or named or claimable[0]
    if following.milestone_id == milestone.id:
        lane = snapshot.get_lane(lane_id)
        require_startable(snapshot, lane, milestone, allow_unmerged=wishes.skips_unmerged)
        parking.make_room(ws, lane_id, following)
    from ai_workflow.services import milestones

    milestones.start(ws, lane_id, milestone.id, allow_unmerged=wishes.skips_unmerged)
    return claim.claim(ws, lane_id, task_id=task_id) if hands_out else None


def _has_moved_on(ws: Workspace, snapshot: Snapshot) -> bool:
    """Whether the state was changed since: what was refused may have been decided on what is no longer so."""
    return ws.store.snapshot().require_project().serial != snapshot.require_project().serial


def _choose(snapshot: Snapshot, wanted: str | None, *, active: Task | None, left: set[str]) -> Milestone | None:
    if active is not None:
        if wanted not in (None, active.milestone_id):
            status = active.status.replace("_", " ")
            raise AiwError(
                Kind.STATE,
                f"{wanted} cannot be started: {active.id} of {active.milestone_id} is {status}",
                hint=f"finish it first: aiw agent finish --task {active.id} --commit",
            )
        return snapshot.get_milestone(active.milestone_id)
    if wanted is not None:
        milestone = snapshot.get_milestone(wanted)
        if milestone.status in MILESTONE_CLOSED:
            raise AiwError(Kind.STATE, f"{wanted} is {milestone.status}", hint="see `aiw milestone list`")
        return milestone
    return find_next_milestone(snapshot, without=left)


def _others(snapshot: Snapshot, milestone: Milestone) -> list[Milestone]:
    return [other for other in open_milestones(snapshot) if other.id != milestone.id]


def _ended(ws: Workspace, snapshot: Snapshot, done: list[CloseoutResult]) -> Advance:
    waiting = open_milestones(snapshot)
    if waiting:
        raise _nothing_claimable(ws, snapshot, list(waiting))
    return Advance(outcome="complete", closeouts=tuple(done))


def _nothing_claimable(ws: Workspace, snapshot: Snapshot, waiting: list[Milestone]) -> AiwError:
    # A damaged task cannot be explained by its status: name the file instead.
    snapshot.require_undamaged()
    reasons = "\n".join(f"  {line}" for line in explain_waiting(snapshot, waiting))
    blockers = snapshot.open_blockers()
    if blockers:
        return AiwError(Kind.BLOCKED, f"no task can be claimed:\n{reasons}", hint=blockers[-1].next_command)
    return AiwError(
        Kind.STATE, f"no task can be claimed:\n{reasons}", hint=f"see where things stand: {ws.command('status')}"
    )


def _import_if_needed(ws: Workspace, snapshot: Snapshot, plan: str | None, wishes: Wishes) -> None:
    """Imports the plan when none was, when the last one is finished and another lies there, or when it is wished."""
    project = snapshot.require_project()
    full, rel = locate_plan(ws, plan)
    data = fsio.find_bytes(full)
    if data is None:
        has_work = project.workpackage is not None or bool(open_milestones(snapshot))
        if plan is not None or not has_work or wishes.imports_again:
            raise AiwError(
                Kind.PLAN,
                f"there is no plan at {rel}",
                hint=f"write one there (how: {ws.config.agent.operator_prompt}), then `{ws.command('plan validate')}`",
            )
        return
    digest = fsio.sha256_of(data)
    is_imported = project.workpackage is not None and project.workpackage.plan_digest == digest
    if is_imported and not wishes.imports_again:
        if wishes.optimizes:
            ws.talk(f"note: {rel} is imported already, so it was not optimised")
        return
    if project.workpackage is None or not open_milestones(snapshot) or wishes.imports_again:
        from ai_workflow.services import plan_file, plans

        options = plan_file.ImportOptions(optimizes=wishes.optimizes)
        taken = plan_file.import_source(ws, plans.load_plan(ws, plan), options, path=plan)
        if taken.written:
            ws.talk(f"wrote {taken.written}, optimised")
        ws.talk(f"imported {rel}: {taken.imported.summary}")
    else:
        ws.talk(f"note: {rel} has changed since it was imported; take it over with `{ws.command('plan import')}`")
