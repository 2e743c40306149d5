"""The half-read pieces of a plan while its lines come in, and the findings about them. Pure."""

from __future__ import annotations

import re

from msgspec.structs import replace

from ai_workflow.errors import AiwError
from ai_workflow.models.ids import parse_id
from ai_workflow.models.plan import Finding, Level, PlanMilestone, PlanTask, Position
from ai_workflow.models.status import PRIORITIES
from ai_workflow.plan.comma_lists import Titles, split_items, strip_code
from ai_workflow.plan.markdown import Chunk, dedent

FIELDS = ("acceptance", "verify", "conflict", "depends", "backlog", "priority")
_ALIASES = {
    "acceptance criteria": "acceptance",
    "acceptance criterion": "acceptance",
    "conflicts": "conflict",
    "conflict scope": "conflict",
    "conflict scopes": "conflict",
    "depends on": "depends",
}
_NAMES = "|".join(sorted((*FIELDS, *_ALIASES), key=len, reverse=True))
_FIELD = re.compile(rf"(?:\*\*|__)?({_NAMES})\s*(?::(?:\*\*|__)?|(?:\*\*|__):)\s*", re.IGNORECASE)
_FIELD_LIKE = re.compile(r"(?:\*\*|__)?[A-Z][a-z]+(?: [a-z]+)?\s*(?::(?:\*\*|__)?|(?:\*\*|__):)(?:\s|$)")
_LISTED = {"acceptance": "acceptance", "verify": "verify", "conflict": "conflicts"}

RULES: dict[str, tuple[Level, str]] = {
    "missing-title": ("warning", "make `# Milestones` the first line"),
    "unclosed-block": ("error", "close it: everything below it counts as text"),
    "stray-text": ("warning", "indent it below its task to make it the description, or move it above `Goal:`"),
    "heading-level": ("warning", "milestones begin with exactly `## ` in the first column"),
    "heading-separator": ("warning", "write `## M01 - Title`"),
    "milestone-without-title": ("warning", "write `## M01 - Title`"),
    "outside-milestone": ("warning", "put a heading such as `## M01 - Title` above it"),
    "repeated-goal": ("warning", "keep one; the paragraphs were joined"),
    "late-goal": ("warning", "put `Goal:` above `Tasks:`"),
    "repeated-tasks": ("warning", "keep one; the lists were joined"),
    "text-after-tasks": ("warning", "put it on a line of its own"),
    "bullet-before-tasks": ("warning", "put `Tasks:` above the list if these are tasks"),
    "bulleted-field": ("warning", "write the field without a bullet, below its task"),
    "empty-bullet": ("warning", "give it a title or remove it"),
    "field-outside-task": ("warning", "put it below the task that it belongs to"),
    "unknown-field": ("warning", ""),
    "wrapped-field": ("info", "a field is one line: join the lines, or indent like the field to mean a description"),
    "empty-field": ("warning", "write its value behind the colon or remove the line"),
    "repeated-field": ("warning", "keep one; the first counts"),
    "unknown-priority": ("warning", "use low, medium, high or critical"),
    "unknown-backlog-id": ("warning", "backlog ids look like BLG-001"),
    "none-with-others": ("warning", "`none` means no dependency at all: write it alone or leave it out"),
    "unused-prose": ("info", "only the goal goes into the state: move what workers must know into `Goal:`"),
}
"""Code → level and usual hint of everything that reading alone can find."""


def match_field(text: str) -> tuple[str, int] | None:
    """The field that the line begins with, as one of `FIELDS`, and where its value starts; None for other text."""
    match = _FIELD.match(text)
    if match is None:
        return None
    name = match.group(1).lower()
    return _ALIASES.get(name, name), match.end()


def looks_like_field(text: str) -> bool:
    """Whether the line has the form of a field: one or two words and a colon, then space or nothing."""
    return _FIELD_LIKE.match(text) is not None


class Notes:
    """Collects findings about one file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._found: list[Finding] = []

    def add(self, code: str, line: int, column: int, message: str, *, hint: str | None = None) -> None:
        """Records a finding; level and hint come from `RULES` unless a better hint is given."""
        level, usual = RULES[code]
        self._found.append(
            Finding(
                level=level,
                code=code,
                path=self._path,
                line=line,
                column=column,
                message=message,
                hint=usual if hint is None else hint,
            )
        )

    def sorted(self) -> tuple[Finding, ...]:
        """The findings by position, those of one place in the order in which they were made."""
        return tuple(sorted(self._found, key=lambda finding: (finding.line, finding.column)))


class TextDraft:
    """Lines of free text; runs of blank lines become one, blocks stay as they are."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        """Takes a line; a blank one counts only behind text."""
        if line or (self._lines and self._lines[-1]):
            self._lines.append(line)

    def add_block(self, lines: tuple[str, ...]) -> None:
        """Takes the lines of a fence or comment."""
        self._lines.extend(lines)

    def value(self) -> str:
        """The text without blank lines around it, indentation kept."""
        return "\n".join(self._lines).strip("\n")

    def dedented(self) -> str:
        """The text without the indentation that all of it shares."""
        return dedent(self._lines).strip("\n")


class TaskDraft:
    """A task bullet and what stands below it."""

    def __init__(self, *, title: str, explicit_id: str | None, is_done: bool, line: int, indent: int) -> None:
        self.title = title.strip()
        self.indent = indent
        self._explicit_id = explicit_id
        self._is_done = is_done
        self._line = line
        self._values: dict[str, list[str]] = {"acceptance": [], "verify": [], "conflicts": [], "backlog": []}
        self._depends: list[tuple[str, int, int]] | None = None
        self._priority: str | None = None
        self._positions: list[Position] = []
        self._description = TextDraft()
        self._open_field: tuple[str, int, int] | None = None
        self._values_deeper_than = -1
        self._last_field: tuple[int, int] = (0, 0)
        self._empty_fields: list[tuple[str, int, int]] = []

    def describe(self, line: str) -> None:
        """Takes a line of the description, indentation included."""
        if line:
            self._shut_field()
        self._description.add(line)

    def describe_block(self, chunk: Chunk) -> None:
        """Takes a fence or comment of the description."""
        self._shut_field()
        self._description.add_block(chunk.block)

    def note_wrapped(self, chunk: Chunk, notes: Notes) -> None:
        """Finds a field's value that seems to go on in the next, deeper line."""
        line, indent = self._last_field
        if chunk.number == line + 1 and chunk.indent > indent:
            notes.add("wrapped-field", chunk.number, chunk.column, "this line is description, not part of the field")

    def take_field(
        self, body: str, line: int, column: int, *, indent: int, is_bullet: bool = False, notes: Notes
    ) -> bool:
        """Takes a field line; False when its value means nothing, so that it must be kept as text.

        Args:
            is_bullet: whether the field is an item of a list itself: then items beside it are none of its values.
        """
        self._shut_field()
        found = match_field(body)
        assert found is not None
        name, start = found
        value = body[start:].strip()
        at = column + start
        if name == "depends":
            self._depends = [*(self._depends or []), (value, line, at)]
        elif name == "priority":
            return self._take_priority(value, line, at, notes=notes)
        elif name == "backlog":
            return self._take_backlog(value, line, at, notes=notes)
        elif value:
            self._take_value(name, value, line, at)
        else:
            self._open_field = (name, line, column)
            self._values_deeper_than = indent if is_bullet else -1
            return True
        self._last_field = (line, indent)
        return True

    def take_listed(self, value: str, line: int, column: int, *, indent: int) -> bool:
        """Takes a nested bullet as a value of the empty field above it; False when there is none."""
        if self._open_field is None or not value.strip() or indent <= self._values_deeper_than:
            return False
        name, _, field_column = self._open_field
        self._take_value(name, value.strip(), line, column)
        self._open_field = (name, 0, field_column)
        return True

    def close(self, notes: Notes) -> None:
        """Ends the task: what was left empty becomes a finding."""
        self._shut_field()
        for name, line, column in self._empty_fields:
            notes.add("empty-field", line, column, f"`{name.title()}:` has no value")

    def build(self, titles: Titles, notes: Notes) -> PlanTask:
        """The finished record; `titles` are all titles of the plan."""
        depends = self._split_depends(titles, notes)
        return PlanTask(
            title=self.title,
            explicit_id=self._explicit_id,
            done=self._is_done,
            description=self._description.dedented(),
            acceptance=tuple(self._values["acceptance"]),
            verify=tuple(self._values["verify"]),
            conflicts=tuple(self._values["conflicts"]),
            depends=depends,
            backlog=tuple(self._values["backlog"]),
            priority=self._priority,
            line=self._line,
            positions=tuple(self._positions),
        )

    def _shut_field(self) -> None:
        if self._open_field is not None and self._open_field[1]:
            self._empty_fields.append(self._open_field)
        self._open_field = None

    def _take_value(self, name: str, value: str, line: int, column: int) -> None:
        field = _LISTED[name]
        if name == "conflict":
            for item, offset in split_items(value):
                self._keep(field, item, line, column + offset)
        else:
            self._keep(field, strip_code(value) if name == "verify" else value, line, column)

    def _keep(self, field: str, value: str, line: int, column: int) -> None:
        self._values[field].append(value)
        self._positions.append(Position(field=field, line=line, column=column))

    def _take_priority(self, value: str, line: int, column: int, *, notes: Notes) -> bool:
        if self._priority is not None:
            notes.add("repeated-field", line, column, "the task has a priority already")
            return False
        if value.lower() not in PRIORITIES:
            notes.add("unknown-priority", line, column, f"`{value}` is no priority")
            return False
        self._priority = value.lower()
        self._positions.append(Position(field="priority", line=line, column=column))
        return True

    def _take_backlog(self, value: str, line: int, column: int, *, notes: Notes) -> bool:
        items = split_items(value)
        try:
            ids = [parse_id("backlog", item) for item, _ in items]
        except AiwError:
            notes.add("unknown-backlog-id", line, column, f"`{value}` names no backlog item")
            return False
        for backlog_id, (_, offset) in zip(ids, items, strict=True):
            self._keep("backlog", backlog_id, line, column + offset)
        return True

    def _split_depends(self, titles: Titles, notes: Notes) -> tuple[str, ...] | None:
        if self._depends is None:
            return None
        found: list[str] = []
        for value, line, column in self._depends:
            items = split_items(value, titles=titles)
            if items and any(piece.strip().casefold() == "none" for piece in value.split(",")):
                notes.add("none-with-others", line, column, "`none` stands beside other dependencies")
            for item, offset in items:
                found.append(item)
                self._positions.append(Position(field="depends", line=line, column=column + offset))
        return tuple(found)


class MilestoneDraft:
    """A milestone section and what was read of it."""

    def __init__(self, milestone_id: str | None, title: str, line: int) -> None:
        self.id = milestone_id
        self.title = title
        self.line = line
        self.goal = TextDraft()
        self.prose = TextDraft()
        self.tasks: list[TaskDraft] = []
        self.has_goal = False
        self.has_tasks = False
        self.has_loose_bullet = False

    def build(self, titles: Titles, notes: Notes) -> PlanMilestone:
        """The finished record; `titles` are all titles of the plan."""
        goal, prose = self.goal.value().strip(), self.prose.value()
        if goal and prose:
            notes.add("unused-prose", self.line, 1, f"`{self.title}` has free text besides its goal")
        return PlanMilestone(
            id=self.id,
            title=self.title,
            goal=goal,
            prose=prose,
            tasks=tuple(task.build(titles, notes) for task in self.tasks),
            line=self.line,
        )


def without_positions(task: PlanTask) -> PlanTask:
    """The task with its places in the file left out."""
    return replace(task, line=0, positions=())
