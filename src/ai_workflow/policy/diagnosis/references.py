"""Whether everything that the state refers to is there, and every dependency can be met one day (spec §3, §4). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.status import TASK_CLOSED
from ai_workflow.models.task import Task
from ai_workflow.policy.diagnosis.finding import Diagnosis, Names, damaged_ids


def diagnose_references(
    snapshot: Snapshot, names: Names, *, cycles: Iterable[tuple[str, ...]] = ()
) -> Iterator[Diagnosis]:
    """Every reference between milestones and tasks.

    Args:
        cycles: of `make_waiting_graph`.
    """
    damaged = damaged_ids(snapshot)
    for milestone in snapshot.milestones.values():
        yield from _diagnose_milestone(snapshot, milestone, names, damaged)
    yield from _diagnose_repeated(snapshot, names)
    for task in snapshot.tasks.values():
        yield from _diagnose_home(snapshot, task, names, damaged)
        if task.status not in TASK_CLOSED:
            yield from _diagnose_dependencies(snapshot, task, names, damaged)
    for cycle in cycles:
        finding = _diagnose_cycle(snapshot, cycle, names)
        if finding is not None:
            yield finding


def _diagnose_milestone(
    snapshot: Snapshot, milestone: Milestone, names: Names, damaged: frozenset[str]
) -> Iterator[Diagnosis]:
    for task_id in dict.fromkeys(milestone.task_ids):
        if task_id not in snapshot.tasks and task_id not in damaged:
            yield Diagnosis(
                level="error",
                code="listed-task-missing",
                message=f"{milestone.id} lists {task_id}, which does not exist",
                path=names.file("milestone", milestone.id),
                fix=names.repair,
            )


def _diagnose_repeated(snapshot: Snapshot, names: Names) -> Iterator[Diagnosis]:
    seen: dict[str, str] = {}
    for milestone in snapshot.milestones.values():
        for task_id in milestone.task_ids:
            if task_id in seen:
                place = "twice" if seen[task_id] == milestone.id else f"by {seen[task_id]} and {milestone.id}"
                yield Diagnosis(
                    level="error",
                    code="task-listed-twice",
                    message=f"{task_id} is listed {place}",
                    path=names.file("milestone", milestone.id),
                    fix=names.repair,
                )
            seen.setdefault(task_id, milestone.id)


def _diagnose_home(snapshot: Snapshot, task: Task, names: Names, damaged: frozenset[str]) -> Iterator[Diagnosis]:
    home = snapshot.find_milestone(task.milestone_id)
    if home is None:
        if task.milestone_id in damaged:
            return
        ending = ("task", "cancel", task.id, "--reason", f"{task.milestone_id} is gone")
        is_open = task.status not in TASK_CLOSED
        yield Diagnosis(
            level="error" if is_open else "info",
            code="milestone-missing",
            message=f"{task.id} belongs to {task.milestone_id}, which does not exist",
            path=names.file("task", task.id),
            fix=names.command(*ending) if is_open else None,
        )
    elif task.id not in home.task_ids:
        yield Diagnosis(
            level="error",
            code="task-not-listed",
            message=f"{task.id} belongs to {home.id}, which does not list it, so it is never handed out",
            path=names.file("task", task.id),
            fix=names.repair,
        )


def _diagnose_dependencies(
    snapshot: Snapshot, task: Task, names: Names, damaged: frozenset[str]
) -> Iterator[Diagnosis]:
    unknown = [ref for ref in task.depends_on if not _is_known(snapshot, ref) and ref not in damaged]
    given_up = [ref for ref in task.depends_on if _is_cancelled(snapshot, ref)]
    for code, refs, what in (
        ("dependency-unknown", unknown, "which does not exist"),
        ("dependency-cancelled", given_up, "which was cancelled, so it can never be claimed"),
    ):
        if refs:
            yield Diagnosis(
                level="error",
                code=code,
                message=f"{task.id} depends on {', '.join(refs)}, {what}",
                path=names.file("task", task.id),
                fix=_cut(task, {*unknown, *given_up}, names),
            )


def _is_known(snapshot: Snapshot, ref: str) -> bool:
    return ref in snapshot.tasks or ref in snapshot.milestones


def _is_cancelled(snapshot: Snapshot, ref: str) -> bool:
    found = snapshot.find_milestone(ref) or snapshot.find_task(ref)
    return found is not None and found.status == "cancelled"


def _cut(task: Task, gone: set[str], names: Names) -> str:
    rest = [ref for ref in task.depends_on if ref not in gone]
    return names.command("task", "edit", task.id, "--depends", ",".join(rest) or "none")


def make_waiting_graph(snapshot: Snapshot) -> Mapping[str, tuple[str, ...]]:
    """What each open task waits for, and each milestone for its tasks.

    Work of another milestone counts once that one is merged, so whoever depends on a task there waits for all of it.
    """
    graph: dict[str, tuple[str, ...]] = {}
    for task in snapshot.tasks.values():
        if task.status not in TASK_CLOSED:
            graph[task.id] = tuple(dict.fromkeys(_waits_for(snapshot, task)))
    for milestone in snapshot.milestones.values():
        if milestone.recovery is None:
            graph[milestone.id] = tuple(task_id for task_id in milestone.task_ids if task_id in graph)
    return graph


def _waits_for(snapshot: Snapshot, task: Task) -> Iterator[str]:
    for ref in task.depends_on:
        other = snapshot.find_task(ref)
        if other is None or other.milestone_id == task.milestone_id:
            yield ref
        else:
            yield other.milestone_id


def _diagnose_cycle(snapshot: Snapshot, cycle: tuple[str, ...], names: Names) -> Diagnosis | None:
    """The cycle, with the dependency to cut: the last one in it that a task names."""
    around = (*cycle, cycle[0])
    for at in reversed(range(len(cycle))):
        task = snapshot.find_task(cycle[at])
        if task is None:
            continue
        following = around[at + 1]
        refs = {ref for ref in task.depends_on if ref == following or _home(snapshot, ref) == following}
        if refs:
            return Diagnosis(
                level="error",
                code="dependency-cycle",
                message=f"these wait for each other: {' → '.join(around)}",
                path=names.file("task", task.id),
                fix=_cut(task, refs, names),
            )
    return None


def _home(snapshot: Snapshot, ref: str) -> str | None:
    task = snapshot.find_task(ref)
    return task.milestone_id if task else None
