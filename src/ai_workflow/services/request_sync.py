"""`pr sync`: takes over what people did to pull requests on the forge (spec §6.5)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.forge.base import Forge, ForgeError
from ai_workflow.git.remotes import Remote
from ai_workflow.models.base import Record
from ai_workflow.models.event import Event
from ai_workflow.models.forge import ForgeComment, ForgeRequest
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Changes
from ai_workflow.models.status import MILESTONE_CLOSED, PrStatus
from ai_workflow.models.task import Task
from ai_workflow.policy.events import make_event
from ai_workflow.policy.milestones import is_complete
from ai_workflow.services import closeout, resume
from ai_workflow.services.closeout import CloseoutResult
from ai_workflow.services.forge_access import forge_of
from ai_workflow.services.landing import Listeners, find_target_remote
from ai_workflow.services.plan_place import locate_plan
from ai_workflow.services.requesting import explain
from ai_workflow.services.workspace import Workspace


class Followed(Record, frozen=True, kw_only=True):
    """One request, as it is by now."""

    milestone_id: str
    number: int
    url: str
    before: str
    """Its status as the workspace had it: `created` or `closed`."""
    status: str
    """`created`, `closed` or `merged`."""
    comments: tuple[ForgeComment, ...] = ()
    """What reviewers wrote since the last sync and did not resolve."""


class SyncedRequests(Record, frozen=True, kw_only=True):
    """What a sync found and did."""

    requests: tuple[Followed, ...]
    closeouts: tuple[CloseoutResult, ...] = ()
    """Of the milestones whose requests are merged."""


def sync_requests(
    ws: Workspace, *, milestone_id: str | None = None, listeners: Listeners = (None, None)
) -> SyncedRequests:
    """Asks the forge for every request that is not merged, or for one milestone's.

    Nothing is merged, pushed or written there.

    Raises:
        AiwError: STATE when the milestone has no request; BLOCKED with the cause when the forge cannot be asked.
    """
    resume.resume(ws)
    snapshot = ws.store.snapshot()
    named = [snapshot.get_milestone(milestone_id)] if milestone_id else list(snapshot.milestones.values())
    milestones = [one for one in named if one.pr.number is not None and one.pr.status in ("created", "closed")]
    if milestone_id and not milestones:
        raise AiwError(
            Kind.STATE,
            f"{milestone_id} has no pull request that is not merged",
            hint=f"open one: {ws.command(f'git pr {milestone_id}')}",
        )
    remote = find_target_remote(ws)
    if remote is None or not milestones:
        return SyncedRequests(requests=())
    found = _ask(ws, remote, milestones)
    merged = [
        one.milestone_id
        for one in found
        if one.status == "merged" and is_complete(snapshot, snapshot.get_milestone(one.milestone_id))
    ]
    closed = [closeout.advance(ws, one, listener_of_checks=listeners) for one in merged]
    return SyncedRequests(requests=tuple(found), closeouts=tuple(closed))


def _ask(ws: Workspace, remote: Remote, milestones: Sequence[Milestone], *, is_anew: bool = False) -> list[Followed]:
    """What the forge says of their requests; with `is_anew` also the comments that were shown before."""
    found: list[Followed] = []
    milestone = milestones[0]
    try:
        with forge_of(ws, remote) as forge:
            for milestone in milestones:
                assert milestone.pr.number is not None
                request = forge.read_request(milestone.pr.number)
                comments = _find_open(milestone, forge, is_anew=is_anew)
                found.append(_record(ws, forge, milestone, request, comments))
    except ForgeError as error:
        obstacle = explain(ws, milestone, remote, "sync", error).obstacle
        assert obstacle is not None
        raise AiwError(Kind.BLOCKED, obstacle.message, hint=obstacle.next_command) from error
    return found


def _find_open(milestone: Milestone, forge: Forge, *, is_anew: bool) -> tuple[ForgeComment, ...]:
    assert milestone.pr.number is not None
    seen = () if is_anew else milestone.pr.seen_comments
    return tuple(
        comment
        for comment in forge.list_comments(milestone.pr.number)
        if comment.id not in seen and not comment.is_resolved
    )


def _record(
    ws: Workspace, forge: Forge, milestone: Milestone, request: ForgeRequest, comments: tuple[ForgeComment, ...]
) -> Followed:
    status = "created" if request.status == "open" else request.status
    with ws.store.transaction(f"follow the pull request of {milestone.id}") as change:
        fresh = change.before.get_milestone(milestone.id)
        # That it is merged is for the closeout to record, once base shows it.
        kept: PrStatus = "closed" if status == "closed" else "created"
        seen = tuple(dict.fromkeys((*fresh.pr.seen_comments, *(comment.id for comment in comments))))
        pr = replace(fresh.pr, status=kept, url=request.url, seen_comments=seen)
        if pr != fresh.pr:
            events: tuple[Event, ...] = ()
            if pr.status != fresh.pr.status:
                text = f"{forge.place.noun} {request.number} of {fresh.id} is {pr.status}: {request.url}"
                events = (
                    make_event(
                        f"pull_request_{pr.status}", text, milestone_id=fresh.id, now=change.now, actor=ws.actor
                    ),
                )
            named = replace(fresh, pr=replace(pr, updated_at=change.now), updated_at=change.now)
            change.apply(Changes(put=(named,), events=events))
    return Followed(
        milestone_id=milestone.id,
        number=request.number,
        url=request.url,
        before=milestone.pr.status,
        status=status,
        comments=comments,
    )


class FollowUp(Record, frozen=True, kw_only=True):
    """A task made of review comments."""

    task: Task
    comments: tuple[ForgeComment, ...]


def make_follow_up(ws: Workspace, milestone_id: str, *, authors: Sequence[str] = ()) -> FollowUp:
    """Adds a task to the milestone's plan, for what reviewers wrote and nobody resolved, and imports it.

    Args:
        authors: whose comments count; everybody's when empty.

    Raises:
        AiwError: STATE when there is nothing to answer, or the milestone is closed; PLAN when the plan cannot take it;
            BLOCKED when the forge cannot be asked.
    """
    from ai_workflow import fsio
    from ai_workflow.plan.review import add_review_task
    from ai_workflow.services.plans import import_plan, load_plan, load_text

    resume.resume(ws)
    snapshot = ws.store.snapshot()
    milestone = snapshot.get_milestone(milestone_id)
    remote = find_target_remote(ws)
    if milestone.pr.number is None or milestone.status in MILESTONE_CLOSED or remote is None:
        raise AiwError(
            Kind.STATE,
            f"{milestone_id} has no open pull request",
            hint=f"open one: {ws.command(f'git pr {milestone_id}')}",
        )
    (followed,) = _ask(ws, remote, [milestone], is_anew=True)
    answered = set(milestone.pr.task_comments)
    comments = [
        comment
        for comment in followed.comments
        if comment.id not in answered and (not authors or comment.author in authors)
    ]
    if not comments:
        raise AiwError(Kind.STATE, f"nobody wrote anything on {followed.url} that is not answered", hint=None)
    source = load_plan(ws, None)
    text = add_review_task(source.plan, source.text, milestone_id, comments)
    wanted = load_text(text, rel=source.rel, name=source.plan.path)
    # Refused before the plan file is touched.
    import_plan(ws, None, is_dry_run=True, loaded=wanted)
    path, rel = locate_plan(ws, None)
    with ws.store.transaction(f"answer the review of {milestone_id}") as change:
        fsio.write_file(path, text.encode(), temp_dir=ws.layout.temp, durable=True)
        change.record_file(rel, before=source.text.encode(), after=text.encode())
        fresh = change.before.get_milestone(milestone_id)
        named = (*fresh.pr.task_comments, *(comment.id for comment in comments))
        pr = replace(fresh.pr, task_comments=named)
        change.apply(Changes(put=(replace(fresh, pr=pr, updated_at=change.now),)))
    import_plan(ws, None)
    after = ws.store.snapshot()
    made = [task for task in after.tasks.values() if task.id not in snapshot.tasks]
    return FollowUp(task=made[-1], comments=tuple(comments))
