"""The list of what aiw did to files of the repository and no commit holds yet (spec §6.4 step 3). Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from msgspec.structs import replace

from ai_workflow.models.backlog import BacklogEdit
from ai_workflow.models.project import PendingEdit


def add_backlog_edits(
    pending: Sequence[PendingEdit], edits: Iterable[BacklogEdit], *, path: str
) -> tuple[PendingEdit, ...]:
    """The list with edits of a backlog, put together with earlier ones of the same items.

    Args:
        path: of the backlog, relative to the root.
    """
    # Imported here: who only asks which files are pending needs no grammar of the backlog.
    from ai_workflow.plan.backlog_edits import merge_edits

    merged = backlog_edits(pending, path=path)
    for edit in edits:
        merged = merge_edits(merged, edit)
    others = [entry for entry in pending if entry.kind != "backlog" or entry.path != path]
    return (*others, *(PendingEdit(kind="backlog", path=path, backlog=edit) for edit in merged))


def add_file(pending: Sequence[PendingEdit], path: str) -> tuple[PendingEdit, ...]:
    """The list with a file that is wholly ours, once."""
    entry = PendingEdit(kind="file", path=path)
    return tuple(pending) if entry in pending else (*pending, entry)


def backlog_edits(pending: Iterable[PendingEdit], *, path: str) -> tuple[BacklogEdit, ...]:
    """The edits of the backlog at this path, for `plan.backlog_edits.apply_edits`."""
    return tuple(entry.backlog for entry in pending if entry.kind == "backlog" and entry.path == path and entry.backlog)


def without_statuses(pending: Sequence[PendingEdit], item_ids: Collection[str]) -> tuple[PendingEdit, ...]:
    """The list without the statuses given to these items of a backlog, for a later one has been committed."""
    kept = []
    for entry in pending:
        edit = entry.backlog
        if edit is not None and edit.item_id in item_ids and not edit.is_new:
            edit = replace(edit, status=None)
            if edit == BacklogEdit(item_id=edit.item_id):
                continue
        kept.append(replace(entry, backlog=edit))
    return tuple(kept)


def pending_files(pending: Iterable[PendingEdit]) -> tuple[str, ...]:
    """Paths, relative to the root, of the files that are wholly ours."""
    return tuple(entry.path for entry in pending if entry.kind == "file")
