"""Killed at any write point, the same command again ends in the right state with exactly one commit (spec §7.1, §7.2).

Each case copies a prepared repository, kills one command at its n-th write point (`support.crash`), runs the same
command again and looks at the whole: git, state, index, documents. The long suite takes a spread of the points;
`AIW_ALL_CRASH_POINTS=1` takes every one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.fault_cases import CASES, check_common, check_undone, given_to, prepare_backlog, prepare_finished
from support.prepared import prepared
from support.project import Project

pytestmark = pytest.mark.slow

IS_COMPLETE = bool(os.environ.get("AIW_ALL_CRASH_POINTS"))
SHARES = 6
"""Tests that all the points of one command are dealt out to."""
SPREAD = int(os.environ.get("AIW_CRASH_POINTS", "3"))
"""Points per command when it is not all of them."""


def crash(project: Project, point: int, command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "support.crash", str(point), *command],
        cwd=project.path,
        capture_output=True,
        text=True,
        check=False,
        input=given_to(project, command),
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )


def count_points(project: Project, command: tuple[str, ...]) -> int:
    done = crash(project, 0, command)
    assert done.returncode == 0, done.stderr
    return int(done.stderr.rsplit("points: ", 1)[1])


def spread(total: int) -> list[int]:
    """Points of the ordinary suite: evenly over the command, its last one among them."""
    return sorted({max(1, total * number // SPREAD) for number in range(1, SPREAD + 1)})


def test_an_idea_that_was_written_and_not_recorded_is_not_added_twice(tmp_path: Path) -> None:
    command = ("backlog", "add", "--title", "One more idea", "--tag", "x")
    total = count_points(prepared(prepare_backlog, tmp_path / "count"), command)
    assert total > 10
    for point in range(1, total + 1) if IS_COMPLETE else spread(total):
        project = prepared(prepare_backlog, tmp_path / f"at-{point}")
        killed = crash(project, point, command)
        assert killed.returncode in (-9, 0)
        is_recorded = (project.path / "docs/ai/workspace/state/journal.json").exists() or project.state("project.json")[
            "counters"
        ]["backlog"] == 2
        if not is_recorded:
            project.aiw(*command)
        else:
            project.aiw("backlog", "select", "1")
            project.aiw("backlog", "unselect", "1")
        edits = [edit["backlog"]["item_id"] for edit in project.state("project.json")["pending_edits"]]
        assert edits.count("BLG-002") == 1
        items = project.aiw("backlog", "list", "--json").json["items"]
        assert [(item["id"], item["title"]) for item in items][1:] == [("BLG-002", "One more idea")], point
        check_common(project)
        shutil.rmtree(tmp_path / f"at-{point}")


def test_a_killed_undo_of_the_latest_is_completed_and_not_followed_by_another(tmp_path: Path) -> None:
    total = count_points(prepared(prepare_finished, tmp_path / "count"), ("undo",))
    # The very last points come after the undo has let go of everything: it is over then.
    for point in [*list(range(total // 5, total - 3, total // 5)), total - 4]:
        project = prepared(prepare_finished, tmp_path / f"at-{point}")
        assert crash(project, point, ("undo",)).returncode == -9
        done = project.aiw("undo")
        assert "Undone: finish TASK-001" in done.stdout, point
        check_undone(project)
        check_common(project)


@pytest.mark.parametrize("share", range(SHARES if IS_COMPLETE else 1))
@pytest.mark.parametrize("name", CASES)
def test_the_same_command_again_heals(tmp_path: Path, name: str, share: int) -> None:
    prepare, command, check = CASES[name]
    total = count_points(prepared(prepare, tmp_path / "count"), command)
    points = list(range(1 + share, total + 1, SHARES)) if IS_COMPLETE else spread(total)
    for point in points:
        project = prepared(prepare, tmp_path / f"at-{point}")
        killed = crash(project, point, command)
        # Two records stamped in the same second are fewer changed files, so a run may have fewer points than counted.
        assert killed.returncode in (-9, 0), f"point {point} of {total}: {killed.stderr}"
        project.aiw(*command, stdin=given_to(project, command))
        try:
            check(project)
            check_common(project)
        except AssertionError as error:
            raise AssertionError(f"killed at point {point} of {total}: {error}\n{killed.stderr}") from error
        shutil.rmtree(tmp_path / f"at-{point}")
