"""An edit of a backlog gives the new value and leaves every byte outside the item's field (spec §5)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.backlog import BacklogEdit
from ai_workflow.models.status import BACKLOG_STATUSES, PRIORITIES
from ai_workflow.plan.backlog import parse_backlog
from ai_workflow.plan.backlog_edits import (
    FIELDS,
    apply_edits,
    clean_edit,
    edit_item,
    expected_item,
    keep_standing,
    merge_edits,
)

WRITTEN_BY_HAND = """# Ideas of the team

Text above the first item.

<!-- a comment
## BLG-077 - not an item
-->

## BLG-002: Second one first
Status: Idea
Tags: parser, "a, b"

Some prose that nobody may touch.

Acceptance criteria:
* It is seen.
  On two lines.
* It is *also* seen.

### A sub-heading

```text
## BLG-078 - no item either
Status: done
```
Conflict: src/a.py, tests/**

---

## BLG-001 - First
Priority: HIGH
Notes:
  free line
  goes on

- a bullet

Depends: Second one first, BLG-002
"""


def edit(text: str, item_id: str = "BLG-001", **fields: Any) -> str:
    return edit_item(text, clean_edit(BacklogEdit(item_id=item_id, **fields)), path="b.md")


def changed_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    """The lines that went and those that came, between what is common at both ends."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    return old[start : len(old) - end], new[start : len(new) - end]


@pytest.mark.parametrize(
    ("item_id", "fields", "went", "came"),
    [
        ("BLG-002", {"status": "selected"}, ["Status: Idea\n"], ["Status: selected\n"]),
        ("BLG-002", {"status": "idea"}, [], []),
        ("BLG-001", {"status": "blocked"}, [], ["Status: blocked\n"]),
        ("BLG-001", {"priority": "low"}, ["Priority: HIGH\n"], ["Priority: low\n"]),
        ("BLG-002", {"priority": "low"}, [], ["Priority: low\n"]),
        ("BLG-002", {"title": "Another: title"}, ["## BLG-002: Second one first\n"], ["## BLG-002: Another: title\n"]),
        ("BLG-002", {"tags": ("x", "y, z")}, ['Tags: parser, "a, b"\n'], ['Tags: x, "y, z"\n']),
        ("BLG-002", {"tags": ()}, ['Tags: parser, "a, b"\n', "\n"], ["\n"]),
        (
            "BLG-002",
            {"acceptance_criteria": ("New.", "Newer.")},
            ["* It is seen.\n", "  On two lines.\n", "* It is *also* seen.\n"],
            ["* New.\n", "* Newer.\n"],
        ),
        ("BLG-002", {"conflict_scopes": ("src/b.py",)}, ["Conflict: src/a.py, tests/**\n"], ["Conflict: src/b.py\n"]),
        ("BLG-002", {"verify": ("make",)}, [], ["\n", "Verify:\n", "\n", "- make\n"]),
        ("BLG-001", {"notes": ("one",)}, ["  free line\n", "  goes on\n", "\n", "- a bullet\n"], ["- one\n"]),
        ("BLG-001", {"added_notes": ("one", "a bullet")}, [], ["- one\n"]),
        ("BLG-001", {"depends": ()}, ["Depends: Second one first, BLG-002\n"], []),
    ],
)
def test_single_edits_change_these_lines_only(
    item_id: str, fields: dict[str, Any], went: list[str], came: list[str]
) -> None:
    for end in ("\n", "\r\n"):
        for mark in ("", "\ufeff"):
            text = mark + WRITTEN_BY_HAND.replace("\n", end)
            after = edit(text, item_id, **fields)
            old, new = changed_lines(text, after)
            # Where a blank line is among them, the common ends can be cut in two ways.
            assert sorted(new) == sorted(line.replace("\n", end) for line in came) or len(old) - len(new) == len(
                went
            ) - len(came)
            assert after.count("Some prose that nobody may touch.") == 1
            assert edit(after, item_id, **fields) == after, "again it changes nothing"


def test_an_emptied_list_is_gone_with_its_label_and_one_blank_line() -> None:
    after = edit(WRITTEN_BY_HAND, "BLG-002", acceptance_criteria=())
    assert "may touch.\n\n### A sub-heading\n" in after
    assert len(after) == len(WRITTEN_BY_HAND) - len(
        "Acceptance criteria:\n* It is seen.\n  On two lines.\n* It is *also* seen.\n\n"
    )


def test_an_item_is_added_at_the_end_and_nothing_else_changes() -> None:
    new = BacklogEdit(
        item_id="BLG-003",
        is_new=True,
        title="Third",
        priority="high",
        tags=("a",),
        notes=("why",),
        acceptance_criteria=("seen",),
        conflict_scopes=("src/",),
        verify=("make -k",),
        depends=("BLG-001",),
    )
    expected = (
        "\n## BLG-003 - Third\n\nStatus: idea\nPriority: high\nTags: a\n\nNotes:\n\n- why\n\nAcceptance:\n\n- seen\n"
        "\nConflict scopes:\n\n- src/\n\nVerify:\n\n- make -k\n\nDepends:\n\n- BLG-001\n"
    )
    assert edit_item(WRITTEN_BY_HAND, new, path="b.md") == WRITTEN_BY_HAND + expected
    cut = WRITTEN_BY_HAND.replace("\n", "\r\n").removesuffix("\r\n")
    assert edit_item(cut, new, path="b.md") == cut + "\r\n" + expected.replace("\n", "\r\n")
    assert edit_item("", new, path="b.md") == "# Backlog\n" + expected


def test_an_implied_id_is_written_down_by_the_first_edit() -> None:
    text = "## Dark mode\nPeople ask.\n\n## BLG-001 - Other\n"
    assert edit(text, "BLG-002", status="selected") == (
        "## BLG-002 - Dark mode\n\nStatus: selected\n\nPeople ask.\n\n## BLG-001 - Other\n"
    )


def test_an_edit_that_would_touch_more_is_refused() -> None:
    for text in ("## BLG-001 - T\n<!-- open\n", "## BLG-001 - T\n```\n"):
        with pytest.raises(AiwError) as caught:
            edit_item(text, BacklogEdit(item_id="BLG-002", is_new=True, title="N"), path="b.md")
        assert caught.value.kind == Kind.PLAN
    with pytest.raises(AiwError, match="BLG-009 does not exist") as caught:
        edit("## BLG-001 - T\n", "BLG-009", status="done")
    assert caught.value.kind == Kind.NOT_FOUND
    with pytest.raises(AiwError, match="a line of a list"):
        edit("- [ ] old idea\n", "BLG-001", status="done")
    with pytest.raises(AiwError, match="needs a title"):
        clean_edit(BacklogEdit(item_id="BLG-001", title=" \n# "))


_VALUE = st.one_of(
    st.sampled_from(
        ["none", "-", "- -", "--", "* *", "# x", "## BLG-009 - x", "Status: done", "- [x] a", "`make`", "a, b", '"q"',
         "<!-- c", "```", "1. one", "C#", "x #", "**b**", "Notes:", "\u2028", "é"]
    ),
    st.text(max_size=12),
)  # fmt: skip
_LIST = st.lists(_VALUE, max_size=3).map(tuple)
EDITS = st.builds(
    BacklogEdit,
    item_id=st.sampled_from(["BLG-001", "BLG-001", "BLG-002"]),
    title=st.none() | _VALUE.filter(lambda text: text.split() and text.strip("# \t")),
    status=st.none() | st.sampled_from(BACKLOG_STATUSES),
    priority=st.none() | st.sampled_from(PRIORITIES),
    tags=st.none() | _LIST,
    notes=st.none() | _LIST,
    acceptance_criteria=st.none() | _LIST,
    conflict_scopes=st.none() | _LIST,
    verify=st.none() | _LIST,
    depends=st.none() | _LIST,
    added_notes=_LIST,
)
_LINES = st.lists(
    st.one_of(
        st.sampled_from(
            ["## BLG-001 - One", "## BLG-002: Two, three", "## Untitled", "### Sub", "# Top", "Status: idea",
             "status:", "**Priority:** high", "Priority: x", "Tags: a, b", "Tags:", "Notes:", "Notes: inline",
             "Acceptance:", "Acceptance: inline", "- bullet", "  - nested", "* star", "1. first", "  wrapped", "lazy",
             "Conflict: src/, b", "Conflict scopes:", "Verify:", "Verify: `make`", "Depends: Two, three, BLG-001",
             "Depends: none", "- none", "-", "---", "- [ ] box", "```", "<!-- c -->", "<!-- open", "-->", "Owner: me",
             "  Status: deep", "", "", "", "   "]
        ),
        st.text(max_size=8),
    ),
    max_size=22,
)  # fmt: skip
TEXTS = st.builds(
    lambda mark, head, lines, end, last: mark + end.join([*head, *lines]) + last,
    st.sampled_from(["", "\ufeff"]),
    st.sampled_from([["## BLG-001 - One"], ["## BLG-002 - Two, three", "Status: idea", ""], []]),
    _LINES,
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["", "\n"]),
)


@settings(deadline=None, max_examples=400)
@given(TEXTS, EDITS)
def test_an_edit_gives_the_new_value_or_is_refused_and_no_other_item_changes(text: str, wanted: BacklogEdit) -> None:
    wanted = clean_edit(wanted)
    before = parse_backlog(text, path="b")
    item = before.find(wanted.item_id)
    try:
        after = edit_item(text, wanted, path="b")
    except AiwError:
        return
    assert item is not None
    again = parse_backlog(after, path="b")
    found = again.find(wanted.item_id)
    assert found is not None
    expected = expected_item(item, wanted)
    for name in FIELDS:
        if name != "depends" or wanted.title is None:
            assert getattr(found, name) == getattr(expected, name), name
    assert [other.id for other in again.items] == [other.id for other in before.items]
    # Every line outside the item is there as it was, byte for byte.
    start = item.line - 1
    above = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:start]
    assert after.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:start] == above
    second = apply_edits(after, [wanted], path="b")
    assert second == after


@settings(deadline=None, max_examples=200)
@given(TEXTS, EDITS)
def test_edits_on_another_version_never_fail_and_merge(text: str, wanted: BacklogEdit) -> None:
    wanted = clean_edit(replace(wanted, is_new=True, title=wanted.title or "New"))
    after = apply_edits(text, [wanted])
    assert isinstance(after, str)
    later = clean_edit(BacklogEdit(item_id=wanted.item_id, status="done"))
    merged = merge_edits([wanted], later)
    assert len(merged) == 1
    assert merged[0].status == "done"
    standing = keep_standing(after, merged)
    assert all(kept.item_id == wanted.item_id for kept in standing)


@settings(deadline=None, max_examples=300)
@given(_LINES, st.sampled_from(BACKLOG_STATUSES))
def test_a_status_changes_one_line_of_well_formed_items(lines: list[str], status: str) -> None:
    body = "\n".join(line for line in lines if not line.startswith(("#", "<!--", "```")))
    text = f"# B\n\nprose\r\n## BLG-005 - T\nStatus: idea\n{body}\n## BLG-006 - Next\n\ttail  \n"
    after = edit_item(text, BacklogEdit(item_id="BLG-005", status=status), path="b")  # type: ignore[arg-type]
    assert after == text.replace("Status: idea\n", f"Status: {status}\n", 1)


def test_what_a_person_changed_since_is_no_longer_ours() -> None:
    edits = [BacklogEdit(item_id="BLG-001", status="selected", priority="low", added_notes=("n",))]
    text = "## BLG-001 - T\nStatus: blocked\nPriority: low\n"
    assert keep_standing(text, edits) == (BacklogEdit(item_id="BLG-001", priority="low"),)
    assert keep_standing("", edits) == ()
    assert apply_edits("", edits) == ""
    new = [BacklogEdit(item_id="BLG-001", is_new=True, title="T", status="idea")]
    (kept,) = keep_standing(text, new)
    assert (kept.is_new, kept.status, kept.title, kept.priority) == (True, "blocked", "T", "low")
