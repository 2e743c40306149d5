"""Decides what damaged state files should hold, from the log, the plan, commits and healthy files; writes nothing."""

from __future__ import annotations

import contextlib
import json
import os
import re
import uuid
from collections.abc import Mapping

from ai_workflow import fsio
from ai_workflow.errors import AiwError
from ai_workflow.git.refs import merge_base
from ai_workflow.git.trailers import find_commits
from ai_workflow.models.adr import Adr
from ai_workflow.models.base import Entity, Record
from ai_workflow.models.blocker import Blocker
from ai_workflow.models.ids import id_number
from ai_workflow.models.lane import Baseline, Lane
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.operation import Intent
from ai_workflow.models.project import Project, Workpackage
from ai_workflow.models.run import Run
from ai_workflow.models.snapshot import Damage, Snapshot
from ai_workflow.models.task import Task
from ai_workflow.policy import salvage
from ai_workflow.policy.salvage import Evidence
from ai_workflow.services.doctor.from_plan import PlanImports
from ai_workflow.services.workspace import Workspace
from ai_workflow.store.codec import KINDS, encode
from ai_workflow.store.layout import find_kind
from ai_workflow.store.operations import read_log
from ai_workflow.store.salvage import (
    History,
    find_exact,
    list_expected,
    list_readings,
    make_record,
    read_fields,
    read_history,
)

ORDER = ("project", "milestone", "task", "run", "blocker", "lane", "adr", "baseline", "intent")
"""Kinds in the order in which they are made: each may rely on those before it."""


class Salvage(Record, frozen=True, kw_only=True):
    """What to do with one damaged file."""

    path: str
    """Relative to the root."""
    rel: str
    """Relative to the state folder."""
    kind: str
    seen: bytes | None
    """What it holds now; None when it is no file."""
    text: bytes | None
    """What it is to hold; None removes it."""
    how: str
    """For people."""
    is_exact: bool
    """Whether the digest in the log proves the text."""


class SalvagePlan(Record, frozen=True, kw_only=True):
    """What can be done about all damaged files."""

    steps: tuple[Salvage, ...]
    """By `ORDER`."""
    beyond: frozenset[str]
    """Paths, relative to the root, of those that nothing is known of. Files of a newer version are in neither."""


class _Case(Record, frozen=True, kw_only=True):
    """One damaged file and what is known of it."""

    damage: Damage
    rel: str
    kind: str
    entity_id: str
    seen: bytes | None
    is_movable: bool
    """Whether no file is there: what stands in its place can be moved away; a file that may not be read cannot be
    copied."""
    history: History

    @property
    def data(self) -> bytes:
        """What it still tells of this entity: nothing when it is another one's file."""
        data = self.seen or b""
        return data if read_fields(data).get("id", self.entity_id) == self.entity_id else b""


def read_state(ws: Workspace) -> Snapshot:
    """The state, where files that the log expects and that are gone count as damaged if they can be made again.

    Raises:
        AiwError: as `Store.snapshot`; GIT.
    """
    snapshot = ws.store.snapshot()
    if snapshot.project is None and not snapshot.damaged:
        return snapshot
    known = {damage.path for damage in snapshot.damaged}
    gone = [
        Damage(path=path, line=None, message="the file is missing: the log of operations says that it is there")
        for rel in list_expected(ws.layout)
        if find_kind(rel) is not None and not rel.startswith("intents/")
        if (path := f"{ws.layout.state_rel}/{rel}") not in known and not os.path.isfile(ws.layout.in_state(rel))
    ]
    if not gone:
        return snapshot
    whole = snapshot.with_damaged((*snapshot.damaged, *gone))
    beyond = plan_salvage(ws, whole).beyond - known
    return snapshot.with_damaged(tuple(damage for damage in whole.damaged if damage.path not in beyond))


def plan_salvage(ws: Workspace, snapshot: Snapshot, *, exact_only: bool = False) -> SalvagePlan:
    """What each damaged file should hold. Raises AiwError(IO, GIT)."""
    steps: list[Salvage] = []
    beyond: set[str] = set()
    evidence: Evidence | None = None
    imports: PlanImports | None = None
    cases = [_examine(ws, damage) for damage in snapshot.damaged if not damage.newer and _is_file(ws, damage)]
    strays = {fsio.sha256_of(case.seen): case.seen for case in cases if case.seen is not None}
    for case in sorted(cases, key=lambda case: ORDER.index(case.kind)):
        step = _exactly(case, strays)
        if step is None:
            imports = imports or PlanImports(ws, snapshot)
            imported = imports.find(case.rel, case.data, case.history)
            if imported is not None and imported.is_exact and (case.seen is not None or case.is_movable):
                step = _step(case, encode(imported.entity), "as the plan has it", is_exact=True)
            elif not exact_only:
                evidence = evidence or gather_evidence(ws, snapshot, cases)
                step = _roughly(ws, snapshot, case, imported.entity if imported else None, evidence)
        if step is not None:
            steps.append(step)
        else:
            beyond.add(case.damage.path)
    return SalvagePlan(steps=tuple(steps), beyond=frozenset(beyond))


def _is_file(ws: Workspace, damage: Damage) -> bool:
    """Whether a single file is meant, not a whole folder of the state."""
    return damage.path.startswith(f"{ws.layout.state_rel}/") and damage.path.endswith(".json")


def _examine(ws: Workspace, damage: Damage) -> _Case:
    rel = damage.path.removeprefix(f"{ws.layout.state_rel}/")
    folder, _, name = rel.rpartition("/")
    path = ws.layout.in_state(rel)
    try:
        seen = fsio.find_own_bytes(path)
    except AiwError:
        seen = None
    return _Case(
        damage=damage,
        rel=rel,
        kind=find_kind(rel) or "project",
        entity_id=name.removesuffix(".json"),
        seen=seen,
        is_movable=os.path.islink(path) or not os.path.isfile(path),
        history=read_history(ws.layout, rel) if folder else History(),
    )


def _exactly(case: _Case, strays: Mapping[str, bytes]) -> Salvage | None:
    """
    Args:
        strays: what the damaged files hold, by digest: one may hold what belongs into another.
    """
    if case.seen is None and not case.is_movable:
        return None
    if case.history.is_removed:
        return _step(case, None, "its last operation removed it", is_exact=True)
    stray = strays.get(case.history.expected or "")
    if stray is not None:
        return _step(case, stray, "it was under another name", is_exact=True)
    text = find_exact(KINDS[case.kind], case.data, case.history)
    return None if text is None else _step(case, text, "as its last operation left it", is_exact=True)


def _step(case: _Case, text: bytes | None, how: str, *, is_exact: bool = False) -> Salvage:
    return Salvage(
        path=case.damage.path, rel=case.rel, kind=case.kind, seen=case.seen, text=text, how=how, is_exact=is_exact
    )


def _roughly(
    ws: Workspace, snapshot: Snapshot, case: _Case, imported: Entity | None, evidence: Evidence
) -> Salvage | None:
    """The newest version that is known, brought forward by what the rest of the state proves."""
    if case.seen is None and not case.is_movable:
        return None
    if case.kind == "intent":
        return _intent(ws, snapshot, case)
    known = _newest(case) or imported
    if known is None and case.kind in ("task", "milestone"):
        now = case.history.made_by.at if case.history.made_by else evidence.now
        known = salvage.sketch(snapshot, case.entity_id, read_fields(case.data), now=now)
        if known is not None and fsio.sha256_of(encode(known)) == case.history.expected:
            return _step(case, encode(known), "as the rest of the state has it", is_exact=True)
    made = _make(ws, snapshot, case, known, evidence)
    if made is None:
        return None
    if case.kind == "baseline":
        return _step(case, encode(made), "what is uncommitted now counts as yours; a task gets its own by --adopt PATH")
    origin = "from the log of operations" if case.history.texts else "from the rest of the state"
    if imported is not None and not case.history.texts:
        origin = "from the plan"
    return _step(case, encode(made), f"{origin}, as far as it can be known")


def _newest(case: _Case) -> Entity | None:
    record = KINDS[case.kind]
    fields = read_fields(case.data)
    for text in reversed(case.history.texts):
        mixed = make_record(record, {**read_fields(text), **fields}) or make_record(record, read_fields(text))
        if mixed is not None and getattr(mixed, "id", case.entity_id) == case.entity_id:
            return mixed
    return make_record(record, fields) if fields.get("id") == case.entity_id else None


def _make(ws: Workspace, snapshot: Snapshot, case: _Case, known: Entity | None, evidence: Evidence) -> Entity | None:
    if case.kind == "project":
        return _project(ws, snapshot, case, evidence)
    if isinstance(known, Task):
        return salvage.forward_task(snapshot, known, evidence)
    if isinstance(known, Milestone):
        return salvage.forward_milestone(snapshot, known, evidence)
    if case.kind == "lane":
        return salvage.make_lane(snapshot, known if isinstance(known, Lane) else None, evidence)
    if case.kind == "run":
        return salvage.make_run(snapshot, case.entity_id, known if isinstance(known, Run) else None, evidence)
    if case.kind == "blocker":
        return salvage.make_blocker(snapshot, case.entity_id, known if isinstance(known, Blocker) else None)
    if case.kind == "adr":
        from ai_workflow.services import adrs

        stub = Adr(id=case.entity_id, title="", created_at=evidence.now, updated_at=evidence.now)
        read = None
        with contextlib.suppress(AiwError):  # A file that cannot be read, or holds a secret: what is known must do.
            read = adrs.read_file(ws, known if isinstance(known, Adr) else stub)
        return read or (known if isinstance(known, Adr) else None)
    if case.kind == "baseline":
        return _baseline(ws, case, evidence)
    return None


def _project(ws: Workspace, snapshot: Snapshot, case: _Case, evidence: Evidence) -> Project:
    from ai_workflow.config.ownership import plan_path

    readings = [one for one in list_readings(Project, case.data) if isinstance(one, Project)]
    whole = max(readings, key=lambda project: project.serial, default=None)
    if whole is not None and whole.serial >= evidence.serial:
        return whole
    fields = json.loads(encode(whole)) if whole is not None else read_fields(case.data)
    defaults = Project(
        project_name=ws.project_name,
        base_branch=ws.config.git.base_branch,
        lineage=uuid.uuid4().hex,
        workpackage=Workpackage(number=1, plan_path=plan_path(ws.config), plan_digest="", imported_at=evidence.now),
        created_at=evidence.now,
        updated_at=evidence.now,
    )
    return salvage.make_project(snapshot, fields, defaults=defaults, evidence=evidence)


def _baseline(ws: Workspace, case: _Case, evidence: Evidence) -> Baseline:
    """Everything that is dirty now counts as the user's: nothing of theirs is ever committed by that."""
    from ai_workflow.git.status import read_status
    from ai_workflow.services.changeset import collect_dirt, make_baseline

    dirt = collect_dirt(ws, read_status(ws.repository.git))
    return make_baseline(case.entity_id, dirt.paths, now=evidence.now)


def _intent(ws: Workspace, snapshot: Snapshot, case: _Case) -> Salvage | None:
    """Dropped when git shows that the effect which it announced did not happen; else nobody can tell."""
    known = make_record(Intent, read_fields(case.data))
    if known is not None and isinstance(known, Intent) and known.id == case.entity_id:
        return _step(case, encode(known), "as far as it could be read")
    git = ws.repository.git
    refs = git.line("for-each-ref", "--format=%(refname)", "refs/heads", "refs/aiw/parked").split("\n")
    parked = {ref.rsplit("/", 1)[-1] for ref in refs if ref.startswith("refs/aiw/parked/")}
    owned = {task.id for task in snapshot.tasks.values() if task.parked is not None}
    tips = [ref for ref in refs if ref.startswith("refs/heads/")]
    if parked != owned or find_commits(git, "Op", [case.entity_id], tips=tips):
        return None
    return _step(case, None, "what it announced had not happened")


def gather_evidence(ws: Workspace, snapshot: Snapshot, cases: list[_Case]) -> Evidence:
    """What commits, events and the log prove. Raises AiwError(GIT, IO)."""
    from ai_workflow.services.doctor.repository import find_commits_of_tasks

    tasks = [case.entity_id for case in cases if case.kind == "task"]
    milestones = [case for case in cases if case.kind == "milestone"]
    operations = read_log(ws.layout).operations
    is_project = any(case.kind == "project" for case in cases)
    commits = find_commits_of_tasks(ws, snapshot, tasks)
    unproven = {key: commit.trailers["Unproven"] for key, commit in commits.items() if "Unproven" in commit.trailers}
    return Evidence(
        commits={task_id: commit.sha for task_id, commit in commits.items()},
        unproven=unproven,
        ended=_read_ends(ws),
        starts=_find_starts(ws, milestones),
        run_tasks=_find_claims(cases),
        highest=_find_highest(ws, operations[-1].id if operations else "") if is_project else {},
        serial=max((serial for operation in operations for serial in operation.serials), default=0),
        now=ws.clock.now_utc(),
    )


def _find_claims(cases: list[_Case]) -> dict[str, str]:
    found = {}
    for case in cases:
        if case.kind == "run" and case.history.made_by is not None:
            changed = {change.path for change in case.history.made_by.changes if change.path.startswith("tasks/")}
            if len(changed) == 1:
                found[case.entity_id] = changed.pop().removeprefix("tasks/").removesuffix(".json")
    return found


def _read_ends(ws: Workspace) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        data = fsio.find_own_bytes(ws.layout.in_state(ws.layout.events_rel)) or b""
    except AiwError:
        return found
    for line in data.split(b"\n"):
        for name, status in ((b'"task_skipped"', "skipped"), (b'"task_cancelled"', "cancelled")):
            if name in line:
                try:
                    found[str(json.loads(line)["task_id"])] = status
                except (ValueError, KeyError, TypeError):
                    continue
    return found


def _find_starts(ws: Workspace, milestones: list[_Case]) -> Mapping[str, str]:
    found = {}
    prefix = ws.config.git.branch_prefix
    for case in milestones:
        pattern = f"refs/heads/{prefix}{case.entity_id.lower()}-*"
        # The id of a recovery begins like that of its milestone.
        named = ws.repository.git.line("for-each-ref", "--format=%(refname)", pattern).split("\n")
        own = [ref for ref in named if ref and not re.match(rf"{re.escape(pattern[:-1])}\d+-", ref)]
        parted = merge_base(ws.repository.git, own[0], f"refs/heads/{ws.config.target_branch}") if own else None
        if parted is not None:
            found[case.entity_id] = parted
    return found


def _find_highest(ws: Workspace, last_operation: str) -> dict[str, int]:
    """Numbers given out that the healthy state may not show: of archived work, of commits, of files."""
    from ai_workflow.services import adrs
    from ai_workflow.services.backlog_file import read_backlog

    found: dict[str, int] = {"operation": id_number(last_operation)[0] if last_operation else 0}
    names = []
    for folder in ("archive", "state"):
        for _, _, files in os.walk(os.path.join(ws.layout.workspace, folder)):
            names += files
    for kind, prefix in (("task", "TASK-"), ("run", "RUN-"), ("blocker", "BLK-"), ("adr", "ADR-")):
        numbers = [id_number(name)[0] for name in names if re.match(rf"{prefix}\d", name)]
        found[kind] = max(numbers, default=0)
    text = ws.repository.git.run("log", "--all", "--grep=^Aiw-Task: ", "--format=%B", ok=None).stdout.decode(
        "utf-8", "replace"
    )
    for kind, word in (("task", "Task: TASK"), ("run", "Run: RUN")):
        numbers = [int(number) for number in re.findall(rf"^Aiw-{word}-(\d{{1,9}})", text, re.MULTILINE)]
        found[kind] = max([found[kind], *numbers])
    try:
        found["adr"] = max([found["adr"], *(adrs.number_of(name) for name in adrs.list_files(ws))])
        backlog = read_backlog(ws.root, ws.config.plan_dir)
    except AiwError:
        backlog = None
    found["backlog"] = max((id_number(item.id)[0] for item in backlog.items), default=0) if backlog else 0
    return found
