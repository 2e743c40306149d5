"""Single records of aiw 0.1.0 as records of this release; `policy.takeover` puts them together (spec §2). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ai_workflow.models.adr import Adr
from ai_workflow.models.blocker import Blocker
from ai_workflow.models.ids import id_number
from ai_workflow.models.legacy import GitFacts, OldAdr, OldBlocker, OldCheck, OldMilestone, OldRun, OldState, OldTask
from ai_workflow.models.milestone import PullRequest
from ai_workflow.models.run import CheckResult, CheckStatus, Run
from ai_workflow.models.task import Decision, Task

TAIL_CHARS = 16 * 1024
"""At most 64 KiB in UTF-8: the bound of a check's stored output."""
NO_COMMIT = "aiw 0.1.0 counted it as done, and no commit of it can be found"
_NO_CHECK = "aiw 0.1.0 recorded no check of it"
_FAILED_CHECK = "aiw 0.1.0 counted it as done with checks that had not passed"
_CHECK_WORDS: Mapping[str, CheckStatus] = {"passed": "passed", "failed": "failed"}


def utc(time: str | None, default: str) -> str:
    """A time as this release writes it, `2026-11-24T17:32:55Z`."""
    return (time or default).replace("+00:00", "Z")


def utc_or_none(time: str | None) -> str | None:
    """As `utc`, None for none."""
    return utc(time, "") if time else None


def convert_task(old: OldTask, state: OldState, facts: GitFacts, *, key: str, now: str) -> Task:
    """The task with its words, times and runs; `depends_on` as it is, everything about blockers left out."""
    sha, unproven = _proof(old, state, facts) if old.status == "done" else (None, None)
    return Task(
        id=old.id,
        title=old.title,
        description=old.description,
        status=old.status,
        milestone_id=old.milestone_id,
        lane_id="core" if old.lane_id else None,
        priority=old.priority,
        depends_on=old.depends_on,
        conflict_scopes=old.conflict_scopes,
        acceptance_criteria=old.acceptance_criteria,
        notes=old.notes,
        key=key,
        branch=old.branch,
        commit_sha=sha,
        audit_path=old.audit_path,
        run_ids=tuple(run_id for run_id in old.run_ids if run_id in state.runs),
        unproven=unproven,
        claimed_at=utc_or_none(old.claimed_at),
        started_at=utc_or_none(old.started_at),
        finished_at=utc_or_none(old.finished_at),
        created_at=utc(old.created_at, now),
        updated_at=utc(old.updated_at, now),
    )


def _proof(old: OldTask, state: OldState, facts: GitFacts) -> tuple[str | None, str | None]:
    """The task's commit, and why it is unproven if it is."""
    sha = old.commit_sha if old.commit_sha in facts.commits else facts.by_task.get(old.id)
    if sha is None:
        return None, NO_COMMIT
    ended = [state.runs[key] for key in old.run_ids if key in state.runs and state.runs[key].status == "completed"]
    checks = [check for check in (ended[-1].checks if ended else ()) if check.status != "recorded"]
    if not checks:
        return sha, _NO_CHECK
    return sha, None if all(check.status == "passed" for check in checks) else _FAILED_CHECK


def holding_decision(reason: str, *, actor: str, now: str) -> Decision:
    """What keeps a milestone from being merged until a person accepts the lack of proof."""
    return Decision(kind="unproven", reason=reason, actor=actor, at=now)


def convert_run(old: OldRun, *, is_under_way: bool, now: str) -> Run:
    """The run. 0.1.0 left a record `started` for ever at each prompt: all but the one under way are over."""
    is_over = old.status == "started" and not is_under_way
    return Run(
        id=old.id,
        lane_id="core" if old.lane_id else None,
        milestone_id=old.milestone_id,
        task_id=old.task_id,
        status="cancelled" if is_over else old.status,
        actor=old.actor or "aiw 0.1.0",
        prompt_path=old.prompt_path,
        started_at=utc(old.started_at, now),
        finished_at=now if is_over else utc_or_none(old.finished_at),
        changed_files=old.changed_files,
        checks=tuple(_convert_check(check) for check in old.checks),
        commit_sha=old.commit_sha,
        audit_path=old.audit_path,
        summary=old.summary,
    )


def _convert_check(old: OldCheck) -> CheckResult:
    return CheckResult(
        command=old.command,
        status=_CHECK_WORDS.get(old.status, "not_started"),
        exit_code=0 if old.status == "passed" else None,
        duration_s=0.0,
        output_tail=(old.output or "")[-TAIL_CHARS:],
    )


def convert_adr(old: OldAdr, *, now: str) -> Adr:
    """The decision, with its status."""
    return Adr(
        id=old.id,
        title=old.title,
        status=old.status,
        applies_to=old.applies_to,
        decision=old.decision,
        consequences=old.consequences,
        created_at=utc(old.created_at, now),
        updated_at=utc(old.updated_at, now),
    )


def convert_blocker(old: OldBlocker, *, is_open: bool, next_command: str, now: str) -> Blocker:
    """The blocker; 0.1.0 made them for failing checks only."""
    status = "resolved" if old.status == "open" and not is_open else old.status
    return Blocker(
        id=old.id,
        klass="human" if is_open else "checks",
        step="task" if is_open else "checks",
        message=old.reason or "aiw 0.1.0 gave no reason",
        evidence=old.evidence,
        since=utc(old.created_at, now),
        next_command=next_command,
        status=status,
        blocked_milestone_id=old.blocked_milestone_id,
        blocked_task_id=old.blocked_task_id,
        resolved_at=utc_or_none(old.resolved_at) or (now if status == "resolved" else None),
    )


def convert_pull_request(old: OldMilestone) -> PullRequest:
    """What is known of the milestone's pull request; its blocker becomes a record of its own."""
    pr = old.pr
    return PullRequest(
        status=pr.status,
        url=pr.url,
        body_path=pr.body_path,
        created_at=utc_or_none(pr.created_at),
        updated_at=utc_or_none(pr.updated_at),
    )


def highest_number(ids: Iterable[str]) -> int:
    """The highest first number of the ids; 0 when there are none."""
    return max((id_number(one)[0] for one in ids if id_number(one)), default=0)
