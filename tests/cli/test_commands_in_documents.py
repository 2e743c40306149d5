"""Every `aiw …` command line that a document prints is one that the command line takes (spec §2, §8)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from ai_workflow.cli.table import COMMANDS
from ai_workflow.config.schema import Config
from ai_workflow.rendering.handoff import render_handoffs
from ai_workflow.rendering.init_docs import render_init_documents
from ai_workflow.rendering.plan_prompt import PlanContext, render_plan_prompt
from ai_workflow.rendering.queue_runbook import render_queue_runbook
from rendering.builders import GOLDEN, make_plan, make_snapshot
from support.command_lines import find_command_lines, refuse
from support.project import Project, make_ready

ROOT = Path(__file__).parents[2]


def documents() -> Iterator[tuple[str, str]]:
    for prefix in ("", "uv run"):
        rendered = render_init_documents(
            project_name="demo", base_branch="main", command_prefix=prefix, checks=["make test"] if prefix else []
        )
        yield from rendered.items()
        yield "queue", render_queue_runbook(make_plan(40, 2), command_prefix=prefix)
        for snapshot in (make_snapshot(), make_plan(2, 2), make_plan(2, 2, done=3)):
            yield from render_handoffs(snapshot, command_prefix=prefix).items()
    context = PlanContext(
        project_name="demo", base_branch="main", head_branch=None, paths=(), is_tracked=False, checks=(), backlog=(),
        adrs=(), milestones=(), unfinished_plan=None, first_number=1, own_paths=(Config().workspace_dir,),
    )  # fmt: skip
    yield "plan prompt", render_plan_prompt(context, target="bootstrap")
    for path in sorted(GOLDEN.rglob("*.md")):
        yield path.relative_to(GOLDEN).as_posix(), path.read_text()
    yield "reference", (ROOT / "docs/reference/cli.md").read_text()


def test_every_command_line_of_a_generated_document_is_taken() -> None:
    found = [(name, line) for name, text in documents() for line in find_command_lines(text)]
    assert len({line for _, line in found}) > 15
    assert [(name, line, why) for name, line in found if (why := refuse(line)) is not None] == []


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_example_is_taken(name: str) -> None:
    module, _, attribute = COMMANDS[name][0].partition(":")
    example = getattr(import_module(module), attribute).example
    assert refuse(example.removeprefix("aiw ")) is None


def test_a_command_that_does_not_exist_is_found() -> None:
    text = "run `uv run aiw agent fly` and\n\n```sh\naiw plan import --nope\n```\n\nnot ```aiw```\n"
    assert [refuse(line) for line in find_command_lines(text)] == [
        "there is no `aiw agent fly`",
        "aiw plan import: unrecognized arguments: --nope",
    ]


def test_documents_of_a_worked_through_repository_name_only_what_exists(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False)
    project.next()
    project.write("src/parser.py", "x\n")
    project.finish()
    project.next()
    project.aiw("agent", "bootstrap")
    lines = [
        (str(path), line)
        for path in sorted(project.path.rglob("*.md"))
        for line in find_command_lines(path.read_text())
    ]
    assert len(lines) > 20
    assert [(path, line, why) for path, line in lines if (why := refuse(line)) is not None] == []


def test_suggestions_on_the_terminal_name_only_what_exists(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False)
    shown = [suggestion for words in (("status",), ("next",), ("next",)) for suggestion in _suggest(project, *words)]
    project.write("elsewhere.txt", "x\n")
    shown += _suggest(project, "agent", "finish", code=1)
    assert shown
    assert [(line, why) for line in shown if (why := refuse(line)) is not None] == []


def _suggest(project: Project, *words: str, code: int = 0) -> list[str]:
    result = project.aiw(*words, code=code)
    return re.findall(r"aiw ([a-z][^\n`()]*?)(?:`|$|\)|\s{2})", result.stdout + result.stderr, re.MULTILINE)
