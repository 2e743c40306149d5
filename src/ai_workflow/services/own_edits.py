"""What aiw itself did to files of the repository, made part of the next commit and nothing else of them (spec §6.4.3).

Edits of the backlog are data: they are replayed on the text that HEAD holds, so that a person's other lines stay
uncommitted. A decision record that a command wrote goes along as it lies in the work tree.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType

from msgspec.structs import replace

from ai_workflow import fsio
from ai_workflow.config.ownership import backlog_path, handoff_paths
from ai_workflow.git.commits import PrivateIndex, read_tree_entries, write_blob
from ai_workflow.git.merges import merge_texts
from ai_workflow.git.runner import Git
from ai_workflow.git.status import TreeStatus
from ai_workflow.models.base import Record
from ai_workflow.models.project import PendingEdit, Project
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.task import backlog_ids
from ai_workflow.services.workspace import Workspace
from ai_workflow.store.transaction import Transaction


class OwnEdits(Record, frozen=True, kw_only=True):
    """What the next commit holds besides the task's changes and the handoffs; paths are relative to the top."""

    files: tuple[str, ...] = ()
    """Taken as they lie in the work tree."""
    texts: Mapping[str, str] = MappingProxyType({})
    """Path → the whole text that the commit gets."""

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.files, *self.texts)


def plan_own_edits(ws: Workspace, before: Snapshot, after: Snapshot, *, tree: str) -> OwnEdits:
    """What aiw did that no commit holds yet, and what the step from `before` to `after` will do to the backlog.

    Args:
        tree: what the commit holds without them.

    Raises:
        AiwError: GIT, IO.
    """
    from ai_workflow.plan.backlog_edits import apply_edits, keep_standing
    from ai_workflow.plan.pending_edits import backlog_edits, pending_files
    from ai_workflow.policy.backlog_status import follow_edits

    pending = before.require_project().pending_edits
    rel = backlog_path(ws.config)
    files = tuple(ws.repository.from_root(path) for path in pending_files(pending) if _is_file(ws, path))
    following = follow_edits(before, after)
    edits = backlog_edits(pending, path=rel)
    if not edits and not following:
        return OwnEdits(files=files)
    here = _find_text(os.path.join(ws.root, *rel.split("/")))
    old = find_committed(ws.repository.git, tree, ws.repository.from_root(rel))
    standing = keep_standing(here, edits, path=rel) if here is not None else ()
    new = apply_edits(old or "", (*standing, *following), path=rel)
    is_changed = new != (old or "")
    return OwnEdits(files=files, texts={ws.repository.from_root(rel): new} if is_changed else {})


def put_into(index: PrivateIndex, git: Git, own: OwnEdits) -> None:
    """Makes a private index hold them. Raises AiwError(GIT)."""
    index.take_from_work_tree(own.files)
    index.set_entries(
        {path: f"100644 {write_blob(git, text.encode('utf-8', 'surrogateescape'))}" for path, text in own.texts.items()}
    )


def own_document_paths(ws: Workspace, project: Project | None) -> tuple[str, ...]:
    """Paths, relative to the top, in which a commit may differ from the checked tree without a hook's doing."""
    from ai_workflow.plan.pending_edits import pending_files

    files = pending_files(project.pending_edits) if project is not None else ()
    rels = (*handoff_paths(ws.config), backlog_path(ws.config), *files)
    return tuple(dict.fromkeys(ws.repository.from_root(rel) for rel in rels))


def settle_own_edits(ws: Workspace, change: Transaction, made: str) -> None:
    """Inside the transaction that records a commit: the work tree's backlog follows the tasks, and what the commit
    holds is no longer pending.
    """
    from ai_workflow.plan.pending_edits import without_statuses
    from ai_workflow.services.backlog import follow_tasks

    followed = follow_tasks(ws, change)
    ws.followed = change
    project = change.after.require_project()
    if not project.pending_edits:
        return
    # A backlog that could not follow shows the old status still, which must not count as ours once it can be read.
    current = without_statuses(project.pending_edits, {edit.item_id for edit in followed})
    kept = tuple(edit for edit in current if not _is_held(ws, made, edit))
    if kept != project.pending_edits:
        change.apply(Changes(put=(replace(project, pending_edits=kept),)))


def find_own_backlog(ws: Workspace, status: TreeStatus) -> str | None:
    """The path (from the top) of the backlog when all that differs in it from HEAD is aiw's own doing; else None."""
    from ai_workflow.plan.backlog_edits import apply_edits
    from ai_workflow.plan.pending_edits import backlog_edits

    rel = backlog_path(ws.config)
    path = ws.repository.from_root(rel)
    entry = status.entries.get(path)
    if entry is None or entry.is_staged or status.head is None:
        return None
    edits = backlog_edits(ws.pending_edits(), path=rel)
    held = find_committed(ws.repository.git, status.head, path) if edits else None
    if held is None or apply_edits(held, edits, path=rel) != _find_text(os.path.join(ws.root, *rel.split("/"))):
        return None
    return path


def follow_before_commit(ws: Workspace, change: Transaction) -> None:
    """Hook of the store: within every transaction that changes tasks with a backlog item, that item follows."""
    if ws.followed is change:
        return
    moved = (task for task in change.after.tasks.values() if change.before.find_task(task.id) is not task)
    if any(backlog_ids(task) for task in moved):
        from ai_workflow.services.backlog import follow_tasks

        follow_tasks(ws, change)


def merge_staged(ws: Workspace, path: str, *, staged: str, old: str | None, new: str | None) -> str | None:
    """The index entry for a document of which the user has staged lines: theirs with ours.

    Args:
        staged, old, new: entries (`<mode> <blob>`) in the user's index, in HEAD before, in the commit made.

    Returns:
        None when both concern the same lines: the user's index then stays as it is.
    """
    git = ws.repository.git
    if new is None:
        return None
    texts = [_read_blob(git, entry) for entry in (staged, old, new)]
    merged = merge_texts(git, *texts, temp_dir=ws.layout.temp)
    return None if merged is None else f"{staged.partition(' ')[0]} {write_blob(git, merged)}"


def _read_blob(git: Git, entry: str | None) -> bytes:
    return git.run("cat-file", "blob", entry.split(" ")[1]).stdout if entry else b""


def _is_held(ws: Workspace, commit: str, edit: PendingEdit) -> bool:
    """Whether making the edit on what the commit holds would change nothing."""
    from ai_workflow.plan.backlog_edits import apply_edits

    path = ws.repository.from_root(edit.path)
    if edit.kind == "backlog" and edit.backlog is not None:
        text = find_committed(ws.repository.git, commit, path)
        return text is not None and apply_edits(text, (edit.backlog,), path=edit.path) == text
    held = read_tree_entries(ws.repository.git, commit, [path])[path]
    return held is not None or not _is_file(ws, edit.path)


def _is_file(ws: Workspace, rel: str) -> bool:
    return os.path.isfile(os.path.join(ws.root, *rel.split("/")))


def _find_text(path: str) -> str | None:
    data = fsio.find_bytes(path)
    return data.decode("utf-8", "surrogateescape") if data is not None else None


def find_committed(git: Git, tree: str, path: str) -> str | None:
    """The text of a file in a commit or tree; None when it is not there. Raises AiwError(GIT)."""
    entry = read_tree_entries(git, tree, [path])[path]
    return _read_blob(git, entry).decode("utf-8", "surrogateescape") if entry is not None else None
