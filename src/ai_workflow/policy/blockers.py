"""Opening and resolving blockers: why something cannot go on, as data (spec §3). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ai_workflow.models.blocker import Blocker
from ai_workflow.models.ids import format_id, id_number
from ai_workflow.models.snapshot import AnyEntity, Changes, Snapshot
from ai_workflow.models.status import BlockerClass


def open_blocker(
    snapshot: Snapshot,
    *,
    klass: BlockerClass,
    step: str,
    message: str,
    evidence: Sequence[str] = (),
    next_command: str,
    milestone_id: str | None,
    task_id: str | None,
    now: str,
) -> tuple[Blocker, Changes]:
    """The blocker and what storing it changes. The same obstacle again keeps its id and its `since`."""
    same = next(
        (
            blocker
            for blocker in snapshot.open_blockers()
            if (blocker.blocked_milestone_id, blocker.blocked_task_id, blocker.step) == (milestone_id, task_id, step)
        ),
        None,
    )
    put: list[AnyEntity] = []
    if same is None:
        project = snapshot.require_project()
        taken = max((id_number(key)[0] for key in snapshot.blockers), default=0)
        number = max(project.counters.blocker, taken) + 1
        put.append(replace(project, counters=replace(project.counters, blocker=number)))
        blocker_id, since = format_id("blocker", number), now
    else:
        blocker_id, since = same.id, same.since
    blocker = Blocker(
        id=blocker_id,
        klass=klass,
        step=step,
        message=message,
        evidence=tuple(evidence),
        since=since,
        next_command=next_command,
        blocked_milestone_id=milestone_id,
        blocked_task_id=task_id,
    )
    return blocker, Changes(put=(*put, blocker))


def resolve_blockers(snapshot: Snapshot, *, milestone_id: str, now: str, keep: str | None = None) -> Changes:
    """Closes the milestone's own open blockers, all but `keep`; those of its tasks stay."""
    return Changes(
        put=tuple(
            replace(blocker, status="resolved", resolved_at=now)
            for blocker in snapshot.open_blockers()
            if blocker.blocked_milestone_id == milestone_id and blocker.blocked_task_id is None and blocker.id != keep
        )
    )


def resolve_task_blockers(snapshot: Snapshot, task_id: str, *, now: str) -> Changes:
    """Closes the task's open blockers."""
    return Changes(
        put=tuple(
            replace(blocker, status="resolved", resolved_at=now)
            for blocker in snapshot.open_blockers()
            if blocker.blocked_task_id == task_id
        )
    )
