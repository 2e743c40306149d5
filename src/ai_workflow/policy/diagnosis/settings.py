"""What the settings say that has no effect, or cannot work (spec §2, §6.4 step 5). Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping

from ai_workflow.config.keys import Status
from ai_workflow.config.place import CONFIG_NAME
from ai_workflow.config.schema import Config
from ai_workflow.policy.diagnosis.finding import Diagnosis

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_BUILT_IN = frozenset(
    (
        *(".", ":", "alias", "bg", "break", "case", "cd", "command", "continue", "do", "done", "echo", "elif", "else"),
        *("esac", "eval", "exec", "exit", "export", "false", "fi", "for", "getopts", "hash", "if", "jobs", "kill"),
        *("local", "printf", "pwd", "read", "readonly", "return", "set", "shift", "test", "then", "time", "times"),
        *("trap", "true", "type", "ulimit", "umask", "unalias", "unset", "until", "wait", "while"),
    )
)
"""Words that a POSIX shell knows by itself."""


def diagnose_settings(
    config: Config, given: Mapping[str, tuple[int, Status]], *, finds: Callable[[str], bool]
) -> Iterator[Diagnosis]:
    """What is worth saying of a valid config.

    Args:
        given: the keys that the file gives → line and status.
        finds: whether a program is there: a name on the PATH, or a path relative to the root.
    """
    yield from _diagnose_keys(given)
    line = given["agent.checks"][0] if "agent.checks" in given else None
    if not config.agent.checks:
        yield Diagnosis(
            level="warning",
            code="no-checks",
            message="agent.checks is empty: only the Verify lines of the tasks prove anything",
            path=CONFIG_NAME,
            line=line,
            fix=f"name the commands that must pass under agent.checks in {CONFIG_NAME}",
        )
    for check in config.agent.checks:
        program = find_program(check.run)
        if program is not None and not finds(program):
            yield Diagnosis(
                level="warning",
                code="check-program-missing",
                message=f"the check `{check.run}` needs {program}, which is not found",
                path=CONFIG_NAME,
                line=line,
                fix=f"install {program}, or correct agent.checks in {CONFIG_NAME}",
            )
    prefix = find_program(config.agent.command_prefix)
    if prefix is not None and not finds(prefix):
        yield Diagnosis(
            level="warning",
            code="prefix-program-missing",
            message=f"every command that aiw suggests begins with `{config.agent.command_prefix}`, and {prefix} is not"
            " found",
            path=CONFIG_NAME,
            line=given["agent.command_prefix"][0] if "agent.command_prefix" in given else None,
            fix=f"install {prefix}, or leave agent.command_prefix empty in {CONFIG_NAME}",
        )


def _diagnose_keys(given: Mapping[str, tuple[int, Status]]) -> Iterator[Diagnosis]:
    for status, code, what in (
        ("dead", "keys-without-effect", "have no effect any more"),
        ("reserved", "keys-reserved", "are kept, and this release does nothing with them yet"),
    ):
        found = [(line, name) for name, (line, kind) in given.items() if kind == status]
        if found:
            shown = ", ".join(f"{name} (line {line})" for line, name in found)
            verb = what if len(found) > 1 else what.replace("have", "has").replace("are", "is").replace("them", "it")
            yield Diagnosis(level="info", code=code, message=f"{shown} {verb}", path=CONFIG_NAME, line=found[0][0])


def find_program(line: str) -> str | None:
    """The program that a shell line starts first; None when the shell itself does it, or that cannot be told."""
    first = next((text for text in line.split("\n") if text.strip() and not text.lstrip().startswith("#")), "")
    try:
        words = shlex.split(first, comments=True)
    except ValueError:
        return None
    program = next((word for word in words if not _ASSIGNMENT.match(word)), "")
    if program in _BUILT_IN or not all(
        _PLAIN.fullmatch(part) for part in program.split("/") if part not in ("", "..", ".")
    ):
        return None
    return program or None
