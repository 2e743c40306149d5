"""Reads state files as plain dictionaries, for commands that only show: no record types, no config, no writes.

Start-up is a feature (spec §1 promise 5): importing the record library costs more than reading a thousand tasks. The
rules are those of `reader`: a committed journal is in sight, a damaged file is named and the others stay usable.
"""

from __future__ import annotations

import json
import os

from ai_workflow.errors import AiwError, Kind
from ai_workflow.store.index import Column, read_index
from ai_workflow.store.layout import KIND_FOLDERS, Layout, find_kind
from ai_workflow.store.looks import find_changed, look_at
from ai_workflow.store.shapes import fits

SCHEMA_VERSION = 2
_PIECE_BYTES = 1024 * 1024
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

Row = dict[str, "Any"]


class Rows:
    """The state of one workspace, read on demand.

    Attributes:
        damaged: `path: reason` of each file that could not be read so far.
    """

    def __init__(self, layout: Layout, *, accepts_old: bool = False) -> None:
        """
        Args:
            accepts_old: whether a state of 0.1.0 is no error, for what has to work before it is taken over.
        """
        self._layout = layout
        self._accepts_old = accepts_old
        self.damaged: list[str] = []
        self._overlay = self._read_overlay()
        self._columns: dict[str, Column] | None = None

    def project(self) -> Row | None:
        """`project.json`, or None."""
        if os.path.lexists(self._layout.state) and not os.path.isdir(self._layout.state):
            self.damaged.append(f"{self._layout.state_rel}: a file stands where this folder must be")
            return None
        row = self._read("project.json", None)
        if row is None and not self.damaged and os.path.isfile(self._layout.in_state("lanes/core.json")):
            if not self._accepts_old:
                self._refuse_legacy()
            self._damage("project.json", ": the file is missing, and the rest of the state is there")
        return row

    def of(self, kind: str) -> list[Row]:
        """Every healthy entity of a kind, by number."""
        folder_rel = KIND_FOLDERS[kind]
        read = (self._read(f"{folder_rel}/{name}", name[:-5]) for name in sorted(self._names(kind), key=_order))
        return [row for row in read if row is not None]

    def _names(self, kind: str) -> list[str]:
        """The files of a kind, a committed journal in sight, in no order."""
        folder_rel = KIND_FOLDERS[kind]
        try:
            names = set(os.listdir(self._layout.folder(kind)))
        except FileNotFoundError:
            names = set()
        except OSError as error:
            # The other kinds stay usable.
            names = set()
            self._damage(folder_rel, f": this folder cannot be read: {error.strerror}")
        names.update(path.split("/")[1] for path in self._overlay if path.startswith(f"{folder_rel}/"))
        return [name for name in names if name.endswith(".json") and not name.startswith(".")]

    def statuses(self, kind: str) -> list[str]:
        """The status of each healthy entity of a kind; files that are as the index knows them are not read."""
        column = self._find_column(kind)
        if column is None:
            return [str(row.get("status")) for row in self.of(kind)]
        names = sorted(self._names(kind))
        looks = look_at(self._layout.folder(kind), names)
        if names == column.names:
            statuses: list[str | None] = list(column.statuses)
            for place in find_changed(column.looks, looks):
                statuses[place] = self._read_status(kind, names[place])
        else:
            rows = zip(column.names, zip(*column.looks, strict=True), column.statuses, strict=True)
            known = {(name, look): status for name, look, status in rows}
            now = zip(names, zip(*looks, strict=True), strict=True)
            statuses = [known.get(row) or self._read_status(kind, row[0]) for row in now]
        return [status for status in statuses if status is not None]

    def _read_status(self, kind: str, name: str) -> str | None:
        row = self._read(f"{KIND_FOLDERS[kind]}/{name}", name[:-5])
        return None if row is None else str(row.get("status"))

    def document(self, kind: str) -> Iterator[str]:
        """`{"tasks": [every healthy entity of the kind, by number]}`, indented, in pieces of whole lines."""
        from ai_workflow.store.records import read_records

        key = f"{kind}s"
        remembered = None if self._overlay else read_records(self._layout, kind)
        if remembered is None:
            yield from _join(key, (_format(row) for row in self.of(kind)))
            return
        present = set(self._names(kind))
        names = remembered.names
        if present == set(names):
            changed = find_changed(remembered.looks, look_at(self._layout.folder(kind), names))
            if not changed:
                yield from _cut(remembered.document)
                return
            texts = dict(zip(names, remembered.elements(), strict=True))
            for place in changed:
                del texts[names[place]]
        else:
            names = sorted(present, key=_order)
            now = dict(zip(names, zip(*look_at(self._layout.folder(kind), names), strict=True), strict=True))
            rows = zip(remembered.names, zip(*remembered.looks, strict=True), remembered.elements(), strict=True)
            texts = {name: text for name, look, text in rows if now.get(name) == look}
        yield from _join(key, (text for name in names if (text := texts.get(name) or self._text(kind, name))))

    def _text(self, kind: str, name: str) -> str | None:
        row = self._read(f"{KIND_FOLDERS[kind]}/{name}", name[:-5])
        return None if row is None else _format(row)

    def _find_column(self, kind: str) -> Column | None:
        if self._overlay:
            return None
        if self._columns is None:
            self._columns = read_index(self._layout)
        return self._columns.get(kind)

    def find(self, kind: str, entity_id: str) -> Row | None:
        """One entity, or None when it does not exist or is damaged (see `damaged`)."""
        folder = self._layout.folder(kind)
        if os.path.lexists(folder) and not os.path.isdir(folder):
            self._damage(KIND_FOLDERS[kind], ": a file stands where this folder must be")
        return self._read(f"{KIND_FOLDERS[kind]}/{entity_id}.json", entity_id)

    def _read(self, rel: str, entity_id: str | None) -> Row | None:
        if rel in self._overlay:
            text: str | bytes | None = self._overlay[rel]
        else:
            try:
                text = _find_bytes(os.path.join(self._layout.state, rel))
            except AiwError:
                # A folder in its place, or no right to read it: the others stay usable.
                self._damage(rel, ": the file cannot be read")
                return None
        if text is None:
            return None
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            line = getattr(error, "lineno", 1)
            self._damage(rel, f":{line}: the file is cut off or not JSON")
            return None
        if not isinstance(row, dict) or (entity_id is not None and row.get("id") != entity_id):
            self._damage(rel, ":1: the file does not hold what its name says")
            return None
        if row.get("schema_version") in (None, 1) and not self._overlay and not self._accepts_old:
            self._refuse_legacy()
        if not isinstance(row.get("schema_version"), int) or row["schema_version"] > SCHEMA_VERSION:
            self._damage(rel, ": written by another version of aiw")
            return None
        if not self._accepts_old and not fits((find_kind(rel) or "project"), row):
            return self._completed(rel, text, row)
        return row

    def _completed(self, rel: str, text: str | bytes, row: Row) -> Row | None:
        """The row with the fields that it lacks, when it is a record all the same: an earlier release wrote fewer."""
        from ai_workflow.store.codec import KINDS, DecodeError, decode, encode

        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        try:
            record = decode(KINDS[(find_kind(rel) or "project")], data, path=rel)
        except DecodeError as error:
            line = f":{error.damage.line}" if error.damage.line else ""
            self._damage(rel, f"{line}: {error.damage.message}")
            return None
        return {**json.loads(encode(record)), **row}

    def _refuse_legacy(self) -> None:
        from ai_workflow.store.legacy import is_legacy, legacy_error

        if is_legacy(self._layout.state):
            raise legacy_error(self._layout.state_rel)

    def _damage(self, rel: str, what: str) -> None:
        sentence = f"{self._layout.state_rel}/{rel}{what}"
        if sentence not in self.damaged:
            self.damaged.append(sentence)

    def _read_overlay(self) -> dict[str, str | None]:
        data = _find_bytes(self._layout.journal)
        if data is None:
            return {}
        try:
            journal = json.loads(data)
            return {entry["path"]: entry["text"] for entry in journal["files"]}
        except (ValueError, KeyError, TypeError, RecursionError):
            self._damage("journal.json", ": the journal is damaged")
            return {}


def _format(row: Row) -> str:
    text = json.dumps(row, indent=2, ensure_ascii=False, sort_keys=True)
    return "    " + text.replace("\n", "\n    ")


def _join(key: str, texts: Iterator[str]) -> Iterator[str]:
    """The document of these elements."""
    first = next(texts, None)
    if first is None:
        yield f'{{\n  "{key}": []\n}}\n'
        return
    yield f'{{\n  "{key}": [\n{first}'
    for text in texts:
        yield f",\n{text}"
    yield "\n  ]\n}\n"


def _cut(data: bytes) -> Iterator[str]:
    """The text in pieces of about a mebibyte, so that it does not lie in memory several times."""
    begin = 0
    while begin < len(data):
        end = data.find(b"\n", begin + _PIECE_BYTES) + 1 or len(data)
        yield data[begin:end].decode()
        begin = end


def _order(name: str) -> tuple[list[int], str]:
    digits = "".join(char if char.isdigit() else " " for char in name)
    return [int(number) for number in digits.split()], name


def _find_bytes(path: str) -> bytes | None:
    try:
        # As `fsio.find_own_bytes`: a link in its place may lead anywhere.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise AiwError(Kind.IO, f"cannot read {path}: {error.strerror}") from error
    try:
        chunks = []
        while chunk := os.read(descriptor, 32 * 1024):
            chunks.append(chunk)
        return b"".join(chunks)
    except OSError as error:
        raise AiwError(Kind.IO, f"cannot read {path}: {error.strerror}") from error
    finally:
        os.close(descriptor)
