"""Which remotes are merged into, and which wait for a pull request (spec §6.5)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.landing import (
    BRANCH,
    assert_blocked,
    assert_landed,
    configure,
    head,
    origin_tip,
    prepare_worked,
)
from support.prepared import prepared
from support.project import Project

FORGE_URL = "https://github.com/someone/parser"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """One `finish` away from the closeout; its origin is called `FORGE_URL`, and git finds it by `insteadOf`."""
    project = prepared(prepare_worked, tmp_path)
    project.git("remote", "set-url", "origin", FORGE_URL)
    project.git("config", f"url.{project.origin}.insteadOf", FORGE_URL)
    return project


def test_auto_never_merges_into_a_forge(project: Project) -> None:
    before = origin_tip(project)
    result = project.finish(code=3)
    assert "Done: TASK-001" in result.stdout
    command = assert_blocked(project, "credentials", "there is no token for github.com")
    assert "set GH_TOKEN" in command
    assert origin_tip(project) == before
    configure(project, closeout_mode="direct_merge")
    project.aiw("milestone", "finish", "M01")
    assert_landed(project)


def test_a_pull_request_merged_by_a_person_is_recorded(project: Project) -> None:
    project.finish(code=3)
    project.git("push", "--quiet", "origin", BRANCH)
    assert project.origin is not None
    other = project.path.parent / "person"
    project.git("clone", "--quiet", str(project.origin), str(other), cwd=project.path.parent)
    project.git("merge", "--quiet", "--no-ff", "-m", "Merge pull request #1", f"origin/{BRANCH}", cwd=other)
    project.git("push", "--quiet", "origin", "main", f":{BRANCH}", cwd=other)
    project.aiw("agent", "run", "--mode", "queue")
    assert_landed(project)


@pytest.mark.parametrize(
    "settings",
    [{"closeout_mode": "direct_merge"}, {"forge": "none"}],
    ids=["direct-merge", "no-forge"],
)
def test_who_says_so_gets_a_direct_merge(project: Project, settings: dict[str, str]) -> None:
    configure(project, **settings)
    project.finish()
    assert_landed(project)


def test_pushes_that_go_to_a_forge_count(project: Project) -> None:
    project.git("remote", "set-url", "origin", str(project.origin))
    project.git("config", "remote.origin.pushUrl", "git@gitlab.example.org:x/y.git")
    before = origin_tip(project)
    project.finish(code=3)
    assert_blocked(project, "push", "could not be pushed to origin")
    assert origin_tip(project) == before


def test_secrets_in_a_url_are_not_shown(project: Project) -> None:
    project.git("remote", "set-url", "origin", "https://bob:hunter2@github.com/x/y")
    result = project.finish(code=3)
    assert "https://***@github.com/x/y" in result.stdout
    configure(project, closeout_mode="direct_merge")
    again = project.aiw("milestone", "finish", "M01", code=3)
    assert_blocked(project, "infra", "could not be reached")
    kept = (project.path / "docs/ai/workspace").rglob("*.*")
    assert not [path for path in kept if path.is_file() and b"hunter2" in path.read_bytes()]
    assert "hunter2" not in again.stdout + again.stderr + result.stdout + result.stderr
    assert head(project) == BRANCH


def test_a_name_of_the_users_own_for_a_host_is_ssh_s_to_tell(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = project.path.parent / "tools"
    tools.mkdir()
    script = '#!/bin/sh\n[ "$*" = "-G -- github-work" ] && printf "user git\\nhostname SSH.GitHub.com\\nport 443\\n"\n'
    (tools / "ssh").write_text(script)
    (tools / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    url = "git@github-work:someone/parser.git"
    project.git("remote", "set-url", "origin", url)
    project.git("config", f"url.{project.origin}.insteadOf", url)
    project.finish(code=3)
    assert_blocked(
        project, "credentials", "github.com/someone/parser is not dealt with: there is no token for github.com"
    )


def test_doctor_tells_before_that_there_is_no_token(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    told = project.aiw("doctor").stdout
    assert "milestones land as pull requests on github.com/someone/parser, and there is no token for it" in told
    monkeypatch.setenv("GH_TOKEN", "kept")
    assert "token" not in project.aiw("doctor").stdout
    configure(project, closeout_mode="direct_merge")
    monkeypatch.delenv("GH_TOKEN")
    assert "token" not in project.aiw("doctor").stdout
