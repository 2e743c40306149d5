"""Tasks that no plan has: hotfixes and the like, each in a milestone of its own (spec §6.7). Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

from msgspec.structs import replace

from ai_workflow.models.base import Record
from ai_workflow.models.ids import (
    find_free_branch,
    format_id,
    format_milestone_id,
    id_number,
    make_branch_name,
    make_slug,
)
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.status import Priority
from ai_workflow.models.task import Task
from ai_workflow.policy.claiming import KIND_NOTE
from ai_workflow.policy.events import make_event

WorkKind = Literal["ad-hoc", "hotfix", "remedial", "investigation"]
WORK_KINDS: tuple[WorkKind, ...] = get_args(WorkKind)
NUMBER = 0
"""Out-of-band milestones are `M00-01`, `M00-02` …: no plan can have these ids."""


class OutOfBand(Record, frozen=True, kw_only=True):
    """What a person asks for."""

    title: str
    kind: WorkKind = "ad-hoc"
    reason: str = ""
    description: str = ""
    acceptance: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    verify: tuple[str, ...] = ()
    priority: Priority | None = None
    backlog: tuple[str, ...] = ()


def create_out_of_band(
    snapshot: Snapshot,
    wanted: OutOfBand,
    *,
    base_branch: str,
    branch_prefix: str,
    taken_branches: Collection[str],
    now: str,
    actor: str,
) -> tuple[Changes, Task]:
    """A milestone with its one task, ready to be claimed.

    Args:
        taken_branches: names that its branch must not have.
    """
    project = snapshot.require_project()
    taken = (id_number(key) for key in snapshot.milestones)
    number = 1 + max((parts[1] for parts in taken if parts[0] == NUMBER and len(parts) > 1), default=0)
    milestone_id = format_milestone_id(NUMBER, number)
    task_number = 1 + max(project.counters.task, max((id_number(key)[0] for key in snapshot.tasks), default=0))
    task_id = format_id("task", task_number)
    package = project.package_number
    branch = find_free_branch(make_branch_name(branch_prefix, milestone_id, wanted.title), taken_branches)
    task = Task(
        id=task_id,
        title=wanted.title,
        description=wanted.description,
        status="ready",
        milestone_id=milestone_id,
        priority=wanted.priority or ("high" if wanted.kind == "hotfix" else "medium"),
        conflict_scopes=wanted.scopes,
        acceptance_criteria=wanted.acceptance,
        verify=wanted.verify,
        notes=_notes(wanted),
        key=f"{milestone_id}/{make_slug(wanted.title)}",
        workpackage=package,
        created_at=now,
        updated_at=now,
    )
    milestone = Milestone(
        id=milestone_id,
        title=wanted.title,
        goal=wanted.reason,
        status="ready",
        lane_id="core",
        base_branch=base_branch,
        branch=branch,
        task_ids=(task_id,),
        adr_ids=tuple(adr.id for adr in snapshot.adrs.values() if adr.status == "accepted"),
        workpackage=package,
        created_at=now,
        updated_at=now,
    )
    counted = replace(project, counters=replace(project.counters, task=task_number))
    event = make_event("task_adhoc_created", f"{task_id}: {wanted.title}", task=task, now=now, actor=actor)
    return Changes(put=(counted, milestone, task), events=(event,)), task


def _notes(wanted: OutOfBand) -> tuple[str, ...]:
    notes = [f"{KIND_NOTE}{wanted.kind}"]
    if wanted.reason:
        notes.append(f"reason: {wanted.reason}")
    return (*notes, *(f"backlog_id: {item}" for item in wanted.backlog))
