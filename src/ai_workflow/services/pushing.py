"""Pushes one milestone's branch, with a lease and without force (spec §6.8)."""

from __future__ import annotations

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.refs import branch_ref, commits_between, find_commit, is_ancestor
from ai_workflow.git.remotes import Fetched, Remote, fetch_branch, push_branch
from ai_workflow.models.base import Record
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Changes
from ai_workflow.policy.closeout import show_url
from ai_workflow.policy.events import make_event
from ai_workflow.services import resume
from ai_workflow.services.landing import find_target_remote, find_tip, list_own_commits
from ai_workflow.services.workspace import Workspace


class Pushed(Record, frozen=True, kw_only=True):
    """What the remote has now."""

    milestone: Milestone
    branch: str
    remote: str
    tip: str
    before: str | None
    """Where the remote's branch was; None when it is new there; the tip itself when there was nothing to push."""
    commits: int
    """How many commits were pushed: those that the branch's old place, or else base, lacked."""


def push_milestone_branch(ws: Workspace, milestone_id: str) -> Pushed:
    """Pushes the branch of a milestone that has begun, whatever its status.

    Raises:
        AiwError: STATE when it has no branch yet; GIT without a remote, when the remote holds commits that the
            workspace does not know, or in git's words when the push is refused.
    """
    resume.resume(ws)
    milestone = ws.store.snapshot().get_milestone(milestone_id)
    with ws.git_effects(f"push {milestone.id}"):
        # Another command may have landed it while this one waited for the repository.
        milestone = ws.store.snapshot().get_milestone(milestone_id)
        branch, tip = _require_branch(ws, milestone)
        remote = find_target_remote(ws)
        if remote is None:
            raise AiwError(
                Kind.GIT,
                f"there is no remote to push {branch} to",
                hint="add one: git remote add origin <url>; without one milestones are merged here, nothing is needed",
            )
        there = _ask(ws, remote, branch)
        base = _require_published_base(ws, milestone, remote)
        pushed = Pushed(
            milestone=milestone, branch=branch, remote=remote.name, tip=tip, before=there.sha,
            commits=_count(ws, tip, there.sha, base),
        )  # fmt: skip
        if there.sha != tip:
            _push(ws, remote, branch, tip=tip, there=there)
        return replace(pushed, milestone=_record(ws, pushed))


def _require_branch(ws: Workspace, milestone: Milestone) -> tuple[str, str]:
    """The branch's name and tip."""
    branch = milestone.branch
    if not branch or not milestone.start_sha:
        raise AiwError(
            Kind.STATE,
            f"{milestone.id} has not begun, so there is nothing of it to push",
            hint=f"start it: {ws.command(f'milestone start {milestone.id}')}",
        )
    if branch in (ws.config.git.base_branch, ws.config.target_branch):
        raise AiwError(
            Kind.GIT,
            f"{milestone.id} is recorded on {branch}, which is a base branch; aiw pushes that only when it merges",
            hint=f"push it yourself if that is meant: git push <remote> {branch}",
        )
    tip = find_commit(ws.repository.git, branch_ref(branch))
    if tip is None:
        if milestone.status == "merged":
            raise AiwError(Kind.STATE, f"{milestone.id} is merged, and its branch {branch} is gone")
        lost = find_tip(ws, milestone) or "<commit>"
        raise AiwError(Kind.GIT, f"branch {branch} does not exist", hint=f"bring it back: git branch {branch} {lost}")
    return branch, tip


def _ask(ws: Workspace, remote: Remote, branch: str) -> Fetched:
    fetched = fetch_branch(ws.repository.git, remote.name, branch)
    if fetched.failure is not None:
        words = show_url(f"{remote.name} ({remote.url}) could not be reached:\n{fetched.failure}")
        raise AiwError(Kind.GIT, words, hint="run the same command again once it can be")
    return fetched


def _require_published_base(ws: Workspace, milestone: Milestone, remote: Remote) -> str:
    """The remote's base; passes when pushing the branch publishes nothing of base that is a person's own."""
    base = ws.config.target_branch
    fetched = _ask(ws, remote, base)
    if fetched.sha is None:
        raise AiwError(
            Kind.GIT,
            f"{base} does not exist on {remote.name} yet, and {milestone.branch} holds all of it; nothing was pushed",
            hint=f"push it first: git push -u {remote.name} {base}",
        )
    own = list_own_commits(ws.repository.git, [milestone.start_sha or ""], tracked=fetched.sha)
    if own:
        shown = "\n".join(f"  {line}" for line in own[:20])
        raise AiwError(
            Kind.GIT,
            f"{milestone.branch} holds {len(own)} commit(s) of your own from {base} that are not on {remote.name};"
            f" aiw does not push them:\n{shown}",
            hint=f"push them yourself: git push {remote.name} {base}; then run the same command again",
        )
    return fetched.sha


def _count(ws: Workspace, tip: str, before: str | None, base: str) -> int:
    git = ws.repository.git
    return len(commits_between(git, before if before is not None and find_commit(git, before) else base, tip))


def _push(ws: Workspace, remote: Remote, branch: str, *, tip: str, there: Fetched) -> None:
    git = ws.repository.git
    if there.sha is not None and not is_ancestor(git, there.sha, tip):
        raise AiwError(
            Kind.GIT,
            f"{branch} on {remote.name} has commits that {branch} here does not have; nothing was pushed",
            hint=f"look at them: git log {branch}..{remote.name}/{branch}; then merge or drop them yourself",
        )
    failure = push_branch(git, remote.name, sha=tip, branch=branch, expected=there.sha)
    # A push can fail after the remote took it.
    if failure is not None and fetch_branch(git, remote.name, branch).sha != tip:
        words = show_url(f"{branch} could not be pushed to {remote.name}:\n{failure}")
        raise AiwError(Kind.GIT, words, hint="put right what git names, then run the same command again")


def _record(ws: Workspace, pushed: Pushed) -> Milestone:
    """Notes the push; a closeout that has begun learns what is ours on the remote."""
    with ws.store.transaction(f"push {pushed.milestone.id}") as change:
        fresh = change.before.get_milestone(pushed.milestone.id)
        if fresh.closeout is not None and fresh.status != "merged" and fresh.closeout.pushed_branch_sha != pushed.tip:
            closeout = replace(fresh.closeout, pushed_branch_sha=pushed.tip)
            change.apply(Changes(put=(replace(fresh, closeout=closeout, updated_at=change.now),)))
        if pushed.before != pushed.tip:
            event = make_event(
                "milestone_pushed", f"{fresh.id} pushed to {pushed.remote} as {pushed.tip[:10]}",
                milestone_id=fresh.id, now=change.now, actor=ws.actor,
            )  # fmt: skip
            change.apply(Changes(events=(event,)))
    return change.after.get_milestone(fresh.id)
