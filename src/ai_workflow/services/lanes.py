"""Pausing, resuming, closing and freeing the lane (spec §6.8)."""

from __future__ import annotations

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.lane import Lane
from ai_workflow.policy.lanes import close_lane, free_lane, pause_lane, resume_lane
from ai_workflow.services import resume
from ai_workflow.services.workspace import Workspace


def pause(ws: Workspace, lane_id: str) -> Lane:
    """Nothing more is handed out. Raises AiwError(STATE)."""
    resume.resume(ws)
    with ws.store.transaction(f"pause lane {lane_id}") as change:
        change.apply(pause_lane(change.before.get_lane(lane_id), now=change.now, actor=ws.actor))
    return change.after.get_lane(lane_id)


def unpause(ws: Workspace, lane_id: str) -> Lane:
    """Tasks are handed out again. Raises AiwError(STATE)."""
    resume.resume(ws)
    with ws.store.transaction(f"resume lane {lane_id}") as change:
        lane = change.before.get_lane(lane_id)
        change.apply(resume_lane(change.before, lane, now=change.now, actor=ws.actor))
    return change.after.get_lane(lane_id)


def close(ws: Workspace, lane_id: str) -> Lane:
    """The lane is finished until a milestone is started. Raises AiwError(STATE)."""
    resume.resume(ws)
    with ws.store.transaction(f"finish lane {lane_id}") as change:
        lane = change.before.get_lane(lane_id)
        change.apply(close_lane(change.before, lane, now=change.now, actor=ws.actor))
    return change.after.get_lane(lane_id)


def free(ws: Workspace, lane_id: str, *, reason: str) -> Lane:
    """The lane lets go of its task and milestone, both ready to be taken again; no work is touched.

    Raises:
        AiwError: USAGE without a reason; LOCKED while its task is being finished.
    """
    resume.resume(ws)
    if not reason.strip():
        raise AiwError(Kind.USAGE, "freeing a lane needs a reason", hint="add --reason 'why'; it is recorded")
    with ws.finishing(lane_id, "its task"), ws.store.transaction(f"free lane {lane_id}") as change:
        lane = change.before.get_lane(lane_id)
        change.apply(free_lane(change.before, lane, reason=reason.strip(), now=change.now, actor=ws.actor))
    return change.after.get_lane(lane_id)
