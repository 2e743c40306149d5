"""What a plan's task says in the terms of the state: the fields of a task that come from the plan. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ai_workflow.models.base import Record
from ai_workflow.models.plan import Plan
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.status import TASK_SATISFIED, Priority
from ai_workflow.models.task import BACKLOG_NOTE, Task
from ai_workflow.plan.dependencies import Resolver
from ai_workflow.plan.matching import Place, task_at

DEFINED = ("title", "description", "priority", "acceptance_criteria", "verify", "conflict_scopes", "notes")
"""Fields that the plan alone decides, in the order in which changes are told; `depends_on` and `milestone_id` too."""


class Definition(Record, frozen=True, kw_only=True):
    """The plan's part of one task."""

    fields: Mapping[str, Any]
    """Field of `Task` → value: `DEFINED`, `depends_on`, `milestone_id`, `key`, `workpackage`."""
    is_chained: bool
    """Whether `depends_on` is only implied by the order."""


class Definitions:
    """Makes definitions for one plan.

    Args of the constructor:
        chain: whether a task without `Depends:` waits for the one before it.
    """

    def __init__(self, plan: Plan, snapshot: Snapshot, resolver: Resolver, *, chain: bool) -> None:
        self._plan = plan
        self._snapshot = snapshot
        self._resolver = resolver
        self._match = resolver.match
        self._chain = chain

    def define(self, place: Place, *, existing: Task | None) -> Definition:
        """The definition of the task; notes of `existing` that do not come from the plan are kept."""
        task = task_at(self._plan, place)
        kept = tuple(note for note in existing.notes if not note.startswith(BACKLOG_NOTE)) if existing else ()
        fields = {
            "title": task.title,
            "description": task.description,
            "priority": cast("Priority", task.priority or "medium"),
            "acceptance_criteria": task.acceptance,
            "verify": task.verify,
            "conflict_scopes": task.conflicts,
            "notes": (*(f"{BACKLOG_NOTE}{item}" for item in task.backlog), *kept),
            "depends_on": self._depends_on(place),
            "milestone_id": self._match.milestone_ids[place[0]],
            "key": self._match.keys[place],
            "workpackage": self._match.workpackage,
        }
        if existing is not None:
            fields |= _keep_edited(existing, fields)
        return Definition(fields=fields, is_chained=task.depends is None)

    def find_differences(self, definition: Definition, task: Task, *, with_chain: bool) -> tuple[str, ...]:
        """The fields in which the task differs from its definition.

        Args:
            with_chain: whether a dependency that only the order implies counts.
        """
        names = [*DEFINED, "milestone_id"]
        if with_chain or not definition.is_chained:
            names.append("depends_on")
        return tuple(name for name in names if _plain(getattr(task, name)) != _plain(definition.fields[name]))

    def _is_history(self, reference: str) -> bool:
        """Whether it is finished work of an earlier workpackage, which every new branch holds already."""
        task = self._snapshot.find_task(reference)
        return task is not None and task.workpackage < self._match.workpackage and task.status in TASK_SATISFIED

    def _depends_on(self, place: Place) -> tuple[str, ...]:
        targets = self._resolver.direct(place)
        if targets is not None:
            named = dict.fromkeys(target.id for target in targets if target.id is not None)
            return tuple(reference for reference in named if not self._is_history(reference))
        if not self._chain:
            return ()
        for number in range(place[1] - 1, -1, -1):
            task_id = self._match.task_ids[(place[0], number)]
            before = self._snapshot.tasks.get(task_id) if (place[0], number) in self._match.existing else None
            # A cancelled task is never finished: waiting for it would be waiting for ever.
            if before is None or before.status != "cancelled":
                return (task_id,)
        return ()


def _keep_edited(existing: Task, fields: Mapping[str, Any]) -> dict[str, Any]:
    """What a person changed by command stays until the plan itself says something else of it."""
    kept = {
        name: value
        for name, value in existing.plan_values.items()
        if name in fields and _comparable(fields[name]) == _comparable(value)
    }
    return {"plan_values": kept, **{name: getattr(existing, name) for name in kept}}


def _comparable(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, tuple) and value and value[0].startswith(BACKLOG_NOTE) else value
