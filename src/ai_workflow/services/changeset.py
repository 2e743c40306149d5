"""Finds what differs from HEAD and whose it is (spec §6.4 step 2)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from ai_workflow.config.ownership import backlog_path, is_handoff, is_runtime
from ai_workflow.config.schema import Config
from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.status import (
    Entry,
    TreeStatus,
    describe_path,
    is_same_content,
    path_to_key,
    read_status,
    show_path,
)
from ai_workflow.models.lane import Baseline, DirtyPath
from ai_workflow.policy.commit_scope import ChangeSet, make_matcher, make_pattern_matcher, split_by_baseline
from ai_workflow.services.workspace import Workspace

LEFT_OUT = (
    "__pycache__/",
    "*.py[cod]",
    ".pytest_cache/",
    ".mypy_cache/",
    ".ruff_cache/",
    ".tox/",
    ".venv/",
    "node_modules/",
    ".coverage",
    ".DS_Store",
    "Thumbs.db",
    ".env",
    ".env.*",
    "!.env.example",
    "!.env.sample",
    "!.env.template",
)
"""Untracked files that no task owns unless one of its scopes names them: by-products of tools, and settings of a
machine that tend to hold secrets. They are named, never committed."""


_SHOWN_PATHS = 8


class Dirt:
    """Everything that differs from HEAD, aiw's own files left out.

    Attributes:
        paths: path relative to the top → fingerprint.
        entries: path → git's entry.
        nested: untracked folders that are repositories of their own; never committed.
    """

    def __init__(self, paths: dict[str, DirtyPath], *, entries: Mapping[str, Entry], nested: tuple[str, ...]) -> None:
        self.paths = paths
        self.entries = entries
        self.nested = nested


def require_calm(ws: Workspace) -> TreeStatus:
    """The work tree's status, when git is in the middle of nothing.

    Raises:
        AiwError: GIT during a merge, rebase or the like, or when `.git` cannot be written.
    """
    repository = ws.repository
    unfinished = repository.unfinished_operation()
    if unfinished is not None:
        what, ending = unfinished
        raise AiwError(Kind.GIT, f"a {what} is in progress in {repository.top}", hint=f"end it first: {ending}")
    repository.require_writable()
    return read_status(repository.git)


def collect_dirt(ws: Workspace, status: TreeStatus, *, known: Mapping[str, DirtyPath] | None = None) -> Dirt:
    """Fingerprints every dirty path.

    Args:
        known: earlier fingerprints (by path); files whose size and time agree are not read again.

    Raises:
        AiwError: GIT for unmerged paths; IO.
    """
    repository = ws.repository
    own = _own_paths(ws, status)
    is_neighbours = _make_matcher_of_neighbours(ws)
    paths: dict[str, DirtyPath] = {}
    entries: dict[str, Entry] = {}
    for path, entry in status.entries.items():
        if entry.is_unmerged:
            raise AiwError(
                Kind.GIT,
                f"{show_path(path)} has an unresolved conflict",
                hint="resolve it and `git add` it, or `git checkout` one side",
            )
        if path in own or is_own_file(ws, path) or (entry.is_untracked and is_neighbours(path)):
            continue
        entries[path] = entry
        paths[path] = describe_path(repository.top, entry, known=(known or {}).get(path))
    return Dirt(paths, entries=entries, nested=status.nested)


def _own_paths(ws: Workspace, status: TreeStatus) -> set[str]:
    """Paths of the repository's files that differ from HEAD by aiw's own doing alone."""
    pending = ws.pending_edits()
    if not pending:
        return set()
    from ai_workflow.plan.pending_edits import pending_files
    from ai_workflow.services.own_edits import find_own_backlog

    own = {ws.repository.from_root(rel) for rel in pending_files(pending)}
    backlog = find_own_backlog(ws, status)
    return own if backlog is None else own | {backlog}


def is_own_file(ws: Workspace, path: str) -> bool:
    """Whether a path (relative to the top) is a runtime file or a handoff of this workspace."""
    rel = ws.repository.to_root(path)
    return not rel.startswith("../") and (is_runtime(ws.config, rel) or is_handoff(ws.config, rel))


def _make_matcher_of_neighbours(ws: Workspace) -> Callable[[str], bool]:
    """A test for runtime files of other workspaces in the same work tree (in the folders that are the default).

    On a branch from before their set-up, without their `.gitignore`, git takes them for new files. Parked or committed
    as a task's work they would be gone for their own workspace.
    """
    top = ws.repository.top
    own_root = ws.repository.from_root("x").removesuffix("x")
    config = Config()
    found: dict[str, bool] = {own_root: False}

    def has_state(folder: str) -> bool:
        if folder not in found:
            found[folder] = os.path.isfile(os.path.join(top, folder, config.workspace_dir, "state", "project.json"))
        return found[folder]

    def matches(path: str) -> bool:
        starts = [0, *(at + 1 for at, char in enumerate(path) if char == "/")]
        return any(is_runtime(config, path[start:]) and has_state(path[:start]) for start in starts)

    return matches


def split_dirt(
    ws: Workspace, dirt: Dirt, baseline: Baseline | None, *, adopted: tuple[str, ...], scopes: tuple[str, ...]
) -> tuple[ChangeSet, tuple[str, ...]]:
    """Tells the task's changes from the user's.

    Returns:
        The change set (paths relative to the top), and the untracked by-products left out of it.
    """
    known = baseline_paths(baseline)
    adopted_paths = tuple(ws.repository.from_root(path) for path in adopted)
    changes = split_by_baseline(dirt.paths, known, adopted=adopted_paths, is_same=is_same_content)
    is_by_product = make_matcher_of_by_products(scopes)
    changes = _without_backlog(ws, changes, scopes)
    left_out = tuple(
        path
        for path in changes.owned
        if _holds_nothing_to_commit(dirt.entries[path])
        or (
            dirt.entries[path].is_untracked and path not in adopted_paths and is_by_product(ws.repository.to_root(path))
        )
    )
    owned = tuple(path for path in changes.owned if path not in set(left_out))
    return ChangeSet(owned=owned, foreign=changes.foreign, touched=changes.touched), left_out


def _without_backlog(ws: Workspace, changes: ChangeSet, scopes: tuple[str, ...]) -> ChangeSet:
    """Lines of the backlog are the user's unless a scope names it: aiw's own go into the commit by themselves."""
    rel = backlog_path(ws.config)
    path = ws.repository.from_root(rel)
    if path not in (*changes.owned, *changes.touched) or make_matcher(scopes)(rel):
        return changes
    return ChangeSet(
        owned=tuple(other for other in changes.owned if other != path),
        foreign=tuple(sorted((*changes.foreign, path))),
        touched=tuple(other for other in changes.touched if other != path),
    )


def _holds_nothing_to_commit(entry: Entry) -> bool:
    """Whether it is a submodule that is only dirty inside: there is no new commit of it to record."""
    return entry.submodule.startswith("S.") and not entry.is_staged


def make_matcher_of_by_products(scopes: tuple[str, ...]) -> Callable[[str], bool]:
    """A test for untracked files that no task owns, unless a scope names them."""
    is_left_out = make_pattern_matcher(LEFT_OUT)
    named = make_matcher(scopes)
    # In this order: for paths that a scope names as they are, no library has to be imported.
    return lambda rel: not rel.startswith("../") and not named(rel) and is_left_out(rel)


def baseline_paths(baseline: Baseline | None) -> dict[str, DirtyPath]:
    """The baseline by path (as the file system has it) instead of by stored key."""
    from ai_workflow.git.status import key_to_path

    return {key_to_path(key): dirty for key, dirty in baseline.paths.items()} if baseline else {}


def make_baseline(lane_id: str, dirt: Mapping[str, DirtyPath], *, now: str) -> Baseline:
    """The record of this dirt as the user's own."""
    return Baseline(id=lane_id, paths={path_to_key(path): dirty for path, dirty in dirt.items()}, recorded_at=now)


def tell_dirt(what: str, ws: Workspace, dirt: Dirt) -> None:
    """Names uncommitted changes to the person, the first eight of them."""
    if dirt.paths:
        shown = ", ".join(show_path(path) for path in list(dirt.paths)[:_SHOWN_PATHS])
        more = f" and {len(dirt.paths) - _SHOWN_PATHS} more" if len(dirt.paths) > _SHOWN_PATHS else ""
        ws.talk(f"note: {what}: {shown}{more}")
