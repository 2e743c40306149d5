"""A finished milestone lands as a pull request: once, never red, and with the cause where it does not (spec §6.5)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.github_forge import OTHER_TOKEN, READ_TOKEN, GithubForge
from support.landing import BRANCH, assert_blocked, assert_landed, origin_tip, push_from_elsewhere
from support.project import PARSER_PLAN, Project
from support.requested import on_github, set_config

Both = tuple[Project, GithubForge]
AGAIN = ("milestone", "finish", "M01")
PULLS = r"POST /repos/o/r/pulls$"
MERGE = r"PUT /repos/o/r/pulls/1/merge"


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    with on_github(tmp_path, monkeypatch) as made:
        made[1].hub.people["mia"] = "write"
        yield made


def assert_merged_once(project: Project, forge: GithubForge, *, number: int = 1) -> None:
    assert_landed(project)
    assert forge.pull(number).merged_sha
    pr = project.milestone()["pr"]
    assert (pr["status"], pr["number"]) == ("merged", number)
    assert pr["url"].endswith(f"/o/r/pull/{number}")
    assert [one.status for one in forge.asked(MERGE)].count(200) <= 1


def test_it_is_opened_and_merged(both: Both) -> None:
    project, forge = both
    result = project.finish()
    assert_merged_once(project, forge)
    assert "Merged M01 into main" in result.stdout
    pull = forge.pull(1)
    assert (pull.title, pull.branch, pull.base) == ("M01: Parser cleanup", BRANCH, "main")
    assert "| TASK-001 | Consolidate parser cleanup behavior | done | " in (pull.body or "")
    landed = project.milestone()["closeout"]["landed_sha"]
    subject, _, rest = project.git("log", "-1", "--format=%B", landed).partition("\n")
    assert subject == "M01: Parser cleanup (#1)"
    assert "Aiw-Op: " in rest
    assert project.git("log", "--format=%s", f"{landed}^2", "-1") == "TASK-001: Consolidate parser cleanup behavior"


@pytest.mark.parametrize("strategy", ["squash", "ff"])
def test_the_method_is_that_of_the_strategy(both: Both, strategy: str) -> None:
    project, forge = both
    set_config(project, "git.merge_strategy", strategy)
    project.finish()
    assert_merged_once(project, forge)
    commit = project.git("rev-parse", "main")
    assert len(project.git("log", "-1", "--format=%P", commit).split()) == 1
    # The commit of the task is on no branch any more, and kept all the same.
    task = project.task(1)["commit_sha"]
    assert project.git("cat-file", "-t", task) == "commit"
    if strategy == "squash":
        assert project.git("for-each-ref", "--contains", task, "--format=%(refname)") == f"refs/aiw/landed/{BRANCH}"


def test_one_that_a_person_has_opened_is_used(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    project, forge = both
    with monkeypatch.context() as patch:
        patch.delenv("GH_ENTERPRISE_TOKEN")
        project.finish(code=3)
    forge.open_by_hand(BRANCH, title="My own words", body="Mine.")
    project.aiw(*AGAIN)
    assert (forge.pull(1).title, forge.pull(1).body) == ("My own words", "Mine.")
    assert forge.asked(PULLS) == []
    assert_merged_once(project, forge)


def test_nobody_merges_what_is_red_and_the_check_is_named(both: Both) -> None:
    project, forge = both
    forge.protect(checks=("ci",))
    project.finish(code=3)
    assert_blocked(project, "checks", "waits for 1 check: ci")
    forge.set_check(BRANCH, "lint", conclusion="failure")
    forge.set_check(BRANCH, "ci")
    project.aiw(*AGAIN, code=3)
    command = assert_blocked(project, "checks", "pull request 1 of M01 is not merged, because 1 check failed: lint")
    assert command.endswith("; then aiw milestone finish M01")
    assert forge.asked(MERGE) == []
    forge.set_check(BRANCH, "lint")
    project.aiw(*AGAIN)
    assert_merged_once(project, forge)


def test_checks_that_run_are_waited_for(both: Both) -> None:
    project, forge = both
    set_config(project, "git.pull_request.wait_s", "30")
    forge.protect(checks=("ci",))

    def run_check() -> None:
        while not forge.asked(r"GET /repos/o/r/commits/.*/check-runs"):
            time.sleep(0.02)
        forge.set_check(BRANCH, "ci", "in_progress")
        time.sleep(0.5)
        forge.set_check(BRANCH, "ci")

    thread = threading.Thread(target=run_check)
    thread.start()
    result = project.finish()
    thread.join()
    assert "waiting: pull request 1 of M01 waits for 1 check: ci; looking again at " in result.stderr
    assert_merged_once(project, forge)


def test_no_check_yet_is_not_green_where_checks_are_run(both: Both) -> None:
    project, forge = both
    forge.hub.workflows = ["ci.yml"]
    project.finish(code=3)
    command = assert_blocked(project, "checks", "no check reported yet, and this repository runs checks")
    assert command.startswith("if none runs for such requests, set `git.pull_request.checks: reported`; then ")
    set_config(project, "git.pull_request.checks", "reported")
    project.aiw(*AGAIN)
    assert_merged_once(project, forge)


def test_a_review_is_asked_for_and_answered(both: Both) -> None:
    project, forge = both
    forge.protect(approvals=1)
    project.finish(code=3)
    assert_blocked(project, "human", "lacks 1 approval")
    forge.review(1, "mia", "CHANGES_REQUESTED", "Rename it.")
    project.aiw(*AGAIN, code=3)
    assert_blocked(project, "human", "mia asked for changes")
    forge.review(1, "mia", "APPROVED")
    project.aiw(*AGAIN)
    assert_merged_once(project, forge)


def test_a_conversation_must_be_resolved(both: Both) -> None:
    project, forge = both
    forge.protect(conversations=True)
    forge.protect(approvals=1)
    project.finish(code=3)
    comment = forge.comment(1, "mia", "Why?", path="src/parser.py", line=1)
    forge.review(1, "mia", "APPROVED")
    project.aiw(*AGAIN, code=3)
    assert_blocked(project, "human", "1 conversation(s) must be resolved first")
    forge.resolve(1, comment)
    project.aiw(*AGAIN)
    assert_merged_once(project, forge)


def test_a_rule_of_the_branch_is_named(both: Both) -> None:
    project, forge = both
    forge.protect(signatures=True)
    project.finish(code=3)
    assert_blocked(project, "protected_branch", "only signed commits may land on main")
    forge.unprotect()
    project.aiw(*AGAIN)
    assert_merged_once(project, forge)


def test_a_method_that_is_not_allowed_is_named(both: Both) -> None:
    project, forge = both
    forge.hub.allowed_methods = {"squash"}
    project.finish(code=3)
    assert_blocked(project, "protected_branch", "does not allow the method merge (allowed: squash)")
    set_config(project, "git.merge_strategy", "squash")
    project.aiw(*AGAIN)
    assert_merged_once(project, forge)


def test_a_person_merges_it(both: Both) -> None:
    project, forge = both
    set_config(project, "git.pull_request.merge", "never")
    project.finish(code=3)
    assert_blocked(project, "human", "`git.pull_request.merge: never` leaves that to people")
    forge.merge_by_hand(1, "squash")
    # The same lines again: content alone would not tell that the work has landed.
    push_from_elsewhere(project, {"src/parser.py": "rewritten\n"})
    project.aiw(*AGAIN)
    assert project.milestone()["status"] == "merged"
    assert project.milestone()["pr"]["status"] == "merged"
    assert project.git("show", "main:src/parser.py") == "rewritten"
    assert forge.asked(MERGE) == []


def test_a_person_closes_it(both: Both) -> None:
    project, forge = both
    forge.protect(approvals=1)
    project.finish(code=3)
    forge.close_by_hand(1)
    project.aiw(*AGAIN, code=3)
    command = assert_blocked(project, "pr", "pull request 1 of M01 was closed without being merged")
    assert "aiw git pr M01" in command
    assert project.milestone()["pr"]["status"] == "closed"
    assert len(forge.asked(PULLS)) == 1, "nobody opens another one against a person's will"
    forge.unprotect()
    assert "Opened pull request 2 of M01" in project.aiw("git", "pr", "M01").stdout
    project.aiw(*AGAIN)
    assert_merged_once(project, forge, number=2)


def test_a_conflict_names_its_paths_and_goes_once_it_is_resolved(both: Both) -> None:
    project, forge = both
    push_from_elsewhere(project, {"src/parser.py": "theirs\n"})
    project.finish(code=3)
    command = assert_blocked(project, "merge", f"{BRANCH} and origin/main conflict in src/parser.py")
    assert command.startswith(f"git switch {BRANCH} && git merge origin/main")
    project.git("merge", "-q", "origin/main", ok=None)
    project.write("src/parser.py", "parsed\n")
    project.git("commit", "-q", "-a", "-m", "Resolve")
    project.aiw(*AGAIN)
    assert_merged_once(project, forge)


def test_a_branch_that_must_hold_base_is_brought_there_and_tested(both: Both) -> None:
    project, forge = both
    forge.protect(checks=("ci",), is_strict=True)
    push_from_elsewhere(project, {"src/theirs.py": "x\n"})
    project.finish(code=3)
    forge.set_check(BRANCH, "ci")
    project.aiw(*AGAIN, code=3)
    assert (project.path.parent / "seen").read_text().count("theirs.py") == 1
    assert_blocked(project, "checks", "waits for 1 check: ci")
    assert origin_tip(project, BRANCH) == project.git("rev-parse", BRANCH)
    forge.set_check(BRANCH, "ci")
    project.aiw(*AGAIN)
    assert_merged_once(project, forge)
    assert project.git("show", "main:src/theirs.py") == "x"


def test_a_head_that_somebody_pushed_to_is_not_merged(both: Both) -> None:
    project, forge = both
    forge.protect(approvals=1)
    project.finish(code=3)
    theirs = forge.push_by_hand(BRANCH, {"src/evil.py": "x\n"})
    forge.review(1, "mia", "APPROVED")
    project.aiw(*AGAIN, code=3)
    assert_blocked(project, "push", "has commits that this workspace does not know")
    assert forge.asked(MERGE) == []
    project.git("fetch", "-q", "origin")
    project.git("merge", "-q", "--ff-only", theirs)
    project.aiw(*AGAIN)
    assert_merged_once(project, forge)


def test_a_head_that_moves_in_the_last_moment(both: Both) -> None:
    project, forge = both
    forge.fail_next(MERGE, 409, body={"message": "Head branch was modified. Review and try the merge again."})
    project.finish()
    assert_merged_once(project, forge)


@pytest.mark.parametrize("step", [PULLS, MERGE])
def test_an_answer_that_is_lost_is_looked_for(both: Both, step: str) -> None:
    project, forge = both
    forge.drop_answer(step)
    project.finish()
    assert_merged_once(project, forge)
    assert len(forge.asked(PULLS)) == 1
    assert len(forge.asked(MERGE)) == 1


@pytest.mark.parametrize("step", [PULLS, MERGE])
def test_a_question_that_is_lost_is_asked_again(both: Both, step: str) -> None:
    project, forge = both
    forge.drop_question(step)
    project.finish(code=None)
    project.aiw(*AGAIN)
    assert_merged_once(project, forge)
    assert len(forge.hub.pulls) == 1


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_that_fails_is_asked_again(both: Both, status: int) -> None:
    project, forge = both
    forge.fail_next(r"GET /repos/o/r/pulls\?", status)
    result = project.finish()
    assert f"GitHub answered {status}" in result.stderr
    assert_merged_once(project, forge)


def test_a_rate_limit_is_waited_for_where_that_is_short(both: Both) -> None:
    project, forge = both
    forge.limit_rate(MERGE, retry_after_s=1)
    result = project.finish()
    assert "GitHub limits the rate of questions until " in result.stderr
    assert_merged_once(project, forge)


def test_a_long_rate_limit_is_a_blocker_with_its_time(both: Both) -> None:
    project, forge = both
    forge.limit_rate(r"GET /repos/o/r/pulls\?", reset_in_s=3000)
    project.finish(code=3)
    assert_blocked(project, "infra", "GitHub limits the rate of questions until 20")
    project.aiw(*AGAIN)
    assert_merged_once(project, forge)


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("ghp_" + "x" * 36, "GitHub answered 401: Bad credentials"),
        (READ_TOKEN, "GitHub answered 403: Resource not accessible"),
        (OTHER_TOKEN, "GitHub answered 404: Not Found"),
    ],
)
def test_a_token_that_does_not_do(both: Both, monkeypatch: pytest.MonkeyPatch, token: str, says: str) -> None:
    project, forge = both
    good = forge.asked("nothing") or ""
    assert not good
    with monkeypatch.context() as patch:
        patch.setenv("GH_ENTERPRISE_TOKEN", token)
        result = project.finish(code=3)
    assert_blocked(project, "credentials", says)
    kept = (project.path / "docs/ai/workspace").rglob("*.*")
    assert not [path for path in kept if path.is_file() and token.encode() in path.read_bytes()]
    assert token not in result.stdout + result.stderr
    project.aiw(*AGAIN)
    assert_merged_once(project, forge)


def test_a_forge_that_is_away(both: Both) -> None:
    project, forge = both
    forge.stop()
    project.finish(code=3)
    assert_blocked(project, "infra", "GitHub could not be reached")


def test_the_title_and_text_follow_unless_a_person_changed_them(both: Both) -> None:
    project, forge = both
    forge.protect(approvals=1)
    project.finish(code=3)
    set_config(project, "git.pull_request.title", "{id} is here: {title}")
    project.aiw(*AGAIN, code=3)
    assert forge.pull(1).title == "M01 is here: Parser cleanup"
    forge.pull(1).body = "A person's words."
    set_config(project, "git.pull_request.title", "{title}")
    project.aiw(*AGAIN, code=3)
    assert (forge.pull(1).title, forge.pull(1).body) == ("M01 is here: Parser cleanup", "A person's words.")


def test_a_draft_is_made_ready(both: Both) -> None:
    project, forge = both
    set_config(project, "git.pull_request.draft", "true")
    project.finish()
    assert forge.asked("markPullRequestReadyForReview")
    assert_merged_once(project, forge)


def test_what_came_after_an_early_merge_gets_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with on_github(tmp_path, monkeypatch, plan=PARSER_PLAN) as (project, forge):
        set_config(project, "git.pull_request.draft", "true")
        project.finish()
        assert forge.pull(1).is_draft
        forge.merge_by_hand(1, "squash")
        project.next()
        project.write("docs/parser.md", "told\n")
        project.finish()
        assert project.milestone()["status"] == "merged"
        assert project.git("show", "main:docs/parser.md") == "told"
        assert forge.pull(2).merged_sha
        assert project.milestone()["pr"]["number"] == 2


def test_a_draft_that_a_person_closed_is_not_opened_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = f"{PARSER_PLAN}- Announce it\nAcceptance: it is announced.\nConflict: docs/news.md\n"
    with on_github(tmp_path, monkeypatch, plan=plan) as (project, forge):
        set_config(project, "git.pull_request.draft", "true")
        project.finish()
        forge.close_by_hand(1)
        project.next()
        project.write("docs/parser.md", "told\n")
        assert "the draft of M01 is not up to date" in project.finish().stderr
        assert len(forge.hub.pulls) == 1


def test_labels_reviewers_and_milestone(both: Both) -> None:
    project, forge = both
    forge.add_milestone("Spring")
    forge.protect(approvals=1)
    set_config(project, "git.pull_request.labels", '["aiw", "parser"]')
    set_config(project, "git.pull_request.reviewers", '["mia", "nobody-at-all"]')
    set_config(project, "git.pull_request.milestone", "Spring")
    project.finish(code=3)
    pull = forge.pull(1)
    assert sorted(pull.labels) == ["aiw", "parser"]
    assert pull.reviewers == ["mia"]
    assert pull.milestone is not None
    assert any("nobody-at-all cannot be asked" in note for note in project.milestone()["closeout"]["notes"])


def test_a_merge_queue_takes_it(both: Both) -> None:
    project, forge = both
    forge.protect(queue="merge")
    project.finish(code=3)
    assert_blocked(project, "pr", "is merged by the forge itself, once it has all it asks for")
    forge.run_queue()
    project.aiw(*AGAIN)
    assert_merged_once(project, forge)


def test_sync_takes_over_what_people_did(both: Both) -> None:
    project, forge = both
    forge.protect(approvals=1)
    project.finish(code=3)
    forge.comment(1, "mia", "Rename\nthis.", path="src/parser.py", line=1)
    shown = project.aiw("pr", "sync").stdout
    assert f"M01: 1 is created: {project.milestone()['pr']['url']}" in shown
    assert "  mia on src/parser.py:1:\n    Rename\n    this.\n" in shown
    assert "mia" not in project.aiw("pr", "sync").stdout
    forge.close_by_hand(1)
    assert "1 is closed (was created)" in project.aiw("pr", "sync", "M01").stdout
    forge.reopen_by_hand(1)
    forge.merge_by_hand(1)
    assert "Merged M01 into main" in project.aiw("pr", "sync").stdout
    assert_merged_once(project, forge)
    assert project.aiw("pr", "sync").stdout == "No pull request waits.\n"
