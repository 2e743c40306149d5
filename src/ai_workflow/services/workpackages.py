"""Installs a workpackage: its pack, the prompts in it, and its plan (spec §6.8)."""

from __future__ import annotations

import os

from ai_workflow import folders, fsio
from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.base import Record
from ai_workflow.models.plan import Finding
from ai_workflow.models.snapshot import Changes
from ai_workflow.plan.extract import extract_plan, holds_plan
from ai_workflow.plan.packs import require_slug, split_prompts
from ai_workflow.plan.parse import decode_plan
from ai_workflow.policy.events import make_event
from ai_workflow.services import plan_file, plans, resume
from ai_workflow.services.plan_file import ImportOptions
from ai_workflow.services.plans import Imported, Loaded
from ai_workflow.services.secret_texts import require_clean_text
from ai_workflow.services.workspace import Workspace


class PackRequest(Record, frozen=True, kw_only=True):
    """What is to be installed, and how."""

    slug: str
    name: str
    """How messages call the pack, e.g. its path."""
    data: bytes
    needs_plan: bool = False
    """Whether a pack without a plan is refused."""
    optimizes: bool = False
    imports: bool = False
    is_forced: bool = False
    """Whether another pack of this slug and another plan may be replaced; copies of both are kept."""


class Installed(Record, frozen=True, kw_only=True):
    """What was installed; paths relative to the state's root, the plan's to the root."""

    folder: str
    prompts: tuple[str, ...]
    plan: str | None
    """The plan file, when the pack holds a plan."""
    plan_written: bool = False
    copies: tuple[str, ...] = ()
    """Where what was replaced is kept."""
    findings: tuple[Finding, ...] = ()
    """Errors of the plan; it is written nevertheless, and must be corrected before it is imported."""
    imported: Imported | None = None
    changed: bool = True
    """Whether the pack was new."""


def install(ws: Workspace, request: PackRequest) -> Installed:
    """Installs the pack, all of it or nothing; again with the same pack it changes nothing.

    Raises:
        AiwError: USAGE for a bad slug; PLAN when the pack holds nothing to install, or no plan where one is needed;
            STATE when another pack or plan is in the way. Nothing is written then.
    """
    slug = require_slug(request.slug)
    resume.resume(ws)
    ws.store.snapshot().require_project()
    text = decode_plan(request.data, path=request.name)
    require_clean_text(ws.config.secrets, text, name=request.name, talk=ws.talk)
    prompts = split_prompts(text)
    source = _find_plan(request, text)
    if source is None and not prompts:
        raise AiwError(
            Kind.PLAN,
            f"{request.name} holds neither a plan nor a heading `# Task 1 …`",
            hint="a plan begins with a line `# Milestones`, in a code fence or not",
        )
    errors: tuple[Finding, ...] = ()
    if source is not None:
        plan_file.require_replaceable(ws, ws.store.snapshot(), source.text, is_forced=request.is_forced)
        verdict = plans.judge(ws, source, known=ws.store.snapshot())
        errors = tuple(finding for finding in verdict.findings if finding.level == "error")
    if request.imports and source is not None:
        # Refused before anything is written.
        plans.import_plan(ws, None, is_dry_run=True, loaded=source)
    folder = f"{ws.config.workspace_dir}/generated-packs/{slug}"
    files = {"execution-pack.md": request.data} | {f"prompts/{name}": body.encode() for name, body in prompts.items()}
    copies = _place_pack(ws, request, folder, files)
    changed = copies is not None
    replaced = plan_file.replace_plan(ws, source.text, is_forced=request.is_forced) if source is not None else None
    if changed or (replaced and replaced.written):
        _record(ws, slug)
    options = ImportOptions(is_forced=request.is_forced)
    taken = plan_file.import_source(ws, source, options) if request.imports and source is not None else None
    return Installed(
        folder=folder,
        prompts=tuple(f"{folder}/prompts/{name}" for name in prompts),
        plan=replaced.rel if replaced else None,
        plan_written=bool(replaced and replaced.written),
        copies=(*(copies or ()), *((replaced.copy,) if replaced and replaced.copy else ())),
        findings=errors,
        imported=taken.imported if taken else None,
        changed=changed,
    )


def _find_plan(request: PackRequest, text: str) -> Loaded | None:
    """The plan in the pack, optimised if that is wished; None when there is none and none is needed."""
    if not holds_plan(text) and not request.needs_plan:
        return None
    try:
        found = extract_plan(text)
    except AiwError as error:
        raise AiwError(error.kind, f"{request.name}: {error.message}", hint=error.hint) from error
    source = plans.load_text(
        found.text, rel=plans.STANDARD_INPUT, name=request.name, first_line=max(1, found.first_line)
    )
    return plans.optimize(source, mode="balanced").loaded if request.optimizes else source


def _place_pack(ws: Workspace, request: PackRequest, folder: str, files: dict[str, bytes]) -> tuple[str, ...] | None:
    """Puts the folder in place whole; returns copies of what it replaced, or None when it was there already."""
    target = ws.layout.to_write(folder)
    pack = os.path.join(target, "execution-pack.md")
    current = fsio.find_bytes(pack)
    if current == request.data and all(os.path.isfile(os.path.join(target, *rel.split("/"))) for rel in files):
        return None
    copies: tuple[str, ...] = ()
    if os.path.lexists(target):
        if current != request.data and not request.is_forced:
            raise AiwError(
                Kind.STATE,
                f"{folder} holds another pack",
                hint="choose another slug, or replace it with --force; a copy of it is kept",
            )
        number = fsio.sha256_of(current or b"")[:12]
        kept = f"{ws.config.workspace_dir}/archive/replaced/{request.slug}-{number}"
        folders.move_aside(target, ws.layout.to_write(kept))
        copies = (kept,)
    folders.write_folder(target, files, temp_dir=ws.layout.temp)
    return copies


def _record(ws: Workspace, slug: str) -> None:
    with ws.store.transaction(f"install workpackage {slug}") as change:
        event = make_event("workpackage_installed", f"workpackage {slug}", now=change.now, actor=ws.actor)
        change.apply(Changes(events=(event,)))
