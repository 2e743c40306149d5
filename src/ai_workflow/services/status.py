"""Where things stand, in one screen; writes nothing (spec §8)."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ai_workflow.errors import NO_STATE_HINT, AiwError, Kind
from ai_workflow.services.glance import Glance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Row = dict[str, "Any"]
_TEXT_CHARS = 300
"""Longest text of a state file on the screen; `show` has the rest."""
_RUN = "agent run --lane core --mode queue"
_OPEN_MILESTONES = ("planned", "ready", "in_progress", "blocked", "done", "pr_created")


def read_status(glance: Glance) -> Row:
    """The status as spec §8.1 shapes it.

    `{"project", "root", "base_branch", "lane": {…}, "active_milestone", "active_task", "progress": {"tasks": {status:
    n}, "milestones": {status: n}}, "blockers": […], "next_command", "damaged": [path: reason, …]}`; `lane`,
    `active_milestone` and `active_task` are elements of their lists, or null; `next_command` is null when the plan is
    complete.

    Raises:
        AiwError: STATE when nothing was ever stored.
    """
    rows = glance.rows
    project = rows.project()
    if project is None and not rows.damaged:
        raise AiwError(Kind.STATE, "this workspace has no state yet", hint=NO_STATE_HINT)
    tasks = rows.statuses("task")
    milestones = rows.statuses("milestone")
    lanes = rows.of("lane")
    blockers = [row for row in rows.of("blocker") if row.get("status") == "open"]
    lane = next((row for row in lanes if row["id"] == "core"), None)
    task_id = lane.get("current_task_id") if lane else None
    milestone_id = lane.get("milestone_id") if lane else None
    active = rows.find("task", task_id) if task_id else None
    milestone = rows.find("milestone", milestone_id) if milestone_id else None
    repaired = (milestone.get("recovery") or {}).get("blocked_task_id") if milestone and active else None
    blockers = [_with_way_back(glance, row, repaired) for row in blockers]
    return {
        "project": project.get("project_name") if project else None,
        "root": glance.root,
        "base_branch": project.get("base_branch") if project else None,
        "lane": lane,
        "active_milestone": milestone,
        "active_task": active,
        "progress": {"tasks": _count(tasks), "milestones": _count(milestones)},
        "blockers": blockers,
        "next_command": _next_command(glance, project, lane, milestones, tasks, active, blockers),
        "damaged": list(rows.damaged),
    }


def _with_way_back(glance: Glance, blocker: Row, repaired: str | None) -> Row:
    """The blocker of failed checks names the finish; while its recovery is put aside, it must be taken up first.

    Args:
        repaired: the task whose recovery is being worked on.
    """
    if blocker.get("step") != "checks" or blocker.get("blocked_task_id") in (None, repaired):
        return blocker
    return {**blocker, "next_command": glance.command(_RUN)}


def _count(statuses: Sequence[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for status in statuses:
        counts[status] = counts.get(status, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _next_command(
    glance: Glance,
    project: Row | None,
    lane: Row | None,
    milestones: Sequence[str],
    tasks: Sequence[str],
    active: Row | None,
    blockers: Sequence[Row],
) -> str | None:
    if glance.rows.damaged:
        return glance.command("doctor --fix")
    if active is not None:
        return glance.command(f"agent finish --lane core --task {active['id']} --commit")
    if lane is not None and lane.get("status") == "paused":
        return glance.command("lane resume core")
    # A task that waits for a person holds nothing up while another one can be taken.
    is_ready = "ready" in tasks
    holding = [row for row in blockers if row.get("blocked_task_id") is None or not is_ready]
    if holding:
        return str(holding[0].get("next_command"))
    has_open = any(status in _OPEN_MILESTONES for status in milestones)
    plan = os.path.join(glance.root, *glance.plan_dir.split("/"), "milestones.md")
    package = project.get("workpackage") if project else None
    if not has_open and not package:
        return glance.command("plan import" if os.path.exists(plan) else "agent plan-prompt --print")
    if not has_open and (package is None or not _is_new(plan, package)):
        return None
    return glance.command(_RUN)


def _is_new(plan: str, package: Row) -> bool:
    """Whether another plan lies there than the one that was imported last. One that cannot be read is none."""
    from ai_workflow.fsio import find_bytes, sha256_of

    try:
        data = find_bytes(plan)
    except AiwError:
        return False
    return data is not None and sha256_of(data) != package.get("plan_digest")


def format_status(status: Row, *, now_s: float) -> list[str]:
    """The screen, as lines.

    Args:
        now_s: the time, in seconds since 1970, that elapsed times are told by.
    """
    from ai_workflow.rendering.inert import inert

    def short(value: object, *, most: int = _TEXT_CHARS) -> str:
        text = inert(str(value))
        return text if len(text) <= most else f"{text[:most]}…"

    tasks, milestones = status["progress"]["tasks"], status["progress"]["milestones"]
    total, done = sum(tasks.values()), tasks.get("done", 0) + tasks.get("skipped", 0)
    lines = [f"{short(status['project'])}  (base {short(status['base_branch'])})", ""]
    lines.append(f"tasks       {_bar(done, total)} {done}/{total} done{_others(tasks, ('done', 'skipped'))}")
    merged = milestones.get("merged", 0)
    count = sum(milestones.values())
    lines.append(f"milestones  {_bar(merged, count)} {merged}/{count} merged{_others(milestones, ('merged',))}")
    lines.append("")
    milestone, task = status["active_milestone"], status["active_task"]
    if milestone is not None:
        branch = short(milestone.get("branch"))
        lines.append(f"milestone   {milestone['id']} {short(milestone['title'])} on {branch}")
    if task is not None:
        since = str(task.get("started_at") or task.get("claimed_at"))
        word = short(str(task["status"]).replace("_", " "))
        elapsed = _format_elapsed(since, now_s)
        lines.append(f"task        {task['id']} {short(task['title'])}, {word} since {short(since)}{elapsed}")
    lane = status.get("lane")
    if lane is not None and lane.get("status") == "paused":
        lines.append("lane        core is paused: nothing is handed out")
    for blocker in status["blockers"]:
        lines.append(f"blocked     {blocker['id']} {short(blocker['class'])}: {short(blocker['message'], most=1000)}")
        lines.append(f"            clear it: {inert(str(blocker['next_command']))}")
    for damage in status["damaged"]:
        lines.append(f"damaged     {inert(damage)}")
    lines.append(f"next        {inert(status['next_command'] or 'the plan is complete')}")
    return lines


def _format_elapsed(since: str, now_s: float) -> str:
    """` (2 h 5 min)` since a time of the state; empty when it is none, or lies ahead of the clock."""
    then_s = _seconds_of(since)
    if then_s is None or now_s < then_s:
        return ""
    minutes = int(now_s - then_s) // 60
    if minutes < 60:
        return f" ({minutes} min)"
    hours, minutes = divmod(minutes, 60)
    return f" ({hours} h {minutes} min)" if hours < 48 else f" ({hours // 24} d {hours % 24} h)"


def _seconds_of(text: str) -> int | None:
    """Seconds since 1970 of `2026-11-24T17:32:55Z`; by hand, since the libraries for it cost more than the command."""
    try:
        year, month, day = int(text[0:4]), int(text[5:7]), int(text[8:10])
        hour, minute, second = int(text[11:13]), int(text[14:16]), int(text[17:19])
    except ValueError:
        return None
    # Days from civil: years begin in March, so that the leap day is the last one.
    year -= month < 3
    days = year * 365 + year // 4 - year // 100 + year // 400 + (153 * ((month + 9) % 12) + 2) // 5 + day - 719469
    return ((days * 24 + hour) * 60 + minute) * 60 + second


def _bar(done: int, total: int, *, width: int = 20) -> str:
    filled = width * done // total if total else 0
    return "[" + "#" * filled + "-" * (width - filled) + "]"


def _others(counts: dict[str, int], shown: Sequence[str]) -> str:
    rest = [f"{count} {status.replace('_', ' ')}" for status, count in counts.items() if status not in shown]
    return f" ({', '.join(rest)})" if rest else ""
