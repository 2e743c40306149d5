"""Broken at any system call, the same command again ends in the right state (spec §7.1, §7.2, §7.6).

Beside `test_kill_points`, which kills at Python's own calls: here the points are what the kernel saw, in aiw and in the
git that it starts (`support.syscalls`). The ordinary run takes a spread of the points; `AIW_ALL_FAULTS=1` (`make
faults`) takes every one. With `AIW_FAULT_REPORT=<file>` each test appends a line with its figures.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from support.broken_commands import BROKEN, Broken, find_broken, judge, own_state_home, require_healed
from support.fault_cases import STATE
from support.prepared import copy_of
from support.project import Project
from support.syncing import find_unsynced
from support.syscalls import AIW, Call, Point, fail_at, has_struck, kill_at, require_strace

pytestmark = pytest.mark.slow

IS_COMPLETE = bool(os.environ.get("AIW_ALL_FAULTS"))
SHARES = 8 if IS_COMPLETE else 1
"""Tests that all the points of one command are dealt out to."""
SPREAD = int(os.environ.get("AIW_FAULTS", "4"))
"""Points per command that are killed, when it is not all of them; of other faults half as many."""
REPORT = os.environ.get("AIW_FAULT_REPORT")
ERRORS = ("ENOSPC", "EIO", "EACCES")
NO_CHANGE_BY_GIT = ("import", "backlog-add", "reset")
"""Commands of `BROKEN` in which git only reads."""
Attempt = Callable[[Point, Project, Path], str]


@pytest.fixture(autouse=True)
def _strace(tmp_path: Path) -> None:
    require_strace(tmp_path)


def chosen(points: Sequence[Point], share: int, *, spread: int = SPREAD) -> Sequence[Point]:
    """The points of this test: a share of all, or a spread with the last one."""
    if IS_COMPLETE:
        return points[share::SHARES]
    return [points[index] for index in sorted({len(points) * n // spread - 1 for n in range(1, spread + 1)} - {-1})]


def at_each(broken: Broken, points: Sequence[Point], tmp_path: Path) -> Iterator[tuple[Point, Project, Path]]:
    for number, point in enumerate(points):
        folder = tmp_path / f"at-{number}"
        with own_state_home(folder):
            yield point, copy_of(broken.template, folder / "copy"), folder / "traces"
        shutil.rmtree(folder)


def try_points(broken: Broken, points: Sequence[Point], tmp_path: Path, attempt: Attempt, *, name: str) -> None:
    """Tries each point, and fails with all that did not hold. `attempt` returns what became of it."""
    outcomes: Counter[str] = Counter()
    failures = []
    for point, project, folder in at_each(broken, points, tmp_path):
        try:
            outcome = attempt(point, project, folder)
        except AssertionError as error:
            outcome = "BAD"
            failures.append(f"--- {point}\n{error}")
        if not has_struck(point, folder):
            # A run may have other calls than the traced one: a folder of objects that is there already, for one.
            outcome += ", elsewhere"
        outcomes[outcome] += 1
    if REPORT:
        figures = {"fault": name, "found": len(broken.points), "tried": outcomes, "failures": failures}
        with open(REPORT, "a") as stream:
            stream.write(json.dumps(figures) + "\n")
    if failures:
        raise AssertionError(f"{len(failures)} of {len(points)} points\n" + "\n".join(failures))


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("name", BROKEN)
def test_killed_at_any_call_the_same_command_again_heals(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, name: str, share: int
) -> None:
    broken = find_broken(name, tmp_path_factory)

    def attempt(point: Point, project: Project, folder: Path) -> str:
        killed = kill_at(project, point, *broken.command, folder=folder)
        assert killed.code in (-9, 0), killed
        require_healed(broken, project)
        return "healed" if killed.code else "missed"

    try_points(broken, chosen(broken.points, share), tmp_path, attempt, name=f"kill {name}")


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("name", [name for name in BROKEN if name not in NO_CHANGE_BY_GIT])
def test_a_git_that_is_killed_alone_is_an_error_and_the_same_command_again_heals(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, name: str, share: int
) -> None:
    broken = find_broken(name, tmp_path_factory)
    points = [point for point in broken.points if point.process != AIW]
    if not points:
        pytest.skip("git changes nothing in this command")

    def attempt(point: Point, project: Project, folder: Path) -> str:
        return judge(broken, project, kill_at(project, point, *broken.command, folder=folder, alone=True))

    try_points(broken, chosen(points, share, spread=(SPREAD + 1) // 2), tmp_path, attempt, name=f"kill git of {name}")


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("shift", range(len(ERRORS)) if IS_COMPLETE else [0])
@pytest.mark.parametrize("name", BROKEN)
def test_an_error_of_any_call_is_a_sentence_and_never_a_success(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, name: str, shift: int, share: int
) -> None:
    """Calls of aiw and of its git; over the shifts each point gets each error."""
    broken = find_broken(name, tmp_path_factory)
    points = broken.points

    def attempt(point: Point, project: Project, folder: Path) -> str:
        # From one point to the next, so that a spread sees each of them.
        error = ERRORS[(points.index(point) + shift) % len(ERRORS)]
        return judge(broken, project, fail_at(project, point, *broken.command, folder=folder, error=error))

    try_points(broken, chosen(points, share), tmp_path, attempt, name=f"error {name}")


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("name", BROKEN)
def test_a_disk_that_is_full_from_any_call_on_is_a_sentence_and_never_a_success(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, name: str, share: int
) -> None:
    broken = find_broken(name, tmp_path_factory)
    points = [point for point in broken.points if point.process == AIW]

    def attempt(point: Point, project: Project, folder: Path) -> str:
        failed = fail_at(project, point, *broken.command, folder=folder, error="ENOSPC", stays=True)
        return judge(broken, project, failed)

    try_points(broken, chosen(points, share, spread=(SPREAD + 1) // 2), tmp_path, attempt, name=f"full disk {name}")


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_renamed_into_the_state_was_synced_or_stands_in_a_synced_journal(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    broken = find_broken(name, tmp_path_factory)
    assert find_unsynced(broken.calls, broken.traced_at / STATE) == []


def test_the_look_at_syncs_sees_what_is_missing(tmp_path: Path) -> None:
    state = tmp_path / "state"
    journal = f"rename({tmp_path}/t1, {state}/journal.json)"
    whole = [
        f"fsync({tmp_path}/t1)", journal, f"fsync({state})", f"rename({tmp_path}/t2, {state}/tasks/T.json)",
        f"fsync({state}/tasks/T.json)", f"fsync({state}/tasks)", f"unlink({state}/journal.json)",
    ]  # fmt: skip
    assert find_unsynced([call_of(text) for text in whole], state) == []
    said = {
        0: ["journal.json: its text is not synced before its rename"],
        1: ["tasks/T.json: renamed unsynced, and no journal holds it"],
        2: ["tasks/T.json: renamed before the journal's name is synced"],
        4: ["tasks/T.json: not synced when the journal goes"],
        5: ["tasks/T.json: its name is not synced when the journal goes"],
    }
    for missing, wrong in said.items():
        calls = [call_of(text) for number, text in enumerate(whole) if number != missing]
        assert find_unsynced(calls, state) == wrong
    emptied = call_of(f"openat({state}/project.json)", arguments="O_WRONLY|O_TRUNC")
    assert find_unsynced([emptied], state) == ["project.json: emptied in place"]


def call_of(text: str, *, arguments: str = "") -> Call:
    name, _, rest = text.removesuffix(")").partition("(")
    return Call(name=name, number=1, arguments=arguments, paths=tuple(rest.split(", ")), failed=False)
