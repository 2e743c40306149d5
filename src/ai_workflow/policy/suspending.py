"""Leaving a task or a milestone for another one, without ending it (spec §6.7). Pure."""

from __future__ import annotations

from msgspec.structs import replace

from ai_workflow.models.lane import Lane
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.status import TASK_ACTIVE
from ai_workflow.models.task import Parked, Task
from ai_workflow.policy.claiming import owner_of_work
from ai_workflow.policy.events import make_event
from ai_workflow.policy.transitions import can_move, move


def find_work_to_park(snapshot: Snapshot, lane: Lane, next_task: Task) -> Task | None:
    """Whose uncommitted work must be put aside before `next_task` is claimed; None when the tree is free for it."""
    owner = snapshot.find_task(lane.unfinished_task_id)
    return None if owner is None or owner.id == owner_of_work(snapshot, next_task).id else owner


def leave(snapshot: Snapshot, lane: Lane, *, next_milestone_id: str, now: str, actor: str) -> Changes:
    """The lane free for the next milestone: its active task is released, the milestone it is on left as it stands."""
    changes = release_active(snapshot, lane, now=now, actor=actor)
    if lane.milestone_id in (None, next_milestone_id):
        return changes
    after = snapshot.apply(changes)
    left = [
        move(milestone, "suspend", now=now)
        for milestone in _family(after, lane.milestone_id)
        if can_move(milestone, "suspend") and next_milestone_id not in _ids(_family(after, milestone.id))
    ]
    lane = after.get_lane(lane.id)
    return changes.then(Changes(put=(*left, move(lane, "detach", now=now, milestone_id=None, branch=None))))


def _family(snapshot: Snapshot, milestone_id: str | None) -> tuple[Milestone, ...]:
    """The milestone with its recoveries, or the recovery with the milestone that it repairs: they share a branch."""
    milestone = snapshot.find_milestone(milestone_id)
    if milestone is None:
        return ()
    home = milestone.recovery.parent_milestone_id if milestone.recovery else milestone.id
    return tuple(
        other
        for other in snapshot.milestones.values()
        if other.id == home or (other.recovery is not None and other.recovery.parent_milestone_id == home)
    )


def _ids(milestones: tuple[Milestone, ...]) -> set[str]:
    return {milestone.id for milestone in milestones}


def release_active(snapshot: Snapshot, lane: Lane, *, now: str, actor: str) -> Changes:
    """The lane's active task back to ready, its run cancelled; nothing when none is active."""
    task = snapshot.find_task(lane.current_task_id)
    if task is None or task.status not in TASK_ACTIVE:
        return Changes()
    released = move(task, "release", now=now)
    event = make_event("task_released", f"{task.id} was put aside", task=task, run_id=None, now=now, actor=actor)
    free = replace(lane, current_task_id=None, locked_scopes=(), updated_at=now)
    return cancel_runs(snapshot, task, now=now).then(Changes(put=(released, free), events=(event,)))


def cancel_runs(snapshot: Snapshot, task: Task, *, now: str) -> Changes:
    """The task's runs that are under way, cancelled."""
    runs = (snapshot.runs[run_id] for run_id in task.run_ids if run_id in snapshot.runs)
    return Changes(put=tuple(move(run, "cancel", now=now, finished_at=now) for run in runs if run.status == "started"))


def park(snapshot: Snapshot, lane: Lane, owner: Task, *, commit: str, paths: tuple[str, ...], now: str) -> Changes:
    """The work of `owner` is in a saved work and no longer in the tree."""
    parked = replace(owner, parked=Parked(commit=commit, paths=paths, at=now), updated_at=now)
    return Changes(put=(parked, replace(lane, unfinished_task_id=None, updated_at=now)))


def unpark(snapshot: Snapshot, owner_id: str, *, now: str) -> Changes:
    """The work is in the tree again."""
    owner = snapshot.find_task(owner_id)
    return Changes(put=(replace(owner, parked=None, updated_at=now),)) if owner is not None else Changes()
