"""Looks at the documents of the workspace as they lie in the work tree; writes nothing."""

from __future__ import annotations

import os

from ai_workflow import fsio
from ai_workflow.config.ownership import (
    backlog_path,
    handoff_paths,
    owned_paths,
    plan_path,
    prompt_path,
    render_gitignore_block,
    update_gitignore,
)
from ai_workflow.config.place import CONFIG_NAME
from ai_workflow.errors import AiwError
from ai_workflow.models.backlog import Backlog
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.status import MILESTONE_CLOSED, TASK_ACTIVE
from ai_workflow.policy.diagnosis.branches import GitFacts
from ai_workflow.policy.diagnosis.documents import DocumentFacts, PlanFacts
from ai_workflow.services.workspace import Workspace


def read_document_facts(ws: Workspace, snapshot: Snapshot, git: GitFacts | None) -> DocumentFacts:
    """Everything that `policy.diagnosis.documents` asks. Raises AiwError(IO)."""
    backlog, problem = _read_backlog(ws)
    missing, behind, unknown = _look_at_adrs(ws, snapshot)
    return DocumentFacts(
        missing=find_missing(ws),
        handoffs=look_at_handoffs(ws, snapshot),
        block=_look_at_block(ws),
        plan=_look_at_plan(ws, snapshot) if git is not None else None,
        backlog=backlog,
        backlog_problem=problem,
        backlog_path=backlog_path(ws.config),
        adr_missing=missing,
        adr_behind=behind,
        adr_unknown=unknown,
        prompt_missing=find_missing_prompt(ws, snapshot),
        is_elsewhere=_is_elsewhere(snapshot, git),
    )


def find_missing(ws: Workspace) -> tuple[str, ...]:
    """Owned documents that are not there, handoffs and the plan left out."""
    others = {CONFIG_NAME, plan_path(ws.config), *handoff_paths(ws.config)}
    return tuple(
        rel
        for rel in owned_paths(ws.config)
        if rel not in others and not os.path.isfile(os.path.join(ws.root, *rel.split("/")))
    )


def look_at_handoffs(ws: Workspace, snapshot: Snapshot) -> dict[str, str]:
    """Path → what is wrong with it, see `DocumentFacts.handoffs`."""
    from ai_workflow.rendering.handoff import render_handoffs

    is_known = snapshot.project is not None and not snapshot.damaged
    texts = render_handoffs(snapshot, command_prefix=ws.config.agent.command_prefix.strip()) if is_known else {}
    found: dict[str, str] = {}
    for rel in handoff_paths(ws.config):
        path = os.path.join(ws.root, *rel.split("/"))
        data = fsio.find_bytes(path) if not os.path.isdir(path) else b""
        wanted = texts.get(rel.rsplit("/", 1)[-1])
        if data is None:
            found[rel] = "missing"
        elif any(line.startswith((b"<<<<<<< ", b">>>>>>> ")) for line in data.split(b"\n")):
            found[rel] = "conflict"
        elif len(data) > ws.config.reports.active_file_max_bytes and data != (wanted or "").encode():
            found[rel] = "too-long"
        elif wanted is not None and data.replace(b"\r\n", b"\n") != wanted.encode():
            found[rel] = "differs"
    return found


def _look_at_block(ws: Workspace) -> str | None:
    text = (fsio.find_bytes(os.path.join(ws.root, ".gitignore")) or b"").decode("utf-8", "surrogateescape")
    block = render_gitignore_block(ws.config)
    if update_gitignore(text, block) == text:
        return None
    return "old" if block.split("\n", 1)[0] in text else "missing"


def _look_at_plan(ws: Workspace, snapshot: Snapshot) -> PlanFacts | None:
    """The plan file when it is not the one that was imported: only then its rules are looked at."""
    from ai_workflow.services import plans

    project = snapshot.project
    package = project.workpackage if project else None
    rel = package.plan_path if package else plan_path(ws.config)
    path = os.path.join(ws.root, *rel.split("/"))
    if not os.path.isfile(path):
        return None
    loaded = plans.load_plan(ws, path)
    if package is not None and package.plan_digest == loaded.digest:
        return None
    verdict = plans.judge(ws, loaded, known=snapshot)
    errors = tuple(finding for finding in verdict.findings if finding.level == "error")
    return PlanFacts(path=rel, is_imported=package is not None, problems=errors)


def _read_backlog(ws: Workspace) -> tuple[Backlog | None, str | None]:
    from ai_workflow.services.backlog_file import read_backlog

    try:
        return read_backlog(ws.root, ws.config.plan_dir), None
    except AiwError as error:
        return None, error.message


def _look_at_adrs(
    ws: Workspace, snapshot: Snapshot
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Files that are missing, behind, and unknown."""
    from ai_workflow.rendering.adr import update_status
    from ai_workflow.services import adrs

    files = {adrs.number_of(name): name for name in sorted(adrs.list_files(ws), reverse=True) if adrs.number_of(name)}
    missing, behind = [], []
    for adr in snapshot.adrs.values():
        name = files.pop(adrs.number_of(f"{adr.id}.md"), None)
        rel = adrs.find_rel(ws, adr)
        if name is None:
            missing.append((adr.id, rel))
            continue
        text = adrs.find_text(ws, adr)
        if text is not None and update_status(text, adr) != text:
            behind.append((adr.id, rel))
    known = {damage.path.rsplit("/", 1)[-1].removesuffix(".json") for damage in snapshot.damaged}
    unknown = [f"{ws.config.adr.dir}/{name}" for number, name in files.items() if f"ADR-{number:04d}" not in known]
    return tuple(missing), tuple(behind), tuple(sorted(unknown))


def find_missing_prompt(ws: Workspace, snapshot: Snapshot) -> str | None:
    """Path of the active task's prompt when it is not there, relative to the root of the state."""
    if not any(task.status in TASK_ACTIVE for task in snapshot.tasks.values()):
        return None
    rel = prompt_path(ws.config, "core")
    return None if os.path.isfile(ws.layout.in_root(rel)) else rel


def _is_elsewhere(snapshot: Snapshot, git: GitFacts | None) -> bool:
    """Whether a branch that is not checked out may have newer documents: an unmerged milestone's, or base since."""
    if git is None or git.head_branch is None:
        return True
    begun = [m for m in snapshot.milestones.values() if m.start_sha and m.status not in MILESTONE_CLOSED]
    here = next((milestone for milestone in begun if milestone.branch == git.head_branch), None)
    if any(milestone.branch != git.head_branch for milestone in begun):
        return True
    if here is None:
        is_behind = git.apart is not None and git.apart[1] > 0
        return is_behind or git.head_branch != git.base
    bases = {git.refs.get(f"refs/heads/{git.base}"), git.refs.get(git.upstream)} - {None}
    return bool(bases - {here.start_sha})
