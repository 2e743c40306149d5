"""Merges made on objects, so that neither the index nor the work tree takes part (git-merge-tree(1))."""

from __future__ import annotations

import os

from ai_workflow.fsio import remove_file, write_file
from ai_workflow.git.runner import Git, git_error
from ai_workflow.models.base import Record


def merge_texts(git: Git, ours: bytes, base: bytes, theirs: bytes, *, temp_dir: str) -> bytes | None:
    """A three-way merge of three texts (git-merge-file(1)); None when they conflict. Raises AiwError(GIT, IO)."""
    names = [os.path.join(temp_dir, f"merge-{os.getpid()}-{side}") for side in ("ours", "base", "theirs")]
    try:
        for name, data in zip(names, (ours, base, theirs), strict=True):
            write_file(name, data, temp_dir=temp_dir, durable=False)
        done = git.run("merge-file", "-p", "-q", *names, ok=None)
    finally:
        for name in names:
            remove_file(name)
    return done.stdout if done.returncode == 0 else None


class MergedTree(Record, frozen=True, kw_only=True):
    """The result of a merge."""

    tree: str
    """Tree id; with conflicts it holds conflict markers and must not be committed as it is."""
    conflicts: tuple[str, ...] = ()
    """Paths that conflict."""


def merge_trees(git: Git, ours: str, theirs: str) -> MergedTree:
    """Merges two commits into a tree.

    Raises:
        AiwError: GIT, for unrelated histories among others.
    """
    done = git.run("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs, ok=None)
    if done.returncode not in (0, 1):
        raise git_error(done, ("merge-tree",))
    fields = [os.fsdecode(field) for field in done.stdout.split(b"\0") if field]
    return MergedTree(tree=fields[0], conflicts=tuple(dict.fromkeys(fields[1:])))
