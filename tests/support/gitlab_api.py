"""The questions that the stand-in of a GitLab answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from support.gitlab_documents import PROJECT, Documents
from support.gitlab_state import FORK_ID, PROJECT_ID, MergeRequest, Refused, State


@dataclass(frozen=True)
class Question:
    """One, from someone whom the token names."""

    method: str
    path: str
    """As sent, without `/api/v4/`."""
    query: Mapping[str, str]
    body: Mapping[str, Any]
    login: str


@dataclass(frozen=True)
class Answer:
    status: int
    document: Any


Work = Callable[..., Answer]
_FINAL = ("conflict", "need_rebase", "not_open", "commits_status")
"""What auto-merge does not wait for."""
_ROUTES: list[tuple[str, re.Pattern[str], str]] = []


def _route(method: str, pattern: str) -> Callable[[Work], Work]:
    def register(work: Work) -> Work:
        _ROUTES.append((method, re.compile(pattern), work.__name__))
        return work

    return register


class Api:
    """Answers for one project; `answer` raises Refused."""

    def __init__(self, state: State, url: str) -> None:
        self._state = state
        self._documents = Documents(state, url)

    def answer(self, question: Question) -> Answer:
        """Lists are whole: the server makes pages of them."""
        self._state.settle()
        path = question.path
        if path.startswith("projects/"):
            _, project, *rest = path.split("/", 2)
            if unquote(project) not in (PROJECT, str(PROJECT_ID), str(FORK_ID)):
                raise Refused(404, "404 Project Not Found")
            path = "/".join(["projects", *rest])
        for method, pattern, name in _ROUTES:
            match = pattern.fullmatch(path)
            if match and method == question.method:
                result = getattr(self, name)(question, *match.groups())
                assert isinstance(result, Answer)
                self._state.settle()
                return result
        raise Refused(404, "404 Not Found")

    @_route("GET", "projects")
    def project(self, _question: Question) -> Answer:
        return Answer(200, self._documents.project())

    @_route("GET", "users")
    def users(self, question: Question) -> Answer:
        found = [login for login in self._state.users if login == question.query.get("username", "").lower()]
        return Answer(200, [self._documents.user(login) for login in found])

    @_route("GET", "projects/milestones")
    def milestones(self, question: Question) -> Answer:
        titles = [title for title in self._state.milestones if title == question.query.get("title")]
        # Those of the groups above are listed if they are asked for.
        if question.query.get("include_ancestors") != "true":
            titles = [title for title in titles if not title.startswith("Group")]
        return Answer(200, [self._documents.milestone(title) for title in titles])

    @_route("GET", "projects/repository/branches/([^/]+)")
    def branch(self, _question: Question, name: str) -> Answer:
        tip = self._state.repository.find_tip(unquote(name))
        if tip is None:
            raise Refused(404, "404 Branch Not Found")
        return Answer(200, {"name": unquote(name), "commit": {"id": tip}})

    @_route("GET", "projects/repository/commits")
    def commits(self, question: Question) -> Answer:
        base, _, branch = question.query["ref_name"].partition("..")
        old, new = self._state.repository.find_tip(base), self._state.repository.find_tip(branch)
        found = self._state.repository.list_commits(f"{old}..{new}") if old and new else []
        return Answer(200, [{"id": sha} for sha in found])

    @_route("GET", "projects/repository/commits/([0-9a-f]{40})")
    def commit(self, _question: Question, sha: str) -> Answer:
        parents = self._state.repository.parents(sha)
        if not parents:
            raise Refused(404, "404 Commit Not Found")
        return Answer(200, {"id": sha, "parent_ids": parents})

    @_route("GET", "projects/repository/commits/([0-9a-f]{40})/statuses")
    def statuses(self, _question: Question, sha: str) -> Answer:
        pipelines = [one for one in self._state.pipelines if one.sha == sha]
        return Answer(
            200, [self._documents.status(job, pipeline) for pipeline in pipelines for job in pipeline.jobs.values()]
        )

    @_route("GET", "projects/pipelines")
    def pipelines(self, _question: Question) -> Answer:
        return Answer(200, [self._documents.pipeline(one) for one in reversed(self._state.pipelines)])

    @_route("GET", r"projects/pipelines/(\d+)/(jobs|bridges)")
    def jobs(self, _question: Question, pipeline_id: str, kind: str) -> Answer:
        pipeline = next((one for one in self._state.pipelines if one.id == int(pipeline_id)), None)
        if pipeline is None:
            raise Refused(404, "404 Not found")
        return Answer(200, [self._documents.job(job) for job in pipeline.jobs.values() if job.kind == kind])

    @_route("GET", "projects/merge_requests")
    def requests(self, question: Question) -> Answer:
        state = question.query.get("state", "all")
        found = [
            request
            for request in reversed(self._state.requests.values())
            if question.query.get("source_branch", request.source) == request.source and state in ("all", request.state)
        ]
        return Answer(200, [self._documents.request(one, reason=self._reason(one, counts=False)) for one in found])

    @_route("POST", "projects/merge_requests")
    def create(self, question: Question) -> Answer:
        body = question.body
        missing = [name for name in ("source_branch", "target_branch", "title") if not body.get(name)]
        if missing:
            raise Refused(400, ", ".join(f"{name} is missing" for name in missing))
        for other in self._state.requests.values():
            there = (other.source, other.target, other.state, other.source_project)
            if there == (body["source_branch"], body["target_branch"], "opened", PROJECT_ID):
                raise Refused(409, [f"Another open merge request already exists for this source branch: !{other.iid}"])
        if self._state.repository.find_tip(body["source_branch"]) is None:
            raise Refused(400, {"source_branch": ["does not exist"]})
        request = MergeRequest(
            iid=len(self._state.requests) + 1,
            source=body["source_branch"],
            target=body["target_branch"],
            title=body["title"],
            description=body.get("description") or "",
            created_at=self._state.moment(),
        )
        self._state.requests[request.iid] = request
        return Answer(201, self._whole(request, counts=False))

    @_route("GET", r"projects/merge_requests/(\d+)")
    def read(self, question: Question, iid: str) -> Answer:
        request = self._get(iid)
        document = self._whole(request)
        if question.query.get("include_diverged_commits_count") == "true":
            document["diverged_commits_count"] = self._state.count_diverged(request)
        if question.query.get("include_rebase_in_progress") == "true":
            document["rebase_in_progress"] = False
        return Answer(200, document)

    @_route("PUT", r"projects/merge_requests/(\d+)")
    def update(self, question: Question, iid: str) -> Answer:
        request, body = self._get(iid), question.body
        if not body:
            raise Refused(400, "title, description, target_branch, … are missing, at least one must be provided")
        request.title = body.get("title", request.title)
        request.description = body.get("description", request.description)
        request.target = body.get("target_branch", request.target)
        for label in filter(None, body.get("add_labels", "").split(",")):
            if label not in request.labels:
                request.labels.append(label)
        if "milestone_id" in body:
            by_id = {number: title for title, number in self._state.milestones.items()}
            request.milestone = by_id.get(body["milestone_id"])
        if "reviewer_ids" in body:
            self._set_reviewers(request, body["reviewer_ids"])
        return Answer(200, self._whole(request, counts=False))

    def _set_reviewers(self, request: MergeRequest, ids: list[int]) -> None:
        by_id = {number: login for login, number in self._state.users.items()}
        logins = [by_id[one] for one in ids if one in by_id and by_id[one] != "outsider"]
        logins = logins[:1] if self._state.settings.is_free else logins
        request.reviewers = {login: request.reviewers.get(login, "unreviewed") for login in logins}

    @_route("GET", r"projects/merge_requests/(\d+)/merge_ref")
    def merge_ref(self, _question: Question, iid: str) -> Answer:
        request = self._get(iid)
        self._state.is_computed(request, forced=True)
        if self._state.has_conflict(request):
            raise Refused(400, "Merge request is not mergeable")
        return Answer(200, {"commit_id": self._state.head_of(request)})

    @_route("GET", r"projects/merge_requests/(\d+)/pipelines")
    def request_pipelines(self, _question: Question, iid: str) -> Answer:
        request = self._get(iid)
        head = self._state.head_of(request)
        found = [one for one in reversed(self._state.pipelines) if one.sha == head]
        return Answer(200, [self._documents.pipeline(one) for one in found])

    @_route("GET", r"projects/merge_requests/(\d+)/approvals")
    def approvals(self, _question: Question, iid: str) -> Answer:
        return Answer(200, self._documents.approvals(self._get(iid)))

    @_route("GET", r"projects/merge_requests/(\d+)/reviewers")
    def reviewers(self, _question: Question, iid: str) -> Answer:
        return Answer(200, self._documents.reviewers(self._get(iid)))

    @_route("GET", r"projects/merge_requests/(\d+)/status_checks")
    def status_checks(self, _question: Question, iid: str) -> Answer:
        self._get(iid)
        return Answer(200, list(self._state.status_checks))

    @_route("GET", r"projects/merge_requests/(\d+)/discussions")
    def discussions(self, _question: Question, iid: str) -> Answer:
        return Answer(200, [self._documents.discussion(notes) for notes in self._get(iid).discussions])

    @_route("PUT", r"projects/merge_requests/(\d+)/merge")
    def accept(self, question: Question, iid: str) -> Answer:
        request, asked = self._get(iid), {**question.body, "by": question.login}
        waits = question.body.get("auto_merge") or question.body.get("merge_when_pipeline_succeeds")
        self._require_right_and_head(request, question)
        pipeline = self._state.find_pipeline(self._state.head_of(request))
        reason = self._state.judge(request)
        self._state.is_computed(request, forced=True)
        is_running = pipeline is not None and pipeline.status in ("created", "pending", "running")
        # Older servers wait for the pipeline alone, newer ones for all that people and services have to do.
        may_wait = reason in ("mergeable", "ci_still_running") if self._state.settings.is_old else reason not in _FINAL
        if waits and may_wait and (is_running or reason != "mergeable"):
            request.auto_merge = {**asked, "sha": self._state.head_of(request)}
        elif reason == "conflict" and self._state.settings.is_old:
            raise Refused(406, "Branch cannot be merged")
        elif reason != "mergeable":
            # It never says why.
            raise Refused(405, "405 Method Not Allowed")
        else:
            self._state.merge_as_asked(request, asked)
        return Answer(200, self._whole(request, counts=False))

    @_route("POST", r"projects/merge_trains/merge_requests/(\d+)")
    def board_train(self, question: Question, iid: str) -> Answer:
        if not self._state.settings.merge_trains:
            raise Refused(403, "403 Forbidden")
        request = self._get(iid)
        self._require_right_and_head(request, question)
        if self._state.judge(request) not in ("mergeable", "ci_still_running"):
            raise Refused(400, "400 Bad request - Merge request is not mergeable")
        request.is_in_train = True
        request.auto_merge = {**question.body, "by": question.login, "sha": self._state.head_of(request)}
        return Answer(201, [self._documents.train_car(request)])

    def _require_right_and_head(self, request: MergeRequest, question: Question) -> None:
        if self._state.settings.is_protected:
            raise Refused(401, "401 Unauthorized")
        if request.state != "opened":
            raise Refused(405, "405 Method Not Allowed")
        head = self._state.head_of(request)
        if question.body.get("sha", head) != head:
            raise Refused(409, f"SHA does not match HEAD of source branch: {head}")

    def _get(self, iid: str) -> MergeRequest:
        request = self._state.requests.get(int(iid))
        if request is None:
            raise Refused(404, "404 Not found")
        return request

    def _reason(self, request: MergeRequest, *, counts: bool = True) -> str:
        if request.state != "opened":
            return "not_open"
        if self._state.is_computed(request, counts=counts):
            return self._state.judge(request)
        return "unchecked" if self._state.settings.waits_for_merge_ref else "checking"

    def _whole(self, request: MergeRequest, *, counts: bool = True) -> dict[str, Any]:
        can_merge = not self._state.settings.is_protected
        return self._documents.whole_request(request, reason=self._reason(request, counts=counts), can_merge=can_merge)
