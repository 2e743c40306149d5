"""Workspaces of aiw 0.1.0 are taken over without loss, and go on to the merged milestone (spec §2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.legacy import BRANCH, SCOPES, STATES, Legacy, make_initialised, make_mid_task, make_one_done, old_task

pytestmark = pytest.mark.slow


def finish_everything(project: Legacy) -> list[str]:
    """Works until the plan is complete, merging pull requests by hand; returns the tasks handed out."""
    handed: list[str] = []
    for _step in range(12):
        result = project.aiw("agent", "run", "--lane", "core", "--mode", "queue", "--json", code=None)
        if result.code == 3:
            project.git("push", "--quiet", "origin", "HEAD:main")
            continue
        assert result.code == 0, result
        if result.json["outcome"] == "complete":
            return handed
        task = result.json["task"]
        handed.append(task["id"])
        rel = SCOPES.get(task["id"], "login.py")
        old = project.read(rel) if (project.path / rel).exists() else ""
        project.write(rel, f"{old}{task['id']}\n")
        finished = project.finish(code=None)
        assert finished.code in (0, 3), finished
    raise AssertionError(f"no end: {handed}")


@pytest.mark.parametrize("name", STATES)
def test_work_goes_on_to_the_end(tmp_path: Path, name: str) -> None:
    project = STATES[name](tmp_path)
    project.aiw("migrate")
    handed = finish_everything(project)
    done = {"one-done": 1, "merged": 2, "pull-request": 2}.get(name, 0)
    planned = ["TASK-001", "TASK-002", "TASK-003"][done:]
    assert [one for one in handed if one in planned] == planned
    assert ("TASK-004" in handed) == (name == "ad-hoc")
    assert project.milestone("M01")["status"] == project.milestone("M02")["status"] == "merged"
    subjects = project.subjects("main")
    assert [subjects.count(f"{one}: {project.task(int(one[-3:]))['title']}") for one in SCOPES] == [1, 1, 1]
    assert project.status() == []
    assert project.aiw("status", "--json").json["damaged"] == []


@pytest.mark.parametrize("name", STATES)
def test_the_copy_is_complete_and_byte_for_byte(tmp_path: Path, name: str) -> None:
    project = STATES[name](tmp_path)
    before = project.old_bytes()
    outside = {rel: (project.path / rel).read_bytes() for rel in (".ai-workflow.yaml", ".gitignore")}
    project.aiw("migrate")
    copy = project.path / "docs/ai/workspace/archive/0.1.0"
    assert {rel: (copy / rel).read_bytes() for rel in (*before, *outside)} == {**before, **outside}
    assert (project.path / ".ai-workflow.yaml").read_bytes() == outside[".ai-workflow.yaml"]


@pytest.mark.parametrize("name", STATES)
def test_again_and_rehearsing_write_nothing(tmp_path: Path, name: str) -> None:
    project = STATES[name](tmp_path)
    before = project.old_bytes(), project.status()
    rehearsed = project.aiw("migrate", "--dry-run", "--json").json
    assert rehearsed["outcome"] == "rehearsed"
    assert (project.old_bytes(), project.status()) == before
    migrated = project.aiw("migrate", "--json").json
    assert {**rehearsed, "outcome": "migrated"} == migrated
    state = project.path / "docs/ai/workspace/state"
    after = {path: path.read_bytes() for path in state.rglob("*") if path.is_file()}
    assert project.aiw("migrate").stdout.startswith("Already migrated")
    assert {path: path.read_bytes() for path in state.rglob("*") if path.is_file()} == after


@pytest.mark.parametrize(
    "command",
    [("status",), ("task", "list"), ("next",), ("init",), ("agent", "run"), ("plan", "import"), ("lane", "show")],
)
def test_every_other_command_names_the_way(tmp_path: Path, command: tuple[str, ...]) -> None:
    project = make_mid_task(tmp_path)
    before = project.old_bytes(), project.status(), (project.path / ".gitignore").read_bytes()
    result = project.aiw(*command, code=1)
    assert "the state in docs/ai/workspace/state was written by aiw 0.1.0" in result.stderr
    assert "aiw migrate" in result.stderr
    assert before[1:] == (project.status(), (project.path / ".gitignore").read_bytes())
    state = [rel for rel in project.old_bytes() if "/state/" in rel]
    assert state == [rel for rel in before[0] if "/state/" in rel]


def test_ids_and_counters_go_on(tmp_path: Path) -> None:
    project = STATES["nested"](tmp_path)
    project.aiw("migrate")
    counters = project.state("project.json")["counters"]
    assert (counters["task"], counters["run"], counters["adr"], counters["blocker"]) == (9, 2, 1, 1)
    ids = [task["id"] for task in project.aiw("task", "list", "--json").json["tasks"]]
    assert ids == [f"TASK-{number:03d}" for number in range(1, 10)]
    assert project.aiw("milestone", "show", "m01-01-01").json["status"] == "cancelled"
    assert project.aiw("task", "adhoc", "--title", "Look at it", "--json").json["id"] == "TASK-010"


def test_nested_recoveries_are_given_up_for_the_first_task(tmp_path: Path) -> None:
    project = STATES["nested"](tmp_path)
    result = project.aiw("migrate", "--json").json
    assert result["active_task"] == "TASK-001"
    assert result["task_paths"] == ["src/parser.py"]
    task, lane = project.task(1), project.state("lanes/core.json")
    assert (task["status"], task["blocker"], task["blocked_reason"]) == ("in_progress", None, None)
    assert (lane["milestone_id"], lane["current_task_id"], lane["unfinished_task_id"]) == (
        "M01",
        "TASK-001",
        "TASK-001",
    )
    recoveries = [project.milestone(one) for one in ("M01-01", "M01-01-01")]
    assert [one["recovery"]["recovery_status"] for one in recoveries] == ["abandoned", "abandoned"]
    assert {project.task(number)["status"] for number in range(4, 10)} == {"cancelled"}
    assert {project.state(f"blockers/BLK-000{number}.json")["status"] for number in (0, 1)} == {"resolved"}
    assert project.state("runs/RUN-0001.json")["status"] == "started"
    assert project.state("runs/RUN-0002.json")["status"] == "cancelled"


def test_a_task_blocked_by_a_person_stays_blocked(tmp_path: Path) -> None:
    project = STATES["imported"](tmp_path)
    project.put(old_task("TASK-001", "blocked", blocked_reason="ask the owner"))
    project.aiw("migrate")
    assert project.task(1)["blocker"]["message"] == "ask the owner"
    assert project.aiw("status", "--json").json["blockers"][0]["class"] == "human"
    project.aiw("task", "unblock", "TASK-001")
    assert project.task(1)["status"] == "ready"


def test_a_commit_is_found_by_its_subject(tmp_path: Path) -> None:
    project = make_one_done(tmp_path)
    sha = project.task(1)["commit_sha"]
    project.put(old_task("TASK-001", "done", run_ids=["RUN-0002"], commit_sha=None, branch=BRANCH))
    project.aiw("migrate")
    assert (project.task(1)["commit_sha"], project.task(1)["unproven"]) == (sha, None)
    run = project.state("runs/RUN-0002.json")
    assert run["checks"][0]["status"] == "passed"
    assert len(run["checks"][0]["output_tail"].encode()) <= 64 * 1024


def test_a_commit_that_cannot_be_found_holds_the_closeout(tmp_path: Path) -> None:
    project = make_one_done(tmp_path)
    project.put(old_task("TASK-002", "done", commit_sha="0" * 40, branch=BRANCH))
    told = project.aiw("migrate", "--json").json["notes"]
    assert any(note.startswith("TASK-002 is done but unproven") for note in told)
    result = project.aiw("agent", "run", code=3)
    assert "accept-unproven" in result.stdout + result.stderr
    assert project.milestone()["status"] == "blocked"


def test_dependencies_that_name_nothing_are_told_and_hold_nobody(tmp_path: Path) -> None:
    project = STATES["imported"](tmp_path)
    project.put(old_task("TASK-001", "ready", depends_on=["Nothing like it", "TASK-000"]))
    notes = project.aiw("migrate", "--json").json["notes"]
    told = "TASK-001 waited for `Nothing like it`, which names nothing, and does not any more"
    assert [note.partition(" (")[0] for note in notes if "waited for" in note] == [told]
    assert (project.task(1)["depends_on"], project.task(1)["status"]) == ([], "ready")
    assert project.task(3)["depends_on"] == ["TASK-001"]


DAMAGES = {
    "cut off": b'{\n  "id": "TASK',
    "not UTF-8": b'{"id": "\xff"}',
    "empty": b"",
    "wrong type": b'{"id": 5, "created_at": "x"}',
    "conflict": b"<<<<<<< ours\n{}\n=======\n{}\n>>>>>>> theirs\n",
    "unknown status": b'{"id": "TASK-002", "title": "x", "status": "odd", "milestone_id": "M01"}',
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "rel", ["tasks/TASK-002.json", "milestones/M01.json", "lanes/core.json", "project.json", "runs/RUN-0001.json"]
)
def test_a_damaged_file_is_named_kept_aside_and_stops_nothing(tmp_path: Path, rel: str, damage: str) -> None:
    project = make_mid_task(tmp_path)
    project.write(f"docs/ai/workspace/state/{rel}", DAMAGES[damage])
    result = project.aiw("migrate", "--json").json
    assert [one.partition(".json")[0] + ".json" for one in result["damaged"]] == [f"docs/ai/workspace/state/{rel}"]
    copy = project.path / "docs/ai/workspace/archive/0.1.0/docs/ai/workspace/state" / rel
    assert copy.read_bytes() == DAMAGES[damage]
    assert project.aiw("status", "--json").json["damaged"] == []
    assert result["active_task"] == "TASK-001"
    assert project.next()["task"]["id"] == "TASK-001"
    project.finish()


@pytest.mark.parametrize("also", [[], ["milestones/M01.json"]])
def test_done_work_whose_file_is_damaged_is_done(tmp_path: Path, also: list[str]) -> None:
    project = make_one_done(tmp_path)
    before = project.task(1)
    for rel in ("tasks/TASK-001.json", *also):
        project.write(f"docs/ai/workspace/state/{rel}", "")
    notes = project.aiw("migrate", "--json").json["notes"]
    assert "TASK-001 was made anew from its commit: its own file could not be read" in notes
    after = project.task(1)
    for field in ("title", "status", "milestone_id", "commit_sha"):
        assert after[field] == before[field], field
    assert "TASK-001" not in finish_everything(project)


def test_the_old_lines_of_gitignore_become_the_block(tmp_path: Path) -> None:
    project = make_initialised(tmp_path)
    project.write(".gitignore", project.read(".gitignore") + "mine/\n")
    project.aiw("migrate")
    text = project.read(".gitignore")
    assert text.startswith("*.log\n\n# >>> aiw runtime files (managed by aiw) >>>\n")
    assert text.endswith("# <<< aiw runtime files <<<\nmine/\n")
    assert "\ndocs/ai/workspace/state/\n" not in text


def test_what_is_dirty_without_an_active_task_is_the_users(tmp_path: Path) -> None:
    project = make_one_done(tmp_path)
    project.write("src/keep.txt", "mine\n")
    result: Any = project.aiw("migrate", "--json").json
    assert "src/keep.txt" in result["own_paths"]
    assert result["task_paths"] == []
    project.next()
    project.write("tests/test_parser.py", "x\n")
    project.finish()
    assert " M src/keep.txt" in project.status()


def test_events_are_kept(tmp_path: Path) -> None:
    project = make_initialised(tmp_path)
    rel = "docs/ai/workspace/state/events/events.jsonl"
    old = project.read(rel).rstrip("\n")
    project.write(rel, old)
    project.aiw("migrate")
    lines = project.read(rel).split("\n")
    assert lines[0] == old
    assert '"event":"workspace_migrated"' in lines[1]


def test_a_branch_that_is_gone_does_not_count_as_merged(tmp_path: Path) -> None:
    project = make_one_done(tmp_path)
    project.git("checkout", "--quiet", "main")
    project.git("branch", "--quiet", "-m", BRANCH, "elsewhere")
    project.git("checkout", "--quiet", "elsewhere", "--", ".ai-workflow.yaml")
    project.aiw("migrate")
    assert "does not exist any more" in project.aiw("agent", "run", code=1).stderr
    assert project.milestone()["status"] == "in_progress"


def test_nothing_to_migrate_in_a_workspace_of_this_release(tmp_path: Path) -> None:
    from support.project import make_ready

    project = make_ready(tmp_path)
    assert project.aiw("migrate", "--json").json["outcome"] == "already_migrated"
