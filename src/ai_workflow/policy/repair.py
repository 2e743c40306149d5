"""What brings statuses and references that contradict each other back into step (spec §3, §7.5). Pure.

Only what follows from the rest of the state without doubt: nothing is finished, merged or thrown away by it. Without
damage, kills and hand edits there is nothing to repair.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from ai_workflow.models.base import Record
from ai_workflow.models.ids import id_order
from ai_workflow.models.lane import Lane
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.status import MILESTONE_CLOSED, TASK_ACTIVE, TASK_CLOSED
from ai_workflow.models.task import Decision, Task
from ai_workflow.policy.claiming import owner_of_work, refresh_readiness
from ai_workflow.policy.suspending import cancel_runs
from ai_workflow.policy.transitions import can_move, move

NO_COMMIT = "no commit of it is known"


class Repairs(Record, frozen=True, kw_only=True):
    """What to change."""

    changes: Changes
    told: tuple[str, ...]
    """What each change does, a sentence for people."""
    unsettled: tuple[Task | Milestone, ...]
    """Of the changes: tasks and milestones, as they will be, that only become ready or wait again."""


class _Work:
    """The state as it becomes, and what was done to it."""

    def __init__(self, snapshot: Snapshot, *, now: str, actor: str) -> None:
        self.snapshot = snapshot
        self.now = now
        self.actor = actor
        self.changes = Changes()
        self.told: list[str] = []
        self.damaged = frozenset(d.path.rsplit("/", 1)[-1].removesuffix(".json") for d in snapshot.damaged)

    def apply(self, changes: Changes, sentence: str) -> None:
        self.changes = self.changes.then(changes)
        self.snapshot = self.snapshot.apply(changes)
        self.told.append(sentence)


def plan_repairs(
    snapshot: Snapshot, *, commits: Mapping[str, str] = MappingProxyType({}), now: str, actor: str
) -> Repairs:
    """The repairs that are safe.

    Args:
        commits: task id → the commit that carries its trailers, for tasks whose recorded commit is missing.
        now: UTC, ISO-8601 to the second.
    """
    work = _Work(snapshot, now=now, actor=actor)
    _list_tasks(work)
    _end_recoveries(work)
    _free_lanes(work)
    _settle_active(work)
    _suspend_others(work)
    _resolve_blockers(work)
    _end_runs(work)
    _find_commits(work, commits)
    unsettled: tuple[Task | Milestone, ...] = ()
    if not snapshot.damaged:
        # A dependency whose file cannot be read would look unmet.
        settled = refresh_readiness(work.snapshot, now=now)
        unsettled = tuple(entity for entity in settled.put if isinstance(entity, Task | Milestone))
        for entity in unsettled:
            work.apply(Changes(put=(entity,)), f"{entity.id} is {entity.status}")
    return Repairs(changes=work.changes, told=tuple(work.told), unsettled=unsettled)


def _list_tasks(work: _Work) -> None:
    """Each task listed once, by the milestone that it names."""
    snapshot = work.snapshot
    homes: dict[str, list[Task]] = {}
    for task in snapshot.tasks.values():
        homes.setdefault(task.milestone_id, []).append(task)
    for milestone in snapshot.milestones.values():
        kept = [
            task_id
            for task_id in dict.fromkeys(milestone.task_ids)
            if task_id in work.damaged
            or (task_id in snapshot.tasks and _is_at_home(snapshot, snapshot.tasks[task_id], milestone))
        ]
        own = homes.get(milestone.id, [])
        kept += [task.id for task in sorted(own, key=lambda task: id_order(task.id)) if task.id not in kept]
        if tuple(kept) != milestone.task_ids:
            listed = replace(milestone, task_ids=tuple(kept), updated_at=work.now)
            work.apply(Changes(put=(listed,)), f"{milestone.id} lists {', '.join(kept) or 'no task'}")


def _is_at_home(snapshot: Snapshot, task: Task, milestone: Milestone) -> bool:
    return task.milestone_id == milestone.id or task.milestone_id not in snapshot.milestones


def _end_recoveries(work: _Work) -> None:
    """Recoveries of tasks that are not blocked, or of other recoveries, given up."""
    for milestone in work.snapshot.milestones.values():
        record = milestone.recovery
        if record is None or record.recovery_status not in ("active", "failed"):
            continue
        if {record.parent_milestone_id, record.blocked_task_id} & work.damaged:
            continue
        parent = work.snapshot.find_milestone(record.parent_milestone_id)
        task = work.snapshot.find_task(record.blocked_task_id)
        if parent is not None and parent.recovery is None and task is not None and task.status == "blocked":
            continue
        abandoned = replace(record, recovery_status="abandoned")
        if can_move(milestone, "cancel"):
            ended = move(milestone, "cancel", now=work.now, recovery=abandoned, blocker=None)
        else:
            ended = replace(milestone, recovery=abandoned, updated_at=work.now)
        changes = Changes(put=(ended,))
        for repair in work.snapshot.tasks_of(milestone):
            if repair.status not in TASK_CLOSED:
                cancelled = move(repair, "cancel", now=work.now, finished_at=work.now, blocker=None)
                changes = changes.then(cancel_runs(work.snapshot, repair, now=work.now))
                changes = changes.then(Changes(put=(cancelled,)))
        for lane in work.snapshot.lanes.values():
            if lane.milestone_id == milestone.id and parent is not None:
                changes = changes.then(Changes(put=(replace(lane, milestone_id=parent.id, updated_at=work.now),)))
        work.apply(changes, f"{milestone.id} was given up: there is nothing for it to repair")


def _free_lanes(work: _Work) -> None:
    """Lanes without what they point at, where that is not there or over."""
    for lane in work.snapshot.lanes.values():
        task = work.snapshot.find_task(lane.current_task_id)
        is_free = task is None or task.status not in TASK_ACTIVE
        if lane.current_task_id is not None and is_free and lane.current_task_id not in work.damaged:
            freed = replace(lane, current_task_id=None, locked_scopes=(), updated_at=work.now)
            work.apply(Changes(put=(freed,)), f"lane {lane.id} let go of {lane.current_task_id}")
        milestone = work.snapshot.find_milestone(lane.milestone_id)
        is_over = milestone is None or milestone.status in MILESTONE_CLOSED
        if lane.milestone_id is not None and is_over and lane.milestone_id not in work.damaged:
            left = f"lane {lane.id} left {lane.milestone_id}"
            work.apply(Changes(put=(_detach(work.snapshot.get_lane(lane.id), now=work.now),)), left)


def _detach(lane: Lane, *, now: str) -> Lane:
    if can_move(lane, "detach"):
        return move(lane, "detach", now=now, milestone_id=None, branch=None)
    return replace(lane, milestone_id=None, branch=None, updated_at=now)


def _settle_active(work: _Work) -> None:
    """One active task, held by the lane: the one that it holds, or else the one begun last; others are released."""
    lane = work.snapshot.lanes.get("core")
    active = [task for task in work.snapshot.tasks.values() if task.status in TASK_ACTIVE]
    if lane is None or not active:
        return
    held = lane.current_task_id
    if held in work.damaged:
        return
    if held is None:
        keeper = max(active, key=lambda task: (task.started_at or task.claimed_at or "", id_order(task.id)))
        if _take_up(work, lane, keeper):
            held = keeper.id
    for task in active:
        if task.id != held:
            changes = cancel_runs(work.snapshot, task, now=work.now)
            changes = changes.then(Changes(put=(move(task, "release", now=work.now),)))
            work.apply(changes, f"{task.id} can be claimed again")


def _take_up(work: _Work, lane: Lane, task: Task) -> bool:
    """The lane on this task; False when it is on another milestone, or held back."""
    milestone = work.snapshot.find_milestone(task.milestone_id)
    if milestone is None or lane.status == "paused" or lane.milestone_id not in (None, milestone.id):
        return False
    changes = Changes()
    if milestone.status != "in_progress":
        if not can_move(milestone, "start") or milestone.start_sha is None:
            return False
        changes = Changes(put=(move(milestone, "start", now=work.now, blocker=None),))
    owner = owner_of_work(work.snapshot, task)
    fields: dict[str, Any] = {"milestone_id": milestone.id, "branch": milestone.branch, "current_task_id": task.id}
    fields |= {"unfinished_task_id": owner.id, "locked_scopes": task.conflict_scopes}
    held = move(lane, "start", now=work.now, **fields)
    work.apply(changes.then(Changes(put=(held,))), f"lane {lane.id} works on {task.id}")
    return True


def _suspend_others(work: _Work) -> None:
    """At most one milestone in progress, besides its recoveries: the one that the lane is on, or else the first."""
    running = [m for m in work.snapshot.milestones.values() if m.status == "in_progress" and m.recovery is None]
    on = {lane.milestone_id for lane in work.snapshot.lanes.values()}
    on |= {m.recovery.parent_milestone_id for m in work.snapshot.milestones.values() if m.recovery and m.id in on}
    if len(running) < 2 or on & work.damaged:
        return
    keeper = next((milestone for milestone in running if milestone.id in on), running[0])
    for milestone in running:
        if milestone.id != keeper.id:
            left = move(milestone, "suspend", now=work.now)
            work.apply(Changes(put=(left,)), f"{milestone.id} waits until {keeper.id} is finished")


def _resolve_blockers(work: _Work) -> None:
    for blocker in work.snapshot.open_blockers():
        task_id, milestone_id = blocker.blocked_task_id, blocker.blocked_milestone_id
        if {task_id, milestone_id} & work.damaged:
            continue
        held: Task | Milestone | None = work.snapshot.find_milestone(milestone_id)
        if task_id is not None:
            held = work.snapshot.find_task(task_id)
        if held is None or held.status != "blocked":
            resolved = replace(blocker, status="resolved", resolved_at=work.now)
            work.apply(Changes(put=(resolved,)), f"{blocker.id} is resolved: it held nothing")


def _end_runs(work: _Work) -> None:
    for run in work.snapshot.runs.values():
        task = work.snapshot.find_task(run.task_id)
        is_over = task is None or task.status not in TASK_ACTIVE
        if run.status == "started" and is_over and run.task_id not in work.damaged:
            ended = move(run, "cancel", now=work.now, finished_at=work.now)
            work.apply(Changes(put=(ended,)), f"{run.id} is cancelled: its task is not under way")


def _find_commits(work: _Work, commits: Mapping[str, str]) -> None:
    """Done tasks with the commit that carries their trailers, or shown as unproven."""
    for task in work.snapshot.tasks.values():
        if task.status != "done":
            continue
        found = commits.get(task.id)
        if found is not None and found != task.commit_sha:
            known = replace(task, commit_sha=found, updated_at=work.now)
            work.apply(Changes(put=(known,)), f"{task.id} has the commit {found[:10]}")
        elif not (task.commit_sha or task.no_change_reason or task.unproven):
            decision = Decision(kind="unproven", reason=NO_COMMIT, actor=work.actor, at=work.now)
            shown = replace(task, unproven=NO_COMMIT, decisions=(*task.decisions, decision), updated_at=work.now)
            work.apply(Changes(put=(shown,)), f"{task.id} is shown as unproven: {NO_COMMIT}")
