"""The two stand-ins of forges in the same words, for tests of what must hold on both.

What is asked is named by patterns of each forge's own log; `red` tells what was merged that should not have been.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pytest

from support.github_forge import OTHER_TOKEN, READ_TOKEN, GithubForge
from support.github_state import Pull
from support.gitlab_forge import GitLabForge
from support.gitlab_state import MergeRequest
from support.gitlab_talk import check_contract
from support.landing import BRANCH, assert_landed
from support.project import Project

AGAIN = ("milestone", "finish", "M01")
Outcome = Literal["passed", "failed", "running"]


@dataclass(frozen=True)
class Seen:
    """A request as the forge has it."""

    status: Literal["open", "closed", "merged"]
    title: str
    body: str
    is_draft: bool
    labels: Sequence[str]
    reviewers: Sequence[str]
    milestone: str | None


class Host(ABC):
    """One forge with one project; the milestone's branch is `BRANCH`.

    Attributes:
        creates, merges, lists: patterns of the questions that open and merge a request, and that look for one.
        hands_over, queues: of those after which the forge merges by itself.
        bad_tokens: one that is unknown, one that may only read, one of a stranger; with what is said to each.
        red: checks that had not passed on what was merged through the API.
        merges_done: how often anything was merged.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    mark: ClassVar[str]
    """What is written before the number of a request."""
    closer: ClassVar[str]
    """How it tells who closed a request."""
    host_variable: ClassVar[str]
    token_variable: ClassVar[str]
    creates: ClassVar[str]
    merges: ClassVar[str]
    lists: ClassVar[str]
    hands_over: ClassVar[str]
    queues: ClassVar[str]
    required: ClassVar[str]
    """The check that is missing where one is required and none has reported."""
    bad_tokens: ClassVar[Sequence[tuple[str, str]]]

    def __init__(self) -> None:
        self.red: list[str] = []
        self.merges_done = 0

    def assert_sound(self) -> None:
        """What holds after whatever happened: one request, one merge, nothing red."""
        statuses = [request.status for request in self.requests().values()]
        assert len(statuses) - statuses.count("closed") <= 1, statuses
        assert self.merges_done <= 1
        assert not self.red, self.red

    @abstractmethod
    def requests(self) -> Mapping[int, Seen]:
        """All of the branch, by number."""

    @abstractmethod
    def set_body(self, text: str) -> None:
        """A person's words in request 1."""

    # Rules.

    @abstractmethod
    def set_free(self) -> None:
        """Takes all rules away."""

    @abstractmethod
    def require_check(self) -> None: ...

    @abstractmethod
    def require_approval(self) -> None: ...

    @abstractmethod
    def require_resolution(self) -> None:
        """Of all conversations, and an approval."""

    @abstractmethod
    def refuse(self) -> str:
        """A rule that nothing but the forge's owner can satisfy; part of what is said of it."""

    @abstractmethod
    def allow_squash_only(self) -> None: ...

    @abstractmethod
    def run_checks_elsewhere(self) -> None:
        """Shows that this repository runs checks."""

    @abstractmethod
    def delete_merged_branches(self) -> None: ...

    @abstractmethod
    def allow_auto_merge(self) -> None: ...

    @abstractmethod
    def want_queue(self) -> None:
        """A merge queue, or train."""

    @abstractmethod
    def run_queue(self) -> None: ...

    @abstractmethod
    def empty_queue(self) -> None:
        """As when its own checks failed."""

    @abstractmethod
    def take_linear_only(self) -> None:
        """Rebases on GitHub, fast-forwards on GitLab."""

    @abstractmethod
    def want_newest_base(self) -> None:
        """In the branch, with a check on both together."""

    # People and checks.

    @abstractmethod
    def set_check(self, name: str, outcome: Outcome = "passed") -> None: ...

    @abstractmethod
    def review(self, *, is_content: bool) -> None:
        """By maria."""

    @abstractmethod
    def comment(self, text: str) -> int:
        """By maria, on the first line of src/parser.py; its id."""

    @abstractmethod
    def resolve(self, comment: int) -> None: ...

    @abstractmethod
    def open_by_hand(self, *, title: str, body: str) -> None: ...

    @abstractmethod
    def merge_by_hand(self, *, is_squash: bool = False) -> None: ...

    @abstractmethod
    def close_by_hand(self) -> None: ...

    @abstractmethod
    def reopen_by_hand(self) -> None: ...

    @abstractmethod
    def push_by_hand(self, files: Mapping[str, str]) -> str: ...

    @abstractmethod
    def add_milestone(self, title: str) -> None: ...

    # Mishaps.

    @abstractmethod
    def asked(self, pattern: str) -> list[int]:
        """The statuses of questions like this; 0 where no answer was given."""

    @abstractmethod
    def fail_next(self, pattern: str, status: int, message: str = "Made up") -> None: ...

    @abstractmethod
    def limit_rate(self, pattern: str, *, seconds: int) -> None: ...

    @abstractmethod
    def drop_answer(self, pattern: str) -> None: ...

    @abstractmethod
    def drop_question(self, pattern: str) -> None: ...


class GithubHost(Host):
    """GitHub Enterprise Server."""

    name, noun, mark = "GitHub", "pull request", "#"
    closer = ""
    host_variable, token_variable = "GH_HOST", "GH_ENTERPRISE_TOKEN"
    creates = r"POST /repos/o/r/pulls$"
    merges = r"PUT /repos/o/r/pulls/\d+/merge"
    lists = r"GET /repos/o/r/pulls\?"
    hands_over, queues = "enablePullRequestAutoMerge", "enqueuePullRequest"
    required = "ci"
    bad_tokens = (
        ("ghp_" + "x" * 36, "GitHub answered 401: Bad credentials"),
        (READ_TOKEN, "GitHub answered 403: Resource not accessible"),
        (OTHER_TOKEN, "GitHub answered 404: Not Found"),
    )

    def __init__(self, forge: GithubForge, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.forge = forge
        forge.hub.people["maria"] = "write"
        merge = forge.hub.merge

        def watched(pull: Pull, *args: Any, **named: Any) -> str:
            sha = merge(pull, *args, **named)
            self.merges_done += 1
            if named["login"] == "agent":
                self.red += [one.name for one in forge.hub.checks_of(pull.head_sha) if one.outcome != "passed"]
            return sha

        monkeypatch.setattr(forge.hub, "merge", watched)

    def requests(self) -> Mapping[int, Seen]:
        hub = self.forge.hub
        return {
            pull.number: Seen(
                status=pull.state,
                title=pull.title,
                body=pull.body or "",
                is_draft=pull.is_draft,
                labels=pull.labels,
                reviewers=pull.reviewers,
                milestone=hub.milestones.get(pull.milestone or 0),
            )
            for pull in hub.pulls.values()
            if pull.branch == BRANCH
        }

    def set_body(self, text: str) -> None:
        self.forge.pull(1).body = text

    def set_free(self) -> None:
        self.forge.unprotect()

    def require_check(self) -> None:
        self.forge.protect(checks=(self.required,))

    def require_approval(self) -> None:
        self.forge.protect(approvals=1)

    def require_resolution(self) -> None:
        self.forge.protect(conversations=True, approvals=1)

    def refuse(self) -> str:
        self.forge.protect(signatures=True)
        return "only signed commits may land on main"

    def allow_squash_only(self) -> None:
        self.forge.hub.allowed_methods = {"squash"}

    def run_checks_elsewhere(self) -> None:
        self.forge.hub.workflows = ["ci.yml"]

    def delete_merged_branches(self) -> None:
        self.forge.hub.deletes_branches = True

    def allow_auto_merge(self) -> None:
        self.forge.hub.allows_auto_merge = True

    def want_queue(self) -> None:
        self.forge.protect(queue="merge")

    def run_queue(self) -> None:
        self.forge.run_queue()

    def empty_queue(self) -> None:
        self.forge.pull(1).queued_at = None

    def take_linear_only(self) -> None:
        self.forge.hub.allowed_methods = {"rebase"}

    def want_newest_base(self) -> None:
        self.forge.protect(checks=(self.required,), is_strict=True)

    def set_check(self, name: str, outcome: Outcome = "passed") -> None:
        conclusion = {"passed": "success", "failed": "failure", "running": None}[outcome]
        self.forge.set_check(BRANCH, name, "in_progress" if outcome == "running" else "completed", conclusion)

    def review(self, *, is_content: bool) -> None:
        self.forge.review(1, "maria", "APPROVED" if is_content else "CHANGES_REQUESTED", "So.")

    def comment(self, text: str) -> int:
        return self.forge.comment(1, "maria", text, path="src/parser.py", line=1)

    def resolve(self, comment: int) -> None:
        self.forge.resolve(1, comment)

    def open_by_hand(self, *, title: str, body: str) -> None:
        self.forge.open_by_hand(BRANCH, title=title, body=body)

    def merge_by_hand(self, *, is_squash: bool = False) -> None:
        self.forge.merge_by_hand(1, "squash" if is_squash else "merge")

    def close_by_hand(self) -> None:
        self.forge.close_by_hand(1)

    def reopen_by_hand(self) -> None:
        self.forge.reopen_by_hand(1)

    def push_by_hand(self, files: Mapping[str, str]) -> str:
        return self.forge.push_by_hand(BRANCH, files)

    def add_milestone(self, title: str) -> None:
        self.forge.add_milestone(title)

    def asked(self, pattern: str) -> list[int]:
        return [one.status or 0 for one in self.forge.asked(pattern)]

    def fail_next(self, pattern: str, status: int, message: str = "Made up") -> None:
        self.forge.fail_next(pattern, status, body={"message": message})

    def limit_rate(self, pattern: str, *, seconds: int) -> None:
        if seconds < 60:
            self.forge.limit_rate(pattern, retry_after_s=seconds)
        else:
            self.forge.limit_rate(pattern, reset_in_s=seconds)

    def drop_answer(self, pattern: str) -> None:
        self.forge.drop_answer(pattern)

    def drop_question(self, pattern: str) -> None:
        self.forge.drop_question(pattern)


class GitlabHost(Host):
    """A GitLab of one's own."""

    name, noun, mark = "GitLab", "merge request", "!"
    closer = " by maria"
    host_variable, token_variable = "GITLAB_HOST", "GITLAB_TOKEN"
    creates = r"POST .*/merge_requests$"
    merges = r"PUT .*/merge_requests/\d+/merge$"
    lists = r"GET .*/merge_requests$"
    hands_over, queues = merges, r"POST .*/merge_trains/"
    required = "pipeline"
    bad_tokens = (
        ("glpat-" + "x" * 20, "GitLab answered 401: 401 Unauthorized"),
        ("reader-token", "GitLab answered 403: insufficient_scope"),
        ("stranger-token", "GitLab answered 404: 404 Project Not Found"),
    )

    def __init__(self, forge: GitLabForge, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.forge = forge
        # Most tests want to see what waits until the forge has looked at the branches.
        forge.settings.readings_until_computed = 1
        state = forge.state
        merge = state.merge

        def watched(request: MergeRequest, **named: Any) -> None:
            pipeline = state.find_pipeline(state.head_of(request))
            merge(request, **named)
            self.merges_done += 1
            if named["by"] == "owner" and pipeline is not None:
                self.red += [
                    job.name for job in pipeline.jobs.values() if job.status != "success" and not job.allow_failure
                ]

        monkeypatch.setattr(state, "merge", watched)

    def assert_sound(self) -> None:
        super().assert_sound()
        check_contract(self.forge)

    def requests(self) -> Mapping[int, Seen]:
        statuses: dict[str, Literal["open", "closed", "merged"]] = {"opened": "open"}
        statuses |= {"closed": "closed", "merged": "merged"}
        return {
            number: Seen(
                status=statuses[one.state],
                title=one.title,
                body=one.description,
                is_draft=one.is_draft,
                labels=one.labels,
                reviewers=list(one.reviewers),
                milestone=one.milestone,
            )
            for number, one in self.forge.state.requests.items()
            if one.source == BRANCH
        }

    def set_body(self, text: str) -> None:
        self.forge.request().description = text

    def set_free(self) -> None:
        settings = self.forge.settings
        settings.only_allow_merge_if_pipeline_succeeds = False
        settings.only_allow_merge_if_all_discussions_are_resolved = False
        settings.approvals_required = 0
        settings.is_protected = settings.merge_trains = False

    def require_check(self) -> None:
        self.forge.settings.only_allow_merge_if_pipeline_succeeds = True

    def require_approval(self) -> None:
        self.forge.settings.approvals_required = 1

    def require_resolution(self) -> None:
        self.forge.settings.only_allow_merge_if_all_discussions_are_resolved = True
        self.require_approval()

    def refuse(self) -> str:
        self.forge.settings.is_protected = True
        return "Protected branch: this token's user may not merge into main."

    def allow_squash_only(self) -> None:
        self.forge.settings.squash_option = "always"

    def run_checks_elsewhere(self) -> None:
        tip = self.forge.repository.find_tip("main")
        assert tip is not None
        self.forge.add_pipeline(tip, "main", status="success")

    def delete_merged_branches(self) -> None:
        self.forge.settings.removes_source_branch = True

    def allow_auto_merge(self) -> None:
        """It always is."""

    def want_queue(self) -> None:
        self.forge.settings.merge_trains = True

    def run_queue(self) -> None:
        self.forge.run_train()

    def empty_queue(self) -> None:
        self.forge.request().auto_merge = None
        self.forge.request().is_in_train = False

    def take_linear_only(self) -> None:
        self.forge.settings.merge_method = "ff"

    def want_newest_base(self) -> None:
        self.forge.settings.merge_method = "rebase_merge"
        self.require_check()

    def set_check(self, name: str, outcome: Outcome = "passed") -> None:
        self.forge.set_job(BRANCH, name, "success" if outcome == "passed" else outcome)

    def review(self, *, is_content: bool) -> None:
        self.forge.review("maria", "approved" if is_content else "requested_changes")

    def comment(self, text: str) -> int:
        return self.forge.comment("maria", text, path="src/parser.py", line=1)

    def resolve(self, comment: int) -> None:
        self.forge.resolve(comment)

    def open_by_hand(self, *, title: str, body: str) -> None:
        number = self.forge.open_by_hand(BRANCH, title=title)
        self.forge.request(number).description = body

    def merge_by_hand(self, *, is_squash: bool = False) -> None:
        self.forge.merge_by_hand(squash=is_squash)

    def close_by_hand(self) -> None:
        self.forge.close_by_hand()

    def reopen_by_hand(self) -> None:
        self.forge.reopen_by_hand()

    def push_by_hand(self, files: Mapping[str, str]) -> str:
        return self.forge.push_by_hand(BRANCH, files)

    def add_milestone(self, title: str) -> None:
        self.forge.state.milestones[title] = 21

    def asked(self, pattern: str) -> list[int]:
        return [one.status for one in self.forge.log if re.search(pattern, f"{one.method} {one.path}")]

    def fail_next(self, pattern: str, status: int, message: str = "Made up") -> None:
        self.forge.fail_next(pattern, status, {"message": message})

    def limit_rate(self, pattern: str, *, seconds: int) -> None:
        self.forge.limit_rate(pattern, seconds=seconds)

    def drop_answer(self, pattern: str) -> None:
        self.forge.drop_answer(pattern)

    def drop_question(self, pattern: str) -> None:
        self.forge.drop_question(pattern)


Hosted = tuple[Project, Host]


def assert_merged_once(project: Project, host: Host, *, number: int = 1) -> None:
    """On base, recorded, and merged there and not by a push."""
    assert_landed(project)
    assert host.requests()[number].status == "merged"
    assert host.merges_done == 1
    pr = project.milestone()["pr"]
    assert (pr["status"], pr["number"]) == ("merged", number)
    assert pr["url"].endswith(f"/{number}")


def named(host: Host, text: str) -> str:
    """What a blocker says of request 1."""
    return f"{host.noun} 1 of M01 {text}"
