"""The table of legal moves: complete, and the only way (spec §3)."""

from __future__ import annotations

from typing import get_args

import pytest
from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.adr import Adr
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.status import AdrStatus, LaneStatus, MilestoneStatus, RunStatus, TaskStatus
from ai_workflow.models.task import Task
from ai_workflow.policy.transitions import (
    ADR_MOVES,
    LANE_MOVES,
    MILESTONE_MOVES,
    RUN_MOVES,
    TASK_MOVES,
    can_move,
    legal_verbs,
    move,
    require_move,
)

NOW = "2026-01-02T03:04:05Z"
TASK = Task(id="TASK-001", title="t", status="ready", milestone_id="M01", key="M01/t", created_at=NOW, updated_at=NOW)
MILESTONE = Milestone(id="M01", title="m", status="ready", base_branch="main", created_at=NOW, updated_at=NOW)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (TASK_MOVES, get_args(TaskStatus)),
        (MILESTONE_MOVES, get_args(MilestoneStatus)),
        (LANE_MOVES, get_args(LaneStatus)),
        (RUN_MOVES, get_args(RunStatus)),
        (ADR_MOVES, get_args(AdrStatus)),
    ],
)
def test_the_tables_speak_of_known_words_only(table: dict[str, dict[str, str]], words: tuple[str, ...]) -> None:
    used = {word for moves in table.values() for pair in moves.items() for word in pair}
    assert used <= set(words)


def test_every_task_word_is_reachable_from_planned() -> None:
    reached = {"planned"}
    for _ in TASK_MOVES:
        for moves in TASK_MOVES.values():
            reached |= {after for before, after in moves.items() if before in reached}
    assert reached == set(get_args(TaskStatus))


@pytest.mark.parametrize("status", get_args(TaskStatus))
@pytest.mark.parametrize("verb", TASK_MOVES)
def test_each_task_move_is_in_the_table_or_refused_by_name(status: TaskStatus, verb: str) -> None:
    task = replace(TASK, status=status)
    if status in TASK_MOVES[verb]:
        assert can_move(task, verb)
        assert move(task, verb, now="later").status == TASK_MOVES[verb][status]
        return
    with pytest.raises(AiwError) as caught:
        move(task, verb, now="later")
    assert caught.value.kind == Kind.STATE
    assert caught.value.message == f"task TASK-001 is {status}: {verb} is not possible"
    legal = ", ".join(legal_verbs(task)) or "none"
    assert caught.value.hint == f"legal moves from {status}: {legal}"


@pytest.mark.parametrize("status", get_args(MilestoneStatus))
@pytest.mark.parametrize("verb", MILESTONE_MOVES)
def test_each_milestone_move_is_in_the_table_or_refused(status: MilestoneStatus, verb: str) -> None:
    milestone = replace(MILESTONE, status=status)
    if status in MILESTONE_MOVES[verb]:
        assert require_move(milestone, verb) == MILESTONE_MOVES[verb][status]
    else:
        with pytest.raises(AiwError):
            require_move(milestone, verb)


@pytest.mark.parametrize("status", get_args(AdrStatus))
@pytest.mark.parametrize("verb", ADR_MOVES)
def test_each_move_of_a_decision_is_in_the_table_or_refused_by_name(status: AdrStatus, verb: str) -> None:
    adr = Adr(id="ADR-0001", title="t", status=status, created_at=NOW, updated_at=NOW)
    legal = {
        ("proposed", "accept"): "accepted",
        ("proposed", "deprecate"): "deprecated",
        ("accepted", "deprecate"): "deprecated",
        ("accepted", "supersede"): "superseded",
    }
    after = legal.get((status, verb))
    if after is not None:
        assert (move(adr, verb, now="later").status, move(adr, verb, now="later").updated_at) == (after, "later")
        return
    with pytest.raises(AiwError) as caught:
        move(adr, verb, now="later")
    assert caught.value.kind == Kind.STATE
    assert caught.value.message == f"ADR-0001 is {status}: {verb} is not possible"
    assert caught.value.hint == f"legal moves from {status}: {', '.join(legal_verbs(adr)) or 'none'}"


def test_every_word_of_a_decision_is_reachable_from_proposed() -> None:
    reached = {"proposed"}
    for _ in ADR_MOVES:
        for moves in ADR_MOVES.values():
            reached |= {after for before, after in moves.items() if before in reached}
    assert reached == set(get_args(AdrStatus))


def test_what_is_over_stays_over() -> None:
    for status in ("done", "skipped", "cancelled"):
        assert legal_verbs(replace(TASK, status=status)) == ()
    for status in ("merged", "cancelled"):
        assert legal_verbs(replace(MILESTONE, status=status)) == ()


def test_a_move_stamps_and_changes_fields_along() -> None:
    claimed = move(TASK, "claim", now="later", lane_id="core")
    assert (claimed.status, claimed.lane_id, claimed.updated_at) == ("claimed", "core", "later")
