"""What reading a backlog understands, and what it says about the rest (spec §5)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from ai_workflow.models.backlog import BacklogItem
from ai_workflow.plan.backlog import parse_backlog
from plan.test_backlog_edits import TEXTS


def read(text: str) -> list[dict[str, Any]]:
    empty = BacklogItem(id="", title="", line=0)
    return [
        {
            name: getattr(item, name)
            for name in item.__struct_fields__
            if getattr(item, name) != getattr(empty, name) and name != "line"
        }
        for item in parse_backlog(text, path="b").items
    ]


def found(text: str) -> list[tuple[str, int]]:
    return [(finding.code, finding.line) for finding in parse_backlog(text, path="b").findings]


ITEM = """## BLG-001 - First idea
Status: **Selected**
Priority: High <!-- or higher -->
Tags:
- a
- b
Notes: inline
wrapped
- bullet
  of two lines

free
lines

* None
Acceptance criteria:
1. one
2) two

Acceptance: three
Conflicts: src/a.py, `tests/**`
Verify:
- `make check`
Depends on: BLG-002, "x, y"
Prose.
"""


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_field_in_every_form(mark: str, end: str) -> None:
    assert read(mark + ITEM.replace("\n", end)) == [
        {
            "id": "BLG-001",
            "title": "First idea",
            "status": "selected",
            "priority": "high",
            "tags": ("a", "b"),
            "notes": ("inline wrapped", "bullet of two lines", "free lines"),
            "acceptance_criteria": ("one", "two", "three"),
            "conflict_scopes": ("src/a.py", "tests/**"),
            "verify": ("make check",),
            "depends": ("BLG-002", "x, y"),
            "text": "Prose.",
        }
    ]


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("## BLG-7: Title", ("BLG-007", "Title")),
        ("## blg-007 — Title", ("BLG-007", "Title")),
        ("##  BLG-007 - Title ##", ("BLG-007", "Title")),
        ("## BLG-007", ("BLG-007", "")),
        ("## BLG-007 Title", ("BLG-007", "Title")),
        ("## BLG-0000000000007 - T", ("BLG-001", "BLG-0000000000007 - T")),
        ("## Just words", ("BLG-001", "Just words")),
    ],
)
def test_headings(heading: str, expected: tuple[str, str]) -> None:
    (item,) = parse_backlog(f"{heading}\n", path="b").items
    assert (item.id, item.title) == expected


def test_fences_comments_and_other_headings_hold_no_items() -> None:
    text = "```\n## BLG-001 - no\n```\n<!--\n## BLG-002 - no\n-->\n### BLG-003 - no\n# BLG-004 - no\n"
    assert read(text) == []
    assert [item["id"] for item in read("## BLG-001 - a\n# Other part\nStatus: done\n## BLG-002 - b\n")] == [
        "BLG-001", "BLG-002",
    ]  # fmt: skip


def test_checkboxes_of_the_first_backlogs() -> None:
    text = "- [ ] old idea\n- [x] done one\n- plain\n\n## BLG-001 - New\n- [ ] not an item\n"
    assert [(item["id"], item["title"], item.get("status")) for item in read(text)] == [
        ("BLG-002", "old idea", None),
        ("BLG-003", "done one", "done"),
        ("BLG-001", "New", None),
    ]


def test_what_is_not_understood_has_a_finding_with_its_line() -> None:
    text = (
        "## BLG-001 - a\nStatus: doing\nPriority: 1\nStatus: idea\nVerify:\n- Status: idea\nOwner: me\n"
        "### Acceptance\n## BLG-001\n- Priority: low\nTags: a\n  b\n## c\n~~~\n"
    )
    assert found(text) == [
        ("unknown-status", 2),
        ("unknown-priority", 3),
        ("repeated-field", 4),
        ("unknown-field", 7),
        ("field-as-heading", 8),
        ("missing-title", 9),
        ("duplicate-id", 9),
        ("bulleted-field", 10),
        ("wrapped-field", 12),
        ("missing-id", 13),
        ("unclosed-block", 14),
    ]
    assert found("## BLG-001 - a\nStatus:\nNotes:\n## BLG-002 - b\n") == [("empty-field", 2), ("empty-field", 3)]


@settings(deadline=None, max_examples=200)
@given(TEXTS)
def test_reading_never_fails_and_ids_of_items_are_unique_unless_written_twice(text: str) -> None:
    backlog = parse_backlog(text, path="b")
    implied = [item.id for item in backlog.items if item.is_implied]
    assert len(set(implied)) == len(implied)
    assert not set(implied) & {item.id for item in backlog.items if not item.is_implied}
