"""Which accepted decisions bind a task (spec §6.3). Pure."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Sequence

from ai_workflow.errors import AiwError
from ai_workflow.models.adr import Adr
from ai_workflow.models.ids import parse_id, parse_milestone_id
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.task import Task

_GLOB = re.compile(r"[*?\[]")


def relevant_adrs(snapshot: Snapshot, task: Task) -> tuple[Adr, ...]:
    """The accepted decisions that bind the task, in the order of their numbers.

    A decision binds when its `applies_to` is empty or names the task, its milestone, or a path pattern that overlaps
    the task's scopes. The list of a milestone does not count: it holds what was accepted at its import. A task without
    scopes may touch every path. Where it cannot be told whether two patterns overlap, they do: a decision too many is
    better than one too few.
    """
    scopes = task_scopes(task)
    return tuple(
        adr
        for adr in snapshot.adrs.values()
        if adr.status == "accepted"
        and (not adr.applies_to or any(_binds(entry, task, scopes) for entry in adr.applies_to))
    )


def task_scopes(task: Task) -> tuple[str, ...]:
    """The task's scopes with those that were added by a recorded decision, each once, in order."""
    added = (decision.path for decision in task.decisions if decision.kind == "add-scope" and decision.path)
    return tuple(dict.fromkeys((*task.conflict_scopes, *added)))


def _binds(entry: str, task: Task, scopes: Sequence[str]) -> bool:
    named = _entity_id(entry)
    if named is not None:
        return named in (task.id, task.milestone_id)
    return not scopes or any(overlap(entry, scope) for scope in scopes)


def _entity_id(entry: str) -> str | None:
    text = entry.strip()
    if not re.fullmatch(r"(?i)(?:task-?|milestone-?|m)\d+(?:-\d+)?", text):
        return None
    try:
        return parse_id("task", text) if text[:1] in "tT" else parse_milestone_id(text)
    except AiwError:
        return None


def overlap(left: str, right: str) -> bool:
    """Whether a path can match both entries: paths, folders or gitignore-style patterns; true when in doubt."""
    one, other = _normal(left), _normal(right)
    if "." in (one, other):
        return True
    for pattern, path in ((one, other), (other, one)):
        if not _GLOB.search(path) and _GLOB.search(pattern):
            return _matches(pattern, path)
    if not _GLOB.search(one):
        return _is_within(one, other) or _is_within(other, one)
    return _is_floating(one) or _is_floating(other) or _share_folder(_literal(one), _literal(other))


def _normal(entry: str) -> str:
    return posixpath.normpath(entry.strip().lstrip("/") or ".")


def _is_floating(pattern: str) -> bool:
    return "/" not in pattern or pattern.startswith("**/")


def _literal(pattern: str) -> str:
    match = _GLOB.search(pattern)
    head = pattern[: match.start()] if match else pattern
    return head.rpartition("/")[0]


def _matches(pattern: str, path: str) -> bool:
    # A path without an extension may be a folder, and then anything may lie below it.
    if "." not in posixpath.basename(path):
        return _is_floating(pattern) or _share_folder(_literal(pattern), path)
    if _is_floating(pattern):
        name = pattern.removeprefix("**/")
        return any(fnmatch.fnmatchcase(part, name) for part in path.split("/")) or fnmatch.fnmatchcase(path, pattern)
    return fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(path, pattern.replace("**/", ""))


def _share_folder(left: str, right: str) -> bool:
    return not left or not right or _is_within(left, right) or _is_within(right, left)


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
