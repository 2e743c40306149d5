"""What the `list` and `show` commands share: rows straight from the state, and the exit code of damage."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ai_workflow.cli.runtime import Command, Session, format_json, table
from ai_workflow.errors import DAMAGE_HINT, AiwError, ExitCode, Kind
from ai_workflow.services.glance import Glance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Row = dict[str, "Any"]


def show_rows(
    session: Session,
    glance: Glance,
    rows: Sequence[Row],
    *,
    key: str,
    head: Sequence[str],
    cells: Callable[[Row], list[str]],
) -> int:
    """Prints the rows as a table, or as `{key: [row, …]}`; damaged files are named on stderr (exit code 5)."""
    if rows:
        session.show(*table([cells(row) for row in rows], head=head))
    else:
        session.show(f"no {key}")
    session.show_json({key: list(rows)})
    return report_damage(session, glance)


def show_document(session: Session, glance: Glance, kind: str) -> int:
    """Prints every entity of a kind as `{key: [row, …]}`; as `show_rows` with `--json`, for thousands of them."""
    import sys

    from ai_workflow.rendering.inert import inert_json

    for piece in glance.rows.document(kind):
        sys.stdout.write(inert_json(piece))
    return report_damage(session, glance)


def show_one(session: Session, glance: Glance, kind: str, entity_id: str) -> int:
    """Prints one element of the state as JSON.

    Raises:
        AiwError: NOT_FOUND, or CORRUPT when its file is damaged.
    """
    import sys

    row = glance.rows.find(kind, entity_id)
    if row is None and glance.rows.damaged:
        raise AiwError(Kind.CORRUPT, glance.rows.damaged[0], hint=DAMAGE_HINT)
    if row is None:
        raise AiwError(Kind.NOT_FOUND, f"{kind} {entity_id} does not exist", hint=f"see `aiw {kind} list`")
    sys.stdout.write(format_json(row))
    return ExitCode.OK


def report_damage(session: Session, glance: Glance) -> int:
    """Names damaged files on stderr; the exit code that says so."""
    for damage in glance.rows.damaged:
        session.say(f"damaged: {damage}")
    return ExitCode.DAMAGED if glance.rows.damaged else ExitCode.OK


__all__ = ["Command", "report_damage", "show_document", "show_one", "show_rows"]
