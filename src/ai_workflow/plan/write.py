"""Writes a plan as canonical Markdown, which `plan.parse` reads back as the same plan (spec §4.1). Pure."""

from __future__ import annotations

import re

from msgspec.structs import replace

from ai_workflow.models.plan import Plan, PlanMilestone, PlanTask
from ai_workflow.plan.comma_lists import Titles, index_titles, join_items
from ai_workflow.plan.drafts import without_positions
from ai_workflow.plan.markdown import indent_text, is_rule, opens_block

_BOX = re.compile(r"\[[ xX]\](?:\s|$)")


def write_plan(plan: Plan) -> str:
    """The plan's text: title, prose, then every milestone with prose, goal and tasks; ends with a line feed.

    `parse_plan(write_plan(plan))` equals the plan, as far as `strip_positions` compares, for every plan that was
    itself read from text. Findings are not written.
    """
    titles = index_titles(task.title for milestone in plan.milestones for task in milestone.tasks)
    parts = ["# Milestones"]
    if plan.prose:
        parts.append(plan.prose)
    for milestone in plan.milestones:
        parts.append(_heading(milestone))
        if milestone.prose:
            parts.append(milestone.prose)
        if milestone.goal:
            parts.append(_goal(milestone.goal))
        if milestone.tasks:
            tasks = [_write_task(task, titles) for task in milestone.tasks]
            parts.append("Tasks:\n\n" + "\n\n".join(tasks))
    return "\n\n".join(parts) + "\n"


def strip_positions(plan: Plan) -> Plan:
    """The plan without line numbers and findings: what two texts must share to mean the same."""
    milestones = tuple(
        replace(milestone, line=0, tasks=tuple(without_positions(task) for task in milestone.tasks))
        for milestone in plan.milestones
    )
    return replace(plan, milestones=milestones, findings=())


def _heading(milestone: PlanMilestone) -> str:
    if milestone.id is None:
        return f"## {milestone.title}".rstrip()
    return f"## {milestone.id} - {milestone.title}" if milestone.title else f"## {milestone.id}"


def _goal(goal: str) -> str:
    return f"Goal:\n\n{goal}" if opens_block(goal.split("\n", 1)[0]) else f"Goal: {goal}"


def _write_task(task: PlanTask, titles: Titles) -> str:
    lines = [_bullet(task)]
    lines += [f"  Acceptance: {criterion}" for criterion in task.acceptance]
    lines += [f"  Verify: {command}" for command in task.verify]
    if task.conflicts:
        lines.append(f"  Conflict: {join_items(task.conflicts)}")
    if task.depends is not None:
        lines.append(f"  Depends: {join_items(task.depends, titles=titles) or 'none'}")
    if task.backlog:
        lines.append(f"  Backlog: {', '.join(task.backlog)}")
    if task.priority is not None:
        lines.append(f"  Priority: {task.priority}")
    if task.description:
        lines.append(indent_text(task.description, width=2))
    return "\n".join(lines)


def _bullet(task: PlanTask) -> str:
    title = f"{task.explicit_id} - {task.title}" if task.explicit_id else task.title
    if task.done:
        return f"- [x] {title}"
    # An empty box keeps a title that looks like a box or a thematic break from being read as one.
    is_plain = not _BOX.match(title) and not is_rule(f"- {title}")
    return f"- {title}" if is_plain else f"- [ ] {title}"
