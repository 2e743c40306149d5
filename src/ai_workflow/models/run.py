"""A run: one execution of one task, with its evidence."""

from typing import Literal

from ai_workflow.models.base import Entity, Record
from ai_workflow.models.status import RunStatus

CheckStatus = Literal["passed", "failed", "timed_out", "not_started"]


class CheckResult(Record, frozen=True, kw_only=True):
    """What one check command did."""

    command: str
    status: CheckStatus
    exit_code: int | None
    """None when it never started or was killed by us; negative is the signal that ended it."""
    duration_s: float
    output_tail: str
    """Last part of stdout and stderr together, decoded with replacement; at most 64 KiB."""
    timed_out: bool = False


class Usage(Record, frozen=True, kw_only=True):
    """Tokens that an agent reported."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0


class Attempt(Record, frozen=True, kw_only=True):
    """One launch of an agent for a run (spec §8.1)."""

    number: int
    """1-based."""
    agent: str
    agent_version: str | None = None
    model: str | None = None
    conversation_id: str | None = None
    started_at: str
    finished_at: str | None = None
    outcome: str | None = None
    failure_class: str | None = None
    usage: Usage = Usage()
    cost_usd: float | None = None
    checkpoint_before: str | None = None
    checkpoint_after: str | None = None
    transcript_path: str | None = None


class Run(Entity, frozen=True, kw_only=True):
    """`state/runs/RUN-0001.json`."""

    id: str
    lane_id: str | None = None
    milestone_id: str | None = None
    task_id: str | None = None
    status: RunStatus
    actor: str
    prompt_path: str | None = None
    started_at: str
    finished_at: str | None = None
    changed_files: tuple[str, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    tree: str | None = None
    """The git tree that the checks ran on."""
    also_present: tuple[str, ...] = ()
    """Foreign dirty paths that lay in the work tree while the checks ran."""
    attempts: tuple[Attempt, ...] = ()
    commit_sha: str | None = None
    audit_path: str | None = None
    summary: str = ""
