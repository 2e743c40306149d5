"""The status of backlog items and of their tasks, in step both ways (spec §5)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.backlog import BacklogEdit
from ai_workflow.models.blocker import BlockerRef
from ai_workflow.models.snapshot import Changes
from ai_workflow.models.status import BACKLOG_STATUSES, BacklogStatus, BlockerClass, TaskStatus
from ai_workflow.models.task import Decision, Task
from ai_workflow.policy.backlog_status import (
    find_stranded,
    follow_edits,
    move_tasks_of_item,
    status_of_item,
    tasks_of_item,
)
from rendering.builders import make_milestone, make_snapshot, make_task

NOW = "2026-01-02T03:04:05Z"


def linked(number: int, status: TaskStatus, *notes: str, **fields: Any) -> Task:
    fields = {"notes": ("backlog_id: BLG-001", *notes), **fields}
    return make_task(number, status=status, **fields)


def snapshot_of(*tasks: Task) -> Any:
    return make_snapshot(*tasks, make_milestone(1, tasks))


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((), None),
        (("planned",), "active"),
        (("ready",), "active"),
        (("claimed",), "active"),
        (("in_progress",), "active"),
        (("blocked",), "blocked"),
        (("done",), "done"),
        (("skipped",), "done"),
        (("cancelled",), "archived"),
        (("done", "ready"), "active"),
        (("done", "skipped"), "done"),
        (("done", "cancelled"), "done"),
        (("done", "blocked"), "blocked"),
        (("blocked", "ready"), "active"),
        (("cancelled", "blocked"), "blocked"),
        (("cancelled", "cancelled"), "archived"),
    ],
)
def test_what_an_item_should_be(statuses: tuple[TaskStatus, ...], expected: str | None) -> None:
    for order in itertools.permutations(statuses):
        assert status_of_item([linked(n, status) for n, status in enumerate(order, 1)]) == expected


@pytest.mark.parametrize(("klass", "expected"), [("checks", "active"), ("human", "blocked")])
def test_an_item_whose_task_is_being_recovered_stays_active(klass: BlockerClass, expected: str) -> None:
    blocker = BlockerRef(
        id="BLK-0001", klass=klass, step="checks", message="exit 1", next_command="aiw agent finish", since=NOW
    )
    assert status_of_item([linked(1, "blocked", blocker=blocker), linked(2, "done")]) == expected


def test_an_item_follows_only_when_its_tasks_ask_for_another_status() -> None:
    before = snapshot_of(linked(1, "ready"), linked(2, "ready"), make_task(3, status="ready"))
    claimed = before.apply(Changes(put=(replace(before.tasks["TASK-001"], status="in_progress"),)))
    assert follow_edits(before, claimed) == ()
    one_done = claimed.apply(Changes(put=(replace(before.tasks["TASK-001"], status="done"),)))
    assert follow_edits(claimed, one_done) == ()
    both = one_done.apply(Changes(put=(replace(before.tasks["TASK-002"], status="skipped"),)))
    assert follow_edits(one_done, both) == (BacklogEdit(item_id="BLG-001", status="done"),)
    unlinked = both.apply(Changes(put=(replace(before.tasks["TASK-003"], status="done"),)))
    assert follow_edits(both, unlinked) == ()


def test_new_tasks_make_their_items_active_and_cancelled_ones_archive_them_with_the_reason() -> None:
    empty, full = snapshot_of(), snapshot_of(linked(1, "ready", "backlog_id: BLG-010"), linked(2, "ready"))
    assert follow_edits(empty, full) == (
        BacklogEdit(item_id="BLG-001", status="active"),
        BacklogEdit(item_id="BLG-010", status="active"),
    )
    why = Decision(kind="cancel", reason="too late", actor="a", at=NOW)
    gone = full.apply(
        Changes(put=(replace(linked(1, "cancelled", "backlog_id: BLG-010"), decisions=(why,)), linked(2, "cancelled")))
    )
    assert follow_edits(full, gone) == (
        BacklogEdit(item_id="BLG-001", status="archived", added_notes=("archive_reason: TASK-002 was cancelled",)),
        BacklogEdit(
            item_id="BLG-010", status="archived", added_notes=("archive_reason: TASK-001 was cancelled: too late",)
        ),
    )


@pytest.mark.parametrize("status", BACKLOG_STATUSES)
def test_without_unfinished_tasks_every_status_is_free(status: BacklogStatus) -> None:
    for tasks in ((), (linked(1, "done"),), (linked(1, "cancelled"), linked(2, "skipped"))):
        assert move_tasks_of_item(snapshot_of(*tasks), "BLG-001", status, reason=None, now=NOW, actor="a") == Changes()


@pytest.mark.parametrize("task_status", ["planned", "ready", "claimed", "in_progress", "blocked", "begun"])
@pytest.mark.parametrize("status", BACKLOG_STATUSES)
def test_every_status_of_an_item_with_an_unfinished_task(status: BacklogStatus, task_status: str) -> None:
    task = (
        linked(1, "blocked", started_at=NOW) if task_status == "begun" else linked(1, task_status)  # type: ignore[arg-type]
    )
    snapshot = snapshot_of(task)
    allowed = {
        "archived": {"planned": "cancelled", "ready": "cancelled", "blocked": "cancelled"},
        "blocked": {"planned": "blocked", "ready": "blocked", "blocked": "blocked"},
        "active": {name: name for name in ("planned", "ready", "claimed", "in_progress")},
    }
    allowed["rejected"] = allowed["archived"]
    after = allowed.get(status, {}).get(task_status)
    if after is None:
        with pytest.raises(AiwError) as caught:
            move_tasks_of_item(snapshot, "BLG-001", status, reason=None, now=NOW, actor="a")
        assert caught.value.kind == Kind.STATE
        assert "TASK-001" in caught.value.message
        assert caught.value.hint
    else:
        changes = move_tasks_of_item(snapshot, "BLG-001", status, reason="why", now=NOW, actor="a")
        assert snapshot.apply(changes).tasks["TASK-001"].status == after


def test_blocking_makes_a_blocker_with_a_next_command_and_activating_takes_it_away() -> None:
    snapshot = snapshot_of(linked(1, "ready"), linked(2, "planned", depends_on=("TASK-001",)), linked(3, "done"))
    held = snapshot.apply(move_tasks_of_item(snapshot, "BLG-001", "blocked", reason="legal", now=NOW, actor="a"))
    assert [(task.id, task.status) for task in tasks_of_item(held, "BLG-001")] == [
        ("TASK-001", "blocked"), ("TASK-002", "blocked"), ("TASK-003", "done"),
    ]  # fmt: skip
    assert [blocker.id for blocker in held.open_blockers()] == ["BLK-0001", "BLK-0002"]
    assert held.require_project().counters.blocker == 2
    assert held.open_blockers()[0].next_command == "aiw backlog edit BLG-001 --status active"
    freed = held.apply(move_tasks_of_item(held, "BLG-001", "active", reason=None, now=NOW, actor="a"))
    assert [(task.status, task.blocker) for task in tasks_of_item(freed, "BLG-001")] == [
        ("ready", None), ("planned", None), ("done", None),
    ]  # fmt: skip
    assert freed.open_blockers() == ()


def test_giving_up_is_refused_when_part_of_the_item_is_done() -> None:
    snapshot = snapshot_of(linked(1, "done"), linked(2, "ready"))
    with pytest.raises(AiwError, match="TASK-001 is done, and other tasks of it are not"):
        move_tasks_of_item(snapshot, "BLG-001", "archived", reason=None, now=NOW, actor="a")


def test_tasks_that_wait_for_a_cancelled_one_are_found() -> None:
    before = snapshot_of(linked(1, "ready"), make_task(2, depends_on=("TASK-001",)), make_task(3))
    after = before.apply(move_tasks_of_item(before, "BLG-001", "archived", reason=None, now=NOW, actor="a"))
    assert [task.id for task in find_stranded(before, after)] == ["TASK-002"]
