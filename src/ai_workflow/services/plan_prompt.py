"""Collects what a planning model should know of this repository, and keeps the prompt as a document (spec §4.5)."""

from __future__ import annotations

import os
import re
from itertools import pairwise

from msgspec.structs import replace

from ai_workflow import fsio
from ai_workflow.config.ownership import backlog_path, is_owned, is_runtime, plan_path
from ai_workflow.config.place import CONFIG_NAME
from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.files import list_files
from ai_workflow.git.refs import find_head_branch
from ai_workflow.models.base import Record
from ai_workflow.models.ids import id_number, parse_milestone_id
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.status import MILESTONE_CLOSED, TASK_CLOSED
from ai_workflow.plan.parse import parse_plan
from ai_workflow.plan.write import write_plan
from ai_workflow.policy.claiming import open_milestones
from ai_workflow.rendering.plan_prompt import MilestoneLine, PlanContext
from ai_workflow.services import resume
from ai_workflow.services.plan_file import keep_copy
from ai_workflow.services.workspace import Workspace

_MAX_BACKLOG_BYTES = 256 * 1024
_ITEM = re.compile(r"^## ", re.MULTILINE)
_STATUS = re.compile(r"^status:[ \t]*([a-z]+)", re.MULTILINE | re.IGNORECASE)
_STATUS_ORDER = ("selected", "active", "idea", "blocked")
"""Items in another status are past planning and left out."""


class PromptFile(Record, frozen=True, kw_only=True):
    """What became of the document."""

    rel: str
    written: bool
    copy: str | None = None
    """Where a person's text that it replaced is kept."""


def collect_context(ws: Workspace) -> PlanContext:
    """What the prompt is made of. Reads git and files; writes nothing.

    Raises:
        AiwError: STATE without a state; GIT, IO.
    """
    snapshot = ws.store.snapshot()
    project = snapshot.require_project()
    unfinished = open_milestones(snapshot)
    files, is_tracked = list_files(ws.repository)
    highest = max((id_number(milestone.id)[0] for milestone in snapshot.milestones.values()), default=0)
    return PlanContext(
        project_name=project.project_name or os.path.basename(ws.root),
        base_branch=ws.config.git.base_branch,
        head_branch=find_head_branch(ws.repository.git),
        paths=tuple(path for path in files if not is_owned(ws.config, path) and not is_runtime(ws.config, path)),
        is_tracked=is_tracked,
        checks=tuple(check.run for check in ws.config.agent.checks),
        backlog=collect_backlog(ws),
        adrs=tuple(adr for adr in snapshot.adrs.values() if adr.status == "accepted"),
        milestones=_list_milestones(snapshot),
        unfinished_plan=_find_unfinished_plan(ws, snapshot) if unfinished else None,
        first_number=highest + 1 if unfinished else 1,
        own_paths=(CONFIG_NAME, f"{ws.config.plan_dir}/", f"{ws.config.workspace_dir}/"),
    )


def collect_backlog(ws: Workspace) -> tuple[str, ...]:
    """The items of the backlog that may be planned, as they are written: selected ones first, then in file order.

    A file that cannot be read as text gives none: a prompt is worth having without it.
    """
    path = os.path.join(ws.root, *backlog_path(ws.config).split("/"))
    try:
        data = fsio.find_bytes(path) or b""
    except AiwError:
        return ()
    text = data[:_MAX_BACKLOG_BYTES].decode("utf-8-sig", "replace").replace("\r\n", "\n")
    starts = [match.start() for match in _ITEM.finditer(text)]
    items = [text[start:end] for start, end in pairwise([*starts, len(text)])]
    ranked = [(_rank(item), number, item) for number, item in enumerate(items)]
    return tuple(item for rank, _, item in sorted(ranked) if rank is not None and rank < len(_STATUS_ORDER))


def _rank(item: str) -> int:
    match = _STATUS.search(item)
    status = match.group(1).lower() if match else "idea"
    return _STATUS_ORDER.index(status) if status in _STATUS_ORDER else len(_STATUS_ORDER)


def _list_milestones(snapshot: Snapshot) -> tuple[MilestoneLine, ...]:
    lines = []
    for milestone in snapshot.milestones.values():
        tasks = snapshot.tasks_of(milestone)
        lines.append(
            MilestoneLine(
                id=milestone.id,
                title=milestone.title,
                status=milestone.status,
                closed_tasks=sum(task.status in TASK_CLOSED for task in tasks),
                tasks=len(milestone.task_ids),
                is_open=milestone.status not in MILESTONE_CLOSED,
            )
        )
    return tuple(lines)


def _find_unfinished_plan(ws: Workspace, snapshot: Snapshot) -> str | None:
    """The open milestones as the plan file has them; None when the file is not the plan that was imported."""
    package = snapshot.require_project().workpackage
    data = fsio.find_bytes(os.path.join(ws.root, *plan_path(ws.config).split("/")))
    if package is None or data is None or fsio.sha256_of(data) != package.plan_digest:
        return None
    plan = parse_plan(data.decode("utf-8", "replace"), path=plan_path(ws.config))
    names = {milestone.id for milestone in open_milestones(snapshot)}
    kept = tuple(m for m in plan.milestones if m.id is not None and parse_milestone_id(m.id) in names)
    return write_plan(replace(plan, prose="", milestones=kept)) if len(kept) == len(names) else None


def write_prompt(ws: Workspace, text: str, *, is_forced: bool) -> PromptFile:
    """Makes the operator's document this prompt.

    A document that a person edited is left alone, or, when forced, kept as a copy.

    Raises:
        AiwError: STATE when the document is a person's.
    """
    resume.resume(ws)
    rel = ws.config.agent.plan_builder_prompt
    path = os.path.join(ws.root, *rel.split("/"))
    data = text.encode()
    current = fsio.find_bytes(path)
    known = ws.store.snapshot().require_project().documents.get(rel)
    is_ours = current is None or current == data or known == fsio.sha256_of(current)
    if not is_ours and not is_forced:
        raise AiwError(
            Kind.STATE,
            f"{rel} was edited by a person, so it is not written over",
            hint="print the prompt with --print, or replace the file with --force; a copy of it is kept",
        )
    copy = keep_copy(ws, rel, current) if current is not None and not is_ours else None
    if current != data:
        fsio.write_file(path, data, temp_dir=ws.layout.temp, durable=False)
    if known != fsio.sha256_of(data):
        with ws.store.transaction("write the plan prompt") as change:
            project = change.before.require_project()
            documents = {**project.documents, rel: fsio.sha256_of(data)}
            change.apply(Changes(put=(replace(project, documents=documents),)))
    return PromptFile(rel=rel, written=current != data, copy=copy)
