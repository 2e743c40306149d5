"""Finds what a backlog's text holds and where: items, fields, values, each with its lines (spec §5). Pure.

Both reading and editing stand on this, so that an edit touches exactly what reading takes for the field.
"""

from __future__ import annotations

import re

from ai_workflow.errors import AiwError
from ai_workflow.models.ids import format_id, parse_id
from ai_workflow.models.plan import Finding, Level
from ai_workflow.plan.drafts import TextDraft, looks_like_field
from ai_workflow.plan.markdown import Chunk, is_rule, scan

SCALARS = ("status", "priority")
LISTS = ("tags", "notes", "acceptance_criteria", "conflict_scopes", "verify", "depends")
COMMA_LISTS = ("tags", "conflict_scopes", "depends")
"""Lists whose values may stand on one line with commas between them."""
_STAY_OPEN = ("notes", "acceptance_criteria")
"""Lists that go on below a value on the line of the label itself."""
_NAMES = {
    "status": "status",
    "priority": "priority",
    "tag": "tags",
    "tags": "tags",
    "note": "notes",
    "notes": "notes",
    "acceptance": "acceptance_criteria",
    "acceptance criteria": "acceptance_criteria",
    "acceptance criterion": "acceptance_criteria",
    "conflict": "conflict_scopes",
    "conflicts": "conflict_scopes",
    "conflict scope": "conflict_scopes",
    "conflict scopes": "conflict_scopes",
    "verify": "verify",
    "depends": "depends",
    "depends on": "depends",
}
_WORDS = "|".join(sorted(_NAMES, key=len, reverse=True))
_FIELD = re.compile(rf"(?:\*\*|__)?({_WORDS})\s*(?::(?:\*\*|__)?|(?:\*\*|__):)\s*", re.IGNORECASE)
_HEADING = re.compile(r"(#{1,6})(?:\s+(.*))?", re.DOTALL)
_HEADING_END = re.compile(r"(?:^|\s+)#+$")
_ITEM = re.compile(r"(BLG-?\d{1,9})(?:\s*[-:–—]+\s*(?P<titled>.*)|\s+(?P<bare>.*))?", re.IGNORECASE | re.DOTALL)
BULLET = re.compile(r"(?:[-*+]|\d{1,3}[.)])(?:\s+(.*))?", re.DOTALL)
_BOX = re.compile(r"[-*+]\s+\[([ xX])\]\s+(\S.*)", re.DOTALL)
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_TRAILING_COMMENT = re.compile(r"\s*<!--.*?-->\s*$", re.DOTALL)

RULES: dict[str, tuple[Level, str]] = {
    "missing-id": ("warning", "write `## BLG-001 - Title`; the first edit by a command writes the id down"),
    "duplicate-id": ("error", "give one of them another id; commands mean the first"),
    "missing-title": ("warning", "write `## BLG-001 - Title`"),
    "checkbox-item": ("info", "write it as `## BLG-001 - Title` with fields to edit or promote it"),
    "unclosed-block": ("error", "close it: everything below it counts as text"),
    "unknown-status": ("warning", "use idea, selected, active, blocked, done, archived or rejected"),
    "unknown-priority": ("warning", "use low, medium, high or critical"),
    "repeated-field": ("warning", "keep one; the first counts"),
    "empty-field": ("warning", "write its value behind the colon or remove the line"),
    "unknown-field": (
        "warning",
        "fields are Status, Priority, Tags, Notes, Acceptance, Conflict scopes, Verify, Depends",
    ),
    "field-as-heading": ("warning", "write the field as a line that ends in a colon"),
    "bulleted-field": ("warning", "write the field without a bullet, in the first column"),
    "wrapped-field": ("info", "this field is one line: join the lines, or use bullets below its name"),
}
"""Code → level and hint of everything that reading a backlog can find."""


class Value:
    """One value of a list: its text and its lines, `first` to `last`, 0-based, both included."""

    def __init__(self, text: str, line: int, *, indent: int, is_bullet: bool) -> None:
        self.text = text
        self.first = self.last = line
        self.indent = indent
        self.is_bullet = is_bullet


class Label:
    """One line that names a field; the n-th of its field in the item when people wrote several."""

    def __init__(self, name: str, chunk: Chunk, offset: int) -> None:
        self.name = name
        self.line = chunk.number - 1
        self.column = chunk.column
        self.inline = _TRAILING_COMMENT.sub("", chunk.text[offset:]) if name in SCALARS else chunk.text[offset:]
        self.start = chunk.column - 1 + offset
        """Offset of the value in the line."""
        self.end = self.start + len(self.inline)
        self.values: list[Value] = []
        self.inline_last = self.line
        """Last line of the value that begins on the label's line."""
        self.inline_more: list[str] = []

    @property
    def inline_text(self) -> str:
        """The value that begins on the label's line, wrapped lines joined."""
        return " ".join((self.inline, *self.inline_more)).strip()

    @property
    def last(self) -> int:
        """The last line of the field here."""
        return max([self.inline_last, *(value.last for value in self.values)])


class Section:
    """One item and where its parts stand; lines are 0-based."""

    def __init__(self, chunk: Chunk, *, explicit_id: str | None, title: str, title_start: int) -> None:
        self.line = chunk.number - 1
        self.end = self.line + 1
        """The first line behind the item."""
        self.explicit_id = explicit_id
        self.id = explicit_id or ""
        self.title = title
        self.title_start = title_start
        """Offset of the title in the heading's line."""
        self.is_checkbox = False
        self.is_ticked = False
        self.labels: list[Label] = []
        self.text = TextDraft()

    def labels_of(self, name: str) -> list[Label]:
        """The lines that name this field, in order."""
        return [label for label in self.labels if label.name == name]


class Layout:
    """A whole backlog.

    Attributes:
        mark: the byte order mark, or nothing.
        lines: every line with its end, so that `mark + "".join(lines)` is the text.
        line_end: the line end that most lines have.
        sections: the items in order, checkboxes of 0.1.0 included.
    """

    def __init__(self, text: str, *, path: str) -> None:
        self.path = path
        self.mark = "\ufeff" if text.startswith("\ufeff") else ""
        self.lines = _LINE.findall(text[len(self.mark) :])
        self.line_end = _most_common_end(self.lines)
        self.findings: list[Finding] = []
        self.sections: list[Section] = []
        _Reader(self).read(text)
        self._imply_ids()

    def add_finding(self, code: str, line: int, column: int, message: str) -> None:
        """Records a finding; `line` and `column` are 1-based."""
        level, hint = RULES[code]
        finding = Finding(level=level, code=code, path=self.path, line=line, column=column, message=message, hint=hint)
        self.findings.append(finding)

    def find(self, item_id: str) -> Section | None:
        """The first item with this id."""
        return next((section for section in self.sections if section.id == item_id), None)

    def _imply_ids(self) -> None:
        first_lines: dict[str, int] = {}
        for section in self.sections:
            if section.explicit_id in first_lines:
                where = first_lines[section.explicit_id]
                self.add_finding(
                    "duplicate-id", section.line + 1, 1, f"{section.explicit_id} is used in line {where} already"
                )
            elif section.explicit_id is not None:
                first_lines[section.explicit_id] = section.line + 1
        number = 1
        for section in self.sections:
            if section.explicit_id is None:
                while format_id("backlog", number) in first_lines:
                    number += 1
                section.id = format_id("backlog", number)
                number += 1
                code = "checkbox-item" if section.is_checkbox else "missing-id"
                shown = section.title[:60]
                self.add_finding(code, section.line + 1, 1, f"`{shown}` has no id; until then it is {section.id}")


def _most_common_end(lines: list[str]) -> str:
    ends = [line[len(line.rstrip("\r\n")) :] for line in lines]
    return max(("\n", "\r\n", "\r"), key=ends.count)


class _Reader:
    """The state between two lines: which item, field and value the next one belongs to."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.section: Section | None = None
        self.has_heading = False
        self.label: Label | None = None
        self.value: Value | None = None
        self.wraps: Label | None = None

    def read(self, text: str) -> None:
        for chunk in scan(text):
            if chunk.block:
                self._read_block(chunk)
            elif not chunk.text:
                self.value = self.wraps = None
                if self.section is not None:
                    self.section.text.add("")
            else:
                self._read_line(chunk)
        self._close_item(len(self.layout.lines))

    def _read_block(self, chunk: Chunk) -> None:
        self.value = self.wraps = None
        if chunk.is_unclosed:
            what = "comment" if chunk.is_comment else "code fence"
            self.layout.add_finding("unclosed-block", chunk.number, chunk.column, f"this {what} is never closed")
        if self.section is not None and not chunk.is_comment:
            self.section.text.add_block(chunk.block)

    def _read_line(self, chunk: Chunk) -> None:
        if self._read_heading(chunk):
            return
        if self.section is None:
            self._read_checkbox(chunk)
        elif not (self._read_field(self.section, chunk) or self._read_bullet(chunk)):
            self._read_text(self.section, chunk)

    def _read_heading(self, chunk: Chunk) -> bool:
        match = _HEADING.fullmatch(chunk.text)
        if match is None or chunk.indent > (3 if self.value is None else 0):
            return False
        level, content = len(match.group(1)), match.group(2) or ""
        if level > 2:
            self._shut_label()
            if self.section is None:
                return True
            if content.rstrip("#: ").lower() in _NAMES:
                name = content.rstrip("#: ")
                self.layout.add_finding("field-as-heading", chunk.number, chunk.column, f"`{name}` is a heading here")
            self.section.text.add(chunk.text)
            return True
        self._close_item(chunk.number - 1)
        if level == 2:
            self._open_item(chunk, content, offset=match.start(2) if match.group(2) else len(chunk.text))
        return True

    def _open_item(self, chunk: Chunk, content: str, *, offset: int) -> None:
        while _HEADING_END.search(content):
            content = _HEADING_END.sub("", content)
        match = _ITEM.fullmatch(content)
        explicit_id, title, start = None, content, 0
        if match is not None:
            explicit_id = _find_id(match.group(1))
            group = "titled" if match.group("titled") is not None else "bare"
            title = match.group(group) or ""
            start = match.start(group) if match.group(group) is not None else len(content)
        if not title.strip():
            self.layout.add_finding("missing-title", chunk.number, chunk.column, "the item has no title")
        self.has_heading = True
        self.section = Section(
            chunk, explicit_id=explicit_id, title=title.strip(), title_start=chunk.column - 1 + offset + start
        )
        self.layout.sections.append(self.section)

    def _close_item(self, end: int) -> None:
        self._shut_label()
        if self.section is not None:
            self.section.end = end
        self.section = None

    def _read_checkbox(self, chunk: Chunk) -> None:
        """`- [ ] idea` and `- [x] done` above the first heading are the items of the first backlogs."""
        match = _BOX.fullmatch(chunk.text)
        if match is None or self.has_heading:
            return
        section = Section(chunk, explicit_id=None, title=match.group(2).strip(), title_start=0)
        section.is_checkbox = True
        section.is_ticked = match.group(1) in "xX"
        self.layout.sections.append(section)

    def _read_field(self, section: Section, chunk: Chunk) -> bool:
        match = _FIELD.match(chunk.text)
        if match is None or self._is_inside(chunk):
            return False
        self._shut_label()
        self.label = Label(_NAMES[match.group(1).lower()], chunk, match.end())
        section.labels.append(self.label)
        if self.label.name in SCALARS or (self.label.inline and self.label.name not in _STAY_OPEN):
            self.wraps = self.label
            self._note_empty(self.label)
            self.label = None
        elif self.label.inline:
            self.wraps = self.label
        return True

    def _is_inside(self, chunk: Chunk) -> bool:
        """Whether the line is indented into the bullet above it."""
        return self.value is not None and self.value.is_bullet and chunk.indent >= self.value.indent + 2

    def _read_bullet(self, chunk: Chunk) -> bool:
        if is_rule(chunk.text):
            self._shut_label()
            return False
        match = BULLET.fullmatch(chunk.text)
        if match is None:
            return False
        self.wraps = None
        content = match.group(1) or ""
        if self.label is None:
            if _FIELD.match(content):
                shown = content[:40]
                self.layout.add_finding(
                    "bulleted-field", chunk.number, chunk.column, f"`{shown}` is a list item, not a field"
                )
            return False
        self.value = Value(content.strip(), chunk.number - 1, indent=chunk.indent, is_bullet=True)
        self.label.values.append(self.value)
        return True

    def _read_text(self, section: Section, chunk: Chunk) -> None:
        wraps, self.wraps = self.wraps, None
        if looks_like_field(chunk.text) and not self._is_inside(chunk):
            name = chunk.text.split(":")[0].strip("*_ ")
            message = f"`{name}:` is no field of an item and is kept as text"
            self.layout.add_finding("unknown-field", chunk.number, chunk.column, message)
            self._shut_label()
        elif self.value is not None:
            self.value.text = f"{self.value.text} {chunk.text}".strip()
            self.value.last = chunk.number - 1
            return
        elif wraps is not None and wraps.name in _STAY_OPEN:
            wraps.inline_more.append(chunk.text)
            wraps.inline_last = chunk.number - 1
            self.wraps = wraps
            return
        elif self.label is not None and self.label.name == "notes":
            self.value = Value(chunk.text, chunk.number - 1, indent=chunk.indent, is_bullet=False)
            self.label.values.append(self.value)
            return
        elif wraps is not None and chunk.indent > 0:
            message = "this line is text of the item, not part of the field"
            self.layout.add_finding("wrapped-field", chunk.number, chunk.column, message)
        section.text.add(chunk.raw)

    def _shut_label(self) -> None:
        if self.label is not None:
            self._note_empty(self.label)
        self.label = self.value = self.wraps = None

    def _note_empty(self, label: Label) -> None:
        if not label.inline and not label.values:
            name = label.name.replace("_", " ").capitalize()
            self.layout.add_finding("empty-field", label.line + 1, label.column, f"`{name}:` has no value")


def _find_id(text: str) -> str | None:
    try:
        return parse_id("backlog", text)
    except AiwError:
        return None
