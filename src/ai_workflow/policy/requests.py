"""Whether a pull request may be merged, from one reading of it, and what else is to be done (spec §6.5). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec.structs import replace

from ai_workflow.config.schema import MergeStrategy, RequestMerge
from ai_workflow.models.base import Record
from ai_workflow.models.forge import ForgeCheck, ForgeRequest, Method, Standing
from ai_workflow.models.status import BlockerClass

Action = Literal["merged", "ready", "conflict", "behind", "wait", "merge", "merge_later", "enqueue", "stop"]
_MAX_NAMED = 20
_METHODS: dict[MergeStrategy, Method] = {"merge": "merge", "squash": "squash", "ff": "rebase"}
"""Forges cannot fast-forward by their API; a rebase gives the same linear history."""


class Verdict(Record, frozen=True, kw_only=True):
    """What to do next with a request.

    - `merged`: it is. `ready`: it must stop being a draft. `conflict`, `behind`: base must be merged into its branch.
    - `wait`: nothing but time is missing. `merge`: now. `merge_later`: the forge does it, once it has what is missing.
      `enqueue`: it has, and base is merged into through a queue.
    - `stop`: somebody else must act; so does `wait` when nobody waits any longer.
    """

    action: Action
    klass: BlockerClass = "pr"
    """Of the blocker."""
    message: str = ""
    """What is missing, as the rest of a sentence that begins with the request."""
    evidence: tuple[str, ...] = ()
    advice: str = ""
    """What a person does about it, before the closeout is tried again; empty when that is all."""
    method: Method = "merge"


def choose_method(strategy: MergeStrategy) -> Method:
    """How the forge is asked to merge, by `git.merge_strategy`."""
    return _METHODS[strategy]


def judge(standing: Standing, *, head_sha: str, strategy: MergeStrategy, merge: RequestMerge) -> Verdict:
    """The next thing to do.

    Never `merge` with a check that failed, runs, or is expected and has not reported, required or not.

    Args:
        head_sha: the tip that was pushed: nothing else is merged.
        strategy, merge: `git.merge_strategy`, `git.pull_request.merge`.
    """
    request = standing.request
    if request.status == "merged":
        return Verdict(action="merged")
    if request.status == "closed":
        message = f"was closed{show_ender(request)} without being merged"
        return Verdict(action="stop", message=message, advice=f"reopen it: {request.url}")
    if request.head_sha != head_sha:
        message = f"has {request.head_sha[:10]} as its head, and {head_sha[:10]} was pushed"
        return Verdict(action="wait", message=message)
    if request.is_draft:
        return Verdict(action="ready")
    if standing.mergeability in ("conflict", "behind"):
        return Verdict(action=standing.mergeability, klass="merge")
    stopped = _judge_checks(standing.checks) or _judge_people(standing)
    if stopped is not None:
        return stopped
    missing = _find_missing(standing)
    if missing is None and standing.mergeability == "unknown":
        missing = Verdict(action="wait", message=f"is still being looked at by the forge ({request.url})")
    return _decide(standing, missing, strategy=strategy, merge=merge)


def show_ender(request: ForgeRequest) -> str:
    """` by mia` where it is known who merged or closed it."""
    return f" by {request.ended_by}" if request.ended_by else ""


def _judge_checks(checks: Sequence[ForgeCheck]) -> Verdict | None:
    failed = [check for check in checks if check.outcome == "failed"]
    if not failed:
        return None
    names = ", ".join(check.name for check in failed[:3]) + (" …" if len(failed) > 3 else "")
    return Verdict(
        action="stop",
        klass="checks",
        message=f"is not merged, because {_count(failed, 'check')} failed: {names}",
        evidence=_show(failed),
        advice="mend it on the branch and push that, or run the check again there",
    )


def _judge_people(standing: Standing) -> Verdict | None:
    if standing.changes_wanted_by:
        who = ", ".join(standing.changes_wanted_by[:_MAX_NAMED])
        return Verdict(
            action="stop",
            klass="human",
            message=f"is not merged, because {who} asked for changes",
            evidence=(standing.request.url,),
            advice="answer the review",
        )
    if standing.open_conversations:
        many = f"{standing.open_conversations} conversation(s)"
        return Verdict(
            action="stop",
            klass="human",
            message=f"is not merged, because {many} must be resolved first",
            evidence=(standing.request.url,),
            advice="resolve them there",
        )
    return None


def _find_missing(standing: Standing) -> Verdict | None:
    """What is missing that others bring without being asked again: checks, then approvals."""
    running = [check for check in standing.checks if check.outcome == "pending"]
    if running or standing.missing_checks:
        names = [*(check.name for check in running), *standing.missing_checks]
        shown = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
        absent = tuple(f"{name}: has not reported" for name in standing.missing_checks[:_MAX_NAMED])
        return Verdict(
            action="wait",
            klass="checks",
            message=f"waits for {_count(names, 'check')}: {shown}",
            evidence=(*_show(running), *absent)[:_MAX_NAMED],
        )
    if standing.expects_checks and not standing.checks:
        return Verdict(
            action="wait",
            klass="checks",
            message="has no check reported yet, and this repository runs checks",
            evidence=(standing.request.url,),
            advice="if none runs for such requests, set `git.pull_request.checks: reported`",
        )
    if standing.approvals_wanted:
        return Verdict(
            action="stop",
            klass="human",
            message=f"lacks {_count(range(standing.approvals_wanted), 'approval')}",
            evidence=(standing.request.url,),
            advice="ask for a review",
        )
    return None


def _decide(standing: Standing, missing: Verdict | None, *, strategy: MergeStrategy, merge: RequestMerge) -> Verdict:
    request = standing.request
    method = choose_method(strategy)
    if request.merges_itself:
        why = f": it {missing.message}" if missing else ""
        return Verdict(
            action="wait",
            klass=missing.klass if missing else "pr",
            message=f"is merged by the forge itself, once it has all it asks for{why}",
            evidence=missing.evidence if missing else (request.url,),
        )
    if merge == "never":
        return missing or Verdict(
            action="stop",
            klass="human",
            message="may be merged, and `git.pull_request.merge: never` leaves that to people",
            evidence=(request.url,),
            advice="merge it there",
        )
    if missing is not None:
        # A forge that would merge it now does not wait for what only aiw waits for.
        if merge == "forge" and standing.is_refused:
            return replace(missing, action="merge_later", method=method)
        is_seen = merge != "forge" or standing.mergeability != "unknown"
        return missing if is_seen else replace(missing, action="wait")
    if standing.has_queue:
        return Verdict(action="enqueue")
    if standing.rules or standing.is_refused:
        named = standing.rules or ("the forge refuses to merge it, and does not say which rule asks for what",)
        return Verdict(
            action="stop",
            klass="protected_branch",
            message=f"is not merged: {named[0]}",
            evidence=(*named, request.url)[:_MAX_NAMED],
            advice="do what the rule asks for, or merge it there",
        )
    if method not in standing.allowed_methods:
        allowed = ", ".join(standing.allowed_methods) or "none"
        return Verdict(
            action="stop",
            klass="protected_branch",
            message=f"is not merged: this repository does not allow the method {method} (allowed: {allowed})",
            advice="set `git.merge_strategy` to one of them (rebase is ff)",
        )
    return Verdict(action="merge", method=method)


def _show(checks: Sequence[ForgeCheck]) -> tuple[str, ...]:
    return tuple(
        f"{check.name}: {check.outcome}" + (f", {check.url}" if check.url else "") for check in checks[:_MAX_NAMED]
    )


def _count(items: Sequence[object], noun: str) -> str:
    return f"{len(items)} {noun}" + ("" if len(items) == 1 else "s")
