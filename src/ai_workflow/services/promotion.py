"""Turns backlog items into milestones of the plan (spec §5)."""

from __future__ import annotations

import os
from collections.abc import Sequence

from msgspec import structs

from ai_workflow import fsio
from ai_workflow.config.ownership import is_owned, plan_path
from ai_workflow.config.schema import Config
from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.backlog import BacklogEdit, BacklogItem
from ai_workflow.models.base import Record
from ai_workflow.models.plan import Finding, Plan
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.plan.parse import decode_plan, parse_plan
from ai_workflow.plan.promotion import (
    Promotion,
    find_item,
    find_linked,
    has_task,
    next_number,
    promote_items,
    why_not_open,
    write_appendix,
)
from ai_workflow.plan.write import write_plan
from ai_workflow.policy.claiming import open_milestones
from ai_workflow.policy.events import make_event
from ai_workflow.services import plans
from ai_workflow.services.backlog import Source
from ai_workflow.services.workspace import Workspace
from ai_workflow.store.transaction import Transaction


class Request(Record, frozen=True, kw_only=True):
    """What is to be promoted, and where to."""

    item_ids: tuple[str, ...] = ()
    """In this order."""
    takes_selected: bool = False
    """Whether every selected item comes along behind them."""
    output: str | None = None
    """Path of the plan as typed; None is the usual place."""
    is_forced: bool = False
    appends: bool = False


class Promoted(Record, frozen=True, kw_only=True):
    """What was promoted."""

    rel: str
    """The plan, relative to the root."""
    items: tuple[BacklogItem, ...]
    milestone_ids: tuple[str, ...] = ()
    """The new milestones; empty when every item was in the plan already."""
    findings: tuple[Finding, ...] = ()
    """Warnings about the plan."""
    already: tuple[str, ...] = ()
    """Items that the plan had already."""
    backup_rel: str | None = None
    """Where the replaced plan is kept, relative to the root."""
    next_command: str


class _Target(Record, frozen=True, kw_only=True):
    path: str
    rel: str
    text: str | None
    plan: Plan | None
    digest: str | None


def promote(ws: Workspace, request: Request) -> Promoted:
    """Writes a plan of the items and makes them active; all or nothing. Again it changes nothing.

    Raises:
        AiwError: USAGE; NOT_FOUND; STATE for items that are not open, and for a plan that holds unfinished work; PLAN
            when the items do not make a valid plan, naming item and field; IO.
    """
    with ws.store.transaction("backlog promote") as change:
        source = Source(ws, change)
        chosen = _choose(source, request)
        target = _read_target(ws, request.output)
        linked = [item for item in chosen if _is_linked(item, target, change.before)]
        already = [] if request.is_forced else linked
        items = [item for item in chosen if item not in already]
        # What only the plan that is replaced made active may come into the new one.
        _require_open([item for item in items if item not in linked or has_task(item, change.before)], change.before)
        made, text, backup_rel = Promotion(), target.text or "", None
        findings: tuple[Finding, ...] = ()
        is_kept = request.appends and target.text is not None
        if items:
            _require_replaceable(ws, target, change.before, request)
            made, text = _make_text(source, items, target if is_kept else None, change.before)
            findings = _judge(ws, source, target.rel, text, made, change.before)
        source.apply([BacklogEdit(item_id=item.id, status="active") for item in chosen])
        source.editor.text()  # Raises before anything is written when the backlog cannot be edited.
        if items:
            if not is_kept and target.text is not None and target.text.strip() and target.text != text:
                backup_rel = _keep_backup(ws, target)
            if target.text != text:
                fsio.write_file(target.path, text.encode(), temp_dir=ws.layout.temp, durable=True)
                old = None if target.text is None else target.text.encode()
                change.record_file(target.rel, before=old, after=text.encode())
        source.write()
        if items:
            names = ", ".join(item.id for item in items)
            event = make_event("backlog_promoted", f"{names} → {target.rel}", now=change.now, actor=ws.actor)
            change.apply(Changes(events=(event,)))
        return Promoted(
            rel=target.rel,
            items=tuple(source.editor.require(item.id) for item in chosen),
            milestone_ids=tuple(milestone.id or "" for milestone in made.milestones),
            findings=findings,
            already=tuple(item.id for item in already),
            backup_rel=backup_rel,
            next_command=_next_command(ws, target, text, change),
        )


def _is_linked(item: BacklogItem, target: _Target, snapshot: Snapshot) -> bool:
    """Whether the plan that lies there has a task for this open item; one that is worked off does not count."""
    package = snapshot.require_project().workpackage
    is_worked_off = package is not None and package.plan_digest == target.digest and not open_milestones(snapshot)
    is_open = item.status in ("idea", "selected", "active")
    return target.plan is not None and is_open and not is_worked_off and item.id in find_linked(target.plan)


def _choose(source: Source, request: Request) -> list[BacklogItem]:
    chosen = [source.editor.require(item_id) for item_id in dict.fromkeys(request.item_ids)]
    if request.takes_selected:
        chosen += [item for item in source.backlog.items if item.status == "selected" and item not in chosen]
    if not chosen:
        raise AiwError(Kind.STATE, "no item of the backlog is selected", hint="select some: aiw backlog select BLG-001")
    return chosen


def _require_open(items: Sequence[BacklogItem], snapshot: Snapshot) -> None:
    reasons = [(item, why) for item in items if (why := why_not_open(item, snapshot)) is not None]
    if not reasons:
        return
    item = reasons[0][0]
    message = ", ".join(f"{other.id} is {why}" for other, why in reasons)
    reopens = item.status in ("archived", "rejected", "done", "blocked")
    hint = f"open it again first: aiw backlog edit {item.id} --status idea" if reopens else "see `aiw task list`"
    raise AiwError(Kind.STATE, f"only ideas and selected items are promoted: {message}", hint=hint)


def _read_target(ws: Workspace, output: str | None) -> _Target:
    path, rel = _locate(ws, output)
    data = fsio.find_bytes(path)
    if data is None:
        return _Target(path=path, rel=rel, text=None, plan=None, digest=None)
    text = decode_plan(data, rel)
    return _Target(path=path, rel=rel, text=text, plan=parse_plan(text, path=rel), digest=fsio.sha256_of(data))


def _locate(ws: Workspace, output: str | None) -> tuple[str, str]:
    usual = plan_path(ws.config)
    if output is None:
        return os.path.realpath(os.path.join(ws.root, *usual.split("/"))), usual
    here = os.path.abspath(output)
    in_root = os.path.join(os.path.abspath(ws.root), output)
    is_here = os.path.isdir(os.path.dirname(here)) or not os.path.isdir(os.path.dirname(in_root))
    path = os.path.realpath(here if is_here else in_root)
    root = os.path.realpath(ws.root)
    if not path.startswith(root + os.sep):
        raise AiwError(Kind.USAGE, f"{output} lies outside {root}", hint=f"aiw backlog promote … --output {usual}")
    rel = os.path.relpath(path, root).replace(os.sep, "/")
    if _is_taken(ws.config, rel) or os.path.isdir(path):
        raise AiwError(Kind.USAGE, f"{rel} is no place for a plan", hint=f"aiw backlog promote … --output {usual}")
    return path, rel


def _is_taken(config: Config, rel: str) -> bool:
    is_inside = rel.startswith((f"{config.workspace_dir}/", ".git/"))
    return (is_owned(config, rel) and rel != plan_path(config)) or is_inside or rel == ".gitignore"


def _require_replaceable(ws: Workspace, target: _Target, snapshot: Snapshot, request: Request) -> None:
    """Passes when writing the plan loses nothing.

    Raises:
        AiwError: STATE, with the ways on.
    """
    if request.is_forced or (request.appends and target.text is not None):
        return
    command = "aiw backlog promote … "
    hint = f"add to it: {command}--append; or replace it, the old text is kept: {command}--force"
    package = snapshot.require_project().workpackage
    is_the_plan = target.rel == plan_path(ws.config) or (package is not None and package.plan_path == target.rel)
    unfinished = open_milestones(snapshot) if package is not None and is_the_plan else ()
    if unfinished:
        names = ", ".join(milestone.id for milestone in unfinished[:5])
        raise AiwError(
            Kind.STATE,
            f"{target.rel} is the plan of unfinished work ({names}{', …' if len(unfinished) > 5 else ''})",
            hint=hint,
        )
    if target.text is None or (package is not None and package.plan_digest == target.digest):
        return
    if target.plan is not None and (target.plan.milestones or target.plan.prose):
        raise AiwError(
            Kind.STATE, f"{target.rel} holds a plan that was not imported, which would be overwritten", hint=hint
        )


def _make_text(
    source: Source, items: Sequence[BacklogItem], kept: _Target | None, snapshot: Snapshot
) -> tuple[Promotion, str]:
    existing = kept.plan if kept is not None else None
    number = next_number(existing, snapshot, workpackage=snapshot.require_project().package_number)
    made = promote_items(items, source.backlog, existing=existing, first_number=number, known=snapshot)
    if kept is None or not (kept.text or "").strip():
        return made, write_plan(Plan(path="", milestones=made.milestones))
    text = kept.text or ""
    line_end = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
    gap = line_end if text.endswith("\n") else line_end * 2
    return made, text + gap + write_appendix(made.milestones).replace("\n", line_end)


def _judge(
    ws: Workspace, source: Source, rel: str, text: str, made: Promotion, snapshot: Snapshot
) -> tuple[Finding, ...]:
    """The warnings about the plan that is to be written.

    Raises:
        AiwError: PLAN with every error, those of an item with the item's place in the backlog.
    """
    plan = parse_plan(text, path=rel)
    loaded = plans.Loaded(rel=rel, text=text, digest="", plan=plan)
    backlog = source.backlog
    new = {item_id for milestone in made.milestones for task in milestone.tasks for item_id in task.backlog}
    problems = {(finding.path, finding.line, finding.message): finding for finding in made.problems}
    warnings = []
    for finding in plans.judge(ws, loaded, known=snapshot).findings:
        item = backlog.find(find_item(plan, finding.line) or "")
        if item is not None and item.id in new:
            # A missing Acceptance is a problem already, in words of the backlog.
            if finding.level == "error" and finding.code == "no-acceptance":
                continue
            message = f"{item.id}: {finding.message}"
            found = structs.replace(finding, path=source.rel, line=item.line, column=1, message=message)
        else:
            found = finding
        if found.level == "error":
            problems.setdefault((found.path, found.line, found.message), found)
        elif found.level == "warning":
            warnings.append(found)
    if problems:
        raise _refusal(tuple(problems.values()))
    tail = plan.milestones[-len(made.milestones) :]
    if [(m.id, [task.title for task in m.tasks]) for m in tail] != [
        (m.id, [task.title for task in m.tasks]) for m in made.milestones
    ]:
        raise AiwError(Kind.PLAN, f"{rel} leaves no place for more at its end", hint=f"see `aiw plan validate {rel}`")
    return tuple(warnings)


def _refusal(problems: Sequence[Finding]) -> AiwError:
    lines = [f"{finding.path}:{finding.line}: {finding.message}" for finding in problems[:10]]
    if len(problems) == 1:
        return AiwError(Kind.PLAN, lines[0], hint=problems[0].hint)
    if len(problems) > 10:
        lines.append(f"… and {len(problems) - 10} more")
    text = "\n".join(f"  {line}" for line in lines)
    return AiwError(Kind.PLAN, f"these items do not make a valid plan yet:\n{text}", hint=problems[0].hint)


def _keep_backup(ws: Workspace, target: _Target) -> str:
    """Copies the plan that is about to be replaced; the archive is git-ignored, so that no commit takes the copy up."""
    assert target.digest is not None
    rel = f"{ws.config.workspace_dir}/archive/plans/milestones-{target.digest[:12]}.md"
    data = fsio.read_bytes(target.path)
    fsio.write_file(ws.layout.to_write(rel), data, temp_dir=ws.layout.temp, durable=True)
    return rel


def _next_command(ws: Workspace, target: _Target, text: str, change: Transaction) -> str:
    """What to type next: a plan that goes on has to be imported again, a new one is taken up by itself."""
    package = change.before.require_project().workpackage
    goes_on = package is not None and bool(open_milestones(change.before))
    is_imported = package is not None and package.plan_digest == fsio.sha256_of(text.encode())
    if (goes_on and not is_imported) or target.rel != plan_path(ws.config):
        return ws.command(f"plan import {target.rel}")
    return ws.command("agent run --lane core --mode queue")
