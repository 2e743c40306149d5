"""A work tree that a killed git left half-way between two commits (spec §7.2).

Git writes the files of a switch or a fast-forward first and the index after them. Killed in between, its half is taken
for somebody's changes, and the same switch is refused. So `git.refs` notes where a move goes, and whoever finds the
note of a dead one puts the files back; the move can then be made again.
"""

from __future__ import annotations

import os

from ai_workflow.errors import AiwError
from ai_workflow.fsio import find_bytes, remove_empty_folder, remove_file
from ai_workflow.git.commits import changed_paths, read_index_entries, read_tree_entries
from ai_workflow.git.refs import find_commit, split_note
from ai_workflow.git.repository import Repository
from ai_workflow.git.runner import Git


def take_back_half_move(repository: Repository, note: str) -> None:
    """Puts back what a dead move wrote into the work tree, and removes its note; without a note nothing happens.

    A file is put back only where HEAD and the index still hold the old side and the file holds the new one, or the
    beginning of it, or is gone: the move had required it to be clean. Anything else was edited since and stays.

    Args:
        note: path of the note.

    Raises:
        AiwError: GIT, IO.
    """
    data = find_bytes(note)
    if data is None:
        return
    head, target = split_note(data)
    git = repository.git
    if find_bytes(os.path.join(repository.git_dir, "HEAD")) == head and find_commit(git, target) is not None:
        _put_back(git, repository.top, target)
    remove_file(note)


def _put_back(git: Git, top: str, target: str) -> None:
    paths = changed_paths(git, "HEAD", target)
    old, new = read_tree_entries(git, "HEAD", paths), read_tree_entries(git, target, paths)
    index = read_index_entries(git, paths)
    half = [path for path in paths if index[path] == old[path] and _is_of_move(git, top, path, target, new[path])]
    for path in half:
        full = os.path.join(top, path)
        if old[path] is None and os.path.lexists(full):
            remove_file(full)
            remove_empty_folder(os.path.dirname(full))
    names = b"".join(os.fsencode(path) + b"\0" for path in half if old[path] is not None)
    if names:
        git.run("checkout-index", "--force", "--index", "-z", "--stdin", stdin=names)


def _is_of_move(git: Git, top: str, path: str, target: str, entry: str | None) -> bool:
    """Whether the file is as the move made it, or left it on the way: gone, or the beginning of the new one."""
    full = os.path.join(top, path)
    if not os.path.lexists(full):
        return True
    if entry is None:
        return False
    if os.path.islink(full):
        return git.run("cat-file", "blob", entry.split(" ")[1]).stdout == os.fsencode(os.readlink(full))
    try:
        current = find_bytes(full)
    except AiwError:
        return False  # A folder, such as a submodule.
    whole = git.run("cat-file", "--filters", f"{target}:{path}", ok=None)
    return current is not None and whole.returncode == 0 and whole.stdout.startswith(current)
