"""Settles what no person should have to: conflicts in aiw's own documents, and in status lines of the backlog.

The handoffs are rendered from the state. Of the backlog only the status lines of items with tasks are settled, by what
those tasks ask for; if the rest of the file still conflicts, it is left to a person (spec §2).
"""

from __future__ import annotations

from collections.abc import Iterable

from ai_workflow.config.ownership import backlog_path, handoff_paths
from ai_workflow.git.commits import PrivateIndex, read_tree_entries, write_blob
from ai_workflow.git.merges import MergedTree, merge_texts
from ai_workflow.git.refs import merge_base
from ai_workflow.models.backlog import BacklogEdit
from ai_workflow.models.base import Record
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.services.workspace import Workspace


class Settled(Record, frozen=True, kw_only=True):
    """A merged tree without the conflicts that are ours to settle."""

    tree: str
    conflicts: tuple[str, ...] = ()
    """Paths, relative to the top, that a person must resolve; the tree holds markers there."""


def settle_documents(ws: Workspace, merged: MergedTree, *, base: str, tip: str, name: str) -> Settled:
    """The merged tree with aiw's own documents as the state wants them.

    Args:
        base, tip: the two commits that were merged.
        name: of the private index that is used for it.

    Raises:
        AiwError: GIT, IO.
    """
    handoffs = {ws.repository.from_root(rel) for rel in handoff_paths(ws.config)}
    backlog = ws.repository.from_root(backlog_path(ws.config))
    entries = _entries_of_handoffs(ws, handoffs.intersection(merged.conflicts))
    if backlog in merged.conflicts:
        entry = _merge_backlog(ws, backlog, base=base, tip=tip)
        entries |= {backlog: entry} if entry is not None else {}
    if not entries:
        return Settled(tree=merged.tree, conflicts=merged.conflicts)
    index = PrivateIndex(ws.repository, base=merged.tree, name=name)
    try:
        index.set_entries(entries)
        tree = index.write_tree()
    finally:
        index.close()
    return Settled(tree=tree, conflicts=tuple(path for path in merged.conflicts if path not in entries))


def _entries_of_handoffs(ws: Workspace, paths: Iterable[str]) -> dict[str, str | None]:
    from ai_workflow.rendering.handoff import render_handoffs

    wanted = sorted(paths)
    if not wanted:
        return {}
    texts = render_handoffs(ws.store.snapshot(), command_prefix=ws.config.agent.command_prefix.strip())
    git = ws.repository.git
    return {path: f"100644 {write_blob(git, texts[path.rsplit('/', 1)[-1]].encode())}" for path in wanted}


def _merge_backlog(ws: Workspace, path: str, *, base: str, tip: str) -> str | None:
    """The entry of the backlog, merged once its three versions agree on the status of items with tasks.

    None when they still conflict, or one of them has no backlog.
    """
    git = ws.repository.git
    snapshot = ws.store.snapshot()
    texts = []
    mode = "100644"
    for commit in (tip, merge_base(git, base, tip), base):
        entry = read_tree_entries(git, commit, [path])[path] if commit else None
        if entry is None:
            return None
        mode, blob = entry.split(" ")
        texts.append(_with_statuses(git.run("cat-file", "blob", blob).stdout, snapshot, path=path))
    merged = merge_texts(git, *texts, temp_dir=ws.layout.temp)
    return None if merged is None else f"{mode} {write_blob(git, merged)}"


def _with_statuses(data: bytes, snapshot: Snapshot, *, path: str) -> bytes:
    from ai_workflow.plan.backlog import parse_backlog
    from ai_workflow.plan.backlog_edits import apply_edits

    text = data.decode("utf-8", "surrogateescape")
    edits = _status_edits(snapshot, (item.id for item in parse_backlog(text, path=path).items))
    return apply_edits(text, edits, path=path).encode("utf-8", "surrogateescape")


def _status_edits(snapshot: Snapshot, item_ids: Iterable[str]) -> list[BacklogEdit]:
    from ai_workflow.policy.backlog_status import status_of_item, tasks_of_item

    found = [(item_id, status_of_item(tasks_of_item(snapshot, item_id))) for item_id in item_ids]
    return [BacklogEdit(item_id=item_id, status=status) for item_id, status in found if status is not None]
