"""`git pr`: the text of a milestone's pull request, and the request itself on the forge (spec §6.8)."""

from __future__ import annotations

import shlex

from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.remotes import Remote, list_urls
from ai_workflow.models.base import Record
from ai_workflow.models.milestone import Milestone
from ai_workflow.policy.closeout import choose_mode
from ai_workflow.rendering.text import strip_line
from ai_workflow.services import resume
from ai_workflow.services.landing import Reached, find_target_remote
from ai_workflow.services.request_body import write_body
from ai_workflow.services.workspace import Workspace


class RequestText(Record, frozen=True, kw_only=True):
    """What was written."""

    milestone: Milestone
    path: str
    """Relative to the root of the state."""


class Opened(Record, frozen=True, kw_only=True):
    """The request as it stands on the forge."""

    milestone: Milestone
    path: str
    """Of its text, relative to the root of the state."""
    noun: str
    """What the forge calls it."""
    number: int
    url: str
    status: str
    is_new: bool
    notes: tuple[str, ...] = ()


def write_request(ws: Workspace, milestone_id: str) -> RequestText:
    """Writes the text of the milestone's pull request; opens nothing. Raises AiwError(NOT_FOUND, IO)."""
    resume.resume(ws)
    milestone, rel = write_body(ws, milestone_id)
    return RequestText(milestone=milestone, path=rel)


def open_pull_request(ws: Workspace, milestone_id: str, *, is_asked: bool = True) -> Opened:
    """Pushes the milestone's branch and opens its request, or brings the one that is there up to date.

    While tasks are open it is a draft. One that was closed is followed by another one if a person asks (`is_asked`).

    Raises:
        AiwError: STATE when there is nothing to open; GIT as `push_milestone_branch`; BLOCKED with the cause, and with
            what to type by hand, when the forge cannot be asked or says no.
    """
    written = write_request(ws, milestone_id)
    milestone, path = written.milestone, written.path
    if milestone.status in ("merged", "cancelled"):
        raise AiwError(
            Kind.STATE,
            f"{milestone.id} is {milestone.status}: there is no pull request to open; its text is in {path}",
            hint="see `aiw milestone list`",
        )
    remote = find_target_remote(ws)
    if remote is None:
        raise AiwError(
            Kind.BLOCKED,
            f"the text is in {path}, but there is no remote to open a pull request on",
            hint=f"add one: git remote add origin <url>; without one, {ws.command(f'milestone finish {milestone.id}')}"
            " merges it here",
        )
    from ai_workflow.policy.milestones import is_complete
    from ai_workflow.services.forge_access import find_forge_place, forge_of
    from ai_workflow.services.pushing import push_milestone_branch

    if find_forge_place(ws, remote) is None:
        raise _say_by_hand(ws, written, remote, f"the URL of {remote.name} names no project on a known forge")
    push_milestone_branch(ws, milestone_id)
    from ai_workflow.forge.base import ForgeError
    from ai_workflow.services.requesting import establish, explain

    snapshot = ws.store.snapshot()
    milestone = snapshot.get_milestone(milestone_id)
    is_draft = ws.config.git.pull_request.draft or not is_complete(snapshot, milestone)
    with ws.git_effects(f"open the pull request of {milestone.id}"):
        try:
            with forge_of(ws, remote) as forge:
                found = establish(ws, forge, milestone, is_draft=is_draft, is_asked=is_asked)
                noun = forge.place.noun
        except ForgeError as error:
            found = explain(ws, milestone, remote, "pull-request", error)
    if isinstance(found, Reached):
        assert found.obstacle is not None
        raise AiwError(Kind.BLOCKED, found.obstacle.message, hint=found.obstacle.next_command)
    return Opened(
        milestone=ws.store.snapshot().get_milestone(milestone_id),
        path=path,
        noun=noun,
        number=found.request.number,
        url=found.request.url,
        status=found.request.status,
        is_new=found.is_new,
        notes=found.notes,
    )


def keep_draft(ws: Workspace, milestone_id: str) -> None:
    """Pushes an unfinished milestone and keeps its draft up to date, where `git.pull_request.draft` asks for one.

    The task that was finished is done whatever the forge says, so a failure is only told.
    """
    remote = find_target_remote(ws)
    if not ws.config.git.pull_request.draft or remote is None:
        return
    git = ws.config.git
    urls = list_urls(ws.repository.git, remote)
    if choose_mode(git.closeout_mode, remote_urls=urls, forge_override=git.forge) != "pull_request":
        return
    try:
        opened = open_pull_request(ws, milestone_id, is_asked=False)
    except AiwError as error:
        if error.kind not in (Kind.BLOCKED, Kind.GIT, Kind.IO):
            raise
        ws.talk(f"note: the draft of {milestone_id} is not up to date: {error.message}")
        return
    if opened.is_new:
        ws.talk(f"{milestone_id} is a draft now: {opened.url}")


def _say_by_hand(ws: Workspace, written: RequestText, remote: Remote, why: str) -> AiwError:
    milestone = written.milestone
    branch, base = shlex.quote(milestone.branch or ""), shlex.quote(ws.config.target_branch)
    title = shlex.quote(f"{milestone.id}: {strip_line(milestone.title)[:200]}")
    steps = (
        ws.command(f"git push {milestone.id}"),
        f"open a request from {branch} to {base} there, titled {title}, with that text",
        f"{ws.command('git sync')}   # once it is merged",
    )
    shown = "\n".join(f"  {step}" for step in steps)
    return AiwError(
        Kind.BLOCKED,
        f"the text is in {written.path}, but {why}; by hand:\n{shown}",
        hint="set `git.forge` and `git.forge_url` if it is on one; to write the text alone:"
        f" {ws.command(f'git pr {milestone.id} --no-create')}",
    )
