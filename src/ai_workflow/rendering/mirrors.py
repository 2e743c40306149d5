"""The Markdown mirrors `tasks/*.md` and `milestones/*.md` (spec §2).

A task's mirror is a function of the task alone, a milestone's of the milestone and its tasks: whoever writes them
knows from that which ones a change of the state touches. Plain strings, since there may be thousands. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

from msgspec.json import encode

from ai_workflow.models.blocker import BlockerRef
from ai_workflow.models.ids import make_slug
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.task import Decision, Task
from ai_workflow.rendering.text import render_code, render_inline, render_quote


def task_mirror_name(task: Task) -> str:
    """File name of the task's mirror, `TASK-001-<slug>.md`; the slug is at most 60 bytes."""
    return f"{task.id}-{make_slug(task.title)}.md"


def milestone_mirror_name(milestone: Milestone) -> str:
    """File name of the milestone's mirror, `M01-<slug>.md`; the slug is at most 60 bytes."""
    return f"{milestone.id}-{make_slug(milestone.title)}.md"


def checksum_task(task: Task) -> int:
    """A checksum of all that the task's mirror is made of."""
    return crc32(encode(task))


def checksum_milestone(snapshot: Snapshot, milestone: Milestone) -> int:
    """A checksum of all that the milestone's mirror is made of."""
    tasks = [(task.id, task.title, task.status) for task in snapshot.tasks_of(milestone)]
    return crc32(encode((milestone, tasks)))


def render_task_mirror(snapshot: Snapshot, task: Task) -> str:
    """The task as Markdown; a function of the task alone, whatever the snapshot holds besides."""
    lines = [f"# {task.id}: {render_inline(task.title)}", "", *_task_facts(task)]
    if task.description.strip():
        lines += ["", "## Description", "", render_quote(task.description)]
    lines += _section("Acceptance", map(render_inline, task.acceptance_criteria))
    lines += _section("Verify", map(render_code, task.verify))
    lines += _section("Conflict scopes", map(render_code, task.conflict_scopes))
    lines += _blocker(task.blocker, task.blocked_reason)
    lines += _section("Decisions", (format_decision(decision) for decision in task.decisions))
    lines += _section("Notes", map(render_inline, task.notes))
    lines += ["", f"Generated from `state/tasks/{task.id}.json`; edits are overwritten.", ""]
    return "\n".join(lines)


def _task_facts(task: Task) -> list[str]:
    facts = [
        ("Status", task.status.replace("_", " ")),
        ("Milestone", task.milestone_id),
        ("Priority", task.priority),
        ("Depends on", ", ".join(task.depends_on)),
        ("Branch", render_code(task.branch) if task.branch else ""),
        ("Commit", render_code(task.commit_sha) if task.commit_sha else ""),
        ("Unproven", render_inline(task.unproven) if task.unproven else ""),
        ("Done without a commit", render_inline(task.no_change_reason) if task.no_change_reason else ""),
        ("Attempts", str(task.attempts) if task.attempts else ""),
        ("Runs", ", ".join(task.run_ids)),
        ("Audit", render_code(task.audit_path) if task.audit_path else ""),
        ("Claimed", task.claimed_at or ""),
        ("Started", task.started_at or ""),
        ("Finished", task.finished_at or ""),
    ]
    return [f"- {label}: {value}" for label, value in facts if value]


def render_milestone_mirror(snapshot: Snapshot, milestone: Milestone) -> str:
    """The milestone as Markdown, with the titles and statuses of its tasks."""
    lines = [f"# {milestone.id}: {render_inline(milestone.title)}", "", *_milestone_facts(milestone)]
    if milestone.goal.strip():
        lines += ["", "## Goal", "", render_quote(milestone.goal)]
    tasks = snapshot.tasks_of(milestone)
    lines += _section(
        "Tasks", (f"{task.id}: {render_inline(task.title)} ({task.status.replace('_', ' ')})" for task in tasks)
    )
    lines += _blocker(milestone.blocker, None)
    if milestone.closeout is not None:
        lines += _section("Closeout notes", map(render_inline, milestone.closeout.notes))
    lines += ["", f"Generated from `state/milestones/{milestone.id}.json`; edits are overwritten.", ""]
    return "\n".join(lines)


def _milestone_facts(milestone: Milestone) -> list[str]:
    pr, recovery, closeout = milestone.pr, milestone.recovery, milestone.closeout
    facts = [
        ("Status", milestone.status.replace("_", " ")),
        ("Workpackage", str(milestone.workpackage)),
        ("Base branch", render_code(milestone.base_branch)),
        ("Branch", render_code(milestone.branch) if milestone.branch else ""),
        ("Pull request", pr.status.replace("_", " ") + (f", {render_code(pr.url)}" if pr.url else "")),
        ("Closeout", closeout.mode.replace("_", " ") if closeout else ""),
        ("Landed as", render_code(closeout.landed_sha) if closeout and closeout.landed_sha else ""),
        ("Unproven, accepted", render_inline(milestone.accepted_unproven) if milestone.accepted_unproven else ""),
        ("Recovers", (recovery.blocked_task_id or recovery.parent_milestone_id) if recovery else ""),
        ("Decisions", ", ".join(milestone.adr_ids)),
    ]
    return [f"- {label}: {value}" for label, value in facts if value]


def format_decision(decision: Decision) -> str:
    """A recorded exception as one line of Markdown."""
    named = decision.path or decision.fingerprint
    path = f" {render_code(named)}" if named else ""
    return f"{decision.kind}{path}: {render_inline(decision.reason)} ({render_inline(decision.actor)}, {decision.at})"


def _section(title: str, items: Iterable[str]) -> list[str]:
    bullets = [f"- {item}" for item in items]
    return ["", f"## {title}", "", *bullets] if bullets else []


def _blocker(blocker: BlockerRef | None, reason: str | None) -> list[str]:
    if blocker is None:
        return _section("Blocked", [render_inline(reason)] if reason else [])
    return _section(
        "Blocked",
        [
            f"{blocker.id} ({blocker.klass}, step {render_inline(blocker.step)}), since {blocker.since}",
            render_inline(blocker.message),
            f"Next: {render_code(blocker.next_command)}",
        ],
    )
