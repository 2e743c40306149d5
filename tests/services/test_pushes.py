"""Pushes over HTTP: with the credentials that git's helpers keep, and with each way in which a server says no."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.github_forge import READ_TOKEN, TOKEN, GithubForge
from support.landing import BRANCH, assert_blocked, assert_landed, origin_tip
from support.project import Project, Result
from support.requested import on_github, set_config

pytestmark = pytest.mark.slow

Both = tuple[Project, GithubForge]
AGAIN = ("milestone", "finish", "M01")
WRONG_TOKEN = "ghp_" + "R7kQ2mZx9LbT4vNs8WcY" + "1HpD6fGj3KaE5uXo"
PUSH = r"POST /git-receive-pack"


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    """Origin is reached through the server alone; git has the right password, and no variable holds a token."""
    with on_github(tmp_path, monkeypatch) as (project, forge):
        assert project.origin is not None
        project.git("config", "--unset", f"url.{project.origin}.insteadOf")
        monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "http:file")
        monkeypatch.delenv("GH_ENTERPRISE_TOKEN")
        # What keeps git from asking is aiw's to say.
        monkeypatch.delenv("GIT_TERMINAL_PROMPT")
        keep(project, forge, TOKEN)
        yield project, forge
        assert_untold(project)


def keep(project: Project, forge: GithubForge, token: str) -> None:
    """Lets git's helper keep a password for the server."""
    file = project.path.parent / "credentials"
    file.write_text(f"http://agent:{token}@{forge.url.removeprefix('http://')}\n")
    project.git("config", "credential.helper", f"store --file={file}")


def assert_untold(project: Project, *results: Result) -> None:
    """No token is in the workspace, nor in what was printed."""
    kept = [path for path in (project.path / "docs/ai/workspace").rglob("*") if path.is_file()]
    for token in (TOKEN, READ_TOKEN, WRONG_TOKEN):
        assert [path for path in kept if token.encode() in path.read_bytes()] == []
        assert not [one for one in results if token in one.stdout + one.stderr]


def refuse(project: Project, script: str) -> Path:
    assert project.origin is not None
    path = project.origin / "hooks/pre-receive"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_helper_of_git_gives_the_password_and_the_token(both: Both) -> None:
    project, forge = both
    result = project.finish()
    assert_landed(project)
    assert forge.pull(1).merged_sha
    assert [line for line in forge.git_log if line == "POST /git-receive-pack"] != []
    assert_untold(project, result)


def test_a_password_that_is_wrong(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    project, forge = both
    forge.is_private = False
    keep(project, forge, WRONG_TOKEN)
    with monkeypatch.context() as patch:
        patch.setenv("GH_ENTERPRISE_TOKEN", TOKEN)
        result = project.finish(code=3)
    assert_blocked(project, "push", f"{BRANCH} could not be pushed to origin")
    assert_untold(project, result)
    keep(project, forge, TOKEN)
    project.aiw(*AGAIN)
    assert_landed(project)


def test_a_password_that_is_wrong_where_reading_takes_one_too(both: Both) -> None:
    project, forge = both
    keep(project, forge, WRONG_TOKEN)
    result = project.finish(code=3)
    assert_blocked(project, "infra", "Authentication failed")
    assert_untold(project, result)
    keep(project, forge, TOKEN)
    project.aiw(*AGAIN)
    assert_landed(project)


def test_nobody_is_asked_for_a_password(both: Both) -> None:
    project, _ = both
    project.git("config", "--unset", "credential.helper")
    result = project.finish(code=3)
    assert_blocked(project, "infra", "could not read Username")
    assert_untold(project, result)


def test_one_who_may_only_read(both: Both) -> None:
    project, forge = both
    keep(project, forge, READ_TOKEN)
    result = project.finish(code=3)
    assert_blocked(project, "push", "403")
    assert_untold(project, result)
    keep(project, forge, TOKEN)
    project.aiw(*AGAIN)
    assert_landed(project)


def test_a_hook_of_the_server_is_quoted_and_then_lets_it_through(both: Both) -> None:
    project, forge = both
    told = f"not \033[31mtoday\033[0m, {WRONG_TOKEN} \u202e"
    refuse(project, f"test -e ../once && exit 0; touch ../once; echo '{told}' >&2; exit 1")
    result = project.finish(code=3)
    assert_blocked(project, "push", "remote: not ")
    assert {char for char in result.stdout + result.stderr if not char.isprintable()} <= {"\n"}
    assert_untold(project, result)
    project.aiw(*AGAIN)
    assert_landed(project)
    assert len(forge.hub.pulls) == 1


def test_a_protected_base_names_the_pull_request_as_a_way(both: Both) -> None:
    project, forge = both
    set_config(project, "git.closeout_mode", "direct_merge")
    refuse(project, "while read o n r; do test $r != refs/heads/main || { echo protected >&2; exit 1; }; done")
    before = origin_tip(project)
    project.finish(code=3)
    command = assert_blocked(project, "protected_branch", "main is protected on origin, which refused the push:\n")
    assert command.startswith("set `git.closeout_mode: pull_request`, or allow the push there; then aiw ")
    assert origin_tip(project) == before
    # The forge itself may.
    set_config(project, "git.closeout_mode", "pull_request")
    project.aiw(*AGAIN)
    assert_landed(project)
    assert forge.pull(1).merged_sha


@pytest.mark.parametrize("mode", ["pull_request", pytest.param("direct_merge", marks=pytest.mark.slow)])
@pytest.mark.parametrize("is_done", [True, False], ids=["taken", "lost"])
def test_a_server_that_goes_away_in_the_middle_of_a_push(both: Both, mode: str, is_done: bool) -> None:
    project, forge = both
    set_config(project, "git.closeout_mode", mode)
    forge.drop_git(PUSH, is_done=is_done, times=2)
    project.finish(code=0 if is_done else 3)
    if not is_done:
        assert_blocked(project, "push", f"{BRANCH} could not be pushed to origin")
        project.aiw(*AGAIN)
    assert_landed(project)
    assert len(project.git("rev-list", "--merges", "main").split("\n")) == 1


def test_a_push_of_base_that_was_taken_without_an_answer(both: Both) -> None:
    project, forge = both
    set_config(project, "git.closeout_mode", "direct_merge")
    refused = refuse(project, "while read o n r; do test $r != refs/heads/main || exit 1; done")
    project.finish(code=3)
    refused.unlink()
    forge.drop_git(PUSH, is_done=True)
    project.aiw(*AGAIN)
    assert_landed(project)
    assert len(project.git("rev-list", "--merges", "main").split("\n")) == 1


def test_a_branch_that_is_pushed_by_name(both: Both) -> None:
    project, forge = both
    keep(project, forge, READ_TOKEN)
    result = project.aiw("git", "push", "M01", code=None)
    assert result.code != 0
    assert "403" in result.stderr
    keep(project, forge, TOKEN)
    project.aiw("git", "push", "M01")
    assert origin_tip(project, BRANCH) == project.git("rev-parse", BRANCH)
    assert os.environ["GIT_ALLOW_PROTOCOL"] == "http:file"
