"""Reads YAML text into a small tree with line numbers, and refuses what a configuration never needs. Pure.

Only the parser's events are used, never its constructors: no tag can make an object, `no` stays the text `no` until
a key asks for a truth value, an alias costs nothing, and neither depth nor recursion can exhaust anything.
"""

from __future__ import annotations

import re
from typing import Any

from ai_workflow.errors import AiwError, Kind

MAX_BYTES = 256 * 1024
_MAX_DEPTH = 16
_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_STRING_TAGS = (None, "!", "tag:yaml.org,2002:str")
_MERGE = "<<"


class Node:
    """A value with its place.

    Attributes:
        line: 1-based.
        text: of a scalar.
        plain: whether a scalar stands without quotes and tag, so that it may be something else than text.
        items: of a list.
        entries: of a mapping: key → (line of the key, value), merged mappings included.
    """

    __slots__ = ("entries", "items", "line", "plain", "text")

    def __init__(self, line: int) -> None:
        self.line = line
        self.text: str | None = None
        self.plain = False
        self.items: list[Node] | None = None
        self.entries: dict[str, tuple[int, Node]] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it is YAML's null."""
        return self.plain and self.text in ("", "~", "null", "Null", "NULL")

    def describe(self) -> str:
        """What it is, for messages: `found …`."""
        if self.entries is not None:
            return "a mapping"
        if self.items is not None:
            return "a list"
        return "nothing" if self.is_empty else f"`{inert(self.text or '')}`"


def refuse(path: str, line: int | None, message: str, *, hint: str | None = None) -> AiwError:
    """The error for a place in a file; the caller raises it."""
    place = path if line is None else f"{path}:{line}"
    return AiwError(Kind.CONFIG, f"{place}: {message}", hint=hint)


def inert(text: str, *, limit: int = 60) -> str:
    """The text on one line, harmless on any terminal, and not longer than `limit` characters. Pure."""
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in short)


def parse_nodes(data: bytes, *, path: str) -> Node | None:
    """The tree of a document, or None when it is empty.

    Args:
        data: UTF-8, a byte order mark allowed.
        path: for messages.

    Raises:
        AiwError: CONFIG with path and line.
    """
    import yaml

    text = _decode(data, path)
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _Builder(path)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "cannot be read"
        # What is missing at the end is missed one line below it.
        line = min(mark.line, text.rstrip("\n").count("\n")) + 1 if mark else None
        raise refuse(path, line, f"not valid YAML: {inert(problem, limit=200)}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise refuse(path, None, f"not valid YAML: {inert(str(error), limit=200)}") from error
    return builder.root


def _decode(data: bytes, path: str) -> str:
    if len(data) > MAX_BYTES:
        raise refuse(path, None, f"{len(data)} bytes are more than a configuration can have ({MAX_BYTES})")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise refuse(path, line, "not UTF-8 text", hint="save the file in UTF-8") from error
    bad = _NOT_YAML.search(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        raise refuse(path, line, f"the character U+{ord(bad.group()):04X} is not allowed")
    return text


class _Builder:
    """Puts events together to a tree, without recursion."""

    def __init__(self, path: str) -> None:
        self.root: Node | None = None
        self._path = path
        self._documents = 0
        self._open: list[Node] = []
        self._keys: list[tuple[int, str] | None] = []
        """For each open node the key whose value comes next."""
        self._merges: list[list[Node]] = []
        self._anchors: dict[str, Node] = {}

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        match type(event).__name__:
            case "DocumentStartEvent":
                self._documents += 1
                if self._documents > 1:
                    raise refuse(self._path, line, "a second document begins here; one is expected")
            case "ScalarEvent":
                self._take_scalar(event, line)
            case "AliasEvent":
                self._take_alias(event.anchor, line)
            case "SequenceStartEvent" | "MappingStartEvent" as name:
                self._take_start(event, line, is_list=name == "SequenceStartEvent")
            case "SequenceEndEvent" | "MappingEndEvent":
                self._take_end()

    def _take_scalar(self, event: Any, line: int) -> None:
        if event.tag not in _STRING_TAGS:
            raise refuse(self._path, line, f"the tag `{inert(event.tag)}` is not allowed")
        if _SURROGATE.search(event.value):
            raise refuse(self._path, line, "half of a character is not text")
        node = Node(line)
        node.text = event.value
        node.plain = event.tag is None and bool(event.implicit[0])
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        self._place(node, line)

    def _take_alias(self, anchor: str, line: int) -> None:
        node = self._anchors.get(anchor)
        if node is None:
            raise refuse(self._path, line, f"there is no `&{inert(anchor)}` above")
        if node in self._open:
            raise refuse(self._path, line, f"`*{inert(anchor)}` contains itself")
        self._place(node, line)

    def _take_start(self, event: Any, line: int, *, is_list: bool) -> None:
        if event.tag is not None:
            raise refuse(self._path, line, f"the tag `{inert(event.tag)}` is not allowed")
        if len(self._open) >= _MAX_DEPTH:
            raise refuse(self._path, line, f"nested deeper than {_MAX_DEPTH} levels")
        self._require_no_key(line)
        node = Node(line)
        if is_list:
            node.items = []
        else:
            node.entries = {}
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        self._open.append(node)
        self._keys.append(None)
        self._merges.append([])

    def _require_no_key(self, line: int) -> None:
        if self._open and self._open[-1].entries is not None and self._keys[-1] is None:
            raise refuse(self._path, line, "a key must be a plain word")

    def _take_end(self) -> None:
        node = self._open.pop()
        self._keys.pop()
        for merged in self._merges.pop():
            for key, entry in (merged.entries or {}).items():
                node.entries.setdefault(key, entry)  # type: ignore[union-attr]
        self._place(node, node.line)

    def _place(self, node: Node, line: int) -> None:
        if not self._open:
            self.root = node
            return
        parent, key = self._open[-1], self._keys[-1]
        if parent.items is not None:
            parent.items.append(node)
        elif key is None:
            self._take_key(node, line)
        else:
            self._keys[-1] = None
            self._set(parent, key, node)

    def _take_key(self, node: Node, line: int) -> None:
        if node.text is None:
            raise refuse(self._path, line, "a key must be a plain word")
        self._keys[-1] = (line, node.text)

    def _set(self, parent: Node, key: tuple[int, str], node: Node) -> None:
        line, name = key
        assert parent.entries is not None
        if name == _MERGE:
            merged = [node] if node.items is None else node.items
            if any(one.entries is None for one in merged):
                raise refuse(self._path, line, "`<<` expected a mapping")
            self._merges[-1] += merged
            return
        if name in parent.entries:
            first = parent.entries[name][0]
            dotted = ".".join([*(outer[1] for outer in self._keys if outer is not None), name])
            raise refuse(self._path, line, f"key `{inert(dotted)}` is given twice, first in line {first}")
        parent.entries[name] = (line, node)
