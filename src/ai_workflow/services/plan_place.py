"""Where a plan lies."""

from __future__ import annotations

import os

from ai_workflow.config.ownership import plan_path
from ai_workflow.services.workspace import Workspace


def locate_plan(ws: Workspace, path: str | None) -> tuple[str, str]:
    """Absolute path of a plan, and its path relative to the root; see `load_plan`."""
    if path is None:
        rel = plan_path(ws.config)
        return os.path.join(ws.root, *rel.split("/")), rel
    here = os.path.abspath(path)
    in_root = os.path.join(ws.root, path)
    full = here if os.path.exists(here) or not os.path.exists(in_root) else in_root
    return full, os.path.relpath(full, ws.root).replace(os.sep, "/")
