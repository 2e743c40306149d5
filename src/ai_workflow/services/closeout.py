"""Lands a finished milestone on base, step by step; each step asks git what is so before it acts (spec §6.5)."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec.structs import replace

from ai_workflow.checks.runner import CheckCommand
from ai_workflow.clock import format_utc
from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.refs import branch_ref, find_commit, find_head_ref
from ai_workflow.git.remotes import Remote, list_urls
from ai_workflow.models.base import Record
from ai_workflow.models.milestone import Closeout, Milestone
from ai_workflow.models.run import CheckResult
from ai_workflow.models.snapshot import Changes
from ai_workflow.models.status import TASK_CLOSED
from ai_workflow.policy.closeout import choose_mode
from ai_workflow.policy.milestones import (
    block_milestone,
    complete_milestone,
    find_unproven,
    is_complete,
    merge_milestone,
)
from ai_workflow.policy.rebuilding import is_rest_unknown
from ai_workflow.policy.stacking import find_parent
from ai_workflow.services import landing, merging
from ai_workflow.services.landing import Obstacle, Reached
from ai_workflow.services.workspace import Workspace
from ai_workflow.store.transaction import Transaction

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0

OnStart = Callable[[CheckCommand], None]
OnOutput = Callable[[bytes], None]
Listeners = tuple[OnStart | None, OnOutput | None]
Step = Callable[[Workspace, Milestone, Remote | None, Listeners], Reached]


class CloseoutResult(Record, frozen=True, kw_only=True):
    """How the closeout stands."""

    milestone: Milestone
    outcome: str
    """`merged`, `blocked` or `not_complete`; `waiting` within a closeout alone."""
    obstacle: Obstacle | None = None
    notes: tuple[str, ...] = ()
    """What was left undone and why, for people."""
    results: tuple[CheckResult, ...] = ()
    again_s: float | None = None
    """While waiting: when to look again, in seconds since 1970, if that is known."""


def advance(ws: Workspace, milestone_id: str, *, listener_of_checks: Listeners = (None, None)) -> CloseoutResult:
    """Takes the milestone as far as it can get; again from where it stopped.

    An obstacle is data: it is recorded as the milestone's blocker and returned, not raised.

    Raises:
        AiwError: LOCKED, IO, CORRUPT; and GIT when a plumbing command fails that nobody could have expected.
    """
    snapshot = ws.store.snapshot()
    milestone = snapshot.get_milestone(milestone_id)
    if milestone.status == "merged":
        return CloseoutResult(milestone=milestone, outcome="merged")
    if not is_complete(snapshot, milestone):
        return CloseoutResult(milestone=milestone, outcome="not_complete")
    if milestone.start_sha is None:
        return _land_nothing(ws, milestone)
    if is_rest_unknown(milestone) and milestone.blocker is not None:
        held = milestone.blocker
        obstacle = Obstacle(klass=held.klass, step=held.step, message=held.message, next_command=held.next_command)
        return _block(ws, milestone, obstacle)
    unproven = find_unproven(snapshot, milestone)
    if unproven:
        obstacle = Obstacle(
            klass="checks",
            step="quality-gate",
            message=f"{milestone.id} is not merged: it holds work without proof",
            evidence=unproven,
            next_command=ws.command(f"milestone finish {milestone.id} --accept-unproven 'why'"),
        )
        return _block(ws, milestone, obstacle)
    below = find_parent(snapshot, milestone)
    if below is not None:
        # What held that one up may be gone by now, and this one cannot land before it.
        advance(ws, below.id, listener_of_checks=listener_of_checks)
    waited_s, pause_s = 0.0, _FIRST_PAUSE_S
    results: tuple[CheckResult, ...] = ()
    while True:
        with ws.git_effects(f"close out {milestone.id}"):
            # Another command may have landed it while this one waited for the repository.
            milestone = ws.store.snapshot().get_milestone(milestone_id)
            if milestone.status == "merged":
                return CloseoutResult(milestone=milestone, outcome="merged", results=results)
            result = _climb(ws, milestone, listener_of_checks)
            results += result.results
            # Checks that aiw itself ran meanwhile may have taken longer than that.
            left_s = ws.config.git.pull_request.wait_s - waited_s
            if result.outcome != "waiting" or result.obstacle is None:
                return replace(result, results=results)
            until_s = result.again_s - time.time() if result.again_s is not None else 0.0
            if left_s <= 0 or until_s > left_s:
                return replace(_block(ws, result.milestone, result.obstacle), results=results)
        # Nothing is held while others work.
        waited_s += _wait(ws, result.obstacle, max(until_s, min(pause_s, left_s)), left_s=left_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _wait(ws: Workspace, obstacle: Obstacle, pause_s: float, *, left_s: float) -> float:
    now_s = time.time()
    again, end = format_utc(now_s + pause_s)[11:19], format_utc(now_s + left_s)[11:19]
    until = f", until {end} UTC" if pause_s < left_s else " UTC, for the last time"
    ws.talk(f"waiting: {obstacle.message}; looking again at {again}{until}")
    time.sleep(pause_s)
    return pause_s


def _steps(mode: str) -> tuple[Step, ...]:
    """The ladder, in order."""
    if mode != "pull_request":
        return (landing.look, landing.push_milestone, merging.land, merging.follow, merging.clean_up)
    # Here and not above: few closeouts speak to a forge.
    from ai_workflow.services import request_merging, requesting

    return (
        landing.look, landing.push_milestone, requesting.open_request, request_merging.merge_request, merging.follow,
        requesting.retarget_stacked, merging.clean_up,
    )  # fmt: skip


def _climb(ws: Workspace, milestone: Milestone, listeners: Listeners) -> CloseoutResult:
    remote = landing.find_target_remote(ws)
    mode = choose_mode(
        ws.config.git.closeout_mode,
        remote_urls=list_urls(ws.repository.git, remote) if remote else (),
        forge_override=ws.config.git.forge,
    )
    milestone = _begin(ws, milestone, mode)
    results: tuple[CheckResult, ...] = ()
    for step in _steps(mode):
        try:
            reached = step(ws, milestone, remote, listeners)
        except AiwError as error:
            if error.kind != Kind.GIT:
                raise
            # The tasks are done whatever git refuses now, so this too is a blocker and not the command's failure.
            reached = landing.stop(ws, milestone, "merge", step.__name__.replace("_", "-"), error.message)
        results += reached.results
        if reached.obstacle is not None and reached.is_waiting:
            return CloseoutResult(
                milestone=milestone,
                outcome="waiting",
                obstacle=reached.obstacle,
                results=results,
                again_s=reached.again_s,
            )
        if reached.obstacle is not None:
            return replace(_block(ws, milestone, reached.obstacle), results=results)
        if reached.closeout is not None and reached.closeout != milestone.closeout:
            milestone = landing.record(ws, milestone, reached.closeout)
    return replace(_merged(ws, milestone), results=results)


def _begin(ws: Workspace, milestone: Milestone, mode: str) -> Milestone:
    """Status `done`, with the closeout's operation id, which its merge commit will carry."""
    with ws.store.transaction(f"close out {milestone.id}") as change:
        fresh = change.before.get_milestone(milestone.id)
        kept = fresh.closeout if fresh.closeout and fresh.closeout.mode == mode else None
        closeout = kept or Closeout(mode=mode, operation=change.operation_id, started_at=change.now)
        head_ref = find_head_ref(ws.repository.git)
        if closeout.head_ref is None or head_ref == branch_ref(milestone.branch or ""):
            closeout = replace(closeout, head_ref=head_ref)
        if fresh.status != "done" or fresh.closeout != closeout:
            change.apply(Changes(put=(complete_milestone(fresh, closeout=closeout, now=change.now),)))
    return change.after.get_milestone(milestone.id)


def _merged(ws: Workspace, milestone: Milestone) -> CloseoutResult:
    closeout = milestone.closeout
    assert closeout is not None
    with ws.store.transaction(f"merge {milestone.id}", operation=closeout.operation) as change:
        fresh = change.before.get_milestone(milestone.id)
        change.apply(merge_milestone(change.before, fresh, closeout=closeout, now=change.now, actor=ws.actor))
        _record_moves(ws, change, milestone, closeout)
    return CloseoutResult(milestone=change.after.get_milestone(milestone.id), outcome="merged", notes=closeout.notes)


def _record_moves(ws: Workspace, change: Transaction, milestone: Milestone, closeout: Closeout) -> None:
    """Notes what the closeout moved in git, in the order in which it did."""
    git = ws.repository.git
    branch = branch_ref(milestone.branch or "")
    is_ours = closeout.landed_sha is not None and closeout.landed_sha == closeout.merge_sha
    if closeout.mode == "pull_request" or not is_ours:
        change.record_final(f"{milestone.id} was merged on its forge, or by somebody else")
    change.record_ref(branch_ref(ws.config.target_branch), before=closeout.base_sha, after=closeout.landed_sha)
    change.record_ref("HEAD", before=closeout.head_ref, after=find_head_ref(git))
    if closeout.branch_tip is not None and find_commit(git, branch) is None:
        change.record_ref(branch, before=closeout.branch_tip, after=None)


def _land_nothing(ws: Workspace, milestone: Milestone) -> CloseoutResult:
    """A milestone that never needed a branch has nothing to merge; it counts as merged."""
    with ws.store.transaction(f"close {milestone.id} without commits") as change:
        fresh = change.before.get_milestone(milestone.id)
        note = f"{milestone.id} made no commit, so there was nothing to merge"
        closeout = Closeout(mode="nothing", operation=change.operation_id, started_at=change.now, notes=(note,))
        change.apply(merge_milestone(change.before, fresh, closeout=closeout, now=change.now, actor=ws.actor))
    return CloseoutResult(milestone=change.after.get_milestone(milestone.id), outcome="merged", notes=(note,))


def _block(ws: Workspace, milestone: Milestone, obstacle: Obstacle) -> CloseoutResult:
    with ws.store.transaction(f"closeout of {milestone.id} blocked") as change:
        change.apply(
            block_milestone(
                change.before,
                change.before.get_milestone(milestone.id),
                klass=obstacle.klass,
                step=obstacle.step,
                message=obstacle.message,
                evidence=obstacle.evidence,
                next_command=obstacle.next_command,
                now=change.now,
                actor=ws.actor,
            )
        )
    return CloseoutResult(milestone=change.after.get_milestone(milestone.id), outcome="blocked", obstacle=obstacle)


def accept_unproven(ws: Workspace, milestone_id: str, *, reason: str) -> None:
    """Records that a person lands work whose proof was waived.

    Raises:
        AiwError: USAGE without a reason.
    """
    if not reason.strip():
        raise AiwError(Kind.USAGE, "--accept-unproven needs a reason", hint="say why this may land without proof")
    with ws.store.transaction(f"accept unproven work of {milestone_id}") as change:
        milestone = change.before.get_milestone(milestone_id)
        change.apply(Changes(put=(replace(milestone, accepted_unproven=reason.strip(), updated_at=change.now),)))


def require_complete(result: CloseoutResult, ws: Workspace) -> CloseoutResult:
    """The result, when the milestone's tasks are all finished.

    Raises:
        AiwError: STATE, naming the open tasks.
    """
    if result.outcome != "not_complete":
        return result
    tasks = ws.store.snapshot().tasks_of(result.milestone)
    waiting = [f"{task.id} ({task.status.replace('_', ' ')})" for task in tasks if task.status not in TASK_CLOSED]
    raise AiwError(
        Kind.STATE,
        f"{result.milestone.id} still has open tasks: {', '.join(waiting[:20])}",
        hint=f"take the next one: {ws.command('agent run --lane core')}",
    )
