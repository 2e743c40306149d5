"""How GitLab says no, and what happens when it says nothing (spec §6.5)."""

from __future__ import annotations

from typing import Any

import pytest

from ai_workflow.forge.base import Cause
from ai_workflow.forge.gitlab import GitLab
from support.gitlab_forge import GitLabForge
from support.gitlab_talk import Recorded, begin, connect, failure_of, merge

CAUSES: list[tuple[int, Cause]] = [
    (400, "invalid"),
    (401, "bad_credentials"),
    (403, "forbidden"),
    (404, "not_found"),
    (409, "invalid"),
    (422, "invalid"),
    (500, "server"),
    (503, "server"),
]


def test_a_refusal_to_change_has_a_cause(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    begin(gitlab_forge, gitlab)
    for status, cause in CAUSES:
        asked = len(gitlab_forge.log)
        gitlab_forge.fail_next("PUT", status, {"message": {"title": ["is too long"]}})
        error = failure_of(lambda: gitlab.update_request(1, body="x"))
        assert (error.cause, error.message) == (cause, f"GitLab answered {status}: title is too long")
        assert len(gitlab_forge.log) == asked + 1


MERGE_CAUSES: list[tuple[int, Cause]] = [
    (400, "not_mergeable"),
    (401, "forbidden"),
    (403, "forbidden"),
    (404, "not_found"),
    (405, "not_mergeable"),
    (406, "not_mergeable"),
    (409, "head_moved"),
    (422, "not_mergeable"),
    (502, "server"),
]


def test_a_refusal_to_merge_has_a_cause(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(gitlab_forge, gitlab)
    for status, cause in MERGE_CAUSES:
        gitlab_forge.fail_next("PUT .*/merge$", status, times=2)
        assert failure_of(lambda: merge(gitlab, request)).cause == cause
        assert failure_of(lambda: gitlab.merge_later(request, head_sha=request.head_sha, method="merge")).cause == cause
    assert gitlab.read_request(1).status == "open"


@pytest.mark.parametrize(
    ("token", "reading", "writing"),
    [
        ("unknown", "bad_credentials", "bad_credentials"),
        ("stranger-token", "not_found", "not_found"),
        ("reader-token", None, "forbidden"),
    ],
)
def test_a_token_may_what_it_may(
    gitlab_forge: GitLabForge, gitlab: GitLab, token: str, reading: str | None, writing: str
) -> None:
    request = begin(gitlab_forge, gitlab)
    other = connect(gitlab_forge, token=token)
    if reading is None:
        assert other.read_request(1) == request
    else:
        assert failure_of(lambda: other.read_request(1)).cause == reading
    assert failure_of(lambda: other.update_request(1, body="x")).cause == writing
    assert failure_of(lambda: other.update_request(1, base="main")).cause == writing
    assert failure_of(lambda: merge(other, request)).cause == writing
    other.close()


def test_a_limit_is_waited_for(gitlab_forge: GitLabForge) -> None:
    timing = Recorded()
    gitlab = connect(gitlab_forge, timing=timing)
    begin(gitlab_forge, gitlab)
    gitlab_forge.limit_rate("PUT", seconds=30)
    assert gitlab.update_request(1, body="x").body == "x"
    assert [round(waited) for waited in timing.waited_s] == [30]
    gitlab_forge.limit_rate("GET", seconds=3600)
    error = failure_of(lambda: gitlab.read_request(1))
    assert error.cause == "rate_limited"
    assert error.until_s == pytest.approx(timing.now_s() + 3600, abs=10)
    gitlab.close()


def test_a_merge_whose_answer_is_lost_is_not_asked_twice(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(gitlab_forge, gitlab)
    gitlab_forge.drop_answer("PUT .*/merge$")
    assert failure_of(lambda: merge(gitlab, request)).cause == "unanswered"
    assert gitlab.read_request(1).status == "merged"
    assert [asked.path.rsplit("/", 1)[1] for asked in gitlab_forge.log if asked.method == "PUT"] == ["merge"]


def test_a_question_that_is_lost_changes_nothing(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(gitlab_forge, gitlab)
    gitlab_forge.drop_question("PUT .*/merge$")
    assert failure_of(lambda: merge(gitlab, request)).cause == "unanswered"
    gitlab_forge.drop_question("GET", times=2)
    assert gitlab.read_request(1) == request
    gitlab_forge.slow("GET", 0.05)
    assert gitlab.read_request(1) == request


def test_an_answer_that_makes_no_sense_is_unexpected(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    begin(gitlab_forge, gitlab)
    answers: list[Any] = [[], {}, {"iid": 1}, {"iid": "x", "state": "opened", "title": "t"}, "text", 7]
    for answer in answers:
        gitlab_forge.fail_next("GET .*/merge_requests/1$", 200, answer)
        assert failure_of(lambda: gitlab.read_request(1)).cause == "unexpected"
    gitlab_forge.fail_next("GET .*/reviewers$", 200, [{"state": "requested_changes"}])
    assert failure_of(lambda: gitlab.read_standing(1)).cause == "unexpected"


def test_a_server_that_is_gone_is_offline(gitlab_forge: GitLabForge) -> None:
    timing = Recorded()
    gitlab = connect(gitlab_forge, timing=timing)
    begin(gitlab_forge, gitlab)
    gitlab.close()
    gitlab_forge._server.server_close()
    gitlab = connect(gitlab_forge, timing=timing)
    assert failure_of(lambda: gitlab.update_request(1, body="x")).cause == "offline"
    assert len(timing.waited_s) == 3
    gitlab.close()
