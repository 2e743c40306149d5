"""Sees for itself that base holds what a forge calls merged (spec §6.5)."""

from __future__ import annotations

from msgspec.structs import replace

from ai_workflow.git.refs import find_commit, is_ancestor
from ai_workflow.git.remotes import Remote, fetch_commit
from ai_workflow.models.forge import ForgeRequest
from ai_workflow.models.milestone import Milestone
from ai_workflow.services.landing import (
    Reached,
    adds_nothing,
    find_landed,
    find_target,
    find_tip,
    name_of_target,
    stop,
)
from ai_workflow.services.workspace import Workspace


def see_landed(ws: Workspace, milestone: Milestone, remote: Remote | None, request: ForgeRequest) -> Reached:
    """The commit on base, once the remote shows it there."""
    closeout = milestone.closeout
    assert closeout is not None
    base = find_target(ws, milestone, remote)
    if isinstance(base, Reached):
        return base
    merged = request.merged_sha
    is_there = merged is not None and _is_on(ws, merged, base)
    if is_there and merged is not None and _holds(ws, milestone, remote, request, merged):
        landed: str | None = merged
    else:
        landed = find_landed(ws, milestone, closeout, base)
    target = ws.config.target_branch
    if landed is None and is_there:
        message = (
            f"{request.url} was merged with {request.head_sha[:10]}, and {target} lacks what {milestone.branch} has"
        )
        bring = f"git switch {milestone.branch} && git merge {name_of_target(ws, remote)}, resolve, commit"
        bring += f"; then open another one: {ws.command(f'git pr {milestone.id}')}"
        return stop(ws, milestone, "merge", "merge", message, next_command=bring)
    if landed is None:
        message = f"the forge says that {request.url} is merged, and {target} does not show it yet"
        return replace(stop(ws, milestone, "merge", "merge", message), is_waiting=True)
    tip = find_tip(ws, milestone) or request.head_sha
    return Reached(closeout=replace(closeout, landed_sha=landed, branch_tip=tip))


def _is_on(ws: Workspace, sha: str, base: str) -> bool:
    git = ws.repository.git
    return find_commit(git, sha) is not None and is_ancestor(git, sha, base)


def _holds(ws: Workspace, milestone: Milestone, remote: Remote | None, request: ForgeRequest, merged: str) -> bool:
    """Whether the commit that the request became holds the milestone's work: the forge may have merged another head."""
    git = ws.repository.git
    tip = find_tip(ws, milestone)
    if tip is None or adds_nothing(git, tip, merged):
        return True
    # People may have put more on top before they merged it, also on the same lines.
    head = request.head_sha
    if head in ("", tip) or is_ancestor(git, merged, tip):
        return False
    is_here = find_commit(git, head) is not None or (remote is not None and fetch_commit(git, remote.name, head))
    return is_here and is_ancestor(git, tip, head)
