"""What a plan's dependencies mean: references resolved, the implied chain, cycles (spec §4.1). Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Iterable, Mapping
from typing import Literal, TypeVar

from ai_workflow.models.base import Record
from ai_workflow.models.ids import parse_id, parse_milestone_id
from ai_workflow.models.plan import Plan
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.plan.comma_lists import normalise_title
from ai_workflow.plan.matching import Match, Place, match_plan, places_of, task_at

_POSITION = re.compile(r"(M[0-9]{1,9})\s*/\s*([0-9]{1,9})", re.IGNORECASE)
_MILESTONE = re.compile(r"M[0-9]{1,9}", re.IGNORECASE)
_TASK = re.compile(r"TASK-[0-9]{1,9}", re.IGNORECASE)
_MAX_COMPARED = 2000
_NODE = TypeVar("_NODE", bound=Hashable)


class Target(Record, frozen=True, kw_only=True):
    """What a reference means."""

    kind: Literal["task", "milestone", "stored_task", "stored_milestone", "unknown", "ambiguous"]
    """`task` and `milestone` are parts of the plan; the stored ones are only in the state."""
    place: Place | None = None
    """Of a task of the plan; of a milestone with -1 as its second part."""
    id: str | None = None
    """The id in the state, now or after the import; None when unknown or ambiguous."""
    candidates: tuple[str, ...] = ()
    """Ambiguous: what it may mean."""


class Resolver:
    """Resolves references of one plan.

    Args of the constructor:
        plan: the plan.
        known: the state, or None: then ids that a first import would give are understood.
        match: identities if the caller has them already.
    """

    def __init__(self, plan: Plan, *, known: Snapshot | None = None, match: Match | None = None) -> None:
        self._plan = plan
        self._known = known
        self.match = match or match_plan(plan, known)
        self._by_id = {task_id: place for place, task_id in self.match.task_ids.items()}
        self._titles: dict[str, list[Place]] = {}
        for place in places_of(plan):
            self._titles.setdefault(normalise_title(task_at(plan, place).title), []).append(place)

    def resolve(self, reference: str, *, milestone: int) -> Target:
        """The meaning of a reference written in a task of the milestone with that index.

        Ids come first (`TASK-007`, `M02`, `M01/2`), then titles of the same milestone, then of the others, then of
        open tasks that only the state has.
        """
        text = reference.strip()
        if _TASK.fullmatch(text):
            return self._resolve_task_id(parse_id("task", text))
        if _MILESTONE.fullmatch(text):
            return self._resolve_milestone(parse_milestone_id(text))
        match = _POSITION.fullmatch(text)
        if match is not None:
            return self._resolve_position(parse_milestone_id(match.group(1)), int(match.group(2)))
        return self._resolve_title(normalise_title(text), milestone=milestone)

    def direct(self, place: Place) -> tuple[Target, ...] | None:
        """The resolved `Depends:` of the task, in order; None when it has none and the chain applies."""
        depends = task_at(self._plan, place).depends
        if depends is None:
            return None
        return tuple(self.resolve(reference, milestone=place[0]) for reference in depends)

    def places(self, target: Target) -> tuple[Place, ...]:
        """The plan's tasks that the target stands for: one, all of a milestone, or none."""
        if target.place is None:
            return ()
        at, number = target.place
        return (target.place,) if number >= 0 else tuple((at, n) for n in range(len(self._plan.milestones[at].tasks)))

    def _task(self, place: Place) -> Target:
        return Target(kind="task", place=place, id=self.match.task_ids[place])

    def _resolve_task_id(self, task_id: str) -> Target:
        if task_id in self._by_id:
            return self._task(self._by_id[task_id])
        if self._known is not None and task_id in self._known.tasks:
            return Target(kind="stored_task", id=task_id)
        return Target(kind="unknown")

    def _resolve_milestone(self, milestone_id: str) -> Target:
        found = [at for at, known in enumerate(self.match.milestone_ids) if known == milestone_id]
        if len(found) > 1:
            return Target(kind="ambiguous", candidates=tuple(f"milestone {at + 1} of the plan" for at in found))
        if found:
            return Target(kind="milestone", place=(found[0], -1), id=milestone_id)
        if self._is_stored(milestone_id):
            return Target(kind="stored_milestone", id=milestone_id)
        return Target(kind="unknown")

    def _resolve_position(self, milestone_id: str, number: int) -> Target:
        target = self._resolve_milestone(milestone_id)
        if target.kind == "milestone" and target.place is not None:
            at = target.place[0]
            if 1 <= number <= len(self._plan.milestones[at].tasks):
                return self._task((at, number - 1))
            return Target(kind="unknown")
        if target.kind == "stored_milestone" and self._known is not None:
            task_ids = self._known.milestones[milestone_id].task_ids
            if 1 <= number <= len(task_ids):
                return Target(kind="stored_task", id=task_ids[number - 1])
        return target if target.kind == "ambiguous" else Target(kind="unknown")

    def _resolve_title(self, title: str, *, milestone: int) -> Target:
        everywhere = self._titles.get(title, [])
        own = [place for place in everywhere if place[0] == milestone]
        found = own or everywhere
        if len(found) == 1:
            return self._task(found[0])
        if found:
            names = tuple(f"{self.match.milestone_ids[at]}/{number + 1}" for at, number in found)
            return Target(kind="ambiguous", candidates=names)
        stored = self._stored_titles(title)
        if len(stored) == 1:
            return Target(kind="stored_task", id=stored[0])
        if stored:
            return Target(kind="ambiguous", candidates=stored)
        return Target(kind="unknown")

    def find_near(self, reference: str) -> tuple[str, ...]:
        """At most two titles of the plan that an unknown reference may have meant; slow in big plans."""
        near = difflib.get_close_matches(normalise_title(reference), list(self._titles)[:_MAX_COMPARED], n=2)
        return tuple(task_at(self._plan, self._titles[name][0]).title for name in near)

    def _stored_titles(self, title: str) -> tuple[str, ...]:
        if self._known is None:
            return ()
        return tuple(
            task.id
            for task in self._known.tasks.values()
            if task.id not in self._by_id
            and task.workpackage == self.match.workpackage
            and task.status != "cancelled"
            and normalise_title(task.title) == title
        )

    def _is_stored(self, milestone_id: str) -> bool:
        return (
            self._known is not None
            and milestone_id in self._known.milestones
            and milestone_id not in self.match.archive
        )


def task_graph(resolver: Resolver, plan: Plan, *, chain: bool) -> dict[Place, tuple[Place, ...]]:
    """Task → the tasks it waits for, every task of the plan present; a milestone counts as all of its tasks."""
    graph: dict[Place, tuple[Place, ...]] = {}
    for place in places_of(plan):
        targets = resolver.direct(place)
        if targets is None:
            graph[place] = ((place[0], place[1] - 1),) if chain and place[1] > 0 else ()
        else:
            graph[place] = tuple(dict.fromkeys(other for target in targets for other in resolver.places(target)))
    return graph


def milestone_graph(tasks: Mapping[Place, Iterable[Place]]) -> Mapping[int, tuple[int, ...]]:
    """Milestone → the other milestones that its tasks wait for.

    Work of another milestone is at hand only once that milestone is merged, so two milestones must not wait for each
    other even where their tasks do not.
    """
    graph: dict[int, dict[int, None]] = {}
    for place, others in tasks.items():
        waits = graph.setdefault(place[0], {})
        waits.update({other[0]: None for other in others if other[0] != place[0]})
    return {at: tuple(waits) for at, waits in graph.items()}


def find_cycles(graph: Mapping[_NODE, Iterable[_NODE]]) -> tuple[tuple[_NODE, ...], ...]:
    """Cycles of the graph, each as its nodes in order, at least one for every knot of nodes that wait in a circle.

    Deterministic: the search follows the order of the mapping.
    """
    state: dict[_NODE, int] = {}
    cycles: list[tuple[_NODE, ...]] = []
    for start in graph:
        if start in state:
            continue
        path: list[_NODE] = [start]
        stack = [iter(graph[start])]
        state[start] = 1
        while stack:
            node = next(stack[-1], None)
            if node is None:
                stack.pop()
                state[path.pop()] = 2
            elif state.get(node) == 1:
                cycles.append(tuple(path[path.index(node) :]))
            elif node not in state and node in graph:
                state[node] = 1
                path.append(node)
                stack.append(iter(graph[node]))
    return tuple(cycles)
