"""An architecture decision record."""

from ai_workflow.models.base import Entity
from ai_workflow.models.status import AdrStatus


class Adr(Entity, frozen=True, kw_only=True):
    """`state/adrs/ADR-0001.json`."""

    id: str
    title: str
    status: AdrStatus = "proposed"
    applies_to: tuple[str, ...] = ()
    """Path patterns, task or milestone ids the decision binds; empty binds everything."""
    decision: str = ""
    consequences: tuple[str, ...] = ()
    superseded_by: str | None = None
    """The decision that took its place."""
    reason: str | None = None
    """Why it was deprecated."""
    created_at: str
    updated_at: str
