"""Many processes at once, and processes that outlive ours (spec §7.2, §7.4)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from support.at_once import write_work
from support.history_of_races import PLAN, Race, Racer
from support.judging_races import Verdict, summarize
from support.project import THREE_MILESTONES, Project, make_planned, make_ready

pytestmark = pytest.mark.slow

RACERS = 6
SEED = int(os.environ.get("AIW_RACE_SEED") or int.from_bytes(os.urandom(4)))
ROUNDS = int(os.environ.get("AIW_RACE_ROUNDS", "1"))


def spawn(project: Project, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ai_workflow", *args],
        cwd=project.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )


def wait_for(path: Path) -> None:
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether the process still does anything; an unreaped one does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_one_of_many_claims_wins_and_the_others_are_told_who_holds_it(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False)
    project.aiw("agent", "bootstrap")
    racers = [spawn(project, "task", "claim") for _ in range(RACERS)]
    texts = [racer.communicate()[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * RACERS
    assert sorted(text.split(":")[0].split(" is held")[0] for text in texts) == [
        "Claimed TASK-001",
        *["TASK-001"] * (RACERS - 1),
    ]
    assert project.task(1)["run_ids"] == ["RUN-0001"]


def test_many_imports_import_once(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False, plan=THREE_MILESTONES)
    racers = [spawn(project, "plan", "import") for _ in range(RACERS)]
    texts = [racer.communicate()[0] for racer in racers]
    assert sorted(text.split(":")[0] for text in texts) == ["Imported", *["Nothing changed"] * (RACERS - 1)]
    assert len(project.aiw("task", "list", "--json").json["tasks"]) == 4


def test_many_starts_and_finishes_make_one_commit(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False)
    racers = [spawn(project, "agent", "run", "--mode", "queue") for _ in range(4)]
    outputs = [racer.communicate() for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0, 0, 0], outputs
    project.write("src/parser.py", "x\n")
    finishers = [spawn(project, "agent", "finish", "--task", "TASK-001") for _ in range(4)]
    outputs = [finisher.communicate() for finisher in finishers]
    for finisher, (_, error) in zip(finishers, outputs, strict=True):
        assert finisher.returncode == 0 or "is being finished already" in error or "is done" in error, outputs
    assert project.subjects().count("TASK-001: Consolidate parser cleanup behavior") == 1
    assert project.task(1)["status"] == "done"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="an orphan is found by its environment, in /proc")
def test_a_git_that_outlives_a_killed_finish_makes_the_one_commit(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False)
    project.next()
    inside, gate = tmp_path / "inside", tmp_path / "gate"
    hook = f"#!/bin/sh\ntouch {inside}\nwhile ! test -e {gate}; do sleep 0.05; done\n"
    project.write(".git/hooks/pre-commit", hook, mode=0o755)
    project.write("src/parser.py", "x\n")
    killed = spawn(project, "agent", "finish", "--task", "1")
    wait_for(inside)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    again = spawn(project, "agent", "finish", "--task", "1")
    time.sleep(0.3)
    assert again.poll() is None, "it waits for the git that is still committing"
    gate.touch()
    _, error = again.communicate()
    assert again.returncode == 0, error
    assert "the interrupted finish of TASK-001 was completed" in error
    assert project.subjects().count("TASK-001: Consolidate parser cleanup behavior") == 1
    assert project.task(1)["commit_sha"] == project.git("rev-parse", "HEAD")
    assert project.status() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_check_ends_it_and_leaves_the_task_active(tmp_path: Path, number: int) -> None:
    project = make_ready(tmp_path, remote=False)
    project.next()
    project.write("src/parser.py", "x\n")
    inside = tmp_path / "pid"
    finish = spawn(
        project, "agent", "finish", "--check-cmd", f"sh -c 'echo $$ > {inside}.new; mv {inside}.new {inside}; sleep 60'"
    )
    wait_for(inside)
    finish.send_signal(number)
    _, error = finish.communicate()
    assert finish.returncode == 130, error
    assert "run the same command again" in error
    assert not is_running(int(inside.read_text()))
    assert project.task(1)["status"] == "in_progress"
    assert project.status() == ["?? src/parser.py"]
    project.finish()


def test_a_task_can_be_looked_at_while_it_is_being_finished(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False)
    project.next()
    project.write("src/parser.py", "x\n")
    gate = tmp_path / "gate"
    finish = spawn(project, "agent", "finish", "--check-cmd", f"while ! test -e {gate}; do sleep 0.05; done")
    assert project.aiw("status", "--json").json["active_task"]["id"] == "TASK-001"
    assert project.aiw("next").stdout.startswith("Active task: TASK-001")
    gate.touch()
    finish.communicate()
    assert finish.returncode == 0


def test_many_tasks_added_at_once_have_their_own_ids(tmp_path: Path) -> None:
    project = make_planned(tmp_path, remote=False)
    racers = [spawn(project, "task", "adhoc", "--title", f"Mend thing {n}", "--json") for n in range(RACERS)]
    tasks = [json.loads(racer.communicate()[0]) for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * RACERS
    assert sorted(task["id"] for task in tasks) == [f"TASK-{number:03d}" for number in range(3, 3 + RACERS)]
    assert len({task["milestone_id"] for task in tasks}) == RACERS
    assert len(project.aiw("task", "list", "--json").json["tasks"]) == 2 + RACERS


def test_many_bootstraps_start_once(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False)
    racers = [spawn(project, "agent", "bootstrap", "--lane", "core") for _ in range(RACERS)]
    told = [racer.communicate() for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * RACERS, told
    assert project.milestone()["status"] == "in_progress"
    assert len(project.aiw("task", "list", "--json").json["tasks"]) == 2
    assert project.subjects() == ["Begin", "aiw: set up workspace"]


@pytest.mark.parametrize("kind", ["forward", "with-undo", "with-remote"])
def test_whatever_many_processes_report_is_so(tmp_path: Path, kind: str) -> None:
    """`AIW_RACE_SEED=N` repeats a history, as far as the scheduler does; `AIW_RACE_ROUNDS=N` plays more of them."""
    total: Counter[str] = Counter()
    for number in range(ROUNDS):
        seed = SEED + number
        print(f"AIW_RACE_SEED={seed}")
        project = make_ready(tmp_path / str(number), remote=kind == "with-remote", plan=PLAN)
        race = Race(project, seed, has_undo=kind == "with-undo")
        for _ in range(4):
            race.wave()
        Verdict(race).check()
        total += summarize(race)
        shutil.rmtree(tmp_path / str(number))
    print(f"{ROUNDS} rounds {kind}: {dict(total)}")
    assert total["claims"]
    assert total["finishes"]


def test_the_judge_of_races_sees_what_is_wrong(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False, plan=PLAN)
    race = Race(project, 1, width=0, has_undo=False)
    for words in (
        ("agent", "run", "--json"),
        ("agent", "finish", "--json"),
        ("backlog", "add", "--title", "Idea 1", "--json"),
        ("task", "adhoc", "--title", "Adhoc 1", "--json"),
    ):
        write_work(project.path)
        racer = Racer(words)
        racer.stdout = project.aiw(*words).stdout
        race.racers.append(racer)
    verdict = Verdict(race)
    verdict.check()
    said_in_vain = {
        0: (verdict.check_claims, '"claimed": true', '"claimed": true'),
        1: (verdict.check_commits, f'"commit": "{project.task(1)["commit_sha"]}"', f'"commit": "{"0" * 40}"'),
        2: (verdict.check_ideas, "BLG-002", "BLG-003"),
        3: (verdict.check_adhoc, "TASK-005", "TASK-004"),
    }
    for number, (check, old, new) in said_in_vain.items():
        lie = Racer(race.racers[number].words)
        assert old in race.racers[number].stdout
        lie.stdout = race.racers[number].stdout.replace(old, new)
        race.racers.append(lie)
        with pytest.raises(AssertionError):
            check()
        race.racers.pop()
    path = project.path / "docs/ai/workspace/state/tasks/TASK-002.json"
    whole = path.read_text()
    path.write_text(whole.replace('"claimed_at": null', '"claimed_at": "x"'))
    with pytest.raises(AssertionError, match="a change was lost"):
        verdict.check_log()
    path.write_text(whole)
    verdict.check()
