"""Block, unblock, skip, cancel and edit from every status: done, or refused by name (spec §3, §6.8)."""

from __future__ import annotations

from typing import get_args

import pytest
from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.lane import Lane
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.project import Project
from ai_workflow.models.run import Run
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.status import TASK_CLOSED, MilestoneStatus, TaskStatus
from ai_workflow.models.task import Task
from ai_workflow.policy.milestones import cancel_milestone
from ai_workflow.policy.tasks import block_task, edit_task, end_task, unblock_task
from ai_workflow.policy.transitions import TASK_MOVES

NOW = "2026-01-02T03:04:05Z"
STATUSES = get_args(TaskStatus)


def make_state(status: TaskStatus, *, milestone: MilestoneStatus = "in_progress") -> Snapshot:
    """TASK-001 in this status, TASK-002 after it, both of M01, which the lane is on."""
    is_active = status in ("claimed", "in_progress")
    first = Task(
        id="TASK-001", title="one", status=status, milestone_id="M01", lane_id="core", key="M01/one",
        run_ids=("RUN-0001",), created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    second = Task(
        id="TASK-002", title="two", status="planned", milestone_id="M01", key="M01/two", depends_on=("TASK-001",),
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    home = Milestone(
        id="M01", title="m", status=milestone, base_branch="main", branch="ai/m01-m", start_sha="1" * 40,
        lane_id="core", task_ids=("TASK-001", "TASK-002"), created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    run = Run(
        id="RUN-0001", task_id="TASK-001", status="started" if is_active else "cancelled", actor="a", started_at=NOW
    )
    lane = Lane(
        id="core", status="active", milestone_id="M01", current_task_id="TASK-001" if is_active else None,
        unfinished_task_id="TASK-001" if is_active else None, created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    project = Project(project_name="p", base_branch="main", lineage="l", created_at=NOW, updated_at=NOW)
    empty = Snapshot(project=project, entities={}, damaged=())
    return empty.apply(Changes(put=(project, first, second, home, run, lane)))


def decide(snapshot: Snapshot, verb: str) -> Changes:
    task = snapshot.get_task("TASK-001")
    if verb == "block":
        return block_task(snapshot, task, reason="why", next_command="aiw x", now=NOW, actor="a")
    if verb == "unblock":
        return unblock_task(snapshot, task, now=NOW, actor="a")
    return end_task(snapshot, task, verb, reason="why", now=NOW, actor="a")


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("verb", ["block", "unblock", "skip", "cancel"])
def test_every_decision_from_every_status(status: TaskStatus, verb: str) -> None:
    snapshot = make_state(status)
    if status not in TASK_MOVES[verb]:
        with pytest.raises(AiwError) as caught:
            decide(snapshot, verb)
        assert caught.value.kind == Kind.STATE
        assert caught.value.message == f"task TASK-001 is {status}: {verb} is not possible"
        assert caught.value.hint is not None
        assert caught.value.hint.startswith(f"legal moves from {status}: ")
        return
    after = snapshot.apply(decide(snapshot, verb))
    task, lane = after.get_task("TASK-001"), after.get_lane("core")
    expected = {"block": "blocked", "unblock": "ready", "skip": "skipped", "cancel": "cancelled"}[verb]
    assert task.status == expected
    assert lane.current_task_id is None
    assert after.runs["RUN-0001"].status == "cancelled"
    assert lane.unfinished_task_id == snapshot.get_lane("core").unfinished_task_id, "whose work it is stays known"
    assert len(after.open_blockers()) == (1 if verb == "block" else 0)
    assert (task.blocker is not None) == (verb == "block")
    assert after.get_task("TASK-002").status == ("ready" if verb == "skip" else "planned")


@pytest.mark.parametrize("status", STATUSES)
def test_editing_from_every_status(status: TaskStatus) -> None:
    snapshot = make_state(status)
    task = snapshot.get_task("TASK-001")
    if status in TASK_CLOSED:
        with pytest.raises(AiwError, match=f"TASK-001 is {status}: it cannot be edited"):
            edit_task(snapshot, task, {"title": "new"}, reason=None, now=NOW, actor="a")
        return
    after = snapshot.apply(edit_task(snapshot, task, {"title": "new"}, reason=None, now=NOW, actor="a"))
    assert after.get_task("TASK-001").title == "new"
    assert after.get_task("TASK-001").plan_values == {"title": "one"}
    again = edit_task(after, after.get_task("TASK-001"), {"title": "newer"}, reason=None, now=NOW, actor="a")
    assert after.apply(again).get_task("TASK-001").plan_values == {"title": "one"}


def test_edits_that_cannot_be() -> None:
    snapshot = make_state("ready")
    task = snapshot.get_task("TASK-001")
    with pytest.raises(AiwError, match="needs a reason"):
        edit_task(snapshot, task, {}, add_scopes=("x",), reason=None, now=NOW, actor="a")
    with pytest.raises(AiwError, match="would wait for itself by way of TASK-002"):
        edit_task(snapshot, task, {"depends_on": ("TASK-002",)}, reason=None, now=NOW, actor="a")
    with pytest.raises(AiwError, match="would wait for itself"):
        edit_task(snapshot, task, {"depends_on": ("M01",)}, reason=None, now=NOW, actor="a")
    with pytest.raises(AiwError, match="TASK-009 does not exist"):
        edit_task(snapshot, task, {"depends_on": ("TASK-009",)}, reason=None, now=NOW, actor="a")


def test_a_dependency_that_is_cut_frees_the_task() -> None:
    snapshot = make_state("cancelled")
    task = snapshot.get_task("TASK-002")
    after = snapshot.apply(edit_task(snapshot, task, {"depends_on": ()}, reason=None, now=NOW, actor="a"))
    assert after.get_task("TASK-002").status == "ready"


@pytest.mark.parametrize("status", get_args(MilestoneStatus))
@pytest.mark.parametrize("of_task", STATUSES)
def test_cancelling_a_milestone_from_every_status(status: MilestoneStatus, of_task: TaskStatus) -> None:
    snapshot = make_state(of_task, milestone=status)
    milestone = snapshot.get_milestone("M01")
    if status in ("merged", "cancelled", "pr_created"):
        with pytest.raises(AiwError, match=f"milestone M01 is {status}: cancel is not possible"):
            cancel_milestone(snapshot, milestone, reason="why", now=NOW, actor="a")
        return
    after = snapshot.apply(cancel_milestone(snapshot, milestone, reason="why", now=NOW, actor="a"))
    assert after.get_milestone("M01").status == "cancelled"
    expected = of_task if of_task in TASK_CLOSED else "cancelled"
    assert (after.get_task("TASK-001").status, after.get_task("TASK-002").status) == (expected, "cancelled")
    lane = after.get_lane("core")
    assert (lane.status, lane.milestone_id, lane.current_task_id) == ("idle", None, None)
    assert replace(after.get_milestone("M01"), status=status, updated_at=NOW) == milestone
