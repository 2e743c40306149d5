"""The few Markdown forms that the handoffs are made of; none that prettier or markdownlint rewrite. Pure."""

from __future__ import annotations

from ai_workflow.models.task import Task
from ai_workflow.rendering.outline import MilestoneLine
from ai_workflow.rendering.text import render_inline, wrap_markdown


def paragraph(text: str) -> str:
    """One paragraph of Markdown, wrapped."""
    return wrap_markdown(text)


def bullet(text: str, *, level: int = 0) -> str:
    """One list item of Markdown, wrapped; `level` 1 is a list inside an item."""
    indent = "  " * level
    return wrap_markdown(text, first=f"{indent}- ", rest=f"{indent}  ")


def finish_document(lines: list[str]) -> str:
    """The document with exactly one final newline."""
    return "\n".join(lines).rstrip("\n") + "\n"


def format_task(task: Task, *, max_bytes: int = 160) -> str:
    """`TASK-001: title`, as Markdown."""
    return f"{task.id}: {render_inline(task.title, max_bytes=max_bytes)}"


def format_counts(line: MilestoneLine) -> str:
    """How far a milestone is, e.g. `2 of 4 tasks done, 1 cancelled`."""
    total = line.done + line.skipped + line.cancelled + line.open
    if not total:
        return "no tasks"
    parts = [f"{line.done} of {total} {'task' if total == 1 else 'tasks'} done"]
    if line.skipped:
        parts.append(f"{line.skipped} skipped")
    if line.cancelled:
        parts.append(f"{line.cancelled} cancelled")
    return ", ".join(parts)
