"""GitHub's own description refuses what is not in it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from support.contract import FOLDER, Contract, ContractError

R = "/repos/o/r"
GITHUB = Contract.load("github")


def refused(
    method: str,
    path: str,
    query: dict[str, str] | None = None,
    body: Any = None,
    *,
    status: int = 404,
    answer: Any = None,
) -> list[str]:
    with pytest.raises(ContractError) as caught:
        GITHUB.check(method, path, query or {}, body, status, {"message": "Not Found"} if answer is None else answer)
    return str(caught.value).split("\n")


def test_a_question_and_an_answer_as_documented_pass() -> None:
    GITHUB.check("GET", f"{R}/pulls", {"state": "all", "head": "o:b", "per_page": "100"}, None, 200, [])
    GITHUB.check("PATCH", f"{R}/issues/7", {}, {"milestone": None}, 404, {"message": "Not Found"})
    GITHUB.check("PUT", f"{R}/pulls/7/merge", {}, {"sha": "a"}, 405, {"message": "Pull Request is not mergeable"})
    GITHUB.check("GET", f"{R}/branches/feature/x%2Fy", {}, None, 404, {"message": "Branch not found"})


def test_what_github_answers_everywhere_passes() -> None:
    for status in (401, 403, 404, 429):
        GITHUB.check("GET", f"{R}/pulls", {}, None, status, {"message": "Bad credentials"})
    GITHUB.check("GET", f"{R}/pulls", {}, None, 502, None)


def test_unknown_paths_and_methods_are_refused() -> None:
    assert refused("GET", f"{R}/pull") == ["GET /repos/o/r/pull: no such path"]
    assert refused("DELETE", f"{R}/pulls") == ["DELETE /repos/o/r/pulls: no such method"]
    assert refused("GET", f"{R}/pulls/x") == ['GET /repos/o/r/pulls/x: path.pull_number: "x" is not of type "integer"']


def test_an_unknown_or_wrong_query_is_refused() -> None:
    assert refused("GET", f"{R}/pulls", {"stat": "all"}) == ["GET /repos/o/r/pulls: query.stat: no such parameter"]
    assert refused("GET", f"{R}/pulls", {"per_page": "many"}) == [
        'GET /repos/o/r/pulls: query.per_page: "many" is not of type "integer"'
    ]
    assert refused("GET", f"{R}/pulls", {"state": "merged"}) == [
        'GET /repos/o/r/pulls: query.state: "merged" is not one of "open", "closed" or "all"'
    ]


def test_a_wrong_body_is_refused() -> None:
    where = "POST /repos/o/r/pulls: body"
    assert refused("POST", f"{R}/pulls") == [f"{where}: missing"]
    assert refused("POST", f"{R}/pulls", body={"head": "b", "draft": "yes"}) == [
        f'{where}: "base" is a required property',
        f'{where}.draft: "yes" is not of type "boolean"',
    ]
    assert refused("POST", f"{R}/pulls", body={"head": "b", "base": "main", "isDraft": True}) == [
        f"{where}: Additional properties are not allowed ('isDraft' was unexpected)"
    ]
    assert refused("GET", "/user", body={}) == ["GET /user: body: none is taken"]


def test_unknown_properties_further_inside_a_body_are_refused() -> None:
    assert refused("POST", f"{R}/issues/7/labels", body={"labels": [{"name": "bug", "colour": "red"}]}) == [
        f"POST {R}/issues/7/labels: body.labels[0]: Additional properties are not allowed ('colour' was unexpected)"
    ]


def test_an_undocumented_status_is_refused() -> None:
    assert refused("GET", f"{R}/pulls", status=418) == ["GET /repos/o/r/pulls: 418: not documented"]
    assert refused("PUT", f"{R}/pulls/7/merge", status=201) == ["PUT /repos/o/r/pulls/7/merge: 201: not documented"]


def test_an_answer_without_a_required_field_is_refused() -> None:
    result = {"sha": "a", "merged": True}
    assert refused("PUT", f"{R}/pulls/7/merge", status=200, answer=result) == [
        'PUT /repos/o/r/pulls/7/merge: 200: answer: "message" is a required property'
    ]


def test_a_wrong_field_is_told_by_its_place() -> None:
    label = {"id": 1, "node_id": "x", "url": "no url", "name": "a", "description": None, "color": "", "default": 1}
    assert refused("POST", f"{R}/issues/7/labels", body={"labels": ["a"]}, status=200, answer=[label]) == [
        'POST /repos/o/r/issues/7/labels: 200: answer[0].url: "no url" is not a "uri"',
        'POST /repos/o/r/issues/7/labels: 200: answer[0].default: 1 is not of type "boolean"',
    ]


def test_the_descriptions_are_small_and_tell_where_they_come_from() -> None:
    description = FOLDER / "github.json"
    assert description.stat().st_size < 1_000_000
    source = json.loads(description.read_text())["info"]["x-from"]
    name, _, version = source.rpartition(" ")
    assert (name, version) == ("@octokit/openapi", "23.0.2")
    assert f"| {version} |" in (FOLDER / "README.md").read_text()


def test_loading_it_takes_little_time() -> None:
    code = (
        "import time; start = time.process_time(); from support.contract import Contract; Contract.load('github');"
        "print(time.process_time() - start)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=FOLDER.parent, capture_output=True, text=True, check=True, env={}
    )
    assert float(done.stdout) < 2
