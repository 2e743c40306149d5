"""Operations: the log of named changes, and the intents recorded around git effects (spec §7.1–7.3)."""

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
    serial: int = 0
    """`project.serial` after the transaction, as in the records below."""


class RefChange(Record, frozen=True, kw_only=True):
    """A git reference that the operation moved."""

    ref: str
    """Full name; `HEAD` for a switch, with full ref names as values."""
    before: str | None
    after: str | None
    is_work: bool = False
    """Whether the work tree stayed as it was, because the commit was made of it."""
    serial: int = 0


class Hunk(Record, frozen=True, kw_only=True):
    """Lines of a text that were replaced; line ends included."""

    line: int
    """Index of the first of them in the text after, from 0."""
    before: tuple[str, ...]
    after: tuple[str, ...]


class OwnedChange(Record, frozen=True, kw_only=True):
    """What a command did to a file that the repository owns, e.g. the backlog."""

    path: str
    """POSIX path relative to the root."""
    hunks: tuple[Hunk, ...] = ()
    is_text: bool = True
    """Whether both sides are UTF-8; there are no hunks else."""
    before_sha256: str | None
    """Digest of the bytes before, None when there was no file."""
    after_sha256: str | None
    serial: int = 0


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
    invocations: tuple[str, ...] = ()
    """For each of `serials`, which run of a command made it: those of one run are undone together (spec §7.3)."""
    changes: tuple[FileChange, ...] = ()
    """In the order made; a file may appear once per transaction."""
    refs: tuple[RefChange, ...] = ()
    owned: tuple[OwnedChange, ...] = ()
    staged: dict[str, str] = {}
    """What the user's index held for paths of a commit where it differed from HEAD; see `Intent.staged`."""
    undoes: tuple[int, ...] = ()
    """The serials that this operation took back."""
    final: str | None = None
    """Why undo cannot take it back, e.g. `M01 was merged by somebody else`."""


class PlannedFile(Record, frozen=True, kw_only=True):
    """A file of the repository that is about to be written."""

    path: str
    """POSIX path relative to the root."""
    seen_sha256: str | None
    """What it held when this was decided; None: there was none."""
    text: str | None
    """What it gets; None removes it."""


IntentKind = Literal["scaffold", "finish", "park", "restore", "undo"]


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
    the commit of the saved work; empty for `undo`."""
    index_file: str | None = None
    """The private index, so that an orphaned git can be recognised."""
    paths: tuple[str, ...] = ()
    """Paths whose entries in the user's index follow the commit."""
    staged: dict[str, str] = {}
    """Path → `<mode> <blob>` (empty: not there) where the user's index differed from HEAD, for undo."""
    since: int | None = None
    """For `undo`: the first serial that is taken back."""
    files: tuple[PlannedFile, ...] = ()
    """For `undo`: what becomes of files that the repository owns."""
    decisions: tuple[Decision, ...] = ()
    """What a person allowed for this finish; recorded with the task when the commit exists."""
    unproven: str | None = None
    baseline: dict[str, DirtyPath] = {}
    """The user's dirt as it will be once the commit exists."""
    at: str
