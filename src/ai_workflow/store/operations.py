"""The log of operations, `state/operations/OP-….json` (spec §7.3)."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ai_workflow import fsio
from ai_workflow.errors import AiwError
from ai_workflow.models.base import Record
from ai_workflow.models.ids import id_order
from ai_workflow.models.operation import Operation
from ai_workflow.store.codec import DecodeError, decode
from ai_workflow.store.journal import find_journal, overlay_of
from ai_workflow.store.layout import Layout
from ai_workflow.store.reader import is_misplaced, list_names


def make_operation_id(number: int) -> str:
    """A new id; its end keeps those of two clones apart, e.g. `OP-000012-3fa2c1`."""
    return f"OP-{number:06d}-{os.urandom(3).hex()}"


class Log(Record, frozen=True, kw_only=True):
    """What the log holds."""

    operations: tuple[Operation, ...]
    """Those that can be read, by number."""
    damaged: tuple[str, ...] = ()
    """Files that cannot, relative to the root."""


def read_log(layout: Layout, *, about: str | None = None) -> Log:
    """The log, with a committed but unfinished change in sight. Never writes.

    Args:
        about: only the operations that changed this file, path relative to the state folder.

    Raises:
        AiwError: IO when the folder cannot be read.
    """
    overlay = _overlay(layout)
    operations: list[Operation] = []
    damaged: list[str] = []
    names: list[str] = []
    if is_misplaced(layout.state) or is_misplaced(layout.operations):
        damaged.append(f"{layout.state_rel}/operations")
    else:
        names = list_names(layout.operations)
    for rel in {f"operations/{name}" for name in names} | set(overlay):
        found = _read(layout, rel, overlay, about)
        if isinstance(found, DecodeError) and rel not in overlay:
            # Perhaps it was just being written: new files are written in place, under a journal.
            found = _read(layout, rel, _overlay(layout), about)
        if isinstance(found, Operation):
            operations.append(found)
        elif found is not None:
            damaged.append(f"{layout.state_rel}/{rel}")
    return Log(operations=tuple(sorted(operations, key=lambda one: id_order(one.id))), damaged=tuple(sorted(damaged)))


def _overlay(layout: Layout) -> dict[str, bytes | None]:
    """Files of the log in a committed change; a damaged journal is doctor's matter, the log itself can be read."""
    try:
        return {rel: data for rel, data in overlay_of(find_journal(layout)).items() if rel.startswith("operations/")}
    except AiwError:
        return {}


def _read(
    layout: Layout, rel: str, overlay: Mapping[str, bytes | None], about: str | None
) -> Operation | DecodeError | AiwError | None:
    """The operation in a file, or why there is none; None when it is gone or about something else."""
    try:
        data = overlay[rel] if rel in overlay else fsio.find_own_bytes(layout.in_state(rel))
        # One that is torn may not name the file yet.
        if data is None or (about is not None and about.encode() not in data and data.endswith(b"}\n")):
            return None
        return decode(Operation, data, path=f"{layout.state_rel}/{rel}")
    except (DecodeError, AiwError) as error:
        return error
