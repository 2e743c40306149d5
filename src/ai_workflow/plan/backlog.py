"""Reads a backlog from its Markdown (spec §5): what is understood becomes items, everything else a finding. Pure."""

from __future__ import annotations

from typing import cast

from ai_workflow.models.backlog import Backlog, BacklogItem
from ai_workflow.models.status import BACKLOG_STATUSES, PRIORITIES, BacklogStatus, Priority
from ai_workflow.plan.backlog_layout import COMMA_LISTS, SCALARS, Layout, Section
from ai_workflow.plan.comma_lists import NO_TITLES, NOTHING, Titles, index_titles, split_items, strip_code

_WORDS = {"status": tuple(BACKLOG_STATUSES), "priority": tuple(PRIORITIES)}


def parse_backlog(text: str, *, path: str) -> Backlog:
    """The items that the text describes; never raises, whatever the text.

    Args:
        text: Markdown; byte order mark, CRLF and tabs are understood.
        path: how findings name the file.
    """
    return read_items(Layout(text, path=path))


def read_items(layout: Layout) -> Backlog:
    """The items of a backlog whose layout is known."""
    titles = index_titles(section.title for section in layout.sections)
    items = tuple(read_item(layout, section, titles) for section in layout.sections)
    found = sorted(layout.findings, key=lambda finding: (finding.line, finding.column))
    # Reading the values again may find the same things again.
    return Backlog(path=layout.path, items=items, findings=tuple(dict.fromkeys(found)))


def read_item(layout: Layout, section: Section, titles: Titles) -> BacklogItem:
    """One item of a layout; `titles` are all titles of the backlog."""
    status = _read_word(layout, section, "status") or ("done" if section.is_ticked else "idea")
    return BacklogItem(
        id=section.id,
        is_implied=section.explicit_id is None,
        title=section.title,
        status=cast("BacklogStatus", status),
        priority=cast("Priority", _read_word(layout, section, "priority") or "medium"),
        tags=read_list(section, "tags"),
        notes=read_list(section, "notes"),
        acceptance_criteria=read_list(section, "acceptance_criteria"),
        conflict_scopes=read_list(section, "conflict_scopes"),
        verify=read_list(section, "verify"),
        depends=read_list(section, "depends", titles=titles),
        text=section.text.dedented(),
        line=section.line + 1,
    )


def _read_word(layout: Layout, section: Section, name: str) -> str | None:
    labels = section.labels_of(name)
    for label in labels[1:]:
        layout.add_finding("repeated-field", label.line + 1, label.column, f"the item has a {name} already")
    if not labels or not labels[0].inline:
        return None
    word = labels[0].inline.strip("*_` ").lower()
    if word in _WORDS[name]:
        return word
    shown = labels[0].inline[:40]
    layout.add_finding(f"unknown-{name}", labels[0].line + 1, labels[0].start + 1, f"`{shown}` is no {name}")
    return None


def read_list(section: Section, name: str, *, titles: Titles = NO_TITLES) -> tuple[str, ...]:
    """The values of a list field of the item, in order; words for nothing are left out.

    Args:
        name: a field of `BacklogItem`.
        titles: where several titles fit in a comma list, the longest wins.
    """
    assert name not in SCALARS
    found: list[str] = []
    for label in section.labels_of(name):
        for text in (label.inline_text, *(value.text for value in label.values)):
            found.extend(_read_value(name, text, titles))
    return tuple(found)


def _read_value(name: str, text: str, titles: Titles) -> list[str]:
    if name in COMMA_LISTS:
        return [item for item, _ in split_items(text, titles=titles)]
    if text.strip().casefold().rstrip(".") in NOTHING:
        return []
    return [strip_code(text) if name == "verify" else text.strip()]
