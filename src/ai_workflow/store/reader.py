"""Reads the whole state into a snapshot; never writes, so it works on a read-only checkout (spec §7.1)."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence

from ai_workflow import fsio
from ai_workflow.errors import DAMAGE_HINT, AiwError, Kind
from ai_workflow.models.project import Project
from ai_workflow.models.snapshot import AnyEntity, Damage, Snapshot
from ai_workflow.stamps import RACY_NS, Stamp, find_stamp
from ai_workflow.store import index
from ai_workflow.store.codec import KINDS, DecodeError, decode
from ai_workflow.store.journal import find_journal, overlay_of
from ai_workflow.store.layout import KIND_FOLDERS, Layout
from ai_workflow.store.legacy import is_legacy, legacy_error

_LOOK_S = 1.0
MISPLACED = "a file stands where this folder must be"


class StateReader:
    """Reads the state of one workspace, again and again: what is as it was is not read twice.

    A change by aiw is told by the serial of `project.json`. What a person edits in between is told by the files' time,
    size and inode; those are looked at when the last look is older than `_LOOK_S`, as within one short command nobody
    can tell whether an edit came before or after.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._files: dict[str, dict[str, _Known]] = {}
        self._last: Snapshot | None = None
        self._mark: tuple[object, ...] = ()
        self._looked_s = 0.0

    def read(self) -> Snapshot:
        """Everything stored, with a committed but unfinished change already in sight.

        A file that cannot be understood becomes an entry of `damaged`; all others stay usable (spec §7.5).

        Raises:
            AiwError: IO when the folder cannot be read; CORRUPT when the journal is damaged; STATE for a workspace
                of aiw 0.1.0.
        """
        journal = find_journal(self._layout)
        if journal is not None:
            self._last = None
            return self._look(overlay_of(journal))
        mark = self._read_mark()
        is_recent = time.monotonic() - self._looked_s < _LOOK_S
        if self._last is None or not is_recent or mark != self._mark:
            # The mark of before the look: what changes meanwhile is seen the next time.
            self._last, self._mark, self._looked_s = self._look({}), mark, time.monotonic()
        return self._last

    def know(self, after: Snapshot) -> None:
        """Takes over what was just written, under the lock, so that it need not be read.

        Args:
            after: the state as it is on disk now.
        """
        self._last, self._mark = after, self._read_mark()

    def write_index(self, after: Snapshot, written: Iterable[str], *, serial: int) -> None:
        """Brings the index for reading commands up to date, when it is worth it and far enough behind.

        Args:
            after: the state as it is on disk now, under the lock.
            written: files that were just written, relative to the state folder.
        """
        kinds = {kind: members for kind in index.KINDS if (members := after.members(KINDS[kind]))}
        if sum(map(len, kinds.values())) < index.MIN_FILES or not index.is_behind(self._layout, serial):
            return
        fresh = set(written)
        now_ns = time.time_ns()
        rows: dict[str, dict[str, tuple[Stamp, str]]] = {}
        for kind, members in kinds.items():
            known, folder = self._files.get(kind, {}), KIND_FOLDERS[kind]
            rows[kind] = {}
            for entity_id, entity in members.items():
                name = f"{entity_id}.json"
                rel = f"{folder}/{name}"
                was = known.get(name)
                stamp = was.stamp if was is not None and rel not in fresh else find_stamp(f"{self._layout.state}/{rel}")
                if stamp is not None and now_ns - stamp[0] > RACY_NS:
                    rows[kind][name] = (stamp, str(getattr(entity, "status", "")))
        with contextlib.suppress(AiwError):  # Derived: a full disk is no reason to fail.
            index.write_index(self._layout, rows, serial=serial)

    def forget(self) -> None:
        """What was read counts no more: somebody wrote besides a transaction."""
        self._last = None

    def _read_mark(self) -> tuple[object, ...]:
        """What every change by aiw changes, and every file that comes or goes."""
        folders = tuple(find_stamp(self._layout.folder(kind)) for kind in KIND_FOLDERS)
        try:
            # Its bytes, for they hold the serial: time and inode may be the same again within a clock tick.
            project = fsio.find_own_bytes(self._layout.project)
        except AiwError:
            project = None
        return project, *folders

    def _look(self, overlay: Mapping[str, bytes | None]) -> Snapshot:
        damaged: list[Damage] = []
        entities: dict[type, dict[str, AnyEntity]] = {}
        if is_misplaced(self._layout.state):
            damaged.append(Damage(path=self._layout.state_rel, line=None, message=MISPLACED))
            return Snapshot(project=None, entities={}, damaged=tuple(damaged))
        for kind in KIND_FOLDERS:
            entities[KINDS[kind]] = self._read_folder(kind, overlay, damaged)
        project = _read_project(self._layout, overlay, damaged)
        layout = self._layout
        if project is None and not overlay and is_legacy(layout.state):
            raise legacy_error(layout.state_rel)
        project_path = f"{layout.state_rel}/project.json"
        if project is None and any(entities.values()) and all(damage.path != project_path for damage in damaged):
            # The first transaction writes it, and nothing removes it before the rest: this is no new workspace.
            message = "the file is missing, and the rest of the state is there"
            damaged.append(Damage(path=project_path, line=None, message=message))
        return Snapshot(project=project, entities=entities, damaged=tuple(damaged))

    def _read_folder(
        self, kind: str, overlay: Mapping[str, bytes | None], damaged: list[Damage]
    ) -> dict[str, AnyEntity]:
        folder = self._layout.folder(kind)
        folder_rel = KIND_FOLDERS[kind]
        names: set[str] = set()
        try:
            names.update(list_names(folder))
        except AiwError as error:
            # The other kinds stay usable.
            message = MISPLACED if is_misplaced(folder) else error.message
            damaged.append(Damage(path=f"{self._layout.state_rel}/{folder_rel}", line=None, message=message))
        names.update(path.split("/")[1] for path in overlay if path.startswith(f"{folder_rel}/"))
        before, known = self._files.get(kind, {}), {}
        found: dict[str, AnyEntity] = {}
        for name in sorted(names):
            rel = f"{folder_rel}/{name}"
            if rel in overlay:
                result = self._decode(kind, rel, overlay[rel])
            else:
                path = f"{folder}/{name}"
                was = before.get(name)
                if was is not None and was.stamp == find_stamp(path):
                    known[name], result = was, was.result
                else:
                    fresh = self._read_file(kind, rel, path)
                    known[name], result = fresh, fresh.result
            if isinstance(result, Damage):
                damaged.append(result)
            elif result is not None and not isinstance(result, Project):
                found[result.id] = result
        self._files[kind] = known
        return found

    def _read_file(self, kind: str, rel: str, path: str) -> _Known:
        try:
            found = fsio.find_with_stamp(path)
        except AiwError as error:
            # A folder in its place, or no right to read it: the others stay usable.
            return _Known(None, Damage(path=f"{self._layout.state_rel}/{rel}", line=None, message=error.message))
        if found is None:
            return _Known(None, None)
        data, stamp = found
        # Written within a clock tick of being read, it may change once more without a trace, as with git's index.
        is_settled = time.time_ns() - stamp[0] > RACY_NS
        return _Known(stamp if is_settled else None, self._decode(kind, rel, data))

    def _decode(self, kind: str, rel: str, data: bytes | None) -> AnyEntity | Damage | None:
        if data is None:
            return None
        path = f"{self._layout.state_rel}/{rel}"
        try:
            entity: AnyEntity = decode(KINDS[kind], data, path=path)  # type: ignore[assignment]
        except DecodeError as error:
            return error.damage
        if not isinstance(entity, Project) and entity.id != rel.rpartition("/")[2].removesuffix(".json"):
            return Damage(path=path, line=None, message=f"the file holds {entity.id}, which is not its name")
        return entity


class _Known:
    """What a file held.

    Attributes:
        stamp: time, size and inode; None when they tell nothing.
        result: its entity, what is wrong with it, or None when it was gone.
    """

    __slots__ = ("result", "stamp")

    def __init__(self, stamp: Stamp | None, result: AnyEntity | Damage | None) -> None:
        self.stamp = stamp
        self.result = result


def is_misplaced(folder: str) -> bool:
    """Whether something else stands where a folder of the state must be."""
    return os.path.lexists(folder) and not os.path.isdir(folder)


def require_folders(layout: Layout, rels: Sequence[str]) -> None:
    """Passes when the files can be written where they belong: after the commit point it would be too late to refuse.

    Args:
        rels: relative to the state folder.

    Raises:
        AiwError: CORRUPT, naming the folder.
    """
    for folder in sorted({rel.rpartition("/")[0] for rel in rels} - {""}):
        if is_misplaced(layout.in_state(folder)):
            raise AiwError(Kind.CORRUPT, f"{layout.state_rel}/{folder}: {MISPLACED}", hint=DAMAGE_HINT)
    events = layout.events_rel
    if events in rels and os.path.islink(layout.in_state(events)):
        # The one file that is not replaced whole: what a link leads to would be written into.
        raise AiwError(
            Kind.CORRUPT, f"{layout.state_rel}/{events}: a link stands where this file must be", hint=DAMAGE_HINT
        )


def list_names(folder: str) -> list[str]:
    """Names of the `.json` files in a folder; empty when there is no folder. Raises AiwError(IO)."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AiwError(Kind.IO, f"cannot read {folder}: {os.strerror(error.errno or 0)}") from error
    return [name for name in names if name.endswith(".json") and not name.startswith(".")]


def _read_project(layout: Layout, overlay: Mapping[str, bytes | None], damaged: list[Damage]) -> Project | None:
    path = f"{layout.state_rel}/project.json"
    try:
        data = overlay.get("project.json") or fsio.find_own_bytes(layout.project)
    except AiwError as error:
        damaged.append(Damage(path=path, line=None, message=error.message))
        return None
    if data is None:
        return None
    try:
        return decode(Project, data, path=path)
    except DecodeError as error:
        damaged.append(error.damage)
        return None
