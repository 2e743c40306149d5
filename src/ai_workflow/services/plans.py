"""Validates, optimises and imports plans (spec §4.2–4.4)."""

from __future__ import annotations

import os

from msgspec.structs import replace

from ai_workflow import fsio
from ai_workflow.config.ownership import plan_path
from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.refs import list_branches
from ai_workflow.models.base import Record
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.plan import Finding, Plan
from ai_workflow.models.run import Run
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.task import Task
from ai_workflow.plan.optimize import Mode, Optimized, optimize_plan
from ai_workflow.plan.parse import decode_plan, parse_plan
from ai_workflow.plan.quality import ScopeState, Verdict, judge_plan
from ai_workflow.plan.reconcile import Reconciled, reconcile_plan
from ai_workflow.policy.claiming import refresh_readiness
from ai_workflow.policy.events import make_event
from ai_workflow.services.plan_place import locate_plan
from ai_workflow.services.secret_texts import judge_text
from ai_workflow.services.workspace import Workspace
from ai_workflow.store.codec import encode, kind_of

STANDARD_INPUT = "-"
"""The path that means standard input."""


class Loaded(Record, frozen=True, kw_only=True):
    """A plan file, read and parsed."""

    rel: str
    """Path relative to the root, or `STANDARD_INPUT`."""
    text: str
    digest: str
    plan: Plan
    first_line: int = 1
    """1-based line of its source that the text begins in."""


class Imported(Record, frozen=True, kw_only=True):
    """What an import did, or would do."""

    reconciled: Reconciled
    findings: tuple[Finding, ...]
    """Warnings of the plan; an import with errors is refused."""
    verify: tuple[str, ...]
    """Commands of the plan that will be run at finish."""
    changed: bool

    @property
    def summary(self) -> str:
        """E.g. `2 milestones and 7 tasks added, 1 task moved`."""
        counts: dict[str, list[int]] = {}
        for entry in self.reconciled.entries:
            if entry.kind != "unchanged":
                counts.setdefault(entry.kind, [0, 0])[0 if entry.id.startswith("M") else 1] += 1
        return ", ".join(f"{_count(*number)} {kind}" for kind, number in counts.items()) or "nothing changed"


def _count(milestones: int, tasks: int) -> str:
    words = ((milestones, "milestone"), (tasks, "task"))
    return " and ".join(f"{number} {word}{'' if number == 1 else 's'}" for number, word in words if number)


def load_plan(ws: Workspace, path: str | None) -> Loaded:
    """Reads a plan.

    Args:
        path: relative to the working directory, or to the root; None takes the usual place.

    Raises:
        AiwError: PLAN when it does not exist or is not text.
    """
    full, rel = locate_plan(ws, path)
    try:
        data = fsio.find_bytes(full)
    except AiwError as error:
        raise AiwError(Kind.PLAN, error.message, hint=error.hint) from error
    if data is None:
        raise AiwError(
            Kind.PLAN, f"there is no plan at {rel}", hint=f"write one there; how: {ws.config.agent.operator_prompt}"
        )
    text = decode_plan(data, path=rel)
    return Loaded(rel=rel, text=text, digest=fsio.sha256_of(data), plan=parse_plan(text, path=rel))


def load_text(text: str, *, rel: str, name: str, first_line: int = 1) -> Loaded:
    """A plan that is in no file yet.

    Args:
        rel: the path that it stands for.
        name: how findings call it.
        first_line: 1-based line of the source that the text begins in, so that findings name the source's lines.
    """
    plan = parse_plan("\n" * (first_line - 1) + text, path=name)
    return Loaded(rel=rel, text=text, digest=fsio.sha256_of(text.encode()), plan=plan, first_line=first_line)


def judge(ws: Workspace, loaded: Loaded, *, known: Snapshot | None = None) -> Verdict:
    """All findings and the score of a plan."""
    verdict = judge_plan(loaded.plan, scope_exists=ScopeFinder(ws).find, known=known)
    secrets, masked = judge_text(ws.config.secrets, loaded.text, name=loaded.plan.path, first_line=loaded.first_line)
    if not secrets:
        return verdict
    findings = sorted((*map(masked, verdict.findings), *secrets), key=lambda one: (one.line, one.column))
    is_valid = verdict.valid and all(finding.level != "error" for finding in secrets)
    return replace(verdict, valid=is_valid, findings=tuple(findings))


class ScopeFinder:
    """What scope entries find in the work tree, each folder looked at once: a plan may name thousands of files."""

    def __init__(self, ws: Workspace) -> None:
        self._top = os.path.realpath(ws.repository.top)
        self._root = os.path.realpath(ws.root)
        self._is_folder: dict[str, bool] = {}
        self._is_in_submodule: dict[str, bool] = {self._top: False}

    def find(self, entry: str) -> ScopeState:
        """What an entry (relative to the root) finds; see `plan.quality.ScopeState`."""
        plain = entry.rstrip("/")
        magic = next((index for index, char in enumerate(plain) if char in "*?["), None)
        folder = plain if magic is None else plain[:magic].rpartition("/")[0]
        full = os.path.normpath(os.path.join(self._root, folder))
        if os.path.isabs(entry) or not f"{full}/".startswith(f"{self._top}/"):
            return "outside"
        if self._lies_in_submodule(full):
            return "submodule"
        if not f"{full}/".startswith(f"{self._root}/"):
            return "parent"
        parent = os.path.dirname(full)
        if (full == self._root or self._has_folder(parent)) and os.path.lexists(full):
            return "matches"
        return "new" if magic is None and self._has_folder(parent) else "nothing"

    def _has_folder(self, path: str) -> bool:
        known = self._is_folder.get(path)
        if known is None:
            known = self._is_folder[path] = os.path.isdir(path)
        return known

    def _lies_in_submodule(self, path: str) -> bool:
        below = []
        # A loop: an entry of a hostile plan may be thousands of folders deep.
        while path not in self._is_in_submodule:
            below.append(path)
            path = os.path.dirname(path)
        is_in_one = self._is_in_submodule[path]
        for folder in reversed(below):
            is_in_one = is_in_one or os.path.isfile(os.path.join(folder, ".git"))
            self._is_in_submodule[folder] = is_in_one
        return is_in_one


def import_plan(
    ws: Workspace,
    path: str | None,
    *,
    is_dry_run: bool = False,
    chain: bool = True,
    accept_done: bool = False,
    loaded: Loaded | None = None,
) -> Imported:
    """Takes a plan over, all of it or nothing; the same plan again changes nothing.

    Raises:
        AiwError: PLAN with every error and its place; nothing is written then.
    """
    source = loaded or load_plan(ws, path)
    snapshot = ws.store.snapshot()
    snapshot.require_project()
    verdict = judge(ws, source, known=snapshot)
    if not verdict.valid:
        raise invalid(ws, source, [finding for finding in verdict.findings if finding.level == "error"])
    if is_dry_run:
        reconciled = _reconcile(ws, source, snapshot, now=ws.clock.now_utc(), chain=chain, accept_done=accept_done)
        return _imported(source, reconciled, verdict, changed=False)
    with ws.store.transaction(f"import {source.plan.path}") as change:
        change.before.require_undamaged()
        reconciled = _reconcile(ws, source, change.before, now=change.now, chain=chain, accept_done=accept_done)
        if reconciled.changes != Changes():
            change.apply(reconciled.changes)
            change.apply(_archive(ws, change.before, reconciled))
            change.apply(refresh_readiness(change.after, now=change.now))
            count = len(reconciled.entries)
            event = make_event("plan_imported", f"{source.plan.path}: {count} entries", now=change.now, actor=ws.actor)
            change.apply(Changes(events=(event,)))
    return _imported(source, reconciled, verdict, changed=reconciled.changes != Changes())


def _reconcile(
    ws: Workspace, source: Loaded, snapshot: Snapshot, *, now: str, chain: bool, accept_done: bool
) -> Reconciled:
    reconciled = reconcile_plan(
        source.plan,
        snapshot,
        now=now,
        chain=chain,
        accept_done=accept_done,
        branch_prefix=ws.config.git.branch_prefix,
        base_branch=ws.config.git.base_branch,
        digest=source.digest,
        plan_path=plan_path(ws.config) if source.rel == STANDARD_INPUT else source.rel,
        taken_branches=taken_branches(ws),
    )
    if reconciled.refusals:
        raise invalid(ws, source, list(reconciled.refusals))
    return reconciled


def _archive(ws: Workspace, before: Snapshot, reconciled: Reconciled) -> Changes:
    """Moves a finished workpackage out of the state into `archive/workpackage-<n>/`, file by file as it was.

    The copies are on disk before the transaction removes anything; writing them again is harmless.
    """
    milestones = [before.milestones[key] for key in reconciled.archive if key in before.milestones]
    tasks = [task for milestone in milestones for task in before.tasks_of(milestone)]
    runs = [before.runs[run_id] for task in tasks for run_id in task.run_ids if run_id in before.runs]
    written = []
    entities: tuple[Milestone | Task | Run, ...] = (*milestones, *tasks, *runs)
    for entity in entities:
        package = entity.workpackage if not isinstance(entity, Run) else milestones[0].workpackage
        rel = f"archive/workpackage-{package}/{ws.layout.entity_rel(kind_of(entity), entity.id)}"
        path = os.path.join(ws.layout.workspace, *rel.split("/"))
        fsio.write_file(path, encode(entity), temp_dir=ws.layout.temp, durable=False)
        written.append(path)
    fsio.sync_files(written)
    kept = {entity.id for entity in reconciled.changes.put if isinstance(entity, Milestone)}
    return Changes(remove=tuple(entity for entity in entities if entity.id not in kept))


def taken_branches(ws: Workspace) -> tuple[str, ...]:
    """Names of all branches here and on remotes: no milestone may take one of them (spec §3)."""
    git = ws.repository.git
    local = [ref.removeprefix("refs/heads/") for ref in list_branches(git)]
    remote = [ref.split("/", 3)[-1] for ref in list_branches(git, "refs/remotes")]
    return tuple(dict.fromkeys((*local, *remote)))


def _imported(source: Loaded, reconciled: Reconciled, verdict: Verdict, *, changed: bool) -> Imported:
    commands = [command for m in source.plan.milestones for task in m.tasks for command in task.verify]
    warnings = tuple(finding for finding in verdict.findings if finding.level != "error")
    return Imported(reconciled=reconciled, findings=warnings, verify=tuple(dict.fromkeys(commands)), changed=changed)


def invalid(ws: Workspace, source: Loaded, errors: list[Finding]) -> AiwError:
    """The refusal of a plan with errors: the first ten, each with its place."""
    lines = [format_finding(finding) for finding in errors[:10]]
    if len(errors) > 10:
        lines.append(f"… and {len(errors) - 10} more")
    if len(errors) == 1:
        return AiwError(Kind.PLAN, lines[0], hint=errors[0].hint or f"see `{ws.command('plan validate')}`")
    text = "\n".join(f"  {line}" for line in lines)
    return AiwError(
        Kind.PLAN,
        f"{source.plan.path} has {len(errors)} errors, so nothing was imported:\n{text}",
        hint=f"see all findings: {ws.command(f'plan validate {source.rel}')}",
    )


def format_finding(finding: Finding) -> str:
    """`path:line:column: message`."""
    return f"{finding.path}:{finding.line}:{finding.column}: {finding.message}"


class OptimizedFile(Record, frozen=True, kw_only=True):
    """What the optimiser made of a plan."""

    rel: str
    optimized: Optimized
    loaded: Loaded
    """The optimised plan; the source itself when nothing changes."""
    diff: str
    """Unified diff of the text; empty when nothing changes."""


def optimize(source: Loaded, *, mode: Mode) -> OptimizedFile:
    """Proposes a better cut of a plan; writes nothing."""
    import difflib

    from ai_workflow.plan.write import write_plan

    optimized = optimize_plan(source.plan, mode)
    if not any(proposal.applied for proposal in optimized.proposals):
        return OptimizedFile(rel=source.rel, optimized=optimized, loaded=source, diff="")
    text = write_plan(optimized.plan)
    name = f"{source.plan.path} (optimised)"
    before, after = source.text.splitlines(keepends=True), text.splitlines(keepends=True)
    diff = "".join(difflib.unified_diff(before, after, source.plan.path, name))
    loaded = load_text(text, rel=source.rel, name=name if source.rel == STANDARD_INPUT else source.rel)
    return OptimizedFile(rel=source.rel, optimized=optimized, loaded=loaded if diff else source, diff=diff)


def write_optimized(ws: Workspace, result: OptimizedFile, path: str | None) -> None:
    """Writes the optimised plan over the file that it came from; nothing when nothing changes. Raises AiwError(IO)."""
    if result.diff:
        full, _ = locate_plan(ws, path)
        write_plan_file(ws, full, result.rel, result.loaded.text.encode(), name="plan optimize")


def write_plan_file(ws: Workspace, path: str, rel: str, data: bytes, *, name: str) -> None:
    """Writes a plan, as an operation of that name in the log. Raises AiwError(IO, LOCKED)."""
    if ws.store.snapshot().project is None:
        fsio.write_file(path, data, temp_dir=ws.layout.temp, durable=True)
        return
    with ws.store.transaction(name) as change:
        before = fsio.find_bytes(path)
        fsio.write_file(path, data, temp_dir=ws.layout.temp, durable=True)
        change.record_file(rel, before=before, after=data)
