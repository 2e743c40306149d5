"""GitHub, hosted and Enterprise Server, by its REST API (version 2022-11-28) and three GraphQL mutations.

Documentation of what is used: "REST API endpoints for pull requests", "… for rules", "… for branches", "… for check
runs", "… for commit statuses".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from msgspec.structs import replace

from ai_workflow.forge.base import ForgeError
from ai_workflow.forge.sensible import require_sound, sensible
from ai_workflow.forge.transport import Transport
from ai_workflow.models.forge import (
    CheckOutcome,
    ForgeCheck,
    ForgeComment,
    ForgeRequest,
    Mergeability,
    Method,
    RequestStatus,
    Standing,
)
from ai_workflow.policy.forges import Place

_IGNORED = ("neutral", "skipped")
_REVIEW = """query($owner: String!, $name: String!, $number: Int!, $after: String) {
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      reviewDecision
      isInMergeQueue
      reviewThreads(first: 100, after: $after) { nodes { isResolved } pageInfo { hasNextPage endCursor } }
    }
  }
}"""
_MAX_THREAD_PAGES = 20
_OPINIONS = ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")
"""Reviews that count; the newest of each reviewer does."""
_RULES = {
    "required_linear_history": "only a linear history may land on {base} (rule required_linear_history)",
    "required_signatures": "only signed commits may land on {base} (rule required_signatures)",
    "required_deployments": "{base} wants deployments to succeed first (rule required_deployments)",
    "workflows": "{base} wants workflows to pass first (rule workflows)",
    "code_scanning": "{base} wants code scanning to pass first (rule code_scanning)",
    "update": "nobody may change {base} without being let off (rule update)",
}
"""Rules of a branch that no other field of a standing tells of."""
_METHODS: dict[Method, str] = {
    "merge": "allow_merge_commit",
    "squash": "allow_squash_merge",
    "rebase": "allow_rebase_merge",
}


def github_headers(token: str) -> dict[str, str]:
    """What GitHub wants with every question."""
    return {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }


class GitHub:
    """`forge.base.Forge` for one repository on GitHub."""

    name = "GitHub"

    def __init__(self, place: Place, transport: Transport) -> None:
        self.place = place
        self._http = transport
        owner, _, repository = place.project.partition("/")
        self._owner = owner
        self._repo = f"repos/{quote(owner, safe='')}/{quote(repository, safe='')}"

    def close(self) -> None:
        self._http.close()

    @sensible
    def find_requests(self, branch: str) -> tuple[ForgeRequest, ...]:
        # `head` wants the owner, so a fork's of the same name is not among them; those are nobody's concern here.
        found = self._http.pages(
            f"{self._repo}/pulls", head=f"{self._owner}:{branch}", state="all", sort="created", direction="desc"
        )
        return tuple(request for request in map(self._request, found) if request.branch == branch)

    @sensible
    def read_request(self, number: int) -> ForgeRequest:
        return self._request(self._read(number))

    @sensible
    def create_request(self, *, branch: str, base: str, title: str, body: str, is_draft: bool) -> ForgeRequest:
        body_of = {"title": title, "head": branch, "base": base, "body": body, "draft": is_draft}
        return self._request(self._http.send("POST", f"{self._repo}/pulls", body_of))

    @sensible
    def update_request(
        self, number: int, *, title: str | None = None, body: str | None = None, base: str | None = None
    ) -> ForgeRequest:
        given = {key: value for key, value in (("title", title), ("body", body), ("base", base)) if value is not None}
        return self._request(self._http.send("PATCH", f"{self._repo}/pulls/{number}", given))

    @sensible
    def set_ready(self, request: ForgeRequest) -> None:
        # REST has no way to do it.
        self._mutate("markPullRequestReadyForReview", request, "pullRequest { id }", "")

    @sensible
    def furnish(
        self, number: int, *, labels: Sequence[str], reviewers: Sequence[str], milestone: str | None
    ) -> tuple[str, ...]:
        left: list[str] = []
        if labels:
            self._http.send("POST", f"{self._repo}/issues/{number}/labels", {"labels": list(labels)})
        for reviewer in reviewers:
            # One by one: an unknown one would have all of them refused. A team is written `org/team`.
            org, _, team = reviewer.partition("/")
            asked = {"team_reviewers": [team]} if team else {"reviewers": [org]}
            try:
                self._http.send("POST", f"{self._repo}/pulls/{number}/requested_reviewers", asked)
            except ForgeError as error:
                if error.cause != "invalid":
                    raise
                left.append(f"{reviewer} cannot be asked for a review ({error.message})")
        if milestone:
            titles = {one["title"]: one["number"] for one in self._http.pages(f"{self._repo}/milestones", state="all")}
            if milestone in titles:
                self._http.send("PATCH", f"{self._repo}/issues/{number}", {"milestone": titles[milestone]})
            else:
                left.append(f"there is no milestone {milestone!r}")
        return tuple(left)

    @sensible
    def read_standing(self, number: int) -> Standing:
        document = self._read(number)
        request = require_sound(self._request(document))
        if request.status != "open":
            return Standing(request=request)
        base, head = request.base, request.head_sha
        branch = self._http.get(f"{self._repo}/branches/{quote(base, safe='')}")
        rules = list(self._http.pages(f"{self._repo}/rules/branches/{quote(base, safe='')}"))
        required = {*_classic_checks(branch), *_rule_checks(rules)}
        checks = tuple(self._read_checks(head, required))
        state = str(document.get("mergeable_state") or "unknown")
        decision, threads, is_queued = self._read_review(number)
        # Classic protection tells only administrators how many approvals it wants.
        wanted = max([0, *(_parameter(rule, "required_approving_review_count") for rule in _of(rules, "pull_request"))])
        opinions = self._read_opinions(number) if decision is not None or wanted else {}
        approvals = sum(1 for opinion in opinions.values() if opinion == "APPROVED")
        repository = self._http.get(self._repo)
        resolves = any(_parameter(rule, "required_review_thread_resolution") for rule in _of(rules, "pull_request"))
        reported = {check.name for check in checks}
        allowed = {method for method, key in _METHODS.items() if repository.get(key, True)}
        for rule in _of(rules, "pull_request"):
            allowed &= set(_parameters(rule).get("allowed_merge_methods") or allowed)
        return Standing(
            request=replace(request, merges_itself=request.merges_itself or is_queued),
            mergeability=_mergeability(document, state),
            checks=checks,
            missing_checks=tuple(sorted(required - reported)),
            expects_checks=bool(required) or bool(checks) or self._has_checks(base),
            approvals_wanted=max(1, wanted - approvals) if decision == "REVIEW_REQUIRED" else 0,
            changes_wanted_by=_who_wants_changes(opinions) if decision == "CHANGES_REQUESTED" else (),
            open_conversations=threads if resolves else 0,
            rules=tuple(_sentences(rules, base)) if state == "blocked" else (),
            is_refused=state in ("blocked", "dirty", "draft", "behind"),
            has_queue=bool(_of(rules, "merge_queue")),
            allowed_methods=tuple(method for method in _METHODS if method in allowed),
        )

    @sensible
    def merge(self, request: ForgeRequest, *, head_sha: str, method: Method, title: str, message: str) -> None:
        texts = {} if method == "rebase" else {"commit_title": title, "commit_message": message}
        self._http.send(
            "PUT", f"{self._repo}/pulls/{request.number}/merge", {"sha": head_sha, "merge_method": method, **texts}
        )

    @sensible
    def merge_later(self, request: ForgeRequest, *, head_sha: str, method: Method) -> None:
        self._mutate(
            "enablePullRequestAutoMerge",
            request,
            "pullRequest { id }",
            f", mergeMethod: {method.upper()}, expectedHeadOid: {_quoted(head_sha)}",
        )

    @sensible
    def enqueue(self, request: ForgeRequest, *, head_sha: str) -> None:
        more = f", expectedHeadOid: {_quoted(head_sha)}"
        self._mutate("enqueuePullRequest", request, "mergeQueueEntry { id }", more)

    @sensible
    def list_comments(self, number: int) -> tuple[ForgeComment, ...]:
        found = [_comment(one, "code") for one in self._http.pages(f"{self._repo}/pulls/{number}/comments")]
        found += [_comment(one, "talk") for one in self._http.pages(f"{self._repo}/issues/{number}/comments")]
        found += [
            _comment({**one, "created_at": one.get("submitted_at")}, "review")
            for one in self._http.pages(f"{self._repo}/pulls/{number}/reviews")
            if one.get("body") and one.get("submitted_at")
        ]
        return tuple(sorted((one for one in found if one is not None), key=lambda one: (one.at, one.id)))

    def _read(self, number: int) -> dict[str, Any]:
        document = self._http.get(f"{self._repo}/pulls/{number}")
        if not isinstance(document, dict):
            raise ForgeError("unexpected", f"GitHub described pull request {number} in a way that makes no sense")
        return document

    def _request(self, document: Any) -> ForgeRequest:
        try:
            merged = bool(document.get("merged_at") or document.get("merged"))
            status: RequestStatus = "merged" if merged else "open" if document["state"] == "open" else "closed"
            # The repository of the head is null when a fork was deleted.
            source = (document["head"].get("repo") or {}).get("full_name")
            target = (document["base"].get("repo") or {}).get("full_name")
            return ForgeRequest(
                number=document["number"],
                url=document["html_url"],
                status=status,
                title=document["title"],
                body=document.get("body") or "",
                branch=document["head"]["ref"],
                head_sha=document["head"]["sha"],
                base=document["base"]["ref"],
                is_foreign=source is None or source != target,
                is_draft=bool(document.get("draft")),
                merged_sha=document.get("merge_commit_sha") if merged else None,
                ended_by=(document.get("merged_by") or {}).get("login"),
                merges_itself=document.get("auto_merge") is not None,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ForgeError("unexpected", f"GitHub described a pull request without {error}") from error

    def _read_checks(self, sha: str, required: set[str]) -> Iterator[ForgeCheck]:
        for run in self._http.pages(f"{self._repo}/commits/{sha}/check-runs", "check_runs", filter="latest"):
            outcome = _conclusion(run.get("conclusion")) if run.get("status") == "completed" else "pending"
            yield ForgeCheck(
                name=run["name"], outcome=outcome, url=run.get("html_url"), is_required=run["name"] in required
            )
        for status in self._http.pages(f"{self._repo}/commits/{sha}/status", "statuses"):
            name = status["context"]
            outcome = _conclusion({"pending": None}.get(status["state"], status["state"]))
            yield ForgeCheck(name=name, outcome=outcome, url=status.get("target_url"), is_required=name in required)

    def _has_checks(self, base: str) -> bool:
        """Whether this repository runs checks: a workflow is active, or base's own tip was checked by anything."""
        try:
            workflows = self._http.pages(f"{self._repo}/actions/workflows", "workflows")
            if any(workflow.get("state") == "active" for workflow in workflows):
                return True
        except ForgeError as error:
            # A token may be kept from seeing actions, and a server may have none.
            if error.cause not in ("forbidden", "not_found"):
                raise
        return any(True for _ in self._read_checks(quote(base, safe=""), set()))

    def _read_opinions(self, number: int) -> dict[str, str]:
        """Login → newest opinion."""
        opinions: dict[str, str] = {}
        for review in self._http.pages(f"{self._repo}/pulls/{number}/reviews"):
            if review.get("state") in _OPINIONS:
                opinions[(review.get("user") or {}).get("login") or "somebody"] = review["state"]
        return opinions

    def _read_review(self, number: int) -> tuple[str | None, int, bool]:
        """What REST does not tell: what the reviews that count come to, how many threads are open, and whether the
        request waits in a merge queue.
        """
        owner, _, name = self.place.project.partition("/")
        threads, cursor, pull = 0, None, {}
        try:
            for _page in range(_MAX_THREAD_PAGES):
                asked = {"owner": owner, "name": name, "number": number, "after": cursor}
                pull = self._graphql(_REVIEW, asked)["repository"]["pullRequest"]
                found = pull["reviewThreads"]
                threads += sum(1 for thread in found["nodes"] if not thread["isResolved"])
                cursor = found["pageInfo"]["endCursor"]
                if not found["pageInfo"]["hasNextPage"]:
                    break
            return pull["reviewDecision"], threads, bool(pull["isInMergeQueue"])
        except (KeyError, TypeError) as error:
            raise ForgeError("unexpected", "GitHub told nothing of the reviews") from error

    def _mutate(self, mutation: str, request: ForgeRequest, field: str, more: str) -> None:
        node_id = self._read(request.number).get("node_id")
        self._graphql(
            f"mutation($id: ID!) {{ {mutation}(input: {{pullRequestId: $id{more}}}) {{ {field} }} }}", {"id": node_id}
        )

    def _graphql(self, query: str, variables: dict[str, Any]) -> Any:
        api_url = self.place.api_url
        # api.github.com/graphql, but git.example.org/api/v3 and git.example.org/api/graphql.
        url = f"{api_url.removesuffix('/v3')}/graphql"
        answer = self._http.send("POST", url, {"query": query, "variables": variables})
        errors = answer.get("errors") if isinstance(answer, dict) else None
        if errors:
            words = "; ".join(str(error.get("message")) for error in errors if isinstance(error, dict))
            kinds = {error.get("type") for error in errors if isinstance(error, dict)}
            cause = "forbidden" if kinds & {"FORBIDDEN", "INSUFFICIENT_SCOPES"} else "invalid"
            raise ForgeError("forbidden" if cause == "forbidden" else "invalid", f"GitHub answered: {words[:500]}")
        if not isinstance(answer, dict) or not isinstance(answer.get("data"), dict):
            raise ForgeError("unexpected", "GitHub answered a GraphQL question without data")
        return answer["data"]


def _who_wants_changes(opinions: dict[str, str]) -> tuple[str, ...]:
    return tuple(sorted(who for who, opinion in opinions.items() if opinion == "CHANGES_REQUESTED")) or ("a reviewer",)


def _quoted(text: str) -> str:
    return f'"{text}"' if text.isalnum() else '""'


def _conclusion(word: str | None) -> CheckOutcome:
    if word is None:
        return "pending"
    if word == "success":
        return "passed"
    # A word that nobody knows yet must not count as passed.
    return "ignored" if word in _IGNORED else "failed"


def _mergeability(document: dict[str, Any], state: str) -> Mergeability:
    if state == "dirty" or document.get("mergeable") is False:
        return "conflict"
    if state == "behind":
        return "behind"
    return "unknown" if document.get("mergeable") is None or state == "unknown" else "yes"


def _classic_checks(branch: Any) -> list[str]:
    required = ((branch.get("protection") or {}).get("required_status_checks") or {}) if branch else {}
    return [*(required.get("contexts") or ()), *(check["context"] for check in required.get("checks") or ())]


def _rule_checks(rules: Sequence[Any]) -> list[str]:
    found = (_parameters(rule).get("required_status_checks") or () for rule in _of(rules, "required_status_checks"))
    return [check["context"] for checks in found for check in checks]


def _of(rules: Sequence[Any], kind: str) -> list[Any]:
    return [rule for rule in rules if isinstance(rule, dict) and rule.get("type") == kind]


def _parameters(rule: Any) -> dict[str, Any]:
    return rule.get("parameters") or {}


def _parameter(rule: Any, name: str) -> int:
    return int(_parameters(rule).get(name) or 0)


def _sentences(rules: Sequence[Any], base: str) -> Iterator[str]:
    for kind in dict.fromkeys(rule.get("type") for rule in rules if isinstance(rule, dict)):
        if kind in _RULES:
            yield _RULES[kind].format(base=base)
    reviews = [_parameters(rule) for rule in _of(rules, "pull_request")]
    if any(each.get("require_code_owner_review") for each in reviews):
        yield f"owners of the code must approve it before it may land on {base} (rule require_code_owner_review)"
    if any(each.get("require_last_push_approval") for each in reviews):
        yield f"somebody else than who pushed last must approve it (rule require_last_push_approval on {base})"


def _comment(document: Any, sort: str) -> ForgeComment | None:
    user = document.get("user") or {}
    if user.get("type") == "Bot" or not document.get("body"):
        return None
    return ForgeComment(
        id=f"{sort}-{document['id']}",
        author=user.get("login") or "somebody",
        text=document["body"],
        path=document.get("path"),
        line=document.get("line") or document.get("original_line"),
        url=document.get("html_url"),
        at=document["created_at"],
    )
