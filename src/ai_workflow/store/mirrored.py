"""Remembers which mirrors are as they should be, `locks/mirrored-tasks.json` and the like.

As with make(1): while neither what a mirror is made of nor its file has changed it need not be made again, and of
thousands few have. The file can be deleted at any time, and counts for nothing when it is damaged or of another version
of aiw; it is not synced.
"""

from __future__ import annotations

import json
import os

from ai_workflow import __version__
from ai_workflow.config.place import open_own
from ai_workflow.fsio import write_file
from ai_workflow.store.layout import Layout
from ai_workflow.store.looks import Looks, find_changed, look_at, settled_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def find_mirrored(layout: Layout, folder: str, sums: Mapping[str, int]) -> dict[str, str]:
    """Id → file name of each mirror that is as it should be.

    Args:
        folder: that of the mirrors, in the workspace.
        sums: id → checksum of all that the mirror is made of.
    """
    try:
        with open_own(_path(layout, folder)) as stream:
            version, ids, names, was, looks = json.load(stream)
        if version != __version__ or not len(ids) == len(names) == len(was) == len(looks[0]):
            return {}
        changed = set(find_changed(looks, look_at(os.path.join(layout.workspace, folder), names)))
        return {
            record_id: name
            for place, (record_id, name, sum_then) in enumerate(zip(ids, names, was, strict=True))
            if place not in changed and sums.get(record_id) == sum_then
        }
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return {}


def remember_mirrored(
    layout: Layout, folder: str, sums: Mapping[str, int], names: Mapping[str, str], *, since_ns: int
) -> None:
    """Remembers mirrors that were found to be right, or made; the latter count only when they are found again.

    Args:
        folder, sums: as for `find_mirrored`.
        names: id → file name, of the same ids.
        since_ns: before the first was looked at: whoever edits one meanwhile must not be believed.

    Raises:
        AiwError: IO.
    """
    files = list(names.values())
    times, sizes, inodes = look_at(os.path.join(layout.workspace, folder), files)
    looks: Looks = [[settled_time(time_ns, since_ns) for time_ns in times], sizes, inodes]
    rows = [__version__, list(names), files, [sums[record_id] for record_id in names], looks]
    data = json.dumps(rows, separators=(",", ":")).encode()
    write_file(_path(layout, folder), data, temp_dir=layout.temp, durable=False)


def _path(layout: Layout, folder: str) -> str:
    return os.path.join(layout.locks, f"mirrored-{folder}.json")
