"""The one family of expected errors, and the exit codes of the command line (spec §8).

Whatever a person or an agent can cause is an `AiwError`: a kind for programs, one sentence that says what and
where, and a hint that names the next command. Only the command-line boundary turns it into text.
"""

from __future__ import annotations

DAMAGE_HINT = "see what is damaged: aiw doctor; repair it: aiw doctor --fix; nothing was written over it"
"""What helps against a damaged state file."""

NO_STATE_HINT = "begin one: aiw init; or, where commits hold work of aiw, restore it: aiw state rebuild"
"""What helps where there is no state."""


class ExitCode:
    """Exit codes of `aiw`; docs/spec.md §8."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    BLOCKED = 3
    LIMIT = 4
    DAMAGED = 5
    INTERNAL = 70
    QUOTA = 75
    INTERRUPTED = 130


class Kind:
    """What sort of thing refused; part of the machine interface (`--json` errors)."""

    USAGE = "usage"
    CONFIG = "config"
    STATE = "state"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    LOCKED = "locked"
    GIT = "git"
    CHECK = "check"
    SCOPE = "scope"
    SECRET = "secret"  # noqa: S105 - a word
    PLAN = "plan"
    IO = "io"
    CORRUPT = "corrupt"
    BLOCKED = "blocked"
    TEMPLATE = "template"
    TRUST = "trust"


_EXIT_CODES = {
    Kind.USAGE: ExitCode.USAGE,
    Kind.CORRUPT: ExitCode.DAMAGED,
    Kind.BLOCKED: ExitCode.BLOCKED,
}


class AiwError(Exception):
    """A refusal or an expected failure.

    Attributes:
        kind: one of `Kind`.
        message: one sentence, what and where, without a final newline; may have indented detail lines below it.
        hint: the next thing to type or do, or None.
    """

    def __init__(self, kind: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.hint = hint

    @property
    def exit_code(self) -> int:
        """The process exit code that this error ends a command with."""
        return _EXIT_CODES.get(self.kind, ExitCode.REFUSED)
