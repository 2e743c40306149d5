"""Runs by hand: for people and outer agents that keep their own log of an execution (spec §6.8).

A run made here is a record. It proves nothing: a task is done by its finish only.
"""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.run import Run
from ai_workflow.models.snapshot import Changes
from ai_workflow.policy.claiming import find_active_task
from ai_workflow.policy.finishing import ensure_run
from ai_workflow.policy.transitions import move
from ai_workflow.services import resume
from ai_workflow.services.workspace import Workspace

Outcome = Literal["completed", "failed", "cancelled"]
_VERBS = {"completed": "complete", "failed": "fail", "cancelled": "cancel"}


def start(ws: Workspace, lane_id: str, *, task_id: str | None, summary: str) -> Run:
    """A run of the active task: the one under way, or a new one when the last has ended.

    Raises:
        AiwError: STATE when the task is not active.
    """
    resume.resume(ws)
    with ws.store.transaction("start a run") as change:
        snapshot = change.before
        snapshot.get_lane(lane_id)
        active = find_active_task(snapshot)
        wanted = snapshot.get_task(task_id) if task_id else active
        if wanted is None or active is None or wanted.id != active.id:
            what = f"{wanted.id} is {wanted.status.replace('_', ' ')}" if wanted else "no task is active"
            raise AiwError(
                Kind.STATE,
                f"{what}: a run belongs to the active task",
                hint=f"claim it first: {ws.command('agent task')}",
            )
        changes, run = ensure_run(snapshot, active, now=change.now, actor=ws.actor)
        change.apply(changes)
        if summary and run.summary != summary:
            run = replace(run, summary=summary)
            change.apply(Changes(put=(run,)))
    return run


def finish(ws: Workspace, run_id: str, *, status: Outcome, summary: str) -> Run:
    """The run ended this way, by somebody's word. Its task stays as it is.

    Raises:
        AiwError: NOT_FOUND; STATE when it has ended already.
    """
    resume.resume(ws)
    with ws.store.transaction(f"end {run_id}") as change:
        run = change.before.runs.get(run_id)
        if run is None:
            raise AiwError(Kind.NOT_FOUND, f"run {run_id} does not exist", hint="see `aiw run list`")
        ended = move(run, _VERBS[status], now=change.now, finished_at=change.now, summary=summary or run.summary)
        change.apply(Changes(put=(ended,)))
    return ended
