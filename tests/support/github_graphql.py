"""The stand-in's GraphQL API of GitHub, executed by graphql-core over the published schema's part."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    graphql_sync,
    parse,
    validate,
)

from support.contract import FOLDER
from support.github_objects import Writer
from support.github_state import Comment, Method, Project, Pull
from support.stand_in import Answer, Exchange, Token, now


@functools.cache
def _schema() -> GraphQLSchema:
    return build_schema((FOLDER / "github.graphql").read_text(encoding="utf-8"))


class GraphQL:
    """Answers; failures are told with status 200, as GitHub does."""

    def __init__(self, project: Project, writer: Writer) -> None:
        self._project = project
        self._write = writer

    def name(self, exchange: Exchange) -> str:
        """The fields that are asked for at the top."""
        try:
            document = parse(exchange.body["query"])
        except (GraphQLError, KeyError, TypeError):
            return ""
        operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
        fields = [one for operation in operations for one in operation.selection_set.selections]
        return " ".join(one.name.value for one in fields if isinstance(one, FieldNode))

    def faults(self, exchange: Exchange) -> list[str]:
        """What the schema does not know."""
        try:
            return [f"GraphQL: {error.message}" for error in validate(_schema(), parse(exchange.body["query"]))]
        except (GraphQLError, KeyError, TypeError) as error:
            return [f"GraphQL: {error}"]

    def answer(self, exchange: Exchange, token: Token | None) -> Answer:
        """Checks the right to ask, then does it."""
        if token is None:
            message = "This endpoint requires you to be authenticated."
            return Answer(403, {"message": message, "documentation_url": "https://docs.github.com/graphql"})
        body = exchange.body if isinstance(exchange.body, dict) else {}
        if not isinstance(body.get("query"), str):
            return Answer(400, {"message": "A query attribute must be specified and must be a string."})
        root = {
            "viewer": self._user(token.login),
            "repository": functools.partial(self._repository, token),
            "node": functools.partial(self._node, token),
            "markPullRequestReadyForReview": self._mutation(token, self._mark_ready),
            "enablePullRequestAutoMerge": self._mutation(token, self._enable_auto_merge),
            "enqueuePullRequest": self._mutation(token, self._enqueue),
        }
        done = graphql_sync(
            _schema(),
            body["query"],
            root_value=root,
            variable_values=body.get("variables"),
            operation_name=body.get("operationName"),
        )
        document: dict[str, Any] = {"data": done.data}
        if done.errors:
            document["errors"] = [_told(error) for error in done.errors]
        return Answer(200, document)

    # What can be read.

    def _repository(self, token: Token, _: Any, *, owner: str, name: str, **__: Any) -> dict[str, Any]:
        full_name = f"{owner}/{name}"
        if token.access == "none" or full_name.lower() != self._project.name.lower():
            raise _error("NOT_FOUND", f"Could not resolve to a Repository with the name '{full_name}'.")
        return {
            "__typename": "Repository",
            "id": "R_101",
            "nameWithOwner": self._project.name,
            "autoMergeAllowed": self._project.allows_auto_merge,
            "pullRequest": self._find_pull,
            "mergeQueue": lambda _, branch=None: self._queue(branch or self._project.default_branch),
        }

    def _queue(self, branch: str) -> dict[str, Any] | None:
        if self._project.queue_of(branch) is None:
            return None
        return {"__typename": "MergeQueue", "id": "MQ_1", "url": f"{self._write.page}/queue/{branch}"}

    def _find_pull(self, _: Any, *, number: int) -> dict[str, Any]:
        pull = self._project.pulls.get(number)
        if pull is None:
            raise _error("NOT_FOUND", f"Could not resolve to a PullRequest with the number of {number}.")
        return self._pull(pull)

    def _node(self, token: Token, _: Any, **arguments: Any) -> dict[str, Any]:
        return self._pull(self._by_node(token, arguments["id"]))

    def _by_node(self, token: Token, node: str) -> Pull:
        pull = next((one for one in self._project.pulls.values() if one.node_id == node), None)
        if pull is None or token.access == "none":
            raise _error("NOT_FOUND", f"Could not resolve to a node with the global id of '{node}'")
        return pull

    def _user(self, login: str) -> dict[str, Any]:
        kind = "Bot" if login.endswith("[bot]") else "User"
        # The login of a bot has no suffix here, other than in REST.
        return {"__typename": kind, "id": f"U_{login}", "login": login.removesuffix("[bot]")}

    def _pull(self, pull: Pull) -> dict[str, Any]:
        mergeable, state = self._project.read_mergeability(pull, counts=True)
        words = {None: "UNKNOWN", True: "MERGEABLE", False: "CONFLICTING"}
        auto = pull.auto_merge
        return {
            "__typename": "PullRequest",
            "id": pull.node_id,
            "number": pull.number,
            "url": f"{self._write.page}/pull/{pull.number}",
            "state": pull.state.upper(),
            "isDraft": pull.is_draft,
            "merged": pull.state == "merged",
            "mergeable": words[mergeable],
            "mergeStateStatus": state.upper(),
            "reviewDecision": self._project.review_decision(pull),
            "headRefOid": pull.head_sha,
            "headRefName": pull.branch,
            "baseRefName": pull.base,
            "autoMergeRequest": auto
            and {
                "mergeMethod": auto[0].upper(),
                "enabledBy": self._user(auto[1]),
                "enabledAt": pull.updated_at,
                "commitHeadline": None,
                "commitBody": None,
            },
            "isInMergeQueue": pull.queued_at is not None,
            "mergeQueueEntry": self._entry(pull),
            "reviewThreads": functools.partial(_connection, [self._thread(pull, one) for one in pull.threads.values()]),
        }

    def _entry(self, pull: Pull) -> dict[str, Any] | None:
        if pull.queued_at is None:
            return None
        return {"__typename": "MergeQueueEntry", "id": f"MQE_{pull.number}", "position": 1, "state": "QUEUED"}

    def _thread(self, pull: Pull, comments: list[Comment]) -> dict[str, Any]:
        first = comments[0]
        return {
            "__typename": "PullRequestReviewThread",
            "id": f"PRRT_{first.id}",
            "isResolved": first.is_resolved,
            "isOutdated": first.sha != pull.head_sha,
            "path": first.path,
            "line": first.line,
            "comments": functools.partial(_connection, [self._comment(pull, one) for one in comments]),
        }

    def _comment(self, pull: Pull, comment: Comment) -> dict[str, Any]:
        written = self._write.comment(pull, comment)
        return {
            "__typename": "PullRequestReviewComment",
            "id": written["node_id"],
            "databaseId": comment.id,
            "fullDatabaseId": str(comment.id),
            "body": comment.body,
            "author": self._user(comment.login),
            "url": written["html_url"],
            "createdAt": comment.at,
        }

    # What can be changed.

    def _mutation(self, token: Token, change: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        def resolve(_: Any, **arguments: Any) -> dict[str, Any]:
            given = arguments["input"]
            pull = self._by_node(token, given["pullRequestId"])
            if token.access != "write":
                raise _error("FORBIDDEN", "Resource not accessible by personal access token")
            expected = given.get("expectedHeadOid")
            if expected is not None and expected != pull.head_sha:
                raise _error("UNPROCESSABLE", "expected head sha didn't match current head ref.")
            return {"clientMutationId": given.get("clientMutationId"), **change(pull, token, given)}

        return resolve

    def _mark_ready(self, pull: Pull, token: Token, given: dict[str, Any]) -> dict[str, Any]:
        if pull.state != "open":
            raise _error("UNPROCESSABLE", "Pull request is closed")
        pull.is_draft = False
        pull.updated_at = now()
        return {"pullRequest": self._pull(pull)}

    def _enable_auto_merge(self, pull: Pull, token: Token, given: dict[str, Any]) -> dict[str, Any]:
        method: Method = given["mergeMethod"].lower()
        state = self._project.compute(pull)[1]
        if not self._project.allows_auto_merge:
            raise _error("UNPROCESSABLE", "Auto merge is not allowed for this repository")
        if pull.state != "open" or pull.is_draft:
            raise _error("UNPROCESSABLE", f"Pull request Pull request is {'a draft' if pull.is_draft else 'closed'}")
        if method not in self._project.allowed_methods:
            raise _error("UNPROCESSABLE", f"Merge method {method} merging is not allowed on this repository")
        if state in ("clean", "unstable") and self._project.queue_of(pull.base):
            # With a merge queue it means: into the queue, as soon as it may go there.
            pull.queued_at = pull.queued_at or now()
            return {"pullRequest": self._pull(pull), "actor": self._user(token.login)}
        if state in ("clean", "unstable"):
            raise _error("UNPROCESSABLE", f"Pull request Pull request is in {state} status")
        pull.auto_merge = (method, token.login)
        pull.updated_at = now()
        return {"pullRequest": self._pull(pull), "actor": self._user(token.login)}

    def _enqueue(self, pull: Pull, token: Token, given: dict[str, Any]) -> dict[str, Any]:
        if self._queue(pull.base) is None:
            raise _error("UNPROCESSABLE", f"Merge queue is not enabled for the branch {pull.base}")
        if not self._project.is_ready(pull):
            why = (self._project.obstacles(pull) or ["Pull request is not mergeable"])[0]
            raise _error("UNPROCESSABLE", why)
        pull.queued_at = pull.queued_at or now()
        return {"mergeQueueEntry": self._entry(pull)}


def _connection(nodes: list[dict[str, Any]], _: Any, **arguments: Any) -> dict[str, Any]:
    """Some of the nodes; a cursor is the place in the list."""
    first, last = arguments.get("first"), arguments.get("last")
    if first is None and last is None:
        raise _error("MISSING_PAGINATION_BOUNDARIES", "You must provide a `first` or `last` value.")
    if (first or last or 0) > 100:
        raise _error("EXCESSIVE_PAGINATION", "Requesting more than 100 records exceeds the limit of 100 records.")
    start, end = int(arguments.get("after") or 0), len(nodes)
    if first is not None:
        end = min(end, start + first)
    elif last is not None:
        start = max(start, end - last)
    return {
        "nodes": nodes[start:end],
        "totalCount": len(nodes),
        "pageInfo": {
            "hasNextPage": end < len(nodes),
            "hasPreviousPage": start > 0,
            "startCursor": str(start) if nodes else None,
            "endCursor": str(end) if nodes else None,
        },
    }


def _error(kind: str, message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"type": kind})


def _told(error: GraphQLError) -> dict[str, Any]:
    """As GitHub writes it: the kind beside the message."""
    document: dict[str, Any] = {**error.formatted}
    extensions = document.pop("extensions", {})
    return {**extensions, **document}
