"""The log of operations, `state/operations/OP-….json` (spec §7.3)."""

from __future__ import annotations

import contextlib
import os

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
    overlay: dict[str, bytes | None] = {}
    with contextlib.suppress(AiwError):  # A damaged journal is doctor's matter; the log itself can be read.
        overlay = {rel: data for rel, data in overlay_of(find_journal(layout)).items() if rel.startswith("operations/")}
    operations: list[Operation] = []
    damaged: list[str] = []
    names: list[str] = []
    if is_misplaced(layout.state) or is_misplaced(layout.operations):
        damaged.append(f"{layout.state_rel}/operations")
    else:
        names = list_names(layout.operations)
    for rel in {f"operations/{name}" for name in names} | set(overlay):
        try:
            data = overlay[rel] if rel in overlay else fsio.find_own_bytes(layout.in_state(rel))
            if data is not None and (about is None or about.encode() in data):
                operations.append(decode(Operation, data, path=f"{layout.state_rel}/{rel}"))
        except (DecodeError, AiwError):
            damaged.append(f"{layout.state_rel}/{rel}")
    return Log(operations=tuple(sorted(operations, key=lambda one: id_order(one.id))), damaged=tuple(sorted(damaged)))
