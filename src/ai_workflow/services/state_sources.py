"""Collects what a state can be made of again: commits, branches, decisions, backlog, parked work (spec §7.5).

Writes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from ai_workflow.errors import AiwError
from ai_workflow.git.refs import commits_between, find_commit, list_branches, merge_base
from ai_workflow.git.saved_work import read_saved_work
from ai_workflow.git.status import key_to_path, show_path
from ai_workflow.models.adr import Adr
from ai_workflow.models.backlog import BacklogItem
from ai_workflow.models.base import Record
from ai_workflow.models.history import History
from ai_workflow.models.ids import format_id, highest_number, id_number
from ai_workflow.models.project import Counters
from ai_workflow.models.task import Parked
from ai_workflow.policy.rebuilding import Sources
from ai_workflow.services import adrs, state_archive
from ai_workflow.services.history import base_tips, read_history
from ai_workflow.services.workspace import Workspace

_PARKED = "refs/aiw/parked/"


class Found(Record, frozen=True, kw_only=True):
    """What there is."""

    sources: Sources
    missing_branches: dict[str, str]
    """Branches of milestones under way that only a remote has: name → commit."""


def gather_sources(ws: Workspace, files: Mapping[str, bytes], notes: list[str], *, now: str) -> Found:
    """Everything but the plan. Raises AiwError(GIT, IO).

    Args:
        files: what lies in the state's place.
        notes: gets a sentence for what could not be read.
    """
    history = read_history(ws)
    items = _read_items(ws, notes)
    local = _branches_here(ws)
    remote = _branches_there(ws)
    homes = {one.id: one for one in _find_homes(ws, history, {**remote, **local})}
    found = {home.branch: home.tip for home in homes.values() if not home.is_landed}
    made = {name: tip for name, tip in found.items() if name and tip and name not in local}
    sources = Sources(
        history=history,
        adrs=_read_adrs(ws, notes, now=now),
        items=items,
        branches={key: home.branch for key, home in homes.items() if home.branch},
        starts={key: home.start for key, home in homes.items() if home.start},
        taken_branches=(*local, *remote),
        names=_read_mirrors(ws),
        parked=_read_parked(ws, now=now),
        counters=_highest(ws, history, files, items),
    )
    return Found(sources=sources, missing_branches=made)


def _read_items(ws: Workspace, notes: list[str]) -> tuple[BacklogItem, ...]:
    from ai_workflow.services.backlog_file import read_backlog

    try:
        backlog = read_backlog(ws.root, ws.config.plan_dir)
    except AiwError as error:
        notes.append(f"the backlog was left out: {error.message}")
        return ()
    return backlog.items if backlog is not None else ()


def _read_adrs(ws: Workspace, notes: list[str], *, now: str) -> tuple[Adr, ...]:
    found: dict[int, Adr] = {}
    for name in sorted(adrs.list_files(ws)):
        number = adrs.number_of(name)
        if number == 0 or number in found:
            continue
        try:
            adr = adrs.read_file(ws, Adr(id=format_id("adr", number), title="", created_at=now, updated_at=now))
        except AiwError as error:
            notes.append(f"a decision was left out: {error.message}")
            continue
        if adr is not None:
            found[number] = adr
    return tuple(found[number] for number in sorted(found))


def _branches_here(ws: Workspace) -> dict[str, str]:
    return {ref.removeprefix("refs/heads/"): sha for ref, sha in list_branches(ws.repository.git).items()}


def _branches_there(ws: Workspace) -> dict[str, str]:
    """Branches of remotes, and what aiw keeps of landed ones: name → commit."""
    git = ws.repository.git
    there = {ref.split("/", 3)[-1]: sha for ref, sha in list_branches(git, "refs/remotes").items()}
    landed = {ref.removeprefix("refs/aiw/landed/"): sha for ref, sha in list_branches(git, "refs/aiw/landed").items()}
    return {**landed, **there}


class _Home(Record, frozen=True, kw_only=True):
    """Where a milestone is worked on."""

    id: str
    branch: str | None
    """None when no branch holds its commits any more; `tip` too."""
    tip: str | None
    start: str | None
    """None when the history is cut off before it."""
    is_landed: bool


def _find_homes(ws: Workspace, history: History, branches: Mapping[str, str]) -> list[_Home]:
    """The branch of each milestone that has commits, and where it left base."""
    git = ws.repository.git
    bases = base_tips(ws)
    commits: dict[str, list[str]] = {}
    for one in history.tasks:
        commits.setdefault(one.milestone_id, []).append(one.sha)
    landed = {one.id for one in history.merges} | {
        key for key in commits if all(one.is_landed for one in history.tasks if one.milestone_id == key)
    }
    names = {ws.config.git.base_branch, ws.config.target_branch}
    found = []
    for milestone_id, shas in commits.items():
        prefix = f"{ws.config.git.branch_prefix}{milestone_id}-".casefold()
        named = [name for name in branches if name.casefold().startswith(prefix)]
        # The newest commit comes first; a branch that does not hold it is an older one of the same name.
        holding = [name for name in named if _holds(ws, branches[name], shas)]
        if not holding and milestone_id not in landed:
            holding = [name for name in branches if name not in names and _holds(ws, branches[name], shas[:1])]
        tip = branches[holding[0]] if holding else None
        common = next((base for one in bases if tip and (base := merge_base(git, tip, one)) is not None), None)
        # Base holds the whole branch, or the branch is gone: it began where its first commit did.
        start = common if common not in (None, tip) else find_commit(git, f"{shas[-1]}^") or common
        found.append(
            _Home(
                id=milestone_id,
                branch=holding[0] if holding else None,
                tip=tip,
                start=start,
                is_landed=milestone_id in landed,
            )
        )
    return found


def _holds(ws: Workspace, tip: str, shas: list[str]) -> bool:
    return any(not commits_between(ws.repository.git, tip, sha) for sha in shas)


def _read_mirrors(ws: Workspace) -> dict[str, str]:
    """Task id → slug of its title, by the names of the mirrors that are still there."""
    try:
        names = os.listdir(os.path.join(ws.layout.workspace, "tasks"))
    except OSError:
        return {}
    found = {}
    for name in names:
        head, _, slug = name.removesuffix(".md").removeprefix("TASK-").partition("-")
        if name.startswith("TASK-") and name.endswith(".md") and head.isascii() and head.isdigit() and len(head) < 10:
            found[format_id("task", int(head))] = slug
    return found


def _read_parked(ws: Workspace, *, now: str) -> dict[str, Parked]:
    git = ws.repository.git
    found = {}
    for ref, sha in list_branches(git, "refs/aiw/parked").items():
        task_id = ref.removeprefix(_PARKED)
        if not task_id.startswith("TASK-") or len(id_number(task_id)) != 1:
            continue
        try:
            saved = read_saved_work(git, sha)
        except (AiwError, msgspec.DecodeError):
            continue
        paths = tuple(show_path(ws.repository.to_root(key_to_path(one.path))) for one in saved.paths)
        found[task_id] = Parked(commit=sha, paths=paths, at=now)
    return found


def _highest(ws: Workspace, history: History, files: Mapping[str, bytes], items: tuple[BacklogItem, ...]) -> Counters:
    """The highest numbers that commits, archives, files and refs name."""
    parked = [ref.removeprefix(_PARKED) for ref in list_branches(ws.repository.git, "refs/aiw/parked")]
    seen = Counters(
        task=highest_number([*_read_mirrors(ws), *parked, *_names(files, "tasks/")]),
        run=highest_number([*_names(files, "runs/"), *_listed(ws, "runs")]),
        adr=max((adrs.number_of(name) for name in adrs.list_files(ws)), default=0),
        backlog=highest_number(item.id for item in items),
        blocker=highest_number(_names(files, "blockers/")),
        operation=highest_number(_names(files, "operations/")),
    )
    found = [history.highest, seen]
    for name in state_archive.list_archives(ws):
        try:
            found.append(state_archive.read_manifest(ws, name).counters)
        except AiwError:
            continue
    return Counters(
        **{field.name: max(getattr(one, field.name) for one in found) for field in msgspec.structs.fields(Counters)}
    )


def _names(files: Mapping[str, bytes], folder: str) -> list[str]:
    return [rel.removeprefix(folder) for rel in files if rel.startswith(folder)]


def _listed(ws: Workspace, folder: str) -> list[str]:
    try:
        return os.listdir(os.path.join(ws.layout.workspace, folder))
    except OSError:
        return []
