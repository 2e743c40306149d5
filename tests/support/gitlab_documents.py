"""The JSON that the stand-in of a GitLab gives, with the fields of GitLab's own documentation."""

from __future__ import annotations

import hashlib
from typing import Any

from support.gitlab_state import FORK_ID, PROJECT_ID, Job, MergeRequest, Note, Pipeline, State

PROJECT = "group/sub/app"


class Documents:
    """Makes them."""

    def __init__(self, state: State, url: str) -> None:
        self._state = state
        self._url = url

    def user(self, login: str) -> dict[str, Any]:
        return {
            "id": self._state.users.get(login, 999),
            "username": login,
            "name": login.title(),
            "state": "active",
            "web_url": f"{self._url}/{login}",
        }

    def project(self) -> dict[str, Any]:
        settings = self._state.settings
        document: dict[str, Any] = {
            "id": PROJECT_ID,
            "path_with_namespace": PROJECT,
            "default_branch": "main",
            "web_url": f"{self._url}/{PROJECT}",
            "archived": settings.archived,
            "jobs_enabled": settings.builds_access_level != "disabled",
            "builds_access_level": settings.builds_access_level,
            "merge_method": settings.merge_method,
            "squash_option": settings.squash_option,
            "only_allow_merge_if_pipeline_succeeds": settings.only_allow_merge_if_pipeline_succeeds,
            "allow_merge_on_skipped_pipeline": settings.allow_merge_on_skipped_pipeline,
            "only_allow_merge_if_all_discussions_are_resolved": (
                settings.only_allow_merge_if_all_discussions_are_resolved
            ),
            "remove_source_branch_after_merge": settings.removes_source_branch,
        }
        if not settings.is_free:
            document["merge_trains_enabled"] = settings.merge_trains
        if settings.only_allow_merge_if_all_status_checks_passed is not None:
            document["only_allow_merge_if_all_status_checks_passed"] = (
                settings.only_allow_merge_if_all_status_checks_passed
            )
        if settings.is_old:
            del document["builds_access_level"]
        return document

    def request(self, request: MergeRequest, *, reason: str) -> dict[str, Any]:
        """As lists have it. `reason`: the detailed status."""
        state, settings = self._state, self._state.settings
        is_known = reason not in ("checking", "unchecked")
        has_conflict = is_known and request.state == "opened" and state.has_conflict(request)
        simple = ("cannot_be_merged" if has_conflict else "can_be_merged") if is_known else reason
        merger = self.user(request.merged_by) if request.merged_by else None
        document: dict[str, Any] = {
            "id": 5000 + request.iid,
            "iid": request.iid,
            "project_id": PROJECT_ID,
            "source_project_id": request.source_project,
            "target_project_id": PROJECT_ID,
            "title": request.title,
            "description": request.description,
            "state": request.state,
            "created_at": request.created_at,
            "updated_at": request.created_at,
            "merged_by": merger,
            "closed_by": self.user(request.closed_by) if request.closed_by else None,
            "source_branch": request.source,
            "target_branch": request.target,
            "author": self.user("owner"),
            "reviewers": [self.user(login) for login in request.reviewers],
            "labels": list(request.labels),
            "milestone": self.milestone(request.milestone) if request.milestone else None,
            "work_in_progress": request.is_draft,
            "merge_when_pipeline_succeeds": request.auto_merge is not None,
            "merge_status": simple,
            "sha": state.head_of(request),
            "merge_commit_sha": request.merge_commit_sha,
            "squash_commit_sha": request.squash_commit_sha,
            "has_conflicts": has_conflict,
            "blocking_discussions_resolved": state.is_resolved(request),
            "squash": False,
            "web_url": f"{self._url}/{PROJECT}/-/merge_requests/{request.iid}",
        }
        if not settings.is_old:
            document |= {"draft": request.is_draft, "detailed_merge_status": reason, "merge_user": merger}
            document["merge_after"] = "2026-12-31T10:00:00.000+02:00" if request.reason == "merge_time" else None
        return document

    def whole_request(self, request: MergeRequest, *, reason: str, can_merge: bool) -> dict[str, Any]:
        """As a single reading has it, with what is to be asked for."""
        head = self._state.head_of(request)
        pipeline = self._state.find_pipeline(head)
        document = self.request(request, reason=reason)
        document["head_pipeline"] = self.pipeline(pipeline, request.source_project) if pipeline else None
        document["user"] = {"can_merge": can_merge}
        document["merge_error"] = None
        return document

    def milestone(self, title: str) -> dict[str, Any]:
        return {"id": self._state.milestones[title], "title": title, "state": "active"}

    def pipeline(self, pipeline: Pipeline, project_id: int = PROJECT_ID) -> dict[str, Any]:
        return {
            "id": pipeline.id,
            "project_id": project_id,
            "sha": pipeline.sha,
            "ref": pipeline.ref,
            "status": pipeline.status,
            "source": pipeline.source,
            "web_url": f"{self._url}/{PROJECT}/-/pipelines/{pipeline.id}",
        }

    def job(self, job: Job) -> dict[str, Any]:
        return {
            "id": job.id,
            "name": job.name,
            "stage": "test",
            "status": job.status,
            "allow_failure": job.allow_failure,
            "web_url": f"{self._url}/{PROJECT}/-/jobs/{job.id}",
        }

    def status(self, job: Job, pipeline: Pipeline) -> dict[str, Any]:
        return {
            "id": job.id,
            "sha": pipeline.sha,
            "ref": pipeline.ref,
            "name": job.name,
            "status": job.status,
            "allow_failure": job.allow_failure,
            "target_url": f"https://ci.example.test/{job.name}" if job.kind == "external" else None,
            "description": None,
            "pipeline_id": pipeline.id,
        }

    def approvals(self, request: MergeRequest) -> dict[str, Any]:
        state = self._state
        left = state.count_approvals_left(request)
        document: dict[str, Any] = {
            "approved": left == 0 if not state.settings.is_free else bool(request.approvals),
            "approved_by": [{"user": self.user(login)} for login in request.approvals],
            "user_has_approved": False,
            "user_can_approve": True,
        }
        if not state.settings.is_free:
            document |= {"approvals_required": state.settings.approvals_required, "approvals_left": left}
        return document

    def reviewers(self, request: MergeRequest) -> list[dict[str, Any]]:
        return [
            {"user": self.user(login), "state": state, "created_at": request.created_at}
            for login, state in request.reviewers.items()
        ]

    def discussion(self, notes: list[Note]) -> dict[str, Any]:
        name = hashlib.sha1(str(notes[0].id).encode(), usedforsecurity=False).hexdigest()
        return {"id": name, "individual_note": False, "notes": [self.note(note) for note in notes]}

    def note(self, note: Note) -> dict[str, Any]:
        document: dict[str, Any] = {
            "id": note.id,
            "type": "DiffNote" if note.path else None,
            "body": note.body,
            "author": self.user(note.author) | ({"bot": True} if note.bot else {}),
            "created_at": note.created_at,
            "system": note.system,
            "resolvable": note.resolvable,
        }
        if note.resolvable:
            document["resolved"] = note.resolved
        if note.path:
            document["position"] = {
                "position_type": "text",
                "old_path": note.path,
                "new_path": note.path,
                "old_line": None,
                "new_line": note.line,
            }
        return document

    def train_car(self, request: MergeRequest) -> dict[str, Any]:
        return {
            "id": 9000 + request.iid,
            "merge_request": {"iid": request.iid, "project_id": PROJECT_ID, "state": request.state},
            "status": "idle",
            "target_branch": request.target,
        }


__all__ = ["FORK_ID", "PROJECT", "Documents"]
