"""Keeps the status of backlog items and of their tasks in step, in both directions (spec §5). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.backlog import BacklogEdit
from ai_workflow.models.ids import id_order
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.status import TASK_ACTIVE, TASK_OPEN, TASK_SATISFIED, BacklogStatus
from ai_workflow.models.task import Task, backlog_ids, is_under_way
from ai_workflow.policy.tasks import block_task, end_task, unblock_task

ARCHIVE_REASON = "archive_reason: "
"""Begins the note that says why an item was archived."""
BLOCKED_STEP = "backlog"
"""Step of the blockers that come from a blocked item."""


def tasks_of_item(snapshot: Snapshot, item_id: str) -> tuple[Task, ...]:
    """The tasks linked to the item, by number."""
    return tuple(task for task in snapshot.tasks.values() if item_id in backlog_ids(task))


def status_of_item(tasks: Sequence[Task]) -> BacklogStatus | None:
    """The status that an item with these tasks should have; None without tasks.

    Done when all that were not given up are done or skipped; archived when all were given up; blocked when nothing but
    blocked work is left; else active. A task whose recovery goes on is not blocked in this sense: somebody works on it.
    """
    wanted = [task for task in tasks if task.status != "cancelled"]
    if not wanted:
        return "archived" if tasks else None
    if all(task.status in TASK_SATISFIED for task in wanted):
        return "done"
    is_moving = any(is_under_way(task) or (task.status in TASK_OPEN and task.status != "blocked") for task in wanted)
    return "active" if is_moving else "blocked"


def follow_edits(before: Snapshot, after: Snapshot) -> tuple[BacklogEdit, ...]:
    """What a change of tasks makes of the backlog: one edit for each item whose status follows, by number.

    Items whose tasks do not ask for another status than before are left alone, so that what a person wrote there
    meanwhile stays.
    """
    moved = [task for task in after.tasks.values() if before.find_task(task.id) is not task]
    edits = []
    for item_id in sorted({item_id for task in moved for item_id in backlog_ids(task)}, key=id_order):
        tasks = tasks_of_item(after, item_id)
        status = status_of_item(tasks)
        if status is not None and status != status_of_item(tasks_of_item(before, item_id)):
            notes = (_archive_note(tasks),) if status == "archived" else ()
            edits.append(BacklogEdit(item_id=item_id, status=status, added_notes=notes))
    return tuple(edits)


def _archive_note(tasks: Sequence[Task]) -> str:
    last = tasks[-1]
    reasons = [decision.reason for decision in last.decisions if decision.kind == "cancel" and decision.reason]
    why = f": {reasons[-1]}" if reasons else ""
    return f"{ARCHIVE_REASON}{last.id} was cancelled{why}"


def move_tasks_of_item(
    snapshot: Snapshot, item_id: str, status: BacklogStatus, *, reason: str | None, now: str, actor: str
) -> Changes:
    """What it changes for the tasks of an item that a person gives this status.

    An item given up cancels its tasks that were not begun, a blocked one blocks them, an active one frees those. An
    item without unfinished tasks changes nothing.

    Args:
        reason: why, for the records.
        actor: who gives it.

    Raises:
        AiwError: STATE, naming the task that contradicts and what to type instead.
    """
    tasks = tasks_of_item(snapshot, item_id)
    live = [task for task in tasks if task.status in TASK_OPEN]
    if not live:
        return Changes()
    if status == "active":
        return _free(snapshot, item_id, live, now=now, actor=actor)
    _require_not_begun(item_id, status, tasks)
    if status in ("archived", "rejected"):
        return _give_up(snapshot, live, reason or f"backlog item {item_id} was {status}", now=now, actor=actor)
    if status == "blocked":
        return _hold(snapshot, item_id, live, reason, now=now, actor=actor)
    raise AiwError(
        Kind.STATE,
        f"{item_id} cannot be {status}: {live[0].id} is {live[0].status.replace('_', ' ')} ({live[0].title})",
        hint=f"work it off, or give it up: aiw backlog archive {item_id}",
    )


def _require_not_begun(item_id: str, status: str, tasks: Sequence[Task]) -> None:
    for task in tasks:
        was_begun = task.status == "blocked" and task.started_at is not None
        if task.status in TASK_ACTIVE or was_begun:
            state = f"{task.status.replace('_', ' ')}{' and was begun' if was_begun else ''}"
            raise AiwError(
                Kind.STATE,
                f"{item_id} cannot be {status}: {task.id} is {state} ({task.title})",
                hint=f"finish it first: aiw agent finish --task {task.id} --commit",
            )
    done = next((task for task in tasks if task.status == "done"), None)
    if done is not None and status in ("archived", "rejected"):
        raise AiwError(
            Kind.STATE,
            f"{item_id} cannot be {status}: {done.id} is done, and other tasks of it are not",
            hint=f"see what is left: aiw task list; this one is done: aiw task show {done.id}",
        )


def _give_up(snapshot: Snapshot, live: Iterable[Task], reason: str, *, now: str, actor: str) -> Changes:
    changes = Changes()
    for task in live:
        after = snapshot.apply(changes)
        changes = changes.then(end_task(after, after.get_task(task.id), "cancel", reason=reason, now=now, actor=actor))
    return changes


def _hold(
    snapshot: Snapshot, item_id: str, live: Iterable[Task], reason: str | None, *, now: str, actor: str
) -> Changes:
    changes = Changes()
    for task in live:
        if task.status != "blocked":
            after = snapshot.apply(changes)
            blocked = block_task(
                after,
                after.get_task(task.id),
                step=BLOCKED_STEP,
                reason=f"backlog item {item_id} is blocked{f': {reason}' if reason else ''}",
                next_command=f"aiw backlog edit {item_id} --status active",
                now=now,
                actor=actor,
            )
            changes = changes.then(blocked)
    return changes


def _free(snapshot: Snapshot, item_id: str, live: Sequence[Task], *, now: str, actor: str) -> Changes:
    blocked = [task for task in live if task.status == "blocked"]
    ours = [task for task in blocked if task.blocker is not None and task.blocker.step == BLOCKED_STEP]
    if blocked and not ours and len(blocked) == len(live):
        reason = blocked[0].blocked_reason or "no reason was given"
        raise AiwError(
            Kind.STATE,
            f"{item_id} cannot be active: {blocked[0].id} is blocked ({reason})",
            hint=f"clear that first: aiw task unblock {blocked[0].id}",
        )
    changes = Changes()
    for task in ours:
        after = snapshot.apply(changes)
        changes = changes.then(unblock_task(after, after.get_task(task.id), now=now, actor=actor))
    return changes


def find_stranded(before: Snapshot, after: Snapshot) -> tuple[Task, ...]:
    """Open tasks that wait for one that was cancelled between the two, and so can never be claimed."""
    given_up = {
        task.id
        for task in after.tasks.values()
        if task.status == "cancelled" and before.tasks[task.id].status != "cancelled"
    }
    return tuple(
        task for task in after.tasks.values() if task.status in TASK_OPEN and given_up.intersection(task.depends_on)
    )
