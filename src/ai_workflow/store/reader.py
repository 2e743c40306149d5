"""Reads the whole state into a snapshot; never writes, so it works on a read-only checkout (spec §7.1)."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from ai_workflow import fsio
from ai_workflow.errors import DAMAGE_HINT, AiwError, Kind
from ai_workflow.models.ids import sort_ids
from ai_workflow.models.project import Project
from ai_workflow.models.snapshot import AnyEntity, Damage, Snapshot
from ai_workflow.stamps import Stamp, find_stamp
from ai_workflow.store import index, records
from ai_workflow.store.codec import KINDS, DecodeError, decode, decode_list, encode_list
from ai_workflow.store.journal import find_journal, overlay_of
from ai_workflow.store.layout import KIND_FOLDERS, Layout
from ai_workflow.store.legacy import is_legacy, legacy_error
from ai_workflow.store.looks import UNSETTLED, Looks, find_changed, look_at, settled_time

_Result: TypeAlias = AnyEntity | Damage | None
_Known: TypeAlias = tuple[tuple[int, ...], _Result]
"""The look at a file and what it held."""
_LOOK_S = 1.0
_UNKNOWN = (UNSETTLED, 0, 0)
"""A look that no file has."""
MISPLACED = "a file stands where this folder must be"


class StateReader:
    """Reads the state of one workspace, again and again: what is as it was is not read twice.

    A change by aiw is told by the serial of `project.json`. What a person edits in between is told by the files' time,
    size and inode; those are looked at when the last look is older than `_LOOK_S`, as within one short command nobody
    can tell whether an edit came before or after.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._columns: dict[str, _Column] = {}
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

    def remember(self, after: Snapshot, written: Mapping[str, Stamp], *, serial: int) -> None:
        """Brings what later commands start from up to date, when it is worth it and far enough behind.

        Args:
            after: the state as it is on disk now, under the lock.
            written: stamps of the files that were just written, by path relative to the state folder.
        """
        members = {kind: after.members(KINDS[kind]) for kind in records.KINDS}
        if sum(map(len, members.values())) < index.MIN_FILES or not index.is_behind(self._layout, serial):
            return
        columns = {}
        with contextlib.suppress(AiwError):  # Derived: a full disk is no reason to fail.
            for kind, entities in members.items():
                column = columns[kind] = self._column_of(kind, entities, written)
                document = encode_list(f"{kind}s", list(column.entities.values()))
                records.write_records(self._layout, kind, column.names, column.looks, document)
            shown = {kind: columns[kind].for_index() for kind in index.KINDS}
            index.write_index(self._layout, shown, serial=serial)

    def _column_of(self, kind: str, entities: Mapping[str, AnyEntity], written: Mapping[str, Stamp]) -> _Column:
        """The column of these entities; each look is that of when the file was read or written, never a newer one."""
        now_ns = time.time_ns()
        was = self._columns.get(kind)
        stamps: dict[str, Sequence[int]] = {}
        if was is not None:
            seen = zip(was.names, zip(*was.looks, strict=True), was.results, strict=True)
            # Not that of a file which an earlier transaction wrote anew: somebody may put the old one back.
            stamps.update((name, look) for name, look, result in seen if result is entities.get(name[:-5]))
        folder = f"{KIND_FOLDERS[kind]}/"
        for rel, stamp in written.items():
            if rel.startswith(folder):
                stamps[rel.removeprefix(folder)] = (settled_time(stamp[0], now_ns), *stamp[1:])
        names = [f"{entity_id}.json" for entity_id in entities]
        rows = [stamps.get(name, _UNKNOWN) for name in names]
        looks = [[row[part] for row in rows] for part in range(3)]
        return _Column(names, looks, list(entities.values()))

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
        own = {name for name in names if f"{folder_rel}/{name}" not in overlay} if overlay else names
        column = self._columns[kind] = self._read_column(kind, folder, own)
        damaged += column.damaged
        if len(own) == len(names):
            return column.entities
        found = dict(column.entities)
        for name in names.difference(own):
            result = self._decode(kind, f"{folder_rel}/{name}", overlay[f"{folder_rel}/{name}"])
            if isinstance(result, Damage):
                damaged.append(result)
            elif result is not None and not isinstance(result, Project):
                found[result.id] = result
        return found

    def _read_column(self, kind: str, folder: str, present: set[str]) -> _Column:
        """What the files hold; those that look as they did are not read."""
        known = self._columns.get(kind) or self._find_remembered(kind)
        if known is None:
            return self._read_files(kind, folder, _by_number(present), {})
        is_same = present == set(known.names)
        names = known.names if is_same else _by_number(present)
        looks = look_at(folder, names)
        rows = zip(known.names, zip(*known.looks, strict=True), known.results, strict=True)
        if is_same:
            changed = set(find_changed(known.looks, looks))
            if not changed:
                return known
            same = {name: (look, result) for place, (name, look, result) in enumerate(rows) if place not in changed}
        else:
            now = dict(zip(names, zip(*looks, strict=True), strict=True))
            same = {name: (look, result) for name, look, result in rows if now.get(name) == look}
        return self._read_files(kind, folder, names, same)

    def _find_remembered(self, kind: str) -> _Column | None:
        """The records that an earlier command left, or None."""
        found = (
            records.read_records(self._layout, kind) if kind in records.KINDS and kind not in self._columns else None
        )
        entities = decode_list(kind, found.array()) if found is not None else None
        if found is None or entities is None or len(entities) != len(found.names):
            return None
        return _Column(found.names, found.looks, entities)

    def _read_files(self, kind: str, folder: str, names: list[str], same: Mapping[str, _Known]) -> _Column:
        folder_rel = KIND_FOLDERS[kind]
        rows = [same.get(name) or self._read_file(kind, f"{folder_rel}/{name}", f"{folder}/{name}") for name in names]
        looks = [[look[part] for look, _ in rows] for part in range(3)]
        return _Column(names, looks, [result for _, result in rows])

    def _read_file(self, kind: str, rel: str, path: str) -> _Known:
        try:
            found = fsio.find_with_stamp(path)
        except AiwError as error:
            # A folder in its place, or no right to read it: the others stay usable.
            return _UNKNOWN, Damage(path=f"{self._layout.state_rel}/{rel}", line=None, message=error.message)
        if found is None:
            return _UNKNOWN, None
        data, stamp = found
        look = (settled_time(stamp[0], time.time_ns()), *stamp[1:])
        return look, self._decode(kind, rel, data)

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


class _Column:
    """What the files of one kind hold.

    Attributes:
        names: by number.
        looks: as they were when the files were read or written.
        results: of each file its entity, what is wrong with it, or None when it was gone.
        entities: the healthy ones by id.
        damaged: the others.
    """

    __slots__ = ("damaged", "entities", "looks", "names", "results")

    def __init__(self, names: list[str], looks: Looks, results: Sequence[_Result]) -> None:
        self.names = names
        self.looks = looks
        self.results = results
        self.damaged: list[Damage] = []
        self.entities: dict[str, AnyEntity] = {}
        for name, result in zip(names, results, strict=True):
            if isinstance(result, Damage):
                self.damaged.append(result)
            elif result is not None:
                self.entities[name[:-5]] = result

    def for_index(self) -> index.Column:
        """The statuses alone; every file is healthy then."""
        return index.Column(self.names, self.looks, [str(getattr(one, "status", "")) for one in self.results])


def _by_number(names: Iterable[str]) -> list[str]:
    return [f"{entity_id}.json" for entity_id in sort_ids(name[:-5] for name in names)]


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
