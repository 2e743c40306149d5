"""GitHub on this machine, as a GitHub Enterprise Server speaks (`/api/v3`, `/api/graphql`), over a bare repository.

    with github_forge(origin) as forge:
        forge.protect("main", checks=("ci",))
        ...  # whatever speaks to `forge.url`
        forge.set_check("feature", "ci", "completed", "failure")

Branches, mergeability and merges are git's own. Every exchange is compared with GitHub's descriptions; leaving the
context fails when there was a violation. It is stricter than GitHub where the description is: what nobody documents,
nobody should send. Not built: forks' own repositories, teams, code owners, deployments, webhooks.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from support.bare_repository import ZERO, BareRepository
from support.contract import Contract, ContractError
from support.github_graphql import GraphQL
from support.github_objects import Writer
from support.github_rest import Rest
from support.github_state import Check, Comment, Method, Project, Protection, Pull, Review, ReviewState
from support.stand_in import Answer, Exchange, StandIn, Token, now

__all__ = ["OTHER_TOKEN", "READ_TOKEN", "TOKEN", "GithubForge", "Protection", "Token", "github_forge"]

TOKEN = "ghp_" + "w" * 36
"""Held by `agent`, who may push."""
READ_TOKEN = "ghp_" + "r" * 36
"""Held by `visitor`, who may read."""
OTHER_TOKEN = "ghp_" + "o" * 36
"""Held by `stranger`, who may not see the project."""

_TOKENS = {
    TOKEN: Token("agent", "write", "repo, workflow"),
    READ_TOKEN: Token("visitor", "read", "repo"),
    OTHER_TOKEN: Token("stranger", "none", ""),
}


class GithubForge(StandIn):
    """The server: `StandIn` for faults and logs, `project` for settings; below, what people do.

    Attributes:
        hub: the project's settings and pull requests.
    """

    def __init__(self, repository: Path, project: str = "o/r") -> None:
        super().__init__(repository, project, api_prefix="/api/v3", tokens=_TOKENS)
        self.git = BareRepository(repository)
        self.hub = Project(self.git, project)
        writer = Writer(self.hub, web=self.url, api=f"{self.url}/api/v3")
        self._rest = Rest(self.hub, writer)
        self._graphql = GraphQL(self.hub, writer)
        self._contract = Contract.load("github")
        self._late = 0

    # Settings.

    def protect(self, branch: str = "main", **rules: Any) -> None:
        """Adds a protection; the arguments are those of `Protection`."""
        with self.lock:
            self.hub.protections.setdefault(branch, []).append(Protection(**rules))

    def unprotect(self, branch: str = "main") -> None:
        """Takes all of them away."""
        with self.lock:
            self.hub.protections.pop(branch, None)

    def add_milestone(self, title: str) -> int:
        """Its number."""
        with self.lock:
            number = len(self.hub.milestones) + 1
            self.hub.milestones[number] = title
            return number

    def limit_rate(
        self,
        match: str = ".",
        *,
        reset_in_s: int = 60,
        retry_after_s: int | None = None,
        status: Literal[403, 429] = 403,
        times: int = 1,
    ) -> None:
        """The primary limit; with `retry_after_s` a secondary one."""
        if retry_after_s is None:
            message = "API rate limit exceeded for user ID 1."
            headers = {
                "X-RateLimit-Limit": "5000",
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Used": "5000",
                "X-RateLimit-Reset": str(int(time.time()) + reset_in_s),
                "X-RateLimit-Resource": "core",
            }
        else:
            message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
            headers = {"Retry-After": str(retry_after_s)}
        self.fail_next(
            match, status, body={"message": message, "documentation_url": _DOCS}, headers=headers, times=times
        )

    def be_late(self, readings: int) -> None:
        """Sees pushes that come now after so many readings only, or with the next change: heads are the old ones."""
        with self.lock:
            self.hub.sync()
            self._late = readings

    # What people do.

    def pull(self, number: int) -> Pull:
        """One as it is now."""
        with self.lock:
            self.hub.sync()
            return self.hub.pulls[number]

    def open_by_hand(
        self, branch: str, base: str = "main", *, title: str = "By hand", body: str | None = None, login: str = "human"
    ) -> int:
        """A pull request that somebody else opens; its number."""
        with self.lock:
            return self.hub.open(branch=branch, base=base, title=title, body=body, login=login).number

    def open_from_fork(self, branch: str, sha: str, *, owner: str = "stranger", base: str = "main") -> int:
        """One whose branch is that of a fork, whatever this repository calls so; its number."""
        with self.lock:
            foreign = (owner, sha)
            return self.hub.open(
                branch=branch, base=base, title="From a fork", body=None, login=owner, foreign=foreign
            ).number

    def merge_by_hand(self, number: int, method: Method = "merge", *, login: str = "human") -> str:
        """Past all rules, as an administrator may; the commit that base is at now."""
        with self.lock:
            self.hub.sync()
            return self.hub.merge(self.hub.pulls[number], method, login=login)

    def close_by_hand(self, number: int) -> None:
        """Without a merge."""
        with self.lock:
            self.hub.close(self.hub.pulls[number])

    def reopen_by_hand(self, number: int) -> None:
        """A closed one."""
        with self.lock:
            self.hub.reopen(self.hub.pulls[number])

    def push_by_hand(
        self,
        branch: str,
        files: Mapping[str, str | None],
        *,
        message: str = "By hand",
        parent: str | None = None,
        login: str = "human",
    ) -> str:
        """A commit with these files (None: without) at the tip of the branch; its sha.

        Args:
            parent: another revision to put it on, as a forced push does; a new branch begins at the default branch.
        """
        with self.lock:
            old = self.git.refs().get(f"refs/heads/{branch}")
            start = self.git.find_commit(parent or old or self.hub.default_branch)
            assert start is not None
            sha = self.git.commit_files(files, message, parent=start, author=login)
            assert self.git.move(f"refs/heads/{branch}", sha, old or ZERO)
            self.hub.sync()
            return sha

    def delete_by_hand(self, branch: str) -> None:
        """Takes a branch away, which closes its pull requests."""
        with self.lock:
            self.git.git("update-ref", "-d", f"refs/heads/{branch}")
            self.hub.sync()

    def review(self, number: int, login: str, state: ReviewState, body: str = "") -> int:
        """Submits one on the present head; its id. Who is asked for one is not any more."""
        with self.lock:
            self.hub.sync()
            pull = self.hub.pulls[number]
            review = Review(self.hub.new_id(), login, state, body, pull.head_sha, now())
            pull.reviews.append(review)
            pull.reviewers = [one for one in pull.reviewers if one != login]
            return review.id

    def dismiss(self, number: int, review: int) -> None:
        """Takes what a review decided back."""
        with self.lock:
            next(one for one in self.hub.pulls[number].reviews if one.id == review).state = "DISMISSED"

    def comment(
        self,
        number: int,
        login: str,
        text: str,
        *,
        path: str | None = None,
        line: int | None = None,
        reply_to: int | None = None,
    ) -> int:
        """In the conversation, or on a file (and line), which begins or continues a thread; its id."""
        with self.lock:
            pull = self.hub.pulls[number]
            if reply_to is not None:
                first = next(one for one in pull.comments if one.id == reply_to)
                path, line, reply_to = first.path, first.line, first.thread
            pull.comments.append(
                Comment(self.hub.new_id(), login, text, now(), pull.head_sha, path=path, line=line, reply_to=reply_to)
            )
            return pull.comments[-1].id

    def resolve(self, number: int, comment: int, *, is_resolved: bool = True) -> None:
        """The thread that a comment belongs to."""
        with self.lock:
            pull = self.hub.pulls[number]
            thread = next(one.thread for one in pull.comments if one.id == comment)
            pull.threads[thread][0].is_resolved = is_resolved

    def set_check(
        self,
        revision: str,
        name: str,
        status: str = "completed",
        conclusion: str | None = None,
        kind: Literal["check_run", "status"] = "check_run",
    ) -> None:
        """What a check says of a branch's tip or a commit.

        Args:
            status: of a check run `queued`, `in_progress`, `completed`; of a status `success`, `failure`, `error`,
                `pending`.
            conclusion: of a completed check run; success if not given.
        """
        with self.lock:
            sha = self.git.find_commit(revision)
            assert sha is not None, revision
            if kind == "check_run" and status == "completed":
                conclusion = conclusion or "success"
            self.hub.checks.append(Check(self.hub.new_id(), kind, sha, name, status, conclusion, now()))

    def run_queue(self, branch: str = "main") -> list[int]:
        """Merges what is in the merge queue and fulfils the rules, the first one first; their numbers."""
        merged = []
        with self.lock:
            queue = self.hub.queue_of(branch)
            assert queue is not None
            self.hub.sync()
            waiting = [one for one in self.hub.pulls.values() if one.queued_at and one.base == branch]
            for pull in sorted(waiting, key=lambda one: (one.queued_at or "", one.number)):
                self.hub.sync()
                if pull.state == "open" and self.hub.is_ready(pull):
                    self.hub.merge(pull, queue, login="github-merge-queue[bot]")
                    merged.append(pull.number)
                else:
                    pull.queued_at = None
        return merged

    # The API.

    def answer(self, exchange: Exchange) -> Answer:
        """Checks who asks, then lets REST or GraphQL answer."""
        token = self.token_of(exchange)
        if not exchange.headers.get("user-agent"):
            return Answer(403, b"Request forbidden by administrative rules. Please make sure it has a User-Agent.")
        if self._late and exchange.method == "GET":
            self._late -= 1
        else:
            self.hub.sync()
        if exchange.has_token and token is None:
            answer = Answer(401, {"message": "Bad credentials", "documentation_url": _DOCS, "status": "401"})
        elif exchange.path in _GRAPHQL:
            answer = self._graphql.answer(exchange, token)
        else:
            answer = self._rest.answer(exchange, token, is_private=self.is_private)
        answer.headers = {**_headers(len(self.log), token), **answer.headers}
        return answer

    def name_operation(self, exchange: Exchange) -> str:
        """The fields that GraphQL is asked for."""
        return self._graphql.name(exchange) if exchange.path in _GRAPHQL else ""

    def inspect(self, exchange: Exchange, answer: Answer | None) -> None:
        """By GitHub's descriptions."""
        if exchange.path in _GRAPHQL:
            self.violations += self._graphql.faults(exchange)
            return
        try:
            self._contract.check_request(exchange.method, exchange.path, exchange.query, exchange.body)
            if answer is not None:
                self._contract.check_response(exchange.method, exchange.path, answer.status, answer.body)
        except ContractError as error:
            self.violations.append(str(error))


_GRAPHQL = ("/api/graphql", "/graphql")
"""Of a server of one's own, and of the hosted one."""
_DOCS = "https://docs.github.com/rest"


def _headers(count: int, token: Token | None) -> dict[str, str]:
    limit = 5000 if token else 60
    headers = {
        "X-GitHub-Request-Id": f"{count:04X}",
        "X-GitHub-Media-Type": "github.v3; format=json",
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(limit - count),
        "X-RateLimit-Used": str(count),
        "X-RateLimit-Reset": str(int(time.time()) + 3600),
        "X-RateLimit-Resource": "core",
    }
    return headers | ({"X-OAuth-Scopes": token.scopes, "X-Accepted-OAuth-Scopes": "repo"} if token else {})


@contextlib.contextmanager
def github_forge(repository: Path, project: str = "o/r") -> Iterator[GithubForge]:
    """A server while it is needed; fails at the end when anything was against GitHub's descriptions."""
    with GithubForge(repository, project) as forge:
        yield forge
        assert not forge.violations, "\n".join(forge.violations)
