"""Pausing, resuming, closing and freeing a lane (spec §6.8). Pure."""

from __future__ import annotations

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.lane import Lane
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.status import MILESTONE_CLOSED
from ai_workflow.policy.events import make_event
from ai_workflow.policy.suspending import leave
from ai_workflow.policy.transitions import move


def pause_lane(lane: Lane, *, now: str, actor: str) -> Changes:
    """Nothing more is handed out; the active task can still be finished. Raises AiwError(STATE)."""
    if lane.status == "paused":
        return Changes()
    event = make_event("lane_paused", f"lane {lane.id} paused", lane_id=lane.id, now=now, actor=actor)
    return Changes(put=(move(lane, "pause", now=now),), events=(event,))


def resume_lane(snapshot: Snapshot, lane: Lane, *, now: str, actor: str) -> Changes:
    """Tasks are handed out again. Raises AiwError(STATE) when the lane is not paused."""
    is_on = snapshot.find_milestone(lane.milestone_id) is not None
    event = make_event("lane_resumed", f"lane {lane.id} resumed", lane_id=lane.id, now=now, actor=actor)
    return Changes(put=(move(lane, "resume" if is_on else "wake", now=now),), events=(event,))


def close_lane(snapshot: Snapshot, lane: Lane, *, now: str, actor: str) -> Changes:
    """The lane has nothing to do and says so; starting a milestone opens it again.

    Raises:
        AiwError: STATE while it is on an unfinished milestone.
    """
    current = snapshot.find_milestone(lane.milestone_id)
    if current is not None and current.status not in MILESTONE_CLOSED:
        raise AiwError(
            Kind.STATE,
            f"lane {lane.id} is on {current.id}, which is {current.status.replace('_', ' ')}",
            hint=f"finish that first: aiw milestone finish {current.id}",
        )
    if lane.status == "finished":
        return Changes()
    event = make_event("lane_finished", f"lane {lane.id} finished", lane_id=lane.id, now=now, actor=actor)
    closed = move(lane, "close", now=now, milestone_id=None, branch=None)
    return Changes(put=(closed,), events=(event,))


def free_lane(snapshot: Snapshot, lane: Lane, *, reason: str, now: str, actor: str) -> Changes:
    """The lane let go of its task and milestone, which are ready to be taken again; nothing of them is undone."""
    changes = leave(snapshot, lane, next_milestone_id="", now=now, actor=actor)
    lane = snapshot.apply(changes).get_lane(lane.id)
    task = snapshot.find_task(lane.current_task_id)
    if task is not None:
        # It names a task that is not active: what a kill or a hand edit left.
        changes = changes.then(Changes(put=(replace(lane, current_task_id=None, locked_scopes=(), updated_at=now),)))
    event = make_event("lane_cleanup", f"lane {lane.id} freed: {reason}", lane_id=lane.id, now=now, actor=actor)
    return changes.then(Changes(events=(event,)))
