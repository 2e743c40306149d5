"""Finds commits by the trailers that aiw wrote into them, wherever in the message they stand (spec §7.5)."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ai_workflow.git.runner import Git
from ai_workflow.models.base import Record

_PREFIX = "Aiw-"


class TrailedCommit(Record, frozen=True, kw_only=True):
    """A commit with trailers of aiw's."""

    sha: str
    trailers: dict[str, str]
    """Key without `Aiw-` → value; of repeated keys the last, as a squash puts several messages into one."""
    tasks: tuple[str, ...]
    """Every task that it names: more than one after a squash."""


def find_commits(git: Git, key: str, values: Sequence[str], *, tips: Sequence[str]) -> tuple[TrailedCommit, ...]:
    """Commits whose trailer `Aiw-<key>` is one of the values, newest first.

    Args:
        values: ids, of plain characters.
        tips: where to look from.

    Raises:
        AiwError: GIT for an unknown tip.
    """
    if not values or not tips:
        return ()
    patterns = [f"--grep=^[ \t]*{_PREFIX}{key}: {value}[ \t\r]*$" for value in values]
    stdin = "".join(f"{tip}\n" for tip in tips).encode()
    done = git.run("log", "--stdin", "--format=%H%n%B%x00", "--extended-regexp", *patterns, stdin=stdin)
    return tuple(_parse(os.fsdecode(text).lstrip("\n")) for text in done.stdout.split(b"\0") if text.strip())


def _parse(text: str) -> TrailedCommit:
    sha, _, message = text.partition("\n")
    trailers: dict[str, str] = {}
    tasks: list[str] = []
    for line in message.splitlines():
        name, is_trailer, value = line.strip().partition(": ")
        if is_trailer and name.startswith(_PREFIX):
            trailers[name.removeprefix(_PREFIX)] = value.strip()
            if name == f"{_PREFIX}Task":
                tasks.append(value.strip())
    return TrailedCommit(sha=sha, trailers=trailers, tasks=tuple(dict.fromkeys(tasks)))
