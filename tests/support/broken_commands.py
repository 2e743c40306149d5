"""Commands that are broken at system calls: prepared and traced once, and judged after each fault (spec §7.1, §7.6)."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
from support.forks import ForkingProject
from support.prepared import copy_of
from support.project import Project, Result
from support.syscalls import AIW, Call, Point, trace

UNFINISHED = "docs/ai/workspace/locks/unfinished"
TITLE = "One more idea"
_TRUST = re.compile(r"aiw-trust-\d+")
"""What `init` leaves in git's folder for good; the number is the user's."""


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


_broken: dict[str, Broken] = {}


def find_broken(name: str, factory: pytest.TempPathFactory) -> Broken:
    """The command of this name in `BROKEN`, prepared and traced once per test process."""
    if name not in _broken:
        folder = factory.mktemp(name)
        case = BROKEN[name]
        prepared = case.prepare(folder / "template")
        template = ForkingProject(prepared.path, prepared.origin)
        command = case.command(template)
        with own_state_home(folder / "warm"):
            # What is compiled on the way is compiled now: else the traced run has more calls than all others.
            Project.aiw(copy_of(template, folder / "warm"), *command)
        with own_state_home(folder / "clean") as home:
            project = copy_of(template, folder / "clean")
            traced = trace(project, *command, folder=folder / "traces")
            assert traced.result.code == 0, traced.result
            points = traced.points(project.path, home)
            assert points
            findings = doctor(project)
            case.check(project)
        _broken[name] = Broken(case, template, command, points, traced.calls[AIW], project.path, findings)
    return _broken[name]


@contextmanager
def own_state_home(folder: Path) -> Iterator[Path]:
    """A new place for what aiw remembers of its user, so that each run has the same calls to make."""
    before = os.environ["XDG_STATE_HOME"]
    home = folder.parent / f"{folder.name}-state"
    os.environ["XDG_STATE_HOME"] = str(home)
    try:
        yield home
    finally:
        os.environ["XDG_STATE_HOME"] = before


def doctor(project: Project) -> list[str]:
    """Errors and warnings, by code."""
    report: Any = project.aiw("doctor", "--json", code=None).json
    return sorted(one["code"] for one in report["findings"] if one["level"] != "info")


def left_in_git(project: Project) -> list[str]:
    """Lock files of git, and files of ours."""
    folder = project.path / ".git"
    found = {*folder.rglob("*.lock"), *folder.glob("aiw-*")} - {folder / "aiw.lock"}
    return sorted(str(path.relative_to(folder)) for path in found if not _TRUST.fullmatch(path.name))


def require_healed(broken: Broken, project: Project, *, is_repeated: bool = True) -> None:
    """The command again a minute later, unless it is complete, and everything is as after a run without a fault."""
    for path in (*(project.path / UNFINISHED).glob("*"), *(project.path / ".git").glob("aiw-trust-*.*")):
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
