"""The config as it was last read and found right, so that no YAML is parsed while the file is as it was.

`locks/config.json`, made by commands that write, deletable at any time. It counts while time, size and inode of
`.ai-workflow.yaml` are those of the file that was read, and this is the release that read it. Values that may be
secrets are not copied: a config with `agent.env` or agents of its own is kept without its values.
"""

from __future__ import annotations

import json
import os

from ai_workflow import __version__
from ai_workflow.config.place import CONFIG_NAME, open_own
from ai_workflow.stamps import find_stamp, is_settled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PATH = ("docs", "ai", "workspace", "locks", "config.json")
"""Only the usual place is looked at: finding a moved one needs the config that is to be saved here."""


def read_stamp(root: str) -> list[int] | None:
    """The stamp of the config file, as JSON gives it back; None when there is no file."""
    stamp = find_stamp(os.path.join(root, CONFIG_NAME))
    return None if stamp is None else list(stamp)


def find_cached(root: str) -> dict[str, Any] | None:
    """The fields given to `write_cached` for the config as it is now, or None."""
    try:
        with open_own(os.path.join(root, *_PATH)) as stream:
            cached = json.load(stream)
        is_right = cached["version"] == __version__ and cached["stamp"] == read_stamp(root)
        was_settled = is_settled(int(cached["stamp"][0]), int(cached["written_ns"]))
        return dict(cached["fields"]) if is_right and was_settled else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_cached(root: str, fields: dict[str, Any], *, stamp: list[int] | None, workspace_dir: str, temp: str) -> None:
    """Remembers what a config means.

    Args:
        fields: values for JSON.
        stamp: of the file that was read, taken before it was read.
        temp: folder for temporary files.
    """
    import time

    from ai_workflow.fsio import write_if_changed

    if workspace_dir != "/".join(_PATH[:3]) or stamp is None or stamp != read_stamp(root):
        return
    if find_cached(root) == fields:
        return
    cached = {"version": __version__, "stamp": stamp, "written_ns": time.time_ns(), "fields": fields}
    write_if_changed(os.path.join(root, *_PATH), json.dumps(cached).encode(), temp_dir=temp)
