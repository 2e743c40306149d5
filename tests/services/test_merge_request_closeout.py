"""What GitLab alone has, at the end of a milestone (spec §6.5); the rest is in test_request_closeout."""

from __future__ import annotations

import pytest

from support.gitlab_forge import GitLabForge
from support.gitlab_host import GitlabHost
from support.hosts import AGAIN, Hosted, assert_merged_once
from support.landing import BRANCH, assert_blocked, push_from_elsewhere
from support.project import Project
from support.requested import set_config

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("hosted", ["gitlab"], indirect=True)]


def forge_of(hosted: Hosted) -> tuple[Project, GitLabForge]:
    project, host = hosted
    assert isinstance(host, GitlabHost)
    return project, host.forge


def test_a_job_that_failed_is_named_with_its_page_and_one_that_may_fail_is_not(hosted: Hosted) -> None:
    project, forge = forge_of(hosted)
    forge.settings.only_allow_merge_if_pipeline_succeeds = True
    project.finish(code=3)
    forge.set_job(BRANCH, "lint", "failed", allow_failure=True)
    forge.set_job(BRANCH, "build", "success")
    forge.set_job(BRANCH, "deploy", "failed", kind="bridges")
    forge.set_job(BRANCH, "scan", "failed", kind="external")
    project.aiw(*AGAIN, code=3)
    assert_blocked(project, "checks", "merge request 1 of M01 is not merged, because 2 checks failed: deploy, scan")
    evidence = project.state(f"blockers/{project.milestone()['blocker']['id']}.json")["evidence"]
    assert evidence[0].startswith(f"deploy: failed, {forge.url}/group/sub/app/-/jobs/")
    assert evidence[1] == "scan: failed, https://ci.example.test/scan"
    forge.set_job(BRANCH, "deploy", "success", kind="bridges")
    forge.set_job(BRANCH, "scan", "success", kind="external")
    project.aiw(*AGAIN)
    assert_merged_once(*hosted)


def test_a_pipeline_that_is_neither_green_nor_red(hosted: Hosted) -> None:
    project, forge = forge_of(hosted)
    forge.settings.only_allow_merge_if_pipeline_succeeds = True
    project.finish(code=3)
    pipeline = forge.add_pipeline(project.git("rev-parse", BRANCH), BRANCH)
    for status, says in (("skipped", "1 check failed: pipeline"), ("manual", "waits for 1 check: pipeline")):
        pipeline.fixed = status
        project.aiw(*AGAIN, code=3)
        assert_blocked(project, "checks", says)
    pipeline.fixed = "success"
    project.aiw(*AGAIN)
    assert_merged_once(*hosted)


def test_ci_that_is_switched_off_has_nothing_to_wait_for(hosted: Hosted) -> None:
    project, forge = forge_of(hosted)
    hosted[1].run_checks_elsewhere()
    forge.settings.builds_access_level = "disabled"
    project.finish()
    assert_merged_once(*hosted)


def test_a_status_that_is_computed_only_for_who_asks(hosted: Hosted) -> None:
    project, forge = forge_of(hosted)
    forge.settings.waits_for_merge_ref = True
    project.finish()
    assert_merged_once(*hosted)


@pytest.mark.parametrize("server", ["is_old", "is_free"])
def test_servers_that_tell_less(hosted: Hosted, server: str) -> None:
    project, forge = forge_of(hosted)
    setattr(forge.settings, server, True)
    set_config(project, "git.pull_request.draft", "true")
    push_from_elsewhere(project, {"src/parser.py": "theirs\n"})
    project.finish(code=3)
    assert_blocked(project, "merge", f"{BRANCH} and origin/main conflict in src/parser.py")
    project.git("merge", "-q", "origin/main", ok=None)
    project.write("src/parser.py", "parsed\n")
    project.git("commit", "-q", "-a", "-m", "Resolve")
    project.aiw(*AGAIN)
    assert_merged_once(*hosted)


def test_a_branch_that_lacks_base_where_only_fast_forwards_are_taken(hosted: Hosted) -> None:
    project, forge = forge_of(hosted)
    forge.settings.merge_method = "ff"
    set_config(project, "git.merge_strategy", "ff")
    set_config(project, "git.pull_request.wait_s", "5")
    push_from_elsewhere(project, {"src/theirs.py": "x\n"})
    result = project.finish()
    assert f"brought origin/main into {BRANCH} and pushed it" in result.stderr
    assert_merged_once(*hosted)
    assert (project.path.parent / "seen").read_text().count("theirs.py") == 1
    assert project.git("show", "main:src/theirs.py") == "x"


def test_a_squashed_one_is_both_squashed_and_merged(hosted: Hosted) -> None:
    project, forge = forge_of(hosted)
    set_config(project, "git.merge_strategy", "squash")
    project.finish()
    assert_merged_once(*hosted)
    squashed = forge.request().squash_commit_sha
    assert squashed is not None
    for commit in (squashed, forge.request().merge_commit_sha or ""):
        subject, _, rest = project.git("log", "-1", "--format=%B", commit).partition("\n")
        assert subject == "M01: Parser cleanup (!1)"
        assert "Aiw-Op: " in rest


def test_other_reasons_are_named(hosted: Hosted) -> None:
    project, forge = forge_of(hosted)
    hosted[1].require_approval()
    project.finish(code=3)
    forge.review("maria", "approved")
    for reason, klass, says in (
        ("merge_request_blocked", "protected_branch", "another merge request must be merged first"),
        ("of_a_later_version", "protected_branch", "GitLab names of_a_later_version as the reason"),
        ("approvals_syncing", "pr", "is still being looked at by the forge"),
    ):
        forge.request().reason = reason
        project.aiw(*AGAIN, code=3)
        assert_blocked(project, klass, says)
    assert hosted[1].asked(hosted[1].merges) == []
    forge.request().reason = None
    project.aiw(*AGAIN)
    assert_merged_once(*hosted)


def test_a_service_outside_that_must_agree(hosted: Hosted) -> None:
    project, forge = forge_of(hosted)
    forge.settings.only_allow_merge_if_all_status_checks_passed = True
    forge.set_status_check("audit", "pending")
    project.finish(code=3)
    assert_blocked(project, "checks", "waits for 1 check: audit")
    forge.set_status_check("audit", "failed")
    project.aiw(*AGAIN, code=3)
    assert_blocked(project, "checks", "1 check failed: audit")
    forge.set_status_check("audit", "passed")
    project.aiw(*AGAIN)
    assert_merged_once(*hosted)


def test_a_merge_that_is_refused_without_a_reason(hosted: Hosted) -> None:
    project, forge = forge_of(hosted)
    forge.fail_next(hosted[1].merges, 401, {"message": "401 Unauthorized"})
    project.finish(code=3)
    assert_blocked(project, "credentials", "GitLab answered 401: 401 Unauthorized (no right to merge)")
    for status, said in ((405, "405 Method Not Allowed"), (406, "Branch cannot be merged"), (422, "No")):
        forge.fail_next(hosted[1].merges, status, {"message": said}, times=3)
        project.aiw(*AGAIN, code=3)
        assert_blocked(
            project, "merge", f"merge request 1 of M01 could not be merged: GitLab answered {status}: {said}"
        )
    project.aiw(*AGAIN)
    assert_merged_once(*hosted)


def test_the_request_of_a_fork_whose_branch_is_called_the_same_is_nobodys(hosted: Hosted) -> None:
    project, forge = forge_of(hosted)
    forge.open_by_hand(BRANCH, is_foreign=True)
    forge.drop_question(hosted[1].creates)
    project.finish(code=3)
    assert_blocked(project, "infra", "GitLab gave no answer")
    project.aiw(*AGAIN)
    assert forge.request(1).state == "opened"
    assert_merged_once(*hosted, number=2)
    forge.close_by_hand(1)


def test_one_that_is_being_merged_is_let_be(hosted: Hosted) -> None:
    project, forge = forge_of(hosted)
    hosted[1].require_approval()
    project.finish(code=3)
    forge.review("maria", "approved")
    request = forge.request()
    request.state, request.last_sha = "locked", project.git("rev-parse", BRANCH)
    project.aiw(*AGAIN, code=3)
    assert_blocked(project, "pr", "merge request 1 of M01 is still being looked at by the forge")
    assert hosted[1].asked(hosted[1].merges) == []
    request.state = "opened"
    forge.merge_by_hand()
    project.aiw(*AGAIN)
    assert_merged_once(*hosted)


def test_a_train_that_does_not_take_what_lacks_an_approval(hosted: Hosted) -> None:
    project, forge = forge_of(hosted)
    set_config(project, "git.pull_request.merge", "forge")
    hosted[1].want_queue()
    hosted[1].require_approval()
    project.finish(code=3)
    command = assert_blocked(
        project, "human", "lacks 1 approval, and GitLab did not take that over: GitLab answered 400"
    )
    assert command.startswith("ask for a review; then ")
    forge.review("maria", "approved")
    project.aiw(*AGAIN, code=3)
    assert_blocked(project, "pr", "is merged by the forge itself")
    forge.run_train()
    project.aiw(*AGAIN)
    assert_merged_once(*hosted)


def test_a_train_waits_for_a_pipeline(hosted: Hosted) -> None:
    project, forge = forge_of(hosted)
    set_config(project, "git.pull_request.merge", "forge")
    forge.settings.only_allow_merge_if_pipeline_succeeds = True
    project.finish(code=3)
    hosted[1].want_queue()
    forge.request().auto_merge = None
    forge.set_job(BRANCH, "test", "running")
    project.aiw(*AGAIN, code=3)
    assert_blocked(project, "merge", "was to be merged by GitLab, which has let go of it")
    project.aiw(*AGAIN, code=3)
    assert_blocked(
        project, "checks", "is merged by the forge itself, once it has all it asks for: it waits for 1 check"
    )
    assert hosted[1].asked(hosted[1].queues) == [201]
    forge.set_job(BRANCH, "test", "success")
    forge.run_train()
    project.aiw(*AGAIN)
    assert_merged_once(*hosted)
