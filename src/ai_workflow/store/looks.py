"""Looks at thousands of files at once, to tell which are as they were: time, size and inode of each (`stamps`)."""

from __future__ import annotations

import os

from ai_workflow.stamps import RACY_NS

Looks = list[list[int]]
"""Times (ns), sizes and inodes of some files, three lists in the order of their names."""
UNSETTLED = -2
"""In place of the time of a file that may change once more and look the same: it never equals that of a look."""
_GONE = -1


def look_at(folder: str, names: list[str]) -> Looks:
    """The looks of files in a folder; -1 for one that is gone."""
    try:
        infos = _stat_all(folder, names)
    except OSError:
        infos = [_find_info(f"{folder}/{name}") for name in names]
    return [
        [info.st_mtime_ns if info else _GONE for info in infos],
        [info.st_size if info else _GONE for info in infos],
        [info.st_ino if info else _GONE for info in infos],
    ]


def _stat_all(folder: str, names: list[str]) -> list[os.stat_result | None]:
    # Relative to the open folder: the kernel need not walk the path for each of thousands.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        stat = os.stat
        return [stat(name, dir_fd=descriptor) for name in names]
    finally:
        os.close(descriptor)


def _find_info(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def find_changed(was: Looks, now: Looks) -> list[int]:
    """Places of the files that look different; both looks are at the same names."""
    if was == now:
        return []
    rows = zip(zip(*was, strict=True), zip(*now, strict=True), strict=True)
    return [place for place, (before, after) in enumerate(rows) if before != after]


def settled_time(time_ns: int, now_ns: int) -> int:
    """The time, unless a file of that time, looked at now, may still change unseen (git's racy rule)."""
    return time_ns if now_ns - time_ns > RACY_NS else UNSETTLED
