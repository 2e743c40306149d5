"""What a transaction writes, and the last look that nothing is written over what it has not read (spec §7.5)."""

from __future__ import annotations

from ai_workflow import fsio
from ai_workflow.errors import DAMAGE_HINT, AiwError, Kind
from ai_workflow.models.project import Project
from ai_workflow.models.snapshot import AnyEntity, Changes, Snapshot
from ai_workflow.store.codec import DecodeError, decode, encode, kind_of
from ai_workflow.store.layout import Layout

PlannedFile = tuple[str, bytes | None, bytes | None]
"""Path relative to the state folder, bytes now, bytes then; None: no file."""


def plan_files(layout: Layout, before: Snapshot, changes: Changes, project: Project) -> list[PlannedFile]:
    """The files that differ once the changes are stored.

    Args:
        before: the state that the changes were decided on.
        project: as it is then.

    Raises:
        AiwError: CORRUPT when a damaged file would be written over; LOCKED when one was edited since it was read.
    """
    wanted: dict[str, tuple[AnyEntity | None, bytes | None]] = {"project.json": (before.project, encode(project))}
    for entity in changes.put:
        if not isinstance(entity, Project):
            held = before.find(type(entity), entity.id)
            wanted[layout.entity_rel(kind_of(entity), entity.id)] = (held, encode(entity))
    for entity in changes.remove:
        if not isinstance(entity, Project):
            wanted[layout.entity_rel(kind_of(entity), entity.id)] = (before.find(type(entity), entity.id), None)
    damaged = {damage.path: damage.message for damage in before.damaged}
    files = []
    for rel, (held, new) in wanted.items():
        path = f"{layout.state_rel}/{rel}"
        if path in damaged:
            raise _damaged(path, damaged[path])
        old = fsio.find_own_bytes(layout.in_state(rel))
        _require_as_read(path, old, held)
        if old != new:
            files.append((rel, old, new))
    return files


def _require_as_read(path: str, old: bytes | None, held: AnyEntity | None) -> None:
    """Passes when the file holds what the decision was made on, however it is formatted."""
    if old is None and held is None:
        return
    if old is not None and held is not None:
        if old == encode(held):
            return
        try:
            if decode(type(held), old, path=path) == held:
                return
        except DecodeError as error:
            raise _damaged(path, error.damage.message) from error
    if old is not None and not old.strip():
        raise _damaged(path, "the file is empty")
    raise AiwError(Kind.LOCKED, f"{path} was changed in the same moment", hint="run the same command again")


def _damaged(path: str, message: str) -> AiwError:
    return AiwError(Kind.CORRUPT, f"{path}: {message}; it would be overwritten", hint=DAMAGE_HINT)
