"""The first rung of a closeout by pull request: find it, or open it, and keep it up to date (spec §6.5).

Each asks the forge what is so before it acts, and after a question without an answer; so a process that dies between
the two leaves nothing that the next one does not find.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.forge.base import Forge, ForgeError
from ai_workflow.git.refs import find_commit, is_ancestor
from ai_workflow.git.remotes import Remote
from ai_workflow.models.base import Record
from ai_workflow.models.forge import ForgeRequest
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Changes
from ai_workflow.models.status import BlockerClass
from ai_workflow.policy.closeout import show_url
from ai_workflow.policy.events import make_event
from ai_workflow.policy.requests import show_ender
from ai_workflow.policy.secrets import mask
from ai_workflow.policy.stacking import choose_base, list_stacked
from ai_workflow.rendering.pr_body import render_pr_body
from ai_workflow.rendering.text import strip_line
from ai_workflow.services.forge_access import explain_credentials, find_forge_place, forge_of
from ai_workflow.services.landing import Listeners, Reached, find_tip, stop
from ai_workflow.services.request_body import write_body
from ai_workflow.services.request_landing import see_landed
from ai_workflow.services.workspace import Workspace

_MAX_TITLE = 240


def open_request(ws: Workspace, milestone: Milestone, remote: Remote | None, _listeners: Listeners) -> Reached:
    """Finds the milestone's request or opens it, and keeps its text up to date where aiw wrote it."""
    return speak(ws, milestone, remote, "pull-request", lambda forge: _open(ws, forge, milestone, remote))


def speak(
    ws: Workspace, milestone: Milestone, remote: Remote | None, step: str, act: Callable[[Forge], Reached]
) -> Reached:
    """What comes of a rung on the forge, or its no; nothing is asked once the work has landed."""
    closeout = milestone.closeout
    assert closeout is not None
    if closeout.landed_sha is not None or remote is None:
        return Reached()
    try:
        with forge_of(ws, remote) as forge:
            return act(forge)
    except ForgeError as error:
        return explain(ws, milestone, remote, step, error)


def explain(ws: Workspace, milestone: Milestone, remote: Remote, step: str, error: ForgeError) -> Reached:
    """The forge's no as an obstacle."""
    place = find_forge_place(ws, remote)
    where = f"{place.host}/{place.project}" if place else f"{remote.name} ({show_url(remote.url)})"
    noun = place.noun if place else "pull request"
    klass: BlockerClass
    command: str | None
    if place is None:
        klass, command = "pr", explain_credentials(None)
    elif error.cause in ("no_credentials", "bad_credentials"):
        klass, command = "credentials", explain_credentials(place)
    elif error.cause == "forbidden":
        klass, command = "credentials", f"give the token of {where} the right to write {noun}s"
    elif error.cause == "not_found":
        klass, command = "credentials", f"give the token access to {where}, or set `git.forge_url`"
    elif error.cause in ("offline", "server", "unanswered", "rate_limited"):
        klass, command = "infra", None
    else:
        klass, command = "pr", None
    body = _write_text(ws, milestone)
    text = f"; its text is in {body}" if body and milestone.pr.number is None else ""
    message = f"the {noun} of {milestone.id} on {where} is not dealt with: {error.message}{text}"
    stopped = stop(ws, milestone, klass, step, message, next_command=command)
    return replace(stopped, is_waiting=error.cause == "rate_limited", again_s=error.until_s)


def _write_text(ws: Workspace, milestone: Milestone) -> str | None:
    try:
        return write_body(ws, milestone.id)[1]
    except AiwError as error:
        if error.kind != Kind.IO:
            raise
        ws.talk(f"note: the text of the pull request was not written: {error.message}")
        return None


def _open(ws: Workspace, forge: Forge, milestone: Milestone, remote: Remote | None) -> Reached:
    closeout = milestone.closeout
    assert closeout is not None
    found = establish(ws, forge, milestone, is_draft=ws.config.git.pull_request.draft)
    if isinstance(found, Reached):
        return found
    if found.request.status == "merged":
        return see_landed(ws, milestone, remote, found.request)
    return Reached(closeout=replace(closeout, notes=tuple(dict.fromkeys((*closeout.notes, *found.notes)))))


class Established(Record, frozen=True, kw_only=True):
    """The request of a milestone, recorded."""

    request: ForgeRequest
    is_new: bool = False
    notes: tuple[str, ...] = ()
    """What of the labels and the like the forge does not know."""


def establish(
    ws: Workspace, forge: Forge, milestone: Milestone, *, is_draft: bool, is_asked: bool = False
) -> Established | Reached:
    """Finds the request of a milestone whose branch is pushed, or opens it; again without doing it twice.

    Args:
        is_asked: whether a person asks for it: then one that was closed, or merged with another head, is followed by
            another one.

    Returns:
        What is in the way, where a person must decide: it was closed, or goes into another base. Raises ForgeError.
    """
    base = choose_base(ws.store.snapshot(), milestone, target_branch=ws.config.target_branch)
    request = _find(ws, forge, milestone, base=base)
    if (
        request is None
        or (is_asked and request.status == "closed")
        or _is_over(ws, milestone, request, is_asked=is_asked)
    ):
        request = _create(ws, forge, milestone, base=base, is_draft=is_draft)
        notes = _furnish(ws, forge, request.number)
        _record(ws, forge, milestone, request, status="created")
        return Established(request=request, is_new=True, notes=notes)
    if request.status == "merged":
        # Whatever became of it in between; that it has landed is recorded once base shows it.
        _record(ws, forge, milestone, request, status="created")
        return Established(request=request)
    if request.status == "closed":
        name = f"{forge.place.noun} {request.number} of {milestone.id}"
        message = f"{name} was closed{show_ender(request)} without being merged: {request.url}"
        again = f"reopen it there, or open another one: {ws.command(f'git pr {milestone.id}')}"
        _record(ws, forge, milestone, request, status="closed")
        return stop(ws, milestone, "pr", "pull-request", message, next_command=again)
    if request.base != base:
        if milestone.pr.number != request.number or milestone.pr.base != request.base:
            message = f"{forge.place.noun} {request.number} of {milestone.id} goes into {request.base}, not into {base}"
            advice = f"change its base to {base}: {request.url}"
            return stop(ws, milestone, "pr", "pull-request", message, next_command=advice)
        request = forge.update_request(request.number, base=base)
        ws.talk(f"{forge.place.noun} {request.number} goes into {base} now")
    notes = ()
    if milestone.pr.number != request.number and _is_ours(ws, milestone, request):
        # Opened by a process that was stopped before it had noted it.
        notes = _furnish(ws, forge, request.number)
    request = _refresh(ws, forge, milestone, request)
    _record(ws, forge, milestone, request, status="created")
    return Established(request=request, notes=notes)


def _find(ws: Workspace, forge: Forge, milestone: Milestone, *, base: str) -> ForgeRequest | None:
    """The milestone's request: the open one, else the one that is known, else one that ended with this very work."""
    tip = find_tip(ws, milestone)
    requests = [one for one in forge.find_requests(milestone.branch or "") if not one.is_foreign]
    is_open = _choose_open(requests, base=base)
    if is_open is not None:
        return is_open
    known = milestone.pr.number
    return next((one for one in requests if one.number == known or (tip is not None and one.head_sha == tip)), None)


def _choose_open(requests: Iterable[ForgeRequest], *, base: str) -> ForgeRequest | None:
    """The open one into base, else any open one; never that of a fork, whose branch is another one of that name."""
    is_open = [one for one in requests if one.status == "open" and not one.is_foreign]
    return next((one for one in is_open if one.base == base), is_open[0] if is_open else None)


def _create(ws: Workspace, forge: Forge, milestone: Milestone, *, base: str, is_draft: bool) -> ForgeRequest:
    title, body = _texts(ws, milestone)
    write_body(ws, milestone.id)
    branch = milestone.branch or ""
    try:
        made = forge.create_request(branch=branch, base=base, title=title, body=body, is_draft=is_draft)
    except ForgeError as error:
        if error.cause not in ("invalid", "unanswered", "server"):
            raise
        # It may be there for all that: somebody else was quicker, or only the answer was lost.
        made_by_now = _choose_open(forge.find_requests(branch), base=base)
        if made_by_now is None:
            raise
        return made_by_now
    ws.talk(f"opened {forge.place.noun} {made.number}: {made.url}")
    return made


def _texts(ws: Workspace, milestone: Milestone) -> tuple[str, str]:
    """Title and text as they should be."""
    snapshot = ws.store.snapshot()
    fresh = snapshot.get_milestone(milestone.id)
    title = ws.config.git.pull_request.title.format(id=fresh.id, title=strip_line(fresh.title), milestone=fresh.id)
    body = render_pr_body(
        snapshot,
        fresh,
        target_branch=ws.config.target_branch,
        command_prefix=ws.config.agent.command_prefix.strip(),
    )
    return mask(strip_line(title)[:_MAX_TITLE]), mask(body)


def _is_over(ws: Workspace, milestone: Milestone, request: ForgeRequest, *, is_asked: bool) -> bool:
    """Whether it was merged, and the branch has gone on from there: the rest takes another request."""
    tip = find_tip(ws, milestone)
    if request.status != "merged" or tip is None or request.head_sha in ("", tip):
        return False
    git = ws.repository.git
    return is_asked or (find_commit(git, request.head_sha) is not None and is_ancestor(git, request.head_sha, tip))


def _is_ours(ws: Workspace, milestone: Milestone, request: ForgeRequest) -> bool:
    """Whether title and text are those that aiw gives a request now."""
    return checksum_text(request.title, request.body) == checksum_text(*_texts(ws, milestone))


def _furnish(ws: Workspace, forge: Forge, number: int) -> tuple[str, ...]:
    settings = ws.config.git.pull_request
    if not (settings.labels or settings.reviewers or settings.milestone):
        return ()
    try:
        left = forge.furnish(number, labels=settings.labels, reviewers=settings.reviewers, milestone=settings.milestone)
    except ForgeError as error:
        # Without them the request is what it should be; they hold nothing up.
        left = (error.message,)
    return tuple(f"{forge.place.noun} {number}: {sentence}" for sentence in left)


def _refresh(ws: Workspace, forge: Forge, milestone: Milestone, request: ForgeRequest) -> ForgeRequest:
    """Title and text as the state has them by now, unless a person has changed them."""
    title, body = _texts(ws, milestone)
    is_ours = checksum_text(request.title, request.body) == milestone.pr.written_sum
    if not is_ours or checksum_text(title, body) == milestone.pr.written_sum:
        return request
    write_body(ws, milestone.id)
    return forge.update_request(request.number, title=title, body=body)


def checksum_text(title: str, body: str) -> str:
    """Tells whether title and text are those that were written; forges change ends of lines and final ones."""
    lines = [line.rstrip() for line in f"{title.strip()}\n{body.strip()}".splitlines()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def _record(ws: Workspace, forge: Forge, milestone: Milestone, request: ForgeRequest, *, status: str) -> None:
    """Notes the request, and what of its text is ours."""
    is_new = milestone.pr.number != request.number
    ours = checksum_text(*_texts(ws, milestone))
    there = checksum_text(request.title, request.body)
    written = there if there == ours else milestone.pr.written_sum
    with ws.store.transaction(f"{forge.place.noun} of {milestone.id}") as change:
        fresh = change.before.get_milestone(milestone.id)
        pr = replace(
            fresh.pr,
            status="closed" if status == "closed" else "created",
            url=request.url,
            number=request.number,
            forge=f"{forge.place.host}/{forge.place.project}",
            base=request.base,
            written_sum=written,
            created_at=change.now if is_new else fresh.pr.created_at,
        )
        if pr != fresh.pr:
            text = f"{forge.place.noun} {request.number} of {fresh.id} is {status}: {request.url}"
            event = make_event(f"pull_request_{status}", text, milestone_id=fresh.id, now=change.now, actor=ws.actor)
            fresh = replace(fresh, pr=replace(pr, updated_at=change.now), updated_at=change.now)
            change.apply(Changes(put=(fresh,), events=(event,)))


def retarget_stacked(ws: Workspace, milestone: Milestone, remote: Remote | None, _listeners: Listeners) -> Reached:
    """Requests of milestones on top of this one go into base, before its branch goes: a forge may close them else."""
    stacked = list_stacked(ws.store.snapshot(), milestone)
    if remote is None or not stacked:
        return Reached()
    base = ws.config.target_branch
    try:
        with forge_of(ws, remote) as forge:
            for other in stacked:
                assert other.pr.number is not None
                request = forge.read_request(other.pr.number)
                if request.status == "open" and request.base != base:
                    request = forge.update_request(other.pr.number, base=base)
                    ws.talk(f"{forge.place.noun} {other.pr.number} of {other.id} goes into {base} now")
                _record(ws, forge, other, request, status="closed" if request.status == "closed" else "created")
    except ForgeError as error:
        return explain(ws, milestone, remote, "retarget", error)
    return Reached()
