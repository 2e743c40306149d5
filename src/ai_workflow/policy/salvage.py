"""Brings an older version of a damaged entity up to what the rest of the state proves, or makes it anew (spec §7.5).

Every rule takes evidence from healthy files and from commits, and claims nothing that these do not show. Pure.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec.structs import replace

from ai_workflow.models.base import Record
from ai_workflow.models.blocker import Blocker, make_blocker_ref
from ai_workflow.models.ids import id_number, id_order, make_slug
from ai_workflow.models.lane import Lane
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.project import Counters, Project, Workpackage
from ai_workflow.models.run import Run
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.status import MILESTONE_CLOSED, TASK_ACTIVE
from ai_workflow.models.task import Decision, Task
from ai_workflow.policy.claiming import KIND_NOTE, owner_of_work
from ai_workflow.policy.out_of_band import NUMBER as OUT_OF_BAND
from ai_workflow.policy.recovery import RECOVERS, make_recovery

LOST_RUN = "the record of this run was damaged; what its checks said is not known"
_MOST = 2**31
"""No counter comes that far; a damaged file may say anything."""


class Evidence(Record, frozen=True, kw_only=True):
    """What is known besides the healthy state."""

    commits: Mapping[str, str] = MappingProxyType({})
    """Task id → the commit with its trailers."""
    unproven: Mapping[str, str] = MappingProxyType({})
    """Task id → why that commit says that it is unproven."""
    ended: Mapping[str, str] = MappingProxyType({})
    """Task id → `skipped` or `cancelled`, from the log of events."""
    starts: Mapping[str, str] = MappingProxyType({})
    """Milestone id → the commit that its branch parted from base at."""
    run_tasks: Mapping[str, str] = MappingProxyType({})
    """Damaged run → the task that the operation which made it claimed."""
    highest: Mapping[str, int] = MappingProxyType({})
    """Kind of id → the highest number that is known anywhere."""
    serial: int = 0
    """The highest serial in the log of operations."""
    now: str


def forward_task(snapshot: Snapshot, task: Task, evidence: Evidence) -> Task:
    """The task in the status that the rest shows: its commit, the lane that works on it, its blocker, how it ended."""
    runs = [run for run in snapshot.runs.values() if run.task_id == task.id]
    claimed = (run_id for run_id, task_id in evidence.run_tasks.items() if task_id == task.id)
    run_ids = dict.fromkeys((*task.run_ids, *(run.id for run in runs), *claimed))
    task = replace(task, run_ids=tuple(sorted(run_ids, key=id_order)), updated_at=evidence.now)
    commit = evidence.commits.get(task.id)
    ended = next((run for run in reversed(runs) if run.status == "completed"), None)
    if commit is not None or (ended is not None and ended.commit_sha):
        return replace(
            task,
            status="done",
            commit_sha=commit or (ended.commit_sha if ended else None),
            unproven=evidence.unproven.get(task.id, task.unproven),
            decisions=(*task.decisions, *_waived(task, evidence)),
            finished_at=ended.finished_at if ended else task.finished_at or evidence.now,
            audit_path=ended.audit_path if ended else task.audit_path,
            blocked_reason=None,
            blocker=None,
        )
    if task.status in ("done", "skipped", "cancelled"):
        return task
    if task.id in evidence.ended:
        status = "skipped" if evidence.ended[task.id] == "skipped" else "cancelled"
        return replace(task, status=status, finished_at=task.finished_at or evidence.now, blocker=None)
    return _forward_open(snapshot, task, runs)


def _waived(task: Task, evidence: Evidence) -> tuple[Decision, ...]:
    """What holds the closeout of work whose commit says that its proof was waived."""
    reason = evidence.unproven.get(task.id)
    if reason is None or any(decision.kind == "unproven" for decision in task.decisions):
        return ()
    return (Decision(kind="unproven", reason=reason, actor="unknown", at=evidence.now),)


def _forward_open(snapshot: Snapshot, task: Task, runs: Sequence[Run]) -> Task:
    lane = next((lane for lane in snapshot.lanes.values() if lane.current_task_id == task.id), None)
    blocker = next((one for one in snapshot.open_blockers() if one.blocked_task_id == task.id), None)
    if blocker is not None:
        return replace(task, status="blocked", blocked_reason=blocker.message, blocker=make_blocker_ref(blocker))
    if lane is not None:
        begun = runs[-1].started_at if runs else task.started_at or task.updated_at
        milestone = snapshot.find_milestone(task.milestone_id)
        return replace(
            task,
            status="in_progress",
            lane_id=lane.id,
            branch=milestone.branch if milestone else task.branch,
            claimed_at=task.claimed_at or begun,
            started_at=task.started_at or begun,
            blocked_reason=None,
            blocker=None,
        )
    waiting = task.status in TASK_ACTIVE or task.status == "blocked"
    return replace(task, status="planned", blocked_reason=None, blocker=None) if waiting else task


def sketch(snapshot: Snapshot, entity_id: str, fields: Mapping[str, Any], *, now: str) -> Task | Milestone | None:
    """A task or milestone that no plan has, from the one that belongs to it: of a recovery, or made out of band.

    Args:
        fields: what can still be read of it.
        now: when it was made, as far as that is known.
    """
    milestone = next((one for one in snapshot.milestones.values() if entity_id in one.task_ids), None)
    task = next((one for one in snapshot.tasks.values() if one.milestone_id == entity_id), None)
    repaired = _find_repaired(snapshot, milestone, task, entity_id)
    home = snapshot.find_milestone(repaired.milestone_id) if repaired is not None else None
    if repaired is not None and home is not None:
        lane = snapshot.lanes.get("core")
        milestone_id = milestone.id if milestone else task.milestone_id if task else lane.milestone_id if lane else None
        repair_id = task.id if task else milestone.task_ids[0] if milestone else lane.current_task_id if lane else None
        evidence = next((one.evidence for one in snapshot.open_blockers() if one.blocked_task_id == repaired.id), ())
        if milestone_id is not None and repair_id is not None:
            pair = make_recovery(repaired, home, milestone_id, repair_id, evidence, now=now)
            return next((made for made in pair if made.id == entity_id), None)
    if milestone is not None and id_number(milestone.id)[0] == OUT_OF_BAND and milestone.recovery is None:
        notes = (f"{KIND_NOTE}ad-hoc", *([f"reason: {milestone.goal}"] if milestone.goal else []))
        plain = Task(
            id=entity_id, title=milestone.title, status="planned", milestone_id=milestone.id, notes=notes,
            key=f"{milestone.id}/{make_slug(milestone.title)}", workpackage=milestone.workpackage,
            created_at=now, updated_at=now,
        )  # fmt: skip
        for name in set(fields) & set(plain.__struct_fields__):
            # Each for itself: one value that makes no sense does not cost the others.
            with contextlib.suppress(msgspec.ValidationError):
                plain = msgspec.convert({**msgspec.to_builtins(plain), name: fields[name]}, Task)
        return plain
    if task is not None and id_number(entity_id)[0] == OUT_OF_BAND:
        return Milestone(
            id=entity_id, title=task.title, status="ready", lane_id="core", branch=task.branch, task_ids=(task.id,),
            base_branch=snapshot.project.base_branch if snapshot.project else "main", workpackage=task.workpackage,
            created_at=now, updated_at=now,
        )  # fmt: skip
    return None


def _find_repaired(snapshot: Snapshot, milestone: Milestone | None, task: Task | None, entity_id: str) -> Task | None:
    """The task that the recovery repairs to which this id belongs."""
    if milestone is not None:
        return snapshot.find_task(milestone.recovery.blocked_task_id) if milestone.recovery else None
    if task is not None:
        named = (note.removeprefix(RECOVERS) for note in task.notes if note.startswith(RECOVERS))
        return snapshot.find_task(next(named, None))
    lane = snapshot.lanes.get("core")
    if lane is None or entity_id not in (lane.milestone_id, lane.current_task_id):
        return None
    owner = snapshot.find_task(lane.unfinished_task_id)
    return owner if owner is not None and owner.status == "blocked" and owner.id != entity_id else None


def forward_milestone(snapshot: Snapshot, milestone: Milestone, evidence: Evidence) -> Milestone:
    """The milestone with every task that names it, and under way when its branch shows work."""
    own = sorted((task for task in snapshot.tasks.values() if task.milestone_id == milestone.id), key=_task_order)
    task_ids = dict.fromkeys((*milestone.task_ids, *(task.id for task in own)))
    milestone = replace(milestone, task_ids=tuple(task_ids), updated_at=evidence.now)
    lane = next((lane for lane in snapshot.lanes.values() if lane.milestone_id == milestone.id), None)
    is_begun = lane is not None or any(task.commit_sha or task.status in TASK_ACTIVE for task in own)
    is_begun = is_begun or any(task_id in evidence.commits for task_id in task_ids)
    start_sha = milestone.start_sha or evidence.starts.get(milestone.id)
    if milestone.status not in ("planned", "ready") or not is_begun or start_sha is None:
        return milestone
    branch = (lane.branch if lane else None) or next((task.branch for task in own if task.branch), milestone.branch)
    status: Any = "in_progress" if lane is not None else "ready"
    return replace(milestone, status=status, lane_id="core", branch=branch, start_sha=start_sha)


def _task_order(task: Task) -> tuple[tuple[int, ...], str]:
    return id_order(task.id)


def make_lane(snapshot: Snapshot, known: Lane | None, evidence: Evidence) -> Lane:
    """The lane as its milestone and its task show it; what it held before only where nothing contradicts."""
    active = [task for task in snapshot.tasks.values() if task.status in TASK_ACTIVE]
    task = max(active, key=lambda one: (one.started_at or "", id_order(one.id)), default=None)
    running = [m for m in snapshot.milestones.values() if m.status in ("in_progress", "blocked") and m.lane_id]
    milestone = snapshot.find_milestone(task.milestone_id) if task else None
    if milestone is None:
        before = snapshot.find_milestone(known.milestone_id) if known else None
        is_open = before is not None and before.status not in MILESTONE_CLOSED
        milestone = before if is_open else next(iter(running), None)
    is_paused = known is not None and known.status == "paused"
    unfinished = known.unfinished_task_id if known and known.unfinished_task_id in snapshot.tasks else None
    lane = known or Lane(id="core", created_at=evidence.now, updated_at=evidence.now)
    return replace(
        lane,
        status="paused" if is_paused else "active" if milestone else "idle",
        milestone_id=milestone.id if milestone else None,
        branch=milestone.branch if milestone else None,
        current_task_id=task.id if task else None,
        unfinished_task_id=owner_of_work(snapshot, task).id if task else unfinished,
        locked_scopes=task.conflict_scopes if task else (),
        last_run_id=max(snapshot.runs, key=id_order, default=None),
        updated_at=evidence.now,
    )


def make_run(snapshot: Snapshot, run_id: str, known: Run | None, evidence: Evidence) -> Run | None:
    """The run as its task shows it; None when no task names it and nothing is known of it."""
    task = next((task for task in snapshot.tasks.values() if run_id in task.run_ids), None)
    if task is None:
        return known
    is_last = task.run_ids[-1] == run_id
    if known is not None and (known.status != "started" or (is_last and task.status in TASK_ACTIVE)):
        return known
    run = known or Run(
        id=run_id,
        lane_id=task.lane_id,
        milestone_id=task.milestone_id,
        task_id=task.id,
        status="started",
        actor="unknown",
        started_at=task.started_at or task.claimed_at or task.updated_at,
    )
    if is_last and task.status in TASK_ACTIVE:
        return run
    summary = run.summary or ("" if run.checks else LOST_RUN)
    ended = replace(run, finished_at=task.finished_at or evidence.now, audit_path=task.audit_path, summary=summary)
    if is_last and task.status == "done":
        return replace(ended, status="completed", commit_sha=task.commit_sha)
    return replace(ended, status="cancelled")


def make_blocker(snapshot: Snapshot, blocker_id: str, known: Blocker | None) -> Blocker | None:
    """The blocker as the task or milestone that it holds shows it; None when neither shows it."""
    holders: list[Task | Milestone] = [*snapshot.tasks.values(), *snapshot.milestones.values()]
    held = next((one for one in holders if one.blocker is not None and one.blocker.id == blocker_id), None)
    if held is None or held.blocker is None:
        return known
    ref = held.blocker
    is_task = isinstance(held, Task)
    return Blocker(
        id=blocker_id,
        klass=ref.klass,
        step=ref.step,
        message=ref.message,
        evidence=known.evidence if known else (),
        since=ref.since,
        next_command=ref.next_command,
        blocked_milestone_id=held.milestone_id if isinstance(held, Task) else held.id,
        blocked_task_id=held.id if is_task else None,
    )


def make_project(snapshot: Snapshot, known: Mapping[str, Any], *, defaults: Project, evidence: Evidence) -> Project:
    """The project from what can be read of it, with counters that give no id a second time.

    Args:
        known: fields of the damaged file.
        defaults: a new project of this workspace.
    """
    simple = ("project_name", "base_branch", "lineage", "created_at", "scaffold_commit")
    fields = {name: known[name] for name in simple if isinstance(known.get(name), str)}
    counted = known.get("counters")
    before = counted if isinstance(counted, dict) else {}
    counters = {
        name: max(_count(before.get(name)), _highest(snapshot, name), evidence.highest.get(name, 0))
        for name in Counters.__struct_fields__
    }
    number = max((task.workpackage for task in snapshot.tasks.values()), default=0)
    package = defaults.workpackage
    if number and package is not None:
        package = Workpackage(
            number=number, plan_path=package.plan_path, plan_digest=package.plan_digest, imported_at=evidence.now
        )
    documents: Any = known.get("documents")
    is_table = isinstance(documents, dict)
    return replace(
        defaults,
        **fields,
        serial=max(evidence.serial, _count(known.get("serial"))),
        counters=Counters(**counters),
        workpackage=package if number else None,
        documents={key: one for key, one in documents.items() if isinstance(one, str)} if is_table else {},
        updated_at=evidence.now,
    )


def _count(value: object) -> int:
    """A number of the damaged file, if it can be one that was counted to; else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST else 0


def _highest(snapshot: Snapshot, kind: str) -> int:
    members: Mapping[str, Mapping[str, object]] = {
        "task": snapshot.tasks,
        "run": snapshot.runs,
        "adr": snapshot.adrs,
        "blocker": snapshot.blockers,
    }
    return max((id_number(key)[0] for key in members.get(kind, {})), default=0)
