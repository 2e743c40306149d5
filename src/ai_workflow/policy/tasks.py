"""What people do to single tasks: block, unblock, skip, cancel, edit (spec §6.8). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.blocker import make_blocker_ref
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.status import TASK_ACTIVE, TASK_CLOSED
from ai_workflow.models.task import Decision, Task
from ai_workflow.policy.blockers import open_blocker, resolve_task_blockers
from ai_workflow.policy.claiming import refresh_readiness
from ai_workflow.policy.events import make_event
from ai_workflow.policy.recovery import abort_recovery, find_recovery, find_repaired
from ai_workflow.policy.suspending import cancel_runs
from ai_workflow.policy.transitions import move, require_move

EDITABLE = ("title", "description", "priority", "acceptance_criteria", "verify", "conflict_scopes", "depends_on")
"""Fields of a task that a person may change by command; all of them come from the plan."""


def block_task(
    snapshot: Snapshot, task: Task, *, reason: str, next_command: str, now: str, actor: str, step: str = "task"
) -> Changes:
    """The task waits for a person. Work that lies in the tree stays there until another task is claimed.

    Raises:
        AiwError: STATE when the table forbids it, or the task belongs to a recovery.
    """
    _refuse_recovery_task(snapshot, task, "blocked")
    require_move(task, "block")
    blocker, opened = open_blocker(
        snapshot,
        klass="human",
        step=step,
        message=reason,
        next_command=next_command,
        milestone_id=task.milestone_id,
        task_id=task.id,
        now=now,
    )
    freed = _free(snapshot.apply(opened), task, now=now)
    blocked = move(task, "block", now=now, blocked_reason=reason, blocker=make_blocker_ref(blocker))
    event = make_event("task_blocked", f"{task.id}: {reason}", task=blocked, now=now, actor=actor, status="blocked")
    return opened.then(freed).then(Changes(put=(blocked,), events=(event,)))


def unblock_task(snapshot: Snapshot, task: Task, *, now: str, actor: str) -> Changes:
    """The task can be taken again as soon as its dependencies allow.

    Raises:
        AiwError: STATE when it is not blocked, or a recovery is at work on it.
    """
    recovery = find_recovery(snapshot, task.id)
    if recovery is not None and recovery.recovery is not None:
        is_failed = recovery.recovery.recovery_status == "failed"
        goes_on = f"aiw recovery start {recovery.id}" if is_failed else f"aiw agent finish --task {task.id} --commit"
        raise AiwError(
            Kind.STATE,
            f"{recovery.id} did not manage to repair {task.id}"
            if is_failed
            else f"{task.id} is being repaired by {recovery.id}",
            hint=f"{'try again' if is_failed else 'finish that'} ({goes_on}) or give it up (aiw recovery abort"
            f" {recovery.id} --reason …)",
        )
    _refuse_recovery_task(snapshot, task, "unblocked")
    freed = move(task, "unblock", now=now, blocked_reason=None, blocker=None)
    event = make_event("task_unblocked", f"{task.id} unblocked", task=freed, now=now, actor=actor)
    changes = resolve_task_blockers(snapshot, task.id, now=now).then(Changes(put=(freed,), events=(event,)))
    return changes.then(refresh_readiness(snapshot.apply(changes), now=now))


def end_task(snapshot: Snapshot, task: Task, verb: str, *, reason: str, now: str, actor: str) -> Changes:
    """The task is skipped (its dependants may go on) or cancelled (they wait), with everything that hangs on it.

    Args:
        verb: `skip` or `cancel`.

    Raises:
        AiwError: STATE when the table forbids it.
    """
    _refuse_recovery_task(snapshot, task, "skipped" if verb == "skip" else "cancelled")
    require_move(task, verb)
    changes = Changes()
    recovery = find_recovery(snapshot, task.id)
    if recovery is not None:
        changes = abort_recovery(snapshot, recovery, reason=reason, next_command="aiw status", now=now, actor=actor)
    after = snapshot.apply(changes)
    task = after.get_task(task.id)
    changes = changes.then(resolve_task_blockers(after, task.id, now=now)).then(_free(after, task, now=now))
    decision = Decision(kind=verb, reason=reason, actor=actor, at=now)
    ended = move(
        task,
        verb,
        now=now,
        finished_at=now,
        blocked_reason=None,
        blocker=None,
        decisions=(*task.decisions, decision),
    )
    name = "task_skipped" if verb == "skip" else "task_cancelled"
    event = make_event(name, f"{task.id}: {reason}", task=ended, now=now, actor=actor)
    changes = changes.then(Changes(put=(ended,), events=(event,)))
    return changes.then(refresh_readiness(snapshot.apply(changes), now=now))


def edit_task(
    snapshot: Snapshot,
    task: Task,
    values: Mapping[str, Any],
    *,
    add_scopes: tuple[str, ...] = (),
    reason: str | None,
    now: str,
    actor: str,
) -> Changes:
    """The task with other words, scopes or dependencies; what the plan said of them is kept beside them.

    Args:
        values: field of `EDITABLE` → new value.
        add_scopes: recorded as decisions, with the reason.

    Raises:
        AiwError: STATE for a closed task; USAGE for scopes without a reason; NOT_FOUND for an unknown dependency.
    """
    if task.status in TASK_CLOSED:
        raise AiwError(
            Kind.STATE, f"{task.id} is {task.status}: it cannot be edited", hint=f"see `aiw task show {task.id}`"
        )
    if add_scopes and not reason:
        raise AiwError(
            Kind.USAGE,
            f"--add-scope widens what {task.id} may change, so it needs a reason",
            hint="add --reason 'why this is right'; it is recorded with the task",
        )
    task = find_repaired(snapshot, task) or task
    if "depends_on" in values:
        _require_dependencies(snapshot, task, values["depends_on"])
    changed = {name: value for name, value in values.items() if getattr(task, name) != value}
    known = {name: getattr(task, name) for name in changed if name not in task.plan_values}
    decisions = tuple(
        Decision(kind="add-scope", path=path, reason=reason or "", actor=actor, at=now) for path in add_scopes
    )
    edited = replace(
        task,
        **changed,
        plan_values={**task.plan_values, **known},
        decisions=(*task.decisions, *decisions),
        updated_at=now,
    )
    if edited == replace(task, updated_at=now):
        return Changes()
    told = ", ".join([*changed, *(f"scope {path}" for path in add_scopes)])
    event = make_event("task_edited", f"{task.id}: {told}", task=edited, now=now, actor=actor)
    changes = Changes(put=(edited,), events=(event,))
    return changes.then(refresh_readiness(snapshot.apply(changes), now=now))


def _require_dependencies(snapshot: Snapshot, task: Task, references: tuple[str, ...]) -> None:
    for ref in references:
        if snapshot.find_milestone(ref) is None:
            snapshot.get_task(ref)
    waiting = [task.id]
    seen: set[str] = set()
    while waiting:
        current = waiting.pop()
        found = references if current == task.id else _depends_of(snapshot, current)
        if task.id in found or task.milestone_id in references:
            raise AiwError(
                Kind.STATE,
                f"{task.id} would wait for itself by way of {current}",
                hint=f"see what it depends on: aiw task show {current}",
            )
        waiting += [ref for ref in found if ref not in seen]
        seen.update(found)


def _depends_of(snapshot: Snapshot, reference: str) -> tuple[str, ...]:
    task = snapshot.find_task(reference)
    if task is not None:
        return task.depends_on
    milestone = snapshot.find_milestone(reference)
    return milestone.task_ids if milestone is not None else ()


def drop_parked(task: Task, *, reason: str, now: str, actor: str) -> Changes:
    """The task without its parked work, which cannot be found any more.

    Raises:
        AiwError: STATE when it has none.
    """
    if task.parked is None:
        raise AiwError(Kind.STATE, f"{task.id} has no parked work", hint=f"see `aiw task show {task.id}`")
    decision = Decision(kind="drop-parked", path=task.parked.commit, reason=reason, actor=actor, at=now)
    return Changes(put=(replace(task, parked=None, decisions=(*task.decisions, decision), updated_at=now),))


def _free(snapshot: Snapshot, task: Task, *, now: str) -> Changes:
    """The lane without this task, its runs cancelled; whose work lies in the tree stays known."""
    if task.status not in TASK_ACTIVE:
        return Changes()
    changes = cancel_runs(snapshot, task, now=now)
    lane = snapshot.get_lane(task.lane_id or "core")
    if lane.current_task_id == task.id:
        changes = changes.then(Changes(put=(replace(lane, current_task_id=None, locked_scopes=(), updated_at=now),)))
    return changes


def _refuse_recovery_task(snapshot: Snapshot, task: Task, what: str) -> None:
    repaired = find_repaired(snapshot, task)
    if repaired is not None and task.status not in TASK_CLOSED:
        raise AiwError(
            Kind.STATE,
            f"{task.id} repairs {repaired.id} and cannot be {what} by itself",
            hint=f"give the recovery up: aiw recovery abort {task.milestone_id} --reason …",
        )
