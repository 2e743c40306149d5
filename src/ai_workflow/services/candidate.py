"""Builds the candidate of a finish: the tree that is checked and then committed (spec §6.4 steps 1–3, 5)."""

from __future__ import annotations

import os

from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.blobs import TreeChange, read_changes
from ai_workflow.git.commits import PrivateIndex, read_tree_entries
from ai_workflow.git.refs import get_tree
from ai_workflow.git.stash import stash_paths
from ai_workflow.git.status import TreeStatus, read_status, show_path
from ai_workflow.models.base import Record
from ai_workflow.models.lane import Baseline, DirtyPath
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.task import Task
from ai_workflow.policy.commit_scope import ScopeVerdict, judge_scope
from ai_workflow.policy.gates import FinishOptions
from ai_workflow.services.changeset import Dirt, baseline_paths, collect_dirt, require_calm, split_dirt
from ai_workflow.services.secret_gate import pass_gate
from ai_workflow.services.workspace import Workspace

_SHOWN = 20


class Candidate(Record, frozen=True, kw_only=True):
    """What a finish would commit. Paths are relative to the top of the work tree."""

    head: str
    branch: str
    """Short name of the branch that HEAD was on."""
    paths: tuple[str, ...]
    """Every path of the commit but aiw's documents; empty when nothing changed."""
    removed: tuple[str, ...]
    """Those of `paths` that the commit no longer has, though an ignored file may lie there."""
    tree: str
    changes: tuple[TreeChange, ...]
    """From HEAD to `tree`."""
    verdict: ScopeVerdict
    """Its paths are relative to the root."""
    foreign: tuple[str, ...]
    """The user's dirt that lies in the work tree while the checks run."""
    left_out: tuple[str, ...]
    """Untracked by-products and nested repositories, named and not committed."""
    fingerprints: dict[str, DirtyPath]
    """Of everything dirty, the task's and the user's."""
    staged: dict[str, str]
    """Of `paths`, what the user's index holds where that is not what HEAD holds; empty text when it is not there."""
    index_name: str
    """The private index that holds exactly `tree`; whoever built the candidate closes it."""


def require_place(ws: Workspace, milestone: Milestone) -> TreeStatus:
    """The work tree's status when it is the right place for this milestone's commits.

    Raises:
        AiwError: GIT for a detached HEAD, another branch, a merge or the like in progress, an unwritable `.git`.
    """
    status = require_calm(ws)
    if status.branch is None:
        raise AiwError(
            Kind.GIT,
            f"HEAD is detached at {(status.head or 'nothing')[:10]}; {milestone.id} works on {milestone.branch}",
            hint=f"switch to it: git switch {milestone.branch}",
        )
    if status.branch != milestone.branch:
        raise AiwError(
            Kind.GIT,
            f"the work tree is on {status.branch}; {milestone.id} works on {milestone.branch}",
            hint=f"switch to it: git switch {milestone.branch}",
        )
    return status


def stash_outside(ws: Workspace, snapshot: Snapshot, task: Task, options: FinishOptions) -> tuple[str, ...]:
    """Puts the changes outside the task's scope into a stash of the user's; returns their paths (from the root).

    Raises:
        AiwError: GIT when git cannot stash them.
    """
    status = require_place(ws, snapshot.get_milestone(task.milestone_id))
    dirt = collect_dirt(ws, status)
    verdict, _foreign, _left_out = _judge(ws, snapshot, task, options, dirt)
    if not verdict.outside:
        return ()
    paths = [ws.repository.from_root(path) for path in verdict.outside]
    with ws.git_effects(f"stash for {task.id}"):
        stash_paths(
            ws.repository,
            head=status.head or "",
            entries={path: dirt.entries[path] for path in paths},
            fingerprints={path: dirt.paths[path] for path in paths},
            message=f"aiw: out of scope of {task.id}",
        )
    return verdict.outside


def build_candidate(
    ws: Workspace, snapshot: Snapshot, task: Task, options: FinishOptions, *, index_name: str
) -> Candidate:
    """Collects the change set, passes it through the gates of scope and secrets, and builds its tree.

    Raises:
        AiwError: SCOPE, SECRET with the places and the ways on; GIT for the wrong place.
    """
    status = require_place(ws, snapshot.get_milestone(task.milestone_id))
    if status.head is None:
        raise AiwError(Kind.GIT, f"{status.branch} has no commit yet", hint="run `aiw agent run --lane core`")
    baseline = snapshot.find_baseline(task.lane_id or "core")
    dirt = collect_dirt(ws, status, known=baseline.paths if baseline else None)
    verdict, foreign, left_out = _judge(ws, snapshot, task, options, dirt)
    if verdict.outside:
        raise outside_error(ws, task, verdict.outside)
    paths = tuple(ws.repository.from_root(path) for path in verdict.committed)
    paths = tuple(os.path.normpath(path) for path in paths)
    removed = tuple(path for path in paths if dirt.paths[path].mode == "absent" or dirt.entries[path].is_removed)
    _tell_kept(ws, dirt, paths)
    _tell_gone(ws, task, baseline, dirt, status.head)
    tree, changes = _build_tree(ws, status, paths, removed, name=index_name)
    search = pass_gate(ws, task, changes, given=options.allow_secrets)
    _require_met(ws, options.allow_secrets, search.used)
    return Candidate(
        head=status.head,
        branch=status.branch or "",
        paths=paths,
        removed=removed,
        tree=tree,
        changes=changes,
        verdict=verdict,
        foreign=foreign,
        left_out=(*left_out, *dirt.nested),
        fingerprints=dirt.paths,
        staged={path: dirt.entries[path].index for path in paths if dirt.entries[path].is_staged},
        index_name=index_name,
    )


def _judge(
    ws: Workspace, snapshot: Snapshot, task: Task, options: FinishOptions, dirt: Dirt
) -> tuple[ScopeVerdict, tuple[str, ...], tuple[str, ...]]:
    repository = ws.repository
    baseline = snapshot.find_baseline(task.lane_id or "core")
    adopted = (*_normal(options.adopt), *(d.path for d in task.decisions if d.kind == "adopt" and d.path))
    changes, left_out = split_dirt(ws, dirt, baseline, adopted=adopted, scopes=task.conflict_scopes)
    if changes.touched:
        shown = [repository.to_root(path) for path in changes.touched]
        raise AiwError(
            Kind.SCOPE,
            f"changed again since {task.id} began, and uncommitted before that, so they may hold your own work:\n"
            + _list(shown),
            hint="hand a file over to the task with `--adopt PATH --reason …`, or put your own change aside first",
        )
    owned = [repository.to_root(path) for path in changes.owned]
    _require_matches("--adopt", options.adopt, {repository.to_root(path) for path in dirt.paths})
    _require_matches("--allow", options.allow, set(owned))
    verdict = judge_scope(
        owned,
        task,
        companions=ws.config.scope.companions,
        policy=ws.config.scope.policy,
        allowed=_normal(options.allow),
    )
    return verdict, changes.foreign, left_out


def find_outside(ws: Workspace, task: Task, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the paths (from the top) that the scope gate would not let into the task's commit."""
    to_root = {ws.repository.to_root(path): path for path in paths}
    verdict = judge_scope(tuple(to_root), task, companions=ws.config.scope.companions, policy=ws.config.scope.policy)
    return tuple(to_root[path] for path in verdict.outside)


def _require_matches(option: str, given: tuple[str, ...], present: set[str]) -> None:
    for path, normal in zip(given, _normal(given), strict=True):
        if normal not in present:
            raise AiwError(
                Kind.USAGE,
                f"{option} {show_path(path)}: there is no such change",
                hint="give the path as `git status` shows it, relative to the folder of .ai-workflow.yaml",
            )


def _require_met(ws: Workspace, given: tuple[str, ...], used: tuple[str, ...]) -> None:
    for mark in given:
        if mark not in used and ws.config.secrets.policy == "refuse":
            raise AiwError(
                Kind.USAGE,
                f"--allow-secret {mark}: nothing in the change has this fingerprint",
                hint="finish without it: the refusal names the fingerprints there are",
            )


def _normal(paths: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(os.path.normpath(path).replace(os.sep, "/") for path in paths)


def outside_error(ws: Workspace, task: Task, outside: tuple[str, ...]) -> AiwError:
    """The refusal of the scope gate, with every way on."""
    finish = ws.command(f"agent finish --lane {task.lane_id or 'core'} --task {task.id} --commit")
    return AiwError(
        Kind.SCOPE,
        f"outside the scope of {task.id} ({', '.join(task.conflict_scopes) or 'everything in this folder'}):\n"
        + _list(list(outside)),
        hint="undo these changes, ignore what tools generate (.gitignore), or\n"
        f"  let one in:      {finish} --allow PATH --reason …\n"
        f"  put them aside:  {finish} --stash-out-of-scope",
    )


def _list(paths: list[str]) -> str:
    lines = [f"  {show_path(path)}" for path in paths[:_SHOWN]]
    if len(paths) > _SHOWN:
        lines.append(f"  … and {len(paths) - _SHOWN} more")
    return "\n".join(lines)


def _build_tree(
    ws: Workspace, status: TreeStatus, paths: tuple[str, ...], removed: tuple[str, ...], *, name: str
) -> tuple[str, tuple[TreeChange, ...]]:
    """The tree of HEAD with these paths as they lie in the work tree, and what it changes."""
    git = ws.repository.git
    head = status.head or ""
    if not paths:
        return get_tree(git, head), ()
    gone = set(removed)
    has_staged = any(entry.is_staged or entry.is_unmerged for entry in status.entries.values())
    for is_at_base in (False,) if has_staged else (True, False):
        index = PrivateIndex(ws.repository, base=head, name=name, is_at_base=is_at_base)
        # First what goes: a folder may have become a link, and then git takes no path beyond it.
        index.remove(removed)
        index.take_from_work_tree(path for path in paths if path not in gone)
        tree = index.write_tree()
        changes = read_changes(git, head, tree)
        if {change.path for change in changes} <= set(paths):
            break
        # Somebody staged something since the status was read: then the index is reset to HEAD first.
    return tree, changes


def _tell_kept(ws: Workspace, dirt: Dirt, paths: tuple[str, ...]) -> None:
    for path in paths:
        if dirt.entries[path].is_untracked_again:
            ws.talk(f"note: {show_path(path)} was taken out of git's index but is not ignored, so it stays tracked")


def _tell_gone(ws: Workspace, task: Task, baseline: Baseline | None, dirt: Dirt, head: str) -> None:
    """Says which uncommitted changes of the user's are no longer there; nobody else would notice."""
    gone = [path for path, before in baseline_paths(baseline).items() if path not in dirt.paths]
    if not gone:
        return
    held = read_tree_entries(ws.repository.git, head, gone)
    before = baseline_paths(baseline)
    lost = [path for path in gone if held[path] != _tree_entry(before[path])]
    if lost:
        shown = "\n".join(f"  {show_path(path)}" for path in lost[:_SHOWN])
        ws.talk(f"note: uncommitted changes of yours from before {task.id} are no longer there:\n{shown}")


def _tree_entry(dirty: DirtyPath) -> str | None:
    return None if dirty.mode == "absent" else f"{dirty.mode} {dirty.blob}"


def is_nothing(candidate: Candidate) -> bool:
    """Whether the candidate is what HEAD holds already. Pure."""
    return not candidate.changes


def require_unmoved(candidate: Candidate, status: TreeStatus) -> None:
    """Passes when HEAD is where it was when the candidate was built.

    Raises:
        AiwError: GIT. A commit of the candidate's tree would revert what somebody committed meanwhile.
    """
    if status.head == candidate.head and status.branch == candidate.branch:
        return
    where = f"{status.branch or 'a detached HEAD'} at {(status.head or 'nothing')[:10]}"
    raise AiwError(
        Kind.GIT,
        f"HEAD moved while the checks ran: from {candidate.branch} at {candidate.head[:10]} to {where}",
        hint=f"look at what moved it (`git reflog`), go back to {candidate.branch}, then run the same command again",
    )


def find_changes_since(ws: Workspace, candidate: Candidate) -> tuple[dict[str, DirtyPath], tuple[str, ...]]:
    """What the checks changed.

    Returns:
        All fingerprints as they are now, and the paths (from the top) that differ from the candidate's.

    Raises:
        AiwError: GIT when HEAD has moved.
    """
    status = read_status(ws.repository.git)
    require_unmoved(candidate, status)
    dirt = collect_dirt(ws, status, known=candidate.fingerprints)
    before = candidate.fingerprints
    paths = {*before, *dirt.paths}
    moved = tuple(
        sorted(
            path
            for path in paths
            if (before.get(path) is None) != (dirt.paths.get(path) is None)
            or (before.get(path) is not None and _differs(before[path], dirt.paths[path]))
        )
    )
    return dirt.paths, moved


def _differs(one: DirtyPath, other: DirtyPath) -> bool:
    return one.mode != other.mode or one.blob != other.blob
