"""Which imported tasks nothing holds back (spec §4.4, §6.2). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ai_workflow.models.dependencies import is_satisfied
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.status import TaskStatus
from ai_workflow.models.task import Task


def settle_readiness(
    snapshot: Snapshot, put: Sequence[Milestone | Task], *, workpackage: int, now: str
) -> tuple[Milestone | Task, ...]:
    """The entities to write so that a waiting task is `ready` exactly if nothing holds it.

    Args:
        snapshot: the state before.
        put: what is to be written anyway.
        workpackage: tasks of earlier ones are left alone.
        now: UTC, ISO-8601 to the second.

    Returns:
        `put` with statuses settled, then the tasks that change only for that.
    """
    after = snapshot.apply(Changes(put=tuple(put)))
    written = {entity.id: entity for entity in put}
    for task in after.tasks.values():
        if task.status in ("planned", "ready") and task.workpackage == workpackage:
            is_free = all(is_satisfied(after, task, reference) for reference in task.depends_on)
            status: TaskStatus = "ready" if is_free else "planned"
            if status != task.status:
                written[task.id] = replace(task, status=status, updated_at=now)
    return tuple(written.values())
