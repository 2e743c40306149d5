"""Which branches may go: never one in use, still needed, or with commits that nothing else holds (spec §6.9)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ai_workflow.policy.cleanup import BranchFacts, judge_branch


def facts(**fields: Any) -> BranchFacts:
    values: dict[str, Any] = {
        "milestone_id": "M01",
        "milestone_status": "merged",
        "branch": "ai/m01-x",
        "target": "local",
        "tip": "a" * 40,
        "is_known": True,
        "reached_from": "main",
    }
    return BranchFacts(**(values | fields))


def test_merged_branches_may_go() -> None:
    assert judge_branch(facts()).reason == "merged into main"
    assert judge_branch(facts(milestone_status="cancelled")).may_go
    assert not judge_branch(facts()).keeps_commits


@pytest.mark.parametrize("by_content", ["is_merged_head", "is_landed_squash"])
def test_what_landed_by_content_goes_but_its_commits_are_kept(by_content: str) -> None:
    judged = judge_branch(facts(reached_from=None, **{by_content: True}))
    assert (judged.may_go, judged.keeps_commits) == (True, True)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"is_base": True}, "is a base branch"),
        ({"is_alias": True}, "is only another name of a branch"),
        ({"is_head": True}, "is checked out"),
        ({"checked_out_in": "/x"}, "is checked out in /x"),
        ({"held_by_lane": "core"}, "lane core works on it"),
        ({"milestone_status": "in_progress"}, "M01 is in progress"),
        ({"unreachable_remote": "origin"}, "origin could not be reached"),
        ({"is_known": False}, "has commits that this repository does not know"),
        ({"reached_from": None}, "has commits that are not merged"),
    ],
)
def test_one_reason_is_enough_to_keep_it(fields: dict[str, Any], reason: str) -> None:
    judged = judge_branch(facts(**fields))
    assert (judged.may_go, judged.reason) == (False, reason)


def test_no_combination_lets_unmerged_commits_go() -> None:
    names = ("is_base", "is_head", "is_alias", "is_known")
    for values in itertools.product((False, True), repeat=len(names)):
        for status in ("planned", "ready", "in_progress", "blocked", "done", "pr_created", "merged", "cancelled"):
            given = dict(zip(names, values, strict=True)) | {"milestone_status": status}
            assert not judge_branch(facts(reached_from=None, **given)).may_go
