"""The part of a command's output that a message or a prompt can bear, made inert. Pure."""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Controls, invisible characters and those that turn the direction of text around."""
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")


def make_inert(text: str) -> str:
    """The text with every character that could act instead of being read written out, e.g. `\\x1b`; lines stay."""
    return _UNSAFE.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def excerpt(text: str, *, max_lines: int, max_bytes: int) -> str:
    """The end of the text, where commands say why they failed.

    Blank lines are joined, those at the end dropped. When something is left out, the first line says how many lines;
    that line comes on top of the limits.

    Args:
        max_lines: at least 1.
        max_bytes: of UTF-8, at least 16; a longer last line loses its beginning.

    Returns:
        Inert text without a final newline; empty when there is nothing but space.
    """
    lines = make_inert(_BLANK_LINES.sub("\n\n", text.replace("\r\n", "\n"))).rstrip().strip("\n").split("\n")
    kept: list[str] = []
    size_bytes = 0
    for line in reversed(lines[-max_lines:]):
        size_bytes += len(line.encode()) + 1
        if size_bytes > max_bytes + 1:
            break
        kept.append(line)
    if not kept:
        kept.append(f"…{_last_bytes(lines[-1], max_bytes - len('…'.encode()))}")
    left_out = len(lines) - len(kept)
    if left_out:
        kept.append(f"[{left_out} more {'line' if left_out == 1 else 'lines'} above]")
    return "\n".join(reversed(kept))


def _last_bytes(line: str, size_bytes: int) -> str:
    return line.encode()[-size_bytes:].decode("utf-8", "ignore")
