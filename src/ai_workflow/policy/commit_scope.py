"""Which changed paths the task owns (spec §6.4 steps 2 and 3). Pure.

Paths are relative to the workspace root, POSIX; a path outside the root (monorepo) begins with `../`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ai_workflow.models.base import Record
from ai_workflow.models.lane import DirtyPath
from ai_workflow.models.task import Task

if TYPE_CHECKING:
    import pathspec


class ChangeSet(Record, frozen=True, kw_only=True):
    """The dirty paths, told apart by whose they are."""

    owned: tuple[str, ...] = ()
    """New since the baseline: the task's."""
    foreign: tuple[str, ...] = ()
    """In the baseline and unchanged since: the user's, never committed."""
    touched: tuple[str, ...] = ()
    """In the baseline and changed again: whose they are is for a person to say."""


def split_by_baseline(
    dirty: Mapping[str, DirtyPath],
    baseline: Mapping[str, DirtyPath],
    *,
    adopted: Iterable[str] = (),
    is_same: Callable[[DirtyPath, DirtyPath], bool],
) -> ChangeSet:
    """Tells the task's changes from the user's.

    Args:
        dirty: every path that differs from HEAD now.
        baseline: the same at the end of the lane's previous operation.
        adopted: baseline paths that a person handed over with `--adopt`.
        is_same: whether two fingerprints show the same content.
    """
    handed_over = set(adopted)
    owned: list[str] = []
    foreign: list[str] = []
    touched: list[str] = []
    for path, now in dirty.items():
        before = baseline.get(path)
        if before is None or path in handed_over:
            owned.append(path)
        elif is_same(before, now):
            foreign.append(path)
        else:
            touched.append(path)
    return ChangeSet(owned=tuple(sorted(owned)), foreign=tuple(sorted(foreign)), touched=tuple(sorted(touched)))


class ScopeVerdict(Record, frozen=True, kw_only=True):
    """What the scope gate says of the task's changes."""

    in_scope: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()
    """Committed along and named: lock files, snapshots, changelog."""
    allowed: tuple[str, ...] = ()
    """Outside, but a person allowed them with a reason, or the policy is `warn` or `off`."""
    outside: tuple[str, ...] = ()
    """Outside, and a reason to refuse."""

    @property
    def committed(self) -> tuple[str, ...]:
        """Every path that goes into the commit, sorted."""
        return tuple(sorted((*self.in_scope, *self.companions, *self.allowed)))


def judge_scope(
    paths: Sequence[str], task: Task, *, companions: Sequence[str], policy: str, allowed: Iterable[str] = ()
) -> ScopeVerdict:
    """Judges the changed paths.

    Args:
        paths: the task's changes, aiw's own documents left out.
        companions: patterns of files that go along with any change.
        policy: `refuse`, `warn` or `off`.
        allowed: paths let through with `--allow`, besides those recorded in the task's decisions.

    A task without scopes owns everything inside the root. Outside the root only what a scope names is owned,
    whatever the policy: there other projects live.
    """
    scopes = (*task.conflict_scopes, *(d.path for d in task.decisions if d.kind == "add-scope" and d.path))
    granted = {*allowed, *(d.path for d in task.decisions if d.kind == "allow" and d.path)}
    is_in_scope = make_matcher(scopes)
    is_companion = make_matcher(companions)
    verdict: dict[str, list[str]] = {"in_scope": [], "companions": [], "allowed": [], "outside": []}
    for path in paths:
        if is_in_scope(path) or (not scopes and not path.startswith("../")):
            verdict["in_scope"].append(path)
        elif path in granted or (policy != "refuse" and not path.startswith("../")):
            verdict["allowed"].append(path)
        elif not path.startswith("../") and is_companion(path):
            verdict["companions"].append(path)
        else:
            verdict["outside"].append(path)
    return ScopeVerdict(**{name: tuple(found) for name, found in verdict.items()})


def make_matcher(entries: Sequence[str]) -> Callable[[str], bool]:
    """A test for "equals an entry, lies under one, or matches one as a gitignore-style pattern".

    An entry with `!` is taken literally: nothing is taken out of a scope again.
    """
    cleaned = [entry.strip() for entry in entries if entry.strip()]
    plain = {_normal(entry) for entry in cleaned}
    is_match = make_pattern_matcher([_anchored(entry) for entry in cleaned if _is_pattern(entry)])

    def matches(path: str) -> bool:
        if path in plain or any(path.startswith(f"{entry}/") for entry in plain) or "." in plain:
            return True
        return not path.startswith("../") and is_match(path)

    return matches


def make_pattern_matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    """A test for "matches one of these gitignore patterns"; they are read when the first path comes."""
    specs: list[pathspec.GitIgnoreSpec] = []

    def matches(path: str) -> bool:
        if not patterns:
            return False
        if not specs:
            # Imported here, because most commands have no path to ask about.
            import pathspec

            specs.append(pathspec.GitIgnoreSpec.from_lines(patterns))
        return specs[0].match_file(path)

    return matches


def _is_pattern(entry: str) -> bool:
    """Whether an entry can match more than itself and what lies under it."""
    if entry.startswith("../"):
        return False
    is_literal = not any(char in entry for char in "*?[\\")
    return not (is_literal and "/" in entry.strip("/") and not entry.startswith("/"))


def _normal(entry: str) -> str:
    return posixpath.normpath(entry)


def _anchored(entry: str) -> str:
    pattern = entry.removeprefix("./")
    return f"\\{pattern}" if pattern.startswith(("!", "#")) else pattern
