"""Merges a milestone into base on objects, tests what nobody has tested, and publishes it (spec §6.5)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ai_workflow.errors import AiwError
from ai_workflow.git.commits import Refusal, changed_paths, make_commit, read_commit
from ai_workflow.git.merges import merge_trees
from ai_workflow.git.refs import (
    advance_branch,
    branch_ref,
    delete_ref,
    find_commit,
    find_head_branch,
    get_tree,
    is_ancestor,
    move_ref,
    replace_branch,
    switch_to,
    worktrees_of_branches,
)
from ai_workflow.git.remotes import Remote, delete_branch, fetch_branch, push_branch, tracking_ref
from ai_workflow.git.status import read_status, show_path
from ai_workflow.models.milestone import Closeout, Milestone
from ai_workflow.models.run import CheckResult
from ai_workflow.policy.closeout import show_url
from ai_workflow.services.landing import (
    Listeners,
    Reached,
    adds_nothing,
    find_landed,
    find_target,
    find_tip,
    known_target,
    name_of_target,
    record,
    stop,
)
from ai_workflow.services.merge_test import run_merge_test
from ai_workflow.services.merged_documents import settle_documents
from ai_workflow.services.workspace import Workspace

_ROUNDS = 3
"""How often a base that moves in the same moment is merged onto anew."""


def land(ws: Workspace, milestone: Milestone, remote: Remote | None, listeners: Listeners) -> Reached:
    """Puts the milestone's work on the target branch: the remote's base, or local base without a remote."""
    closeout = milestone.closeout
    assert closeout is not None
    results: tuple[CheckResult, ...] = ()
    base: str | Reached = known_target(ws, remote) or ""
    for _round in range(_ROUNDS):
        if isinstance(base, Reached):
            return replace(base, results=results)
        landed = find_landed(ws, milestone, closeout, base)
        if landed is not None:
            return Reached(closeout=replace(closeout, landed_sha=landed), results=results)
        prepared = _prepare(ws, milestone, closeout, base, remote, listeners)
        results += prepared.results
        if prepared.obstacle is not None or prepared.closeout is None:
            return replace(prepared, results=results)
        closeout = prepared.closeout
        record(ws, milestone, closeout)
        failure = _publish(ws, milestone, closeout, remote)
        if failure is None:
            return Reached(closeout=replace(closeout, landed_sha=closeout.merge_sha), results=results)
        merged_onto, base = base, find_target(ws, milestone, remote)
        if base == merged_onto:
            return replace(failure, results=results)
    message = f"{ws.config.target_branch} kept moving while {milestone.id} was merged"
    return replace(stop(ws, milestone, "base", "push-base", message), results=results)


def _prepare(
    ws: Workspace, milestone: Milestone, closeout: Closeout, base: str, remote: Remote | None, listeners: Listeners
) -> Reached:
    """Makes the merge commit and, unless its tree is one that passed the checks, tests it."""
    git = ws.repository.git
    tip = find_commit(git, branch_ref(milestone.branch or "")) or ""
    if closeout.merge_sha and _is_merge_of(ws, closeout.merge_sha, base, tip):
        merge_sha, tree = closeout.merge_sha, get_tree(git, closeout.merge_sha)
    else:
        made = _make_merge(ws, milestone, closeout, base, tip, remote)
        if isinstance(made, Reached):
            return made
        merge_sha, tree = made
    closeout = replace(closeout, base_sha=base, merge_sha=merge_sha, branch_tip=tip)
    if tree == closeout.tested_tree or _is_checked(ws, milestone, tip=tip, tree=tree):
        return Reached(closeout=closeout)
    record(ws, milestone, closeout)
    tested = run_merge_test(ws, milestone, merge_sha, remote, listeners)
    if tested.obstacle is not None:
        return tested
    return Reached(closeout=replace(closeout, tested_tree=tree), results=tested.results)


def _is_merge_of(ws: Workspace, merge_sha: str, base: str, tip: str) -> bool:
    """Whether an earlier merge commit serves again. A squash names no tip, so it is made anew."""
    git = ws.repository.git
    strategy = ws.config.git.merge_strategy
    if strategy != "merge" or find_commit(git, merge_sha) is None:
        return False
    return read_commit(git, merge_sha).parents == (base, tip)


def _make_merge(
    ws: Workspace, milestone: Milestone, closeout: Closeout, base: str, tip: str, remote: Remote | None
) -> tuple[str, str] | Reached:
    from ai_workflow.rendering.commit_message import render_merge_message

    git = ws.repository.git
    strategy = ws.config.git.merge_strategy
    is_moved = not is_ancestor(git, base, tip)
    if strategy == "ff":
        if not is_moved:
            return tip, get_tree(git, tip)
        message = f"{ws.config.target_branch} moved on, so it cannot be fast-forwarded to {milestone.branch}"
        rebase = f"git switch {milestone.branch} && git rebase {name_of_target(ws, remote)}"
        if _find_unpushed_base(ws, base, tip) is not None:
            # Rebased on its own, the branch would take a copy of them along, and local base be left with the originals.
            name = ws.config.target_branch
            rebase = f"git switch {name} && git rebase {name_of_target(ws, remote)}"
            rebase += f" && git switch {milestone.branch} && git rebase {name}"
        return stop(ws, milestone, "merge", "merge", message, next_command=rebase)
    tree = get_tree(git, tip)
    if is_moved:
        merged = merge_trees(git, base, tip)
        tree = merged.tree
        if merged.conflicts:
            settled = settle_documents(ws, merged, base=base, tip=tip, name=f"index-{closeout.operation}")
            if settled.conflicts:
                return _conflict(ws, milestone, remote, settled.conflicts)
            tree = settled.tree
    snapshot = ws.store.snapshot()
    message = render_merge_message(
        milestone,
        snapshot.tasks_of(milestone),
        operation=closeout.operation,
        project_rel=ws.repository.prefix.rstrip("/") or None,
    )
    parents = _squash_parents(ws, base, tip) if strategy == "squash" else (base, tip)
    made = make_commit(git, tree=tree, parents=parents, message=message)
    if isinstance(made, Refusal):
        return stop(ws, milestone, "merge", "merge", f"the merge commit could not be made:\n{made.message}")
    return made, tree


def _find_unpushed_base(ws: Workspace, base: str, tip: str) -> str | None:
    """Local base, when commits of aiw below the milestone are on it and not on the target yet (`look` saw whose)."""
    git = ws.repository.git
    local = find_commit(git, branch_ref(ws.config.target_branch))
    return local if local and not is_ancestor(git, local, base) and is_ancestor(git, local, tip) else None


def _squash_parents(ws: Workspace, base: str, tip: str) -> tuple[str, ...]:
    """What a squash commit lies on; aiw's own commits on local base stay commits, so that local base can follow."""
    local = _find_unpushed_base(ws, base, tip)
    if local is None:
        return (base,)
    return (local,) if is_ancestor(ws.repository.git, base, local) else (base, local)


def _conflict(ws: Workspace, milestone: Milestone, remote: Remote | None, paths: Sequence[str]) -> Reached:
    shown = tuple(show_path(path) for path in paths)
    message = f"{milestone.branch} and {ws.config.target_branch} conflict in {', '.join(shown[:5])}"
    resolve = f"git switch {milestone.branch} && git merge {name_of_target(ws, remote)}, resolve, commit"
    return stop(ws, milestone, "merge", "merge", message, evidence=shown, next_command=resolve)


def _is_checked(ws: Workspace, milestone: Milestone, *, tip: str, tree: str) -> bool:
    """Whether the tree is that of a task's commit at the branch's tip: its finish ran the checks on it."""
    is_task_commit = any(task.commit_sha == tip for task in ws.store.snapshot().tasks_of(milestone))
    return is_task_commit and tree == get_tree(ws.repository.git, tip)


def _publish(ws: Workspace, milestone: Milestone, closeout: Closeout, remote: Remote | None) -> Reached | None:
    """Moves the target branch to the merge; None when it is there."""
    assert closeout.merge_sha is not None
    git = ws.repository.git
    base = ws.config.target_branch
    if remote is not None:
        failure = push_branch(git, remote.name, sha=closeout.merge_sha, branch=base, expected=closeout.base_sha)
        # A push can fail after the remote took it.
        if failure is None or fetch_branch(git, remote.name, base).sha == closeout.merge_sha:
            return None
        if failure.is_refused_there and _is_on_forge(ws, remote):
            message = f"{base} is protected on {remote.name}, which refused the push:\n{failure}"
            advice = "set `git.closeout_mode: pull_request`, or allow the push there"
            return stop(ws, milestone, "protected_branch", "push-base", message, next_command=advice)
        return stop(ws, milestone, "push", "push-base", f"{base} could not be pushed to {remote.name}:\n{failure}")
    return move_local_base(ws, milestone, new=closeout.merge_sha, old=closeout.base_sha)


def _is_on_forge(ws: Workspace, remote: Remote) -> bool:
    from ai_workflow.services.forge_access import find_forge_place

    return find_forge_place(ws, remote) is not None


def move_local_base(ws: Workspace, milestone: Milestone, *, new: str, old: str | None) -> Reached | None:
    """Fast-forwards local base, in the work tree that has it checked out if one has; None when done."""
    git = ws.repository.git
    base = ws.config.target_branch
    failure = advance_branch(git, branch_ref(base), new=new, old=old or "", reason=f"aiw: merge {milestone.id}")
    if failure is None:
        return None
    holder = worktrees_of_branches(git).get(branch_ref(base))
    if holder is None:
        return stop(ws, milestone, "base", "update-base", failure)
    message = f"{base} is checked out in {holder} and cannot be brought to {milestone.id} there:\n{failure}"
    return stop(ws, milestone, "base", "update-base", message, next_command=f"commit or stash what is in {holder}")


def follow(ws: Workspace, milestone: Milestone, remote: Remote | None, _listeners: Listeners) -> Reached:
    """Brings local base to what landed on the remote; a dirty checkout of it elsewhere is left behind, saying so."""
    closeout = milestone.closeout
    assert closeout is not None
    git = ws.repository.git
    base = ws.config.target_branch
    target = known_target(ws, remote)
    local = find_commit(git, branch_ref(base))
    if remote is None or target is None:
        return Reached()
    if target == closeout.base_sha and closeout.merge_sha is not None and closeout.landed_sha == closeout.merge_sha:
        # The push went through, and git failed to note it.
        move_ref(git, tracking_ref(remote.name, base), new=closeout.merge_sha, old=target, reason="aiw: pushed")
        target = closeout.merge_sha
    if local is None:
        move_ref(git, branch_ref(base), new=target, old=None, reason=f"aiw: follow {remote.name}/{base}")
        return Reached()
    if is_ancestor(git, target, local):
        return Reached()
    behind = f"local {base} was left behind {remote.name}/{base}"
    if not is_ancestor(git, local, target):
        why_not = _replace_local_base(ws, milestone, closeout, local=local, target=target)
        return Reached(closeout=_note(closeout, f"{behind}: {why_not}") if why_not else None)
    if move_local_base(ws, milestone, new=target, old=local) is not None:
        holder = worktrees_of_branches(git).get(branch_ref(base))
        why = f"uncommitted changes in {holder} are in the way" if holder else "it moved in the same moment"
        return Reached(closeout=_note(closeout, f"{behind}: {why}"))
    return Reached()


def _replace_local_base(
    ws: Workspace, milestone: Milestone, closeout: Closeout, *, local: str, target: str
) -> str | None:
    """Brings local base to the remote's where a squash holds all that only local base has: aiw's own commits, below the
    milestone. None when done, else why not.
    """
    git = ws.repository.git
    tip = find_tip(ws, milestone)
    if closeout.landed_sha is None or tip is None or not is_ancestor(git, local, tip):
        return "it has commits of its own"
    if not keep_commits(ws, milestone, tip):
        return "its commits could not be kept elsewhere"
    reason = f"aiw: {milestone.id} was squashed"
    return replace_branch(git, branch_ref(ws.config.target_branch), new=target, old=local, reason=reason)


def clean_up(ws: Workspace, milestone: Milestone, remote: Remote | None, _listeners: Listeners) -> Reached:
    """HEAD returns to base and the merged branch goes, here and on the remote; what is in use stays, and is noted."""
    closeout = milestone.closeout
    assert closeout is not None
    git = ws.repository.git
    branch = milestone.branch or ""
    tip = find_commit(git, branch_ref(branch))
    if tip is None:
        return Reached()
    if find_head_branch(git) == branch:
        kept = _return_to_base(ws, branch)
        if kept is not None:
            return Reached(closeout=_note(closeout, kept))
    holder = worktrees_of_branches(git).get(branch_ref(branch))
    if holder is not None:
        return Reached(closeout=_note(closeout, f"{branch} is checked out in {holder} and was kept"))
    if not adds_nothing(git, tip, closeout.landed_sha or ""):
        return Reached(closeout=_note(closeout, f"{branch} has commits that did not land and was kept"))
    if not is_ancestor(git, tip, closeout.landed_sha or "") and not keep_commits(ws, milestone, tip):
        return Reached(closeout=_note(closeout, f"{branch} was kept: it is all that holds the commits of the tasks"))
    if remote is not None and closeout.pushed_branch_sha:
        failure = delete_branch(git, remote.name, branch=branch, expected=closeout.pushed_branch_sha)
        if failure is not None and fetch_branch(git, remote.name, branch).sha is not None:
            words = show_url(failure.splitlines()[0])
            closeout = _note(closeout, f"{branch} could not be deleted on {remote.name}: {words}")
    try:
        is_gone = delete_ref(git, branch_ref(branch), old=tip)
    except AiwError as error:
        return Reached(closeout=_note(closeout, f"{branch} has landed and could not be deleted: {error.message}"))
    return Reached(closeout=closeout if is_gone else _note(closeout, f"{branch} moved and was kept"))


def _return_to_base(ws: Workspace, branch: str) -> str | None:
    """Switches to base; None when done, else why HEAD stays."""
    git = ws.repository.git
    base = ws.config.target_branch
    holder = worktrees_of_branches(git).get(branch_ref(base))
    if holder is not None:
        return f"HEAD stays on {branch}, which was kept: {base} is checked out in {holder}"
    failure = switch_to(git, base)
    if failure is None:
        return None
    why = f"your uncommitted changes are in the way of {base}"
    if not _is_dirty_between(ws, base):
        # Nothing of the user's is in the way, so what was may be gone: nobody asks for this switch again.
        failure = switch_to(git, base)
        why = f"git could not switch to {base} ({' '.join((failure or '').split())})"
    return None if failure is None else f"HEAD stays on {branch}, which was kept: {why}"


def _is_dirty_between(ws: Workspace, base: str) -> bool:
    """Whether something uncommitted lies where base differs from HEAD, or above or below such a path."""
    git = ws.repository.git
    moving = changed_paths(git, "HEAD", branch_ref(base))
    dirty = read_status(git).entries
    return any(f"{one}/".startswith(f"{two}/") or f"{two}/".startswith(f"{one}/") for one in moving for two in dirty)


def keep_commits(ws: Workspace, milestone: Milestone, tip: str) -> bool:
    """After a squash the task commits are on no branch once theirs goes, so a ref of ours keeps them."""
    git = ws.repository.git
    ref = f"refs/aiw/landed/{milestone.branch}"
    for name in (ref, f"{ref}-{tip[:12]}"):
        if find_commit(git, name) == tip or move_ref(git, name, new=tip, old=None, reason=f"aiw: {milestone.id}"):
            return True
    return False


def _note(closeout: Closeout, sentence: str) -> Closeout:
    notes = closeout.notes if sentence in closeout.notes else (*closeout.notes, sentence)
    return replace(closeout, notes=notes)
