"""The status words of spec §3, as types. What may follow what is `policy.transitions`. Pure."""

from __future__ import annotations

from typing import Literal

TaskStatus = Literal["planned", "ready", "claimed", "in_progress", "blocked", "done", "skipped", "cancelled"]
MilestoneStatus = Literal["planned", "ready", "in_progress", "blocked", "done", "pr_created", "merged", "cancelled"]
LaneStatus = Literal["idle", "active", "paused", "blocked", "finished"]
AdrStatus = Literal["proposed", "accepted", "deprecated", "superseded"]
RunStatus = Literal["started", "completed", "failed", "cancelled"]
PrStatus = Literal["not_created", "created", "merged", "closed"]
BlockerStatus = Literal["open", "resolved", "ignored"]
Priority = Literal["low", "medium", "high", "critical"]
BacklogStatus = Literal["idea", "selected", "active", "blocked", "done", "archived", "rejected"]
RecoveryStatus = Literal["not_started", "active", "resolved", "failed", "abandoned"]
BlockerClass = Literal[
    "task", "checks", "scope", "secret", "tamper", "infra", "base", "quota", "budget", "human",
    "push", "credentials", "protected_branch", "pr", "merge", "cleanup",
]  # fmt: skip

TASK_OPEN: tuple[TaskStatus, ...] = ("planned", "ready", "claimed", "in_progress", "blocked")
TASK_ACTIVE: tuple[TaskStatus, ...] = ("claimed", "in_progress")
TASK_CLOSED: tuple[TaskStatus, ...] = ("done", "skipped", "cancelled")
TASK_SATISFIED: tuple[TaskStatus, ...] = ("done", "skipped")
"""What a dependency must be so that its dependants may start (spec §6.2)."""
MILESTONE_CLOSED: tuple[MilestoneStatus, ...] = ("merged", "cancelled")
PRIORITIES: tuple[Priority, ...] = ("critical", "high", "medium", "low")
"""Highest first: the order in which tasks are handed out."""
BACKLOG_STATUSES: tuple[BacklogStatus, ...] = (
    "idea",
    "selected",
    "active",
    "blocked",
    "done",
    "archived",
    "rejected",
)
BACKLOG_OPEN: tuple[BacklogStatus, ...] = ("idea", "selected")
"""Items that are not in a plan yet and may come into one."""
