"""Where a plan lies, and what lies there."""

from __future__ import annotations

import os

from ai_workflow import fsio
from ai_workflow.config.ownership import plan_path
from ai_workflow.errors import AiwError
from ai_workflow.models.plan import Plan
from ai_workflow.services.secret_texts import require_clean_text
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


def find_readable_plan(ws: Workspace, *, is_taken_in: bool = False) -> tuple[Plan | None, str, str | None]:
    """The plan in the usual place, for what does not stand or fall with it.

    Args:
        is_taken_in: whether a state is made of it, so that it may hold no secret.

    Returns:
        The plan and the digest of its bytes, None and an empty text when there is none or it cannot be read; and why
        not, in the latter case.
    """
    from ai_workflow.plan.parse import decode_plan, parse_plan

    path, rel = locate_plan(ws, None)
    try:
        data = fsio.find_bytes(path)
        if data is None:
            return None, "", None
        text = decode_plan(data, path=rel)
        if is_taken_in:
            require_clean_text(ws.config.secrets, text, name=rel, talk=ws.talk)
        return parse_plan(text, path=rel), fsio.sha256_of(data), None
    except AiwError as error:
        return None, "", error.message
