"""Which files there are, as git sees them."""

from __future__ import annotations

from ai_workflow.git.repository import Repository
from ai_workflow.git.runner import split_nul


def list_files(repository: Repository) -> tuple[tuple[str, ...], bool]:
    """Files below the root, sorted, and whether git tracks them.

    Before anything is tracked there, the files that are not ignored stand in.

    Returns:
        POSIX paths relative to the root, and True for tracked files. Raises AiwError(GIT).
    """
    git = repository.git
    below = ("--", repository.prefix) if repository.prefix else ("--",)
    tracked = split_nul(git.run("ls-files", "-z", "--cached", *below).stdout)
    found = tracked or split_nul(git.run("ls-files", "-z", "--others", "--exclude-standard", *below).stdout)
    paths = dict.fromkeys(repository.to_root(path).rstrip("/") for path in found)
    return tuple(sorted(paths)), bool(tracked)
