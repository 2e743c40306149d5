"""A derived index, `locks/index.json`: what commands that only show would otherwise read thousands of files for.

For each kind the names of its healthy files with their looks and statuses. A row counts while the file looks the same;
anything else is read as ever. It can be deleted at any time, is written by commands that write, and only for states
with many files, together with the records that commands which decide need (`pack`).
"""

from __future__ import annotations

import json
import os

from ai_workflow.config.place import open_own
from ai_workflow.store.layout import Layout
from ai_workflow.store.looks import Looks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

KINDS = ("task", "milestone")
VERSION = 2
MIN_FILES = 256
"""Fewer are read as quickly as an index."""
MAX_BEHIND = 32
"""After so many changes of the state it is written anew: until then readers read the few files that differ."""
_HEAD_BYTES = 64


class Column:
    """The rows of one kind, in the order of the names.

    Attributes:
        names: file names, sorted.
        looks: as they were when the statuses were read.
        statuses: the `status` of each.
    """

    __slots__ = ("looks", "names", "statuses")

    def __init__(self, names: list[str], looks: Looks, statuses: list[str]) -> None:
        self.names = names
        self.looks = looks
        self.statuses = statuses


def read_index(layout: Layout) -> dict[str, Column]:
    """The columns by kind; empty when there is no index that can be read."""
    try:
        with open_own(_path(layout)) as stream:
            index = json.load(stream)
        if index["version"] != VERSION:
            return {}
        return {kind: _make_column(rows) for kind, rows in index["kinds"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _make_column(rows: dict[str, Any]) -> Column:
    names, looks, statuses = rows["names"], rows["stamps"], rows["statuses"]
    if len(looks) != 3 or any(len(one) != len(names) for one in (*looks, statuses)):
        raise ValueError
    return Column(names, looks, statuses)


def is_behind(layout: Layout, serial: int) -> bool:
    """Whether it should be written anew for the state with this serial; always for one that came with a copy."""
    try:
        with open_own(_path(layout)) as stream:
            head = stream.read(_HEAD_BYTES)
        known, inode = (int(head.split(key)[1].split(b",")[0]) for key in (b'"serial": ', b'"inode": '))
        return not 0 <= serial - known < MAX_BEHIND or inode != _inode_of_tasks(layout)
    except (OSError, ValueError, IndexError):
        return True


def _inode_of_tasks(layout: Layout) -> int:
    """Of the folder, which is another one wherever the workspace was copied to; -1 without one."""
    try:
        return os.stat(layout.folder("task")).st_ino
    except OSError:
        return -1


def write_index(layout: Layout, columns: Mapping[str, Column], *, serial: int) -> None:
    """Writes it whole, by kind; healthy files only.

    Raises:
        AiwError: IO.
    """
    from ai_workflow.fsio import write_file

    kinds = {
        kind: {"names": column.names, "stamps": column.looks, "statuses": column.statuses}
        for kind, column in columns.items()
    }
    head = {"serial": serial, "inode": _inode_of_tasks(layout), "version": VERSION}
    data = json.dumps({**head, "kinds": kinds}, separators=(",", ": "))
    write_file(_path(layout), data.encode(), temp_dir=layout.temp, durable=False)


def _path(layout: Layout) -> str:
    return os.path.join(layout.locks, "index.json")
