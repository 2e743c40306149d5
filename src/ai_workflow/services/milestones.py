"""Starts and resumes a milestone on its branch (spec §6.2)."""

from __future__ import annotations

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.refs import (
    branch_ref,
)
from ai_workflow.git.status import TreeStatus, read_status
from ai_workflow.models.base import Record
from ai_workflow.models.lane import Lane
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.policy.claiming import find_active_task
from ai_workflow.policy.milestones import (
    cancel_milestone,
    require_startable,
    skip_open_tasks,
    start_milestone,
)
from ai_workflow.policy.stacking import choose_parent
from ai_workflow.policy.suspending import leave
from ai_workflow.services.changeset import collect_dirt, make_baseline, require_calm, tell_dirt
from ai_workflow.services.milestone_branch import make_branch, return_to_branch
from ai_workflow.services.workspace import Workspace


class Started(Record, frozen=True, kw_only=True):
    """What a start did."""

    milestone: Milestone
    was_resumed: bool
    scaffold_commit: str | None = None
    foreign: tuple[str, ...] = ()
    """The user's own dirt, which stays out of every commit."""


def start(ws: Workspace, lane_id: str, milestone_id: str, *, allow_unmerged: bool = False) -> Started:
    """Checks out the milestone's branch, made from base when it is new, and makes the lane work on it.

    Args:
        allow_unmerged: see `require_startable`.

    Raises:
        AiwError: STATE when the table or another milestone forbids it; GIT when the repository does.
    """
    snapshot = ws.store.snapshot()
    lane = snapshot.get_lane(lane_id)
    milestone = snapshot.get_milestone(milestone_id)
    require_startable(snapshot, lane, milestone, allow_unmerged=allow_unmerged)
    with ws.git_effects(f"start {milestone.id}"):
        # Another command may have begun something while this one waited for the repository.
        snapshot = ws.store.snapshot()
        lane = snapshot.get_lane(lane_id)
        milestone = snapshot.get_milestone(milestone_id)
        require_startable(snapshot, lane, milestone, allow_unmerged=allow_unmerged)
        _require_no_other_work(snapshot, milestone)
        status = require_calm(ws)
        if milestone.branch and milestone.start_sha:
            return _resume(ws, snapshot, lane, milestone, status)
        return _begin(ws, snapshot, lane, milestone, status, allow_unmerged=allow_unmerged)


def _resume(ws: Workspace, snapshot: Snapshot, lane: Lane, milestone: Milestone, status: TreeStatus) -> Started:
    branch = milestone.branch or ""
    was_at = status.head_ref
    return_to_branch(ws, milestone, status)
    if milestone.status != "in_progress" or lane.milestone_id != milestone.id or lane.status != "active":
        with ws.store.transaction(f"resume {milestone.id}") as change:
            fresh = change.before.get_milestone(milestone.id)
            change.apply(
                _started(ws, change.before, lane.id, fresh, branch=branch, start_sha=fresh.start_sha, now=change.now)
            )
            change.record_ref("HEAD", before=was_at, after=branch_ref(branch))
            milestone = change.after.get_milestone(milestone.id)
    return Started(milestone=milestone, was_resumed=True)


def _begin(
    ws: Workspace,
    snapshot: Snapshot,
    lane: Lane,
    milestone: Milestone,
    status: TreeStatus,
    *,
    allow_unmerged: bool,
) -> Started:
    was_at = status.head_ref
    parent = choose_parent(snapshot, milestone) if allow_unmerged else None
    made = make_branch(ws, snapshot, milestone, status, parent=parent)
    if parent is not None:
        ws.talk(f"note: {milestone.id} starts from {parent.branch}, since {parent.id} is not merged yet")
    status = read_status(ws.repository.git)
    dirt = collect_dirt(ws, status)
    with ws.store.transaction(f"start {milestone.id}") as change:
        fresh = change.before.get_milestone(milestone.id)
        require_startable(change.before, change.before.get_lane(lane.id), fresh, allow_unmerged=allow_unmerged)
        if parent is not None:
            change.apply(Changes(put=(replace(fresh, stacked_on=parent.id),)))
        before, fresh = change.after, change.after.get_milestone(milestone.id)
        change.apply(_started(ws, before, lane.id, fresh, branch=made.name, start_sha=status.head, now=change.now))
        change.apply(Changes(put=(make_baseline(lane.id, dirt.paths, now=change.now),)))
        if made.scaffold:
            project = replace(change.after.require_project(), scaffold_commit=made.scaffold)
            change.apply(Changes(put=(project,)))
        change.record_ref(branch_ref(made.name), before=made.existing, after=status.head)
        change.record_ref("HEAD", before=was_at, after=branch_ref(made.name))
    foreign = tuple(dirt.paths)
    tell_dirt("uncommitted changes that are yours stay out of every commit", ws, dirt)
    started = change.after.get_milestone(milestone.id)
    return Started(milestone=started, was_resumed=False, scaffold_commit=made.scaffold, foreign=foreign)


def _started(
    ws: Workspace,
    snapshot: Snapshot,
    lane_id: str,
    milestone: Milestone,
    *,
    branch: str,
    start_sha: str | None,
    now: str,
) -> Changes:
    _require_no_other_work(snapshot, milestone)
    lane = snapshot.get_lane(lane_id)
    left = Changes()
    if lane.milestone_id not in (None, milestone.id):
        left = leave(snapshot, lane, next_milestone_id=milestone.id, now=now, actor=ws.actor)
    after = snapshot.apply(left)
    lane, milestone = after.get_lane(lane_id), after.get_milestone(milestone.id)
    return left.then(
        start_milestone(after, lane, milestone, branch=branch, start_sha=start_sha, now=now, actor=ws.actor)
    )


def _require_no_other_work(snapshot: Snapshot, milestone: Milestone) -> None:
    """Passes when no task of another milestone is active; who starts one has made room for it before.

    Raises:
        AiwError: LOCKED, naming the task.
    """
    active = find_active_task(snapshot)
    if active is not None and active.milestone_id != milestone.id:
        raise AiwError(
            Kind.LOCKED,
            f"{milestone.id} cannot be started: another command has begun with {active.id} in the meantime",
            hint="run the same command again",
        )


def cancel(ws: Workspace, milestone_id: str, *, reason: str) -> Milestone:
    """Gives the milestone up; see `policy.milestones.cancel_milestone`. Raises AiwError(STATE, LOCKED)."""
    from ai_workflow.services import resume

    resume.resume(ws)
    with ws.finishing("core", milestone_id), ws.store.transaction(f"cancel {milestone_id}") as change:
        milestone = change.before.get_milestone(milestone_id)
        change.apply(cancel_milestone(change.before, milestone, reason=reason.strip(), now=change.now, actor=ws.actor))
    return change.after.get_milestone(milestone_id)


def skip_open(ws: Workspace, milestone_id: str, *, reason: str) -> None:
    """Skips the milestone's open tasks, so that it can be closed. Raises AiwError(USAGE) without a reason."""
    if not reason.strip():
        raise AiwError(Kind.USAGE, "--allow-incomplete skips tasks, so it needs a reason", hint="add --reason 'why'")
    with ws.finishing("core", milestone_id), ws.store.transaction(f"skip what is open in {milestone_id}") as change:
        milestone = change.before.get_milestone(milestone_id)
        change.apply(skip_open_tasks(change.before, milestone, reason=reason.strip(), now=change.now, actor=ws.actor))
