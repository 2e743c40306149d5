"""The prompt for planning models: bounded, inert, deterministic, its example a valid plan (spec §4.5)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_workflow.plan.extract import extract_plan
from ai_workflow.plan.parse import parse_plan
from ai_workflow.plan.quality import judge_plan
from ai_workflow.rendering.plan_prompt import EXAMPLE, MAX_BYTES, MilestoneLine, PlanContext, Target, render_plan_prompt
from ai_workflow.rendering.repository_map import count_languages, render_tree
from rendering.builders import GOLDEN, HOSTILE, hostile_texts, make_adr
from support.golden import assert_golden

TARGETS: tuple[Target, ...] = ("milestones", "bootstrap")


def make_context(**changed: Any) -> PlanContext:
    values: dict[str, Any] = {
        "project_name": "demo",
        "base_branch": "main",
        "head_branch": "main",
        "paths": ("README.md", "src/demo/__init__.py", "src/demo/parser.py", "tests/test_parser.py", "web/app.ts"),
        "is_tracked": True,
        "checks": ("uv run python -m pytest",),
        "backlog": ("## BLG-002 - Colour the output\n\nStatus: selected\n",),
        "adrs": (make_adr(1), make_adr(2, applies_to=("src/**",))),
        "milestones": (
            MilestoneLine(id="M01", title="Parser base", status="merged", closed_tasks=2, tasks=2, is_open=False),
            MilestoneLine(id="M02", title="Parser errors", status="in_progress", closed_tasks=1, tasks=2, is_open=True),
        ),
        "unfinished_plan": EXAMPLE.replace("M01", "M07"),
        "first_number": 8,
        "own_paths": (".ai-workflow.yaml", "docs/ai/plan/", "docs/ai/workspace/"),
    }
    return PlanContext(**(values | changed))


def make_empty() -> PlanContext:
    return make_context(
        paths=(), is_tracked=False, checks=(), backlog=(), adrs=(), milestones=(), unfinished_plan=None, first_number=1
    )


def assert_clean(text: str) -> None:
    assert len(text.encode()) <= MAX_BYTES
    lines = text.split("\n")
    assert text.endswith("\n")
    assert not any(line.endswith((" ", "\t")) for line in lines)
    outside = re.sub(r"(?ms)^(`{3,})\w*\n.*?^\1$", "(block)", text)
    assert "\n\n\n" not in outside
    assert len(re.findall(r"^# ", outside, re.MULTILINE)) == 1
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("target", TARGETS)
def test_prompts_are_as_kept(target: Target) -> None:
    for case, context in (("full", make_context()), ("empty", make_empty())):
        text = render_plan_prompt(context, target=target)
        assert_clean(text)
        assert text == render_plan_prompt(context, target=target)
        assert_golden(GOLDEN / "plan-prompts" / f"{target}-{case}.md", text)


def test_the_example_is_a_plan_without_findings_and_is_in_the_prompt_as_it_is() -> None:
    verdict = judge_plan(parse_plan(EXAMPLE, path="p"), scope_exists=None, known=None)
    assert (verdict.findings, verdict.score) == ((), 100)
    assert f"```markdown\n{EXAMPLE}```\n" in render_plan_prompt(make_empty(), target="milestones")


def test_the_unfinished_plan_is_shown_whole_or_not_at_all() -> None:
    text = render_plan_prompt(make_context(), target="milestones")
    assert EXAMPLE.replace("M01", "M07") in text
    assert "from M08 on. What you leave out is cancelled." in text.replace("\n", " ")
    long = make_context(unfinished_plan=EXAMPLE * 10)
    assert "Answer with new milestones only, from M08 on" in render_plan_prompt(long, target="milestones").replace(
        "\n", " "
    )


@pytest.mark.parametrize("target", TARGETS)
def test_a_huge_repository_stays_within_the_bound(target: Target) -> None:
    paths = tuple(
        f"{name}/{sub}/{file}{'é' * 60}.py" for name in "abcdefgh" * 9 for sub in range(9) for file in range(3)
    )
    context = make_context(
        paths=paths,
        checks=tuple(f"check {number} {'x' * 900}" for number in range(90)),
        backlog=tuple(f"## BLG-{number:03d} - {'日' * 3000}\n" for number in range(300)),
        adrs=tuple(make_adr(number, title=HOSTILE[0] * 9, decision=HOSTILE[1] * 90) for number in range(1, 90)),
        milestones=tuple(
            MilestoneLine(id=f"M{n:02d}", title=HOSTILE[2] * 30, status="ready", closed_tasks=0, tasks=9, is_open=True)
            for n in range(500)
        ),
        unfinished_plan=EXAMPLE * 40,
        project_name=HOSTILE[0] * 99,
        base_branch="b/" * 99,
    )
    text = render_plan_prompt(context, target=target)
    assert_clean(text)
    assert "… (" in text or "more files" in text
    assert "(… and 2" in text
    assert "more, not shown" in text


def is_a_path_of_git(name: str) -> bool:
    """Git lists no path with an empty part."""
    return all(name.split("/"))


@settings(deadline=None, max_examples=40)
@given(hostile_texts, st.lists(hostile_texts.filter(is_a_path_of_git), min_size=1, max_size=6))
def test_hostile_names_change_nothing_but_their_own_lines(text: str, names: list[str]) -> None:
    context = make_context(
        paths=tuple(names), project_name=text, backlog=(text,), checks=(text,), head_branch=text or None
    )
    for target in TARGETS:
        assert_clean(render_plan_prompt(context, target=target))


def test_a_tree_counts_what_it_does_not_show() -> None:
    paths = [f"src/deep/{number:03d}/file.py" for number in range(200)] + ["README.md"]
    text = render_tree(paths, max_bytes=400)
    assert len(text.encode()) <= 400
    assert "src/  (200 files)" in text
    assert "more folders (" in text
    assert text.endswith("README.md")
    assert (
        render_tree(["b.py", "a/x.py", "a/b/y.py"], max_bytes=400)
        == "a/  (2 files)\n  b/  (1 file)\n    y.py\n  x.py\nb.py"
    )


def test_languages_by_number_of_files_and_prose_only_when_alone() -> None:
    assert count_languages(["a.py", "b.py", "c.ts", "README.md", "x"]) == (("Python", 2), ("TypeScript", 1))
    assert count_languages(["README.md"]) == (("Markdown", 1),)


def test_an_answer_that_is_the_example_comes_back_as_it_is() -> None:
    assert extract_plan(f"```markdown\n{EXAMPLE}```\n").text == EXAMPLE
