"""A state that begins: by a migration, a reset or a rebuild (spec §6.10, §7.5). Makes its files, writes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable

from msgspec.structs import replace

from ai_workflow.models.base import Record
from ai_workflow.models.event import Event
from ai_workflow.models.operation import Operation
from ai_workflow.models.project import Project
from ai_workflow.models.snapshot import AnyEntity
from ai_workflow.store.codec import encode, encode_line, kind_of
from ai_workflow.store.layout import Layout
from ai_workflow.store.operations import make_operation_id
from ai_workflow.store.transaction import Store


class Founding(Record, frozen=True, kw_only=True):
    """The first operation of a state, in the log like any other."""

    name: str
    event: Event
    """The first event, or the next one of the log."""
    final: str
    """Why undo ends there, see `Operation.final`."""


class NewState(Record, frozen=True, kw_only=True):
    """What `Store.whole` puts in place."""

    files: dict[str, bytes]
    """Path relative to `state/` → bytes."""
    operation: str
    """Id of the operation."""


def found_state(
    store: Store, founding: Founding, project: Project, entities: Iterable[AnyEntity], *, log: bytes = b""
) -> NewState:
    """The whole state, with its first operation and event.

    Args:
        project: with the serial that it begins with, and the highest numbers that were given before.
        log: the events that go on.
    """
    layout: Layout = store.layout
    counters = replace(project.counters, operation=project.counters.operation + 1)
    operation = Operation(
        id=make_operation_id(counters.operation),
        name=founding.name,
        command=store.command,
        actor=store.actor,
        pid=os.getpid(),
        at=founding.event.timestamp,
        serials=(project.serial,),
        final=founding.final,
    )
    gap = b"" if not log or log.endswith(b"\n") else b"\n"
    every = (replace(project, counters=counters), *(one for one in entities if not isinstance(one, Project)))
    files = {layout.entity_rel(kind_of(one), getattr(one, "id", "")): encode(one) for one in every}
    files[f"operations/{operation.id}.json"] = encode(operation)
    files[layout.events_rel] = log + gap + encode_line(replace(founding.event, operation=operation.id))
    return NewState(files=files, operation=operation.id)
