"""Makes untrusted text harmless on a terminal (spec §7.7). Pure; imports nothing."""

from __future__ import annotations


def inert(text: str, *, keeps_lines: bool = False) -> str:
    """The text with control characters and invisible or direction-changing ones escaped.

    Args:
        keeps_lines: whether line feeds stay; otherwise the text becomes one line.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or (keeps_lines and char in "\n\t") else _escape(char) for char in text)


def _escape(char: str) -> str:
    if char == "\n":
        return " "
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def inert_json(text: str) -> str:
    """A JSON document with the same meaning whose strings hold nothing that a terminal obeys.

    JSON itself escapes only the control characters below U+0020; outside of strings a document is plain ASCII.
    """
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(char if char.isprintable() or char == "\n" else _escape_json(char) for char in text)


def _escape_json(char: str) -> str:
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
