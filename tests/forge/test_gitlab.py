"""The adapter for GitLab against a stand-in with a real repository (spec §6.5)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ai_workflow.forge.base import Cause, Forge, ForgeError
from ai_workflow.forge.gitlab import GitLab, gitlab_headers
from ai_workflow.forge.transport import Timing, Transport
from ai_workflow.models.forge import ForgeCheck, ForgeRequest, Mergeability, Method
from support.gitlab_forge import GitLabForge
from support.prepared import prepared
from support.project import make_project

AT = "projects/group%2Fsub%2Fapp/merge_requests"
MESSAGE = "Goal.\n\nAI-Milestone: M01"


class Recorded(Timing):
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.waited_s: list[float] = []

    def now_s(self) -> float:
        return time.time() + sum(self.waited_s)

    def sleep(self, seconds: float) -> None:
        self.waited_s.append(seconds)


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[GitLabForge]:
    project = prepared(make_project, tmp_path)
    assert project.origin is not None
    server = GitLabForge(project.origin)
    yield server
    server.close()
    _check_contract(server)


def _check_contract(server: GitLabForge) -> None:
    if find_spec("support.contract") is None:
        return
    contract = import_module("support.contract").Contract.load("gitlab")
    for asked in server.log:
        if 0 < asked.status < 500:
            contract.check(asked.method, asked.path, asked.query, asked.body, asked.status, asked.answer)


def connect(forge: GitLabForge, *, token: str = "owner-token", timing: Timing | None = None) -> GitLab:
    transport = Transport(
        forge.place.api_url,
        name="GitLab",
        headers=gitlab_headers(token),
        talk=lambda _text: None,
        max_wait_s=60,
        timing=timing or Recorded(),
    )
    return GitLab(forge.place, transport)


@pytest.fixture
def gitlab(forge: GitLabForge) -> Iterator[GitLab]:
    adapter = connect(forge)
    yield adapter
    adapter.close()


def begin(forge: GitLabForge, gitlab: GitLab, *, is_draft: bool = False) -> ForgeRequest:
    """A merge request of the branch `work`, that has one commit."""
    forge.push_by_hand("work", {"work.txt": "work\n"}, message="Work")
    return gitlab.create_request(branch="work", base="main", title="M01 - Work", body="Body.", is_draft=is_draft)


def merge(gitlab: GitLab, request: ForgeRequest, method: Method = "merge", *, head_sha: str | None = None) -> None:
    gitlab.merge(request, head_sha=head_sha or request.head_sha, method=method, title="M01 - Work", message=MESSAGE)


def failure_of(action: Callable[[], Any]) -> ForgeError:
    with pytest.raises(ForgeError) as caught:
        action()
    return caught.value


# Requests


def test_a_request_is_opened_found_and_read(forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(forge, gitlab)
    assert request == ForgeRequest(
        number=1,
        url=f"{forge.url}/group/sub/app/-/merge_requests/1",
        status="open",
        title="M01 - Work",
        body="Body.",
        branch="work",
        head_sha=forge.repository.find_tip("work") or "",
        base="main",
    )
    assert gitlab.read_request(1) == request
    assert gitlab.find_requests("work") == (request,)
    assert gitlab.find_requests("wor") == ()
    port: Forge = gitlab
    assert (port.name, port.noun) == ("GitLab", "merge request")
    assert {asked.path.split("/")[2] for asked in forge.log} == {"group%2Fsub%2Fapp"}


def test_all_requests_of_a_branch_are_found_the_newest_first(forge: GitLabForge, gitlab: GitLab) -> None:
    begin(forge, gitlab)
    forge.close_by_hand(1, by="tom")
    forge.open_by_hand("work", base="other", is_foreign=True)
    for _ in range(120):
        forge.close_by_hand(forge.open_by_hand("work"))
    found = gitlab.find_requests("work")
    assert [one.number for one in found] == list(range(122, 0, -1))
    assert [(one.status, one.is_foreign, one.base, one.ended_by) for one in found[-2:]] == [
        ("open", True, "other", None),
        ("closed", False, "main", "tom"),
    ]


def test_a_request_is_changed_in_what_is_given(forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(forge, gitlab)
    forge.push_by_hand("release", {"r.txt": "r\n"})
    assert gitlab.update_request(1, base="release").base == "release"
    assert gitlab.update_request(1, title="Other").title == "Other"
    changed = gitlab.update_request(1, body="")
    assert (changed.title, changed.body, changed.base) == ("Other", "", "release")
    assert gitlab.update_request(1) == changed
    assert request.body == "Body."


@pytest.mark.parametrize("is_old", [False, True])
def test_a_draft_is_one_by_its_prefix(forge: GitLabForge, gitlab: GitLab, is_old: bool) -> None:
    forge.settings.is_old = is_old
    request = begin(forge, gitlab, is_draft=True)
    assert (request.title, request.is_draft) == ("M01 - Work", True)
    assert forge.request().title == "Draft: M01 - Work"
    assert gitlab.update_request(1, title="Other").is_draft
    assert forge.request().title == "Draft: Other"
    # An old server tells of conflicts only.
    assert gitlab.read_standing(1).is_refused is not is_old
    forge.request().title = "[WIP] draft: By hand"
    assert gitlab.read_request(1).title == "By hand"
    gitlab.set_ready(request)
    ready = gitlab.read_request(1)
    assert (ready.title, ready.is_draft) == ("By hand", False)
    gitlab.set_ready(ready)
    assert [asked.body for asked in forge.log if asked.method == "PUT"] == [
        {"title": "Draft: Other"},
        {"title": "By hand"},
    ]


def test_what_cannot_be_opened_is_invalid(forge: GitLabForge, gitlab: GitLab) -> None:
    begin(forge, gitlab)
    again = failure_of(lambda: gitlab.create_request(branch="work", base="main", title="M01", body="", is_draft=False))
    assert (again.cause, again.status) == ("invalid", 409)
    assert "Another open merge request already exists" in again.message
    forge.repository.move("empty", forge.repository.find_tip("main") or "", None)
    refused = [("empty", "main", "empty has no commit that main lacks"), ("work", "no", "GitLab has no branch no")]
    for branch, base, said in refused:
        with pytest.raises(ForgeError) as caught:
            gitlab.create_request(branch=branch, base=base, title="x", body="", is_draft=False)
        assert (caught.value.cause, caught.value.message) == ("invalid", said)
    assert failure_of(lambda: gitlab.update_request(1, base="nowhere")).cause == "invalid"
    assert len(gitlab.find_requests("work")) == 1


def test_labels_reviewers_and_the_milestone_are_added(forge: GitLabForge, gitlab: GitLab) -> None:
    begin(forge, gitlab)
    forge.request().reviewers["tom"] = "approved"
    forge.request().labels.append("bug")
    said = gitlab.furnish(
        1,
        labels=["bug", "aiw", "a,b"],
        reviewers=["@Maria", "nobody", "outsider", "tom"],
        milestone="Group plan",
    )
    assert said == (
        "GitLab's labels hold no comma: a,b",
        "GitLab knows no user nobody",
        "GitLab did not take outsider as a reviewer",
    )
    assert forge.request().labels == ["bug", "aiw"]
    assert forge.request().reviewers == {"tom": "approved", "maria": "unreviewed"}
    assert forge.request().milestone == "Group plan"
    writes = len([asked for asked in forge.log if asked.method == "PUT"])
    assert gitlab.furnish(1, labels=["aiw"], reviewers=["maria"], milestone="v1.0") == ()
    assert forge.request().milestone == "Group plan"
    assert len([asked for asked in forge.log if asked.method == "PUT"]) == writes


def test_what_the_licence_has_not_is_told(forge: GitLabForge, gitlab: GitLab) -> None:
    begin(forge, gitlab)
    forge.settings.is_free = True
    assert gitlab.furnish(1, labels=[], reviewers=["maria", "tom"], milestone="v9") == (
        "GitLab knows no milestone v9 in group/sub/app or its groups",
        "GitLab did not take tom as a reviewer",
    )
    forge.settings.approvals_required = 2
    assert gitlab.read_standing(1).approvals_wanted == 0


# Merging

MERGES: list[tuple[str, Method, int, tuple[str, ...]]] = [
    ("merge", "merge", 2, ("M01 - Work", "Work")),
    ("merge", "squash", 2, ("M01 - Work", "M01 - Work")),
    ("rebase_merge", "merge", 2, ("M01 - Work", "Work")),
    ("ff", "rebase", 1, ("Work",)),
    ("ff", "squash", 1, ("M01 - Work",)),
]


@pytest.mark.parametrize(("project_method", "method", "parents", "subjects"), MERGES)
def test_a_merge_is_of_the_projects_kind(
    forge: GitLabForge, gitlab: GitLab, project_method: str, method: Method, parents: int, subjects: tuple[str, ...]
) -> None:
    forge.settings.merge_method = project_method
    old = forge.repository.find_tip("main")
    request = begin(forge, gitlab)
    merge(gitlab, request, method)
    after = gitlab.read_request(1)
    assert (after.status, after.ended_by, after.head_sha) == ("merged", "owner", request.head_sha)
    tip = forge.repository.find_tip("main")
    assert after.merged_sha == tip
    assert tip is not None
    assert len(forge.repository.parents(tip)) == parents
    new = forge.repository.list_commits(f"{old}..main")
    assert tuple(forge.repository.message(sha).split("\n")[0] for sha in new) == subjects
    assert MESSAGE in forge.repository.message(tip) or subjects == ("Work",)
    standing = gitlab.read_standing(1)
    assert (standing.request, standing.is_refused, standing.checks) == (after, True, ())


def test_the_project_allows_methods(forge: GitLabForge, gitlab: GitLab) -> None:
    begin(forge, gitlab)
    found = {}
    for merge_method in ("merge", "rebase_merge", "ff"):
        for squash_option in ("default_off", "default_on", "never", "always"):
            forge.settings.merge_method, forge.settings.squash_option = merge_method, squash_option
            found[merge_method, squash_option] = gitlab.read_standing(1).allowed_methods
    assert found == {
        ("merge", "default_off"): ("merge", "squash"),
        ("merge", "default_on"): ("merge", "squash"),
        ("merge", "never"): ("merge",),
        ("merge", "always"): ("squash",),
        ("rebase_merge", "default_off"): ("merge", "squash"),
        ("rebase_merge", "default_on"): ("merge", "squash"),
        ("rebase_merge", "never"): ("merge",),
        ("rebase_merge", "always"): ("squash",),
        ("ff", "default_off"): ("rebase", "squash"),
        ("ff", "default_on"): ("rebase", "squash"),
        ("ff", "never"): ("rebase",),
        ("ff", "always"): ("squash",),
    }


def test_a_moved_head_is_not_merged(forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(forge, gitlab)
    moved = forge.push_by_hand("work", {"more.txt": "more\n"})
    assert failure_of(lambda: merge(gitlab, request)).cause == "head_moved"
    assert failure_of(lambda: merge(gitlab, request, head_sha=moved[:9])).cause == "head_moved"
    assert failure_of(lambda: gitlab.merge_later(request, head_sha=request.head_sha, method="merge")).cause == (
        "head_moved"
    )
    merge(gitlab, request, head_sha=moved)
    assert gitlab.read_request(1).status == "merged"


def test_a_conflict_is_not_mergeable(forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(forge, gitlab)
    forge.push_by_hand("main", {"work.txt": "other\n"})
    assert failure_of(lambda: merge(gitlab, request)).status == 405
    forge.settings.is_old = True
    old = failure_of(lambda: merge(gitlab, request))
    assert (old.cause, old.status) == ("not_mergeable", 406)


def test_who_may_not_merge_is_told_so(forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(forge, gitlab)
    forge.settings.is_protected = True
    assert failure_of(lambda: merge(gitlab, request)).cause == "forbidden"
    assert gitlab.read_standing(1).rules == ("Protected branch: this token's user may not merge into main.",)
    forge.tokens.clear()
    assert failure_of(lambda: merge(gitlab, request)).cause == "bad_credentials"


def test_a_merge_by_hand_is_seen(forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(forge, gitlab)
    forge.settings.removes_source_branch = True
    forge.merge_by_hand(by="tom", squash=True)
    after = gitlab.read_request(1)
    assert (after.status, after.ended_by, after.merged_sha) == ("merged", "tom", forge.repository.find_tip("main"))
    assert forge.repository.find_tip("work") is None
    assert failure_of(lambda: merge(gitlab, request)).cause == "not_mergeable"


def test_a_closed_request_may_be_opened_again(forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(forge, gitlab)
    forge.close_by_hand()
    assert gitlab.read_request(1).status == "closed"
    assert gitlab.read_standing(1).is_refused
    forge.reopen_by_hand()
    assert gitlab.read_request(1) == request


def test_gitlab_merges_by_itself_once_the_pipeline_has_passed(forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(forge, gitlab)
    forge.settings.only_allow_merge_if_pipeline_succeeds = True
    forge.set_job("work", "test", "running")
    assert failure_of(lambda: merge(gitlab, request)).cause == "not_mergeable"
    gitlab.merge_later(request, head_sha=request.head_sha, method="squash")
    assert forge.log[-1].body == {
        "sha": request.head_sha,
        "squash": True,
        "auto_merge": True,
        "merge_when_pipeline_succeeds": True,
    }
    waiting = gitlab.read_request(1)
    assert (waiting.status, waiting.merges_itself) == ("open", True)
    forge.set_job("work", "test", "success")
    after = gitlab.read_request(1)
    assert (after.status, after.merges_itself, after.merged_sha) == ("merged", False, forge.repository.find_tip("main"))


def test_a_merge_train_is_boarded(forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(forge, gitlab)
    assert not gitlab.read_standing(1).has_queue
    forge.settings.merge_trains = True
    assert gitlab.read_standing(1).has_queue
    gitlab.merge_later(request, head_sha=request.head_sha, method="merge")
    assert (forge.log[-1].method, forge.log[-1].path.split("/", 3)[3]) == ("POST", "merge_trains/merge_requests/1")
    assert gitlab.read_request(1).merges_itself
    forge.run_train()
    assert gitlab.read_request(1).status == "merged"
    assert failure_of(lambda: gitlab.merge_later(request, head_sha=request.head_sha, method="merge")).cause == (
        "not_mergeable"
    )


# Standing


def test_a_request_that_can_be_merged_stands_so(forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(forge, gitlab)
    standing = gitlab.read_standing(1)
    assert (standing.request, standing.mergeability, standing.is_refused) == (request, "yes", False)
    assert (standing.checks, standing.missing_checks, standing.expects_checks) == ((), (), False)
    assert (standing.approvals_wanted, standing.changes_wanted_by, standing.open_conversations) == (0, (), 0)
    assert (standing.rules, standing.has_queue) == ((), False)


REASONS: list[tuple[str, Mergeability, bool, str]] = [
    ("approvals_syncing", "unknown", False, ""),
    ("checking", "unknown", False, ""),
    ("preparing", "unknown", False, ""),
    ("unchecked", "unknown", False, ""),
    ("mergeable", "yes", False, ""),
    ("ci_must_pass", "yes", True, ""),
    ("ci_still_running", "yes", True, ""),
    ("conflict", "conflict", True, ""),
    ("need_rebase", "behind", True, ""),
    ("discussions_not_resolved", "yes", True, ""),
    ("draft_status", "yes", True, ""),
    ("not_approved", "yes", True, ""),
    ("not_open", "yes", True, ""),
    ("requested_changes", "yes", True, "Reviews: a reviewer asked for changes."),
    ("broken_status", "yes", True, "GitLab cannot merge the branch and does not say why."),
    ("blocked_status", "yes", True, "Merge request dependencies: another merge request must be merged first."),
    ("merge_request_blocked", "yes", True, "Merge request dependencies: another merge request must be merged first."),
    (
        "commits_status",
        "yes",
        True,
        "Commits: the source branch is gone or has none that the target branch lacks.",
    ),
    ("external_status_checks", "yes", True, "External status checks: not all of them have passed."),
    ("status_checks_must_pass", "yes", True, "External status checks: not all of them have passed."),
    ("jira_association_missing", "yes", True, "Jira: the title or the description must name an issue."),
    ("locked_lfs_files", "yes", True, "LFS file locks: a file that is changed here is locked by someone else."),
    ("locked_paths", "yes", True, "File locks: a path that is changed here is locked by someone else."),
    ("merge_time", "yes", True, "Merge time: it may be merged after 2026-12-31T08:00:00Z only."),
    ("policies_denied", "yes", True, "Security policies: at least one is not satisfied."),
    ("security_policy_violations", "yes", True, "Security policies: at least one is not satisfied."),
    (
        "security_policy_pipeline_check",
        "yes",
        True,
        "Security policies: every pipeline of the newest commit must succeed.",
    ),
    ("title_not_matching", "yes", True, "Title: it does not match the pattern that the project asks for."),
    ("title_regex", "yes", True, "Title: it does not match the pattern that the project asks for."),
    ("of_a_later_day", "yes", True, "GitLab names of_a_later_day as the reason why it cannot be merged."),
]


def test_every_detailed_merge_status_is_understood(forge: GitLabForge, gitlab: GitLab) -> None:
    begin(forge, gitlab)
    found = []
    for reason, *_ in REASONS:
        forge.request().reason = reason
        standing = gitlab.read_standing(1)
        found.append((reason, standing.mergeability, standing.is_refused, "".join(standing.rules)))
        assert standing.approvals_wanted == int(reason == "not_approved")
    assert found == REASONS


def test_a_status_that_is_being_computed_is_unknown(forge: GitLabForge, gitlab: GitLab) -> None:
    forge.settings.readings_until_computed = 2
    begin(forge, gitlab)
    assert [gitlab.read_standing(1).mergeability for _ in range(3)] == ["unknown", "unknown", "yes"]
    forge.push_by_hand("main", {"work.txt": "other\n"})
    assert [gitlab.read_standing(1).mergeability for _ in range(3)] == ["unknown", "unknown", "conflict"]


@pytest.mark.parametrize("is_old", [False, True])
def test_a_status_that_nobody_computes_is_asked_for(forge: GitLabForge, gitlab: GitLab, is_old: bool) -> None:
    forge.settings.waits_for_merge_ref, forge.settings.is_old = True, is_old
    begin(forge, gitlab)
    assert gitlab.read_standing(1).mergeability == "yes"
    forge.push_by_hand("main", {"work.txt": "other\n"})
    standing = gitlab.read_standing(1)
    assert (standing.mergeability, standing.is_refused) == ("conflict", True)
    forge.push_by_hand("main", {"work.txt": None})
    forge.fail_next("GET .*/merge_ref$", 403)
    assert gitlab.read_standing(1).mergeability == "unknown"
    assert gitlab.read_standing(1).mergeability == "yes"


@pytest.mark.parametrize("method", ["ff", "rebase_merge"])
def test_a_branch_that_must_hold_the_newest_base_is_behind(forge: GitLabForge, gitlab: GitLab, method: str) -> None:
    begin(forge, gitlab)
    forge.push_by_hand("main", {"other.txt": "other\n"})
    assert gitlab.read_standing(1).mergeability == "yes"
    forge.settings.merge_method = method
    assert gitlab.read_standing(1).mergeability == "behind"
    # One reason hides the other.
    forge.settings.approvals_required = 1
    standing = gitlab.read_standing(1)
    assert (standing.mergeability, standing.approvals_wanted) == ("behind", 1)
    forge.settings.is_old = True
    assert gitlab.read_standing(1).mergeability == "behind"
    forge.push_by_hand("main", {"work.txt": "other\n"})
    assert gitlab.read_standing(1).mergeability == "conflict"


def test_reviews_and_conversations_are_counted(forge: GitLabForge, gitlab: GitLab) -> None:
    begin(forge, gitlab)
    forge.settings.approvals_required = 2
    forge.settings.only_allow_merge_if_all_discussions_are_resolved = True
    forge.review("maria", "requested_changes")
    forge.review("tom", "approved")
    first = forge.comment("maria", "Why?")
    forge.comment("tom", "Because.", reply_to=first)
    forge.comment("tom", "And this?")
    forge.comment("maria", "Nice.", resolvable=False)
    standing = gitlab.read_standing(1)
    assert (standing.approvals_wanted, standing.changes_wanted_by, standing.open_conversations) == (1, ("maria",), 2)
    assert (standing.is_refused, standing.rules) == (True, ())
    forge.resolve(first)
    forge.review("maria", "approved")
    standing = gitlab.read_standing(1)
    assert (standing.approvals_wanted, standing.changes_wanted_by, standing.open_conversations) == (0, (), 1)
    forge.settings.only_allow_merge_if_all_discussions_are_resolved = False
    standing = gitlab.read_standing(1)
    assert (standing.open_conversations, standing.is_refused) == (0, False)


@pytest.mark.parametrize("status", [403, 404])
def test_what_a_server_does_not_have_is_missed_in_silence(forge: GitLabForge, gitlab: GitLab, status: int) -> None:
    begin(forge, gitlab)
    forge.set_job("work", "test", "success")
    forge.settings.only_allow_merge_if_all_status_checks_passed = False
    for path in ("approvals", "reviewers", "status_checks", "pipelines", "jobs", "bridges", "statuses"):
        forge.fail_next(f"GET .*/{path}$", status)
    standing = gitlab.read_standing(1)
    assert (standing.mergeability, standing.approvals_wanted, standing.changes_wanted_by) == ("yes", 0, ())
    # The merge request itself tells its pipeline.
    assert [(check.name, check.outcome) for check in standing.checks] == [("pipeline", "passed")]


# Checks

OUTCOMES = [
    ("created", False, "pending"),
    ("waiting_for_resource", False, "pending"),
    ("preparing", False, "pending"),
    ("pending", False, "pending"),
    ("running", False, "pending"),
    ("canceling", False, "pending"),
    ("scheduled", False, "pending"),
    ("success", False, "passed"),
    ("success", True, "passed"),
    ("failed", False, "failed"),
    ("failed", True, "ignored"),
    ("canceled", False, "failed"),
    ("canceled", True, "ignored"),
    ("skipped", False, "ignored"),
    ("manual", False, "pending"),
    ("manual", True, "ignored"),
]


@pytest.mark.parametrize("kind", ["jobs", "bridges", "external"])
def test_a_job_has_an_outcome(forge: GitLabForge, gitlab: GitLab, kind: str) -> None:
    begin(forge, gitlab)
    found = []
    for status, allow_failure, outcome in OUTCOMES:
        forge.set_job("work", "test", status, allow_failure=allow_failure, kind=kind)
        checks = {check.name: check for check in gitlab.read_standing(1).checks}
        found.append((status, allow_failure, checks["test"].outcome))
        assert not checks["test"].is_required
        # What is ignored leaves the pipeline to tell how it went.
        assert set(checks) - {"test"} == (set() if outcome != "ignored" or status == "skipped" else {"pipeline"})
    assert found == OUTCOMES


def test_a_check_is_as_the_pipeline_says_and_required_if_it_is(forge: GitLabForge, gitlab: GitLab) -> None:
    begin(forge, gitlab)
    forge.settings.only_allow_merge_if_pipeline_succeeds = True
    forge.set_job("work", "build", "success")
    forge.set_job("work", "lint", "failed", allow_failure=True)
    pipeline = forge.set_job("work", "deploy", "manual", allow_failure=True)
    job_url = f"{forge.url}/group/sub/app/-/jobs/{pipeline.jobs['build'].id}"
    standing = gitlab.read_standing(1)
    assert standing.checks[0] == ForgeCheck(name="build", outcome="passed", url=job_url, is_required=True)
    assert [(one.name, one.outcome, one.is_required) for one in standing.checks[1:]] == [
        ("lint", "ignored", False),
        ("deploy", "ignored", False),
    ]
    assert (standing.expects_checks, standing.missing_checks, standing.is_refused) == (True, (), False)
    pipeline.fixed = "failed"
    assert [(one.name, one.outcome) for one in gitlab.read_standing(1).checks][-1] == ("pipeline", "failed")


def test_no_pipeline_is_not_green(forge: GitLabForge, gitlab: GitLab) -> None:
    begin(forge, gitlab)
    forge.settings.only_allow_merge_if_pipeline_succeeds = True
    standing = gitlab.read_standing(1)
    assert (standing.checks, standing.expects_checks, standing.missing_checks) == ((), True, ("pipeline",))
    assert standing.is_refused
    forge.settings.only_allow_merge_if_pipeline_succeeds = False
    assert not gitlab.read_standing(1).expects_checks
    forge.set_job("main", "test", "success")
    assert gitlab.read_standing(1).expects_checks
    forge.fail_next("GET .*app/pipelines$", 403)
    assert gitlab.read_standing(1).expects_checks
    forge.settings.builds_access_level = "disabled"
    assert not gitlab.read_standing(1).expects_checks
    forge.settings.is_old = True
    assert not gitlab.read_standing(1).expects_checks


def test_a_pipeline_of_an_earlier_head_does_not_count(
    forge: GitLabForge, gitlab: GitLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = begin(forge, gitlab)
    stale = forge.set_job("work", "test", "success")
    forge.push_by_hand("work", {"more.txt": "more\n"})
    # GitLab names the last pipeline until it has made one for the new head.
    monkeypatch.setattr(forge._state, "find_pipeline", lambda _sha: stale)
    standing = gitlab.read_standing(1)
    assert (standing.checks, standing.expects_checks) == ((), True)
    assert standing.request.head_sha != request.head_sha


@pytest.mark.parametrize(("of_this_head", "names"), [(True, ["test"]), (False, [])])
def test_a_pipeline_of_the_merged_result_counts_for_its_head(
    forge: GitLabForge, gitlab: GitLab, monkeypatch: pytest.MonkeyPatch, of_this_head: bool, names: list[str]
) -> None:
    request = begin(forge, gitlab)
    repository, main = forge.repository, forge.repository.find_tip("main")
    assert main is not None
    tree = repository.merge_tree(main, request.head_sha)
    assert tree is not None
    result = repository.commit(tree, [main, request.head_sha if of_this_head else main], "Merge")
    pipeline = forge.add_pipeline(result, "refs/merge-requests/1/merge")
    forge.set_job("work", "test", "success")
    pipeline.jobs = forge._state.pipelines.pop().jobs
    monkeypatch.setattr(forge._state, "find_pipeline", lambda _sha: pipeline)
    assert [check.name for check in gitlab.read_standing(1).checks] == names


def test_a_pipeline_that_was_skipped_passes_where_it_may(forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(forge, gitlab)
    forge.add_pipeline(request.head_sha, "work", status="skipped")
    assert [check.outcome for check in gitlab.read_standing(1).checks] == ["ignored"]
    forge.settings.only_allow_merge_if_pipeline_succeeds = True
    assert [check.outcome for check in gitlab.read_standing(1).checks] == ["failed"]
    forge.settings.allow_merge_on_skipped_pipeline = True
    assert [check.outcome for check in gitlab.read_standing(1).checks] == ["ignored"]


def test_statuses_of_other_pipelines_count_where_they_come_from_outside(forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(forge, gitlab)
    forge.set_job("work", "jenkins", "failed", kind="external").source = "external"
    forge.add_pipeline(request.head_sha, "work", source="push")
    forge.set_job("work", "duplicate", "failed")
    forge.add_pipeline(request.head_sha, "refs/merge-requests/1/head", source="merge_request_event")
    forge.set_job("work", "test", "success")
    assert [(check.name, check.outcome, check.url) for check in gitlab.read_standing(1).checks[1:]] == [
        ("jenkins", "failed", "https://ci.example.test/jenkins")
    ]
    assert [check.name for check in gitlab.read_standing(1).checks] == ["test", "jenkins"]


def test_external_status_checks_are_checks(forge: GitLabForge, gitlab: GitLab) -> None:
    begin(forge, gitlab)
    forge.settings.only_allow_merge_if_all_status_checks_passed = True
    forge.set_status_check("compliance", "pending")
    forge.set_status_check("scan", "passed")
    standing = gitlab.read_standing(1)
    assert standing.checks == (
        ForgeCheck(name="compliance", outcome="pending", is_required=True),
        ForgeCheck(name="scan", outcome="passed", is_required=True),
    )
    assert standing.rules == ("External status checks: not all of them have passed.",)


# Comments


def test_comments_are_what_people_wrote(forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(forge, gitlab)
    first = forge.comment("maria", "Why?", path="work.txt", line=1)
    other = forge.comment("tom", "Nice.", resolvable=False)
    reply = forge.comment("tom", "Because.", reply_to=first, path="work.txt", line=1)
    forge.comment("tom", "added 1 commit", system=True)
    forge.comment("project_42_bot_0a1b2c3d", "Report.")
    forge.comment("group_7_bot", "Report.")
    forge.comment("reporter", "Report.", bot=True)
    forge.resolve(first)
    comments = gitlab.list_comments(1)
    assert [(one.id, one.author, one.text, one.path, one.line, one.is_resolved) for one in comments] == [
        (str(first), "maria", "Why?", "work.txt", 1, True),
        (str(other), "tom", "Nice.", None, None, False),
        (str(reply), "tom", "Because.", "work.txt", 1, True),
    ]
    assert comments[0].url == f"{request.url}#note_{first}"
    assert comments[0].at == "2026-01-02T03:00:01Z"


def test_all_pages_of_comments_are_read(forge: GitLabForge, gitlab: GitLab) -> None:
    begin(forge, gitlab)
    for number in range(230):
        forge.comment("maria", f"{number}")
    assert [one.text for one in gitlab.list_comments(1)] == [str(number) for number in range(230)]


# Failures

CAUSES: list[tuple[int, Cause]] = [
    (400, "invalid"),
    (401, "bad_credentials"),
    (403, "forbidden"),
    (404, "not_found"),
    (409, "invalid"),
    (422, "invalid"),
    (500, "server"),
    (503, "server"),
]


def test_a_refusal_to_change_has_a_cause(forge: GitLabForge, gitlab: GitLab) -> None:
    begin(forge, gitlab)
    for status, cause in CAUSES:
        asked = len(forge.log)
        forge.fail_next("PUT", status, {"message": {"title": ["is too long"]}})
        error = failure_of(lambda: gitlab.update_request(1, body="x"))
        assert (error.cause, error.message) == (cause, f"GitLab answered {status}: title is too long")
        assert len(forge.log) == asked + 1


MERGE_CAUSES: list[tuple[int, Cause]] = [
    (400, "not_mergeable"),
    (401, "forbidden"),
    (403, "forbidden"),
    (404, "not_found"),
    (405, "not_mergeable"),
    (406, "not_mergeable"),
    (409, "head_moved"),
    (422, "not_mergeable"),
    (502, "server"),
]


def test_a_refusal_to_merge_has_a_cause(forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(forge, gitlab)
    for status, cause in MERGE_CAUSES:
        forge.fail_next("PUT .*/merge$", status, times=2)
        assert failure_of(lambda: merge(gitlab, request)).cause == cause
        assert failure_of(lambda: gitlab.merge_later(request, head_sha=request.head_sha, method="merge")).cause == cause
    assert gitlab.read_request(1).status == "open"


@pytest.mark.parametrize(
    ("token", "reading", "writing"),
    [
        ("unknown", "bad_credentials", "bad_credentials"),
        ("stranger-token", "not_found", "not_found"),
        ("reader-token", None, "forbidden"),
    ],
)
def test_a_token_may_what_it_may(
    forge: GitLabForge, gitlab: GitLab, token: str, reading: str | None, writing: str
) -> None:
    request = begin(forge, gitlab)
    other = connect(forge, token=token)
    if reading is None:
        assert other.read_request(1) == request
    else:
        assert failure_of(lambda: other.read_request(1)).cause == reading
    assert failure_of(lambda: other.update_request(1, body="x")).cause == writing
    assert failure_of(lambda: merge(other, request)).cause == writing
    other.close()


def test_a_limit_is_waited_for(forge: GitLabForge) -> None:
    timing = Recorded()
    gitlab = connect(forge, timing=timing)
    begin(forge, gitlab)
    forge.limit_rate("PUT", seconds=30)
    assert gitlab.update_request(1, body="x").body == "x"
    assert [round(waited) for waited in timing.waited_s] == [30]
    forge.limit_rate("GET", seconds=3600)
    error = failure_of(lambda: gitlab.read_request(1))
    assert error.cause == "rate_limited"
    assert error.until_s == pytest.approx(timing.now_s() + 3600, abs=10)
    gitlab.close()


def test_a_merge_whose_answer_is_lost_is_not_asked_twice(forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(forge, gitlab)
    forge.drop_answer("PUT .*/merge$")
    assert failure_of(lambda: merge(gitlab, request)).cause == "unanswered"
    assert gitlab.read_request(1).status == "merged"
    assert [asked.path.rsplit("/", 1)[1] for asked in forge.log if asked.method == "PUT"] == ["merge"]


def test_a_question_that_is_lost_changes_nothing(forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(forge, gitlab)
    forge.drop_question("PUT .*/merge$")
    assert failure_of(lambda: merge(gitlab, request)).cause == "unanswered"
    forge.drop_question("GET", times=2)
    assert gitlab.read_request(1) == request
    forge.slow("GET", 0.05)
    assert gitlab.read_request(1) == request


def test_an_answer_that_makes_no_sense_is_unexpected(forge: GitLabForge, gitlab: GitLab) -> None:
    begin(forge, gitlab)
    answers: list[Any] = [[], {}, {"iid": 1}, {"iid": "x", "state": "opened", "title": "t"}, "text", 7]
    for answer in answers:
        forge.fail_next("GET .*/merge_requests/1$", 200, answer)
        assert failure_of(lambda: gitlab.read_request(1)).cause == "unexpected"
    forge.fail_next("GET .*/reviewers$", 200, [{"state": "requested_changes"}])
    assert failure_of(lambda: gitlab.read_standing(1)).cause == "unexpected"


def test_a_server_that_is_gone_is_offline(forge: GitLabForge) -> None:
    timing = Recorded()
    gitlab = connect(forge, timing=timing)
    begin(forge, gitlab)
    gitlab.close()
    forge._server.server_close()
    gitlab = connect(forge, timing=timing)
    assert failure_of(lambda: gitlab.update_request(1, body="x")).cause == "offline"
    assert len(timing.waited_s) == 3
    gitlab.close()
