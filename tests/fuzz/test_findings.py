"""What fuzzing found, each pinned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.project import Project, make_planned

STATE = "docs/ai/workspace/state"


def change(project: Project, rel: str, **fields: Any) -> None:
    """The file with these fields changed; None takes one out."""
    row = project.state(rel)
    for name, value in fields.items():
        row.pop(name)
        if value is not None:
            row[name] = value
    project.write(f"{STATE}/{rel}", json.dumps(row))


@pytest.mark.parametrize("fields", [{"milestone_id": None}, {"title": 5}, {"commit_sha": [1]}, {"notes": "x"}])
def test_a_record_of_the_wrong_shape_is_damage_where_it_is_only_shown(tmp_path: Path, fields: dict[str, Any]) -> None:
    project = make_planned(tmp_path, remote=False)
    change(project, "tasks/TASK-002.json", **fields)
    for words in (("task", "list", "--json"), ("task", "list"), ("milestone", "list"), ("status",)):
        result = project.aiw(*words, code=5)
        assert "tasks/TASK-002.json" in result.stdout + result.stderr, words
    assert [task["id"] for task in project.aiw("task", "list", "--json", code=5).json["tasks"]] == ["TASK-001"]
    assert project.aiw("task", "show", "2", code=5).stderr.startswith(f"error: {STATE}/tasks/TASK-002.json")


@pytest.mark.parametrize(
    ("rel", "field", "command"),
    [
        ("lanes/core.json", "status", "lane list"),
        ("lanes/core.json", "milestone_id", "status"),
        ("adrs/ADR-0001.json", "status", "adr list"),
        ("project.json", "status", "status"),
    ],
)
def test_a_field_that_has_a_default_may_be_missing_where_it_is_shown(
    tmp_path: Path, rel: str, field: str, command: str
) -> None:
    project = make_planned(tmp_path, remote=False)
    project.aiw("adr", "new", "Errors are values", "-d", "They are.")
    before = [project.aiw(*command.split(), *more).stdout for more in ((), ("--json",))]
    change(project, rel, **{field: None})
    assert [project.aiw(*command.split(), *more).stdout for more in ((), ("--json",))] == before


def test_one_value_that_makes_no_sense_does_not_stop_doctor(tmp_path: Path) -> None:
    project = make_planned(tmp_path, remote=False)
    project.aiw("task", "adhoc", "--title", "Fix the login")
    change(project, "tasks/TASK-003.json", acceptance_criteria=9, priority="high")
    for path in (project.path / STATE / "operations").iterdir():
        path.unlink()
    project.aiw("doctor", "--json", code=5)
    project.aiw("doctor", "--fix", code=None)
    project.aiw("task", "list")


@pytest.mark.parametrize("counters", [{"task": [1], "run": "x", "adr": 1e300}, [], {"task": 10**30}, {"task": True}])
def test_counters_that_make_no_sense_do_not_stop_doctor(tmp_path: Path, counters: Any) -> None:
    project = make_planned(tmp_path, remote=False)
    change(project, "project.json", counters=counters, documents={"a": 1})
    for path in (project.path / STATE / "operations").iterdir():
        path.unlink()
    project.aiw("doctor", "--json", code=5)
    project.aiw("doctor", "--fix", code=None)
    assert project.state("project.json")["counters"]["task"] >= 2
    assert project.aiw("doctor", "--json").json["ok"]
