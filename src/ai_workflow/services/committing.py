"""Makes one commit as a saga: intent on disk, git, verification, the user's index brought along (spec §7.2)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

from msgspec.structs import replace

from ai_workflow.config.ownership import backlog_path
from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.blobs import TreeChange
from ai_workflow.git.commits import (
    Made,
    PrivateIndex,
    Refusal,
    changed_paths,
    commit_index,
    find_commit_of_operation,
    read_commit,
    read_index_entry,
    read_tree_entries,
    set_index_entries,
)
from ai_workflow.git.refs import delete_ref, find_commit, move_ref
from ai_workflow.git.status import key_to_path
from ai_workflow.models.operation import Intent
from ai_workflow.models.run import Run
from ai_workflow.models.snapshot import Changes
from ai_workflow.models.task import Task
from ai_workflow.policy.secrets import mask
from ai_workflow.services.own_edits import merge_staged, plan_own_edits, put_into
from ai_workflow.services.workspace import Workspace

_INDEX_TRIES = 20
_ORPHAN_WAIT_S = 30.0


def write_documents(ws: Workspace, task_id: str, index: PrivateIndex, *, tree: str) -> tuple[str, ...]:
    """Writes the handoffs as they are once the task is done, and puts them and aiw's own edits into the index.

    Returns:
        Their paths, relative to the top.
    """
    snapshot = ws.store.snapshot()
    task = snapshot.get_task(task_id)
    after = snapshot.apply(Changes(put=(replace(task, status="done"),)))
    handoffs = tuple(ws.repository.from_root(rel) for rel in ws.documents.write_handoffs(after))
    index.take_from_work_tree(handoffs)
    own = plan_own_edits(ws, snapshot, after, tree=tree)
    put_into(index, ws.repository.git, own)
    return tuple(dict.fromkeys((*handoffs, *own.paths)))


def commit_message(ws: Workspace, task: Task, run: Run, intent: Intent) -> str:
    """The message of the task's commit (spec §6.4 step 7)."""
    from ai_workflow.rendering.commit_message import render_commit_message

    text = render_commit_message(
        task,
        ws.store.snapshot().get_milestone(task.milestone_id),
        subject_template=ws.config.git.commit_subject,
        run_id=run.id,
        operation=intent.id,
        project_rel=ws.repository.prefix.rstrip("/") or None,
        unproven=intent.unproven,
    )
    return mask(text)


def make_intended_commit(intent: Intent, index: PrivateIndex, message: str) -> Made | Refusal:
    """Commits the private index for an intent that is on disk already; see `git.commits.commit_index`."""
    return commit_index(index, message, branch=intent.branch, head=intent.head)


def beyond_candidate(checked: Sequence[TreeChange], made: Made) -> tuple[str, ...]:
    """As `beyond_checked`, from what both change; see `Candidate.changes`. Pure."""
    one, other = ({change.path: (change.new,) for change in changes} for changes in (checked, made.changes))
    return tuple(sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path)))


def beyond_checked(ws: Workspace, intent: Intent, made: str) -> tuple[str, ...]:
    """Paths in which the commit differs from the checked tree: aiw's own documents, and what hooks did."""
    return changed_paths(ws.repository.git, intent.tree, made)


def without(paths: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    """The paths that are not among `own`. Pure."""
    return tuple(path for path in paths if path not in own)


def work_tree_holds(ws: Workspace, made: str, paths: tuple[str, ...]) -> bool:
    """Whether these paths lie in the work tree as the commit has them."""
    index = PrivateIndex(ws.repository, base=made, name="index-compare")
    try:
        index.take_from_work_tree(paths)
        return index.write_tree() == read_commit(ws.repository.git, made).tree
    finally:
        index.close()


def take_back(ws: Workspace, intent: Intent, made: str) -> None:
    """Moves the branch off an unpushed commit again; the work stays in the work tree.

    Raises:
        AiwError: GIT when the branch has moved on since.
    """
    git = ws.repository.git
    if intent.head is None:
        done = delete_ref(git, intent.branch, old=made)
    else:
        done = move_ref(git, intent.branch, new=intent.head, old=made, reason=f"aiw: take back {intent.id}")
    if not done:
        raise AiwError(Kind.GIT, f"{intent.branch} moved on from {made[:10]}; it was left as it is")


def sync_user_index(ws: Workspace, intent: Intent, made: Made, *, beyond: tuple[str, ...]) -> None:
    """Makes the user's index follow the commit for exactly its paths; everything else staged stays staged.

    Args:
        beyond: from `beyond_checked`; these paths go along.

    Waits a moment for another git that holds the index. Repeating it is harmless.

    Raises:
        AiwError: GIT when the index stays locked.
    """
    git = ws.repository.git
    paths = [key_to_path(path) for path in intent.paths]
    paths += [path for path in beyond if path not in paths]
    changed = {change.path: change.new for change in made.changes}
    entries = {path: changed[path] for path in paths if path in changed}
    # A hook may have put a path back to what it was.
    entries |= read_tree_entries(git, made.sha, [path for path in paths if path not in changed])
    entries |= _keep_staged(ws, intent, entries)
    for tries in range(_INDEX_TRIES):
        try:
            set_index_entries(git, entries)
        except AiwError:
            if tries == _INDEX_TRIES - 1 or not os.path.exists(os.path.join(ws.repository.git_dir, "index.lock")):
                raise
            time.sleep(0.1)
        else:
            return


def _keep_staged(ws: Workspace, intent: Intent, made: dict[str, str | None]) -> dict[str, str | None]:
    """Entries for the backlog when the user has staged lines of it: theirs, with ours merged in; a staged removal stays
    one.
    """
    path = ws.repository.from_root(backlog_path(ws.config))
    if path not in made or intent.head is None:
        return {}
    staged = read_index_entry(ws.repository.git, path)
    old = read_tree_entries(ws.repository.git, intent.head, [path])[path]
    if staged is None:
        return {path: None} if old is not None else {}
    if staged in (old, made[path]):
        return {}
    return {path: merge_staged(ws, path, staged=staged, old=old, new=made[path]) or staged}


def find_made_commit(ws: Workspace, intent: Intent, *, documents: tuple[str, ...]) -> str | None:
    """The commit that a killed command made for its intent, or None.

    It is known by its trailer; where a hook stripped that, by its parent and tree. One on another parent than was
    intended does not count: its tree reverts what somebody committed in between. It is taken back when it is the tip.
    """
    git = ws.repository.git
    wait_for_orphan(intent)
    tip = find_commit(git, intent.branch)
    if tip is None or tip == intent.head:
        return None
    parents = (intent.head,) if intent.head else ()
    found = find_commit_of_operation(git, intent.id, start=intent.head, tip=tip)
    facts = read_commit(git, found or tip)
    if found is not None:
        if facts.parents == parents:
            return found
        _take_back_misplaced(ws, intent, found, facts.parents)
        return None
    same_tree = set(beyond_checked(ws, intent, tip)) <= set(documents)
    return tip if facts.parents == parents and same_tree else None


def _take_back_misplaced(ws: Workspace, intent: Intent, made: str, parents: tuple[str, ...]) -> None:
    name = intent.branch.removeprefix("refs/heads/")
    reason = f"aiw: take back {intent.id}"
    is_back = len(parents) == 1 and move_ref(ws.repository.git, intent.branch, new=parents[0], old=made, reason=reason)
    if not is_back:
        ws.talk(f"note: {made[:10]} on {name} undoes the commit before it; take it back: git revert {made[:10]}")


def wait_for_orphan(intent: Intent) -> None:
    """Waits until no git of a killed command is still at work on the intent's private index.

    Linux only (it reads `/proc`); elsewhere an orphan is noticed by the lock that git holds on that index.

    Raises:
        AiwError: LOCKED when it does not end within half a minute.
    """
    if intent.index_file is None:
        return
    end_s = time.monotonic() + _ORPHAN_WAIT_S
    while (pid := _find_orphan(intent.index_file)) is not None:
        if time.monotonic() > end_s:
            raise AiwError(
                Kind.LOCKED,
                f"git (pid {pid}) of an interrupted command is still committing",
                hint=f"wait for it, or end it with `kill {pid}`; then run the same command again",
            )
        time.sleep(0.05)


def _find_orphan(index_file: str) -> int | None:
    if not sys.platform.startswith("linux"):
        return None
    needle = f"GIT_INDEX_FILE={index_file}".encode()
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/comm", "rb") as stream:
                if not stream.read().startswith(b"git"):
                    continue
            with open(f"/proc/{name}/environ", "rb") as stream:
                if needle in stream.read().split(b"\0"):
                    return int(name)
        except OSError:
            continue
    return None
