"""Finds the plan in a planning model's answer: in a code fence or not, with chatter around it (spec §4.5). Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.base import Record
from ai_workflow.plan.drafts import match_field
from ai_workflow.plan.markdown import is_rule, normalise_text

TITLE = "# Milestones"
_TITLE_LINE = re.compile(r"[ \t]*#[ \t]+milestones[ \t]*#*[ \t]*", re.IGNORECASE)
_MILESTONE = re.compile(r"[ \t]*##[ \t]+M[0-9]{1,9}(?![0-9A-Za-z])", re.IGNORECASE)
_LABEL = re.compile(r"[ \t]*(?:\*\*|__)?(?:goal|tasks?)[ \t]*(?:\*\*|__)?:", re.IGNORECASE)
_FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})[ \t]*([^`]*)")
_BULLET = re.compile(r"[-*+](?:[ \t]|$)")
_TOP_HEADING = re.compile(r"#[ \t]+\S")


class Extracted(Record, frozen=True, kw_only=True):
    """A plan, and how much stood around it."""

    text: str
    """The plan; begins with `# Milestones` and ends with one line feed, line ends are `\\n`."""
    first_line: int
    """1-based line of the input that the first line of `text` comes from; 1 less when the title had to be added."""
    dropped_before: int
    dropped_after: int
    """Lines with something on them that were left out, code fences around the plan not counted."""


class _Span(Record, frozen=True, kw_only=True):
    """One candidate: lines `start` to `end` (exclusive, 0-based)."""

    start: int
    end: int
    indent: int
    fences: tuple[int, ...] = ()


def extract_plan(text: str) -> Extracted:
    """The one plan in the text.

    It begins at a line `# Milestones` (or, where a model forgot that, at the first `## M01 …`), inside a code fence or
    outside. Inside, it ends with the fence, whose own nested fences are followed; outside, at the next heading of the
    first level, or where a paragraph or heading after the last field of the last task begins.

    Raises:
        AiwError: PLAN when there is no plan, when there are several different ones, or when milestones stand outside
            of what would be taken.
    """
    lines = normalise_text(text).split("\n")
    spans = _list_spans(lines)
    if not spans:
        raise _no_plan(lines)
    different = {_body(lines, span) for span in spans}
    if len(different) > 1:
        places = " and ".join(str(span.start + 1) for span in spans[:3])
        raise AiwError(
            Kind.PLAN,
            f"the text holds {len(different)} different plans, which begin in lines {places}",
            hint="keep the one that you mean and send it again",
        )
    span = spans[0]
    _refuse_lost_milestones(lines, spans)
    body = _body(lines, span)
    has_title = _TITLE_LINE.fullmatch(body.split("\n", 1)[0]) is not None
    return Extracted(
        text=body if has_title else f"{TITLE}\n{body}",
        first_line=span.start + (1 if has_title else 0),
        dropped_before=_count(lines[: span.start], 0, span.fences),
        dropped_after=_count(lines[span.end :], span.end, span.fences),
    )


def holds_plan(text: str) -> bool:
    """Whether there is something that `extract_plan` would take, or refuse, as a plan."""
    return bool(_list_spans(normalise_text(text).split("\n")))


def _list_spans(lines: Sequence[str]) -> list[_Span]:
    return _find_spans(lines, _TITLE_LINE) or _find_spans(lines, _MILESTONE)


def _no_plan(lines: Sequence[str]) -> AiwError:
    hint = f"the plan begins with a line `{TITLE}`, then `## M01 - Title` and `Tasks:`"
    if not any(line.strip() for line in lines):
        return AiwError(Kind.PLAN, "there is no text to take a plan from", hint=hint)
    return AiwError(Kind.PLAN, "the text holds no plan", hint=hint)


def _count(lines: Sequence[str], offset: int, fences: Sequence[int]) -> int:
    return sum(1 for number, line in enumerate(lines, start=offset) if line.strip() and number not in fences)


def _body(lines: Sequence[str], span: _Span) -> str:
    taken = [line[min(_width(line), span.indent) :].rstrip() for line in lines[span.start : span.end]]
    return "\n".join(taken).strip("\n") + "\n"


def _find_spans(lines: Sequence[str], begins: re.Pattern[str]) -> list[_Span]:
    """The candidates that hold at least one milestone, in the order of the text."""
    found: list[_Span] = []
    index = 0
    while index < len(lines):
        fence = _FENCE.fullmatch(lines[index])
        if fence is not None:
            end = _find_fence_end(lines, index, fence)
            start = next((at for at in range(index + 1, end) if lines[at].strip()), end)
            if start < end and begins.match(lines[start]):
                indent = _width(lines[start])
                span = _Span(start=start, end=end, indent=indent, fences=(index, end))
                found += [span] if _has_milestone(lines, span) else []
            index = end + 1
        elif begins.match(lines[index]) and (begins is not _TITLE_LINE or _TITLE_LINE.fullmatch(lines[index])):
            span = _Span(start=index, end=_find_open_end(lines, index), indent=_width(lines[index]))
            is_plan = _has_milestone(lines, span)
            found += [span] if is_plan else []
            index = span.end if is_plan else index + 1
        else:
            index += 1
    return found


def _width(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _has_milestone(lines: Sequence[str], span: _Span) -> bool:
    plain = _outside_fences(lines, span.start, span.end)
    return any(_MILESTONE.match(lines[at]) or _LABEL.match(lines[at]) for at in plain)


def _outside_fences(lines: Sequence[str], start: int, end: int) -> list[int]:
    """Indexes of the lines that stand in no code fence."""
    found, index = [], start
    while index < end:
        fence = _FENCE.fullmatch(lines[index])
        if fence is not None:
            index = _find_fence_end(lines, index, fence) + 1
        else:
            found.append(index)
            index += 1
    return found


def _find_fence_end(lines: Sequence[str], start: int, opening: re.Match[str]) -> int:
    """Index of the line that closes the fence, or of the end of the text.

    Models put fences of the same length into a fenced plan. So a fence with an info string, or one that is indented
    further, opens a nested one, which the next bare fence closes.
    """
    nested: list[str] = []
    doubtful: list[int] = []
    for at in range(start + 1, len(lines)):
        fence = _FENCE.fullmatch(lines[at])
        if fence is None:
            continue
        ticks, is_bare = fence.group(2), not fence.group(3).strip()
        if nested and is_bare and ticks[0] == nested[-1][0] and len(ticks) >= len(nested[-1]):
            nested.pop()
        elif not is_bare or len(fence.group(1)) > len(opening.group(1)):
            nested.append(ticks)
            doubtful += [at] if is_bare else []
        elif ticks[0] == opening.group(2)[0] and len(ticks) >= len(opening.group(2)):
            return at
    # Never closed: then an indented bare fence that nothing closed either was the end.
    return doubtful[-1] if nested and doubtful else len(lines)


def _find_open_end(lines: Sequence[str], start: int) -> int:
    """End of a plan that stands in no fence: before the next document, and without trailing chatter.

    A document begins with a first-level heading, or with a fence at the margin that holds a plan of its own.
    """
    plain, index = [start], start + 1
    while index < len(lines):
        fence = _FENCE.fullmatch(lines[index])
        if fence is None:
            if _TOP_HEADING.match(lines[index]):
                break
            plain.append(index)
            index += 1
            continue
        end = _find_fence_end(lines, index, fence)
        first = next((at for at in range(index + 1, end) if lines[at].strip()), index)
        if not fence.group(1) and _TITLE_LINE.fullmatch(lines[first]):
            break
        index = end + 1
    end = min(index, len(lines))
    last = max((at for at in plain if _is_certain(lines[at])), default=start)
    chatter = _find_chatter(lines, last + 1, end, set(plain))
    return end if chatter is None else chatter


def _is_certain(line: str) -> bool:
    """Whether the line is part of a plan wherever it stands."""
    content = line.strip()
    bullet = _BULLET.match(content)
    body = content[bullet.end() :].strip() if bullet else content
    return bool(_MILESTONE.match(line) or _LABEL.match(line)) or match_field(body) is not None


def _find_chatter(lines: Sequence[str], start: int, end: int, plain: set[int]) -> int | None:
    """The first line behind the last certain one that begins a paragraph, heading, rule or block at the margin."""
    after_blank = False
    for at in range(start, end):
        line = lines[at]
        if not line.strip():
            after_blank = True
            continue
        is_margin = not line[0].isspace() and (at in plain or _FENCE.fullmatch(line) is not None)
        begins = line.startswith("#") or (after_blank and (is_rule(line) or not _BULLET.match(line)))
        if is_margin and begins:
            return at
        after_blank = False
    return None


def _refuse_lost_milestones(lines: Sequence[str], spans: Sequence[_Span]) -> None:
    """Nothing that looks like a milestone is left out in silence: models sometimes cut a plan into several pieces."""
    taken = {at for span in spans for at in range(span.start, span.end)}
    for at, line in enumerate(lines):
        if at not in taken and _MILESTONE.match(line):
            raise AiwError(
                Kind.PLAN,
                f"line {at + 1}, `{line.strip()[:60]}`, looks like a milestone and stands outside the plan"
                f" that begins in line {spans[0].start + 1}",
                hint=f"put the whole plan into one piece below `{TITLE}`, or take that line out",
            )
