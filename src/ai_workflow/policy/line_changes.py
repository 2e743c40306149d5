"""What changed between two versions of a text file, line by line, and how to take it back (spec §7.3). Pure."""

from __future__ import annotations

import hashlib

from ai_workflow.models.operation import Hunk, OwnedChange


def make_owned_change(path: str, before: bytes | None, after: bytes | None) -> OwnedChange:
    """The record of a change of one file; None where there is no file. Bytes that are not UTF-8 give no hunks."""
    old, new = _find_lines(before), _find_lines(after)
    return OwnedChange(
        path=path,
        hunks=() if old is None or new is None else find_hunks(old, new),
        is_text=old is not None and new is not None,
        before_sha256=_digest(before),
        after_sha256=_digest(after),
    )


def find_hunks(before: list[str], after: list[str]) -> tuple[Hunk, ...]:
    """The runs of lines that differ, in order."""
    start = 0
    limit = min(len(before), len(after))
    while start < limit and before[start] == after[start]:
        start += 1
    end = 0
    while end < limit - start and before[-1 - end] == after[-1 - end]:
        end += 1
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    if not old and not new:
        return ()
    if not old or not new:
        return (Hunk(line=start, before=tuple(old), after=tuple(new)),)
    import difflib

    return tuple(
        Hunk(line=start + first, before=tuple(old[begin:stop]), after=tuple(new[first:last]))
        for tag, begin, stop, first, last in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        if tag != "equal"
    )


def take_back(current: bytes | None, change: OwnedChange) -> tuple[bytes | None, str | None]:
    """The file without the change; what a person changed elsewhere in it since stays.

    Args:
        current: the bytes now, None when there is no file.

    Returns:
        The bytes (None: no file) and None; or `current` and why the change cannot be taken back.
    """
    digest = _digest(current)
    if digest == change.before_sha256:
        return current, None
    if change.before_sha256 is None:
        return (None, None) if digest == change.after_sha256 else (current, "it was changed since it was made")
    if current is None and change.after_sha256 is not None:
        return current, "it was deleted since"
    lines = _find_lines(current)
    if lines is None or not change.is_text:
        return current, "it is not UTF-8 text"
    for hunk in reversed(change.hunks):
        place = _find_place(lines, hunk)
        if place is None:
            return current, f"the same lines were changed since (about line {hunk.line + 1})"
        lines[place : place + len(hunk.after)] = hunk.before
    return "".join(lines).encode(), None


def _find_place(lines: list[str], hunk: Hunk) -> int | None:
    """Where the lines of the hunk stand: at their place, or at the only other place where they are."""
    wanted = list(hunk.after)
    size = len(wanted)
    if hunk.line <= len(lines) and lines[hunk.line : hunk.line + size] == wanted:
        return hunk.line
    if not wanted:
        return None
    found = [index for index in range(len(lines) - size + 1) if lines[index : index + size] == wanted]
    return found[0] if len(found) == 1 else None


def _find_lines(data: bytes | None) -> list[str] | None:
    try:
        return (data or b"").decode().splitlines(keepends=True)
    except UnicodeDecodeError:
        return None


def _digest(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()
