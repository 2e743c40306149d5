"""Reads the whole state into a snapshot; never writes, so it works on a read-only checkout (spec §7.1)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TypeVar

from ai_workflow import fsio
from ai_workflow.errors import DAMAGE_HINT, AiwError, Kind
from ai_workflow.models.base import Entity
from ai_workflow.models.project import Project
from ai_workflow.models.snapshot import AnyEntity, Damage, Snapshot
from ai_workflow.store.codec import KINDS, DecodeError, decode
from ai_workflow.store.journal import find_journal, overlay_of
from ai_workflow.store.layout import KIND_FOLDERS, Layout
from ai_workflow.store.legacy import is_legacy, legacy_error

_E = TypeVar("_E", bound=Entity)
MISPLACED = "a file stands where this folder must be"


def read_snapshot(layout: Layout) -> Snapshot:
    """Everything stored, with a committed but unfinished change already in sight.

    A file that cannot be understood becomes an entry of `damaged`; all others stay usable (spec §7.5).

    Raises:
        AiwError: IO when the folder cannot be read; CORRUPT when the journal is damaged; STATE for a workspace
            of aiw 0.1.0.
    """
    overlay = overlay_of(find_journal(layout))
    damaged: list[Damage] = []
    entities: dict[type, dict[str, AnyEntity]] = {}
    if is_misplaced(layout.state):
        damaged.append(Damage(path=layout.state_rel, line=None, message=MISPLACED))
        return Snapshot(project=None, entities={}, damaged=tuple(damaged))
    for kind in KIND_FOLDERS:
        record = KINDS[kind]
        entities[record] = _read_folder(layout, kind, overlay, damaged)
    project = _read_project(layout, overlay, damaged)
    if project is None and not overlay and is_legacy(layout.state):
        raise legacy_error(layout.state_rel)
    project_path = f"{layout.state_rel}/project.json"
    if project is None and any(entities.values()) and all(damage.path != project_path for damage in damaged):
        # The first transaction writes it, and nothing removes it before the rest: this is no new workspace.
        damaged.append(
            Damage(path=project_path, line=None, message="the file is missing, and the rest of the state is there")
        )
    return Snapshot(project=project, entities=entities, damaged=tuple(damaged))


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


def list_names(folder: str) -> list[str]:
    """Names of the `.json` files in a folder; empty when there is no folder. Raises AiwError(IO)."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AiwError(Kind.IO, f"cannot read {folder}: {os.strerror(error.errno or 0)}") from error
    return [name for name in names if name.endswith(".json") and not name.startswith(".")]


def _read_folder(
    layout: Layout, kind: str, overlay: Mapping[str, bytes | None], damaged: list[Damage]
) -> dict[str, AnyEntity]:
    folder_rel = KIND_FOLDERS[kind]
    folder = layout.folder(kind)
    names: set[str] = set()
    try:
        names.update(list_names(folder))
    except AiwError as error:
        # The other kinds stay usable.
        message = MISPLACED if is_misplaced(folder) else error.message
        damaged.append(Damage(path=f"{layout.state_rel}/{folder_rel}", line=None, message=message))
    names.update(path.split("/")[1] for path in overlay if path.startswith(f"{folder_rel}/"))
    found: dict[str, AnyEntity] = {}
    for name in sorted(names):
        rel = f"{folder_rel}/{name}"
        try:
            data = overlay[rel] if rel in overlay else fsio.find_bytes(os.path.join(folder, name))
        except AiwError as error:
            # A folder in its place, or no right to read it: the others stay usable.
            damaged.append(Damage(path=f"{layout.state_rel}/{rel}", line=None, message=error.message))
            continue
        if data is None:
            continue
        entity = _decode(layout, kind, rel, data, damaged)
        if entity is None or isinstance(entity, Project):
            continue
        if entity.id != name.removesuffix(".json"):
            path = f"{layout.state_rel}/{rel}"
            damaged.append(Damage(path=path, line=None, message=f"the file holds {entity.id}, which is not its name"))
            continue
        found[entity.id] = entity
    return found


def _decode(layout: Layout, kind: str, rel: str, data: bytes, damaged: list[Damage]) -> AnyEntity | None:
    try:
        return decode(KINDS[kind], data, path=f"{layout.state_rel}/{rel}")  # type: ignore[return-value]
    except DecodeError as error:
        damaged.append(error.damage)
        return None


def _read_project(layout: Layout, overlay: Mapping[str, bytes | None], damaged: list[Damage]) -> Project | None:
    path = f"{layout.state_rel}/project.json"
    try:
        data = overlay.get("project.json") or fsio.find_bytes(layout.project)
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
