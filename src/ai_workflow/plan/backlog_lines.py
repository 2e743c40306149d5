"""Changes single lines of a backlog: one heading, one field, one list (spec §5). Pure.

Every function takes the layout of a piece of text that begins with the item, and gives the whole piece back;
`plan.backlog_edits` checks what came of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from ai_workflow.plan.backlog_layout import COMMA_LISTS, SCALARS, Label, Layout, Section, Value
from ai_workflow.plan.comma_lists import NO_TITLES, Titles, join_items
from ai_workflow.plan.markdown import is_rule

LABELS = {
    "status": "Status",
    "priority": "Priority",
    "tags": "Tags",
    "notes": "Notes",
    "acceptance_criteria": "Acceptance",
    "conflict_scopes": "Conflict scopes",
    "verify": "Verify",
    "depends": "Depends",
}
"""Field of `BacklogItem` → how a new label is written."""
_INLINE = (*SCALARS, "tags")
"""Fields that a new label writes on its own line."""


def set_heading(layout: Layout, item_id: str, title: str) -> str:
    """The text with this id and title in the item's heading."""
    section = layout.sections[0]
    line = layout.lines[section.line]
    start = section.title_start
    new = title if section.explicit_id is not None else f"{item_id} - {title}"
    if not section.title:
        rest = line[start:]
        body = line[:start].rstrip("\r\n").rstrip()
        dash = " - " if section.explicit_id is not None and not body.endswith(("-", ":", "–", "—")) else " "
        changed = f"{body}{dash}{new}{_end_of(line) if not rest.strip() else ' ' + rest}"
    else:
        gap = "" if line[start - 1 : start].isspace() else " "
        changed = f"{line[:start]}{gap}{new}{line[start + len(section.title) :]}"
    return _put(layout, section.line, [changed])


def set_scalar(layout: Layout, name: str, value: str) -> str:
    """The text with this word as the item's status or priority."""
    section = layout.sections[0]
    labels = section.labels_of(name)
    if not labels:
        return _insert_inline(layout, section, f"{LABELS[name]}: {value}")
    if labels[0].inline.strip("*_` ").lower() == value:
        return _put(layout, 0, [])
    return _set_inline(layout, labels[0], value)


def set_list(layout: Layout, name: str, values: Sequence[str], *, titles: Titles) -> str:
    """The text with exactly these values in the item's list; no values take the field out.

    Args:
        titles: those that a comma list may name.
    """
    section = layout.sections[0]
    labels = section.labels_of(name)
    if not values:
        return _remove(layout, [_lines_of(layout, label, with_label=True) for label in labels])
    if not labels:
        return _insert_list(layout, section, name, values, titles)
    first = labels[0]
    doomed = [_lines_of(layout, first, with_label=False)]
    if (name in COMMA_LISTS and first.inline) or (name == "tags" and not first.values):
        _set_inline(layout, first, join_items(values, titles=titles))
    elif first.inline and len(values) == 1:
        _set_inline(layout, first, values[0])
    else:
        doomed[0] -= _rewrite_bullets(layout, first, name, values, titles)
    doomed += [_lines_of(layout, label, with_label=True) for label in labels[1:]]
    return _remove(layout, doomed)


def append_notes(layout: Layout, notes: Sequence[str]) -> str:
    """The text with these notes behind those that the item has."""
    section = layout.sections[0]
    labels = section.labels_of("notes")
    if not notes:
        return _put(layout, 0, [])
    if not labels:
        return _insert_list(layout, section, "notes", notes, NO_TITLES)
    last = labels[-1]
    bullets = [value for value in last.values if value.is_bullet]
    lines = _with_ends(layout, make_bullets("notes", notes, like=_prefix(layout, bullets[-1]) if bullets else "- "))
    is_apart = last.values[-1].is_bullet if last.values else bool(last.inline)
    if not is_apart:
        lines.insert(0, layout.line_end)
    return _insert(layout, last.last + 1, lines)


def make_bullets(name: str, values: Sequence[str], *, like: str = "- ", titles: Titles = NO_TITLES) -> list[str]:
    """One bullet a value, without line ends; `like` is the mark with the white space around it."""
    lines = []
    for value in values:
        text = join_items((value,), titles=titles) if name in COMMA_LISTS else value
        line = f"{like}{text}"
        # `- --` would be a thematic break; with another mark it is a list item.
        if is_rule(line.strip()):
            line = f"{'*' if '-' in like else '-'} {text}"
        lines.append(line)
    return lines


def _end_of(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def _with_ends(layout: Layout, lines: Sequence[str]) -> list[str]:
    return [f"{line}{layout.line_end}" for line in lines]


def _put(layout: Layout, at: int, lines: list[str]) -> str:
    """The text with the lines from `at` on replaced by as many others."""
    layout.lines[at : at + len(lines)] = lines
    return layout.mark + "".join(layout.lines)


def _insert(layout: Layout, at: int, lines: list[str], *, ends_list: bool = True) -> str:
    """The text with lines put before line `at`; a list is set apart from indented text below it."""
    if at > 0 and not _end_of(layout.lines[at - 1]):
        # The file's last line has no end, and then neither has what becomes its last line.
        layout.lines[at - 1] += layout.line_end
        lines = [*lines[:-1], lines[-1].rstrip("\r\n")]
    following = layout.lines[at] if at < len(layout.lines) else ""
    if ends_list and following.strip() and following[:1].isspace():
        lines = [*lines, layout.line_end]
    layout.lines[at:at] = lines
    return layout.mark + "".join(layout.lines)


def _set_inline(layout: Layout, label: Label, value: str) -> str:
    line = layout.lines[label.line]
    gap = "" if line[label.start - 1 : label.start].isspace() else " "
    return _put(layout, label.line, [f"{line[: label.start]}{gap}{value}{line[label.end :]}"])


def _insert_inline(layout: Layout, section: Section, text: str) -> str:
    """Puts a one-line field behind the item's others of that kind, or right below the heading."""
    above = [label.last for label in section.labels if label.name in _INLINE]
    if above:
        return _insert(layout, max(above) + 1, _with_ends(layout, [text]), ends_list=False)
    at = section.line + 1
    lines = [layout.line_end, text + layout.line_end]
    following = layout.lines[at] if at < section.end else ""
    if following.strip() and not any(label.line == at for label in section.labels):
        lines.append(layout.line_end)
    return _insert(layout, at, lines, ends_list=False)


def _insert_list(layout: Layout, section: Section, name: str, values: Sequence[str], titles: Titles) -> str:
    """Puts a new list at the end of the item: above free text it would take that in."""
    if name in _INLINE:
        return _insert_inline(layout, section, f"{LABELS[name]}: {join_items(values, titles=titles)}")
    at = _last_of_item(layout, section) + 1
    lines = [layout.line_end] if layout.lines[at - 1].strip() else []
    lines += _with_ends(layout, [f"{LABELS[name]}:", "", *make_bullets(name, values, titles=titles)])
    if at < len(layout.lines) and layout.lines[at].strip():
        lines.append(layout.line_end)
    return _insert(layout, at, lines)


def _last_of_item(layout: Layout, section: Section) -> int:
    """The item's last line that is neither blank nor a rule between items."""
    at = section.end - 1
    while at > section.line and (not layout.lines[at].strip() or is_rule(layout.lines[at].strip())):
        at -= 1
    return at


def _prefix(layout: Layout, value: Value) -> str:
    """The white space and mark of a bullet; numbers become a dash, since what follows them would be wrong."""
    line = layout.lines[value.first]
    content = line.lstrip()
    mark = content[:1] if content[:1] in "-*+" else "-"
    return f"{line[: len(line) - len(content)]}{mark} "


def _rewrite_bullets(layout: Layout, label: Label, name: str, values: Sequence[str], titles: Titles) -> set[int]:
    """Puts bullets where the label's values stand, or below it; returns the line that holds them now."""
    line = layout.lines[label.line]
    if label.inline:
        line = line[: label.start].rstrip() + line[label.end :]
    first = label.values[0] if label.values else None
    like = _prefix(layout, first) if first is not None and first.is_bullet else "- "
    lines = _with_ends(layout, make_bullets(name, values, like=like, titles=titles))
    following = "".join(layout.lines[label.last + 1 : label.last + 2])
    if following.strip() and (first is None or following[0].isspace()):
        lines.append(layout.line_end)
    if label.last + 1 == len(layout.lines) and not _end_of(layout.lines[label.last]):
        lines[-1] = lines[-1].rstrip("\r\n")
    if first is not None:
        layout.lines[label.line] = line
        layout.lines[first.first] = "".join(lines)
        return {first.first}
    head = line if _end_of(line) else line + layout.line_end
    layout.lines[label.line] = "".join((head, layout.line_end, *lines))
    return set()


def _lines_of(layout: Layout, label: Label, *, with_label: bool) -> set[int]:
    """The lines of one label's values, with the blank ones between them; with the label's own if asked for."""
    found = set(range(label.line + 1, label.inline_last + 1))
    parts = [range(value.first, value.last + 1) for value in label.values]
    if with_label:
        found.add(label.line)
        parts.insert(0, range(label.line, label.inline_last + 1))
    for part, following in itertools.pairwise(parts):
        gap = range(part.stop, following.start)
        if not any(layout.lines[at].strip() for at in gap):
            found.update(gap)
    return found.union(*parts)


def _remove(layout: Layout, parts: Sequence[set[int]]) -> str:
    """The text without these lines; where two blank lines would come to stand together, one of them goes too."""
    doomed = set[int]().union(*parts)
    for part in parts:
        above, below = min(part, default=0) - 1, max(part, default=0) + 1
        is_apart = above >= 0 and not layout.lines[above].strip() and above not in doomed
        if part and part <= doomed and is_apart:
            if below < len(layout.lines) and not layout.lines[below].strip():
                doomed.add(below)
            elif below == len(layout.lines):
                doomed.add(above)
    kept = [line for at, line in enumerate(layout.lines) if at not in doomed]
    return layout.mark + "".join(kept)
