"""Writes the reports, and with `report all` every other document that is a function of the state (spec §6.8)."""

from __future__ import annotations

from ai_workflow.git.refs import branch_ref, count_apart, find_commit, find_head_branch, list_branches
from ai_workflow.git.remotes import Remote, tracking_ref
from ai_workflow.models.base import Record
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.rendering.git_report import BranchLine, GitFacts, render_git_report
from ai_workflow.rendering.reports import (
    MAX_ROWS,
    render_lane_report,
    render_milestone_report,
    render_status_report,
    render_task_report,
)
from ai_workflow.services import resume
from ai_workflow.services.glance import open_glance
from ai_workflow.services.landing import find_target_remote
from ai_workflow.services.request_body import write_text
from ai_workflow.services.status import read_status
from ai_workflow.services.workspace import Workspace

FILES = {
    "status": "status.md",
    "tasks": "task-monitor.md",
    "milestones": "milestone-monitor.md",
    "lanes": "lane-monitor.md",
    "git": "git-monitor.md",
}
"""Name of a report → its file in `reports.dir`."""


class Report(Record, frozen=True, kw_only=True):
    """One report that was written."""

    name: str
    path: str
    """Relative to the root of the state."""
    text: str
    is_damaged: bool
    """Whether state files could not be read, so that something is missing."""


class AllReports(Record, frozen=True, kw_only=True):
    """Everything that `report all` keeps up to date."""

    paths: tuple[str, ...]
    """Relative to the root; folders with a final `/`."""
    is_damaged: bool
    """Whether only the reports were written, since handoffs and mirrors of a damaged state would lack what it lacks."""


def write_report(ws: Workspace, name: str) -> Report:
    """Writes one report, when it differs.

    Args:
        name: a key of `FILES`.

    Raises:
        AiwError: STATE when the workspace holds no state; IO.
    """
    resume.resume(ws)
    return _write(ws, ws.store.snapshot(), name)


def write_all(ws: Workspace) -> AllReports:
    """Writes the reports, handoffs, mirrors, audits, the queue's runbook and the texts of pull requests.

    Documents that `init` wrote and that belong to the repository since are left alone: they are no functions of the
    state. Raises as `write_report`.
    """
    resume.resume(ws)
    snapshot = ws.store.snapshot()
    paths = [_write(ws, snapshot, name).path for name in FILES]
    if snapshot.damaged:
        return AllReports(paths=tuple(paths), is_damaged=True)
    paths += ws.documents.write_handoffs(snapshot)
    paths.append(ws.documents.write_queue_runbook(snapshot))
    paths += [write_text(ws, snapshot, each) for each in snapshot.milestones.values() if each.pr.body_path]
    ws.documents.follow(None, snapshot)
    paths += [f"{ws.config.workspace_dir}/{folder}/" for folder in ("milestones", "tasks")]
    return AllReports(paths=tuple(paths), is_damaged=False)


def _write(ws: Workspace, snapshot: Snapshot, name: str) -> Report:
    rel = f"{ws.config.reports.dir}/{FILES[name]}"
    text = _render(ws, snapshot, name)
    ws.documents.write_document(rel, text)
    return Report(name=name, path=rel, text=text, is_damaged=bool(snapshot.damaged))


def _render(ws: Workspace, snapshot: Snapshot, name: str) -> str:
    snapshot.require_project()
    prefix = ws.config.agent.command_prefix.strip()
    if name == "status":
        following = read_status(open_glance(ws.root))["next_command"]
        return render_status_report(snapshot, command_prefix=prefix, next_command=following)
    if name == "git":
        return render_git_report(snapshot, read_git_facts(ws, snapshot), command_prefix=prefix)
    render = {"tasks": render_task_report, "milestones": render_milestone_report, "lanes": render_lane_report}[name]
    return render(snapshot, command_prefix=prefix)


def read_git_facts(ws: Workspace, snapshot: Snapshot) -> GitFacts:
    """The branches as git has them; the remote as it was last fetched. Raises AiwError(GIT)."""
    git = ws.repository.git
    remote = find_target_remote(ws)
    target = ws.config.target_branch
    there = find_commit(git, tracking_ref(remote.name, target)) if remote else None
    base = there or find_commit(git, branch_ref(target))
    local = list_branches(git)
    known = list_branches(git, f"refs/remotes/{remote.name}") if remote else {}
    lines: list[BranchLine] = []
    more = 0
    for milestone in snapshot.milestones.values():
        line = _branch_line(ws, milestone, remote, local, known)
        if line is None:
            continue
        if len(lines) == MAX_ROWS:
            more += 1
            continue
        lines.append(_measure(ws, line, line.local_tip or line.remote_tip, base))
    names = tuple(dict.fromkeys((ws.config.git.base_branch, target)))
    bases = tuple(_base_line(ws, name, remote, local, known) for name in names)
    return GitFacts(
        head=find_head_branch(git),
        remote=remote.name if remote else None,
        base=f"{remote.name}/{target}" if remote and there else target,
        bases=bases,
        branches=tuple(lines),
        more=more,
    )


def _branch_line(
    ws: Workspace, milestone: Milestone, remote: Remote | None, local: dict[str, str], known: dict[str, str]
) -> BranchLine | None:
    branch = milestone.branch
    if not branch or branch in (ws.config.git.base_branch, ws.config.target_branch):
        return None
    here = local.get(branch_ref(branch))
    there = known.get(tracking_ref(remote.name, branch)) if remote else None
    if here is None and there is None:
        return None
    return BranchLine(branch=branch, milestone_id=milestone.id, local_tip=here, remote_tip=there)


def _base_line(
    ws: Workspace, name: str, remote: Remote | None, local: dict[str, str], known: dict[str, str]
) -> BranchLine:
    here = local.get(branch_ref(name))
    there = known.get(tracking_ref(remote.name, name)) if remote else None
    return _measure(ws, BranchLine(branch=name, local_tip=here, remote_tip=there), here, there)


def _measure(ws: Workspace, line: BranchLine, tip: str | None, base: str | None) -> BranchLine:
    from msgspec.structs import replace

    if tip is None or base is None:
        return line
    ahead, behind = count_apart(ws.repository.git, tip, base)
    return replace(line, ahead=ahead, behind=behind)
