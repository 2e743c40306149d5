"""A parsed plan: what `docs/ai/plan/milestones.md` says, with positions (spec §4.1). Pure."""

from __future__ import annotations

from typing import Literal

from ai_workflow.models.base import Record

Level = Literal["error", "warning", "info"]


class Finding(Record, frozen=True, kw_only=True):
    """One thing to say about a plan, a backlog or a config, with its place."""

    level: Level
    code: str
    """Stable kebab-case name of the rule, e.g. `no-acceptance`."""
    path: str
    line: int
    """1-based; 1 when the whole file is meant."""
    column: int = 1
    message: str
    hint: str = ""


class Position(Record, frozen=True, kw_only=True):
    """Where one value of a task's field stands."""

    field: str
    """Name of the `PlanTask` field; the n-th position of a field belongs to its n-th value."""
    line: int
    column: int
    """Both 1-based; columns count characters."""


class PlanTask(Record, frozen=True, kw_only=True):
    """One bullet of a `Tasks:` section."""

    title: str
    explicit_id: str | None = None
    """`TASK-007` when the bullet begins with it."""
    done: bool = False
    """Whether the bullet was `[x]`."""
    description: str = ""
    acceptance: tuple[str, ...] = ()
    verify: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    depends: tuple[str, ...] | None = None
    """References as written; None when there is no `Depends:` line, empty for `none`."""
    backlog: tuple[str, ...] = ()
    priority: str | None = None
    line: int
    """1-based line of the bullet."""
    positions: tuple[Position, ...] = ()
    """Places of the values of `acceptance`, `verify`, `conflicts`, `depends`, `backlog` and `priority`."""


class PlanMilestone(Record, frozen=True, kw_only=True):
    """One `## ` section."""

    id: str | None
    """Canonical `M01`, or None when the heading has no id."""
    title: str
    goal: str = ""
    prose: str = ""
    """Free text of the section that belongs to no field and no task."""
    tasks: tuple[PlanTask, ...] = ()
    line: int


class Plan(Record, frozen=True, kw_only=True):
    """The whole document."""

    path: str
    """How findings name the file."""
    prose: str = ""
    """Free text before the first milestone."""
    milestones: tuple[PlanMilestone, ...] = ()
    findings: tuple[Finding, ...] = ()
    """What the parser did not understand; rules are `plan.quality`."""
