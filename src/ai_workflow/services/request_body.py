"""Writes the text of a milestone's pull request and remembers where it lies (spec §6.5)."""

from __future__ import annotations

from msgspec.structs import replace

from ai_workflow.models.ids import parse_milestone_id
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.rendering.pr_body import render_pr_body
from ai_workflow.services.workspace import Workspace


def body_rel(ws: Workspace, milestone_id: str) -> str:
    """Path of the text relative to the root of the state; the id is checked, since files can be edited."""
    return f"{ws.config.reports.dir}/pr/{parse_milestone_id(milestone_id)}.md"


def write_body(ws: Workspace, milestone_id: str) -> tuple[Milestone, str]:
    """The milestone, and the path of the text relative to the root of the state. Raises AiwError(IO)."""
    snapshot = ws.store.snapshot()
    milestone = snapshot.get_milestone(milestone_id)
    rel = write_text(ws, snapshot, milestone)
    if milestone.pr.body_path != rel:
        with ws.store.transaction(f"write the request of {milestone.id}") as change:
            fresh = change.before.get_milestone(milestone.id)
            named = replace(fresh, pr=replace(fresh.pr, body_path=rel), updated_at=change.now)
            change.apply(Changes(put=(named,)))
        milestone = named
    return milestone, rel


def write_text(ws: Workspace, snapshot: Snapshot, milestone: Milestone) -> str:
    """Writes the text as the snapshot has it, when it differs; returns its path. Raises AiwError(IO)."""
    rel = body_rel(ws, milestone.id)
    prefix = ws.config.agent.command_prefix.strip()
    text = render_pr_body(snapshot, milestone, target_branch=ws.config.target_branch, command_prefix=prefix)
    ws.documents.write_document(rel, text)
    return rel
