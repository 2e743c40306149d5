"""Makes event records. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ai_workflow.models.event import Event
from ai_workflow.models.task import Task


def make_event(
    name: str,
    summary: str,
    *,
    now: str,
    actor: str,
    task: Task | None = None,
    milestone_id: str | None = None,
    lane_id: str | None = None,
    run_id: str | None = None,
    status: str = "ok",
    details: Sequence[str] = (),
) -> Event:
    """An event about a task (its milestone and lane are taken from it) or about a milestone."""
    return Event(
        timestamp=now,
        event=name,
        summary=summary,
        status=status,
        actor=actor,
        lane_id=task.lane_id if task else lane_id,
        milestone_id=task.milestone_id if task else milestone_id,
        task_id=task.id if task else None,
        run_id=run_id,
        details=tuple(details),
    )
