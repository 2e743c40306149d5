"""Comma-separated values of plan fields: splitting them, titles with commas in them included, and joining. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from ai_workflow.models.base import Record

NOTHING = frozenset({"", "-", "none"})
"""Items that say "there are none"."""
_GAP = re.compile(r"\s*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)


def normalise_title(title: str) -> str:
    """The form in which titles are compared: case, spacing, Unicode composition and a final period do not count."""
    text = unicodedata.normalize("NFC", " ".join(title.split())).casefold()
    return text.rstrip(" .") or text


class Titles(Record, frozen=True, kw_only=True):
    """The titles that a list may name."""

    known: frozenset[str] = frozenset()
    """Normalised."""
    most_commas: int = 0


NO_TITLES = Titles()


def index_titles(titles: Iterable[str]) -> Titles:
    """The titles, made ready for splitting lists."""
    known = frozenset(normalise_title(title) for title in titles)
    return Titles(known=known, most_commas=max((title.count(",") for title in known), default=0))


def split_items(text: str, *, titles: Titles = NO_TITLES) -> tuple[tuple[str, int], ...]:
    """The items of the list with the offset of each in `text`; empty items are left out.

    Args:
        text: the value of a field.
        titles: where several of them fit, the longest wins, so that a title may hold commas.

    An item in double quotes is taken literally (`\\"` and `\\\\` inside it), commas and all. Words for nothing
    (`none`, `-`) are left out unless they are quoted.
    """
    ends = [match.start() for match in re.finditer(",", text)] + [len(text)]
    found: list[tuple[str, int]] = []
    start = at = 0
    while at < len(ends):
        item, used = _take_item(text, start, ends[at : at + titles.most_commas + 1], titles=titles)
        if item is not None:
            found.append((item, start + len(text[start : ends[at]]) - len(text[start : ends[at]].lstrip())))
        while at < len(ends) and ends[at] < start + used:
            at += 1
        start = ends[at] + 1 if at < len(ends) else len(text)
        at += 1
    return tuple(found)


def _take_item(text: str, start: int, ends: Sequence[int], *, titles: Titles) -> tuple[str | None, int]:
    """The item that begins at `start`, and how many characters it takes up; `ends` are the next commas."""
    for end in reversed(ends[1:]):
        candidate = text[start:end].strip()
        if normalise_title(candidate) in titles.known:
            return candidate, end - start
    piece = text[start : ends[0]]
    quote = start + len(piece) - len(piece.lstrip())
    match = _QUOTED.match(text, quote)
    if match is not None:
        behind = _GAP.match(text, match.end())
        assert behind is not None
        if text[behind.end() : behind.end() + 1] in ("", ","):
            return _without_escapes(match.group(1)), behind.end() - start
    item = strip_code(piece)
    return (None if item.casefold() in NOTHING else item), ends[0] - start


def _without_escapes(text: str) -> str | None:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL).strip() or None


def strip_code(text: str) -> str:
    """The text without white space and without a pair of backticks around all of it.

    Plans written as Markdown show commands and paths as code; the backticks are no part of either.
    """
    text = text.strip()
    while len(text) > 2 and text[0] == text[-1] == "`" and "`" not in text[1:-1]:
        text = text[1:-1].strip()
    return text


def join_items(items: Sequence[str], *, titles: Titles = NO_TITLES) -> str:
    """The list that `split_items` with the same titles reads back as these items; quotes only where needed."""
    plain = ", ".join(items)
    if _reads_as(plain, items, titles=titles):
        return plain
    careful = ", ".join(item if _reads_as(item, (item,), titles=NO_TITLES) else _quoted(item) for item in items)
    return careful if _reads_as(careful, items, titles=titles) else ", ".join(_quoted(item) for item in items)


def _reads_as(text: str, items: Sequence[str], *, titles: Titles) -> bool:
    return [item for item, _ in split_items(text, titles=titles)] == list(items)


def _quoted(item: str) -> str:
    return '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'
