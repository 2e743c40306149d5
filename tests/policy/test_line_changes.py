"""Changes of repository files, line by line, and how they are taken back (spec §7.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_workflow.policy.line_changes import make_owned_change, take_back

TEXTS = st.none() | st.lists(st.sampled_from(["a\n", "b\n", "c\r\n", "\n", "é\n", "end"]), max_size=8).map(
    lambda lines: "".join(lines).encode()
)


@given(before=TEXTS, after=TEXTS)
def test_what_was_changed_comes_back_byte_for_byte(before: bytes | None, after: bytes | None) -> None:
    assert take_back(after, make_owned_change("x", before, after)) == (before, None)


@given(before=TEXTS, after=TEXTS)
def test_taking_back_twice_is_harmless(before: bytes | None, after: bytes | None) -> None:
    assert take_back(before, make_owned_change("x", before, after)) == (before, None)


def test_a_persons_lines_elsewhere_stay() -> None:
    change = make_owned_change("x", b"one\ntwo\nthree\n", b"one\n2\nthree\n")
    assert take_back(b"zero\none\n2\nthree\nfour\n", change) == (b"zero\none\ntwo\nthree\nfour\n", None)


@pytest.mark.parametrize(
    ("before", "after", "now", "why"),
    [
        (b"one\ntwo\n", b"one\n2\n", b"one\nII\n", "the same lines were changed since (about line 2)"),
        (b"one\n", b"2\n", b"2 \n2\r\n", "the same lines were changed since (about line 1)"),
        (None, b"made\n", b"made\nmore\n", "it was changed since it was made"),
        (b"one\n", b"2\n", None, "it was deleted since"),
        (b"\xff\n", b"\xfe\n", b"\xfe\n", "it is not UTF-8 text"),
    ],
)
def test_what_a_person_changed_in_the_same_place_is_left_as_it_is(
    before: bytes | None, after: bytes, now: bytes | None, why: str
) -> None:
    assert take_back(now, make_owned_change("x", before, after)) == (now, why)
