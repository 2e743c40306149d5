"""Changes one key of `.ai-workflow.yaml` and leaves every other byte: comments, order, line ends (spec §2). Pure.

The places are those that the YAML parser gives. Whatever cannot be changed that way without touching something else,
such as a value behind an alias or a list with comments inside, is refused; and the result is read again and compared,
so that a mistake here is a refusal too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ai_workflow.config.keys import KEYS
from ai_workflow.config.nodes import inert, parse_nodes
from ai_workflow.config.write import quote
from ai_workflow.errors import AiwError, Kind

_BOM = "\ufeff"
_INDENT = 2
_PLAIN_KINDS = ("flag", "whole", "number", "choice")
_LIST_KINDS = ("texts", "lines", "patterns", "commands")
_MAPPING_KINDS = ("variables", "adapters")
_COMMENT = re.compile(r"(^|\s)#", re.MULTILINE)
_BY_HAND = "edit that line by hand; `aiw config show` tells whether the file is right"


def parse_values(name: str, words: Sequence[str]) -> Any:
    """The value that the words of a command line mean for a key.

    A list is one word an item, or one word of JSON; a mapping is JSON.

    Raises:
        AiwError: CONFIG for JSON that is none, and more words than the key takes.
    """
    kind = KEYS[name].expect.kind
    if kind in _LIST_KINDS:
        if len(words) == 1 and words[0].lstrip().startswith("["):
            return _from_json(name, words[0])
        return [
            _from_json(name, word) if kind == "commands" and word.lstrip().startswith("{") else word for word in words
        ]
    if len(words) != 1:
        raise AiwError(
            Kind.CONFIG, f"key `{name}` takes one value, not {len(words)}", hint=f"aiw config set {name} VALUE"
        )
    return _from_json(name, words[0]) if kind in _MAPPING_KINDS else words[0]


def _from_json(name: str, word: str) -> Any:
    try:
        return json.loads(word)
    except ValueError as error:
        raise AiwError(
            Kind.CONFIG, f"key `{name}`: `{inert(word)}` is not JSON: {error}", hint="quote it for your shell"
        ) from error


def set_key(data: bytes, name: str, value: Any, *, path: str) -> bytes:
    """The file with the key set.

    Args:
        data: a whole file that reads without error.
        name: a key of `config.keys`.
        value: text, or lists and mappings of such, as `parse_values` gives them.
        path: for messages.

    Raises:
        AiwError: CONFIG when the change would touch more than the key.
    """
    return _edit(data, name, value, path=path)


def unset_key(data: bytes, name: str, *, path: str) -> bytes:
    """The file without the key, whose default counts then; as it is when the key is not in it. Raises as `set_key`."""
    return _edit(data, name, None, path=path)


def _edit(data: bytes, name: str, value: Any, *, path: str) -> bytes:
    text = data.decode("utf-8-sig")
    bom = _BOM if data.startswith(_BOM.encode()) else ""
    editor = _Editor(text, name, path)
    edited = editor.unset() if value is None else editor.set(value)
    result = (bom + edited).encode()
    _require_only(data, result, name, path)
    return result


def _require_only(before: bytes, after: bytes, name: str, path: str) -> None:
    """Passes when nothing but the key reads differently. Raises AiwError(CONFIG)."""
    try:
        old, new = _flat(before, path), _flat(after, path)
    except AiwError as error:
        raise _refusal(name, path, error.message) from error
    for other in {*old, *new} - {name}:
        if old.get(other) != new.get(other) and not other.startswith(f"{name}.") and not name.startswith(f"{other}."):
            raise _refusal(name, path, f"`{other}` would change with it")


def _refusal(name: str, path: str, why: str) -> AiwError:
    return AiwError(Kind.CONFIG, f"{path}: key `{name}` cannot be changed by command: {why}", hint=_BY_HAND)


def _flat(data: bytes, path: str) -> dict[str, Any]:
    """Dotted key → value as text, lists and mappings; sections that are empty count as absent."""
    found: dict[str, Any] = {}

    def walk(node: Any, prefix: str) -> None:
        for key, (_line, value) in (node.entries or {}).items():
            name = f"{prefix}{key}"
            if name in KEYS or value.entries is None:
                found[name] = _plain(value)
            else:
                walk(value, f"{name}.")

    root = parse_nodes(data, path=path)
    if root is not None:
        walk(root, "")
    return {name: value for name, value in found.items() if name in KEYS or value is not None}


def _plain(node: Any) -> Any:
    if node.entries is not None:
        return {key: _plain(value) for key, (_line, value) in node.entries.items()}
    if node.items is not None:
        return [_plain(item) for item in node.items]
    return None if node.is_empty else node.text


def _flow(value: Any, kind: str) -> str:
    """The value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{quote(str(key))}: {_flow(one, kind)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_flow_item(one, kind) for one in value) + "]"
    if value is None or isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if kind in _PLAIN_KINDS:
        return value if re.fullmatch(r"[A-Za-z0-9_.+-]+", value) else quote(value)
    return quote(value)


def _flow_item(value: Any, kind: str) -> str:
    # Plain words may hold what ends an item in a list on one line; in quotes nothing can.
    return (
        json.dumps(value, ensure_ascii=False)
        if isinstance(value, str) and quote(value) != value
        else _flow(value, kind)
    )


class _Editor:
    """One text and one key."""

    def __init__(self, text: str, name: str, path: str) -> None:
        import yaml

        self._text = text
        self._name = name
        self._path = path
        self._kind = KEYS[name].expect.kind
        self._eol = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
        self._root: Any = yaml.compose(text, Loader=yaml.SafeLoader)

    def set(self, value: Any) -> str:
        *sections, last = self._name.split(".")
        node = self._root
        for depth, section in enumerate(sections):
            entry = self._find(node, section)
            if entry is None:
                return self._insert(node, [*sections[depth:], last], value, depth=depth)
            node = entry[1]
        entry = self._find(node, last)
        if entry is None:
            return self._insert(node, [last], value, depth=len(sections))
        return self._replace(entry, value)

    def unset(self) -> str:
        node = self._root
        entry: Any = None
        for part in self._name.split("."):
            entry = self._find(node, part)
            if entry is None:
                return self._text
            node = entry[1]
        key, value = entry
        self._require_plain_place(key, value)
        start = self._text.rfind("\n", 0, key.start_mark.index) + 1
        if self._text[start : key.start_mark.index].strip():
            raise self._refuse(key, "it shares its line with others")
        end = self._line_end(self._end_of(value, key))
        return self._text[:start] + self._text[end:]

    def _find(self, node: Any, key: str) -> Any:
        """Key and value of an entry that the mapping itself has."""
        if node is None or type(node).__name__ != "MappingNode":
            return None
        return next((pair for pair in node.value if getattr(pair[0], "value", None) == key), None)

    def _refuse(self, node: Any, why: str) -> AiwError:
        return _refusal(self._name, f"{self._path}:{node.start_mark.line + 1}", why)

    def _require_plain_place(self, key: Any, value: Any) -> None:
        if value.start_mark.index < key.end_mark.index:
            raise self._refuse(key, "its value is an alias of another one")
        between = self._text[key.end_mark.index : value.start_mark.index]
        if re.search(r"[&!]", _COMMENT.sub("", between)):
            raise self._refuse(key, "its value has an anchor or a tag")

    def _end_of(self, value: Any, key: Any) -> int:
        """Where the value's own text ends: a block ends with its last item, not with the comments below it."""
        if value.start_mark.index == value.end_mark.index:
            return max(int(value.end_mark.index), int(key.end_mark.index) + 1)
        if getattr(value, "flow_style", True) or not value.value:
            end = int(value.end_mark.index)
            return end - (len(self._text[:end]) - len(self._text[:end].rstrip()))
        last = value.value[-1]
        return self._end_of(last[1], last[0]) if isinstance(last, tuple) else self._end_of(last, last)

    def _line_end(self, index: int) -> int:
        at = self._text.find("\n", index)
        return len(self._text) if at < 0 else at + 1

    def _replace(self, entry: Any, value: Any) -> str:
        key, old = entry
        self._require_plain_place(key, old)
        end = self._end_of(old, key)
        is_empty = old.start_mark.index == old.end_mark.index
        start = end if is_empty else old.start_mark.index
        if _has_comment(self._text[start:end], old):
            raise self._refuse(old, "there are comments inside its value")
        is_block = type(old).__name__ == "SequenceNode" and not old.flow_style
        if is_block and isinstance(value, list) and value:
            gap = f"{self._eol}{' ' * old.start_mark.column}- "
            new = "- " + gap.join(_flow(item, self._kind) for item in value)
        else:
            new = _flow(value, self._kind)
        return self._text[:start] + (" " if is_empty else "") + new + self._text[end:]

    def _insert(self, node: Any, names: Sequence[str], value: Any, *, depth: int) -> str:
        """The key with the sections that are missing, behind the last entry of the mapping that is there."""
        is_root = depth == 0
        if node is not None and type(node).__name__ == "MappingNode" and node.value and not node.flow_style:
            column = node.value[0][0].start_mark.column
            last_key, last_value = node.value[-1]
            at = self._line_end(self._end_of(last_value, last_key))
            return self._put_lines(at, names, value, column=column, gap=is_root and len(names) > 1)
        if is_root and (node is None or self._is_null(node)):
            return self._put_lines(len(self._text), names, value, column=0, gap=False)
        if node is not None and self._is_null(node) and node.start_mark.index == node.end_mark.index:
            line_start = self._text.rfind("\n", 0, node.start_mark.index) + 1
            line = self._text[line_start:]
            column = len(line) - len(line.lstrip(" ")) + _INDENT
            return self._put_lines(self._line_end(node.start_mark.index), names, value, column=column, gap=False)
        raise self._refuse(node, "the section is written on one line")

    def _is_null(self, node: Any) -> bool:
        return type(node).__name__ == "ScalarNode" and node.value in ("", "~", "null", "Null", "NULL")

    def _put_lines(self, at: int, names: Sequence[str], value: Any, *, column: int, gap: bool) -> str:
        before, after = self._text[:at], self._text[at:]
        eol = self._eol
        lead = eol if before and not before.endswith("\n") else ""
        if gap:
            lead += eol
        lines = [f"{' ' * (column + _INDENT * depth)}{name}:" for depth, name in enumerate(names)]
        lines[-1] += f" {_flow(value, self._kind)}"
        return before + lead + "".join(f"{line}{eol}" for line in lines) + after


def _has_comment(text: str, node: Any) -> bool:
    """Whether a list or mapping of several lines holds a comment; in a scalar a number sign is text."""
    return type(node).__name__ != "ScalarNode" and "\n" in text and _COMMENT.search(text) is not None
