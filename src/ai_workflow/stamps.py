"""What tells one version of a file from another without reading it: time, size and inode."""

from __future__ import annotations

import os

Stamp = tuple[int, int, int]
"""Time of the last change (ns), size (bytes), inode."""
_RACY_NS = 20_000_000
"""A file that was written within this time of being looked at may change once more and look the same: clocks of file
systems tick in milliseconds (git's racy rule)."""
_COARSE_RACY_NS = 2_000_000_000
"""The same where times are whole seconds (HFS+, older NFS and file servers) or even ones (FAT)."""
_SECOND_NS = 1_000_000_000


def is_settled(time_ns: int, now_ns: int) -> bool:
    """Whether a file of this time, looked at now, cannot change any more and look the same."""
    racy_ns = _RACY_NS if time_ns % _SECOND_NS else _COARSE_RACY_NS
    return now_ns - time_ns > racy_ns


def stamp_of(info: os.stat_result) -> Stamp:
    """The stamp in what the operating system says of a file."""
    return info.st_mtime_ns, info.st_size, info.st_ino


def find_stamp(path: str) -> Stamp | None:
    """The stamp of a file or folder now; None when it cannot be looked at."""
    try:
        return stamp_of(os.stat(path))
    except OSError:
        return None
