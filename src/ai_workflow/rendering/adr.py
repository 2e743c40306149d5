"""The file of an architecture decision, `adr/ADR-0001-slug.md` (spec §2, §6.8). Pure.

It is written whole as long as nobody edited it; from then on only its status line is ours.
"""

from __future__ import annotations

import re
from typing import cast

from msgspec.structs import replace

from ai_workflow.models.adr import Adr
from ai_workflow.models.ids import make_slug
from ai_workflow.models.status import AdrStatus
from ai_workflow.plan.markdown import Chunk, normalise_text, scan
from ai_workflow.rendering.text import make_line, render_code, render_inline, wrap_markdown

UNDECIDED = "To be decided."
"""Stands for a decision that is not written yet."""
_STATUS = re.compile(r"(?:[-*+]\s+)?(?:\*\*|__)?status\s*(?::(?:\*\*|__)?|(?:\*\*|__):)\s*", re.IGNORECASE)
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*", re.DOTALL)
_BULLET = re.compile(r"[-*+]\s+(.*)", re.DOTALL)
_TITLE = re.compile(r"ADR-\d{1,9}\s*[:\u2013\u2014-]\s*", re.IGNORECASE)
_STATED = re.compile(
    r"(proposed|accepted|deprecated|superseded)\b(?:\s+by\s+(ADR-\d{1,9}))?(?:\s+\((.*)\))?", re.IGNORECASE
)
_APPLIES = re.compile(r"^Applies to: ((?:.|\n(?!\n))*)", re.MULTILINE)
_CODE = re.compile(r"`+\s?([^`]+?)\s?`+")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")


def adr_file_name(adr: Adr) -> str:
    """The name of its file, e.g. `ADR-0001-errors-are-values.md`."""
    return f"{adr.id}-{make_slug(adr.title)}.md"


def render_adr(adr: Adr) -> str:
    """The whole document, for a decision that nobody edited by hand; ends with a line feed."""
    parts = [f"# {adr.id}: {render_inline(adr.title)}", f"Status: {format_status(adr)}"]
    if adr.applies_to:
        named = ", ".join(render_code(entry) for entry in adr.applies_to)
        parts.append(wrap_markdown(f"Applies to: {named}"))
    parts += ["## Decision", *_paragraphs(adr.decision or UNDECIDED)]
    if adr.consequences:
        bullets = (wrap_markdown(render_inline(text), first="- ", rest="  ") for text in adr.consequences)
        parts += ["## Consequences", "\n".join(bullets)]
    return "\n\n".join(parts) + "\n"


def format_status(adr: Adr) -> str:
    """The value of the status line, e.g. `superseded by ADR-0002`."""
    if adr.superseded_by is not None:
        return f"superseded by {adr.superseded_by}"
    return f"{adr.status} ({render_inline(adr.reason)})" if adr.reason else adr.status


def _paragraphs(text: str) -> list[str]:
    blocks = re.split(r"\n[ \t]*\n", normalise_text(text))
    return [wrap_markdown(render_inline(block)) for block in blocks if block.strip()]


def update_status(text: str, adr: Adr) -> str:
    """The text, which a person may have edited, with the status line brought up to date and every other byte kept.

    The status line is the first one of that form above the first sub-heading; a text that has none gets one below its
    title.
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    lines = _LINE.findall(text[len(mark) :])
    title_at = None
    for chunk in scan(text):
        heading = _HEADING.fullmatch(chunk.text)
        if heading is not None and len(heading.group(1)) > 1:
            break
        if heading is not None and title_at is None:
            title_at = chunk.number - 1
        match = _STATUS.match(chunk.text)
        if match is not None:
            line = lines[chunk.number - 1]
            start, stop = chunk.column - 1 + match.end(), chunk.column - 1 + len(chunk.text)
            gap = "" if line[start - 1 : start].isspace() else " "
            lines[chunk.number - 1] = f"{line[:start]}{gap}{format_status(adr)}{line[stop:]}"
            return mark + "".join(lines)
    return mark + "".join(_with_status(lines, 0 if title_at is None else title_at + 1, format_status(adr)))


def _with_status(lines: list[str], at: int, status: str) -> list[str]:
    """The lines with a status line put before line `at`, below the title if there is one."""
    text = "".join(lines)
    end = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
    new = [end] if at else []
    if at and not lines[at - 1].endswith(("\r", "\n")):
        new.insert(0, end)
    new.append(f"Status: {status}{end}")
    if at < len(lines) and lines[at].strip():
        new.append(end)
    return [*lines[:at], *new, *lines[at:]]


def read_adr(text: str, known: Adr) -> Adr:
    """The decision with what its file says: status, what it applies to, decision and consequences.

    Args:
        known: stands in where the file says nothing; its title counts, unless it is empty.
    """
    title = known.title
    status, superseded_by, reason = known.status, known.superseded_by, known.reason
    applies_to = known.applies_to
    for chunk in scan(text):
        heading = _HEADING.fullmatch(chunk.text)
        if heading is not None and len(heading.group(1)) > 1:
            break
        if heading is not None:
            title = title or make_line(_ESCAPE.sub(r"\1", _TITLE.sub("", heading.group(2))))
        line = _STATUS.match(chunk.text)
        said = _STATED.match(chunk.text[line.end() :]) if line is not None else None
        if said is not None:
            status = cast("AdrStatus", said.group(1).lower())
            superseded_by = said.group(2).upper() if said.group(2) else None
            reason = make_line(_ESCAPE.sub(r"\1", said.group(3))) if said.group(3) else None
    applied = _APPLIES.search(text)
    if applied is not None:
        applies_to = tuple(_CODE.findall(applied.group(1)))
    decision, consequences = read_decision(text)
    return replace(
        known,
        title=title or known.id,
        status=status,
        superseded_by=superseded_by,
        reason=reason,
        applies_to=applies_to,
        decision=decision or known.decision,
        consequences=consequences or known.consequences,
    )


def read_decision(text: str) -> tuple[str, tuple[str, ...]]:
    """What a file says under `## Decision`, and the bullets under `## Consequences`; empty where it says nothing."""
    sections: dict[str, list[Chunk]] = {}
    current: list[Chunk] = []
    for chunk in scan(text):
        heading = _HEADING.fullmatch(chunk.text)
        if heading is not None and len(heading.group(1)) <= 2:
            current = sections.setdefault(heading.group(2).casefold(), [])
        elif not chunk.is_comment:
            current.append(chunk)
    lines = [line for chunk in sections.get("decision", []) for line in (chunk.block or (chunk.raw,))]
    decision = _ESCAPE.sub(r"\1", re.sub(r"\n{3,}", "\n\n", "\n".join(lines).strip()))
    return "" if decision == UNDECIDED else decision, tuple(_read_bullets(sections.get("consequences", [])))


def _read_bullets(chunks: list[Chunk]) -> list[str]:
    found: list[str] = []
    is_open = False
    for chunk in chunks:
        match = _BULLET.fullmatch(chunk.text)
        if match is not None:
            found.append(match.group(1))
        elif chunk.text and is_open:
            found[-1] += f" {chunk.text}"
        is_open = bool(found and chunk.text)
    return [make_line(_ESCAPE.sub(r"\1", text)) for text in found]
