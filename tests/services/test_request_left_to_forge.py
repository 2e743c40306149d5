"""Auto-merge, merge queues and trains: the forge merges by itself what aiw hands over, once (spec §6.5)."""

from __future__ import annotations

import pytest

from support.github_host import GithubHost
from support.hosts import AGAIN, Hosted, assert_merged_once, named
from support.landing import assert_blocked
from support.requested import set_config

pytestmark = pytest.mark.slow

ITSELF = "is merged by the forge itself, once it has all it asks for"


@pytest.fixture
def left(hosted: Hosted) -> Hosted:
    """With `git.pull_request.merge: forge`."""
    project, host = hosted
    set_config(project, "git.pull_request.merge", "forge")
    host.allow_auto_merge()
    return hosted


def test_auto_merge_is_asked_for_once_and_seen(left: Hosted) -> None:
    project, host = left
    host.require_check()
    host.require_approval()
    result = project.finish(code=3)
    assert f"waiting: {named(host, f'is merged by {host.name} once it has all it asks for')}" in result.stderr
    assert_blocked(project, "checks", named(host, f"{ITSELF}: it waits for 1 check: {host.required}"))
    host.set_check("ci", "running")
    host.review(is_content=True)
    project.aiw(*AGAIN, code=3)
    assert len(host.asked(host.hands_over)) == 1
    assert host.merges_done == 0
    host.set_check("ci")
    project.aiw(*AGAIN)
    assert len(host.asked(host.hands_over)) == 1
    assert_merged_once(project, host)


def test_what_failed_is_said_while_the_forge_waits(left: Hosted) -> None:
    project, host = left
    host.require_approval()
    project.finish(code=3)
    assert_blocked(project, "human", named(host, f"{ITSELF}: it lacks 1 approval"))
    host.set_check("ci", "failed")
    project.aiw(*AGAIN, code=3)
    assert_blocked(project, "checks", "1 check failed: ci")
    host.set_check("ci")
    host.review(is_content=True)
    project.aiw(*AGAIN)
    assert_merged_once(project, host)


def test_a_forge_that_would_not_wait_for_a_check_is_not_left_alone(left: Hosted) -> None:
    project, host = left
    host.run_checks_elsewhere()
    project.finish(code=3)
    assert_blocked(project, "checks", "has no check reported yet")
    host.set_check("ci", "running")
    project.aiw(*AGAIN, code=3)
    assert_blocked(project, "checks", "waits for 1 check: ci")
    assert host.asked(host.hands_over) == []
    host.set_check("ci")
    project.aiw(*AGAIN)
    assert_merged_once(project, host)


def test_a_lost_answer_at_handing_over(left: Hosted) -> None:
    project, host = left
    host.require_approval()
    host.drop_answer(host.hands_over)
    project.finish(code=3)
    assert_blocked(project, "human", ITSELF)
    assert len(host.asked(host.hands_over)) == 1
    host.review(is_content=True)
    project.aiw(*AGAIN)
    assert_merged_once(project, host)


def test_a_queue_takes_it(hosted: Hosted) -> None:
    project, host = hosted
    host.want_queue()
    project.finish(code=3)
    assert_blocked(project, "pr", named(host, ITSELF))
    assert len(host.asked(host.queues)) == 1
    host.run_queue()
    project.aiw(*AGAIN)
    assert len(host.asked(host.queues)) == 1
    assert_merged_once(project, host)


def test_a_queue_that_lets_go_of_it_is_asked_again_only_by_a_person(hosted: Hosted) -> None:
    project, host = hosted
    host.want_queue()
    project.finish(code=3)
    host.empty_queue()
    project.aiw(*AGAIN, code=3)
    command = assert_blocked(project, "merge", named(host, f"was to be merged by {host.name}, which has let go of it"))
    assert command.startswith("see why: http")
    assert len(host.asked(host.queues)) == 1
    project.aiw(*AGAIN, code=3)
    assert len(host.asked(host.queues)) == 2
    host.run_queue()
    project.aiw(*AGAIN)
    assert_merged_once(project, host)


@pytest.mark.parametrize("hosted", ["github"], indirect=True)
def test_auto_merge_that_the_repository_does_not_allow(left: Hosted) -> None:
    project, host = left
    assert isinstance(host, GithubHost)
    host.forge.hub.allows_auto_merge = False
    host.require_approval()
    project.finish(code=3)
    says = "lacks 1 approval, and GitHub did not take that over: GitHub answered: Auto merge is not allowed"
    assert assert_blocked(project, "human", says).startswith("ask for a review; then ")
    host.review(is_content=True)
    project.aiw(*AGAIN)
    assert_merged_once(project, host)
