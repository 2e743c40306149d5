"""Killed at any moment of a closeout by pull request, the same command again ends with one request and one merge.

The moments are every question to the forge (before its work is done, after, and with the work done while nobody waits
any more) and every write point of aiw and its git (`support.crash`). A long run takes a
spread, `make crash` all of them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fault_cases import check_common
from support.github_forge import GithubForge
from support.landing import BRANCH, assert_landed, head, push_from_elsewhere
from support.project import Project
from support.requested import on_github, set_config
from support.stand_in import Work

pytestmark = pytest.mark.slow

AGAIN = ("milestone", "finish", "M01")
FINISH = ("agent", "finish", "--lane", "core", "--commit")
PULLS = r"POST /repos/o/r/pulls$"
MERGE = r"PUT /repos/o/r/pulls/\d+/merge"
OPEN = ("git", "pr", "M01")
WORKS: tuple[Work, ...] = ("done", "undone", "late")

IS_COMPLETE = bool(os.environ.get("AIW_ALL_CRASH_POINTS"))
SPREAD = int(os.environ.get("AIW_CRASH_POINTS", "8"))
"""Write points, when it is not all of them."""
SHARES = 4
"""Tests that the points of one kind are dealt out to."""


@contextlib.contextmanager
def ready(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Project, GithubForge]]:
    """A task away from a closeout that asks a forge all that it ever does."""
    with monkeypatch.context() as patch, on_github(folder, patch, wait_s=20) as (project, forge):
        set_config(project, "git.pull_request.draft", "true")
        set_config(project, "git.pull_request.labels", '["aiw"]')
        yield project, forge
    shutil.rmtree(folder)


def spawn(project: Project, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ai_workflow", *args],
        cwd=project.path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def assert_once(project: Project, forge: GithubForge, *, message: str = "") -> None:
    """All that must hold in the end, whatever was killed."""
    assert_landed(project)
    pulls = [(one.number, one.state, one.is_draft, one.labels) for one in forge.hub.pulls.values()]
    assert pulls == [(1, "merged", False, ["aiw"])], message
    # A question whose answer nobody waited for has none in the log.
    assert [one.status for one in forge.asked(PULLS)].count(201) <= 1
    assert [one.status for one in forge.asked(MERGE)].count(200) <= 1
    merges = project.git("log", "--merges", "--format=%s", "main").split("\n")
    assert merges == ["M01: Parser cleanup (#1)"], message
    # As `assert_landed` asks: what is on origin is what is here.
    milestone = project.milestone()
    assert (milestone["pr"]["status"], milestone["pr"]["number"]) == ("merged", 1)
    assert milestone["closeout"]["landed_sha"] == project.git("rev-parse", "main")
    assert project.task(1)["status"] == "done"
    assert project.subjects("main").count("TASK-001: Consolidate parser cleanup behavior") == 1
    findings = project.aiw("doctor", "--json").json["findings"]
    assert [one for one in findings if one["severity"] in ("error", "warning")] == []
    assert sorted((project.path / ".git").rglob("*.lock")) in ([], [project.path / ".git/aiw.lock"])
    check_common(project)


def count_questions(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    with ready(folder, monkeypatch) as (project, forge):
        project.aiw(*FINISH)
        assert_once(project, forge)
        return [one.line for one in forge.log]


def kill_at_question(
    folder: Path, monkeypatch: pytest.MonkeyPatch, nth: int, work: Work, *again: str, match: str = "."
) -> None:
    """Kills a closeout while its n-th question is under way, and begins it again."""
    with ready(folder, monkeypatch) as (project, forge):
        held = forge.hold(match, work=work, nth=nth)
        process = spawn(project, *FINISH)
        assert held.arrived.wait(30), process.communicate()
        kill(process)
        line = forge.log[-1].line
        held.let_go.set()
        done = project.aiw(*again)
        assert_once(project, forge, message=f"killed at question {nth}, {line} ({work})\n{done}")


@pytest.mark.parametrize("match", [PULLS, MERGE])
def test_killed_while_a_question_that_counts_is_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, match: str
) -> None:
    kill_at_question(tmp_path, monkeypatch, 1, "done", *AGAIN, match=match)


@pytest.mark.parametrize("match", [PULLS, MERGE])
def test_a_question_of_a_killed_process_arrives_while_the_next_one_asks_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, match: str
) -> None:
    with ready(tmp_path, monkeypatch) as (project, forge):
        first, second = forge.hold(match, work="late"), forge.hold(match, work="late")
        process = spawn(project, *FINISH)
        assert first.arrived.wait(30), process.communicate()
        kill(process)
        process = spawn(project, *AGAIN)
        assert second.arrived.wait(30), process.communicate()
        first.let_go.set()
        while not any(one.state == "merged" or match == PULLS for one in forge.hub.pulls.values()):
            time.sleep(0.01)
        second.let_go.set()
        shown, _ = process.communicate(timeout=60)
        assert process.returncode == 0, shown
        assert_once(project, forge, message=shown)


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("work", WORKS)
def test_killed_at_any_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Work, share: int) -> None:
    lines = count_questions(tmp_path / "count", monkeypatch)
    assert len(lines) > 20
    for nth in range(1 + share, len(lines) + 1, SHARES):
        again = FINISH if nth % 2 else AGAIN
        kill_at_question(tmp_path / f"at-{nth}", monkeypatch, nth, work, *again)


@pytest.mark.parametrize("share", range(SHARES))
def test_killed_at_any_write_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: int) -> None:
    with ready(tmp_path / "count", monkeypatch) as (project, forge):
        total = int(crash(project, 0, *FINISH).stderr.rsplit("points: ", 1)[1])
        assert_once(project, forge)
    for point in points_of(total)[share::SHARES]:
        with ready(tmp_path / f"at-{point}", monkeypatch) as (project, forge):
            killed = crash(project, point, *FINISH)
            # Two records stamped in the same second are fewer changed files, so fewer points.
            assert killed.returncode in (-9, 0), killed.stderr
            # What belongs to the finish of the task is for this one to clear; in the end there is nothing to finish.
            project.aiw(*FINISH, code=None)
            done = project.aiw(*AGAIN)
            assert_once(project, forge, message=f"killed at point {point} of {total}\n{killed.stderr}\n{done}")


@contextlib.contextmanager
def behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Project, GithubForge]]:
    """Base must be brought into the branch before the forge merges it, and everything else is there."""
    with ready(folder, monkeypatch) as (project, forge):
        set_config(project, "git.pull_request.wait_s", "1")
        forge.hub.lazy_readings = 0
        forge.protect(checks=("ci",), is_strict=True)
        push_from_elsewhere(project, {"src/theirs.py": "x\n"})
        project.finish(code=3)
        forge.set_check(BRANCH, "ci")
        yield project, forge


@pytest.mark.parametrize("share", range(SHARES))
def test_killed_while_base_is_brought_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: int) -> None:
    with behind(tmp_path / "count", monkeypatch) as (project, forge):
        total = int(crash(project, 0, *AGAIN).stderr.rsplit("points: ", 1)[1])
        assert head(project) == BRANCH
    for point in points_of(total)[share::SHARES]:
        with behind(tmp_path / f"at-{point}", monkeypatch) as (project, forge):
            killed = crash(project, point, *AGAIN)
            done = project.aiw(*AGAIN, code=None)
            assert done.code == 3, f"no check has passed on that head\n{done}"
            assert forge.pull(1).state == "open"
            forge.set_check(BRANCH, "ci")
            done = project.aiw(*AGAIN)
            message = f"killed at point {point} of {total}\n{killed.stderr}\n{done}"
            assert head(project) == "main", message
            assert_landed(project)
            assert len(forge.hub.pulls) == 1
            merges = project.git("log", "--merges", "--format=%s", "main").split("\n")
            assert merges == ["M01: Parser cleanup (#1)", f"Merge main into {BRANCH}"], message
            assert project.git("show", "main:src/theirs.py") == "x"
            check_common(project)


@pytest.mark.parametrize("rivals", [(AGAIN, AGAIN), (OPEN, FINISH), (AGAIN, OPEN), (("pr", "sync"), AGAIN)])
@pytest.mark.parametrize("lead_s", [0.0, 0.4, 0.8])
def test_two_at_once_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rivals: tuple[tuple[str, ...], ...], lead_s: float
) -> None:
    with ready(tmp_path, monkeypatch) as (project, forge):
        if FINISH not in rivals:
            with monkeypatch.context() as patch:
                patch.delenv("GH_ENTERPRISE_TOKEN")
                project.finish(code=3)
        forge.slow("(POST|PUT) /repos/.*", 0.2, times=20)
        first = spawn(project, *rivals[0])
        time.sleep(lead_s)
        second = spawn(project, *rivals[1])
        shown = [process.communicate(timeout=60)[0] for process in (first, second)]
        assert "Traceback" not in "".join(shown)
        assert first.returncode in (0, 3) or "M01 is merged, and its branch" in shown[0], shown
        assert second.returncode in (0, 3) or "M01 is merged, and its branch" in shown[1], shown
        project.aiw(*AGAIN)
        assert_once(project, forge, message="\n---\n".join(shown))


def points_of(total: int) -> list[int]:
    """Those of this run; the last one among them."""
    if IS_COMPLETE:
        return list(range(1, total + 1))
    return sorted({max(1, total * number // SPREAD) for number in range(1, SPREAD + 1)})


def crash(project: Project, point: int, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "support.crash", str(point), *command],
        cwd=project.path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
