"""Finds the steps of a checklist that belong into one commit, and the task that takes them in (spec §4.3). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ai_workflow.models.base import Record
from ai_workflow.models.plan import PlanMilestone, PlanTask
from ai_workflow.plan.wording import first_segment, is_micro, is_test_scope, is_vague, list_subjects


class Merge(Record, frozen=True, kw_only=True):
    """Tasks of one milestone, by index, that become one."""

    members: tuple[int, ...]
    """The first one takes in the others, unless `is_new`."""
    is_new: bool
    """No commit-shaped task is there: the steps together make one."""


def are_related(one: PlanTask, other: PlanTask) -> bool:
    """Whether the two work in one area.

    They share a top folder outside the tests, or a test of one is about a file of the other, or one names no paths at
    all and so belongs to whatever stands next to it.
    """
    if not one.conflicts or not other.conflicts:
        return True
    tests = [[scope for scope in task.conflicts if is_test_scope(scope)] for task in (one, other)]
    code = [[scope for scope in task.conflicts if not is_test_scope(scope)] for task in (one, other)]
    folders = [{first_segment(scope) for scope in scopes} for scopes in code]
    if folders[0] & folders[1] or list_subjects(tests[0]) & list_subjects(tests[1]):
        return True
    if not code[0] and not code[1]:
        return bool({first_segment(scope) for scope in tests[0]} & {first_segment(scope) for scope in tests[1]})
    return bool(list_subjects(tests[0]) & list_subjects(code[1]) or list_subjects(code[0]) & list_subjects(tests[1]))


def find_merges(
    milestone: PlanMilestone, waits: Sequence[Iterable[int]], *, max_scopes: int, max_acceptance: int
) -> tuple[Merge, ...]:
    """The merges that the milestone's steps ask for, each task in at most one.

    Args:
        waits: per task the indexes of the tasks of the milestone that its `Depends:` names.
        max_scopes: a merged task names at most so many paths, unless it takes in no new one.
        max_acceptance: a merged task has at most so many acceptance lines.
    """
    return _Merger(milestone, waits, max_scopes=max_scopes, max_acceptance=max_acceptance).find()


class _Merger:
    """Grows groups of tasks one step at a time, each addition checked against limits and dependencies."""

    def __init__(
        self, milestone: PlanMilestone, waits: Sequence[Iterable[int]], *, max_scopes: int, max_acceptance: int
    ) -> None:
        self._tasks = milestone.tasks
        self._waits = [tuple(others) for others in waits]
        self._max_scopes = max_scopes
        self._max_acceptance = max_acceptance
        self._group: list[int] = list(range(len(milestone.tasks)))
        self._members = {number: [number] for number in self._group}
        # A step with an id of its own, or one that is done, is known to the state: merged, it would be lost there.
        self._steps = [
            n for n, task in enumerate(self._tasks) if is_micro(task) and not (task.done or task.explicit_id)
        ]
        self._areas = {
            first_segment(scope) for task in self._tasks for scope in task.conflicts if not is_test_scope(scope)
        }

    def find(self) -> tuple[Merge, ...]:
        targets = [
            number
            for number, task in enumerate(self._tasks)
            if number not in self._steps and not task.done and not is_micro(task) and not is_vague(task.title)
        ]
        for step in self._steps:
            nearest = sorted(targets, key=lambda target: (abs(target - step), target))
            self._join_first(step, nearest)
        left = [step for step in self._steps if self._group[step] == step]
        for number, step in enumerate(left):
            self._join_first(step, left[:number])
        return tuple(self._merges(frozenset(targets)))

    def _merges(self, targets: frozenset[int]) -> list[Merge]:
        merges = []
        for head, members in sorted(self._members.items()):
            if len(members) > 1:
                others = sorted(number for number in members if number != head)
                merges.append(Merge(members=(head, *others), is_new=head not in targets))
        return merges

    def _join_first(self, step: int, candidates: Iterable[int]) -> None:
        for candidate in candidates:
            head = self._group[candidate]
            if self._fits(step, head):
                self._group[step] = head
                self._members[head] += self._members.pop(step)
                return

    def _fits(self, step: int, head: int) -> bool:
        members = self._members[head]
        related = any(self._is_related(self._tasks[step], self._tasks[member]) for member in members)
        return related and self._is_within_limits(members, step) and not self._closes_circle(step, head)

    def _is_related(self, step: PlanTask, other: PlanTask) -> bool:
        if are_related(step, other):
            return True
        # Tests in a milestone with a single area of code can only be about that code.
        has_tests_only = any(all(is_test_scope(scope) for scope in task.conflicts) for task in (step, other))
        return has_tests_only and len(self._areas) <= 1

    def _is_within_limits(self, members: Sequence[int], step: int) -> bool:
        scopes = {scope for member in members for scope in self._tasks[member].conflicts}
        acceptance = {line for member in (*members, step) for line in self._tasks[member].acceptance}
        added = set(self._tasks[step].conflicts) - scopes
        return len(acceptance) <= self._max_acceptance and (not added or len(scopes | added) <= self._max_scopes)

    def _closes_circle(self, step: int, head: int) -> bool:
        """Whether one of the two waits for the other by way of a third."""
        return self._reaches(step, head) or self._reaches(head, step)

    def _reaches(self, start: int, goal: int) -> bool:
        seen = {start}
        open_groups = [other for other in self._next(start) if other != goal]
        while open_groups:
            group = open_groups.pop()
            if group == goal:
                return True
            if group not in seen:
                seen.add(group)
                open_groups.extend(self._next(group))
        return False

    def _next(self, group: int) -> list[int]:
        return [self._group[other] for member in self._members[group] for other in self._waits[member]]
