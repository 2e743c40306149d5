"""Whether the documents of the workspace are there and say what the state says (spec §2, §4, §5). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from ai_workflow.models.backlog import Backlog
from ai_workflow.models.base import Record
from ai_workflow.models.plan import Finding
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.task import backlog_ids
from ai_workflow.policy.backlog_status import status_of_item, tasks_of_item
from ai_workflow.policy.diagnosis.finding import Diagnosis, Names

MAX_SHOWN = 20


class PlanFacts(Record, frozen=True, kw_only=True):
    """The plan file, where it differs from what was imported."""

    path: str
    is_imported: bool
    """Whether there is an import that it differs from."""
    problems: tuple[Finding, ...] = ()
    """Errors that would keep it from being imported."""


class DocumentFacts(Record, frozen=True, kw_only=True):
    """What lies in the work tree; paths relative to the root."""

    missing: tuple[str, ...] = ()
    """Owned documents, without the handoffs."""
    handoffs: Mapping[str, str] = MappingProxyType({})
    """Path of a handoff that is not as the state wants it → `missing`, `conflict`, `too-long` or `differs`."""
    block: str | None = None
    """`.gitignore`'s managed block: `missing` or `old`; None when it is right."""
    plan: PlanFacts | None = None
    backlog: Backlog | None = None
    backlog_problem: str | None = None
    backlog_path: str = ""
    adr_missing: tuple[tuple[str, str], ...] = ()
    """Id and path of decisions whose file is not there."""
    adr_behind: tuple[tuple[str, str], ...] = ()
    """Id and path of files whose status line is not what the state says."""
    adr_unknown: tuple[str, ...] = ()
    """Files of decisions that the state does not know."""
    prompt_missing: str | None = None
    """Path of the active task's prompt, when it is not there."""
    is_elsewhere: bool = False
    """Whether an unmerged milestone's branch other than the one checked out may hold newer versions of documents."""


def diagnose_documents(snapshot: Snapshot, facts: DocumentFacts, names: Names) -> Iterator[Diagnosis]:
    """Everything about documents."""
    for path in facts.missing:
        yield Diagnosis(
            level="warning",
            code="document-missing",
            message="this document is not there",
            path=path,
            fix=names.command("init"),
        )
    yield from _diagnose_handoffs(facts, names)
    if facts.prompt_missing is not None:
        yield Diagnosis(
            level="warning",
            code="prompt-missing",
            message="a task is active, and its prompt is not there",
            path=facts.prompt_missing,
            fix=names.command("next"),
        )
    if facts.block is not None:
        what = "the lines" if facts.block == "missing" else "some of the lines"
        yield Diagnosis(
            level="warning",
            code="gitignore-block",
            message=f"{what} that keep aiw's runtime files out of git are missing",
            path=".gitignore",
            fix=names.command("init"),
        )
    yield from _diagnose_plan(facts, names)
    yield from _diagnose_backlog(snapshot, facts, names)
    yield from _diagnose_adrs(facts, names)


def _diagnose_handoffs(facts: DocumentFacts, names: Names) -> Iterator[Diagnosis]:
    words = {
        "missing": "is not there",
        "conflict": "holds merge-conflict markers",
        "too-long": "is longer than reports.active_file_max_bytes",
        "differs": "lags behind the state; the next finish writes and commits it",
    }
    lagging = [path for path, what in facts.handoffs.items() if what == "differs"]
    for path, what in facts.handoffs.items():
        if what == "differs" and path != lagging[0]:
            continue
        more = f" (and {len(lagging) - 1} more)" if what == "differs" and len(lagging) > 1 else ""
        yield Diagnosis(
            level="info" if what == "differs" else "warning",
            code=f"handoff-{what}",
            message=f"this handoff{more} {words[what]}",
            path=path,
            fix=names.command("report", "all"),
        )


def _diagnose_plan(facts: DocumentFacts, names: Names) -> Iterator[Diagnosis]:
    plan = facts.plan
    if plan is None:
        return
    if plan.problems:
        first = plan.problems[0]
        more = f" (and {len(plan.problems) - 1} more)" if len(plan.problems) > 1 else ""
        yield Diagnosis(
            level="warning",
            code="plan-not-valid",
            message=f"the plan cannot be imported: {first.message}{more}",
            path=plan.path,
            line=first.line,
            fix=names.command("plan", "validate", plan.path),
        )
    elif plan.is_imported:
        yield Diagnosis(
            level="info",
            code="plan-changed",
            message="the plan has changed since it was imported",
            path=plan.path,
            fix=names.command("plan", "import", plan.path),
        )


def _diagnose_backlog(snapshot: Snapshot, facts: DocumentFacts, names: Names) -> Iterator[Diagnosis]:
    if facts.backlog_problem is not None:
        yield Diagnosis(
            level="warning",
            code="backlog-unreadable",
            message=facts.backlog_problem,
            path=facts.backlog_path,
            fix=f"make {facts.backlog_path} a UTF-8 text file, then: {names.command('backlog', 'list')}",
        )
    if facts.backlog is None:
        return
    for found in facts.backlog.findings[:MAX_SHOWN]:
        yield Diagnosis(
            level=found.level if found.level == "info" else "warning",
            code=f"backlog-{found.code}",
            message=found.message + (f"; {found.hint}" if found.hint else ""),
            path=facts.backlog_path,
            line=found.line,
            fix=f"correct line {found.line} of {facts.backlog_path}, then: {names.command('backlog', 'list')}",
        )
    for item in facts.backlog.items:
        wanted = status_of_item(tasks_of_item(snapshot, item.id))
        if wanted in (None, item.status) or (wanted, item.status) == ("archived", "rejected"):
            continue
        yield Diagnosis(
            level="info" if facts.is_elsewhere else "warning",
            code="backlog-out-of-step",
            message=f"{item.id} is {item.status}, and its tasks make it {wanted}",
            path=facts.backlog_path,
            line=item.line,
            fix=names.command("backlog", "edit", item.id, "--status", str(wanted)),
        )
    yield from _diagnose_links(snapshot, facts.backlog, facts.backlog_path)


def _diagnose_links(snapshot: Snapshot, backlog: Backlog, path: str) -> Iterator[Diagnosis]:
    known = {item.id for item in backlog.items}
    for task in snapshot.tasks.values():
        unknown = [item_id for item_id in backlog_ids(task) if item_id not in known]
        if unknown:
            yield Diagnosis(
                level="info",
                code="backlog-item-missing",
                message=f"{task.id} is linked to {', '.join(unknown)}, which the backlog does not have",
                path=path,
            )


def _diagnose_adrs(facts: DocumentFacts, names: Names) -> Iterator[Diagnosis]:
    level = "info" if facts.is_elsewhere else "warning"
    elsewhere = " here; an unmerged branch may have it" if facts.is_elsewhere else ""
    for adr_id, path in facts.adr_missing:
        yield Diagnosis(
            level="info" if facts.is_elsewhere else "warning",
            code="adr-file-missing",
            message=f"{adr_id} has no file{elsewhere}",
            path=path,
            fix=names.repair if level == "warning" else None,
        )
    for adr_id, path in facts.adr_behind:
        yield Diagnosis(
            level="info" if facts.is_elsewhere else "warning",
            code="adr-status-differs",
            message=f"the status line in the file of {adr_id} is not what the state says{elsewhere}",
            path=path,
            fix=names.repair if level == "warning" else None,
        )
    for path in facts.adr_unknown:
        yield Diagnosis(
            level="info",
            code="adr-file-unknown",
            message="the state does not know this decision, so no prompt names it",
            path=path,
            fix=names.command("adr", "new", "TITLE", "--decision", "TEXT"),
        )
