"""`docs/operator/queue-run.md`: how to work through the queue, and what is in it (spec §2, generated)."""

from __future__ import annotations

from ai_workflow.models.ids import id_order
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.status import MILESTONE_CLOSED, TASK_CLOSED
from ai_workflow.rendering.init_docs import render_document
from ai_workflow.rendering.views import format_command, format_words

MAX_MILESTONES = 20
MAX_TASKS = 30
MAX_BLOCKERS = 20


def render_queue_runbook(snapshot: Snapshot, *, command_prefix: str) -> str:
    """The runbook as Markdown; a function of the state, live facts included.

    Raises:
        AiwError: STATE when the workspace holds no state; TEMPLATE when the packaged template cannot be read.
    """
    project = snapshot.require_project()
    milestones = [m for m in snapshot.milestones.values() if m.status not in MILESTONE_CLOSED]
    milestones.sort(key=lambda milestone: id_order(milestone.id))
    tasks = [
        {"id": task.id, "title": task.title, "status": format_words(task.status)}
        for milestone in milestones
        for task in snapshot.tasks_of(milestone)
        if task.status not in TASK_CLOSED
    ]
    values: dict[str, object] = {
        "project_name": project.project_name or "this project",
        "milestones": [_show(snapshot, milestone) for milestone in milestones[:MAX_MILESTONES]],
        "more_milestones": max(0, len(milestones) - MAX_MILESTONES),
        "tasks": tasks[:MAX_TASKS],
        "more_tasks": max(0, len(tasks) - MAX_TASKS),
        "blockers": snapshot.open_blockers()[:MAX_BLOCKERS],
        "is_imported": bool(snapshot.milestones),
        "commands": {
            "run": format_command(command_prefix, "agent run --lane core --mode queue"),
            "finish": format_command(command_prefix, "agent finish --lane core --task TASK-001 --commit"),
            "tasks": format_command(command_prefix, "task list"),
        },
    }
    return render_document("queue_run.md.j2", values)


def _show(snapshot: Snapshot, milestone: Milestone) -> dict[str, str]:
    tasks = snapshot.tasks_of(milestone)
    closed = sum(task.status in TASK_CLOSED for task in tasks)
    return {
        "id": milestone.id,
        "title": milestone.title,
        "status": format_words(milestone.status),
        "counts": f"{closed} of {len(tasks)} tasks closed",
    }
