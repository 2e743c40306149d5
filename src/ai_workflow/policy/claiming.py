"""Which task comes next and why the others do not (spec §6.2). Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.dependencies import is_satisfied
from ai_workflow.models.ids import format_id, id_order
from ai_workflow.models.lane import Lane
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.project import Project
from ai_workflow.models.run import Run
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.status import MILESTONE_CLOSED, PRIORITIES, TASK_ACTIVE, TASK_CLOSED, TASK_SATISFIED
from ai_workflow.models.task import Task
from ai_workflow.policy.events import make_event
from ai_workflow.policy.transitions import move, require_move

MAX_REASONS = 20
_READY = "is ready"
KIND_NOTE = "kind: "
"""Begins the note that tells the kind of a task made out of band."""


def unmet_dependencies(snapshot: Snapshot, task: Task) -> tuple[str, ...]:
    """References of the task that are not satisfied yet, in their order."""
    return tuple(ref for ref in task.depends_on if not is_satisfied(snapshot, task, ref))


def refresh_readiness(snapshot: Snapshot, *, now: str) -> Changes:
    """Moves every planned task whose dependencies are satisfied to ready, and back when they no longer are.

    A milestone that nobody has started is ready when one of its tasks can be taken, else planned.
    """
    put: list[Task | Milestone] = []
    for task in snapshot.tasks.values():
        if task.status == "planned" and not unmet_dependencies(snapshot, task):
            put.append(move(task, "unlock", now=now))
        elif task.status == "ready" and unmet_dependencies(snapshot, task):
            put.append(move(task, "relock", now=now))
    after = snapshot.apply(Changes(put=tuple(put)))
    for milestone in after.milestones.values():
        if milestone.status not in ("planned", "ready") or milestone.start_sha is not None:
            continue
        waits = all(task.status in ("planned", "cancelled") for task in after.tasks_of(milestone))
        has_planned = any(task.status == "planned" for task in after.tasks_of(milestone))
        if milestone.status == "ready" and waits and has_planned:
            put.append(move(milestone, "relock", now=now))
        elif milestone.status == "planned" and not (waits and has_planned):
            put.append(move(milestone, "unlock", now=now))
    return Changes(put=tuple(put))


def claimable_tasks(snapshot: Snapshot, milestone: Milestone) -> tuple[Task, ...]:
    """The milestone's tasks that may be claimed now: by priority, then in plan order."""
    ready = [
        task
        for task in snapshot.tasks_of(milestone)
        if task.status in ("planned", "ready") and not unmet_dependencies(snapshot, task)
    ]
    # What was begun and put aside goes first, so that little lies about unfinished.
    return tuple(sorted(ready, key=lambda task: (task.parked is None, PRIORITIES.index(task.priority))))


def find_active_task(snapshot: Snapshot) -> Task | None:
    """The one task that is claimed or in progress, or None."""
    return next((task for task in snapshot.tasks.values() if task.status in TASK_ACTIVE), None)


def open_milestones(snapshot: Snapshot) -> tuple[Milestone, ...]:
    """Milestones of the current workpackage that are neither merged nor cancelled, in numeric order."""
    project = snapshot.require_project()
    current = project.package_number
    found = [m for m in snapshot.milestones.values() if m.status not in MILESTONE_CLOSED and m.workpackage == current]
    return tuple(sorted(found, key=lambda milestone: id_order(milestone.id)))


def find_next_milestone(snapshot: Snapshot, *, without: Collection[str] = ()) -> Milestone | None:
    """The milestone to work on: one under way, else the first in numeric order that has something to do.

    Args:
        without: ids of milestones that are passed over.

    None when the plan is complete or nothing can be claimed; `explain_waiting` tells which.
    """
    everything = [milestone for milestone in open_milestones(snapshot) if milestone.id not in without]
    candidates = [milestone for milestone in everything if milestone.recovery is None]
    for milestone in candidates:
        if is_urgent(snapshot, milestone) and claimable_tasks(snapshot, milestone):
            return milestone
    under_way = next(
        (
            milestone
            for milestone in candidates
            if milestone.status in ("in_progress", "blocked", "done", "pr_created")
            and not is_stuck(snapshot, milestone)
        ),
        None,
    )
    # What is finished but not merged holds the lane, also against a recovery of other work.
    if under_way is not None and under_way.status != "in_progress":
        return under_way
    for milestone in everything:
        if milestone.recovery is not None and claimable_tasks(snapshot, milestone):
            return milestone
    if under_way is not None:
        return under_way
    # One that was left for something urgent comes before one that was never started.
    for milestone in sorted(candidates, key=lambda milestone: milestone.start_sha is None):
        tasks = snapshot.tasks_of(milestone)
        if all(task.status in TASK_CLOSED for task in tasks) or claimable_tasks(snapshot, milestone):
            return milestone
    # Nothing can be taken anywhere: then the one under way tells why.
    return next((milestone for milestone in candidates if milestone.status == "in_progress"), None)


def is_stuck(snapshot: Snapshot, milestone: Milestone) -> bool:
    """Whether a milestone under way waits as a whole: none of its open tasks is active or can be claimed."""
    tasks = snapshot.tasks_of(milestone)
    is_waiting = not any(task.status in TASK_ACTIVE for task in tasks) and not claimable_tasks(snapshot, milestone)
    is_complete = len(tasks) == len(milestone.task_ids) and all(task.status in TASK_CLOSED for task in tasks)
    return milestone.status == "in_progress" and is_waiting and not is_complete


def is_out_of_band(snapshot: Snapshot, milestone: Milestone) -> bool:
    """Whether the milestone was made by `task adhoc` and not by a plan."""
    return any(note.startswith(KIND_NOTE) for task in snapshot.tasks_of(milestone) for note in task.notes)


def is_urgent(snapshot: Snapshot, milestone: Milestone) -> bool:
    """Whether it is a hotfix, which is taken before everything that is not under way already."""
    return any(note == f"{KIND_NOTE}hotfix" for task in snapshot.tasks_of(milestone) for note in task.notes)


def explain_waiting(snapshot: Snapshot, milestones: Sequence[Milestone]) -> tuple[str, ...]:
    """Why no task of these milestones can be claimed, one line a task: at most 20, then a count.

    Args:
        milestones: the one under way first; ready tasks of the others wait for it.
    """
    lines = []
    for milestone in milestones:
        for task in snapshot.tasks_of(milestone):
            if task.status not in TASK_CLOSED:
                why = _explain(snapshot, task)
                is_behind = why == _READY and milestone is not milestones[0]
                lines.append(f"{task.id} {why}{f', but {milestones[0].id} comes first' if is_behind else ''}")
    if len(lines) > MAX_REASONS:
        more = len(lines) - MAX_REASONS
        lines = [*lines[:MAX_REASONS], f"… and {more} more"]
    return tuple(lines)


def _explain(snapshot: Snapshot, task: Task) -> str:
    if task.status == "blocked":
        return f"is blocked: {task.blocked_reason or 'no reason was given'}"
    if task.status in TASK_ACTIVE:
        return f"is {task.status.replace('_', ' ')} already"
    unmet = unmet_dependencies(snapshot, task)
    if unmet:
        return "waits for " + ", ".join(_describe(snapshot, ref) for ref in unmet)
    return _READY


def _describe(snapshot: Snapshot, ref: str) -> str:
    task = snapshot.find_task(ref)
    if task is not None:
        home = snapshot.find_milestone(task.milestone_id)
        if task.status in TASK_SATISFIED and home is not None:
            return f"{ref} (done, but {home.id} is not merged yet)"
        return f"{ref} ({task.status.replace('_', ' ')})"
    milestone = snapshot.find_milestone(ref)
    return f"{ref} ({milestone.status.replace('_', ' ')})" if milestone else f"{ref} (unknown)"


def require_claimable(snapshot: Snapshot, lane: Lane, task: Task, *, leaves: bool = False) -> None:
    """Passes when the lane may claim this task now.

    Args:
        leaves: whether the lane leaves what it is on for this task; what it is on does not count then.

    Raises:
        AiwError: STATE, with the reason and what to type.
    """
    active = find_active_task(snapshot)
    if task.status == "blocked":
        raise AiwError(
            Kind.STATE,
            f"{task.id} cannot be claimed: it {_explain(snapshot, task)}",
            hint=task.blocker.next_command if task.blocker is not None else f"aiw task unblock {task.id}",
        )
    if task.status not in ("planned", "ready") and (active is None or active.id != task.id):
        require_move(task, "claim")
    if active is not None and active.id != task.id and not leaves:
        raise AiwError(
            Kind.STATE,
            f"{task.id} cannot be claimed: {active.id} is {active.status.replace('_', ' ')} ({active.title})",
            hint=f"finish it first: aiw agent finish --lane {lane.id} --task {active.id} --commit",
        )
    unmet = unmet_dependencies(snapshot, task)
    if unmet:
        raise AiwError(
            Kind.STATE,
            f"{task.id} cannot be claimed: it waits for {', '.join(_describe(snapshot, ref) for ref in unmet)}",
            hint=f"take the next one in order: aiw next --lane {lane.id}",
        )
    if leaves:
        return
    if lane.milestone_id != task.milestone_id:
        current = snapshot.find_milestone(lane.milestone_id)
        is_free = current is None or current.status in MILESTONE_CLOSED or is_stuck(snapshot, current)
        raise AiwError(
            Kind.STATE,
            f"{task.id} belongs to {task.milestone_id}, and lane {lane.id} works on {lane.milestone_id or 'nothing'}",
            hint=f"start its milestone: aiw milestone start {task.milestone_id}"
            if is_free
            else f"go on with that first: aiw next --lane {lane.id}",
        )


def claim_task(
    snapshot: Snapshot, lane: Lane, task: Task, *, now: str, actor: str, prompt_path: str, is_started: bool
) -> Changes:
    """What a claim changes: the task, its lane, and a new run.

    Args:
        is_started: whether the prompt is handed out with it (`in_progress`) or not (`claimed`).

    Raises:
        AiwError: STATE, when the task cannot be claimed.
    """
    require_claimable(snapshot, lane, task)
    owner = owner_of_work(snapshot, task)
    if lane.unfinished_task_id not in (None, owner.id):
        # The claim has put that work aside by now, so this is another command's.
        raise AiwError(
            Kind.LOCKED,
            f"{task.id} cannot be claimed: another command has begun with {lane.unfinished_task_id} in the meantime",
            hint="run the same command again",
        )
    project = snapshot.require_project()
    milestone = snapshot.get_milestone(task.milestone_id)
    ready = move(task, "unlock", now=now) if task.status == "planned" else task
    project, run_id = next_run_id(project, snapshot)
    claimed = move(
        ready,
        "start" if is_started else "claim",
        now=now,
        lane_id=lane.id,
        branch=milestone.branch,
        claimed_at=now,
        started_at=now if is_started else None,
        run_ids=(*task.run_ids, run_id),
    )
    run = Run(
        id=run_id,
        lane_id=lane.id,
        milestone_id=milestone.id,
        task_id=task.id,
        status="started",
        actor=actor,
        prompt_path=prompt_path,
        started_at=now,
    )
    held = replace(
        lane,
        current_task_id=task.id,
        unfinished_task_id=owner.id,
        last_run_id=run_id,
        locked_scopes=task.conflict_scopes,
        updated_at=now,
    )
    event = make_event(
        "task_claimed", f"{task.id} claimed by lane {lane.id}", task=claimed, run_id=run_id, now=now, actor=actor
    )
    return Changes(put=(project, claimed, run, held), events=(event,))


def owner_of_work(snapshot: Snapshot, task: Task) -> Task:
    """The task whose work lies in the tree when this one is worked on: for a recovery the task it repairs."""
    milestone = snapshot.find_milestone(task.milestone_id)
    if milestone is None or milestone.recovery is None:
        return task
    return snapshot.find_task(milestone.recovery.blocked_task_id) or task


def start_claimed_task(snapshot: Snapshot, task: Task, *, now: str, actor: str) -> Changes:
    """Hands out the prompt of a task that was only claimed; nothing when it is in progress already."""
    if task.status == "in_progress":
        return Changes()
    started = move(task, "start", now=now, started_at=now)
    event = make_event("task_started", f"{task.id} started", task=started, now=now, actor=actor)
    return Changes(put=(started,), events=(event,))


def next_run_id(project: Project, snapshot: Snapshot) -> tuple[Project, str]:
    """The project with its run counter moved on, and the id that is now taken."""
    taken = max((id_order(run_id)[0][0] for run_id in snapshot.runs), default=0)
    number = max(project.counters.run, taken) + 1
    return replace(project, counters=replace(project.counters, run=number)), format_id("run", number)
