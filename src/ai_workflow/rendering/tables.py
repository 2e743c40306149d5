"""Markdown tables and bounded lists, as the reports and the pull request's text are made of. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from ai_workflow.rendering.text import render_code, render_inline

_PIPE = re.compile(r"(\\*)\|")


def render_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; cells are Markdown of one line, and no bar in them ends a cell.

    GitHub's tables are cut at bars before code spans are looked for, so a bar is escaped there too.
    """
    lines = [_row(head), _row(["---"] * len(head))]
    return lines + [_row(row) for row in rows]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_PIPE.sub(_guard, cell) or '-' for cell in cells)} |"


def _guard(match: re.Match[str]) -> str:
    slashes = match.group(1)
    return f"{slashes}\\|" if len(slashes) % 2 == 0 else match.group()


def render_bullets(items: Sequence[str], *, limit: int, more: str = "") -> list[str]:
    """List items, at most `limit`; then how many more there are, and `more` on where they are."""
    lines = [f"- {item}" for item in items[:limit]]
    if len(items) > limit:
        lines.append(f"- and {len(items) - limit} more{more}")
    return lines


def join_codes(texts: Sequence[str], *, limit: int, max_bytes: int) -> str:
    """Code spans one after the other, at most `limit`, and how many more."""
    shown = ", ".join(render_code(text, max_bytes=max_bytes) for text in texts[:limit])
    return f"{shown} and {len(texts) - limit} more" if len(texts) > limit else shown


def inline_of(max_bytes: int) -> Callable[[str], str]:
    """`render_inline` with a bound."""
    return lambda text: render_inline(text, max_bytes=max_bytes)


def format_share(part: int, whole: int) -> str:
    """`3 of 4 (75 %)`; rounded down, so that only all of it is 100 %."""
    return f"{part} of {whole} ({100 * part // whole} %)" if whole else "none"
