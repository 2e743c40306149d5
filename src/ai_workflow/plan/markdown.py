"""Reads Markdown text as numbered lines, with code fences and HTML comments set apart as opaque blocks. Pure.

A block is text wherever it stands: nothing inside it is ever taken for a heading, a bullet or a field. A comment is a
block only when its line begins with it; one that begins in the middle of a line stays part of that line, because
Markdown itself lets headings and bullets interrupt it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from ai_workflow.models.base import Record

TAB_WIDTH = 4
_FENCE = re.compile(r"(`{3,})[^`]*$|(~{3,})")
_LABELLED_BLOCK = re.compile(
    r"(?:\*\*|__)?(?:goal|tasks?)\s*(?::(?:\*\*|__)?|(?:\*\*|__):)\s*(?=`{3}|~{3}|<!--)", re.IGNORECASE
)
_RULE = re.compile(r"([-*_])(?:[ \t]*\1){2,}")


class Chunk(Record, frozen=True, kw_only=True):
    """One line, or one whole block."""

    number: int
    """1-based line in the source, the first one of a block."""
    column: int
    """1-based place of the first character that is not white space, in characters."""
    indent: int
    """Width of the leading white space in columns, tabs at every fourth."""
    text: str
    """The line without surrounding white space; empty for a blank line and for a block."""
    block: tuple[str, ...] = ()
    """The lines of a fence or comment as they stand, empty for an ordinary line. Always closed: the end that the
    source lacks is added."""
    is_comment: bool = False
    is_unclosed: bool = False
    """The block ran to the end of the source because nothing closed it."""

    @property
    def raw(self) -> str:
        """The ordinary line with its indentation as spaces."""
        return " " * self.indent + self.text


def normalise_text(text: str) -> str:
    """The text without byte order mark and with `\\n` as its only line end. Pure."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def opens_block(line: str) -> bool:
    """Whether a line beginning like this starts a fence or a comment."""
    content = line.strip()
    return content.startswith("<!--") or _FENCE.match(content) is not None


def is_rule(text: str) -> bool:
    """Whether the line is a thematic break such as `---` or `* * *`."""
    return _RULE.fullmatch(text) is not None


def scan(text: str) -> Iterator[Chunk]:
    """The chunks of the text in order; together they hold every line of it. Pure."""
    lines = normalise_text(text).split("\n")
    index = 0
    while index < len(lines):
        line = lines[index]
        lead = _LABELLED_BLOCK.match(line.lstrip())
        skipped = len(line) - len(line.lstrip())
        if lead is not None and opens_block(line[skipped + lead.end() :]):
            # A label with a block behind it reads as the label on a line of its own, so that the block is the same
            # text wherever a writer puts it.
            yield _make_line(line[: skipped + lead.end()], index + 1, column=1)
            line = line[skipped + lead.end() :]
            skipped += lead.end()
        else:
            skipped = 0
        if opens_block(line):
            chunk = _read_block([line, *lines[index + 1 :]] if skipped else lines, 0 if skipped else index)
            yield _placed(chunk, line, index + 1, column=skipped + 1)
            index = len(lines) if chunk.is_unclosed else index + len(chunk.block)
        else:
            yield _make_line(line, index + 1, column=1)
            index += 1


def dedent(lines: Sequence[str]) -> str:
    """The lines as one text without the white space they all begin with; blank lines do not count."""
    leads = [line[: len(line) - len(line.lstrip(" \t"))] for line in lines if line]
    common = len(os.path.commonprefix(leads))  # noqa: RUF071 - characters, not path segments, are meant
    return "\n".join(line[common:] for line in lines)


def indent_text(text: str, *, width: int) -> str:
    """The text with every line that is not blank moved right by `width` spaces."""
    return "\n".join(" " * width + line if line else "" for line in text.split("\n"))


def _make_line(line: str, number: int, *, column: int) -> Chunk:
    content = line.lstrip()
    lead = line[: len(line) - len(content)]
    return Chunk(number=number, column=column + len(lead), indent=_width(lead), text=content.rstrip())


def _placed(chunk: Chunk, line: str, number: int, *, column: int) -> Chunk:
    lead = len(line) - len(line.lstrip())
    return Chunk(
        number=number,
        column=column + lead,
        indent=_width(line[:lead]),
        text="",
        block=chunk.block,
        is_comment=chunk.is_comment,
        is_unclosed=chunk.is_unclosed,
    )


def _width(lead: str) -> int:
    width = 0
    for char in lead:
        width += TAB_WIDTH - width % TAB_WIDTH if char == "\t" else 1
    return width


def _read_block(lines: Sequence[str], start: int) -> Chunk:
    first = lines[start].strip()
    is_comment = first.startswith("<!--")
    end = _find_comment_end(lines, start) if is_comment else _find_fence_end(lines, start)
    taken = lines[start:] if end is None else lines[start : end + 1]
    block = [line.rstrip() for line in taken]
    if end is None:
        while block and not block[-1]:
            block.pop()
        lead = block[0][: len(block[0]) - len(block[0].lstrip())]
        block.append(lead + _closing(first))
    return Chunk(
        number=1, column=1, indent=0, text="", block=tuple(block), is_comment=is_comment, is_unclosed=end is None
    )


def _closing(first: str) -> str:
    match = _FENCE.match(first)
    return "-->" if match is None else (match.group(1) or match.group(2))


def _find_comment_end(lines: Sequence[str], start: int) -> int | None:
    if "-->" in lines[start].lstrip()[4:]:
        return start
    return next((at for at in range(start + 1, len(lines)) if "-->" in lines[at]), None)


def _find_fence_end(lines: Sequence[str], start: int) -> int | None:
    fence = _closing(lines[start].strip())
    for at in range(start + 1, len(lines)):
        content = lines[at].strip()
        if len(content) >= len(fence) and not content.strip(fence[0]):
            return at
    return None
