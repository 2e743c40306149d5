"""Why something cannot go on, as data (spec §3, §8.1)."""

import msgspec

from ai_workflow.models.base import Entity
from ai_workflow.models.status import BlockerClass, BlockerStatus


class Blocker(Entity, frozen=True, kw_only=True, rename={"klass": "class"}):
    """One recorded reason, `state/blockers/BLK-0001.json`."""

    id: str
    klass: BlockerClass
    """Stored as `class`."""
    step: str
    """The step that was refused, e.g. `push-base`."""
    message: str
    """The exact message of what refused."""
    evidence: tuple[str, ...] = ()
    since: str
    """UTC, ISO-8601 to the second."""
    retry_at: str | None = None
    """When it is retried by itself, or None: only a command retries it."""
    next_command: str
    """What to type next."""
    status: BlockerStatus = "open"
    blocked_milestone_id: str | None = None
    blocked_task_id: str | None = None
    resolved_at: str | None = None


class BlockerRef(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"klass": "class"}):
    """The blocker as the blocked task or milestone shows it."""

    id: str
    klass: BlockerClass
    step: str
    message: str
    next_command: str
    since: str


def make_blocker_ref(blocker: Blocker) -> BlockerRef:
    """What the blocked entity carries of its blocker. Pure."""
    return BlockerRef(
        id=blocker.id,
        klass=blocker.klass,
        step=blocker.step,
        message=blocker.message,
        next_command=blocker.next_command,
        since=blocker.since,
    )
