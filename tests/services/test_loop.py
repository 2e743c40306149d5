"""From `init` to merged, with real git and real processes (spec §6)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ai_workflow.services import parking, queue
from ai_workflow.services.workspace import open_workspace
from support.landing import ONE_TASK
from support.project import THREE_MILESTONES, Project, make_project, make_ready


def work_through(project: Project, files: dict[str, str]) -> list[str]:
    """Drives the queue to its end, writing one file per task; returns the task ids in the order handed out."""
    order: list[str] = []
    for _step in range(20):
        answer = project.next()
        if answer["outcome"] == "complete":
            return order
        title = answer["task"]["title"]
        order.append(answer["task"]["id"])
        project.write(files[title], f"{title}\n")
        project.finish()
    raise AssertionError("the queue does not end")


PARSER_FILES = {"Consolidate parser cleanup behavior": "src/parser.py", "Update parser documentation": "docs/parser.md"}
MILESTONE_FILES = {
    "Add the parser module": "src/parser.py",
    "Cover the parser with tests": "tests/test_parser.py",
    "Report the position of errors": "src/errors.py",
    "Describe the parser grammar": "docs/grammar.md",
}


@pytest.mark.parametrize("remote", [True, False], ids=["remote", "no-remote"])
def test_the_public_example_from_init_to_merged(tmp_path: Path, remote: bool) -> None:
    project = make_ready(tmp_path, remote=remote)
    project.write(".env", "TOKEN=1\n")
    project.write("README.md", "# project, edited by its owner\n")
    project.write("notes/todo.txt", "mine\n")
    assert work_through(project, PARSER_FILES) == ["TASK-001", "TASK-002"]
    assert project.subjects("main") == [
        "Begin",
        "aiw: set up workspace",
        "TASK-001: Consolidate parser cleanup behavior",
        "TASK-002: Update parser documentation",
    ]
    assert project.git("branch", "--format=%(refname:short)") == "main"
    assert project.git("symbolic-ref", "--short", "HEAD") == "main"
    assert project.status() == [" M README.md", "?? .env", "?? notes/todo.txt"], "the owner's own changes, untouched"
    assert project.read("README.md") == "# project, edited by its owner\n"
    if remote:
        assert project.git("ls-remote", "origin").split("\n") == [
            f"{project.git('rev-parse', 'main')}\tHEAD",
            f"{project.git('rev-parse', 'main')}\trefs/heads/main",
        ]
    committed = project.git("log", "--name-only", "--format=", "main").split("\n")
    assert not [
        path for path in committed if "/state/" in path or "/prompts/" in path or path.endswith("milestones.md")
    ]
    assert ".env" not in committed
    assert project.milestone()["status"] == "merged"
    assert project.state("lanes/core.json")["current_task_id"] is None
    assert project.aiw("agent", "run", "--lane", "core", "--mode", "queue").stdout == (
        "Plan complete: every milestone is merged\n"
    )


@pytest.mark.parametrize("remote", [True, False], ids=["remote", "no-remote"])
def test_three_milestones_in_numeric_order_respecting_dependencies(tmp_path: Path, remote: bool) -> None:
    project = make_ready(tmp_path, plan=THREE_MILESTONES, remote=remote)
    assert work_through(project, MILESTONE_FILES) == ["TASK-001", "TASK-002", "TASK-003", "TASK-004"]
    assert project.status() == []
    assert [project.milestone(name)["status"] for name in ("M01", "M02", "M10")] == ["merged"] * 3
    assert project.subjects("main")[2:] == [
        "TASK-001: Add the parser module",
        "TASK-002: Cover the parser with tests",
        "TASK-003: Report the position of errors",
        "TASK-004: Describe the parser grammar",
    ]
    merges = project.git("log", "--merges", "--reverse", "--format=%s", "main").split("\n")
    assert [merge.split(":")[0] for merge in merges] == ["M01", "M02", "M10"]
    if remote:
        assert project.git("rev-parse", "main") == project.git("rev-parse", "origin/main")


def test_a_task_commit_carries_its_evidence(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    project.next()
    project.write("src/parser.py", "x\n")
    project.finish()
    sha = project.task(1)["commit_sha"]
    message = project.git("log", "-1", "--format=%B", sha)
    assert message.startswith("TASK-001: Consolidate parser cleanup behavior\n\n")
    assert "Parser behavior is covered by focused tests." in message
    trailers = project.git("log", "-1", "--format=%(trailers:only,unfold)", sha).strip().split("\n")
    keys = [trailer.split(": ")[0] for trailer in trailers]
    assert keys == ["Aiw-Task", "Aiw-Milestone", "Aiw-Workpackage", "Aiw-Run", "Aiw-Op"]
    run = project.state("runs/RUN-0001.json")
    assert run["status"] == "completed"
    assert run["commit_sha"] == sha
    assert [check["status"] for check in run["checks"]] == ["passed"]
    assert run["changed_files"] == ["src/parser.py"]
    assert "src/parser.py" in project.read("docs/ai/workspace/reports/audits/TASK-001.md")


def test_running_again_shows_the_same_task(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    first = project.next()
    again = project.next()
    assert first["claimed"]
    assert not again["claimed"]
    assert again["task"] == first["task"]
    assert project.aiw("next", "--json").json["task"]["id"] == "TASK-001"
    assert project.status() == [], "a claim leaves the tree clean"


def test_the_work_survives_a_repository_without_a_commit(tmp_path: Path) -> None:
    project = make_project(tmp_path, remote=False, commit=False, files={"README.md": "# new\n"})
    project.aiw("init")
    project.checks("true")
    project.plan()
    work_through(project, PARSER_FILES)
    assert project.subjects("main") == [
        "aiw: set up workspace",
        "TASK-001: Consolidate parser cleanup behavior",
        "TASK-002: Update parser documentation",
    ]
    assert project.status() == ["?? README.md"], "the owner's file was never the task's"


def test_a_workspace_in_a_sub_folder_leaves_the_rest_alone(tmp_path: Path) -> None:
    project = make_project(tmp_path, files={"README.md": "x\n", "packages/a/a.txt": "a\n", "packages/b/b.txt": "b\n"})
    inner = Project(project.path / "packages" / "a")
    inner.aiw("init")
    inner.checks("test -f src/parser.py || test -f docs/parser.md")
    inner.plan()
    project.write("packages/b/b.txt", "the owner works here\n")
    work_through(inner, PARSER_FILES)
    assert project.status() == [" M packages/b/b.txt"]
    assert "packages/a/src/parser.py" in project.git("ls-tree", "-r", "--name-only", "main").split("\n")
    for commit in (inner.task(1)["commit_sha"], "main"):
        assert "Aiw-Project: packages/a" in project.git("log", "-1", "--format=%B", commit)


def test_commands_work_from_any_sub_folder(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    project.next()
    project.write("src/parser.py", "x\n")
    project.aiw("agent", "finish", "--lane", "core", "--task", "1", "--commit", cwd=project.path / "src")
    assert project.task(1)["status"] == "done"


def test_queue_mode_closes_a_milestone_that_was_left_open(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    project.next()
    project.write("src/parser.py", "x\n")
    project.finish()
    project.next()
    project.write("docs/parser.md", "x\n")
    origin = project.origin
    assert origin is not None
    hidden = origin.with_name("hidden.git")
    origin.rename(hidden)
    blocked = project.finish(code=3)
    assert "Done: TASK-002" in blocked.stdout
    assert "Blocked: M01" in blocked.stdout
    assert project.milestone()["blocker"]["class"] == "infra"
    assert project.milestone()["status"] == "blocked"
    assert "clear it:" in project.aiw("status").stdout
    hidden.rename(origin)
    answer = project.next()
    assert answer["outcome"] == "complete"
    assert project.milestone()["status"] == "merged"
    assert project.milestone()["blocker"] is None
    assert project.state("blockers/BLK-0001.json")["status"] == "resolved"
    assert project.status() == []


def test_a_new_plan_after_the_old_one_is_finished_archives_the_old_one(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    work_through(project, PARSER_FILES)
    old = project.milestone()
    new = "# Milestones\n\n## M01 - Printer work\nTasks:\n- Add the printer module\n  Acceptance: It prints a line.\n"
    project.plan(new)
    files = {"Add the printer module": "src/printer.py"}
    assert work_through(project, files) == ["TASK-003"], "task ids go on, milestone ids begin again"
    assert project.milestone()["title"] == "Printer work"
    assert project.milestone()["workpackage"] == 2
    archived = "docs/ai/workspace/archive/workpackage-1"
    assert json.loads(project.read(f"{archived}/milestones/M01.json")) == old
    assert json.loads(project.read(f"{archived}/tasks/TASK-001.json"))["status"] == "done"
    assert json.loads(project.read(f"{archived}/runs/RUN-0001.json"))["status"] == "completed"
    assert [task["id"] for task in project.aiw("task", "list", "--json").json["tasks"]] == ["TASK-003"]
    assert "Aiw-Workpackage: 2" in project.git("log", "-1", "--format=%B", project.task(3)["commit_sha"])
    assert project.state("runs/RUN-0003.json")["task_id"] == "TASK-003", "run ids go on too"
    assert project.status() == []


@pytest.mark.parametrize("left", ["nothing", "another milestone"])
def test_a_milestone_that_ends_under_the_queue_is_no_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    project = make_ready(tmp_path, remote=False, plan=ONE_TASK)
    project.next()
    project.write("src/parser.py", "x\n")
    others: list[tuple[str, ...]] = [("agent", "finish", "--commit")]
    if left != "nothing":
        others.insert(0, ("task", "adhoc", "--title", "Fix the login"))

    def make_room(*_: object) -> None:
        """What another process does between the look at the state and the lock."""
        while others:
            project.aiw(*others.pop(0))

    monkeypatch.setattr(parking, "make_room", make_room)
    result = queue.advance(open_workspace(str(project.path)), "core")
    if left == "nothing":
        assert result.outcome == "complete"
    else:
        assert result.claim is not None
        assert (result.claim.task.id, result.claim.claimed) == ("TASK-002", True)
