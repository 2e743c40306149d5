"""Damaged state files: named, repaired by `doctor --fix` from what is known, and kept byte for byte (spec §7.5)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support.prepared import prepared
from support.project import Project
from support.sickness import PREPARE, STATE, call, examine, serious

pytestmark = pytest.mark.slow

FILES = {
    "active": [
        "project.json",
        "milestones/M01.json",
        "milestones/M02.json",
        "tasks/TASK-001.json",
        "tasks/TASK-002.json",
        "tasks/TASK-004.json",
        "runs/RUN-0001.json",
        "runs/RUN-0002.json",
        "lanes/core.json",
        "baselines/core.json",
    ],
    "recovery": ["blockers/BLK-0001.json", "milestones/M01-01.json", "tasks/TASK-005.json"],
}
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "half": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "zeros": lambda data: b"\0" * len(data),
    "conflict": lambda data: b"<<<<<<< HEAD\n" + data + b"=======\n" + data[:-3] + b',\n  "x": 1\n}\n>>>>>>> other\n',
    "unknown field": lambda data: data[:-3] + b',\n  "colour": "red"\n}\n',
}
NEVER_EXACT = {"empty", "zeros"}


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Project]:
    return lambda name: prepared(PREPARE[name], tmp_path)


def finish_everything(project: Project, *, adopts: bool = False) -> None:
    """The loop goes on to its end, and every task is committed exactly once."""
    for rel in ("tests/test_parser.py", "src/errors.py", "docs/grammar.md"):
        handed = project.next()
        if handed["outcome"] != "task":
            break
        project.write(rel, "done\n")
        project.finish(*(("--adopt", rel, "--reason", "it is the task's") if adopts else ()))
        adopts = False
    assert project.next()["outcome"] == "complete"
    trailers = project.git("log", "--format=%(trailers:key=Aiw-Task,valueonly)", "main").split()
    assert sorted(trailers) == ["TASK-001", "TASK-002", "TASK-003", "TASK-004"]


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize(("name", "rel"), [(name, rel) for name, rels in FILES.items() for rel in rels])
def test_it_is_named_repaired_and_kept(name: str, rel: str, how: str, make: Callable[[str], Project]) -> None:
    project = make(name)
    path = project.path / STATE / rel
    before = path.read_bytes()
    tree = project.git("status", "--porcelain")
    damaged = DAMAGES[how](before)
    path.write_bytes(damaged)
    code, out = call(project, "doctor", "--json")
    first = json.loads(out)["findings"][0]
    assert (code, first["code"], first["path"]) == (5, "state-damaged", f"{STATE}/{rel}")
    assert first["fix"] == "aiw doctor --fix"
    code, out = call(project, "doctor", "--fix", "--json")
    done = json.loads(out)
    assert (code, done["ok"]) == (0, True), out
    copy = next(one["copy"] for one in done["repairs"] if one["path"] == f"{STATE}/{rel}")
    assert (project.path / copy).read_bytes() == damaged
    assert serious(project) == []
    assert project.git("status", "--porcelain") == tree
    assert call(project, "task", "list")[0] == 0
    if how in ("conflict", "unknown field") and rel != "project.json":
        assert path.read_bytes() == before
    elif rel != "baselines/core.json":
        one, other = json.loads(before), json.loads(path.read_bytes())
        for field in ("status", "milestone_id", "current_task_id", "commit_sha", "depends_on", "title", "task_ids"):
            assert one.get(field) == other.get(field), field
    assert json.loads(call(project, "doctor", "--fix", "--json")[1])["repairs"] == []


@pytest.mark.parametrize(("name", "rel"), [(name, rel) for name, rels in FILES.items() for rel in rels])
def test_a_file_that_is_gone_is_named_and_made_again(name: str, rel: str, make: Callable[[str], Project]) -> None:
    project = make(name)
    path = project.path / STATE / rel
    before = json.loads(path.read_bytes())
    path.unlink()
    code, out = call(project, "doctor", "--json")
    first = json.loads(out)["findings"][0]
    assert (code, first["code"], first["path"]) == (5, "state-damaged", f"{STATE}/{rel}")
    assert "missing" in first["message"]
    code, out = call(project, "doctor", "--fix", "--json")
    assert (code, json.loads(out)["ok"]) == (0, True), out
    after = json.loads(path.read_bytes())
    if rel != "baselines/core.json":
        for field in ("status", "milestone_id", "current_task_id", "commit_sha", "depends_on", "title", "task_ids"):
            assert before.get(field) == after.get(field), field
    assert json.loads(call(project, "doctor", "--fix", "--json")[1])["repairs"] == []


def test_done_work_whose_files_are_gone_is_not_done_again(make: Callable[[str], Project]) -> None:
    project = make("active")
    shutil.rmtree(project.path / STATE / "tasks")
    assert call(project, "doctor", "--fix")[0] == 0
    finish_everything(project)


def test_every_command_names_a_project_file_that_is_gone(make: Callable[[str], Project]) -> None:
    project = make("active")
    (project.path / STATE / "project.json").unlink()
    for command in ("status", "next", "init", "plan import"):
        result = project.aiw(*command.split(), code=None)
        assert result.code == 5, command
        assert "aiw doctor --fix" in result.stdout + result.stderr, command


def test_files_that_changed_places_are_put_back(make: Callable[[str], Project]) -> None:
    project = make("active")
    one, other = (project.path / STATE / f"tasks/TASK-00{number}.json" for number in (1, 2))
    before = one.read_bytes(), other.read_bytes()
    one.write_bytes(before[1])
    other.write_bytes(before[0])
    assert call(project, "doctor", "--fix")[0] == 0
    assert (one.read_bytes(), other.read_bytes()) == before


def test_what_another_entity_holds_is_not_taken_for_a_damaged_one(make: Callable[[str], Project]) -> None:
    project = make("active")
    one, other = (project.path / STATE / f"tasks/TASK-00{number}.json" for number in (1, 2))
    before = json.loads(one.read_bytes())
    one.write_bytes(other.read_bytes())
    assert call(project, "doctor", "--fix")[0] == 0
    after = json.loads(one.read_bytes())
    for field in ("status", "title", "depends_on", "conflict_scopes", "commit_sha"):
        assert before[field] == after[field], field


@pytest.mark.parametrize("rel", ["tasks/TASK-001.json", "tasks/TASK-002.json", "project.json", "milestones/M01.json"])
def test_the_loop_goes_on_after_a_repair(rel: str, make: Callable[[str], Project]) -> None:
    project = make("active")
    (project.path / STATE / rel).write_bytes(b"")
    call(project, "doctor", "--fix")
    finish_everything(project)


def test_waived_proof_is_not_forgotten(make: Callable[[str], Project]) -> None:
    project = make("active")
    project.finish("--no-check", "--reason", "the machine is down", code=3)
    before = project.task(2)
    project.write(f"{STATE}/tasks/TASK-002.json", "")
    call(project, "doctor", "--fix")
    after = project.task(2)
    assert (after["status"], after["commit_sha"]) == ("done", before["commit_sha"])
    assert before["unproven"]
    assert after["unproven"] == before["unproven"]
    project.finish("--task", "TASK-002", code=3)
    assert project.milestone("M01")["status"] == "blocked"


def test_everything_damaged_at_once_is_repaired(make: Callable[[str], Project]) -> None:
    project = make("active")
    for path in (project.path / STATE).rglob("*.json"):
        if path.parent.name != "operations":
            path.write_bytes(path.read_bytes()[:40])
    assert call(project, "doctor")[0] == 5
    code, out = call(project, "doctor", "--fix")
    assert code == 0, out
    finish_everything(project, adopts=True)


def test_a_planned_task_comes_back_to_the_byte_from_the_plan(make: Callable[[str], Project]) -> None:
    project = make("active")
    path = project.path / STATE / "tasks/TASK-004.json"
    before = path.read_bytes()
    path.write_bytes(b"")
    assert "as the plan has it" in call(project, "doctor", "--fix")[1]
    assert path.read_bytes() == before


def test_a_file_of_a_newer_version_is_never_touched(make: Callable[[str], Project]) -> None:
    project = make("active")
    path = project.path / STATE / "tasks/TASK-004.json"
    newer = path.read_bytes().replace(b'"schema_version": 2', b'"schema_version": 3')
    path.write_bytes(newer)
    first = examine(project)[0]
    assert (first["code"], first["level"]) == ("state-newer", "error")
    assert first["fix"] == "python -m pip install --upgrade aiw"
    assert call(project, "doctor", "--fix")[0] == 5
    assert path.read_bytes() == newer


def test_what_nobody_can_know_is_left_and_said(make: Callable[[str], Project]) -> None:
    project = make("active")
    path = f"{STATE}/runs/RUN-0077.json"
    project.write(path, b"{")
    code, out = call(project, "doctor", "--fix", "--json")
    assert code == 5
    assert json.loads(out)["findings"][0]["fix"] == f"put a copy of it back, or give it up: mv {path} {path}.damaged"
    assert project.read(path) == "{"
    (project.path / path).rename(project.path / f"{path}.damaged")
    assert serious(project) == []


def test_a_folder_in_place_of_a_file_is_moved_away(make: Callable[[str], Project]) -> None:
    project = make("active")
    path = project.path / STATE / "tasks/TASK-004.json"
    path.unlink()
    path.mkdir()
    (path / "inside.txt").write_text("kept\n")
    assert call(project, "task", "list")[0] == 5
    code, out = call(project, "doctor", "--fix", "--json")
    done = json.loads(out)
    assert code == 0, out
    assert (project.path / done["repairs"][0]["copy"] / "inside.txt").read_text() == "kept\n"
    assert path.is_file()


def test_healthy_entities_are_judged_beside_damaged_ones(make: Callable[[str], Project]) -> None:
    project = make("active")
    project.write(f"{STATE}/tasks/TASK-003.json", "{")
    lane = project.path / STATE / "lanes/core.json"
    lane.write_text(lane.read_text().replace('"TASK-002"', '"TASK-099"'))
    found = [one["code"] for one in examine(project)]
    assert found[0] == "state-damaged"
    assert "lane-task-missing" in found
    assert "listed-task-missing" not in found
    assert "dependency-unknown" not in found


def test_a_damaged_journal_is_put_aside(make: Callable[[str], Project]) -> None:
    project = make("active")
    project.write(f"{STATE}/journal.json", "{")
    code, out = call(project, "doctor", "--json")
    first = json.loads(out)["findings"][0]
    assert (code, first["code"]) == (5, "journal-damaged")
    code, out = call(project, "doctor", "--fix", "--json")
    assert code == 0, out
    assert (project.path / json.loads(out)["repairs"][0]["copy"]).read_bytes() == b"{"


def test_a_journal_that_was_left_is_completed(make: Callable[[str], Project]) -> None:
    project = make("active")
    task = (project.path / STATE / "tasks/TASK-004.json").read_text()
    after = task.replace('"priority": "medium"', '"priority": "high"')
    journal = {"journal": 1, "operation": "OP-000099-abcdef", "files": []}
    journal["files"] = [{"path": "tasks/TASK-004.json", "before": None, "text": after}]
    project.write(f"{STATE}/tasks/TASK-004.json", "")
    project.write(f"{STATE}/journal.json", json.dumps(journal))
    assert serious(project) == ["journal-left"]
    assert call(project, "doctor", "--fix")[0] == 0
    assert project.task(4)["priority"] == "high"
    assert not (project.path / STATE / "journal.json").exists()


def test_an_intent_of_a_killed_command_is_settled(make: Callable[[str], Project]) -> None:
    project = make("active")
    intent = {
        "schema_version": 2,
        "id": "OP-000099-abcdef",
        "kind": "finish",
        "task_id": "TASK-002",
        "run_id": "RUN-0002",
        "branch": "refs/heads/ai/m01-parser-base",
        "head": project.git("rev-parse", "HEAD"),
        "tree": project.git("rev-parse", "HEAD^{tree}"),
        "at": "2026-01-01T00:00:00Z",
    }
    project.write(f"{STATE}/intents/OP-000099-abcdef.json", json.dumps(intent))
    project.write("docs/ai/workspace/locks/finish-core.lock", "pid 999999, finish TASK-002, since x\n")
    project.write(".git/aiw.lock", "")
    assert serious(project) == ["intent-left"]
    code, out = call(project, "doctor", "--fix")
    assert code == 0, out
    assert "settled OP-000099-abcdef" in out
    assert project.read("tests/test_parser.py") == "half\n"


def test_a_command_that_is_at_work_is_not_called_killed(make: Callable[[str], Project]) -> None:
    import os

    project = make("active")
    intent = {"schema_version": 2, "id": "OP-000099-abcdef", "kind": "finish", "task_id": "TASK-002"}
    intent |= {"branch": "refs/heads/x", "head": None, "tree": "1" * 40, "at": "2026-01-01T00:00:00Z"}
    project.write(f"{STATE}/intents/OP-000099-abcdef.json", json.dumps(intent))
    project.write("docs/ai/workspace/locks/finish-core.lock", f"pid {os.getpid()}, finish TASK-002, since x\n")
    assert serious(project) == []


def test_the_decision_of_a_damaged_record_comes_from_its_file(make: Callable[[str], Project]) -> None:
    project = make("active")
    call(project, "adr", "new", "Errors are values", "-d", "Functions return errors.")
    call(project, "adr", "accept", "1")
    project.write(f"{STATE}/adrs/ADR-0001.json", "")
    assert call(project, "doctor", "--fix")[0] == 0
    adr = project.state("adrs/ADR-0001.json")
    assert (adr["status"], adr["decision"]) == ("accepted", "Functions return errors.")


def test_no_number_is_given_twice_after_the_project_was_lost(make: Callable[[str], Project]) -> None:
    project = make("active")
    project.write(f"{STATE}/project.json", "")
    assert call(project, "doctor", "--fix")[0] == 0
    counters = project.state("project.json")["counters"]
    assert (counters["task"], counters["run"], counters["backlog"]) == (4, 2, 1)
    made = project.aiw("task", "adhoc", "--title", "Stop the crash at start", "--json").json
    assert made["id"] == "TASK-005"


@pytest.mark.parametrize("rel", ["tasks/TASK-005.json", "milestones/M00-01.json"])
@pytest.mark.parametrize("is_begun", [True, False])
def test_work_made_out_of_band_comes_back(rel: str, make: Callable[[str], Project], *, is_begun: bool) -> None:
    project = make("parked" if is_begun else "active")
    if not is_begun:
        call(project, "task", "adhoc", "--kind", "hotfix", "--title", "Stop the crash at start")
    title = project.state(rel)["title"]
    path = project.path / STATE / rel
    path.write_bytes(b"")
    code, out = call(project, "doctor", "--fix")
    assert code == 0, out
    assert project.state(rel)["title"] == title
    if is_begun:
        project.write("src/crash.py", "fixed\n")
        project.finish()
    else:
        project.aiw("agent", "task", "TASK-005")
    assert serious(project) == []


def test_other_commands_name_the_doctor(make: Callable[[str], Project]) -> None:
    project = make("active")
    project.write(f"{STATE}/tasks/TASK-002.json", "{")
    assert "aiw doctor --fix" in project.aiw("task", "show", "2", code=5).stderr
    assert project.aiw("status", "--json", code=5).json["next_command"] == "aiw doctor --fix"
