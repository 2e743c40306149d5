"""`next-handoff.md` and the set of the three handoffs: what the next worker needs to go on (spec §2).

The handoffs are a function of the committed projection (`rendering.outline`), at most 8192 bytes each at any plan
size, and made only of forms that prettier, markdownlint and end-of-file hooks leave as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.task import Task
from ai_workflow.rendering import active_roadmap, current_status
from ai_workflow.rendering.handoff_text import bullet, finish_document, format_task, paragraph
from ai_workflow.rendering.outline import Outline, make_outline
from ai_workflow.rendering.text import ELLIPSIS, render_block, render_code, render_inline
from ai_workflow.rendering.views import format_command

NAME = "next-handoff.md"
MAX_BYTES = 8192
_MAX_ACCEPTANCE = 12
_MAX_SCOPES = 10
_MAX_VERIFY = 5
_DESCRIPTION_BYTES = 600
_CODE_BYTES = 70
"""A code span cannot be wrapped: what is longer would be a line that linters refuse."""


def render_handoffs(snapshot: Snapshot, *, command_prefix: str) -> dict[str, str]:
    """The three handoffs: file name → document, each at most 8192 bytes.

    Raises:
        AiwError: STATE when the workspace holds no state.
    """
    outline = make_outline(snapshot)
    return {
        active_roadmap.NAME: active_roadmap.make_active_roadmap(outline, command_prefix=command_prefix),
        current_status.NAME: current_status.make_current_status(outline, command_prefix=command_prefix),
        NAME: make_next_handoff(outline, command_prefix=command_prefix),
    }


def render_next_handoff(snapshot: Snapshot, *, command_prefix: str) -> str:
    """The document, at most 8192 bytes; a function of the committed projection.

    Raises:
        AiwError: STATE when the workspace holds no state.
    """
    return make_next_handoff(make_outline(snapshot), command_prefix=command_prefix)


def make_next_handoff(outline: Outline, *, command_prefix: str) -> str:
    """As `render_next_handoff`, from an outline."""
    lines = ["# Next handoff", "", *_opening(outline, command_prefix)]
    task = outline.next_task
    if task is not None:
        lines += ["", "## Next task", "", *_task(outline, task)]
        if outline.following:
            lines += ["", "## After that", "", *(bullet(format_task(later)) for later in outline.following)]
    lines += ["", "## Commands", "", *_commands(command_prefix, task)]
    if task is not None:
        lines += ["", "## Rules", "", *map(bullet, _rules(task))]
    return finish_document(lines)


def _rules(task: Task) -> tuple[str, ...]:
    """What an agent must know that has read nothing but this file."""
    own = "Change only what the scope names" if task.conflict_scopes else "Change only what the task needs"
    place = "the command that starts the work puts HEAD where it belongs, the one that ends it checks and commits"
    refused = "Exit code 1 means refused: read why, correct that, run the same command again."
    return (
        f"{own}, and leave the state, the plan and the handoffs of aiw alone.",
        f"Switch no branch and make no commit: {place}.",
        f"{refused} Exit code 3 means that a person is needed: stop, and show what was printed.",
        "If a command says that there is no state, this is a clone in which the work did not begin: stop, and say so.",
    )


def _opening(outline: Outline, command_prefix: str) -> list[str]:
    run = render_code(format_command(command_prefix, "agent run --lane core --mode queue"))
    status = render_code(format_command(command_prefix, "status"))
    if not outline.milestones:
        return [paragraph(f"No plan is imported yet. Write one, then run {run}.")]
    if outline.next_task is None:
        return [paragraph(f"Every task of the plan is closed. What is left to do, if anything, is told by {status}.")]
    return [
        paragraph(
            f"To go on, run {run}: it shows the task that is active, or claims the next one, and names the file with"
            f" its full prompt. Whether somebody works on it already is told by {status}."
        )
    ]


def _task(outline: Outline, task: Task) -> list[str]:
    lines = [paragraph(format_task(task, max_bytes=300)), ""]
    if task.description.strip():
        lines += [paragraph(render_inline(task.description, max_bytes=_DESCRIPTION_BYTES)), ""]
    current = outline.current
    if current is not None:
        lines.append(bullet(f"Milestone: {current.id}: {render_inline(current.title, max_bytes=160)}"))
    lines.append(bullet(f"Priority: {task.priority}"))
    if outline.waits_for:
        lines.append(bullet(f"Waits for: {_join(outline.waits_for, limit=6)}"))
    acceptance = [render_inline(text, max_bytes=220) for text in task.acceptance_criteria]
    lines += _list("Acceptance", acceptance, _MAX_ACCEPTANCE)
    lines += _list("Proved by", [render_code(command, max_bytes=_CODE_BYTES) for command in task.verify], _MAX_VERIFY)
    lines += _list("Scope", [render_code(scope, max_bytes=_CODE_BYTES) for scope in task.conflict_scopes], _MAX_SCOPES)
    return lines


def _list(label: str, texts: list[str], limit: int) -> list[str]:
    if not texts:
        return []
    lines = [bullet(f"{label}:"), *(bullet(text, level=1) for text in texts[:limit])]
    if len(texts) > limit:
        lines.append(bullet(f"and {len(texts) - limit} more", level=1))
    return lines


def _join(texts: Sequence[str], *, limit: int) -> str:
    return ", ".join(texts[:limit]) + (f", {ELLIPSIS}" if len(texts) > limit else "")


def _commands(command_prefix: str, task: Task | None) -> list[str]:
    commands = [("What is so right now", "status"), ("Start, or go on", "agent run --lane core --mode queue")]
    if task is not None:
        finish = f"agent finish --lane core --task {task.id} --commit"
        commands.append(("Check and commit the task when it is ready", finish))
    text = "\n".join(f"# {meaning}\n{format_command(command_prefix, command)}" for meaning, command in commands)
    return [render_block(text, language="sh")]
