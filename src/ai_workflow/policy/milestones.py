"""Starting, finishing and blocking milestones (spec §6.2, §6.5). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.blocker import Blocker, make_blocker_ref
from ai_workflow.models.ids import format_id, id_number, id_order
from ai_workflow.models.lane import Lane
from ai_workflow.models.milestone import Closeout, Milestone
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.status import MILESTONE_CLOSED, TASK_CLOSED, BlockerClass
from ai_workflow.policy.claiming import find_active_task, refresh_readiness
from ai_workflow.policy.events import make_event
from ai_workflow.policy.transitions import move, require_move


def require_startable(snapshot: Snapshot, lane: Lane, milestone: Milestone, *, allow_unmerged: bool = False) -> None:
    """Passes when the lane may start or resume this milestone.

    Args:
        allow_unmerged: whether the lane may leave a milestone whose tasks are all finished but which is not merged.

    Raises:
        AiwError: STATE, naming what is in the way and what to type.
    """
    if milestone.status != "in_progress":
        require_move(milestone, "start")
    current = snapshot.find_milestone(lane.milestone_id)
    is_left = allow_unmerged and current is not None and is_complete(snapshot, current)
    if current is not None and current.id != milestone.id and current.status not in MILESTONE_CLOSED and not is_left:
        active = find_active_task(snapshot)
        ending = (
            f"agent finish --lane {lane.id} --task {active.id} --commit" if active else f"agent run --lane {lane.id}"
        )
        raise AiwError(
            Kind.STATE,
            f"{milestone.id} cannot be started: lane {lane.id} is still on {current.id} ({current.status})",
            hint=f"aiw {ending}",
        )
    if lane.status == "paused":
        raise AiwError(Kind.STATE, f"lane {lane.id} is paused", hint=f"aiw lane resume {lane.id}")
    for ref in _milestone_dependencies(snapshot, milestone):
        other = snapshot.find_milestone(ref)
        if other is not None and other.status != "merged" and not _has_free_task(snapshot, milestone):
            raise AiwError(
                Kind.STATE,
                f"{milestone.id} cannot be started: it needs {other.id}, which is {other.status.replace('_', ' ')}",
                hint=f"start that one: aiw milestone start {other.id}",
            )


def _milestone_dependencies(snapshot: Snapshot, milestone: Milestone) -> tuple[str, ...]:
    found = []
    for task in snapshot.tasks_of(milestone):
        for ref in task.depends_on:
            other = snapshot.find_task(ref)
            home = other.milestone_id if other else ref
            if home != milestone.id and home in snapshot.milestones and home not in found:
                found.append(home)
    return tuple(sorted(found, key=id_order))


def _has_free_task(snapshot: Snapshot, milestone: Milestone) -> bool:
    return any(
        task.status in ("ready", "claimed", "in_progress", "done", "skipped") for task in snapshot.tasks_of(milestone)
    )


def start_milestone(
    snapshot: Snapshot, lane: Lane, milestone: Milestone, *, branch: str, start_sha: str | None, now: str, actor: str
) -> Changes:
    """The state once the milestone's branch is checked out."""
    fields = {"lane_id": lane.id, "branch": branch, "start_sha": milestone.start_sha or start_sha}
    if milestone.status == "in_progress":
        started = replace(milestone, **fields, updated_at=now)
    else:
        started = move(milestone, "start", now=now, blocker=None, **fields)
    active = move(lane, "start", now=now, milestone_id=milestone.id, branch=branch)
    event = make_event(
        "lane_started", f"{milestone.id} started on {branch}",
        milestone_id=milestone.id, lane_id=lane.id, now=now, actor=actor,
    )  # fmt: skip
    resolved = resolve_blockers(snapshot, milestone_id=milestone.id, now=now)
    changes = Changes(put=(started, active), events=(event,)).then(resolved)
    return changes.then(refresh_readiness(snapshot.apply(changes), now=now))


def is_complete(snapshot: Snapshot, milestone: Milestone) -> bool:
    """Whether every task of the milestone is done, skipped or cancelled (and none is damaged)."""
    tasks = snapshot.tasks_of(milestone)
    return len(tasks) == len(milestone.task_ids) and all(task.status in TASK_CLOSED for task in tasks)


def find_unproven(snapshot: Snapshot, milestone: Milestone) -> tuple[str, ...]:
    """Why the milestone must not be merged yet: its quality gate (spec §6.5), one sentence each; empty passes."""
    if milestone.accepted_unproven:
        return ()
    return tuple(
        f"{task.id} is done but unproven: {task.unproven}"
        for task in snapshot.tasks_of(milestone)
        if task.status == "done" and any(decision.kind == "unproven" for decision in task.decisions)
    )


def complete_milestone(milestone: Milestone, *, closeout: Closeout, now: str) -> Milestone:
    """The milestone with its closeout begun; status `done`."""
    if milestone.status in ("done", "pr_created"):
        return replace(milestone, closeout=closeout, updated_at=now)
    return move(milestone, "complete", now=now, closeout=closeout)


def merge_milestone(snapshot: Snapshot, milestone: Milestone, *, closeout: Closeout, now: str, actor: str) -> Changes:
    """The state once the milestone's work is on the target branch: merged, blockers gone, the lane free."""
    done = milestone if milestone.status in ("done", "pr_created") else move(milestone, "complete", now=now)
    merged = move(done, "merge", now=now, closeout=closeout, blocker=None)
    pr = replace(merged.pr, status="merged", updated_at=now) if merged.pr.status == "created" else merged.pr
    merged = replace(merged, pr=pr)
    lane = snapshot.get_lane(milestone.lane_id or "core")
    freed = lane
    if lane.milestone_id in (milestone.id, None):
        freed = move(lane, "finish", now=now, milestone_id=None, branch=None, current_task_id=None)
    event = make_event(
        "milestone_merged", f"{milestone.id} merged into {milestone.base_branch}",
        milestone_id=milestone.id, lane_id=lane.id, now=now, actor=actor,
    )  # fmt: skip
    resolved = resolve_blockers(snapshot, milestone_id=milestone.id, now=now)
    changes = Changes(put=(merged, freed), events=(event,)).then(resolved)
    return changes.then(refresh_readiness(snapshot.apply(changes), now=now))


def block_milestone(
    snapshot: Snapshot,
    milestone: Milestone,
    *,
    klass: BlockerClass,
    step: str,
    message: str,
    evidence: Sequence[str] = (),
    next_command: str,
    now: str,
    actor: str,
) -> Changes:
    """Records why the closeout cannot go on. The same obstacle again keeps its blocker's id and its `since`."""
    project = snapshot.require_project()
    same = next(
        (b for b in snapshot.open_blockers() if b.blocked_milestone_id == milestone.id and b.step == step), None
    )
    put = []
    if same is None:
        taken = max((id_number(key)[0] for key in snapshot.blockers), default=0)
        number = max(project.counters.blocker, taken) + 1
        project = replace(project, counters=replace(project.counters, blocker=number))
        put.append(project)
        blocker_id, since = format_id("blocker", number), now
    else:
        blocker_id, since = same.id, same.since
    blocker = Blocker(
        id=blocker_id,
        klass=klass,
        step=step,
        message=message,
        evidence=tuple(evidence),
        since=since,
        next_command=next_command,
        blocked_milestone_id=milestone.id,
    )
    blocked = move(milestone, "block", now=now, blocker=make_blocker_ref(blocker))
    event = make_event(
        "milestone_closeout_blocked", f"{milestone.id}: {message.splitlines()[0]}", milestone_id=milestone.id,
        lane_id=milestone.lane_id, now=now, actor=actor, status="blocked", details=evidence,
    )  # fmt: skip
    others = resolve_blockers(snapshot, milestone_id=milestone.id, now=now, keep=blocker_id)
    return Changes(put=(*put, blocker, blocked), events=(event,)).then(others)


def resolve_blockers(snapshot: Snapshot, *, milestone_id: str, now: str, keep: str | None = None) -> Changes:
    """Closes the milestone's open blockers, all but `keep`."""
    return Changes(
        put=tuple(
            replace(blocker, status="resolved", resolved_at=now)
            for blocker in snapshot.open_blockers()
            if blocker.blocked_milestone_id == milestone_id and blocker.blocked_task_id is None and blocker.id != keep
        )
    )
