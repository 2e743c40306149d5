"""Derived copies of records, `locks/records-task.json` and the like: instead of reading thousands of files.

Each holds the healthy files of one kind: a line with a checksum of the rest, a line with their names and looks, and the
document that `aiw task list --json` prints. An element counts while its file looks the same; anything else is read as
ever. They are written together with `index` by commands that write, can be deleted at any time, and count for nothing
when they are damaged: they are not synced, so a power cut may leave anything.
"""

from __future__ import annotations

import json
import os
import zlib

from ai_workflow import __version__
from ai_workflow.config.place import open_own
from ai_workflow.store.layout import Layout
from ai_workflow.store.looks import Looks

KINDS = ("task", "milestone", "run")
"""Of these there may be thousands."""
_BETWEEN = b"\n    },\n    {\n"
"""Stands between two elements and nowhere else: inside an element lines are indented deeper, and strings hold none."""
_FIRST, _LAST = b"    {\n", b"\n    }\n  ]\n}\n"


class Records:
    """The healthy files of one kind, as they were.

    Attributes:
        names: file names, by number.
        looks: as they were when the files were read or written.
        document: `{"tasks": [element, …]}`, indented, with a final newline.
    """

    __slots__ = ("document", "looks", "names")

    def __init__(self, names: list[str], looks: Looks, document: bytes) -> None:
        self.names = names
        self.looks = looks
        self.document = document

    def array(self) -> memoryview:
        """The elements as one JSON array."""
        return memoryview(self.document)[self.document.index(b"[") : -len(b"\n}\n")]

    def elements(self) -> list[str]:
        """The text of each element, indented by four spaces, in the order of the names."""
        text = self.document
        inner = text[text.index(_FIRST) + len(_FIRST) : -len(_LAST)]
        # Bytes that are no text can only be in a file that somebody made up, of which no element counts.
        return (
            [f"    {{\n{one.decode(errors='replace')}\n    }}" for one in inner.split(_BETWEEN)] if self.names else []
        )

    def is_whole(self, kind: str) -> bool:
        """Whether its parts belong together; a file that came with a clone may hold anything."""
        count = len(self.names)
        text = self.document
        if not count:
            return text == b'{\n  "%ss": []\n}\n' % kind.encode()
        is_framed = text.startswith(b'{\n  "%ss": [\n%s' % (kind.encode(), _FIRST)) and text.endswith(_LAST)
        are_names = all(isinstance(name, str) for name in self.names)
        are_looks = len(self.looks) == 3 and all(len(part) == count for part in self.looks)
        return is_framed and are_names and are_looks and text.count(_BETWEEN) == count - 1


def read_records(layout: Layout, kind: str) -> Records | None:
    """What was remembered of a kind; None when there is nothing that can be used."""
    try:
        with open_own(_path(layout, kind)) as stream:
            sum_line, head = stream.readline(), stream.readline()
            document = stream.read()
        if sum_line != _sum_line(head, document):
            return None
        names, looks = json.loads(head)
        found = Records(names, looks, document)
        return found if found.is_whole(kind) else None
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def write_records(layout: Layout, kind: str, names: list[str], looks: Looks, document: bytes) -> None:
    """Remembers the healthy files of a kind.

    Args:
        names, looks, document: as the attributes of `Records`.

    Raises:
        AiwError: IO.
    """
    from ai_workflow.fsio import write_file

    head = json.dumps([names, looks], separators=(",", ":")).encode() + b"\n"
    data = b"".join((_sum_line(head, document), head, document))
    write_file(_path(layout, kind), data, temp_dir=layout.temp, durable=False)


def _sum_line(head: bytes, document: bytes) -> bytes:
    return f"aiw {__version__} records 1 {zlib.crc32(document, zlib.crc32(head)):08x}\n".encode()


def _path(layout: Layout, kind: str) -> str:
    return os.path.join(layout.locks, f"records-{kind}.json")
