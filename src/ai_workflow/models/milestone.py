"""A milestone: one branch, one pull request, some commit-shaped tasks."""

from ai_workflow.models.base import Entity, Record
from ai_workflow.models.blocker import BlockerRef
from ai_workflow.models.status import MilestoneStatus, PrStatus, RecoveryStatus


class PullRequest(Record, frozen=True, kw_only=True):
    """What is known of the milestone's pull request."""

    status: PrStatus = "not_created"
    url: str | None = None
    body_path: str | None = None
    blocker: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    number: int | None = None
    """On the forge."""
    forge: str | None = None
    """Which: `github.com/owner/name`."""
    base: str | None = None
    """The branch that aiw made it for; another one when it is stacked on a milestone that is not merged."""
    written_sum: str | None = None
    """Checksum of the title and text that aiw wrote last: only what still is that is written over."""
    seen_comments: tuple[str, ...] = ()
    """Ids of the review comments that were shown."""
    task_comments: tuple[str, ...] = ()
    """Ids of those that a task was made of."""


class Recovery(Record, frozen=True, kw_only=True):
    """Marks a recovery milestone `M01-01` (spec §6.6)."""

    parent_milestone_id: str
    blocked_task_id: str | None = None
    recovery_attempt_number: int = 1
    return_target: str = ""
    recovery_status: RecoveryStatus = "not_started"


class Closeout(Record, frozen=True, kw_only=True):
    """How far the closeout ladder has come (spec §6.5); every field is a fact that was seen to hold."""

    mode: str
    """`direct_merge`, `local_merge` or `pull_request`."""
    operation: str
    """Operation id carried by the merge commit's trailer."""
    started_at: str
    pushed_branch_sha: str | None = None
    """Tip of the milestone branch known to be on the remote."""
    base_sha: str | None = None
    """The base commit that the merge was made onto."""
    merge_sha: str | None = None
    handed_sha: str | None = None
    """The head that the forge was asked to merge by itself, until it is seen to have let go of it."""
    tested_tree: str | None = None
    """Tree of a merge onto a moved base that passed the checks."""
    landed_sha: str | None = None
    """The commit on the target branch that holds the work, once it is there."""
    head_ref: str | None = None
    """Where HEAD was when it began, as `TreeStatus.head_ref`."""
    branch_tip: str | None = None
    """The milestone branch's tip that was merged."""
    notes: tuple[str, ...] = ()
    """Sentences for people about what was skipped, e.g. a clean-up."""


class Milestone(Entity, frozen=True, kw_only=True):
    """`state/milestones/M01.json`."""

    id: str
    title: str
    goal: str = ""
    status: MilestoneStatus
    lane_id: str | None = None
    base_branch: str
    branch: str | None = None
    start_sha: str | None = None
    """The base commit that the branch was made from."""
    stacked_on: str | None = None
    """The milestone whose branch it was made from, because that one was finished and not merged yet."""
    worktree: str | None = None
    task_ids: tuple[str, ...] = ()
    adr_ids: tuple[str, ...] = ()
    workpackage: int = 1
    pr: PullRequest = PullRequest()
    recovery: Recovery | None = None
    closeout: Closeout | None = None
    blocker: BlockerRef | None = None
    accepted_unproven: str | None = None
    """Reason given with `milestone finish --accept-unproven`."""
    created_at: str
    updated_at: str
