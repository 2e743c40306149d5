"""A task: one commit-shaped piece of work."""

from typing import Any

from ai_workflow.models.base import Entity, Record
from ai_workflow.models.blocker import BlockerRef
from ai_workflow.models.status import TASK_ACTIVE, Priority, TaskStatus

BACKLOG_NOTE = "backlog_id: "
"""Begins the note that links a task to an item of the backlog."""


class Decision(Record, frozen=True, kw_only=True):
    """A recorded exception to a gate: who allowed what, and why (spec §6.4)."""

    kind: str
    """`allow`, `allow-secret`, `add-scope`, `adopt`, `no-change`, `unproven`, `skip`, `cancel`, `audit` or
    `drop-parked`."""
    path: str | None = None
    fingerprint: str | None = None
    """Of the secret, with `allow-secret`."""
    reason: str
    actor: str
    at: str


class Parked(Record, frozen=True, kw_only=True):
    """Uncommitted work of a task that was put aside when another task was claimed (spec §6.7)."""

    commit: str
    """The saved work, see `git.saved_work`; held by `refs/aiw/parked/<task id>`."""
    paths: tuple[str, ...]
    """For people, relative to the root."""
    at: str


class Task(Entity, frozen=True, kw_only=True):
    """`state/tasks/TASK-001.json`."""

    id: str
    title: str
    description: str = ""
    status: TaskStatus
    milestone_id: str
    lane_id: str | None = None
    priority: Priority = "medium"
    depends_on: tuple[str, ...] = ()
    """Task ids, and milestone ids that stay references to the whole milestone."""
    conflict_scopes: tuple[str, ...] = ()
    acceptance_criteria: tuple[str, ...] = ()
    verify: tuple[str, ...] = ()
    """Commands that prove the task, run at finish besides the configured checks."""
    notes: tuple[str, ...] = ()
    """`key: value` lines, among them `backlog_id: BLG-001`."""
    key: str
    """Stable identity in the plan: `<milestone id>/<slug of the title>`, with `#2`… for repeated titles."""
    workpackage: int = 1
    branch: str | None = None
    worktree: str | None = None
    commit_sha: str | None = None
    audit_path: str | None = None
    run_ids: tuple[str, ...] = ()
    attempts: int = 0
    decisions: tuple[Decision, ...] = ()
    unproven: str | None = None
    """Why the task counts as done without proof, or None when it is proven or not done."""
    no_change_reason: str | None = None
    """Reason given with `--no-change`: done without a commit."""
    claimed_at: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    plan_values: dict[str, Any] = {}
    """What the plan said of the fields that a person changed by command: an import keeps the change until the plan
    says something else."""
    blocked_reason: str | None = None
    parked: Parked | None = None
    """Its uncommitted work, put aside until its next claim."""
    blocker: BlockerRef | None = None
    created_at: str
    updated_at: str


def is_under_way(task: Task) -> bool:
    """Whether somebody works on it: it is active, or its recovery is (spec §6.6)."""
    return task.status in TASK_ACTIVE or (task.blocker is not None and task.blocker.klass == "checks")


def backlog_ids(task: Task) -> tuple[str, ...]:
    """The items of the backlog that the task is linked to. Pure."""
    return tuple(note.removeprefix(BACKLOG_NOTE).strip() for note in task.notes if note.startswith(BACKLOG_NOTE))
