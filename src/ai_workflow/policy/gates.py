"""The verdict over everything that was found out about a task (spec §6.4 step 6). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ai_workflow.models.base import Record
from ai_workflow.models.run import CheckResult

NO_CHECKS = "no check is configured and the task has no Verify line"
"""Why a task is unproven that nothing could prove; other than a waived check it holds no merge (ADR 0008)."""


class FinishOptions(Record, frozen=True, kw_only=True):
    """What a person asked of a finish; the weakening ones need a reason (spec §6.4, end)."""

    commit: bool = True
    summary: str = ""
    audit: str = "pass"
    """`pass`, `fail` or `skipped`."""
    run_checks: bool = True
    extra_checks: tuple[str, ...] = ()
    allow_failed: bool = False
    no_change_reason: str | None = None
    reason: str | None = None
    allow: tuple[str, ...] = ()
    allow_secrets: tuple[str, ...] = ()
    """Fingerprints of what looks like a secret and may be committed."""
    adopt: tuple[str, ...] = ()
    stash_out_of_scope: bool = False

    @property
    def weakens_proof(self) -> bool:
        """Whether the task would count as done without full proof."""
        return not self.run_checks or self.allow_failed or self.audit == "skipped"


class Verdict(Record, frozen=True, kw_only=True):
    """Whether the task may be committed as done."""

    passed: bool
    reasons: tuple[str, ...] = ()
    """Why not, or what is unproven."""
    unproven: str | None = None
    """The person's reason when the task passes without proof."""


def judge(results: Sequence[CheckResult], options: FinishOptions) -> Verdict:
    """The verdict over the checks and what the person asked for."""
    failed = tuple(describe_failure(result) for result in results if result.status != "passed")
    if options.audit == "fail":
        return Verdict(passed=False, reasons=("the audit was given as failed", *failed))
    if failed and not options.allow_failed:
        return Verdict(passed=False, reasons=failed)
    if options.weakens_proof:
        return Verdict(passed=True, reasons=failed, unproven=options.reason)
    return Verdict(passed=True)


def describe_failure(result: CheckResult) -> str:
    """One line on a check that did not pass."""
    if result.timed_out:
        return f"`{result.command}` did not end in time and was stopped after {result.duration_s:.0f} s"
    if result.exit_code is None:
        return f"`{result.command}` could not be started"
    if result.exit_code < 0:
        return f"`{result.command}` was ended by signal {-result.exit_code}"
    return f"`{result.command}` ended with exit code {result.exit_code}"
