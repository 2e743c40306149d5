"""Which branches of milestones may be deleted (spec §6.9): only those whose commits are safe elsewhere. Pure."""

from __future__ import annotations

from typing import Literal

from ai_workflow.models.base import Record
from ai_workflow.models.status import MILESTONE_CLOSED, MilestoneStatus

Target = Literal["local", "remote"]


class BranchFacts(Record, frozen=True, kw_only=True):
    """Everything known of one branch of a milestone, here or on the remote."""

    milestone_id: str
    milestone_status: MilestoneStatus
    branch: str
    target: Target
    tip: str
    is_known: bool
    """Whether this repository has the tip; a remote's may be unknown here."""
    is_base: bool = False
    """Whether it is the base branch or the one that milestones land on."""
    is_head: bool = False
    """Whether HEAD is on it."""
    is_alias: bool = False
    """Whether the ref is only another name of a ref."""
    held_by_lane: str | None = None
    """The lane that works on it."""
    checked_out_in: str | None = None
    """Another work tree that has it checked out."""
    reached_from: str | None = None
    """A base that the tip is reachable from, and that this deletion may rely on; e.g. `main` or `origin/main`."""
    is_merged_head: bool = False
    """Whether the tip is the recorded head of a pull request that is recorded as merged."""
    is_landed_squash: bool = False
    """Whether the tip is one that the closeout recorded, and the commit it was squashed into is on base."""
    unreachable_remote: str | None = None
    """The remote that could not be asked."""


class Judgement(Record, frozen=True, kw_only=True):
    """May it go, and why (not)."""

    may_go: bool
    reason: str
    keeps_commits: bool = False
    """Whether a ref must keep the commits, because they are in base by content only."""


def judge_branch(facts: BranchFacts) -> Judgement:
    """Whether the branch may be deleted; the first reason against it is given."""
    against = _in_use(facts) or _still_needed(facts)
    if against is not None:
        return Judgement(may_go=False, reason=against)
    if facts.reached_from is not None:
        return Judgement(may_go=True, reason=f"merged into {facts.reached_from}")
    if facts.is_merged_head:
        return Judgement(may_go=True, reason="head of its merged pull request", keeps_commits=True)
    if facts.is_landed_squash:
        return Judgement(may_go=True, reason="landed as a squash", keeps_commits=True)
    return Judgement(may_go=False, reason="has commits that are not merged")


def _in_use(facts: BranchFacts) -> str | None:
    if facts.is_base:
        return "is a base branch"
    if facts.is_alias:
        return "is only another name of a branch"
    if facts.is_head:
        return "is checked out"
    if facts.checked_out_in is not None:
        return f"is checked out in {facts.checked_out_in}"
    if facts.held_by_lane is not None:
        return f"lane {facts.held_by_lane} works on it"
    return None


def _still_needed(facts: BranchFacts) -> str | None:
    if facts.milestone_status not in MILESTONE_CLOSED:
        return f"{facts.milestone_id} is {facts.milestone_status.replace('_', ' ')}"
    if facts.unreachable_remote is not None:
        return f"{facts.unreachable_remote} could not be reached"
    if not facts.is_known:
        return "has commits that this repository does not know"
    return None
