"""A work tree that a killed or failing git left half-way between two commits (spec §7.2).

Git writes the files of a switch or a fast-forward first and the index after them. Killed in between, its half is taken
for somebody's changes, and the same switch is refused. So `git.refs` notes where a move goes, and whoever finds the
note of a dead one puts the files back; the move can then be made again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from ai_workflow.errors import AiwError
from ai_workflow.folders import remove_empty_folder
from ai_workflow.fsio import find_bytes, remove_file
from ai_workflow.git.commits import changed_paths, read_index_entries, read_tree_entries
from ai_workflow.git.refs import find_commit, split_note
from ai_workflow.git.repository import Repository
from ai_workflow.git.runner import Git, git_error


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


def take_back_failed_move(git: Git, note: str, target: str) -> None:
    """Puts back what a move wrote before it failed, e.g. at a filter of one file or on a full disk.

    Git looks at everything before it writes anything. So where nothing was written since the note, somebody's changes
    were in the way, and they stay; else all that the move concerns had been clean.

    Raises:
        AiwError: GIT, IO.
    """
    since_ns = os.stat(note).st_mtime_ns
    if find_commit(git, "HEAD") is None or find_commit(git, target) is None:
        return
    top = git.line("rev-parse", "--show-toplevel")
    if any(_changed_at_ns(os.path.join(top, path)) >= since_ns for path in changed_paths(git, "HEAD", target)):
        # What made the move fail may forbid this too; the move's own words say more then.
        with contextlib.suppress(AiwError):
            _put_back(git, top, target)


def complete_move(git: Git, note: str) -> None:
    """Writes files that a move which arrived has left as they were before it.

    Raises:
        AiwError: GIT, IO.
    """
    before = split_note(find_bytes(note) or b"")[0].decode("utf-8", "surrogateescape").strip().removeprefix("ref: ")
    if before and find_commit(git, before) is not None:
        _put_back(git, git.line("rev-parse", "--show-toplevel"), before)


def _changed_at_ns(path: str) -> int:
    """When the file was written, or, where there is none, when a name in its folder last came or went."""
    if os.path.lexists(path):
        return os.lstat(path).st_ctime_ns
    folder = os.path.dirname(path)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return os.stat(folder).st_mtime_ns


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
    _check_out(git, [os.fsencode(path) for path in half if old[path] is not None])


def _check_out(git: Git, paths: Sequence[bytes]) -> None:
    """Writes the files from the index; one that cannot be written keeps no other one. Raises AiwError(GIT)."""
    args = ("checkout-index", "--force", "--index", "-z", "--stdin")
    if not paths or git.run(*args, stdin=b"\0".join([*paths, b""]), ok=None).returncode == 0:
        return
    for done in [git.run(*args, stdin=path + b"\0", ok=None) for path in paths]:
        if done.returncode != 0:
            raise git_error(done, args)


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
