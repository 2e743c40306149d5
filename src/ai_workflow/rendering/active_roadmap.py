"""`active-roadmap.md`: the plan's outline around the current milestone, and the accepted decisions (spec §2)."""

from __future__ import annotations

from ai_workflow.models.snapshot import Snapshot
from ai_workflow.rendering.handoff_text import bullet, finish_document, format_counts, paragraph
from ai_workflow.rendering.outline import MILESTONES_AFTER, MILESTONES_BEFORE, MilestoneLine, Outline, make_outline
from ai_workflow.rendering.text import render_code, render_inline
from ai_workflow.rendering.views import format_command

NAME = "active-roadmap.md"


def render_active_roadmap(snapshot: Snapshot, *, command_prefix: str) -> str:
    """The document, at most 8192 bytes; a function of the committed projection.

    Raises:
        AiwError: STATE when the workspace holds no state.
    """
    return make_active_roadmap(make_outline(snapshot), command_prefix=command_prefix)


def make_active_roadmap(outline: Outline, *, command_prefix: str) -> str:
    """As `render_active_roadmap`, from an outline."""
    status = render_code(format_command(command_prefix, "status"))
    lines = [
        "# Active roadmap",
        "",
        paragraph(
            "The plan in outline, as of the last commit that changed it. One milestone is one branch and one"
            f" merge; one task is one commit. What happens right now is told by {status}."
        ),
        "",
        "## Milestones",
        "",
        *_milestones(outline),
        "",
        "## Accepted decisions",
        "",
        *_decisions(outline),
    ]
    return finish_document(lines)


def _milestones(outline: Outline) -> list[str]:
    if not outline.milestones:
        return ["No plan is imported yet."]
    first = max(0, min(outline.position, len(outline.milestones) - 1) - MILESTONES_BEFORE)
    last = min(len(outline.milestones), outline.position + 1 + MILESTONES_AFTER)
    lines = []
    if first:
        lines.append(bullet(_summary(outline.milestones[:first], "before")))
    for index in range(first, last):
        lines += _milestone(outline.milestones[index], is_current=index == outline.position)
    if last < len(outline.milestones):
        lines.append(bullet(_summary(outline.milestones[last:], "after")))
    return lines


def _milestone(line: MilestoneLine, *, is_current: bool) -> list[str]:
    mark = "current, " if is_current else ""
    shown = [bullet(f"{line.id}: {render_inline(line.title, max_bytes=160)} ({mark}{format_counts(line)})")]
    if is_current and line.goal.strip():
        shown.append(bullet(f"Goal: {render_inline(line.goal, max_bytes=500)}", level=1))
    return shown


def _summary(lines: tuple[MilestoneLine, ...], where: str) -> str:
    still_open = sum(line.open for line in lines)
    noun = "milestone" if len(lines) == 1 else "milestones"
    tasks = f"{still_open} open tasks" if still_open != 1 else "1 open task"
    return f"{len(lines)} {noun} {where} these, {lines[0].id} to {lines[-1].id}: {tasks}"


def _decisions(outline: Outline) -> list[str]:
    if not outline.adrs:
        return ["None yet."]
    lines = [bullet(f"{adr.id}: {render_inline(adr.title, max_bytes=160)}") for adr in outline.adrs]
    if outline.more_adrs:
        lines.append(bullet(f"and {outline.more_adrs} older ones"))
    return lines
