"""Puts the uncommitted work of an unfinished task aside before another is claimed, and brings it back (spec §6.7).

Both are sagas: the work is safe on a ref before anything is removed, an intent is on disk before the tree changes, and
`services.resume` ends what a killed command began. Either half may be repeated.
"""

from __future__ import annotations

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.refs import delete_ref, find_commit
from ai_workflow.git.saved_work import (
    Restored,
    SavedWork,
    clear_work,
    find_in_the_way,
    read_saved_work,
    restore_work,
    save_work,
)
from ai_workflow.git.status import key_to_path, read_status, show_path
from ai_workflow.models.operation import Intent
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.task import Task
from ai_workflow.policy.claiming import owner_of_work
from ai_workflow.policy.suspending import find_work_to_park, leave, park, release_active, unpark
from ai_workflow.services.changeset import collect_dirt, make_baseline, require_calm, split_dirt
from ai_workflow.services.workspace import Workspace

_SHOWN = 20


def parked_ref(task_id: str) -> str:
    """The ref that holds a task's parked work."""
    return f"refs/aiw/parked/{task_id}"


def make_room(ws: Workspace, lane_id: str, next_task: Task) -> None:
    """Frees the work tree and the lane for `next_task`: parks what belongs to another task, releases that one.

    Nothing happens when the tree is free already, or the work in it is the next task's own.

    Raises:
        AiwError: LOCKED while that other task is being finished; GIT when its work cannot be put aside.
    """
    snapshot = ws.store.snapshot()
    lane = snapshot.get_lane(lane_id)
    owner = find_work_to_park(snapshot, lane, next_task)
    if owner is not None:
        with ws.finishing(lane_id, owner.id), ws.git_effects(f"park {owner.id}"):
            _park(ws, lane_id, owner)
    snapshot = ws.store.snapshot()
    lane = snapshot.get_lane(lane_id)
    if lane.milestone_id in (None, next_task.milestone_id) and lane.current_task_id in (None, next_task.id):
        return
    with ws.store.transaction(f"make room for {next_task.id}") as change:
        change.apply(
            leave(
                change.before,
                change.before.get_lane(lane_id),
                next_milestone_id=next_task.milestone_id,
                now=change.now,
                actor=ws.actor,
            )
        )


def _park(ws: Workspace, lane_id: str, owner: Task) -> None:
    repository = ws.repository
    status = require_calm(ws)
    snapshot = ws.store.snapshot()
    baseline = snapshot.find_baseline(lane_id)
    dirt = collect_dirt(ws, status, known=baseline.paths if baseline else None)
    changes, _left_out = split_dirt(ws, dirt, baseline, adopted=(), scopes=owner.conflict_scopes)
    if not changes.owned or status.head is None:
        _record_parked(ws, lane_id, owner.id, saved=None, intent=None)
        return
    saved = save_work(
        repository,
        head=status.head,
        entries={path: dirt.entries[path] for path in changes.owned},
        fingerprints={path: dirt.paths[path] for path in changes.owned},
        ref=parked_ref(owner.id),
        message=f"aiw: parked work of {owner.id}",
    )
    with ws.store.transaction(f"parking {owner.id}") as change:
        intent = Intent(
            id=change.operation_id,
            kind="park",
            task_id=owner.id,
            branch=parked_ref(owner.id),
            head=status.head,
            tree=saved.commit,
            at=change.now,
        )
        change.apply(Changes(put=(intent,)))
    end_parking(ws, intent)


def end_parking(ws: Workspace, intent: Intent) -> None:
    """The second half of parking: the tree is cleared, the fact recorded. Repeating it is harmless."""
    repository = ws.repository
    saved = read_saved_work(repository.git, intent.tree)
    changed = clear_work(repository, saved.paths)
    if changed:
        shown = ", ".join(show_path(path) for path in changed[:_SHOWN])
        ws.talk(f"note: changed while it was put aside, and left as it is: {shown}")
    _record_parked(ws, "core", intent.task_id or "", saved=saved, intent=intent)


def _record_parked(
    ws: Workspace, lane_id: str, owner_id: str, *, saved: SavedWork | None, intent: Intent | None
) -> None:
    """The lane's tree is free of the owner's work; what is dirty now is the new baseline."""
    dirt = collect_dirt(ws, read_status(ws.repository.git))
    with ws.store.transaction(f"park {owner_id}", operation=intent.id if intent else None) as change:
        lane = change.before.get_lane(lane_id)
        owner = change.before.get_task(owner_id)
        if saved is not None and intent is not None:
            paths = tuple(show_path(ws.repository.to_root(key_to_path(one.path))) for one in saved.paths)
            change.apply(park(change.before, lane, owner, commit=saved.commit, paths=paths, now=change.now))
            change.apply(Changes(remove=(intent,)))
            change.record_ref(intent.branch, before=None, after=saved.commit)
            change.record_final(f"the uncommitted work of {owner_id} was put aside; claim it again to get it back")
            # In the same step: a task whose work is parked is not active, also when a later command ends the parking.
            current = change.after.find_task(lane.current_task_id)
            if current is not None and owner_of_work(change.after, current).id == owner_id:
                lane = change.after.get_lane(lane_id)
                change.apply(release_active(change.after, lane, now=change.now, actor=ws.actor))
        else:
            change.apply(Changes(put=(replace(lane, unfinished_task_id=None, updated_at=change.now),)))
        change.apply(Changes(put=(make_baseline(lane_id, dirt.paths, now=change.now),)))
    if saved is not None:
        ws.talk(f"put the uncommitted work of {owner_id} aside: {len(saved.paths)} file(s), {parked_ref(owner_id)}")


def find_parked(snapshot: Snapshot, task: Task) -> Task | None:
    """The owner of parked work that comes back when `task` is claimed, or None."""
    owner = owner_of_work(snapshot, task)
    return owner if owner.parked is not None else None


def require_restorable(ws: Workspace, task: Task, owner: Task) -> None:
    """Passes when nothing uncommitted lies where the parked work goes.

    Raises:
        AiwError: GIT, naming the paths.
    """
    assert owner.parked is not None
    if find_commit(ws.repository.git, owner.parked.commit) is None:
        raise AiwError(
            Kind.GIT,
            f"the parked work of {owner.id} ({owner.parked.commit[:10]}) is not in this repository",
            hint=f"if it is really gone: {ws.command(f'task edit {owner.id} --drop-parked --reason …')}",
        )
    saved = read_saved_work(ws.repository.git, owner.parked.commit)
    status = read_status(ws.repository.git)
    blocking = find_in_the_way(ws.repository, saved, status.entries, head=status.head or "")
    if blocking:
        shown = "\n".join(f"  {show_path(ws.repository.to_root(path))}" for path in blocking[:_SHOWN])
        raise AiwError(
            Kind.GIT,
            f"{task.id} has parked work, and something else lies uncommitted where it goes:\n{shown}",
            hint="commit it or put it aside (git stash), then run the same command again",
        )


def end_restoring(ws: Workspace, intent: Intent) -> Restored:
    """Brings the work back and records that; the second half of a claim. Repeating it is harmless."""
    git = ws.repository.git
    head = find_commit(git, "HEAD") or ""
    saved = read_saved_work(git, intent.tree)
    restored = restore_work(ws.repository, saved, head=head, temp_dir=ws.layout.temp)
    if not restored.kept_back:
        # The work is in the tree by now; the intent names the commit, should this be taken up again.
        delete_ref(git, intent.branch, old=intent.tree)
    with ws.store.transaction(f"restore {intent.task_id}", operation=intent.id) as change:
        change.apply(unpark(change.before, intent.task_id or "", now=change.now))
        change.record_final(f"the parked work of {intent.task_id} came back into the tree with it")
        change.apply(Changes(remove=(intent,)))
    if restored.kept_back:
        shown = ", ".join(show_path(ws.repository.to_root(path)) for path in restored.kept_back[:_SHOWN])
        ws.talk(
            f"note: changed by a commit since {intent.task_id} was put aside, so not brought back: {shown}\n"
            f"  look at it: git show {parked_ref(intent.task_id or '')}:work/{show_path(restored.kept_back[0])}"
        )
    return restored
