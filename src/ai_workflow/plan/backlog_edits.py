"""Edits of a backlog's text that touch the item and the fields named and leave every other byte (spec §5). Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.backlog import BacklogEdit, BacklogItem
from ai_workflow.models.ids import id_number
from ai_workflow.plan.backlog import parse_backlog, read_item, read_items
from ai_workflow.plan.backlog_layout import COMMA_LISTS, LISTS, SCALARS, Layout
from ai_workflow.plan.backlog_lines import LABELS, append_notes, make_bullets, set_heading, set_list, set_scalar
from ai_workflow.plan.comma_lists import NO_TITLES, NOTHING, Titles, index_titles, join_items, split_items, strip_code

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


class Editor:
    """A backlog being edited: the text is read once, and looked at once more when all edits are made.

    Attributes:
        before: what the text said at first.
    """

    def __init__(self, text: str, *, path: str) -> None:
        """
        Args:
            text: the whole file.
            path: how errors name the file.
        """
        self._text = text
        self._layout = Layout(text, path=path)
        self.before = read_items(self._layout)
        self._items = list(self.before.items)
        self._index: dict[str, int] = {}
        for at, item in enumerate(self._items):
            self._index.setdefault(item.id, at)
        self._parts: dict[int, str] = {}
        self._added: list[BacklogEdit] = []
        self._has_new_titles = False

    @property
    def items(self) -> tuple[BacklogItem, ...]:
        """The items as they are once the edits are made."""
        return tuple(self._items)

    def highest_number(self) -> int:
        """The highest number of an id, implied ones included; 0 without items."""
        return max((id_number(item.id)[0] for item in self._items), default=0)

    def find(self, item_id: str) -> BacklogItem | None:
        """The first item with this id as it is once the edits are made, or None."""
        return self._items[self._index[item_id]] if item_id in self._index else None

    def require(self, item_id: str) -> BacklogItem:
        """The item. Raises AiwError(NOT_FOUND)."""
        item = self.find(item_id)
        if item is None:
            known = ", ".join(item.id for item in self._items[:5]) or "none"
            more = ", …" if len(self._items) > 5 else ""
            raise AiwError(
                Kind.NOT_FOUND,
                f"backlog item {item_id} does not exist (known: {known}{more})",
                hint="see `aiw backlog list`",
            )
        return item

    def apply(self, edit: BacklogEdit) -> None:
        """Makes a cleaned edit (`clean_edit`); nothing is changed when it raises.

        Raises:
            AiwError: NOT_FOUND when the item does not exist and is not to be added; PLAN when the item is such that
                the edit would touch anything else.
        """
        if edit.notes is not None and edit.added_notes:
            notes = (*edit.notes, *(note for note in edit.added_notes if note not in edit.notes))
            edit = replace(edit, notes=notes, added_notes=())
        at = self._index.get(edit.item_id)
        if at is not None and at < len(self._layout.sections):
            self._edit(at, edit)
        elif at is not None:
            self._items[at] = expected_item(self._items[at], edit)
            merged = merge_edits(self._added, edit)
            self._added = list(merged)
        elif edit.is_new:
            fresh = BacklogItem(id=edit.item_id, title=edit.title or "", line=0)
            self._index[edit.item_id] = len(self._items)
            self._items.append(expected_item(fresh, edit))
            self._added.append(edit)
        else:
            self.require(edit.item_id)

    def _edit(self, at: int, edit: BacklogEdit) -> None:
        section, item = self._layout.sections[at], self._items[at]
        path = self._layout.path
        if section.is_checkbox:
            raise AiwError(
                Kind.PLAN,
                f"{path}:{item.line}: {item.id} is a line of a list, which has no fields to edit",
                hint=f"write it as `## {item.id} - {item.title}`",
            )
        # The line below the item goes along, so that what is put at its end is set apart from that.
        lines = self._layout.lines[section.line : section.end + 1]
        below = self._layout.lines[section.end] if section.end < len(self._layout.lines) else ""
        text = self._parts[at] + below if at in self._parts else "".join(lines)
        titles = index_titles(other.title for other in self._items)
        piece = _Piece(text, path=path, line_end=self._layout.line_end, titles=titles)
        after = piece.apply(edit, item)
        wanted = expected_item(item, edit)
        if not after.endswith(below) or _comparable(piece.read(after)) != _comparable(wanted):
            raise _inexact(path, item.line, item.id)
        self._parts[at] = after.removesuffix(below)
        self._items[at] = replace(wanted, text=item.text)
        self._has_new_titles = self._has_new_titles or wanted.title != item.title

    def text(self) -> str:
        """The whole text with the edits made.

        Raises:
            AiwError: PLAN when it does not read as it should, for example because a comment is never closed.
        """
        layout = self._layout
        if not self._parts and not self._added:
            return self._text
        pieces = [layout.mark]
        at_line = 0
        for at, part in sorted(self._parts.items()):
            section = layout.sections[at]
            pieces += [*layout.lines[at_line : section.line], part]
            at_line = section.end
        pieces += layout.lines[at_line:]
        text = "".join(pieces)
        for edit in self._added:
            text = _append(text, render_item(edit), layout.line_end)
        self._require_exact(text)
        return text

    def _require_exact(self, text: str) -> None:
        found = parse_backlog(text, path=self._layout.path).items
        # New titles may change where commas part the references of other items.
        with_depends = not (self._has_new_titles or self._added)
        wanted = [_comparable(item, with_depends=with_depends) for item in self._items]
        if [_comparable(item, with_depends=with_depends) for item in found] != wanted:
            if self._added and not self._parts:
                raise AiwError(
                    Kind.PLAN,
                    f"{self._layout.path}:{len(self._layout.lines)}: nothing can be added at the end of this text",
                    hint="close the code fence or comment that `aiw backlog list` names",
                )
            first = self._items[min(self._parts)]
            raise _inexact(self._layout.path, first.line, first.id)


class _Piece:
    """The text of one item, and what is needed to edit it apart from the rest."""

    def __init__(self, text: str, *, path: str, line_end: str, titles: Titles) -> None:
        self._text = text
        self._path = path
        self._line_end = line_end
        self._titles = titles

    def _layout(self, text: str) -> Layout:
        layout = Layout(text, path=self._path)
        layout.line_end = self._line_end
        return layout

    def read(self, text: str) -> BacklogItem:
        """The item that the text begins with."""
        layout = self._layout(text)
        return read_item(layout, layout.sections[0], self._titles)

    def apply(self, edit: BacklogEdit, item: BacklogItem) -> str:
        """The text with the edit made."""
        text = self._text
        if item.is_implied or (edit.title is not None and edit.title != item.title):
            text = set_heading(self._layout(text), item.id, edit.title or item.title)
        for name in SCALARS:
            value = getattr(edit, name)
            if value is not None:
                text = set_scalar(self._layout(text), name, value)
        for name in LISTS:
            values = getattr(edit, name)
            if values is not None and values != getattr(item, name):
                titles = self._titles if name == "depends" else NO_TITLES
                text = set_list(self._layout(text), name, values, titles=titles)
        notes = edit.notes if edit.notes is not None else item.notes
        missing = [note for note in edit.added_notes if note not in notes]
        return append_notes(self._layout(text), missing)


def edit_item(text: str, edit: BacklogEdit, *, path: str) -> str:
    """The text with one item edited, or added at the end when `is_new` and it is missing.

    Args:
        text: the whole file.
        edit: a cleaned edit (`clean_edit`).
        path: how errors name the file.

    Raises:
        AiwError: as `Editor`.
    """
    editor = Editor(text, path=path)
    editor.apply(edit)
    return editor.text()


def expected_item(item: BacklogItem, edit: BacklogEdit) -> BacklogItem:
    """The item as it reads once the edit is made."""
    changed = {name: getattr(edit, name) for name in FIELDS if getattr(edit, name) is not None}
    notes = edit.notes if edit.notes is not None else item.notes
    changed["notes"] = (*notes, *(note for note in dict.fromkeys(edit.added_notes) if note not in notes))
    return replace(item, is_implied=False, **changed)


def _comparable(item: BacklogItem, *, with_depends: bool = True) -> BacklogItem:
    # A field between two paragraphs may set them apart by a blank line.
    text = "\n".join(line for line in item.text.split("\n") if line.strip())
    return replace(item, line=0, text=text, depends=item.depends if with_depends else ())


def _inexact(path: str, line: int, item_id: str) -> AiwError:
    return AiwError(
        Kind.PLAN,
        f"{path}:{line}: {item_id} cannot be edited by a command as the text around it stands",
        hint="edit the file by hand; `aiw backlog list` names what is not understood in it",
    )


def _append(text: str, block: Sequence[str], line_end: str) -> str:
    """The text with the lines at its end, behind a blank line; an empty text gets a title."""
    added = line_end.join(block) + line_end
    if not text.removeprefix("\ufeff"):
        return f"{text}# Backlog{line_end}{line_end}{added}"
    last = text.removesuffix("\n").removesuffix("\r")
    is_ended = len(last) < len(text)
    is_blank = is_ended and (not last.strip("\ufeff \t") or last.endswith(("\n", "\r")))
    return f"{text}{'' if is_ended else line_end}{'' if is_blank else line_end}{added}"


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
    wanted = list(edits)
    editor = Editor(text, path=path)
    try:
        for edit in wanted:
            with contextlib.suppress(AiwError):
                editor.apply(edit)
        return editor.text()
    except AiwError:
        pass
    # Together they do not read as they should: then as many as can be, one after the other.
    for edit in wanted:
        with contextlib.suppress(AiwError):
            text = edit_item(text, edit, path=path)
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
