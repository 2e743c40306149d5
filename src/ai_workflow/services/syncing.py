"""Brings what others did into the workspace: base by fast-forward, and milestones that people merged (spec §6.8)."""

from __future__ import annotations

from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.refs import (
    advance_branch,
    branch_ref,
    commits_between,
    find_commit,
    is_ancestor,
    move_ref,
    worktrees_of_branches,
)
from ai_workflow.git.remotes import Remote, fetch_branch
from ai_workflow.models.base import Record
from ai_workflow.models.milestone import Closeout, Milestone
from ai_workflow.models.snapshot import Changes
from ai_workflow.models.status import MILESTONE_CLOSED
from ai_workflow.policy.closeout import show_url
from ai_workflow.policy.events import make_event
from ai_workflow.policy.milestones import is_complete
from ai_workflow.services import closeout, resume
from ai_workflow.services.changeset import require_calm
from ai_workflow.services.closeout import CloseoutResult
from ai_workflow.services.landing import Listeners, find_landed, find_target_remote, known_target
from ai_workflow.services.milestone_branch import require_one_line
from ai_workflow.services.workspace import Workspace


class BaseState(Record, frozen=True, kw_only=True):
    """How a local base branch stands to the remote's, after the sync."""

    branch: str
    outcome: str
    """`up_to_date`, `advanced`, `made`, `ahead` (not pushed yet), `not_there` (the remote lacks it) or `local`."""
    before: str | None
    after: str | None
    commits: int = 0
    """By how many commits it advanced, or is ahead."""


class Synced(Record, frozen=True, kw_only=True):
    """What a sync found and did."""

    remote: str | None
    bases: tuple[BaseState, ...]
    closeouts: tuple[CloseoutResult, ...] = ()
    """Milestones whose work was found on base and that were recorded as merged (or are held by their gate)."""
    refusal: AiwError | None = None
    """Why a base branch was left as it is, when people must act; everything else was done."""


def sync(ws: Workspace, *, listeners: Listeners = (None, None)) -> Synced:
    """Fetches base, fast-forwards local base where that is safe, and records merges made by people.

    Base never moves backwards, nothing is pushed or merged, and uncommitted changes stay.

    Raises:
        AiwError: GIT when the remote cannot be reached, or git is in the middle of a merge or the like.
    """
    resume.resume(ws)
    refusal: AiwError | None = None
    bases: list[BaseState] = []
    with ws.git_effects("sync"):
        require_calm(ws)
        remote = find_target_remote(ws)
        for branch in dict.fromkeys((ws.config.git.base_branch, ws.config.target_branch)):
            try:
                bases.append(_follow(ws, remote, branch))
            except _LeftBehindError as error:
                refusal = refusal or error.reason
    closeouts = tuple(_notice(ws, remote, listeners))
    return Synced(remote=remote.name if remote else None, bases=tuple(bases), closeouts=closeouts, refusal=refusal)


class _LeftBehindError(Exception):
    def __init__(self, reason: AiwError) -> None:
        super().__init__(reason.message)
        self.reason = reason


def _follow(ws: Workspace, remote: Remote | None, branch: str) -> BaseState:
    git = ws.repository.git
    local = find_commit(git, branch_ref(branch))
    if remote is None:
        return BaseState(branch=branch, outcome="local", before=local, after=local)
    fetched = fetch_branch(git, remote.name, branch)
    if fetched.failure is not None:
        words = show_url(f"{remote.name} ({remote.url}) could not be reached:\n{fetched.failure}")
        raise AiwError(Kind.GIT, words, hint="run the same command again once it can be")
    tracked = fetched.sha
    if tracked is None:
        return BaseState(branch=branch, outcome="not_there", before=local, after=local)
    if local is None:
        move_ref(git, branch_ref(branch), new=tracked, old=None, reason=f"aiw: follow {remote.name}/{branch}")
        _record(ws, branch, tracked)
        return BaseState(branch=branch, outcome="made", before=None, after=tracked)
    if local == tracked:
        return BaseState(branch=branch, outcome="up_to_date", before=local, after=local)
    if is_ancestor(git, tracked, local):
        count = len(commits_between(git, tracked, local))
        return BaseState(branch=branch, outcome="ahead", before=local, after=local, commits=count)
    try:
        require_one_line(ws, base=branch, name=remote.name, local=local, tracked=tracked)
    except AiwError as error:
        raise _LeftBehindError(error) from error
    return _advance(ws, remote, branch, local=local, tracked=tracked)


def _advance(ws: Workspace, remote: Remote, branch: str, *, local: str, tracked: str) -> BaseState:
    git = ws.repository.git
    reason = f"aiw: fast-forward to {remote.name}/{branch}"
    failure = advance_branch(git, branch_ref(branch), new=tracked, old=local, reason=reason)
    if failure is not None:
        holder = worktrees_of_branches(git).get(branch_ref(branch), ws.repository.top)
        refusal = AiwError(
            Kind.GIT,
            f"{branch} is behind {remote.name}/{branch} and cannot be brought there in {holder}:\n{failure}",
            hint=f"commit or stash what git names in {holder}, then run the same command again",
        )
        raise _LeftBehindError(refusal)
    _record(ws, branch, tracked)
    count = len(commits_between(git, local, tracked))
    return BaseState(branch=branch, outcome="advanced", before=local, after=tracked, commits=count)


def _record(ws: Workspace, branch: str, tip: str) -> None:
    with ws.store.transaction(f"sync {branch}") as change:
        event = make_event(
            "base_followed", f"{branch} follows its remote to {tip[:10]}", now=change.now, actor=ws.actor
        )
        change.apply(Changes(events=(event,)))


def _notice(ws: Workspace, remote: Remote | None, listeners: Listeners) -> list[CloseoutResult]:
    """Closes the milestones whose work is on base already; a milestone that is not there is left alone."""
    snapshot = ws.store.snapshot()
    base = known_target(ws, remote)
    if base is None:
        return []
    found = [
        milestone
        for milestone in snapshot.milestones.values()
        if milestone.status not in MILESTONE_CLOSED
        and milestone.start_sha is not None
        and is_complete(snapshot, milestone)
        and _is_landed(ws, milestone, base)
    ]
    return [closeout.advance(ws, milestone.id, listener_of_checks=listeners) for milestone in found]


def _is_landed(ws: Workspace, milestone: Milestone, base: str) -> bool:
    nothing_known = Closeout(mode="direct_merge", operation="", started_at="")
    try:
        return find_landed(ws, milestone, milestone.closeout or nothing_known, base) is not None
    except AiwError as error:
        if error.kind != Kind.GIT:
            raise
        # Unrelated or cut-off histories: the closeout itself says so when it is its turn.
        return False
