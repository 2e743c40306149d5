"""`current-status.md`: how far the plan is and what was finished last (spec §2)."""

from __future__ import annotations

from ai_workflow.models.snapshot import Snapshot
from ai_workflow.rendering.handoff_text import bullet, finish_document, format_counts, format_task, paragraph
from ai_workflow.rendering.outline import Outline, make_outline
from ai_workflow.rendering.text import render_code, render_inline
from ai_workflow.rendering.views import format_command

NAME = "current-status.md"


def render_current_status(snapshot: Snapshot, *, command_prefix: str) -> str:
    """The document, at most 8192 bytes; a function of the committed projection.

    Raises:
        AiwError: STATE when the workspace holds no state.
    """
    return make_current_status(make_outline(snapshot), command_prefix=command_prefix)


def make_current_status(outline: Outline, *, command_prefix: str) -> str:
    """As `render_current_status`, from an outline."""
    status = render_code(format_command(command_prefix, "status"))
    base = render_code(outline.base_branch) if len(outline.base_branch) < 200 else "the base branch"
    lines = [
        "# Current status",
        "",
        paragraph(
            f"{render_inline(outline.project_name or 'This project', max_bytes=160)} is worked through with aiw:"
            f" agents do one task of the plan at a time, aiw checks and commits it, and finished milestones land on"
            f" {base}."
        ),
        "",
        paragraph(
            "These facts are as of the last finished task. Who works on what, what is blocked and why is told by"
            f" {status}."
        ),
        "",
        "## Plan",
        "",
        *_plan(outline),
        "",
        "## Finished last",
        "",
        *_finished(outline),
    ]
    return finish_document(lines)


def _plan(outline: Outline) -> list[str]:
    if not outline.milestones:
        return ["No plan is imported yet."]
    finished = sum(not line.open for line in outline.milestones)
    still_open = outline.count("open")
    lines = [
        bullet(f"Milestones without open tasks: {finished} of {len(outline.milestones)}"),
        bullet(
            f"Tasks: {outline.count('done')} done, {outline.count('skipped')} skipped,"
            f" {outline.count('cancelled')} cancelled, {still_open} open"
        ),
    ]
    current = outline.current
    if current is None:
        return [*lines, bullet("Every task of the plan is closed.")]
    title = render_inline(current.title, max_bytes=160)
    lines.append(bullet(f"Current milestone: {current.id}: {title} ({format_counts(current)})"))
    if outline.next_task is not None:
        lines.append(bullet(f"Next task: {format_task(outline.next_task)}"))
    return lines


def _finished(outline: Outline) -> list[str]:
    if not outline.finished:
        return ["Nothing yet."]
    return [
        bullet(f"{format_task(task)} ({task.milestone_id}{'' if task.status == 'done' else f', {task.status}'})")
        for task in outline.finished
    ]
