"""Lock files that a git of a killed command left behind (spec §7.2).

Git makes `X.lock`, writes it and renames it to X; killed in between it leaves the file, and every later git refuses
until somebody deletes it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

from ai_workflow.fsio import remove_file
from ai_workflow.git.repository import Repository
from ai_workflow.stamps import Stamp, stamp_of

_PAUSE_S = 0.2
_OWN_PREFIX = "aiw"
_DAEMON = b"fsmonitor--daemon"
"""A git that runs for ever, and locks nothing."""


def clear_left_locks(repository: Repository, *, since_ns: int) -> bool:
    """Removes lock files of git that a killed command of ours left.

    One is ours only if it is not older than the lock on git effects that the command died with, no git is at work in
    the repository, nobody has the file open, and it stands unchanged while we look. Everything else stays: git itself
    names it when it is in the way, and `doctor` does. Only Linux can tell who is at work.

    Args:
        since_ns: when the command that died took the lock on git effects, by the clock of the file system.

    Returns:
        Whether none is left that may be ours. Raises AiwError(IO) when one cannot be removed.
    """
    first = _find_locks(repository, since_ns)
    if not first:
        return True
    time.sleep(_PAUSE_S)
    second = _find_locks(repository, since_ns)
    if second != first or _is_in_use(repository, set(first)):
        return False
    for path in first:
        remove_file(path)
    return True


def find_lock_files(repository: Repository) -> Iterator[str]:
    """Every lock file of git for this work tree: of the index, of HEAD, of the configuration, of references."""
    for folder in dict.fromkeys((repository.git_dir, repository.common_dir)):
        for name in _names(folder):
            if name.endswith(".lock") and not name.startswith(_OWN_PREFIX):
                yield os.path.join(folder, name)
        for parent, _folders, names in os.walk(os.path.join(folder, "refs")):
            yield from (os.path.join(parent, name) for name in names if name.endswith(".lock"))


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _find_locks(repository: Repository, since_ns: int) -> dict[str, Stamp]:
    """Path → what shows a change, of the lock files that are not older."""
    found = {}
    for path in find_lock_files(repository):
        try:
            info = os.lstat(path)
        except OSError:
            continue
        if info.st_mtime_ns >= since_ns:
            found[path] = stamp_of(info)
    return found


def _is_in_use(repository: Repository, paths: set[str]) -> bool:
    """Whether a git works in the repository, or any process that we may ask has one of the files open."""
    if not sys.platform.startswith("linux"):
        return True
    folders = tuple(os.path.realpath(path) for path in (repository.top, repository.git_dir, repository.common_dir))
    real = {os.path.realpath(path) for path in paths}
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid() and (_is_git_in(name, folders) or _has_open(name, real)):
            return True
    return False


def _is_git_in(pid: str, folders: tuple[str, ...]) -> bool:
    try:
        with open(f"/proc/{pid}/comm", "rb") as stream:
            if not stream.read().startswith(b"git"):
                return False
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            if not (words := stream.read()) or _DAEMON in words:
                return False
        place = os.readlink(f"/proc/{pid}/cwd")
    except (FileNotFoundError, ProcessLookupError):
        return False
    except OSError:
        return True  # Somebody else's git, which may not be asked where it works.
    return any(place == folder or place.startswith(f"{folder}/") for folder in folders)


def _has_open(pid: str, paths: set[str]) -> bool:
    try:
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False
    for descriptor in descriptors:
        try:
            if os.readlink(f"/proc/{pid}/fd/{descriptor}") in paths:
                return True
        except OSError:
            continue
    return False
