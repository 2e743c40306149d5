"""The records of aiw 0.1.0 as its state files hold them, for taking them over once (spec §2). Pure.

Only the fields that something is made of; further ones are passed over, since the files are kept as they were.
"""

from __future__ import annotations

import msgspec

from ai_workflow.models.status import (
    AdrStatus,
    BlockerStatus,
    LaneStatus,
    MilestoneStatus,
    Priority,
    PrStatus,
    RecoveryStatus,
    RunStatus,
    TaskStatus,
)


class OldRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A value of 0.1.0; unknown fields are passed over."""


class OldProject(OldRecord, frozen=True, kw_only=True):
    """`project.json`."""

    project_name: str
    base_branch: str = ""
    created_at: str = ""


class OldPullRequest(OldRecord, frozen=True, kw_only=True):
    """What it knew of a pull request."""

    status: PrStatus = "not_created"
    url: str | None = None
    body_path: str | None = None
    blocker: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class OldRecovery(OldRecord, frozen=True, kw_only=True):
    """The mark of a recovery milestone; `M01-01-01` repaired a task of `M01-01`."""

    parent_milestone_id: str
    blocked_task_id: str | None = None
    recovery_attempt_number: int = 1
    return_target: str = ""
    recovery_status: RecoveryStatus = "not_started"


class OldMilestone(OldRecord, frozen=True, kw_only=True):
    """`milestones/M01.json`."""

    id: str
    title: str
    goal: str = ""
    status: MilestoneStatus
    lane_id: str | None = None
    base_branch: str = ""
    branch: str | None = None
    task_ids: tuple[str, ...] = ()
    adr_ids: tuple[str, ...] = ()
    pr: OldPullRequest = OldPullRequest()
    recovery: OldRecovery | None = None
    created_at: str = ""
    updated_at: str = ""


class OldTask(OldRecord, frozen=True, kw_only=True):
    """`tasks/TASK-001.json`."""

    id: str
    title: str
    description: str = ""
    status: TaskStatus
    milestone_id: str
    lane_id: str | None = None
    priority: Priority = "medium"
    depends_on: tuple[str, ...] = ()
    """Ids of tasks, or what the plan said where that could not be resolved."""
    conflict_scopes: tuple[str, ...] = ()
    acceptance_criteria: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    branch: str | None = None
    commit_sha: str | None = None
    audit_path: str | None = None
    run_ids: tuple[str, ...] = ()
    claimed_at: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    blocked_reason: str | None = None
    created_at: str = ""
    updated_at: str = ""


class OldLane(OldRecord, frozen=True, kw_only=True):
    """`lanes/core.json` or `lanes/default.json`."""

    id: str
    status: LaneStatus = "idle"
    milestone_id: str | None = None
    current_task_id: str | None = None
    last_run_id: str | None = None
    created_at: str = ""


class OldAdr(OldRecord, frozen=True, kw_only=True):
    """`adrs/ADR-0001.json`."""

    id: str
    title: str
    status: AdrStatus = "proposed"
    applies_to: tuple[str, ...] = ()
    decision: str = ""
    consequences: tuple[str, ...] = ()
    created_at: str = ""
    updated_at: str = ""


class OldCheck(OldRecord, frozen=True, kw_only=True):
    """A check of a run: `passed`, `failed`, or `recorded` for what somebody only said."""

    command: str
    status: str = ""
    output: str | None = None


class OldRun(OldRecord, frozen=True, kw_only=True):
    """`runs/RUN-0001.json`."""

    id: str
    lane_id: str | None = None
    milestone_id: str | None = None
    task_id: str | None = None
    status: RunStatus
    actor: str = ""
    prompt_path: str | None = None
    started_at: str = ""
    finished_at: str | None = None
    changed_files: tuple[str, ...] = ()
    checks: tuple[OldCheck, ...] = ()
    commit_sha: str | None = None
    audit_path: str | None = None
    summary: str = ""


class OldBlocker(OldRecord, frozen=True, kw_only=True):
    """`blockers/BLK-0000.json`."""

    id: str
    blocked_milestone_id: str | None = None
    blocked_task_id: str | None = None
    reason: str = ""
    evidence: tuple[str, ...] = ()
    status: BlockerStatus = "open"
    created_at: str = ""
    resolved_at: str | None = None


class OldState(OldRecord, frozen=True, kw_only=True):
    """Everything that could be read, by id."""

    project: OldProject = OldProject(project_name="")
    milestones: dict[str, OldMilestone] = {}
    tasks: dict[str, OldTask] = {}
    lanes: dict[str, OldLane] = {}
    adrs: dict[str, OldAdr] = {}
    runs: dict[str, OldRun] = {}
    blockers: dict[str, OldBlocker] = {}
    highest: dict[str, int] = {}
    """Kind (`task`, `run`, `adr`, `blocker`) → the highest number of a file, damaged ones included."""


class TaskCommit(OldRecord, frozen=True, kw_only=True):
    """A commit that 0.1.0 made of a task."""

    sha: str
    title: str
    """Its subject without the task's id."""


class GitFacts(OldRecord, frozen=True, kw_only=True):
    """What the repository says of the work that 0.1.0 did."""

    commits: frozenset[str] = frozenset()
    """Of the commits that tasks name, those that are there."""
    by_task: dict[str, str] = {}
    """Task id → a commit whose subject begins with it."""
    branches: frozenset[str] = frozenset()
    """Names of all branches, remote ones included."""
    starts: dict[str, str] = {}
    """Milestone id → the commit that its branch was made from, as far as that can be told."""
