"""Removes exactly what aiw put into a repository, and says what it leaves and why (spec §6.10).

Never commits: tracked files that go are ordinary uncommitted deletions. What can be told only with the help of the
state goes first, then the state, the config last: killed anywhere, the same command again goes on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from msgspec.structs import replace

from ai_workflow import folders, fsio
from ai_workflow.config.detect import detect_checks
from ai_workflow.config.ownership import (
    backlog_path,
    handoff_paths,
    owned_paths,
    plan_path,
    remove_gitignore_block,
    runtime_paths,
)
from ai_workflow.config.place import CONFIG_NAME
from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.commits import read_tree_entries, write_blob
from ai_workflow.git.refs import delete_ref, find_commit, is_ancestor, list_branches
from ai_workflow.git.runner import split_nul
from ai_workflow.models.base import Record
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.status import TASK_ACTIVE
from ai_workflow.services import resume, trusting
from ai_workflow.services.init import InitRequest, render_new_config
from ai_workflow.services.reports import FILES
from ai_workflow.services.workspace import Workspace

_PARKED = "refs/aiw/parked/"
_MIRRORS = re.compile(r"(TASK-\d+|M\d+(-\d+)?)-[^/]*\.md")
_PROMPTS = re.compile(r"(next-[^/]+|TASK-\d+\.prompt|M\d+(-\d+)?\.milestone)\.md")
_REPORTS = re.compile(rf"audits/TASK-\d+\.md|pr/M\d+(-\d+)?\.md|{'|'.join(map(re.escape, FILES.values()))}")
_UNMERGED = ("in_progress", "blocked", "done", "pr_created")


class Left(Record, frozen=True, kw_only=True):
    """Something that stays."""

    path: str
    why: str


class Removal(Record, frozen=True, kw_only=True):
    """What is removed, or would be; paths relative to the root."""

    outcome: str
    """`removed`, `rehearsed`, or `nothing` when there is nothing of aiw's."""
    removed: tuple[str, ...] = ()
    """Files, and folders with a `/`."""
    gitignore: str | None = None
    """`block` when the managed lines go, `file` when nothing else is in it."""
    refs: tuple[str, ...] = ()
    left: tuple[Left, ...] = ()
    branches: tuple[str, ...] = ()
    """Branches of milestones that hold commits which base lacks; they stay."""
    tracked: tuple[str, ...] = ()
    """Of `removed`, what git tracks: uncommitted deletions afterwards."""


def uninstall(ws: Workspace, *, is_dry_run: bool, is_forced: bool, discards_parked: bool) -> Removal:
    """Removes the workspace.

    Args:
        is_forced: whether a task that is active, or a milestone that is not merged, does not matter.
        discards_parked: whether parked work is deleted too; otherwise its refs stay.

    Raises:
        AiwError: STATE with work under way; LOCKED while a finish is; GIT in a linked work tree; IO.
    """
    if os.path.realpath(ws.layout.root) != os.path.realpath(ws.root):
        raise AiwError(
            Kind.GIT,
            "this is a linked work tree; the workspace lies in the main one",
            hint=f"aiw -C {ws.layout.root} uninstall",
        )
    if is_dry_run:
        return _plan(ws, ws.store.snapshot(), discards_parked=discards_parked)
    resume.resume(ws, needs_state=False)
    with ws.finishing("core", "the workspace"), ws.git_effects("uninstall"), ws.store.whole("uninstall"):
        snapshot = ws.store.snapshot()
        if not is_forced:
            _require_at_rest(snapshot)
        removal = _plan(ws, snapshot, discards_parked=discards_parked)
        _remove(ws, removal)
    # The locks are there because this command holds them.
    found = tuple(rel for rel in removal.removed if rel != f"{ws.config.workspace_dir}/locks/")
    if not found and not removal.gitignore and not removal.refs:
        return replace(removal, outcome="nothing", removed=())
    return replace(removal, outcome="removed")


def _require_at_rest(snapshot: Snapshot) -> None:
    force = "if that does not matter: aiw uninstall --force"
    if snapshot.intents:
        raise AiwError(Kind.STATE, "a git operation of aiw is half done", hint="run `aiw next`, then this again")
    active = next((task for task in snapshot.tasks.values() if task.status in TASK_ACTIVE), None)
    if active is not None:
        raise AiwError(Kind.STATE, f"{active.id} ({active.title}) is {active.status.replace('_', ' ')}", hint=force)
    unmerged = [m for m in snapshot.milestones.values() if m.status in _UNMERGED and m.start_sha is not None]
    if unmerged:
        names = ", ".join(f"{m.id} on {m.branch}" for m in unmerged)
        raise AiwError(Kind.STATE, f"not merged yet: {names}", hint=force)
    if snapshot.damaged:
        raise AiwError(
            Kind.CORRUPT, f"{snapshot.damaged[0].path} is damaged, so what is under way cannot be told", hint=force
        )


def _plan(ws: Workspace, snapshot: Snapshot, *, discards_parked: bool) -> Removal:
    digests = snapshot.project.documents if snapshot.project else {}
    removed: list[str] = []
    left: list[Left] = []
    for rel in owned_paths(ws.config):
        data = _find(ws, rel)
        if data is None or rel in (CONFIG_NAME, plan_path(ws.config)):
            continue
        if rel in handoff_paths(ws.config) or digests.get(rel) == fsio.sha256_of(data):
            removed.append(rel)
        else:
            why = "holds your items" if rel == backlog_path(ws.config) else "was changed since aiw wrote it"
            left.append(Left(path=rel, why=why))
    left += _decisions(ws)
    if _find(ws, plan_path(ws.config)) is not None:
        left.append(Left(path=plan_path(ws.config), why="is your plan"))
    kept_plan = plan_path(ws.config)
    generated = [rel for rel in runtime_paths(ws.config) if rel != kept_plan]
    for rel in generated:
        if os.path.lexists(ws.layout.in_root(rel.rstrip("/"))):
            own, strangers = _sort_generated(ws, rel)
            removed += own if strangers else [rel]
            left += [Left(path=path, why="is not aiw's") for path in strangers]
    if (config := _find(ws, CONFIG_NAME)) is not None:
        if _is_config_ours(ws, config, digests.get(CONFIG_NAME)):
            removed.append(CONFIG_NAME)
        else:
            left.append(Left(path=CONFIG_NAME, why="was changed by you and is in no commit"))
    refs, kept_refs = _refs(ws, discards_parked=discards_parked)
    return Removal(
        outcome="rehearsed",
        removed=tuple(removed),
        gitignore=_gitignore(ws),
        refs=refs,
        left=(*left, *kept_refs),
        branches=_branches_with_work(ws, snapshot),
        tracked=_tracked(ws, removed),
    )


def _sort_generated(ws: Workspace, rel: str) -> tuple[list[str], list[str]]:
    """The files in one of the folders that people look into: those with a name that aiw gives, and the others.

    Args:
        rel: one of `runtime_paths`; for every other one both are empty.
    """
    folder = ws.config.workspace_dir
    names = {f"{folder}/tasks/": _MIRRORS, f"{folder}/milestones/": _MIRRORS}
    names |= {f"{ws.config.ai.prompt_dir}/": _PROMPTS, f"{ws.config.reports.dir}/": _REPORTS}
    own: list[str] = []
    strangers: list[str] = []
    top = ws.layout.in_root(rel.rstrip("/"))
    if rel not in names or os.path.islink(top):
        return own, strangers
    for parent, below, files in os.walk(top):
        links = [name for name in below if os.path.islink(os.path.join(parent, name))]
        for name in sorted((*files, *links)):
            place = os.path.relpath(os.path.join(parent, name), top).replace(os.sep, "/")
            (own if names[rel].fullmatch(place) else strangers).append(rel + place)
    return own, strangers


def _find(ws: Workspace, rel: str) -> bytes | None:
    path = os.path.join(ws.root, *rel.split("/"))
    return fsio.read_bytes(path) if os.path.isfile(path) else None


def _decisions(ws: Workspace) -> list[Left]:
    folder = os.path.join(ws.root, *ws.config.adr.dir.split("/"))
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [
        Left(path=f"{ws.config.adr.dir}/{name}", why="is a decision record") for name in names if name.endswith(".md")
    ]


def _is_config_ours(ws: Workspace, data: bytes, digest: str | None) -> bool:
    """Whether nothing is lost with the config: as aiw wrote it, or held by HEAD, or, where the state that would tell is
    gone already, what `init` would write now."""
    if digest is not None and digest == fsio.sha256_of(data):
        return True
    git = ws.repository.git
    path = ws.repository.from_root(CONFIG_NAME)
    if find_commit(git, "HEAD") is not None:
        entry = read_tree_entries(git, "HEAD", [path])[path]
        if entry is not None and entry.split(" ")[1] == write_blob(git, data):
            return True
    if digest is not None:
        return False
    try:
        text = render_new_config(ws.repository, InitRequest(root=ws.root), detect_checks(ws.root))
    except AiwError:
        return False
    return text.encode() == data


def _gitignore(ws: Workspace) -> str | None:
    data = _find(ws, ".gitignore")
    if data is None:
        return None
    text = data.decode("utf-8", "surrogateescape")
    after = remove_gitignore_block(text)
    if after == text:
        return None
    path = ws.repository.from_root(".gitignore")
    is_tracked = bool(ws.repository.git.run("ls-files", "-z", "--", path).stdout)
    return "block" if after or is_tracked else "file"


def _refs(ws: Workspace, *, discards_parked: bool) -> tuple[tuple[str, ...], list[Left]]:
    """The refs to delete, and those that stay."""
    refs = list(list_branches(ws.repository.git, "refs/aiw"))
    if _has_neighbours(ws):
        return (), [Left(path=ref, why="another workspace of this repository may need it") for ref in refs]
    parked = [ref for ref in refs if ref.startswith(_PARKED)]
    if discards_parked:
        return tuple(refs), []
    why = "is parked work, the only copy of it (git show REF:work/PATH; --discard-parked deletes it)"
    return tuple(ref for ref in refs if ref not in parked), [Left(path=ref, why=why) for ref in parked]


def _has_neighbours(ws: Workspace) -> bool:
    """Whether the repository holds other workspaces."""
    args = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    own = ws.repository.from_root(CONFIG_NAME)
    found = split_nul(ws.repository.git.run(*args).stdout)
    return any(path.rpartition("/")[2] == CONFIG_NAME and path != own for path in found)


def _branches_with_work(ws: Workspace, snapshot: Snapshot) -> tuple[str, ...]:
    git = ws.repository.git
    there = list_branches(git)
    base = there.get(f"refs/heads/{ws.config.target_branch}")
    names = {m.branch for m in snapshot.milestones.values() if m.branch}
    return tuple(
        name
        for ref, sha in there.items()
        if (name := ref.removeprefix("refs/heads/")) in names and (base is None or not is_ancestor(git, sha, base))
    )


def _tracked(ws: Workspace, removed: Sequence[str]) -> tuple[str, ...]:
    paths = [ws.repository.from_root(rel) for rel in removed]
    if not paths:
        return ()
    found = split_nul(ws.repository.git.run("ls-files", "-z", "--", *paths).stdout)
    return tuple(ws.repository.to_root(path) for path in found)


def _remove(ws: Workspace, removal: Removal) -> None:
    state, locks = f"{ws.config.workspace_dir}/state/", f"{ws.config.workspace_dir}/locks/"
    last = (state, locks, CONFIG_NAME)
    for rel in removal.removed:
        if rel not in last:
            folders.remove_tree(ws.layout.in_root(rel.rstrip("/")))
    if removal.gitignore is not None:
        _clean_gitignore(ws, removal.gitignore)
    git = ws.repository.git
    for ref, sha in list_branches(git, "refs/aiw").items():
        if ref in removal.refs:
            delete_ref(git, ref, old=sha)
    is_alone = not _has_neighbours(ws)
    _remove_state(ws)
    _remove_folders(ws, removal)
    if is_alone:
        _clean_git_folder(ws)
    if CONFIG_NAME in removal.removed:
        fsio.remove_file(os.path.join(ws.root, CONFIG_NAME))


def _remove_state(ws: Workspace) -> None:
    for name in sorted(os.listdir(ws.layout.state)) if os.path.isdir(ws.layout.state) else []:
        # The digests of aiw's documents are in project.json, so that it goes after everything that it tells apart.
        if name != "project.json":
            folders.remove_tree(os.path.join(ws.layout.state, name))
    folders.remove_tree(ws.layout.state)
    folders.remove_tree(ws.layout.locks)


def _clean_git_folder(ws: Workspace) -> None:
    for name in os.listdir(ws.repository.git_dir):
        if name.startswith(("aiw-index-", "aiw-candidate-")):
            fsio.remove_file(os.path.join(ws.repository.git_dir, name))
    trusting.forget(ws)
    fsio.remove_file(os.path.join(ws.repository.common_dir, "aiw.lock"))


def _clean_gitignore(ws: Workspace, how: str) -> None:
    path = os.path.join(ws.root, ".gitignore")
    if how == "file":
        fsio.remove_file(path)
        return
    text = (fsio.find_bytes(path) or b"").decode("utf-8", "surrogateescape")
    data = remove_gitignore_block(text).encode("utf-8", "surrogateescape")
    fsio.write_file(path, data, temp_dir=ws.layout.temp, durable=True)


def _remove_folders(ws: Workspace, removal: Removal) -> None:
    """The folders in which only what was removed lay, up to the root."""
    config = ws.config
    paths = [
        *removal.removed,
        *owned_paths(config),
        *runtime_paths(config),
        f"{config.adr.dir}/",
        f"{config.plan_dir}/",
    ]
    for rel in dict.fromkeys(path.rstrip("/") if path.endswith("/") else path.rpartition("/")[0] for path in paths):
        parts = rel.split("/") if rel else []
        while parts:
            folders.remove_empty_folder(os.path.join(ws.root, *parts))
            parts.pop()
