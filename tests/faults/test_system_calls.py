"""Broken at any system call, the same command again ends in the right state (spec §7.1, §7.2, §7.6).

Beside `test_kill_points`, which kills at Python's own calls: here the points are what the kernel saw, in aiw and in the
git that it starts (`support.syscalls`). The ordinary run takes a spread of the points; `AIW_ALL_FAULTS=1` (`make
faults`) takes every one. With `AIW_FAULT_REPORT=<file>` each test appends a line with its figures.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.fault_cases import (
    CASES,
    FINISH,
    STATE,
    check_common,
    check_merged_base,
    check_next,
    check_undone,
    prepare_backlog,
    prepare_finished,
    prepare_merged,
    prepare_moved_base,
    prepare_next,
    undo_latest,
)
from support.prepared import copy_of
from support.project import Project, Result
from support.syncing import find_unsynced
from support.syscalls import AIW, Call, Point, fail_at, kill_at, require_strace, trace

pytestmark = pytest.mark.slow

IS_COMPLETE = bool(os.environ.get("AIW_ALL_FAULTS"))
SHARES = 8 if IS_COMPLETE else 1
"""Tests that all the points of one command are dealt out to."""
SPREAD = int(os.environ.get("AIW_FAULTS", "4"))
"""Points per command that are killed, when it is not all of them; of other faults half as many."""
REPORT = os.environ.get("AIW_FAULT_REPORT")
UNFINISHED = "docs/ai/workspace/locks/unfinished"
TITLE = "One more idea"


@dataclass(frozen=True)
class Case:
    """A command to break.

    Attributes:
        command: its words, for the prepared project.
        check: what must hold when it has gone through, once or again.
        is_done: for a command that is not to be repeated once it was recorded: whether it was.
    """

    prepare: Callable[[Path], Project]
    command: Callable[[Project], tuple[str, ...]]
    check: Callable[[Project], None]
    is_done: Callable[[Project], bool] = lambda _project: False


def words(*command: str) -> Callable[[Project], tuple[str, ...]]:
    return lambda _project: command


def case_of(name: str) -> Case:
    """One of `fault_cases.CASES`."""
    prepare, command, check = CASES[name]
    return Case(prepare, words(*command), check)


def is_recorded(project: Project) -> bool:
    return (project.path / STATE / "journal.json").exists() or project.state("project.json")["counters"]["backlog"] == 2


def check_added(project: Project) -> None:
    project.aiw("backlog", "select", "1")
    project.aiw("backlog", "unselect", "1")
    edits = [edit["backlog"]["item_id"] for edit in project.state("project.json")["pending_edits"]]
    assert edits.count("BLG-002") == 1
    items = project.aiw("backlog", "list", "--json").json["items"]
    assert [(item["id"], item["title"]) for item in items][1:] == [("BLG-002", TITLE)]


BROKEN = {
    "init": case_of("init"),
    "import": case_of("import"),
    "run": case_of("run"),
    "next": Case(prepare_next, words("next"), check_next),
    "finish": case_of("finish"),
    "finish-and-push": case_of("finish-and-push"),
    "finish-and-merge": case_of("finish-and-merge"),
    "finish-on-a-moved-base": Case(prepare_moved_base, words(*FINISH), check_merged_base),
    "undo": Case(prepare_finished, undo_latest, check_undone),
    "undo-a-merge": Case(prepare_merged, undo_latest, check_undone),
    "backlog-add": Case(prepare_backlog, words("backlog", "add", "--title", TITLE), check_added, is_recorded),
    "reset": case_of("reset"),
}


@dataclass(frozen=True)
class Broken:
    """A prepared command with its points."""

    case: Case
    template: Project
    command: tuple[str, ...]
    points: Sequence[Point]
    calls: Sequence[Call]
    """Those of aiw itself."""
    traced_at: Path
    findings: Sequence[str]
    """What doctor says after a run without a fault."""


_prepared: dict[str, Broken] = {}


@pytest.fixture(autouse=True)
def _strace(tmp_path: Path) -> None:
    require_strace(tmp_path)


def prepared(name: str, factory: pytest.TempPathFactory) -> Broken:
    """The case, prepared and traced once per test process."""
    if name not in _prepared:
        folder = factory.mktemp(name)
        case = BROKEN[name]
        template = case.prepare(folder / "template")
        command = case.command(template)
        project = copy_of(template, folder / "clean")
        traced = trace(project, *command, folder=folder / "traces")
        assert traced.result.code == 0, traced.result
        points = traced.points(project.path)
        assert points
        findings = doctor(project)
        case.check(project)
        _prepared[name] = Broken(case, template, command, points, traced.calls[AIW], project.path, findings)
    return _prepared[name]


def doctor(project: Project) -> list[str]:
    """Errors and warnings, by code."""
    report: Any = project.aiw("doctor", "--json", code=None).json
    return sorted(one["code"] for one in report["findings"] if one["level"] != "info")


def chosen(points: Sequence[Point], share: int, *, spread: int = SPREAD) -> Sequence[Point]:
    """The points of this test: a share of all, or a spread with the last one."""
    if IS_COMPLETE:
        return points[share::SHARES]
    return [points[index] for index in sorted({len(points) * n // spread - 1 for n in range(1, spread + 1)} - {-1})]


def at_each(broken: Broken, points: Sequence[Point], tmp_path: Path) -> Iterator[tuple[Point, Project, Path]]:
    for number, point in enumerate(points):
        folder = tmp_path / f"at-{number}"
        yield point, copy_of(broken.template, folder / "copy"), folder / "traces"
        shutil.rmtree(folder)


def left_in_git(project: Project) -> list[str]:
    """Lock files of git, and files of ours."""
    folder = project.path / ".git"
    found = {*folder.rglob("*.lock"), *folder.glob("aiw-*")} - {folder / "aiw.lock"} - {*folder.glob("aiw-trust-?")}
    return sorted(str(path.relative_to(folder)) for path in found)


def require_healed(broken: Broken, project: Project, *, is_repeated: bool = True) -> None:
    """The command again a minute later, unless it is complete, and everything is as after a run without a fault."""
    for path in (project.path / UNFINISHED).glob("*"):
        os.utime(path, (time.time() - 60, time.time() - 60))
    if is_repeated and not broken.case.is_done(project):
        project.aiw(*broken.command)
    require_right(broken, project)


def require_right(broken: Broken, project: Project) -> None:
    if (project.path / STATE / "journal.json").exists() and broken.case.is_done(project):
        project.aiw("backlog", "select", "1")
        project.aiw("backlog", "unselect", "1")
    assert left_in_git(project) == []
    assert doctor(project) == broken.findings
    broken.case.check(project)
    check_common(project)
    assert sorted(path.name for path in (project.path / UNFINISHED).glob("*")) == []


def try_points(
    broken: Broken,
    points: Sequence[Point],
    tmp_path: Path,
    attempt: Callable[[Point, Project, Path], str],
    *,
    name: str,
) -> None:
    """Tries each point, and fails with all that did not hold. `attempt` returns what became of it."""
    outcomes: dict[str, int] = {}
    failures = []
    for point, project, folder in at_each(broken, points, tmp_path):
        try:
            outcome = attempt(point, project, folder)
        except AssertionError as error:
            outcome = "BAD"
            failures.append(f"--- {point}\n{error}")
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    if REPORT:
        with open(REPORT, "a") as stream:
            stream.write(json.dumps({"fault": name, "found": len(broken.points), "tried": outcomes}) + "\n")
    if failures:
        raise AssertionError(f"{len(failures)} of {len(points)} points\n" + "\n".join(failures))


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("name", BROKEN)
def test_killed_at_any_call_the_same_command_again_heals(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, name: str, share: int
) -> None:
    broken = prepared(name, tmp_path_factory)

    def attempt(point: Point, project: Project, folder: Path) -> str:
        killed = kill_at(project, point, *broken.command, folder=folder)
        # A run may have fewer calls than the traced one: a folder of objects that is there already, for one.
        assert killed.code in (-9, 0), killed
        require_healed(broken, project)
        return "healed" if killed.code else "missed"

    try_points(broken, chosen(broken.points, share), tmp_path, attempt, name=f"kill {name}")


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("name", [name for name in BROKEN if name not in ("import", "backlog-add", "reset")])
def test_a_git_that_is_killed_alone_is_an_error_and_the_same_command_again_heals(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, name: str, share: int
) -> None:
    broken = prepared(name, tmp_path_factory)
    points = [point for point in broken.points if point.process != AIW]
    if not points:
        pytest.skip("git changes nothing in this command")

    def attempt(point: Point, project: Project, folder: Path) -> str:
        return judge(broken, project, kill_at(project, point, *broken.command, folder=folder, alone=True))

    try_points(broken, chosen(points, share, spread=(SPREAD + 1) // 2), tmp_path, attempt, name=f"kill git of {name}")


ERRORS = ("ENOSPC", "EIO", "EACCES")


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("stays", [False, True], ids=["once", "from-then-on"])
@pytest.mark.parametrize("name", BROKEN)
def test_an_error_of_any_call_is_a_sentence_and_never_a_success(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, name: str, stays: bool, share: int
) -> None:
    broken = prepared(name, tmp_path_factory)
    points = [point for point in broken.points if point.process == AIW]

    def attempt(point: Point, project: Project, folder: Path) -> str:
        # From one point to the next, so that a spread sees each of them.
        error = "ENOSPC" if stays else ERRORS[points.index(point) % len(ERRORS)]
        failed = fail_at(project, point, *broken.command, folder=folder, error=error, stays=stays)
        return judge(broken, project, failed)

    sort = "full disk" if stays else "error"
    try_points(broken, chosen(points, share, spread=(SPREAD + 1) // 2), tmp_path, attempt, name=f"{sort} {name}")


def judge(broken: Broken, project: Project, failed: Result) -> str:
    """What a command with a fault ended in: refused with a sentence, or tolerated; then all is healed."""
    assert "Traceback" not in failed.stdout + failed.stderr, failed
    if failed.code == 0:
        # Reported as done, so it is: before anything else looks after it.
        require_healed(broken, copy_of(project, project.path.parents[1] / "as-it-is"), is_repeated=False)
        return "tolerated"
    assert failed.code in (1, 3), failed
    assert "error: " in failed.stderr or failed.code == 3, failed
    require_healed(broken, project)
    return "healed"


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_renamed_into_the_state_was_synced_or_stands_in_a_synced_journal(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    broken = prepared(name, tmp_path_factory)
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
