"""What the end of a task changes (spec §6.4 steps 6 and 8). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.run import CheckResult, Run
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.status import TASK_ACTIVE
from ai_workflow.models.task import Decision, Task
from ai_workflow.policy.claiming import find_active_task, next_run_id, refresh_readiness
from ai_workflow.policy.events import make_event
from ai_workflow.policy.recovery import find_recovery, find_repaired, resolve_recovery
from ai_workflow.policy.transitions import move


def require_finishable(snapshot: Snapshot, *, lane_id: str, task_id: str | None) -> Task:
    """The task that a finish is about: the lane's active one, which must be `task_id` when that is given.

    While a recovery is active that is the task it repairs, which may be named by its own id or the recovery's.

    Raises:
        AiwError: STATE or NOT_FOUND.
    """
    lane = snapshot.get_lane(lane_id)
    active = snapshot.find_task(lane.current_task_id) or find_active_task(snapshot)
    repaired = find_repaired(snapshot, active) if active is not None else None
    if repaired is not None and active is not None and task_id in (None, active.id, repaired.id):
        return repaired
    wanted = snapshot.get_task(task_id) if task_id else active
    if wanted is None or active is None:
        if wanted is not None:
            raise AiwError(
                Kind.STATE,
                f"{wanted.id} is {wanted.status.replace('_', ' ')}, not active",
                hint=_find_way_back(snapshot, wanted) or f"claim it first: aiw next --lane {lane_id}",
            )
        left = snapshot.find_task(lane.unfinished_task_id)
        back = _find_way_back(snapshot, left) if left is not None else None
        raise AiwError(
            Kind.STATE,
            f"lane {lane_id} has no active task{f': {left.id} is blocked' if left is not None and back else ''}",
            hint=back or f"claim the next one: aiw next --lane {lane_id}",
        )
    if wanted.id != active.id or wanted.status not in TASK_ACTIVE:
        raise AiwError(
            Kind.STATE,
            f"{wanted.id} is {wanted.status.replace('_', ' ')}; the active task is {active.id} ({active.title})",
            hint=f"finish that one: aiw agent finish --lane {lane_id} --task {active.id} --commit",
        )
    return wanted


def _find_way_back(snapshot: Snapshot, task: Task) -> str | None:
    """The command that takes a blocked task up again; None for other tasks, and while a recovery can be claimed."""
    recovery = find_recovery(snapshot, task.id)
    if recovery is not None and recovery.recovery is not None:
        is_failed = recovery.recovery.recovery_status == "failed"
        return f"aiw recovery start {recovery.id}" if is_failed else None
    if task.status != "blocked":
        return None
    return task.blocker.next_command if task.blocker is not None else f"aiw task unblock {task.id}"


def current_run(snapshot: Snapshot, task: Task) -> Run | None:
    """The task's run that is under way, or None when its last finish failed."""
    runs = [snapshot.runs[run_id] for run_id in task.run_ids if run_id in snapshot.runs]
    return runs[-1] if runs and runs[-1].status == "started" else None


def last_failure(snapshot: Snapshot, task: Task) -> Run | None:
    """The last failed run of the task, unless a later one completed."""
    runs = [snapshot.runs[run_id] for run_id in task.run_ids if run_id in snapshot.runs]
    ended = [run for run in runs if run.status in ("failed", "completed")]
    return ended[-1] if ended and ended[-1].status == "failed" else None


def ensure_run(snapshot: Snapshot, task: Task, *, now: str, actor: str) -> tuple[Changes, Run]:
    """The run that a finish belongs to; a new one when the last has ended."""
    run = current_run(snapshot, task)
    if run is not None:
        return Changes(), run
    project, run_id = next_run_id(snapshot.require_project(), snapshot)
    run = Run(
        id=run_id,
        lane_id=task.lane_id,
        milestone_id=task.milestone_id,
        task_id=task.id,
        status="started",
        actor=actor,
        started_at=now,
    )
    with_run = replace(task, run_ids=(*task.run_ids, run_id), updated_at=now)
    lane = snapshot.lanes.get(task.lane_id or "")
    held = (replace(lane, last_run_id=run_id, updated_at=now),) if lane else ()
    return Changes(put=(project, run, with_run, *held)), run


def fail_task(
    snapshot: Snapshot,
    task: Task,
    run: Run,
    *,
    results: Sequence[CheckResult],
    paths: Sequence[str],
    tree: str | None,
    reasons: Sequence[str],
    audit_path: str,
    now: str,
    actor: str,
) -> Changes:
    """A finish that did not pass: the run is over and failed, the task stays active."""
    failed = move(
        run,
        "fail",
        now=now,
        finished_at=now,
        checks=tuple(results),
        changed_files=tuple(paths),
        tree=tree,
        audit_path=audit_path,
        summary="; ".join(reasons),
    )
    tried = replace(snapshot.get_task(task.id), attempts=task.attempts + 1, audit_path=audit_path, updated_at=now)
    event = make_event(
        "agent_finish", f"{task.id} did not pass", task=task, run_id=run.id, now=now, actor=actor,
        status="failed", details=reasons,
    )  # fmt: skip
    return Changes(put=(failed, tried), events=(event,))


def complete_task(
    snapshot: Snapshot,
    task_id: str,
    run: Run,
    *,
    sha: str | None,
    decisions: Sequence[Decision] = (),
    unproven: str | None = None,
    no_change_reason: str | None = None,
    now: str,
    actor: str,
) -> Changes:
    """The state once the task's commit exists: done, its run completed, the lane free, dependants unlocked.

    Args:
        run: the run with its evidence, still `started`.
        sha: the commit; None with `no_change_reason`.
    """
    recovered = resolve_recovery(snapshot, snapshot.get_task(task_id), now=now, actor=actor)
    snapshot = snapshot.apply(recovered)
    task = snapshot.get_task(task_id)
    done = move(
        task,
        "finish",
        now=now,
        finished_at=now,
        commit_sha=sha,
        audit_path=run.audit_path,
        decisions=(*task.decisions, *decisions),
        unproven=unproven,
        no_change_reason=no_change_reason,
        blocked_reason=None,
        blocker=None,
    )
    completed = move(run, "complete", now=now, finished_at=now, commit_sha=sha)
    lane = snapshot.get_lane(task.lane_id or "core")
    free = replace(lane, current_task_id=None, unfinished_task_id=None, locked_scopes=(), updated_at=now)
    event = make_event("task_done", f"{task.id} done", task=done, run_id=run.id, now=now, actor=actor)
    changes = recovered.then(Changes(put=(done, completed, free), events=(event,)))
    return changes.then(refresh_readiness(snapshot.apply(changes), now=now))
