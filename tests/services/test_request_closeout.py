"""A finished milestone lands as a pull request: once, never red, and with the cause where it does not (spec §6.5).

What must hold of any forge, on the stand-ins of both; `hosted` counts requests and merges after each test.
"""

from __future__ import annotations

import re
import threading
import time

import pytest

from support.hosts import AGAIN, Hosted, assert_merged_once, named
from support.landing import BRANCH, assert_blocked, origin_tip, push_from_elsewhere
from support.requested import set_config


def test_it_is_opened_and_merged(hosted: Hosted) -> None:
    project, host = hosted
    result = project.finish()
    assert_merged_once(project, host)
    assert "Merged M01 into main" in result.stdout
    assert f"opened {host.noun} 1: http://127" in result.stderr
    request = host.requests()[1]
    assert request.title == "M01: Parser cleanup"
    assert "| TASK-001 | Consolidate parser cleanup behavior | done | " in request.body
    landed = project.milestone()["closeout"]["landed_sha"]
    subject, _, rest = project.git("log", "-1", "--format=%B", landed).partition("\n")
    assert subject == f"M01: Parser cleanup ({host.mark}1)"
    assert "Aiw-Op: " in rest
    assert project.git("log", "--format=%s", f"{landed}^2", "-1") == "TASK-001: Consolidate parser cleanup behavior"


def test_one_that_a_person_has_opened_is_used(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    project, host = hosted
    with monkeypatch.context() as patch:
        patch.delenv(host.token_variable)
        project.finish(code=3)
    command = assert_blocked(project, "credentials", f"the {host.noun} of M01 on 127.0.0.1")
    assert host.token_variable in command
    host.open_by_hand(title="My own words", body="Mine.")
    project.aiw(*AGAIN)
    assert (host.requests()[1].title, host.requests()[1].body) == ("My own words", "Mine.")
    assert host.asked(host.creates) == []
    assert_merged_once(project, host)


def test_nobody_merges_what_is_red_and_the_check_is_named(hosted: Hosted) -> None:
    project, host = hosted
    host.require_check()
    project.finish(code=3)
    assert_blocked(project, "checks", named(host, f"waits for 1 check: {host.required}"))
    host.set_check("lint", "failed")
    host.set_check("ci")
    project.aiw(*AGAIN, code=3)
    command = assert_blocked(project, "checks", named(host, "is not merged, because 1 check failed: lint"))
    assert command.endswith("; then aiw milestone finish M01")
    blocker = project.state(f"blockers/{project.milestone()['blocker']['id']}.json")
    assert blocker["evidence"][0].startswith("lint: failed, http")
    assert host.asked(host.merges) == []
    host.set_check("lint")
    project.aiw(*AGAIN)
    assert_merged_once(project, host)


def test_a_check_that_nobody_requires_stops_it_too(hosted: Hosted) -> None:
    project, host = hosted
    set_config(project, "git.pull_request.merge", "never")
    project.finish(code=3)
    set_config(project, "git.pull_request.merge", "auto")
    host.set_check("lint", "failed")
    project.aiw(*AGAIN, code=3)
    assert_blocked(project, "checks", "1 check failed: lint")
    host.set_check("lint", "running")
    project.aiw(*AGAIN, code=3)
    assert_blocked(project, "checks", "waits for 1 check: lint")
    host.set_check("lint")
    project.aiw(*AGAIN)
    assert_merged_once(project, host)


def test_checks_that_run_are_waited_for(hosted: Hosted) -> None:
    project, host = hosted
    set_config(project, "git.pull_request.wait_s", "30")
    host.require_check()

    def run_check() -> None:
        while not host.asked(host.creates):
            time.sleep(0.02)
        host.set_check("ci", "running")
        time.sleep(1)
        host.set_check("ci")

    thread = threading.Thread(target=run_check)
    thread.start()
    result = project.finish()
    thread.join()
    assert f"waiting: {named(host, 'waits for 1 check: ')}" in result.stderr
    assert re.search(r"; looking again at \d\d:\d\d:\d\d, until \d\d:\d\d:\d\d UTC\n", result.stderr)
    assert_merged_once(project, host)


def test_no_check_yet_is_not_green_where_checks_are_run(hosted: Hosted) -> None:
    project, host = hosted
    host.run_checks_elsewhere()
    project.finish(code=3)
    command = assert_blocked(project, "checks", "no check reported yet, and this repository runs checks")
    assert command.startswith("if none runs for such requests, set `git.pull_request.checks: reported`; then ")
    set_config(project, "git.pull_request.checks", "reported")
    project.aiw(*AGAIN)
    assert_merged_once(project, host)


def test_a_review_is_asked_for_and_answered(hosted: Hosted) -> None:
    project, host = hosted
    host.require_approval()
    project.finish(code=3)
    assert_blocked(project, "human", named(host, "lacks 1 approval"))
    host.review(is_content=False)
    project.aiw(*AGAIN, code=3)
    assert_blocked(project, "human", named(host, "is not merged, because maria asked for changes"))
    host.review(is_content=True)
    assert "Merged M01 into main" in project.aiw("agent", "run", "--lane", "core", code=None).stdout
    assert_merged_once(project, host)


def test_a_conversation_must_be_resolved(hosted: Hosted) -> None:
    project, host = hosted
    host.require_resolution()
    project.finish(code=3)
    comment = host.comment("Why?")
    host.review(is_content=True)
    project.aiw(*AGAIN, code=3)
    assert_blocked(project, "human", named(host, "is not merged, because 1 conversation(s) must be resolved first"))
    host.resolve(comment)
    project.aiw("next", code=None)
    assert_merged_once(project, host)


def test_a_rule_of_the_branch_is_named(hosted: Hosted) -> None:
    project, host = hosted
    says = host.refuse()
    project.finish(code=3)
    assert_blocked(project, "protected_branch", named(host, f"is not merged: {says}"))
    assert host.asked(host.merges) == []
    host.set_free()
    project.aiw(*AGAIN)
    assert_merged_once(project, host)


def test_a_method_that_is_not_allowed_is_named(hosted: Hosted) -> None:
    project, host = hosted
    host.allow_squash_only()
    project.finish(code=3)
    assert_blocked(project, "protected_branch", "does not allow the method merge (allowed: squash)")
    set_config(project, "git.merge_strategy", "squash")
    project.aiw(*AGAIN)
    assert_merged_once(project, host)
    task = project.task(1)["commit_sha"]
    assert project.git("for-each-ref", "--contains", task, "--format=%(refname)") == f"refs/aiw/landed/{BRANCH}"


def test_history_stays_linear_where_it_must(hosted: Hosted) -> None:
    project, host = hosted
    host.take_linear_only()
    project.finish(code=3)
    assert_blocked(project, "protected_branch", "does not allow the method merge (allowed: rebase")
    set_config(project, "git.merge_strategy", "ff")
    project.aiw(*AGAIN)
    assert_merged_once(project, host)
    assert len(project.git("log", "-1", "--format=%P", "main").split()) == 1
    # On GitHub the commit of the task is on no branch any more, and kept all the same.
    assert project.git("cat-file", "-t", project.task(1)["commit_sha"]) == "commit"


def test_a_branch_that_must_hold_base_is_brought_there_and_tested(hosted: Hosted) -> None:
    project, host = hosted
    host.want_newest_base()
    push_from_elsewhere(project, {"src/theirs.py": "x\n"})
    project.finish(code=3)
    assert_blocked(project, "checks", f"waits for 1 check: {host.required}")
    host.set_check("ci")
    if project.aiw(*AGAIN, code=None).code:
        # GitHub tells that it is behind only now; that check was of the branch without base.
        assert_blocked(project, "checks", f"waits for 1 check: {host.required}")
        host.set_check("ci")
        project.aiw(*AGAIN)
    assert_merged_once(project, host)
    assert (project.path.parent / "seen").read_text().count("theirs.py") == 1
    assert project.git("show", "main:src/theirs.py") == "x"


@pytest.mark.parametrize("is_squash", [False, True])
def test_a_person_merges_it(hosted: Hosted, is_squash: bool) -> None:
    project, host = hosted
    set_config(project, "git.pull_request.merge", "never")
    project.finish(code=3)
    assert_blocked(project, "human", "`git.pull_request.merge: never` leaves that to people")
    host.merge_by_hand(is_squash=is_squash)
    # The same lines again: content alone would not tell that the work has landed.
    push_from_elsewhere(project, {"src/parser.py": "rewritten\n"})
    project.aiw(*AGAIN)
    assert project.milestone()["status"] == "merged"
    assert project.milestone()["pr"]["status"] == "merged"
    assert project.git("show", "main:src/parser.py") == "rewritten"
    assert host.asked(host.merges) == []


def test_a_person_closes_it(hosted: Hosted) -> None:
    project, host = hosted
    host.require_approval()
    project.finish(code=3)
    host.close_by_hand()
    project.aiw(*AGAIN, code=3)
    command = assert_blocked(project, "pr", named(host, f"was closed{host.closer} without being merged: http"))
    assert "aiw git pr M01" in command
    assert project.milestone()["pr"]["status"] == "closed"
    assert len(host.asked(host.creates)) == 1, "nobody opens another one against a person's will"
    host.set_free()
    assert f"Opened {host.noun} 2 of M01" in project.aiw("git", "pr", "M01").stdout
    project.aiw(*AGAIN)
    assert_merged_once(project, host, number=2)


def test_a_conflict_names_its_paths_and_goes_once_it_is_resolved(hosted: Hosted) -> None:
    project, host = hosted
    push_from_elsewhere(project, {"src/parser.py": "theirs\n"})
    project.finish(code=3)
    command = assert_blocked(project, "merge", f"{BRANCH} and origin/main conflict in src/parser.py")
    assert command.startswith(f"git switch {BRANCH} && git merge origin/main")
    project.git("merge", "-q", "origin/main", ok=None)
    project.write("src/parser.py", "parsed\n")
    project.git("commit", "-q", "-a", "-m", "Resolve")
    project.aiw(*AGAIN)
    assert_merged_once(project, host)


def test_a_conflict_in_the_documents_alone_needs_nobody(hosted: Hosted) -> None:
    project, host = hosted
    set_config(project, "git.pull_request.wait_s", "5")
    handoffs = [f"docs/ai/workspace/{name}.md" for name in ("active-roadmap", "current-status", "next-handoff")]
    push_from_elsewhere(project, {**dict.fromkeys(handoffs, "Somebody else's.\n"), "src/theirs.py": "x\n"})
    result = project.finish()
    assert f"brought origin/main into {BRANCH} and pushed it" in result.stderr
    assert_merged_once(project, host)
    assert project.git("show", "main:src/theirs.py") == "x"
    assert "Somebody else's" not in project.git("show", *(f"main:{rel}" for rel in handoffs))
    seen = (project.path.parent / "seen").read_text()
    assert seen.count("theirs.py") == 1, "the merged tree was checked, once"


def test_a_head_that_somebody_pushed_to_is_not_merged(hosted: Hosted) -> None:
    project, host = hosted
    host.require_approval()
    project.finish(code=3)
    assert origin_tip(project, BRANCH) == project.git("rev-parse", BRANCH)
    theirs = host.push_by_hand({"src/evil.py": "x\n"})
    host.review(is_content=True)
    project.aiw(*AGAIN, code=3)
    assert_blocked(project, "push", "has commits that this workspace does not know")
    assert host.asked(host.merges) == []
    project.git("fetch", "-q", "origin")
    project.git("merge", "-q", "--ff-only", theirs)
    project.aiw(*AGAIN)
    assert_merged_once(project, host)


def test_the_title_and_text_follow_unless_a_person_changed_them(hosted: Hosted) -> None:
    project, host = hosted
    host.require_approval()
    project.finish(code=3)
    set_config(project, "git.pull_request.title", "{id} is here: {title}")
    project.aiw(*AGAIN, code=3)
    assert host.requests()[1].title == "M01 is here: Parser cleanup"
    host.set_body("A person's words.")
    set_config(project, "git.pull_request.title", "{title}")
    host.review(is_content=True)
    project.aiw(*AGAIN)
    request = host.requests()[1]
    assert (request.title, request.body) == ("M01 is here: Parser cleanup", "A person's words.")
    assert_merged_once(project, host)


def test_a_forge_that_takes_the_branch_away_itself(hosted: Hosted) -> None:
    project, host = hosted
    host.delete_merged_branches()
    project.finish()
    assert_merged_once(project, host)


def test_a_draft_is_made_ready(hosted: Hosted) -> None:
    project, host = hosted
    set_config(project, "git.pull_request.draft", "true")
    host.require_check()
    opened = project.aiw("git", "pr", "M01").stdout
    assert f"Opened {host.noun} 1 of M01" in opened
    assert host.requests()[1].is_draft
    project.finish(code=3)
    assert not host.requests()[1].is_draft
    assert host.requests()[1].title == "M01: Parser cleanup"
    host.set_check("ci")
    project.aiw(*AGAIN)
    assert_merged_once(project, host)


def test_labels_reviewers_and_milestone(hosted: Hosted) -> None:
    project, host = hosted
    host.add_milestone("Spring")
    host.require_approval()
    set_config(project, "git.pull_request.labels", '["aiw", "parser"]')
    set_config(project, "git.pull_request.reviewers", '["maria", "nobody-at-all"]')
    set_config(project, "git.pull_request.milestone", "Spring")
    project.finish(code=3)
    request = host.requests()[1]
    assert (sorted(request.labels), request.reviewers, request.milestone) == (["aiw", "parser"], ["maria"], "Spring")
    assert any("nobody-at-all" in note for note in project.milestone()["closeout"]["notes"])
    host.review(is_content=True)
    result = project.aiw(*AGAIN)
    assert f"{host.noun} 1: " in result.stdout
    assert "nobody-at-all" in result.stdout
    assert_merged_once(project, host)


def test_sync_takes_over_what_people_did(hosted: Hosted) -> None:
    project, host = hosted
    host.require_approval()
    project.finish(code=3)
    host.comment("Rename\nthis.")
    shown = project.aiw("pr", "sync").stdout
    assert f"M01: 1 is created: {project.milestone()['pr']['url']}" in shown
    assert "  maria on src/parser.py:1:\n    Rename\n    this.\n" in shown
    assert "maria" not in project.aiw("pr", "sync").stdout
    host.close_by_hand()
    assert "1 is closed (was created)" in project.aiw("pr", "sync", "M01").stdout
    host.reopen_by_hand()
    host.merge_by_hand()
    assert "Merged M01 into main" in project.aiw("pr", "sync").stdout
    assert_merged_once(project, host)
    assert project.aiw("pr", "sync").stdout == "No pull request waits.\n"
