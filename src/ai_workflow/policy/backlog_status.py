"""Keeps the status of backlog items and of their tasks in step, in both directions (spec §5). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.backlog import BacklogEdit
from ai_workflow.models.blocker import Blocker, make_blocker_ref
from ai_workflow.models.ids import format_id, id_number, id_order
from ai_workflow.models.snapshot import AnyEntity, Changes, Snapshot
from ai_workflow.models.status import TASK_ACTIVE, TASK_OPEN, TASK_SATISFIED, BacklogStatus
from ai_workflow.models.task import Task, backlog_ids
from ai_workflow.policy.claiming import refresh_readiness
from ai_workflow.policy.transitions import move

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
    blocked work is left; else active.
    """
    wanted = [task for task in tasks if task.status != "cancelled"]
    if not wanted:
        return "archived" if tasks else None
    if all(task.status in TASK_SATISFIED for task in wanted):
        return "done"
    is_moving = any(task.status in TASK_OPEN and task.status != "blocked" for task in wanted)
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
    reasons = [note.partition(": ")[2] for note in last.notes if note.startswith(("cancel_reason: ", "reason: "))]
    why = f": {reasons[-1]}" if reasons else ""
    return f"{ARCHIVE_REASON}{last.id} was cancelled{why}"


def move_tasks_of_item(
    snapshot: Snapshot, item_id: str, status: BacklogStatus, *, reason: str | None, now: str
) -> Changes:
    """What it changes for the tasks of an item that a person gives this status.

    An item given up cancels its tasks that were not begun, a blocked one blocks them, an active one frees those. An
    item without unfinished tasks changes nothing.

    Args:
        reason: why, for the records.

    Raises:
        AiwError: STATE, naming the task that contradicts and what to type instead.
    """
    tasks = tasks_of_item(snapshot, item_id)
    live = [task for task in tasks if task.status in TASK_OPEN]
    if not live:
        return Changes()
    if status == "active":
        return _free(snapshot, item_id, live, now=now)
    _require_not_begun(item_id, status, tasks)
    if status in ("archived", "rejected"):
        return _give_up(snapshot, live, reason or f"backlog item {item_id} was {status}", now=now)
    if status == "blocked":
        return _hold(snapshot, item_id, live, reason, now=now)
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


def _give_up(snapshot: Snapshot, live: Iterable[Task], reason: str, *, now: str) -> Changes:
    cancelled = [
        move(task, "cancel", now=now, finished_at=now, blocker=None, notes=(*task.notes, f"reason: {reason}"))
        for task in live
    ]
    changes = Changes(put=tuple(cancelled)).then(_resolve(snapshot, [task.id for task in cancelled], now=now))
    return changes.then(refresh_readiness(snapshot.apply(changes), now=now))


def _hold(snapshot: Snapshot, item_id: str, live: Iterable[Task], reason: str | None, *, now: str) -> Changes:
    project = snapshot.require_project()
    number = max([project.counters.blocker, *(id_number(key)[0] for key in snapshot.blockers)])
    put: list[AnyEntity] = []
    message = f"backlog item {item_id} is blocked{f': {reason}' if reason else ''}"
    for task in live:
        if task.status == "blocked":
            continue
        number += 1
        blocker = Blocker(
            id=format_id("blocker", number),
            klass="human",
            step=BLOCKED_STEP,
            message=message,
            since=now,
            next_command=f"aiw backlog edit {item_id} --status active",
            blocked_task_id=task.id,
            blocked_milestone_id=task.milestone_id,
        )
        ref = make_blocker_ref(blocker)
        put += [blocker, move(task, "block", now=now, blocked_reason=message, blocker=ref)]
    if not put:
        return Changes()
    counted = replace(project, counters=replace(project.counters, blocker=number))
    return Changes(put=(counted, *put))


def _free(snapshot: Snapshot, item_id: str, live: Sequence[Task], *, now: str) -> Changes:
    blocked = [task for task in live if task.status == "blocked"]
    ours = [task for task in blocked if task.blocker is not None and task.blocker.step == BLOCKED_STEP]
    if blocked and not ours and len(blocked) == len(live):
        reason = blocked[0].blocked_reason or "no reason was given"
        raise AiwError(
            Kind.STATE,
            f"{item_id} cannot be active: {blocked[0].id} is blocked ({reason})",
            hint=f"clear that first: aiw task unblock {blocked[0].id}",
        )
    freed = [move(task, "unblock", now=now, blocked_reason=None, blocker=None) for task in ours]
    changes = Changes(put=tuple(freed)).then(_resolve(snapshot, [task.id for task in freed], now=now))
    return changes.then(refresh_readiness(snapshot.apply(changes), now=now)) if freed else Changes()


def _resolve(snapshot: Snapshot, task_ids: Sequence[str], *, now: str) -> Changes:
    return Changes(
        put=tuple(
            replace(blocker, status="resolved", resolved_at=now)
            for blocker in snapshot.open_blockers()
            if blocker.blocked_task_id in task_ids
        )
    )


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
