"""The stand-in's REST API of GitHub: what is asked, and GitHub's answer or refusal."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote, urlencode

from support.github_objects import Writer
from support.github_state import Comment, Method, Project, Pull, RefusalError
from support.stand_in import Answer, Exchange, Token, now

_DOCS = "https://docs.github.com/rest"


class InvalidError(Exception):
    """A 422 with its errors, or with a sentence alone."""

    def __init__(self, *errors: dict[str, Any], message: str = "Validation Failed") -> None:
        super().__init__(message)
        self.errors = errors
        self.message = message


class Rest:
    """Answers."""

    def __init__(self, project: Project, writer: Writer) -> None:
        self._project = project
        self._write = writer
        pull, issue = r"/pulls/(\d+)", r"/issues/(\d+)"
        rows: tuple[tuple[str, str, Callable[..., Any]], ...] = (
            ("GET", "", self._get_repository),
            ("GET", "/pulls", self._list_pulls),
            ("POST", "/pulls", self._create),
            ("GET", pull, self._get),
            ("PATCH", pull, self._update),
            ("PUT", f"{pull}/merge", self._merge),
            ("GET", f"{pull}/reviews", self._list_reviews),
            ("GET", f"{pull}/comments", self._list_review_comments),
            ("POST", f"{pull}/requested_reviewers", self._request_reviewers),
            ("GET", f"{issue}/comments", self._list_comments),
            ("POST", f"{issue}/comments", self._add_comment),
            ("POST", f"{issue}/labels", self._add_labels),
            ("PATCH", issue, self._update_issue),
            ("GET", "/milestones", self._list_milestones),
            ("GET", "/rules/branches/(.+)", self._list_rules),
            ("GET", "/branches/(.+)", self._get_branch),
            ("GET", "/commits/(.+)/check-runs", self._list_check_runs),
            ("GET", "/commits/(.+)/status", self._get_status),
            ("GET", "/actions/workflows", self._list_workflows),
        )
        self._routes = [(method, re.compile(pattern), handler) for method, pattern, handler in rows]

    def answer(self, exchange: Exchange, token: Token | None, *, is_private: bool) -> Answer:
        """Checks the right to ask, then does it."""
        if exchange.path == "/user":
            if token is None:
                return _error(401, "Requires authentication")
            return Answer(200, self._write.private_user(token.login))
        prefix = f"/repos/{self._project.name}"
        access = token.access if token else "none"
        if access == "none" and not is_private:
            access = "read"
        rest = exchange.path[len(prefix) :]
        # GitHub does not tell the case of names apart.
        is_here = exchange.path[: len(prefix)].lower() == prefix.lower() and rest[:1] in ("", "/")
        if not is_here or access == "none":
            return _error(404, "Not Found")
        for method, pattern, handler in self._routes:
            match = pattern.fullmatch(rest)
            if method != exchange.method or match is None:
                continue
            if method != "GET" and access != "write":
                return _error(403, "Resource not accessible by personal access token")
            return self._call(handler, exchange, token or Token("", access), [unquote(one) for one in match.groups()])
        return _error(404, "Not Found")

    def _call(self, handler: Callable[..., Any], exchange: Exchange, token: Token, parts: Sequence[str]) -> Answer:
        arguments: list[Any] = list(parts)
        if parts and parts[0].isdecimal() and re.match(r".*/(pulls|issues)/\d", exchange.path):
            pull = self._project.pulls.get(int(parts[0]))
            if pull is None:
                return _error(404, "Not Found")
            arguments[0] = pull
        try:
            answer: Answer = handler(exchange, token, *arguments)
        except InvalidError as error:
            body = {"message": error.message, "documentation_url": _DOCS, "status": "422"}
            return Answer(422, {**body, "errors": list(error.errors)} if error.errors else body)
        except RefusalError as error:
            return _error(error.status, error.message)
        return answer

    # Pull requests.

    def _get(self, exchange: Exchange, token: Token, pull: Pull) -> Answer:
        return Answer(200, self._write.pull(pull, counts=True))

    def _list_pulls(self, exchange: Exchange, token: Token) -> Answer:
        query = exchange.query
        state = query.get("state", "open")
        found = [
            one for one in self._project.pulls.values() if state == "all" or (one.state == "open") == (state == "open")
        ]
        # Without an owner GitHub takes the filter for none.
        if ":" in query.get("head", ""):
            owner, _, branch = query["head"].partition(":")
            found = [one for one in found if (one.head_owner.lower(), one.branch) == (owner.lower(), branch)]
        if "base" in query:
            found = [one for one in found if one.base == query["base"]]
        by_update = query.get("sort") == "updated"
        found.sort(key=lambda one: (one.updated_at if by_update else one.created_at, one.number))
        if query.get("direction", "desc" if query.get("sort", "created") == "created" else "asc") == "desc":
            found.reverse()
        return self._page(exchange, found, self._write.pull_simple)

    def _create(self, exchange: Exchange, token: Token) -> Answer:
        body = exchange.body or {}
        for name in ("head", "base"):
            if name not in body:
                raise InvalidError(message=f'InvalidError request.\n\n"{name}" wasn\'t supplied.')
        if not body.get("title"):
            raise InvalidError({"resource": "Issue", "code": "missing_field", "field": "title"})
        owner, _, branch = body["head"].rpartition(":")
        refs = self._project.repository.refs()
        invalid = [
            {"resource": "PullRequest", "field": name, "code": "invalid"}
            for name, ref in (("base", body["base"]), ("head", branch))
            if f"refs/heads/{ref}" not in refs or (name == "head" and owner.lower() not in ("", self._owner.lower()))
        ]
        if invalid:
            raise InvalidError(*invalid)
        base, head = refs[f"refs/heads/{body['base']}"], refs[f"refs/heads/{branch}"]
        if self._project.repository.is_ancestor(head, base):
            raise _custom(f"No commits between {body['base']} and {branch}")
        if self._find_open(branch, body["base"]):
            raise _custom(f"A pull request already exists for {self._owner}:{branch}.")
        if body.get("draft") and not self._project.allows_drafts:
            raise InvalidError(message="Draft pull requests are not supported in this repository.")
        pull = self._project.open(
            branch=branch,
            base=body["base"],
            title=body["title"],
            body=body.get("body"),
            login=token.login,
            is_draft=bool(body.get("draft")),
        )
        document = self._write.pull(pull, counts=False)
        return Answer(201, document, {"Location": document["url"]})

    @property
    def _owner(self) -> str:
        return self._project.owner

    def _find_open(self, branch: str, base: str) -> Pull | None:
        return next(
            (
                one
                for one in self._project.pulls.values()
                if (one.state, one.branch, one.base, one.head_owner) == ("open", branch, base, self._owner)
            ),
            None,
        )

    def _update(self, exchange: Exchange, token: Token, pull: Pull) -> Answer:
        body = exchange.body or {}
        if "base" in body and body["base"] != pull.base:
            self._retarget(pull, body["base"])
        if "title" in body and not body["title"]:
            raise InvalidError({"resource": "Issue", "code": "missing_field", "field": "title"})
        state = body.get("state")
        if state == "open" and pull.state != "open":
            self._reopen(pull)
        elif state == "closed" and pull.state == "open":
            self._project.close(pull)
        pull.title = body.get("title", pull.title)
        pull.body = body.get("body", pull.body)
        pull.updated_at = now()
        return Answer(200, self._write.pull(pull, counts=False))

    def _retarget(self, pull: Pull, base: str) -> None:
        tip = self._project.repository.refs().get(f"refs/heads/{base}")
        if pull.state != "open":
            raise _custom("Cannot change the base branch of a closed pull request.", field="base")
        if tip is None:
            raise InvalidError({"resource": "PullRequest", "field": "base", "code": "invalid"})
        if self._project.repository.is_ancestor(pull.head_sha, tip):
            raise _custom(f"There are no new commits between base branch '{base}' and head branch '{pull.branch}'")
        if self._find_open(pull.branch, base):
            there = f"base branch '{base}' and head branch '{pull.branch}'"
            raise _custom(f"A pull request already exists for {there}", field="base")
        pull.base, pull.base_sha = base, tip

    def _reopen(self, pull: Pull) -> None:
        refs = self._project.repository.refs()
        why = None
        if pull.state == "merged":
            why = "The pull request cannot be reopened."
        elif pull.head_ref not in refs:
            why = f"The {pull.branch} branch has been deleted."
        elif self._find_open(pull.branch, pull.base):
            why = (
                f"There is already an open pull request from {self._owner}:{pull.branch} to {self._owner}:{pull.base}."
            )
        elif self._project.repository.is_ancestor(refs[pull.head_ref], refs[f"refs/heads/{pull.base}"]):
            why = f"There are no new commits on the {self._owner}:{pull.branch} branch."
        if why:
            raise _custom(f"state cannot be changed. {why}", field="state")
        self._project.reopen(pull)

    def _merge(self, exchange: Exchange, token: Token, pull: Pull) -> Answer:
        body = exchange.body or {}
        method: Method = body.get("merge_method", "merge")
        self._project.require_mergeable(pull, method, body.get("sha"))
        sha = self._project.merge(
            pull, method, login=token.login, title=body.get("commit_title"), message=body.get("commit_message")
        )
        return Answer(200, {"sha": sha, "merged": True, "message": "Pull Request successfully merged"})

    def _list_reviews(self, exchange: Exchange, token: Token, pull: Pull) -> Answer:
        return self._page(exchange, pull.reviews, lambda one: self._write.review(pull, one))

    def _list_review_comments(self, exchange: Exchange, token: Token, pull: Pull) -> Answer:
        found = [one for one in pull.comments if one.path is not None]
        if exchange.query.get("direction") == "desc" and "sort" in exchange.query:
            found.reverse()
        return self._page(exchange, found, lambda one: self._write.comment(pull, one))

    def _request_reviewers(self, exchange: Exchange, token: Token, pull: Pull) -> Answer:
        body = exchange.body or {}
        logins = body.get("reviewers", [])
        people = {login.lower(): login for login in self._project.people}
        if any(login.lower() not in people for login in logins) or body.get("team_reviewers"):
            raise InvalidError(
                message="Reviews may only be requested from collaborators. One or more of the users or teams you "
                f"specified is not a collaborator of the {self._project.name} repository."
            )
        if any(login.lower() == pull.login.lower() for login in logins):
            raise InvalidError(message="Review cannot be requested from pull request author.")
        for login in logins:
            known = people[login.lower()]
            if known not in pull.reviewers:
                pull.reviewers.append(known)
        return Answer(201, self._write.pull_simple(pull))

    # Issues.

    def _list_comments(self, exchange: Exchange, token: Token, pull: Pull) -> Answer:
        found = [one for one in pull.comments if one.path is None]
        return self._page(exchange, found, lambda one: self._write.comment(pull, one))

    def _add_comment(self, exchange: Exchange, token: Token, pull: Pull) -> Answer:
        text = (exchange.body or {}).get("body")
        if not text:
            raise InvalidError({"resource": "IssueComment", "code": "missing_field", "field": "body"})
        comment = Comment(self._project.new_id(), token.login, text, now(), pull.head_sha)
        pull.comments.append(comment)
        return Answer(201, self._write.comment(pull, comment))

    def _add_labels(self, exchange: Exchange, token: Token, pull: Pull) -> Answer:
        for given in (exchange.body or {}).get("labels", []):
            name = given["name"] if isinstance(given, dict) else given
            known = next((one for one in self._project.labels if one.lower() == name.lower()), None)
            if known is None:
                self._project.labels.append(name)
                known = name
            if known not in pull.labels:
                pull.labels.append(known)
        return Answer(200, [self._write.label(name) for name in pull.labels])

    def _update_issue(self, exchange: Exchange, token: Token, pull: Pull) -> Answer:
        body = exchange.body or {}
        number = body.get("milestone", pull.milestone)
        if number is not None and number not in self._project.milestones:
            raise InvalidError({"value": number, "resource": "Issue", "field": "milestone", "code": "invalid"})
        pull.milestone = number
        pull.title = body.get("title", pull.title)
        pull.body = body.get("body", pull.body)
        if body.get("state") == "closed" and pull.state == "open":
            self._project.close(pull)
        elif body.get("state") == "open" and pull.state != "open":
            self._reopen(pull)
        pull.updated_at = now()
        return Answer(200, self._write.issue(pull))

    def _list_milestones(self, exchange: Exchange, token: Token) -> Answer:
        found = list(self._project.milestones) if exchange.query.get("state") != "closed" else []
        return self._page(exchange, found, self._write.milestone)

    # The repository.

    def _get_repository(self, exchange: Exchange, token: Token) -> Answer:
        return Answer(200, self._write.full_repository(token.access))

    def _get_branch(self, exchange: Exchange, token: Token, name: str) -> Answer:
        sha = self._project.repository.refs().get(f"refs/heads/{name}")
        return _error(404, "Branch not found") if sha is None else Answer(200, self._write.branch(name, sha))

    def _list_rules(self, exchange: Exchange, token: Token, name: str) -> Answer:
        return self._page(exchange, self._write.rules(name), lambda one: one)

    def _list_check_runs(self, exchange: Exchange, token: Token, revision: str) -> Answer:
        sha = self._project.repository.find_commit(revision)
        if sha is None:
            raise InvalidError(message=f"No commit found for SHA: {revision}")
        query = exchange.query
        every = [one for one in self._project.checks if one.sha == sha]
        found = [
            one
            for one in (every if query.get("filter") == "all" else self._project.checks_of(sha))
            if one.kind == "check_run"
            and query.get("check_name", one.name) == one.name
            and query.get("status", one.status) == one.status
        ]
        return self._page(exchange, found, self._write.check_run, key="check_runs")

    def _get_status(self, exchange: Exchange, token: Token, revision: str) -> Answer:
        sha = self._project.repository.find_commit(revision)
        if sha is None:
            return _error(404, "Not Found")
        statuses = [one for one in self._project.checks_of(sha) if one.kind == "status"]
        page, headers = self._cut(exchange, statuses)
        return Answer(200, self._write.combined_status(sha, statuses, page), headers)

    def _list_workflows(self, exchange: Exchange, token: Token) -> Answer:
        return self._page(exchange, self._project.workflows, self._write.workflow, key="workflows")

    # Pages.

    def _page(
        self, exchange: Exchange, items: Sequence[Any], write: Callable[[Any], Any], *, key: str | None = None
    ) -> Answer:
        page, headers = self._cut(exchange, items)
        written = [write(one) for one in page]
        return Answer(200, written if key is None else {"total_count": len(items), key: written}, headers)

    def _cut(self, exchange: Exchange, items: Sequence[Any]) -> tuple[list[Any], dict[str, str]]:
        """One page, and the `Link` to the others."""
        size = max(1, min(int(exchange.query.get("per_page", 30)), 100))
        number = max(1, int(exchange.query.get("page", 1)))
        last = max(1, -(-len(items) // size))
        others = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
        wanted = [one for one, at in others.items() if 1 <= at <= last and not _is_end(one, number, last)]
        links = [
            f'<{exchange.base_url}{exchange.path}?{urlencode({**exchange.query, "page": others[one]})}>; rel="{one}"'
            for one in wanted
        ]
        return list(items[(number - 1) * size : number * size]), {"Link": ", ".join(links)} if links else {}


def _is_end(relation: str, number: int, last: int) -> bool:
    return (relation == "first" and number == 1) or (relation == "last" and number >= last)


def _custom(message: str, *, field: str | None = None) -> InvalidError:
    error = {"resource": "PullRequest", "code": "custom", "message": message}
    return InvalidError({**error, "field": field} if field else error)


def _error(status: int, message: str) -> Answer:
    return Answer(status, {"message": message, "documentation_url": _DOCS, "status": str(status)})
