"""The second rung of a closeout by pull request: merge it, once it may be (spec §6.5)."""

from __future__ import annotations

from msgspec.structs import replace

from ai_workflow.forge.base import Forge, ForgeError
from ai_workflow.git.remotes import Remote
from ai_workflow.models.forge import ForgeRequest, Standing
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.policy.requests import Verdict, judge
from ai_workflow.policy.stacking import find_parent
from ai_workflow.services.landing import Listeners, Reached, record, retry_command, stop
from ai_workflow.services.request_landing import see_landed
from ai_workflow.services.requesting import speak
from ai_workflow.services.workspace import Workspace

_ASKED = 3
"""How often a merge is asked for within one try, when the answer is that something has changed."""
_HANDED = ("merge_later", "enqueue")
"""Actions after which the forge merges by itself."""


def merge_request(ws: Workspace, milestone: Milestone, remote: Remote | None, listeners: Listeners) -> Reached:
    """Merges the request when that is safe, and sees that it is merged."""
    return speak(ws, milestone, remote, "merge", lambda forge: _merge(ws, forge, milestone, remote, listeners))


def _merge(ws: Workspace, forge: Forge, milestone: Milestone, remote: Remote | None, listeners: Listeners) -> Reached:
    closeout = milestone.closeout
    assert closeout is not None
    assert remote is not None
    snapshot = ws.store.snapshot()
    pr = snapshot.get_milestone(milestone.id).pr
    stacked = _find_below(ws, snapshot, milestone)
    if stacked is not None:
        return stacked
    if pr.number is None or closeout.pushed_branch_sha is None:
        return stop(ws, milestone, "pr", "merge", f"{milestone.id} has no {forge.place.noun} that is known")
    git = ws.config.git
    failure: ForgeError | None = None
    for _time in range(_ASKED):
        standing = forge.read_standing(pr.number)
        if git.pull_request.checks == "reported":
            standing = replace(standing, expects_checks=False)
        moved = _find_moved(ws, milestone, standing.request)
        if moved is not None:
            message = f"{forge.place.noun} {pr.number} of {milestone.id} {moved}: {standing.request.url}"
            return stop(ws, milestone, "pr", "merge", message)
        verdict = judge(
            standing,
            head_sha=closeout.pushed_branch_sha,
            strategy=git.merge_strategy,
            merge=git.pull_request.merge,
        )
        if verdict.action == "merged":
            return see_landed(ws, milestone, remote, standing.request)
        if verdict.action in ("conflict", "behind"):
            from ai_workflow.services.branch_update import bring_base_in

            return bring_base_in(ws, milestone, remote, listeners, is_wanted=verdict.action == "behind")
        if verdict.action in ("wait", "stop"):
            return _stop(ws, forge, milestone, standing, verdict)
        if verdict.action in _HANDED and closeout.handed_sha == closeout.pushed_branch_sha:
            return _let_go(ws, forge, milestone, standing)
        failure = _act(ws, forge, milestone, standing, verdict, head_sha=closeout.pushed_branch_sha)
        if verdict.action in _HANDED and failure is None:
            record(ws, milestone, replace(closeout, handed_sha=closeout.pushed_branch_sha))
            message = f"is merged by {forge.name} once it has all it asks for"
            verdict = Verdict(action="wait", message=message, evidence=(standing.request.url,))
            return _stop(ws, forge, milestone, standing, verdict)
    return _refused(ws, forge, milestone, standing, verdict, failure)


def _find_below(ws: Workspace, snapshot: Snapshot, milestone: Milestone) -> Reached | None:
    """What a milestone on top of one that is not merged waits for."""
    below = find_parent(snapshot, milestone)
    if below is None:
        return None
    message = f"{milestone.id} is stacked on {below.id}, which is not merged yet"
    evidence = tuple(one.pr.url for one in (below, milestone) if one.pr.url)
    return stop(ws, milestone, "pr", "merge", message, evidence=evidence, next_command=retry_command(ws, below))


def _refused(
    ws: Workspace,
    forge: Forge,
    milestone: Milestone,
    standing: Standing,
    verdict: Verdict,
    failure: ForgeError | None,
) -> Reached:
    """What the forge did not do though nothing stood in the way."""
    if failure is not None and failure.cause not in ("head_moved", "not_mergeable", "invalid"):
        raise failure
    why = failure.message if failure else "it changed each time it was looked at"
    if verdict.action in _HANDED:
        message = f"{verdict.message or 'may be merged'}, and {forge.name} did not take that over: {why}"
        return _stop(ws, forge, milestone, standing, replace(verdict, message=message))
    message = f"could not be merged: {why}"
    refused = Verdict(action="stop", klass="merge", message=message, evidence=(standing.request.url,))
    return _stop(ws, forge, milestone, standing, refused)


def _let_go(ws: Workspace, forge: Forge, milestone: Milestone, standing: Standing) -> Reached:
    """A person decides: the next try asks anew, where one that only waits would do so again and again."""
    closeout = milestone.closeout
    assert closeout is not None
    record(ws, milestone, replace(closeout, handed_sha=None))
    message = f"was to be merged by {forge.name}, which has let go of it"
    advice = f"see why: {standing.request.url}"
    return _stop(ws, forge, milestone, standing, Verdict(action="stop", klass="merge", message=message, advice=advice))


def _find_moved(ws: Workspace, milestone: Milestone, request: ForgeRequest) -> str | None:
    """How the request is by now another one than was opened; a merge would go elsewhere, or be of something else."""
    if request.base != ws.config.target_branch:
        return f"goes into {request.base} by now, not into {ws.config.target_branch}"
    if request.is_foreign or request.branch != milestone.branch:
        return f"is not of the branch {milestone.branch} of this repository"
    return None


def _act(
    ws: Workspace, forge: Forge, milestone: Milestone, standing: Standing, verdict: Verdict, *, head_sha: str
) -> ForgeError | None:
    """Does what the verdict says; the failure after which the request is to be looked at once more, if there is one."""
    request = standing.request
    try:
        if verdict.action == "ready":
            forge.set_ready(request)
        elif verdict.action == "merge_later":
            forge.merge_later(request, head_sha=head_sha, method=verdict.method)
        elif verdict.action == "enqueue":
            forge.enqueue(request, head_sha=head_sha)
        else:
            title, message = _merge_texts(ws, milestone, forge.place.refer_to(request.number))
            forge.merge(request, head_sha=head_sha, method=verdict.method, title=title, message=message)
            ws.talk(f"merged {forge.place.noun} {request.number} of {milestone.id}")
    except ForgeError as error:
        is_refusal = error.cause == "invalid" and verdict.action in _HANDED
        if not is_refusal and error.cause not in ("head_moved", "not_mergeable", "unanswered", "server"):
            raise
        return error
    return None


def _merge_texts(ws: Workspace, milestone: Milestone, reference: str) -> tuple[str, str]:
    """Subject and rest of the commit that the forge makes; with the trailers of aiw, and the request."""
    from ai_workflow.rendering.commit_message import render_merge_message

    closeout = milestone.closeout
    assert closeout is not None
    tasks = ws.store.snapshot().tasks_of(milestone)
    project_rel = ws.repository.prefix.rstrip("/") or None
    message = render_merge_message(milestone, tasks, operation=closeout.operation, project_rel=project_rel)
    subject, _, rest = message.partition("\n")
    return f"{subject} ({reference})", rest.strip()


def _stop(ws: Workspace, forge: Forge, milestone: Milestone, standing: Standing, verdict: Verdict) -> Reached:
    name = f"{forge.place.noun} {standing.request.number} of {milestone.id}"
    stopped = stop(
        ws,
        milestone,
        verdict.klass,
        "merge",
        f"{name} {verdict.message}",
        evidence=verdict.evidence,
        next_command=verdict.advice or None,
    )
    return replace(stopped, is_waiting=verdict.action == "wait")
