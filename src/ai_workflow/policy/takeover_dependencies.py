"""What the dependencies of aiw 0.1.0 mean: it kept as text what it could not resolve (spec §2). Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec.structs import replace

from ai_workflow.models.base import Record
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.status import TASK_OPEN
from ai_workflow.models.task import Task


class Resolved(Record, frozen=True, kw_only=True):
    """Tasks whose dependencies are ids, and what had to be given up."""

    tasks: dict[str, Task]
    notes: tuple[str, ...]


def resolve_dependencies(
    tasks: Mapping[str, Task], milestones: Mapping[str, Milestone], *, dropped: Collection[str]
) -> Resolved:
    """Every task with ids as its dependencies.

    A reference is an id, or a title: of a task of the same milestone, else of the one task or milestone that has it.
    What names nothing would hold its task for ever: it becomes a note of the task, and is told.

    Args:
        dropped: ids that are gone because they were always satisfied.
    """
    notes: list[str] = []
    found: dict[str, Task] = {}
    for task in tasks.values():
        targets = {ref: _find(task, ref, tasks, milestones) for ref in task.depends_on}
        lost = [ref for ref, target in targets.items() if target is None and ref not in dropped]
        kept = tuple(dict.fromkeys(target for target in targets.values() if target is not None))
        own = (*task.notes, *(f"dependency of 0.1.0 that names nothing: {ref}" for ref in lost))
        found[task.id] = replace(task, depends_on=kept, notes=own)
        if task.status in TASK_OPEN:
            notes += [
                f"{task.id} waited for `{ref}`, which names nothing, and does not any more"
                f" (put it right: aiw task edit {task.id} --depends ID)"
                for ref in lost
            ]
    return Resolved(tasks=found, notes=tuple(notes))


def _find(task: Task, ref: str, tasks: Mapping[str, Task], milestones: Mapping[str, Milestone]) -> str | None:
    if (ref in tasks and ref != task.id) or (ref in milestones and ref != task.milestone_id):
        return ref
    wanted = ref.strip().casefold()
    named = [one for one in tasks.values() if one.title.strip().casefold() == wanted and one.id != task.id]
    at_home = [one.id for one in named if one.milestone_id == task.milestone_id]
    whole = [
        one.id
        for one in milestones.values()
        if wanted in (one.id.casefold(), one.title.strip().casefold()) and one.id != task.milestone_id
    ]
    for group in (at_home, [one.id for one in named], whole):
        if len(group) == 1:
            return group[0]
    return None
