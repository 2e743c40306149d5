"""What the stand-in of a GitLab knows: merge requests, pipelines, people, settings; and what it does with them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from support.gitlab_repository import ServedRepository

_RUNNING = ("created", "waiting_for_resource", "preparing", "pending", "running", "scheduled", "canceling")
PROJECT_ID = 42
FORK_ID = 77


@dataclass
class Settings:
    """Of the project and its server. A test changes them at will."""

    merge_method: str = "merge"
    squash_option: str = "default_off"
    only_allow_merge_if_pipeline_succeeds: bool = False
    allow_merge_on_skipped_pipeline: bool = False
    only_allow_merge_if_all_discussions_are_resolved: bool = False
    only_allow_merge_if_all_status_checks_passed: bool | None = None
    approvals_required: int = 0
    requested_changes_block: bool = False
    merge_trains: bool = False
    builds_access_level: str = "enabled"
    archived: bool = False
    is_protected: bool = False
    """Whether the tokens' users may not merge into base."""
    is_free: bool = False
    """No approval rules, no trains, one reviewer."""
    is_old: bool = False
    """A server that has neither `detailed_merge_status` nor `draft`."""
    readings_until_computed: int = 0
    """How many readings say `checking` after a branch moved."""
    waits_for_merge_ref: bool = False
    """Whether the status is `unchecked` until somebody asks for the merge ref."""
    removes_source_branch: bool = False


@dataclass
class Job:
    """One of a pipeline. `kind`: `jobs`, `bridges` or `external`."""

    id: int
    name: str
    status: str
    allow_failure: bool
    kind: str


@dataclass
class Pipeline:
    id: int
    sha: str
    ref: str
    source: str = "push"
    fixed: str | None = None
    """A status that the jobs do not give."""
    jobs: dict[str, Job] = field(default_factory=dict)

    @property
    def status(self) -> str:
        if self.fixed:
            return self.fixed
        blocking = [job.status for job in self.jobs.values() if not job.allow_failure or job.status in _RUNNING]
        for status in ("failed", "canceled", *_RUNNING, "manual"):
            if status in blocking:
                return "running" if status in _RUNNING else status
        return "skipped" if blocking and set(blocking) == {"skipped"} else "success"


@dataclass
class Note:
    id: int
    author: str
    body: str
    created_at: str
    system: bool = False
    bot: bool = False
    resolvable: bool = False
    resolved: bool = False
    path: str | None = None
    line: int | None = None


@dataclass
class MergeRequest:
    iid: int
    source: str
    target: str
    title: str
    description: str
    created_at: str
    state: str = "opened"
    source_project: int = PROJECT_ID
    labels: list[str] = field(default_factory=list)
    reviewers: dict[str, str] = field(default_factory=dict)
    """State of the review by login."""
    approvals: list[str] = field(default_factory=list)
    milestone: str | None = None
    discussions: list[list[Note]] = field(default_factory=list)
    reason: str | None = None
    """A value of `detailed_merge_status` that nothing else makes so."""
    last_sha: str | None = None
    """The head when it was merged or closed."""
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None
    merged_by: str | None = None
    closed_by: str | None = None
    auto_merge: dict[str, Any] | None = None
    """How it is to be merged once it can be."""
    is_in_train: bool = False
    computed_for: tuple[str | None, str | None] | None = None
    readings_left: int = 0

    @property
    def is_draft(self) -> bool:
        return self.title.lower().startswith(("draft:", "[draft]", "(draft)", "wip:", "[wip]"))


class Refused(Exception):  # noqa: N818 - an answer, not an error of the test
    """What is answered instead."""

    def __init__(self, status: int, message: Any) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message


class State:
    """One project. Not safe for threads: the server holds a lock."""

    def __init__(self, repository: ServedRepository) -> None:
        self.repository = repository
        self.settings = Settings()
        self.requests: dict[int, MergeRequest] = {}
        self.pipelines: list[Pipeline] = []
        self.users = {"owner": 1, "maria": 2, "tom": 3, "outsider": 4}
        self.milestones = {"v1.0": 11, "Group plan": 12}
        self.status_checks: list[dict[str, Any]] = []
        self._ids = itertools.count(1000)
        self._seconds = itertools.count()

    def new_id(self) -> int:
        return next(self._ids)

    def moment(self) -> str:
        """A later one each time, with a fraction, as GitLab has it."""
        minute, second = divmod(next(self._seconds), 60)
        return f"2026-01-02T03:{minute:02d}:{second:02d}.678Z"

    def head_of(self, request: MergeRequest) -> str | None:
        """The tip of its branch now; what it was, once it is merged or closed."""
        return self.repository.find_tip(request.source) if request.state == "opened" else request.last_sha

    def find_pipeline(self, sha: str | None) -> Pipeline | None:
        return next((one for one in reversed(self.pipelines) if one.sha == sha), None)

    def get_pipeline(self, sha: str, ref: str) -> Pipeline:
        """The newest of a commit; a new one if there is none."""
        found = self.find_pipeline(sha)
        if found is None:
            found = Pipeline(id=self.new_id(), sha=sha, ref=ref)
            self.pipelines.append(found)
        return found

    def has_conflict(self, request: MergeRequest) -> bool:
        head, base = self.repository.find_tip(request.source), self.repository.find_tip(request.target)
        return head is not None and base is not None and self.repository.merge_tree(base, head) is None

    def count_diverged(self, request: MergeRequest) -> int:
        """Commits of base that the branch lacks."""
        head, base = self.head_of(request), self.repository.find_tip(request.target)
        return len(self.repository.list_commits(f"{head}..{base}")) if head and base else 0

    def is_computed(self, request: MergeRequest, *, forced: bool = False, counts: bool = True) -> bool:
        """Whether the status is known; each reading that `counts` brings that nearer."""
        now = (self.repository.find_tip(request.source), self.repository.find_tip(request.target))
        if forced:
            request.computed_for, request.readings_left = now, 0
        if request.computed_for != now:
            if self.settings.waits_for_merge_ref:
                return False
            request.computed_for, request.readings_left = now, self.settings.readings_until_computed
        if request.readings_left == 0:
            return True
        request.readings_left -= int(counts)
        return False

    def judge(self, request: MergeRequest) -> str:
        """`detailed_merge_status`, once it is computed."""
        head = self.repository.find_tip(request.source)
        base = self.repository.find_tip(request.target)
        if request.state != "opened":
            return "not_open"
        if head is None or base is None or not self.repository.list_commits(f"{base}..{head}"):
            return "commits_status"
        if request.is_draft:
            return "draft_status"
        return (
            request.reason
            or self._judge_pipeline(head)
            or self._judge_people(request)
            or self._judge_branches(request)
            or "mergeable"
        )

    def _judge_pipeline(self, head: str) -> str | None:
        if not self.settings.only_allow_merge_if_pipeline_succeeds:
            return None
        pipeline = self.find_pipeline(head)
        if pipeline is None:
            return "ci_must_pass"
        if pipeline.status in _RUNNING:
            return "ci_still_running"
        is_good = pipeline.status == "success" or (
            pipeline.status == "skipped" and self.settings.allow_merge_on_skipped_pipeline
        )
        return None if is_good else "ci_must_pass"

    def _judge_people(self, request: MergeRequest) -> str | None:
        settings = self.settings
        if settings.only_allow_merge_if_all_discussions_are_resolved and not self.is_resolved(request):
            return "discussions_not_resolved"
        if self.count_approvals_left(request):
            return "not_approved"
        if settings.requested_changes_block and "requested_changes" in request.reviewers.values():
            return "requested_changes"
        if any(check["status"] != "passed" for check in self.status_checks) and (
            settings.only_allow_merge_if_all_status_checks_passed
        ):
            return "status_checks_must_pass"
        return None

    def _judge_branches(self, request: MergeRequest) -> str | None:
        if self.settings.merge_method in ("ff", "rebase_merge") and self.count_diverged(request):
            return "need_rebase"
        return "conflict" if self.has_conflict(request) else None

    def is_resolved(self, request: MergeRequest) -> bool:
        return not any(note.resolvable and not note.resolved for notes in request.discussions for note in notes)

    def count_approvals_left(self, request: MergeRequest) -> int:
        wanted = 0 if self.settings.is_free else self.settings.approvals_required
        return max(0, wanted - len(request.approvals))

    def merge(self, request: MergeRequest, *, by: str, squash: bool | None, message: str, squash_message: str) -> None:
        """Merges as the project's method says. Raises Refused when base has moved meanwhile."""
        settings, repository = self.settings, self.repository
        head, base = repository.find_tip(request.source), repository.find_tip(request.target)
        assert head is not None
        assert base is not None
        is_squash = {"always": True, "never": False}.get(settings.squash_option, bool(squash))
        tip = head
        if is_squash:
            tree = repository.merge_tree(base, head)
            assert tree is not None
            tip = repository.commit(tree, [base], squash_message)
        new = tip
        if settings.merge_method != "ff":
            tree = repository.merge_tree(base, tip)
            assert tree is not None
            new = repository.commit(tree, [base, tip], message)
        if not repository.move(request.target, new, base):
            raise Refused(422, "Branch cannot be merged")
        request.state, request.last_sha, request.merged_by = "merged", head, by
        request.squash_commit_sha = tip if is_squash else None
        request.merge_commit_sha = new if settings.merge_method != "ff" else None
        request.auto_merge, request.is_in_train = None, False
        if settings.removes_source_branch:
            repository.delete(request.source)

    def settle(self) -> None:
        """Merges whatever waits for that and can be merged now; a train does so in `run_train` only."""
        for request in self.requests.values():
            if request.auto_merge is None or request.is_in_train or request.state != "opened":
                continue
            if self.head_of(request) != request.auto_merge["sha"]:
                request.auto_merge = None
                continue
            pipeline = self.find_pipeline(self.head_of(request))
            if self.judge(request) == "mergeable" and (pipeline is None or pipeline.status == "success"):
                self.merge_as_asked(request, request.auto_merge)

    def merge_as_asked(self, request: MergeRequest, asked: dict[str, Any]) -> None:
        default = f"Merge branch '{request.source}' into '{request.target}'\n\nSee merge request !{request.iid}"
        self.merge(
            request,
            by=asked["by"],
            squash=asked.get("squash"),
            message=asked.get("merge_commit_message") or default,
            squash_message=asked.get("squash_commit_message") or request.title,
        )
