"""The whole state at once, as bytes: read under the lock, and replaced in one commit (spec §6.10).

For what reaches beyond single records: taking over a state of another format, beginning anew, putting an archived state
back. The journal makes the replacement happen whole or not at all, as it does for a transaction; other than in a
transaction, damaged files may be replaced, so whoever calls this keeps a copy of them first.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping

from ai_workflow import folders, fsio
from ai_workflow.store.journal import Journal, JournalFile, apply_journal, drop_journal, write_journal
from ai_workflow.store.layout import Layout

_JOURNAL = "journal.json"


class WholeState:
    """The state while its lock is held.

    Attributes:
        files: POSIX path relative to `state/` → bytes, of every plain file there but the journal.
    """

    def __init__(self, layout: Layout, *, follow: Callable[[], None]) -> None:
        """
        Args:
            follow: brings up to date what is derived from the state.
        """
        self._layout = layout
        self._follow = follow
        self.files = read_files(layout.state)
        self.files.pop(_JOURNAL, None)

    def replace(self, wanted: Mapping[str, bytes], *, operation: str) -> bool:
        """Makes the state exactly these files; returns whether anything was different.

        Args:
            wanted: as `files`; what it lacks is removed.
            operation: names the change in the journal, e.g. `OP-000012-3fa2c1`.

        Raises:
            AiwError: IO; before the commit nothing has changed then, after it the next command completes it.
        """
        entries = [
            _entry(rel, before=self.files.get(rel), after=wanted.get(rel))
            for rel in sorted({*self.files, *wanted})
            if self.files.get(rel) != wanted.get(rel)
        ]
        if entries:
            journal = Journal(operation=operation, files=tuple(entries))
            write_journal(self._layout, journal)
            apply_journal(self._layout, journal)
            self._follow()
            drop_journal(self._layout)
            self.files = dict(wanted)
        return bool(entries)

    def remove_empty_folders(self) -> None:
        """Removes the folders of the state in which nothing lies."""
        folders.remove_empty_folders(self._layout.state)


def read_files(folder: str) -> dict[str, bytes]:
    """POSIX path below the folder → bytes, of every plain file; links are not followed. Raises AiwError(IO)."""
    found = {}
    for parent, below, names in os.walk(folder, followlinks=False):
        below.sort()
        for name in sorted(names):
            path = os.path.join(parent, name)
            if os.path.isfile(path) and not os.path.islink(path):
                found[os.path.relpath(path, folder).replace(os.sep, "/")] = fsio.read_bytes(path)
    return found


def _entry(rel: str, *, before: bytes | None, after: bytes | None) -> JournalFile:
    digest = None if before is None else fsio.sha256_of(before)
    if after is None:
        return JournalFile(path=rel, before=digest, text=None)
    try:
        return JournalFile(path=rel, before=digest, text=after.decode())
    except UnicodeDecodeError:
        # Damaged bytes of an archived state: they come back as they were.
        return JournalFile(path=rel, before=digest, text="", data=base64.b64encode(after).decode())
