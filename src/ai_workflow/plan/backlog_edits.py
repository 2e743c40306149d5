"""Edits of a backlog's text that touch the item and the fields named and leave every other byte (spec §5). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.backlog import Backlog, BacklogEdit, BacklogItem
from ai_workflow.plan.backlog import parse_backlog, read_items
from ai_workflow.plan.backlog_layout import COMMA_LISTS, LISTS, SCALARS, Layout
from ai_workflow.plan.backlog_lines import LABELS, append_notes, make_bullets, set_heading, set_list, set_scalar
from ai_workflow.plan.comma_lists import NOTHING, join_items, split_items, strip_code

FIELDS = ("title", *SCALARS, *LISTS)
"""Fields of `BacklogEdit` that set a field of the item to a value, in the order in which they are written."""


def clean_edit(edit: BacklogEdit) -> BacklogEdit:
    """The edit with values that the file can hold: one line each, no words for nothing, no code marks around commands.

    Raises:
        AiwError: USAGE for a title without text.
    """
    changed: dict[str, Any] = {"added_notes": tuple(dict.fromkeys(_clean_list("notes", edit.added_notes)))}
    if edit.title is not None:
        changed["title"] = _clean_title(edit.title)
        if not changed["title"]:
            raise AiwError(Kind.USAGE, "an item needs a title", hint="say what is to be done in a few words")
    for name in LISTS:
        values = getattr(edit, name)
        if values is not None:
            changed[name] = _clean_list(name, values)
    return replace(edit, **changed)


def _clean_title(title: str) -> str:
    text = " ".join(title.split())
    while text.endswith("#") and (text.rstrip("#").endswith(" ") or not text.rstrip("#")):
        text = text.rstrip("#").rstrip()  # Markdown drops such marks at the end of a heading.
    return text


def _clean_list(name: str, values: Iterable[str]) -> tuple[str, ...]:
    cleaned = []
    for value in values:
        text = " ".join(value.split())
        if name in COMMA_LISTS:
            # Read back from quotes, so that what cannot be written (an empty item) is not tried.
            cleaned += [item for item, _ in split_items(join_items((text,)))]
        elif text.casefold().rstrip(".") not in NOTHING:
            cleaned.append(strip_code(text) if name == "verify" else text)
    return tuple(text for text in cleaned if text)


def edit_item(text: str, edit: BacklogEdit, *, path: str) -> str:
    """The text with one item edited, or added at the end when `is_new` and it is missing.

    Args:
        text: the whole file.
        edit: a cleaned edit (`clean_edit`).
        path: how errors name the file.

    Raises:
        AiwError: NOT_FOUND when the item does not exist; PLAN when the text is such that the edit would touch
            anything else, for example below a comment that is never closed.
    """
    before = parse_backlog(text, path=path)
    item = before.find(edit.item_id)
    if edit.notes is not None and edit.added_notes:
        notes = (*edit.notes, *(note for note in edit.added_notes if note not in edit.notes))
        edit = replace(edit, notes=notes, added_notes=())
    if item is None and edit.is_new:
        return _add_item(text, edit, before)
    if item is None:
        known = ", ".join(item.id for item in before.items[:5]) or "none"
        raise AiwError(Kind.NOT_FOUND, f"backlog item {edit.item_id} does not exist (known: {known})",
                       hint="see `aiw backlog list`")  # fmt: skip
    section = Layout(text, path=path).find(edit.item_id)
    if section is not None and section.is_checkbox:
        raise AiwError(
            Kind.PLAN,
            f"{path}:{item.line}: {item.id} is a line of a list, which has no fields to edit",
            hint=f"write it as `## {item.id} - {item.title}`",
        )
    after = _apply(text, edit, item, path=path)
    _require_exact(before, parse_backlog(after, path=path), edit, path=path)
    return after


def _apply(text: str, edit: BacklogEdit, item: BacklogItem, *, path: str) -> str:
    if item.is_implied or (edit.title is not None and edit.title != item.title):
        text = set_heading(Layout(text, path=path), item.id, edit.title or item.title)
    for name in SCALARS:
        value = getattr(edit, name)
        if value is not None:
            text = set_scalar(Layout(text, path=path), item.id, name, value)
    for name in LISTS:
        values = getattr(edit, name)
        if values is not None and values != getattr(item, name):
            text = set_list(Layout(text, path=path), item.id, name, values)
    if edit.added_notes:
        layout = Layout(text, path=path)
        found = read_items(layout).find(item.id)
        missing = [note for note in edit.added_notes if found is None or note not in found.notes]
        text = append_notes(layout, item.id, missing)
    return text


def expected_item(item: BacklogItem, edit: BacklogEdit) -> BacklogItem:
    """The item as it reads once the edit is made."""
    changed = {name: getattr(edit, name) for name in FIELDS if getattr(edit, name) is not None}
    notes = edit.notes if edit.notes is not None else item.notes
    changed["notes"] = (*notes, *(note for note in dict.fromkeys(edit.added_notes) if note not in notes))
    return replace(item, is_implied=False, **changed)


def _require_exact(before: Backlog, after: Backlog, edit: BacklogEdit, *, path: str) -> None:
    """Passes when the edit did what it says and nothing else, as a reader sees it."""
    wanted = []
    is_met = False
    for item in before.items:
        is_target = item.id == edit.item_id and not is_met
        is_met = is_met or is_target
        wanted.append(_comparable(expected_item(item, edit) if is_target else item, edit))
    found = [_comparable(item, edit) for item in after.items]
    if found != wanted:
        line = next((item.line for item in before.items if item.id == edit.item_id), 1)
        raise _inexact(path, line, edit.item_id)


def _comparable(item: BacklogItem, edit: BacklogEdit) -> BacklogItem:
    # A new title may change where commas part the references of another item.
    depends = () if edit.title is not None else item.depends
    # A field between two paragraphs may set them apart by a blank line.
    text = "\n".join(line for line in item.text.split("\n") if line.strip())
    return replace(item, line=0, depends=depends, text=text)


def _inexact(path: str, line: int, item_id: str) -> AiwError:
    return AiwError(
        Kind.PLAN,
        f"{path}:{line}: {item_id} cannot be edited by a command as the text around it stands",
        hint="edit the file by hand; `aiw backlog list` names what is not understood in it",
    )


def _add_item(text: str, edit: BacklogEdit, before: Backlog) -> str:
    layout = Layout(text, path=before.path)
    end = layout.line_end
    block = end.join(render_item(edit)) + end
    gap = ""
    if layout.lines:
        last = layout.lines[-1]
        gap = ("" if last.endswith(("\r", "\n")) else end) + ("" if not last.strip() else end)
    else:
        block = f"# Backlog{end}{end}{block}"
    after = f"{text}{gap}{block}"
    items = parse_backlog(after, path=before.path).items
    known = [replace(item, line=0, depends=()) for item in items]
    # Titles of new items may change how commas in `Depends:` are read, so those are not compared.
    wanted = [replace(item, line=0, depends=()) for item in before.items]
    fresh = expected_item(BacklogItem(id=edit.item_id, title=edit.title or "", line=0), replace(edit, depends=None))
    if known != [*wanted, fresh]:
        raise AiwError(
            Kind.PLAN,
            f"{before.path}:{len(layout.lines)}: nothing can be added at the end of this text",
            hint="close the code fence or comment that `aiw backlog list` names",
        )
    return after


def render_item(edit: BacklogEdit) -> list[str]:
    """The lines of a new item, without line ends."""
    lines = [f"## {edit.item_id} - {edit.title}", "", f"Status: {edit.status or 'idea'}"]
    lines.append(f"Priority: {edit.priority or 'medium'}")
    if edit.tags:
        lines.append(f"Tags: {join_items(edit.tags)}")
    for name in LISTS:
        values = getattr(edit, name) or ()
        if name == "notes":
            values = (*values, *edit.added_notes)
        if values and name != "tags":
            lines += ["", f"{LABELS[name]}:", "", *make_bullets(name, values)]
    return lines


def merge_edits(edits: Sequence[BacklogEdit], edit: BacklogEdit) -> tuple[BacklogEdit, ...]:
    """The edits with one more: put together with an earlier one of the same item, whose place it takes."""
    merged = list(edits)
    for at, earlier in enumerate(merged):
        if earlier.item_id == edit.item_id:
            changed = {name: getattr(edit, name) for name in FIELDS if getattr(edit, name) is not None}
            notes = earlier.added_notes if edit.notes is None else ()
            changed["added_notes"] = tuple(dict.fromkeys((*notes, *edit.added_notes)))
            merged[at] = replace(earlier, is_new=earlier.is_new or edit.is_new, **changed)
            return tuple(merged)
    return (*merged, edit)


def apply_edits(text: str, edits: Iterable[BacklogEdit], *, path: str = "backlog.md") -> str:
    """The text with all edits made that can be: what aiw's own commands did, on another version of the file.

    An item that this version does not have is passed over, unless the edit adds it; so is an edit that the text
    does not allow. Never raises.

    Args:
        text: the whole file as committed; empty when it is not.
    """
    for edit in edits:
        try:
            text = edit_item(text, edit, path=path)
        except AiwError:
            continue
    return text


def keep_standing(text: str, edits: Iterable[BacklogEdit], *, path: str = "backlog.md") -> tuple[BacklogEdit, ...]:
    """The edits as far as the text still shows them: what a person changed since is theirs, and not ours to commit.

    Args:
        text: the whole file as it lies in the work tree.
    """
    backlog = parse_backlog(text, path=path)
    kept = []
    for edit in edits:
        item = backlog.find(edit.item_id)
        if item is None:
            continue
        gone = {
            name: None
            for name in FIELDS
            if getattr(edit, name) is not None and getattr(edit, name) != getattr(item, name) and not edit.is_new
        }
        if edit.is_new:
            gone = {name: getattr(item, name) for name in FIELDS}
        notes = () if edit.is_new else tuple(note for note in edit.added_notes if note in item.notes)
        standing = replace(edit, added_notes=notes, **gone)
        if standing != BacklogEdit(item_id=edit.item_id):
            kept.append(standing)
    return tuple(kept)
