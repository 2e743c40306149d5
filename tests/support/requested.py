"""Projects whose origin is on a forge of this machine, one `agent finish` away from a closeout by pull request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.github_forge import TOKEN, GithubForge, github_forge
from support.gitlab_documents import PROJECT
from support.gitlab_forge import GitLabForge
from support.landing import ONE_TASK, prepare_worked
from support.prepared import prepared
from support.project import Project


@contextmanager
def on_github(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, wait_s: float = 1.0, plan: str = ONE_TASK
) -> Iterator[tuple[Project, GithubForge]]:
    """The project, and the forge that its origin is on."""
    project = prepared(prepare_worked, tmp_path, plan=plan)
    with put_on_github(project, monkeypatch, wait_s=wait_s) as forge:
        yield project, forge


@contextmanager
def put_on_github(project: Project, monkeypatch: pytest.MonkeyPatch, *, wait_s: float) -> Iterator[GithubForge]:
    """The forge that the project's origin is on from now on."""
    assert project.origin is not None
    with github_forge(project.origin) as forge:
        monkeypatch.setenv("GH_HOST", forge.url.removeprefix("http://"))
        monkeypatch.setenv("GH_ENTERPRISE_TOKEN", TOKEN)
        _put_on(project, f"{forge.url}/o/r.git", forge="github", wait_s=wait_s)
        yield forge


@contextmanager
def on_gitlab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, wait_s: float = 1.0
) -> Iterator[tuple[Project, GitLabForge]]:
    """The project, and the forge that its origin is on."""
    project = prepared(prepare_worked, tmp_path)
    assert project.origin is not None
    forge = GitLabForge(project.origin)
    monkeypatch.setenv("GITLAB_HOST", forge.place.host)
    monkeypatch.setenv("GITLAB_TOKEN", "owner-token")
    _put_on(project, f"{forge.url}/{PROJECT}.git", forge="gitlab", wait_s=wait_s)
    try:
        yield project, forge
    finally:
        forge.close()


def _put_on(project: Project, url: str, *, forge: str, wait_s: float) -> None:
    project.git("remote", "set-url", "origin", url)
    # Pushes do not need the server; those that do are tested by themselves.
    project.git("config", f"url.{project.origin}.insteadOf", url)
    text = project.read(".ai-workflow.yaml")
    assert "\ngit:\n" in text, text
    ours = f"git:\n  forge: {forge}\n  pull_request:\n    wait_s: {wait_s:g}\n"
    project.write(".ai-workflow.yaml", text.replace("\ngit:\n", f"\n{ours}"))
    project.git("update-index", "--assume-unchanged", ".ai-workflow.yaml")


def set_config(project: Project, key: str, value: str) -> None:
    """A setting of the work tree that nobody commits."""
    project.aiw("config", "set", key, value)
    project.git("update-index", "--assume-unchanged", ".ai-workflow.yaml")
