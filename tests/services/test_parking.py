"""Out-of-band work in the middle of a dirty task: parked, landed, and back byte for byte (spec §6.7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.prepared import prepared
from support.project import THREE_MILESTONES, Project, make_planned, make_ready

HOTFIX = ("task", "adhoc", "--kind", "hotfix", "--title", "Fix the login loop", "--scope", "login.py")


def prepare(folder: Path) -> Project:
    """TASK-001 of M01 is under way, with staged, unstaged and untracked work; `mine.txt` is the user's."""
    project = make_ready(folder, plan=THREE_MILESTONES)
    project.write("mine.txt", "mine\n")
    project.next()
    project.write("src/parser.py", "staged\n")
    project.git("add", "src/parser.py")
    project.write("src/parser.py", b"staged\r\nand more\n")
    project.write("src/new file", "n\n", mode=0o755)
    (project.path / "src/keep.txt").unlink()
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(prepare, tmp_path)


def picture(project: Project) -> Any:
    files = {
        str(path.relative_to(project.path)): (path.read_bytes(), path.stat().st_mode & 0o111)
        for path in sorted(project.path.rglob("*"))
        if path.is_file() and ".git" not in path.parts and "docs/ai" not in str(path) and path.name != "queue-run.md"
    }
    return files, project.git("ls-files", "--stage"), project.status()


def test_a_hotfix_in_the_middle_of_a_dirty_task(project: Project) -> None:
    before = picture(project)
    added = project.aiw(*HOTFIX)
    assert added.stdout.startswith("Added TASK-005 in M00-01: Fix the login loop\n")
    assert picture(project) == before, "adding it changes nothing"
    project.aiw("agent", "task", "TASK-005")
    assert project.git("branch", "--show-current") == "ai/m00-01-fix-the-login-loop"
    assert project.status() == ["?? mine.txt"]
    assert project.task(1)["status"] == "ready"
    assert project.task(1)["parked"]["paths"] == ["src/keep.txt", "src/new file", "src/parser.py"]
    assert project.milestone()["status"] == "ready"
    assert project.state("runs/RUN-0001.json")["status"] == "cancelled"
    project.write("login.py", "fixed\n")
    project.finish()
    assert project.milestone("M00-01")["status"] == "merged"
    handed = project.next()
    assert handed["task"]["id"] == "TASK-001"
    assert picture(project) == before
    assert project.task(1)["parked"] is None
    assert project.git("for-each-ref", "refs/aiw") == ""
    project.git("checkout", "-q", "src/keep.txt")
    (project.path / "src/new file").unlink()
    project.finish("--task", "TASK-001")
    assert project.status() == ["?? mine.txt"]
    assert "and more" in project.git("show", "HEAD:src/parser.py")


def test_a_hotfix_is_taken_between_two_tasks_by_itself(project: Project) -> None:
    project.git("checkout", "-q", "src/keep.txt")
    (project.path / "src/new file").unlink()
    project.aiw(*HOTFIX)
    assert project.next()["task"]["id"] == "TASK-001", "what is under way goes first"
    project.finish()
    assert project.next()["task"]["id"] == "TASK-005"
    project.write("login.py", "fixed\n")
    project.finish()
    assert project.next()["task"]["id"] == "TASK-002"
    assert project.git("branch", "--show-current") == "ai/m01-parser-base"


def test_started_at_once_and_other_kinds(project: Project) -> None:
    started = project.aiw("task", "adhoc", "--title", "Look into it", "--kind", "investigation", "--start")
    assert "Started TASK-005 in M00-01" in started.stdout
    done = project.aiw("agent", "finish", "--no-change", "it was a false alarm")
    assert "Done without a commit: TASK-005" in done.stdout
    assert project.milestone("M00-01")["status"] == "merged"
    assert project.next()["task"]["id"] == "TASK-001"


def test_a_task_that_the_plan_has_does_not_push_another_aside(project: Project) -> None:
    before = picture(project)
    refused = project.aiw("agent", "task", "TASK-004", code=1)
    assert "TASK-001 is in progress" in refused.stderr
    assert picture(project) == before


def test_blocking_leaves_the_work_until_another_task_is_claimed(project: Project) -> None:
    project.aiw("task", "skip", "TASK-004")
    before = picture(project)
    told = project.aiw("task", "block", "TASK-001", "needs a decision")
    assert "put aside (refs/aiw/parked/TASK-001) when another task is claimed" in told.stdout
    assert picture(project) == before
    assert project.aiw("agent", "run", "--mode", "queue", code=3).stderr.count("TASK-001 is blocked: needs a decision")
    project.aiw("task", "unblock", "TASK-001")
    project.next()
    assert picture(project) == before, "taken up again without having been parked"
    project.aiw("task", "block", "TASK-001", "needs a decision")
    project.aiw(*HOTFIX, "--start")
    assert project.status() == ["?? mine.txt"]
    project.write("login.py", "fixed\n")
    project.finish()
    project.aiw("task", "unblock", "TASK-001")
    project.next()
    assert picture(project) == before


def test_a_task_named_by_a_person_is_claimed_while_the_work_of_a_blocked_one_lies_in_the_tree(tmp_path: Path) -> None:
    project = make_ready(tmp_path, plan=THREE_MILESTONES.replace("tests/test_parser.py", "tests/x.py\n  Depends: none"))
    project.next()
    project.write("src/parser.py", "begun\n")
    project.aiw("task", "block", "TASK-001", "needs a decision")
    refused = project.aiw("task", "start", "TASK-004", code=1)
    assert refused.stderr == (
        "error: TASK-004 belongs to M10, and lane core works on M01\n"
        "hint: go on with that first: aiw next --lane core\n"
    )
    project.aiw("task", "start", "TASK-002")
    assert project.task(1)["parked"]["paths"] == ["src/parser.py"]
    assert project.status() == []
    project.aiw("task", "block", "TASK-002", "needs one too")
    refused = project.aiw("task", "start", "TASK-004", code=1)
    assert refused.stderr.endswith("hint: start its milestone: aiw milestone start M10\n")
    project.aiw("milestone", "start", "M10")
    assert "Started TASK-004" in project.aiw("task", "start", "TASK-004").stdout


def test_cancelled_work_is_kept_on_its_ref(project: Project) -> None:
    project.aiw("task", "cancel", "TASK-001", "--reason", "not wanted")
    project.aiw("task", "edit", "TASK-002", "--depends", "none")
    assert project.next()["task"]["id"] == "TASK-002"
    assert project.status() == ["?? mine.txt"]
    assert project.git("show", "refs/aiw/parked/TASK-001:work/src/new file") == "n"


@pytest.mark.parametrize("verb", ["cancel", "skip"])
def test_giving_a_parked_task_up_says_where_its_work_stays(project: Project, verb: str) -> None:
    project.aiw(*HOTFIX, "--start")
    told = project.aiw("task", verb, "TASK-001", "--reason", "not wanted")
    assert "Its work that was put aside stays there: git ls-tree -r refs/aiw/parked/TASK-001 work/\n" in told.stdout
    assert "work/src/new file" in project.git("ls-tree", "-r", "refs/aiw/parked/TASK-001", "work/")


def test_work_in_the_way_refuses_the_claim(project: Project) -> None:
    project.aiw(*HOTFIX, "--start")
    project.write("login.py", "fixed\n")
    project.finish()
    project.write("src/parser.py", "somebody else's\n")
    refused = project.aiw("agent", "run", code=1)
    assert "TASK-001 has parked work, and something else lies uncommitted where it goes:\n  src/parser.py" in (
        refused.stderr
    )
    assert project.read("src/parser.py") == "somebody else's\n"
    (project.path / "src/parser.py").unlink()
    project.next()
    assert (project.path / "src/parser.py").read_bytes() == b"staged\r\nand more\n"


def test_a_running_finish_is_not_parked_away(project: Project) -> None:
    import subprocess
    import sys
    import time

    project.git("checkout", "-q", "src/keep.txt")
    (project.path / "src/new file").unlink()
    gate = project.path.parent / "gate"
    command = f"touch {gate}; while test -f {gate}; do sleep 0.05; done"
    first = subprocess.Popen(
        [sys.executable, "-m", "ai_workflow", "agent", "finish", "--check-cmd", command],
        cwd=project.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not gate.exists():
        time.sleep(0.02)
    refused = project.aiw(*HOTFIX, "--start", code=1)
    assert "TASK-001 is being finished already" in refused.stderr
    gate.unlink()
    assert first.wait() == 0
    assert project.task(1)["status"] == "done"


def test_the_prompt_names_what_came_back(project: Project) -> None:
    project.aiw(*HOTFIX, "--start")
    project.write("login.py", "fixed\n")
    project.finish()
    project.next()
    prompt = project.read("docs/ai/workspace/prompts/next-core.md")
    assert "## Already changed" in prompt
    assert "- `src/new file`" in prompt


def test_a_plan_cannot_drop_what_was_parked(project: Project) -> None:
    project.aiw(*HOTFIX, "--start")
    project.plan("# Milestones\n\n## M10 - Parser documentation\nTasks:\n- Describe the parser grammar\n"
                 "  Acceptance: The grammar stands in the docs.\n  Conflict: docs/grammar.md\n")  # fmt: skip
    refused = project.aiw("plan", "import", code=1)
    assert "TASK-001 was begun and is ready, and the plan no longer has it" in refused.stderr
    assert "M01 was begun, and the plan no longer has it" in refused.stderr
    assert project.milestone()["status"] == "ready"


def test_the_queue_goes_on_with_other_work_while_a_task_waits_for_a_person(project: Project) -> None:
    before = picture(project)
    project.aiw("task", "block", "TASK-001", "needs a decision")
    assert project.next()["task"]["id"] == "TASK-004", "M02 needs M01; M10 does not"
    assert project.status() == ["?? mine.txt"]
    assert project.milestone()["status"] == "ready"
    project.write("docs/grammar.md", "x\n")
    project.aiw("task", "unblock", "TASK-001")
    assert project.next()["task"]["id"] == "TASK-004", "what is under way is finished first"
    project.finish()
    assert project.next()["task"]["id"] == "TASK-001"
    assert picture(project) == before


def test_a_file_that_a_commit_changed_meanwhile_is_named_with_a_command_that_shows_it(tmp_path: Path) -> None:
    plan = THREE_MILESTONES.replace("Conflict: tests/test_parser.py", "Conflict: src/parser.py\n  Depends: none")
    project = make_ready(tmp_path, plan=plan)
    project.next()
    project.write("src/parser.py", "the first task's\n")
    project.aiw("task", "block", "1", "which grammar?")
    project.next()
    project.write("src/parser.py", "the second task's\n")
    project.finish()
    project.aiw("task", "unblock", "1")
    handed = project.aiw("agent", "run")
    assert "so not brought back: src/parser.py\n" in handed.stderr
    shown = handed.stderr.partition("look at it: git ")[2].splitlines()[0]
    assert project.git(*shown.split()) == "the first task's"


@pytest.mark.parametrize("kind", ["ignored", "folder-in-place", "file-above"])
def test_nothing_uncommitted_is_written_over_by_what_comes_back(tmp_path: Path, kind: str) -> None:
    project = make_ready(tmp_path, plan=THREE_MILESTONES)
    project.next()
    project.write("src/d/x.out", "the task's\n")
    project.write("src/y.out", "the task's\n")
    project.aiw(*HOTFIX, "--start")
    project.write("login.py", "fixed\n")
    project.finish()
    mine = {"ignored": "src/y.out", "folder-in-place": "src/y.out/mine", "file-above": "src/d"}[kind]
    project.write(".git/info/exclude", "*.out\n" if kind == "ignored" else "")
    project.write(mine, "precious\n")
    refused = project.aiw("agent", "run", code=1)
    assert "something else lies uncommitted where it goes:\n  " + mine in refused.stderr
    assert project.read(mine) == "precious\n"
    assert project.task(1)["status"] == "ready", "nothing was claimed"


def test_a_parking_that_git_stopped_is_ended_by_the_next_command_and_nothing_is_lost(project: Project) -> None:
    before = picture(project)
    project.write(".git/index.lock", "")
    project.aiw(*HOTFIX, "--start", code=1)
    (project.path / ".git/index.lock").unlink()
    refused = project.finish("--task", "TASK-001", "--no-change", "nothing to do", code=1)
    assert "TASK-001 is ready, not active" in refused.stderr
    assert project.task(1)["parked"] is not None
    project.aiw("task", "cancel", "TASK-005")
    assert project.next()["task"]["id"] == "TASK-001"
    assert picture(project) == before


def test_starting_what_was_made_out_of_band_leaves_the_milestone_that_was_under_way(tmp_path: Path) -> None:
    project = make_planned(tmp_path, remote=False)
    project.aiw("agent", "bootstrap")
    project.aiw("task", "adhoc", "--title", "Fix the login")
    project.aiw("milestone", "start", "M00-01")
    assert (project.milestone()["status"], project.milestone("M00-01")["status"]) == ("ready", "in_progress")
    assert project.aiw("doctor", "--json").json["ok"]
