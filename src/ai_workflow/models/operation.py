"""Operations: the log of named changes, and the intents recorded around git effects (spec §7.1–7.3)."""

from __future__ import annotations

from typing import Literal

from ai_workflow.models.base import Entity, Record
from ai_workflow.models.lane import DirtyPath
from ai_workflow.models.task import Decision


class FileChange(Record, frozen=True, kw_only=True):
    """What a transaction did to one state file."""

    path: str
    """POSIX path relative to the state folder."""
    before: str | None
    """The whole text before, or None when the file did not exist."""
    after_sha256: str | None
    """Digest of the text after, or None when the file was removed."""


class RefChange(Record, frozen=True, kw_only=True):
    """A git reference that the operation moved."""

    ref: str
    before: str | None
    after: str | None


class Operation(Entity, frozen=True, kw_only=True):
    """`state/operations/OP-000001-3fa2c1.json`: one named operation, in one or more transactions."""

    id: str
    name: str
    """E.g. `finish TASK-001`."""
    command: tuple[str, ...]
    """The command line, without the program's path."""
    actor: str
    pid: int
    at: str
    serials: tuple[int, ...] = ()
    """`project.serial` after each of its transactions."""
    changes: tuple[FileChange, ...] = ()
    """In the order made; a file may appear once per transaction."""
    refs: tuple[RefChange, ...] = ()


IntentKind = Literal["scaffold", "finish", "park", "restore"]


class Intent(Entity, frozen=True, kw_only=True):
    """`state/intents/OP-….json`: what is about to be done to git, durable before git runs.

    It exists only while the outcome is unknown; the next writing command completes or drops it (services.resume).
    Paths are relative to the top of the work tree, stored as `Baseline` stores them.
    """

    id: str
    """The operation id; the commit made carries it in the trailer `Aiw-Op`."""
    kind: IntentKind
    task_id: str | None = None
    run_id: str | None = None
    branch: str
    """Full ref name that the commit moves, e.g. `refs/heads/ai/m01-parser-cleanup`."""
    head: str | None
    """What the ref pointed to before; None when it was unborn."""
    tree: str
    """The tree that was checked; the commit may differ from it in aiw's own documents only. For `park` and `restore`
    the commit of the saved work."""
    index_file: str | None = None
    """The private index, so that an orphaned git can be recognised."""
    paths: tuple[str, ...] = ()
    """Paths whose entries in the user's index follow the commit."""
    decisions: tuple[Decision, ...] = ()
    """What a person allowed for this finish; recorded with the task when the commit exists."""
    unproven: str | None = None
    baseline: dict[str, DirtyPath] = {}
    """The user's dirt as it will be once the commit exists."""
    at: str
