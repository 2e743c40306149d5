"""When the work that a task waits for is at hand (spec §6.2, ADR 0013). Pure."""

from __future__ import annotations

from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.status import TASK_SATISFIED
from ai_workflow.models.task import Task


def is_satisfied(snapshot: Snapshot, task: Task, reference: str) -> bool:
    """Whether one dependency of the task no longer holds it.

    A task of the same milestone must be done or skipped. Work of another milestone counts once that milestone is
    merged, since only then does a new branch hold it.

    Args:
        reference: a task id, or the id of a whole milestone.
    """
    milestone = snapshot.find_milestone(reference)
    if milestone is not None:
        return milestone.status == "merged"
    other = snapshot.find_task(reference)
    if other is None or other.status not in TASK_SATISFIED:
        return False
    if other.milestone_id == task.milestone_id or other.status == "skipped":
        return True
    home = snapshot.find_milestone(other.milestone_id)
    return home is not None and home.status == "merged"
