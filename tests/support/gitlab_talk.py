"""Speaks to the stand-in of a GitLab as aiw does, without waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from ai_workflow.forge.base import ForgeError
from ai_workflow.forge.gitlab import GitLab, gitlab_headers
from ai_workflow.forge.transport import Timing, Transport
from ai_workflow.models.forge import ForgeRequest, Method
from support.contract import Contract
from support.gitlab_forge import GitLabForge

MESSAGE = "Goal.\n\nAI-Milestone: M01"


class Recorded(Timing):
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.waited_s: list[float] = []

    def now_s(self) -> float:
        return time.time() + sum(self.waited_s)

    def sleep(self, seconds: float) -> None:
        self.waited_s.append(seconds)


def connect(forge: GitLabForge, *, token: str = "owner-token", timing: Timing | None = None) -> GitLab:
    """The adapter for the stand-in."""
    transport = Transport(
        forge.place.api_url,
        name="GitLab",
        headers=gitlab_headers(token),
        talk=lambda _text: None,
        max_wait_s=60,
        timing=timing or Recorded(),
    )
    return GitLab(forge.place, transport)


def begin(forge: GitLabForge, gitlab: GitLab, *, is_draft: bool = False) -> ForgeRequest:
    """A merge request of the branch `work`, that has one commit."""
    forge.push_by_hand("work", {"work.txt": "work\n"}, message="Work")
    return gitlab.create_request(branch="work", base="main", title="M01 - Work", body="Body.", is_draft=is_draft)


def merge(gitlab: GitLab, request: ForgeRequest, method: Method = "merge", *, head_sha: str | None = None) -> None:
    """Merges with a message of aiw's kind."""
    gitlab.merge(request, head_sha=head_sha or request.head_sha, method=method, title="M01 - Work", message=MESSAGE)


def failure_of(action: Callable[[], Any]) -> ForgeError:
    """What it raises."""
    with pytest.raises(ForgeError) as caught:
        action()
    return caught.value


def check_contract(forge: GitLabForge) -> None:
    """Compares all that was asked and answered with `tests/contracts/gitlab.json`."""
    contract = Contract.load("gitlab")
    for asked in forge.log:
        if 0 < asked.status < 500 and not asked.is_made_up:
            contract.check(asked.method, asked.path, asked.query, asked.body, asked.status, asked.answer)
