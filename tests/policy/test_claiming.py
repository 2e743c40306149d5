"""Which task comes next, and why the others do not (spec §6.2)."""

from __future__ import annotations

from typing import Any

import pytest

from ai_workflow.errors import AiwError
from ai_workflow.models.lane import Lane
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.project import Project, Workpackage
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.task import Task
from ai_workflow.policy.claiming import (
    MAX_REASONS,
    claimable_tasks,
    explain_waiting,
    find_next_milestone,
    refresh_readiness,
    require_claimable,
    unmet_dependencies,
)
from ai_workflow.policy.milestones import is_complete, require_startable

NOW = "2026-01-01T00:00:00Z"


def task(
    number: int, *, status: Any = "planned", milestone: str = "M01", after: tuple[str, ...] = (), **more: Any
) -> Task:
    task_id = f"TASK-{number:03d}"
    return Task(
        id=task_id, title=task_id, status=status, milestone_id=milestone, depends_on=after, key=task_id,
        created_at=NOW, updated_at=NOW, **more,
    )  # fmt: skip


def state(*tasks: Task, **statuses: Any) -> Snapshot:
    """The tasks with their milestones (planned unless a status is given) and an idle lane."""
    package = Workpackage(number=1, plan_path="p", plan_digest="d", imported_at=NOW)
    project = Project(
        project_name="p", base_branch="main", lineage="x", workpackage=package, created_at=NOW, updated_at=NOW
    )
    names = list(dict.fromkeys([one.milestone_id for one in tasks] + list(statuses)))
    milestones = [
        Milestone(
            id=name, title=name, status=statuses.get(name, "planned"), base_branch="main", created_at=NOW,
            updated_at=NOW, task_ids=tuple(one.id for one in tasks if one.milestone_id == name),
        )
        for name in names
    ]  # fmt: skip
    lane = Lane(id="core", created_at=NOW, updated_at=NOW)
    return Snapshot(project=None, entities={}).apply(Changes(put=(project, *milestones, *tasks, lane)))


@pytest.mark.parametrize(
    ("other", "milestone", "is_met"),
    [
        (task(1, status="done"), "in_progress", True),
        (task(1, status="skipped"), "in_progress", True),
        (task(1, status="cancelled"), "in_progress", False),
        (task(1, status="in_progress"), "in_progress", False),
        (task(1, status="done", milestone="M02"), "done", False),
        (task(1, status="done", milestone="M02"), "merged", True),
        (task(1, status="skipped", milestone="M02"), "in_progress", True),
    ],
)
def test_when_a_dependency_is_met(other: Task, milestone: str, is_met: bool) -> None:
    mine = task(2, after=("TASK-001",))
    snapshot = state(other, mine, M02=milestone)
    assert (unmet_dependencies(snapshot, mine) == ()) is is_met


@pytest.mark.parametrize(("status", "is_met"), [("done", False), ("blocked", False), ("merged", True)])
def test_a_whole_milestone_counts_once_it_is_merged(status: str, is_met: bool) -> None:
    mine = task(2, milestone="M02", after=("M01",))
    assert (unmet_dependencies(state(task(1), mine, M01=status), mine) == ()) is is_met


def test_an_unknown_dependency_is_never_met() -> None:
    mine = task(2, after=("TASK-099",))
    snapshot = state(mine)
    assert unmet_dependencies(snapshot, mine) == ("TASK-099",)
    assert explain_waiting(snapshot, [snapshot.get_milestone("M01")]) == ("TASK-002 waits for TASK-099 (unknown)",)


def test_order_is_priority_then_plan() -> None:
    snapshot = state(task(1), task(2, priority="high"), task(3, priority="critical", after=("TASK-001",)), task(4))
    order = [one.id for one in claimable_tasks(snapshot, snapshot.get_milestone("M01"))]
    assert order == ["TASK-002", "TASK-001", "TASK-004"]


@pytest.mark.parametrize(
    ("statuses", "chosen"),
    [
        ({}, "M02"),
        ({"M10": "in_progress"}, "M10"),
        ({"M02": "merged"}, "M10"),
        ({"M02": "blocked"}, "M02"),
        ({"M02": "cancelled", "M10": "merged"}, None),
    ],
)
def test_the_next_milestone_is_the_one_under_way_else_by_number(statuses: dict[str, str], chosen: str | None) -> None:
    found = find_next_milestone(state(task(1, milestone="M10"), task(2, milestone="M02"), **statuses))
    assert (found.id if found else None) == chosen


def test_a_milestone_that_waits_lets_another_go_first() -> None:
    snapshot = state(task(1, milestone="M01", after=("M02",)), task(2, milestone="M02"))
    found = find_next_milestone(snapshot)
    assert found is not None
    assert found.id == "M02"
    with pytest.raises(AiwError, match="M01 cannot be started: it needs M02, which is planned") as refusal:
        require_startable(snapshot, snapshot.get_lane("core"), snapshot.get_milestone("M01"))
    assert refusal.value.hint == "start that one: aiw milestone start M02"


def test_why_each_task_waits_and_a_count_of_the_rest() -> None:
    tasks = [
        task(1, status="blocked", blocked_reason="no decision"),
        task(2, status="done"),
        task(3, after=("TASK-001", "TASK-002")),
        task(4, milestone="M02", after=("TASK-002", "M01")),
    ]
    snapshot = state(*tasks, M01="in_progress")
    both = [snapshot.get_milestone("M01"), snapshot.get_milestone("M02")]
    assert explain_waiting(snapshot, both) == (
        "TASK-001 is blocked: no decision",
        "TASK-003 waits for TASK-001 (blocked)",
        "TASK-004 waits for TASK-002 (done, but M01 is not merged yet), M01 (in progress)",
    )
    many = state(*[task(number, status="blocked") for number in range(1, 31)])
    lines = explain_waiting(many, [many.get_milestone("M01")])
    assert len(lines) == MAX_REASONS + 1
    assert lines[-1] == "… and 10 more"


def test_readiness_follows_both_ways() -> None:
    snapshot = state(task(1, status="done"), task(2, after=("TASK-001",)), task(3, status="ready", after=("TASK-002",)))
    after = snapshot.apply(refresh_readiness(snapshot, now=NOW))
    assert [after.get_task(name).status for name in ("TASK-002", "TASK-003")] == ["ready", "planned"]
    assert refresh_readiness(after, now=NOW) == Changes()


def test_one_active_task_at_most() -> None:
    snapshot = state(task(1, status="in_progress"), task(2))
    with pytest.raises(AiwError, match="TASK-002 cannot be claimed: TASK-001 is in progress") as refusal:
        require_claimable(snapshot, snapshot.get_lane("core"), snapshot.get_task("TASK-002"))
    assert refusal.value.hint == "finish it first: aiw agent finish --lane core --task TASK-001 --commit"


@pytest.mark.parametrize(
    ("statuses", "is_done"),
    [
        (("done", "skipped", "cancelled"), True),
        (("cancelled",), True),
        (("done", "blocked"), False),
        (("done", "ready"), False),
    ],
)
def test_when_a_milestone_is_complete(statuses: tuple[str, ...], is_done: bool) -> None:
    snapshot = state(*[task(number, status=status) for number, status in enumerate(statuses, 1)])
    assert is_complete(snapshot, snapshot.get_milestone("M01")) is is_done


def test_a_ready_task_of_a_later_milestone_is_told_what_comes_first() -> None:
    blocked = task(1, status="blocked", blocked_reason="waits for legal")
    snapshot = state(blocked, task(2, status="ready", milestone="M02"), M01="in_progress", M02="ready")
    assert explain_waiting(snapshot, [snapshot.get_milestone("M01"), snapshot.get_milestone("M02")]) == (
        "TASK-001 is blocked: waits for legal",
        "TASK-002 is ready, but M01 comes first",
    )
