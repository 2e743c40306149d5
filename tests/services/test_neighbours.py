"""Two workspaces in one work tree: neither touches the other's files, whatever branch is checked out (spec §2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.project import THREE_MILESTONES, Project, make_project


def prepare(project: Project, folder: str) -> Project:
    """A workspace in a folder of the project, its plan written."""
    own = Project(project.path / folder)
    own.aiw("init")
    own.checks("true")
    own.plan(THREE_MILESTONES)
    return own


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Project, Project]:
    """Two workspaces with TASK-001 under way in each; the first one's branch does not have the second's set-up."""
    project = make_project(tmp_path, files={"one/keep": "k\n", "two/keep": "k\n"})
    one = prepare(project, "one")
    one.next()
    two = prepare(project, "two")
    two.next()
    one.next()
    assert project.git("branch", "--show-current") == "ai/m01-parser-base"
    one.write("src/parser.py", "x\n")
    return one, two


def test_a_finish_and_a_parking_leave_the_state_of_a_neighbour_whose_gitignore_is_on_another_branch(
    pair: tuple[Project, Project],
) -> None:
    one, two = pair
    events = two.read("docs/ai/workspace/state/events/events.jsonl")
    one.aiw("task", "adhoc", "--kind", "hotfix", "--title", "Fix the login loop", "--start")
    assert one.task(1)["parked"]["paths"] == ["src/parser.py"]
    assert two.read("docs/ai/workspace/state/events/events.jsonl") == events
    one.write("login.py", "x\n")
    one.finish()
    one.next()
    one.finish("--task", "TASK-001")
    assert all(path.startswith("one/") for path in one.git("show", "--name-only", "--format=").split("\n"))
    assert two.read("docs/ai/workspace/state/events/events.jsonl") == events


def test_a_workspace_whose_settings_are_on_another_branch_is_not_led_to_init(pair: tuple[Project, Project]) -> None:
    _one, two = pair
    for command in (("status",), ("doctor",), ("agent", "run")):
        refused = two.aiw(*command, code=1)
        assert f"but the state of a workspace lies in {two.path}\n" in refused.stderr
        assert f"git -C {two.path} log --all --source -1 -- .ai-workflow.yaml names one" in refused.stderr
    named = two.git("log", "--all", "--source", "-1", "--format=%S", "--", ".ai-workflow.yaml")
    two.git("checkout", "-q", named)
    assert two.aiw("status", "--json").json["next_command"]
