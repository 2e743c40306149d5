"""Whether a pull request may be merged follows from one reading of it; never with anything red (spec §6.5)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ai_workflow.config.schema import RequestMerge
from ai_workflow.models.forge import CheckOutcome, ForgeCheck, ForgeRequest, Mergeability, Method, Standing
from ai_workflow.policy.requests import Verdict, judge

HEAD, OTHER = "a" * 40, "b" * 40
REQUEST = ForgeRequest(
    number=7, url="https://forge/7", status="open", title="t", body="b", branch="ai/m01", head_sha=HEAD, base="main"
)
GREEN = ForgeCheck(name="tests", outcome="passed")
GOOD = Standing(request=REQUEST, mergeability="yes", checks=(GREEN,), expects_checks=True)


def decide(standing: Standing, merge: RequestMerge = "auto", **request: Any) -> Verdict:
    if request:
        standing = replace(standing, request=replace(standing.request, **request))
    return judge(standing, head_sha=HEAD, strategy="merge", merge=merge)


def check(outcome: CheckOutcome, name: str = "lint", **more: Any) -> ForgeCheck:
    return ForgeCheck(name=name, outcome=outcome, url=f"https://forge/{name}", **more)


def test_what_is_green_is_merged() -> None:
    assert decide(GOOD).action == "merge"
    assert decide(replace(GOOD, checks=(), expects_checks=False)).action == "merge"
    assert decide(replace(GOOD, checks=(GREEN, check("ignored")))).action == "merge"


@pytest.mark.parametrize(
    ("request_of", "action"),
    [
        ({"status": "merged"}, "merged"),
        ({"status": "closed"}, "stop"),
        ({"is_draft": True}, "ready"),
        ({"head_sha": OTHER}, "wait"),
        ({"merges_itself": True}, "wait"),
    ],
)
def test_the_request_itself(request_of: dict[str, Any], action: str) -> None:
    assert decide(GOOD, **request_of).action == action


@pytest.mark.parametrize(
    ("change", "action", "klass", "says"),
    [
        ({"mergeability": "conflict"}, "conflict", "merge", ""),
        ({"mergeability": "behind"}, "behind", "merge", ""),
        ({"mergeability": "unknown"}, "wait", "pr", "still being looked at"),
        ({"checks": (GREEN, check("failed"))}, "stop", "checks", "1 check failed: lint"),
        ({"checks": (GREEN, check("failed", is_required=True))}, "stop", "checks", "1 check failed: lint"),
        ({"checks": (GREEN, check("pending"))}, "wait", "checks", "waits for 1 check: lint"),
        ({"missing_checks": ("build",)}, "wait", "checks", "waits for 1 check: build"),
        ({"checks": ()}, "wait", "checks", "no check reported yet"),
        ({"changes_wanted_by": ("mia",)}, "stop", "human", "mia asked for changes"),
        ({"approvals_wanted": 2}, "stop", "human", "lacks 2 approvals"),
        ({"open_conversations": 1}, "stop", "human", "must be resolved"),
        ({"is_refused": True, "rules": ("only signed commits",)}, "stop", "protected_branch", "only signed commits"),
        ({"is_refused": True}, "stop", "protected_branch", "does not say which rule"),
        ({"allowed_methods": ("squash",)}, "stop", "protected_branch", "does not allow the method merge"),
        ({"has_queue": True}, "enqueue", "pr", ""),
    ],
)
def test_what_stands_in_the_way(change: dict[str, Any], action: str, klass: str, says: str) -> None:
    verdict = decide(replace(GOOD, **change))
    assert (verdict.action, verdict.klass) == (action, klass)
    assert says in verdict.message


def test_a_failed_check_is_named_with_its_page() -> None:
    verdict = decide(replace(GOOD, checks=(check("failed", "unit"), GREEN, check("failed", "types"))))
    assert verdict.evidence == ("unit: failed, https://forge/unit", "types: failed, https://forge/types")


def test_what_failed_is_said_before_what_still_runs() -> None:
    verdict = decide(replace(GOOD, checks=(check("pending"), check("failed", "unit"))))
    assert (verdict.action, verdict.klass) == ("stop", "checks")


def test_who_leaves_it_to_the_forge_or_to_people() -> None:
    waiting = replace(GOOD, checks=(check("pending"),), is_refused=True)
    assert decide(waiting, "forge").action == "merge_later"
    assert "waits for 1 check" in decide(waiting, "forge").message
    unapproved = replace(GOOD, approvals_wanted=1)
    assert decide(replace(unapproved, mergeability="unknown"), "forge").action == "wait"
    assert decide(unapproved, "forge").action == "stop"
    # It would merge this at once.
    assert decide(replace(waiting, is_refused=False), "forge").action == "wait"
    assert decide(replace(GOOD, checks=()), "forge").action == "wait"
    assert decide(replace(GOOD, mergeability="unknown"), "forge").action == "wait"
    assert decide(GOOD, "forge").action == "merge"
    assert decide(waiting, "never").action == "wait"
    assert decide(GOOD, "never").action == "stop"
    assert decide(replace(GOOD, checks=(check("failed"),)), "forge").action == "stop"


@pytest.mark.parametrize(("strategy", "method"), [("merge", "merge"), ("squash", "squash"), ("ff", "rebase")])
def test_the_method(strategy: Any, method: Method) -> None:
    assert judge(GOOD, head_sha=HEAD, strategy=strategy, merge="auto").method == method


OUTCOMES: list[CheckOutcome] = ["passed", "failed", "pending", "ignored"]
MERGEABLE: list[Mergeability] = ["yes", "conflict", "behind", "unknown"]


@given(
    outcomes=st.lists(st.sampled_from(OUTCOMES), max_size=4),
    missing=st.lists(st.just("build"), max_size=1),
    expects=st.booleans(),
    mergeability=st.sampled_from(MERGEABLE),
    refused=st.booleans(),
    head=st.sampled_from([HEAD, OTHER]),
    wanted=st.lists(st.just("mia"), max_size=1),
    approvals=st.integers(0, 2),
    draft=st.booleans(),
    merge=st.sampled_from(["auto", "forge", "never"]),
)
def test_nothing_red_unknown_or_moved_is_ever_merged(
    outcomes: list[CheckOutcome],
    missing: list[str],
    expects: bool,
    mergeability: Mergeability,
    refused: bool,
    head: str,
    wanted: list[str],
    approvals: int,
    draft: bool,
    merge: RequestMerge,
) -> None:
    standing = Standing(
        request=replace(REQUEST, head_sha=head, is_draft=draft),
        mergeability=mergeability,
        checks=tuple(check(outcome, f"c{number}") for number, outcome in enumerate(outcomes)),
        missing_checks=tuple(missing),
        expects_checks=expects,
        approvals_wanted=approvals,
        changes_wanted_by=tuple(wanted),
        is_refused=refused,
    )
    verdict = judge(standing, head_sha=HEAD, strategy="merge", merge=merge)
    is_green = "failed" not in outcomes and "pending" not in outcomes and not missing and bool(outcomes or not expects)
    is_free = mergeability == "yes" and not refused and not wanted and not approvals and not draft
    assert (verdict.action == "merge") == (is_green and is_free and head == HEAD and merge != "never")
    if verdict.action == "merge_later":
        assert "failed" not in outcomes
        assert refused
        assert head == HEAD
    if verdict.action in ("wait", "stop"):
        assert verdict.message
