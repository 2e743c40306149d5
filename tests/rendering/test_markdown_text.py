"""Text is inert in Markdown, whatever it is (spec §7.7)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_workflow.rendering.text import (
    clip_bytes,
    excerpt_tail,
    render_block,
    render_code,
    render_inline,
    render_quote,
    wrap_long_lines,
    wrap_markdown,
)
from rendering.builders import hostile_texts

HIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\u2028\u2029]")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "(empty)"),
        ("Plain words, nothing else.", "Plain words, nothing else."),
        ("# heading", "\\# heading"),
        ("- item", "\\- item"),
        ("12. item", "12\\. item"),
        ("issue #", "issue \\#"),
        ("*bold* _it_ snake_case __init__", "\\*bold\\* \\_it\\_ snake_case \\_\\_init\\_\\_"),
        ("use `a_b*c` here", "use `a_b*c` here"),
        ("an ` alone", "an \\` alone"),
        ("``a ` b``", "``a ` b``"),
        ("[l](u) <b> a|b ~~s~~ $m$", "\\[l\\](u) \\<b\\> a\\|b \\~\\~s\\~\\~ \\$m\\$"),
        ("see https://e.test/a_b now", "see `https://e.test/a_b` now"),
        ("a@b.test```x`y```", "`a@b.test` ``x`y``"),
        ("mail a@b.test", "mail `a@b.test`"),
        ("R&D &amp; &#35;", "R\\&D \\&amp; \\&#35;"),
        ("two\n\nlines\tand\u2028more", "two lines and more"),
        ("red \x1b[31m \u202eevil", "red {U+001B}\\[31m {U+202E}evil"),
        ("path C:\\", "path C: `\\`"),
        ("{{ x }} {% y %} {z}", "\\{{ x }} \\{% y %} {z}"),
    ],
)
def test_inline_shows_the_text_and_no_markup(text: str, shown: str) -> None:
    assert render_inline(text) == shown


@settings(deadline=None, max_examples=300)
@given(hostile_texts)
def test_inline_is_one_line_without_hidden_characters(text: str) -> None:
    shown = render_inline(text)
    assert "\n" not in shown
    assert not HIDDEN.search(shown)
    assert not re.match(r"[#>+-]|\d+[.)]|[ =]", shown)
    assert not shown.endswith(("\\", " "))
    assert render_inline(text, max_bytes=60).encode().__len__() <= 60


@settings(deadline=None, max_examples=300)
@given(hostile_texts)
def test_code_and_block_outlast_every_fence_inside(text: str) -> None:
    code = render_code(text)
    assert "\n" not in code
    assert not HIDDEN.search(code)
    if code != "(empty)":
        fence = re.match("`+", code)
        assert fence is not None
        inner = code[len(fence.group()) : -len(fence.group())]
        assert fence.group() not in re.findall("`+", inner)
    first, *body, last = render_block(text).split("\n")
    assert first == f"{last}text"
    assert all(len(run) < len(last) for line in body for run in re.findall("`+", line))
    assert all(line.startswith(">") for line in render_quote(text).split("\n"))


@settings(deadline=None, max_examples=300)
@given(hostile_texts)
def test_wrapping_keeps_the_words_and_begins_no_line_with_a_mark(text: str) -> None:
    shown = render_inline(text)
    wrapped = wrap_markdown(shown, first="- ", rest="  ")
    assert " ".join(line.strip() if index else line[2:] for index, line in enumerate(wrapped.split("\n"))) == shown
    for line in wrapped.split("\n")[1:]:
        assert not re.match(r"\s*([#>+=|~-]|```|\d+[.)])", line)
    for line in wrapped.split("\n")[:-1]:
        assert not line.endswith("\\")


def test_a_list_item_is_wrapped_at_80_columns_and_code_is_not() -> None:
    words = "word " * 30
    document = f"# Title {words}\n\n- {words.strip()}\n\n```text\n{words}\n```\n"
    lines = wrap_long_lines(document).split("\n")
    assert lines[0] == f"# Title {words}"
    assert [len(line) for line in lines[2:4]] == [76, 76]
    assert lines[3].startswith("  word")
    assert words in lines


@given(st.text(max_size=200), st.integers(min_value=4, max_value=60))
def test_a_cut_text_has_at_most_the_bytes_asked_for(text: str, room: int) -> None:
    assert len(clip_bytes(text, room).encode(errors="replace")) <= max(room, 0)


def test_an_excerpt_is_the_last_whole_lines() -> None:
    text = "".join(f"line {number}\n" for number in range(100))
    assert excerpt_tail(text, max_bytes=20) == "[774 bytes left out]\nline 98\nline 99\n"
    assert excerpt_tail(text, max_bytes=2000) == text
    assert excerpt_tail("é" * 50, max_bytes=11) == "[89 bytes left out]\n" + "é" * 5


def test_one_endless_word_takes_no_endless_time() -> None:
    """The search for addresses was quadratic in the length of a word; this would take minutes."""
    assert render_inline("a" * 300_000, max_bytes=100).startswith("aaa")
