"""The first rungs of a closeout, and what all rungs share: look, wait for a pull request, push the branch.

Every rung may be repeated, and asks git what is so before it acts (spec §6.5).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from ai_workflow.checks.runner import CheckCommand
from ai_workflow.git.merges import merge_trees
from ai_workflow.git.refs import (
    branch_ref,
    find_commit,
    find_head_branch,
    get_tree,
    is_ancestor,
    merge_base,
    switch_to,
)
from ai_workflow.git.remotes import (
    Remote,
    deepen,
    fetch_branch,
    find_remote,
    is_shallow,
    push_branch,
    tracking_ref,
)
from ai_workflow.git.runner import Git
from ai_workflow.models.base import Record
from ai_workflow.models.ids import id_order
from ai_workflow.models.milestone import Closeout, Milestone
from ai_workflow.models.run import CheckResult
from ai_workflow.models.snapshot import Changes
from ai_workflow.models.status import BlockerClass
from ai_workflow.policy.closeout import show_url
from ai_workflow.services.workspace import Workspace

Listeners = tuple[Callable[[CheckCommand], None] | None, Callable[[bytes], None] | None]


class Obstacle(Record, frozen=True, kw_only=True):
    """Why a closeout cannot go on; becomes the milestone's blocker."""

    klass: BlockerClass
    step: str
    message: str
    evidence: tuple[str, ...] = ()
    next_command: str


class Reached(Record, frozen=True, kw_only=True):
    """What a rung found or did: the closeout's new facts, or an obstacle."""

    closeout: Closeout | None = None
    obstacle: Obstacle | None = None
    results: tuple[CheckResult, ...] = ()
    is_waiting: bool = False
    """Whether nothing but time is missing, so that the obstacle counts only when nobody waits any longer."""
    again_s: float | None = None
    """When to look again, in seconds since 1970, if that is known."""


def find_target_remote(ws: Workspace) -> Remote | None:
    """The remote that base belongs to, or None."""
    return find_remote(ws.repository.git, ws.config.target_branch)


def retry_command(ws: Workspace, milestone: Milestone) -> str:
    """What takes a blocked closeout up again."""
    return ws.command(f"milestone finish {milestone.id}")


def record(ws: Workspace, milestone: Milestone, closeout: Closeout) -> Milestone:
    """Makes the closeout's new facts durable, before the step that relies on them."""
    with ws.store.transaction(f"close out {milestone.id}", operation=closeout.operation) as change:
        fresh = change.before.get_milestone(milestone.id)
        if fresh.closeout != closeout:
            change.apply(Changes(put=(replace(fresh, closeout=closeout, updated_at=change.now),)))
    return change.after.get_milestone(milestone.id)


def look(ws: Workspace, milestone: Milestone, remote: Remote | None, _listeners: Listeners) -> Reached:
    """Notices work that has landed; stops for a missing branch, an unreachable remote, cut-off history, and commits
    of the user's own on base.
    """
    closeout = milestone.closeout
    assert closeout is not None
    unfinished = ws.repository.unfinished_operation()
    if unfinished is not None:
        message = f"a {unfinished[0]} is in progress in {ws.repository.top}"
        return stop(ws, milestone, "merge", "look", message, next_command=unfinished[1])
    stuck = _leave_test(ws, milestone, closeout)
    if stuck is not None:
        return stuck
    if closeout.landed_sha is not None:
        return Reached()
    base = find_target(ws, milestone, remote)
    if isinstance(base, Reached):
        return base
    cut_off = _complete_history(ws, milestone, remote)
    if cut_off is not None:
        return cut_off
    landed = find_landed(ws, milestone, closeout, base)
    if landed is not None:
        return Reached(closeout=replace(closeout, landed_sha=landed))
    if find_commit(ws.repository.git, branch_ref(milestone.branch or "")) is None:
        tip = find_tip(ws, milestone) or "<commit>"
        message = f"branch {milestone.branch} does not exist any more, and its work is not on {ws.config.target_branch}"
        return stop(ws, milestone, "merge", "look", message, next_command=f"git branch {milestone.branch} {tip}")
    return _look_for_unpushed(ws, milestone, remote, tracked=base) if remote else Reached()


def _leave_test(ws: Workspace, milestone: Milestone, closeout: Closeout) -> Reached | None:
    """HEAD back on the branch, when a killed command left the merged tree checked out for its test."""
    git = ws.repository.git
    branch = milestone.branch or ""
    if closeout.merge_sha is None or find_head_branch(git) is not None:
        return None
    tested = (closeout.merge_sha, find_last_commit(ws, milestone))
    if find_commit(git, "HEAD") not in tested or find_commit(git, branch_ref(branch)) is None:
        return None
    failure = switch_to(git, branch)
    if failure is None:
        ws.talk(f"an interrupted test of the merged tree was ended: HEAD is on {branch} again")
        return None
    message = f"the work tree cannot be switched back to {branch}:\n{failure}"
    return stop(ws, milestone, "merge", "test-merge", message, next_command=f"git switch {branch}")


def find_target(ws: Workspace, milestone: Milestone, remote: Remote | None) -> str | Reached:
    """The tip of the target branch as it is now, asked of the remote if there is one; or what is in the way."""
    git = ws.repository.git
    base = ws.config.target_branch
    if remote is None:
        message = f"{base} does not exist"
        local = find_commit(git, branch_ref(base))
        return local or stop(ws, milestone, "base", "fetch", message, next_command=f"git branch {base} <commit>")
    fetched = fetch_branch(git, remote.name, base)
    if fetched.failure is not None:
        message = f"{remote.name} ({show_url(remote.url)}) could not be reached:\n{fetched.failure}"
        return stop(ws, milestone, "infra", "fetch", message)
    if fetched.sha is None:
        message = f"{base} does not exist on {remote.name} yet"
        return stop(ws, milestone, "base", "fetch", message, next_command=f"git push -u {remote.name} {base}")
    return fetched.sha


def known_target(ws: Workspace, remote: Remote | None) -> str | None:
    """The tip of the target branch as it was last seen, without asking the remote."""
    base = ws.config.target_branch
    return find_commit(ws.repository.git, tracking_ref(remote.name, base) if remote else branch_ref(base))


def name_of_target(ws: Workspace, remote: Remote | None) -> str:
    """What a person types for the branch that is merged onto: `origin/main`, or `main` without a remote."""
    return f"{remote.name}/{ws.config.target_branch}" if remote else ws.config.target_branch


def find_tip(ws: Workspace, milestone: Milestone) -> str | None:
    """Tip of the milestone's branch; when that was deleted, its newest commit that git still has."""
    git = ws.repository.git
    tip = find_commit(git, branch_ref(milestone.branch or ""))
    return tip or find_last_commit(ws, milestone) or find_commit(git, milestone.start_sha or "")


def find_last_commit(ws: Workspace, milestone: Milestone) -> str | None:
    """The commit of the task that was finished last, if git still has it."""
    done = [task for task in ws.store.snapshot().tasks_of(milestone) if task.commit_sha]
    newest = max(done, key=lambda task: (task.finished_at or "", id_order(task.id)), default=None)
    return find_commit(ws.repository.git, newest.commit_sha or "") if newest else None


def find_landed(ws: Workspace, milestone: Milestone, closeout: Closeout, base: str) -> str | None:
    """The commit on base that holds the milestone's work already, merged by us or by a person, squashed or not."""
    git = ws.repository.git
    for sha in (closeout.landed_sha, closeout.merge_sha):
        if sha and find_commit(git, sha) and is_ancestor(git, sha, base):
            return sha
    tip = find_tip(ws, milestone)
    return base if tip is not None and adds_nothing(git, tip, base) else None


def adds_nothing(git: Git, tip: str, base: str) -> bool:
    """Whether base holds everything of a commit: by history, or (after a squash) because merging it changes nothing."""
    if is_ancestor(git, tip, base):
        return True
    if merge_base(git, tip, base) is None:
        return False
    merged = merge_trees(git, base, tip)
    return not merged.conflicts and merged.tree == get_tree(git, base)


def _complete_history(ws: Workspace, milestone: Milestone, remote: Remote | None) -> Reached | None:
    """Fetches what a shallow clone lacks; None when all is there."""
    git = ws.repository.git
    if remote is None or not is_shallow(git):
        return None
    failure = deepen(git, remote.name)
    if failure is None:
        return None
    message = f"history is cut off and could not be completed:\n{failure}"
    return stop(ws, milestone, "base", "fetch", message, next_command=f"git fetch --unshallow {remote.name}")


def _look_for_unpushed(ws: Workspace, milestone: Milestone, remote: Remote, *, tracked: str) -> Reached:
    git = ws.repository.git
    base = ws.config.target_branch
    # What a stacked one starts from is another milestone's branch, and people may have pushed to that.
    start_sha = None if milestone.stacked_on else milestone.start_sha
    sources = [sha for sha in (find_commit(git, branch_ref(base)), start_sha) if sha]
    lines = list_own_commits(git, sources, tracked=tracked)
    if not lines:
        return Reached()
    message = f"{base} has {len(lines)} commit(s) of your own that are not on {remote.name}; aiw does not push them"
    push = f"git push {remote.name} {base}"
    return stop(ws, milestone, "base", "unpushed", message, evidence=lines[:20], next_command=push)


def list_own_commits(git: Git, sources: Sequence[str], *, tracked: str) -> list[str]:
    """A person's commits below the sources that the remote's base lacks, `<short id> <subject>` each."""
    # Commits of aiw (the workspace's own, earlier merges) carry the trailer; everything else on base is a person's.
    args = ("log", "--format=%h %s", "-z", "--invert-grep", "--grep=^Aiw-Op: ", *sources, f"^{tracked}")
    return [line for line in git.run(*args).stdout.decode("utf-8", "replace").split("\0") if line.strip()]


def push_milestone(ws: Workspace, milestone: Milestone, remote: Remote | None, _listeners: Listeners) -> Reached:
    """Pushes the milestone's branch, unless the remote has it or the work has landed."""
    git = ws.repository.git
    closeout = milestone.closeout
    assert closeout is not None
    branch = milestone.branch or ""
    tip = find_commit(git, branch_ref(branch))
    if remote is None or tip is None or closeout.landed_sha is not None:
        return Reached()
    fetched = fetch_branch(git, remote.name, branch)
    if fetched.sha == tip:
        return Reached(closeout=replace(closeout, pushed_branch_sha=tip))
    # What we pushed ourselves may be replaced, e.g. after a rebase; anything else there is somebody's work.
    if fetched.sha not in (None, closeout.pushed_branch_sha) and not is_ancestor(git, fetched.sha or "", tip):
        message = f"{branch} on {remote.name} has commits that this workspace does not know"
        return stop(ws, milestone, "push", "push-branch", message, next_command=f"git log {remote.name}/{branch}")
    failure = push_branch(git, remote.name, sha=tip, branch=branch, expected=fetched.sha)
    if failure is not None and fetch_branch(git, remote.name, branch).sha != tip:
        return stop(ws, milestone, "push", "push-branch", f"{branch} could not be pushed to {remote.name}:\n{failure}")
    return Reached(closeout=replace(closeout, pushed_branch_sha=tip))


def stop(
    ws: Workspace,
    milestone: Milestone,
    klass: BlockerClass,
    step: str,
    message: str,
    *,
    evidence: Sequence[str] = (),
    next_command: str | None = None,
) -> Reached:
    """An obstacle at a step; after `next_command` (or at once) the closeout is taken up again."""
    retry = retry_command(ws, milestone)
    command = f"{next_command}; then {retry}" if next_command else retry
    # Git's words may name the remote's URL with what it holds.
    shown = show_url(message)
    return Reached(
        obstacle=Obstacle(klass=klass, step=step, message=shown, evidence=tuple(evidence), next_command=command)
    )
