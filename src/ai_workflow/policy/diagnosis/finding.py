"""The form of a finding of `doctor`, and what all rules need to write one (spec §8.1). Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from ai_workflow.models.base import Record
from ai_workflow.models.plan import Level
from ai_workflow.models.snapshot import Snapshot

LEVELS: tuple[Level, ...] = ("error", "warning", "info")
_FOLDERS = {"task": "tasks", "milestone": "milestones", "lane": "lanes", "run": "runs", "blocker": "blockers"}


class Diagnosis(Record, frozen=True, kw_only=True):
    """One finding."""

    level: Level
    """`error`: something does not hold, or will fail. `warning`: somebody should look. `info`: worth knowing."""
    code: str
    """Stable kebab-case name of the rule, e.g. `lane-without-task`."""
    message: str
    path: str | None
    """The file that it is about, POSIX, relative to the root; never None for an error."""
    line: int | None = None
    """1-based, where it is known."""
    fix: str | None = None
    """What to type next; never None for an error."""


class Names(Record, frozen=True, kw_only=True):
    """How findings name files and commands."""

    state: str
    """The state folder relative to the root."""
    prefix: str = ""
    """What stands before `aiw` in commands, e.g. `uv run `."""

    def file(self, kind: str, entity_id: str) -> str:
        """The state file of an entity, relative to the root."""
        return f"{self.state}/{_FOLDERS[kind]}/{entity_id}.json"

    def command(self, *words: str) -> str:
        """A command of aiw, each word quoted where a shell needs it."""
        return f"{self.prefix}aiw {shlex.join(words)}"

    @property
    def repair(self) -> str:
        """The command that makes the safe repairs."""
        return self.command("doctor", "--fix")


def join_command(*words: str) -> str:
    """A command line of another program, each word quoted where a shell needs it."""
    return shlex.join(words)


def damaged_ids(snapshot: Snapshot) -> frozenset[str]:
    """Ids of entities whose files cannot be read: what refers to them does not refer to nothing."""
    return frozenset(damage.path.rsplit("/", 1)[-1].removesuffix(".json") for damage in snapshot.damaged)


def sort_findings(findings: Iterable[Diagnosis]) -> tuple[Diagnosis, ...]:
    """Errors first, then warnings, then the rest; within a level as the rules found them, each once."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: LEVELS.index(finding.level)))
