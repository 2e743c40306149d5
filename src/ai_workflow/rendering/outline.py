"""The committed projection: what the handoffs may know of the plan (spec §2).

It looks only at what changes together with a commit: which tasks are closed and how, the order of the rest, titles,
goals and accepted decisions. Claims, progress, blockers, attempts, runs, times and milestone statuses are invisible
to it, so that claiming, blocking or merging leaves every handoff as it is. Pure.
"""

from __future__ import annotations

from collections import Counter

from ai_workflow.models.adr import Adr
from ai_workflow.models.base import Record
from ai_workflow.models.ids import id_order
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.status import PRIORITIES, TASK_CLOSED, TASK_SATISFIED
from ai_workflow.models.task import Task

MILESTONES_BEFORE = 3
MILESTONES_AFTER = 8
TASKS_BEFORE = 5
TASKS_AFTER = 5
MAX_ADRS = 12


class MilestoneLine(Record, frozen=True, kw_only=True):
    """One milestone with its counts."""

    id: str
    title: str
    goal: str
    done: int
    skipped: int
    cancelled: int
    open: int
    """Tasks of any other status."""


class Outline(Record, frozen=True, kw_only=True):
    """Where the plan stands."""

    project_name: str
    base_branch: str
    milestones: tuple[MilestoneLine, ...]
    """All milestones but recoveries, in numeric order."""
    position: int
    """Index of the current milestone, or the number of milestones when none has an open task."""
    finished: tuple[Task, ...]
    """The last closed tasks in plan order before the next one, at most 5."""
    next_task: Task | None
    following: tuple[Task, ...]
    """Open tasks after the next one, in the order they come, at most 5."""
    waits_for: tuple[str, ...]
    """What the next task depends on and what is not closed; empty when it can be taken."""
    adrs: tuple[Adr, ...]
    """Accepted decisions, newest first, at most 12."""
    more_adrs: int

    @property
    def current(self) -> MilestoneLine | None:
        """The milestone that holds the next task."""
        return self.milestones[self.position] if self.position < len(self.milestones) else None

    def count(self, status: str) -> int:
        """Tasks of the plan that are `done`, `skipped`, `cancelled` or `open`."""
        return sum(int(getattr(line, status)) for line in self.milestones)


def make_outline(snapshot: Snapshot) -> Outline:
    """Where the plan stands, from the committed projection only.

    Raises:
        AiwError: STATE when the workspace holds no state.
    """
    project = snapshot.require_project()
    milestones = [m for m in snapshot.milestones.values() if m.recovery is None]
    milestones.sort(key=lambda milestone: id_order(milestone.id))
    lines = tuple(_make_line(snapshot, milestone) for milestone in milestones)
    position = _find_position(snapshot, milestones, lines)
    order = _order_open(snapshot, milestones[position]) if position < len(milestones) else []
    next_task = order[0] if order else None
    accepted = [adr for adr in reversed(tuple(snapshot.adrs.values())) if adr.status == "accepted"]
    return Outline(
        project_name=project.project_name,
        base_branch=project.base_branch,
        milestones=lines,
        position=position,
        finished=_last_closed(snapshot, milestones[: position + 1]),
        next_task=next_task,
        following=_following(snapshot, milestones[position:], order),
        waits_for=_unmet(snapshot, next_task) if next_task else (),
        adrs=tuple(accepted[:MAX_ADRS]),
        more_adrs=max(0, len(accepted) - MAX_ADRS),
    )


def _make_line(snapshot: Snapshot, milestone: Milestone) -> MilestoneLine:
    tasks = snapshot.tasks_of(milestone)
    counts = Counter(task.status for task in tasks)
    return MilestoneLine(
        id=milestone.id,
        title=milestone.title,
        goal=milestone.goal,
        done=counts["done"],
        skipped=counts["skipped"],
        cancelled=counts["cancelled"],
        open=sum(counts[status] for status in counts if status not in TASK_CLOSED),
    )


def _find_position(snapshot: Snapshot, milestones: list[Milestone], lines: tuple[MilestoneLine, ...]) -> int:
    with_open = [index for index, line in enumerate(lines) if line.open]
    for index in with_open:
        if any(not _unmet(snapshot, task) for task in _open_tasks(snapshot, milestones[index])):
            return index
    return with_open[0] if with_open else len(lines)


def _open_tasks(snapshot: Snapshot, milestone: Milestone) -> list[Task]:
    return [task for task in snapshot.tasks_of(milestone) if task.status not in TASK_CLOSED]


def _order_open(snapshot: Snapshot, milestone: Milestone) -> list[Task]:
    """The milestone's open tasks as they will come: dependencies first, then priority, then plan order."""
    remaining = _open_tasks(snapshot, milestone)
    assumed: set[str] = set()
    order: list[Task] = []
    while remaining and len(order) <= TASKS_AFTER:
        free = [task for task in remaining if not set(_unmet(snapshot, task)) - assumed]
        chosen = min(free, key=lambda task: PRIORITIES.index(task.priority)) if free else remaining[0]
        order.append(chosen)
        assumed.add(chosen.id)
        remaining.remove(chosen)
    return order


def _unmet(snapshot: Snapshot, task: Task) -> tuple[str, ...]:
    return tuple(ref for ref in task.depends_on if not _is_satisfied(snapshot, ref))


def _is_satisfied(snapshot: Snapshot, ref: str) -> bool:
    other = snapshot.find_task(ref)
    if other is not None:
        return other.status in TASK_SATISFIED
    milestone = snapshot.find_milestone(ref)
    return milestone is not None and not _open_tasks(snapshot, milestone)


def _following(snapshot: Snapshot, milestones: list[Milestone], order: list[Task]) -> tuple[Task, ...]:
    found = list(order[1:])
    for milestone in milestones[1:]:
        if len(found) >= TASKS_AFTER:
            break
        found += _order_open(snapshot, milestone)
    return tuple(found[:TASKS_AFTER])


def _last_closed(snapshot: Snapshot, milestones: list[Milestone]) -> tuple[Task, ...]:
    found: list[Task] = []
    for milestone in reversed(milestones):
        closed = [task for task in snapshot.tasks_of(milestone) if task.status in TASK_CLOSED]
        found = closed + found
        if len(found) >= TASKS_BEFORE:
            break
    return tuple(found[-TASKS_BEFORE:])
