"""Plan, backlog, config, decisions: whatever stands there, a result or a refusal comes out (spec §7.5)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_workflow.config.load import parse_config
from ai_workflow.config.write import render_config
from ai_workflow.models.adr import Adr
from ai_workflow.models.backlog import BacklogEdit
from ai_workflow.plan.backlog import parse_backlog
from ai_workflow.plan.backlog_edits import Editor
from ai_workflow.plan.extract import extract_plan
from ai_workflow.plan.optimize import optimize_plan
from ai_workflow.plan.parse import decode_plan, parse_plan
from ai_workflow.plan.quality import judge_plan
from ai_workflow.plan.write import write_plan
from ai_workflow.rendering.adr import read_adr, render_adr, update_status
from support.fuzzing import examples, mutants, refuses_or
from support.project import PARSER_PLAN, THREE_MILESTONES

RICH_PLAN = (
    THREE_MILESTONES
    + """
## M11 — Release of the parser
Goal: It can be installed.

Some prose with `code`.

Tasks:
* [x] TASK-042 Publish the package
  Acceptance: The index has it.
  Verify: python -m build
  Depends: M01/2, M02, Describe the parser grammar
  Backlog: BLG-001
  Priority: critical
  - a nested bullet
  ```
  ## M99 - not a milestone
  ```
+ Announce the release <!-- Acceptance: no -->
  Acceptance: The page names it.
  Conflict: "a, b.md", docs/**
  Depends: none
"""
)
BACKLOG = """# Backlog

## BLG-001 - Parser cleanup

Status: selected
Priority: high
Tags: parser, "a, b"
Notes:
- one
- two
Acceptance:
- The parser is clean.
Conflict scopes: src/parser.py, tests/**
Verify: `make test`
Depends: BLG-002

## Second item
Status: idea

## BLG-007: Third
- Status: done
"""
CONFIG = render_config(base_branch="main", project_name="x", checks=["make test"], command_prefix="uv run") + (
    "agents:\n  mine: &a {command: [x, 1, 2.5]}\n  other: {<<: *a}\n"
)
DECISION = Adr(
    id="ADR-0001",
    title="Errors are `values`",
    status="accepted",
    applies_to=("src/**", "M01"),
    decision="They *are*.\n\nAlways.",
    consequences=("one", "two"),
    created_at="",
    updated_at="",
)
_SIGNS = st.sampled_from(
    [
        "# Milestones\n",
        "## M01 - ",
        "## ",
        "## M",
        "Goal: ",
        "Tasks:\n",
        "- ",
        "* [x] ",
        "  Acceptance: ",
        "Verify: ",
        "\n",
        "Conflict: ",
        "Depends: ",
        "Depends: M01/",
        "none",
        "TASK-001 ",
        "Backlog: ",
        "Priority: ",
        "high",
        "M01",
        "M02",
        "```\n",
        "<!-- ",
        " -->",
        "\r\n",
        "\t",
        "\ufeff",
        "\u2028",
        "\0",
        "    ",
        ", ",
        '"',
        "x",
        "Add the parser",
        "Status: ",
        "## BLG-001 - ",
        "Tags: ",
        "Notes:\n",
        "Conflict scopes: ",
        "M99999999999999999999",
        "—",
        "é",
        "\U0001f600",
    ]
)
GRAMMAR = st.lists(_SIGNS | st.text(max_size=5), max_size=60).map("".join)


def both(document: str) -> st.SearchStrategy[bytes]:
    return mutants(document.encode()) | GRAMMAR.map(lambda text: text.encode("utf-8", "surrogatepass"))


@examples(30)
@given(data=both(RICH_PLAN))
def test_a_plan(data: bytes) -> None:
    text = refuses_or(decode_plan, data, "plan.md")
    if text is None:
        return
    plan = refuses_or(parse_plan, text, path="plan.md")
    verdict = refuses_or(judge_plan, plan, scope_exists=lambda _: "new", known=None)
    assert 0 <= verdict.score <= 100
    for finding in (*plan.findings, *verdict.findings):
        assert finding.line >= 1
        assert finding.message
    for mode in ("conservative", "balanced", "aggressive"):
        optimized = refuses_or(optimize_plan, plan, mode)
        if optimized is not None:
            refuses_or(write_plan, optimized.plan)
    refuses_or(extract_plan, text)


@examples(30)
@given(data=both(BACKLOG), number=st.integers(0, 12), text=GRAMMAR)
def test_a_backlog_and_its_edits(data: bytes, number: int, text: str) -> None:
    source = refuses_or(decode_plan, data, "backlog.md")
    if source is None:
        return
    backlog = refuses_or(parse_backlog, source, path="backlog.md")
    editor = refuses_or(Editor, source, path="backlog.md")
    if editor is None:
        return
    assert editor.text() == source
    line = " ".join(text.split())
    edits = [
        BacklogEdit(item_id=f"BLG-{number:03d}", status="done", added_notes=(line,) if line else ()),
        BacklogEdit(item_id="BLG-900", is_new=True, title="New", status="idea"),
        *(BacklogEdit(item_id=item.id, priority="low") for item in backlog.items[:2]),
    ]
    for edit in edits:
        refuses_or(editor.apply, edit)
    after = refuses_or(editor.text)
    if after is not None:
        refuses_or(parse_backlog, after, path="backlog.md")


@examples(30)
@given(data=mutants(CONFIG.encode()))
def test_a_config(data: bytes) -> None:
    refuses_or(parse_config, data.decode("utf-8", "replace"), path=".ai-workflow.yaml")


@examples(30)
@given(data=both(render_adr(DECISION)))
def test_a_decision(data: bytes) -> None:
    text = refuses_or(decode_plan, data, "adr.md")
    if text is not None:
        found = refuses_or(read_adr, text, DECISION)
        refuses_or(update_status, text, found)
        refuses_or(read_adr, render_adr(found), found)


@pytest.mark.parametrize("document", [PARSER_PLAN, RICH_PLAN])
def test_the_documents_to_mutate_are_valid(document: str) -> None:
    plan = parse_plan(document, path="plan.md")
    assert len(plan.milestones) >= 1
    assert json.dumps([milestone.title for milestone in plan.milestones])
    parse_config(CONFIG, path=".ai-workflow.yaml")
    assert [item.id for item in parse_backlog(BACKLOG, path="b").items] == ["BLG-001", "BLG-002", "BLG-007"]
