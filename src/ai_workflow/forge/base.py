"""The port: what aiw asks of any forge, and how one says no (spec §6.5).

An adapter translates and decides nothing. Reading may be repeated, and is, by `forge.transport`. Writing is asked once:
when no answer came, nobody knows whether it was done (`Cause` `unanswered`), and the caller looks before it asks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from ai_workflow.models.forge import ForgeComment, ForgeRequest, Method, Standing
from ai_workflow.policy.forges import Place

Cause = Literal[
    "no_credentials",
    "bad_credentials",
    "forbidden",
    "not_found",
    "invalid",
    "head_moved",
    "not_mergeable",
    "rate_limited",
    "offline",
    "server",
    "unanswered",
    "unexpected",
]
"""Why a forge did not do what it was asked.

- `no_credentials`: nobody gave a token. `bad_credentials`: it is unknown, expired or revoked.
- `forbidden`: the token is known and may not do this. `not_found`: neither may it see whether this exists.
- `invalid`: the forge named what is wrong with the question. `head_moved`: the branch has another tip by now.
- `not_mergeable`: refused by a conflict or a rule. `rate_limited`: to be asked again at `until_s`.
- `offline`: it was not reached, so nothing was done. `server`: it failed itself, and did nothing as it says.
- `unanswered`: the question went out, and no answer came. `unexpected`: an answer that makes no sense.
"""


class ForgeError(Exception):
    """A forge did not do what it was asked.

    Attributes:
        cause: which of `Cause`.
        message: what it said, as part of a sentence; made one line, without secrets.
        until_s: seconds since 1970 when it may be asked again, if it said so.
        status: that of HTTP, if it answered; for adapters of forges that mean another cause by it.
    """

    def __init__(self, cause: Cause, message: str, *, until_s: float | None = None, status: int | None = None) -> None:
        from ai_workflow.policy.secrets import mask

        # A forge's own words are in it.
        shown = "".join(char if char.isprintable() else " " for char in message[:4000])
        self.message = mask(" ".join(shown.split()))[:1000]
        super().__init__(self.message)
        self.cause: Cause = cause
        self.until_s = until_s
        self.status = status


class Forge(Protocol):
    """One project on one forge. Every method raises ForgeError."""

    name: str
    """For people: `GitHub`."""
    place: Place

    def find_requests(self, branch: str) -> tuple[ForgeRequest, ...]:
        """Requests for a branch of this project, whatever their status and base; the newest first."""

    def read_request(self, number: int) -> ForgeRequest:
        """One request as it is now."""

    def create_request(self, *, branch: str, base: str, title: str, body: str, is_draft: bool) -> ForgeRequest:
        """Opens a request. `invalid` when the branch has one, or nothing that base lacks."""

    def update_request(
        self, number: int, *, title: str | None = None, body: str | None = None, base: str | None = None
    ) -> ForgeRequest:
        """Changes what is given and leaves the rest."""

    def set_ready(self, request: ForgeRequest) -> None:
        """Makes a draft a request for review."""

    def furnish(
        self, number: int, *, labels: Sequence[str], reviewers: Sequence[str], milestone: str | None
    ) -> tuple[str, ...]:
        """Adds labels, reviewers and a milestone (by title); nothing of these is taken away.

        Returns:
            A sentence for each that the forge does not know.
        """

    def read_standing(self, number: int) -> Standing:
        """All that decides whether the request may be merged."""

    def merge(self, request: ForgeRequest, *, head_sha: str, method: Method, title: str, message: str) -> None:
        """Merges, if the branch's tip still is `head_sha`. That it is merged is for the caller to see."""

    def merge_later(self, request: ForgeRequest, *, head_sha: str, method: Method) -> None:
        """Lets the forge merge once all that it asks for is there (auto-merge)."""

    def enqueue(self, request: ForgeRequest, *, head_sha: str) -> None:
        """Puts what may be merged into the merge queue (train)."""

    def list_comments(self, number: int) -> tuple[ForgeComment, ...]:
        """What people wrote in review, the oldest first; neither by aiw nor by the forge itself."""

    def close(self) -> None:
        """Ends connections."""
