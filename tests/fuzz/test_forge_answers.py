"""Any JSON in place of any answer of a forge: a ForgeError comes out of an adapter, or a record of the right shape."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_workflow.forge.base import Forge, ForgeError
from ai_workflow.forge.github import GitHub, github_headers
from ai_workflow.forge.gitlab import GitLab, gitlab_headers
from ai_workflow.forge.transport import Transport
from ai_workflow.models.forge import ForgeCheck, ForgeComment, ForgeRequest, Standing
from ai_workflow.policy.forges import Place
from ai_workflow.policy.requests import judge
from support.fuzzing import examples, no_hang
from support.github_forge import TOKEN, github_forge
from support.gitlab_forge import GitLabForge
from support.gitlab_talk import Recorded
from support.prepared import prepared
from support.project import Project, make_project

Call = Callable[[Forge], Any]


def merge_now(forge: Forge) -> None:
    request = forge.read_request(1)
    forge.merge(request, head_sha=request.head_sha, method="squash", title="T", message="M")


def merge_later(forge: Forge) -> None:
    request = forge.read_request(1)
    forge.merge_later(request, head_sha=request.head_sha, method="merge")


def enqueue(forge: Forge) -> None:
    request = forge.read_request(1)
    forge.enqueue(request, head_sha=request.head_sha)


CALLS: dict[str, Call] = {
    "create": lambda forge: forge.create_request(branch="work", base="main", title="T", body="B", is_draft=True),
    "find": lambda forge: forge.find_requests("work"),
    "read": lambda forge: forge.read_request(1),
    "update": lambda forge: forge.update_request(1, title="T2", body="B2", base="main"),
    "ready": lambda forge: forge.set_ready(forge.read_request(1)),
    "furnish": lambda forge: forge.furnish(1, labels=["bug", "new"], reviewers=["reviewer"], milestone="Spring"),
    "standing": lambda forge: forge.read_standing(1),
    "comments": lambda forge: forge.list_comments(1),
    "later": merge_later,
    "enqueue": enqueue,
    "merge": merge_now,
}
ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        10**30,
        -(10**400),
        1e308,
        float("inf"),
        float("nan"),
        "",
        "x",
        "\x1b[2J\n\0",
        "\ud800",
    ),
    *("--output=x", "../../..", "1", "9" * 5000, "merged", "open", "success", "2026-13-45T99:99:99Z", [], {}, [None]),
    *([[]], [{}], {"": None}, ["x"] * 3, {"id": 1}, "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
)


class Recording(Transport):
    """Keeps every good answer."""

    kept: dict[str, tuple[int, Any]]

    def _exchange(
        self, method: str, url: str, params: Mapping[str, str | int] | None, body: Mapping[str, Any] | None
    ) -> httpx.Response:
        response = super()._exchange(method, url, params, body)
        document = response.json() if response.content else None
        if response.status_code < 300 and not (isinstance(document, dict) and "errors" in document):
            self.kept[key_of(method, url, body)] = response.status_code, document
        return response


class Replay(Transport):
    """Gives the kept answers, one of them changed."""

    kept: dict[str, tuple[int, Any]]
    change: Callable[[int, int, Any], tuple[int, Any, dict[str, str]]]
    count: int = 0

    def _exchange(
        self, method: str, url: str, params: Mapping[str, str | int] | None, body: Mapping[str, Any] | None
    ) -> httpx.Response:
        status, document = self.kept.get(key_of(method, url, body), (404, {"message": "Not Found"}))
        self.count += 1
        status, document, headers = self.change(self.count, status, document)
        content = json.dumps(document).encode()
        return httpx.Response(status, headers=headers, content=content, request=httpx.Request(method, url))


def key_of(method: str, url: str, body: Mapping[str, Any] | None) -> str:
    """A commit's id is another one in each repository."""
    parts = ["SHA" if len(part) == 40 else part for part in urlsplit(url).path.split("/")]
    words = str((body or {}).get("query", "")).split("(")
    operation = words[1].split("{")[-1].strip() if len(words) > 1 and words[0] == "mutation" else words[0]
    return f"{method} {'/'.join(parts)} {operation}".rstrip()


class Kept(Protocol):
    def __call__(self, change: Callable[[int, int, Any], tuple[int, Any, dict[str, str]]]) -> Forge: ...


def make_work(folder: Path) -> Project:
    project = make_project(folder)
    project.git("checkout", "-q", "-b", "work")
    project.git("commit", "-q", "--allow-empty", "-m", "Work")
    project.write("work.txt", "work\n")
    project.git("add", "--all")
    project.git("commit", "-q", "-m", "Work")
    project.git("push", "-q", "origin", "work")
    return project


def record(forge: Forge, between: Callable[[str], None]) -> None:
    for name, call in CALLS.items():
        between(name)
        with contextlib.suppress(ForgeError):
            call(forge)


def replaying(adapter: type[GitHub] | type[GitLab], place: Place, kept: dict[str, tuple[int, Any]]) -> Kept:
    def open_one(change: Callable[[int, int, Any], tuple[int, Any, dict[str, str]]]) -> Forge:
        http = Replay(place.api_url, name="Forge", headers={}, talk=lambda _: None, max_wait_s=5, timing=Recorded())
        http.kept, http.change = kept, change
        return adapter(place, http)

    return open_one


_kept: dict[str, Kept] = {}


@pytest.fixture
def github(tmp_path: Path) -> Kept:
    if "github" not in _kept:
        project = prepared(make_work, tmp_path)
        assert project.origin is not None
        with github_forge(project.origin) as forge:
            place = Place(forge="github", host="forge.example", project="o/r", base_url=forge.url)
            forge.add_milestone("Spring")
            forge.protect(checks=("ci",), approvals=1, conversations=True, queue="merge")
            forge.protect(kind="classic", checks=("lint",))
            forge.hub.allows_auto_merge = True
            forge.hub.workflows = ["ci.yml"]
            forge.set_check("work", "ci")
            forge.set_check("work", "lint", "failure", kind="status")

            def between(name: str) -> None:
                if name == "ready":
                    forge.review(1, "human", "CHANGES_REQUESTED", "No.")
                    forge.comment(1, "human", "Why?", path="work.txt", line=1)
                    forge.comment(1, "human", "So.")
                if name == "merge":
                    forge.unprotect()

            http = Recording(
                place.api_url, name="GitHub", headers=github_headers(TOKEN), talk=lambda _: None, max_wait_s=5,
                timing=Recorded(),
            )  # fmt: skip
            http.kept = {}
            record(GitHub(place, http), between)
            http.close()
            # A request is merged in one way only.
            entry = {"data": {"enqueuePullRequest": {"mergeQueueEntry": {"id": "MQE_1"}}}}
            http.kept.setdefault("POST /api/graphql enqueuePullRequest", (200, entry))
            http.kept.setdefault("PUT /api/v3/repos/o/r/pulls/1/merge", (200, {"sha": "a" * 40, "merged": True}))
            forge.violations.clear()
        _kept["github"] = replaying(GitHub, place, http.kept)
    return _kept["github"]


@pytest.fixture
def gitlab(tmp_path: Path) -> Kept:
    if "gitlab" not in _kept:
        project = prepared(make_work, tmp_path)
        assert project.origin is not None
        forge = GitLabForge(project.origin)
        forge.set_job("work", "test", "failed")
        forge.set_job("work", "outside", "success", kind="external")
        forge.set_status_check("scan", "pending")

        def between(name: str) -> None:
            if name == "ready":
                forge.review("maria", "requested_changes")
                forge.comment("maria", "Why?", path="work.txt", line=1)
                forge.comment("maria", "So.")

        http = Recording(
            forge.place.api_url, name="GitLab", headers=gitlab_headers("owner-token"), talk=lambda _: None,
            max_wait_s=5, timing=Recorded(),
        )  # fmt: skip
        http.kept = {}
        record(GitLab(forge.place, http), between)
        http.kept.setdefault("POST /api/v4/projects/group%2Fsub%2Fapp/merge_trains/merge_requests/1", (201, []))
        http.close()
        forge.close()
        _kept["gitlab"] = replaying(GitLab, forge.place, http.kept)
    return _kept["gitlab"]


@st.composite
def changed(draw: st.DrawFn, document: Any) -> Any:
    """The document with a few of its parts taken out, doubled, moved or of another kind; or another one altogether."""
    if draw(st.integers(0, 19)) == 0:
        return draw(odd())
    for _ in range(draw(st.integers(1, 3))):
        document = draw(changed_once(document))
    return document


def odd() -> st.SearchStrategy[Any]:
    leaves = st.sampled_from(ODD) | st.text(max_size=5) | st.integers() | st.floats()
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=6,
    )  # fmt: skip


@st.composite
def changed_once(draw: st.DrawFn, document: Any) -> Any:
    inner = list(document) if isinstance(document, dict) else list(range(len(document))) if _is_list(document) else []
    if not inner or draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from(ODD) | odd())
    key = draw(st.sampled_from(inner))
    how = draw(st.integers(0, 9))
    made = document.copy()
    if how == 0:
        del made[key]
    elif how == 1 and isinstance(made, list):
        made = made * 2
    elif how == 2:
        made[key] = document
    elif how == 3:
        made[key] = document[draw(st.sampled_from(inner))]
    else:
        made[key] = draw(changed_once(document[key]))
    return made


def _is_list(document: Any) -> bool:
    return isinstance(document, list)


def require_sound(value: Any) -> None:
    """Of the types that it is declared to have, and writable as JSON and on a terminal's line."""
    if isinstance(value, tuple):
        for one in value:
            require_sound(one)
        return
    if value is None or isinstance(value, str):
        return
    assert isinstance(value, (ForgeRequest, ForgeCheck, ForgeComment, Standing))
    assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value
    for name in ("url", "base", "author", "path", "name", "ended_by", "head_sha", "merged_sha"):
        assert str(getattr(value, name, "")).isprintable()
    if isinstance(value, Standing):
        require_sound(value.request)
        require_sound(value.checks)
        for line in (*value.missing_checks, *value.changes_wanted_by, *value.rules):
            assert line.isprintable()
        verdict = judge(value, head_sha=value.request.head_sha, strategy="merge", merge="auto")
        assert verdict.message.isprintable()


def attack(kept: Kept, data: st.DataObject) -> None:
    call = CALLS[data.draw(st.sampled_from([*CALLS, "standing", "standing", "standing"]))]
    target = data.draw(st.integers(1, 14))

    def change(nth: int, status: int, document: Any) -> tuple[int, Any, dict[str, str]]:
        if nth != target:
            return status, document, {}
        document = data.draw(changed(document))
        status = data.draw(st.sampled_from([status] * 12 + [200, 204, 301, 400, 403, 404, 409, 422, 429, 500]))
        link = data.draw(st.sampled_from([None] * 8 + ["http://[", "/x", "https://elsewhere.example/"]))
        return status, document, {"Link": f'<{link}>; rel="next"'} if link else {}

    forge = kept(change)
    refusal: ForgeError | None = None
    result = None
    with no_hang():
        try:
            result = call(forge)
        except ForgeError as error:
            refusal = error
    forge.close()
    assert refusal is None or refusal.message.isprintable()
    require_sound(result)


@examples(80)
@given(data=st.data())
def test_github(github: Kept, data: st.DataObject) -> None:
    attack(github, data)


@examples(80)
@given(data=st.data())
def test_gitlab(gitlab: Kept, data: st.DataObject) -> None:
    attack(gitlab, data)


@pytest.mark.parametrize("name", CALLS)
def test_the_good_answers_are_good(github: Kept, gitlab: Kept, name: str) -> None:
    """Else nothing is changed that is ever looked at."""
    for kept in (github, gitlab):
        forge = kept(lambda _nth, status, document: (status, document, {}))
        require_sound(CALLS[name](forge))
        forge.close()
