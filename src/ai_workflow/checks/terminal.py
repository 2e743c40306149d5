"""Text that was written for a terminal, without what only a terminal understands. Pure."""

from __future__ import annotations

import re

_SEQUENCE = re.compile(
    r"""
    (?:\x1b\[|\x9b) [0-?]* [ -/]* [@-~]?                       # colours, cursor
    | (?:\x1b\]|\x9d) [^\x07\x1b\x9c\n]* (?:\x07|\x1b\\|\x9c)?  # titles, links
    | (?:\x1b[PX^_]|[\x90\x98\x9e\x9f]) [^\x1b\x9c\n]* (?:\x1b\\|\x9c)?
    | \x1b [ -/]* [0-~]?
    """,
    re.VERBOSE,
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def strip_controls(text: str) -> str:
    """The text with line feeds and tabs as its only control characters.

    A carriage return begins a new line, so that nothing that was overwritten on the screen is lost.
    Source: ECMA-48, and xterm's control sequences.
    """
    plain = _SEQUENCE.sub("", text)
    return _CONTROL.sub("", plain.replace("\r\n", "\n").replace("\r", "\n"))
