"""Something else where a folder of the state must be: named, the rest usable, repaired (spec §7.5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.prepared import prepared
from support.project import PARSER_PLAN, Project, make_ready, make_under_way

STATE = "docs/ai/workspace/state"
FOLDERS = ["tasks", "milestones", "lanes", "runs", "baselines", "adrs", "blockers", "intents"]


def misplace(project: Project, folder: str) -> None:
    path = project.path / STATE / folder
    if path.is_dir():
        path.rename(project.path.parent / "real")
    path.write_text("hello\n")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_file_in_the_place_of_a_folder_is_named_and_repaired(tmp_path: Path, folder: str) -> None:
    project = prepared(make_under_way, tmp_path)
    before = project.aiw("task", "list", "--json").json["tasks"]
    misplace(project, folder)
    sentence = f"{STATE}/{folder}: a file stands where this folder must be"
    kind = {"tasks": "task", "milestones": "milestone", "lanes": "lane", "runs": "run", "adrs": "adr"}.get(folder)
    if kind is not None:
        listed = project.aiw(kind, "list", "--json", code=5)
        assert listed.json[folder] == []
        assert f"{STATE}/{folder}" in listed.stderr
    if folder not in ("tasks", "milestones"):
        assert project.aiw("task", "list", "--json").json["tasks"] == before
    project.aiw("task", "block", "2", "see", code=5 if folder in ("tasks", "blockers", "lanes") else None)
    assert (project.path / STATE / folder).read_text() == "hello\n"
    found = project.aiw("doctor", "--json", code=5).json["findings"]
    assert [(one["message"], one["fix"]) for one in found if one["path"] == f"{STATE}/{folder}"] == [
        (sentence.partition(": ")[2], "aiw doctor --fix")
    ]
    fixed = project.aiw("doctor", "--fix", "--json").json
    assert fixed["repairs"][0]["message"] == f"put {sentence.replace(': ', ' aside: ', 1)}"
    assert (project.path / fixed["repairs"][0]["copy"]).read_text() == "hello\n"
    after = project.aiw("task", "list", "--json").json["tasks"]
    assert [task["id"] for task in after] == ["TASK-001", "TASK-002"]
    assert {**after[0], "updated_at": ""} == {**before[0], "updated_at": ""}
    assert project.aiw("doctor", "--json").json["ok"]


def test_what_is_the_users_is_not_committed_while_nobody_can_tell_that_it_is(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False, plan=PARSER_PLAN.replace("Conflict:", "Notes:"))
    project.write("mine.txt", "mine\n")
    project.next()
    project.write("src/parser.py", "x\n")
    baseline = project.path / STATE / "baselines/core.json"
    whole = baseline.read_bytes()
    baseline.write_bytes(whole[:40])
    refused = project.finish(code=5)
    assert "baselines/core.json:" in refused.stderr
    assert project.subjects() == ["Begin", "aiw: set up workspace"]
    baseline.write_bytes(whole)
    project.finish()
    assert project.git("show", "--name-only", "--format=", "HEAD").split("\n").count("mine.txt") == 0


@pytest.mark.parametrize("folder", ["operations", "events"])
def test_a_file_in_the_place_of_a_log_is_named_and_put_aside(tmp_path: Path, folder: str) -> None:
    project = prepared(make_under_way, tmp_path)
    misplace(project, folder)
    assert len(project.aiw("task", "list", "--json").json["tasks"]) == 2
    refused = project.aiw("backlog", "add", "--title", "An idea", code=5)
    assert f"{STATE}/{folder}: a file stands where this folder must be" in refused.stderr
    assert not (project.path / STATE / "journal.json").exists()
    found = project.aiw("doctor", "--json", code=1).json["findings"]
    assert [one["fix"] for one in found if one["path"] == f"{STATE}/{folder}"] == ["aiw doctor --fix"]
    project.aiw("doctor", "--fix")
    project.write("docs/parser.md", "x\n")
    project.finish()
    assert project.aiw("doctor", "--json").json["ok"]


def test_a_file_in_the_place_of_the_state_is_named_and_the_way_out_works(tmp_path: Path) -> None:
    project = prepared(make_under_way, tmp_path)
    (project.path / STATE).rename(tmp_path / "real")
    (project.path / STATE).write_text("hello\n")
    for command in (("status",), ("agent", "run"), ("state", "rebuild"), ("init",)):
        result = project.aiw(*command, code=5)
        assert STATE in result.stdout + result.stderr, command
    findings = project.aiw("doctor", "--json", code=5).json["findings"]
    assert [one["fix"] for one in findings if one["level"] == "error"] == [f"mv {STATE} {STATE}.damaged"], findings
    (project.path / STATE).rename(project.path / f"{STATE}.damaged")
    project.aiw("state", "rebuild")
    assert [task["status"] for task in project.aiw("task", "list", "--json").json["tasks"]] == ["done", "ready"]
