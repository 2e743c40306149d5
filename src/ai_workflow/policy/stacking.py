"""A milestone on top of one whose pull request waits for people (spec §6.5, `git.unmerged_previous: stack`). Pure."""

from __future__ import annotations

from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.policy.milestones import is_complete


def find_parent(snapshot: Snapshot, milestone: Milestone) -> Milestone | None:
    """The milestone that this one is stacked on, while that is not merged."""
    parent = snapshot.find_milestone(milestone.stacked_on)
    return parent if parent is not None and parent.status not in ("merged", "cancelled") else None


def choose_parent(snapshot: Snapshot, milestone: Milestone) -> Milestone | None:
    """The milestone that a new one is to be stacked on: the last of those that are finished and whose request is open.

    A recovery works on the branch of its own milestone.
    """
    if milestone.recovery is not None:
        return None
    waiting = [
        other
        for other in snapshot.milestones.values()
        if other.id != milestone.id
        and other.recovery is None
        and other.status not in ("merged", "cancelled")
        and other.pr.number is not None
        and other.pr.status == "created"
        and other.branch
        and is_complete(snapshot, other)
    ]
    return waiting[-1] if waiting else None


def choose_base(snapshot: Snapshot, milestone: Milestone, *, target_branch: str) -> str:
    """The branch that the milestone's request goes into."""
    parent = find_parent(snapshot, milestone)
    return parent.branch if parent is not None and parent.branch else target_branch


def list_stacked(snapshot: Snapshot, milestone: Milestone) -> tuple[Milestone, ...]:
    """Milestones on top of this one whose requests still go into its branch."""
    return tuple(
        other
        for other in snapshot.milestones.values()
        if other.stacked_on == milestone.id and other.pr.number is not None and other.pr.base == milestone.branch
    )
