"""Says which milestone and task of the state a plan's milestone and task is: their stable identity (spec §4.4). Pure.

A task is recognised, in this order: by its explicit id; by its key (milestone id and title); by the same title in
another milestone that is still open (it moved); by the same place in its milestone with the very same acceptance (it
was retitled). Nothing weaker counts: such a task is a new one, and the old one was removed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from ai_workflow.models.base import Record
from ai_workflow.models.ids import format_id, format_milestone_id, id_number, make_slug
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.plan import Plan, PlanTask
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.status import MILESTONE_CLOSED
from ai_workflow.models.task import Task

Place: TypeAlias = tuple[int, int]
"""0-based index of a milestone in the plan and of a task in that milestone."""
REMOVED_NOTE = "plan: removed"
"""Note of a task that was cancelled because the plan no longer had it; written again, it is a new task."""


class Problem(Record, frozen=True, kw_only=True):
    """An id in the plan that cannot be used."""

    place: Place
    code: str
    message: str
    hint: str


class Match(Record, frozen=True, kw_only=True):
    """What every part of the plan is, or is going to be, in the state."""

    milestone_ids: tuple[str, ...]
    """Per milestone of the plan."""
    task_ids: Mapping[Place, str]
    """Every task of the plan."""
    keys: Mapping[Place, str]
    """Every task of the plan."""
    existing: frozenset[Place]
    """Tasks that are in the state already."""
    previous: tuple[str, ...] = ()
    """Milestones of the state that come from the plan being reconciled, by number."""
    archive: tuple[str, ...] = ()
    """Milestones of a finished workpackage that this plan replaces; empty when it continues one."""
    workpackage: int = 1
    problems: tuple[Problem, ...] = ()


def places_of(plan: Plan) -> tuple[Place, ...]:
    """The places of all tasks in plan order."""
    return tuple((at, n) for at, milestone in enumerate(plan.milestones) for n in range(len(milestone.tasks)))


def task_at(plan: Plan, place: Place) -> PlanTask:
    """The task at a place."""
    return plan.milestones[place[0]].tasks[place[1]]


def number_milestones(plan: Plan, *, given: Mapping[int, str], taken: Iterable[str]) -> tuple[str, ...]:
    """The id of every milestone of the plan.

    Args:
        given: ids already known by index, the explicit ones included.
        taken: ids that no new milestone may get.

    A heading without id gets the first free number after the milestone before it.
    """
    used = {id_number(milestone_id)[0] for milestone_id in (*given.values(), *taken)}
    ids: list[str] = []
    last = 0
    for at in range(len(plan.milestones)):
        known = given.get(at)
        if known is None:
            number = next(number for number in range(last + 1, last + len(used) + 2) if number not in used)
            used.add(number)
            known = format_milestone_id(number)
        last = id_number(known)[0]
        ids.append(known)
    return tuple(ids)


def make_keys(plan: Plan, milestone_ids: Sequence[str]) -> Mapping[Place, str]:
    """The key of every task: milestone id, `/`, slug of the title, and `#2` … for repeated titles."""
    seen: Counter[str] = Counter()
    keys = {}
    for place in places_of(plan):
        key = f"{milestone_ids[place[0]]}/{make_slug(task_at(plan, place).title)}"
        seen[key] += 1
        keys[place] = key if seen[key] == 1 else f"{key}#{seen[key]}"
    return keys


def is_out_of_band(task: Task) -> bool:
    """Whether the task was made by a command and not by a plan; its notes tell its kind."""
    return any(note.startswith("kind: ") for note in task.notes)


def match_plan(plan: Plan, snapshot: Snapshot | None) -> Match:
    """Recognises the plan's milestones and tasks in the state; None or an empty state gives new ids only."""
    if snapshot is None or snapshot.project is None:
        return _first_match(plan, counter=0, workpackage=1)
    number = snapshot.project.package_number
    previous = _plan_milestones(snapshot, number)
    counter = max([snapshot.project.counters.task, *(id_number(task_id)[0] for task_id in snapshot.tasks)])
    if previous and all(milestone.status in MILESTONE_CLOSED for milestone in previous):
        if not _continues(plan, snapshot, previous):
            archive = tuple(
                milestone.id
                for milestone in snapshot.milestones.values()
                if milestone.workpackage == number and milestone.status in MILESTONE_CLOSED
            )
            following = max(number, snapshot.project.counters.workpackage) + 1
            return _first_match(plan, counter=counter, workpackage=following, archive=archive, snapshot=snapshot)
    elif not previous:
        return _first_match(plan, counter=counter, workpackage=number, snapshot=snapshot)
    return _Matcher(plan, snapshot, previous).match(counter=counter, workpackage=number)


def _plan_milestones(snapshot: Snapshot, workpackage: int) -> tuple[Milestone, ...]:
    found = []
    for milestone in snapshot.milestones.values():
        tasks = snapshot.tasks_of(milestone)
        is_planned = not tasks or any(not is_out_of_band(task) for task in tasks)
        if milestone.workpackage == workpackage and milestone.recovery is None and is_planned:
            found.append(milestone)
    return tuple(found)


def _continues(plan: Plan, snapshot: Snapshot, previous: Sequence[Milestone]) -> bool:
    """Whether the plan is a later state of the finished one: a milestone with the same id and title, or half its
    tasks."""
    names = {(milestone.id, make_slug(milestone.title)) for milestone in previous}
    ids = number_milestones(plan, given=_explicit_ids(plan), taken=())
    if any((ids[at], make_slug(milestone.title)) in names for at, milestone in enumerate(plan.milestones)):
        return True
    keys = {task.key for milestone in previous for task in snapshot.tasks_of(milestone)}
    found = [key in keys for key in make_keys(plan, ids).values()]
    return bool(found) and sum(found) * 2 >= len(found)


def _explicit_ids(plan: Plan) -> dict[int, str]:
    return {at: milestone.id for at, milestone in enumerate(plan.milestones) if milestone.id is not None}


def _first_match(
    plan: Plan, *, counter: int, workpackage: int, archive: tuple[str, ...] = (), snapshot: Snapshot | None = None
) -> Match:
    others = (
        {milestone_id for milestone_id in snapshot.milestones if milestone_id not in archive} if snapshot else set()
    )
    given = _explicit_ids(plan)
    ids = number_milestones(plan, given=given, taken=others)
    task_ids, problems = _assign_ids(plan, {}, counter=counter, snapshot=snapshot)
    return Match(
        milestone_ids=ids,
        task_ids=task_ids,
        keys=make_keys(plan, ids),
        existing=frozenset(),
        archive=archive,
        workpackage=workpackage,
        problems=(*problems, *_taken_milestones(given, others)),
    )


def _taken_milestones(given: Mapping[int, str], others: Iterable[str]) -> tuple[Problem, ...]:
    taken = set(others)
    return tuple(
        Problem(
            place=(at, -1),
            code="milestone-id-taken",
            message=f"{milestone_id} is a milestone that does not come from the plan",
            hint="give the plan's milestone another number, or leave the number out",
        )
        for at, milestone_id in given.items()
        if milestone_id in taken
    )


def _assign_ids(
    plan: Plan, found: Mapping[Place, str], *, counter: int, snapshot: Snapshot | None
) -> tuple[dict[Place, str], tuple[Problem, ...]]:
    problems: list[Problem] = []
    ids = dict(found)
    reserved = set(ids.values())
    for place in places_of(plan):
        explicit = task_at(plan, place).explicit_id
        if explicit is None or place in ids or explicit in reserved:
            continue
        if (snapshot is not None and explicit in snapshot.tasks) or id_number(explicit)[0] <= counter:
            problems.append(
                Problem(
                    place=place,
                    code="task-id-taken",
                    message=f"{explicit} was given to another task before",
                    hint="leave the id out: a new one is given at import",
                )
            )
        else:
            ids[place] = explicit
            reserved.add(explicit)
    number = counter
    for place in places_of(plan):
        if place not in ids:
            number += 1
            while format_id("task", number) in reserved:
                number += 1
            ids[place] = format_id("task", number)
    return ids, tuple(problems)


class _Matcher:
    """One pass over plan and state that continue each other."""

    def __init__(self, plan: Plan, snapshot: Snapshot, previous: Sequence[Milestone]) -> None:
        self._plan = plan
        self._snapshot = snapshot
        self._previous = {milestone.id: milestone for milestone in previous}
        self._tasks = {
            task.id: task
            for milestone in previous
            for task in snapshot.tasks_of(milestone)
            if not is_out_of_band(task) and REMOVED_NOTE not in task.notes
        }
        self._found: dict[Place, str] = {}
        self._free = set(self._tasks)

    def match(self, *, counter: int, workpackage: int) -> Match:
        """The identities, found in the order that the module names."""
        given = self._match_milestones()
        others = [milestone_id for milestone_id in self._snapshot.milestones if milestone_id not in self._previous]
        ids = number_milestones(self._plan, given=given, taken=self._snapshot.milestones)
        keys = make_keys(self._plan, ids)
        self._match_explicit()
        by_key = {task.key: task.id for task in self._tasks.values()}
        self._match_each(lambda place: by_key.get(keys[place]))
        self._match_moved()
        self._match_retitled(ids)
        task_ids, problems = _assign_ids(self._plan, self._found, counter=counter, snapshot=self._snapshot)
        return Match(
            milestone_ids=ids,
            task_ids=task_ids,
            keys=keys,
            existing=frozenset(self._found),
            previous=tuple(self._previous),
            workpackage=workpackage,
            problems=(*problems, *_taken_milestones(_explicit_ids(self._plan), others)),
        )

    def _match_milestones(self) -> dict[int, str]:
        given = _explicit_ids(self._plan)
        free = {make_slug(m.title): m.id for m in self._previous.values() if m.id not in given.values()}
        for at, milestone in enumerate(self._plan.milestones):
            if milestone.id is None and make_slug(milestone.title) in free:
                given[at] = free.pop(make_slug(milestone.title))
        return given

    def _take(self, place: Place, task_id: str | None) -> None:
        if task_id is not None and task_id in self._free and place not in self._found:
            self._found[place] = task_id
            self._free.discard(task_id)

    def _open_places(self) -> tuple[Place, ...]:
        return tuple(
            place
            for place in places_of(self._plan)
            if place not in self._found and task_at(self._plan, place).explicit_id is None
        )

    def _match_explicit(self) -> None:
        for place in places_of(self._plan):
            self._take(place, task_at(self._plan, place).explicit_id)

    def _match_each(self, find: Callable[[Place], str | None]) -> None:
        for place in self._open_places():
            self._take(place, find(place))

    def _match_moved(self) -> None:
        by_slug: dict[str, list[str]] = {}
        for task in self._tasks.values():
            if task.id in self._free and self._previous[task.milestone_id].status not in MILESTONE_CLOSED:
                by_slug.setdefault(make_slug(task.title), []).append(task.id)
        for place in self._open_places():
            candidates = by_slug.get(make_slug(task_at(self._plan, place).title), [])
            self._take(place, candidates.pop(0) if candidates else None)

    def _match_retitled(self, ids: Sequence[str]) -> None:
        for place in self._open_places():
            milestone = self._previous.get(ids[place[0]])
            if milestone is None or place[1] >= len(milestone.task_ids):
                continue
            task = self._tasks.get(milestone.task_ids[place[1]])
            acceptance = task_at(self._plan, place).acceptance
            if task is not None and acceptance and task.acceptance_criteria == acceptance:
                self._take(place, task.id)
