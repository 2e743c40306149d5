"""Makes or finds a milestone's branch by the rules of a start, without starting the milestone (spec §6.8)."""

from __future__ import annotations

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.refs import branch_ref, find_commit
from ai_workflow.models.base import Record
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.status import MILESTONE_CLOSED
from ai_workflow.policy.claiming import find_active_task
from ai_workflow.policy.events import make_event
from ai_workflow.policy.milestones import require_startable
from ai_workflow.services import resume
from ai_workflow.services.changeset import require_calm
from ai_workflow.services.milestone_branch import make_branch, return_to_branch
from ai_workflow.services.workspace import Workspace


class Branched(Record, frozen=True, kw_only=True):
    """What was done about the branch; HEAD is on it."""

    milestone: Milestone
    branch: str
    tip: str
    outcome: str
    """`made`, `moved` (it had no commits of its own and was brought to base), `switched`, or `here` already."""


def branch_milestone(ws: Workspace, lane_id: str, milestone_id: str) -> Branched:
    """HEAD on the milestone's branch, made where a start would make it when it is new. Starts nothing.

    Raises:
        AiwError: STATE when the milestone is closed, or another one's task is active; GIT as a start does.
    """
    resume.resume(ws)
    snapshot = ws.store.snapshot()
    milestone = snapshot.get_milestone(milestone_id)
    _require_free(ws, snapshot, milestone)
    with ws.git_effects(f"branch {milestone.id}"):
        status = require_calm(ws)
        if milestone.branch and milestone.start_sha:
            is_moved = return_to_branch(ws, milestone, status)
            return _branched(ws, milestone, milestone.branch, "switched" if is_moved else "here")
        require_startable(snapshot, snapshot.get_lane(lane_id), milestone)
        made = make_branch(ws, snapshot, milestone, status)
        tip = find_commit(ws.repository.git, branch_ref(made.name)) or ""
        if made.existing == tip and not made.scaffold:
            return _branched(ws, milestone, made.name, "here" if status.branch == made.name else "switched")
        with ws.store.transaction(f"branch {milestone.id}") as change:
            fresh = change.before.get_milestone(milestone.id)
            project = change.before.require_project()
            if made.scaffold:
                project = replace(project, scaffold_commit=made.scaffold)
            event = make_event(
                "milestone_branched", f"{milestone.id} has the branch {made.name}",
                milestone_id=milestone.id, now=change.now, actor=ws.actor,
            )  # fmt: skip
            named = replace(fresh, branch=made.name, updated_at=change.now)
            change.apply(Changes(put=(project, named), events=(event,)))
            change.record_ref(branch_ref(made.name), before=made.existing, after=tip)
            change.record_ref("HEAD", before=status.head_ref, after=branch_ref(made.name))
    return _branched(ws, named, made.name, "moved" if made.existing else "made")


def _require_free(ws: Workspace, snapshot: Snapshot, milestone: Milestone) -> None:
    if milestone.status in MILESTONE_CLOSED:
        raise AiwError(Kind.STATE, f"{milestone.id} is {milestone.status}", hint="see `aiw milestone list`")
    active = find_active_task(snapshot)
    if active is not None and active.milestone_id != milestone.id:
        raise AiwError(
            Kind.STATE,
            f"HEAD stays where it is: {active.id} of {active.milestone_id} is {active.status.replace('_', ' ')},"
            " and its changes would come along",
            hint=f"finish it first: {ws.command(f'agent finish --lane core --task {active.id} --commit')}",
        )


def _branched(ws: Workspace, milestone: Milestone, branch: str, outcome: str) -> Branched:
    tip = find_commit(ws.repository.git, branch_ref(branch)) or ""
    return Branched(milestone=milestone, branch=branch, tip=tip, outcome=outcome)
