"""Takes a plan from somewhere else into the plan file, and imports it (spec §4.4, §4.5).

A plan file that is overwritten is kept under `archive/replaced/`: nobody's plan is lost.
"""

from __future__ import annotations

import os

from ai_workflow import fsio
from ai_workflow.config.ownership import plan_path
from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.base import Record
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.plan.extract import Extracted, extract_plan
from ai_workflow.plan.parse import decode_plan
from ai_workflow.policy.claiming import open_milestones
from ai_workflow.services import plans
from ai_workflow.services.plans import STANDARD_INPUT, Imported, Loaded
from ai_workflow.services.workspace import Workspace

_SOURCE = "standard input"


class ImportOptions(Record, frozen=True, kw_only=True):
    """How a plan is taken over."""

    is_dry_run: bool = False
    is_forced: bool = False
    """Whether the plan file may be replaced though it holds another plan; it never drops work."""
    optimizes: bool = False
    chain: bool = True
    accept_done: bool = False


class TakenOver(Record, frozen=True, kw_only=True):
    """What became of a plan."""

    imported: Imported
    written: str | None = None
    """Path relative to the root of the plan file that was written, if it was."""
    copy: str | None = None
    """Where the text that stood in it before is kept."""
    optimized: bool = False


class Replaced(Record, frozen=True, kw_only=True):
    """What happened to the plan file."""

    rel: str
    written: bool
    copy: str | None


def take_plan(data: bytes) -> tuple[Loaded, Extracted]:
    """The plan in what came from standard input, which may stand in a code fence or in prose.

    Raises:
        AiwError: PLAN when it is not text, or holds no plan or several.
    """
    text = decode_plan(data, path=_SOURCE)
    try:
        found = extract_plan(text)
    except AiwError as error:
        raise AiwError(error.kind, f"{_SOURCE}: {error.message}", hint=error.hint) from error
    first_line = max(1, found.first_line)
    return plans.load_text(found.text, rel=STANDARD_INPUT, name=_SOURCE, first_line=first_line), found


def import_source(ws: Workspace, source: Loaded, options: ImportOptions, *, path: str | None = None) -> TakenOver:
    """Imports a plan; what comes from standard input, or was optimised, becomes the plan file first.

    Args:
        path: where a source that is a file was read from, as `load_plan` takes it.

    Raises:
        AiwError: PLAN when it is not valid or cannot be reconciled; STATE when the plan file holds another plan.
            Nothing is written then.
    """
    result = plans.optimize(source, mode="balanced") if options.optimizes else None
    wanted = result.loaded if result else source
    is_outside = source.rel == STANDARD_INPUT
    is_optimized = wanted is not source
    if is_outside:
        require_replaceable(ws, ws.store.snapshot(), wanted.text, is_forced=options.is_forced)
    if options.is_dry_run or is_outside or is_optimized:
        # Refused before the plan file is touched.
        preview = _import(ws, wanted, options, is_dry_run=True)
        if options.is_dry_run:
            return TakenOver(imported=preview, optimized=is_optimized)
    replaced = replace_plan(ws, wanted.text, is_forced=options.is_forced) if is_outside else None
    if result and not is_outside:
        plans.write_optimized(ws, result, path)
    written = replaced.rel if replaced and replaced.written else None
    return TakenOver(
        imported=_import(ws, wanted, options, is_dry_run=False),
        written=source.rel if is_optimized and not is_outside else written,
        copy=replaced.copy if replaced else None,
        optimized=is_optimized,
    )


def _import(ws: Workspace, source: Loaded, options: ImportOptions, *, is_dry_run: bool) -> Imported:
    return plans.import_plan(
        ws, None, is_dry_run=is_dry_run, chain=options.chain, accept_done=options.accept_done, loaded=source
    )


def require_replaceable(ws: Workspace, snapshot: Snapshot, text: str, *, is_forced: bool) -> None:
    """Passes when the plan file may become this text.

    It may when it is that already, when the plan of before is finished and nothing but it would be overwritten, or
    when forced.

    Raises:
        AiwError: STATE, naming what is in the way and the way on; IO when the file cannot be read.
    """
    rel = plan_path(ws.config)
    current = fsio.find_bytes(os.path.join(ws.root, *rel.split("/")))
    if is_forced or current == text.encode():
        return
    package = snapshot.require_project().workpackage
    unfinished = open_milestones(snapshot) if package is not None else ()
    if package is not None and unfinished and package.plan_digest != fsio.sha256_of(text.encode()):
        names = ", ".join(milestone.id for milestone in unfinished[:5])
        raise AiwError(
            Kind.STATE,
            f"another plan is being worked through ({names} not finished)",
            hint="use --force to reconcile it with the new one: done and started work is kept, the rest follows it",
        )
    if current is None or not current.strip():
        return
    if package is None or package.plan_digest != fsio.sha256_of(current):
        raise AiwError(
            Kind.STATE,
            f"{rel} holds another plan, which is not imported yet",
            hint=f"import that one ({ws.command('plan import')}), or replace it with --force; a copy of it is kept",
        )


def replace_plan(ws: Workspace, text: str, *, is_forced: bool) -> Replaced:
    """Makes the plan file this text, and keeps what stood in it.

    Raises:
        AiwError: as `require_replaceable`.
    """
    require_replaceable(ws, ws.store.snapshot(), text, is_forced=is_forced)
    rel = plan_path(ws.config)
    path = os.path.join(ws.root, *rel.split("/"))
    current = fsio.find_bytes(path)
    if current == text.encode():
        return Replaced(rel=rel, written=False, copy=None)
    copy = keep_copy(ws, rel, current) if current is not None and current.strip() else None
    plans.write_plan_file(ws, path, rel, text.encode(), name="replace the plan")
    return Replaced(rel=rel, written=True, copy=copy)


def keep_copy(ws: Workspace, rel: str, data: bytes) -> str:
    """Keeps the bytes of a file that is about to be overwritten; again with the same bytes it is the same copy.

    Returns:
        Where, relative to the state's root. Raises AiwError(IO).
    """
    stem, dot, ending = rel.rsplit("/", 1)[-1].rpartition(".")
    name = f"{stem}-{fsio.sha256_of(data)[:12]}{dot}{ending}"
    copy = f"{ws.config.workspace_dir}/archive/replaced/{name}"
    fsio.write_file(ws.layout.to_write(copy), data, temp_dir=ws.layout.temp, durable=True)
    return copy
