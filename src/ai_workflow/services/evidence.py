"""Records what a finish came to: failed, done without a change, or about to be committed (spec §6.4 steps 6 and 8)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ai_workflow.git.commits import PrivateIndex
from ai_workflow.git.refs import branch_ref
from ai_workflow.git.status import path_to_key, show_path
from ai_workflow.models.operation import Intent
from ai_workflow.models.run import CheckResult, Run
from ai_workflow.models.snapshot import Changes
from ai_workflow.models.task import Decision, Task
from ai_workflow.policy.finishing import complete_task, ensure_run, fail_task, require_finishable
from ai_workflow.policy.gates import NO_CHECKS, FinishOptions, Verdict
from ai_workflow.policy.recovery import RecoveryLimits, after_failure
from ai_workflow.services.candidate import Candidate
from ai_workflow.services.changeset import make_baseline
from ai_workflow.services.workspace import Workspace


def audit_rel(ws: Workspace, task: Task) -> str:
    """Where the task's audit lies, relative to the root of the state."""
    return f"{ws.config.reports.dir}/audits/{task.id}.md"


def _with_evidence(ws: Workspace, run: Run, task: Task, candidate: Candidate, results: Sequence[CheckResult]) -> Run:
    return replace(
        run,
        checks=tuple(results),
        tree=candidate.tree,
        also_present=tuple(show_path(path) for path in candidate.foreign),
        changed_files=tuple(show_path(path) for path in candidate.verdict.committed),
        audit_path=audit_rel(ws, task),
    )


def record_failure(
    ws: Workspace,
    task: Task,
    candidate: Candidate,
    results: Sequence[CheckResult],
    verdict: Verdict,
    options: FinishOptions,
) -> Task:
    """The run is over and failed; the task stays active, or its recovery begins or goes on. Returns the task."""
    with ws.store.transaction(f"failed checks of {task.id}") as change:
        fresh = change.before.get_task(task.id)
        changes, run = ensure_run(change.before, fresh, now=change.now, actor=ws.actor)
        change.apply(changes)
        change.apply(
            fail_task(
                change.after,
                change.after.get_task(task.id),
                _with_evidence(ws, run, task, candidate, results),
                results=results,
                paths=tuple(show_path(path) for path in candidate.verdict.committed),
                tree=candidate.tree,
                reasons=verdict.reasons,
                audit_path=audit_rel(ws, task),
                now=change.now,
                actor=ws.actor,
            )
        )
        if options.audit != "fail":
            change.apply(
                after_failure(
                    change.after,
                    change.after.get_task(task.id),
                    results,
                    limits=recovery_limits(ws),
                    now=change.now,
                    actor=ws.actor,
                )
            )
    return change.after.get_task(task.id)


def recovery_limits(ws: Workspace) -> RecoveryLimits:
    """What the config says about recoveries."""
    settings = ws.config.recovery
    return RecoveryLimits(
        is_automatic=settings.enabled and settings.auto_for_failed_checks,
        max_attempts=settings.max_attempts_per_task,
        prefix=ws.command_prefix,
    )


def _decisions(ws: Workspace, options: FinishOptions, *, now: str) -> tuple[Decision, ...]:
    reason = (options.reason or "").strip()
    made = [Decision(kind="allow", path=path, reason=reason, actor=ws.actor, at=now) for path in options.allow]
    made += [Decision(kind="adopt", path=path, reason=reason, actor=ws.actor, at=now) for path in options.adopt]
    made += [
        Decision(kind="allow-secret", fingerprint=mark, reason=reason, actor=ws.actor, at=now)
        for mark in options.allow_secrets
    ]
    if options.weakens_proof:
        made.append(Decision(kind="unproven", reason=reason, actor=ws.actor, at=now))
    if options.no_change_reason:
        made.append(Decision(kind="no-change", reason=options.no_change_reason, actor=ws.actor, at=now))
    return tuple(made)


def _unproven(results: Sequence[CheckResult], verdict: Verdict) -> str | None:
    return verdict.unproven or (None if results else NO_CHECKS)


def record_no_change(
    ws: Workspace,
    task: Task,
    candidate: Candidate,
    results: Sequence[CheckResult],
    verdict: Verdict,
    options: FinishOptions,
) -> Task:
    """Done without a commit, for a reason that a person gave; returns the task."""
    with ws.store.transaction(f"finish {task.id} without a change") as change:
        fresh = require_finishable(change.before, lane_id=task.lane_id or "core", task_id=task.id)
        changes, run = ensure_run(change.before, fresh, now=change.now, actor=ws.actor)
        change.apply(changes)
        change.apply(
            complete_task(
                change.after,
                task.id,
                replace(_with_evidence(ws, run, task, candidate, results), summary=options.summary),
                sha=None,
                decisions=_decisions(ws, options, now=change.now),
                unproven=_unproven(results, verdict),
                no_change_reason=options.no_change_reason,
                now=change.now,
                actor=ws.actor,
            )
        )
    return change.after.get_task(task.id)


def record_intent(
    ws: Workspace,
    task: Task,
    candidate: Candidate,
    results: Sequence[CheckResult],
    verdict: Verdict,
    options: FinishOptions,
) -> tuple[Intent, Run]:
    """The commit that is about to be made, on disk before git runs; and the run with its evidence."""
    committed = set(candidate.paths)
    remaining = {path: dirty for path, dirty in candidate.fingerprints.items() if path not in committed}
    with ws.store.transaction(f"finishing {task.id}") as change:
        fresh = require_finishable(change.before, lane_id=task.lane_id or "core", task_id=task.id)
        milestone = change.before.get_milestone(fresh.milestone_id)
        changes, run = ensure_run(change.before, fresh, now=change.now, actor=ws.actor)
        run = replace(_with_evidence(ws, run, task, candidate, results), summary=options.summary)
        intent = Intent(
            id=change.operation_id,
            kind="finish",
            task_id=task.id,
            run_id=run.id,
            branch=branch_ref(milestone.branch or ""),
            head=candidate.head,
            tree=candidate.tree,
            index_file=PrivateIndex.reopen(ws.repository, name=candidate.index_name).path,
            paths=tuple(path_to_key(path) for path in candidate.paths),
            staged={path_to_key(path): entry for path, entry in candidate.staged.items()},
            decisions=_decisions(ws, options, now=change.now),
            unproven=_unproven(results, verdict),
            baseline=make_baseline("core", remaining, now=change.now).paths,
            at=change.now,
        )
        change.apply(changes)
        change.apply(Changes(put=(run, intent)))
    return intent, run
