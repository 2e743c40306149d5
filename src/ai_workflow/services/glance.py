"""Opens a workspace for looking only: no records, no YAML when the config was read before, no writes."""

from __future__ import annotations

import json
import os
from typing import Any

from ai_workflow.store.layout import Layout
from ai_workflow.store.rows import Rows

CONFIG_NAME = ".ai-workflow.yaml"
_CACHE = ("docs", "ai", "workspace", "locks", "config.json")
"""Only the usual place is looked at: finding a moved one needs the config that is to be saved here."""


class Glance:
    """A workspace being looked at.

    Attributes:
        root: the folder with the config.
        prefix: what stands before `aiw` in suggested commands, e.g. `uv run `.
        rows: the state.
        plan_dir: the folder of plan and backlog, relative to the root.
    """

    def __init__(self, root: str) -> None:
        settings = _settings(root)
        self.root = root
        self.plan_dir: str = settings["plan_dir"]
        self.prefix: str = settings["prefix"]
        self.layout = Layout(settings["state_root"], workspace_rel=settings["workspace_dir"])
        self.rows = Rows(self.layout)

    def command(self, text: str) -> str:
        """A command to suggest."""
        return f"{self.prefix}aiw {text}"


def open_glance(start: str) -> Glance:
    """The workspace of the nearest folder upward that holds a config.

    Raises:
        AiwError: CONFIG when there is none, or the config is wrong.
    """
    folder = os.path.abspath(start)
    while not os.path.isfile(os.path.join(folder, CONFIG_NAME)):
        parent = os.path.dirname(folder)
        if parent == folder:
            from ai_workflow.config.load import explain_no_workspace

            raise explain_no_workspace(start)
        folder = parent
    return Glance(folder)


def _stamp(root: str) -> list[int]:
    info = os.stat(os.path.join(root, CONFIG_NAME))
    return [info.st_mtime_ns, info.st_size, info.st_ino]


def _settings(root: str) -> dict[str, Any]:
    """The few settings that showing needs, from the cache when the config is as it was."""
    try:
        with open(os.path.join(root, *_CACHE), "rb") as stream:
            cached = json.load(stream)
        if cached["stamp"] == _stamp(root) and not _is_racy(cached):
            return {key: str(cached[key]) for key in ("prefix", "workspace_dir", "plan_dir", "state_root")}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    from ai_workflow.services.workspace import open_workspace

    ws = open_workspace(root)
    return {
        "prefix": ws.command_prefix,
        "workspace_dir": ws.config.workspace_dir,
        "plan_dir": ws.config.plan_dir,
        "state_root": ws.layout.root,
    }


def _is_racy(cached: dict[str, Any]) -> bool:
    """Whether the config may have changed within the clock tick in which the cache was written, as with git's index."""
    return int(cached["written_ns"]) - int(cached["stamp"][0]) < 20_000_000


def write_cache(root: str, *, prefix: str, workspace_dir: str, plan_dir: str, state_root: str, temp_dir: str) -> None:
    """Remembers the settings of a config that was just read and found right; only called by writing commands."""
    import time

    from ai_workflow.fsio import write_if_changed

    path = os.path.join(root, *_CACHE)
    if workspace_dir != "/".join(_CACHE[:3]):
        return
    stamp = _stamp(root)
    try:
        with open(path, "rb") as stream:
            cached = json.load(stream)
        if cached["stamp"] == stamp and "plan_dir" in cached and not _is_racy(cached):
            return
    except (OSError, ValueError, KeyError, TypeError):
        pass
    cached = {
        "stamp": stamp,
        "written_ns": time.time_ns(),
        "prefix": prefix,
        "workspace_dir": workspace_dir,
        "plan_dir": plan_dir,
        "state_root": state_root,
    }
    write_if_changed(path, json.dumps(cached).encode(), temp_dir=temp_dir)
