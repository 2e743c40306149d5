"""Recoveries by hand: start, resolve, abort (spec §6.6); a failing finish opens them by itself."""

from __future__ import annotations

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.milestone import Milestone
from ai_workflow.policy.claiming import find_active_task
from ai_workflow.policy.finishing import last_failure
from ai_workflow.policy.recovery import (
    abort_recovery,
    find_recovery,
    get_recovery,
    get_recovery_task,
    open_recovery,
    reopen_recovery,
)
from ai_workflow.services import queue, resume
from ai_workflow.services.claim import Claim, hand_out_active
from ai_workflow.services.workspace import Workspace


def start(ws: Workspace, lane_id: str, milestone_id: str) -> Claim:
    """Hands the recovery's task out; one whose attempts are used up begins anew.

    Raises:
        AiwError: STATE when it is over, or another task is active.
    """
    resume.resume(ws)
    with ws.store.transaction(f"start recovery {milestone_id}") as change:
        milestone, record = get_recovery(change.before, milestone_id)
        if record.recovery_status != "active":
            reopened = reopen_recovery(change.before, milestone, now=change.now, actor=ws.actor)
            active = find_active_task(change.before)
            if active is not None:
                raise AiwError(
                    Kind.STATE,
                    f"{milestone_id} cannot be started: {active.id} is active",
                    hint=f"finish it first: {ws.command(f'agent finish --task {active.id} --commit')}",
                )
            change.apply(reopened)
    snapshot = ws.store.snapshot()
    milestone, _record = get_recovery(snapshot, milestone_id)
    task = get_recovery_task(snapshot, milestone)
    handed = queue.advance(ws, lane_id, milestone_id=milestone_id, task_id=task.id)
    assert handed.claim is not None
    return handed.claim


def open_for(ws: Workspace, lane_id: str, task_id: str) -> Milestone:
    """Opens a recovery by hand for the active task, whose last finish failed.

    Raises:
        AiwError: STATE when it is not active, or nothing of it failed.
    """
    resume.resume(ws)
    with ws.store.transaction(f"open a recovery of {task_id}") as change:
        snapshot = change.before
        task = snapshot.get_task(task_id)
        existing = find_recovery(snapshot, task_id)
        active = find_active_task(snapshot)
        failure = last_failure(snapshot, task)
        if existing is None and (active is None or active.id != task_id or failure is None):
            raise AiwError(
                Kind.STATE,
                f"{task_id} is {task.status.replace('_', ' ')} and has no failed finish to recover from",
                hint=f"finish it: {ws.command(f'agent finish --lane {lane_id} --commit')}",
            )
        if existing is None and failure is not None:
            prefix = ws.command_prefix
            change.apply(open_recovery(snapshot, task, failure.checks, prefix=prefix, now=change.now, actor=ws.actor))
    hand_out_active(ws, lane_id)
    found = find_recovery(ws.store.snapshot(), task_id)
    assert found is not None
    return found


def abort(ws: Workspace, milestone_id: str, *, reason: str) -> Milestone:
    """Gives the recovery up; its task stays blocked for a person. Raises AiwError(STATE)."""
    resume.resume(ws)
    if not reason.strip():
        raise AiwError(Kind.USAGE, "giving a recovery up needs a reason", hint="add --reason 'why'")
    with ws.finishing("core", milestone_id), ws.store.transaction(f"abort recovery {milestone_id}") as change:
        milestone, record = get_recovery(change.before, milestone_id)
        change.apply(
            abort_recovery(
                change.before,
                milestone,
                reason=reason.strip(),
                next_command=ws.command(f"task unblock {record.blocked_task_id}"),
                now=change.now,
                actor=ws.actor,
            )
        )
    return change.after.get_milestone(milestone_id)
