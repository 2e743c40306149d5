"""What differs from HEAD, from one `git status --porcelain=v2 -z` (git-status(1), porcelain format version 2)."""

from __future__ import annotations

import hashlib
import os
import stat
import time

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.runner import Git
from ai_workflow.models.base import Record
from ai_workflow.models.lane import DirtyPath

_TICK_NS = 50_000_000


class Entry(Record, frozen=True, kw_only=True):
    """One path that is not as in HEAD."""

    path: str
    """Relative to the top, as file-system text (surrogate escapes for bytes that are not UTF-8)."""
    is_untracked: bool = False
    is_unmerged: bool = False
    submodule: str = "N..."
    """Git's four letters, `S<c><m><u>` for a submodule."""
    index: str = ""
    """`<mode> <blob>` in the index; empty when it is not there."""
    is_staged: bool = False
    """Whether the index differs from HEAD."""
    is_removed: bool = False
    """Whether the index lost it and git sees nothing new there: the file is gone, or lies there ignored."""
    is_untracked_again: bool = False
    """Whether the index lost it and a file that is not ignored lies there: `git rm --cached`, or made anew."""


class TreeStatus(Record, frozen=True, kw_only=True):
    """HEAD and everything that differs from it."""

    head: str | None
    """Commit id; None when HEAD is unborn."""
    branch: str | None
    """Short branch name; None when HEAD is detached."""
    entries: dict[str, Entry]
    """Path → entry, ignored paths left out."""
    nested: tuple[str, ...] = ()
    """Untracked folders that are repositories of their own."""

    @property
    def head_ref(self) -> str | None:
        """Full name of the branch that HEAD is on; the commit when it is detached."""
        return f"refs/heads/{self.branch}" if self.branch else self.head


def read_status(git: Git) -> TreeStatus:
    """The work tree now. Takes none of git's locks. Raises AiwError(GIT)."""
    done = git.run(
        "status",
        "--porcelain=v2",
        "-z",
        "--branch",
        "--untracked-files=all",
        "--no-renames",
        "--ignore-submodules=none",
    )
    return parse_status(done.stdout)


def parse_status(data: bytes) -> TreeStatus:
    """Parses porcelain version 2 with `-z` and `--no-renames`. Pure."""
    head: str | None = None
    branch: str | None = None
    entries: dict[str, Entry] = {}
    nested: list[str] = []
    for field in data.split(b"\0"):
        text = os.fsdecode(field)
        if text.startswith("# branch.oid "):
            head = None if text.endswith("(initial)") else text[13:]
        elif text.startswith("# branch.head "):
            branch = None if text == "# branch.head (detached)" else text[14:]
        elif text.startswith("? "):
            path = text[2:]
            if path.endswith("/"):
                nested.append(path)
            elif path in entries:
                entries[path] = replace(entries[path], is_removed=False, is_untracked_again=True)
            else:
                entries[path] = Entry(path=path, is_untracked=True)
        elif text.startswith("1 "):
            entry = _parse_changed(text)
            entries[entry.path] = entry
        elif text.startswith("u "):
            path = text.split(" ", 10)[10]
            entries[path] = Entry(path=path, is_unmerged=True)
    return TreeStatus(head=head, branch=branch, entries=entries, nested=tuple(nested))


def _parse_changed(text: str) -> Entry:
    _, xy, submodule, _mode_head, mode_index, _mode_tree, _id_head, id_index, path = text.split(" ", 8)
    return Entry(
        path=path,
        submodule=submodule,
        index="" if mode_index == "000000" else f"{mode_index} {id_index}",
        is_staged=xy[0] != ".",
        is_removed=xy == "D.",
    )


def describe_path(top: str, entry: Entry, *, known: DirtyPath | None = None) -> DirtyPath:
    """Fingerprint of what lies in the work tree: mode and blob of the raw bytes, without git's filters.

    Args:
        known: an earlier fingerprint; when size and time agree with it the bytes are not read again.

    Raises:
        AiwError: IO when the file cannot be read.
    """
    full = os.path.join(top, entry.path)
    try:
        info = os.lstat(full)
    except (FileNotFoundError, NotADirectoryError):
        return DirtyPath(mode="absent", blob="", index=entry.index)
    if _is_beyond_link(top, entry.path):
        return DirtyPath(mode="absent", blob="", index=entry.index)
    if stat.S_ISDIR(info.st_mode):
        return DirtyPath(mode="160000", blob=f"{entry.submodule} {_submodule_head(full)}", index=entry.index)
    if known and known.size_bytes == info.st_size and known.mtime_ns == info.st_mtime_ns and known.mode != "absent":
        blob = known.blob
    else:
        blob = _blob_of(full, info)
    # Written within the file system's clock tick: the next change may carry the same time, so it must be read again.
    is_racy = time.time_ns() - info.st_mtime_ns < _TICK_NS
    mtime_ns = 0 if is_racy else info.st_mtime_ns
    return DirtyPath(mode=_mode_of(info), blob=blob, index=entry.index, size_bytes=info.st_size, mtime_ns=mtime_ns)


def _is_beyond_link(top: str, path: str) -> bool:
    """Whether a folder on the way is a symbolic link: what lies behind it is another file, as git sees it too."""
    folder = os.path.dirname(path)
    while folder:
        if os.path.islink(os.path.join(top, folder)):
            return True
        folder = os.path.dirname(folder)
    return False


def is_same_content(one: DirtyPath, other: DirtyPath) -> bool:
    """Whether two fingerprints show the same file. Pure."""
    return one.mode == other.mode and one.blob == other.blob


def _mode_of(info: os.stat_result) -> str:
    if stat.S_ISLNK(info.st_mode):
        return "120000"
    return "100755" if info.st_mode & stat.S_IXUSR else "100644"


def _blob_of(path: str, info: os.stat_result) -> str:
    if stat.S_ISLNK(info.st_mode):
        target = os.fsencode(os.readlink(path))
        return hashlib.sha1(b"blob %d\0" % len(target) + target, usedforsecurity=False).hexdigest()
    if not stat.S_ISREG(info.st_mode):
        return "special"
    digest = hashlib.sha1(b"blob %d\0" % info.st_size, usedforsecurity=False)
    try:
        with open(path, "rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise AiwError(Kind.IO, f"cannot read {path}: {error.strerror}") from error
    return digest.hexdigest()


def _submodule_head(path: str) -> str:
    return Git(path).find_line("rev-parse", "--verify", "-q", "HEAD") or "none"


def path_to_key(path: str) -> str:
    """A path as it may be stored in JSON: itself, or NUL and hexadecimal when its bytes are not UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "\0" + os.fsencode(path).hex()
    return path


def key_to_path(key: str) -> str:
    """The inverse of `path_to_key`."""
    return os.fsdecode(bytes.fromhex(key[1:])) if key.startswith("\0") else key


def show_path(path: str) -> str:
    """A path for people: control characters and undecodable bytes escaped as in git's quoting."""
    if path.isprintable():
        return path
    quoted = "".join(
        char if char.isprintable() else "".join(f"\\{byte:03o}" for byte in os.fsencode(char)) for char in path
    )
    return f'"{quoted}"'
