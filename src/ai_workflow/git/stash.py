"""Puts some paths into an ordinary stash of the user's, and nothing else (git-stash(1), "DISCUSSION").

`git stash push -- PATHS` takes along whatever else is staged, so the three commits of a stash are made here.
"""

from __future__ import annotations

from collections.abc import Mapping

from ai_workflow.git.commits import PrivateIndex
from ai_workflow.git.repository import Repository
from ai_workflow.git.saved_work import IDENTITY, clear_work, describe_work
from ai_workflow.git.status import Entry
from ai_workflow.models.lane import DirtyPath


def stash_paths(
    repository: Repository,
    *,
    head: str,
    entries: Mapping[str, Entry],
    fingerprints: Mapping[str, DirtyPath],
    message: str,
) -> None:
    """Makes the stash, then brings work tree and index back to HEAD at exactly these paths.

    Killed in between, the work is in both places.

    Args:
        entries, fingerprints: of exactly the paths to stash.

    Raises:
        AiwError: GIT, IO.
    """
    git = repository.git
    tracked = [path for path, entry in entries.items() if not entry.is_untracked]
    absent = [path for path in tracked if fingerprints[path].mode == "absent"]
    present = [path for path in tracked if fingerprints[path].mode != "absent"]
    untracked = [path for path, entry in entries.items() if entry.is_untracked]
    index = PrivateIndex(repository, base=head, name="index-stash")
    try:
        index.set_entries({path: entries[path].index or None for path in tracked})
        staged = git.line("commit-tree", index.write_tree(), "-p", head, "-m", f"index: {message}", env=IDENTITY)
        index.remove(absent)
        index.take_from_work_tree(present)
        work_tree = index.write_tree()
    finally:
        index.close()
    parents = ["-p", head, "-p", staged]
    if untracked:
        index = PrivateIndex(repository, base=None, name="index-stash")
        try:
            index.take_from_work_tree(untracked)
            parents += ["-p", git.line("commit-tree", index.write_tree(), "-m", f"untracked: {message}", env=IDENTITY)]
        finally:
            index.close()
    stash = git.line("commit-tree", work_tree, *parents, "-m", message, env=IDENTITY)
    git.run("stash", "store", "--quiet", "-m", message, stash, env=IDENTITY)
    blobs = {path: dirty.blob for path, dirty in fingerprints.items() if dirty.mode != "absent"}
    clear_work(repository, describe_work(git, head=head, entries=entries, fingerprints=fingerprints, blobs=blobs))
