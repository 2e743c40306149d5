"""The lane: the execution context that holds at most one active task."""

from ai_workflow.models.base import Entity, Record
from ai_workflow.models.status import LaneStatus


class Lane(Entity, frozen=True, kw_only=True):
    """`state/lanes/core.json`."""

    id: str
    status: LaneStatus = "idle"
    milestone_id: str | None = None
    current_task_id: str | None = None
    unfinished_task_id: str | None = None
    """Whose uncommitted work lies in the work tree: of the active task, or of one that was blocked or cancelled."""
    branch: str | None = None
    worktree: str | None = None
    locked_scopes: tuple[str, ...] = ()
    last_run_id: str | None = None
    created_at: str
    updated_at: str


class DirtyPath(Record, frozen=True, kw_only=True):
    """One path that differs from HEAD, as found in the work tree."""

    mode: str
    """Git's mode of what lies there: `100644`, `100755`, `120000`, `160000`, or `absent`."""
    blob: str
    """Git blob id of the raw bytes (link target for a link; commit for a submodule); empty when absent."""
    index: str = ""
    """Mode and blob id that the index holds, `<mode> <id>`; empty when the index does not have the path."""
    size_bytes: int = 0
    mtime_ns: int = 0


class Baseline(Entity, frozen=True, kw_only=True):
    """`state/baselines/core.json`: the user's own dirt at the end of the lane's last operation (spec §6.4 step 2).

    Keys are paths relative to the top of the git work tree, POSIX; a name that is not UTF-8 is stored as NUL and the
    hexadecimal of its bytes, which no real path can equal.
    """

    id: str
    paths: dict[str, DirtyPath] = {}
    recorded_at: str
