"""What a forge says of a pull request (GitLab: merge request), as one reading of it (spec §6.5). Never stored."""

from typing import Literal

from ai_workflow.models.base import Record

ForgeName = Literal["github", "gitlab"]
RequestStatus = Literal["open", "closed", "merged"]
CheckOutcome = Literal["passed", "failed", "pending", "ignored"]
"""`ignored`: skipped, neutral, or allowed to fail."""
Mergeability = Literal["yes", "conflict", "behind", "unknown"]
"""`unknown`: not computed yet, so ask again. `behind`: it must hold the newest base first."""
Method = Literal["merge", "squash", "rebase"]


class ForgeRequest(Record, frozen=True, kw_only=True):
    """A pull request."""

    number: int
    url: str
    """For people."""
    status: RequestStatus
    title: str
    body: str
    branch: str
    head_sha: str
    """The commit that the forge takes for the branch's tip; may lag behind a push."""
    base: str
    is_foreign: bool = False
    """Whether its branch is that of another repository: a fork's, of the same name."""
    is_draft: bool = False
    merged_sha: str | None = None
    """The commit that it became on base; None unless merged, and where the forge does not say."""
    ended_by: str | None = None
    """Login of who merged or closed it, if that is known."""
    merges_itself: bool = False
    """Whether the forge merges it once everything it asks for is there: auto-merge, a merge queue or train."""


class ForgeCheck(Record, frozen=True, kw_only=True):
    """One check (status, check run, job, pipeline) on the request's head."""

    name: str
    outcome: CheckOutcome
    url: str | None = None
    is_required: bool = False


class Standing(Record, frozen=True, kw_only=True):
    """All that decides whether a request may be merged, as it was at one moment."""

    request: ForgeRequest
    mergeability: Mergeability = "unknown"
    checks: tuple[ForgeCheck, ...] = ()
    missing_checks: tuple[str, ...] = ()
    """Names of required checks that have not reported on this head."""
    expects_checks: bool = False
    """Whether this repository runs checks at all, so that none reported means not yet."""
    approvals_wanted: int = 0
    """How many approvals are still missing."""
    changes_wanted_by: tuple[str, ...] = ()
    """Logins of reviewers who asked for changes and have not taken that back."""
    open_conversations: int = 0
    """How many must be resolved first; 0 where that is no rule."""
    rules: tuple[str, ...] = ()
    """Other rules of the base branch that stand in the way, each as a sentence, with its name."""
    is_refused: bool = False
    """Whether the forge says that it cannot be merged now, for whatever reason."""
    has_queue: bool = False
    """Whether base is merged into through a merge queue (train) only."""
    allowed_methods: tuple[Method, ...] = ("merge", "squash", "rebase")


class ForgeComment(Record, frozen=True, kw_only=True):
    """What a person wrote in review."""

    id: str
    """Names it within the request, for ever."""
    author: str
    text: str
    path: str | None = None
    line: int | None = None
    url: str | None = None
    is_resolved: bool = False
    at: str
    """ISO-8601 UTC."""
