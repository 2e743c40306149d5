"""The workspace's own first commit on base, `aiw: set up workspace` (spec §2)."""

from __future__ import annotations

import os
from collections.abc import Collection

from msgspec.structs import replace

from ai_workflow import fsio
from ai_workflow.config.ownership import backlog_path, handoff_paths, owned_paths, replace_old_gitignore_lines
from ai_workflow.config.place import CONFIG_NAME
from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.commits import (
    Made,
    PrivateIndex,
    Refusal,
    make_commit,
    read_tree_entries,
    set_index_entries,
    write_blob,
    write_empty_tree,
)
from ai_workflow.git.refs import advance_branch, branch_ref, find_commit
from ai_workflow.git.status import describe_path, key_to_path, path_to_key, read_status
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.operation import Intent
from ai_workflow.models.snapshot import Changes
from ai_workflow.services.committing import beyond_checked, make_intended_commit, sync_user_index
from ai_workflow.services.secret_gate import require_no_secret
from ai_workflow.services.workspace import Workspace

SUBJECT = "aiw: set up workspace"


def find_missing(ws: Workspace, base: str | None) -> dict[str, bytes]:
    """What base lacks of the workspace: path relative to the top → the bytes to commit.

    Owned files that exist, are not ignored and were never committed; and `.gitignore` with our block added to what
    base has of it, so that the user's own lines stay uncommitted.
    """
    repository = ws.repository
    owned = [path for path in _owned_files(ws) if os.path.isfile(os.path.join(repository.top, path))]
    ignored = _ignored(ws, owned)
    candidates = [path for path in owned if path not in ignored]
    gitignore = repository.from_root(".gitignore")
    entries = read_tree_entries(repository.git, base, [*candidates, gitignore]) if base else {}
    missing = {
        path: fsio.read_bytes(os.path.join(repository.top, path)) for path in candidates if entries.get(path) is None
    }
    committed = b""
    entry = entries.get(gitignore)
    if entry:
        committed = repository.git.run("cat-file", "blob", entry.split(" ")[1]).stdout
    text = committed.decode("utf-8", "surrogateescape")
    wanted = replace_old_gitignore_lines(text, ws.config)
    if wanted != text:
        missing[gitignore] = wanted.encode("utf-8", "surrogateescape")
    return missing


def _owned_files(ws: Workspace) -> list[str]:
    found = [ws.repository.from_root(rel) for rel in owned_paths(ws.config)]
    adr_dir = os.path.join(ws.root, *ws.config.adr.dir.split("/"))
    if os.path.isdir(adr_dir):
        names = sorted(name for name in os.listdir(adr_dir) if name.endswith(".md"))
        found += [ws.repository.from_root(f"{ws.config.adr.dir}/{name}") for name in names]
    return list(dict.fromkeys(found))


def _ignored(ws: Workspace, paths: list[str]) -> set[str]:
    data = b"".join(os.fsencode(path) + b"\0" for path in paths)
    if not data:
        return set()
    # check-ignore takes plain paths and refuses to run under literal pathspecs.
    plain = {"GIT_LITERAL_PATHSPECS": "0"}
    done = ws.repository.git.run("check-ignore", "-z", "--stdin", stdin=data, ok=(0, 1), env=plain)
    return {os.fsdecode(field) for field in done.stdout.split(b"\0") if field}


def commit_scaffold(ws: Workspace, *, base_branch: str, head_branch: str | None) -> str | None:
    """Commits what base lacks of the workspace.

    On base itself with the user's hooks; from another branch on objects, base moved by compare-and-swap.

    Returns:
        The commit, or None when nothing was missing.

    Raises:
        AiwError: GIT when a hook or git refuses, SECRET; nothing is moved then.
    """
    git = ws.repository.git
    base = find_commit(git, branch_ref(base_branch))
    missing = find_missing(ws, base)
    if not missing:
        return None
    intent, index = _intend(ws, missing, base_branch=base_branch, base=base)
    try:
        message = f"{SUBJECT}\n\nAiw-Op: {intent.id}\n"
        if head_branch == base_branch:
            here = make_intended_commit(intent, index, message)
            if isinstance(here, Made):
                sync_user_index(ws, intent, here, beyond=beyond_checked(ws, intent, here.sha))
            made = here.sha if isinstance(here, Made) else here
        else:
            made = _commit_elsewhere(ws, intent, message)
    finally:
        index.close()
    with ws.store.transaction("set up workspace", operation=intent.id) as change:
        change.apply(Changes(remove=(intent,)))
        if isinstance(made, str):
            change.record_ref(intent.branch, before=base, after=made)
    if isinstance(made, Refusal):
        raise AiwError(
            Kind.GIT,
            f"the commit `{SUBJECT}` on {base_branch} was refused:\n{made.message}",
            hint="put right what git or the hook names, then run the same command again",
        )
    return made


def ensure_on_branch(ws: Workspace, milestone: Milestone, *, head_branch: str | None) -> None:
    """Commits the workspace's own files on the branch of a milestone that aiw 0.1.0 began without them.

    Otherwise they would leave the work tree with the first switch to that branch from one that has them.

    Raises:
        AiwError: GIT when a hook or git refuses.
    """
    git = ws.repository.git
    branch = milestone.branch or ""
    tip = find_commit(git, branch_ref(branch))
    config = ws.repository.from_root(CONFIG_NAME)
    if tip is None or read_tree_entries(git, tip, [config])[config] is not None:
        return
    missing = find_missing(ws, tip)
    if config not in missing:
        return
    ws.documents.write_handoffs(ws.store.snapshot())
    made = commit_scaffold(ws, base_branch=branch, head_branch=head_branch)
    _forget_in_baseline(ws, milestone.lane_id or "core", missing)
    if made:
        ws.talk(f"committed the workspace's own files on {branch} as {made[:10]}")


def _forget_in_baseline(ws: Workspace, lane_id: str, committed: Collection[str]) -> None:
    """What was committed is nobody's dirt any more; a `.gitignore` with more lines in it stays the user's."""
    with ws.store.transaction("set up workspace") as change:
        baseline = change.before.baselines.get(lane_id)
        keys = {path_to_key(path) for path in committed}
        if baseline is not None and keys & set(baseline.paths):
            left = read_status(ws.repository.git).entries
            kept = {
                key: dirty if key not in keys else describe_path(ws.repository.top, left[key_to_path(key)], known=None)
                for key, dirty in baseline.paths.items()
                if key not in keys or key_to_path(key) in left
            }
            change.apply(Changes(put=(replace(baseline, paths=kept, recorded_at=change.now),)))


def _intend(
    ws: Workspace, missing: dict[str, bytes], *, base_branch: str, base: str | None
) -> tuple[Intent, PrivateIndex]:
    """The intent, on disk, and the private index that holds its tree."""
    git = ws.repository.git
    with ws.store.transaction("set up workspace") as change:
        index = PrivateIndex(ws.repository, base=base, name=f"index-{change.operation_id}")
        index.set_entries({path: f"100644 {write_blob(git, data)}" for path, data in missing.items()})
        tree = index.write_tree()
        try:
            require_no_secret(ws, base or write_empty_tree(git), tree, subject=SUBJECT)
        except AiwError:
            index.close()
            raise
        intent = Intent(
            id=change.operation_id,
            kind="scaffold",
            branch=branch_ref(base_branch),
            head=base,
            tree=tree,
            index_file=index.path,
            paths=tuple(path_to_key(path) for path in missing),
            at=change.now,
        )
        change.apply(Changes(put=(intent,)))
    return intent, index


def _commit_elsewhere(ws: Workspace, intent: Intent, message: str) -> str | Refusal:
    """The same commit while this work tree has another branch checked out."""
    git = ws.repository.git
    if intent.head is None:
        return Refusal(message=f"{intent.branch.removeprefix('refs/heads/')} does not exist")
    made = make_commit(git, tree=intent.tree, parents=(intent.head,), message=message)
    if isinstance(made, Refusal):
        return made
    failure = advance_branch(git, intent.branch, new=made, old=intent.head, reason=SUBJECT)
    return Refusal(message=failure) if failure is not None else made


def stage_for_switch(ws: Workspace, target: str) -> tuple[str, ...]:
    """Makes aiw's own uncommitted files known to the index as `target` has them, so that they do not stop a switch.

    Concerned are owned files that HEAD lacks, and edits to the handoffs, the backlog and `.gitignore`. What the user
    has staged stays as it is; the bytes in the work tree are not touched.

    Returns:
        The paths, for `unstage` when the switch fails.
    """
    repository = ws.repository
    git = repository.git
    entries = read_status(git).entries
    own = [*_owned_files(ws), repository.from_root(".gitignore")]
    paths = [path for path in own if path in entries and not entries[path].is_staged]
    in_head, wanted = read_tree_entries(git, "HEAD", paths), read_tree_entries(git, target, paths)
    edited = {repository.from_root(rel) for rel in (*handoff_paths(ws.config), backlog_path(ws.config), ".gitignore")}
    staged = {
        path: wanted[path]
        for path in paths
        if wanted[path] not in (None, in_head[path]) and (in_head[path] is None or path in edited)
    }
    set_index_entries(git, staged)
    return tuple(staged)


def unstage(ws: Workspace, paths: tuple[str, ...]) -> None:
    """Takes back what `stage_for_switch` did, when HEAD stays where it is."""
    git = ws.repository.git
    set_index_entries(git, read_tree_entries(git, "HEAD", paths))
