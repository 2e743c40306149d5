"""Runs the check commands of a task, one after the other, and records what each did (spec §6.4 step 5)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence

from ai_workflow.checks.live import LiveOutput
from ai_workflow.checks.terminal import strip_controls
from ai_workflow.config.schema import CheckCommand
from ai_workflow.errors import AiwError
from ai_workflow.models.run import CheckResult, CheckStatus
from ai_workflow.policy.secrets import mask
from ai_workflow.process import run, run_watched
from ai_workflow.repository_variables import REPOSITORY_VARIABLES

__all__ = ["CheckCommand", "check_environment", "run_checks"]

CHECK_VARIABLE = "AIW_CHECK"
"""Set to 1 in every check, so that a test suite can tell."""

_NOT_FOUND = 127
"""What a shell ends with when it found no such command (POSIX, Shell Command Language 2.8.2)."""
_PROGRAM = re.compile(r"[\w.+-]+")
"""A name to be found on PATH; a path is a file of the repository, and its absence may well be the task's fault."""
_TAIL_BYTES = 64 * 1024
_NOTE_BYTES = 100
"""Room for the line that says what was left out."""
_CONTINUATION_BYTES = bytes(range(0x80, 0xC0))


_LEFT_OUT = REPOSITORY_VARIABLES | {"GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS"}


def check_environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for checks: the given one (None: ours) without what points git at a repository or an index.

    A test suite that makes repositories of its own would otherwise write into ours when aiw was started by a hook.
    """
    inherited = os.environ if env is None else env
    return {**{name: value for name, value in inherited.items() if name not in _LEFT_OUT}, CHECK_VARIABLE: "1"}


def run_checks(
    commands: Sequence[CheckCommand],
    *,
    cwd: str | os.PathLike[str],
    env: Mapping[str, str] | None = None,
    on_output: Callable[[bytes], None] | None = None,
    on_start: Callable[[CheckCommand], None] | None = None,
) -> tuple[CheckResult, ...]:
    """Runs every command, also after one has failed, and returns a result for each, in the same order.

    Args:
        commands: what to run; a time-out ends only its own command.
        cwd: the folder that all of them run in.
        env: what they inherit; None is our own environment. See `check_environment`.
        on_output: called with the output as it comes, line by line where lines end, undecoded and without secrets.
        on_start: called before each command.

    Raises:
        KeyboardInterrupt: after the running command and all it started was ended.

    Effects: processes; nothing else.
    """
    environment = check_environment(env)
    results = []
    for command in commands:
        if on_start is not None:
            on_start(command)
        results.append(_run_check(command, cwd=cwd, env=environment, on_output=on_output))
    return tuple(results)


def _run_check(
    command: CheckCommand,
    *,
    cwd: str | os.PathLike[str],
    env: Mapping[str, str],
    on_output: Callable[[bytes], None] | None,
) -> CheckResult:
    live = LiveOutput(on_output) if on_output is not None else None
    shown = mask(command.run)
    try:
        done = run_watched(
            command.run,
            cwd=cwd,
            env=env,
            timeout_s=command.timeout_s,
            on_output=live.feed if live else None,
            on_idle=live.rest if live else None,
            tail_bytes=_TAIL_BYTES,
        )
    except AiwError as error:
        return CheckResult(
            command=shown, status="not_started", exit_code=None, duration_s=0.0, output_tail=mask(error.message)
        )
    if live is not None:
        live.rest()
    status: CheckStatus = "failed"
    if done.timed_out:
        status = "timed_out"
    elif done.returncode == 0:
        status = "passed"
    elif done.returncode == _NOT_FOUND and _is_missing(command.run, cwd=cwd, env=env):
        status = "not_started"
    return CheckResult(
        command=shown,
        status=status,
        exit_code=None if status == "not_started" else done.returncode,
        duration_s=round(done.duration_s, 3),
        output_tail=_render_tail(done.tail, truncated_bytes=done.truncated_bytes),
        timed_out=done.timed_out,
    )


def _is_missing(command: str, *, cwd: str | os.PathLike[str], env: Mapping[str, str]) -> bool:
    """Whether the program that the command begins with is not there, so that the task cannot be at fault.

    A shell gives the same exit code when a script did not find something; only the first word is asked about.
    """
    word = command.split(maxsplit=1)[0] if command.strip() else ""
    if _PROGRAM.fullmatch(word) is None:
        return False
    asked = run(("/bin/sh", "-c", 'command -v "$1"', "sh", word), cwd=cwd, env=env)
    return asked.returncode != 0


def _render_tail(tail: bytes, *, truncated_bytes: int) -> str:
    """The output as text without terminal controls and secrets, at most 64 KiB of UTF-8, saying what is missing."""
    if truncated_bytes:
        # The cut may have gone through a character.
        tail = tail[:3].lstrip(_CONTINUATION_BYTES) + tail[3:]
    text = mask(strip_controls(tail.decode("utf-8", "replace")))
    data = text.encode("utf-8")
    # Each byte that is no text has become three.
    if not truncated_bytes and len(data) <= _TAIL_BYTES:
        return text
    kept = data[-(_TAIL_BYTES - _NOTE_BYTES) :].decode("utf-8", "ignore")
    return f"[output before this is left out: {truncated_bytes + len(data) - len(kept.encode())} bytes]\n{kept}"
