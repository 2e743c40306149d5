"""The messages of the commits that aiw makes: subject, body and trailers (spec §6.4 step 7, §6.5).

The trailers are the last paragraph and hold nothing else, so that `git interpret-trailers --parse` finds exactly
them; every line of the body begins with a bullet, so that no text of a plan can pass for one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ai_workflow.models.milestone import Milestone
from ai_workflow.models.task import Task
from ai_workflow.rendering.text import strip_line

_PLACEHOLDER = re.compile(r"\{(id|title|milestone)\}")
_MISREAD = re.compile(r"(?i)---|aiw-[a-z]+\s*:|(?:fixup|squash|amend)! |.{1,8} -{24} >8 -{24}")
"""Subjects that git, a rebase or the search for trailers takes for something else: the line that ends a message, a
trailer, a commit to be folded into another."""


def render_commit_message(
    task: Task,
    milestone: Milestone,
    *,
    subject_template: str,
    run_id: str,
    operation: str,
    project_rel: str | None,
    unproven: str | None,
) -> str:
    """The whole message of a task's commit, with a final newline.

    Args:
        subject_template: `git.commit_subject`; `{id}`, `{title}` and `{milestone}` are filled in, other braces stay.
        project_rel: the root's path in the work tree in a monorepo (trailer `Aiw-Project`), else None.
        unproven: why the task counts as done without proof (trailer `Aiw-Unproven`), else None.
    """
    trailers = [
        ("Aiw-Task", task.id),
        ("Aiw-Milestone", milestone.id),
        ("Aiw-Workpackage", str(task.workpackage)),
        ("Aiw-Run", run_id),
        ("Aiw-Op", operation),
        ("Aiw-Project", project_rel or ""),
        ("Aiw-Unproven", unproven or ""),
    ]
    values = {"id": task.id, "title": task.title, "milestone": milestone.id}
    subject = _PLACEHOLDER.sub(lambda match: values[match.group(1)], subject_template)
    return _join(_make_subject(subject, task.id), _bullets("Acceptance:", task.acceptance_criteria), trailers)


def render_merge_message(
    milestone: Milestone, tasks: Sequence[Task], *, operation: str, project_rel: str | None = None
) -> str:
    """The whole message of a milestone's merge commit, with a final newline.

    It has no trailer `Aiw-Task`: that belongs to the one commit of each task.

    Args:
        tasks: the milestone's tasks in plan order; those that were not done are named with their status.
        project_rel: as in `render_commit_message`.
    """
    trailers = [
        ("Aiw-Milestone", milestone.id),
        ("Aiw-Workpackage", str(milestone.workpackage)),
        ("Aiw-Op", operation),
        ("Aiw-Project", project_rel or ""),
    ]
    lines = [f"{task.id} {task.title}" + ("" if task.status == "done" else f" ({task.status})") for task in tasks]
    return _join(_make_subject(f"{milestone.id}: {milestone.title}", milestone.id), _bullets("Tasks:", lines), trailers)


def _make_subject(text: str, entity_id: str) -> str:
    subject = strip_line(text)
    if not subject.strip("#"):
        return entity_id if not subject else f"{entity_id}: {subject}"
    return f"{entity_id}: {subject}" if _MISREAD.match(subject) else subject


def _bullets(label: str, texts: Sequence[str]) -> list[str]:
    lines = [strip_line(text) for text in texts]
    bullets = [f"- {line}" for line in lines if line]
    return [label, *bullets] if bullets else []


def _join(subject: str, body: list[str], trailers: list[tuple[str, str]]) -> str:
    lines = [subject, ""]
    if body:
        lines += [*body, ""]
    lines += [f"{key}: {strip_line(value)}" for key, value in trailers if strip_line(value)]
    return "\n".join(lines) + "\n"
