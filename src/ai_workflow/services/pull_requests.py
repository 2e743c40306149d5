"""`git pr`: the text of a milestone's pull request, and how to open it by hand (spec §6.8)."""

from __future__ import annotations

import shlex

from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.remotes import list_urls
from ai_workflow.models.base import Record
from ai_workflow.models.milestone import Milestone
from ai_workflow.policy.forges import find_forge
from ai_workflow.rendering.text import strip_line
from ai_workflow.services import resume
from ai_workflow.services.landing import find_target_remote
from ai_workflow.services.request_body import write_body
from ai_workflow.services.workspace import Workspace


class RequestText(Record, frozen=True, kw_only=True):
    """What was written."""

    milestone: Milestone
    path: str
    """Relative to the root of the state."""


def write_request(ws: Workspace, milestone_id: str) -> RequestText:
    """Writes the text of the milestone's pull request; opens nothing. Raises AiwError(NOT_FOUND, IO)."""
    resume.resume(ws)
    milestone, rel = write_body(ws, milestone_id)
    return RequestText(milestone=milestone, path=rel)


def refuse_to_open(ws: Workspace, written: RequestText) -> AiwError:
    """Why the request is not opened, with what to type instead; BLOCKED unless there is nothing to open."""
    milestone = written.milestone
    if milestone.status in ("merged", "cancelled"):
        return AiwError(
            Kind.STATE,
            f"{milestone.id} is {milestone.status}: there is no pull request to open; its text is in {written.path}",
            hint="see `aiw milestone list`",
        )
    remote = find_target_remote(ws)
    if remote is None:
        return AiwError(
            Kind.BLOCKED,
            f"the text is in {written.path}, but there is no remote to open a pull request on",
            hint=f"add one: git remote add origin <url>; without one, {ws.command(f'milestone finish {milestone.id}')}"
            " merges it here",
        )
    forges = [forge for url in list_urls(ws.repository.git, remote) if (forge := find_forge(url, override=_forge(ws)))]
    steps = "\n".join(f"  {step}" for step in _steps(ws, written, forges[0] if forges else None))
    return AiwError(
        Kind.BLOCKED,
        f"the text is in {written.path}, but this release of aiw cannot open pull requests; by hand:\n{steps}",
        hint=f"to write the text alone: {ws.command(f'git pr {milestone.id} --no-create')}",
    )


def _forge(ws: Workspace) -> str | None:
    return ws.config.git.forge


def _steps(ws: Workspace, written: RequestText, forge: str | None) -> list[str]:
    milestone = written.milestone
    title = shlex.quote(f"{milestone.id}: {strip_line(milestone.title)[:200]}")
    branch, base, path = (shlex.quote(text) for text in (milestone.branch or "", ws.config.target_branch, written.path))
    if forge == "github":
        opening = f"gh pr create --base {base} --head {branch} --title {title} --body-file {path}"
    elif forge == "gitlab":
        opening = (
            f"glab mr create --target-branch {base} --source-branch {branch} --title {title}"
            f' --description "$(cat {path})"'
        )
    else:
        opening = f"open a request from {milestone.branch} to {ws.config.target_branch} there, with that text"
    return [
        ws.command(f"git push {milestone.id}"),
        opening,
        f"{ws.command('git sync')}   # once it is merged",
    ]
