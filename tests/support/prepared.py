"""Repositories that are prepared once and copied for every test that begins there.

Preparing one means a dozen processes of git and aiw; a copy means some files. What `prepare` makes is kept as long as
the test process lives (each worker of xdist has its own), and only copies of it are handed out, so that no test sees
what another did. A copy knows nothing of its template: `_require_movable` refuses one that holds its own path, the
address of `origin` is set anew, git's index takes over the copied files as unchanged.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Hashable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ai_workflow.trust import trust_folder

if TYPE_CHECKING:
    from support.project import Project

P = TypeVar("P", bound="Project")

_CACHES = ("docs/ai/workspace/locks/config.json",)
"""Made anew when missing; they hold the path of the project."""

_folders: list[Path] = []
_numbers = itertools.count(1)
_templates: dict[Hashable, Project] = {}


def keep_templates_in(folder: Path) -> None:
    """The folder of this test process; set once, before the first test."""
    _folders[:] = [folder]


def prepared(prepare: Callable[..., P], folder: Path, **arguments: Any) -> P:
    """A copy of what `prepare(folder, **arguments)` makes, as if it had been made in `folder`.

    `prepare` is called once per test process, function, arguments (hashable) and surroundings: a test that changes the
    environment or git's configuration before it asks gets a repository made under these.
    """
    key = (prepare, *sorted(arguments.items()), _surroundings())
    if key not in _templates:
        template = prepare(_folders[0] / str(next(_numbers)), **arguments)
        _require_movable(template)
        _templates[key] = template
    return copy_of(_templates[key], folder)  # type: ignore[return-value] # what this key's `prepare` made


def copy_of(project: Project, folder: Path) -> Project:
    """The project with its origin and what lies beside them, in another folder as it stands."""
    shutil.copytree(
        project.path.parent,
        folder,
        symlinks=True,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("*.sample"),
    )
    copied = type(project)(folder / project.path.name, folder / project.origin.name if project.origin else None)
    for rel in _CACHES:
        (copied.path / rel).unlink(missing_ok=True)
    if copied.origin:
        copied.git("remote", "set-url", "origin", str(copied.origin))
    copied.git("update-index", "-q", "--refresh", ok=None)
    _trust_here(copied)
    return copied


def _trust_here(project: Project) -> None:
    """Each test has a home of its own, and a project may have been trusted in that of another."""
    for token in (project.path / ".git").glob("aiw-trust-*"):
        record = Path(trust_folder()) / f"{sha256(token.read_text().strip().encode()).hexdigest()}.json"
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text("{}")


def _surroundings() -> Hashable:
    """What git and aiw take from outside of the repository, with the home, which every test has its own of, as `~`."""
    home = os.environ["HOME"]
    variables = {key: text.replace(home, "~") for key, text in os.environ.items() if not key.startswith("PYTEST_")}
    return tuple(sorted(variables.items())), Path(os.environ["GIT_CONFIG_GLOBAL"]).read_text().replace(home, "~")


def _require_movable(project: Project) -> None:
    """Only the address of origin, what a copy leaves behind, and the log of what has been may hold the path."""
    path = str(project.path.parent).encode()
    assert not (project.path / ".git/worktrees").exists(), "linked work trees know each other by their paths"
    for file in project.path.parent.rglob("*"):
        if file.is_file() and path in file.read_bytes():
            rel = os.path.relpath(file, project.path)
            assert rel in (".git/config", *_CACHES) or "/operations/" in rel, (
                f"{rel} of a prepared repository holds its path"
            )
