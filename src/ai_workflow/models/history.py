"""What the commits of a repository tell of the work that aiw did in it (spec §7.5)."""

from __future__ import annotations

from ai_workflow.models.base import Record
from ai_workflow.models.project import Counters
from ai_workflow.models.status import TaskStatus


class CommittedTask(Record, frozen=True, kw_only=True):
    """A task that a commit names as its own."""

    id: str
    milestone_id: str
    workpackage: int
    title: str | None
    """None when the message does not hold it."""
    sha: str
    at: str
    """When it was committed; UTC, ISO-8601 to the second."""
    unproven: str | None = None
    """What the commit says of missing proof."""
    is_alone: bool
    """Whether the commit names no other task; a squash names several."""
    is_landed: bool
    """Whether base holds the commit."""


class ListedTask(Record, frozen=True, kw_only=True):
    """A task as a merge commit lists it."""

    id: str
    title: str
    status: TaskStatus


class MilestoneMerge(Record, frozen=True, kw_only=True):
    """A commit on base by which aiw merged a milestone."""

    id: str
    workpackage: int
    title: str
    at: str
    tasks: tuple[ListedTask, ...] = ()


class History(Record, frozen=True, kw_only=True):
    """Everything that could be read."""

    tasks: tuple[CommittedTask, ...] = ()
    """One entry for each task and commit, newest first."""
    merges: tuple[MilestoneMerge, ...] = ()
    highest: Counters = Counters()
    """The highest numbers that any commit names."""
    scaffold: str | None = None
    """The commit `aiw: set up workspace`, if base holds it."""


class KnownWork(Record, frozen=True, kw_only=True):
    """What is known of the tasks of the workpackage that is rebuilt, before its plan is looked at."""

    workpackage: int
    homes: dict[str, str]
    """Task id → the milestone that it belongs to."""
    titles: dict[str, str]
    """Task id → its title, where that is known."""
    names: dict[str, str]
    """Task id → slug of its title, of mirrors that are still there; they may be of tasks without a commit."""
    used: frozenset[str]
    """Every task id that anything names."""
    first: int
    """The lowest number that a task of the workpackage can have."""
    branches: dict[str, str]
    """Milestone id → the branch that it works on, where one was found."""
    taken_branches: tuple[str, ...]
