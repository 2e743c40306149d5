"""What the templates get to see: frozen records made from the state. Pure.

Templates loop over these and insert their texts through a filter; nothing is decided or computed there.
"""

from __future__ import annotations

from collections.abc import Sequence

from ai_workflow.models.adr import Adr
from ai_workflow.models.base import Record
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.run import CheckResult, Run
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.status import TASK_CLOSED
from ai_workflow.models.task import Task
from ai_workflow.rendering.relevance import relevant_adrs, task_scopes
from ai_workflow.rendering.text import clip_bytes, excerpt_tail

SHORT_SHA = 10
MAX_OUTPUT_BYTES = 4096
"""All output excerpts of one prompt together."""
MAX_FAILED_CHECKS = 3
MAX_SUMMARY_BYTES = 400
MAX_LISTED = 40
"""Dependencies, decisions or early paths that a prompt lists; the rest is a count."""


class TaskView(Record, frozen=True, kw_only=True):
    """A task as its documents show it."""

    id: str
    title: str
    description: str
    status: str
    priority: str
    acceptance: tuple[str, ...]
    verify: tuple[str, ...]
    scopes: tuple[str, ...]
    """Conflict scopes and those added by a recorded decision."""


class MilestoneView(Record, frozen=True, kw_only=True):
    """A milestone as its documents show it."""

    id: str
    title: str
    goal: str
    branch: str | None


class DependencyView(Record, frozen=True, kw_only=True):
    """What a task builds on."""

    id: str
    title: str
    status: str
    """Status words with spaces; for a milestone `2 of 3 tasks closed`."""
    commit: str | None
    """Short commit id."""
    summary: str
    """What its last run says it did, at most 400 bytes."""


class AdrView(Record, frozen=True, kw_only=True):
    """An accepted decision."""

    id: str
    title: str
    decision: str
    consequences: tuple[str, ...]


class CheckView(Record, frozen=True, kw_only=True):
    """A check that did not pass."""

    command: str
    outcome: str
    """E.g. `exit code 1 after 2.0 s`."""
    output: str
    """The end of its output; empty when there was none."""


class FailureView(Record, frozen=True, kw_only=True):
    """How the task's last run failed."""

    run_id: str
    summary: str
    failure_class: str | None
    checks: tuple[CheckView, ...]
    more_checks: int
    """Failed checks that are not shown."""


class ListView(Record, frozen=True, kw_only=True):
    """The beginning of a list of texts, and how many more there are."""

    shown: tuple[str, ...]
    more: int


class CommandsView(Record, frozen=True, kw_only=True):
    """The commands that the document names, complete, ready to be typed."""

    claim: str
    finish: str
    status: str


class PromptView(Record, frozen=True, kw_only=True):
    """Everything the prompt of a task says; its fields are the names a template may use."""

    claimed: bool
    task: TaskView
    milestone: MilestoneView | None
    checks: tuple[str, ...]
    """Configured check commands."""
    scope_policy: str
    """`refuse`, `warn` or `off`."""
    companions: tuple[str, ...]
    dependencies: tuple[DependencyView, ...]
    more_dependencies: int
    adrs: tuple[AdrView, ...]
    failure: FailureView | None
    early_paths: ListView
    commands: CommandsView


def format_command(prefix: str, command: str) -> str:
    """The aiw command as it is typed in this repository, e.g. `uv run aiw status`.

    Args:
        prefix: `agent.command_prefix`; may be empty.
        command: what follows `aiw`.
    """
    return " ".join(f"{prefix} aiw {command}".split())


def make_task_view(task: Task) -> TaskView:
    """The task as its documents show it."""
    return TaskView(
        id=task.id,
        title=task.title,
        description=task.description.strip(),
        status=format_words(task.status),
        priority=task.priority,
        acceptance=task.acceptance_criteria,
        verify=task.verify,
        scopes=task_scopes(task),
    )


def make_milestone_view(milestone: Milestone) -> MilestoneView:
    """The milestone as its documents show it."""
    return MilestoneView(
        id=milestone.id, title=milestone.title, goal=milestone.goal.strip(), branch=milestone.branch or None
    )


def make_prompt_view(
    snapshot: Snapshot,
    task: Task,
    *,
    claimed: bool,
    command_prefix: str,
    checks: Sequence[str],
    scope_policy: str,
    companions: Sequence[str],
    last_failure: Run | None,
    early_paths: Sequence[str],
) -> PromptView:
    """Everything the task's prompt says; the arguments are those of `prompts.render_task_prompt`."""
    milestone = snapshot.find_milestone(task.milestone_id)
    dependencies = [view for ref in task.depends_on if (view := _make_dependency(snapshot, ref)) is not None]
    return PromptView(
        claimed=claimed,
        task=make_task_view(task),
        milestone=make_milestone_view(milestone) if milestone else None,
        checks=tuple(checks),
        scope_policy=scope_policy,
        companions=tuple(companions),
        dependencies=tuple(dependencies[:MAX_LISTED]),
        more_dependencies=max(0, len(dependencies) - MAX_LISTED),
        adrs=tuple(_make_adr(adr) for adr in relevant_adrs(snapshot, task)[:MAX_LISTED]),
        failure=make_failure(last_failure) if last_failure else None,
        early_paths=make_list(early_paths),
        commands=CommandsView(
            claim=format_command(command_prefix, f"agent task {task.id} --lane core"),
            finish=format_command(command_prefix, f"agent finish --lane core --task {task.id} --commit"),
            status=format_command(command_prefix, "status"),
        ),
    )


def make_list(texts: Sequence[str]) -> ListView:
    """The first texts, and how many more there are."""
    return ListView(shown=tuple(texts[:MAX_LISTED]), more=max(0, len(texts) - MAX_LISTED))


def _make_dependency(snapshot: Snapshot, ref: str) -> DependencyView | None:
    milestone = snapshot.find_milestone(ref)
    if milestone is not None:
        tasks = snapshot.tasks_of(milestone)
        closed = sum(task.status in TASK_CLOSED for task in tasks)
        return DependencyView(
            id=milestone.id,
            title=milestone.title,
            status=f"{closed} of {len(tasks)} tasks closed",
            commit=None,
            summary=clip_bytes(milestone.goal, MAX_SUMMARY_BYTES),
        )
    task = snapshot.find_task(ref)
    if task is None:
        return None
    runs = [snapshot.runs[run_id] for run_id in task.run_ids if run_id in snapshot.runs]
    completed = [run for run in runs if run.status == "completed"]
    return DependencyView(
        id=task.id,
        title=task.title,
        status=format_words(task.status),
        commit=task.commit_sha[:SHORT_SHA] if task.commit_sha else None,
        summary=clip_bytes(completed[-1].summary, MAX_SUMMARY_BYTES) if completed else "",
    )


def _make_adr(adr: Adr) -> AdrView:
    return AdrView(id=adr.id, title=adr.title, decision=adr.decision.strip(), consequences=adr.consequences)


def make_failure(run: Run) -> FailureView:
    """How the run failed; the output excerpts together are at most 4 KiB and a line each."""
    failed = [check for check in run.checks if check.status != "passed"]
    shown = failed[:MAX_FAILED_CHECKS]
    room = MAX_OUTPUT_BYTES // max(1, len(shown))
    return FailureView(
        run_id=run.id,
        summary=clip_bytes(run.summary, MAX_SUMMARY_BYTES),
        failure_class=run.attempts[-1].failure_class if run.attempts else None,
        checks=tuple(
            CheckView(
                command=check.command,
                outcome=format_outcome(check),
                output=excerpt_tail(check.output_tail.strip("\n"), max_bytes=room),
            )
            for check in shown
        ),
        more_checks=len(failed) - len(shown),
    )


def format_outcome(check: CheckResult) -> str:
    """How the check ended, e.g. `exit code 1 after 2.0 s`."""
    if check.status == "not_started":
        return "could not be started"
    if check.timed_out or check.status == "timed_out":
        return f"stopped at its time limit after {check.duration_s:.1f} s"
    if check.exit_code is None:
        return f"ended without an exit code after {check.duration_s:.1f} s"
    if check.exit_code < 0:
        return f"ended by signal {-check.exit_code} after {check.duration_s:.1f} s"
    return f"exit code {check.exit_code} after {check.duration_s:.1f} s"


def format_words(status: str) -> str:
    """The status as words, e.g. `in progress`."""
    return status.replace("_", " ")
