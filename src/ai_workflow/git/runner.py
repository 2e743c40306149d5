"""The one factory of git processes (spec §7.2).

Every call has a cleaned environment, no prompt, no pager, closed stdin and fixed settings; every output that is parsed
is NUL-separated plumbing or porcelain. Nothing here or above decides on the English of a message.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ai_workflow.errors import AiwError, Kind
from ai_workflow.process import Completed, run
from ai_workflow.repository_variables import REPOSITORY_VARIABLES

MINIMUM_VERSION = (2, 38)
"""`git merge-tree --write-tree` appeared in 2.38."""

_SIGNALLED = 128
"""A wrapper of git (a script) passes on the death of git as an exit code above this one."""

_LEFT_OUT = REPOSITORY_VARIABLES | {
    # What changes the meaning of paths or of output.
    "GIT_DIFF_OPTS",
    "GIT_EXTERNAL_DIFF",
    "GIT_GLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "GIT_LITERAL_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_PAGER",
}

_SETTINGS = (
    "-c", "core.quotePath=false",
    "-c", "core.fsmonitor=false",  # a repository may name a program here; and a daemon would keep our lock
    "-c", "gc.auto=0",  # no background process of ours while work is under way
    "-c", "maintenance.auto=false",
    "-c", "submodule.recurse=false",
    "-c", "advice.detachedHead=false",
    "-c", "color.ui=false",
    "-c", "log.showSignature=false",  # it starts gpg, and puts what that says among the lines that are read
)  # fmt: skip


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without what points git at another repository; identity, ssh and credentials stay."""
    environment = {key: value for key, value in os.environ.items() if key not in _LEFT_OUT}
    environment.update(extra or {})
    return environment


class Git:
    """Git in one folder.

    Attributes:
        cwd: where commands run; the top of the work tree, so that paths in and out are relative to it.
    """

    def __init__(self, cwd: str) -> None:
        self.cwd = cwd
        self.held_locks: tuple[int, ...] = ()
        """Descriptors of kernel locks handed to children that change the repository locally: an orphan keeps them."""
        self.move_note: tuple[str, str] | None = None
        """Path of the note on a move of the work tree, and of the file HEAD; see `git.half_moves`."""
        self.has_lost_child = False
        """Whether a child did not end by itself, so that it may have left lock files of git."""
        self.has_named_lock = False
        """Whether a child said something of a lock file: one that fails to remove its own says so and goes on."""

    def run(
        self,
        *args: str,
        ok: Sequence[int] | None = (0,),
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Completed:
        """Runs plumbing whose output may be parsed.

        Args:
            ok: exit codes that are expected; None accepts all.
            env: added to the cleaned environment.

        Raises:
            AiwError: GIT with git's own words when the exit code is not expected; IO when git is missing.
        """
        extra = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_LITERAL_PATHSPECS": "1"}
        extra.update(env or {})
        argv = ("git", "--no-pager", *_SETTINGS, *args)
        done = self._run(argv, extra, stdin=stdin, timeout_s=timeout_s, pass_fds=self.held_locks)
        if ok is not None and done.returncode not in ok:
            raise git_error(done, args)
        return done

    def run_for_user(
        self,
        *args: str,
        env: Mapping[str, str] | None = None,
        ok: Sequence[int] | None = (0,),
        stdin: bytes | None = None,
    ) -> Completed:
        """Runs a command in which hooks, signing or credentials of the user take part.

        The user's locale and terminal stay (passphrases are asked there); the output is only shown, never parsed.
        Locks are not handed down: a hook or a credential helper may leave a daemon behind.

        Raises:
            AiwError: as `run`.
        """
        extra = dict(env or {})
        if not os.isatty(0):
            extra.setdefault("GIT_TERMINAL_PROMPT", "0")
        extra.setdefault("GIT_EDITOR", "true")
        argv = ("git", "--no-pager", *_SETTINGS, *args)
        done = self._run(argv, extra, stdin=stdin)
        if ok is not None and done.returncode not in ok:
            raise git_error(done, args)
        return done

    def _run(
        self,
        argv: Sequence[str],
        extra: Mapping[str, str],
        *,
        stdin: bytes | None,
        timeout_s: float | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Completed:
        try:
            done = run(
                argv,
                cwd=self.cwd,
                env=clean_environment(extra),
                stdin=stdin,
                timeout_s=timeout_s,
                pass_fds=pass_fds,
            )
        except BaseException:
            self.has_lost_child = True
            raise
        self.has_lost_child = self.has_lost_child or self.is_lost(done)
        self.has_named_lock = self.has_named_lock or b".lock" in done.stderr
        return done

    @staticmethod
    def is_lost(done: Completed) -> bool:
        """Whether something ended git from outside, so that what it did is neither done nor refused."""
        return done.returncode < 0 or done.returncode > _SIGNALLED

    def line(self, *args: str, env: Mapping[str, str] | None = None) -> str:
        """The single line that the command prints. Raises as `run`."""
        return os.fsdecode(self.run(*args, env=env).stdout).rstrip("\n")

    def find_line(self, *args: str) -> str | None:
        """The single line, or None when the command fails."""
        done = self.run(*args, ok=None)
        return os.fsdecode(done.stdout).rstrip("\n") if done.returncode == 0 else None


def git_error(done: Completed, args: Sequence[str], *, hint: str | None = None) -> AiwError:
    """The failure in git's own words, as an error."""
    words = message_of(done)
    name = next((arg for arg in args if not arg.startswith("-") and "=" not in arg), "git")
    return AiwError(Kind.GIT, f"git {name} failed (exit {done.returncode}): {words}", hint=hint)


def message_of(done: Completed) -> str:
    """What git, or a hook through it, wrote: stderr, else stdout; at most 4,000 characters, the end of it.

    Without secrets, since it becomes part of blockers and records: a hook prints what it likes, git URLs.
    """
    from ai_workflow.policy.secrets import mask

    text = mask((done.stderr.strip() or done.stdout.strip()).decode("utf-8", "replace"))
    return text[-4000:] or "no message"


def split_nul(data: bytes) -> list[str]:
    """The NUL-terminated fields, as file-system text."""
    return [os.fsdecode(field) for field in data.split(b"\0") if field]
