"""Any stand-in of a forge in the same words, for tests of what must hold on both.

What is asked is named by patterns of each forge's own log; `red` tells what was merged that should not have been.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from support.landing import assert_landed
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
