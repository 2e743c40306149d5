"""The project: identity of the state and the counters that ids come from."""

from typing import Literal

from ai_workflow.models.backlog import BacklogEdit
from ai_workflow.models.base import Entity, Record


class Counters(Record, frozen=True, kw_only=True):
    """The highest number given out so far, per kind; they never go back (spec §3)."""

    task: int = 0
    run: int = 0
    adr: int = 0
    backlog: int = 0
    blocker: int = 0
    operation: int = 0
    workpackage: int = 0
    """Of workpackages that the state does not hold any more."""


class Workpackage(Record, frozen=True, kw_only=True):
    """The plan being worked through; milestone ids are unique within one."""

    number: int
    """1-based; the trailer `Aiw-Workpackage`."""
    plan_path: str
    """POSIX path of the imported plan, relative to the root."""
    plan_digest: str
    """SHA-256 of the plan's bytes at the last import."""
    imported_at: str


class PendingEdit(Record, frozen=True, kw_only=True):
    """What a command of aiw did to a file of the repository and no commit holds yet (spec §6.4 step 3)."""

    kind: Literal["backlog", "file"]
    """`backlog`: one item of the backlog; the user's other lines are not ours. `file`: the whole file is ours."""
    path: str
    """POSIX path relative to the root."""
    backlog: BacklogEdit | None = None
    """For `backlog`: what to do to the committed text of the file (`plan.backlog_edits.apply_edits`)."""


class Accepted(Record, frozen=True, kw_only=True):
    """Settings and check definitions as a person took them for right (spec §9.6)."""

    config: str
    """SHA-256 of the bytes of `.ai-workflow.yaml`."""
    checks: str
    """SHA-256 of the configured checks and of the tasks' `verify` commands."""
    reason: str
    actor: str
    at: str


class Project(Entity, frozen=True, kw_only=True):
    """`state/project.json`."""

    project_name: str
    workspace_version: str = "0.2.0"
    base_branch: str
    status: str = "active"
    lineage: str
    """Random identity of this state: another lineage is never merged in silently."""
    serial: int = 0
    """Number of committed transactions."""
    counters: Counters = Counters()
    workpackage: Workpackage | None = None
    scaffold_commit: str | None = None
    """The commit `aiw: set up workspace`, once it exists."""
    documents: dict[str, str] = {}
    """Digest (SHA-256) of each document as `init` wrote it, by path: what differs now was edited by a person."""
    pending_edits: tuple[PendingEdit, ...] = ()
    """In the order made; at most one for each item and each file."""
    accepted: Accepted | None = None
    created_at: str
    updated_at: str

    @property
    def package_number(self) -> int:
        """The workpackage that is worked through, or that the next import will be."""
        return self.workpackage.number if self.workpackage else self.counters.workpackage + 1
