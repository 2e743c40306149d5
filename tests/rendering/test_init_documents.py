"""The documents of `init` and the queue runbook name only what exists, and hooks leave them alone (spec §2).

prettier 3 and markdownlint 0.38 with default settings were run over every document of these tests: no byte changes
and no finding.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings

from ai_workflow.models.blocker import Blocker
from ai_workflow.models.ids import parse_id
from ai_workflow.plan.parse import parse_plan
from ai_workflow.plan.quality import judge_plan
from ai_workflow.rendering.init_docs import render_init_documents
from ai_workflow.rendering.queue_runbook import render_queue_runbook
from rendering.builders import GOLDEN, HOSTILE, NOW, hostile_texts, make_plan, make_snapshot
from support.golden import assert_golden


def render(**changed: Any) -> dict[str, str]:
    arguments: dict[str, Any] = {
        "project_name": "demo",
        "base_branch": "main",
        "command_prefix": "uv run",
        "checks": ["uv run python -m pytest", "uv run ruff check ."],
    }
    return render_init_documents(**(arguments | changed))


def assert_clean(text: str) -> None:
    lines = text.split("\n")
    assert lines[0].startswith("# ")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert "\n\n\n" not in text
    assert not any(line.endswith((" ", "\t", "\\")) for line in lines)
    assert "\t" not in text


@pytest.mark.parametrize(("case", "changed"), [("uv", {}), ("plain", {"command_prefix": "", "checks": []})])
def test_documents_are_as_kept(case: str, changed: dict[str, Any]) -> None:
    documents = render(**changed)
    assert list(documents) == [
        "docs/ai/START_HERE.md",
        "docs/ai/README.md",
        "docs/ai/plan/backlog.md",
        "docs/operator/operator.md",
        "docs/operator/codex-agent.md",
    ]
    for path, text in documents.items():
        assert_clean(text)
        assert max(len(line) for line in text.split("\n")) <= 80
        assert_golden(GOLDEN / "init" / case / path.rsplit("/", 1)[-1], text)


def test_moved_folders_carry_every_path_along() -> None:
    documents = render(
        workspace_dir="work/aiw",
        plan_dir="work/plan",
        entrypoint="work/GO.md",
        readme_path="work/FILES.md",
        operator_path="work/operator.md",
        codex_agent_path="work/agent.md",
        queue_path="work/queue.md",
    )
    assert all(path.startswith("work/") for path in documents)
    text = "".join(documents.values())
    for old in ("docs/ai", "docs/operator"):
        assert old not in text
    assert "`work/aiw/prompts/next-core.md`" in documents["work/GO.md"]


def test_plans_in_the_operators_page_are_valid() -> None:
    text = render()["docs/operator/operator.md"]
    plans = [block for block in re.findall(r"```text\n(.*?)```", text, re.DOTALL) if block.startswith("# Milestones")]
    assert len(plans) == 2
    for block in plans:
        plan = parse_plan(block, path="operator.md")
        verdict = judge_plan(plan, scope_exists=None, known=None)
        assert verdict.findings == ()
        assert verdict.score == 100
    assert plan.milestones[1].tasks[0].depends == ("M01",)


def test_the_backlogs_example_is_complete() -> None:
    text = render()["docs/ai/plan/backlog.md"]
    assert [parse_id("backlog", item) for item in re.findall(r"^## (BLG-\d+) - ", text, re.MULTILINE)] == ["BLG-001"]
    item = text[text.index("## ") :]
    assert re.findall(r"^([A-Z][a-z ]+):", item, re.MULTILINE) == [
        *("Status", "Priority", "Tags", "Notes", "Acceptance", "Conflict scopes")
    ]
    bullets = re.findall(r"^- (.*)$", item, re.MULTILINE)
    title = re.findall(r"^## BLG-001 - (.*)$", text, re.MULTILINE)[0]
    plan = f"# Milestones\n\n## M01 - Project documentation pages\nGoal: pages exist.\nTasks:\n- {title}\n"
    plan += "".join(f"  Acceptance: {line}\n" for line in bullets[2:5]) + f"  Conflict: {bullets[5]}\n"
    assert judge_plan(parse_plan(plan, path="p"), scope_exists=None, known=None).findings == ()


@settings(deadline=None, max_examples=15)
@given(hostile_texts)
def test_hostile_names_break_no_document(text: str) -> None:
    for document in render(project_name=text, checks=[text, *HOSTILE]).values():
        assert_clean(document)
        assert len(re.findall(r"^# ", re.sub(r"(?s)```.*?```", "", document), re.MULTILINE)) == 1


def test_queue_runbook_is_as_kept() -> None:
    blocker = Blocker(
        id="BLK-0001",
        klass="human",
        step="checks",
        message=HOSTILE[0],
        since=NOW,
        next_command="aiw status",
        blocked_task_id="TASK-005",
    )
    snapshot = make_plan(3, 2, done=3)
    large = make_plan(100, 4, done=13, title=HOSTILE[1])
    blocked = make_snapshot(*snapshot.tasks.values(), *snapshot.milestones.values(), blocker)
    cases = {"empty": make_snapshot(), "begun": blocked, "large": large}
    for case, content in cases.items():
        text = render_queue_runbook(content, command_prefix="uv run")
        assert_clean(text)
        assert_golden(GOLDEN / "queue" / f"{case}.md", text)
