"""The whole state as one immutable value, and the changes that lead to the next one."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from types import MappingProxyType
from typing import TypeAlias, TypeVar, cast

from ai_workflow.errors import DAMAGE_HINT, NO_STATE_HINT, AiwError, Kind
from ai_workflow.models.adr import Adr
from ai_workflow.models.base import Record
from ai_workflow.models.blocker import Blocker
from ai_workflow.models.event import Event
from ai_workflow.models.ids import sort_ids
from ai_workflow.models.lane import Baseline, Lane
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.operation import Intent
from ai_workflow.models.project import Project
from ai_workflow.models.run import Run
from ai_workflow.models.status import MILESTONE_CLOSED
from ai_workflow.models.task import Task

_E = TypeVar("_E")
AnyEntity: TypeAlias = Project | Milestone | Task | Lane | Adr | Run | Blocker | Baseline | Intent


class Damage(Record, frozen=True, kw_only=True):
    """A state file that cannot be read (spec §7.5)."""

    path: str
    """POSIX path relative to the root."""
    line: int | None
    message: str
    newer: bool = False
    """Written by a newer aiw: never touched, not even by repair."""


class Changes(Record, frozen=True, kw_only=True):
    """What a decision wants changed: entities to write whole, entities to remove, events to log."""

    put: tuple[AnyEntity, ...] = ()
    remove: tuple[AnyEntity, ...] = ()
    events: tuple[Event, ...] = ()

    def then(self, later: Changes) -> Changes:
        """Both, in order; a later version of an entity wins when they are applied. Pure."""
        return Changes(put=self.put + later.put, remove=self.remove + later.remove, events=self.events + later.events)


class Snapshot:
    """Everything stored, by kind and id. Immutable; `apply` makes the next one. Pure.

    Attributes:
        project: None before `init`.
        tasks, milestones, lanes, adrs, runs, blockers, baselines, intents: mapping id → entity, ordered by number.
        damaged: files that could not be read; their entities are absent.
    """

    def __init__(
        self,
        *,
        project: Project | None,
        entities: Mapping[type, Mapping[str, AnyEntity]],
        damaged: tuple[Damage, ...] = (),
    ) -> None:
        self.project = project
        self.damaged = damaged
        self._entities = {kind: _ordered(members) for kind, members in entities.items()}
        self._set_members()

    def _set_members(self) -> None:
        self.tasks = self._members(Task)
        self.milestones = self._members(Milestone)
        self.lanes = self._members(Lane)
        self.adrs = self._members(Adr)
        self.runs = self._members(Run)
        self.blockers = self._members(Blocker)
        self.baselines = self._members(Baseline)
        self.intents = self._members(Intent)

    def _members(self, kind: type[_E]) -> Mapping[str, _E]:
        return MappingProxyType(cast("dict[str, _E]", self._entities.get(kind, {})))

    def apply(self, changes: Changes) -> Snapshot:
        """The snapshot as it will be once the changes are stored. Costs a copy of the kinds that change."""
        touched: dict[type, dict[str, AnyEntity]] = {}
        project = self.project
        for entity in changes.put:
            if isinstance(entity, Project):
                project = entity
            else:
                kind = type(entity)
                members = touched.setdefault(kind, dict(self._entities.get(kind, {})))
                members[entity.id] = entity
        for entity in changes.remove:
            if not isinstance(entity, Project):
                kind = type(entity)
                touched.setdefault(kind, dict(self._entities.get(kind, {}))).pop(entity.id, None)
        after = copy(self)
        after.project = project
        after._entities = {**self._entities}
        for kind, members in touched.items():
            # An entity that was there keeps its place.
            has_new = members.keys() - self._entities.get(kind, {}).keys()
            after._entities[kind] = _ordered(members) if has_new else members
        after._set_members()
        return after

    def with_damaged(self, damaged: tuple[Damage, ...]) -> Snapshot:
        """The same state with these as its damaged files."""
        return Snapshot(project=self.project, entities=self._entities, damaged=damaged)

    def require_project(self) -> Project:
        """The project.

        Raises:
            AiwError: STATE when the workspace holds no state; CORRUPT when its file is damaged.
        """
        if self.project is None:
            self.require_undamaged()
            raise AiwError(Kind.STATE, "this workspace has no state yet", hint=NO_STATE_HINT)
        return self.project

    def get_task(self, task_id: str) -> Task:
        """The task. Raises NOT_FOUND, or CORRUPT when its file is damaged."""
        return self._get(self.tasks, task_id, "task")

    def get_milestone(self, milestone_id: str) -> Milestone:
        """The milestone. Raises NOT_FOUND, or CORRUPT when its file is damaged."""
        return self._get(self.milestones, milestone_id, "milestone")

    def get_lane(self, lane_id: str) -> Lane:
        """The lane. Raises NOT_FOUND, or CORRUPT when its file is damaged."""
        return self._get(self.lanes, lane_id, "lane")

    def get_adr(self, adr_id: str) -> Adr:
        """The decision. Raises NOT_FOUND, or CORRUPT when its file is damaged."""
        return self._get(self.adrs, adr_id, "adr")

    def members(self, kind: type) -> Mapping[str, AnyEntity]:
        """The entities of a record type by id, by number."""
        return self._entities.get(kind, {})

    def changed_since(self, before: Snapshot, kind: type) -> set[str]:
        """Ids of the entities of a record type that are not the very ones of before, dropped ones included."""
        old, new = before.members(kind), self.members(kind)
        if old is new:
            return set()
        return {key for key, entity in new.items() if old.get(key) is not entity} | (old.keys() - new.keys())

    def find(self, kind: type, entity_id: str) -> AnyEntity | None:
        """The entity of a record type and id, or None."""
        return self._entities.get(kind, {}).get(entity_id)

    def find_baseline(self, lane_id: str) -> Baseline | None:
        """The user's own dirt, or None when none was recorded.

        Raises:
            AiwError: CORRUPT when it cannot be read: then everything would count as a task's.
        """
        for damage in self.damaged:
            if damage.path.endswith((f"/baselines/{lane_id}.json", "/baselines")):
                raise AiwError(Kind.CORRUPT, f"{damage.path}: {damage.message}", hint=DAMAGE_HINT)
        return self.baselines.get(lane_id)

    def find_task(self, task_id: str | None) -> Task | None:
        """The task, or None."""
        return self.tasks.get(task_id) if task_id else None

    def find_milestone(self, milestone_id: str | None) -> Milestone | None:
        """The milestone, or None."""
        return self.milestones.get(milestone_id) if milestone_id else None

    def tasks_of(self, milestone: Milestone) -> tuple[Task, ...]:
        """The milestone's tasks in plan order; damaged ones are left out."""
        return tuple(self.tasks[task_id] for task_id in milestone.task_ids if task_id in self.tasks)

    def is_plan_complete(self) -> bool:
        """Whether every milestone of the current workpackage is merged or cancelled, and there is one."""
        project = self.require_project()
        if project.workpackage is None:
            return False
        number = project.workpackage.number
        return all(m.status in MILESTONE_CLOSED for m in self.milestones.values() if m.workpackage == number)

    def open_blockers(self) -> tuple[Blocker, ...]:
        """Blockers that still hold, oldest first."""
        return tuple(blocker for blocker in self.blockers.values() if blocker.status == "open")

    def require_undamaged(self) -> None:
        """Passes when every state file could be read.

        Raises:
            AiwError: CORRUPT, naming the first damaged file.
        """
        if self.damaged:
            first = self.damaged[0]
            place = first.path if first.line is None else f"{first.path}:{first.line}"
            more = f" (and {len(self.damaged) - 1} more)" if len(self.damaged) > 1 else ""
            raise AiwError(
                Kind.CORRUPT,
                f"{place}: {first.message}{more}",
                hint=DAMAGE_HINT,
            )

    def _get(self, members: Mapping[str, _E], key: str, kind: str) -> _E:
        if key in members:
            return members[key]
        for damage in self.damaged:
            if damage.path.endswith((f"/{key}.json", f"/{kind}s")):
                raise AiwError(Kind.CORRUPT, f"{damage.path}: {damage.message}", hint=DAMAGE_HINT)
        known = ", ".join(list(members)[:5]) or "none"
        raise AiwError(
            Kind.NOT_FOUND,
            f"{kind} {key} does not exist (known: {known}{', …' if len(members) > 5 else ''})",
            hint=f"see `aiw {kind} list`",
        )


def _ordered(members: Mapping[str, AnyEntity]) -> dict[str, AnyEntity]:
    """The members by number."""
    ids = sort_ids(members)
    return dict(members) if ids == list(members) else {key: members[key] for key in ids}
