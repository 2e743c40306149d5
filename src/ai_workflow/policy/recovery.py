"""Recovery: a repair milestone `M01-01` for a task whose checks failed (spec §6.6). Pure.

The failed task is blocked; one recovery task in a milestone of its own, on the same branch, carries the evidence. When
the gates pass the failed task gets its one commit with the fix in it, and the recovery is resolved without a commit.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.base import Record
from ai_workflow.models.blocker import make_blocker_ref
from ai_workflow.models.ids import format_id, id_number, make_slug
from ai_workflow.models.milestone import Milestone, Recovery
from ai_workflow.models.run import CheckResult
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.status import TASK_ACTIVE, TASK_CLOSED
from ai_workflow.models.task import Task
from ai_workflow.policy.blockers import open_blocker, resolve_task_blockers
from ai_workflow.policy.events import make_event
from ai_workflow.policy.gates import describe_failure
from ai_workflow.policy.suspending import cancel_runs, release_active
from ai_workflow.policy.transitions import move

STEP = "checks"
MAX_EVIDENCE = 10
RECOVERS = "recovers: "
"""Begins the note of a recovery's task that names the task it repairs."""


class RecoveryLimits(Record, frozen=True, kw_only=True):
    """When failing checks open a recovery by themselves, and how often it may try: `recovery.*` of the config."""

    is_automatic: bool
    max_attempts: int
    prefix: str = ""
    """What stands before `aiw` in the commands that blockers name, e.g. `uv run `."""


def find_recovery(snapshot: Snapshot, task_id: str) -> Milestone | None:
    """The recovery of this task that is not over yet, or None."""
    return next(
        (
            milestone
            for milestone in snapshot.milestones.values()
            if milestone.recovery is not None
            and milestone.recovery.blocked_task_id == task_id
            and milestone.recovery.recovery_status in ("active", "failed")
        ),
        None,
    )


def get_recovery(snapshot: Snapshot, milestone_id: str) -> tuple[Milestone, Recovery]:
    """The recovery milestone and its record.

    Raises:
        AiwError: NOT_FOUND when the milestone is no recovery.
    """
    milestone = snapshot.get_milestone(milestone_id)
    if milestone.recovery is None:
        raise AiwError(Kind.NOT_FOUND, f"{milestone_id} is not a recovery", hint="see `aiw recovery list`")
    return milestone, milestone.recovery


def get_recovery_task(snapshot: Snapshot, milestone: Milestone) -> Task:
    """The one task of the recovery. Raises AiwError(NOT_FOUND)."""
    return snapshot.get_task(milestone.task_ids[0])


def find_repaired(snapshot: Snapshot, task: Task) -> Task | None:
    """The task that this one repairs, or None when it is no recovery task."""
    milestone = snapshot.find_milestone(task.milestone_id)
    if milestone is None or milestone.recovery is None:
        return None
    return snapshot.find_task(milestone.recovery.blocked_task_id)


def is_own_fault(results: Sequence[CheckResult]) -> bool:
    """Whether the failure is one that work on the task can mend: checks that ran and did not pass."""
    failed = [result for result in results if result.status != "passed"]
    return bool(failed) and all(result.status != "not_started" for result in failed)


def after_failure(
    snapshot: Snapshot, task: Task, results: Sequence[CheckResult], *, limits: RecoveryLimits, now: str, actor: str
) -> Changes:
    """What a finish that did not pass leads to besides its failed run: nothing, a recovery, its next attempt, or a
    person.

    Args:
        task: the task whose gates failed, never the recovery's own.
    """
    milestone = find_recovery(snapshot, task.id)
    if milestone is not None:
        return _next_attempt(snapshot, task, milestone, results, limits=limits, now=now, actor=actor)
    if not limits.is_automatic or limits.max_attempts < 1 or not is_own_fault(results):
        return Changes()
    return open_recovery(snapshot, task, results, prefix=limits.prefix, now=now, actor=actor)


def open_recovery(
    snapshot: Snapshot, task: Task, results: Sequence[CheckResult], *, prefix: str, now: str, actor: str
) -> Changes:
    """The task blocked by its checks, and the recovery's task in its place.

    Raises:
        AiwError: STATE when the task is not under way.
    """
    home = snapshot.get_milestone(task.milestone_id)
    number = 1 + max(
        (id_number(m.id)[-1] for m in snapshot.milestones.values() if m.recovery and m.id.startswith(f"{home.id}-")),
        default=0,
    )
    milestone_id = f"{home.id}-{number:02d}"
    evidence = _evidence(results)
    lane = snapshot.get_lane(task.lane_id or "core")
    blocker, opened = open_blocker(
        snapshot,
        klass="checks",
        step=STEP,
        message=f"the checks of {task.id} failed; {milestone_id} repairs it",
        evidence=evidence,
        next_command=f"{prefix}aiw agent finish --lane {lane.id} --task {task.id} --commit",
        milestone_id=home.id,
        task_id=task.id,
        now=now,
    )
    snapshot = snapshot.apply(opened)
    project = snapshot.require_project()
    task_number = 1 + max(project.counters.task, max((id_number(key)[0] for key in snapshot.tasks), default=0))
    repair_id = format_id("task", task_number)
    blocked = move(task, "block", now=now, blocked_reason=blocker.message, blocker=make_blocker_ref(blocker))
    milestone, repair = make_recovery(task, home, milestone_id, repair_id, evidence, now=now)
    held = replace(
        lane, milestone_id=milestone_id, current_task_id=repair_id, unfinished_task_id=task.id, updated_at=now
    )
    counted = replace(project, counters=replace(project.counters, task=task_number))
    event = make_event(
        "recovery_created", f"{milestone_id} repairs {task.id}", task=repair, now=now, actor=actor, details=evidence
    )
    return opened.then(Changes(put=(counted, blocked, milestone, repair, held), events=(event,)))


def make_recovery(
    task: Task, home: Milestone, milestone_id: str, repair_id: str, evidence: Sequence[str], *, now: str
) -> tuple[Milestone, Task]:
    """The milestone and its one task, under way at once on the branch of the failed task."""
    title = f"Recover {task.id}: {task.title}"
    repair = Task(
        id=repair_id,
        title=title,
        description=_describe(task, evidence),
        status="in_progress",
        milestone_id=milestone_id,
        lane_id=home.lane_id,
        priority="high",
        conflict_scopes=task.conflict_scopes,
        acceptance_criteria=(
            f"Every check of {task.id} passes on the work as it lies in the tree.",
            *task.acceptance_criteria,
        ),
        verify=task.verify,
        notes=(f"{RECOVERS}{task.id}",),
        key=f"{milestone_id}/{make_slug(title)}",
        workpackage=home.workpackage,
        branch=home.branch,
        claimed_at=now,
        started_at=now,
        created_at=now,
        updated_at=now,
    )
    milestone = Milestone(
        id=milestone_id,
        title=f"Recover {task.id}",
        goal=f"{task.id} passes its checks and gets its one commit.",
        status="in_progress",
        lane_id=home.lane_id,
        base_branch=home.base_branch,
        branch=home.branch,
        start_sha=home.start_sha,
        task_ids=(repair_id,),
        workpackage=home.workpackage,
        recovery=Recovery(
            parent_milestone_id=home.id,
            blocked_task_id=task.id,
            return_target=task.id,
            recovery_status="active",
        ),
        created_at=now,
        updated_at=now,
    )
    return milestone, repair


def _evidence(results: Sequence[CheckResult]) -> tuple[str, ...]:
    failed = [describe_failure(result) for result in results if result.status != "passed"]
    return tuple(failed[:MAX_EVIDENCE])


def _describe(task: Task, evidence: Sequence[str]) -> str:
    lines = [
        f"The checks of {task.id} did not pass, and its work lies uncommitted in the tree: find the cause, repair it.",
        f"When the checks pass, {task.id} gets its one commit with the repair in it; this task gets none.",
        *(f"- {line}" for line in evidence),
    ]
    return "\n".join((*lines, "", task.description)).strip()


def _next_attempt(
    snapshot: Snapshot,
    task: Task,
    milestone: Milestone,
    results: Sequence[CheckResult],
    *,
    limits: RecoveryLimits,
    now: str,
    actor: str,
) -> Changes:
    record = milestone.recovery
    assert record is not None
    repair = get_recovery_task(snapshot, milestone)
    if record.recovery_status == "active" and record.recovery_attempt_number < limits.max_attempts:
        again = replace(record, recovery_attempt_number=record.recovery_attempt_number + 1)
        told = replace(repair, description=_describe(task, _evidence(results)), updated_at=now)
        event = make_event(
            "recovery_started",
            f"attempt {again.recovery_attempt_number} at {task.id}",
            task=repair,
            now=now,
            actor=actor,
        )
        return Changes(put=(replace(milestone, recovery=again, updated_at=now), told), events=(event,))
    return _give_up(snapshot, task, milestone, record, repair, results, prefix=limits.prefix, now=now, actor=actor)


def _give_up(
    snapshot: Snapshot,
    task: Task,
    milestone: Milestone,
    record: Recovery,
    repair: Task,
    results: Sequence[CheckResult],
    *,
    prefix: str,
    now: str,
    actor: str,
) -> Changes:
    """The attempts are used up: a person decides. The work stays in the tree until another task is claimed."""
    settled = resolve_task_blockers(snapshot, task.id, now=now)
    blocker, opened = open_blocker(
        snapshot.apply(settled),
        klass="human",
        step="recovery",
        message=f"{milestone.id} tried {record.recovery_attempt_number} times to repair {task.id}, and its checks still"
        " fail",
        evidence=_evidence(results),
        next_command=f"{prefix}aiw recovery start {milestone.id}",
        milestone_id=milestone.id,
        task_id=task.id,
        now=now,
    )
    ref = make_blocker_ref(blocker)
    lane = snapshot.get_lane(task.lane_id or "core")
    stopped = move(repair, "block", now=now, blocked_reason=blocker.message, blocker=ref)
    ended = move(milestone, "block", now=now, recovery=replace(record, recovery_status="failed"), blocker=ref)
    told = replace(snapshot.get_task(task.id), blocked_reason=blocker.message, blocker=ref, updated_at=now)
    free = replace(
        lane, current_task_id=None, milestone_id=record.parent_milestone_id, locked_scopes=(), updated_at=now
    )
    event = make_event(
        "recovery_failed", blocker.message, task=task, now=now, actor=actor, status="blocked", details=blocker.evidence
    )
    home = _resume_home(snapshot, record, now=now)
    return settled.then(opened).then(home).then(Changes(put=(stopped, ended, told, free), events=(event,)))


def _resume_home(snapshot: Snapshot, record: Recovery, *, now: str) -> Changes:
    """The repaired milestone under way again, when it was left together with its recovery."""
    home = snapshot.get_milestone(record.parent_milestone_id)
    return Changes(put=(move(home, "start", now=now),)) if home.status == "ready" else Changes()


def reopen_recovery(snapshot: Snapshot, milestone: Milestone, *, now: str, actor: str) -> Changes:
    """A recovery that was given up tries again, from its first attempt.

    Raises:
        AiwError: STATE when it is not waiting for that.
    """
    record = milestone.recovery
    assert record is not None
    task = snapshot.get_task(record.blocked_task_id or "")
    if record.recovery_status != "failed":
        raise AiwError(
            Kind.STATE,
            f"{milestone.id} is {record.recovery_status}: there is nothing to start",
            hint=f"take the task itself up again: aiw task unblock {task.id}"
            if task.status == "blocked"
            else "see `aiw recovery list`",
        )
    repair = get_recovery_task(snapshot, milestone)
    ready = move(move(repair, "unblock", now=now, blocked_reason=None, blocker=None), "unlock", now=now)
    active = replace(record, recovery_status="active", recovery_attempt_number=1)
    opened = move(milestone, "reopen", now=now, recovery=active, blocker=None)
    told = replace(task, blocked_reason=f"{milestone.id} repairs it", updated_at=now)
    event = make_event("recovery_started", f"{milestone.id} tries again", task=repair, now=now, actor=actor)
    kept = resolve_task_blockers(snapshot, task.id, now=now)
    return kept.then(Changes(put=(ready, opened, told), events=(event,)))


def resolve_recovery(snapshot: Snapshot, task: Task, *, now: str, actor: str) -> Changes:
    """The gates passed: the failed task is under way again, for its commit, and the recovery is over.

    Nothing when the task has no recovery.
    """
    milestone = find_recovery(snapshot, task.id)
    if milestone is None or milestone.recovery is None:
        return Changes()
    repair = get_recovery_task(snapshot, milestone)
    over = move(
        repair,
        "finish",
        now=now,
        finished_at=now,
        no_change_reason=f"the repair is part of the commit of {task.id}",
    )
    record = replace(milestone.recovery, recovery_status="resolved")
    ended = move(milestone, "complete", now=now, recovery=record, blocker=None)
    lane = snapshot.get_lane(task.lane_id or "core")
    back = replace(lane, milestone_id=record.parent_milestone_id, current_task_id=task.id, updated_at=now)
    again = move(task, "recover", now=now, blocked_reason=None, blocker=None)
    event = make_event("recovery_resolved", f"{milestone.id} repaired {task.id}", task=repair, now=now, actor=actor)
    changes = Changes(put=(over, ended, back, again), events=(event,))
    changes = changes.then(_resume_home(snapshot, record, now=now))
    return resolve_task_blockers(snapshot, task.id, now=now).then(changes).then(cancel_runs(snapshot, repair, now=now))


def abort_recovery(
    snapshot: Snapshot, milestone: Milestone, *, reason: str, next_command: str, now: str, actor: str
) -> Changes:
    """The recovery is abandoned; its task stays blocked for a person, its work stays where it is.

    Raises:
        AiwError: STATE when it is over already.
    """
    record = milestone.recovery
    assert record is not None
    if record.recovery_status not in ("active", "failed"):
        raise AiwError(
            Kind.STATE,
            f"{milestone.id} is {record.recovery_status} already",
            hint="see `aiw recovery list`",
        )
    task = snapshot.get_task(record.blocked_task_id or "")
    repair = get_recovery_task(snapshot, milestone)
    lane = snapshot.get_lane(task.lane_id or "core")
    changes = resolve_task_blockers(snapshot, task.id, now=now)
    if repair.status in TASK_ACTIVE:
        changes = changes.then(release_active(snapshot, lane, now=now, actor=actor))
        repair = snapshot.apply(changes).get_task(repair.id)
    blocker, opened = open_blocker(
        snapshot.apply(changes),
        klass="human",
        step="recovery",
        message=f"its recovery {milestone.id} was given up: {reason}",
        next_command=next_command,
        milestone_id=task.milestone_id,
        task_id=task.id,
        now=now,
    )
    ref = make_blocker_ref(blocker)
    told = replace(task, blocked_reason=blocker.message, blocker=ref, updated_at=now)
    put: list[Task | Milestone] = [told]
    if repair.status not in TASK_CLOSED:
        put.append(move(repair, "cancel", now=now, finished_at=now, blocker=None))
    put.append(move(milestone, "cancel", now=now, recovery=replace(record, recovery_status="abandoned"), blocker=None))
    event = make_event("recovery_aborted", blocker.message, task=task, now=now, actor=actor)
    changes = changes.then(opened).then(Changes(put=tuple(put), events=(event,)))
    lane = snapshot.apply(changes).get_lane(lane.id)
    if lane.milestone_id == milestone.id:
        changes = changes.then(Changes(put=(replace(lane, milestone_id=record.parent_milestone_id, updated_at=now),)))
    return changes
