"""Makes a damaged task or milestone anew from the plan that it was imported from; writes nothing."""

from __future__ import annotations

import os
import re

from msgspec.structs import replace

from ai_workflow import fsio
from ai_workflow.errors import AiwError
from ai_workflow.models.adr import Adr
from ai_workflow.models.base import Record
from ai_workflow.models.ids import id_number
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.plan import Plan
from ai_workflow.models.project import Counters, Project
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.task import Task
from ai_workflow.plan.parse import decode_plan, parse_plan
from ai_workflow.plan.reconcile import reconcile_plan
from ai_workflow.policy.claiming import refresh_readiness
from ai_workflow.services.workspace import Workspace
from ai_workflow.store.codec import encode
from ai_workflow.store.salvage import History, read_fields

_MIRROR_SLUG = re.compile(r"TASK-\d+-(.*)\.md")


class FromPlan(Record, frozen=True, kw_only=True):
    """What the plan makes of it."""

    entity: Task | Milestone
    is_exact: bool
    """Whether its digest is the one in the log."""


class PlanImports:
    """The plan as imports made it, each worked out once."""

    def __init__(self, ws: Workspace, snapshot: Snapshot) -> None:
        self._ws = ws
        self._snapshot = snapshot
        self._plan = _read_plan(ws, snapshot)
        self._known: dict[tuple[str | None, bool], Snapshot] = {}

    def find(self, rel: str, data: bytes, history: History) -> FromPlan | None:
        """The entity as an import makes it; None when the plan does not have it, or is not the one imported.

        Args:
            rel: path of the damaged file relative to the state folder.
            data: what it holds now.
        """
        folder, _, name = rel.rpartition("/")
        if self._plan is None or folder not in ("tasks", "milestones"):
            return None
        entity_id = name.removesuffix(".json")
        found: Task | Milestone | None = None
        for chain in (True, False):
            imported = self._import(self._plan, history, chain=chain)
            same = imported.find_task(entity_id) or imported.find_milestone(entity_id)
            if same is not None and fsio.sha256_of(encode(same)) == history.expected:
                return FromPlan(entity=same, is_exact=True)
            found = found or _by_key(self._ws, imported, entity_id, data)
        return FromPlan(entity=found, is_exact=False) if found is not None else None

    def _import(self, plan: Plan, history: History, *, chain: bool) -> Snapshot:
        key = (history.made_by.id if history.made_by else None, chain)
        if key not in self._known:
            self._known[key] = _import(self._ws, self._snapshot, plan, history, chain=chain)
        return self._known[key]


def _read_plan(ws: Workspace, snapshot: Snapshot) -> Plan | None:
    """The plan as imported; when the project is damaged too, nobody can tell, and the file is taken as it is."""
    from ai_workflow.config.ownership import plan_path

    package = snapshot.project.workpackage if snapshot.project else None
    if snapshot.project is not None and package is None:
        return None
    rel = package.plan_path if package else plan_path(ws.config)
    try:
        data = fsio.find_bytes(os.path.join(ws.root, *rel.split("/")))
        if data is None or (package and package.plan_digest and fsio.sha256_of(data) != package.plan_digest):
            return None
        return parse_plan(decode_plan(data, path=rel), path=rel)
    except AiwError:
        return None


def _import(ws: Workspace, snapshot: Snapshot, plan: Plan, history: History, *, chain: bool) -> Snapshot:
    """What importing the plan into an empty state gives, at the time and with the numbers of the recorded import."""
    operation = history.made_by
    made = [change.path for change in operation.changes if change.before is None] if operation else []
    numbers = [id_number(path)[0] for path in made if path.startswith("tasks/")]
    now = operation.at if operation else ws.clock.now_utc()
    package = snapshot.project.workpackage if snapshot.project else None
    project = Project(
        project_name="",
        base_branch=ws.config.git.base_branch,
        lineage="",
        counters=Counters(task=min(numbers, default=1) - 1),
        workpackage=replace(package, plan_digest="") if package else None,
        created_at=now,
        updated_at=now,
    )
    empty = Snapshot(project=project, entities={Adr: dict(snapshot.adrs)})
    reconciled = reconcile_plan(
        plan,
        empty,
        now=now,
        chain=chain,
        branch_prefix=ws.config.git.branch_prefix,
        base_branch=ws.config.git.base_branch,
        digest="anew",
        plan_path=package.plan_path if package else "",
        taken_branches=(),
    )
    after = empty.apply(Changes() if reconciled.refusals else reconciled.changes)
    return after.apply(refresh_readiness(after, now=now))


def _by_key(ws: Workspace, imported: Snapshot, entity_id: str, data: bytes) -> Task | Milestone | None:
    """The same piece of the plan under the number that it has: by what the file still tells, or its mirror's name."""
    milestone = imported.find_milestone(entity_id)
    if milestone is not None:
        # The numbers of its tasks are those of the state, which its other files tell.
        return replace(milestone, task_ids=())
    fields = read_fields(data)
    keys = {str(fields["key"])} if "key" in fields else set()
    slugs = set()
    for name in _list_mirrors(ws):
        match = _MIRROR_SLUG.fullmatch(name)
        if match is not None and name.startswith(f"{entity_id}-"):
            slugs.add(match.group(1))
    found = [
        task
        for task in imported.tasks.values()
        if task.key in keys or (not keys and task.key.partition("/")[2] in slugs)
    ]
    return replace(found[0], id=entity_id) if len(found) == 1 else None


def _list_mirrors(ws: Workspace) -> list[str]:
    try:
        return os.listdir(os.path.join(ws.layout.workspace, "tasks"))
    except OSError:
        return []
