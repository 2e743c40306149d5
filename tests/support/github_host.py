"""The stand-in of a GitHub, in the words of `support.hosts`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from support.github_forge import OTHER_TOKEN, READ_TOKEN, GithubForge
from support.github_state import Pull
from support.hosts import Host, Outcome, Seen
from support.landing import BRANCH


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
