"""The whole state of aiw 0.1.0 as a state of this release: nothing lost, no id changed, nobody stuck (spec §2). Pure.

0.1.0 began with a milestone M00 of its own, which goes; ad-hoc tasks, which it put there and could never hand out,
become out-of-band milestones. Recoveries, which it nested without end, are given up: their task is under way again with
the work in the tree. What cannot be kept as it was is told in `notes`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from msgspec.structs import replace

from ai_workflow.models.base import Record
from ai_workflow.models.blocker import make_blocker_ref
from ai_workflow.models.ids import format_milestone_id, id_number, id_order, make_branch_name, make_slug
from ai_workflow.models.lane import Lane
from ai_workflow.models.legacy import GitFacts, OldMilestone, OldState, OldTask
from ai_workflow.models.milestone import Milestone, Recovery
from ai_workflow.models.project import Counters, Project
from ai_workflow.models.snapshot import AnyEntity, Changes, Snapshot
from ai_workflow.models.status import MILESTONE_CLOSED, TASK_ACTIVE, TASK_CLOSED, TASK_OPEN, LaneStatus, MilestoneStatus
from ai_workflow.models.task import Task
from ai_workflow.policy.blockers import open_blocker
from ai_workflow.policy.claiming import KIND_NOTE, refresh_readiness
from ai_workflow.policy.takeover_dependencies import resolve_dependencies
from ai_workflow.policy.takeover_records import (
    NO_COMMIT,
    convert_adr,
    convert_blocker,
    convert_pull_request,
    convert_run,
    convert_task,
    holding_decision,
    utc,
)

BOOTSTRAP = "M00"
"""The milestone that 0.1.0 made for its own set-up, and to which it gave every ad-hoc task."""
_BOOTSTRAP_TASK = "TASK-000"
_UNRESOLVED = ("not_started", "active")
_STARTED: tuple[MilestoneStatus, ...] = ("in_progress", "blocked", "done", "pr_created", "merged")


class Setting(Record, frozen=True, kw_only=True):
    """What the takeover needs to know besides the old state."""

    project_name: str
    base_branch: str
    branch_prefix: str
    lineage: str
    prefix: str
    """What stands before `aiw` in commands that blockers name, e.g. `uv run `."""
    is_pull_request: bool
    """Whether milestones land by pull requests, for the class of their blockers."""
    actor: str
    now: str


class Takeover(Record, frozen=True, kw_only=True):
    """What it comes to."""

    entities: tuple[AnyEntity, ...]
    """The whole new state, the project first."""
    notes: tuple[str, ...]
    """One sentence each: what a person should know."""
    active_task_id: str | None


def take_over(old: OldState, facts: GitFacts, setting: Setting) -> Takeover:
    """The new state."""
    return _Builder(old, facts, setting).build()


class _Builder:
    def __init__(self, old: OldState, facts: GitFacts, setting: Setting) -> None:
        self._old = old
        self._facts = facts
        self._setting = setting
        self._now = setting.now
        self._notes: list[str] = []
        self._branches = {branch.casefold() for branch in facts.branches}
        self._branches |= {m.branch.casefold() for m in old.milestones.values() if m.branch}
        self._milestones: dict[str, Milestone] = {}
        self._tasks: dict[str, Task] = {}
        planned = {key: task for key, task in old.tasks.items() if task.milestone_id != BOOTSTRAP}
        self._out_of_band = {
            key: task for key, task in old.tasks.items() if task.milestone_id == BOOTSTRAP and key != _BOOTSTRAP_TASK
        }
        self._sources = {key: m for key, m in old.milestones.items() if key != BOOTSTRAP}
        self._unresolved = {
            key for key, m in self._sources.items() if m.recovery and m.recovery.recovery_status in _UNRESOLVED
        }
        self._repaired = {self._root_task(key) for key in self._unresolved}
        self._lane_source = old.lanes.get("core") or old.lanes.get("default")
        self._active_id = self._find_active()
        self._planned = planned

    def build(self) -> Takeover:
        for source in sorted(self._sources.values(), key=lambda one: id_order(one.id)):
            self._add_milestone(source)
        for task in sorted(self._out_of_band.values(), key=lambda one: id_order(one.id)):
            self._add_out_of_band(task)
        resolved = resolve_dependencies(self._tasks, self._milestones, dropped=(BOOTSTRAP, _BOOTSTRAP_TASK))
        self._tasks = resolved.tasks
        self._notes += resolved.notes
        snapshot = self._snapshot()
        snapshot = self._block(snapshot)
        snapshot = snapshot.apply(refresh_readiness(snapshot, now=self._now))
        groups: tuple[Iterable[AnyEntity], ...] = (
            (snapshot.require_project(),),
            snapshot.milestones.values(),
            snapshot.tasks.values(),
            snapshot.lanes.values(),
            snapshot.adrs.values(),
            snapshot.runs.values(),
            snapshot.blockers.values(),
        )
        entities = tuple(entity for group in groups for entity in group)
        return Takeover(entities=entities, notes=tuple(self._notes), active_task_id=self._active_id)

    def _root_task(self, milestone_id: str) -> str | None:
        """The task that a recovery, or a recovery of a recovery, is there for in the end."""
        seen = set()
        while milestone_id in self._sources and milestone_id not in seen:
            seen.add(milestone_id)
            recovery = self._sources[milestone_id].recovery
            task = self._old.tasks.get(recovery.blocked_task_id or "") if recovery else None
            if task is None:
                return None
            if self._sources.get(task.milestone_id) is None or self._sources[task.milestone_id].recovery is None:
                return task.id
            milestone_id = task.milestone_id
        return None

    def _root_milestone(self, milestone_id: str) -> str:
        seen = set()
        while (source := self._sources.get(milestone_id)) and source.recovery and milestone_id not in seen:
            seen.add(milestone_id)
            milestone_id = source.recovery.parent_milestone_id
        return milestone_id

    def _find_active(self) -> str | None:
        """The one task that stays active: the lane's, else the first; for a recovery the task that it repairs."""
        current = self._lane_source.current_task_id if self._lane_source else None
        active = [key for key, task in self._old.tasks.items() if task.status in TASK_ACTIVE]
        for key in [current, *sorted(active, key=id_order)]:
            if key not in active:
                continue
            home = self._old.tasks[key].milestone_id
            found = self._root_task(home) if home in self._unresolved else key
            task = self._old.tasks.get(found or "")
            source = self._sources.get(task.milestone_id) if task else None
            if task and source and source.status not in MILESTONE_CLOSED and task.status not in TASK_CLOSED:
                return task.id
        return None

    def _add_milestone(self, source: OldMilestone) -> None:
        own = [task for task in self._planned.values() if task.milestone_id == source.id]
        listed = [task_id for task_id in source.task_ids if any(task.id == task_id for task in own)]
        orphans = sorted((task.id for task in own if task.id not in listed), key=id_order)
        keys: Counter[str] = Counter()
        for task_id in (*listed, *orphans):
            task = self._old.tasks[task_id]
            key = f"{source.id}/{make_slug(task.title)}"
            keys[key] += 1
            numbered = key if keys[key] == 1 else f"{key}#{keys[key]}"
            self._add_task(task, source, key=numbered, is_orphan=task_id in orphans)
        lost = [task_id for task_id in source.task_ids if task_id not in listed]
        if lost:
            self._notes.append(f"{source.id} goes on without {', '.join(lost)}, which could not be read")
        self._milestones[source.id] = self._convert_milestone(source, (*listed, *orphans))

    def _add_task(self, old: OldTask, source: OldMilestone, *, key: str, is_orphan: bool) -> None:
        task = convert_task(old, self._old, self._facts, key=key, now=self._now)
        if old.id == self._active_id:
            task = replace(task, status="in_progress" if old.status == "blocked" else old.status, lane_id="core")
        elif old.status in TASK_OPEN and (source.id in self._unresolved or self._is_given_up(source)):
            task = self._cancel(task, "its recovery was given up when aiw 0.1.0 was left")
        elif old.status in TASK_OPEN and is_orphan:
            task = self._cancel(task, f"it had no place in {source.id} any more")
            self._notes.append(f"{old.id} is cancelled: {source.id} did not list it any more")
        elif old.status in TASK_ACTIVE:
            task = replace(task, status="ready")
            self._notes.append(f"{old.id} is ready to be taken again: only one task can be active")
        elif old.status == "blocked" and old.id in self._repaired:
            task = replace(task, status="planned")
        elif old.status == "blocked":
            task = replace(task, blocked_reason=old.blocked_reason or "aiw 0.1.0 gave no reason")
        if task.unproven == NO_COMMIT and source.status not in MILESTONE_CLOSED and source.recovery is None:
            held = holding_decision(NO_COMMIT, actor=self._setting.actor, now=self._now)
            task = replace(task, decisions=(held,))
        if task.unproven:
            self._notes.append(f"{task.id} is done but unproven: {task.unproven}")
        self._tasks[task.id] = task

    def _is_given_up(self, source: OldMilestone) -> bool:
        return source.recovery is not None and source.recovery.recovery_status in ("failed", "abandoned")

    def _cancel(self, task: Task, reason: str) -> Task:
        note = f"cancelled: {reason}"
        finished_at = task.finished_at or self._now
        return replace(task, status="cancelled", finished_at=finished_at, notes=(*task.notes, note))

    def _convert_milestone(self, source: OldMilestone, task_ids: tuple[str, ...]) -> Milestone:
        status = self._status_of(source, task_ids)
        recovery = None
        if source.recovery is not None:
            old = source.recovery
            recovery = Recovery(
                parent_milestone_id=self._root_milestone(source.id),
                blocked_task_id=old.blocked_task_id,
                recovery_attempt_number=old.recovery_attempt_number,
                return_target=old.return_target,
                recovery_status="resolved" if old.recovery_status == "resolved" else "abandoned",
            )
            if source.id in self._unresolved:
                self._notes.append(
                    f"{source.id} is given up; its work stays in the tree and belongs to {self._root_task(source.id)}"
                )
        return Milestone(
            id=source.id,
            title=source.title,
            goal=source.goal,
            status=status,
            lane_id="core",
            base_branch=source.base_branch or self._setting.base_branch,
            branch=source.branch or self._free_branch(source.id, source.title),
            start_sha=self._facts.starts.get(source.id) if status in _STARTED else None,
            task_ids=task_ids,
            adr_ids=tuple(key for key in source.adr_ids if key in self._old.adrs),
            pr=convert_pull_request(source),
            recovery=recovery,
            created_at=utc(source.created_at, self._now),
            updated_at=utc(source.updated_at, self._now),
        )

    def _status_of(self, source: OldMilestone, task_ids: tuple[str, ...]) -> MilestoneStatus:
        if source.recovery is not None:
            if source.recovery.recovery_status != "resolved":
                return "cancelled"
            root = self._sources.get(self._root_milestone(source.id))
            return "merged" if root is None or root.status in MILESTONE_CLOSED else "done"
        is_complete = all(self._tasks[task_id].status in TASK_CLOSED for task_id in task_ids)
        if source.status == "blocked" and not (is_complete and source.pr.blocker):
            return "in_progress" if source.id in self._facts.starts else "ready"
        if source.status == "in_progress" and source.id not in self._facts.starts:
            return "ready"
        if source.status in ("done", "pr_created") and not is_complete:
            return "in_progress" if source.id in self._facts.starts else "ready"
        return source.status

    def _add_out_of_band(self, old: OldTask) -> None:
        number = 1 + sum(1 for key in self._milestones if id_number(key)[0] == 0)
        milestone_id = format_milestone_id(0, number)
        kept = (
            old.notes if any(note.startswith(KIND_NOTE) for note in old.notes) else (*old.notes, f"{KIND_NOTE}ad-hoc")
        )
        status = "ready" if old.status in TASK_OPEN and old.status != "blocked" else old.status
        key = f"{milestone_id}/{make_slug(old.title)}"
        task = convert_task(old, self._old, self._facts, key=key, now=self._now)
        reason = old.blocked_reason or "aiw 0.1.0 gave no reason" if status == "blocked" else None
        self._tasks[old.id] = replace(
            task, milestone_id=milestone_id, status=status, notes=kept, branch=None, lane_id=None, blocked_reason=reason
        )
        is_over = status in TASK_CLOSED
        self._milestones[milestone_id] = Milestone(
            id=milestone_id,
            title=old.title,
            goal=next((note.partition(": ")[2] for note in old.notes if note.startswith("reason: ")), ""),
            status="ready" if not is_over else "cancelled" if status == "cancelled" else "merged",
            lane_id="core",
            base_branch=self._setting.base_branch,
            branch=self._free_branch(milestone_id, old.title),
            task_ids=(old.id,),
            created_at=task.created_at,
            updated_at=task.updated_at,
        )
        if not is_over:
            self._notes.append(f"{old.id} has a milestone of its own now, {milestone_id}, and can be taken")

    def _free_branch(self, milestone_id: str, title: str) -> str:
        name = make_branch_name(self._setting.branch_prefix, milestone_id, title)
        free, number = name, 2
        while free.casefold() in self._branches:
            free, number = f"{name}-{number}", number + 1
        self._branches.add(free.casefold())
        return free

    def _snapshot(self) -> Snapshot:
        old, now = self._old, self._now
        highest = old.highest
        project = Project(
            project_name=old.project.project_name or self._setting.project_name,
            base_branch=self._setting.base_branch,
            lineage=self._setting.lineage,
            counters=Counters(
                task=highest.get("task", 0),
                run=highest.get("run", 0),
                adr=highest.get("adr", 0),
                blocker=highest.get("blocker", 0),
            ),
            created_at=utc(old.project.created_at, now),
            updated_at=now,
        )
        active = old.tasks.get(self._active_id or "")
        under_way = next((key for key in reversed(active.run_ids) if key in old.runs), None) if active else None
        runs = tuple(convert_run(run, is_under_way=run.id == under_way, now=now) for run in old.runs.values())
        adrs = tuple(convert_adr(adr, now=now) for adr in old.adrs.values())
        put: list[AnyEntity] = [*self._milestones.values(), *self._tasks.values(), self._make_lane(), *runs, *adrs]
        return Snapshot(project=project, entities={}).apply(Changes(put=tuple(put)))

    def _make_lane(self) -> Lane:
        source = self._lane_source
        created_at = utc(source.created_at if source else None, self._now)
        wanted = self._root_milestone(source.milestone_id) if source and source.milestone_id else None
        if self._active_id is not None:
            wanted = self._tasks[self._active_id].milestone_id
        milestone = self._milestones.get(wanted or "")
        is_on = milestone is not None and milestone.status in _STARTED and milestone.status != "merged"
        status: LaneStatus = "idle"
        if source is not None and source.status == "paused":
            status = "paused"
        elif is_on and milestone is not None:
            status = "blocked" if milestone.status == "blocked" else "active"
        return Lane(
            id="core",
            status=status,
            milestone_id=milestone.id if milestone and is_on else None,
            current_task_id=self._active_id,
            unfinished_task_id=self._active_id,
            branch=milestone.branch if milestone and is_on else None,
            last_run_id=source.last_run_id if source and source.last_run_id in self._old.runs else None,
            created_at=created_at,
            updated_at=self._now,
        )

    def _block(self, snapshot: Snapshot) -> Snapshot:
        """Old blockers as records, and one for everything that is blocked and has none."""
        prefix = self._setting.prefix
        for old in self._old.blockers.values():
            task = snapshot.find_task(old.blocked_task_id)
            is_open = old.status == "open" and task is not None and task.status == "blocked"
            command = f"{prefix}aiw task unblock {old.blocked_task_id}"
            blocker = convert_blocker(old, is_open=is_open, next_command=command, now=self._now)
            snapshot = snapshot.apply(Changes(put=(blocker,)))
        for task in tuple(snapshot.tasks.values()):
            if task.status == "blocked":
                snapshot = self._block_task(snapshot, task)
        for milestone in tuple(snapshot.milestones.values()):
            if milestone.status == "blocked":
                snapshot = self._block_milestone(snapshot, milestone)
        return snapshot

    def _block_task(self, snapshot: Snapshot, task: Task) -> Snapshot:
        blocker, opened = open_blocker(
            snapshot,
            klass="human",
            step="task",
            message=task.blocked_reason or "",
            next_command=f"{self._setting.prefix}aiw task unblock {task.id}",
            milestone_id=task.milestone_id,
            task_id=task.id,
            now=self._now,
        )
        return snapshot.apply(opened).apply(Changes(put=(replace(task, blocker=make_blocker_ref(blocker)),)))

    def _block_milestone(self, snapshot: Snapshot, milestone: Milestone) -> Snapshot:
        blocker, opened = open_blocker(
            snapshot,
            klass="pr" if self._setting.is_pull_request else "merge",
            step="closeout",
            message=self._sources[milestone.id].pr.blocker or "",
            next_command=f"{self._setting.prefix}aiw milestone finish {milestone.id}",
            milestone_id=milestone.id,
            task_id=None,
            now=self._now,
        )
        return snapshot.apply(opened).apply(Changes(put=(replace(milestone, blocker=make_blocker_ref(blocker)),)))
