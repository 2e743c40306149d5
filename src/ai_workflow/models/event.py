"""One line of `state/events/events.jsonl`, append only."""

from ai_workflow.models.base import Record


class Event(Record, frozen=True, kw_only=True):
    """Something that happened, for people and for tools that follow the file."""

    timestamp: str
    event: str
    """Name of what happened, e.g. `task_claimed`."""
    summary: str
    status: str = "ok"
    actor: str
    lane_id: str | None = None
    milestone_id: str | None = None
    task_id: str | None = None
    run_id: str | None = None
    operation: str | None = None
    details: tuple[str, ...] = ()
