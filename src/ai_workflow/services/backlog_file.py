"""The backlog's file as it lies in the work tree (spec §5)."""

from __future__ import annotations

import os

from ai_workflow import fsio
from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.backlog import Backlog
from ai_workflow.plan.backlog import parse_backlog
from ai_workflow.plan.parse import decode_plan


def find_file(root: str, rel: str) -> str:
    """The absolute path of a file that belongs to the repository; a link is followed as long as it stays inside.

    Args:
        rel: POSIX path relative to the root.

    Raises:
        AiwError: IO when it leads out of the root, or into git's own files: the path may stand in a record that came
            with somebody's files.
    """
    path = os.path.realpath(os.path.join(root, *rel.split("/")))
    if not path.startswith(os.path.realpath(root) + os.sep):
        raise AiwError(Kind.IO, f"{rel} leads out of {root}", hint="replace the link by a file of the repository")
    if ".git" in os.path.relpath(path, os.path.realpath(root)).lower().split(os.sep):
        raise AiwError(Kind.IO, f"{rel} belongs to git", hint="see what is wrong: `aiw doctor`")
    return path


def find_text(root: str, rel: str) -> str | None:
    """The whole text, or None when there is no such file.

    Raises:
        AiwError: IO; PLAN with line and byte offset when it is not UTF-8.
    """
    data = fsio.find_bytes(find_file(root, rel))
    return None if data is None else decode_plan(data, rel)


def read_backlog(root: str, plan_dir: str) -> Backlog | None:
    """The backlog, for commands that only show; None when there is no file. Raises as `find_text`."""
    rel = f"{plan_dir}/backlog.md"
    text = find_text(root, rel)
    return None if text is None else parse_backlog(text, path=rel)
