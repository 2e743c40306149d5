"""Lists in fields (spec §4.1)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_workflow.plan.comma_lists import index_titles, join_items, split_items

TITLES = index_titles(("Foo", "Foo, bar", "Foo, bar, and baz", "bar"))


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("Foo, M01/2", ["Foo", "M01/2"]),
        ("Foo, bar, and baz", ["Foo, bar, and baz"]),
        ("foo,  BAR.", ["foo,  BAR."]),
        ("bar, Foo, bar, and baz, Foo", ["bar", "Foo, bar, and baz", "Foo"]),
        ('"Foo", bar', ["Foo", "bar"]),
        ('"a, \\"b\\"", c', ['a, "b"', "c"]),
        ('"open, c', ['"open', "c"]),
        ("none", []),
        ("-", []),
        ("", []),
        ('"none"', ["none"]),
        ("`src/a.py`,,b", ["src/a.py", "b"]),
    ],
)
def test_items(text: str, items: list[str]) -> None:
    assert [item for item, _ in split_items(text, titles=TITLES)] == items


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(alphabet='ab, "\\-none`', min_size=1).map(str.strip).filter(bool), max_size=4))
def test_joined_items_are_split_again(items: list[str]) -> None:
    assert [item for item, _ in split_items(join_items(items))] == items
