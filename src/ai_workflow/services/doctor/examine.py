"""Examines a workspace: collects what is so, asks every rule, and writes nothing (spec §8, §8.1).

It takes no lock and reaches no network, so that it can run beside anything, on a read-only checkout too. What cannot be
looked at becomes a finding itself; everything else is still examined.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from ai_workflow.config.keys import Status
from ai_workflow.config.load import explain_no_workspace, list_given_keys, load_config, read_config_bytes
from ai_workflow.config.place import CONFIG_NAME, find_root
from ai_workflow.errors import AiwError, ExitCode
from ai_workflow.git.repository import require_version
from ai_workflow.git.runner import MINIMUM_VERSION, Git
from ai_workflow.models.base import Record
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.plan.dependencies import find_cycles
from ai_workflow.policy.diagnosis.branches import GitFacts, diagnose_git
from ai_workflow.policy.diagnosis.documents import diagnose_documents
from ai_workflow.policy.diagnosis.finding import Diagnosis, Names, join_command, sort_findings
from ai_workflow.policy.diagnosis.progress import diagnose_progress
from ai_workflow.policy.diagnosis.references import diagnose_references, make_waiting_graph
from ai_workflow.policy.diagnosis.settings import diagnose_settings
from ai_workflow.services.doctor.forge import diagnose_forge
from ai_workflow.services.doctor.leftovers import diagnose_leftovers, is_journal_damaged
from ai_workflow.services.workspace import Talk, Workspace

UPGRADE = "python -m pip install --upgrade aiw"
_PLACE = re.compile(r"(?P<path>[^\n:]+):(?P<line>\d+): (?P<message>.*)", re.DOTALL)
_STATE_FILE = re.compile(r"\S+/state/\S+\.json(?= )")
_PYTHON = (3, 11)
_T = TypeVar("_T")


class Examination(Record, frozen=True, kw_only=True):
    """What was found."""

    findings: tuple[Diagnosis, ...]
    is_damaged: bool = False
    """Whether state files cannot be read."""

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return all(finding.level != "error" for finding in self.findings)

    @property
    def exit_code(self) -> int:
        """0 without errors, 5 with damaged state files, else 1."""
        return ExitCode.OK if self.ok else ExitCode.DAMAGED if self.is_damaged else ExitCode.REFUSED


def open_for_examination(start: str, *, command: Sequence[str], talk: Talk) -> Workspace | Diagnosis:
    """The workspace, or the finding that its config cannot be read.

    Raises:
        AiwError: CONFIG when there is no workspace at all.
    """
    root = find_root(start)
    if root is None:
        raise explain_no_workspace(start)
    try:
        return Workspace(str(root), load_config(root), command=command, talk=talk)
    except AiwError as error:
        match = _PLACE.fullmatch(error.message)
        message = match["message"] if match else error.message
        line = int(match["line"]) if match else None
        place = f"line {line} of {CONFIG_NAME}" if line else CONFIG_NAME
        advice = f" ({error.hint})" if error.hint else ""
        return Diagnosis(
            level="error",
            code="config",
            message=message,
            path=CONFIG_NAME,
            line=line,
            fix=f"correct {place}{advice}, then: aiw doctor",
        )


def examine_config_only(finding: Diagnosis) -> Examination:
    """All that can be said while the config cannot be read."""
    rest = Diagnosis(
        level="info",
        code="not-examined",
        message="everything else is examined once the settings can be read",
        path=CONFIG_NAME,
    )
    return Examination(findings=(finding, *_diagnose_programs("."), rest))


def examine(ws: Workspace) -> Examination:
    """Everything that `doctor` looks at. Never raises for what is wrong with the workspace."""
    from ai_workflow.services.doctor.salvage import read_state

    names = make_names(ws)
    found: list[Diagnosis] = list(_diagnose_programs(ws.root))
    journal = is_journal_damaged(ws)
    if journal is not None:
        found.append(_journal_damaged(ws, names, journal))
    snapshot = _try(found, "state", ws.layout.state_rel, lambda: read_state(ws)) if journal is None else None
    is_damaged = journal is not None
    if snapshot is not None:
        _try_all(found, "state", ws.layout.state_rel, lambda: _diagnose_state(ws, snapshot, names))
        is_damaged = bool(snapshot.damaged)
    git = _read_git(ws, snapshot, found)
    if snapshot is not None:
        _try_all(found, "leftovers", ws.layout.state_rel, lambda: diagnose_leftovers(ws, snapshot, names))
        cycles = [tuple(cycle) for cycle in find_cycles(make_waiting_graph(snapshot))]
        found += diagnose_references(snapshot, names, cycles=cycles)
        found += diagnose_progress(snapshot, names)
        if git is not None:
            found += diagnose_git(snapshot, git, names)
        _try_all(found, "documents", ws.config.workspace_dir, lambda: _diagnose_documents(ws, snapshot, git, names))
    _try_all(found, "settings", CONFIG_NAME, lambda: _diagnose_settings(ws))
    if git is not None:
        _try_all(found, "forge", CONFIG_NAME, lambda: diagnose_forge(ws))
    return Examination(findings=sort_findings(found), is_damaged=is_damaged)


def make_names(ws: Workspace) -> Names:
    """How findings about this workspace name things."""
    return Names(state=ws.layout.state_rel, prefix=ws.command_prefix)


def _try_all(found: list[Diagnosis], what: str, path: str, ask: Callable[[], Iterable[Diagnosis]]) -> None:
    more = _try(found, what, path, lambda: list(ask()))
    found += more or []


def _try(found: list[Diagnosis], what: str, path: str, ask: Callable[[], _T]) -> _T | None:
    """The answer, or None and a finding that there is none."""
    try:
        return ask()
    except AiwError as error:
        named = _STATE_FILE.match(error.message)
        path = named.group() if named else path
        fix = error.hint or join_command("ls", "-ld", path)
        found.append(Diagnosis(level="error", code=f"cannot-read-{what}", message=error.message, path=path, fix=fix))
        return None


def _diagnose_programs(root: str) -> Iterator[Diagnosis]:
    if sys.version_info < _PYTHON:
        wanted = ".".join(map(str, _PYTHON))
        yield Diagnosis(
            level="error",
            code="python-too-old",
            message=f"Python {sys.version.split()[0]} is too old",
            path=sys.executable,
            fix=f"install Python {wanted} or newer",
        )
    if shutil.which("git") is None:
        wanted = ".".join(map(str, MINIMUM_VERSION))
        yield Diagnosis(
            level="error",
            code="git-missing",
            message="git is not on the PATH",
            path=".",
            fix=f"install git {wanted} or newer",
        )
        return
    try:
        require_version(Git(root))
    except AiwError as error:
        yield Diagnosis(
            level="error",
            code="git-too-old",
            message=error.message,
            path=shutil.which("git") or "git",
            fix=error.hint or "install a newer git",
        )


def _journal_damaged(ws: Workspace, names: Names, message: str) -> Diagnosis:
    return Diagnosis(
        level="error",
        code="journal-damaged",
        message=message,
        path=f"{ws.layout.state_rel}/journal.json",
        fix=names.repair,
    )


def _diagnose_state(ws: Workspace, snapshot: Snapshot, names: Names) -> Iterator[Diagnosis]:
    yield from _diagnose_damage(ws, snapshot, names)
    damaged = {damage.path for damage in snapshot.damaged}
    project = f"{ws.layout.state_rel}/project.json"
    if snapshot.project is None and not damaged & {project, ws.layout.state_rel}:
        yield Diagnosis(
            level="error",
            code="no-state",
            message="this workspace has no state yet",
            path=project,
            fix=names.command(*(("state", "rebuild") if _find_last_task(ws) else ("init",))),
        )
    elif "core" not in snapshot.lanes and not damaged & _places_of_lane(ws, names):
        yield Diagnosis(
            level="error",
            code="lane-missing",
            message="the lane core does not exist",
            path=names.file("lane", "core"),
            fix=names.command("init"),
        )


def _find_unreadable(ws: Workspace, rel: str) -> str | None:
    """The file or folder, if it is there and may not be read; a path relative to the root."""
    path = ws.layout.in_root(rel)
    wanted = os.R_OK | os.X_OK if os.path.isdir(path) else os.R_OK
    is_right_kind = os.path.isfile(path) or (os.path.isdir(path) and not rel.endswith(".json"))
    return rel if is_right_kind and not os.access(path, wanted) else None


def _find_last_task(ws: Workspace) -> str | None:
    from ai_workflow.services.history import find_last_task

    try:
        return find_last_task(ws)
    except AiwError:
        return None


def _places_of_lane(ws: Workspace, names: Names) -> set[str]:
    """The lane's file, and the folders that it lies in."""
    path = names.file("lane", "core")
    return {path, path.rpartition("/")[0], ws.layout.state_rel}


def _diagnose_damage(ws: Workspace, snapshot: Snapshot, names: Names) -> Iterator[Diagnosis]:
    if not snapshot.damaged:
        return
    from ai_workflow.services.doctor.salvage import plan_salvage

    plan = plan_salvage(ws, snapshot)
    for damage in snapshot.damaged:
        if damage.newer:
            fix, code = UPGRADE, "state-newer"
        elif (place := _find_unreadable(ws, damage.path)) is not None:
            fix, code = join_command("chmod", "u+rwX", place), "state-unreadable"
        elif damage.path == ws.layout.state_rel:
            fix, code = join_command("mv", damage.path, f"{damage.path}.damaged"), "state-damaged"
        elif damage.path in plan.beyond:
            fix, code = f"put a copy of it back, or give it up: mv {damage.path} {damage.path}.damaged", "state-damaged"
        else:
            fix, code = names.repair, "state-damaged"
        yield Diagnosis(level="error", code=code, message=damage.message, path=damage.path, line=damage.line, fix=fix)


def _read_git(ws: Workspace, snapshot: Snapshot | None, found: list[Diagnosis]) -> GitFacts | None:
    from ai_workflow.services.doctor.repository import read_git_facts

    if shutil.which("git") is None:
        return None
    try:
        repository = ws.repository
    except AiwError as error:
        found.append(
            Diagnosis(
                level="error",
                code="no-repository",
                message=error.message,
                path=".",
                fix=f"git -C {ws.root} init",
            )
        )
        return None
    empty = Snapshot(project=None, entities={})
    return _try(found, "git", repository.git_dir, lambda: read_git_facts(ws, snapshot or empty))


def _diagnose_documents(ws: Workspace, snapshot: Snapshot, git: GitFacts | None, names: Names) -> Iterator[Diagnosis]:
    from ai_workflow.services.doctor.documents import read_document_facts

    return diagnose_documents(snapshot, read_document_facts(ws, snapshot, git), names)


def _diagnose_settings(ws: Workspace) -> Iterator[Diagnosis]:
    given: dict[str, tuple[int, Status]] = {
        key.name: (key.line, key.status) for key in list_given_keys(read_config_bytes(ws.root), path=CONFIG_NAME)
    }

    def finds(program: str) -> bool:
        inside = os.path.join(ws.root, program)
        return os.path.isfile(inside) if "/" in program else shutil.which(program) is not None

    return diagnose_settings(ws.config, given, finds=finds)
