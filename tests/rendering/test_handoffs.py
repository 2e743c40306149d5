"""The handoffs: a function of the committed projection, small and stable (spec §2).

Checked by hand against prettier 3 and markdownlint 0.38 with their default settings, over these golden files and some
20,000 lines made of hostile titles in list items and paragraphs: neither changes a byte. What that taught is kept in
`rendering.text`: prettier shortens a code fence to the shortest that fits, reads `{{` and `{%` as template tags,
joins runs of spaces and breaks no line by itself; markdownlint wraps bare addresses and mail addresses in angle
brackets and counts 80 columns unless the rest of the line has no space.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.milestone import PullRequest, Recovery
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.task import Decision
from ai_workflow.rendering.active_roadmap import render_active_roadmap
from ai_workflow.rendering.current_status import render_current_status
from ai_workflow.rendering.handoff import MAX_BYTES, render_handoffs, render_next_handoff
from rendering.builders import (
    GOLDEN,
    HOSTILE,
    hostile_texts,
    make_adr,
    make_milestone,
    make_plan,
    make_snapshot,
    make_task,
)
from support.golden import assert_golden

NAMES = ("active-roadmap.md", "current-status.md", "next-handoff.md")


def render(snapshot: Snapshot) -> dict[str, str]:
    return render_handoffs(snapshot, command_prefix="uv run")


def assert_well_formed(text: str) -> None:
    lines = text.split("\n")
    assert len(text.encode()) <= MAX_BYTES
    assert lines[0].startswith("# ")
    assert lines[-1] == ""
    assert "\n\n\n" not in text
    assert not text.endswith("\n\n")
    headings = [line for line in lines if re.match("#+ ", line) and line != "# What is so right now"]
    structure = [line for line in headings if not line.startswith(("# Start, or", "# Check and"))]
    assert len(structure) == len(set(structure))
    assert all(line.startswith("## ") for line in structure[1:])
    assert not any(line.endswith((" ", "\\", "\t")) for line in lines)
    assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e\u200b]", text)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("case", "snapshot"),
    [
        ("empty", make_snapshot()),
        ("begun", make_plan(3, 3, done=4).apply(Changes(put=(make_adr(1), make_adr(2, status="proposed"))))),
        ("finished", make_plan(2, 2, done=4)),
        ("large", make_plan(1000, 10, done=4321)),
        (
            "hostile",
            make_snapshot(
                *(make_task(n, title=HOSTILE[n - 1], acceptance_criteria=HOSTILE, verify=HOSTILE) for n in (1, 2, 3)),
                make_milestone(1, [make_task(n) for n in (1, 2, 3)], title=HOSTILE[0], goal=HOSTILE[1]),
                make_adr(1, title=HOSTILE[2]),
                project_name=HOSTILE[0],
            ),
        ),
    ],
)
def test_handoff_is_as_kept(case: str, snapshot: Snapshot, name: str) -> None:
    text = render(snapshot)[name]
    assert_well_formed(text)
    assert_golden(GOLDEN / "handoffs" / case / name, text)


def test_each_public_function_gives_its_document() -> None:
    snapshot = make_plan(2, 2, done=1)
    one_by_one = (
        render_active_roadmap(snapshot, command_prefix="uv run"),
        render_current_status(snapshot, command_prefix="uv run"),
        render_next_handoff(snapshot, command_prefix="uv run"),
    )
    assert dict(zip(NAMES, one_by_one, strict=True)) == render(snapshot)


@pytest.mark.parametrize("status", ["ready", "claimed", "in_progress", "blocked"])
def test_claiming_or_blocking_changes_nothing(status: str) -> None:
    snapshot = make_plan(2, 3, done=1)
    task = replace(
        snapshot.tasks["TASK-002"],
        status=status,
        attempts=2,
        claimed_at="2025-03-02T00:00:00Z",
        run_ids=("RUN-0007",),
        blocked_reason="a check failed",
        decisions=(Decision(kind="add-scope", path="docs/", reason="needed", actor="ann", at="2025-03-02T00:00:00Z"),),
        updated_at="2025-03-02T00:00:00Z",
    )
    assert render(snapshot.apply(Changes(put=(task,)))) == render(snapshot)


@pytest.mark.parametrize("status", ["ready", "in_progress", "blocked", "done", "pr_created", "merged"])
def test_a_milestones_status_changes_nothing(status: str) -> None:
    snapshot = make_plan(2, 2, done=2)
    milestone = replace(
        snapshot.milestones["M01"],
        status=status,
        pr=PullRequest(status="merged", url="https://e.test/pr/1"),
        accepted_unproven="said so",
    )
    assert render(snapshot.apply(Changes(put=(milestone,)))) == render(snapshot)


def test_facts_recorded_with_the_commit_change_nothing() -> None:
    snapshot = make_plan(2, 2, done=2)
    task = replace(
        snapshot.tasks["TASK-002"], commit_sha="f" * 40, unproven="no test", finished_at="2025-03-02T00:00:00Z"
    )
    assert render(snapshot.apply(Changes(put=(task,)))) == render(snapshot)


def test_a_recovery_is_invisible() -> None:
    snapshot = make_plan(2, 2, done=1)
    repair = make_task(9, title="Repair", milestone_id="M01-01", status="in_progress")
    milestone = replace(
        make_milestone(1, [repair]),
        id="M01-01",
        recovery=Recovery(parent_milestone_id="M01", blocked_task_id="TASK-002"),
    )
    assert render(snapshot.apply(Changes(put=(repair, milestone)))) == render(snapshot)


def test_finishing_a_task_moves_on_to_the_next() -> None:
    snapshot = make_plan(2, 2, done=1)
    done = replace(snapshot.tasks["TASK-002"], status="done")
    text = render(snapshot.apply(Changes(put=(done,))))["next-handoff.md"]
    assert "TASK-003: Report syntax errors with position 3\n" in text
    assert "--task TASK-003 --commit" in text


def test_the_next_task_follows_dependencies_then_priority() -> None:
    tasks = [
        make_task(1, depends_on=("TASK-002",), priority="critical"),
        make_task(2, priority="low"),
        make_task(3, priority="high"),
    ]
    text = render(make_snapshot(*tasks, make_milestone(1, tasks)))["next-handoff.md"]
    order = re.findall(r"^(?:- )?(TASK-\d+): ", text, re.MULTILINE)
    assert order == ["TASK-003", "TASK-002", "TASK-001"]


def test_milestones_are_in_numeric_order_and_waiting_work_says_so() -> None:
    late = make_task(1, milestone_id="M10")
    early = make_task(2, milestone_id="M02", depends_on=("TASK-003",))
    lost = make_task(3, milestone_id="M02", status="cancelled")
    snapshot = make_snapshot(late, early, lost, make_milestone(10, [late]), make_milestone(2, [early, lost]))
    texts = render(snapshot)
    assert re.findall(r"^- (M\d+):", texts["active-roadmap.md"], re.MULTILINE) == ["M02", "M10"]
    assert "TASK-001" in texts["next-handoff.md"]
    alone = render(make_snapshot(early, lost, make_milestone(2, [early, lost])))["next-handoff.md"]
    assert "- Waits for: TASK-003\n" in alone


@settings(deadline=None, max_examples=60)
@given(st.lists(hostile_texts, min_size=4, max_size=4), st.integers(min_value=0, max_value=200))
def test_hostile_text_breaks_neither_structure_nor_size(texts: list[str], length: int) -> None:
    title, goal, line, scope = (text * (1 + length // 10) for text in texts)
    fields: dict[str, Any] = {
        "title": title,
        "description": goal,
        "acceptance_criteria": (line,) * 20,
        "verify": (scope,) * 8,
        "conflict_scopes": tuple(f"{scope}{n}" for n in range(15)),
    }
    tasks = [make_task(n, status="done" if n < 6 else "planned", **fields) for n in range(1, 13)]
    milestones = [make_milestone(n, tasks if n == 5 else [], title=title, goal=goal) for n in range(1, 20)]
    adrs = [make_adr(n, title=line) for n in range(1, 20)]
    for text in render(make_snapshot(*tasks, *milestones, *adrs, project_name=title)).values():
        assert_well_formed(text)


def test_the_next_handoff_is_enough_to_go_on_from() -> None:
    """Whoever has read nothing else knows what to do, what proves it, where, how to begin and end, and when to stop."""
    task = make_task(1, description="Positions come from the lexer.\n\nDo not count tabs as eight columns.")
    text = render(make_snapshot(task, make_milestone(1, [task])))["next-handoff.md"]
    one_line = " ".join(text.split())
    for needed in (
        "TASK-001: Report syntax errors with position 1",
        "Positions come from the lexer. Do not count tabs as eight columns.",
        "Messages begin with `file:line`.",
        "`python -m pytest tests/test_errors.py`",
        "`src/parser.py`",
        "uv run aiw agent run --lane core --mode queue",
        "uv run aiw agent finish --lane core --task TASK-001 --commit",
        "Change only what the scope names",
        "Switch no branch and make no commit",
        "Exit code 3 means that a person is needed",
    ):
        assert needed in one_line


def test_handoffs_of_a_large_plan_are_small_and_stable() -> None:
    snapshot = make_plan(100, 10, done=437, title="A title that goes on " * 250, description="More of it. " * 500)
    texts = render(snapshot)
    for text in texts.values():
        assert_well_formed(text)
    assert render(snapshot) == texts


def test_without_state_it_is_refused() -> None:
    with pytest.raises(AiwError) as caught:
        render(Snapshot(project=None, entities={}))
    assert caught.value.kind == Kind.STATE
