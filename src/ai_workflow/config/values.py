"""Reads one value of the configuration by what its key expects. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from ai_workflow.config.keys import Expect
from ai_workflow.config.nodes import Node, inert

_TRUE = ("true", "yes", "on")
_FALSE = ("false", "no", "off")
_WHOLE = re.compile(r"[-+]?[0-9]{1,15}")
_NUMBER = re.compile(r"[-+]?([0-9]{1,15}(\.[0-9]{0,15})?|\.[0-9]{1,15})([eE][-+]?[0-9]{1,3})?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ADAPTER = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
_PLACEHOLDERS = ("id", "title", "milestone")
_MAX_NODES = 10_000
_MAX_PATH_CHARS = 1000
_MAX_BRANCH_BYTES = 244
_MAX_PREFIX_BYTES = 100
_NOT_IN_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters, line ends, and what turns the direction of text around."""
_NOT_IN_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")


class MismatchError(Exception):
    """A value that is not what its key expects: the line, and what was found there, as text for a message."""

    def __init__(self, node: Node, found: str | None = None) -> None:
        super().__init__(found)
        self.line = node.line
        self.found = found or node.describe()


def read_value(node: Node, expect: Expect) -> Any:
    """The value for the program, ready for the field of its key.

    Raises:
        MismatchError: with the line of the part that is wrong.
    """
    if node.is_empty and expect.optional:
        return None
    return _READERS[expect.kind](node, expect)


def is_branch_name(name: str) -> bool:
    """Whether git allows the name for a branch, and no file system stumbles over its length. Pure.

    Source: git-check-ref-format(1).
    """
    if not name or len(name.encode()) > _MAX_BRANCH_BYTES or _NOT_IN_BRANCH.search(name):
        return False
    if name in ("@", "HEAD") or name[0] in "-/" or name[-1] in "/.":
        return False
    return not any(part.startswith(".") or part.endswith(".lock") for part in name.split("/"))


def normalise_path(text: str) -> str:
    """The path relative to the root in its one spelling: `/` between names, none of them empty, `.` or `..`. Pure.

    Raises:
        ValueError: with what is wrong with it, as the end of a sentence.
    """
    if text.startswith(("/", "~", "\\")) or re.match(r"[A-Za-z]:", text):
        raise ValueError("which is not relative")
    if "\\" in text:
        raise ValueError("which has a backslash")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError("which may leave the project")
    # Windows drops dots and spaces at the end, and knows a short name for it.
    if any(part.lower().rstrip(". ") in (".git", "git~1") for part in parts):
        raise ValueError("which belongs to git")
    if not parts:
        raise ValueError("which is the project itself")
    if len(text) > _MAX_PATH_CHARS or any(len(part.encode()) > 255 for part in parts):
        raise ValueError("which is too long")
    return "/".join(parts)


def _scalar(node: Node) -> str:
    if node.text is None:
        raise MismatchError(node)
    return node.text


def _text(node: Node, _: Expect) -> str:
    text = "" if node.is_empty else _scalar(node)
    if _NOT_IN_LINE.search(text):
        raise MismatchError(node)
    return text


def _name(node: Node, expect: Expect) -> str:
    text = _text(node, expect).strip()
    if not text:
        raise MismatchError(node, "nothing")
    return text


def _command(node: Node, _: Expect) -> str:
    text = "" if node.is_empty else _scalar(node)
    if not text.strip():
        raise MismatchError(node, "nothing")
    if any(ord(char) < 32 and char not in "\t\n" for char in text):
        raise MismatchError(node)
    return text


def _flag(node: Node, _: Expect) -> bool:
    word = _scalar(node).lower()
    if not node.plain or word not in _TRUE + _FALSE:
        raise MismatchError(node)
    return word in _TRUE


def _whole(node: Node, expect: Expect) -> int:
    text = _scalar(node)
    if not node.plain or not _WHOLE.fullmatch(text) or int(text) < expect.minimum:
        raise MismatchError(node)
    return int(text)


def _number(node: Node, expect: Expect) -> float:
    text = _scalar(node)
    if not node.plain or not _NUMBER.fullmatch(text):
        raise MismatchError(node)
    value = float(text)
    if not math.isfinite(value) or value < expect.minimum or (expect.is_above and value == expect.minimum):
        raise MismatchError(node)
    return value


def _choice(node: Node, expect: Expect) -> str:
    word = _scalar(node).strip().lower().replace("-", "_").replace(" ", "_")
    word = dict(expect.aliases).get(word, word)
    if word not in expect.choices:
        raise MismatchError(node)
    return word


def _branch(node: Node, expect: Expect) -> str:
    name = _name(node, expect)
    if not is_branch_name(name):
        raise MismatchError(node)
    return name


def _prefix(node: Node, expect: Expect) -> str:
    prefix = _text(node, expect)
    if len(prefix.encode()) > _MAX_PREFIX_BYTES or not is_branch_name(f"{prefix}m01-x"):
        raise MismatchError(node)
    return prefix


def _subject(node: Node, expect: Expect) -> str:
    import string

    text = _name(node, expect)
    try:
        fields = [(name, spec, conversion) for _, name, spec, conversion in string.Formatter().parse(text)]
    except ValueError as error:
        raise MismatchError(node) from error
    if any(name is not None and (name not in _PLACEHOLDERS or spec or conversion) for name, spec, conversion in fields):
        raise MismatchError(node)
    return text


def _url(node: Node, expect: Expect) -> str:
    from urllib.parse import urlsplit

    text = _name(node, expect)
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise MismatchError(node) from error
    if not is_good or "@" in parts.netloc or parts.query or parts.fragment or not text.isascii() or " " in text:
        raise MismatchError(node)
    return text


def _path(node: Node, expect: Expect) -> str:
    text = _name(node, expect)
    try:
        return normalise_path(text)
    except ValueError as error:
        raise MismatchError(node, f"`{inert(text)}`, {error}") from error


def _list(node: Node) -> list[Node]:
    if node.is_empty:
        return []
    if node.items is None or len(node.items) > _MAX_NODES:
        raise MismatchError(node)
    return node.items


def _mapping(node: Node) -> dict[str, tuple[int, Node]]:
    if node.is_empty:
        return {}
    if node.entries is None:
        raise MismatchError(node)
    return node.entries


def _texts(node: Node, expect: Expect) -> tuple[str, ...]:
    return tuple(_name(item, expect) for item in _list(node))


def _lines(node: Node, expect: Expect) -> tuple[str, ...]:
    return tuple(_command(item, expect) for item in _list(node))


def _patterns(node: Node, expect: Expect) -> tuple[str, ...]:
    for item in _list(node):
        if _name(item, expect).startswith("!"):
            raise MismatchError(item)
    return _texts(node, expect)


def _commands(node: Node, expect: Expect) -> tuple[dict[str, Any], ...]:
    """As mappings with `run`, `timeout_s` (None: the common one) and `name`."""
    return tuple(_check(item, expect) for item in _list(node))


def _check(node: Node, expect: Expect) -> dict[str, Any]:
    if node.entries is None:
        return {"run": _command(node, expect), "timeout_s": None, "name": None}
    for key, (line, _) in node.entries.items():
        if key not in ("run", "timeout_s", "name"):
            raise MismatchError(Node(line), f"the key `{inert(key)}`")
    if "run" not in node.entries:
        raise MismatchError(node, "one without run")
    values = {key: value for key, (_, value) in node.entries.items() if not value.is_empty}
    above_0 = Expect(kind="number", text="", is_above=True)
    return {
        "run": _command(node.entries["run"][1], expect),
        "timeout_s": _number(values["timeout_s"], above_0) if "timeout_s" in values else None,
        "name": _name(values["name"], expect) if "name" in values else None,
    }


def _variables(node: Node, _: Expect) -> dict[str, str]:
    found = {}
    for name, (line, value) in _mapping(node).items():
        if not _VARIABLE.fullmatch(name):
            raise MismatchError(Node(line), f"the name `{inert(name)}`")
        text = "" if value.is_empty else _scalar(value)
        if "\0" in text:
            raise MismatchError(value)
        found[name] = text
    return found


def _adapters(node: Node, _: Expect) -> dict[str, dict[str, Any]]:
    found = {}
    budget = [_MAX_NODES]
    for name, (line, value) in _mapping(node).items():
        if not _ADAPTER.fullmatch(name):
            raise MismatchError(Node(line), f"the name `{inert(name)}`")
        if value.entries is None:
            raise MismatchError(value)
        found[name] = _plain_data(value, budget)
    return found


def _plain_data(node: Node, budget: list[int]) -> Any:
    """The value without any expectation; `budget` counts down, so that aliases of aliases end somewhere."""
    budget[0] -= 1
    if budget[0] < 0:
        raise MismatchError(node, "more than anybody writes")
    if node.entries is not None:
        return {key: _plain_data(value, budget) for key, (_, value) in node.entries.items()}
    if node.items is not None:
        return [_plain_data(item, budget) for item in node.items]
    text = _scalar(node)
    if not node.plain:
        return text
    if node.is_empty:
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) and math.isfinite(float(text)) else text


_READERS: dict[str, Callable[[Node, Expect], Any]] = {
    "adapters": _adapters,
    "branch": _branch,
    "choice": _choice,
    "command": _command,
    "commands": _commands,
    "flag": _flag,
    "lines": _lines,
    "name": _name,
    "number": _number,
    "path": _path,
    "patterns": _patterns,
    "prefix": _prefix,
    "subject": _subject,
    "text": _text,
    "texts": _texts,
    "url": _url,
    "variables": _variables,
    "whole": _whole,
}
