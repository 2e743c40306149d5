"""Puts uncommitted work aside and brings it back, byte for byte (spec §6.7).

A saved work is one commit on a ref of aiw's own, whose tree holds

    work/…      what lay in the work tree, raw bytes without git's filters
    index/…     what was staged, where that differed from HEAD
    paths.json  every path with its entry in HEAD, in the index and in the work tree

so that a person can look at it with plain git, e.g. `git show refs/aiw/parked/TASK-001:work/src/parser.py`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from ai_workflow import fsio
from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.commits import read_tree_entries, set_index_entries, write_blob
from ai_workflow.git.refs import find_commit, move_ref
from ai_workflow.git.repository import Repository
from ai_workflow.git.runner import Git
from ai_workflow.git.status import Entry, describe_path, key_to_path, path_to_key, show_path
from ai_workflow.models.base import Record
from ai_workflow.models.lane import DirtyPath

_DURABLE = ("-c", "core.fsync=all")
"""Git leaves loose objects to the system by default; the only copy of somebody's work is worth a sync."""
IDENTITY = {
    "GIT_AUTHOR_NAME": "aiw",
    "GIT_AUTHOR_EMAIL": "aiw@localhost",
    "GIT_COMMITTER_NAME": "aiw",
    "GIT_COMMITTER_EMAIL": "aiw@localhost",
}
"""Of commits that nobody publishes, so that they need no identity of the user's."""
_MODES = {"100644": 0o644, "100755": 0o755}


class SavedPath(Record, frozen=True, kw_only=True):
    """One path of a saved work; entries are `<mode> <blob>`, None where the path is not there."""

    path: str
    """As `git.status.path_to_key` stores it, relative to the top."""
    head: str | None
    index: str | None
    work: str | None
    seen: str
    """The fingerprint's blob, by which the work tree is compared before anything is removed."""


class SavedWork(Record, frozen=True, kw_only=True):
    """What was put aside."""

    commit: str
    paths: tuple[SavedPath, ...]


class Restored(Record, frozen=True, kw_only=True):
    """What came back, and what could not, by path relative to the top."""

    paths: tuple[str, ...]
    kept_back: tuple[str, ...]
    """Changed by a commit since: they stay as they are, and the saved version stays on its ref."""


def save_work(
    repository: Repository,
    *,
    head: str,
    entries: Mapping[str, Entry],
    fingerprints: Mapping[str, DirtyPath],
    ref: str,
    message: str,
) -> SavedWork:
    """Stores what lies in the work tree and in the index at these paths; changes neither.

    Args:
        entries, fingerprints: of exactly the paths to save.
        ref: full name of the ref that will hold it; what it holds already becomes a parent, so nothing is lost.

    Raises:
        AiwError: GIT, IO; and GIT for a submodule, whose work lies in another repository.
    """
    moved = [path for path, dirty in fingerprints.items() if dirty.mode == "160000"]
    if moved:
        raise AiwError(
            Kind.GIT,
            f"the submodule {show_path(moved[0])} has changed, and its work cannot be put aside from here",
            hint=f"finish or undo it there: git -C {show_path(moved[0])} status",
        )
    git = repository.git
    saved = describe_work(
        git, head=head, entries=entries, fingerprints=fingerprints, blobs=_store_blobs(repository, fingerprints)
    )
    commit = _store_commit(git, head, saved, ref=ref, message=message)
    return SavedWork(commit=commit, paths=saved)


def describe_work(
    git: Git,
    *,
    head: str,
    entries: Mapping[str, Entry],
    fingerprints: Mapping[str, DirtyPath],
    blobs: Mapping[str, str],
) -> tuple[SavedPath, ...]:
    """What lies at these paths, in HEAD, index and work tree.

    Args:
        blobs: path → id under which the bytes of the work tree are stored; paths that are not there have none.
    """
    in_head = read_tree_entries(git, head, list(entries))
    return tuple(
        SavedPath(
            path=path_to_key(path),
            head=in_head[path],
            index=entry.index or None,
            work=f"{fingerprints[path].mode} {blobs[path]}" if path in blobs else None,
            seen=fingerprints[path].blob,
        )
        for path, entry in entries.items()
    )


def _store_blobs(repository: Repository, fingerprints: Mapping[str, DirtyPath]) -> dict[str, str]:
    """Path → blob id of the raw bytes, for everything that is there."""
    git = repository.git
    files = [path for path, dirty in fingerprints.items() if dirty.mode in _MODES and "\n" not in path]
    data = b"".join(os.fsencode(path) + b"\n" for path in files)
    made: dict[str, str] = {}
    if files:
        done = git.run(*_DURABLE, "hash-object", "-w", "--no-filters", "--stdin-paths", stdin=data)
        made = dict(zip(files, done.stdout.decode().split("\n"), strict=False))
    for path, dirty in fingerprints.items():
        full = os.path.join(repository.top, path)
        if dirty.mode == "120000":
            made[path] = write_blob(git, os.fsencode(os.readlink(full)))
        elif dirty.mode in _MODES and path not in made:
            made[path] = write_blob(git, fsio.read_bytes(full))
    return made


def _store_commit(git: Git, head: str, saved: Sequence[SavedPath], *, ref: str, message: str) -> str:
    lines: dict[str, str] = {"paths.json": f"100644 {write_blob(git, msgspec.json.encode(saved))}"}
    for one in saved:
        path = key_to_path(one.path)
        if one.work is not None:
            lines[f"work/{path}"] = one.work
        if one.index is not None and one.index != one.head:
            lines[f"index/{path}"] = one.index
    with _empty_index(git) as env:
        set_index_entries(git, dict(lines), env=env)
        tree = git.line(*_DURABLE, "write-tree", env=env)
    old = find_commit(git, ref)
    parents = [arg for parent in (head, old) if parent for arg in ("-p", parent)]
    commit = git.line(*_DURABLE, "commit-tree", tree, *parents, "-m", message, env=IDENTITY)
    if not move_ref(git, ref, new=commit, old=old, reason=message):
        raise AiwError(Kind.GIT, f"{ref} moved in the same moment", hint="run the same command again")
    return commit


@contextlib.contextmanager
def _empty_index(git: Git) -> Iterator[dict[str, str]]:
    path = os.path.join(git.line("rev-parse", "--absolute-git-dir"), f"aiw-index-saved-{os.getpid()}")
    try:
        yield {"GIT_INDEX_FILE": path}
    finally:
        for name in (path, f"{path}.lock"):
            fsio.remove_file(name)


def read_saved_work(git: Git, commit: str) -> SavedWork:
    """What a commit of `save_work` holds. Raises AiwError(GIT), or CORRUPT when it is none."""
    data = git.run("cat-file", "blob", f"{commit}:paths.json").stdout
    try:
        paths = msgspec.json.decode(data, type=tuple[SavedPath, ...])
    except msgspec.DecodeError as error:
        raise AiwError(Kind.CORRUPT, f"{commit[:10]} holds no saved work that can be read: {error}") from error
    return SavedWork(commit=commit, paths=paths)


def clear_work(repository: Repository, saved: Sequence[SavedPath]) -> tuple[str, ...]:
    """Brings work tree and index back to HEAD at the saved paths. Repeating it is harmless.

    Only what still is as it was saved is removed.

    Returns:
        Paths that somebody changed since; they are left as they are.
    """
    changed: list[str] = []
    entries: dict[str, str | None] = {}
    for one in saved:
        path = key_to_path(one.path)
        now = describe_path(repository.top, Entry(path=path))
        if now.mode == "absent" or _is_as_saved(one, now):
            entries[path] = one.head
            if now.mode != "absent":
                _remove(repository.top, path)
        elif f"{now.mode} {now.blob}" != one.head:
            changed.append(path)
    git = repository.git
    set_index_entries(git, entries)
    back = b"".join(os.fsencode(path) + b"\0" for path, entry in entries.items() if entry is not None)
    if back:
        git.run("checkout-index", "--force", "--index", "-z", "--stdin", stdin=back)
    return tuple(changed)


def _is_as_saved(one: SavedPath, now: DirtyPath) -> bool:
    return one.work is not None and now.mode == one.work.split(" ")[0] and now.blob == one.seen


def _remove(top: str, path: str) -> None:
    """Removes the file and the folders that become empty, as git does on a switch."""
    fsio.remove_file(os.path.join(top, path))
    folder = os.path.dirname(path)
    while folder:
        try:
            os.rmdir(os.path.join(top, folder))
        except OSError:
            return
        folder = os.path.dirname(folder)


def find_in_the_way(
    repository: Repository, saved: SavedWork, dirty: Mapping[str, Entry], *, head: str
) -> tuple[str, ...]:
    """What lies uncommitted where the saved work goes, other than the saved work itself: ignored files count too.

    Args:
        dirty: what differs from HEAD.
        head: the commit that HEAD is at; what it holds clean is not in the way.
    """
    names = {key_to_path(one.path) for one in saved.paths}
    in_head = read_tree_entries(repository.git, head, list(names))
    found = []
    for one in saved.paths:
        path = key_to_path(one.path)
        now = describe_path(repository.top, Entry(path=path))
        is_there = now.mode != "absent" and (path in dirty or in_head[path] is None)
        if is_there and one.work is not None and os.path.isdir(os.path.join(repository.top, path)):
            found += [inside for inside in _files_below(repository.top, path) if inside not in names]
        elif is_there and not _is_as_saved(one, now):
            found.append(path)
        elif one.work is not None and (blocking := _find_file_above(repository.top, path)) not in (None, *names):
            found.append(blocking or path)
    return tuple(dict.fromkeys(found))


def _files_below(top: str, path: str) -> list[str]:
    """What lies in a folder; the folder itself when it is a repository of its own or cannot be looked into."""
    found = []
    for parent, _folders, names in os.walk(os.path.join(top, path)):
        found += [os.path.relpath(os.path.join(parent, name), top).replace(os.sep, "/") for name in names]
    return found


def _find_file_above(top: str, path: str) -> str | None:
    """A file or link that stands where a folder of the path must be, or None."""
    folder = os.path.dirname(path)
    while folder:
        full = os.path.join(top, folder)
        if os.path.lexists(full) and (os.path.islink(full) or not os.path.isdir(full)):
            return folder
        folder = os.path.dirname(folder)
    return None


def restore_work(repository: Repository, saved: SavedWork, *, head: str, temp_dir: str) -> Restored:
    """Brings the work tree and the index to what was saved, where HEAD still holds what it held then.

    Repeating it is harmless. Call `find_in_the_way` first: what lies at these paths is replaced.

    Args:
        head: commit that HEAD is at.
        temp_dir: folder for unfinished files, outside of what git sees.

    Raises:
        AiwError: GIT, IO.
    """
    git = repository.git
    in_head = read_tree_entries(git, head, [key_to_path(one.path) for one in saved.paths])
    back: list[SavedPath] = []
    kept_back: list[str] = []
    for one in saved.paths:
        if in_head[key_to_path(one.path)] in (one.head, one.work):
            back.append(one)
        else:
            kept_back.append(key_to_path(one.path))
    contents = _read_blobs(git, [one.work.split(" ")[1] for one in back if one.work])
    for one in back:
        if one.work is None:
            _remove(repository.top, key_to_path(one.path))
    for one in back:
        if one.work is not None:
            mode, blob = one.work.split(" ")
            _write(repository, key_to_path(one.path), mode, contents[blob], temp_dir=temp_dir)
    set_index_entries(git, {key_to_path(one.path): one.index for one in back if one.index != one.head})
    return Restored(paths=tuple(key_to_path(one.path) for one in back), kept_back=tuple(kept_back))


def _read_blobs(git: Git, blobs: Sequence[str]) -> dict[str, bytes]:
    """Blob id → bytes, by one process (git-cat-file(1), `--batch`)."""
    wanted = list(dict.fromkeys(blobs))
    if not wanted:
        return {}
    data = git.run("cat-file", "--batch", stdin="".join(f"{blob}\n" for blob in wanted).encode()).stdout
    found: dict[str, bytes] = {}
    at = 0
    for blob in wanted:
        end = data.index(b"\n", at)
        size_bytes = int(data[at:end].split(b" ")[2])
        found[blob] = data[end + 1 : end + 1 + size_bytes]
        at = end + 1 + size_bytes + 1
    return found


def _write(repository: Repository, path: str, mode: str, data: bytes, *, temp_dir: str) -> None:
    full = os.path.join(repository.top, path)
    if mode == "120000":
        with fsio.translated("write", full):
            os.makedirs(os.path.dirname(full), exist_ok=True)
            if os.path.lexists(full):
                os.unlink(full)
            os.symlink(os.fsdecode(data), full)
        return
    if os.path.islink(full):
        fsio.remove_file(full)
    fsio.write_file(full, data, temp_dir=temp_dir, durable=False)
    with fsio.translated("set the mode of", full):
        bits = os.stat(full).st_mode
        os.chmod(full, bits | 0o111 if mode == "100755" else bits & ~0o111)
