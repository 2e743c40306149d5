"""The stand-in for GitHub does with a real repository what GitHub does."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.contract import FOLDER
from support.github_forge import OTHER_TOKEN, READ_TOKEN, TOKEN, GithubForge, github_forge
from support.prepared import prepared
from support.project import Project, make_project


def make_branches(folder: Path) -> Project:
    """`main`, `feature` with two commits more, and `rival`, which changes the same line."""
    project = make_project(folder, files={"a.txt": "one\n"})
    for branch, texts in (("feature", ("two\n", "three\n")), ("rival", ("four\n",))):
        project.git("checkout", "--quiet", "-b", branch, "main")
        for text in texts:
            project.write("a.txt", text)
            project.git("commit", "--quiet", "-am", f"Write {text.strip()}")
        project.git("push", "--quiet", "origin", branch)
    project.git("checkout", "--quiet", "main")
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(make_branches, tmp_path)


@pytest.fixture
def forge(project: Project) -> Iterator[GithubForge]:
    assert project.origin is not None
    with github_forge(project.origin) as forge:
        yield forge


class Client:
    """Plain httpx, with a token."""

    def __init__(self, forge: GithubForge, token: str | None = TOKEN) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(headers=headers, timeout=10, trust_env=False, verify=False)
        self._forge = forge

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        url = path if path.startswith("http") else f"{self._forge.url}/api/v3{path}"
        return self._client.request(method, url, json=body, params=query or None)

    def repo(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        return self.ask(method, f"/repos/o/r{path}", body, **query)

    def get(self, path: str, **query: Any) -> Any:
        response = self.repo("GET", path, **query)
        assert response.status_code == 200, response.text
        return response.json()

    def open(self, branch: str = "feature", **fields: Any) -> Any:
        body = {"title": "A title", "head": branch, "base": "main", "body": "Words", **fields}
        response = self.repo("POST", "/pulls", body)
        assert response.status_code == 201, response.text
        return response.json()

    def merge(self, number: int = 1, **body: Any) -> tuple[int, str]:
        response = self.repo("PUT", f"/pulls/{number}/merge", body)
        return response.status_code, response.json()["message"]

    def graphql(self, query: str, **variables: Any) -> Any:
        response = self.ask("POST", f"{self._forge.url}/api/graphql", {"query": query, "variables": variables})
        assert response.status_code == 200, response.text
        return response.json()

    def state(self, number: int = 1) -> tuple[bool | None, str]:
        pull = self.get(f"/pulls/{number}")
        return pull["mergeable"], pull["mergeable_state"]

    def known_state(self, number: int = 1) -> tuple[bool | None, str]:
        self.state(number)
        return self.state(number)


@pytest.fixture
def client(forge: GithubForge) -> Iterator[Client]:
    with Client(forge) as client:
        yield client


MERGED = (200, "Pull Request successfully merged")


def errors_of(response: httpx.Response) -> list[tuple[str, ...]]:
    assert response.status_code == 422
    return [
        tuple(str(one[key]) for key in ("field", "code", "message") if key in one)
        for one in response.json().get("errors", [])
    ]


def log(project: Project, *args: str) -> list[str]:
    return project.git("log", "--format=%s", *args, cwd=project.origin).split("\n")


def test_a_pull_request_is_created_and_found_by_its_branch(client: Client, project: Project) -> None:
    made = client.open(draft=True)
    assert (made["number"], made["state"], made["draft"], made["mergeable"]) == (1, "open", True, None)
    assert made["head"]["sha"] == project.git("rev-parse", "feature")
    assert (made["commits"], made["additions"], made["user"]["login"]) == (2, 1, "agent")
    assert [one["number"] for one in client.get("/pulls", head="o:feature", state="all")] == [1]
    assert client.get("/pulls", head="o:rival") == []
    assert [one["number"] for one in client.get("/pulls", head="feature")] == [1]


def test_a_second_one_for_the_same_branch_is_refused(client: Client) -> None:
    client.open()
    again = client.repo("POST", "/pulls", {"title": "x", "head": "o:feature", "base": "main"})
    assert errors_of(again) == [("custom", "A pull request already exists for o:feature.")]


def test_what_cannot_be_a_pull_request_is_refused_by_its_field(client: Client, forge: GithubForge) -> None:
    def post(**body: str) -> httpx.Response:
        return client.repo("POST", "/pulls", {"title": "x", "head": "feature", "base": "main", **body})

    assert errors_of(post(head="main")) == [("custom", "No commits between main and main")]
    assert errors_of(post(head="none")) == [("head", "invalid")]
    assert errors_of(post(base="none")) == [("base", "invalid")]
    assert errors_of(post(title="")) == [("title", "missing_field")]
    assert forge.violations == []
    assert client.repo("POST", "/pulls", {"title": "x", "head": "feature"}).status_code == 422
    assert forge.violations == ['POST /repos/o/r/pulls: body: "base" is a required property']
    forge.violations.clear()


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_each_method_makes_its_own_commits(client: Client, project: Project, method: str) -> None:
    base, head = project.git("rev-parse", "main", "feature").split("\n")
    client.open()
    response = client.repo("PUT", "/pulls/1/merge", {"merge_method": method, "sha": head})
    sha = project.git("rev-parse", "main", cwd=project.origin)
    assert response.json() == {"sha": sha, "merged": True, "message": MERGED[1]}
    pull = client.get("/pulls/1")
    assert (pull["state"], pull["merged"], pull["merge_commit_sha"]) == ("closed", True, sha)
    assert pull["merged_by"]["login"] == "agent"
    assert project.git("show", "main:a.txt", cwd=project.origin) == "three"
    parents = project.git("log", "-1", "--format=%P", "main", cwd=project.origin).split(" ")
    subjects = log(project, f"{base}..main")
    if method == "merge":
        assert (parents, subjects[0]) == ([base, head], "Merge pull request #1 from o/feature")
    elif method == "squash":
        assert (parents, subjects) == ([base], ["A title (#1)"])
        body = project.git("log", "-1", "--format=%b", "main", cwd=project.origin)
        assert body.strip() == "* Write two\n\n* Write three"
    else:
        assert subjects == ["Write three", "Write two"]
        assert sha != head
        assert project.git("log", "-1", "--format=%an %cn", "main", cwd=project.origin) == "Test Person Forge"


def test_the_message_may_be_given(client: Client, project: Project) -> None:
    client.open()
    assert client.merge(merge_method="squash", commit_title="One", commit_message="Two\n\nThree: 3") == MERGED
    text = project.git("log", "-1", "--format=%B", "main", cwd=project.origin)
    assert text.strip() == "One\n\nTwo\n\nThree: 3"


def test_a_moved_head_is_not_merged(client: Client, forge: GithubForge, project: Project) -> None:
    old = client.open()["head"]["sha"]
    new = forge.push_by_hand("feature", {"b.txt": "b\n"})
    assert client.merge(sha=old) == (409, "Head branch was modified. Review and try the merge again.")
    assert client.get("/pulls/1")["head"]["sha"] == new
    assert client.merge(sha=new) == MERGED
    assert project.git("show", "main:b.txt", cwd=project.origin) == "b"


def test_a_merge_whose_answer_is_lost_has_happened(client: Client, forge: GithubForge) -> None:
    client.open()
    forge.drop_answer("PUT .*/merge")
    with pytest.raises(httpx.RemoteProtocolError):
        client.merge()
    assert client.get("/pulls/1")["merged"] is True
    assert client.merge() == (405, "Pull Request is not mergeable")
    assert [one.status for one in forge.asked("PUT .*/merge")] == [None, 405]


def test_a_lost_question_has_done_nothing(client: Client, forge: GithubForge) -> None:
    forge.drop_question("POST .*/pulls$")
    with pytest.raises(httpx.RemoteProtocolError):
        client.open()
    assert client.get("/pulls", state="all") == []


def test_a_conflict_is_seen_and_refused(client: Client, forge: GithubForge) -> None:
    client.open()
    client.open("rival")
    assert client.known_state(2) == (True, "clean")
    assert client.merge(1) == MERGED
    assert client.known_state(2) == (False, "dirty")
    assert client.merge(2) == (405, "Pull Request is not mergeable")


def test_mergeability_is_not_known_at_first_after_a_push(client: Client, forge: GithubForge) -> None:
    forge.hub.lazy_readings = 2
    client.open()
    assert [client.state() for _ in range(3)] == [(None, "unknown"), (None, "unknown"), (True, "clean")]
    forge.push_by_hand("main", {"c.txt": "c\n"})
    assert [client.state() for _ in range(3)] == [(None, "unknown"), (None, "unknown"), (True, "clean")]


def test_a_push_may_be_seen_late(client: Client, forge: GithubForge, project: Project) -> None:
    old = client.open()["head"]["sha"]
    forge.be_late(2)
    project.git("push", "--quiet", "--force", "origin", "rival:feature")
    heads = [client.get("/pulls/1")["head"]["sha"] for _ in range(3)]
    assert heads == [old, old, project.git("rev-parse", "rival")]


def test_a_draft_is_not_merged_until_it_is_ready(client: Client) -> None:
    node = client.open(draft=True)["node_id"]
    assert client.known_state() == (True, "draft")
    assert client.merge() == (405, "Pull Request is still a draft")
    query = (
        "mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest { isDraft } } }"
    )
    answer = client.graphql(query, id=node)
    assert answer == {"data": {"markPullRequestReadyForReview": {"pullRequest": {"isDraft": False}}}}
    assert client.merge() == MERGED


@pytest.mark.parametrize("kind", ["classic", "ruleset"])
def test_required_checks_stand_in_the_way(client: Client, forge: GithubForge, kind: str) -> None:
    forge.protect("main", kind=kind, checks=("ci", "lint"))
    client.open()

    def refusal() -> str:
        status, message = client.merge()
        assert status == 405
        return message.removeprefix("Repository rule violations found\n\n").strip()

    assert refusal() == "2 of 2 required status checks are expected."
    forge.set_check("feature", "lint", "success", kind="status")
    assert refusal() == 'Required status check "ci" is expected.'
    forge.set_check("feature", "ci", "in_progress")
    assert refusal() == 'Required status check "ci" is pending.'
    forge.set_check("feature", "ci", "completed", "failure")
    assert refusal() == 'Required status check "ci" is failing.'
    assert client.known_state() == (True, "blocked")
    runs = client.get("/commits/feature/check-runs", per_page=100)
    assert [(one["name"], one["conclusion"]) for one in runs["check_runs"]] == [("ci", "failure")]
    sha = client.get("/pulls/1")["head"]["sha"]
    assert client.get(f"/commits/{sha}/status")["state"] == "success"
    branch = client.get("/branches/main")
    assert branch["protected"] is True
    contexts = branch["protection"]["required_status_checks"]["contexts"]
    rules = client.get("/rules/branches/main")
    assert (contexts, len(rules)) == ((["ci", "lint"], 0) if kind == "classic" else ([], 1))
    forge.set_check("feature", "ci", "completed", "success")
    assert client.merge() == MERGED


def test_checks_are_those_of_the_head(client: Client, forge: GithubForge) -> None:
    client.open()
    assert client.get("/commits/feature/status")["state"] == "pending"
    forge.set_check("feature", "ci", "completed", "failure")
    assert client.known_state() == (True, "unstable")
    forge.push_by_hand("feature", {"b.txt": "b\n"})
    assert client.get("/commits/feature/check-runs")["total_count"] == 0
    assert client.known_state() == (True, "clean")


def test_required_reviews_stand_in_the_way(client: Client, forge: GithubForge) -> None:
    forge.protect("main", approvals=1, kind="classic")
    client.open()
    needed = "At least 1 approving review is required by reviewers with write access."
    assert client.merge() == (405, needed)
    forge.review(1, "visitor", "APPROVED")
    assert client.merge() == (405, needed)
    wanted = forge.review(1, "reviewer", "CHANGES_REQUESTED", "No.")
    forge.review(1, "human", "APPROVED")
    assert client.merge() == (405, "1 review requesting changes by reviewers with write access.")
    assert client.known_state() == (True, "blocked")
    reviews = client.get("/pulls/1/reviews")
    assert [(one["user"]["login"], one["state"]) for one in reviews] == [
        ("visitor", "APPROVED"),
        ("reviewer", "CHANGES_REQUESTED"),
        ("human", "APPROVED"),
    ]
    forge.dismiss(1, wanted)
    assert client.merge() == MERGED


def test_open_conversations_stand_in_the_way_until_they_are_resolved(client: Client, forge: GithubForge) -> None:
    forge.protect("main", conversations=True)
    client.open()
    forge.comment(1, "human", "Nice.")
    first = forge.comment(1, "human", "Why?", path="a.txt", line=1)
    forge.comment(1, "agent", "Because.", reply_to=first)
    status, message = client.merge()
    assert (status, "conversation" in message) == (405, True)
    assert [one["body"] for one in client.get("/issues/1/comments")] == ["Nice."]
    comments = client.get("/pulls/1/comments")
    assert [(one["body"], one.get("in_reply_to_id")) for one in comments] == [("Why?", None), ("Because.", first)]
    query = """query($owner: String!, $name: String!, $number: Int!) {
      repository(owner: $owner, name: $name) { pullRequest(number: $number) { reviewThreads(first: 100) {
        nodes { isResolved comments(first: 1) { nodes { databaseId } } } pageInfo { hasNextPage } } } } }"""
    threads = client.graphql(query, owner="o", name="r", number=1)["data"]["repository"]["pullRequest"]["reviewThreads"]
    assert threads == {
        "nodes": [{"isResolved": False, "comments": {"nodes": [{"databaseId": first}]}}],
        "pageInfo": {"hasNextPage": False},
    }
    forge.resolve(1, first)
    assert client.merge() == MERGED


def test_other_rules_stand_in_the_way(client: Client, forge: GithubForge) -> None:
    client.open()
    forge.protect("main", linear=True, methods=("rebase",), signatures=True)
    assert [one["type"] for one in client.get("/rules/branches/main")] == [
        "pull_request",
        "required_linear_history",
        "required_signatures",
    ]
    assert client.merge()[1] == "Repository rule violations found\n\nCommits must have verified signatures.\n\n"
    forge.unprotect()
    forge.protect("main", linear=True, kind="classic")
    assert client.merge() == (405, "This branch must not contain merge commits.")
    forge.hub.allowed_methods = {"merge", "rebase"}
    assert client.merge(merge_method="squash") == (405, "Squash merges are not allowed on this repository.")
    repository = client.get("")
    allowed = [repository[f"allow_{one}"] for one in ("merge_commit", "squash_merge", "rebase_merge")]
    assert allowed == [True, False, True]
    assert client.merge(merge_method="rebase") == MERGED


def test_a_branch_may_have_to_hold_the_newest_base(client: Client, forge: GithubForge, project: Project) -> None:
    forge.protect("main", checks=("ci",), is_strict=True)
    client.open()
    forge.push_by_hand("main", {"c.txt": "c\n"})
    forge.set_check("feature", "ci")
    assert client.known_state() == (True, "behind")
    missing = 'Required status check "ci" is expected.'
    assert client.merge() == (405, f"Repository rule violations found\n\n{missing}\n\n")
    project.git("fetch", "--quiet")
    project.git("checkout", "--quiet", "feature")
    project.git("merge", "--quiet", "--no-edit", "origin/main")
    project.git("push", "--quiet", "origin", "feature")
    forge.set_check("feature", "ci")
    assert client.merge() == MERGED


def test_auto_merge_waits_for_what_is_required(client: Client, forge: GithubForge) -> None:
    node = client.open()["node_id"]
    query = """mutation($id: ID!, $sha: GitObjectID) { enablePullRequestAutoMerge(
      input: {pullRequestId: $id, mergeMethod: SQUASH, expectedHeadOid: $sha}) { clientMutationId } }"""

    def message(**variables: str) -> str:
        return str(client.graphql(query, id=node, **variables)["errors"][0]["message"])

    assert message() == "Auto merge is not allowed for this repository"
    forge.hub.allows_auto_merge = True
    assert message() == "Pull request Pull request is in clean status"
    forge.protect("main", checks=("ci",))
    assert message(sha="a" * 40) == "expected head sha didn't match current head ref."
    assert "errors" not in client.graphql(query, id=node)
    assert client.get("/pulls/1")["auto_merge"]["merge_method"] == "squash"
    forge.set_check("feature", "ci")
    assert client.get("/pulls/1")["merged"] is True


def test_a_merge_queue_is_the_only_way_in(client: Client, forge: GithubForge) -> None:
    forge.protect("main", queue="squash", kind="classic")
    node = client.open()["node_id"]
    assert client.merge()[1] == "Repository rule violations found\n\nChanges must be made through the merge queue\n\n"
    assert [one["type"] for one in client.get("/rules/branches/main")] == ["merge_queue"]
    query = """mutation($id: ID!) { enqueuePullRequest(input: {pullRequestId: $id}) {
      mergeQueueEntry { position state } } }"""
    entry = client.graphql(query, id=node)["data"]["enqueuePullRequest"]["mergeQueueEntry"]
    assert entry == {"position": 1, "state": "QUEUED"}
    assert client.get("/pulls/1")["state"] == "open"
    assert forge.run_queue() == [1]
    assert client.get("/pulls/1")["merged"] is True


def test_auto_merge_leads_into_the_merge_queue(client: Client, forge: GithubForge) -> None:
    forge.protect("main", queue="merge", checks=("ci",))
    forge.hub.allows_auto_merge = True
    node = client.open()["node_id"]
    query = """mutation($id: ID!) { enablePullRequestAutoMerge(input: {pullRequestId: $id}) {
      pullRequest { isInMergeQueue autoMergeRequest { mergeMethod } } } }"""
    told = client.graphql(query, id=node)["data"]["enablePullRequestAutoMerge"]["pullRequest"]
    assert told == {"isInMergeQueue": False, "autoMergeRequest": {"mergeMethod": "MERGE"}}
    assert forge.run_queue() == []
    forge.set_check("feature", "ci")
    assert client.get("/pulls/1")["state"] == "open"
    assert forge.run_queue() == [1]
    assert client.get("/pulls/1")["merged_by"]["login"] == "github-merge-queue[bot]"


def test_what_the_schema_does_not_know_is_a_violation(client: Client, forge: GithubForge) -> None:
    answer = client.graphql("{ viewer { login name } }")
    assert answer["errors"][0]["message"] == "Cannot query field 'name' on type 'User'."
    assert forge.violations == ["GraphQL: Cannot query field 'name' on type 'User'."]
    forge.violations.clear()


def test_people_merge_close_reopen_and_push(client: Client, forge: GithubForge, project: Project) -> None:
    client.open()
    forge.close_by_hand(1)
    assert (client.get("/pulls/1")["state"], client.get("/pulls")) == ("closed", [])
    assert client.merge() == (405, "Pull Request is not mergeable")
    forge.reopen_by_hand(1)
    forge.merge_by_hand(1, "squash")
    pull = client.get("/pulls/1")
    assert (pull["merged"], pull["merged_by"]["login"]) == (True, "human")
    reopened = client.repo("PATCH", "/pulls/1", {"state": "open"})
    assert errors_of(reopened) == [("state", "custom", "state cannot be changed. The pull request cannot be reopened.")]
    client.open("rival")
    forge.delete_by_hand("rival")
    assert client.get("/pulls/2")["state"] == "closed"


def test_commits_that_reach_base_by_a_push_merge_the_pull_request(client: Client, project: Project) -> None:
    client.open()
    project.git("merge", "--quiet", "--no-ff", "-m", "By git", "feature")
    project.git("push", "--quiet", "origin", "main")
    pull = client.get("/pulls/1")
    assert (pull["merged"], pull["merge_commit_sha"]) == (True, project.git("rev-parse", "main"))


def test_the_branch_goes_with_the_merge_if_that_is_set(client: Client, forge: GithubForge, project: Project) -> None:
    forge.hub.deletes_branches = True
    client.open()
    assert client.merge() == MERGED
    assert project.git("branch", "--list", "feature", cwd=project.origin) == ""


def test_a_fork_has_a_branch_of_the_same_name(client: Client, forge: GithubForge, project: Project) -> None:
    forge.open_from_fork("feature", project.git("rev-parse", "rival"))
    assert client.get("/pulls", head="o:feature") == []
    (foreign,) = client.get("/pulls", head="stranger:feature")
    assert (foreign["head"]["repo"]["full_name"], foreign["head"]["ref"]) == ("stranger/r", "feature")
    assert client.open()["number"] == 2


def test_title_body_and_base_are_changed(client: Client, forge: GithubForge) -> None:
    client.open()
    forge.push_by_hand("next", {"n.txt": "n\n"})
    changed = client.repo("PATCH", "/pulls/1", {"title": "Other", "base": "next"}).json()
    assert (changed["title"], changed["body"], changed["base"]["ref"]) == ("Other", "Words", "next")
    assert errors_of(client.repo("PATCH", "/pulls/1", {"base": "none"})) == [("base", "invalid")]


def test_labels_reviewers_and_milestones(client: Client, forge: GithubForge) -> None:
    client.open()
    added = client.repo("POST", "/issues/1/labels", {"labels": ["new", "bug"]}).json()
    assert [one["name"] for one in added] == ["new", "bug"]
    asked = client.repo("POST", "/pulls/1/requested_reviewers", {"reviewers": ["reviewer"]})
    assert [one["login"] for one in asked.json()["requested_reviewers"]] == ["reviewer"]
    unknown = client.repo("POST", "/pulls/1/requested_reviewers", {"reviewers": ["nobody", "human"]})
    assert unknown.status_code == 422
    assert "not a collaborator" in unknown.json()["message"]
    assert errors_of(client.repo("PATCH", "/issues/1", {"milestone": 1})) == [("milestone", "invalid")]
    number = forge.add_milestone("M01")
    assert [(one["number"], one["title"]) for one in client.get("/milestones", state="open")] == [(number, "M01")]
    assert client.repo("PATCH", "/issues/1", {"milestone": number}).json()["milestone"]["title"] == "M01"
    pull = client.get("/pulls/1")
    assert (pull["milestone"]["number"], [one["name"] for one in pull["labels"]]) == (number, ["new", "bug"])
    forge.hub.workflows.append("ci")
    assert client.get("/actions/workflows")["total_count"] == 1
    comment = client.repo("POST", "/issues/1/comments", {"body": "Done."})
    assert (comment.status_code, comment.json()["user"]["login"]) == (201, "agent")


def test_tokens_decide_what_is_allowed(client: Client, forge: GithubForge) -> None:
    client.open()
    me = client.ask("GET", "/user")
    assert (me.json()["login"], me.headers["x-oauth-scopes"]) == ("agent", "repo, workflow")

    def ask(token: str | None, method: str = "GET", path: str = "/pulls/1") -> tuple[int, str]:
        with Client(forge, token) as other:
            response = other.repo(method, path, None if method == "GET" else {})
        return response.status_code, response.json().get("message", "")

    assert ask("unknown") == (401, "Bad credentials")
    assert ask(OTHER_TOKEN) == (404, "Not Found")
    assert ask(None) == (404, "Not Found")
    assert ask(READ_TOKEN)[0] == 200
    assert ask(READ_TOKEN, "PUT", "/pulls/1/merge") == (403, "Resource not accessible by personal access token")
    with Client(forge, None) as nobody:
        assert nobody.ask("GET", "/user").status_code == 401
    assert [one.has_token for one in forge.log] == [True, True, True, True, False, True, True, False]


def test_lists_come_in_pages(client: Client, forge: GithubForge) -> None:
    client.open()
    for number in range(5):
        forge.comment(1, "human", str(number))
    first = client.repo("GET", "/issues/1/comments", per_page=2)
    assert set(first.links) == {"next", "last"}
    bodies, url = [], str(first.url)
    while url:
        response = client.ask("GET", url)
        bodies += [one["body"] for one in response.json()]
        url = response.links.get("next", {}).get("url", "")
    assert bodies == ["0", "1", "2", "3", "4"]
    assert set(response.links) == {"prev", "first"}


def test_scheduled_failures_come_in_turn(client: Client, forge: GithubForge) -> None:
    forge.fail_next("GET .*/pulls", 502, times=2)
    forge.limit_rate(retry_after_s=7)
    forge.limit_rate("GET", reset_in_s=90)
    responses = [client.repo("GET", "/pulls") for _ in range(5)]
    assert [one.status_code for one in responses] == [502, 502, 403, 403, 200]
    assert responses[2].headers["retry-after"] == "7"
    assert "secondary rate limit" in responses[2].json()["message"]
    assert responses[3].headers["x-ratelimit-remaining"] == "0"
    assert 60 < int(responses[3].headers["x-ratelimit-reset"]) - time.time() <= 90


def test_an_answer_may_be_slow(client: Client, forge: GithubForge) -> None:
    forge.slow("/pulls", 5)
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{forge.url}/api/v3/repos/o/r/pulls", headers={"Authorization": f"token {TOKEN}"}, timeout=0.2)


def test_leaving_with_violations_fails(project: Project) -> None:
    assert project.origin is not None
    with (
        pytest.raises(AssertionError, match=r"query\.stat: no such parameter"),
        github_forge(project.origin) as forge,
        Client(forge) as client,
    ):
        client.repo("GET", "/pulls", stat="all")


def test_git_pushes_over_http_with_a_token_only(forge: GithubForge, project: Project) -> None:
    os.environ["GIT_ALLOW_PROTOCOL"] = "http"
    project.write("d.txt", "d\n")
    project.git("add", "d.txt")
    project.git("commit", "--quiet", "-m", "Add d")
    address = forge.git_url.removeprefix("http://")
    for secret in ("wrong", READ_TOKEN):
        project.git("push", "--quiet", f"http://agent:{secret}@{address}", "main", ok=(128,))
    project.git("push", "--quiet", f"http://agent:{TOKEN}@{address}", "main")
    assert project.git("show", "main:d.txt", cwd=project.origin) == "d"
    assert project.git("ls-remote", f"http://agent:{READ_TOKEN}@{address}", "main").split("\t")[1] == "refs/heads/main"
    assert "GET /info/refs?service=git-receive-pack" in forge.git_log


@pytest.mark.skipif(shutil.which("gh") is None, reason="gh is not installed")
def test_githubs_own_client_is_content(forge: GithubForge) -> None:
    # This host is spoken to without TLS; the proxy leads every host here.
    surroundings = {**os.environ, "GH_HOST": "github.localhost", "GH_TOKEN": TOKEN, "HTTP_PROXY": forge.url}

    def api(*args: str) -> str:
        done = subprocess.run(["gh", "api", *args], capture_output=True, text=True, env=surroundings, check=False)
        assert done.returncode == 0, done
        return done.stdout.strip()

    create = ("-f", "title=A title", "-f", "head=feature", "-f", "base=main")
    assert api("repos/o/r/pulls", *create, "--jq", ".number") == "1"
    for text in ("one", "two", "three"):
        forge.comment(1, "human", text)
    pages = api("--paginate", "repos/o/r/issues/1/comments?per_page=1", "--jq", ".[].body")
    assert pages.split() == ["one", "two", "three"]
    assert api("graphql", "-f", "query={ viewer { login } }", "--jq", ".data.viewer.login") == "agent"
    assert api("-X", "PUT", "repos/o/r/pulls/1/merge", "-f", "merge_method=squash", "--jq", ".merged") == "true"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("prism") is None, reason="prism (npm's @stoplight/prism-cli) is not installed")
def test_another_reader_of_the_description_takes_the_same_questions(
    client: Client, forge: GithubForge, tmp_path: Path
) -> None:
    client.open(draft=True)
    client.repo("PATCH", "/pulls/1", {"title": "Other"})
    client.repo("POST", "/issues/1/labels", {"labels": ["new"]})
    client.repo("PATCH", "/issues/1", {"milestone": None})
    client.repo("POST", "/issues/1/comments", {"body": "Words"})
    client.repo("POST", "/pulls/1/requested_reviewers", {"reviewers": ["reviewer"]})
    client.get("/pulls", head="o:feature", state="all", per_page=100)
    client.get("/commits/feature/check-runs", filter="latest")
    client.merge(sha="a" * 40, merge_method="rebase")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["prism", "mock", "-h", "127.0.0.1", "-p", str(port), str(FOLDER / "github.json")]
    with (
        (tmp_path / "prism.log").open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output) as prism,
    ):
        try:
            await_port(port)
            for one in [*forge.log]:
                url = f"http://127.0.0.1:{port}{one.path}"
                answer = httpx.request(one.method, url, params=one.query, json=one.body, trust_env=False, timeout=30)
                assert "sl-violations" not in answer.headers, (one, answer.headers["sl-violations"])
            wrong = httpx.post(f"http://127.0.0.1:{port}/repos/o/r/pulls", json={"head": "x"}, timeout=30)
            assert "base" in wrong.headers["sl-violations"]
        finally:
            prism.terminate()


def await_port(port: int, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise AssertionError("nobody listens")
