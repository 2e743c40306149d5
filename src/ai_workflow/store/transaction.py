"""The one way to change state: a named transaction under the workspace's lock (spec §7.1).

    with store.transaction("claim TASK-001") as change:
        change.apply(policy.claiming.claim(change.before, ...))

Leaving the block commits everything applied, or, after an exception, nothing. Two syncs make any number of files
durable: the journal's bytes and its name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec.structs import replace

from ai_workflow import folders, fsio
from ai_workflow.clock import Clock
from ai_workflow.errors import AiwError, Kind
from ai_workflow.locks import KernelLock
from ai_workflow.models.event import Event
from ai_workflow.models.operation import FileChange, Operation, OwnedChange, RefChange
from ai_workflow.models.project import Project
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.policy.line_changes import make_owned_change
from ai_workflow.store.codec import decode, encode, encode_line
from ai_workflow.store.journal import (
    Journal,
    JournalAppend,
    JournalFile,
    apply_journal,
    drop_journal,
    find_journal,
    write_journal,
)
from ai_workflow.store.layout import Layout
from ai_workflow.store.operations import make_operation_id
from ai_workflow.store.planned_files import plan_files
from ai_workflow.store.reader import StateReader, require_folders
from ai_workflow.store.whole import WholeState

DocumentWriter = Callable[[Snapshot | None, Snapshot], None]
"""Writes the documents that follow from the state; the first argument is None when anything may be stale."""


class Transaction:
    """An open transaction.

    Attributes:
        name: what is done, for the log; may be told more exactly once it is known.
        operation_id: what git commits made for it carry in `Aiw-Op`.
        before: the state when it began, read under the lock.
        after: the state as it will be.
    """

    def __init__(self, before: Snapshot, operation_id: str, *, name: str, is_new: bool, now: str) -> None:
        self.name = name
        self.before = before
        self.after = before
        self.operation_id = operation_id
        self.now = now
        self.is_new_operation = is_new
        self.changes = Changes()
        self.refs: tuple[RefChange, ...] = ()
        self.owned: tuple[OwnedChange, ...] = ()
        self.staged: dict[str, str] = {}
        self.undoes: tuple[int, ...] = ()
        self.final: str | None = None

    def apply(self, changes: Changes) -> None:
        """Adds decided changes. Pure until the block is left."""
        self.changes = self.changes.then(changes)
        self.after = self.after.apply(changes)

    def record_ref(self, ref: str, *, before: str | None, after: str | None, is_work: bool = False) -> None:
        """Notes a git reference that the operation moved, for the log; in the order in which they moved.

        Args:
            ref: full name, or `HEAD`, with full names of branches (or a commit, when detached) as values.
            is_work: see `RefChange.is_work`.
        """
        if before != after:
            self.refs += (RefChange(ref=ref, before=before, after=after, is_work=is_work),)

    def record_file(self, rel: str, *, before: bytes | None, after: bytes | None) -> None:
        """Notes what the operation did to a file of the repository, for the log; `rel` is relative to the root."""
        if before != after:
            self.owned += (make_owned_change(rel, before, after),)

    def record_staged(self, staged: Mapping[str, str]) -> None:
        """Notes what the user's index held for the paths of a commit, for the log; see `Operation.staged`."""
        self.staged.update(staged)

    def record_undo(self, serials: Sequence[int]) -> None:
        """Notes that the operation takes these transactions back."""
        self.undoes += tuple(serials)

    def record_final(self, reason: str) -> None:
        """Notes why undo cannot take the operation back: its effects lie outside of what the log records."""
        self.final = reason

    def has_effect(self) -> bool:
        """Whether there is anything to store."""
        return self.changes != Changes() or bool(self.refs or self.owned or self.final)


class Store:
    """The state of one workspace."""

    def __init__(
        self,
        layout: Layout,
        *,
        clock: Clock,
        actor: str,
        command: Sequence[str] = (),
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        """
        Args:
            actor: who acts, for the log, e.g. `alice@host`.
            command: the command line, for the log.
            on_wait: told when the lock is waited for.
        """
        self.layout = layout
        self.clock = clock
        self.write_documents: DocumentWriter = _no_documents
        self.before_commit: Callable[[Transaction], None] = _no_more
        """Called at the end of each transaction, while it can still change: what follows from its changes."""
        self.actor = actor
        self.command = tuple(command)
        self._on_wait = on_wait
        self._invocation = os.urandom(4).hex()
        self._reader = StateReader(layout)
        self._is_open = False

    def snapshot(self) -> Snapshot:
        """The state now, without a lock. Never writes. Raises as `reader.StateReader.read`."""
        return self._reader.read()

    @contextmanager
    def transaction(self, name: str, *, operation: str | None = None) -> Iterator[Transaction]:
        """Opens a transaction.

        Args:
            name: what is done, for the log and for those who wait.
            operation: id of an operation to continue (the second half of a git effect); None begins a new one.

        Raises:
            AiwError: LOCKED after the deadline; IO; CORRUPT when a damaged file would be overwritten.
        """
        if self._is_open:
            raise RuntimeError(f"transaction {name!r} inside another one")
        with self._locked(name):
            self._is_open = True
            try:
                self._replay()
                before = self.snapshot()
                _refuse_during_undo(before, operation)
                project = before.project
                number = project.counters.operation + 1 if project else 1
                operation_id = operation or make_operation_id(number)
                change = Transaction(
                    before, operation_id, name=name, is_new=operation is None, now=self.clock.now_utc()
                )
                yield change
                self.before_commit(change)
                self._commit(change)
            finally:
                self._is_open = False

    def recover(self) -> bool:
        """Finishes what a killed process had committed; True when there was something. Takes the lock only then.

        Raises:
            AiwError: as `transaction`.
        """
        if fsio.find_own_bytes(self.layout.journal) is None:
            return False
        with self._locked("finish an interrupted command"):
            return self._replay()

    def put_back(self, rel: str, *, seen: bytes | None, text: bytes | None) -> str | None:
        """Replaces a file of the state that cannot be read; a copy of it, byte for byte, is kept first.

        With `put_missing` the one write outside of transactions: those refuse to write over damage.

        Args:
            rel: relative to the state folder.
            seen: its bytes when this was decided; None for what is no file, which is moved.
            text: the new bytes; None removes it.

        Returns:
            Where the copy lies, relative to the root; None when somebody changed the file meanwhile, and nothing was
            done. Raises AiwError(LOCKED, IO).
        """
        path = self.layout.in_state(rel)
        stem, ending = os.path.splitext(rel)
        mark = fsio.sha256_of(seen)[:12] if seen is not None else "folder"
        copy = f"{self.layout.workspace_rel}/archive/damaged/{stem}-{mark}{ending}"
        with self._locked_for_repair("repair a damaged file"):
            if seen is None:
                folders.move_aside(path, self.layout.to_write(copy))
            else:
                if fsio.find_bytes(path) != seen:
                    return None
                fsio.write_file(self.layout.to_write(copy), seen, temp_dir=self.layout.temp, durable=True)
            if text is None:
                fsio.remove_file(path)
            else:
                fsio.write_file(path, text, temp_dir=self.layout.temp, durable=True)
        return copy

    def put_missing(self, rel: str, text: bytes) -> bool:
        """Writes a file of the state that is gone; False when there is something in its place meanwhile.

        Args:
            rel: relative to the state folder.

        Raises:
            AiwError: LOCKED, IO.
        """
        path = self.layout.in_state(rel)
        with self._locked_for_repair("repair a missing file"):
            if os.path.lexists(path):
                return False
            fsio.write_file(path, text, temp_dir=self.layout.temp, durable=True)
        return True

    @contextmanager
    def whole(self, name: str) -> Iterator[WholeState]:
        """Holds the lock, with an interrupted change completed, for work on the whole state at once.

        Args:
            name: what is done, for those who wait.

        Raises:
            AiwError: LOCKED after the deadline; IO; CORRUPT when the journal is damaged.
        """
        if self._is_open:
            raise RuntimeError(f"{name!r} inside a transaction")
        with self._locked_for_repair(name):
            self._is_open = True
            try:
                self._replay()
                yield WholeState(self.layout, follow=lambda: self.write_documents(None, self.snapshot()))
            finally:
                self._is_open = False

    @contextmanager
    def _locked(self, purpose: str) -> Iterator[None]:
        with KernelLock(os.path.join(self.layout.locks, "state.lock"), purpose=purpose, on_wait=self._on_wait):
            yield

    @contextmanager
    def _locked_for_repair(self, purpose: str) -> Iterator[None]:
        """For writes besides transactions, which the reader cannot tell by the serial."""
        with self._locked(purpose):
            try:
                yield
            finally:
                self._reader.forget()

    def _replay(self) -> bool:
        journal = find_journal(self.layout)
        if journal is None:
            return False
        self._reader.forget()
        kept = apply_journal(self.layout, journal).kept
        self.write_documents(None, self.snapshot())
        drop_journal(self.layout)
        if kept and self._on_wait is not None:
            self._on_wait(
                f"kept your edits of {', '.join(kept)}; what {journal.operation} wanted to write there is in"
                f" {self.layout.state_rel}/conflicts/{journal.operation}"
            )
        return True

    def _commit(self, change: Transaction) -> None:
        if not change.has_effect():
            return
        project = change.after.require_project()
        counters = project.counters
        if change.is_new_operation:
            counters = replace(counters, operation=counters.operation + 1)
        project = replace(project, serial=project.serial + 1, counters=counters, updated_at=change.now)
        change.after = change.after.apply(Changes(put=(project,)))
        files = plan_files(self.layout, change.before, change.changes, project)
        files.append(self._operation_file(change, project, files))
        append = self._append(change)
        require_folders(self.layout, [path for path, _, _ in files] + ([append.path] if append else []))
        journal = Journal(
            operation=change.operation_id,
            files=tuple(JournalFile(path=path, before=_digest(old), text=_text(new)) for path, old, new in files),
            append=append,
        )
        write_journal(self.layout, journal)
        applied = apply_journal(self.layout, journal)
        self.write_documents(change.before, change.after)
        drop_journal(self.layout)
        if not applied.kept:
            self._reader.know(change.after)
            self._reader.remember(change.after, applied.stamps, serial=project.serial)

    def _operation_file(
        self, change: Transaction, project: Project, files: Sequence[tuple[str, bytes | None, bytes | None]]
    ) -> tuple[str, bytes | None, bytes]:
        rel = f"operations/{change.operation_id}.json"
        old = fsio.find_own_bytes(self.layout.in_state(rel))
        made = tuple(
            FileChange(path=path, before=_text(before), after_sha256=_digest(after), serial=project.serial)
            for path, before, after in files
        )
        refs = tuple(replace(ref, serial=project.serial) for ref in change.refs)
        owned = tuple(replace(one, serial=project.serial) for one in change.owned)
        if old is None:
            operation = Operation(
                id=change.operation_id,
                name=change.name,
                command=self.command,
                actor=self.actor,
                pid=os.getpid(),
                at=change.now,
            )
        else:
            operation = decode(Operation, old, path=f"{self.layout.state_rel}/{rel}")
        operation = replace(
            operation,
            name=change.name,
            serials=(*operation.serials, project.serial),
            invocations=(*operation.invocations, self._invocation),
            changes=operation.changes + made,
            refs=operation.refs + refs,
            owned=operation.owned + owned,
            staged={**change.staged, **operation.staged},
            undoes=operation.undoes + change.undoes,
            final=operation.final or change.final,
        )
        return rel, old, encode(operation)

    def _append(self, change: Transaction) -> JournalAppend | None:
        if not change.changes.events:
            return None
        path = self.layout.in_state(self.layout.events_rel)
        try:
            size = os.stat(path).st_size
        except OSError:
            size = 0
        text = b"".join(encode_line(_signed(event, change.operation_id)) for event in change.changes.events)
        if size and not _ends_with_newline(path, size):
            text = b"\n" + text
        return JournalAppend(path=self.layout.events_rel, offset=size, text=text.decode())


def _refuse_during_undo(before: Snapshot, operation: str | None) -> None:
    """Until an undo is through, nothing else may change what it takes back."""
    intent = next((intent for intent in before.intents.values() if intent.kind == "undo"), None)
    if intent is not None and intent.id != operation:
        raise AiwError(
            Kind.LOCKED, f"an undo ({intent.id}) is under way", hint="run the same command again when it is through"
        )


def _no_documents(_before: Snapshot | None, _after: Snapshot) -> None:
    return


def _no_more(_change: Transaction) -> None:
    return


def _signed(event: Event, operation_id: str) -> Event:
    return replace(event, operation=operation_id)


def _ends_with_newline(path: str, size: int) -> bool:
    with open(path, "rb") as stream:
        stream.seek(size - 1)
        return stream.read(1) == b"\n"


def _digest(data: bytes | None) -> str | None:
    return None if data is None else fsio.sha256_of(data)


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "replace")
