"""What decides whether a merge request may be merged, as GitLab tells it (spec §6.5)."""

from __future__ import annotations

import pytest

from ai_workflow.forge.gitlab import GitLab
from ai_workflow.models.forge import ForgeCheck, Mergeability
from support.gitlab_forge import GitLabForge
from support.gitlab_talk import begin

# Standing


def test_a_request_that_can_be_merged_stands_so(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(gitlab_forge, gitlab)
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


def test_every_detailed_merge_status_is_understood(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    begin(gitlab_forge, gitlab)
    found = []
    for reason, *_ in REASONS:
        gitlab_forge.request().reason = reason
        standing = gitlab.read_standing(1)
        found.append((reason, standing.mergeability, standing.is_refused, "".join(standing.rules)))
        assert standing.approvals_wanted == int(reason == "not_approved")
    assert found == REASONS


def test_a_status_that_is_being_computed_is_unknown(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    gitlab_forge.settings.readings_until_computed = 2
    begin(gitlab_forge, gitlab)
    assert [gitlab.read_standing(1).mergeability for _ in range(3)] == ["unknown", "unknown", "yes"]
    gitlab_forge.push_by_hand("main", {"work.txt": "other\n"})
    assert [gitlab.read_standing(1).mergeability for _ in range(3)] == ["unknown", "unknown", "conflict"]


@pytest.mark.parametrize("is_old", [False, True])
def test_a_status_that_nobody_computes_is_asked_for(gitlab_forge: GitLabForge, gitlab: GitLab, is_old: bool) -> None:
    gitlab_forge.settings.waits_for_merge_ref, gitlab_forge.settings.is_old = True, is_old
    begin(gitlab_forge, gitlab)
    assert gitlab.read_standing(1).mergeability == "yes"
    gitlab_forge.push_by_hand("main", {"work.txt": "other\n"})
    standing = gitlab.read_standing(1)
    assert (standing.mergeability, standing.is_refused) == ("conflict", True)
    gitlab_forge.push_by_hand("main", {"work.txt": None})
    gitlab_forge.fail_next("GET .*/merge_ref$", 403)
    assert gitlab.read_standing(1).mergeability == "unknown"
    assert gitlab.read_standing(1).mergeability == "yes"


@pytest.mark.parametrize("method", ["ff", "rebase_merge"])
def test_a_branch_that_must_hold_the_newest_base_is_behind(
    gitlab_forge: GitLabForge, gitlab: GitLab, method: str
) -> None:
    begin(gitlab_forge, gitlab)
    gitlab_forge.push_by_hand("main", {"other.txt": "other\n"})
    assert gitlab.read_standing(1).mergeability == "yes"
    gitlab_forge.settings.merge_method = method
    assert gitlab.read_standing(1).mergeability == "behind"
    # One reason hides the other.
    gitlab_forge.settings.approvals_required = 1
    standing = gitlab.read_standing(1)
    assert (standing.mergeability, standing.approvals_wanted) == ("behind", 1)
    gitlab_forge.settings.is_old = True
    assert gitlab.read_standing(1).mergeability == "behind"
    gitlab_forge.push_by_hand("main", {"work.txt": "other\n"})
    assert gitlab.read_standing(1).mergeability == "conflict"


def test_reviews_and_conversations_are_counted(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    begin(gitlab_forge, gitlab)
    gitlab_forge.settings.approvals_required = 2
    gitlab_forge.settings.only_allow_merge_if_all_discussions_are_resolved = True
    gitlab_forge.review("maria", "requested_changes")
    gitlab_forge.review("tom", "approved")
    first = gitlab_forge.comment("maria", "Why?")
    gitlab_forge.comment("tom", "Because.", reply_to=first)
    gitlab_forge.comment("tom", "And this?")
    gitlab_forge.comment("maria", "Nice.", resolvable=False)
    standing = gitlab.read_standing(1)
    assert (standing.approvals_wanted, standing.changes_wanted_by, standing.open_conversations) == (1, ("maria",), 2)
    assert (standing.is_refused, standing.rules) == (True, ())
    gitlab_forge.resolve(first)
    gitlab_forge.review("maria", "approved")
    standing = gitlab.read_standing(1)
    assert (standing.approvals_wanted, standing.changes_wanted_by, standing.open_conversations) == (0, (), 1)
    gitlab_forge.settings.only_allow_merge_if_all_discussions_are_resolved = False
    standing = gitlab.read_standing(1)
    assert (standing.open_conversations, standing.is_refused) == (0, False)


@pytest.mark.parametrize("status", [403, 404])
def test_what_a_server_does_not_have_is_missed_in_silence(
    gitlab_forge: GitLabForge, gitlab: GitLab, status: int
) -> None:
    begin(gitlab_forge, gitlab)
    gitlab_forge.set_job("work", "test", "success")
    gitlab_forge.settings.only_allow_merge_if_all_status_checks_passed = False
    for path in ("approvals", "reviewers", "status_checks", "pipelines", "jobs", "bridges", "statuses"):
        gitlab_forge.fail_next(f"GET .*/{path}$", status)
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
def test_a_job_has_an_outcome(gitlab_forge: GitLabForge, gitlab: GitLab, kind: str) -> None:
    begin(gitlab_forge, gitlab)
    found = []
    for status, allow_failure, outcome in OUTCOMES:
        gitlab_forge.set_job("work", "test", status, allow_failure=allow_failure, kind=kind)
        checks = {check.name: check for check in gitlab.read_standing(1).checks}
        found.append((status, allow_failure, checks["test"].outcome))
        assert not checks["test"].is_required
        # What is ignored leaves the pipeline to tell how it went.
        assert set(checks) - {"test"} == (set() if outcome != "ignored" or status == "skipped" else {"pipeline"})
    assert found == OUTCOMES


def test_a_check_is_as_the_pipeline_says_and_required_if_it_is(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    begin(gitlab_forge, gitlab)
    gitlab_forge.settings.only_allow_merge_if_pipeline_succeeds = True
    gitlab_forge.set_job("work", "build", "success")
    gitlab_forge.set_job("work", "lint", "failed", allow_failure=True)
    pipeline = gitlab_forge.set_job("work", "deploy", "manual", allow_failure=True)
    job_url = f"{gitlab_forge.url}/group/sub/app/-/jobs/{pipeline.jobs['build'].id}"
    standing = gitlab.read_standing(1)
    assert standing.checks[0] == ForgeCheck(name="build", outcome="passed", url=job_url, is_required=True)
    assert [(one.name, one.outcome, one.is_required) for one in standing.checks[1:]] == [
        ("lint", "ignored", False),
        ("deploy", "ignored", False),
    ]
    assert (standing.expects_checks, standing.missing_checks, standing.is_refused) == (True, (), False)
    pipeline.fixed = "failed"
    assert [(one.name, one.outcome) for one in gitlab.read_standing(1).checks][-1] == ("pipeline", "failed")


def test_no_pipeline_is_not_green(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    begin(gitlab_forge, gitlab)
    gitlab_forge.settings.only_allow_merge_if_pipeline_succeeds = True
    standing = gitlab.read_standing(1)
    assert (standing.checks, standing.expects_checks, standing.missing_checks) == ((), True, ("pipeline",))
    assert standing.is_refused
    gitlab_forge.settings.only_allow_merge_if_pipeline_succeeds = False
    assert not gitlab.read_standing(1).expects_checks
    gitlab_forge.set_job("main", "test", "success")
    assert gitlab.read_standing(1).expects_checks
    gitlab_forge.fail_next("GET .*app/pipelines$", 403)
    assert gitlab.read_standing(1).expects_checks
    gitlab_forge.settings.builds_access_level = "disabled"
    assert not gitlab.read_standing(1).expects_checks
    gitlab_forge.settings.is_old = True
    assert not gitlab.read_standing(1).expects_checks


def test_a_pipeline_of_an_earlier_head_does_not_count(
    gitlab_forge: GitLabForge, gitlab: GitLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = begin(gitlab_forge, gitlab)
    stale = gitlab_forge.set_job("work", "test", "success")
    gitlab_forge.push_by_hand("work", {"more.txt": "more\n"})
    # GitLab names the last pipeline until it has made one for the new head.
    monkeypatch.setattr(gitlab_forge.state, "find_pipeline", lambda _sha: stale)
    standing = gitlab.read_standing(1)
    assert (standing.checks, standing.expects_checks) == ((), True)
    assert standing.request.head_sha != request.head_sha


@pytest.mark.parametrize(("of_this_head", "names"), [(True, ["test"]), (False, [])])
def test_a_pipeline_of_the_merged_result_counts_for_its_head(
    gitlab_forge: GitLabForge, gitlab: GitLab, monkeypatch: pytest.MonkeyPatch, of_this_head: bool, names: list[str]
) -> None:
    request = begin(gitlab_forge, gitlab)
    repository, main = gitlab_forge.repository, gitlab_forge.repository.find_tip("main")
    assert main is not None
    tree = repository.merge_tree(main, request.head_sha)
    assert tree is not None
    result = repository.commit(tree, [main, request.head_sha if of_this_head else main], "Merge")
    pipeline = gitlab_forge.add_pipeline(result, "refs/merge-requests/1/merge")
    gitlab_forge.set_job("work", "test", "success")
    pipeline.jobs = gitlab_forge.state.pipelines.pop().jobs
    monkeypatch.setattr(gitlab_forge.state, "find_pipeline", lambda _sha: pipeline)
    assert [check.name for check in gitlab.read_standing(1).checks] == names


def test_a_pipeline_that_was_skipped_passes_where_it_may(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(gitlab_forge, gitlab)
    gitlab_forge.add_pipeline(request.head_sha, "work", status="skipped")
    assert [check.outcome for check in gitlab.read_standing(1).checks] == ["ignored"]
    gitlab_forge.settings.only_allow_merge_if_pipeline_succeeds = True
    assert [check.outcome for check in gitlab.read_standing(1).checks] == ["failed"]
    gitlab_forge.settings.allow_merge_on_skipped_pipeline = True
    assert [check.outcome for check in gitlab.read_standing(1).checks] == ["ignored"]


def test_statuses_of_other_pipelines_count_where_they_come_from_outside(
    gitlab_forge: GitLabForge, gitlab: GitLab
) -> None:
    request = begin(gitlab_forge, gitlab)
    gitlab_forge.set_job("work", "jenkins", "failed", kind="external").source = "external"
    gitlab_forge.add_pipeline(request.head_sha, "work", source="push")
    gitlab_forge.set_job("work", "duplicate", "failed")
    gitlab_forge.add_pipeline(request.head_sha, "refs/merge-requests/1/head", source="merge_request_event")
    gitlab_forge.set_job("work", "test", "success")
    assert [(check.name, check.outcome, check.url) for check in gitlab.read_standing(1).checks[1:]] == [
        ("jenkins", "failed", "https://ci.example.test/jenkins")
    ]
    assert [check.name for check in gitlab.read_standing(1).checks] == ["test", "jenkins"]


def test_external_status_checks_are_checks(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    begin(gitlab_forge, gitlab)
    gitlab_forge.settings.only_allow_merge_if_all_status_checks_passed = True
    gitlab_forge.set_status_check("compliance", "pending")
    gitlab_forge.set_status_check("scan", "passed")
    standing = gitlab.read_standing(1)
    assert standing.checks == (
        ForgeCheck(name="compliance", outcome="pending", is_required=True),
        ForgeCheck(name="scan", outcome="passed", is_required=True),
    )
    assert standing.rules == ("External status checks: not all of them have passed.",)
