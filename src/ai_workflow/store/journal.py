"""The redo journal: makes a change of many files happen whole or not at all (spec §7.1).

`state/journal.json` holds the whole new texts and the digests of what they replace. Its rename is the commit point;
it exists only from then until the files are written and synced, so after a clean run there is none. Format version 1:

    {"journal": 1, "operation": "OP-…", "files": [{"path", "before", "text", "data"}],
     "append": {"path", "offset", "text"}}

`path` is relative to `state/`; `before` is the SHA-256 of the replaced bytes or null; `text` null removes the file;
`data` is base64 in place of a text that is not UTF-8, else null.
"""

import base64
import os

import msgspec

from ai_workflow import fsio
from ai_workflow.errors import DAMAGE_HINT, AiwError, Kind
from ai_workflow.models.base import Record
from ai_workflow.stamps import Stamp
from ai_workflow.store.layout import Layout


class JournalFile(Record, frozen=True, kw_only=True):
    """One file of the change."""

    path: str
    before: str | None
    text: str | None
    data: str | None = None

    @property
    def after(self) -> bytes | None:
        """The bytes that the file gets; None removes it."""
        if self.data is not None:
            return base64.b64decode(self.data)
        return None if self.text is None else self.text.encode()


class JournalAppend(Record, frozen=True, kw_only=True):
    """Lines to add to a log."""

    path: str
    offset: int
    text: str


class Journal(Record, frozen=True, kw_only=True):
    """One committed change."""

    journal: int = 1
    operation: str
    files: tuple[JournalFile, ...]
    append: JournalAppend | None = None


def find_journal(layout: Layout) -> Journal | None:
    """The change that a killed process left half applied, or None.

    Raises:
        AiwError: CORRUPT when the file is not a journal; it is never written torn, so somebody changed it.
    """
    data = fsio.find_own_bytes(layout.journal)
    if data is None:
        return None
    try:
        journal = msgspec.json.decode(data, type=Journal)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AiwError(
            Kind.CORRUPT,
            f"{layout.state_rel}/journal.json is damaged: {error}",
            hint=DAMAGE_HINT,
        ) from error
    names = [entry.path for entry in journal.files]
    for name in (*names, *([journal.append.path] if journal.append else []), journal.operation):
        if name.startswith("/") or ".." in name.split("/"):
            raise AiwError(
                Kind.CORRUPT,
                f"{layout.state_rel}/journal.json names a path outside the state: {name}",
                hint=DAMAGE_HINT,
            )
    return journal


def write_journal(layout: Layout, journal: Journal) -> None:
    """Commits the change: from here on it will happen, whatever is killed. Raises AiwError(IO)."""
    fsio.write_file(layout.journal, msgspec.json.encode(journal), temp_dir=layout.temp, durable=True)


class Applied(Record, frozen=True, kw_only=True):
    """What applying a change came to; paths are relative to `state/`."""

    kept: tuple[str, ...]
    """Files that a person edited meanwhile: they are as that person left them."""
    stamps: dict[str, Stamp]
    """Of the files written now."""


def apply_journal(layout: Layout, journal: Journal) -> Applied:
    """Writes every file of the change, synced at the end; repeating it is harmless.

    A file that equals neither its text before nor its text after, and is not a torn piece of them, was edited by a
    person meanwhile: it is kept, and the text meant for it is put under `state/conflicts/`.
    """
    kept = []
    written = []
    stamps = {}
    for folder in {entry.path.rpartition("/")[0] for entry in journal.files}:
        layout.to_write(f"{layout.state_rel}/{folder}/file")
    for entry in journal.files:
        path = layout.in_state(entry.path)
        current = fsio.find_bytes(path)
        after = entry.after
        if current == after:
            written.append(path)
            continue
        if not _is_ours(current, before=entry.before, after=after):
            kept.append(entry.path)
            path = layout.to_write(f"{layout.state_rel}/conflicts/{journal.operation}/{entry.path}")
        if after is None:
            fsio.remove_file(path)
        else:
            stamps[entry.path] = fsio.write_file(path, after, temp_dir=layout.temp, durable=False)
        written.append(path)
    if journal.append is not None:
        path = layout.in_state(journal.append.path)
        fsio.append_at(path, journal.append.offset, journal.append.text.encode())
        written.append(path)
    fsio.sync_files(written)
    return Applied(kept=tuple(kept), stamps=stamps)


def _is_ours(current: bytes | None, *, before: str | None, after: bytes | None) -> bool:
    if current is None:
        return True
    if before is not None and fsio.sha256_of(current) == before:
        return True
    return not current.strip() or (after is not None and after.startswith(current))


def drop_journal(layout: Layout) -> None:
    """Ends the change: its files are on disk. Raises AiwError(IO)."""
    fsio.remove_file(layout.journal)
    fsio.sync_directory(os.path.dirname(layout.journal))


def overlay_of(journal: Journal | None) -> dict[str, bytes | None]:
    """What readers must see instead of the files, by path relative to `state/`. Pure."""
    if journal is None:
        return {}
    return {entry.path: entry.after for entry in journal.files}
