"""Claims a task and writes its prompt (spec §6.2, §6.3)."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

from ai_workflow.config.ownership import prompt_path
from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.status import read_status, show_path
from ai_workflow.models.base import Record
from ai_workflow.models.operation import Intent
from ai_workflow.models.run import Run
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.task import Task
from ai_workflow.policy.claiming import (
    claim_task,
    claimable_tasks,
    explain_waiting,
    find_active_task,
    owner_of_work,
    start_claimed_task,
)
from ai_workflow.policy.finishing import last_failure
from ai_workflow.policy.secrets import mask
from ai_workflow.services import parking
from ai_workflow.services.changeset import collect_dirt, split_dirt
from ai_workflow.services.workspace import Workspace

_TEMPLATE_S = 5.0


class Claim(Record, frozen=True, kw_only=True):
    """The task handed out."""

    task: Task
    claimed: bool
    """Whether this call claimed it; False when it was active already."""
    prompt_rel: str
    """Path of its prompt, relative to the root of the state."""
    early_paths: tuple[str, ...] = ()
    """Paths changed before the claim that count as the task's."""


def prompt_rel(ws: Workspace, lane_id: str) -> str:
    """Where the lane's next prompt lies."""
    return prompt_path(ws.config, lane_id)


def claim(ws: Workspace, lane_id: str, *, task_id: str | None = None, is_started: bool = True) -> Claim:
    """Claims the next task of the lane's milestone, or the one named; an active task is handed out again.

    Args:
        is_started: whether its prompt is handed out too.

    Raises:
        AiwError: STATE when nothing can be claimed, task by task; TEMPLATE when the prompt cannot be made (nothing
            is claimed then).
    """
    early = _early_paths(ws, lane_id)
    intent: Intent | None = None
    with ws.store.transaction("claim a task") as change:
        snapshot = change.before
        lane = snapshot.get_lane(lane_id)
        active = find_active_task(snapshot)
        if active is not None and task_id in (None, active.id):
            if is_started:
                change.apply(start_claimed_task(snapshot, active, now=change.now, actor=ws.actor))
            task, claimed = change.after.get_task(active.id), False
        else:
            chosen = snapshot.get_task(task_id) if task_id else _choose(ws, snapshot, lane.milestone_id)
            change.apply(
                claim_task(
                    snapshot,
                    lane,
                    chosen,
                    now=change.now,
                    actor=ws.actor,
                    prompt_path=prompt_rel(ws, lane_id),
                    is_started=is_started,
                )
            )
            task, claimed = change.after.get_task(chosen.id), True
            intent = _intend_restoring(ws, change.before, task, operation=change.operation_id, now=change.now)
            change.apply(Changes(put=(intent,) if intent else ()))
            early = tuple(dict.fromkeys((*early, *_parked_paths(change.before, task))))
        change.name = f"claim {task.id}"
        text = render(ws, change.after, task, early_paths=early)
    rel = prompt_rel(ws, lane_id)
    if intent is not None:
        with ws.git_effects(f"restore {intent.task_id}"):
            # Another command may have settled it while this one waited for the repository.
            if intent.id in ws.store.snapshot().intents:
                parking.end_restoring(ws, intent)
    ws.documents.write_document(rel, text)
    return Claim(task=ws.store.snapshot().get_task(task.id), claimed=claimed, prompt_rel=rel, early_paths=early)


def _intend_restoring(ws: Workspace, before: Snapshot, task: Task, *, operation: str, now: str) -> Intent | None:
    """The intent to bring parked work back, when there is some."""
    owner = parking.find_parked(before, task)
    if owner is None or owner.parked is None:
        return None
    parking.require_restorable(ws, task, owner)
    return Intent(
        id=operation,
        kind="restore",
        task_id=owner.id,
        branch=parking.parked_ref(owner.id),
        head=None,
        tree=owner.parked.commit,
        at=now,
    )


def _parked_paths(before: Snapshot, task: Task) -> tuple[str, ...]:
    owner = parking.find_parked(before, task)
    return owner.parked.paths if owner is not None and owner.parked is not None else ()


def hand_out_active(ws: Workspace, lane_id: str) -> str | None:
    """Writes the prompt of the lane's active task anew; returns its path, or None when no task is active."""
    snapshot = ws.store.snapshot()
    task = find_active_task(snapshot)
    if task is None:
        return None
    rel = prompt_rel(ws, lane_id)
    ws.documents.write_document(rel, render(ws, snapshot, task))
    return rel


def _choose(ws: Workspace, snapshot: Snapshot, milestone_id: str | None) -> Task:
    milestone = snapshot.find_milestone(milestone_id)
    if milestone is None:
        raise AiwError(
            Kind.STATE, "no milestone is under way", hint=f"start the next one: {ws.command('agent run --lane core')}"
        )
    tasks = claimable_tasks(snapshot, milestone)
    if not tasks:
        reasons = "\n".join(f"  {line}" for line in explain_waiting(snapshot, [milestone]))
        raise AiwError(
            Kind.STATE,
            f"no task of {milestone.id} can be claimed" + (f":\n{reasons}" if reasons else ""),
            hint=f"see where things stand: {ws.command('status')}",
        )
    return tasks[0]


def render(
    ws: Workspace, snapshot: Snapshot, task: Task, *, early_paths: tuple[str, ...] = (), claimed: bool = True
) -> str:
    """The task's prompt. Raises AiwError(TEMPLATE)."""
    from ai_workflow.rendering.prompts import render_task_prompt

    folder = ws.config.prompts.templates_dir
    owner = owner_of_work(snapshot, task)
    failure: Run | None = last_failure(snapshot, owner)
    with _limit_of_templates(folder):
        text = render_task_prompt(
            snapshot,
            task,
            claimed=claimed,
            command_prefix=ws.config.agent.command_prefix.strip(),
            checks=[check.run for check in ws.config.agent.checks],
            scope_policy=ws.config.scope.policy,
            companions=ws.config.scope.companions,
            last_failure=failure,
            early_paths=early_paths,
            templates=os.path.join(ws.root, *folder.split("/")) if folder else None,
        )
    return mask(text)


def _limit_of_templates(folder: str | None) -> AbstractContextManager[None]:
    """Lets templates of the repository take as long as no honest one does; ours need no limit."""
    if folder is None:
        return nullcontext()
    from ai_workflow.services.deadline import limited

    message = f"{folder}: the prompt was not made within {_TEMPLATE_S:.0f} s"
    return limited(_TEMPLATE_S, AiwError(Kind.TEMPLATE, message, hint="a loop of the template repeats too much"))


def _early_paths(ws: Workspace, lane_id: str) -> tuple[str, ...]:
    """What changed since the lane's last operation: it belongs to the task that is claimed now (spec §6.4)."""
    snapshot = ws.store.snapshot()
    if lane_id not in snapshot.lanes or snapshot.lanes[lane_id].milestone_id is None:
        return ()
    baseline = snapshot.find_baseline(lane_id)
    dirt = collect_dirt(ws, read_status(ws.repository.git), known=baseline.paths if baseline else None)
    changes, _left_out = split_dirt(ws, dirt, baseline, adopted=(), scopes=())
    return tuple(show_path(ws.repository.to_root(path)) for path in changes.owned)
