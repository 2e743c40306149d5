"""The stand-in of a GitLab, in the words of `support.hosts`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import pytest

from support.gitlab_forge import GitLabForge
from support.gitlab_state import MergeRequest
from support.gitlab_talk import check_contract
from support.hosts import Host, Outcome, Seen
from support.landing import BRANCH


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
