"""Cuts GitHub's own descriptions of its APIs down to what aiw speaks of: `tests/contracts/README.md` says when.

From npm's `@octokit/openapi` come the operations below with the schemas that they reach, without prose and examples;
from `@octokit/graphql-schema` the fields below with the types of their arguments.
"""

from __future__ import annotations

import argparse
import json
import tarfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    EnumTypeDefinitionNode,
    InputObjectTypeDefinitionNode,
    InterfaceTypeDefinitionNode,
    NamedTypeNode,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    TypeDefinitionNode,
    Visitor,
    parse,
    print_ast,
    visit,
)

FOLDER = Path(__file__).parents[1] / "tests/contracts"
OPENAPI = "@octokit/openapi"
GRAPHQL = "@octokit/graphql-schema"

_REPO = "/repos/{owner}/{repo}"
_PULL = f"{_REPO}/pulls/{{pull_number}}"
_ISSUE = f"{_REPO}/issues/{{issue_number}}"
OPERATIONS = {
    f"{_REPO}/pulls": ("get", "post"),
    _PULL: ("get", "patch"),
    f"{_PULL}/merge": ("put",),
    f"{_PULL}/reviews": ("get",),
    f"{_PULL}/comments": ("get",),
    f"{_PULL}/requested_reviewers": ("post",),
    f"{_ISSUE}/comments": ("get", "post"),
    f"{_ISSUE}/labels": ("post",),
    _ISSUE: ("patch",),
    f"{_REPO}/milestones": ("get",),
    _REPO: ("get",),
    f"{_REPO}/branches/{{branch}}": ("get",),
    f"{_REPO}/rules/branches/{{branch}}": ("get",),
    f"{_REPO}/commits/{{ref}}/check-runs": ("get",),
    f"{_REPO}/commits/{{ref}}/status": ("get",),
    f"{_REPO}/actions/workflows": ("get",),
    "/user": ("get",),
}

FIELDS = {
    "Query": ("id", "repository", "node", "viewer"),
    "Mutation": ("markPullRequestReadyForReview", "enablePullRequestAutoMerge", "enqueuePullRequest"),
    "Repository": ("id", "nameWithOwner", "pullRequest", "mergeQueue", "autoMergeAllowed"),
    "PullRequest": (
        "id",
        "number",
        "url",
        "state",
        "isDraft",
        "merged",
        "mergeable",
        "mergeStateStatus",
        "reviewDecision",
        "headRefOid",
        "headRefName",
        "baseRefName",
        "autoMergeRequest",
        "isInMergeQueue",
        "mergeQueueEntry",
        "reviewThreads",
    ),
    "AutoMergeRequest": ("enabledAt", "enabledBy", "mergeMethod", "commitHeadline", "commitBody"),
    "MergeQueue": ("id", "url"),
    "MergeQueueEntry": ("id", "position", "state"),
    "PullRequestReviewThreadConnection": ("nodes", "pageInfo", "totalCount"),
    "PullRequestReviewThread": ("id", "isResolved", "isOutdated", "path", "line", "comments"),
    "PullRequestReviewCommentConnection": ("nodes", "pageInfo", "totalCount"),
    "PullRequestReviewComment": ("id", "databaseId", "fullDatabaseId", "body", "author", "url", "createdAt"),
    "PageInfo": ("hasNextPage", "hasPreviousPage", "endCursor", "startCursor"),
    "User": ("id", "login"),
    "Bot": ("id", "login"),
    "Actor": ("login",),
    "Node": ("id",),
    "MarkPullRequestReadyForReviewPayload": ("clientMutationId", "pullRequest"),
    "EnablePullRequestAutoMergePayload": ("clientMutationId", "pullRequest", "actor"),
    "EnqueuePullRequestPayload": ("clientMutationId", "mergeQueueEntry"),
}

_PROSE = frozenset({"description", "summary", "tags", "externalDocs", "example", "examples", "title"})
_NAMED = frozenset({"properties", "patternProperties", "schemas", "parameters", "responses", "paths"})
"""Keys below which names of their own stand, which may be `description`."""


def trim_openapi(document: dict[str, Any], version: str) -> dict[str, Any]:
    """The operations of `OPERATIONS` and all that they refer to."""
    paths = {
        path: {method: _prune(document["paths"][path][method]) for method in methods}
        for path, methods in OPERATIONS.items()
    }
    components: dict[str, dict[str, Any]] = {}
    waiting = sorted(_references(paths))
    while waiting:
        kind, name = waiting.pop().removeprefix("#/components/").split("/")
        if name not in components.setdefault(kind, {}):
            components[kind][name] = _prune(document["components"][kind][name], is_response=kind == "responses")
            waiting += sorted(_references(components[kind][name]))
    return {
        "openapi": document["openapi"],
        "info": {
            "title": "The part of GitHub's REST API that aiw speaks",
            "version": document["info"]["version"],
            "license": document["info"]["license"],
            "x-from": f"{OPENAPI} {version}",
        },
        "servers": document["servers"],
        "paths": paths,
        "components": {kind: dict(sorted(components[kind].items())) for kind in sorted(components)},
    }


def _prune(value: Any, *, has_names: bool = False, is_response: bool = False) -> Any:
    if isinstance(value, list):
        return [_prune(one) for one in value]
    if not isinstance(value, dict):
        return value
    pruned = {
        key: _prune(one, has_names=not has_names and key in _NAMED, is_response=not has_names and key == "responses")
        if not is_status(key)
        else _prune(one, is_response=True)
        for key, one in value.items()
        if has_names or not (key in _PROSE or key.startswith("x-") or (is_response and key == "headers"))
    }
    # OpenAPI wants one of every response.
    return {"description": "", **pruned} if is_response and "$ref" not in pruned and not has_names else pruned


def is_status(key: str) -> bool:
    """Whether the key is an HTTP status."""
    return len(key) == 3 and key.isdecimal()


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        found = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return found.union(*map(_references, value.values()))
    return set().union(*map(_references, value)) if isinstance(value, list) else set()


def trim_graphql(source: str, version: str) -> str:
    """The fields of `FIELDS` with the types of their arguments and values."""
    document = parse(source, no_location=True)
    definitions = {one.name.value: one for one in document.definitions if isinstance(one, TypeDefinitionNode)}
    kept: dict[str, TypeDefinitionNode] = {}
    # Whoever acts is named by an interface only.
    waiting = ["Query", "Mutation", "User", "Bot"]
    while waiting:
        name = waiting.pop()
        if name in kept or name not in definitions:
            continue
        kept[name] = _narrow(definitions[name])
        waiting += _type_names(kept[name])
    text = print_ast(DocumentNode(definitions=tuple(kept[name] for name in sorted(kept))))
    return f"# From npm's {GRAPHQL} {version} (MIT), by tools/trim_github_contract.py.\n\n{text}\n"


class _Prose(Visitor):
    """Takes away descriptions and directives."""

    def leave(self, node: Any, *_: Any) -> Any:
        names = {one.name for one in fields(node)}
        changes = {name: empty for name, empty in (("description", None), ("directives", ())) if name in names}
        return replace(node, **changes) if changes else None


def _narrow(definition: TypeDefinitionNode) -> TypeDefinitionNode:
    plain: TypeDefinitionNode = visit(definition, _Prose())
    name = plain.name.value
    if isinstance(plain, InputObjectTypeDefinitionNode | EnumTypeDefinitionNode | ScalarTypeDefinitionNode):
        return plain
    if not isinstance(plain, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
        raise SystemExit(f"{name} is of a kind that is not provided for.")
    if name not in FIELDS:
        raise SystemExit(f"{name} is reached, and FIELDS does not say which of its fields to keep.")
    return replace(
        plain,
        fields=tuple(one for one in plain.fields or () if one.name.value in FIELDS[name]),
        interfaces=tuple(one for one in plain.interfaces or () if one.name.value in FIELDS),
    )


def _type_names(definition: TypeDefinitionNode) -> list[str]:
    names: list[str] = []

    class Collector(Visitor):
        def enter_named_type(self, node: NamedTypeNode, *_: Any) -> None:
            names.append(node.name.value)

    visit(definition, Collector())
    return names


def read_package(path: Path, member: str, name: str) -> tuple[str, str]:
    """The text of a file in a package of npm, and the package's version."""
    with tarfile.open(path) as archive:
        texts = []
        for one in ("package/package.json", f"package/{member}"):
            file = archive.extractfile(one)
            assert file is not None
            texts.append(file.read().decode())
    manifest = json.loads(texts[0])
    if manifest["name"] != name:
        raise SystemExit(f"{path} holds {manifest['name']}, not {name}.")
    return texts[1], str(manifest["version"])


def main() -> None:
    """Writes both descriptions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--openapi", type=Path, help=f"what `npm pack {OPENAPI}` made")
    parser.add_argument("--graphql", type=Path, help=f"what `npm pack {GRAPHQL}` made")
    given = parser.parse_args()
    if given.openapi:
        text, version = read_package(given.openapi, "generated/api.github.com.json", OPENAPI)
        trimmed = json.dumps(trim_openapi(json.loads(text), version), indent=1, ensure_ascii=False)
        (FOLDER / "github.json").write_text(f"{trimmed}\n", encoding="utf-8")
    if given.graphql:
        text, version = read_package(given.graphql, "schema.graphql", GRAPHQL)
        (FOLDER / "github.graphql").write_text(trim_graphql(text, version), encoding="utf-8")


if __name__ == "__main__":
    main()
