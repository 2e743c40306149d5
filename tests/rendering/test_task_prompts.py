"""The prompt of a task is complete and short, and names its fence and its end (spec §6.3)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from ai_workflow.models.run import Attempt
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.task import Decision, Task
from ai_workflow.rendering.prompt_sections import SECTIONS as SECTION_TEXTS
from ai_workflow.rendering.prompts import render_task_prompt
from ai_workflow.rendering.relevance import overlap, relevant_adrs
from rendering.builders import (
    GOLDEN,
    HOSTILE,
    NOW,
    hostile_texts,
    make_adr,
    make_check,
    make_milestone,
    make_plan,
    make_run,
    make_snapshot,
    make_task,
)
from support.golden import assert_golden

SECTIONS = (
    *("Milestone", "Description", "Acceptance", "Checks", "Scope", "Already changed", "Builds on"),
    *("Decisions that bind this task", "Last failure", "Rules", "Finish"),
)


def render(snapshot: Snapshot, task: Task, **changed: Any) -> str:
    arguments: dict[str, Any] = {
        "claimed": True,
        "command_prefix": "",
        "checks": ["python -m pytest"],
        "scope_policy": "refuse",
        "companions": ["uv.lock", "CHANGELOG.md"],
        "last_failure": None,
        "early_paths": (),
        "templates": None,
    }
    return render_task_prompt(snapshot, task, **(arguments | changed))


def full_case() -> tuple[Snapshot, Task, dict[str, Any]]:
    """A task of which everything is known."""
    before = make_task(1, status="done", commit_sha="0123456789abcdef" * 2 + "01234567", run_ids=("RUN-0001",))
    other = make_milestone(2, [make_task(7, milestone_id="M02", status="done")], title="Error documentation")
    task = make_task(
        2,
        status="in_progress",
        description="Columns count characters.\n\n- tabs are one column\n- see `tokenizer.py`\n\n## Why\nUsers asked.",
        depends_on=("TASK-001", "M02"),
        run_ids=("RUN-0002", "RUN-0003"),
        decisions=(Decision(kind="add-scope", path="docs/errors.md", reason="documented there", actor="ann", at=NOW),),
    )
    failed = make_run(
        2,
        status="failed",
        task_id="TASK-002",
        summary="1 of 2 checks failed",
        checks=(
            make_check("ruff check ."),
            make_check(status="failed", exit_code=1, output_tail="E   assert 1 == 2\n```\n# not a heading\n"),
            make_check("npm test", status="timed_out", exit_code=None, duration_s=900.0, timed_out=True),
        ),
        attempts=(Attempt(number=1, agent="codex", started_at=NOW, failure_class="checks"),),
    )
    snapshot = make_snapshot(
        before,
        task,
        make_task(7, milestone_id="M02", status="done"),
        other,
        make_milestone(1, [before, task]),
        make_run(1, summary="Added line and column to every token."),
        failed,
        make_adr(1),
        make_adr(2, title="Errors are values", applies_to=("src/**",)),
        make_adr(3, title="Web pages are static", applies_to=("web/",)),
        make_adr(4, title="Not yet", status="proposed"),
    )
    return snapshot, task, {"last_failure": failed, "early_paths": ("src/parser.py", "notes äöü.md")}


def test_prompt_of_a_task_of_which_everything_is_known() -> None:
    snapshot, task, arguments = full_case()
    text = render(snapshot, task, command_prefix="uv run", **arguments)
    assert_golden(GOLDEN / "prompts" / "full.md", text)
    assert (
        tuple(re.findall(r"^## (.*)$", re.sub(r"(?s)^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE), re.MULTILINE))
        == SECTIONS
    )


def test_prompt_of_a_task_of_which_little_is_known() -> None:
    task = make_task(1, verify=(), conflict_scopes=(), acceptance_criteria=())
    text = render(make_snapshot(task, make_milestone(1, [task], goal="", branch=None)), task, checks=[])
    assert_golden(GOLDEN / "prompts" / "bare.md", text)


def test_prompt_written_ahead_of_its_claim_says_so_first() -> None:
    snapshot = make_plan(1, 2)
    text = render(snapshot, snapshot.tasks["TASK-002"], claimed=False, command_prefix="uv run")
    assert_golden(GOLDEN / "prompts" / "ahead.md", text)
    assert text.index("Claim first") < text.index("##")


@pytest.mark.parametrize("policy", ["refuse", "warn", "off"])
def test_no_policy_advises_to_drop_scopes(policy: str) -> None:
    snapshot = make_plan(1, 1)
    text = render(snapshot, snapshot.tasks["TASK-001"], scope_policy=policy)
    scope = text[text.index("## Scope") : text.index("## Rules")]
    assert "- `src/parser.py`\n" in scope
    assert "remove" not in scope
    assert ("stops the finish" in scope) == (policy == "refuse")


def test_one_command_ends_it() -> None:
    snapshot = make_plan(1, 1)
    text = render(snapshot, snapshot.tasks["TASK-001"], command_prefix="uv run")
    assert re.findall(r"^.* agent finish .*$", text, re.MULTILINE) == [
        "uv run aiw agent finish --lane core --task TASK-001 --commit"
    ]


def test_output_of_failed_checks_is_cut_and_a_description_is_not() -> None:
    task = make_task(1, description="word " * 4000)
    checks = tuple(make_check(f"check {n}", status="failed", exit_code=n, output_tail="é" * 40000) for n in range(1, 8))
    run = make_run(1, status="failed", checks=checks)
    text = render(make_snapshot(task, make_milestone(1, [task]), run), task, last_failure=run)
    assert ("word " * 4000).strip() in text
    assert len(text.encode()) < 20000 + 4096 + 5000
    assert text.count("bytes left out") == 3
    assert "4 more failed" in text


def test_long_lists_end_in_a_count() -> None:
    snapshot = make_plan(1, 1)
    text = render(snapshot, snapshot.tasks["TASK-001"], early_paths=[f"src/{n}.py" for n in range(100)])
    assert "- and 60 more; `git status` lists them\n" in text


@settings(deadline=None, max_examples=40)
@given(hostile_texts, hostile_texts)
def test_hostile_text_adds_no_section_and_no_second_end(text: str, other: str) -> None:
    snapshot, task, arguments = full_case()
    hostile = make_task(
        2,
        title=text,
        description=other,
        acceptance_criteria=(text, *HOSTILE),
        verify=(other,),
        conflict_scopes=(text,),
        depends_on=task.depends_on,
    )
    shown = render(snapshot, hostile, **arguments)
    outside = re.sub(r"(?s)^(`{3,})[a-z]*$.*?^\1$", "", shown, flags=re.MULTILINE)
    assert set(re.findall(r"^## (.*)$", outside, re.MULTILINE)) <= set(SECTIONS)
    assert outside.count("\n# ") == 0
    assert shown.endswith('add `--no-change "why"`.\n')


@pytest.mark.parametrize(
    ("applies_to", "expected"),
    [
        ((), True),
        (("TASK-001",), True),
        (("task-1",), True),
        (("TASK-002",), False),
        (("M01",), True),
        (("m2",), False),
        (("src/parser.py",), True),
        (("src/",), True),
        (("src/**/*.py",), True),
        (("*.py",), True),
        (("*.js",), True),
        (("docs/**",), False),
        (("tests/unit/test_a.py",), True),
        (("docs", "tests"), True),
        (("**/parser.py",), True),
        (("lib/*.py",), False),
        ((".",), True),
    ],
)
def test_only_decisions_that_apply_are_told(applies_to: tuple[str, ...], expected: bool) -> None:
    task = make_task(1, conflict_scopes=("src/parser.py", "tests/"))
    snapshot = make_snapshot(task, make_milestone(1, [task]), make_adr(1, applies_to=applies_to))
    assert [adr.id for adr in relevant_adrs(snapshot, task)] == (["ADR-0001"] if expected else [])


def test_what_was_accepted_at_import_binds_no_task_by_that() -> None:
    task = make_task(1, conflict_scopes=("src/",))
    adr = make_adr(1, applies_to=("elsewhere/",))
    listed = make_snapshot(task, make_milestone(1, [task], adr_ids=("ADR-0001",)), adr)
    assert relevant_adrs(listed, task) == ()


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("src", "src/a.py", True),
        ("src/a", "src/ab", False),
        ("src/*.py", "src/*.js", True),
        ("src/*.py", "docs/*.md", False),
        ("./src/a.py", "src/a.py", True),
        ("/src/a.py", "src/a.py", True),
        ("src/*.py", "src", True),
        ("src/*.py", "src/a.md", False),
        ("*.js", "src/a.py", False),
        ("*.js", "src", True),
        ("**/a.py", "src/deep/a.py", True),
        ("src/**/a.py", "src/a.py", True),
    ],
)
def test_patterns_overlap_when_in_doubt(left: str, right: str, expected: bool) -> None:
    assert overlap(left, right) is expected
    assert overlap(right, left) is expected


def test_a_repositorys_template_wins_and_may_build_on_the_packaged_one(tmp_path: Path) -> None:
    snapshot = make_plan(1, 1)
    task = snapshot.tasks["TASK-001"]
    assert render(snapshot, task, templates=str(tmp_path)) == render(snapshot, task)
    (tmp_path / "prompt.md.j2").write_text("Do {{ task.id }}: {{ task.title | inline }}")
    assert render(snapshot, task, templates=str(tmp_path)) == "Do TASK-001: Report syntax errors with position 1\n"
    (tmp_path / "prompt.md.j2").write_text(
        '{% extends "default/prompt.md.j2" %}\n{% block rules %}\n## House rules\n\n- Tabs.\n\n{% endblock %}\n'
    )
    text = render(snapshot, task, templates=str(tmp_path))
    assert "## House rules\n\n- Tabs.\n\n## Finish" in text
    assert "## Rules" not in text


def test_the_packaged_prompt_extended_without_change_is_the_same_to_the_byte(tmp_path: Path) -> None:
    snapshot, task, arguments = full_case()
    (tmp_path / "prompt.md.j2").write_text('{% extends "default/prompt.md.j2" %}')
    assert render(snapshot, task, **arguments, templates=str(tmp_path)) == render(snapshot, task, **arguments)
    names = ", ".join(f"{{{{ sections.{name} }}}}" for name in SECTION_TEXTS)
    (tmp_path / "prompt.md.j2").write_text(names.replace(", ", ""))
    assert render(snapshot, task, **arguments, templates=str(tmp_path)) == render(snapshot, task, **arguments)


def test_the_guide_names_every_block() -> None:
    guide = (Path(__file__).parents[2] / "docs/guide/configuration.md").read_text()
    listed = guide.partition("The blocks are, in this order: ")[2].partition(".")[0]
    assert re.findall(r"`(\w+)`", listed) == list(SECTION_TEXTS)
