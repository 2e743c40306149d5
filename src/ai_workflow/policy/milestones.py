"""Starting, finishing and blocking milestones (spec §6.2, §6.5). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.blocker import make_blocker_ref
from ai_workflow.models.ids import id_order
from ai_workflow.models.lane import Lane
from ai_workflow.models.milestone import Closeout, Milestone
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.status import MILESTONE_CLOSED, TASK_CLOSED, BlockerClass
from ai_workflow.policy.blockers import open_blocker, resolve_blockers
from ai_workflow.policy.claiming import find_active_task, is_out_of_band, is_stuck, refresh_readiness
from ai_workflow.policy.events import make_event
from ai_workflow.policy.tasks import end_task
from ai_workflow.policy.transitions import can_move, move, require_move


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
    if current is not None and not _may_leave(snapshot, current, milestone, allow_unmerged=allow_unmerged):
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


def _may_leave(snapshot: Snapshot, current: Milestone, following: Milestone, *, allow_unmerged: bool) -> bool:
    """Whether a lane may go from one open milestone to another: for out-of-band work, to and from a recovery, and from
    one that waits as a whole.
    """
    if current.id == following.id or current.status in MILESTONE_CLOSED:
        return True
    if (allow_unmerged and is_complete(snapshot, current)) or is_stuck(snapshot, current):
        return True
    related = {current.id, following.id}
    if any(m.recovery is not None and m.recovery.parent_milestone_id in related for m in (current, following)):
        return True
    return following.recovery is None and is_out_of_band(snapshot, following)


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
    repairs = tuple(move(m, "merge", now=now) for m in _recoveries_of(snapshot, milestone) if m.status == "done")
    changes = Changes(put=(merged, freed, *repairs), events=(event,)).then(resolved)
    return changes.then(refresh_readiness(snapshot.apply(changes), now=now))


def _recoveries_of(snapshot: Snapshot, milestone: Milestone) -> tuple[Milestone, ...]:
    return tuple(
        other
        for other in snapshot.milestones.values()
        if other.recovery is not None and other.recovery.parent_milestone_id == milestone.id
    )


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
    blocker, opened = open_blocker(
        snapshot,
        klass=klass,
        step=step,
        message=message,
        evidence=evidence,
        next_command=next_command,
        milestone_id=milestone.id,
        task_id=None,
        now=now,
    )
    blocked = move(milestone, "block", now=now, blocker=make_blocker_ref(blocker))
    event = make_event(
        "milestone_closeout_blocked", f"{milestone.id}: {message.splitlines()[0]}", milestone_id=milestone.id,
        lane_id=milestone.lane_id, now=now, actor=actor, status="blocked", details=evidence,
    )  # fmt: skip
    lane = snapshot.lanes.get(milestone.lane_id or "core")
    held: tuple[Lane, ...] = ()
    if lane is not None and lane.milestone_id == milestone.id and lane.status in ("active", "blocked"):
        held = (move(lane, "block", now=now),)
    others = resolve_blockers(snapshot, milestone_id=milestone.id, now=now, keep=blocker.id)
    return opened.then(Changes(put=(blocked, *held), events=(event,))).then(others)


def cancel_milestone(snapshot: Snapshot, milestone: Milestone, *, reason: str, now: str, actor: str) -> Changes:
    """The milestone is given up: its open tasks cancelled, its blockers closed, the lane free. Its branch stays.

    Raises:
        AiwError: STATE when the table forbids it.
    """
    if milestone.recovery is not None:
        raise AiwError(
            Kind.STATE,
            f"{milestone.id} is a recovery",
            hint=f"give it up: aiw recovery abort {milestone.id} --reason …",
        )
    require_move(milestone, "cancel")
    changes = Changes()
    for task in snapshot.tasks_of(milestone):
        if task.status not in TASK_CLOSED:
            now_state = snapshot.apply(changes)
            ended = end_task(now_state, now_state.get_task(task.id), "cancel", reason=reason, now=now, actor=actor)
            changes = changes.then(ended)
    after = snapshot.apply(changes)
    cancelled = move(after.get_milestone(milestone.id), "cancel", now=now, blocker=None)
    event = make_event(
        "milestone_cancelled", f"{milestone.id}: {reason}", milestone_id=milestone.id, now=now, actor=actor
    )
    repairs = tuple(move(m, "cancel", now=now) for m in _recoveries_of(after, milestone) if can_move(m, "cancel"))
    changes = changes.then(resolve_blockers(after, milestone_id=milestone.id, now=now))
    changes = changes.then(Changes(put=(cancelled, *repairs), events=(event,)))
    lane = snapshot.apply(changes).lanes.get(milestone.lane_id or "core")
    if lane is not None and lane.milestone_id == milestone.id:
        free = move(lane, "detach", now=now, milestone_id=None, branch=None, current_task_id=None)
        changes = changes.then(Changes(put=(free,)))
    return changes.then(refresh_readiness(snapshot.apply(changes), now=now))


def skip_open_tasks(snapshot: Snapshot, milestone: Milestone, *, reason: str, now: str, actor: str) -> Changes:
    """Every open task of the milestone skipped, for a milestone that is closed incomplete."""
    changes = Changes()
    for task in snapshot.tasks_of(milestone):
        if task.status not in TASK_CLOSED:
            now_state = snapshot.apply(changes)
            ended = end_task(now_state, now_state.get_task(task.id), "skip", reason=reason, now=now, actor=actor)
            changes = changes.then(ended)
    return changes
