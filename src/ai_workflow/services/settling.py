"""Finds out what became of an intent in git, and completes the operation or drops it (spec §7.2)."""

from __future__ import annotations

import contextlib
import os

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.commits import Made, read_made
from ai_workflow.git.refs import find_head_branch
from ai_workflow.models.lane import Baseline
from ai_workflow.models.operation import Intent
from ai_workflow.models.snapshot import Changes
from ai_workflow.policy.finishing import complete_task
from ai_workflow.services import own_edits, parking
from ai_workflow.services.committing import beyond_checked, find_made_commit, sync_user_index, take_back, without
from ai_workflow.services.workspace import Workspace


def settle(ws: Workspace, intent: Intent) -> None:
    """Completes or drops one intent; the caller holds the finish lease and the lock of the repository."""
    fresh = ws.store.snapshot().intents.get(intent.id)
    if fresh is None:
        return
    if fresh.kind == "park":
        parking.end_parking(ws, fresh)
        return
    if fresh.kind == "restore":
        parking.end_restoring(ws, fresh)
        return
    if fresh.kind == "undo":
        from ai_workflow.services.undo import end_undo

        done = end_undo(ws, fresh)
        ws.talk(f"the interrupted undo of {', '.join(one.id for one in done.operations)} was completed")
        return
    documents = own_edits.own_document_paths(ws, ws.store.snapshot().project)
    made = find_made_commit(ws, fresh, documents=documents)
    beyond = beyond_checked(ws, fresh, made) if made is not None else ()
    if made is not None and fresh.kind == "finish" and without(beyond, documents):
        # A hook changed the commit and the command died before checking that: unproven, so it is made again.
        take_back(ws, fresh, made)
        made = None
    _remove_private_index(fresh)
    if made is None:
        drop(ws, fresh)
        ws.talk(
            f"the interrupted commit of {fresh.task_id or 'the workspace'} had not been made; the work is in the tree"
        )
    elif fresh.kind == "finish":
        complete_finish(ws, fresh, _get_made(ws, made), beyond=beyond)
        ws.talk(f"the interrupted finish of {fresh.task_id} was completed: {made[:10]}")
    else:
        if find_head_branch(ws.repository.git) == fresh.branch.removeprefix("refs/heads/"):
            sync_user_index(ws, fresh, _get_made(ws, made), beyond=beyond)
        with ws.store.transaction("set up workspace", operation=fresh.id) as change:
            project = replace(change.before.require_project(), scaffold_commit=made)
            change.apply(Changes(put=(project,), remove=(fresh,)))
            change.record_ref(fresh.branch, before=fresh.head, after=made)


def _get_made(ws: Workspace, sha: str) -> Made:
    made = read_made(ws.repository.git, sha)
    if made is None:
        raise AiwError(Kind.GIT, f"the commit {sha[:10]} cannot be read", hint="look at it: git fsck")
    return made


def _remove_private_index(intent: Intent) -> None:
    if intent.index_file:
        for path in (intent.index_file, f"{intent.index_file}.lock", f"{intent.index_file}.message"):
            with contextlib.suppress(OSError):
                os.unlink(path)


def complete_finish(ws: Workspace, intent: Intent, made: Made, *, beyond: tuple[str, ...]) -> None:
    """The commit of a finish exists: the user's index follows, and the task becomes done. Repeating it is harmless."""
    sync_user_index(ws, intent, made, beyond=beyond)
    with ws.store.transaction(f"finish {intent.task_id}", operation=intent.id) as change:
        if intent.id not in change.before.intents or intent.task_id is None:
            return
        task = change.before.get_task(intent.task_id)
        run = change.before.runs[intent.run_id or task.run_ids[-1]]
        change.apply(
            complete_task(
                change.before,
                task.id,
                run,
                sha=made.sha,
                decisions=intent.decisions,
                unproven=intent.unproven,
                now=change.now,
                actor=ws.actor,
            )
        )
        own_edits.settle_own_edits(ws, change, made.sha)
        baseline = Baseline(id=task.lane_id or "core", paths=intent.baseline, recorded_at=change.now)
        change.apply(Changes(put=(baseline,), remove=(intent,)))
        change.record_ref(intent.branch, before=intent.head, after=made.sha, is_work=True)
        change.record_staged(intent.staged)


def drop(ws: Workspace, intent: Intent) -> None:
    """The commit does not exist and will not: the intent goes, aiw's documents return to what the state says."""
    with ws.store.transaction(f"drop the commit of {intent.task_id or 'the workspace'}", operation=intent.id) as change:
        change.apply(Changes(remove=(intent,)))
        # Before the intent is gone with this transaction: killed in between, nobody would write them again.
        ws.documents.write_handoffs(change.after)
