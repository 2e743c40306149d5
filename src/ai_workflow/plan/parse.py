"""Reads a plan from its Markdown (spec §4.1): what is understood becomes records, everything else a finding. Pure."""

from __future__ import annotations

import re

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.ids import parse_id, parse_milestone_id
from ai_workflow.models.plan import Plan
from ai_workflow.plan.comma_lists import index_titles
from ai_workflow.plan.drafts import FIELDS, MilestoneDraft, Notes, TaskDraft, TextDraft, looks_like_field, match_field
from ai_workflow.plan.markdown import Chunk, is_rule, normalise_text, scan

_HEADING = re.compile(r"(#{1,6})(?:\s+(.*))?", re.DOTALL)
_HEADING_END = re.compile(r"(?:^|\s+)#+$")
_MILESTONE_LIKE = re.compile(r"#{1,6}\s*M\d{1,9}\s*[-:–—]", re.IGNORECASE | re.ASCII)
_MILESTONE = re.compile(r"(M[0-9]{1,9})(?:(?P<separator>\s*[-:–—]+)(?:\s*(.*))?|\s+(.*))?", re.IGNORECASE | re.DOTALL)
_SECTION = re.compile(r"(?:\*\*|__)?(goal|tasks?)\s*(?::(?:\*\*|__)?|(?:\*\*|__):)\s*", re.IGNORECASE)
_BULLET = re.compile(r"[-*+](?:\s+(.*))?", re.DOTALL)
_BOX = re.compile(r"\[([ xX])\](?:\s+|$)")
_TASK_ID = re.compile(r"(TASK-\d{1,9})\s*[-:–—]+\s*(?=\S)", re.IGNORECASE | re.ASCII)
_NUMBERED = re.compile(r"\d{1,3}[.)]\s")


def decode_plan(data: bytes, path: str) -> str:
    """The text of a plan file.

    Args:
        data: the file's bytes.
        path: how errors name the file.

    Raises:
        AiwError: PLAN, naming line and byte offset, when the bytes are not UTF-8 or hold a NUL.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _undecodable(data, path, error.start, f"byte 0x{data[error.start]:02x} is not UTF-8") from error
    at = data.find(b"\0")
    if at >= 0:
        raise _undecodable(data, path, at, "a NUL byte has no place in text")
    return text


def _undecodable(data: bytes, path: str, offset: int, reason: str) -> AiwError:
    line = data.count(b"\n", 0, offset) + 1
    return AiwError(
        Kind.PLAN,
        f"{path}:{line}: {reason} (byte offset {offset})",
        hint="save the file as UTF-8 text, for example with iconv -t utf-8",
    )


def parse_plan(text: str, *, path: str) -> Plan:
    """The plan that the text describes; never raises, whatever the text.

    Args:
        text: Markdown; byte order mark, CRLF and tabs are understood.
        path: how findings name the file.

    Returns:
        The plan in the order of the text. `findings` holds what was not understood, by position; such text is kept
        as prose, goal or description, whichever it stood in.
    """
    reader = _Reader(path)
    for chunk in scan(normalise_text(text)):
        reader.read(chunk)
    return reader.finish()


class _Reader:
    """The state between two lines: which milestone, section and task the next one belongs to."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.notes = Notes(path)
        self.prose = TextDraft()
        self.has_title = False
        self.milestones: list[MilestoneDraft] = []
        self.milestone: MilestoneDraft | None = None
        self.section = "prose"
        self.task: TaskDraft | None = None
        self.stray_end = 0

    def read(self, chunk: Chunk) -> None:
        """Takes the next chunk."""
        if chunk.block:
            self._read_block(chunk)
        elif not chunk.text:
            self._read_blank()
        else:
            for handler in (self._read_heading, self._read_section, self._read_bullet, self._read_field):
                if handler(chunk):
                    return
            self._read_text(chunk)

    def finish(self) -> Plan:
        """The plan as read so far."""
        self._close_task()
        if not self.has_title:
            self.notes.add("missing-title", 1, 1, "the plan does not begin with `# Milestones`")
        titles = index_titles(task.title for milestone in self.milestones for task in milestone.tasks)
        return Plan(
            path=self.path,
            prose=self.prose.value(),
            milestones=tuple(milestone.build(titles, self.notes) for milestone in self.milestones),
            findings=self.notes.sorted(),
        )

    def _read_block(self, chunk: Chunk) -> None:
        if chunk.is_unclosed:
            what = "comment" if chunk.is_comment else "code fence"
            self.notes.add("unclosed-block", chunk.number, chunk.column, f"this {what} is never closed")
        if self.task is not None and chunk.indent > 0:
            self.task.describe_block(chunk)
            return
        if self._is_stray() and not chunk.is_comment:
            self.notes.add("stray-text", chunk.number, chunk.column, "a code block stands between tasks")
        self._text_here(chunk).add_block(chunk.block)
        self.stray_end = chunk.number + len(chunk.block)

    def _read_blank(self) -> None:
        if self.task is not None:
            self.task.describe("")
        elif not self._is_stray():
            self._current_text().add("")

    def _read_heading(self, chunk: Chunk) -> bool:
        match = _HEADING.fullmatch(chunk.text)
        level = len(match.group(1)) if match else 0
        content = (match.group(2) or "").strip() if match else ""
        if level == 1 and content.casefold() == "milestones" and not self.milestones and not self.has_title:
            self.has_title = True
            return True
        if level == 2 and chunk.indent <= 3 and (self.task is None or chunk.indent == 0):
            self._open_milestone(chunk, content)
            return True
        if _MILESTONE_LIKE.match(chunk.text):
            self.notes.add(
                "heading-level", chunk.number, chunk.column, f"`{chunk.text[:60]}` looks like a milestone but is none"
            )
        return False

    def _open_milestone(self, chunk: Chunk, content: str) -> None:
        self._close_task()
        while _HEADING_END.search(content):
            content = _HEADING_END.sub("", content)
        match = _MILESTONE.fullmatch(content)
        milestone_id, title = None, content
        if match is not None:
            milestone_id = parse_milestone_id(match.group(1))
            title = (match.group(3) or match.group(4) or "").strip()
            if title and not match.group("separator"):
                self.notes.add("heading-separator", chunk.number, chunk.column, f"no dash after {milestone_id}")
        if not title:
            self.notes.add("milestone-without-title", chunk.number, chunk.column, "the milestone has no title")
        self.milestone = MilestoneDraft(milestone_id, title, chunk.number)
        self.milestones.append(self.milestone)
        self.section = "prose"

    def _read_section(self, chunk: Chunk) -> bool:
        match = _SECTION.match(chunk.text)
        if match is None or (self.task is not None and chunk.indent > 0):
            return False
        if self.milestone is None:
            self.notes.add("outside-milestone", chunk.number, chunk.column, "this stands before the first milestone")
            return False
        self._close_task()
        rest = chunk.text[match.end() :]
        if match.group(1).lower() == "goal":
            self._open_goal(chunk, self.milestone, rest)
        else:
            self._open_tasks(chunk, self.milestone, rest, offset=match.end())
        return True

    def _open_goal(self, chunk: Chunk, milestone: MilestoneDraft, rest: str) -> None:
        if milestone.has_goal:
            self.notes.add("repeated-goal", chunk.number, chunk.column, "the milestone has more than one `Goal:`")
            milestone.goal.add("")
        elif milestone.has_tasks:
            self.notes.add("late-goal", chunk.number, chunk.column, "`Goal:` stands behind the tasks")
        milestone.has_goal = True
        self.section = "goal"
        if rest:
            milestone.goal.add(rest)

    def _open_tasks(self, chunk: Chunk, milestone: MilestoneDraft, rest: str, *, offset: int) -> None:
        if milestone.has_tasks:
            self.notes.add("repeated-tasks", chunk.number, chunk.column, "the milestone has more than one `Tasks:`")
        milestone.has_tasks = True
        self.section = "tasks"
        if rest:
            self.notes.add("text-after-tasks", chunk.number, chunk.column, "text behind `Tasks:` on the same line")
            self.read(Chunk(number=chunk.number, column=chunk.column + offset, indent=0, text=rest))

    def _read_bullet(self, chunk: Chunk) -> bool:
        match = _BULLET.fullmatch(chunk.text)
        if is_rule(chunk.text):
            return self.section == "tasks" and self.milestone is not None and chunk.indent == 0
        if match is None or self.milestone is None:
            return False
        if not self.milestone.has_tasks:
            if not self.milestone.has_loose_bullet:
                self.notes.add(
                    "bullet-before-tasks", chunk.number, chunk.column, "a list stands before `Tasks:` and is only text"
                )
            self.milestone.has_loose_bullet = True
            return False
        content = match.group(1) or ""
        offset = match.start(1) if match.group(1) else len(chunk.text)
        is_nested = self.task is not None and chunk.indent >= self.task.indent + 2
        return self._read_item(chunk, self.milestone, content, offset=offset, is_nested=is_nested)

    def _read_item(
        self, chunk: Chunk, milestone: MilestoneDraft, content: str, *, offset: int, is_nested: bool
    ) -> bool:
        box = _BOX.match(content)
        body = content[box.end() :] if box else content
        if match_field(body):
            if self.task is None:
                return False
            if not is_nested:
                self.notes.add("bulleted-field", chunk.number, chunk.column, f"`{body[:40]}` is read as a field")
            column = chunk.column + offset + len(content) - len(body)
            return self._take_field(chunk, body, column=column, is_bullet=True)
        if is_nested and self.task is not None:
            if not self.task.take_listed(content, chunk.number, chunk.column + offset, indent=chunk.indent):
                self._note_unknown_field(body, chunk)
                self.task.describe(chunk.raw)
            return True
        if not body.strip():
            self.notes.add("empty-bullet", chunk.number, chunk.column, "this bullet has no title")
            return True
        self._close_task()
        named = _TASK_ID.match(body)
        self.task = TaskDraft(
            title=body[named.end() :] if named else body,
            explicit_id=parse_id("task", named.group(1)) if named else None,
            is_done=box is not None and box.group(1) in "xX",
            line=chunk.number,
            indent=chunk.indent,
        )
        milestone.tasks.append(self.task)
        self.section = "tasks"
        return True

    def _read_field(self, chunk: Chunk) -> bool:
        if match_field(chunk.text) is None:
            return False
        if self.task is not None:
            return self._take_field(chunk, chunk.text, column=chunk.column)
        if self.milestone is None:
            self.notes.add("outside-milestone", chunk.number, chunk.column, "this stands before the first milestone")
        else:
            self.notes.add("field-outside-task", chunk.number, chunk.column, f"`{chunk.text[:40]}` belongs to no task")
        self._read_plain(chunk)
        return True

    def _take_field(self, chunk: Chunk, body: str, *, column: int, is_bullet: bool = False) -> bool:
        assert self.task is not None
        if not self.task.take_field(
            body, chunk.number, column, indent=chunk.indent, is_bullet=is_bullet, notes=self.notes
        ):
            self.task.describe(chunk.raw)
        return True

    def _note_unknown_field(self, body: str, chunk: Chunk) -> bool:
        """Finds a line that has the form of a field and is none; whether it was one."""
        if not looks_like_field(body):
            return False
        known = ", ".join(f"{name.title()}:" for name in FIELDS)
        self.notes.add(
            "unknown-field",
            chunk.number,
            chunk.column,
            f"`{body.split(':', maxsplit=1)[0]}:` is no field of a task and is kept as description",
            hint=f"fields are {known}",
        )
        return True

    def _read_text(self, chunk: Chunk) -> None:
        if self.task is None:
            self._read_plain(chunk)
            return
        if self._note_unknown_field(chunk.text, chunk):
            self.task.describe(chunk.raw)
        elif chunk.indent > 0:
            self.task.note_wrapped(chunk, self.notes)
            self.task.describe(chunk.raw)
        else:
            self._read_plain(chunk)

    def _read_plain(self, chunk: Chunk) -> None:
        is_stray = self._is_stray()
        if is_stray and match_field(chunk.text) is None:
            hint = "begin every task with `- `" if _NUMBERED.match(chunk.text) else None
            self.notes.add(
                "stray-text", chunk.number, chunk.column, f"`{chunk.text[:60]}` stands between tasks", hint=hint
            )
        text = self._text_here(chunk)
        text.add(chunk.raw)
        self.stray_end = chunk.number + 1

    def _is_stray(self) -> bool:
        return self.milestone is not None and self.section == "tasks"

    def _current_text(self) -> TextDraft:
        if self.milestone is None:
            return self.prose
        return self.milestone.goal if self.section == "goal" else self.milestone.prose

    def _text_here(self, chunk: Chunk) -> TextDraft:
        text = self._current_text()
        if self._is_stray() and chunk.number != self.stray_end:
            text.add("")
        return text

    def _close_task(self) -> None:
        if self.task is not None:
            self.task.close(self.notes)
        self.task = None
