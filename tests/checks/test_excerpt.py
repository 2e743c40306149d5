"""Excerpts of output: their end, their size, and that nothing in them can act (spec §7.7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_workflow.checks.excerpt import excerpt, make_inert
from ai_workflow.checks.terminal import strip_controls


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (" \n\n", ""),
        ("one\n", "one"),
        ("\n\n  one\r\ntwo\n\n", "  one\ntwo"),
        ("1\n2\n3\n4\n", "[1 more line above]\n2\n3\n4"),
        ("1\n2\n3\n4\n5\n", "[2 more lines above]\n3\n4\n5"),
        ("1\n\n\n \n\n2\n", "1\n\n2"),
        ("a" * 40, "…" + "a" * 27),
        ("first\n" + "ü" * 40, "[1 more line above]\n…" + "ü" * 13),
        ("1234567890\n1234567890\n123456789", "[1 more line above]\n1234567890\n123456789"),
        ("a\x1b[31mb\x07\u202ec\u2028d\tE", "a\\x1b[31mb\\x07\\u202ec\\u2028d\tE"),
    ],
)
def test_the_end_is_shown(text: str, expected: str) -> None:
    assert excerpt(text, max_lines=3, max_bytes=30) == expected


@given(text=st.text(alphabet=st.characters(codec=None)), lines=st.integers(1, 5), size=st.integers(16, 60))
def test_limits_hold_and_nothing_acts(text: str, lines: int, size: int) -> None:
    shown = excerpt(text, max_lines=lines, max_bytes=size)
    body = [line for line in shown.split("\n") if not line.endswith(" above]")]
    assert len(body) <= lines
    assert len("\n".join(body).encode()) <= size
    assert make_inert(shown) == shown


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\x1b[38;5;1mred\x1b[m", "red"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x07", "link"),
        ("\x1bP1$r\x1b\\a\x1b(Bb\x1b7c", "abc"),
        ("\x9b31mred", "red"),
        ("\x1b]0;never ended\nnext line", "\nnext line"),
        ("cut \x1b[3", "cut "),
        ("a\rb\r\nc\x00\x08\x7fd\te", "a\nb\ncd\te"),
    ],
)
def test_terminal_controls_leave_the_text(text: str, plain: str) -> None:
    assert strip_controls(text) == plain
