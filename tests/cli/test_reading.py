"""Commands that only show: shapes for programs, exit codes, damage, and that they write nothing (spec §8)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.prepared import prepared
from support.project import PARSER_PLAN, Project, make_planned, make_project, make_ready

READING = (
    ("status",),
    ("task", "list"),
    ("task", "show", "1"),
    ("milestone", "list"),
    ("milestone", "show", "m1"),
    ("lane", "list"),
    ("lane", "show"),
    ("plan", "validate"),
    ("plan", "show"),
    ("plan", "optimize", "--dry-run"),
    ("plan", "import", "--dry-run"),
)


def prepare(folder: Path) -> Project:
    project = make_ready(folder, remote=False)
    project.next()
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(prepare, tmp_path)


def picture(project: Project) -> dict[str, tuple[int, bytes]]:
    files = [path for path in project.path.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_it_works_on_a_read_only_checkout_and_prints_one_document(project: Project, command: tuple[str, ...]) -> None:
    before = picture(project)
    folders = [path for path in (project.path, *project.path.rglob("*")) if path.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    try:
        text = project.aiw(*command)
        document = project.aiw(*command, "--json")
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert text.stdout
    assert isinstance(document.json, dict)
    if os.geteuid() == 0:
        # Root writes in spite of the modes, so look at the files instead.
        assert picture(project) == before


def test_the_status_document(project: Project) -> None:
    status = project.aiw("status", "--json").json
    assert set(status) == {
        "project", "root", "base_branch", "lane", "active_milestone", "active_task", "progress", "blockers",
        "next_command", "damaged",
    }  # fmt: skip
    assert status["active_task"] == project.task(1)
    assert status["active_milestone"] == project.milestone()
    assert status["progress"] == {"tasks": {"in_progress": 1, "planned": 1}, "milestones": {"in_progress": 1}}
    assert status["next_command"] == "aiw agent finish --lane core --task TASK-001 --commit"


def test_elements_have_the_fields_of_their_files(project: Project) -> None:
    assert project.aiw("task", "list", "--json").json["tasks"][0] == project.task(1)
    assert project.aiw("task", "show", "TASK-001").json == project.task(1)
    assert project.aiw("milestone", "list", "--json").json["milestones"] == [project.milestone()]
    assert project.aiw("lane", "list", "--json").json["lanes"] == [project.state("lanes/core.json")]
    assert {"verify", "attempts", "key", "blocker"} <= set(project.task(1))


def test_filters(project: Project) -> None:
    assert [t["id"] for t in project.aiw("task", "list", "-s", "planned", "--json").json["tasks"]] == ["TASK-002"]
    assert project.aiw("task", "list", "-m", "2").stdout == "no tasks\n"
    assert "invalid choice" in project.aiw("task", "list", "-s", "nonsense", code=2).stderr


@pytest.mark.parametrize("text", ["", "{", "<<<<<<< HEAD\n", "[]", '{"id": "TASK-002"}', "\xff"])
def test_a_damaged_file_is_named_and_the_rest_is_shown(project: Project, text: str) -> None:
    path = project.write("docs/ai/workspace/state/tasks/TASK-002.json", text.encode("latin-1"))
    result = project.aiw("task", "list", "--json", code=5)
    assert [task["id"] for task in result.json["tasks"]] == ["TASK-001"]
    assert "state/tasks/TASK-002.json" in result.stderr
    status = project.aiw("status", code=5)
    assert "state/tasks/TASK-002.json" in status.stdout
    assert project.aiw("task", "show", "2", code=5).stderr.startswith(
        "error: docs/ai/workspace/state/tasks/TASK-002.json"
    )
    assert project.aiw("task", "show", "1").json["id"] == "TASK-001"
    project.write("docs/ai/plan/milestones.md", PARSER_PLAN + "\n<!-- edited -->\n")
    project.aiw("plan", "import", code=5)
    assert path.read_bytes() == text.encode("latin-1"), "nothing is written over damage"


def test_ids_that_are_no_ids_never_become_paths(project: Project) -> None:
    for text in ("../lanes/core", "TASK-", "x", "TASK-1/..", "1e3", "٣"):
        result = project.aiw("task", "show", text, code=1)
        assert "is not a task id" in result.stderr
    assert project.aiw("task", "show", "99", code=1).stderr == (
        "error: task TASK-099 does not exist\nhint: see `aiw task list`\n"
    )


def test_errors_are_one_document_too(project: Project) -> None:
    result = project.aiw("task", "show", "99", "--json", code=1)
    assert result.json == {
        "error": {
            "kind": "not_found",
            "message": "task TASK-099 does not exist",
            "hint": "see `aiw task list`",
            "exit_code": 1,
        }
    }
    usage = project.aiw("task", "show", "--json", code=2)
    assert usage.json["error"]["kind"] == "usage"


def test_unknown_commands_and_options(project: Project) -> None:
    assert project.aiw("stauts", code=2).stderr == (
        "error: there is no command `aiw stauts`\nhint: did you mean `aiw status`?\n"
    )
    assert project.aiw(code=2).stdout.startswith("usage: aiw")
    assert project.aiw("plan", code=2).stdout.startswith("usage: aiw plan")
    assert project.aiw("plan", "--help").stdout.startswith("usage: aiw plan")
    assert "--nonsense" in project.aiw("status", "--nonsense", code=2).stderr


def test_outside_a_workspace(tmp_path: Path) -> None:
    result = Project(tmp_path).aiw("status", code=1)
    assert result.stderr.startswith("error: no .ai-workflow.yaml in ")
    assert "aiw init" in result.stderr


def test_titles_are_shown_inert(tmp_path: Path) -> None:
    title = "Add \x1b[31mred\x1b[0m [/bold] \u202eevil text here"
    project = make_planned(
        tmp_path, plan=f"# Milestones\n\n## M01 - A\nTasks:\n- {title}\n  Acceptance: It is there.\n"
    )
    for command in (("status",), ("task", "list"), ("next",)):
        result = project.aiw(*command)
        assert "\x1b" not in result.stdout + result.stderr
        assert "\u202e" not in result.stdout + result.stderr


def test_a_pipe_closed_early_is_no_error(project: Project) -> None:
    command = f"{sys.executable} -m ai_workflow task list --json | head -c 1 > /dev/null; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=project.path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_options_before_and_after_the_command(project: Project) -> None:
    elsewhere = Project(project.path.parent)
    assert elsewhere.aiw("-C", str(project.path), "--json", "status").json["root"] == str(project.path)
    assert elsewhere.aiw("status", "-C", str(project.path), "--json").json["root"] == str(project.path)
    assert "is not a folder" in elsewhere.aiw("-C", "nowhere", "status", code=2).stderr


def test_status_follows_a_config_edited_a_moment_ago(project: Project) -> None:
    text = project.read(".ai-workflow.yaml").replace('command_prefix: ""', "command_prefix: uv run")
    project.write(".ai-workflow.yaml", text)
    assert project.aiw("status", "--json").json["next_command"].startswith("uv run aiw ")
    project.write(".ai-workflow.yaml", text.replace("uv run", "uv rub"))
    assert project.aiw("status", "--json").json["next_command"].startswith("uv rub aiw ")


def test_events_are_lines_of_json(project: Project) -> None:
    lines = project.read("docs/ai/workspace/state/events/events.jsonl").splitlines()
    names = [json.loads(line)["event"] for line in lines]
    assert names == ["workspace_initialized", "plan_imported", "lane_started", "task_claimed"]


def test_a_new_workspace_is_shown_the_way_to_a_plan_and_then_its_import(tmp_path: Path) -> None:
    project = make_project(tmp_path, remote=False)
    project.aiw("init")
    assert project.aiw("status", "--json").json["next_command"] == "aiw agent plan-prompt --print"
    project.plan()
    assert project.aiw("status", "--json").json["next_command"] == "aiw plan import"


def test_a_new_plan_behind_a_finished_one_is_noticed(tmp_path: Path) -> None:
    project = make_planned(tmp_path, remote=False)
    for number in ("1", "2"):
        project.aiw("task", "skip", number, "--reason", "not needed")
    project.aiw("milestone", "finish", "M01")
    assert project.aiw("status", "--json").json["next_command"] is None
    project.plan(PARSER_PLAN.replace("Parser cleanup", "More of it"))
    assert project.aiw("status", "--json").json["next_command"] == "aiw agent run --lane core --mode queue"
    (project.path / "docs/ai/plan/milestones.md").unlink()
    (project.path / "docs/ai/plan/milestones.md").mkdir()
    assert project.aiw("status", "--json").json["next_command"] is None
