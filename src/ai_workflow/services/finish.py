"""Finishes a task: gates, checks, one commit of exactly the checked tree, the fact (spec §6.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from ai_workflow.checks.runner import CheckCommand, run_checks
from ai_workflow.config.ownership import handoff_paths
from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.blobs import read_changes
from ai_workflow.git.commits import PrivateIndex, Refusal
from ai_workflow.git.status import path_to_key, show_path
from ai_workflow.models.base import Record
from ai_workflow.models.lane import DirtyPath
from ai_workflow.models.operation import Intent
from ai_workflow.models.run import CheckResult
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.task import Task
from ai_workflow.policy.finishing import require_finishable
from ai_workflow.policy.gates import FinishOptions, Verdict, judge
from ai_workflow.policy.recovery import find_repaired
from ai_workflow.policy.secrets import mask
from ai_workflow.services import claim, closeout, resume, settling
from ai_workflow.services.candidate import (
    Candidate,
    build_candidate,
    find_changes_since,
    find_outside,
    is_nothing,
    stash_outside,
)
from ai_workflow.services.committing import (
    beyond_candidate,
    commit_message,
    find_made_commit,
    make_intended_commit,
    take_back,
    without,
    work_tree_holds,
    write_documents,
)
from ai_workflow.services.evidence import record_failure, record_intent, record_no_change
from ai_workflow.services.isolation import folder_for_checks
from ai_workflow.services.listener import Listener
from ai_workflow.services.secret_gate import pass_gate
from ai_workflow.services.trusting import require_trust
from ai_workflow.services.workspace import Workspace


class FinishRequest(Record, frozen=True, kw_only=True):
    """What a person or an agent asked for."""

    lane_id: str = "core"
    task_id: str | None = None
    options: FinishOptions = FinishOptions()


class FinishResult(Record, frozen=True, kw_only=True):
    """What became of it."""

    outcome: str
    """`done`, `failed`, `rehearsed` or `already_done`."""
    task: Task
    results: tuple[CheckResult, ...] = ()
    reasons: tuple[str, ...] = ()
    commit_sha: str | None = None
    candidate: Candidate | None = None
    stashed: tuple[str, ...] = ()
    closeout: closeout.CloseoutResult | None = None


def finish_task(ws: Workspace, request: FinishRequest, *, listener: Listener | None = None) -> FinishResult:
    """Finishes the lane's active task, then closes its milestone when that was the last one.

    A task that is done already only completes an unfinished closeout.

    Raises:
        AiwError: every refusal; the task, the index and the work tree are then as they were.
    """
    _require_reason(request.options)
    request = replace(request, options=_without_secrets(request.options))
    resume.resume(ws)
    snapshot = ws.store.snapshot()
    done = _find_done(snapshot, request)
    if done is not None:
        _sweep(ws, request.lane_id, done)
        ended = closeout.advance(ws, done.milestone_id, listener_of_checks=_listeners(listener))
        return FinishResult(outcome="already_done", task=done, commit_sha=done.commit_sha, closeout=ended)
    task = require_finishable(snapshot, lane_id=request.lane_id, task_id=request.task_id)
    with ws.finishing(request.lane_id, task.id):
        result = _finish(ws, snapshot, task, request.options, listener or Listener())
    if result.outcome == "failed" and result.task.status == "blocked":
        claim.hand_out_active(ws, request.lane_id)
    if result.outcome != "done":
        return result
    ended = closeout.advance(ws, task.milestone_id, listener_of_checks=_listeners(listener))
    if ended.outcome == "not_complete" and ws.config.git.pull_request.draft:
        from ai_workflow.services.pull_requests import keep_draft

        keep_draft(ws, task.milestone_id)
    return replace(result, closeout=ended)


def _sweep(ws: Workspace, lane_id: str, task: Task) -> None:
    """Removes the private index of a finish that was killed after its task was done."""
    lease = ws.finish_lease(lane_id, task.id)
    try:
        lease.acquire(deadline_s=0)
    except AiwError:
        return
    ws.sweep_candidates()
    lease.release()


def _listeners(
    listener: Listener | None,
) -> tuple[Callable[[CheckCommand], None] | None, Callable[[bytes], None] | None]:
    return (listener.on_start, listener.on_output) if listener else (None, None)


def _require_reason(options: FinishOptions) -> None:
    weak = options.weakens_proof or options.allow or options.adopt or options.allow_secrets
    if weak and not (options.reason and options.reason.strip()):
        raise AiwError(
            Kind.USAGE,
            "this finish goes round a gate, so it needs a reason",
            hint="add --reason 'why this is right'; it is recorded with the task",
        )


def _without_secrets(options: FinishOptions) -> FinishOptions:
    """The words of a person are recorded, so they are masked first."""
    return replace(
        options,
        summary=mask(options.summary),
        reason=mask(options.reason) if options.reason else options.reason,
        no_change_reason=mask(options.no_change_reason) if options.no_change_reason else options.no_change_reason,
    )


def _find_done(snapshot: Snapshot, request: FinishRequest) -> Task | None:
    """The task meant, when it is done already."""
    if request.task_id:
        named = snapshot.get_task(request.task_id)
        task = find_repaired(snapshot, named) or named
        return task if task.status == "done" else None
    lane = snapshot.get_lane(request.lane_id)
    if lane.current_task_id is not None or lane.milestone_id is None:
        return None
    milestone = snapshot.get_milestone(lane.milestone_id)
    ended = [task for task in snapshot.tasks_of(milestone) if task.status == "done"]
    return (
        ended[-1] if ended and not any(t.status in ("planned", "ready") for t in snapshot.tasks_of(milestone)) else None
    )


def _finish(ws: Workspace, snapshot: Snapshot, task: Task, options: FinishOptions, listener: Listener) -> FinishResult:
    brought = commands_of(ws, task, replace(options, extra_checks=()))
    require_trust(ws, [command.run for command in brought])
    stashed = stash_outside(ws, snapshot, task, options) if options.stash_out_of_scope else ()
    ws.sweep_candidates()
    try:
        result = _judge_and_commit(ws, snapshot, task, options, listener)
    finally:
        PrivateIndex.reopen(ws.repository, name=_index_name(task)).close()
    return replace(result, stashed=stashed)


def _index_name(task: Task) -> str:
    return f"candidate-{task.lane_id or 'core'}"


def _judge_and_commit(
    ws: Workspace, snapshot: Snapshot, task: Task, options: FinishOptions, listener: Listener
) -> FinishResult:
    candidate = build_candidate(ws, snapshot, task, options, index_name=_index_name(task))
    if is_nothing(candidate) and not options.no_change_reason:
        raise AiwError(
            Kind.STATE,
            f"nothing has changed for {task.id}, so there is nothing to commit" + _foreign_note(candidate),
            hint="do the work first; if none is needed: --no-change 'why'",
        )
    candidate, results = _check(ws, snapshot, task, options, candidate, listener)
    verdict = judge(results, options)
    if verdict.passed and is_nothing(candidate) and not options.no_change_reason:
        raise AiwError(
            Kind.STATE,
            f"the checks undid the changes of {task.id}, so there is nothing to commit",
            hint="let the check command only read, then do the work again",
        )
    if not options.commit:
        outcome = "rehearsed" if verdict.passed else "failed"
        return FinishResult(outcome=outcome, task=task, results=results, reasons=verdict.reasons, candidate=candidate)
    if not verdict.passed:
        active = record_failure(ws, task, candidate, results, verdict, options)
        return FinishResult(
            outcome="failed", task=active, results=results, reasons=verdict.reasons, candidate=candidate
        )
    if options.no_change_reason and is_nothing(candidate):
        done = record_no_change(ws, task, candidate, results, verdict, options)
        return FinishResult(outcome="done", task=done, results=results, candidate=candidate)
    made = _commit(ws, task, candidate, results, verdict, options, listener)
    done = ws.store.snapshot().get_task(task.id)
    return FinishResult(
        outcome="done", task=done, results=results, reasons=verdict.reasons, commit_sha=made, candidate=candidate
    )  # fmt: skip


def _foreign_note(candidate: Candidate) -> str:
    if not candidate.foreign:
        return ""
    shown = ", ".join(show_path(path) for path in candidate.foreign[:5])
    return f" (uncommitted before it began, and yours: {shown})"


def commands_of(ws: Workspace, task: Task, options: FinishOptions) -> tuple[CheckCommand, ...]:
    """The checks of this finish: the task's own, the configured ones, and those asked for."""
    if not options.run_checks:
        return ()
    timeout_s = float(ws.config.checks.timeout_s)
    own = tuple(CheckCommand(run=command, timeout_s=timeout_s, name=command) for command in task.verify)
    extra = tuple(CheckCommand(run=command, timeout_s=timeout_s, name=command) for command in options.extra_checks)
    commands = (*own, *ws.config.agent.checks, *extra)
    return tuple({command.run: command for command in reversed(commands)}.values())[::-1]


def _check(
    ws: Workspace, snapshot: Snapshot, task: Task, options: FinishOptions, candidate: Candidate, listener: Listener
) -> tuple[Candidate, tuple[CheckResult, ...]]:
    """Runs the checks; when they changed what is committed, builds the tree anew and runs them once more."""
    commands = commands_of(ws, task, options)
    if not commands:
        return candidate, ()
    for is_last in (False, True):
        with folder_for_checks(ws, head=candidate.head, tree=candidate.tree) as folder:
            results = _run(commands, folder, listener)
        now, moved = find_changes_since(ws, candidate)
        new, by_products = _sort_moved(candidate, moved, task, ws)
        if not new:
            left_out = tuple(dict.fromkeys((*candidate.left_out, *by_products)))
            return replace(candidate, fingerprints=now, left_out=left_out), results
        if is_last or not all(result.status == "passed" for result in results):
            break
        ws.talk(f"the checks changed {', '.join(show_path(path) for path in new[:5])}: checking the new tree once more")
        candidate = build_candidate(
            ws, _without(snapshot, by_products, now), task, options, index_name=_index_name(task)
        )
    if not all(result.status == "passed" for result in results):
        return candidate, results
    shown = "\n".join(f"  {show_path(path)}" for path in new[:20])
    raise AiwError(
        Kind.CHECK,
        f"the checks keep changing what they check, so nothing is proven:\n{shown}",
        hint="let the check command only read, or run its fixer before you finish",
    )


def _run(commands: Sequence[CheckCommand], folder: str, listener: Listener) -> tuple[CheckResult, ...]:
    return run_checks(commands, cwd=folder, env=None, on_output=listener.on_output, on_start=listener.on_start)


def _sort_moved(
    candidate: Candidate, moved: Sequence[str], task: Task, ws: Workspace
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which changes made by the checks concern the commit, and which are by-products that nobody owns.

    A new file counts only when a scope names it: what test runners leave behind is nobody's work.
    """
    from ai_workflow.policy.commit_scope import make_matcher

    named = make_matcher(task.conflict_scopes)
    own = set(candidate.paths)
    concerned = []
    by_products = []
    for path in moved:
        is_new = path not in candidate.fingerprints
        if path in own or (is_new and named(ws.repository.to_root(path))):
            concerned.append(path)
        else:
            by_products.append(path)
    return tuple(concerned), tuple(by_products)


def _without(snapshot: Snapshot, paths: Sequence[str], now: dict[str, DirtyPath]) -> Snapshot:
    """The snapshot with these paths in the baseline, so that they do not count as the task's."""
    baseline = snapshot.baselines.get("core")
    if baseline is None or not paths:
        return snapshot
    known = dict(baseline.paths)
    known.update({path_to_key(path): now[path] for path in paths if path in now})
    return snapshot.apply(Changes(put=(replace(baseline, paths=known),)))


def _commit(
    ws: Workspace,
    task: Task,
    candidate: Candidate,
    results: Sequence[CheckResult],
    verdict: Verdict,
    options: FinishOptions,
    listener: Listener,
) -> str:
    """Intent, commit, verification, index, fact. Raises AiwError with everything as it was when git refuses."""
    with ws.git_effects(f"commit {task.id}"):
        intent, run = record_intent(ws, task, candidate, results, verdict, options)
        documents: tuple[str, ...] = ()
        # The very index that was checked: what somebody edits meanwhile cannot slip into the commit.
        index = PrivateIndex.reopen(ws.repository, name=candidate.index_name)
        try:
            documents = write_documents(ws, task.id, index, tree=candidate.tree)
            handoffs = tuple(ws.repository.from_root(rel) for rel in handoff_paths(ws.config))
            # Those hold no secret; decision records and the backlog are what people write.
            if without(documents, handoffs):
                own = read_changes(ws.repository.git, candidate.tree, index.write_tree())
                pass_gate(ws, task, own, given=options.allow_secrets)
            made = make_intended_commit(intent, index, commit_message(ws, task, run, intent))
            if isinstance(made, Refusal):
                raise AiwError(
                    Kind.GIT,
                    f"{task.id} was not committed; git or a hook refused:\n{made.message}",
                    hint="put right what it names, then run the same command again; the task is still active",
                )
            beyond = beyond_candidate(candidate.changes, made)
            _verify(ws, task, candidate, intent, made.sha, options, listener, altered=without(beyond, documents))
        except BaseException:
            # Git can fail, or we be interrupted, after the commit exists: then the next command completes it.
            if find_made_commit(ws, intent, documents=documents) is None:
                settling.drop(ws, intent)
            raise
        settling.complete_finish(ws, intent, made, beyond=beyond)
        return made.sha


def _verify(
    ws: Workspace,
    task: Task,
    candidate: Candidate,
    intent: Intent,
    made: str,
    options: FinishOptions,
    listener: Listener,
    *,
    altered: tuple[str, ...],
) -> None:
    """Accepts the commit when it is the checked tree, or when the checks pass on what hooks made of it."""
    if not altered:
        return
    shown = ", ".join(show_path(path) for path in altered[:5])
    _refuse_foreign(ws, task, candidate, intent, made, altered=altered)
    try:
        pass_gate(ws, task, read_changes(ws.repository.git, intent.tree, made), given=options.allow_secrets)
    except AiwError as error:
        take_back(ws, intent, made)
        raise AiwError(
            error.kind, f"a hook changed the commit; it was taken back: {error.message}", hint=error.hint
        ) from error
    ws.talk(f"a hook changed what was committed ({shown}): checking that")
    is_pure = ws.config.checks.isolation == "worktree"
    differs = not is_pure and not work_tree_holds(ws, made, altered)
    results: tuple[CheckResult, ...] = ()
    if not differs:
        with folder_for_checks(ws, head=made, tree=f"{made}^{{tree}}") as folder:
            results = _run(commands_of(ws, task, options), folder, listener)
        if judge(results, options).passed:
            return
    take_back(ws, intent, made)
    why = "the work tree does not hold what it made of them" if differs else judge(results, options).reasons[0]
    raise AiwError(
        Kind.CHECK,
        f"a hook changed {shown} in the commit of {task.id}, and {why}; the commit was taken back",
        hint="run the hook's fixer yourself, then finish again",
    )


def _refuse_foreign(
    ws: Workspace, task: Task, candidate: Candidate, intent: Intent, made: str, *, altered: tuple[str, ...]
) -> None:
    """Takes the commit back when a hook put something into it that the task does not own.

    Raises:
        AiwError: SCOPE, naming the paths.
    """
    added = [path for path in altered if path not in candidate.paths]
    outside = set(find_outside(ws, task, tuple(path for path in added if path not in candidate.fingerprints)))
    foreign = [path for path in added if path in candidate.fingerprints or path in outside]
    if not foreign:
        return
    take_back(ws, intent, made)
    shown = "\n".join(f"  {show_path(path)}" for path in foreign[:20])
    raise AiwError(
        Kind.SCOPE,
        f"a hook put into the commit of {task.id} what is not the task's; the commit was taken back:\n{shown}",
        hint="let the hook add only the files it was given (no `git add -A`), then finish again",
    )
