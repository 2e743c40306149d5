"""Makes text that a person or a program wrote inert inside Markdown and git messages. Pure.

What comes out of `render_inline` and `render_code` is left as it is by prettier and by markdownlint's fixes, so that
documents under version control are not rewritten by a hook.
"""

from __future__ import annotations

import re
import unicodedata

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:(?: |[,;()'\"/%-]+| ?\()[A-Za-z0-9]+)*[.)'\"]?")
_HIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\ufffe\uffff\U000e0000-\U000e007f]"
)
_HIDDEN_IN_BLOCK = re.compile(_HIDDEN.pattern[:-1] + "\x0b\x0c\x1c-\x1f\x85\u2028\u2029]")
_SPACE = re.compile(r"\s+")
_TICKS = re.compile("(`+)")
_LINK = re.compile(r"(?i)(?:[a-z0-9+.-]://|www\.|mailto:|xmpp:)|[^\s@]@[^\s@]")
_SPECIAL = re.compile(r"[\\*_\[\]<>~|$&{]")
_LEAD = re.compile(r"(?:[#>+|=:~-]|\d+[.)])")
_BREAKS_STRUCTURE = re.compile(r"[#>+=:|~<&`*_\[\]-]|\d+[.)]")
_PLAIN_CODE = re.compile(r"[A-Za-z0-9_./*-]+(?: [A-Za-z0-9_./*=:-]+)*")
_LIST_PREFIX = re.compile(r" *(?:- |\d+\. |> )?")
_ESCAPE_OR_CODE = re.compile(r"\\[!-/:-@\[-`{-~]|(`+)(?!`).*?(?<!`)\1(?!`)")
_EMPTY = "(empty)"
ELLIPSIS = "…"
LINE_WIDTH = 80


def show_hidden(text: str) -> str:
    """The text with control characters, bidi overrides and invisible characters written as `{U+001B}`.

    White space stays. Joiners and variation selectors stay too: emoji and several scripts need them.
    """
    return _HIDDEN.sub(_name_of, text)


def _name_of(match: re.Match[str]) -> str:
    return f"{{U+{ord(match.group()):04X}}}"


def make_line(text: str) -> str:
    """The text as one line: every run of white space is one space, nothing hidden is left out of sight."""
    return " ".join(show_hidden(text).split())


def strip_line(text: str) -> str:
    """The text as one line without its control and invisible characters, for git messages."""
    return " ".join(_HIDDEN.sub("", text).split())


def clip_bytes(text: str, max_bytes: int) -> str:
    """At most `max_bytes` UTF-8 bytes of the text; what was cut is marked by an ellipsis. `max_bytes` is 4 or more."""
    data = text.encode(errors="replace")
    if len(data) <= max_bytes:
        return text
    return data[: max_bytes - len(ELLIPSIS.encode())].decode(errors="ignore").rstrip() + ELLIPSIS


def render_inline(text: str, *, max_bytes: int | None = None) -> str:
    """One line of Markdown that shows the text and cannot change the structure around it.

    Code spans of the text stay code spans, addresses become some; every other mark is escaped. Empty text is shown
    as `(empty)`.

    Args:
        max_bytes: upper bound of the result in UTF-8 bytes; longer text is cut and marked by an ellipsis.
    """
    if len(text) < 400 and _PLAIN.fullmatch(text) and "www." not in text:
        return text if max_bytes is None or len(text) <= max_bytes else clip_bytes(text, max_bytes)
    line = make_line(text)
    if not line:
        return _EMPTY
    shown = _escape_line(line)
    if max_bytes is None or len(shown.encode()) <= max_bytes:
        return shown
    room = max_bytes
    while room > 8:
        shown = _escape_line(clip_bytes(line, room))
        if len(shown.encode()) <= max_bytes:
            return shown
        room = room * 3 // 4
    return ELLIPSIS


def _escape_line(line: str) -> str:
    if "`" not in line:
        return _guard_ends(_escape_words(line))
    parts = _TICKS.split(line)
    shown: list[str] = []
    unclosed: set[str] = set()
    index = 0
    while index < len(parts):
        part = parts[index]
        if index % 2 == 0:
            shown.append(_escape_words(part))
            index += 1
            continue
        close = _find_close(parts, index, unclosed)
        if close is None:
            shown.append("\\`" * len(part))
            index += 1
        else:
            shown.append(render_code("".join(parts[index + 1 : close])))
            index = close + 1
    return _guard_ends(_join_apart(shown))


def _join_apart(pieces: list[str]) -> str:
    """The pieces together, with a space where the fences of two code spans would become one."""
    text = ""
    for piece in pieces:
        text += f" {piece}" if text.endswith("`") and piece.startswith("`") else piece
    return text


def _find_close(parts: list[str], index: int, unclosed: set[str]) -> int | None:
    ticks = parts[index]
    if ticks in unclosed:
        return None
    for later in range(index + 2, len(parts), 2):
        if parts[later] == ticks:
            return later if "".join(parts[index + 1 : later]).strip() else None
    unclosed.add(ticks)
    return None


def _escape_words(text: str) -> str:
    if not _LINK.search(text):
        return _SPECIAL.sub(_escape_mark, text)
    words = text.split(" ")
    return " ".join(render_code(word) if _LINK.search(word) else _SPECIAL.sub(_escape_mark, word) for word in words)


def _escape_mark(match: re.Match[str]) -> str:
    mark = match.group()
    if mark in "\\*[]<>~|$":
        return "\\" + mark
    text, at = match.string, match.start()
    if mark == "_":
        is_inner = text[at - 1 : at].isalnum() and text[at + 1 : at + 2].isalnum()
        return mark if is_inner else "\\_"
    if mark == "{":
        # `{{` and `{%` are template tags to prettier, which then leaves everything up to their end unread.
        return "\\{" if text[at + 1 : at + 2] in ("{", "%") else mark
    if mark == "&":
        return "\\&" if text[at + 1 : at + 2].isalnum() or text[at + 1 : at + 2] == "#" else mark
    return mark


def _guard_ends(line: str) -> str:
    if line.endswith("\\"):
        # A line may not end in a backslash: hooks and readers take it for a line break.
        head = line.rstrip("\\")
        shown = "\\" * ((len(line) - len(head)) // 2)
        return _guard_ends(f"{head.rstrip()} `{shown}`".lstrip())
    if line.endswith("#"):
        # A heading drops the marks at its end, unless the first is escaped.
        head = line.rstrip("#")
        if head.endswith(" "):
            line = f"{head}\\{line[len(head) :]}"
    match = _LEAD.match(line)
    if match is None:
        return line
    lead = match.group()
    if lead[0].isdigit():
        return f"{lead[:-1]}\\{line[len(lead) - 1 :]}"
    return "\\" + line


def render_code(text: str, *, max_bytes: int | None = None) -> str:
    """An inline code span that shows the text on one line, with the shortest fence that is not inside.

    Args:
        max_bytes: upper bound of the shown text in UTF-8 bytes, without the fence.
    """
    if _PLAIN_CODE.fullmatch(text) and (max_bytes is None or len(text) <= max_bytes):
        return f"`{text}`"
    line = make_line(text.strip().replace("\r\n", "\n").replace("\n", " ␤ "))
    if not line:
        return _EMPTY
    if max_bytes is not None:
        line = clip_bytes(line, max_bytes)
    taken = {len(run) for run in _TICKS.findall(line)}
    fence = "`" * next(length for length in range(1, len(taken) + 2) if length not in taken)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def render_block(text: str, *, language: str = "text") -> str:
    """A fenced code block that shows the text, with a fence longer than any inside; no final newline."""
    body = _HIDDEN_IN_BLOCK.sub(_name_of, text.replace("\r\n", "\n").replace("\r", "\n")).strip("\n")
    longest = max((len(run) for run in _TICKS.findall(body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{body}\n{fence}"


def render_quote(text: str) -> str:
    """A Markdown block quote that holds the text; what is inside cannot end it. No final newline."""
    body = _HIDDEN_IN_BLOCK.sub(_name_of, text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    return "\n".join(f"> {line.rstrip()}".rstrip() for line in body.split("\n"))


def excerpt_tail(text: str, *, max_bytes: int) -> str:
    """The last whole lines of the text within `max_bytes`; the first line says how much was left out."""
    data = text.encode(errors="replace")
    if len(data) <= max_bytes:
        return text
    kept = data[-max_bytes:]
    cut = kept.find(b"\n")
    if 0 <= cut < len(kept) - 1:
        kept = kept[cut + 1 :]
    return f"[{len(data) - len(kept)} bytes left out]\n{kept.decode(errors='ignore')}"


def wrap_markdown(text: str, *, first: str = "", rest: str = "") -> str:
    """The one-line Markdown text over lines of at most 80 columns where it can be broken.

    It is never broken inside a code span, nor where the next line would begin with a mark that means something.

    Args:
        first: put before the first line, e.g. `- `.
        rest: put before every other line, e.g. two spaces.
    """
    lines: list[str] = []
    current = first
    is_empty = True
    for word in _split_unbroken(text):
        if is_empty:
            current += word
        elif len(current) + 1 + len(word) > LINE_WIDTH and _may_begin_line(word) and not current.endswith("\\"):
            lines.append(current)
            current = rest + word
        else:
            current += f" {word}"
        is_empty = False
    lines.append(current)
    return "\n".join(lines)


def wrap_long_lines(document: str) -> str:
    """The Markdown document with its paragraphs and list items wrapped; each must be one line of the input.

    Headings, code blocks and lines that fit stay as they are.
    """
    lines: list[str] = []
    fence = ""
    for line in document.split("\n"):
        ticks = _TICKS.match(line.lstrip())
        if fence:
            fence = "" if line.strip() == fence else fence
        elif ticks is not None and len(ticks.group()) > 2:
            fence = ticks.group()
        elif len(line) > LINE_WIDTH and not line.startswith("#"):
            match = _LIST_PREFIX.match(line)
            prefix = match.group() if match else ""
            rest = prefix if prefix.endswith("> ") else " " * len(prefix)
            lines.append(wrap_markdown(line[len(prefix) :], first=prefix, rest=rest))
            continue
        lines.append(line)
    return "\n".join(lines)


def _split_unbroken(text: str) -> list[str]:
    spans = [(match.start(), match.end()) for match in _ESCAPE_OR_CODE.finditer(text) if match.group(1)]
    words: list[str] = []
    begin = 0
    span = 0
    for match in _SPACE.finditer(text):
        while span < len(spans) and spans[span][1] <= match.start():
            span += 1
        if span < len(spans) and spans[span][0] < match.start():
            continue
        words.append(text[begin : match.start()])
        begin = match.end()
    words.append(text[begin:])
    return words


def _may_begin_line(word: str) -> bool:
    first = word[:1]
    if first == "`":
        return not word.startswith("```")
    return _BREAKS_STRUCTURE.match(word) is None and (first.isalnum() or unicodedata.category(first)[0] in "LNSP")
