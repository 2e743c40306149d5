"""Edits the backlog: one item at a time, under the state's lock, recorded as aiw's own edits (spec §5, §6.4 step 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from ai_workflow import fsio
from ai_workflow.config.ownership import backlog_path
from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.backlog import Backlog, BacklogEdit, BacklogItem
from ai_workflow.models.base import Record
from ai_workflow.models.ids import format_id, id_number
from ai_workflow.models.snapshot import Changes
from ai_workflow.models.status import BacklogStatus
from ai_workflow.plan.backlog_edits import Editor, clean_edit, expected_item
from ai_workflow.plan.backlog_layout import COMMA_LISTS
from ai_workflow.plan.comma_lists import NO_TITLES, index_titles, split_items
from ai_workflow.plan.pending_edits import add_backlog_edits
from ai_workflow.policy.backlog_status import (
    ARCHIVE_REASON,
    find_stranded,
    follow_edits,
    move_tasks_of_item,
    tasks_of_item,
)
from ai_workflow.policy.events import make_event
from ai_workflow.services.backlog_file import find_file, find_text
from ai_workflow.services.workspace import Workspace
from ai_workflow.store.transaction import Transaction


class Edited(Record, frozen=True, kw_only=True):
    """What became of one item."""

    item: BacklogItem
    """As it reads now."""
    changed: bool
    """Whether a byte of the file, or a task, changed."""
    moved: tuple[str, ...] = ()
    """Sentences about tasks that followed, and those that now wait in vain."""


def add_item(ws: Workspace, edit: BacklogEdit) -> Edited:
    """Adds an item at the end of the backlog; its id is the next one.

    Args:
        edit: the fields; `item_id` is ignored.

    Raises:
        AiwError: USAGE without a title; PLAN when the text leaves no place for it; IO.
    """
    with ws.store.transaction("backlog add") as change:
        source = Source(ws, change)
        project = change.before.require_project()
        number = max(project.counters.backlog, source.editor.highest_number()) + 1
        wanted = replace(edit, item_id=format_id("backlog", number), is_new=True, status=edit.status or "idea")
        new = _clean(wanted, source.backlog)
        left_over = _find_left_over(source.backlog, new, known=project.counters.backlog)
        new = replace(new, item_id=left_over or new.item_id)
        source.apply([new])
        item = source.editor.require(new.item_id)
        event = make_event("backlog_added", f"{item.id} added: {item.title}", now=change.now, actor=ws.actor)
        change.apply(Changes(events=(event,)))
        source.write()
    return Edited(item=item, changed=True)


def _find_left_over(backlog: Backlog, new: BacklogEdit, *, known: int) -> str | None:
    """The id of the very same item if a killed command wrote it and did not come to record it, or None."""
    for item in backlog.items:
        if not item.is_implied and id_number(item.id)[0] > known:
            same = expected_item(BacklogItem(id=item.id, title="", line=0), new)
            if replace(item, line=0) == replace(same, id=item.id):
                return item.id
    return None


def edit_items(
    ws: Workspace, edits: Sequence[BacklogEdit], *, reason: str | None = None, name: str = "backlog edit"
) -> tuple[Edited, ...]:
    """Edits items, all or none; the tasks of an item whose status is set follow.

    Args:
        edits: one an item.
        reason: why, for the tasks that are cancelled or blocked by it.
        name: of the transaction.

    Raises:
        AiwError: NOT_FOUND; STATE when a task contradicts the status; PLAN when the text cannot be edited; IO.
    """
    results = []
    with ws.store.transaction(name) as change:
        source = Source(ws, change)
        for edit in edits:
            results.append(_edit_one(ws, change, source, _clean(edit, source.backlog), reason=reason))
        source.write()
    return tuple(results)


def _edit_one(ws: Workspace, change: Transaction, source: Source, edit: BacklogEdit, *, reason: str | None) -> Edited:
    before = source.editor.require(edit.item_id)
    if before.is_implied and tasks_of_item(change.after, edit.item_id):
        raise AiwError(
            Kind.PLAN,
            f"{source.rel}:{before.line}: `{before.title}` has no id, and {edit.item_id} was that of another item",
            hint="give its heading an id that was never used",
        )
    moved: tuple[str, ...] = ()
    if edit.status is not None:
        moved = _move_tasks(ws, change, edit.item_id, edit.status, reason=reason)
    source.apply([edit])
    after = source.editor.require(edit.item_id)
    is_changed = after != before or bool(moved)
    if is_changed:
        summary = f"{edit.item_id} edited" + (f": {edit.status}" if edit.status else "")
        event = make_event("backlog_edited", summary, now=change.now, actor=ws.actor)
        change.apply(Changes(events=(event,)))
    return Edited(item=after, changed=is_changed, moved=moved)


def _move_tasks(
    ws: Workspace, change: Transaction, item_id: str, status: BacklogStatus, *, reason: str | None
) -> tuple[str, ...]:
    before = change.after
    change.apply(move_tasks_of_item(before, item_id, status, reason=reason, now=change.now, actor=ws.actor))
    sentences = [
        f"{task.id} is {task.status.replace('_', ' ')} now: {task.title}"
        for task in tasks_of_item(change.after, item_id)
        if before.tasks[task.id].status != task.status
    ]
    sentences += [
        f"{task.id} waits for it and can no longer be claimed: {task.title}"
        for task in find_stranded(before, change.after)
    ]
    return tuple(sentences)


def make_archive_edit(item_id: str, reason: str | None) -> BacklogEdit:
    """The edit that archives an item, with the reason as a note."""
    notes = (f"{ARCHIVE_REASON}{reason}",) if reason and reason.strip() else ()
    return BacklogEdit(item_id=item_id, status="archived", added_notes=notes)


def follow_tasks(ws: Workspace, change: Transaction) -> tuple[BacklogEdit, ...]:
    """Brings the items of the work tree's backlog in step with the tasks that an open transaction changed.

    Called inside the transaction, behind everything that changes tasks. The edits are recorded as aiw's own. A backlog
    that is missing or cannot be read is never the reason for a failure: it is said, and left alone.

    Returns:
        The edits, made or not.
    """
    wanted = follow_edits(change.before, change.after)
    if not wanted:
        return ()
    try:
        source = Source(ws, change)
        for edit in wanted:
            item = source.editor.find(edit.item_id)
            is_given_up = item is not None and (item.status, edit.status) == ("rejected", "archived")
            if item is not None and not item.is_implied and item.status != edit.status and not is_given_up:
                source.apply([edit])
        source.write()
    except AiwError as error:
        ws.talk(f"the backlog does not follow: {error.message}")
    return wanted


class Source:
    """The backlog's text during one transaction.

    Attributes:
        rel: path relative to the root.
        editor: the items as they are once what was applied is written.
    """

    def __init__(self, ws: Workspace, change: Transaction) -> None:
        change.before.require_project()
        self.rel = backlog_path(ws.config)
        self._ws = ws
        self._change = change
        self._path = find_file(ws.root, self.rel)
        self._old = find_text(ws.root, self.rel)
        self.editor = Editor(self._old or "", path=self.rel)
        self._edits: list[BacklogEdit] = []

    @property
    def backlog(self) -> Backlog:
        """The items as they are once the edits are written."""
        return Backlog(path=self.rel, items=self.editor.items)

    def apply(self, edits: Sequence[BacklogEdit]) -> None:
        """Makes the edits in the text. Raises AiwError(NOT_FOUND, PLAN)."""
        for edit in edits:
            self.editor.apply(edit)
            self._edits.append(edit)

    def write(self) -> None:
        """Writes the file if it differs, and records the edits and the highest id in the transaction.

        The file is written before the transaction commits: a kill in between leaves an edit that is not known as
        aiw's own, never a record of something that was not done.

        Raises:
            AiwError: PLAN when the text leaves no place for the edits; IO.
        """
        text = self.editor.text()
        if text != (self._old or ""):
            fsio.write_file(self._path, text.encode(), temp_dir=self._ws.layout.temp, durable=True)
            before = None if self._old is None else self._old.encode()
            self._change.record_file(self.rel, before=before, after=text.encode())
        project = self._change.after.require_project()
        number = max(project.counters.backlog, self.editor.highest_number())
        changed = replace(
            project,
            counters=replace(project.counters, backlog=number),
            pending_edits=add_backlog_edits(project.pending_edits, self._edits, path=self.rel),
        )
        if changed != project:
            self._change.apply(Changes(put=(changed,)))


def _clean(edit: BacklogEdit, backlog: Backlog) -> BacklogEdit:
    """The edit without control and invisible characters in its texts, and with lists split at their commas."""
    from ai_workflow.rendering.text import strip_line

    titles = index_titles(item.title for item in backlog.items)
    changed: dict[str, Any] = {}
    for name in edit.__struct_fields__:
        value = getattr(edit, name)
        if name == "title" and value is not None:
            changed[name] = strip_line(value)
        elif isinstance(value, tuple):
            texts = tuple(strip_line(text) for text in value)
            known = titles if name == "depends" else NO_TITLES
            split = [item for text in texts for item, _ in split_items(text, titles=known)]
            changed[name] = tuple(split) if name in COMMA_LISTS else texts
    return clean_edit(replace(edit, **changed))
