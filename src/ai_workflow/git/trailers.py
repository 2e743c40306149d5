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


class Message(Record, frozen=True, kw_only=True):
    """A commit with trailers of aiw's, and its whole message."""

    sha: str
    committed_s: int
    """Seconds since the epoch."""
    lines: tuple[str, ...]


def read_messages(git: Git, *, tips: Sequence[str], excluded: Sequence[str] = ()) -> tuple[Message, ...]:
    """Every commit with a trailer of aiw's that the tips reach, newest first.

    Args:
        excluded: what these reach is left out.

    Raises:
        AiwError: GIT for an unknown tip.
    """
    if not tips:
        return ()
    stdin = "".join((*(f"{tip}\n" for tip in tips), *(f"^{tip}\n" for tip in excluded))).encode()
    pattern = f"--grep=^[ \t]*{_PREFIX}[A-Z][a-z]*: "
    done = git.run(
        "log", "--stdin", "--topo-order", "--format=%H %ct%n%B%x00", "--extended-regexp", pattern, stdin=stdin
    )
    found = []
    for data in done.stdout.split(b"\0"):
        if data.strip():
            head, *lines = data.decode("utf-8", "replace").lstrip("\n").split("\n")
            sha, _, seconds = head.partition(" ")
            found.append(Message(sha=sha, committed_s=int(seconds), lines=tuple(lines)))
    return tuple(found)


def read_trailer(line: str) -> tuple[str, str] | None:
    """Key without `Aiw-` and value of a line that is a trailer of aiw's, else None. Pure."""
    name, is_trailer, value = line.strip().partition(": ")
    if not is_trailer or not name.startswith(_PREFIX):
        return None
    return name.removeprefix(_PREFIX), value.strip()
