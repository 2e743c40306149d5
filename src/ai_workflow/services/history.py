"""Reads what commits tell of work done here, for a workspace whose state is gone (spec §7.5). Writes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ai_workflow.clock import format_utc
from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.refs import branch_ref, find_commit, list_branches
from ai_workflow.git.trailers import Message, read_messages, read_trailer
from ai_workflow.models.history import CommittedTask, History, ListedTask, MilestoneMerge
from ai_workflow.models.ids import id_number, parse_id, parse_milestone_id
from ai_workflow.models.project import Counters
from ai_workflow.models.status import TaskStatus
from ai_workflow.services.scaffold import SUBJECT
from ai_workflow.services.workspace import Workspace

_LISTED = re.compile(r"- (TASK-\d{1,9}) (.*?)(?: \((skipped|cancelled)\))?")
_STATUSES: dict[str | None, TaskStatus] = {None: "done", "skipped": "skipped", "cancelled": "cancelled"}
_NUMBERED = {"Task": "task", "Run": "run", "Op": "operation"}
_REMOTES = "refs/remotes"


def read_history(ws: Workspace) -> History:
    """What all branches tell, those of remotes and what aiw keeps of landed ones included. Raises AiwError(GIT)."""
    base = base_tips(ws)
    tips = _tips(ws)
    landed = {message.sha for message in read_messages(ws.repository.git, tips=base)}
    tasks: list[CommittedTask] = []
    merges: list[MilestoneMerge] = []
    highest = {"task": 0, "run": 0, "operation": 0}
    scaffold = None
    for message in read_messages(ws.repository.git, tips=tips):
        groups = list(_split(message))
        if not any(_is_own(ws, trailers) for trailers, _ in groups):
            continue
        for key, value in _trailers(message):
            if key in _NUMBERED and (numbers := id_number(value)):
                highest[_NUMBERED[key]] = max(highest[_NUMBERED[key]], numbers[0])
        is_landed = message.sha in landed
        tasks += _read_tasks(ws, message, groups, is_landed=is_landed)
        if is_landed:
            merges += _read_merge(message, groups)
        if message.lines[0] == SUBJECT and is_landed:
            scaffold = message.sha
    package = max([0, *(one.workpackage for one in tasks), *(one.workpackage for one in merges)])
    counters = Counters(**highest, workpackage=package)
    return History(tasks=tuple(tasks), merges=tuple(merges), highest=counters, scaffold=scaffold)


def find_last_task(ws: Workspace) -> str | None:
    """The id of a task of this workspace that a commit on any branch names, the newest first; None for none."""
    for message in read_messages(ws.repository.git, tips=_tips(ws)):
        for trailers, _ in _split(message):
            task_id = _parse("task", trailers.get("Task", ""))
            if task_id is not None and _is_own(ws, trailers):
                return task_id
    return None


def require_no_lost_state(ws: Workspace) -> None:
    """Passes when nothing says that this workspace had a state which is gone (spec §3).

    Raises:
        AiwError: STATE, naming the command that restores it.
    """
    last = find_last_task(ws)
    if last is not None:
        raise AiwError(
            Kind.STATE,
            f"the commits here hold work of aiw (the last is {last}), but there is no state",
            hint=f"restore it from them: {ws.command('state rebuild')}; or copy {ws.layout.state_rel} from the clone"
            f" that was worked in; or begin with an empty one, in which ids go on: {ws.command('init --anew')}",
        )


def base_tips(ws: Workspace) -> tuple[str, ...]:
    """What counts as base: here and on remotes, and the branch that milestones land on."""
    names = {ws.config.git.base_branch, ws.config.target_branch}
    git = ws.repository.git
    here = [find_commit(git, branch_ref(name)) for name in sorted(names)]
    there = [sha for ref, sha in list_branches(git, _REMOTES).items() if ref.split("/", 3)[-1] in names]
    return tuple(dict.fromkeys(sha for sha in (*here, *there) if sha))


def _tips(ws: Workspace) -> tuple[str, ...]:
    git = ws.repository.git
    head = find_commit(git, "HEAD")
    refs = (list_branches(git, pattern) for pattern in ("refs/heads", _REMOTES, "refs/aiw/landed"))
    return tuple(dict.fromkeys([*(sha for found in refs for sha in found.values()), *([head] if head else [])]))


def _trailers(message: Message) -> Iterator[tuple[str, str]]:
    for line in message.lines:
        found = read_trailer(line)
        if found is not None:
            yield found


def _split(message: Message) -> Iterator[tuple[dict[str, str], tuple[str, ...]]]:
    """The trailers of each task of a message, with the lines above them: a squash puts several messages into one."""
    trailers: dict[str, str] = {}
    above: list[str] = []
    since: list[str] = []
    for line in message.lines:
        found = read_trailer(line)
        if found is None:
            since.append(line)
            continue
        if found[0] == "Task" and "Task" in trailers:
            yield trailers, tuple(above)
            trailers, above = {}, []
        if found[0] == "Task" or not trailers:
            above, since = [*above, *since], []
        trailers[found[0]] = found[1]
    if trailers:
        yield trailers, tuple(above)


def _is_own(ws: Workspace, trailers: dict[str, str]) -> bool:
    return trailers.get("Project", "") == ws.repository.prefix.rstrip("/")


def _read_tasks(
    ws: Workspace, message: Message, groups: Sequence[tuple[dict[str, str], tuple[str, ...]]], *, is_landed: bool
) -> list[CommittedTask]:
    found = []
    named = {trailers["Task"] for trailers, _ in groups if "Task" in trailers}
    for trailers, above in groups:
        task_id = _parse("task", trailers.get("Task", ""))
        milestone_id = _parse("milestone", trailers.get("Milestone", ""))
        if task_id is None or milestone_id is None or not _is_own(ws, trailers):
            continue
        found.append(
            CommittedTask(
                id=task_id,
                milestone_id=milestone_id,
                workpackage=_package(trailers),
                title=_find_title(ws, above, task_id),
                sha=message.sha,
                at=format_utc(message.committed_s),
                unproven=trailers.get("Unproven"),
                is_alone=len(named) == 1,
                is_landed=is_landed,
            )
        )
    return found


def _read_merge(message: Message, groups: Sequence[tuple[dict[str, str], tuple[str, ...]]]) -> Iterator[MilestoneMerge]:
    trailers, above = groups[-1]
    milestone_id = _parse("milestone", trailers.get("Milestone", ""))
    if milestone_id is None or any("Task" in one for one, _ in groups):
        return
    lines = above[above.index("Tasks:") + 1 :] if "Tasks:" in above else ()
    matches = [match for line in lines if (match := _LISTED.fullmatch(line.strip()))]
    yield MilestoneMerge(
        id=milestone_id,
        workpackage=_package(trailers),
        title=message.lines[0].removeprefix(f"{milestone_id}: "),
        at=format_utc(message.committed_s),
        tasks=tuple(
            ListedTask(id=match.group(1), title=match.group(2), status=_STATUSES[match.group(3)]) for match in matches
        ),
    )


def _parse(kind: str, text: str) -> str | None:
    """The canonical id; None for what is none, since anybody may have written the message."""
    try:
        return parse_milestone_id(text) if kind == "milestone" else parse_id(kind, text)
    except AiwError:
        return None


def _package(trailers: dict[str, str]) -> int:
    text = trailers.get("Workpackage", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1


def _find_title(ws: Workspace, above: Sequence[str], task_id: str) -> str | None:
    """The title in the subject that `git.commit_subject` makes; after a squash it stands behind a bullet."""
    template = re.escape(ws.config.git.commit_subject)
    for name, pattern in (("id", re.escape(task_id)), ("title", "(?P<title>.+)"), ("milestone", r"M[\d-]+")):
        template = template.replace(re.escape(f"{{{name}}}"), pattern, 1)
    for line in above:
        text = re.sub(r"^[*-] ", "", line.strip())
        match = re.fullmatch(template, text)
        if match is not None and "title" in match.re.groupindex and task_id in text:
            return match.group("title")
    return next((line.strip().partition(": ")[2] for line in above if line.strip().startswith(f"{task_id}: ")), None)
