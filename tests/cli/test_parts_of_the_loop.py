"""The commands that `agent run` is made of, each by itself (spec §6.2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.project import Project, make_planned, make_ready


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_ready(tmp_path, remote=False)


def test_bootstrap_imports_and_starts_and_hands_nothing_out(project: Project) -> None:
    result = project.aiw("agent", "bootstrap", "--plan", "docs/ai/plan/milestones.md", "--lane", "core")
    assert result.stdout == (
        "Ready: lane core works on M01\nQueue: docs/operator/queue-run.md\nNext: aiw agent task --lane core\n"
    )
    assert project.task(1)["status"] == "ready"
    assert project.state("lanes/core.json")["milestone_id"] == "M01"
    assert "TASK-001" in project.read("docs/operator/queue-run.md")
    assert project.status() == []
    assert project.aiw("agent", "bootstrap").code == 0, "again is harmless"


@pytest.mark.parametrize("command", [("lane", "start", "core", "M01"), ("milestone", "start", "1")], ids=" ".join)
def test_a_milestone_is_started_on_its_branch(project: Project, command: tuple[str, ...]) -> None:
    project.aiw("plan", "import")
    started = project.aiw(*command)
    assert started.stdout == "Started M01 on ai/m01-parser-cleanup\nNext: aiw agent task --lane core\n"
    assert project.git("symbolic-ref", "--short", "HEAD") == "ai/m01-parser-cleanup"
    project.git("switch", "-q", "main")
    assert project.aiw(*command).stdout.startswith("Resumed M01 on ai/m01-parser-cleanup\n")
    assert project.git("symbolic-ref", "--short", "HEAD") == "ai/m01-parser-cleanup"


def test_claim_then_start_then_finish(project: Project) -> None:
    project.aiw("agent", "bootstrap")
    assert project.aiw("task", "claim").stdout == "Claimed TASK-001: Consolidate parser cleanup behavior\n"
    assert project.task(1)["status"] == "claimed"
    again = project.aiw("task", "claim", "--json").json
    assert (again["claimed"], again["task"]["id"]) == (False, "TASK-001")
    started = project.aiw("task", "start", "TASK-001")
    assert started.stdout.endswith("Prompt: docs/ai/workspace/prompts/next-core.md\n")
    assert project.task(1)["status"] == "in_progress"
    project.write("src/parser.py", "x\n")
    project.finish()
    assert project.task(1)["status"] == "done"


def test_a_task_out_of_order_says_what_it_waits_for(project: Project) -> None:
    project.aiw("agent", "bootstrap")
    result = project.aiw("agent", "task", "2", code=1)
    assert result.stderr == (
        "error: TASK-002 cannot be claimed: it waits for TASK-001 (ready)\n"
        "hint: take the next one in order: aiw next --lane core\n"
    )
    assert project.aiw("agent", "task", "1", "--json").json["task"]["id"] == "TASK-001"


def test_a_claim_before_any_milestone_says_what_to_start(project: Project) -> None:
    project.aiw("plan", "import")
    assert "no milestone is under way" in project.aiw("task", "claim", code=1).stderr


def test_ticked_tasks_are_done_only_on_request_and_shown_as_unproven(tmp_path: Path) -> None:
    plan = "# Milestones\n\n## M01 - A\nTasks:\n- [x] Write the old thing\n  Acceptance: It is there.\n"
    plan += "- Write the new thing\n  Acceptance: It is there.\n"
    project = make_planned(tmp_path, plan=plan, remote=False)
    assert project.task(1)["status"] == "ready"
    project.aiw("plan", "import", "--accept-done")
    assert project.task(1)["status"] == "done"
    assert "done (unproven)" in project.aiw("task", "list").stdout
