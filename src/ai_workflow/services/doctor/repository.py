"""Collects what git says of the workspace: a handful of processes, no network, nothing written."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence

from ai_workflow.config.ownership import runtime_paths
from ai_workflow.git.left_locks import find_lock_files
from ai_workflow.git.refs import count_apart, find_head_branch
from ai_workflow.git.remotes import find_remote
from ai_workflow.git.repository import Repository
from ai_workflow.git.runner import Git, split_nul
from ai_workflow.git.trailers import TrailedCommit, find_commits
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.task import Task
from ai_workflow.policy.diagnosis.branches import GitFacts, Lock
from ai_workflow.services.workspace import Workspace

_YOUNG_S = 2.0
"""A lock file that is younger belongs to a git that is at work right now."""
_BRANCHES = ("refs/heads/", "refs/remotes/", "refs/aiw/landed/")
_OFFLINE = {"GIT_NO_LAZY_FETCH": "1"}
"""In a partial clone git would fetch an object that it lacks."""


def read_git_facts(ws: Workspace, snapshot: Snapshot) -> GitFacts:
    """Everything that `policy.diagnosis.branches` asks. Raises AiwError(GIT, IO)."""
    repository = ws.repository
    git = repository.git
    base = ws.config.target_branch
    refs = _read_refs(git)
    head_branch = find_head_branch(git)
    head = (
        refs.get(f"refs/heads/{head_branch}") if head_branch else git.find_line("rev-parse", "-q", "--verify", "HEAD")
    )
    remote = find_remote(git, base)
    there = refs.get(f"refs/remotes/{remote.name}/{base}") if remote else None
    here = refs.get(f"refs/heads/{base}")
    tips = _tips(refs, head)
    missing = _find_missing(git, _named_commits(snapshot))
    done = {task.commit_sha for task in _done(snapshot) if task.commit_sha not in missing}
    unreachable = _beyond(git, done, tips)
    again = find_commits_of_tasks(ws, snapshot, _in_doubt(snapshot, missing | unreachable), tips=tips)
    landed = {sha for sha in _landed(snapshot) if sha not in missing}
    return GitFacts(
        head_branch=head_branch,
        head=head,
        refs=refs,
        base=base,
        remote=remote.name if remote else None,
        git_dir=_show(ws.root, repository.git_dir),
        unfinished=repository.unfinished_operation(),
        has_identity=_has_identity(git),
        is_shallow=os.path.exists(os.path.join(repository.common_dir, "shallow")),
        has_submodules=os.path.exists(os.path.join(repository.top, ".gitmodules")),
        is_writable=all(os.access(path, os.W_OK) for path in (repository.git_dir, repository.common_dir)),
        locks=tuple(_find_locks(ws.root, repository)),
        tracked=_find_tracked(ws),
        apart=count_apart(git, here, there) if here and there and here != there else None,
        missing=missing,
        unreachable=unreachable,
        not_landed=_beyond(git, landed, [sha for sha in (here, there) if sha]),
        rewritten={task_id: commit.sha for task_id, commit in again.items()},
    )


def _read_refs(git: Git) -> dict[str, str]:
    prefixes = ("refs/heads", "refs/remotes", "refs/aiw")
    lines = git.line("for-each-ref", "--format=%(objectname) %(refname)", *prefixes).split("\n")
    return {name: sha for sha, _, name in (line.partition(" ") for line in lines if line)}


def _tips(refs: Mapping[str, str], head: str | None) -> list[str]:
    held = [sha for ref, sha in refs.items() if ref.startswith(_BRANCHES)]
    return list(dict.fromkeys([*held, *([head] if head else [])]))


def _done(snapshot: Snapshot) -> list[Task]:
    return [task for task in snapshot.tasks.values() if task.status == "done" and task.commit_sha]


def _landed(snapshot: Snapshot) -> list[str]:
    closeouts = (m.closeout for m in snapshot.milestones.values() if m.status == "merged")
    return [closeout.landed_sha for closeout in closeouts if closeout and closeout.landed_sha]


def _named_commits(snapshot: Snapshot) -> list[str]:
    parked = [task.parked.commit for task in snapshot.tasks.values() if task.parked]
    return [*(task.commit_sha or "" for task in _done(snapshot)), *_landed(snapshot), *parked]


def _find_missing(git: Git, shas: Iterable[str]) -> frozenset[str]:
    """Those that are no commit of this repository, by one process (git-cat-file(1), `--batch-check`)."""
    wanted = [sha for sha in dict.fromkeys(shas) if sha]
    odd = {sha for sha in wanted if not sha.isalnum()}
    asked = [sha for sha in wanted if sha not in odd]
    if not asked:
        return frozenset(odd)
    data = "".join(f"{sha}\n" for sha in asked).encode()
    lines = git.run("cat-file", "--batch-check", stdin=data, env=_OFFLINE).stdout.decode().split("\n")
    gone = {sha for sha, line in zip(asked, lines, strict=False) if line.split(" ")[1:2] != ["commit"]}
    return frozenset(odd | gone)


def _beyond(git: Git, shas: Iterable[str | None], tips: Sequence[str]) -> frozenset[str]:
    """Those of the commits that none of the tips reaches."""
    wanted = {sha for sha in shas if sha}
    if not wanted - set(tips):
        return frozenset()
    data = "".join((*(f"{sha}\n" for sha in sorted(wanted)), *(f"^{tip}\n" for tip in tips)))
    found = git.run("rev-list", "--stdin", stdin=data.encode(), env=_OFFLINE).stdout.decode().split("\n")
    return frozenset(wanted.intersection(found))


def _in_doubt(snapshot: Snapshot, lost: frozenset[str]) -> list[str]:
    """Ids of done tasks whose commit is not known for sure."""
    return [
        task.id
        for task in snapshot.tasks.values()
        if task.status == "done"
        and (task.commit_sha in lost or not (task.commit_sha or task.no_change_reason or task.unproven))
    ]


def find_commits_of_tasks(
    ws: Workspace, snapshot: Snapshot, task_ids: Sequence[str], *, tips: Sequence[str] | None = None
) -> dict[str, TrailedCommit]:
    """Task id → the one commit on a branch that carries its trailers; left out where there is none, or several."""
    if not task_ids:
        return {}
    if tips is None:
        tips = _tips(_read_refs(ws.repository.git), None)
    project = ws.repository.prefix.rstrip("/")
    found: dict[str, list[TrailedCommit]] = {}
    for commit in find_commits(ws.repository.git, "Task", task_ids, tips=tips):
        task_id = commit.trailers.get("Task", "")
        task = snapshot.find_task(task_id)
        package = str(task.workpackage) if task else commit.trailers.get("Workpackage")
        is_own = commit.trailers.get("Project", "") == project and commit.trailers.get("Workpackage") == package
        if is_own and commit.tasks == (task_id,):
            found.setdefault(task_id, []).append(commit)
    return {task_id: commits[0] for task_id, commits in found.items() if len(commits) == 1}


def _has_identity(git: Git) -> bool:
    """Whether a commit would be accepted: git itself refuses to tell an identity that it would not commit with."""
    return all(git.run("var", name, ok=None).returncode == 0 for name in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"))


def _find_locks(root: str, repository: Repository) -> Iterable[Lock]:
    for path in find_lock_files(repository):
        try:
            age_s = time.time() - os.stat(path).st_mtime
        except OSError:
            continue
        if age_s >= _YOUNG_S:
            yield Lock(path=_show(root, path), age_s=age_s)


def _find_tracked(ws: Workspace) -> tuple[str, ...]:
    paths = [path.rstrip("/") for path in runtime_paths(ws.config)]
    asked = [ws.repository.from_root(path) for path in paths]
    found = split_nul(ws.repository.git.run("ls-files", "-z", "--cached", "--", *asked).stdout)
    return tuple(
        path for path, top in zip(paths, asked, strict=True) if any(f"{one}/".startswith(f"{top}/") for one in found)
    )


def _show(root: str, path: str) -> str:
    """The path relative to the root when it lies there or near, else as it is."""
    rel = os.path.relpath(path, os.path.realpath(root)).replace(os.sep, "/")
    return rel if rel.count("../") < 3 else path
