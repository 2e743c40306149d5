"""The grammar of a plan (spec §4.1)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.plan import PlanMilestone, PlanTask
from ai_workflow.plan.drafts import RULES
from ai_workflow.plan.parse import decode_plan
from ai_workflow.plan.write import strip_positions, write_plan
from plan.examples import MICRO_TASKS, WORKPACKAGE, places, read
from plan.strategies import plan_texts

FULL = """\
# Milestones

What this plan is for.

## M01 - Deps
Goal: one outcome
that needs two lines

and a second paragraph.
Tasks:
- [x] TASK-007 - First task of plan
  Acceptance: it is seen.
  Acceptance: it is heard.
  Verify: `pytest -q tests/a.py`
  Conflict: a, `b`
  Conflict: "c,d.py"
  Backlog: BLG-001
  Priority: High
  Some words.

  - nested
    - deeper
* Second, with comma
  Depends: none
+ Third task of plan
  Depends: First task of plan, Second, with comma, M01/2, TASK-002, M02
"""


def _tasks(text: str) -> tuple[PlanTask, ...]:
    return strip_positions(read(text)).milestones[0].tasks


def test_whole_grammar_is_read() -> None:
    plan = strip_positions(read(FULL))
    assert plan.prose == "What this plan is for."
    assert plan.milestones == (
        PlanMilestone(
            id="M01",
            title="Deps",
            goal="one outcome\nthat needs two lines\n\nand a second paragraph.",
            tasks=(
                PlanTask(
                    title="First task of plan",
                    explicit_id="TASK-007",
                    done=True,
                    description="Some words.\n\n- nested\n  - deeper",
                    acceptance=("it is seen.", "it is heard."),
                    verify=("pytest -q tests/a.py",),
                    conflicts=("a", "b", "c,d.py"),
                    backlog=("BLG-001",),
                    priority="high",
                    line=0,
                ),
                PlanTask(title="Second, with comma", depends=(), line=0),
                PlanTask(
                    title="Third task of plan",
                    depends=("First task of plan", "Second, with comma", "M01/2", "TASK-002", "M02"),
                    line=0,
                ),
            ),
            line=0,
        ),
    )
    assert read(FULL).findings == ()


@pytest.mark.parametrize("text", [MICRO_TASKS, WORKPACKAGE])
def test_public_examples_are_read_without_findings(text: str) -> None:
    plan = read(text)
    assert plan.findings == ()
    assert [milestone.id for milestone in plan.milestones] == ["M01"]
    assert all(task.acceptance and task.conflicts for task in plan.milestones[0].tasks)


@pytest.mark.parametrize(
    ("heading", "milestone_id", "title"),
    [
        ("## M01 - Title", "M01", "Title"),
        ("## m1: Title", "M01", "Title"),
        ("## M01 — Title", "M01", "Title"),
        ("## M01 – Title", "M01", "Title"),
        ("##\tM01 - Title ##", "M01", "Title"),
        ("  ## M010 - Title", "M10", "Title"),
        ("## M01-Title", "M01", "Title"),
        ("## M01", "M01", ""),
        ("## M01 Title", "M01", "Title"),
        ("## Title without id", None, "Title without id"),
        ("## Mode switch", None, "Mode switch"),
        ("## M1234567890 - Long", None, "M1234567890 - Long"),
        ("## M01 - C#", "M01", "C#"),
    ],
)
def test_headings(heading: str, milestone_id: str | None, title: str) -> None:
    (milestone,) = read(heading).milestones
    assert (milestone.id, milestone.title) == (milestone_id, title)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff# Milestones\n## M01 - A\nTasks:\n- Do it\n  Acceptance: seen\n  more",
        "# Milestones\r\n## M01 - A\r\nTasks:\r\n- Do it\r\n  Acceptance: seen\r\n  more\r\n",
        "# Milestones\r## M01 - A\rTasks:\r- Do it\r  Acceptance: seen\r  more\r",
        "# Milestones\n## M01 - A\n\tTasks:\n-\tDo it\n\tAcceptance: seen\n\tmore",
        "# MILESTONES\n## m01 - A\nTASKS:\n* [ ] Do it\n  acceptance : seen\n\u00a0\u00a0more",
        "# Milestones\n## M01 - A\n**Tasks:**\n- Do it\n  **Acceptance:** seen\n  more",
        "# Milestones\n## M01 - A\n__Tasks__:\n- Do it\n  - Acceptance criteria: seen\n  more",
        "# Milestones\n## M01 - A\nTasks:\n  - Do it\n    Acceptance:\n      - seen\n    more",
    ],
    ids=["bom", "crlf", "cr", "tabs", "case", "bold", "nested", "listed"],
)
def test_spellings_of_the_same_plan(text: str) -> None:
    assert _tasks(text) == (PlanTask(title="Do it", acceptance=("seen",), description="more", line=0),)
    assert read(text).findings == ()


def test_fences_and_comments_are_text() -> None:
    text = (
        "# Milestones\n```\n## M09 - Not one\n```\n<!--\n## M08 - Not one\n-->\n## M01 - A\nGoal: ```\n## M07\n```\n"
        "Tasks:\n- Do it\n  ~~~sh\n  - Not a task\n## Not a heading\n  ~~~\n  <!-- Acceptance: no -->\n"
    )
    plan = strip_positions(read(text))
    assert plan.prose == "```\n## M09 - Not one\n```\n<!--\n## M08 - Not one\n-->"
    (milestone,) = plan.milestones
    assert milestone.goal == "```\n## M07\n```"
    (task,) = milestone.tasks
    assert task.acceptance == ()
    assert task.description == "  ~~~sh\n  - Not a task\n## Not a heading\n  ~~~\n  <!-- Acceptance: no -->"
    assert read(text).findings == ()


def test_positions_are_those_of_the_source() -> None:
    (task,) = (
        read("# Milestones\n## M01 - A\nTasks:\n- Do it\n\tConflict: a,  b\n  - Verify: x\nDepends: M01/1")
        .milestones[0]
        .tasks
    )
    assert [(at.field, at.line, at.column) for at in task.positions] == [
        ("conflicts", 5, 12),
        ("conflicts", 5, 16),
        ("verify", 6, 13),
        ("depends", 7, 10),
    ]


HEAD = "# Milestones\n## M01 - A\n"
TASK = HEAD + "Tasks:\n- Do it\n"
FINDINGS = [
    ("", [("missing-title", 1, 1)]),
    ("text\n## M01 - A\n", [("missing-title", 1, 1)]),
    (HEAD + "```\n## M02 - B", [("unclosed-block", 3, 1)]),
    (TASK + "  <!-- never\n## M02 - B", [("unclosed-block", 5, 3)]),
    (TASK + "wrapped title", [("stray-text", 5, 1)]),
    (TASK + "1. Numbered", [("stray-text", 5, 1)]),
    (TASK + "```\ncode\n```", [("stray-text", 5, 1)]),
    (TASK + "### M02 - B", [("heading-level", 5, 1), ("stray-text", 5, 1)]),
    (TASK + "  ## M02 - B", [("heading-level", 5, 3)]),
    (HEAD + "# M02 - B", [("heading-level", 3, 1)]),
    (HEAD + "##M02 - B", [("heading-level", 3, 1)]),
    ("# Milestones\n## M01 Title", [("heading-separator", 2, 1)]),
    ("# Milestones\n##", [("milestone-without-title", 2, 1)]),
    ("# Milestones\nTasks:\n", [("outside-milestone", 2, 1)]),
    ("# Milestones\nAcceptance: x\n", [("outside-milestone", 2, 1)]),
    (HEAD + "Goal: a\nGoal: b", [("repeated-goal", 4, 1)]),
    (TASK + "Goal: a", [("late-goal", 5, 1)]),
    (TASK + "Tasks:\n- Do more", [("repeated-tasks", 5, 1)]),
    (HEAD + "Tasks: - Do it", [("text-after-tasks", 3, 1)]),
    (HEAD + "- Do it\n- Do more", [("bullet-before-tasks", 3, 1)]),
    (TASK + "- Acceptance: seen", [("bulleted-field", 5, 1)]),
    (TASK + "- [ ]", [("empty-bullet", 5, 1)]),
    (HEAD + "Acceptance: seen", [("field-outside-task", 3, 1)]),
    (TASK + "  Check: pytest", [("unknown-field", 5, 3)]),
    (TASK + "Note: remember", [("unknown-field", 5, 1)]),
    (TASK + "  - Scope: src/**", [("unknown-field", 5, 3)]),
    (TASK + "  - Acceptance:\n    - it ends\n  - Verification:\n    - true", [("unknown-field", 7, 3)]),
    (TASK + "  Acceptance: a\n    and b", [("wrapped-field", 6, 5)]),
    (TASK + "  Acceptance:\n  Conflict: a", [("empty-field", 5, 3)]),
    (TASK + "  Priority: low\n  Priority: high", [("repeated-field", 6, 13)]),
    (TASK + "  Priority: urgent", [("unknown-priority", 5, 13)]),
    (TASK + "  Backlog: the big one", [("unknown-backlog-id", 5, 12)]),
    (TASK + "  Depends: none, M01/1", [("none-with-others", 5, 12)]),
    (HEAD + "Words.\nGoal: a", [("unused-prose", 2, 1)]),
]


@pytest.mark.parametrize(("text", "expected"), FINDINGS)
def test_what_is_not_understood_is_found(text: str, expected: list[tuple[str, int, int]]) -> None:
    findings = read(text).findings
    assert places(findings) == expected
    assert all(finding.hint and finding.message and finding.path == "plan.md" for finding in findings)


def test_every_rule_of_reading_is_shown_by_a_case() -> None:
    assert {code for _, expected in FINDINGS for code, _, _ in expected} == set(RULES)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (TASK + "stray words", "stray words"),
        (TASK + "  Priority: urgent", "Priority: urgent"),
        (TASK + "  Backlog: the big one", "Backlog: the big one"),
        (TASK + "Note: remember", "Note: remember"),
        (TASK + "Goal: late", "late"),
        (HEAD + "- loose", "- loose"),
        (HEAD + "Tasks: words", "words"),
        ("# Milestones\nintro\n" + HEAD, "intro"),
        (HEAD + "```\nnever closed", "never closed"),
    ],
)
def test_text_that_is_not_understood_is_kept(text: str, kept: str) -> None:
    assert kept in write_plan(read(text))


def test_items_beside_a_field_that_is_an_item_are_none_of_its_values() -> None:
    text = TASK + "  - Acceptance:\n    - it ends\n    - Result: 0\n  - see the manual\n  - Checked:\n    - by hand\n"
    task = read(text).milestones[0].tasks[0]
    assert task.acceptance == ("it ends", "Result: 0")
    assert task.description == "- see the manual\n- Checked:\n  - by hand"


def test_undecodable_bytes_are_named() -> None:
    with pytest.raises(AiwError) as caught:
        decode_plan(b"# Milestones\n## M01 - caf\xe9\n", "docs/plan.md")
    assert caught.value.kind == Kind.PLAN
    assert caught.value.message == "docs/plan.md:2: byte 0xe9 is not UTF-8 (byte offset 25)"


def test_nul_bytes_are_named() -> None:
    with pytest.raises(AiwError) as caught:
        decode_plan(b"# Milestones\n\n\0", "plan.md")
    assert caught.value.message == "plan.md:3: a NUL byte has no place in text (byte offset 14)"


def test_bytes_are_decoded() -> None:
    assert decode_plan("## M01 — Ä".encode(), "plan.md") == "## M01 — Ä"


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.text(), plan_texts))
def test_any_text_is_read(text: str) -> None:
    plan = read(text)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    assert all(1 <= finding.line <= lines and finding.column >= 1 for finding in plan.findings)


def _read_bytes(data: bytes) -> str:
    try:
        return read(decode_plan(data, "plan.md")).path
    except AiwError as error:
        return error.kind


@settings(deadline=None, max_examples=100)
@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    assert _read_bytes(data) in ("plan.md", Kind.PLAN)
