"""What an undo takes back, and in which order (spec §7.3). Pure.

The log is the exact sequence of what was done, so undo is that sequence backwards. What is undone together is one run
of a command: a finish with its closeout, a start with its claim. An undo is an operation itself, and can be undone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.base import Record
from ai_workflow.models.lane import Baseline, DirtyPath
from ai_workflow.models.operation import Operation, OwnedChange, RefChange
from ai_workflow.models.project import Project

SCAFFOLD = "set up workspace"
"""Name of the operation whose commit stays: undo moves base back over a merge only (spec §6.9)."""
_PROJECT = "project.json"


class StateFile(Record, frozen=True, kw_only=True):
    """A state file that returns to what it was."""

    path: str
    before: str | None
    """The text that it gets; None removes it."""
    after_sha256: str | None
    """Digest of what it must hold now."""


class UndoPlan(Record, frozen=True, kw_only=True):
    """Everything that an undo changes."""

    since: int
    until: int
    operations: tuple[Operation, ...]
    """Those that are taken back, newest first; not those that undid and were undone in between."""
    files: tuple[StateFile, ...]
    project_before: str
    moves: tuple[RefChange, ...]
    """Moves of references as they were made, to be reversed in this order (newest first)."""
    owned: tuple[OwnedChange, ...]
    """Changes of repository files as they were made, newest first."""
    staged: Mapping[str, str]

    @property
    def serials(self) -> tuple[int, ...]:
        """The transactions that are taken back."""
        return tuple(range(self.since, self.until + 1))


def inert_serials(operations: Sequence[Operation]) -> frozenset[int]:
    """Transactions whose effect was taken back, by an undo that was not undone itself."""
    inert: set[int] = set()
    for operation in sorted(operations, key=lambda one: max(one.serials, default=0), reverse=True):
        if operation.undoes and not inert.intersection(operation.serials):
            inert.update(operation.undoes)
    return frozenset(inert)


def undone_by(operations: Sequence[Operation]) -> dict[str, str]:
    """Operation id → id of the undo that holds it back; the commit of the workspace's own files always stays."""
    inert = inert_serials(operations)
    undos = [one for one in operations if one.undoes and not inert.intersection(one.serials)]
    return {
        one.id: undo.id
        for one in operations
        for undo in undos
        if one.serials and set(one.serials) <= set(undo.undoes) and one.name != SCAFFOLD
    }


def choose_since(operations: Sequence[Operation], target: Operation | None) -> int:
    """The first transaction of what is taken back.

    Args:
        target: the operation to go back to, itself included; None for the latest.

    Raises:
        AiwError: STATE when there is nothing to undo, the target is undone already, or another command worked at the
            same time as the latest.
    """
    inert = inert_serials(operations)
    if target is not None:
        if inert.issuperset(target.serials):
            holder = undone_by(operations).get(target.id, "an undo")
            raise AiwError(
                Kind.STATE,
                f"{target.id} ({target.name}) is undone already, by {holder}",
                hint=f"bring it back: aiw undo {holder}",
            )
        return min(_serials_of_invocation(operations, _invocation(target, target.serials[0])))
    undos = {serial for one in operations if one.undoes for serial in one.serials}
    live = [serial for one in operations for serial in one.serials if serial not in inert and serial not in undos]
    if not live:
        raise AiwError(Kind.STATE, "there is nothing to undo", hint="see `aiw op log`")
    latest = next(one for one in operations if max(live) in one.serials)
    together = _serials_of_invocation(operations, _invocation(latest, max(live)))
    since = min(together)
    others = [serial for serial in live if serial > since and serial not in together]
    if others:
        other = next(one for one in operations if others[0] in one.serials)
        first = next(one for one in operations if since in one.serials)
        raise AiwError(
            Kind.STATE,
            f"{other.id} ({other.name}, {other.actor}) happened while {first.id} ({first.name}) was under way",
            hint=f"to undo both: aiw undo {first.id}",
        )
    return since


def _invocation(operation: Operation, serial: int) -> str:
    known = dict(zip(operation.serials, operation.invocations, strict=False))
    return known.get(serial, operation.id)


def _serials_of_invocation(operations: Sequence[Operation], invocation: str) -> set[int]:
    return {serial for one in operations for serial in one.serials if _invocation(one, serial) == invocation}


def plan_undo(operations: Sequence[Operation], *, since: int, until: int) -> UndoPlan:
    """What taking back the transactions `since` … `until` changes.

    Raises:
        AiwError: STATE when one of them is not in the log, made the workspace, or cannot be taken back.
    """
    concerned = [one for one in operations if any(since <= serial <= until for serial in one.serials)]
    missing = set(range(since, until + 1)).difference(*(one.serials for one in concerned))
    if missing:
        raise AiwError(
            Kind.STATE,
            "the state was replaced since (reset, restored or repaired), so the log does not lead back there",
            hint="see `aiw op log`; archives are listed by `aiw workspace restore --list`",
        )
    for one in concerned:
        if one.final:
            raise AiwError(Kind.STATE, f"{one.id} ({one.name}) cannot be undone: {one.final}", hint="see `aiw op log`")
    changes = sorted(
        (change for one in concerned for change in one.changes if since <= change.serial <= until),
        key=lambda change: change.serial,
    )
    first: dict[str, str | None] = {}
    last: dict[str, str | None] = {}
    for change in changes:
        first.setdefault(change.path, change.before)
        last[change.path] = change.after_sha256
    project = first.pop(_PROJECT, None)
    if project is None:
        raise AiwError(
            Kind.STATE,
            "that would undo the beginning of this workspace",
            hint="to remove aiw from the repository: aiw uninstall --dry-run",
        )
    moves = [
        (move.serial, number, move)
        for one in concerned
        if one.name != SCAFFOLD
        for number, move in enumerate(one.refs)
        if since <= move.serial <= until
    ]
    owned = [change for one in concerned for change in one.owned if since <= change.serial <= until]
    inert = inert_serials(operations)
    shown = [
        one
        for one in concerned
        if one.name != SCAFFOLD and not inert.issuperset(one.serials) and not (one.undoes and min(one.undoes) >= since)
    ]
    staged: dict[str, str] = {}
    for one in reversed(concerned):
        staged.update(one.staged)
    return UndoPlan(
        since=since,
        until=until,
        operations=tuple(sorted(shown, key=lambda one: one.serials[0], reverse=True)),
        files=tuple(StateFile(path=path, before=first[path], after_sha256=last[path]) for path in first),
        project_before=project,
        moves=_without_returns([move for _, _, move in sorted(moves, key=lambda row: row[:2])])[::-1],
        owned=tuple(sorted(owned, key=lambda change: change.serial, reverse=True)),
        staged=staged,
    )


def _without_returns(moves: Sequence[RefChange]) -> tuple[RefChange, ...]:
    """The moves without those that were made and then made backwards, which lie within each other like brackets."""
    left: list[RefChange] = []
    for move in moves:
        if left and left[-1] == replace(move, before=move.after, after=move.before, serial=left[-1].serial):
            left.pop()
        else:
            left.append(move)
    return tuple(left)


def name_undo(plan: UndoPlan) -> str:
    """What the undo is called in the log."""
    first = plan.operations[-1].name if plan.operations else "nothing"
    verb, _, rest = first.partition(" ")
    name = {"undo": f"redo {rest}", "redo": f"undo {rest}"}.get(verb, f"undo {first}")
    more = len(plan.operations) - 1
    return name + (f" and {more} more" if more > 0 else "")


def restore_project(before: Project, now: Project) -> Project:
    """The project as it was; ids of runs and blockers, which name evidence on disk, are never given again."""
    counters = replace(
        before.counters,
        operation=now.counters.operation,
        run=max(before.counters.run, now.counters.run),
        blocker=max(before.counters.blocker, now.counters.blocker),
    )
    return replace(before, serial=now.serial, counters=counters, scaffold_commit=now.scaffold_commit)


def keep_known_dirt(before: Baseline, now: Baseline | None, undone_paths: frozenset[str]) -> Baseline:
    """The baseline as it was, and what has become the user's dirt since: that does not become a task's.

    Args:
        undone_paths: paths of the commits that are taken back, as `Baseline` stores them; those are the task's.
    """
    later: dict[str, DirtyPath] = {}
    if now is not None:
        later = {path: dirt for path, dirt in now.paths.items() if path not in undone_paths}
    return replace(before, paths={**later, **before.paths})
