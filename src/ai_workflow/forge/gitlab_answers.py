"""What GitLab's REST API v4 answers, in the words of the port (spec §6.5). Pure.

Sources: GitLab docs "Merge requests API", "Jobs API", "Commits API", "Discussions API", "Projects API".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from ai_workflow.clock import format_utc
from ai_workflow.models.forge import (
    CheckOutcome,
    ForgeCheck,
    ForgeComment,
    ForgeRequest,
    Mergeability,
    Method,
    RequestStatus,
)

Document = Mapping[str, Any]

DRAFT = "Draft: "
_DRAFT = re.compile(r"\s*(?:\[(?:draft|wip)\]|\(draft\)|(?:draft|wip):|draft -\s)\s*", re.IGNORECASE)
BEING_MERGED = "locked"
_STATUSES: dict[str, RequestStatus] = {
    "opened": "open",
    "reopened": "open",
    BEING_MERGED: "open",
    "closed": "closed",
    "merged": "merged",
}
COMPUTING = ("checking", "unchecked", "preparing", "approvals_syncing")
_FOUND_ELSEWHERE = (
    *COMPUTING,
    "mergeable",
    "conflict",
    "need_rebase",
    "draft_status",
    "not_open",
    "ci_must_pass",
    "ci_still_running",
    "not_approved",
    "requested_changes",
    "discussions_not_resolved",
    "merge_time",
)
"""Values of `detailed_merge_status` that other fields of a standing tell."""
_BLOCKED = "Merge request dependencies: another merge request must be merged first."
_POLICY = "Security policies: at least one is not satisfied."
_OUTSIDE = "External status checks: not all of them have passed."
_TITLE = "Title: it does not match the pattern that the project asks for."
_RULES = {
    "merge_request_blocked": _BLOCKED,
    "blocked_status": _BLOCKED,
    "broken_status": "GitLab cannot merge the branch and does not say why.",
    "commits_status": "Commits: the source branch is gone or has none that the target branch lacks.",
    "external_status_checks": _OUTSIDE,
    "status_checks_must_pass": _OUTSIDE,
    "jira_association_missing": "Jira: the title or the description must name an issue.",
    "locked_lfs_files": "LFS file locks: a file that is changed here is locked by someone else.",
    "locked_paths": "File locks: a path that is changed here is locked by someone else.",
    "policies_denied": _POLICY,
    "security_policy_violations": _POLICY,
    "security_policy_pipeline_check": "Security policies: every pipeline of the newest commit must succeed.",
    "title_not_matching": _TITLE,
    "title_regex": _TITLE,
}
_PASSED = ("success", "passed")
_FAILED = ("failed", "canceled", "cancelled")
_TOKEN_USER = re.compile(r"(?:project|group)_\d+_bot(?:_?[0-9a-f]+)?", re.IGNORECASE)
"""Users that GitLab makes for project and group access tokens."""


def to_request(document: Document) -> ForgeRequest:
    """A merge request; its title is without the prefix that makes it a draft."""
    status = _STATUSES[document["state"]]
    is_draft = is_draft_of(document)
    merged_sha = document.get("merge_commit_sha") or document.get("squash_commit_sha") or document.get("sha")
    return ForgeRequest(
        number=int(document["iid"]),
        url=str(document["web_url"]),
        status=status,
        title=strip_draft(document["title"]) if is_draft else str(document["title"]),
        body=document.get("description") or "",
        branch=str(document["source_branch"]),
        head_sha=document.get("sha") or "",
        base=str(document["target_branch"]),
        is_foreign=document.get("source_project_id") != document.get("target_project_id"),
        is_draft=is_draft,
        merged_sha=merged_sha if status == "merged" else None,
        ended_by=_ended_by(document, status),
        merges_itself=status == "open" and bool(document.get("merge_when_pipeline_succeeds")),
    )


def is_draft_of(document: Document) -> bool:
    """Whether a merge request is a draft, to servers of any age."""
    said = document.get("draft", document.get("work_in_progress"))
    return bool(_DRAFT.match(document["title"])) if said is None else bool(said)


def strip_draft(title: str) -> str:
    """The title without the prefixes that make it a draft; itself if nothing else is in it."""
    rest = title
    while match := _DRAFT.match(rest):
        rest = rest[match.end() :]
    return rest or title


def _ended_by(document: Document, status: RequestStatus) -> str | None:
    fields = {"merged": ("merge_user", "merged_by"), "closed": ("closed_by",)}.get(status, ())
    return next((str(user["username"]) for field in fields if (user := document.get(field))), None)


def reason_of(document: Document) -> str:
    """`detailed_merge_status`; servers before 15.6 have `merge_status` alone, which knows of conflicts only."""
    if detailed := document.get("detailed_merge_status"):
        return str(detailed)
    simple = document.get("merge_status")
    return {"can_be_merged": "mergeable", "cannot_be_merged": "conflict"}.get(str(simple), "unchecked")


def to_mergeability(document: Document, *, is_linear: bool) -> Mergeability:
    """Whether the branches can be merged, apart from rules.

    Args:
        is_linear: whether the project takes only branches that hold the newest base.
    """
    reason = reason_of(document)
    simple = document.get("merge_status")
    if document.get("rebase_in_progress") or reason in COMPUTING:
        return "unknown"
    if reason == "conflict" or (simple == "cannot_be_merged" and document.get("has_conflicts", True)):
        return "conflict"
    # One reason is named at a time: an approval that is missing hides that the branch is behind.
    if reason == "need_rebase" or (is_linear and (document.get("diverged_commits_count") or 0) > 0):
        return "behind"
    return "yes" if reason == "mergeable" or simple == "can_be_merged" else "unknown"


def to_rules(document: Document, project: Document) -> tuple[str, ...]:
    """What stands in the way that no other field of a standing tells, a sentence each."""
    reason = reason_of(document)
    rules = [_RULES[reason]] if reason in _RULES else []
    if reason == "merge_time":
        rules.append(f"Merge time: it may be merged after {to_moment(document['merge_after'])} only.")
    if not rules and reason not in _FOUND_ELSEWHERE:
        rules.append(f"GitLab names {reason} as the reason why it cannot be merged.")
    if (document.get("user") or {}).get("can_merge") is False:
        rules.append(f"Protected branch: this token's user may not merge into {document['target_branch']}.")
    if project.get("archived"):
        rules.append("Archived project: nothing can be merged in it.")
    return tuple(rules)


def to_methods(project: Document) -> tuple[Method, ...]:
    """What the project's `merge_method` and `squash_option` allow; `ff` keeps the commits, as a rebase does."""
    squash = project.get("squash_option") or "default_off"
    plain: Method = "rebase" if project.get("merge_method") == "ff" else "merge"
    methods: list[Method] = [] if squash == "always" else [plain]
    return (*methods, *(() if squash == "never" else ("squash",)))


def is_linear_of(project: Document) -> bool:
    """Whether the project takes only branches that hold the newest base."""
    return project.get("merge_method") in ("ff", "rebase_merge")


def has_builds(project: Document) -> bool:
    """Whether CI is switched on; servers before 12.10 have `jobs_enabled` alone."""
    level = project.get("builds_access_level")
    return level != "disabled" if level else project.get("jobs_enabled", True) is not False


def to_checks(
    pipeline: Document | None, jobs: Iterable[Document], statuses: Iterable[Document], *, project: Document
) -> tuple[ForgeCheck, ...]:
    """The jobs and external statuses of a head; the pipeline too where its outcome is none of theirs.

    Args:
        pipeline: the head's, None without one.
        jobs: its jobs and those that trigger others (bridges).
        statuses: set by others, through the API.
        project: its settings say what is required.
    """
    is_required = bool(project.get("only_allow_merge_if_pipeline_succeeds"))
    checks = [
        ForgeCheck(
            name=str(one["name"]),
            outcome=(outcome := _job_outcome(one)),
            url=one.get("web_url") or one.get("target_url"),
            is_required=is_required and outcome != "ignored",
        )
        for one in [*jobs, *statuses]
    ]
    if pipeline is not None:
        outcome = _pipeline_outcome(pipeline, project)
        # A pipeline without a job (a wrong file), one that waits to begin, and what the jobs do not say.
        if outcome not in {check.outcome for check in checks}:
            url = pipeline.get("web_url")
            checks.append(ForgeCheck(name="pipeline", outcome=outcome, url=url, is_required=is_required))
    return tuple(checks)


def select_statuses(
    statuses: Iterable[Document], jobs: Iterable[Document], pipeline_ids: Collection[int]
) -> list[Document]:
    """Of all statuses of a commit those that belong to these pipelines and are not jobs that are known already."""
    known = list(jobs)
    ids, names = {job.get("id") for job in known}, {job.get("name") for job in known}
    return [
        status
        for status in statuses
        if status.get("id") not in ids
        # Older servers do not tell the pipeline.
        and (status["pipeline_id"] in pipeline_ids if status.get("pipeline_id") else status["name"] not in names)
    ]


def to_outside_checks(checks: Iterable[Document], *, is_required: bool) -> tuple[ForgeCheck, ...]:
    """External status checks, that other services answer for."""
    return tuple(
        ForgeCheck(
            name=str(check["name"]), outcome=_outcome(str(check["status"]), is_blocking=True), is_required=is_required
        )
        for check in checks
    )


def _job_outcome(job: Document) -> CheckOutcome:
    return _outcome(str(job["status"]), is_blocking=not job.get("allow_failure"))


def _outcome(status: str, *, is_blocking: bool) -> CheckOutcome:
    if status in _PASSED:
        return "passed"
    if not is_blocking or status == "skipped":
        return "ignored"
    # `manual` is a job that must be started by hand before the pipeline goes on.
    return "failed" if status in _FAILED else "pending"


def _pipeline_outcome(pipeline: Document, project: Document) -> CheckOutcome:
    status = str(pipeline["status"])
    is_required = project.get("only_allow_merge_if_pipeline_succeeds")
    if status == "skipped" and is_required and not project.get("allow_merge_on_skipped_pipeline"):
        return "failed"
    return _outcome(status, is_blocking=True)


def count_open(discussions: Iterable[Document]) -> int:
    """How many discussions are still to be resolved."""
    return sum(
        any(note.get("resolvable") and not note.get("resolved") for note in discussion["notes"])
        for discussion in discussions
    )


def to_comments(discussions: Iterable[Document], url: str) -> tuple[ForgeComment, ...]:
    """What people wrote, the oldest first.

    Args:
        url: the page of the merge request.
    """
    notes = [note for discussion in discussions for note in discussion["notes"] if _is_of_a_person(note)]
    notes.sort(key=lambda note: (to_moment(note["created_at"]), int(note["id"])))
    return tuple(_to_comment(note, url) for note in notes)


def _is_of_a_person(note: Document) -> bool:
    author = note.get("author") or {}
    is_bot = author.get("bot") or _TOKEN_USER.fullmatch(author.get("username") or "")
    return not note.get("system") and not is_bot


def _to_comment(note: Document, url: str) -> ForgeComment:
    place = note.get("position") or {}
    line = place.get("new_line") or place.get("old_line")
    return ForgeComment(
        id=str(note["id"]),
        author=str((note.get("author") or {}).get("username") or "ghost"),
        text=note.get("body") or "",
        path=place.get("new_path") or place.get("old_path"),
        line=int(line) if line else None,
        url=f"{url}#note_{note['id']}",
        is_resolved=bool(note.get("resolved")),
        at=to_moment(note["created_at"]),
    )


def to_moment(text: str) -> str:
    """A moment with any offset and fraction as ISO-8601 UTC in seconds: `2026-01-02T03:04:05Z`."""
    return format_utc(datetime.fromisoformat(text).timestamp())
