"""Takes back the latest operation, or everything back to one (spec §7.3).

Everything is looked at before anything is changed: an undo that cannot be whole does nothing. Then an intent, the moves
of git backwards, and state and files in one transaction. While the intent is open no other command changes the state;
the next one completes an undo that was killed.
"""

from __future__ import annotations

from typing import cast

from ai_workflow import fsio
from ai_workflow.errors import DAMAGE_HINT, AiwError, Kind
from ai_workflow.git.commits import changed_paths
from ai_workflow.git.refs import (
    delete_ref,
    list_branches,
    move_ref,
)
from ai_workflow.git.status import path_to_key
from ai_workflow.models.base import Record
from ai_workflow.models.lane import Baseline
from ai_workflow.models.operation import Intent, Operation, PlannedFile
from ai_workflow.models.project import Project
from ai_workflow.models.snapshot import AnyEntity, Changes
from ai_workflow.policy.events import make_event
from ai_workflow.policy.line_changes import take_back
from ai_workflow.policy.undoing import (
    UndoPlan,
    choose_since,
    keep_known_dirt,
    name_undo,
    plan_undo,
    restore_project,
    undone_by,
)
from ai_workflow.services import resume
from ai_workflow.services.backlog_file import find_file
from ai_workflow.services.changeset import require_calm
from ai_workflow.services.operation_log import find_operation
from ai_workflow.services.ref_moves import find_leaving, move_back, rehearse, require_unpublished
from ai_workflow.services.workspace import Workspace
from ai_workflow.store.codec import KINDS, decode
from ai_workflow.store.journal import find_journal
from ai_workflow.store.layout import find_kind
from ai_workflow.store.operations import read_log
from ai_workflow.store.transaction import Transaction

_HEAD = "HEAD"
_SHOWN = 10


class Undone(Record, frozen=True, kw_only=True):
    """What an undo did."""

    id: str
    """The undo's own operation."""
    operations: tuple[Operation, ...]
    """What was taken back, newest first; nothing when it had been taken back before."""
    commits: tuple[str, ...]
    """Commits that are on no branch any more; their work lies in the tree."""


def undo(ws: Workspace, operation_id: str | None) -> Undone:
    """Takes back the latest operation, or everything back to the one named, itself included.

    Raises:
        AiwError: NOT_FOUND; STATE and GIT with what is in the way, nothing changed then; LOCKED, IO, CORRUPT.
    """
    begun = _find_begun(ws)
    resume.resume(ws)
    with ws.finishing("core", "the latest operation") as lease, ws.git_effects("undo"):
        ended = _find_ended(ws, begun, left_behind=lease.left_behind) if operation_id is None else None
        if ended is not None:
            return ended
        status = require_calm(ws)
        snapshot = ws.store.snapshot()
        snapshot.require_undamaged()
        log = read_log(ws.layout)
        target = find_operation(log.operations, operation_id) if operation_id is not None else None
        holder = undone_by(log.operations).get(target.id) if target is not None else None
        if holder is not None:
            return Undone(id=holder, operations=(), commits=())
        until = snapshot.require_project().serial
        plan = plan_undo(log.operations, since=choose_since(log.operations, target), until=until)
        require_unpublished(ws, plan)
        _require_state(ws, plan)
        rehearse(ws, plan, status)
        intent = _intend(ws, plan)
        return end_undo(ws, intent)


def _find_begun(ws: Workspace) -> str | None:
    """The operation of an undo that was killed, or of a change that may be one."""
    intents = ws.store.snapshot().intents.values()
    journal = find_journal(ws.layout)
    return next((one.id for one in intents if one.kind == "undo"), journal.operation if journal else None)


def _find_ended(ws: Workspace, begun: str | None, *, left_behind: str) -> Undone | None:
    """What an undo that was killed did, now that it is complete: the same command again is not a second undo.

    Args:
        begun: from `_find_begun`.
        left_behind: of the finish lease. A killed undo that had come to its end left nothing else.
    """
    operations = read_log(ws.layout).operations
    latest = max(operations, key=lambda one: max(one.serials, default=0), default=None)
    is_left = latest is not None and f"{left_behind},".startswith(f"pid {latest.pid},")
    own = latest if is_left else next((one for one in operations if one.id == begun), None)
    if own is None or not own.undoes:
        return None
    others = [one for one in operations if one.id != own.id]
    plan = plan_undo(others, since=min(own.undoes), until=max(own.undoes))
    return Undone(id=own.id, operations=plan.operations, commits=find_leaving(ws, plan))


def _require_state(ws: Workspace, plan: UndoPlan) -> None:
    """Passes when every state file holds what the log says. Raises AiwError(STATE)."""
    for file in plan.files:
        data = fsio.find_own_bytes(ws.layout.in_state(file.path))
        if (None if data is None else fsio.sha256_of(data)) != file.after_sha256:
            raise AiwError(
                Kind.STATE,
                f"{ws.layout.state_rel}/{file.path} is not as aiw left it, so it is not taken back",
                hint=f"look at it: {ws.command('doctor')}",
            )


def _intend(ws: Workspace, plan: UndoPlan) -> Intent:
    names = ", ".join(one.id for one in plan.operations[:_SHOWN])
    with ws.store.transaction(f"undoing {names}") as change:
        if change.before.require_project().serial != plan.until:
            raise AiwError(
                Kind.LOCKED, "another command changed the state in the same moment", hint="run the same command again"
            )
        intent = Intent(
            id=change.operation_id,
            kind="undo",
            branch="",
            head=None,
            tree="",
            since=plan.since,
            files=_plan_files(ws, plan),
            at=change.now,
        )
        change.apply(Changes(put=(intent,)))
    return intent


def _plan_files(ws: Workspace, plan: UndoPlan) -> tuple[PlannedFile, ...]:
    """What becomes of the repository's files. Raises AiwError(STATE) when a person changed the same lines since."""
    texts: dict[str, bytes | None] = {}
    seen: dict[str, bytes | None] = {}
    for change in plan.owned:
        if change.path not in seen:
            seen[change.path] = texts[change.path] = fsio.find_bytes(find_file(ws.root, change.path))
        texts[change.path], failure = take_back(texts[change.path], change)
        if failure is not None:
            raise AiwError(
                Kind.STATE,
                f"what aiw wrote into {change.path} cannot be taken back: {failure}",
                hint=f"bring {change.path} to how it was, then run the same command again",
            )
    return tuple(
        PlannedFile(
            path=path,
            seen_sha256=None if data is None else fsio.sha256_of(data),
            text=None if (text := texts[path]) is None else text.decode(),
        )
        for path, data in seen.items()
    )


def end_undo(ws: Workspace, intent: Intent) -> Undone:
    """Has the effects of an undo whose intent is on disk. Repeating it is harmless.

    Raises:
        AiwError: GIT when a move is refused after all: the others are made forwards again, and the intent is gone.
    """
    log = read_log(ws.layout)
    own = next((one for one in log.operations if one.id == intent.id), None)
    if own is None or intent.since is None:
        raise AiwError(Kind.CORRUPT, f"the log has no operation {intent.id} of an undo that is open", hint=DAMAGE_HINT)
    plan = plan_undo(log.operations, since=intent.since, until=own.serials[0] - 1)
    commits = find_leaving(ws, plan)
    for number, sha in enumerate(commits, 1):
        # Kept in git, so that the undo can be undone.
        move_ref(ws.repository.git, f"{_kept_refs(intent)}/{number}", new=sha, old=None, reason="aiw: undo")
    failure = move_back(ws, plan)
    if failure is not None:
        _give_up(ws, intent)
        raise AiwError(
            Kind.GIT, f"nothing was undone: {failure}", hint="put right what git names, then run the same command again"
        )
    with ws.store.transaction(name_undo(plan), operation=intent.id) as change:
        _restore_state(ws, plan, intent, change)
        for move in plan.moves:
            change.record_ref(move.ref, before=move.after, after=move.before, is_work=move.is_work)
        for file in intent.files:
            before, after = _write_file(ws, file)
            change.record_file(file.path, before=before, after=after)
        change.record_undo(plan.serials)
        # The items of the backlog are back already, by the very lines that had changed.
        ws.followed = change
        # Before the intent is gone with this transaction: killed in between, nobody would write them again.
        ws.documents.write_handoffs(change.after)
    return Undone(id=intent.id, operations=plan.operations, commits=commits)


def _give_up(ws: Workspace, intent: Intent) -> None:
    for ref, sha in list_branches(ws.repository.git, _kept_refs(intent)).items():
        delete_ref(ws.repository.git, ref, old=sha)
    with ws.store.transaction("give up an undo", operation=intent.id) as change:
        change.apply(Changes(remove=(intent,)))


def _kept_refs(intent: Intent) -> str:
    return f"refs/aiw/undone/{intent.id}"


def _restore_state(ws: Workspace, plan: UndoPlan, intent: Intent, change: Transaction) -> None:
    """Puts every state file back to the text that the log holds. Raises AiwError(STATE, CORRUPT)."""
    now = change.before
    put: list[AnyEntity] = []
    remove: list[AnyEntity] = [intent]
    undone_paths = frozenset(path_to_key(path) for path in _paths_of(ws, plan))
    for file in plan.files:
        record = KINDS[find_kind(file.path) or "project"]
        current = now.find(record, file.path.rpartition("/")[2].removesuffix(".json"))
        if file.before is None:
            remove += [current] if current is not None else []
            continue
        entity = decode(record, file.before.encode(), path=file.path)
        if isinstance(entity, Baseline):
            entity = keep_known_dirt(entity, now.baselines.get(entity.id), undone_paths)
        put.append(cast("AnyEntity", entity))
    before = decode(Project, plan.project_before.encode(), path="project.json")
    put.append(restore_project(before, now.require_project()))
    names = ", ".join(one.name for one in plan.operations[:_SHOWN])
    event = make_event("undone", f"undone: {names}", now=change.now, actor=ws.actor)
    change.apply(Changes(put=tuple(put), remove=tuple(remove), events=(event,)))


def _paths_of(ws: Workspace, plan: UndoPlan) -> list[str]:
    """Every path of the commits that are taken back, from the top."""
    work = [move for move in plan.moves if move.is_work and move.before and move.after]
    return [path for move in work for path in changed_paths(ws.repository.git, move.before or "", move.after or "")]


def _write_file(ws: Workspace, file: PlannedFile) -> tuple[bytes | None, bytes | None]:
    """Writes one file of the repository, unless a person changed it in the same moment; returns before and after."""
    path = find_file(ws.root, file.path)
    current = fsio.find_bytes(path)
    new = None if file.text is None else file.text.encode()
    if current == new:
        return current, current
    if (None if current is None else fsio.sha256_of(current)) != file.seen_sha256:
        ws.talk(f"note: {file.path} was changed in the same moment, and left as it is")
        return current, current
    if new is None:
        fsio.remove_file(path)
    else:
        fsio.write_file(path, new, temp_dir=ws.layout.temp, durable=True)
    return current, new
