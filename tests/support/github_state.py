"""What the stand-in for GitHub knows of a project, and what GitHub decides of it: mergeability, refusals, merges.

The sentences of refusals are GitHub's own, as people quote them; nobody should decide by them.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Literal

from support.bare_repository import ZERO, BareRepository
from support.stand_in import now

Method = Literal["merge", "squash", "rebase"]
METHODS: tuple[Method, ...] = ("merge", "squash", "rebase")
ReviewState = Literal["APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED"]


@dataclass(frozen=True)
class Protection:
    """What a branch asks before it is merged into.

    Attributes:
        kind: how it was set: GitHub shows rulesets to everybody, and of a classic protection to people who are no
            administrators only that there is one and which checks it requires.
        queue: the method of the merge queue that must be used; always a ruleset.
    """

    kind: Literal["classic", "ruleset"] = "ruleset"
    checks: tuple[str, ...] = ()
    is_strict: bool = False
    approvals: int = 0
    conversations: bool = False
    linear: bool = False
    signatures: bool = False
    queue: Method | None = None
    methods: tuple[Method, ...] = METHODS

    def say(self, message: str) -> str:
        """A refusal in its words."""
        return f"Repository rule violations found\n\n{message}\n\n" if self.kind == "ruleset" else message


@dataclass
class Check:
    """A check run or a commit status."""

    id: int
    kind: Literal["check_run", "status"]
    sha: str
    name: str
    status: str
    conclusion: str | None
    at: str

    @property
    def outcome(self) -> Literal["passed", "failed", "pending"]:
        """Whether a required one is content."""
        if self.kind == "status":
            return {"success": "passed", "pending": "pending"}.get(self.status, "failed")  # type: ignore[return-value]
        if self.status != "completed":
            return "pending"
        return "passed" if self.conclusion in ("success", "neutral", "skipped") else "failed"


@dataclass
class Review:
    """One that was submitted."""

    id: int
    login: str
    state: ReviewState
    body: str
    sha: str
    at: str


@dataclass
class Comment:
    """Of the conversation, or on a line of a file (then it belongs to a thread)."""

    id: int
    login: str
    body: str
    at: str
    sha: str
    path: str | None = None
    line: int | None = None
    reply_to: int | None = None
    is_resolved: bool = False

    @property
    def thread(self) -> int:
        """The id of its first comment."""
        return self.reply_to or self.id


@dataclass
class Pull:
    """A pull request."""

    number: int
    id: int
    title: str
    body: str | None
    branch: str
    base: str
    login: str
    head_sha: str
    base_sha: str
    head_ref: str
    head_owner: str
    created_at: str
    updated_at: str
    state: Literal["open", "closed", "merged"] = "open"
    is_draft: bool = False
    closed_at: str | None = None
    merged_sha: str | None = None
    merged_by: str | None = None
    labels: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)
    milestone: int | None = None
    reviews: list[Review] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    auto_merge: tuple[Method, str] | None = None
    """How, and who asked for it."""
    queued_at: str | None = None
    readings_left: int = 0
    """How often it still says that its mergeability is not known yet."""
    computed_for: tuple[str, str] | None = None

    @property
    def node_id(self) -> str:
        """Its name in GraphQL."""
        return f"PR_{self.id}"

    @property
    def threads(self) -> dict[int, list[Comment]]:
        """Those on lines, by the id of the first comment."""
        found: dict[int, list[Comment]] = {}
        for one in self.comments:
            if one.path is not None:
                found.setdefault(one.thread, []).append(one)
        return found

    @property
    def open_threads(self) -> int:
        """How many are not resolved."""
        return sum(not comments[0].is_resolved for comments in self.threads.values())


class RefusalError(Exception):
    """GitHub does not do it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Project:
    """The repository with its pull requests.

    Attributes:
        lazy_readings: how often a pull request says after a push that its mergeability is not known yet.
        people: who may be asked for a review, and whether their approvals count (`write`) or not (`read`).
        milestones: titles by number.
        workflows: names of those of GitHub Actions.
    """

    def __init__(self, repository: BareRepository, name: str) -> None:
        self.repository = repository
        self.name = name
        self.owner = name.partition("/")[0]
        self.default_branch = "main"
        self.allowed_methods: set[Method] = set(METHODS)
        self.allows_auto_merge = False
        self.allows_drafts = True
        self.deletes_branches = False
        self.lazy_readings = 1
        self.people = {self.owner: "write", "reviewer": "write", "human": "write", "visitor": "read"}
        self.labels = ["bug", "documentation"]
        self.milestones: dict[int, str] = {}
        self.workflows: list[str] = []
        self.protections: dict[str, list[Protection]] = {}
        self.pulls: dict[int, Pull] = {}
        self.checks: list[Check] = []
        self._numbers = itertools.count(1)
        self._ids = itertools.count(1001)

    def new_id(self) -> int:
        """One that nothing has yet."""
        return next(self._ids)

    def open(
        self,
        *,
        branch: str,
        base: str,
        title: str,
        body: str | None,
        login: str,
        is_draft: bool = False,
        foreign: tuple[str, str] | None = None,
    ) -> Pull:
        """A new pull request.

        Args:
            foreign: the owner of the fork that the branch is in, and its commit.
        """
        number, at = next(self._numbers), now()
        head_ref = f"refs/heads/{branch}"
        if foreign:
            head_ref = f"refs/pull/{number}/head"
            assert self.repository.move(head_ref, foreign[1], ZERO)
        refs = self.repository.refs()
        pull = Pull(
            number=number,
            id=self.new_id(),
            title=title,
            body=body,
            branch=branch,
            base=base,
            login=login,
            head_sha=refs[head_ref],
            base_sha=refs[f"refs/heads/{base}"],
            head_ref=head_ref,
            head_owner=foreign[0] if foreign else self.owner,
            created_at=at,
            updated_at=at,
            is_draft=is_draft,
        )
        self.pulls[number] = pull
        return pull

    def sync(self) -> None:
        """Sees what was pushed, as GitHub does at once, and merges what waits for nothing any more."""
        refs = self.repository.refs()
        for pull in self.pulls.values():
            if pull.state == "open":
                self._sync_one(pull, refs)
        for pull in self.pulls.values():
            if pull.state == "open" and pull.auto_merge and self.is_ready(pull):
                method, login = pull.auto_merge
                if self.queue_of(pull.base):
                    pull.auto_merge, pull.queued_at = None, now()
                    continue
                # Base may just have moved by another one's merge.
                with contextlib.suppress(RefusalError):
                    self.merge(pull, method, login=login)

    def _sync_one(self, pull: Pull, refs: Mapping[str, str]) -> None:
        head, base = refs.get(pull.head_ref), refs.get(f"refs/heads/{pull.base}")
        if base is not None and base != pull.base_sha and self.repository.is_ancestor(head or pull.head_sha, base):
            pull.head_sha = head or pull.head_sha
            line = self.repository.git(
                "rev-list", "--first-parent", "--ancestry-path", "--reverse", f"{pull.head_sha}..{base}"
            ).split()
            self._end(pull, "merged", sha=line[0] if line else base, login=self.owner)
        elif head is None or base is None or self.repository.is_ancestor(head, base):
            self._end(pull, "closed")
        else:
            if head != pull.head_sha:
                pull.updated_at = now()
            pull.head_sha, pull.base_sha = head, base

    def _end(
        self, pull: Pull, state: Literal["closed", "merged"], *, sha: str | None = None, login: str | None = None
    ) -> None:
        pull.state = state
        pull.closed_at = pull.updated_at = now()
        pull.merged_sha, pull.merged_by = sha, login
        pull.auto_merge = pull.queued_at = None

    def close(self, pull: Pull) -> None:
        """Without a merge."""
        self._end(pull, "closed")

    def reopen(self, pull: Pull) -> None:
        """Takes a closed one up again."""
        pull.state, pull.closed_at, pull.updated_at = "open", None, now()

    # What GitHub decides.

    def protections_of(self, branch: str) -> list[Protection]:
        """All that hold for the branch."""
        return self.protections.get(branch, [])

    def queue_of(self, branch: str) -> Method | None:
        """The method of the branch's merge queue; None without one."""
        return next((one.queue for one in self.protections_of(branch) if one.queue), None)

    def checks_of(self, sha: str) -> list[Check]:
        """The latest of each name and kind."""
        latest = {(one.kind, one.name): one for one in self.checks if one.sha == sha}
        return list(latest.values())

    def deciding_reviews(self, pull: Pull) -> dict[str, ReviewState]:
        """The last decision of everybody whose review counts."""
        found: dict[str, ReviewState] = {}
        for review in pull.reviews:
            if review.state != "COMMENTED" and self.people.get(review.login) == "write":
                found[review.login] = review.state
        return {login: state for login, state in found.items() if state != "DISMISSED"}

    def review_decision(self, pull: Pull) -> str | None:
        """GraphQL's `reviewDecision`."""
        wanted = max((one.approvals for one in self.protections_of(pull.base)), default=0)
        states = list(self.deciding_reviews(pull).values())
        if "CHANGES_REQUESTED" in states:
            return "CHANGES_REQUESTED"
        if wanted:
            return "APPROVED" if states.count("APPROVED") >= wanted else "REVIEW_REQUIRED"
        return "APPROVED" if states else None

    def obstacles(self, pull: Pull) -> list[str]:
        """Rules that stand in the way, whatever the method, in GitHub's words."""
        return [
            rules.say(message)
            for rules in self.protections_of(pull.base)
            for message in (*self._check_obstacles(pull, rules), *self._other_obstacles(pull, rules))
        ]

    def _check_obstacles(self, pull: Pull, rules: Protection) -> list[str]:
        outcomes = {one.name: one.outcome for one in self.checks_of(pull.head_sha)}
        words = {None: "expected", "pending": "pending", "failed": "failing"}
        states = {name: words[outcomes.get(name)] for name in rules.checks if outcomes.get(name) != "passed"}
        if len(states) == 1:
            (name, word), *_ = states.items()
            return [f'Required status check "{name}" is {word}.']
        if not states:
            return []
        counts = {word: list(states.values()).count(word) for word in words.values() if word in states.values()}
        if len(counts) == 1:
            return [f"{len(states)} of {len(rules.checks)} required status checks are {next(iter(counts))}."]
        told = " and ".join(f"{count} {word}" for word, count in counts.items())
        return [f"{len(states)} of {len(rules.checks)} required status checks have not succeeded: {told}."]

    def _other_obstacles(self, pull: Pull, rules: Protection) -> list[str]:
        found = []
        states = list(self.deciding_reviews(pull).values())
        unhappy = states.count("CHANGES_REQUESTED")
        if rules.approvals and unhappy:
            noun = "review" if unhappy == 1 else "reviews"
            found.append(f"{unhappy} {noun} requesting changes by reviewers with write access.")
        elif states.count("APPROVED") < rules.approvals:
            verb = "review is" if rules.approvals == 1 else "reviews are"
            found.append(f"At least {rules.approvals} approving {verb} required by reviewers with write access.")
        if rules.conversations and pull.open_threads:
            found.append("A conversation must be resolved before this pull request can be merged.")
        if rules.signatures:
            commits = self.repository.commits(pull.base_sha, pull.head_sha)
            if not all(map(self.repository.is_signed, commits)):
                found.append("Commits must have verified signatures.")
        return found

    def is_behind(self, pull: Pull) -> bool:
        """Whether it must hold the newest base first, and does not."""
        is_strict = any(one.is_strict and one.checks for one in self.protections_of(pull.base))
        return is_strict and not self.repository.is_ancestor(pull.base_sha, pull.head_sha)

    def compute(self, pull: Pull) -> tuple[bool | None, str]:
        """`mergeable` and `mergeable_state`, once they are known."""
        if pull.state != "open":
            return None, "unknown"
        if self.repository.merged_tree(pull.base_sha, pull.head_sha) is None:
            return False, "dirty"
        if pull.is_draft:
            return True, "draft"
        if self.obstacles(pull):
            return True, "blocked"
        if self.is_behind(pull):
            return True, "behind"
        is_green = all(one.outcome == "passed" for one in self.checks_of(pull.head_sha))
        return True, "clean" if is_green else "unstable"

    def read_mergeability(self, pull: Pull, *, counts: bool) -> tuple[bool | None, str]:
        """The same as it is told: unknown at first after a push to either branch.

        Args:
            counts: whether this is one of the readings after which it is known.
        """
        if pull.state == "open" and pull.computed_for != (pull.head_sha, pull.base_sha):
            pull.computed_for = (pull.head_sha, pull.base_sha)
            pull.readings_left = self.lazy_readings
        if pull.state == "open" and pull.readings_left:
            pull.readings_left -= counts
            return None, "unknown"
        return self.compute(pull)

    def is_ready(self, pull: Pull) -> bool:
        """Whether auto-merge may go ahead."""
        return self.compute(pull)[1] in ("clean", "unstable")

    def test_merge_sha(self, pull: Pull) -> str:
        """`merge_commit_sha` of an open one: a commit that base will never have."""
        return sha1(f"{pull.base_sha} {pull.head_sha}".encode()).hexdigest()

    def require_mergeable(self, pull: Pull, method: Method, sha: str | None) -> None:
        """Raises RefusalError with GitHub's reason."""
        if pull.state != "open":
            raise RefusalError(405, "Pull Request is not mergeable")
        if sha is not None and sha != pull.head_sha:
            raise RefusalError(409, "Head branch was modified. Review and try the merge again.")
        if pull.is_draft:
            raise RefusalError(405, "Pull Request is still a draft")
        if method not in self.allowed_methods:
            raise RefusalError(405, f"{_PLURALS[method]} are not allowed on this repository.")
        mergeable, state = self.compute(pull)
        if not mergeable:
            raise RefusalError(405, "Pull Request is not mergeable")
        if self.queue_of(pull.base):
            raise RefusalError(
                405, "Repository rule violations found\n\nChanges must be made through the merge queue\n\n"
            )
        obstacles = self.obstacles(pull)
        if obstacles:
            raise RefusalError(405, obstacles[0])
        if state == "behind":
            # Checks of a head without the newest base do not count, and GitHub says no more than that.
            rules = next(one for one in self.protections_of(pull.base) if one.is_strict and one.checks)
            raise RefusalError(405, rules.say(_expected(rules.checks)))
        self._require_method(pull, method)

    def _require_method(self, pull: Pull, method: Method) -> None:
        for rules in self.protections_of(pull.base):
            if rules.linear and method == "merge":
                raise RefusalError(405, rules.say("This branch must not contain merge commits."))
            if method not in rules.methods:
                raise RefusalError(405, f"{_PLURALS[method]} are not allowed on this repository.")

    def merge(
        self, pull: Pull, method: Method, *, login: str, title: str | None = None, message: str | None = None
    ) -> str:
        """Merges, whatever the rules; the commit that base is at now. Raises RefusalError."""
        base_sha, head_sha = pull.base_sha, pull.head_sha
        tree = self.repository.merged_tree(base_sha, head_sha)
        if tree is None:
            raise RefusalError(405, "Pull Request is not mergeable")
        if method == "rebase":
            tip = self.repository.rebased(base_sha, head_sha)
            if tip is None:
                raise RefusalError(405, "This branch can't be rebased")
        else:
            text = self._message(pull, method, title, message)
            parents = [base_sha, head_sha] if method == "merge" else [base_sha]
            tip = self.repository.commit(tree, parents, text, like=head_sha if method == "squash" else None)
        if not self.repository.move(f"refs/heads/{pull.base}", tip, base_sha):
            raise RefusalError(405, "Base branch was modified. Review and try the merge again.")
        self._end(pull, "merged", sha=tip, login=login)
        if self.deletes_branches and pull.head_owner == self.owner:
            self.repository.move(pull.head_ref, None, head_sha)
        return tip

    def _message(self, pull: Pull, method: Method, title: str | None, message: str | None) -> str:
        if method == "merge":
            title = title or f"Merge pull request #{pull.number} from {pull.head_owner}/{pull.branch}"
            message = pull.title if message is None else message
        else:
            subjects = [
                self.repository.message(sha).split("\n")[0]
                for sha in self.repository.commits(pull.base_sha, pull.head_sha)
            ]
            title = title or f"{pull.title} (#{pull.number})"
            message = "\n\n".join(f"* {subject}" for subject in subjects) if message is None else message
        return f"{title}\n\n{message}".strip()


def _expected(checks: tuple[str, ...]) -> str:
    if len(checks) == 1:
        return f'Required status check "{checks[0]}" is expected.'
    return f"{len(checks)} of {len(checks)} required status checks are expected."


_PLURALS = {"merge": "Merge commits", "squash": "Squash merges", "rebase": "Rebase merges"}
