"""Finds milestones that are several in one and the parts that they fall into (spec §4.3). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ai_workflow.models.base import Record
from ai_workflow.models.ids import format_milestone_id, id_number
from ai_workflow.models.plan import Plan, PlanMilestone
from ai_workflow.plan.micro_tasks import are_related
from ai_workflow.plan.quality import MAX_TASKS
from ai_workflow.plan.rewiring import Section, Slot, keep_section
from ai_workflow.plan.wording import find_domain, list_subjects


class Split(Record, frozen=True, kw_only=True):
    """A milestone that should be several."""

    rule: str
    """`too-many-tasks` or `mixed-domains`."""
    parts: tuple[tuple[int, ...], ...]
    """Indexes of the tasks of each part, in plan order; two parts or more."""


def find_split(milestone: PlanMilestone, waits: Sequence[Iterable[int]], *, max_domains: int) -> Split | None:
    """How the milestone should be split, or None.

    Args:
        waits: per task the indexes of the tasks of the milestone that its `Depends:` names.
        max_domains: more areas than this in one milestone are too many, if they have nothing to do with each other.

    Every dependency of a part points into itself or an earlier part: areas that wait for each other stay together.
    """
    is_long = len(milestone.tasks) > MAX_TASKS
    domains = {find_domain(task) for task in milestone.tasks}
    if not is_long and len(domains) <= max_domains:
        return None
    parts = tuple(chunk for cluster in _find_clusters(milestone, waits) for chunk in _chunk(cluster))
    if len(parts) < 2 or _has_forward_edge(parts, waits):
        return None
    return Split(rule="too-many-tasks" if is_long else "mixed-domains", parts=parts)


def split_sections(plan: Plan, at: int, split: Split) -> tuple[Section, ...] | None:
    """The layout with the milestone split: later milestones move up only as far as their numbers are needed.

    None when the plan's milestones are not in the order of their numbers: then a part would change its turn.
    """
    numbers = [id_number(milestone.id)[0] for milestone in plan.milestones if milestone.id is not None]
    if numbers != sorted(set(numbers)):
        return None
    source = plan.milestones[at]
    parts = tuple(
        Section(
            source=at,
            slots=tuple(Slot(members=((at, task),)) for task in part),
            id=source.id,
            title=f"{source.title} part {number}".strip(),
            keeps_prose=number == 1,
        )
        for number, part in enumerate(split.parts, start=1)
    )
    kept = [keep_section(plan, other) for other in range(len(plan.milestones))]
    return _renumber((*kept[:at], *parts, *kept[at + 1 :]))


def _renumber(sections: Sequence[Section]) -> tuple[Section, ...]:
    result = []
    last = -1
    for section in sections:
        if section.id is None:
            result.append(section)
            continue
        last = max(last + 1, id_number(section.id)[0])
        moved = format_milestone_id(last)
        result.append(
            Section(
                source=section.source,
                slots=section.slots,
                id=moved,
                title=section.title,
                keeps_prose=section.keeps_prose,
            )
        )
    return tuple(result)


def _find_clusters(milestone: PlanMilestone, waits: Sequence[Iterable[int]]) -> tuple[tuple[int, ...], ...]:
    tasks = milestone.tasks
    cluster = list(range(len(tasks)))

    def join(one: int, other: int) -> None:
        low, high = sorted((cluster[one], cluster[other]))
        cluster[:] = [low if known == high else known for known in cluster]

    for number in range(1, len(tasks)):
        if not tasks[number].conflicts:
            join(number - 1, number)
        for other in range(number):
            if tasks[number].conflicts and tasks[other].conflicts and cluster[number] != cluster[other]:
                subjects = list_subjects(tasks[number].conflicts) & list_subjects(tasks[other].conflicts)
                if subjects or are_related(tasks[number], tasks[other]):
                    join(number, other)
    while True:
        forward = next(
            ((n, other) for n, others in enumerate(waits) for other in others if cluster[other] > cluster[n]), None
        )
        if forward is None:
            break
        join(*forward)
    return tuple(
        tuple(number for number, known in enumerate(cluster) if known == head) for head in sorted(set(cluster))
    )


def _chunk(cluster: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    count = -(-len(cluster) // MAX_TASKS)
    size, longer = divmod(len(cluster), count)
    chunks, start = [], 0
    for number in range(count):
        end = start + size + (number < longer)
        chunks.append(cluster[start:end])
        start = end
    return tuple(chunks)


def _has_forward_edge(parts: Sequence[Sequence[int]], waits: Sequence[Iterable[int]]) -> bool:
    part_of = {task: number for number, part in enumerate(parts) for task in part}
    return any(part_of[other] > part_of[task] for task, others in enumerate(waits) for other in others)
