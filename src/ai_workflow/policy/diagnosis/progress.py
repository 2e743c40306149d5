"""Whether statuses fit together: no state is without an owner and a next action (spec §3, §6). Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ai_workflow.models.lane import Lane
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.status import MILESTONE_CLOSED, TASK_ACTIVE
from ai_workflow.models.task import Task
from ai_workflow.policy.diagnosis.finding import Diagnosis, Names, damaged_ids
from ai_workflow.policy.milestones import find_unproven, is_complete
from ai_workflow.policy.recovery import find_recovery
from ai_workflow.policy.repair import plan_repairs

_NOT_OVER = ("active", "failed")


def diagnose_progress(snapshot: Snapshot, names: Names) -> Iterator[Diagnosis]:
    """Lanes, active work, blockers, runs and recoveries against each other."""
    damaged = damaged_ids(snapshot)
    for lane in snapshot.lanes.values():
        yield from _diagnose_lane(snapshot, lane, names, damaged)
    yield from _diagnose_activity(snapshot, names, damaged)
    for task in snapshot.tasks.values():
        yield from _diagnose_task(snapshot, task, names, damaged)
    yield from _diagnose_blockers(snapshot, names, damaged)
    yield from _diagnose_runs(snapshot, names, damaged)
    for milestone in snapshot.milestones.values():
        yield from _diagnose_recovery(snapshot, milestone, names, damaged)
        yield from _diagnose_milestone(snapshot, milestone, names, damaged)
    yield from _diagnose_readiness(snapshot, names)


def _diagnose_lane(snapshot: Snapshot, lane: Lane, names: Names, damaged: frozenset[str]) -> Iterator[Diagnosis]:
    path = names.file("lane", lane.id)

    def finding(code: str, what: str) -> Diagnosis:
        return Diagnosis(level="error", code=code, message=f"lane {lane.id} {what}", path=path, fix=names.repair)

    milestone = snapshot.find_milestone(lane.milestone_id)
    if lane.milestone_id is not None and lane.milestone_id not in damaged:
        if milestone is None:
            yield finding("lane-milestone-missing", f"is on {lane.milestone_id}, which does not exist")
        elif milestone.status in MILESTONE_CLOSED:
            yield finding("lane-on-closed-milestone", f"is on {milestone.id}, which is {milestone.status}")
    task = snapshot.find_task(lane.current_task_id)
    if lane.current_task_id is not None and lane.current_task_id not in damaged:
        if task is None:
            yield finding("lane-task-missing", f"works on {lane.current_task_id}, which does not exist")
        elif task.status not in TASK_ACTIVE:
            yield finding("lane-task-not-active", f"works on {task.id}, which is {_words(task.status)}")


def _words(status: str) -> str:
    return status.replace("_", " ")


def _diagnose_activity(snapshot: Snapshot, names: Names, damaged: frozenset[str]) -> Iterator[Diagnosis]:
    active = [task for task in snapshot.tasks.values() if task.status in TASK_ACTIVE]
    held = {lane.current_task_id for lane in snapshot.lanes.values()}
    for task in active:
        if task.id not in held and not damaged.intersection(("core",)):
            yield Diagnosis(
                level="error",
                code="active-task-without-lane",
                message=f"{task.id} is {_words(task.status)}, and no lane works on it",
                path=names.file("task", task.id),
                fix=names.repair,
            )
    if len(active) > 1:
        yield Diagnosis(
            level="error",
            code="several-active-tasks",
            message=f"only one task may be active: {', '.join(task.id for task in active)}",
            path=names.file("task", active[1].id),
            fix=names.repair,
        )
    running = [
        milestone
        for milestone in snapshot.milestones.values()
        if milestone.status == "in_progress" and milestone.recovery is None
    ]
    if len(running) > 1:
        on = {lane.milestone_id for lane in snapshot.lanes.values()}
        others = [milestone for milestone in running if milestone.id not in on] or running[1:]
        yield Diagnosis(
            level="error",
            code="several-active-milestones",
            message=f"only one milestone may be in progress: {', '.join(m.id for m in running)}",
            path=names.file("milestone", others[0].id),
            fix=names.repair,
        )


def _diagnose_task(snapshot: Snapshot, task: Task, names: Names, damaged: frozenset[str]) -> Iterator[Diagnosis]:
    path = names.file("task", task.id)
    if task.status == "blocked" and task.blocker is None and not _has_blocker(snapshot, task):
        yield Diagnosis(
            level="warning",
            code="blocked-without-blocker",
            message=f"{task.id} is blocked, and nothing says by what",
            path=path,
            fix=names.command("task", "unblock", task.id),
        )
    elif task.status == "blocked" and not _has_blocker(snapshot, task) and not _is_blocker_damaged(task, damaged):
        yield Diagnosis(
            level="warning",
            code="blocker-missing",
            message=f"{task.id} is blocked by {task.blocker.id if task.blocker else '?'}, which is not open any more",
            path=path,
            fix=names.command("task", "unblock", task.id),
        )
    has_reason = task.commit_sha or task.no_change_reason or task.unproven
    if task.status == "done" and not has_reason:
        yield Diagnosis(
            level="error",
            code="done-without-commit",
            message=f"{task.id} is done, and neither a commit nor a reason for having none is recorded",
            path=path,
            fix=names.repair,
        )


def _has_blocker(snapshot: Snapshot, task: Task) -> bool:
    """Whether an open blocker or a recovery holds it; the task of a recovery that failed shares that one's blocker."""
    if find_recovery(snapshot, task.id) is not None:
        return True
    if any(blocker.blocked_task_id == task.id for blocker in snapshot.open_blockers()):
        return True
    ref = snapshot.blockers.get(task.blocker.id) if task.blocker else None
    return ref is not None and ref.status == "open"


def _is_blocker_damaged(task: Task, damaged: frozenset[str]) -> bool:
    return task.blocker is not None and task.blocker.id in damaged


def _diagnose_blockers(snapshot: Snapshot, names: Names, damaged: frozenset[str]) -> Iterator[Diagnosis]:
    for blocker in snapshot.open_blockers():
        task_id, milestone_id = blocker.blocked_task_id, blocker.blocked_milestone_id
        if {task_id, milestone_id} & damaged:
            continue
        task, milestone = snapshot.find_task(task_id), snapshot.find_milestone(milestone_id)
        if task_id is not None:
            is_held, what = task is not None and task.status == "blocked", task_id
            state = _words(task.status) if task else "not there"
        else:
            is_held, what = milestone is not None and milestone.status == "blocked", milestone_id or "nothing"
            state = _words(milestone.status) if milestone else "not there"
        if not is_held:
            yield Diagnosis(
                level="warning",
                code="blocker-holds-nothing",
                message=f"{blocker.id} is open and blocks {what}, which is {state}",
                path=names.file("blocker", blocker.id),
                fix=names.repair,
            )


def _diagnose_runs(snapshot: Snapshot, names: Names, damaged: frozenset[str]) -> Iterator[Diagnosis]:
    for run in snapshot.runs.values():
        if run.status != "started" or run.task_id in damaged:
            continue
        task = snapshot.find_task(run.task_id)
        if task is None or task.status not in TASK_ACTIVE:
            state = f"{task.id} is {_words(task.status)}" if task else f"{run.task_id or 'its task'} does not exist"
            yield Diagnosis(
                level="warning",
                code="run-left-open",
                message=f"{run.id} is under way, and {state}",
                path=names.file("run", run.id),
                fix=names.command("run", "finish", run.id, "--status", "cancelled"),
            )


def _diagnose_recovery(
    snapshot: Snapshot, milestone: Milestone, names: Names, damaged: frozenset[str]
) -> Iterator[Diagnosis]:
    record = milestone.recovery
    if record is None or record.recovery_status not in _NOT_OVER:
        return
    path = names.file("milestone", milestone.id)
    parent = snapshot.find_milestone(record.parent_milestone_id)
    if parent is None and record.parent_milestone_id in damaged:
        return
    if parent is None or parent.recovery is not None:
        what = "is itself a recovery" if parent else "does not exist"
        yield Diagnosis(
            level="error",
            code="recovery-parent",
            message=f"{milestone.id} repairs a task of {record.parent_milestone_id}, which {what}",
            path=path,
            fix=names.repair,
        )
        return
    task = snapshot.find_task(record.blocked_task_id)
    if record.blocked_task_id not in damaged and (task is None or task.status != "blocked"):
        state = f"is {_words(task.status)}" if task else "does not exist"
        yield Diagnosis(
            level="error",
            code="recovery-of-nothing",
            message=f"{milestone.id} repairs {record.blocked_task_id}, which {state}",
            path=path,
            fix=names.repair,
        )


def _is_held(snapshot: Snapshot, milestone: Milestone, damaged: frozenset[str]) -> bool:
    ref = milestone.blocker
    if ref is not None and ref.id in damaged:
        return True
    return any(
        blocker.blocked_milestone_id == milestone.id or (ref is not None and blocker.id == ref.id)
        for blocker in snapshot.open_blockers()
    )


def _diagnose_milestone(
    snapshot: Snapshot, milestone: Milestone, names: Names, damaged: frozenset[str]
) -> Iterator[Diagnosis]:
    path = names.file("milestone", milestone.id)
    is_closed = milestone.status in MILESTONE_CLOSED
    if not is_closed and find_unproven(snapshot, milestone):
        accept = ("milestone", "finish", milestone.id, "--accept-unproven", "looked at by hand")
        holds = is_complete(snapshot, milestone)
        yield Diagnosis(
            level="warning" if holds else "info",
            code="unproven",
            message="; ".join(find_unproven(snapshot, milestone)) + f": {milestone.id} is not merged before somebody"
            " accepts that",
            path=path,
            fix=names.command(*accept) if holds else None,
        )
    if milestone.status == "blocked" and not _is_held(snapshot, milestone, damaged):
        yield Diagnosis(
            level="warning",
            code="milestone-blocker-missing",
            message=f"{milestone.id} is blocked, and no open blocker says by what",
            path=path,
            fix=names.command("milestone", "finish" if is_complete(snapshot, milestone) else "start", milestone.id),
        )


def _diagnose_readiness(snapshot: Snapshot, names: Names) -> Iterator[Diagnosis]:
    """Ready although something holds it, or held by nothing and not ready: what `refresh_readiness` would change."""
    for task in plan_repairs(snapshot, now="", actor="").unsettled:
        yield Diagnosis(
            level="warning",
            code="readiness",
            message=f"{task.id} should be {task.status}",
            path=names.file("milestone" if isinstance(task, Milestone) else "task", task.id),
            fix=names.repair,
        )
