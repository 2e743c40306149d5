"""Prompts by hand: of the next task, of one task, of a milestone (spec §6.3)."""

from __future__ import annotations

from ai_workflow.models.base import Record
from ai_workflow.models.status import TASK_ACTIVE
from ai_workflow.models.task import Task
from ai_workflow.policy.claiming import claimable_tasks, find_active_task, find_next_milestone
from ai_workflow.services import queue, resume
from ai_workflow.services.claim import prompt_rel, render
from ai_workflow.services.workspace import Workspace


class WrittenPrompt(Record, frozen=True, kw_only=True):
    """A prompt on disk."""

    task: Task | None
    rel: str
    text: str


def write_next(ws: Workspace, lane_id: str, *, claims: bool) -> WrittenPrompt | None:
    """The prompt of the next task; None when the plan is complete.

    Args:
        claims: False writes it ahead of the claim, and the prompt says so.

    Raises:
        AiwError: STATE when nothing can be claimed; TEMPLATE.
    """
    if claims:
        handed = queue.advance(ws, lane_id)
        if handed.claim is None:
            return None
        snapshot = ws.store.snapshot()
        text = render(ws, snapshot, handed.claim.task, early_paths=handed.claim.early_paths)
        return WrittenPrompt(task=handed.claim.task, rel=handed.claim.prompt_rel, text=text)
    resume.resume(ws)
    snapshot = ws.store.snapshot()
    task = find_active_task(snapshot)
    if task is None:
        milestone = find_next_milestone(snapshot)
        waiting = claimable_tasks(snapshot, milestone) if milestone is not None else ()
        task = waiting[0] if waiting else None
    if task is None:
        return None
    text = render(ws, snapshot, task, claimed=task.status in TASK_ACTIVE)
    rel = prompt_rel(ws, lane_id)
    ws.documents.write_document(rel, text)
    return WrittenPrompt(task=task, rel=rel, text=text)


def write_task(ws: Workspace, task_id: str) -> WrittenPrompt:
    """`prompts/TASK-001.prompt.md`. Raises AiwError(NOT_FOUND, TEMPLATE)."""
    snapshot = ws.store.snapshot()
    task = snapshot.get_task(task_id)
    text = render(ws, snapshot, task, claimed=task.status in TASK_ACTIVE)
    rel = f"{ws.config.ai.prompt_dir}/{task.id}.prompt.md"
    ws.documents.write_document(rel, text)
    return WrittenPrompt(task=task, rel=rel, text=text)


def write_milestone(ws: Workspace, milestone_id: str) -> WrittenPrompt:
    """`prompts/M01.milestone.md`: the whole milestone, for whoever wants to see it in one piece. Raises AiwError."""
    from ai_workflow.rendering.mirrors import render_milestone_mirror

    snapshot = ws.store.snapshot()
    milestone = snapshot.get_milestone(milestone_id)
    parts = [render_milestone_mirror(snapshot, milestone)]
    parts += [render(ws, snapshot, task, claimed=task.status in TASK_ACTIVE) for task in snapshot.tasks_of(milestone)]
    text = "\n---\n\n".join(parts)
    rel = f"{ws.config.ai.prompt_dir}/{milestone.id}.milestone.md"
    ws.documents.write_document(rel, text)
    return WrittenPrompt(task=None, rel=rel, text=text)
