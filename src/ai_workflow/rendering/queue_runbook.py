"""`docs/operator/queue-run.md`: how to work through the queue, and what is in it (spec §2, generated)."""

from __future__ import annotations

from collections.abc import Sequence

from ai_workflow.models.blocker import Blocker
from ai_workflow.models.ids import id_order
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.status import MILESTONE_CLOSED, TASK_CLOSED
from ai_workflow.rendering.text import render_code, render_inline, wrap_long_lines
from ai_workflow.rendering.views import format_command, format_words

MAX_MILESTONES = 20
MAX_TASKS = 30
MAX_BLOCKERS = 20
MAX_MESSAGE_BYTES = 400


def render_queue_runbook(snapshot: Snapshot, *, command_prefix: str) -> str:
    """The runbook as Markdown; a function of the state, live facts included.

    Raises:
        AiwError: STATE when the workspace holds no state.
    """
    project = snapshot.require_project()
    milestones = [m for m in snapshot.milestones.values() if m.status not in MILESTONE_CLOSED]
    milestones.sort(key=lambda milestone: id_order(milestone.id))
    tasks = [task for one in milestones for task in snapshot.tasks_of(one) if task.status not in TASK_CLOSED]
    name = render_inline(project.project_name or "this project")
    sections = [_head(name, command_prefix)]
    if not snapshot.milestones:
        sections.append("No plan is imported yet.")
    elif not milestones:
        sections.append("Every milestone is merged or cancelled: the plan is complete.")
    sections.append(_list([_show(snapshot, one) for one in milestones[:MAX_MILESTONES]], len(milestones)))
    if tasks:
        listed = f"; {render_code(format_command(command_prefix, 'task list'))} lists them"
        lines = [f"{one.id}: {render_inline(one.title)} ({format_words(one.status)})" for one in tasks[:MAX_TASKS]]
        sections += ["## Open tasks", _list(lines, len(tasks), listed=listed)]
    blockers = snapshot.open_blockers()[:MAX_BLOCKERS]
    if blockers:
        sections += ["## Blocked", _list([_show_blocker(one) for one in blockers], len(blockers))]
    text = "\n\n".join(section for section in sections if section)
    return f"{wrap_long_lines(text)}\n"


def _head(name: str, prefix: str) -> str:
    run = render_code(format_command(prefix, "agent run --lane core --mode queue"))
    finish = render_code(format_command(prefix, "agent finish --lane core --task TASK-001 --commit"))
    return f"""\
# Queue run

Work through the plan of {name}, task by task, until it is complete or a person is needed.

## Steps

1. {run} claims the next task, or shows the one that is active, and names the file with its prompt.
2. Read the whole prompt and do exactly that task.
3. {finish}, with the id of that task, runs the checks and makes the commit. After the last task of a milestone it also\
 closes the milestone.
4. Go on with step 1.

## When to stop

- "Plan complete", exit code 0: everything is done.
- Exit code 1: something was refused. Read why, correct it, run the same command again.
- Exit code 3: a person is needed. Show what was printed.

## Where it stands"""


def _list(lines: Sequence[str], count: int, *, listed: str = "") -> str:
    more = [f"and {count - len(lines)} more{listed}"] if count > len(lines) else []
    return "\n".join(f"- {line}" for line in [*lines, *more])


def _show(snapshot: Snapshot, milestone: Milestone) -> str:
    tasks = snapshot.tasks_of(milestone)
    closed = sum(task.status in TASK_CLOSED for task in tasks)
    words = f"{format_words(milestone.status)}, {closed} of {len(tasks)} tasks closed"
    return f"{milestone.id}: {render_inline(milestone.title)} ({words})"


def _show_blocker(blocker: Blocker) -> str:
    message = render_inline(blocker.message, max_bytes=MAX_MESSAGE_BYTES)
    return f"{blocker.id} ({blocker.klass}): {message} Next: {render_code(blocker.next_command)}"
