"""Whatever a forge fails to do or to say, a finished milestone has one request and is merged once (spec §6.5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.github_host import GithubHost
from support.hosts import AGAIN, Hosted, assert_merged_once
from support.landing import assert_blocked
from support.requested import set_config

pytestmark = pytest.mark.slow


def test_answers_that_are_lost_are_looked_for(hosted: Hosted) -> None:
    project, host = hosted
    host.drop_answer(host.creates)
    host.drop_answer(host.merges)
    project.finish()
    assert_merged_once(project, host)
    assert len(host.asked(host.creates)) == 1
    assert len(host.asked(host.merges)) == 1


def test_questions_that_are_lost_are_asked_again(hosted: Hosted) -> None:
    project, host = hosted
    host.drop_question(host.creates)
    project.finish(code=3)
    assert_blocked(project, "infra", f"{host.name} gave no answer")
    host.drop_question(host.merges)
    project.aiw(*AGAIN)
    assert_merged_once(project, host)
    assert len(host.asked(host.merges)) == 2


def test_a_server_that_fails_is_asked_again(hosted: Hosted) -> None:
    project, host = hosted
    host.fail_next(host.lists, 503)
    host.fail_next(host.creates, 502)
    result = project.finish(code=3)
    assert f"{host.name} answered 503: Made up; asking again at " in result.stderr
    assert_blocked(project, "infra", f"is not dealt with: {host.name} answered 502: Made up; its text is in docs/ai/")
    host.fail_next(host.merges, 500)
    project.aiw(*AGAIN)
    assert_merged_once(project, host)
    assert len(host.asked(host.creates)) == 2


def test_a_head_that_moves_in_the_last_moment(hosted: Hosted) -> None:
    project, host = hosted
    host.fail_next(host.merges, 409, "SHA does not match HEAD of source branch")
    project.finish()
    assert_merged_once(project, host)


@pytest.mark.parametrize("hosted", ["github"], indirect=True)
def test_a_push_that_the_forge_sees_late(hosted: Hosted) -> None:
    project, host = hosted
    assert isinstance(host, GithubHost)
    set_config(project, "git.pull_request.wait_s", "5")
    host.require_approval()
    project.finish(code=3)
    host.review(is_content=True)
    host.forge.be_late(8)
    project.write("src/more.py", "more\n")
    project.git("add", "src/more.py")
    project.git("commit", "-q", "-m", "More")
    result = project.aiw(*AGAIN)
    assert "waiting: pull request 1 of M01 has " in result.stderr
    assert " as its head, and " in result.stderr
    assert_merged_once(project, host)
    assert project.git("show", "main:src/more.py") == "more"


def test_a_rate_limit_is_waited_for_where_that_is_short(hosted: Hosted) -> None:
    project, host = hosted
    host.limit_rate(host.merges, seconds=1)
    result = project.finish()
    assert f"{host.name} limits the rate of questions until " in result.stderr
    assert_merged_once(project, host)


@pytest.mark.parametrize("hosted", ["gitlab"], indirect=True)
def test_a_longer_one_is_waited_for_without_holding_the_repository(hosted: Hosted) -> None:
    project, host = hosted
    set_config(project, "git.pull_request.wait_s", "20")
    host.limit_rate(host.lists, seconds=6)
    result = project.finish()
    assert f"waiting: the {host.noun} of M01 on " in result.stderr
    assert_merged_once(project, host)


def test_a_long_rate_limit_is_a_blocker_with_its_time(hosted: Hosted) -> None:
    project, host = hosted
    host.limit_rate(host.lists, seconds=3000)
    project.finish(code=3)
    assert_blocked(project, "infra", f"{host.name} limits the rate of questions until 20")
    project.aiw(*AGAIN)
    assert_merged_once(project, host)


def test_tokens_that_do_not_do(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    project, host = hosted
    for number, (token, says) in enumerate(host.bad_tokens):
        with monkeypatch.context() as patch:
            patch.setenv(host.token_variable, token)
            result = project.aiw(*AGAIN, code=3) if number else project.finish(code=3)
        command = assert_blocked(project, "credentials", says)
        assert command.startswith((f"set {host.host_variable}=127.0.0.1:", "give the token "))
        kept = (project.path / "docs/ai/workspace").rglob("*.*")
        assert not [path for path in kept if path.is_file() and token.encode() in path.read_bytes()]
        assert token not in result.stdout + result.stderr
    project.aiw(*AGAIN)
    assert_merged_once(project, host)


def test_a_forge_that_is_away(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    project, host = hosted
    url = project.git("config", "remote.origin.url")
    away = f"http://127.0.0.1:9/{Path(url).parent.name}/away.git"
    project.git("config", "--add", f"url.{project.origin}.insteadOf", away)
    project.git("config", "remote.origin.url", away)
    with monkeypatch.context() as patch:
        patch.setenv(host.host_variable, "127.0.0.1:9")
        project.finish(code=3)
    assert_blocked(project, "infra", f"{host.name} could not be reached")
    project.git("config", "remote.origin.url", url)
    project.aiw(*AGAIN)
    assert_merged_once(project, host)
