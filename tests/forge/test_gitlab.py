"""The adapter for GitLab against a stand-in with a real repository (spec §6.5)."""

from __future__ import annotations

import pytest

from ai_workflow.forge.base import Forge, ForgeError
from ai_workflow.forge.gitlab import GitLab
from ai_workflow.models.forge import ForgeRequest, Method
from support.gitlab_forge import GitLabForge
from support.gitlab_talk import MESSAGE, begin, failure_of, merge

# Requests


def test_a_request_is_opened_found_and_read(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(gitlab_forge, gitlab)
    assert request == ForgeRequest(
        number=1,
        url=f"{gitlab_forge.url}/group/sub/app/-/merge_requests/1",
        status="open",
        title="M01 - Work",
        body="Body.",
        branch="work",
        head_sha=gitlab_forge.repository.find_tip("work") or "",
        base="main",
    )
    assert gitlab.read_request(1) == request
    assert gitlab.find_requests("work") == (request,)
    assert gitlab.find_requests("wor") == ()
    port: Forge = gitlab
    assert (port.name, port.place.noun) == ("GitLab", "merge request")
    assert {asked.path.split("/")[2] for asked in gitlab_forge.log} == {"group%2Fsub%2Fapp"}


def test_all_requests_of_a_branch_are_found_the_newest_first(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    begin(gitlab_forge, gitlab)
    gitlab_forge.close_by_hand(1, by="tom")
    gitlab_forge.open_by_hand("work", base="other", is_foreign=True)
    for _ in range(120):
        gitlab_forge.close_by_hand(gitlab_forge.open_by_hand("work"))
    found = gitlab.find_requests("work")
    assert [one.number for one in found] == list(range(122, 0, -1))
    assert [(one.status, one.is_foreign, one.base, one.ended_by) for one in found[-2:]] == [
        ("open", True, "other", None),
        ("closed", False, "main", "tom"),
    ]


def test_a_request_is_changed_in_what_is_given(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(gitlab_forge, gitlab)
    gitlab_forge.push_by_hand("release", {"r.txt": "r\n"})
    assert gitlab.update_request(1, base="release").base == "release"
    assert gitlab.update_request(1, title="Other").title == "Other"
    changed = gitlab.update_request(1, body="")
    assert (changed.title, changed.body, changed.base) == ("Other", "", "release")
    assert gitlab.update_request(1) == changed
    assert request.body == "Body."


@pytest.mark.parametrize("is_old", [False, True])
def test_a_draft_is_one_by_its_prefix(gitlab_forge: GitLabForge, gitlab: GitLab, is_old: bool) -> None:
    gitlab_forge.settings.is_old = is_old
    request = begin(gitlab_forge, gitlab, is_draft=True)
    assert (request.title, request.is_draft) == ("M01 - Work", True)
    assert gitlab_forge.request().title == "Draft: M01 - Work"
    assert gitlab.update_request(1, title="Other").is_draft
    assert gitlab_forge.request().title == "Draft: Other"
    # An old server tells of conflicts only.
    assert gitlab.read_standing(1).is_refused is not is_old
    gitlab_forge.request().title = "[WIP] draft: By hand"
    assert gitlab.read_request(1).title == "By hand"
    gitlab.set_ready(request)
    ready = gitlab.read_request(1)
    assert (ready.title, ready.is_draft) == ("By hand", False)
    gitlab.set_ready(ready)
    assert [asked.body for asked in gitlab_forge.log if asked.method == "PUT"] == [
        {"title": "Draft: Other"},
        {"title": "By hand"},
    ]


def test_what_cannot_be_opened_is_invalid(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    begin(gitlab_forge, gitlab)
    again = failure_of(lambda: gitlab.create_request(branch="work", base="main", title="M01", body="", is_draft=False))
    assert (again.cause, again.status) == ("invalid", 409)
    assert "Another open merge request already exists" in again.message
    gitlab_forge.repository.move("empty", gitlab_forge.repository.find_tip("main") or "", None)
    refused = [("empty", "main", "empty has no commit that main lacks"), ("work", "no", "GitLab has no branch no")]
    for branch, base, said in refused:
        with pytest.raises(ForgeError) as caught:
            gitlab.create_request(branch=branch, base=base, title="x", body="", is_draft=False)
        assert (caught.value.cause, caught.value.message) == ("invalid", said)
    assert failure_of(lambda: gitlab.update_request(1, base="nowhere")).cause == "invalid"
    assert len(gitlab.find_requests("work")) == 1


def test_labels_reviewers_and_the_milestone_are_added(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    begin(gitlab_forge, gitlab)
    gitlab_forge.request().reviewers["tom"] = "approved"
    gitlab_forge.request().labels.append("bug")
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
    assert gitlab_forge.request().labels == ["bug", "aiw"]
    assert gitlab_forge.request().reviewers == {"tom": "approved", "maria": "unreviewed"}
    assert gitlab_forge.request().milestone == "Group plan"
    writes = len([asked for asked in gitlab_forge.log if asked.method == "PUT"])
    assert gitlab.furnish(1, labels=["aiw"], reviewers=["maria"], milestone="v1.0") == ()
    assert gitlab_forge.request().milestone == "Group plan"
    assert len([asked for asked in gitlab_forge.log if asked.method == "PUT"]) == writes


def test_what_the_licence_has_not_is_told(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    begin(gitlab_forge, gitlab)
    gitlab_forge.settings.is_free = True
    assert gitlab.furnish(1, labels=[], reviewers=["maria", "tom"], milestone="v9") == (
        "GitLab knows no milestone v9 in group/sub/app or its groups",
        "GitLab did not take tom as a reviewer",
    )
    gitlab_forge.settings.approvals_required = 2
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
    gitlab_forge: GitLabForge,
    gitlab: GitLab,
    project_method: str,
    method: Method,
    parents: int,
    subjects: tuple[str, ...],
) -> None:
    gitlab_forge.settings.merge_method = project_method
    old = gitlab_forge.repository.find_tip("main")
    request = begin(gitlab_forge, gitlab)
    merge(gitlab, request, method)
    after = gitlab.read_request(1)
    assert (after.status, after.ended_by, after.head_sha) == ("merged", "owner", request.head_sha)
    tip = gitlab_forge.repository.find_tip("main")
    assert after.merged_sha == tip
    assert tip is not None
    assert len(gitlab_forge.repository.parents(tip)) == parents
    new = gitlab_forge.repository.list_commits(f"{old}..main")
    assert tuple(gitlab_forge.repository.message(sha).split("\n")[0] for sha in new) == subjects
    assert MESSAGE in gitlab_forge.repository.message(tip) or subjects == ("Work",)
    standing = gitlab.read_standing(1)
    assert (standing.request, standing.is_refused, standing.checks) == (after, True, ())


def test_the_project_allows_methods(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    begin(gitlab_forge, gitlab)
    found = {}
    for merge_method in ("merge", "rebase_merge", "ff"):
        for squash_option in ("default_off", "default_on", "never", "always"):
            gitlab_forge.settings.merge_method, gitlab_forge.settings.squash_option = merge_method, squash_option
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


def test_a_moved_head_is_not_merged(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(gitlab_forge, gitlab)
    moved = gitlab_forge.push_by_hand("work", {"more.txt": "more\n"})
    assert failure_of(lambda: merge(gitlab, request)).cause == "head_moved"
    assert failure_of(lambda: merge(gitlab, request, head_sha=moved[:9])).cause == "head_moved"
    assert failure_of(lambda: gitlab.merge_later(request, head_sha=request.head_sha, method="merge")).cause == (
        "head_moved"
    )
    merge(gitlab, request, head_sha=moved)
    assert gitlab.read_request(1).status == "merged"


def test_a_conflict_is_not_mergeable(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(gitlab_forge, gitlab)
    gitlab_forge.push_by_hand("main", {"work.txt": "other\n"})
    assert failure_of(lambda: merge(gitlab, request)).status == 405
    gitlab_forge.settings.is_old = True
    old = failure_of(lambda: merge(gitlab, request))
    assert (old.cause, old.status) == ("not_mergeable", 406)


def test_who_may_not_merge_is_told_so(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(gitlab_forge, gitlab)
    gitlab_forge.settings.is_protected = True
    assert failure_of(lambda: merge(gitlab, request)).cause == "forbidden"
    assert gitlab.read_standing(1).rules == ("Protected branch: this token's user may not merge into main.",)
    gitlab_forge.tokens.clear()
    assert failure_of(lambda: merge(gitlab, request)).cause == "bad_credentials"


def test_a_merge_by_hand_is_seen(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(gitlab_forge, gitlab)
    gitlab_forge.settings.removes_source_branch = True
    gitlab_forge.merge_by_hand(by="tom", squash=True)
    after = gitlab.read_request(1)
    assert (after.status, after.ended_by, after.merged_sha) == (
        "merged",
        "tom",
        gitlab_forge.repository.find_tip("main"),
    )
    assert gitlab_forge.repository.find_tip("work") is None
    assert failure_of(lambda: merge(gitlab, request)).cause == "not_mergeable"


def test_a_closed_request_may_be_opened_again(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(gitlab_forge, gitlab)
    gitlab_forge.close_by_hand()
    assert gitlab.read_request(1).status == "closed"
    assert gitlab.read_standing(1).is_refused
    gitlab_forge.reopen_by_hand()
    assert gitlab.read_request(1) == request


def test_gitlab_merges_by_itself_once_the_pipeline_has_passed(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(gitlab_forge, gitlab)
    gitlab_forge.settings.only_allow_merge_if_pipeline_succeeds = True
    gitlab_forge.set_job("work", "test", "running")
    assert failure_of(lambda: merge(gitlab, request)).cause == "not_mergeable"
    gitlab.merge_later(request, head_sha=request.head_sha, method="squash")
    assert gitlab_forge.log[-1].body == {
        "sha": request.head_sha,
        "squash": True,
        "auto_merge": True,
        "merge_when_pipeline_succeeds": True,
    }
    waiting = gitlab.read_request(1)
    assert (waiting.status, waiting.merges_itself) == ("open", True)
    gitlab_forge.set_job("work", "test", "success")
    after = gitlab.read_request(1)
    assert (after.status, after.merges_itself, after.merged_sha) == (
        "merged",
        False,
        gitlab_forge.repository.find_tip("main"),
    )


def test_gitlab_merges_by_itself_once_it_is_approved(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    gitlab_forge.settings.approvals_required = 1
    request = begin(gitlab_forge, gitlab)
    assert failure_of(lambda: merge(gitlab, request)).cause == "not_mergeable"
    gitlab.merge_later(request, head_sha=request.head_sha, method="merge")
    assert gitlab.read_request(1).merges_itself
    gitlab_forge.review("maria", "approved")
    assert gitlab.read_request(1).status == "merged"


def test_a_push_takes_auto_merge_back(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(gitlab_forge, gitlab)
    gitlab_forge.set_job("work", "test", "running")
    gitlab.merge_later(request, head_sha=request.head_sha, method="merge")
    gitlab_forge.push_by_hand("work", {"more.txt": "more\n"})
    after = gitlab.read_request(1)
    assert (after.status, after.merges_itself) == ("open", False)


def test_a_merge_train_is_boarded(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(gitlab_forge, gitlab)
    assert not gitlab.read_standing(1).has_queue
    gitlab_forge.settings.merge_trains = True
    assert gitlab.read_standing(1).has_queue
    gitlab.merge_later(request, head_sha=request.head_sha, method="merge")
    assert (gitlab_forge.log[-1].method, gitlab_forge.log[-1].path.split("/", 3)[3]) == (
        "POST",
        "merge_trains/merge_requests/1",
    )
    assert gitlab.read_request(1).merges_itself
    gitlab_forge.run_train()
    assert gitlab.read_request(1).status == "merged"
    assert failure_of(lambda: gitlab.merge_later(request, head_sha=request.head_sha, method="merge")).cause == (
        "not_mergeable"
    )


# Comments


def test_comments_are_what_people_wrote(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    request = begin(gitlab_forge, gitlab)
    first = gitlab_forge.comment("maria", "Why?", path="work.txt", line=1)
    other = gitlab_forge.comment("tom", "Nice.", resolvable=False)
    reply = gitlab_forge.comment("tom", "Because.", reply_to=first, path="work.txt", line=1)
    gitlab_forge.comment("tom", "added 1 commit", system=True)
    gitlab_forge.comment("project_42_bot_0a1b2c3d", "Report.")
    gitlab_forge.comment("group_7_bot", "Report.")
    gitlab_forge.comment("reporter", "Report.", bot=True)
    gitlab_forge.resolve(first)
    comments = gitlab.list_comments(1)
    assert [(one.id, one.author, one.text, one.path, one.line, one.is_resolved) for one in comments] == [
        (str(first), "maria", "Why?", "work.txt", 1, True),
        (str(other), "tom", "Nice.", None, None, False),
        (str(reply), "tom", "Because.", "work.txt", 1, True),
    ]
    assert comments[0].url == f"{request.url}#note_{first}"
    assert comments[0].at == "2026-01-02T03:00:01Z"


def test_all_pages_of_comments_are_read(gitlab_forge: GitLabForge, gitlab: GitLab) -> None:
    begin(gitlab_forge, gitlab)
    for number in range(230):
        gitlab_forge.comment("maria", f"{number}")
    assert [one.text for one in gitlab.list_comments(1)] == [str(number) for number in range(230)]
