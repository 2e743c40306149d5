"""The reports for people: `reports/{status,task-monitor,milestone-monitor,lane-monitor}.md` (spec §6.8).

Functions of the state, live facts included, without the time of their making: the same state gives the same bytes.
Each is at most 60,000 bytes at any size of the plan; what a table leaves out is counted. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ai_workflow.models.blocker import Blocker
from ai_workflow.models.ids import id_order
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.run import Run
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.status import MILESTONE_CLOSED, TASK_ACTIVE, TASK_CLOSED
from ai_workflow.models.task import Task
from ai_workflow.rendering.graph import Node, render_graph
from ai_workflow.rendering.tables import format_share, render_bullets, render_table
from ai_workflow.rendering.text import render_code, render_inline
from ai_workflow.rendering.views import SHORT_SHA, format_command, format_words

MAX_BYTES = 60_000
MAX_ROWS = 60
"""Rows of a table; the rest is a count."""
MAX_NODES = 40
TITLE_BYTES = 160
TEXT_BYTES = 300
_FINISHED_LAST = 20


def render_status_report(snapshot: Snapshot, *, command_prefix: str, next_command: str | None) -> str:
    """`status.md`: the whole on one page. Raises AiwError(STATE) when the workspace holds no state."""
    project = snapshot.require_project()
    name = render_inline(project.project_name or "This project", max_bytes=TITLE_BYTES)
    lines = [f"# Status of {name}", "", f"Milestones land on {render_code(project.base_branch, max_bytes=200)}."]
    lines += damage_lines(snapshot)
    lines += ["", "## Progress", "", *_progress(snapshot)]
    lines += ["", "## Active", "", *_active(snapshot)]
    lines += ["", "## Blocked", "", *blocker_lines(snapshot.open_blockers())]
    repair = format_command(command_prefix, "doctor --fix") if snapshot.damaged else None
    following = next_command or repair
    ending = "None: the plan is complete."
    lines += ["", "## Next command", "", render_code(following) if following else ending]
    lines += ["", "## Finished last", "", *_finished(snapshot, limit=10)]
    details = ("task-monitor", "milestone-monitor", "lane-monitor", "git-monitor")
    update = render_code(format_command(command_prefix, "report all"))
    lines += [
        "",
        "## More",
        "",
        *[f"- [{name}.md]({name}.md)" for name in details],
        f"- {update} brings them up to date",
    ]
    return finish(lines)


def render_task_report(snapshot: Snapshot, *, command_prefix: str) -> str:
    """`task-monitor.md`: open tasks, what they wait for, and what proved the finished ones."""
    tasks = list(_in_order(snapshot))
    waiting = [task for task in tasks if task.status not in TASK_CLOSED]
    see = f", see {render_code(format_command(command_prefix, 'task list'))}"
    lines = ["# Tasks", *damage_lines(snapshot), "", "## Progress", "", *_counts("Tasks", tasks)]
    lines += ["", "## Active", "", *_active(snapshot)]
    lines += ["", "## Open", "", *_open_tasks(snapshot, waiting, see)]
    unproven = [f"{task.id}: {render_inline(task.unproven, max_bytes=TEXT_BYTES)}" for task in tasks if task.unproven]
    lines += ["", "## Done without proof", "", *(render_bullets(unproven, limit=MAX_ROWS, more=see) or ["None."])]
    lines += ["", "## Finished last", "", *_finished(snapshot, limit=_FINISHED_LAST)]
    lines += ["", "## Dependencies", "", *_task_graph(snapshot, waiting or tasks, see)]
    return finish(lines)


def render_milestone_report(snapshot: Snapshot, *, command_prefix: str) -> str:
    """`milestone-monitor.md`: every milestone with its progress, branch and request, and what it waits for."""
    milestones = sorted(snapshot.milestones.values(), key=lambda milestone: id_order(milestone.id))
    see = f", see {render_code(format_command(command_prefix, 'milestone list'))}"
    waiting = [milestone for milestone in milestones if milestone.status not in MILESTONE_CLOSED]
    shown = waiting[:MAX_ROWS] if len(milestones) > MAX_ROWS else milestones
    lines = ["# Milestones", *damage_lines(snapshot), "", "## Progress", "", *_counts("Milestones", milestones)]
    lines += ["", "## Milestones" if len(shown) == len(milestones) else "## Open milestones", ""]
    lines += _milestone_table(snapshot, shown) if shown else ["None."]
    if len(shown) < len(milestones):
        lines += ["", f"… and {len(milestones) - len(shown)} more{see}"]
    blockers = [blocker for blocker in snapshot.open_blockers() if blocker.blocked_milestone_id]
    lines += ["", "## Blocked", "", *blocker_lines(blockers)]
    lines += ["", "## Dependencies", "", *_milestone_graph(snapshot, waiting or milestones, see)]
    return finish(lines)


def render_lane_report(snapshot: Snapshot, *, command_prefix: str) -> str:
    """`lane-monitor.md`: who works on what, and the runs so far."""
    lanes = [
        (
            render_code(lane.id),
            format_words(lane.status),
            lane.milestone_id or "-",
            lane.current_task_id or "-",
            render_code(lane.branch, max_bytes=TITLE_BYTES) if lane.branch else "-",
            lane.updated_at,
        )
        for lane in snapshot.lanes.values()
    ]
    head = ("Lane", "Status", "Milestone", "Task", "Branch", "Changed")
    lines = ["# Lanes", *damage_lines(snapshot), "", *render_table(head, lanes[:MAX_ROWS])]
    lines += ["", "## Active", "", *_active(snapshot), "", "## Runs", "", *_runs(list(snapshot.runs.values()))]
    see = render_code(format_command(command_prefix, "status"))
    return finish([*lines, "", f"What holds right now is told by {see}."])


def finish(lines: Sequence[str]) -> str:
    """The document with one final newline."""
    return "\n".join(lines).rstrip("\n") + "\n"


def damage_lines(snapshot: Snapshot) -> list[str]:
    """A section on state files that could not be read; empty when there is none."""
    if not snapshot.damaged:
        return []
    shown = [
        f"{render_code(damage.path, max_bytes=TEXT_BYTES)}: {render_inline(damage.message, max_bytes=TEXT_BYTES)}"
        for damage in snapshot.damaged
    ]
    return ["", "## Damaged files", "", "What they hold is missing below.", "", *render_bullets(shown, limit=20)]


def blocker_lines(blockers: Sequence[Blocker]) -> list[str]:
    """Blockers with the command that clears each."""
    if not blockers:
        return ["Nothing."]
    rows = [
        (
            blocker.id,
            blocker.blocked_task_id or blocker.blocked_milestone_id or "-",
            f"{blocker.klass}, {render_inline(blocker.step, max_bytes=60)}",
            render_inline(blocker.message, max_bytes=TEXT_BYTES),
            render_code(blocker.next_command, max_bytes=TEXT_BYTES),
            blocker.since,
        )
        for blocker in blockers[:20]
    ]
    more = [] if len(blockers) <= 20 else ["", f"… and {len(blockers) - 20} more"]
    return [*render_table(("Blocker", "Of", "Class", "What", "Clear it", "Since"), rows), *more]


def _progress(snapshot: Snapshot) -> list[str]:
    return [
        *_counts("Tasks", snapshot.tasks.values()),
        "",
        *_counts("Milestones", snapshot.milestones.values()),
    ]


def _counts(word: str, members: Iterable[Task] | Iterable[Milestone]) -> list[str]:
    counts = Counter(member.status for member in members)
    total = sum(counts.values())
    ended = counts["done"] + counts["skipped"] if word == "Tasks" else counts["merged"]
    if not total:
        return [f"{word}: none."]
    said = "done" if word == "Tasks" else "merged"
    parts = ", ".join(f"{count} {format_words(status)}" for status, count in sorted(counts.items()))
    return [f"{word}: {render_code(_bar(ended, total))} {format_share(ended, total)} {said}; {parts}."]


def _bar(part: int, whole: int, *, width: int = 20) -> str:
    filled = width * part // whole
    return "#" * filled + "." * (width - filled)


def _active(snapshot: Snapshot) -> list[str]:
    active = [task for task in snapshot.tasks.values() if task.status in TASK_ACTIVE]
    lines = [
        f"- {task.id}: {_title(task)} ({format_words(task.status)} since {task.started_at or task.claimed_at or '?'},"
        f" {task.milestone_id}, lane {task.lane_id or '-'})"
        for task in active[:20]
    ]
    running = [m for m in snapshot.milestones.values() if m.status in ("in_progress", "blocked", "done", "pr_created")]
    lines += [f"- {milestone.id}: {_title(milestone)} ({format_words(milestone.status)})" for milestone in running[:20]]
    return lines or ["Nothing."]


def _title(member: Task | Milestone) -> str:
    return render_inline(member.title, max_bytes=TITLE_BYTES)


def _in_order(snapshot: Snapshot) -> Iterable[Task]:
    """Every task in plan order: by milestone, then as the milestone has them; tasks of no milestone last."""
    seen: set[str] = set()
    for milestone in sorted(snapshot.milestones.values(), key=lambda milestone: id_order(milestone.id)):
        for task in snapshot.tasks_of(milestone):
            seen.add(task.id)
            yield task
    yield from (task for task in snapshot.tasks.values() if task.id not in seen)


def _open_tasks(snapshot: Snapshot, waiting: Sequence[Task], see: str) -> list[str]:
    if not waiting:
        return ["None."]
    rows = [
        (task.id, _title(task), task.milestone_id, format_words(task.status), task.priority, _waits(snapshot, task))
        for task in waiting[:MAX_ROWS]
    ]
    lines = render_table(("Task", "Title", "Milestone", "Status", "Priority", "Waits for"), rows)
    return lines if len(waiting) <= MAX_ROWS else [*lines, "", f"… and {len(waiting) - MAX_ROWS} more{see}"]


def _waits(snapshot: Snapshot, task: Task) -> str:
    refs = [ref for ref in task.depends_on if not _is_over(snapshot, ref)]
    shown = ", ".join(render_inline(ref, max_bytes=40) for ref in refs[:6])
    return f"{shown}, and {len(refs) - 6} more" if len(refs) > 6 else shown or "-"


def _is_over(snapshot: Snapshot, ref: str) -> bool:
    milestone, task = snapshot.find_milestone(ref), snapshot.find_task(ref)
    if milestone is not None:
        return milestone.status == "merged"
    return task is not None and task.status in ("done", "skipped")


def _finished(snapshot: Snapshot, *, limit: int) -> list[str]:
    closed = [task for task in snapshot.tasks.values() if task.status in TASK_CLOSED]
    last = sorted(closed, key=lambda task: (task.finished_at or "", id_order(task.id)))[-limit:]
    if not last:
        return ["Nothing yet."]
    rows = [
        (task.id, _title(task), format_words(task.status), (task.commit_sha or "-")[:SHORT_SHA], _proof(snapshot, task))
        for task in reversed(last)
    ]
    return render_table(("Task", "Title", "Status", "Commit", "Proof"), rows)


def _proof(snapshot: Snapshot, task: Task) -> str:
    if task.status != "done":
        return "-"
    runs = [snapshot.runs[run_id] for run_id in task.run_ids if run_id in snapshot.runs]
    last = next((run for run in reversed(runs) if run.status == "completed"), None)
    if task.unproven or last is None or not last.checks:
        return "unproven"
    passed = sum(check.status == "passed" for check in last.checks)
    return f"{passed} of {len(last.checks)} checks passed ({last.id})"


def _task_graph(snapshot: Snapshot, tasks: Sequence[Task], see: str) -> list[str]:
    if not tasks:
        return ["No tasks."]
    nodes: dict[str, Node] = {
        task.id: Node(id=task.id, title=task.title, status=task.status) for task in tasks[:MAX_NODES]
    }
    edges = {task.id: task.depends_on for task in tasks[:MAX_NODES]}
    for refs in edges.values():
        for ref in refs:
            other = snapshot.find_milestone(ref) or snapshot.find_task(ref)
            if other is not None and ref not in nodes and len(nodes) < MAX_NODES:
                nodes[ref] = Node(id=other.id, title=other.title, status=other.status)
    lines = render_graph(list(nodes.values()), edges)
    return lines if len(tasks) <= MAX_NODES else [*lines, "", f"… and {len(tasks) - MAX_NODES} more{see}"]


def _milestone_table(snapshot: Snapshot, milestones: Sequence[Milestone]) -> list[str]:
    rows = []
    for milestone in milestones[:MAX_ROWS]:
        tasks = snapshot.tasks_of(milestone)
        done = sum(task.status in ("done", "skipped") for task in tasks)
        request = format_words(milestone.pr.status) if milestone.pr.status != "not_created" else "-"
        branch = render_code(milestone.branch, max_bytes=TITLE_BYTES) if milestone.branch else "-"
        status = format_words(milestone.status)
        rows.append((milestone.id, _title(milestone), status, format_share(done, len(tasks)), branch, request))
    return render_table(("Milestone", "Title", "Status", "Tasks done", "Branch", "Pull request"), rows)


def _milestone_graph(snapshot: Snapshot, milestones: Sequence[Milestone], see: str) -> list[str]:
    if not milestones:
        return ["No milestones."]
    edges = {milestone.id: _needs(snapshot, milestone) for milestone in milestones[:MAX_NODES]}
    nodes = [Node(id=each.id, title=each.title, status=each.status) for each in milestones[:MAX_NODES]]
    lines = render_graph(nodes, edges)
    more = len(milestones) - MAX_NODES
    return lines if more <= 0 else [*lines, "", f"… and {more} more{see}"]


def _needs(snapshot: Snapshot, milestone: Milestone) -> list[str]:
    found: dict[str, None] = {}
    for task in snapshot.tasks_of(milestone):
        for ref in task.depends_on:
            other = snapshot.find_task(ref)
            home = other.milestone_id if other else ref
            if home != milestone.id:
                found[home] = None
    return sorted(found, key=id_order)


def _runs(runs: Sequence[Run]) -> list[str]:
    if not runs:
        return ["None yet."]
    last = runs[-_FINISHED_LAST:]
    rows = [
        (
            run.id,
            run.task_id or "-",
            format_words(run.status),
            render_inline(run.actor, max_bytes=60),
            run.started_at,
            run.finished_at or "-",
            format_share(sum(check.status == "passed" for check in run.checks), len(run.checks)),
        )
        for run in reversed(last)
    ]
    head = ("Run", "Task", "Status", "By", "Started", "Ended", "Checks passed")
    older = len(runs) - len(last)
    return [*render_table(head, rows), *(["", f"… and {older} older ones"] if older else [])]
