"""Where a project is, and what may not lead out of it (spec §2, §7.7). Imports next to nothing."""

from __future__ import annotations

import os

from ai_workflow.errors import AiwError, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

CONFIG_NAME = ".ai-workflow.yaml"


def find_root(start: str | os.PathLike[str]) -> str | None:
    """The nearest folder, from `start` upward, that holds the config; None when there is none."""
    folder = os.path.abspath(start)
    while not os.path.isfile(os.path.join(folder, CONFIG_NAME)):
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent
    return folder


def open_own(path: str) -> BinaryIO:
    """Opens a derived file of aiw for reading; not through a link, which may have come with a clone and lead anywhere.

    Raises OSError.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    return os.fdopen(os.open(path, flags), "rb")


def require_inside(root: str | os.PathLike[str], rel: str) -> str:
    """The absolute path for a path relative to the root, symbolic links followed.

    Raises:
        AiwError: CONFIG when it lies outside of the root.
    """
    base = os.path.realpath(root)
    target = os.path.realpath(os.path.join(base, *rel.split("/")))
    if target != base and not target.startswith(base.rstrip("/") + "/"):
        from ai_workflow.config.nodes import inert

        raise AiwError(
            Kind.CONFIG,
            f"`{inert(rel)}` leads out of the project, to {inert(target, limit=200)}",
            hint="replace the symbolic link by a folder, or name another path",
        )
    return target
