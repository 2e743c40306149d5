"""Completes or drops what a killed command left half done (spec §7.1, §7.2); every writing command begins here."""

from __future__ import annotations

import contextlib
import os

from ai_workflow import folders
from ai_workflow.errors import AiwError
from ai_workflow.services.workspace import Workspace


def resume(ws: Workspace, *, needs_state: bool = True) -> None:
    """Replays a journal, then settles every open intent. Costs one look at three paths when there is nothing.

    Args:
        needs_state: whether a workspace whose state is gone is refused.

    Raises:
        AiwError: LOCKED when the killed command's git is still running, IO, CORRUPT; STATE when commits hold work of
            aiw and there is no state.
    """
    folders.clear_unfinished(ws.layout.temp)
    if ws.store.recover():
        ws.talk("an interrupted command was completed from its journal")
    if needs_state and not os.path.lexists(ws.layout.project) and not ws.store.snapshot().damaged:
        from ai_workflow.services.history import require_no_lost_state

        require_no_lost_state(ws)
    if not _has_intents(ws):
        return
    # Imported here: almost always there is nothing to settle.
    from ai_workflow.services.settling import settle

    for intent in ws.store.snapshot().intents.values():
        lease = ws.finish_lease("core", intent.task_id or "the workspace")
        with contextlib.ExitStack() as held:
            try:
                lease.acquire(deadline_s=0)
            except AiwError:
                continue  # Its command is alive and at work: the intent is not ours to settle.
            held.callback(lease.release)
            held.enter_context(ws.git_effects(f"settle {intent.id}"))
            settle(ws, intent)


def _has_intents(ws: Workspace) -> bool:
    folder = ws.layout.folder("intent")
    try:
        return any(name.endswith(".json") for name in os.listdir(folder))
    except OSError:
        return False
