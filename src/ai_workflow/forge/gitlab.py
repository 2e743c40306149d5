"""GitLab, hosted and self-hosted, by its REST API v4 (spec §6.5).

Sources: GitLab docs "Merge requests API", "Merge request approvals API", "Merge trains API", "Pipelines API". Answers
that only some editions give (approvals, external status checks) are asked for and missed without an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ai_workflow.forge import gitlab_answers as answers
from ai_workflow.forge.base import Cause, ForgeError
from ai_workflow.forge.gitlab_answers import Document
from ai_workflow.forge.sensible import require_sound, sensible
from ai_workflow.forge.transport import Transport
from ai_workflow.models.forge import ForgeCheck, ForgeComment, ForgeRequest, Method, Standing
from ai_workflow.policy.forges import Place

_WRITING: dict[int, Cause] = {400: "invalid", 409: "invalid"}
"""409: the branch has an open merge request already."""
_MERGING: dict[int, Cause] = {
    400: "not_mergeable",
    405: "not_mergeable",
    406: "not_mergeable",  # a conflict, to older servers
    409: "head_moved",
    422: "not_mergeable",
}


def gitlab_headers(token: str) -> dict[str, str]:
    """What tells GitLab who asks; it takes personal, project, group and OAuth tokens so ("REST API authentication")."""
    return {"Authorization": f"Bearer {token}", "Accept": "application/json"}


class GitLab:
    """One project on a GitLab. Implements `forge.base.Forge`."""

    name = "GitLab"

    def __init__(self, place: Place, transport: Transport) -> None:
        self.place = place
        self._transport = transport
        self._project = f"projects/{quote(place.project, safe='')}"

    @sensible
    def find_requests(self, branch: str) -> tuple[ForgeRequest, ...]:
        found = self._transport.pages(
            f"{self._project}/merge_requests", source_branch=branch, state="all", order_by="created_at", sort="desc"
        )
        return tuple(answers.to_request(document) for document in found)

    @sensible
    def read_request(self, number: int) -> ForgeRequest:
        return answers.to_request(self._read(number))

    @sensible
    def create_request(self, *, branch: str, base: str, title: str, body: str, is_draft: bool) -> ForgeRequest:
        # GitLab would take both: a base that is not there, and a branch without a commit of its own.
        self._require_branch(base)
        if self._list_commits(base, branch) == []:
            raise ForgeError("invalid", f"{branch} has no commit that {base} lacks")
        question = {
            "source_branch": branch,
            "target_branch": base,
            "title": f"{answers.DRAFT}{title}" if is_draft else title,
            "description": body,
        }
        answer = self._send("POST", f"{self._project}/merge_requests", question, _WRITING)
        return answers.to_request(answer)

    @sensible
    def update_request(
        self, number: int, *, title: str | None = None, body: str | None = None, base: str | None = None
    ) -> ForgeRequest:
        if title is not None and self.read_request(number).is_draft:
            # The prefix is what makes a draft.
            title = f"{answers.DRAFT}{title}"
        if base is not None:
            self._require_branch(base)
        given = {"title": title, "description": body, "target_branch": base}
        question = {key: value for key, value in given.items() if value is not None}
        if not question:
            return self.read_request(number)
        return answers.to_request(self._send("PUT", self._at(number), question, _WRITING))

    @sensible
    def set_ready(self, request: ForgeRequest) -> None:
        now = self.read_request(request.number)
        if now.is_draft:
            self._send("PUT", self._at(request.number), {"title": now.title}, _WRITING)

    @sensible
    def furnish(
        self, number: int, *, labels: Sequence[str], reviewers: Sequence[str], milestone: str | None
    ) -> tuple[str, ...]:
        document = self._read(number)
        unknown = [f"GitLab's labels hold no comma: {label}" for label in labels if "," in label]
        question: dict[str, Any] = {}
        # GitLab makes labels that it does not have yet.
        if new_labels := [one for one in labels if "," not in one and one not in (document.get("labels") or ())]:
            question["add_labels"] = ",".join(new_labels)
        present = [user["id"] for user in document.get("reviewers") or ()]
        wanted = {login: self._find_user(login) for login in reviewers}
        unknown += [f"GitLab knows no user {login}" for login, user_id in wanted.items() if user_id is None]
        if new_ids := [one for one in wanted.values() if one is not None and one not in present]:
            question["reviewer_ids"] = [*present, *new_ids]
        if milestone is not None and not document.get("milestone"):
            question["milestone_id"] = self._find_milestone(milestone)
            if question["milestone_id"] is None:
                del question["milestone_id"]
                unknown.append(f"GitLab knows no milestone {milestone} in {self.place.project} or its groups")
        if question:
            answer = self._send("PUT", self._at(number), question, _WRITING)
            # Who may not see the project is left out without a word, and so is a second one without a licence.
            taken = [user["id"] for user in (answer or {}).get("reviewers") or ()]
            left_out = [login for login, user_id in wanted.items() if user_id in new_ids and user_id not in taken]
            unknown += [f"GitLab did not take {login} as a reviewer" for login in left_out]
        return tuple(unknown)

    @sensible
    def read_standing(self, number: int) -> Standing:
        document = self._read(number, include_diverged_commits_count="true", include_rebase_in_progress="true")
        request = require_sound(answers.to_request(document))
        if request.status != "open":
            return Standing(request=request, is_refused=True)
        if document["state"] == answers.BEING_MERGED:
            # Neither mergeable nor merged, and soon the one or the other.
            return Standing(request=request)
        if answers.reason_of(document) == "unchecked":
            document = self._recheck(number) or document
        project = self._read_project()
        reason = answers.reason_of(document)
        checks = self._read_checks(number, document, project)
        is_required = bool(project.get("only_allow_merge_if_pipeline_succeeds"))
        expects_checks = bool(is_required or checks) or (answers.has_builds(project) and self._has_ever_run())
        changes_wanted_by = self._read_changes_wanted(number)
        rules = answers.to_rules(document, project)
        if reason == "requested_changes" and not changes_wanted_by:
            rules += ("Reviews: a reviewer asked for changes.",)
        return Standing(
            request=answers.to_request(document),
            mergeability=answers.to_mergeability(document, is_linear=answers.is_linear_of(project)),
            checks=checks + self._read_outside_checks(number, project),
            missing_checks=("pipeline",) if is_required and not checks else (),
            expects_checks=expects_checks,
            approvals_wanted=self._read_approvals_wanted(number, reason),
            changes_wanted_by=changes_wanted_by,
            open_conversations=self._count_open_conversations(number, document, project),
            rules=rules,
            is_refused=reason != "mergeable" and reason not in answers.COMPUTING,
            has_queue=bool(project.get("merge_trains_enabled")),
            allowed_methods=answers.to_methods(project),
        )

    @sensible
    def merge(self, request: ForgeRequest, *, head_sha: str, method: Method, title: str, message: str) -> None:
        text = f"{title}\n\n{message}".strip()
        question = {"sha": head_sha, "squash": method == "squash", "merge_commit_message": text}
        if method == "squash":
            question["squash_commit_message"] = text
        self._accept("PUT", f"{self._at(request.number)}/merge", question, request.number)

    @sensible
    def merge_later(self, request: ForgeRequest, *, head_sha: str, method: Method) -> None:
        question = {"sha": head_sha, "squash": method == "squash", "auto_merge": True}
        # 17.11 renamed it; servers before that look at the old name only.
        if self._read_project().get("merge_trains_enabled"):
            self._join_train(request, {**question, "when_pipeline_succeeds": True})
        else:
            question["merge_when_pipeline_succeeds"] = True
            self._accept("PUT", f"{self._at(request.number)}/merge", question, request.number)

    @sensible
    def enqueue(self, request: ForgeRequest, *, head_sha: str) -> None:
        self._join_train(request, {"sha": head_sha})

    def _join_train(self, request: ForgeRequest, question: dict[str, object]) -> None:
        path = f"{self._project}/merge_trains/merge_requests/{request.number}"
        self._accept("POST", path, question, request.number)

    @sensible
    def list_comments(self, number: int) -> tuple[ForgeComment, ...]:
        url = self.read_request(number).url
        discussions = list(self._transport.pages(f"{self._at(number)}/discussions"))
        return answers.to_comments(discussions, url)

    def close(self) -> None:
        self._transport.close()

    def _at(self, number: int) -> str:
        return f"{self._project}/merge_requests/{number}"

    def _read(self, number: int, **params: str) -> Document:
        return _require_object(self._transport.get(self._at(number), **params))

    def _read_project(self) -> Document:
        return _require_object(self._transport.get(self._project))

    def _recheck(self, number: int) -> Document | None:
        """The merge request once GitLab has computed whether its branches merge; None when it cannot.

        `unchecked` may last for as long as nobody asks for the merge ref: that is computed while one waits.
        """
        try:
            self._transport.get(f"{self._at(number)}/merge_ref")
        except ForgeError as error:
            # 400 tells of a conflict, which the merge request tells too, from now on.
            if error.status != 400 and error.cause not in ("not_found", "forbidden"):
                raise
            if error.status != 400:
                return None
        return self._read(number, include_diverged_commits_count="true", include_rebase_in_progress="true")

    def _read_checks(self, number: int, document: Document, project: Document) -> tuple[ForgeCheck, ...]:
        """The checks of the head: jobs, those that trigger others, and what others set through the API."""
        head_sha = str(document.get("sha"))
        pipeline = self._find_pipeline(document)
        jobs: list[Document] = []
        if pipeline is not None:
            # That of a fork may belong to the fork.
            home = f"projects/{int(pipeline['project_id'])}" if pipeline.get("project_id") else self._project
            for kind in ("jobs", "bridges"):
                jobs += self._list(f"{home}/pipelines/{int(pipeline['id'])}/{kind}") or ()
        others = self._list(f"{self._at(number)}/pipelines") or ()
        ids = {one["id"] for one in others if one["sha"] == head_sha and str(one.get("source")).startswith("external")}
        ids |= {pipeline["id"]} if pipeline is not None else set()
        statuses: list[Document] = []
        if ids:
            found = self._list(f"{self._project}/repository/commits/{quote(head_sha, safe='')}/statuses") or ()
            statuses = answers.select_statuses(found, jobs, ids)
        return answers.to_checks(pipeline, jobs, statuses, project=project)

    def _find_pipeline(self, document: Document) -> Document | None:
        """The newest pipeline, if it ran on the head, or on what the head and its base make together."""
        head_sha = str(document.get("sha"))
        pipeline: Document | None = document.get("head_pipeline") or document.get("pipeline")
        if pipeline is None or pipeline.get("sha") == head_sha:
            return pipeline
        ref = str(pipeline.get("ref"))
        if ref.startswith("refs/merge-requests/") and ref.endswith("/train"):
            return pipeline
        if not ref.startswith("refs/merge-requests/") or not ref.endswith("/merge"):
            return None
        commit = self._transport.find(f"{self._project}/repository/commits/{quote(str(pipeline.get('sha')), safe='')}")
        return pipeline if head_sha in ((commit or {}).get("parent_ids") or ()) else None

    def _has_ever_run(self) -> bool:
        """Whether the project had a pipeline; assumed where that may not be seen."""
        try:
            return bool(self._transport.get(f"{self._project}/pipelines", per_page=1))
        except ForgeError as error:
            if error.cause not in ("not_found", "forbidden"):
                raise
            return error.cause == "forbidden"

    def _read_outside_checks(self, number: int, project: Document) -> tuple[ForgeCheck, ...]:
        is_required = project.get("only_allow_merge_if_all_status_checks_passed")
        if is_required is None:
            return ()
        found = self._list(f"{self._at(number)}/status_checks") or []
        return answers.to_outside_checks(found, is_required=bool(is_required))

    def _read_approvals_wanted(self, number: int, reason: str) -> int:
        approvals = self._find(f"{self._at(number)}/approvals") or {}
        return max(int(approvals.get("approvals_left") or 0), int(reason == "not_approved"))

    def _read_changes_wanted(self, number: int) -> tuple[str, ...]:
        reviewers = self._list(f"{self._at(number)}/reviewers") or ()
        return tuple(str(one["user"]["username"]) for one in reviewers if one.get("state") == "requested_changes")

    def _count_open_conversations(self, number: int, document: Document, project: Document) -> int:
        if not project.get("only_allow_merge_if_all_discussions_are_resolved"):
            return 0
        if document.get("blocking_discussions_resolved") is True:
            return 0
        found = list(self._transport.pages(f"{self._at(number)}/discussions"))
        return answers.count_open(found)

    def _require_branch(self, name: str) -> None:
        if self._transport.find(f"{self._project}/repository/branches/{quote(name, safe='')}") is None:
            # Raises where it is the project that is not to be seen.
            self._read_project()
            raise ForgeError("invalid", f"GitLab has no branch {name}")

    def _list_commits(self, base: str, branch: str) -> list[Document] | None:
        """At most one commit of the branch that base lacks; None if GitLab does not say."""
        path = f"{self._project}/repository/commits"
        found: list[Document] | None = self._transport.find(path, ref_name=f"{base}..{branch}", per_page=1)
        return found

    def _find_user(self, login: str) -> int | None:
        name = login.removeprefix("@")
        found = self._transport.get("users", username=name)
        return next((int(user["id"]) for user in found if str(user["username"]).lower() == name.lower()), None)

    def _find_milestone(self, title: str) -> int | None:
        path = f"{self._project}/milestones"
        found = self._transport.pages(path, title=title, include_ancestors="true")
        fitting = [one for one in found if one.get("title") == title]
        fitting.sort(key=lambda one: one.get("state") != "active")
        return int(fitting[0]["id"]) if fitting else None

    def _find(self, path: str) -> Document | None:
        """The JSON at a path, None where this server, its licence or the token has none."""
        try:
            return _require_object(self._transport.get(path))
        except ForgeError as error:
            if error.cause not in ("not_found", "forbidden"):
                raise
            return None

    def _list(self, path: str) -> list[Document] | None:
        """All of a list, None where this server, its licence or the token has none."""
        try:
            return list(self._transport.pages(path))
        except ForgeError as error:
            if error.cause not in ("not_found", "forbidden"):
                raise
            return None

    def _accept(self, method: str, path: str, question: Mapping[str, Any], number: int) -> None:
        try:
            self._send(method, path, question, _MERGING)
        except ForgeError as error:
            if error.status != 401:
                raise
            # To merge without the right to is a 401, as a bad token is; a bad one cannot read either.
            self._read(number)
            raise ForgeError("forbidden", f"{error.message} (no right to merge)", status=401) from error

    def _send(self, method: str, path: str, question: Mapping[str, Any], causes: Mapping[int, Cause]) -> Any:
        try:
            return self._transport.send(method, path, question)
        except ForgeError as error:
            cause = causes.get(error.status or 0)
            if cause is None:
                raise
            raise ForgeError(cause, error.message, until_s=error.until_s, status=error.status) from error


def _require_object(answer: Any) -> Document:
    if not isinstance(answer, dict):
        raise ForgeError("unexpected", "GitLab gave an answer that is no object")
    return answer
