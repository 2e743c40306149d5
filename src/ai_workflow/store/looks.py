"""Looks at thousands of files at once, to tell which are as they were: time, size and inode of each (`stamps`)."""

from __future__ import annotations

import os

from ai_workflow.stamps import is_settled, stamp_of

Looks = list[list[int]]
"""Times (ns), sizes and inodes of some files, three lists in the order of their names."""
UNSETTLED = -2
"""In place of the time of a file that may change once more and look the same: it never equals that of a look."""
_GONE = -1


def look_at(folder: str, names: list[str]) -> Looks:
    """The looks of files in a folder; -1 for one that is gone."""
    try:
        return _look_at_all(folder, names)
    except OSError:
        return [list(part) for part in zip(*(_look(f"{folder}/{name}") for name in names), strict=True)] or [[], [], []]


def _look_at_all(folder: str, names: list[str]) -> Looks:
    times: list[int] = []
    sizes: list[int] = []
    inodes: list[int] = []
    # Relative to the open folder: the kernel need not walk the path for each of thousands.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        for name in names:
            # Not through a link: one in the place of a file is damage, whatever it leads to.
            info = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            times.append(info.st_mtime_ns)
            sizes.append(info.st_size)
            inodes.append(info.st_ino)
    finally:
        os.close(descriptor)
    return [times, sizes, inodes]


def _look(path: str) -> tuple[int, int, int]:
    try:
        return stamp_of(os.lstat(path))
    except OSError:
        return _GONE, _GONE, _GONE


def find_changed(was: Looks, now: Looks) -> list[int]:
    """Places of the files that look different; both looks are at the same names."""
    if was == now:
        return []
    rows = zip(zip(*was, strict=True), zip(*now, strict=True), strict=True)
    return [place for place, (before, after) in enumerate(rows) if before != after]


def settled_time(time_ns: int, now_ns: int) -> int:
    """The time, unless a file of that time, looked at now, may still change unseen (git's racy rule)."""
    return time_ns if is_settled(time_ns, now_ns) else UNSETTLED
