"""Takes a workspace of aiw 0.1.0 over: everything it held goes on, and a copy of it is kept (spec §2).

The copy comes first, then `.gitignore`, then the state in one commit of the journal, then what follows from it. Killed
anywhere, the same command again ends in the same state.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from ai_workflow import folders, fsio
from ai_workflow.config.load import list_given_keys, read_config_bytes
from ai_workflow.config.ownership import (
    BLOCK_START,
    is_owned,
    owned_paths,
    plan_path,
    replace_old_gitignore_lines,
)
from ai_workflow.config.place import CONFIG_NAME
from ai_workflow.git.status import read_status, show_path
from ai_workflow.models.base import Record
from ai_workflow.models.ids import make_slug
from ai_workflow.models.lane import Baseline
from ai_workflow.models.plan import Plan
from ai_workflow.models.project import Project, Workpackage
from ai_workflow.models.snapshot import Damage
from ai_workflow.policy.events import make_event
from ai_workflow.policy.takeover import Setting, Takeover, take_over
from ai_workflow.policy.takeover_stubs import add_committed_tasks, add_missing_milestones
from ai_workflow.services.changeset import collect_dirt, make_baseline
from ai_workflow.services.old_state import read_git_facts, read_old_state, read_task_commits
from ai_workflow.services.plan_place import find_readable_plan
from ai_workflow.services.trusting import grant_own
from ai_workflow.services.workspace import Workspace
from ai_workflow.store.codec import kind_of
from ai_workflow.store.founding import Founding, NewState, found_state
from ai_workflow.store.legacy import is_legacy
from ai_workflow.store.whole import read_files

ARCHIVE = "archive/0.1.0"
"""The byte copy of what was there, relative to the workspace folder; below it lie paths relative to the root."""
NAME = "migrate from aiw 0.1.0"
_SHOWN = 20


class Migrated(Record, frozen=True, kw_only=True):
    """What a migration did, or would do."""

    outcome: str
    """`migrated`, `rehearsed` or `already_migrated`."""
    archive: str
    """Where the copy of the old workspace lies, relative to the root."""
    counts: dict[str, int] = msgspec.field(default_factory=dict)
    """Number of milestones, tasks, runs and decisions taken over."""
    active_task: str | None = None
    notes: tuple[str, ...] = ()
    """What is different from before, one sentence each."""
    damaged: tuple[str, ...] = ()
    """Files that could not be read: `path:line: reason`."""
    task_paths: tuple[str, ...] = ()
    """Uncommitted paths that count as the active task's."""
    own_paths: tuple[str, ...] = ()
    """Uncommitted paths that count as the user's."""


def migrate(ws: Workspace, *, is_dry_run: bool = False) -> Migrated:
    """Takes the old workspace over; where that was done before nothing happens.

    Raises:
        AiwError: GIT outside a repository or with unmerged paths; LOCKED; IO; STATE when there is no state at all.
    """
    if not is_legacy(ws.layout.state):
        return _go_on(ws, is_dry_run=is_dry_run)
    if is_dry_run:
        return _decide(ws, read_files(ws.layout.state))[1]
    with ws.store.whole(NAME) as whole:
        # Another process may have done it while this one waited for the lock.
        if is_legacy(ws.layout.state):
            _archive(ws)
            _update_gitignore(ws)
            new, migrated = _decide(ws, whole.files)
            # Before the state is replaced: killed after that, a migration has nothing left to decide.
            grant_own(ws, (f"{ws.layout.state_rel}/project.json",))
            whole.replace(new.files, operation=new.operation)
            whole.remove_empty_folders()
            ws.documents.write_handoffs(ws.store.snapshot())
            return replace(migrated, outcome="migrated")
    return _go_on(ws, is_dry_run=False)


def _go_on(ws: Workspace, *, is_dry_run: bool) -> Migrated:
    """The state is of this release: completes what a killed migration left, as long as nothing came after it."""
    if not is_dry_run:
        ws.store.recover()
    snapshot = ws.store.snapshot()
    project = snapshot.require_project()
    archive = f"{ws.config.workspace_dir}/{ARCHIVE}"
    if project.serial == 1 and os.path.isdir(ws.layout.in_root(archive)) and not is_dry_run:
        _update_gitignore(ws)
        folders.remove_empty_folders(ws.layout.state)
        ws.documents.write_handoffs(snapshot)
    return Migrated(outcome="already_migrated", archive=archive if os.path.isdir(ws.layout.in_root(archive)) else "")


def _archive(ws: Workspace) -> None:
    """Copies the old workspace, byte for byte, and what it had outside; synced."""
    target = os.path.join(ws.layout.workspace, *ARCHIVE.split("/"))
    below = f"{ws.config.workspace_dir}/"
    copied = {
        below + rel: data
        for rel, data in read_files(ws.layout.workspace).items()
        if not rel.startswith(("archive/", "locks/"))
    }
    for rel in (*owned_paths(ws.config), plan_path(ws.config), ws.config.agent.queue_prompt, ".gitignore"):
        data = fsio.find_bytes(os.path.join(ws.root, *rel.split("/")))
        if data is not None:
            copied[rel] = data
    written = []
    for rel, data in copied.items():
        path = os.path.join(target, *rel.split("/"))
        if rel == ".gitignore" and BLOCK_START.encode() in data and os.path.exists(path):
            continue  # An earlier call was killed after it had changed the file: the copy shows it as it was.
        fsio.write_if_changed(path, data, temp_dir=ws.layout.temp)
        written.append(path)
    fsio.sync_files(written)


def _update_gitignore(ws: Workspace) -> None:
    before, after = _read_gitignore(ws)
    if after != before:
        path = os.path.join(ws.root, ".gitignore")
        fsio.write_file(path, after.encode("utf-8", "surrogateescape"), temp_dir=ws.layout.temp, durable=True)


def _read_gitignore(ws: Workspace) -> tuple[str, str]:
    """The text as it is, and with the managed block in place of the lines of 0.1.0."""
    before = (fsio.find_bytes(os.path.join(ws.root, ".gitignore")) or b"").decode("utf-8", "surrogateescape")
    return before, replace_old_gitignore_lines(before, ws.config)


def _changed_gitignore(ws: Workspace) -> tuple[str, ...]:
    before, after = _read_gitignore(ws)
    return (".gitignore",) if after != before else ()


def _decide(ws: Workspace, files: Mapping[str, bytes]) -> tuple[NewState, Migrated]:
    """The files of the new state, and what to tell of it."""
    old, damaged = read_old_state(files, state_rel=ws.layout.state_rel)
    now = ws.clock.now_utc()
    # One that cannot be read stops nothing here: the state does not come from it any more.
    plan, digest, _ = find_readable_plan(ws)
    planned = [milestone for milestone in plan.milestones if milestone.id] if plan else []
    commits = read_task_commits(ws)
    homes = {make_slug(task.title): str(m.id) for m in planned for task in m.tasks}
    old, task_notes = add_committed_tasks(old, commits, homes=homes)
    old, stub_notes = add_missing_milestones(old, titles={str(m.id): m.title for m in planned})
    setting = Setting(
        project_name=ws.project_name,
        base_branch=ws.config.git.base_branch,
        branch_prefix=ws.config.git.branch_prefix,
        lineage=uuid.uuid4().hex,
        prefix=ws.command_prefix,
        is_pull_request=ws.config.git.closeout_mode == "pull_request",
        actor=ws.actor,
        now=now,
    )
    taken = take_over(old, read_git_facts(ws, old, commits), setting)
    baseline, task_paths = _split_dirt(ws, taken, now=now)
    new, is_same_plan = _encode_state(ws, taken, baseline, files, plan=plan, digest=digest, now=now)
    archive = f"{ws.config.workspace_dir}/{ARCHIVE}"
    notes = [*task_notes, *stub_notes, *taken.notes, *_setting_notes(ws), *_document_notes(ws, archive)]
    if not is_same_plan:
        notes.append(
            f"{plan_path(ws.config)} is not the plan that was imported; see: {ws.command('plan import --dry-run')}"
        )
    counts = {
        word: sum(1 for one in taken.entities if kind_of(one) == word) for word in ("milestone", "task", "run", "adr")
    }
    return new, Migrated(
        outcome="rehearsed",
        archive=archive,
        counts=counts,
        active_task=taken.active_task_id,
        notes=tuple(notes),
        damaged=tuple(_describe(one) for one in damaged),
        task_paths=task_paths,
        own_paths=tuple(dict.fromkeys((*_changed_gitignore(ws), *_shown_paths(ws, baseline)))),
    )


def _describe(damage: Damage) -> str:
    place = damage.path if damage.line is None else f"{damage.path}:{damage.line}"
    return f"{place}: {damage.message}"


def _split_dirt(ws: Workspace, taken: Takeover, *, now: str) -> tuple[Baseline | None, tuple[str, ...]]:
    """What lies uncommitted: the user's, and what counts as the active task's.

    0.1.0 committed everything that was dirty, so what an active task has changed cannot be told from the user's own:
    all but aiw's own files is the task's, and is named. Without an active task it is the user's.
    """
    if ws.repository.git.find_line("rev-parse", "--verify", "--quiet", "HEAD") is None:
        return None, ()
    dirt = collect_dirt(ws, read_status(ws.repository.git))
    mine = dict(dirt.paths)
    theirs: tuple[str, ...] = ()
    if taken.active_task_id is not None:
        mine = {path: dirty for path, dirty in dirt.paths.items() if _is_scaffold(ws, path)}
        theirs = tuple(show_path(ws.repository.to_root(path)) for path in dirt.paths if path not in mine)
    return make_baseline("core", mine, now=now), theirs


def _is_scaffold(ws: Workspace, path: str) -> bool:
    rel = ws.repository.to_root(path)
    return rel == ".gitignore" or is_owned(ws.config, rel)


def _shown_paths(ws: Workspace, baseline: Baseline | None) -> tuple[str, ...]:
    from ai_workflow.git.status import key_to_path

    return tuple(show_path(ws.repository.to_root(key_to_path(key))) for key in baseline.paths) if baseline else ()


def _encode_state(
    ws: Workspace,
    taken: Takeover,
    baseline: Baseline | None,
    files: Mapping[str, bytes],
    *,
    plan: Plan | None,
    digest: str,
    now: str,
) -> tuple[NewState, bool]:
    """The new files, and whether the plan that lies there is the one in the state."""
    project = taken.entities[0]
    assert isinstance(project, Project)
    titles = {make_slug(one.title) for one in taken.entities if kind_of(one) in ("milestone", "task")}  # type: ignore[union-attr]
    planned = [make_slug(m.title) for m in plan.milestones] if plan else []
    planned += [make_slug(task.title) for m in plan.milestones for task in m.tasks] if plan else []
    has_milestones = any(kind_of(one) == "milestone" for one in taken.entities)
    is_same = all(slug in titles for slug in planned)
    package = Workpackage(
        number=1, plan_path=plan_path(ws.config), plan_digest=digest if is_same else "", imported_at=project.created_at
    )
    project = replace(project, serial=1, counters=replace(project.counters, operation=0))
    project = replace(project, workpackage=package if has_milestones else None)
    founding = Founding(
        name=NAME,
        event=make_event("workspace_migrated", "taken over from aiw 0.1.0", now=now, actor=ws.actor),
        final="it took the workspace over from aiw 0.1.0, whose state is in the archive",
    )
    entities = [*taken.entities[1:], *([baseline] if baseline is not None else [])]
    new = found_state(ws.store, founding, project, entities, log=files.get(ws.layout.events_rel, b""))
    return new, is_same or not has_milestones


def _setting_notes(ws: Workspace) -> tuple[str, ...]:
    """Settings that stay as they are and mean something else now."""
    config = ws.config
    given = {key.name: key for key in list_given_keys(read_config_bytes(ws.root), path=CONFIG_NAME)}
    notes = []
    if config.git.closeout_mode == "pull_request":
        notes.append("git.closeout_mode: pull_request, as before; its merge may be made by a person, squashed or not")
    elif config.git.closeout_mode == "direct_merge":
        how = {"merge": "with a merge commit", "ff": "by fast-forward", "squash": "as one commit"}
        how_now = how[config.git.merge_strategy]
        notes.append(f"git.merge_strategy: {config.git.merge_strategy} counts for direct merges too now: {how_now}")
    if not config.git.enabled:
        notes.append("git.enabled: false has no effect: every task is a commit")
    if not config.agent.checks:
        notes.append("agent.checks is empty: nothing proves a task but its own Verify lines")
    else:
        notes.append(f"agent.checks run with a time limit of {config.checks.timeout_s:g} s each and without stdin")
    dead = [name for name, key in given.items() if key.status == "dead"]
    if dead:
        notes.append(f"{CONFIG_NAME} has {len(dead)} keys without effect; they may stay: {', '.join(dead)}")
    return tuple(notes)


def _document_notes(ws: Workspace, archive: str) -> tuple[str, ...]:
    config = ws.config
    documents = (config.ai.entrypoint, config.agent.operator_prompt, config.agent.codex_agent_prompt)
    there = [rel for rel in documents if os.path.isfile(os.path.join(ws.root, *rel.split("/")))]
    if not there:
        return ()
    names = ", ".join(there)
    how = f"delete them and run `{ws.command('init')}` for those of this release (copies: {archive})"
    return (f"{names} stay as they are and describe 0.1.0; {how}",)
