"""Runs the checks of a milestone on the merged tree before it lands (spec §6.5)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ai_workflow.checks.runner import CheckCommand, run_checks
from ai_workflow.git.refs import branch_ref, find_commit, find_head_branch, get_tree, switch_detached, switch_to
from ai_workflow.git.remotes import Remote
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.run import CheckResult
from ai_workflow.policy.gates import describe_failure
from ai_workflow.services.landing import Listeners, Reached, find_last_commit, name_of_target, stop
from ai_workflow.services.trusting import is_trusted, untrusted_message
from ai_workflow.services.workspace import Workspace


def run_merge_test(
    ws: Workspace, milestone: Milestone, merge_sha: str, remote: Remote | None, listeners: Listeners
) -> Reached:
    """Runs the checks on the merged tree, checked out without a branch; HEAD is where it was after.

    A `Verify:` line that fails on the milestone's last task as well says nothing about the merge: a later task of the
    milestone changed what it proved. It is named and does not count.
    """
    commands = _commands(ws, milestone)
    if not commands:
        return Reached()
    if not is_trusted(ws):
        message = untrusted_message([command.run for command in commands])
        return stop(ws, milestone, "human", "test-merge", message, next_command=ws.command("trust"))
    ws.talk(f"testing {milestone.id} merged with {name_of_target(ws, remote)}")
    results = _run_at(ws, milestone, merge_sha, commands, listeners)
    if isinstance(results, Reached):
        return results
    failed = [result for result in results if result.status != "passed"]
    outdated = _find_outdated(ws, milestone, failed, listeners)
    if isinstance(outdated, Reached):
        return outdated
    failed = [result for result in failed if result.command not in outdated]
    return _judge(ws, milestone, merge_sha, remote, failed, results) if failed else Reached(results=results)


def _find_outdated(
    ws: Workspace, milestone: Milestone, failed: Sequence[CheckResult], listeners: Listeners
) -> Reached | tuple[str, ...]:
    """The failed commands that the milestone alone does not pass either; none when a project's check failed too."""
    last = find_last_commit(ws, milestone)
    suspects = {result.command for result in failed}
    everywhere = {check.run for check in ws.config.agent.checks}
    if not suspects or last is None or suspects & everywhere:
        return ()
    ws.talk(f"testing whether {milestone.id} passes alone")
    commands = [command for command in _commands(ws, milestone) if command.run in suspects]
    alone = _run_at(ws, milestone, last, commands, listeners)
    if isinstance(alone, Reached):
        return alone
    outdated = tuple(result.command for result in alone if result.status == "failed")
    for command in outdated:
        ws.talk(f"note: `{command}` fails on {milestone.id} alone too, because of a later task: it does not count")
    return outdated


def _run_at(
    ws: Workspace, milestone: Milestone, commit: str, commands: Sequence[CheckCommand], listeners: Listeners
) -> Reached | tuple[CheckResult, ...]:
    git = ws.repository.git
    branch = find_head_branch(git)
    head = branch or find_commit(git, "HEAD") or ""
    failure = switch_detached(git, commit)
    if failure is not None:
        message = (
            f"the merged tree cannot be checked out for its test, your uncommitted changes are in the way:\n{failure}"
        )
        return stop(ws, milestone, "merge", "test-merge", message, next_command="commit or stash them")
    try:
        on_start, on_output = listeners
        results = run_checks(commands, cwd=ws.root, env=None, on_output=on_output, on_start=on_start)
    finally:
        back = switch_to(git, branch) if branch else switch_detached(git, head)
    if back is not None:
        message = f"the work tree cannot be switched back to {head}:\n{back}"
        return stop(ws, milestone, "merge", "test-merge", message, next_command=f"git switch {head}")
    return results


def _judge(
    ws: Workspace,
    milestone: Milestone,
    merge_sha: str,
    remote: Remote | None,
    failed: Sequence[CheckResult],
    results: tuple[CheckResult, ...],
) -> Reached:
    git = ws.repository.git
    base = name_of_target(ws, remote)
    evidence = [f"{describe_failure(result)}\n{result.output_tail[-2000:]}" for result in failed]
    tip = find_commit(git, branch_ref(milestone.branch or ""))
    if tip is not None and get_tree(git, tip) == get_tree(git, merge_sha):
        message = f"{milestone.id} does not pass its checks as {milestone.branch} is now"
        repair = f"git switch {milestone.branch}, repair, commit"
    else:
        message = f"{milestone.id} passes alone, but not merged with {base}"
        repair = f"git switch {milestone.branch} && git merge {base}, repair, commit"
    reached = stop(ws, milestone, "base", "test-merge", message, evidence=evidence, next_command=repair)
    return replace(reached, results=results)


def _commands(ws: Workspace, milestone: Milestone) -> tuple[CheckCommand, ...]:
    timeout_s = float(ws.config.checks.timeout_s)
    own = [
        CheckCommand(run=command, timeout_s=timeout_s, name=command)
        for task in ws.store.snapshot().tasks_of(milestone)
        if task.status == "done"
        for command in task.verify
    ]
    return tuple({command.run: command for command in (*own, *ws.config.agent.checks)}.values())
