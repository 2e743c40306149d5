"""The backlog as read from `docs/ai/plan/backlog.md`, and edits of it as data (spec §5). Pure."""

from __future__ import annotations

from ai_workflow.models.base import Record
from ai_workflow.models.plan import Finding
from ai_workflow.models.status import BacklogStatus, Priority


class BacklogItem(Record, frozen=True, kw_only=True):
    """One `## BLG-001 - Title` section."""

    id: str
    is_implied: bool = False
    """Whether the text has no id for it, so that `id` is the first one free; an edit writes it down."""
    title: str
    status: BacklogStatus = "idea"
    priority: Priority = "medium"
    tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    acceptance_criteria: tuple[str, ...] = ()
    conflict_scopes: tuple[str, ...] = ()
    verify: tuple[str, ...] = ()
    """Commands."""
    depends: tuple[str, ...] = ()
    """Titles or ids of items, or references of the plan's grammar."""
    text: str = ""
    """Free text of the section that belongs to no field."""
    line: int
    """1-based line of its heading."""


class Backlog(Record, frozen=True, kw_only=True):
    """The whole file."""

    path: str
    """How findings name the file."""
    items: tuple[BacklogItem, ...] = ()
    """In the order of the text; of items with one id the first counts."""
    findings: tuple[Finding, ...] = ()
    """What was not understood, by position."""

    def find(self, item_id: str) -> BacklogItem | None:
        """The first item with this id, or None."""
        return next((item for item in self.items if item.id == item_id), None)


class BacklogEdit(Record, frozen=True, kw_only=True):
    """What is done to one item. Repeating it changes nothing more.

    A field that is None is left alone; a list that is empty is taken out. Every text is one line without white space
    around it (`plan.backlog_edits.clean_edit`).
    """

    item_id: str
    is_new: bool = False
    """Whether the item is to be added where it is missing."""
    title: str | None = None
    status: BacklogStatus | None = None
    priority: Priority | None = None
    tags: tuple[str, ...] | None = None
    notes: tuple[str, ...] | None = None
    acceptance_criteria: tuple[str, ...] | None = None
    conflict_scopes: tuple[str, ...] | None = None
    verify: tuple[str, ...] | None = None
    depends: tuple[str, ...] | None = None
    added_notes: tuple[str, ...] = ()
    """Put behind the notes that are there, each unless it is there already."""
