"""Brings base into a milestone's branch, when its pull request cannot be merged without (spec §6.5).

Conflicts in aiw's own documents are settled from the state; any other is a person's, with its paths.
"""

from __future__ import annotations

from msgspec.structs import replace

from ai_workflow.git.commits import Refusal, make_commit
from ai_workflow.git.merges import merge_trees
from ai_workflow.git.refs import advance_branch, branch_ref, find_commit, get_tree, is_ancestor
from ai_workflow.git.remotes import Remote, fetch_branch, push_branch
from ai_workflow.git.status import show_path
from ai_workflow.models.milestone import Milestone
from ai_workflow.services.landing import Listeners, Reached, find_target, name_of_target, record, stop
from ai_workflow.services.merge_test import run_merge_test
from ai_workflow.services.merged_documents import settle_documents
from ai_workflow.services.workspace import Workspace


def bring_base_in(
    ws: Workspace, milestone: Milestone, remote: Remote, listeners: Listeners, *, is_wanted: bool
) -> Reached:
    """Merges base into the branch, tests the merged tree, and pushes the branch forward.

    Args:
        is_wanted: whether base is to be in it even where nothing conflicts: the forge asks for that.

    Returns:
        With `is_waiting` when the branch was brought forward: the forge has to look at it anew.
    """
    closeout = milestone.closeout
    assert closeout is not None
    git = ws.repository.git
    branch = milestone.branch or ""
    tip = find_commit(git, branch_ref(branch))
    base = find_target(ws, milestone, remote)
    if isinstance(base, Reached):
        return base
    if tip is None:
        return stop(ws, milestone, "merge", "merge", f"branch {branch} does not exist here any more")
    target = name_of_target(ws, remote)
    if is_ancestor(git, base, tip):
        message = f"the forge takes {branch} for outdated or conflicting, and it holds all of {target}"
        return replace(stop(ws, milestone, "merge", "merge", message), is_waiting=True)
    above = _put_above_parent(ws, milestone, tip=tip, base=base)
    merged = merge_trees(git, tip, above)
    tree = merged.tree
    if merged.conflicts:
        settled = settle_documents(ws, merged, base=base, tip=tip, name=f"index-{closeout.operation}")
        if settled.conflicts:
            return _conflict(ws, milestone, target, settled.conflicts)
        tree = settled.tree
    elif not is_wanted and above == base:
        message = f"the forge says that {branch} conflicts with {target}, and git finds no conflict"
        return replace(stop(ws, milestone, "merge", "merge", message), is_waiting=True)
    message = f"Merge {ws.config.target_branch} into {branch}\n\nAiw-Op: {closeout.operation}\n"
    made = make_commit(git, tree=tree, parents=(tip, base), message=message)
    if isinstance(made, Refusal):
        return stop(ws, milestone, "merge", "merge", f"the merge commit could not be made:\n{made.message}")
    # A command that is killed in the middle of the test leaves this commit checked out: the next one has to know it.
    record(ws, milestone, replace(closeout, merge_sha=made))
    tested = run_merge_test(ws, milestone, made, remote, listeners)
    if tested.obstacle is not None:
        return tested
    reason = f"aiw: bring {target} into {branch}"
    failure = advance_branch(git, branch_ref(branch), new=made, old=tip, reason=reason)
    if failure is not None:
        message = f"{branch} cannot be brought to its merge with {target}:\n{failure}"
        return stop(ws, milestone, "merge", "merge", message, next_command="commit or stash what is in the way")
    pushed = push_branch(git, remote.name, sha=made, branch=branch, expected=closeout.pushed_branch_sha)
    if pushed is not None and fetch_branch(git, remote.name, branch).sha != made:
        return stop(ws, milestone, "push", "push-branch", f"{branch} could not be pushed to {remote.name}:\n{pushed}")
    ws.talk(f"brought {target} into {branch} and pushed it")
    record(ws, milestone, replace(closeout, pushed_branch_sha=made, tested_tree=get_tree(git, made)))
    message = f"{branch} holds {target} now, and the forge has to look at it anew"
    again = stop(ws, milestone, "merge", "merge", message)
    return replace(again, is_waiting=True, results=tested.results)


def _put_above_parent(ws: Workspace, milestone: Milestone, *, tip: str, base: str) -> str:
    """What to merge instead of base: for a milestone on top of one that was squashed, base as a child of what it was
    made from. Else the same lines, squashed on base and changed further here, would conflict with themselves.
    """
    git = ws.repository.git
    parent = ws.store.snapshot().find_milestone(milestone.stacked_on)
    if parent is None or parent.status != "merged" or parent.closeout is None:
        return base
    below = parent.closeout.branch_tip or find_commit(git, f"refs/aiw/landed/{parent.branch}")
    is_squashed = below is not None and is_ancestor(git, below, tip) and not is_ancestor(git, below, base)
    if below is None or not is_squashed:
        return base
    made = make_commit(git, tree=get_tree(git, base), parents=(below,), message=f"{parent.id}, as it landed\n")
    return base if isinstance(made, Refusal) else made


def _conflict(ws: Workspace, milestone: Milestone, target: str, paths: tuple[str, ...]) -> Reached:
    shown = tuple(show_path(path) for path in paths)
    message = f"{milestone.branch} and {target} conflict in {', '.join(shown[:5])}"
    resolve = f"git switch {milestone.branch} && git merge {target}, resolve, commit"
    return stop(ws, milestone, "merge", "merge", message, evidence=shown, next_command=resolve)
