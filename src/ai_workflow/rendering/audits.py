"""The audit `reports/audits/TASK-001.md`: what proved a task, or why it is not proven (spec §6.4).

It states what aiw saw and nothing else: an acceptance line counts as proved only when checks ran and all passed, and
work that was accepted without proof says so at the top. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ai_workflow.models.run import CheckResult, Run
from ai_workflow.models.task import Decision, Task
from ai_workflow.rendering.mirrors import format_decision
from ai_workflow.rendering.text import excerpt_tail, render_block, render_code, render_inline
from ai_workflow.rendering.views import SHORT_SHA, format_outcome

MAX_OUTPUT_BYTES = 4096
"""Output excerpt of one failed check."""
MAX_FILES = 200


def render_audit(task: Task, run: Run, *, verdict: str, reasons: Sequence[str], decisions: Sequence[Decision]) -> str:
    """The audit of the run as Markdown.

    Args:
        verdict: the gates' word: `pass`, `fail`, or `unproven` when a person let it pass.
        reasons: why they refused, or what they remarked.
        decisions: exceptions that were recorded for the task.
    """
    lines = [f"# Audit of {task.id}: {render_inline(task.title)}", "", "## Result", ""]
    lines += _bullets(_facts(task, run, verdict))
    lines += _section("Reasons", map(render_inline, reasons))
    lines += ["", "## Acceptance", "", _proof(task, run, verdict), ""]
    lines += _bullets(map(render_inline, task.acceptance_criteria)) or ["- The task states none."]
    lines += ["", "## Checks", "", *_checks(run)]
    lines += ["", "## Files", "", *_files(run)]
    lines += _section("Also in the work tree", map(render_code, run.also_present[:MAX_FILES]))
    lines += _section("Recorded exceptions", map(format_decision, decisions))
    return "\n".join(lines) + "\n"


def _facts(task: Task, run: Run, verdict: str) -> list[str]:
    facts = [
        f"Verdict: {render_inline(verdict)}",
        f"Task: {task.status.replace('_', ' ')}, milestone {task.milestone_id}",
        f"Run: {run.id}, {run.status}, by {render_inline(run.actor)}",
        f"Started: {run.started_at}; ended: {run.finished_at or 'not yet'}",
    ]
    if task.unproven:
        facts.insert(1, f"**Unproven**: {render_inline(task.unproven)}")
    if task.no_change_reason:
        facts.append(f"Done without a commit: {render_inline(task.no_change_reason)}")
    if run.tree:
        facts.append(f"Tree that was checked: {render_code(run.tree)}")
    commit = run.commit_sha or task.commit_sha
    if commit:
        facts.append(f"Commit: {render_code(commit[:SHORT_SHA])}")
    if run.summary:
        facts.append(f"Summary: {render_inline(run.summary)}")
    return facts


def _proof(task: Task, run: Run, verdict: str) -> str:
    passed = sum(check.status == "passed" for check in run.checks)
    if task.unproven:
        return f"Not proven: accepted without proof because: {render_inline(task.unproven)}"
    if not run.checks:
        return "Not proven: no check ran."
    if verdict != "pass" or passed < len(run.checks):
        return f"Not proven: {passed} of {len(run.checks)} checks passed."
    noun = "check that" if passed == 1 else "checks that"
    return f"Proved together by the {passed} {noun} passed on the tree above; no line is proved by itself."


def _checks(run: Run) -> list[str]:
    if not run.checks:
        return ["None ran."]
    lines = []
    for check in run.checks:
        outcome = f"passed in {check.duration_s:.1f} s" if check.status == "passed" else format_outcome(check)
        lines.append(f"- {render_code(check.command)}: {outcome}")
    for check in run.checks:
        if check.status != "passed":
            lines += _excerpt(check)
    return lines


def _excerpt(check: CheckResult) -> list[str]:
    output = excerpt_tail(check.output_tail.strip("\n"), max_bytes=MAX_OUTPUT_BYTES)
    if not output.strip():
        return ["", f"{render_code(check.command)} wrote nothing."]
    return ["", f"End of the output of {render_code(check.command)}:", "", render_block(output)]


def _files(run: Run) -> list[str]:
    if not run.changed_files:
        return ["None changed."]
    lines = _bullets(map(render_code, run.changed_files[:MAX_FILES]))
    if len(run.changed_files) > MAX_FILES:
        lines.append(f"- and {len(run.changed_files) - MAX_FILES} more")
    return lines


def _section(title: str, items: Iterable[str]) -> list[str]:
    bullets = _bullets(items)
    return ["", f"## {title}", "", *bullets] if bullets else []


def _bullets(items: Iterable[str]) -> list[str]:
    return [f"- {item}" for item in items]
