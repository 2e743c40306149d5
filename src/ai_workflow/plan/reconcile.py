"""Brings the state in line with a plan: the first import, and every later one of an edited plan (spec §4.4). Pure.

Work that was begun is not changed behind the back of whoever does it, finished work stays, and where either would be
needed the whole import is refused.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from msgspec.structs import replace

from ai_workflow.models.base import Record
from ai_workflow.models.ids import find_free_branch, id_number, make_branch_name
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.plan import Finding, Plan
from ai_workflow.models.project import Project, Workpackage
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.status import TASK_SATISFIED
from ai_workflow.models.task import Task, is_under_way
from ai_workflow.plan.definitions import Definition, Definitions
from ai_workflow.plan.dependencies import Resolver
from ai_workflow.plan.matching import (
    REMOVED_NOTE,
    Match,
    Place,
    is_out_of_band,
    match_plan,
    places_of,
    task_at,
)
from ai_workflow.plan.quality import find_unreadable
from ai_workflow.plan.readiness import settle_readiness

ACCEPTED_DONE = "accepted as done at import"
_FIXED_MILESTONES = ("done", "pr_created", "merged", "cancelled")


class PlanChange(Record, frozen=True, kw_only=True):
    """What an import does with one milestone or task."""

    kind: Literal["added", "changed", "moved", "removed", "unchanged"]
    entity: Literal["milestone", "task"]
    id: str
    title: str
    fields: tuple[str, ...] = ()
    """Names of the fields that change."""
    note: str = ""
    """What a person should know, e.g. why an edit is not taken over."""


class Reconciled(Record, frozen=True, kw_only=True):
    """The outcome of comparing a plan with the state."""

    changes: Changes
    """Nothing at all when the plan is refused or brings nothing new. Events are left to the caller."""
    entries: tuple[PlanChange, ...]
    """Milestones and tasks in plan order, then those that the plan no longer has."""
    refusals: tuple[Finding, ...] = ()
    """Why the plan cannot be imported; empty when it can."""
    commands: tuple[str, ...] = ()
    """The `Verify:` commands of the plan, each once, in plan order."""
    new_workpackage: bool = False
    archive: tuple[str, ...] = ()
    """Ids of the finished milestones that a new workpackage replaces; `changes` does not remove them."""


def reconcile_plan(
    plan: Plan,
    snapshot: Snapshot,
    *,
    now: str,
    digest: str,
    plan_path: str,
    base_branch: str,
    branch_prefix: str,
    chain: bool = True,
    accept_done: bool = False,
    lane_id: str = "core",
    taken_branches: Collection[str] = (),
) -> Reconciled:
    """What the import of the plan would change.

    Args:
        plan: a plan that `judge_plan` found valid; what would make the import ambiguous is refused here too.
        snapshot: the state.
        now: UTC, ISO-8601 to the second.
        digest: SHA-256 of the plan's bytes; the same one again changes nothing.
        plan_path: POSIX path of the plan, relative to the root.
        base_branch: base of new milestones.
        branch_prefix: begins the name of every milestone branch.
        chain: whether a task without `Depends:` waits for the one before it.
        accept_done: whether `[x]` makes a task that was not started done, unproven.
        lane_id: lane of new milestones.
        taken_branches: names that no new milestone may get besides those in the state: archived and remote ones.

    Raises:
        AiwError: STATE without a project; CORRUPT when a state file is damaged, since what cannot be read could be
            made a second time.
    """
    snapshot.require_undamaged()
    project = snapshot.require_project()
    match = match_plan(plan, snapshot)
    is_same = not match.archive and project.workpackage is not None and project.workpackage.plan_digest == digest
    work = _Reconciliation(plan, snapshot, match, now=now, chain=chain, accept_done=accept_done, is_same=is_same)
    branches = {*taken_branches, *(m.branch for m in snapshot.milestones.values() if m.branch)}
    work.reconcile(base_branch=base_branch, branch_prefix=branch_prefix, lane_id=lane_id, branches=branches)
    package = Workpackage(number=match.workpackage, plan_path=plan_path, plan_digest=digest, imported_at=now)
    return Reconciled(
        changes=Changes() if work.refusals else work.changes(project, package),
        entries=tuple(work.entries),
        refusals=tuple(sorted(work.refusals, key=lambda finding: (finding.line, finding.column))),
        commands=tuple(dict.fromkeys(command for place in places_of(plan) for command in task_at(plan, place).verify)),
        new_workpackage=bool(match.archive),
        archive=match.archive,
    )


class _Reconciliation:
    """One comparison; collects entities to write, entries to show and refusals."""

    def __init__(
        self, plan: Plan, snapshot: Snapshot, match: Match, *, now: str, chain: bool, accept_done: bool, is_same: bool
    ) -> None:
        self.entries: list[PlanChange] = []
        self.refusals: list[Finding] = []
        self._plan = plan
        self._snapshot = snapshot
        self._match = match
        self._now = now
        self._accept_done = accept_done
        self._is_same = is_same
        self._put: dict[str, Milestone | Task] = {}
        self._resolved: list[str] = []
        self._homes: dict[str, str] = {}
        resolver = Resolver(plan, known=snapshot, match=match)
        self._definitions = Definitions(plan, snapshot, resolver, chain=chain)
        if not is_same:
            self.refusals += find_unreadable(plan, resolver=resolver, chain=chain)
            self._refuse_ids()

    def reconcile(self, *, base_branch: str, branch_prefix: str, lane_id: str, branches: set[str]) -> None:
        """Compares everything, in plan order and then what the plan no longer has."""
        tasks: dict[int, list[PlanChange]] = {at: [] for at in range(len(self._plan.milestones))}
        for place in places_of(self._plan):
            tasks[place[0]].append(self._reconcile_task(place))
        removed = [] if self._is_same or self._match.archive else self._remove_tasks()
        for at, entries in tasks.items():
            entry = self._reconcile_milestone(
                at, base_branch=base_branch, branch_prefix=branch_prefix, lane_id=lane_id, branches=branches
            )
            self.entries += [entry, *entries]
        self.entries += removed
        if not self._is_same:
            self._remove_milestones()

    def changes(self, project: Project, package: Workpackage) -> Changes:
        """The entities to write: project, milestones, tasks, blockers; empty when nothing is new."""
        put = [entity for entity in self._put.values() if entity != self._stored(entity)]
        settled = settle_readiness(self._snapshot, put, workpackage=package.number, now=self._now) if put else ()
        highest = max((id_number(task_id)[0] for task_id in self._match.task_ids.values()), default=0)
        counters = replace(project.counters, task=max(project.counters.task, highest))
        if not settled and self._is_same:
            return Changes()
        blockers = (
            replace(blocker, status="resolved", resolved_at=self._now)
            for blocker in self._snapshot.open_blockers()
            if blocker.blocked_task_id in self._resolved
        )
        updated = replace(project, counters=counters, workpackage=package, updated_at=self._now)
        milestones = (entity for entity in settled if isinstance(entity, Milestone))
        tasks = (entity for entity in settled if isinstance(entity, Task))
        return Changes(put=(updated, *milestones, *tasks, *blockers))

    def _refuse(self, code: str, message: str, hint: str, *, line: int = 1) -> None:
        self.refusals.append(
            Finding(level="error", code=code, path=self._plan.path, line=line, message=message, hint=hint)
        )

    def _refuse_ids(self) -> None:
        for problem in self._match.problems:
            at, number = problem.place
            line = self._plan.milestones[at].line if number < 0 else task_at(self._plan, problem.place).line
            self._refuse(problem.code, problem.message, problem.hint, line=line)

    def _stored(self, entity: Milestone | Task) -> Milestone | Task | None:
        stored = self._snapshot.tasks if isinstance(entity, Task) else self._snapshot.milestones
        return stored.get(entity.id)

    def _reconcile_task(self, place: Place) -> PlanChange:
        task_id = self._match.task_ids[place]
        existing = self._snapshot.tasks.get(task_id) if place in self._match.existing else None
        definition = self._definitions.define(place, existing=existing)
        self._homes[task_id] = existing.milestone_id if existing is not None else definition.fields["milestone_id"]
        if existing is None:
            return self._add_task(place, task_id, definition)
        can_change = existing.status in ("planned", "ready", "blocked") and not is_under_way(existing)
        fields = self._definitions.find_differences(definition, existing, with_chain=can_change)
        if self._is_same:
            fields = ()
        if is_under_way(existing) and fields:
            line = task_at(self._plan, place).line
            self._refuse_active(existing, f"the plan changes its {_listed(fields)}", line=line)
        if not can_change:
            note = f"{existing.status.replace('_', ' ')}: its {_listed(fields)} stays as it was" if fields else ""
            return _entry("unchanged", existing, note=note)
        return self._change_task(place, existing, definition, fields)

    def _refuse_active(self, task: Task, what: str, *, line: int) -> None:
        self._refuse(
            "active-task-changed",
            f"{task.id} is {task.status.replace('_', ' ')} and {what}",
            f"finish it first: aiw agent finish --task {task.id} --commit, or give it up: aiw task cancel {task.id}",
            line=line,
        )

    def _add_task(self, place: Place, task_id: str, definition: Definition) -> PlanChange:
        task = Task(
            id=task_id,
            status="ready" if not definition.fields["depends_on"] else "planned",
            created_at=self._now,
            updated_at=self._now,
            **definition.fields,
        )
        self._put[task_id], note = self._accept(place, task)
        return _entry("added", task, note=note)

    def _accept(self, place: Place, task: Task) -> tuple[Task, str]:
        """The task, taken as done if the plan says so and the caller trusts it."""
        if not task_at(self._plan, place).done or task.status not in ("planned", "ready"):
            return task, ""
        if not self._accept_done:
            return task, "marked [x] in the plan: --accept-done takes it as done"
        accepted = replace(task, status="done", unproven=ACCEPTED_DONE, finished_at=self._now, updated_at=self._now)
        return accepted, ACCEPTED_DONE

    def _change_task(self, place: Place, existing: Task, definition: Definition, fields: tuple[str, ...]) -> PlanChange:
        changed = existing if self._is_same else replace(existing, **definition.fields)
        accepted, note = self._accept(place, changed)
        if accepted.status != existing.status:
            fields = (*fields, "status")
        self._homes[existing.id] = accepted.milestone_id
        if accepted == existing:
            return _entry("unchanged", existing, note=note)
        self._put[existing.id] = replace(accepted, updated_at=self._now)
        if not fields:
            return _entry("unchanged", accepted, note=note)
        kind: Literal["moved", "changed"] = "moved" if accepted.milestone_id != existing.milestone_id else "changed"
        return _entry(kind, accepted, fields=fields, note=note)

    def _remove_tasks(self) -> list[PlanChange]:
        kept = {self._match.task_ids[place] for place in self._match.existing}
        entries = []
        for milestone_id in self._match.previous:
            for task in self._snapshot.tasks_of(self._snapshot.milestones[milestone_id]):
                if task.id not in kept and not is_out_of_band(task) and REMOVED_NOTE not in task.notes:
                    entries.append(self._remove_task(task))
        return entries

    def _remove_task(self, task: Task) -> PlanChange:
        if is_under_way(task):
            self._refuse_active(task, "the plan no longer has it", line=1)
        elif (task.status == "blocked" and task.started_at is not None) or task.parked is not None:
            self._refuse(
                "started-task-removed",
                f"{task.id} was begun and is {task.status}, and the plan no longer has it",
                f"decide about it first: aiw task cancel {task.id}, or aiw task unblock {task.id}",
            )
        elif task.status in ("planned", "ready", "blocked"):
            notes = (*task.notes, REMOVED_NOTE)
            self._put[task.id] = replace(
                task, status="cancelled", notes=notes, blocker=None, finished_at=self._now, updated_at=self._now
            )
            self._resolved.append(task.id)
            return _entry("removed", task, fields=("status",))
        return _entry("unchanged", task, note=f"{task.status.replace('_', ' ')}; the plan no longer has it")

    def _reconcile_milestone(
        self, at: int, *, base_branch: str, branch_prefix: str, lane_id: str, branches: set[str]
    ) -> PlanChange:
        source, milestone_id = self._plan.milestones[at], self._match.milestone_ids[at]
        existing = self._snapshot.milestones[milestone_id] if milestone_id in self._match.previous else None
        goal = source.goal or source.prose
        if existing is not None and (self._is_same or existing.status in _FIXED_MILESTONES):
            return self._keep_milestone(at, existing, goal)
        task_ids = self._list_task_ids(milestone_id, at=at)
        if existing is None:
            branch = find_free_branch(make_branch_name(branch_prefix, milestone_id, source.title), branches)
            branches.add(branch)
            added = Milestone(
                id=milestone_id,
                title=source.title,
                goal=goal,
                status="ready",
                lane_id=lane_id,
                base_branch=base_branch,
                branch=branch,
                task_ids=task_ids,
                adr_ids=tuple(adr.id for adr in self._snapshot.adrs.values() if adr.status == "accepted"),
                workpackage=self._match.workpackage,
                created_at=self._now,
                updated_at=self._now,
            )
            self._put[milestone_id] = added
            return _entry("added", added)
        wanted = replace(existing, title=source.title, goal=goal, task_ids=task_ids)
        fields = tuple(
            name for name in ("title", "goal", "task_ids") if getattr(wanted, name) != getattr(existing, name)
        )
        if "title" in fields and existing.status in ("planned", "ready") and existing.start_sha is None:
            free = branches - {existing.branch or ""}
            branch = find_free_branch(make_branch_name(branch_prefix, milestone_id, source.title), free)
            branches.add(branch)
            wanted = replace(wanted, branch=branch)
        if not fields:
            return _entry("unchanged", existing)
        self._put[milestone_id] = replace(wanted, updated_at=self._now)
        return _entry("changed", wanted, fields=fields)

    def _keep_milestone(self, at: int, existing: Milestone, goal: str) -> PlanChange:
        source = self._plan.milestones[at]
        if self._is_same:
            return _entry("unchanged", existing)
        come = [task_id for task_id, home in self._homes.items() if home == existing.id]
        added = [task_id for task_id in come if task_id not in existing.task_ids]
        if added:
            self._refuse(
                "closed-milestone-changed",
                f"{existing.id} is {existing.status.replace('_', ' ')}, and the plan gives it new tasks",
                "put them into a new milestone",
                line=source.line,
            )
        is_other = (source.title, goal) != (existing.title, existing.goal)
        note = f"{existing.status.replace('_', ' ')}: its title and goal stay as they were" if is_other else ""
        return _entry("unchanged", existing, note=note)

    def _list_task_ids(self, milestone_id: str, *, at: int | None) -> tuple[str, ...]:
        """The milestone's tasks in plan order, and behind the one it followed each that only the state has."""
        planned = [] if at is None else [
            self._match.task_ids[(at, number)] for number in range(len(self._plan.milestones[at].tasks))
        ]  # fmt: skip
        ids = [task_id for task_id in planned if self._homes[task_id] == milestone_id]
        if milestone_id not in self._match.previous:
            return tuple(ids)
        before = 0
        for task_id in self._snapshot.milestones[milestone_id].task_ids:
            if task_id in ids:
                before = ids.index(task_id) + 1
            elif self._homes.get(task_id, milestone_id) == milestone_id:
                ids.insert(before, task_id)
                before += 1
        return tuple(ids)

    def _remove_milestones(self) -> None:
        for milestone_id in self._match.previous:
            if milestone_id not in self._match.milestone_ids:
                self._remove_milestone(self._snapshot.milestones[milestone_id])

    def _remove_milestone(self, milestone: Milestone) -> None:
        if milestone.status in _FIXED_MILESTONES:
            note = f"{milestone.status.replace('_', ' ')}; the plan no longer has it"
            self.entries.append(_entry("unchanged", milestone, note=note))
            return
        task_ids = self._list_task_ids(milestone.id, at=None)
        finished = [task_id for task_id in task_ids if self._snapshot.tasks[task_id].status in TASK_SATISFIED]
        if milestone.status in ("planned", "ready") and milestone.start_sha is None and not finished:
            cancelled = replace(milestone, status="cancelled", task_ids=task_ids, updated_at=self._now)
            self._put[milestone.id] = cancelled
            self.entries.append(_entry("removed", milestone, fields=("status",)))
            return
        self._refuse(
            "started-milestone-removed",
            f"{milestone.id} was begun, and the plan no longer has it",
            f"keep it in the plan until it is finished, or give it up: aiw milestone cancel {milestone.id}",
        )


def _entry(
    kind: Literal["added", "changed", "moved", "removed", "unchanged"],
    entity: Milestone | Task,
    *,
    fields: tuple[str, ...] = (),
    note: str = "",
) -> PlanChange:
    word: Literal["milestone", "task"] = "task" if isinstance(entity, Task) else "milestone"
    return PlanChange(kind=kind, entity=word, id=entity.id, title=entity.title, fields=fields, note=note)


def _listed(fields: tuple[str, ...]) -> str:
    return ", ".join(field.replace("_", " ") for field in fields)
