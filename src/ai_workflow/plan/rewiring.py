"""Builds a plan anew from a layout of its tasks, so that every dependency keeps its meaning (spec §4.3). Pure.

A written dependency is an obligation: it follows its target wherever that goes. The implied one on the task before is
an order: it is kept where the new order still has it, written out where the new order would lose it, and given up
only towards a task that the layout puts later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from ai_workflow.models.base import Record
from ai_workflow.models.plan import Plan, PlanMilestone, PlanTask
from ai_workflow.models.status import PRIORITIES
from ai_workflow.plan.dependencies import Resolver, Target, task_graph
from ai_workflow.plan.markdown import indent_text
from ai_workflow.plan.matching import Place, task_at


class Slot(Record, frozen=True, kw_only=True):
    """One task of the new plan."""

    members: tuple[Place, ...]
    """The tasks of the old plan that it consists of; the first gives the title unless `title` does."""
    title: str | None = None


class Section(Record, frozen=True, kw_only=True):
    """One milestone of the new plan."""

    source: int
    """Index of the old milestone."""
    slots: tuple[Slot, ...]
    id: str | None
    title: str
    keeps_prose: bool = True


def keep_section(plan: Plan, at: int) -> Section:
    """The milestone as it is."""
    milestone = plan.milestones[at]
    slots = tuple(Slot(members=((at, number),)) for number in range(len(milestone.tasks)))
    return Section(source=at, slots=slots, id=milestone.id, title=milestone.title)


def rewire(plan: Plan, sections: Sequence[Section]) -> Plan:
    """The plan in the new layout.

    Args:
        sections: every task of the plan in exactly one slot.
    """
    draft = replace(plan, milestones=tuple(_build_milestone(plan, section) for section in sections), findings=())
    wiring = _Wiring(plan, sections, draft)
    milestones = []
    for at, milestone in enumerate(draft.milestones):
        depends = [wiring.depends_of((at, number)) for number in range(len(milestone.tasks))]
        tasks = (_with_depends(task, refs) for task, refs in zip(milestone.tasks, depends, strict=True))
        milestones.append(replace(milestone, tasks=tuple(tasks)))
    return replace(draft, milestones=tuple(milestones))


def _with_depends(task: PlanTask, depends: tuple[str, ...] | None) -> PlanTask:
    return task if depends == task.depends else replace(task, depends=depends, positions=())


def _build_milestone(plan: Plan, section: Section) -> PlanMilestone:
    source = plan.milestones[section.source]
    return replace(
        source,
        id=section.id,
        title=section.title,
        prose=source.prose if section.keeps_prose else "",
        tasks=tuple(_build_task(plan, slot) for slot in section.slots),
    )


def _build_task(plan: Plan, slot: Slot) -> PlanTask:
    tasks = [task_at(plan, place) for place in slot.members]
    head = tasks[0]
    if len(tasks) == 1:
        return head
    steps = tasks if slot.title is not None else tasks[1:]
    described = [] if slot.title is not None else [head.description]
    return replace(
        head,
        title=slot.title or head.title,
        description="\n".join([*filter(None, described), *(_describe_step(step) for step in steps)]),
        acceptance=_union(task.acceptance for task in tasks),
        verify=_union(task.verify for task in tasks),
        conflicts=_union(task.conflicts for task in tasks),
        backlog=_union(task.backlog for task in tasks),
        priority=_highest_priority(tasks),
        positions=(),
    )


def _describe_step(step: PlanTask) -> str:
    bullet = f"- {step.title}"
    return f"{bullet}\n{indent_text(step.description, width=2)}" if step.description else bullet


def _union(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for group in groups for item in group))


def _highest_priority(tasks: Sequence[PlanTask]) -> str | None:
    ranks: tuple[str, ...] = PRIORITIES
    return min((task.priority for task in tasks), key=lambda priority: ranks.index(priority or "medium"))


class _Wiring:
    """The dependencies of the old plan, translated place by place in the new order."""

    def __init__(self, plan: Plan, sections: Sequence[Section], draft: Plan) -> None:
        self._plan = plan
        self._sections = sections
        self._draft = draft
        self._old = Resolver(plan)
        self._new = Resolver(draft)
        self._graph = task_graph(self._old, plan, chain=True)
        self._places: dict[Place, Place] = {}
        for at, section in enumerate(sections):
            for number, slot in enumerate(section.slots):
                self._places.update(dict.fromkeys(slot.members, (at, number)))
        self._reached: dict[Place, frozenset[Place]] = {}

    def depends_of(self, place: Place) -> tuple[str, ...] | None:
        """The references of the new task; must be asked in plan order."""
        members = self._sections[place[0]].slots[place[1]].members
        written = [task_at(self._plan, member).depends for member in members]
        explicit = self._written_references(place, members)
        has_chain = any(depends is None for depends in written)
        if has_chain and not explicit:
            return self._chain(place, members)
        implied = [self._places[old] for old in self._chained(members)]
        before = [other for other in dict.fromkeys(implied) if other < place]
        named = {target for _, targets in explicit for target in targets}
        extra = [(self._name(other, place), (other,)) for other in before if other not in named]
        references = [*extra, *explicit]
        self._reach(place, (target for _, targets in references for target in targets))
        return tuple(dict.fromkeys(text for text, _ in references))

    def _chained(self, members: Sequence[Place]) -> list[Place]:
        """The old predecessors that the members without `Depends:` wait for."""
        found = [other for member in members if task_at(self._plan, member).depends is None
                 for other in self._graph[member]]  # fmt: skip
        return [other for other in found if other not in members]

    def _chain(self, place: Place, members: Sequence[Place]) -> tuple[str, ...] | None:
        previous = (place[0], place[1] - 1) if place[1] else None
        needed = self._needed(place, members)
        covered = self._closure(previous) if previous is not None else frozenset()
        if needed <= covered:
            self._reached[place] = covered
            return None
        first = [self._places[old] for old in self._chained(members)]
        chosen: list[Place] = []
        seen: set[Place] = set()
        for other in (*first, *sorted(needed, reverse=True)):
            if other in needed and other not in seen:
                chosen.append(other)
                seen |= self._closure(other)
        self._reached[place] = frozenset(seen)
        return tuple(self._name(other, place) for other in chosen)

    def _needed(self, place: Place, members: Sequence[Place]) -> frozenset[Place]:
        """What the members waited for inside their milestone, directly or not, as far as it still comes before."""
        home = members[0][0]
        seen: set[Place] = set()
        open_places = list(members)
        while open_places:
            for other in self._graph[open_places.pop()]:
                if other[0] == home and other not in seen:
                    seen.add(other)
                    open_places.append(other)
        return frozenset(self._places[old] for old in seen if self._places[old] < place)

    def _closure(self, place: Place) -> frozenset[Place]:
        return self._reached.get(place, frozenset()) | {place}

    def _reach(self, place: Place, targets: Iterable[Place]) -> None:
        found: frozenset[Place] = frozenset()
        for target in targets:
            found |= self._closure(target)
        self._reached[place] = found

    def _written_references(self, place: Place, members: Sequence[Place]) -> list[tuple[str, tuple[Place, ...]]]:
        found: list[tuple[str, tuple[Place, ...]]] = []
        for member in members:
            for text in task_at(self._plan, member).depends or ():
                target = self._old.resolve(text, milestone=member[0])
                found.extend(self._translate(text, target, place, members))
        return found

    def _translate(
        self, text: str, target: Target, place: Place, members: Sequence[Place]
    ) -> list[tuple[str, tuple[Place, ...]]]:
        if target.place is None:
            return [(text, ())]
        if target.kind == "milestone":
            return self._translate_milestone(text, target.place[0], place)
        other = self._places[target.place]
        if other == place and len(members) > 1:
            return []
        meant = self._new.resolve(text, milestone=place[0])
        return [(text if meant.place == other else self._name(other, place), (other,))]

    def _translate_milestone(self, text: str, source: int, place: Place) -> list[tuple[str, tuple[Place, ...]]]:
        parts = [at for at, section in enumerate(self._sections) if section.source == source]
        meant = self._new.resolve(text, milestone=place[0])
        is_kept = len(parts) == 1 and meant.place == (parts[0], -1)
        names = [text] if is_kept else [self._new.match.milestone_ids[at] for at in parts]
        return [
            (name, tuple((at, number) for number in range(len(self._sections[at].slots))))
            for name, at in zip(names, parts, strict=True)
        ]

    def _name(self, other: Place, place: Place) -> str:
        title = task_at(self._draft, other).title
        if self._new.resolve(title, milestone=place[0]).place == other:
            return title
        return f"{self._new.match.milestone_ids[other[0]]}/{other[1] + 1}"
