"""Makes the recorded moves of references backwards: looks first, then all of them or none (spec §7.3)."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.commits import changed_paths, read_index_entries, read_tree_entries, set_index_entries
from ai_workflow.git.refs import (
    delete_ref,
    find_commit,
    find_head_ref,
    is_ancestor,
    move_ref,
    switch_detached,
    switch_to,
    worktrees_of_branches,
)
from ai_workflow.git.runner import Git
from ai_workflow.git.status import TreeStatus, key_to_path
from ai_workflow.models.operation import RefChange
from ai_workflow.policy.undoing import UndoPlan
from ai_workflow.services.workspace import Workspace

_HEAD = "HEAD"
_SHOWN = 10


def find_leaving(ws: Workspace, plan: UndoPlan) -> tuple[str, ...]:
    """Commits that will be on no branch any more, newest first."""
    git = ws.repository.git
    advances = [(move.before, move.after) for move in plan.moves if move.ref != _HEAD and move.before and move.after]
    found = [new for old, new in advances if find_commit(git, new) is not None and is_ancestor(git, old, new)]
    return tuple(dict.fromkeys(found))


def require_unpublished(ws: Workspace, plan: UndoPlan) -> None:
    """Passes when none of the commits that would leave their branch is on a remote. Raises AiwError(GIT)."""
    commits = find_leaving(ws, plan)
    if not commits:
        return
    contains = [word for sha in commits for word in ("--contains", sha)]
    args = ("for-each-ref", "--count=1", "--format=%(refname:short)", *contains, "refs/remotes")
    holder = ws.repository.git.line(*args)
    if holder:
        raise AiwError(
            Kind.GIT,
            f"{commits[-1][:10]} was published already ({holder}), so it is not taken back",
            hint=f"revert it instead: git revert {' '.join(sha[:10] for sha in commits[:_SHOWN])}",
        )


def rehearse(ws: Workspace, plan: UndoPlan, status: TreeStatus) -> None:
    """Passes when every move of git can be made backwards from where things are now. Raises AiwError(GIT)."""
    git = ws.repository.git
    refs: dict[str, str | None] = {}
    head = f"refs/heads/{status.branch}" if status.branch else status.head
    held = worktrees_of_branches(git) if plan.moves else {}
    for move in plan.moves:
        if move.ref == _HEAD:
            if head != move.after:
                raise _elsewhere(head, move.after)
            head = move.before
            continue
        now = refs[move.ref] if move.ref in refs else find_commit(git, move.ref)
        name = move.ref.removeprefix("refs/heads/")
        if now != move.after:
            where = f"at {now[:10]}" if now else "gone"
            raise AiwError(
                Kind.GIT,
                f"{name} has moved since (it is {where}), so it is not taken back",
                hint="what came on top of it would be lost; revert single commits with `git revert`",
            )
        if move.before is not None and find_commit(git, move.before) is None:
            raise AiwError(Kind.GIT, f"{move.before[:10]}, where {name} was, is not in this repository any more")
        if move.ref in held and held[move.ref] != ws.repository.top:
            raise AiwError(
                Kind.GIT, f"{name} is checked out in {held[move.ref]}", hint="switch to another branch there"
            )
        if move.is_work and head != move.ref:
            raise _elsewhere(head, move.ref)
        if not move.is_work and head == move.ref:
            raise AiwError(
                Kind.GIT,
                f"{name} is checked out, and would move under the work tree",
                hint="switch to another branch first: git switch <branch>",
            )
        refs[move.ref] = move.before


def _elsewhere(head: str | None, wanted: str | None) -> AiwError:
    name = (wanted or "").removeprefix("refs/heads/")
    is_on = f"HEAD is on {(head or 'nothing').removeprefix('refs/heads/')}"
    return AiwError(Kind.GIT, f"{is_on}, and was on {name} when that happened", hint=f"switch to it: git switch {name}")


def move_back(ws: Workspace, plan: UndoPlan) -> str | None:
    """Makes the moves backwards, from where a killed undo stopped; all of them or none.

    Returns:
        None when they are made, else why they cannot be.
    """
    count = _count_done(ws, plan)
    failure = None if count is not None else "a branch moved in the same moment"
    moves = plan.moves[max(0, (count or 0) - 1) :]
    done = list(plan.moves[: max(0, (count or 0) - 1)])
    for move in moves if failure is None else ():
        failure = _reverse(ws, move, plan.staged)
        if failure is not None:
            break
        done.append(move)
    if failure is None:
        return None
    for move in reversed(done) if count is not None else ():
        _reverse(ws, replace(move, before=move.after, after=move.before), {})
    return failure


def _count_done(ws: Workspace, plan: UndoPlan) -> int | None:
    """How many of the moves are made already, told by where everything is; None when something moved elsewhere."""
    git = ws.repository.git
    now = {move.ref: _where(git, move.ref) for move in plan.moves}
    expected = {move.ref: move.after for move in reversed(plan.moves)}
    found = 0 if now == expected else None
    for count, move in enumerate(plan.moves, 1):
        expected[move.ref] = move.before
        if now == expected:
            found = count
    return found


def _where(git: Git, ref: str) -> str | None:
    return find_head_ref(git) if ref == _HEAD else find_commit(git, ref)


def _reverse(ws: Workspace, move: RefChange, staged: Mapping[str, str]) -> str | None:
    """Makes one move backwards; None when it is done, or was, else why not."""
    git = ws.repository.git
    now = _where(git, move.ref)
    if move.is_work and now in (move.before, move.after):
        return _uncommit(ws, move, staged)
    if now == move.before:
        return None
    if move.ref == _HEAD:
        name = (move.before or "").removeprefix("refs/heads/")
        return switch_to(git, name) if name != move.before else switch_detached(git, name)
    if move.before is None:
        is_moved = delete_ref(git, move.ref, old=move.after or "")
    else:
        is_moved = move_ref(git, move.ref, new=move.before, old=move.after, reason="aiw: undo")
    return None if is_moved else f"{move.ref} moved in the same moment"


def _uncommit(ws: Workspace, move: RefChange, staged: Mapping[str, str]) -> str | None:
    """The branch that is checked out leaves a commit (or takes it again); the work tree stays as it is.

    The entries of the user's index follow where they are the commit's; what somebody staged since stays. Repeating it
    is harmless.
    """
    git = ws.repository.git
    old, new = move.after or "", move.before or ""
    paths = changed_paths(git, old, new)
    index = read_index_entries(git, paths)
    held, wanted = read_tree_entries(git, old, paths), read_tree_entries(git, new, paths)
    known = {key_to_path(key): entry or None for key, entry in staged.items()}
    if find_commit(git, move.ref) == old and not move_ref(git, move.ref, new=new, old=old, reason="aiw: undo"):
        return f"{move.ref} moved in the same moment"
    set_index_entries(git, {path: known.get(path, wanted[path]) for path in paths if index[path] == held[path]})
    return None
