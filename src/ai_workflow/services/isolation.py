"""A checkout of the candidate tree alone, for those who want their checks pure (`checks.isolation: worktree`)."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

from ai_workflow.services.workspace import Workspace

_PREFIX = "aiw-check-"
_IDENTITY = {
    "GIT_AUTHOR_NAME": "aiw",
    "GIT_AUTHOR_EMAIL": "aiw@localhost",
    "GIT_COMMITTER_NAME": "aiw",
    "GIT_COMMITTER_EMAIL": "aiw@localhost",
}


@contextlib.contextmanager
def folder_for_checks(ws: Workspace, *, head: str, tree: str) -> Iterator[str]:
    """The folder in which checks run: the root, or its twin in a temporary work tree that holds exactly `tree`.

    What is ignored or untracked (installed packages, build output) is not there; that is what pure means.

    Raises:
        AiwError: GIT, IO when the work tree cannot be made.
    """
    if ws.config.checks.isolation != "worktree":
        yield ws.root
        return
    git = ws.repository.git
    _sweep(ws)
    commit = git.line("commit-tree", tree, "-p", head, "-m", "candidate", env=_IDENTITY)
    import tempfile

    folder = tempfile.mkdtemp(prefix=_PREFIX)
    try:
        # No hook of the user's takes part in a checkout that only checks see.
        git.run("-c", f"core.hooksPath={os.devnull}", "worktree", "add", "--quiet", "--detach", folder, commit)
        yield os.path.join(folder, *ws.repository.prefix.rstrip("/").split("/"))
    finally:
        git.run("worktree", "remove", "--force", folder, ok=None)
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(ws: Workspace) -> None:
    """Removes work trees that a killed finish left; the holder of the finish lease is the only one to make them."""
    git = ws.repository.git
    for field in git.run("worktree", "list", "--porcelain", "-z").stdout.split(b"\0"):
        text = os.fsdecode(field)
        folder = text.removeprefix("worktree ")
        if text.startswith("worktree ") and os.path.basename(folder).startswith(_PREFIX):
            git.run("worktree", "remove", "--force", folder, ok=None)
            shutil.rmtree(folder, ignore_errors=True)
    git.run("worktree", "prune")
