"""Projects whose origin is on a forge of this machine, one `agent finish` away from a closeout by pull request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.github_forge import TOKEN, GithubForge, github_forge
from support.landing import ONE_TASK, prepare_worked
from support.prepared import prepared
from support.project import Project


@contextmanager
def on_github(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, wait_s: float = 3.0, plan: str = ONE_TASK
) -> Iterator[tuple[Project, GithubForge]]:
    """The project, and the forge that its origin is on."""
    project = prepared(prepare_worked, tmp_path, plan=plan)
    assert project.origin is not None
    with github_forge(project.origin) as forge:
        host = forge.url.removeprefix("http://")
        monkeypatch.setenv("GH_HOST", host)
        monkeypatch.setenv("GH_ENTERPRISE_TOKEN", TOKEN)
        url = f"{forge.url}/o/r.git"
        project.git("remote", "set-url", "origin", url)
        # Pushes do not need the server; those that do are tested by themselves.
        project.git("config", f"url.{project.origin}.insteadOf", url)
        set_config(project, "git.forge", "github")
        set_config(project, "git.pull_request.wait_s", f"{wait_s:g}")
        yield project, forge


def set_config(project: Project, key: str, value: str) -> None:
    """A setting of the work tree that nobody commits."""
    project.aiw("config", "set", key, value)
    project.git("update-index", "--assume-unchanged", ".ai-workflow.yaml")
