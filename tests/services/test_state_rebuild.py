"""`state rebuild`: a state that is gone comes back from plan, backlog, decisions and commits (spec §7.5)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.prepared import prepared
from support.project import PARSER_PLAN, THREE_MILESTONES, Project, make_planned, make_ready

STATE = "docs/ai/workspace/state"
FIVE = """# Milestones

## M01 - Parser base
Goal: A parser exists.
Tasks:
- Add the parser module
  Acceptance: The parser reads one line.
  Conflict: src/parser.py
  Depends: none
- Cover the parser with tests
  Acceptance: The parser's tests read one line.
  Conflict: tests/test_parser.py
  Depends: none
  Priority: critical
- Describe the parser module
  Acceptance: The docs name the parser.
  Conflict: docs/parser.md
  Depends: none

## M02 - Parser errors
Goal: The parser explains what is wrong.
Tasks:
- Report the position of errors
  Acceptance: An error names its line.
  Conflict: src/errors.py
- Describe the errors of the parser
  Acceptance: Each error stands in the docs.
  Conflict: docs/errors.md
"""
FILES = {
    "Add the parser module": "src/parser.py",
    "Cover the parser with tests": "tests/test_parser.py",
    "Describe the parser module": "docs/parser.md",
    "Report the position of errors": "src/errors.py",
    "Describe the errors of the parser": "docs/errors.md",
    "Describe the parser grammar": "docs/grammar.md",
    "Consolidate parser cleanup behavior": "src/parser.py",
    "Update parser documentation": "docs/parser.md",
}


def work(project: Project, count: int) -> list[str]:
    """Hands out and finishes so many tasks; the ids in order."""
    done = []
    for _ in range(count):
        project.next()
        (task,) = [one for one in tasks_of(project) if one["status"] == "in_progress"]
        project.write(FILES[task["title"]], f"{task['id']}\n")
        project.finish()
        done.append(task["id"])
    return done


def tasks_of(project: Project) -> list[dict[str, Any]]:
    return list(project.aiw("task", "list", "--json").json["tasks"])


def drop_state(project: Project) -> None:
    shutil.rmtree(project.path / STATE)


def drop_workspace(project: Project) -> None:
    """What `git clean -X` would take, but the plan."""
    for name in ("state", "tasks", "milestones", "runs", "prompts", "reports", "locks"):
        shutil.rmtree(project.path / "docs/ai/workspace" / name, ignore_errors=True)


def facts(project: Project) -> dict[str, Any]:
    """What must be the same after a rebuild."""
    tasks = {
        task["id"]: {
            key: task[key]
            for key in (
                *("title", "status", "milestone_id", "commit_sha", "key", "acceptance_criteria", "conflict_scopes"),
                *("depends_on", "verify", "priority", "notes", "workpackage"),
            )
        }
        for task in tasks_of(project)
    }
    milestones = {
        one["id"]: {
            key: one[key]
            for key in ("title", "goal", "status", "branch", "task_ids", "start_sha", "base_branch", "workpackage")
        }
        for one in project.aiw("milestone", "list", "--json").json["milestones"]
    }
    project_file = project.state("project.json")
    package = project_file["workpackage"]
    return {
        "tasks": tasks,
        "milestones": milestones,
        "lane": {key: project.state("lanes/core.json")[key] for key in ("status", "milestone_id", "branch")},
        "task counter": project_file["counters"]["task"],
        "plan": (package["number"], package["plan_path"], package["plan_digest"]),
        "scaffold": project_file["scaffold_commit"],
    }


def check_one_commit_each(project: Project, ids: list[str]) -> None:
    named = project.git("log", "main", "--format=%(trailers:key=Aiw-Task,valueonly,separator=%x2C)").split("\n")
    assert sorted(text for text in named if text) == sorted(ids)


@pytest.mark.parametrize("done", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("drop", [drop_state, drop_workspace])
def test_what_was_done_is_done_again_and_the_rest_goes_on(
    tmp_path: Path, done: int, drop: Callable[[Project], None]
) -> None:
    project = make_planned(tmp_path, plan=FIVE, remote=False)
    first = work(project, done)
    before = facts(project)
    runs = project.state("project.json")["counters"]["run"]
    drop(project)
    refused = project.aiw("agent", "run", code=1)
    assert f"hold work of aiw (the last is {first[-1]}), but there is no state" in refused.stderr
    assert "aiw state rebuild" in refused.stderr
    rebuilt = project.aiw("state", "rebuild")
    assert rebuilt.stdout.startswith(f"Rebuilt: 2 milestones, 5 tasks ({done} done), 0 decisions\n")
    assert facts(project) == before
    assert project.state("project.json")["counters"]["run"] >= runs
    assert project.aiw("doctor", "--json").json["findings"] == []
    assert project.status() == []
    rest = work(project, 5 - done)
    assert sorted(first + rest) == [f"TASK-00{number}" for number in range(1, 6)]
    check_one_commit_each(project, first + rest)
    assert "complete" in project.aiw("agent", "run", "--lane", "core", "--mode", "queue").stdout.lower()
    assert project.aiw("doctor", "--json").json["findings"] == []


def test_a_rehearsal_writes_nothing(tmp_path: Path) -> None:
    project = make_planned(tmp_path, plan=FIVE, remote=False)
    work(project, 2)
    drop_state(project)
    before = sorted(str(path) for path in project.path.rglob("*"))
    told = project.aiw("state", "rebuild", "--dry-run", "--json").json
    assert (told["outcome"], told["milestones"]) == ("rehearsed", {"M01": "in_progress", "M02": "ready"})
    assert sorted(str(path) for path in project.path.rglob("*")) == before


def test_a_state_that_is_there_is_not_rebuilt(tmp_path: Path) -> None:
    project = make_planned(tmp_path, remote=False)
    refused = project.aiw("state", "rebuild", code=1)
    assert "there is a state already, so nothing was rebuilt" in refused.stderr
    assert "aiw doctor" in refused.stderr
    (project.path / STATE / "project.json").write_bytes(b"")
    damaged = project.aiw("state", "rebuild", code=1)
    assert "1 of its files cannot be read" in damaged.stderr
    assert "aiw doctor --fix" in damaged.stderr


def test_a_second_rebuild_changes_nothing(tmp_path: Path) -> None:
    project = make_planned(tmp_path, plan=FIVE, remote=False)
    work(project, 1)
    drop_state(project)
    project.aiw("state", "rebuild")
    before = {path: path.read_bytes() for path in (project.path / STATE).rglob("*.json")}
    assert project.aiw("state", "rebuild").stdout.startswith("Rebuilt already: 2 milestones")
    assert {path: path.read_bytes() for path in (project.path / STATE).rglob("*.json")} == before


def test_what_lies_in_the_place_of_a_state_is_kept(tmp_path: Path) -> None:
    project = make_planned(tmp_path, plan=FIVE, remote=False)
    work(project, 1)
    drop_state(project)
    project.write(f"{STATE}/tasks/TASK-001.json", "{half")
    project.write(f"{STATE}/notes.txt", "mine\n")
    done = project.aiw("state", "rebuild", "--json").json
    kept = [path.read_bytes() for path in sorted((project.path / done["kept"]).rglob("*")) if path.is_file()]
    assert kept == [b"mine\n", b"{half"]
    assert [task["status"] for task in tasks_of(project)] == ["ready", "done", "ready", "ready", "planned"]


def test_a_clone_without_the_plan_has_what_is_done_and_holds_what_may_not_be_whole(tmp_path: Path) -> None:
    project = make_planned(tmp_path, plan=THREE_MILESTONES)
    work(project, 3)
    project.git("push", "-q", "origin", "--all")
    work_sha = {task["id"]: task["commit_sha"] for task in tasks_of(project)}
    clone = Project(tmp_path / "clone", project.origin)
    project.git("clone", "-q", str(project.origin), str(clone.path))
    refused = clone.aiw("init", code=1)
    assert "aiw state rebuild" in refused.stderr
    for command in (["next"], ["backlog", "add", "--title", "An idea"], ["adr", "new", "A"], ["plan", "import"]):
        assert "aiw state rebuild" in clone.aiw(*command, code=1).stderr, command
    findings = clone.aiw("doctor", "--json", code=1).json["findings"]
    assert [(one["code"], one["fix"]) for one in findings] == [("no-state", "aiw state rebuild")]
    done = clone.aiw("state", "rebuild", "--json").json
    assert done["milestones"] == {"M01": "merged", "M02": "merged"}
    assert {task["id"]: task["commit_sha"] for task in tasks_of(clone)} == {
        key: sha for key, sha in work_sha.items() if sha
    }
    assert tasks_of(clone)[0]["title"] == "Add the parser module"
    clone.plan(THREE_MILESTONES)
    clone.aiw("trust")
    assert work(clone, 1) == ["TASK-004"]
    check_one_commit_each(clone, ["TASK-001", "TASK-002", "TASK-003", "TASK-004"])


def test_a_begun_milestone_in_a_clone_is_held_until_its_plan_is_back(tmp_path: Path) -> None:
    project = make_planned(tmp_path, plan=FIVE)
    first = work(project, 1)
    project.aiw("git", "push", "M01")
    clone = Project(tmp_path / "clone", project.origin)
    project.git("clone", "-q", str(project.origin), str(clone.path))
    # The scaffold is on the milestone's branch only as long as base is not pushed.
    clone.git("switch", "-q", "ai/m01-parser-base")
    clone.git("switch", "-q", "--detach")
    clone.git("branch", "-q", "-D", "ai/m01-parser-base")
    done = clone.aiw("state", "rebuild", "--json").json
    assert done["milestones"] == {"M01": "blocked"}
    assert done["branches"] == ["ai/m01-parser-base"]
    held = clone.aiw("agent", "run", code=3)
    assert "may have had more tasks" in held.stdout + held.stderr
    assert clone.milestone()["status"] == "blocked"
    clone.plan(FIVE)
    clone.aiw("plan", "import")
    clone.aiw("trust")
    ids = first + work(clone, 4)
    assert len(set(ids)) == 5
    check_one_commit_each(clone, ids)


def test_a_person_may_say_that_a_held_milestone_is_whole(tmp_path: Path) -> None:
    project = make_planned(tmp_path, plan=FIVE, remote=False)
    work(project, 1)
    drop_workspace(project)
    (project.path / "docs/ai/plan/milestones.md").unlink()
    project.aiw("state", "rebuild")
    status = project.aiw("status", "--json").json
    assert status["blockers"][0]["next_command"] in project.aiw("status").stdout
    project.aiw("milestone", "finish", "M01", "--accept-unproven", "it has no more tasks")
    assert project.milestone()["status"] == "merged"


def test_squashed_and_rewritten_history_is_understood(tmp_path: Path) -> None:
    project = make_planned(tmp_path, remote=False)
    project.next()
    project.write("src/parser.py", "x\n")
    project.finish()
    project.next()
    project.write("docs/parser.md", "x\n")
    project.aiw("git", "commit", "--help")
    project.finish()
    messages = [
        project.git("log", "-1", "--format=%B", project.task(number)["commit_sha"]).strip() for number in (1, 2)
    ]
    start = project.milestone()["start_sha"]
    squash = "Parser cleanup (#7)\n\n" + "\n\n".join(f"* {text}" for text in messages) + "\n\nCo-authored-by: A <a@b>\n"
    tree = project.git("rev-parse", "main^{tree}")
    made = project.git("commit-tree", tree, "-p", start, "-m", squash)
    project.git("update-ref", "refs/heads/main", made)
    project.git("reset", "-q", "--hard", "main")
    drop_workspace(project)
    project.aiw("state", "rebuild")
    assert project.milestone()["status"] == "merged"
    assert [(task["status"], task["commit_sha"], task["title"]) for task in tasks_of(project)] == [
        ("done", made, "Consolidate parser cleanup behavior"),
        ("done", made, "Update parser documentation"),
    ]


@pytest.mark.parametrize("strategy", ["merge", "ff", "squash"])
def test_each_way_to_merge_leaves_enough(tmp_path: Path, strategy: str) -> None:
    project = make_ready(tmp_path, remote=False)
    project.aiw("config", "set", "git.merge_strategy", strategy)
    project.aiw("plan", "import")
    work(project, 2)
    before = facts(project)
    assert before["milestones"]["M01"]["status"] == "merged"
    drop_workspace(project)
    project.aiw("state", "rebuild")
    after = facts(project)
    after["milestones"]["M01"]["branch"] = before["milestones"]["M01"]["branch"]
    if strategy == "squash" and not project.git("for-each-ref", "refs/aiw/landed"):
        for task in (*before["tasks"].values(), *after["tasks"].values()):
            task.pop("commit_sha")
    after["milestones"]["M01"]["start_sha"] = before["milestones"]["M01"]["start_sha"]
    assert after == before
    assert project.aiw("doctor", "--json").json["ok"]


def test_decisions_backlog_and_parked_work_come_back(tmp_path: Path) -> None:
    plan = PARSER_PLAN.replace("Conflict: docs/parser.md", "Conflict: docs/parser.md\nBacklog: BLG-001")
    project = make_planned(tmp_path, plan=plan, remote=False)
    project.aiw("adr", "new", "Errors are values", "-d", "They are.", "--applies-to", "src/**")
    project.aiw("adr", "accept", "1")
    project.aiw("adr", "new", "Second", "-d", "Yes.")
    project.aiw("adr", "deprecate", "2", "--reason", "not so")
    work(project, 1)
    project.next()
    project.write("docs/parser.md", "half\n")
    project.aiw("task", "adhoc", "--kind", "hotfix", "--title", "Fix the login")
    project.aiw("agent", "task", "TASK-003")
    project.write("login.py", "x\n")
    project.finish()
    adrs = project.aiw("adr", "list", "--json").json["adrs"]
    before = facts(project)
    drop_state(project)
    project.write(
        "docs/ai/plan/backlog.md", project.read("docs/ai/plan/backlog.md").replace("Status: active", "Status: idea")
    )
    done = project.aiw("state", "rebuild", "--json").json
    again = project.aiw("adr", "list", "--json").json["adrs"]
    keys = ("id", "title", "status", "applies_to", "decision", "consequences", "superseded_by", "reason")
    assert [[adr[key] for key in keys] for adr in again] == [[adr[key] for key in keys] for adr in adrs]
    after = facts(project)
    assert after["tasks"]["TASK-001"] == before["tasks"]["TASK-001"]
    assert after["tasks"]["TASK-002"] == before["tasks"]["TASK-002"]
    assert after["tasks"]["TASK-003"]["commit_sha"] == before["tasks"]["TASK-003"]["commit_sha"]
    # That it was left for the hotfix is not in git.
    assert (before["milestones"]["M01"]["status"], after["milestones"]["M01"]["status"]) == ("ready", "in_progress")
    assert after["milestones"]["M00-01"]["status"] == "merged"
    assert project.aiw("backlog", "show", "1").json["status"] == "active"
    assert project.task(2)["parked"]["paths"] == ["docs/parser.md"]
    assert any("parked work of TASK-002" in note for note in done["notes"])
    project.next()
    assert project.read("docs/parser.md") == "half\n"
    project.finish()
    assert project.aiw("backlog", "show", "1").json["status"] == "done"


def test_the_work_of_others_in_the_repository_is_not_taken_for_ours(tmp_path: Path) -> None:
    project = prepared(make_ready, tmp_path, remote=False, plan=PARSER_PLAN)
    project.git(
        "commit", "-q", "--allow-empty", "-m", "Other\n\nAiw-Task: TASK-009\nAiw-Milestone: M01\nAiw-Project: sub"
    )
    shutil.rmtree(project.path / STATE)
    project.aiw("init")
    assert project.state("project.json")["counters"]["task"] == 0


def test_hostile_trailers_are_passed_over(tmp_path: Path) -> None:
    project = make_planned(tmp_path, remote=False)
    work(project, 1)
    for text in (
        "Aiw-Task: ../../etc/passwd\nAiw-Milestone: M01",
        "Aiw-Task: TASK-99999999999999999999\nAiw-Milestone: M01\nAiw-Workpackage: 99999999999999999999",
        "Aiw-Task: TASK-007\nAiw-Milestone: ../M01\nAiw-Op: OP-x\nAiw-Run: RUN-",
        "Aiw-Task:\nAiw-Milestone: M01\nAiw-Workpackage: -1",
        "\tAiw-Task: TASK-001\u2028Aiw-Milestone: M01",
    ):
        project.git("commit", "-q", "--allow-empty", "-m", f"Other\n\n{text}")
    drop_state(project)
    done = project.aiw("state", "rebuild", "--json").json
    assert done["milestones"] == {"M01": "in_progress"}
    assert [task["status"] for task in tasks_of(project)] == ["done", "ready"]


def test_a_shallow_clone_says_that_older_work_is_unknown(tmp_path: Path) -> None:
    project = make_planned(tmp_path, plan=THREE_MILESTONES)
    work(project, 3)
    clone = Project(tmp_path / "clone", project.origin)
    project.git("clone", "-q", "--depth", "1", f"file://{project.origin}", str(clone.path))
    notes = clone.aiw("state", "rebuild", "--json").json["notes"]
    assert any("cut off (shallow)" in note and "git fetch --unshallow" in note for note in notes)
