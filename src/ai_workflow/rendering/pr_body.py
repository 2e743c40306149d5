"""The text of a milestone's pull request, `reports/pr/M01.md` (spec §6.5).

It says what was done and what proved it, and never more than that: an acceptance line counts as proved only by checks
that ran and passed on the committed tree, all else is called unproven. A function of the state alone, with no time in
it, so that writing it again gives the same bytes. Pure.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from ai_workflow.models.adr import Adr
from ai_workflow.models.base import Record
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.run import Run
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.task import Decision, Task
from ai_workflow.rendering.relevance import relevant_adrs
from ai_workflow.rendering.tables import inline_of, join_codes, render_bullets, render_table
from ai_workflow.rendering.text import clip_bytes, render_code, render_inline
from ai_workflow.rendering.views import SHORT_SHA, format_command, format_outcome, format_words

MAX_BYTES = 60_000
"""GitHub takes 65,536 characters; the rest is room for what people add."""


class _Detail(Record, frozen=True, kw_only=True):
    text_bytes: int
    goal_bytes: int
    entries: int
    tasks: int


_DETAILS = (
    _Detail(text_bytes=2000, goal_bytes=8000, entries=60, tasks=100),
    _Detail(text_bytes=400, goal_bytes=4000, entries=25, tasks=60),
    _Detail(text_bytes=160, goal_bytes=1000, entries=12, tasks=30),
    _Detail(text_bytes=60, goal_bytes=300, entries=3, tasks=20),
)
"""From everything to very little; the first that fits is taken."""


def render_pr_body(snapshot: Snapshot, milestone: Milestone, *, target_branch: str, command_prefix: str) -> str:
    """The document, at most 60,000 bytes.

    Args:
        target_branch: where the milestone lands.
        command_prefix: `agent.command_prefix`.
    """
    text = ""
    for number, detail in enumerate(_DETAILS):
        lines = _document(snapshot, milestone, detail, target_branch=target_branch, command_prefix=command_prefix)
        if number:
            show = render_code(format_command(command_prefix, f"milestone show {milestone.id}"))
            cut = f"texts are cut at {detail.text_bytes} bytes and lists after {detail.entries} entries"
            lines += ["", f"Shortened: {cut}. All of it is in the records of the milestone and its tasks ({show})."]
        text = "\n".join(lines) + "\n"
        if len(text.encode()) <= MAX_BYTES:
            break
    return text


def _document(
    snapshot: Snapshot, milestone: Milestone, detail: _Detail, *, target_branch: str, command_prefix: str
) -> list[str]:
    tasks = snapshot.tasks_of(milestone)
    runs = {task.id: run for task in tasks if (run := _last_run(snapshot, task)) is not None}
    lines = [f"# {milestone.id}: {render_inline(milestone.title, max_bytes=detail.text_bytes)}", "", "## Goal", ""]
    lines += _goal(milestone, detail)
    branch = render_code(milestone.branch) if milestone.branch else "no branch yet"
    lines += ["", f"Branch {branch}, to be merged into {render_code(target_branch)}."]
    lines += ["", "## Tasks", "", *_tasks(tasks, detail)]
    lines += ["", "## Acceptance", "", *_acceptance(tasks, runs, detail)]
    lines += ["", "## Decisions", "", *_adrs(snapshot, milestone, tasks, detail)]
    lines += ["", "## Checks", "", *_checks(tasks, runs, detail)]
    lines += ["", "## Review hints", "", *_hints(milestone, tasks, runs, detail)]
    return [*lines, "", "## How to continue", "", *_ending(milestone, tasks, command_prefix)]


def _goal(milestone: Milestone, detail: _Detail) -> list[str]:
    """The goal's paragraphs, each inert: a quote would let its marks, tags and fences work."""
    goal = clip_bytes(milestone.goal, detail.goal_bytes)
    paragraphs = [render_inline(part) for part in re.split(r"\n\s*\n", goal) if part.strip()]
    return "\n\n".join(paragraphs).split("\n") if paragraphs else ["None given."]


def _last_run(snapshot: Snapshot, task: Task) -> Run | None:
    runs = [snapshot.runs[run_id] for run_id in task.run_ids if run_id in snapshot.runs]
    ended = [run for run in runs if run.status in ("completed", "failed")]
    return ended[-1] if ended else None


def _more_tasks(tasks: Sequence[Task], detail: _Detail) -> list[str]:
    return ["", f"And {len(tasks) - detail.tasks} more tasks."] if len(tasks) > detail.tasks else []


def _tasks(tasks: Sequence[Task], detail: _Detail) -> list[str]:
    if not tasks:
        return ["None."]
    rows = [
        (
            task.id,
            render_inline(task.title, max_bytes=detail.text_bytes),
            format_words(task.status) + (" (unproven)" if task.unproven else ""),
            task.commit_sha[:SHORT_SHA] if task.commit_sha else "no commit",
        )
        for task in tasks[: detail.tasks]
    ]
    return [*render_table(("Task", "Title", "Status", "Commit"), rows), *_more_tasks(tasks, detail)]


def _acceptance(tasks: Sequence[Task], runs: dict[str, Run], detail: _Detail) -> list[str]:
    lines: list[str] = []
    for task in tasks[: detail.tasks]:
        lines += ["", f"### {task.id}: {render_inline(task.title, max_bytes=detail.text_bytes)}", ""]
        lines += [format_proof(task, runs.get(task.id), entries=detail.entries, text_bytes=detail.text_bytes), ""]
        stated = [render_inline(line, max_bytes=detail.text_bytes) for line in task.acceptance_criteria]
        lines += render_bullets(stated, limit=detail.entries) or ["- The task states none."]
    return (lines[1:] or ["No task, so nothing was promised."]) + _more_tasks(tasks, detail)


def format_proof(task: Task, run: Run | None, *, entries: int, text_bytes: int) -> str:
    """What proved the task's acceptance lines, as one line of Markdown; `Unproven` unless checks did."""
    if task.status in ("skipped", "cancelled"):
        return f"Not done: the task is {task.status}."
    if task.status != "done":
        return f"Unproven: the task is {format_words(task.status)}."
    if task.unproven:
        return f"**Unproven**: {render_inline(task.unproven, max_bytes=text_bytes)}"
    if run is None or not run.checks:
        return "**Unproven**: no check ran."
    failed = [check for check in run.checks if check.status != "passed"]
    if failed or run.status != "completed":
        return f"**Unproven**: {len(run.checks) - len(failed)} of {len(run.checks)} checks passed ({run.id})."
    own = [check.command for check in run.checks if check.command in task.verify]
    other = [check.command for check in run.checks if check.command not in task.verify]
    parts = [f"its own {join_codes(own, limit=entries, max_bytes=text_bytes)}"] if own else []
    parts += [f"the project's {join_codes(other, limit=entries, max_bytes=text_bytes)}"] if other else []
    where = "on the tree as it was, without a change" if task.no_change_reason else "on the committed tree"
    return f"Proved together by {' and '.join(parts)}, passed {where} ({run.id})."


def _adrs(snapshot: Snapshot, milestone: Milestone, tasks: Sequence[Task], detail: _Detail) -> list[str]:
    found: dict[str, Adr] = {adr.id: adr for task in tasks for adr in relevant_adrs(snapshot, task)}
    found |= {key: snapshot.adrs[key] for key in milestone.adr_ids if key in snapshot.adrs}
    items = [
        f"{adr.id} ({adr.status}): {render_inline(adr.title, max_bytes=detail.text_bytes)}"
        for adr in snapshot.adrs.values()
        if adr.id in found
    ]
    return render_bullets(items, limit=detail.entries) or ["None binds this milestone."]


def _checks(tasks: Sequence[Task], runs: dict[str, Run], detail: _Detail) -> list[str]:
    results: dict[str, dict[str, list[str]]] = {}
    for task in tasks:
        for check in runs[task.id].checks if task.id in runs else ():
            word = "passed" if check.status == "passed" else format_outcome(check)
            results.setdefault(check.command, {}).setdefault(word, []).append(task.id)
    if not results:
        return ["None ran: nothing here is proven."]
    rows = [
        (
            render_code(command, max_bytes=detail.text_bytes),
            "; ".join(_outcome(word, ids) for word, ids in found.items()),
        )
        for command, found in results.items()
    ]
    more = len(rows) - detail.entries
    tail = ["", f"And {more} more checks."] if more > 0 else []
    return [*render_table(("Check", "Result"), rows[: detail.entries]), *tail]


def _outcome(word: str, ids: Sequence[str]) -> str:
    if len(ids) > 6:
        return f"{word} for {len(ids)} tasks"
    return f"{word} for {', '.join(ids)}"


def _hints(milestone: Milestone, tasks: Sequence[Task], runs: dict[str, Run], detail: _Detail) -> list[str]:
    hints = ["Read it commit by commit: each is one task, and its message names the acceptance lines."]
    changed = Counter(path for task in tasks for path in (runs[task.id].changed_files if task.id in runs else ()))
    shared = [path for path, count in changed.items() if count > 1]
    if changed:
        folders = Counter(path.rpartition("/")[0] or "." for path in changed)
        most = sorted(folders.items(), key=lambda item: (-item[1], item[0]))[: min(5, detail.entries)]
        where = ", ".join(f"{render_code(folder, max_bytes=detail.text_bytes)} {count}" for folder, count in most)
        noun = "file" if len(changed) == 1 else "files"
        hints.append(f"{len(changed)} {noun} changed, by folder: {where}")
    if shared:
        codes = join_codes(shared, limit=min(10, detail.entries), max_bytes=detail.text_bytes)
        hints.append(f"Changed by more than one task: {codes}")
    shorten = inline_of(detail.text_bytes)
    if milestone.accepted_unproven:
        hints.append(f"Accepted without full proof: {shorten(milestone.accepted_unproven)}")
    hints += [f"{task.id} is unproven: {shorten(task.unproven)}" for task in tasks if task.unproven]
    hints += [f"{task.id} made no commit: {shorten(task.no_change_reason)}" for task in tasks if task.no_change_reason]
    hints += [
        f"{task.id}, {_exception(decision, detail)}"
        for task in tasks
        for decision in task.decisions
        if decision.kind not in ("unproven", "no-change")
    ]
    hints += [
        f"Uncommitted files that are not part of {task.id} lay in the work tree while its checks ran:"
        f" {len(runs[task.id].also_present)}"
        for task in tasks
        if task.id in runs and runs[task.id].also_present
    ]
    return render_bullets(hints, limit=detail.entries)


def _exception(decision: Decision, detail: _Detail) -> str:
    named = decision.path or decision.fingerprint
    path = f" {render_code(named, max_bytes=detail.text_bytes)}" if named else ""
    reason = render_inline(decision.reason, max_bytes=detail.text_bytes)
    return f"exception {render_inline(decision.kind)}{path}: {reason} ({render_inline(decision.actor, max_bytes=60)})"


def _ending(milestone: Milestone, tasks: Sequence[Task], command_prefix: str) -> list[str]:
    waiting = [task.id for task in tasks if task.status not in ("done", "skipped", "cancelled")]
    sync = render_code(format_command(command_prefix, "git sync"))
    run = render_code(format_command(command_prefix, "agent run --lane core --mode queue"))
    push = render_code(format_command(command_prefix, f"git push {milestone.id}"))
    lines = [f"Not finished: {len(waiting)} of {len(tasks)} tasks are open."] if waiting else []
    lines.append(f"Changes asked for in review are commits on the branch; {push} pushes them.")
    lines.append(f"Merged, squashed or not, it is noticed by {sync}, and {run} goes on with the next milestone.")
    return [f"- {line}" for line in lines]
