"""What people do to single tasks, and tasks that no plan has (spec §6.7, §6.8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.snapshot import Changes
from ai_workflow.models.task import Task
from ai_workflow.policy.out_of_band import OutOfBand, create_out_of_band
from ai_workflow.policy.tasks import block_task, drop_parked, edit_task, end_task, unblock_task
from ai_workflow.services import resume
from ai_workflow.services.plans import taken_branches
from ai_workflow.services.workspace import Workspace


def block(ws: Workspace, task_id: str, *, reason: str) -> Task:
    """The task waits for a person, with the reason. Raises AiwError(STATE, USAGE)."""
    resume.resume(ws)
    _require_text(reason, "a blocked task needs a reason")
    with ws.store.transaction(f"block {task_id}") as change:
        task = change.before.get_task(task_id)
        change.apply(
            block_task(
                change.before,
                task,
                reason=reason.strip(),
                next_command=ws.command(f"task unblock {task_id}"),
                now=change.now,
                actor=ws.actor,
            )
        )
    return change.after.get_task(task_id)


def unblock(ws: Workspace, task_id: str) -> Task:
    """The task may be taken again. Raises AiwError(STATE)."""
    resume.resume(ws)
    with ws.store.transaction(f"unblock {task_id}") as change:
        task = change.before.get_task(task_id)
        change.apply(unblock_task(change.before, task, now=change.now, actor=ws.actor))
    return change.after.get_task(task_id)


def end(ws: Workspace, task_id: str, verb: str, *, reason: str) -> Task:
    """The task is skipped or cancelled; work of it that lies in the tree stays until another task is claimed.

    Raises:
        AiwError: STATE, USAGE; LOCKED while it is being finished.
    """
    resume.resume(ws)
    with ws.finishing("core", task_id), ws.store.transaction(f"{verb} {task_id}") as change:
        task = change.before.get_task(task_id)
        change.apply(end_task(change.before, task, verb, reason=reason.strip(), now=change.now, actor=ws.actor))
    return change.after.get_task(task_id)


def edit(
    ws: Workspace,
    task_id: str,
    values: Mapping[str, Any],
    *,
    add_scopes: tuple[str, ...] = (),
    reason: str | None = None,
) -> Task:
    """The task with other words, scopes or dependencies; see `policy.tasks.edit_task`.

    Raises:
        AiwError: STATE, USAGE, NOT_FOUND; PLAN for a scope outside the repository.
    """
    from ai_workflow.services.plans import ScopeFinder

    resume.resume(ws)
    finder = ScopeFinder(ws)
    for entry in (*add_scopes, *values.get("conflict_scopes", ())):
        if finder.find(entry) == "outside":
            raise AiwError(
                Kind.PLAN,
                f"{entry} lies outside the git work tree",
                hint="scopes are paths or patterns relative to the folder of .ai-workflow.yaml",
            )
    if "title" in values:
        _require_text(values["title"], "a task needs a title")
    with ws.store.transaction(f"edit {task_id}") as change:
        task = change.before.get_task(task_id)
        changes = edit_task(
            change.before, task, values, add_scopes=add_scopes, reason=reason, now=change.now, actor=ws.actor
        )
        change.apply(changes)
    return change.after.get_task(task_id)


def forget_parked(ws: Workspace, task_id: str, *, reason: str) -> Task:
    """The task without parked work that is not in this repository any more. Raises AiwError(STATE)."""
    resume.resume(ws)
    with ws.store.transaction(f"drop the parked work of {task_id}") as change:
        task = change.before.get_task(task_id)
        change.apply(drop_parked(task, reason=reason, now=change.now, actor=ws.actor))
    return change.after.get_task(task_id)


def create(ws: Workspace, wanted: OutOfBand) -> Task:
    """A task that no plan has, in a milestone of its own, ready to be claimed. Raises AiwError(USAGE)."""
    resume.resume(ws)
    _require_text(wanted.title, "a task needs a title")
    branches = taken_branches(ws)
    with ws.store.transaction(f"add {wanted.kind} task") as change:
        change.before.require_undamaged()
        taken = {*branches, *(m.branch for m in change.before.milestones.values() if m.branch)}
        changes, task = create_out_of_band(
            change.before,
            wanted,
            base_branch=ws.config.git.base_branch,
            branch_prefix=ws.config.git.branch_prefix,
            taken_branches=taken,
            now=change.now,
            actor=ws.actor,
        )
        change.apply(changes)
    return task


def record_audit(ws: Workspace, task_id: str, *, result: str, notes: tuple[str, ...]) -> Task:
    """What a reviewer says of a task, kept with it and shown in its audit; it proves nothing. Raises AiwError."""
    from msgspec.structs import replace

    from ai_workflow.models.task import Decision
    from ai_workflow.services.evidence import audit_rel

    resume.resume(ws)
    with ws.store.transaction(f"audit {task_id}") as change:
        task = change.before.get_task(task_id)
        told = "; ".join((result, *notes))
        decision = Decision(kind="audit", reason=told, actor=ws.actor, at=change.now)
        audited = replace(
            task,
            decisions=(*task.decisions, decision),
            audit_path=task.audit_path or audit_rel(ws, task),
            updated_at=change.now,
        )
        change.apply(Changes(put=(audited,)))
    return change.after.get_task(task_id)


def _require_text(text: str, message: str) -> None:
    if not text.strip():
        raise AiwError(Kind.USAGE, message, hint="give it as text")
