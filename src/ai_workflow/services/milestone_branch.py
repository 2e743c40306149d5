"""Makes a milestone's branch where it starts, and goes back to it; nothing moves before it is sure (spec §6.2)."""

from __future__ import annotations

from ai_workflow.config.place import CONFIG_NAME
from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.refs import (
    advance_branch,
    branch_ref,
    find_commit,
    is_ancestor,
    merge_base,
    move_ref,
    require_branch_name,
    switch_to,
    worktrees_of_branches,
)
from ai_workflow.git.remotes import Remote, fetch_branch, find_remote, tracking_ref
from ai_workflow.git.status import TreeStatus
from ai_workflow.models.base import Record
from ai_workflow.models.ids import make_branch_name
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.services.changeset import collect_dirt, tell_dirt
from ai_workflow.services.scaffold import commit_scaffold, ensure_on_branch, find_missing, stage_for_switch, unstage
from ai_workflow.services.workspace import Workspace


class MadeBranch(Record, frozen=True, kw_only=True):
    """A milestone's branch, checked out where the milestone starts."""

    name: str
    existing: str | None
    """Where it was before; None when it is new."""
    scaffold: str | None
    """The commit `aiw: set up workspace`, if it was made on the way."""


def return_to_branch(ws: Workspace, milestone: Milestone, status: TreeStatus) -> bool:
    """HEAD on the branch of a milestone that has begun, the user's dirt carried along; False when it was there.

    Raises:
        AiwError: GIT when the branch is gone, HEAD holds commits of nobody else, or the dirt is in the way.
    """
    branch = milestone.branch or ""
    if status.branch == branch:
        return False
    if find_commit(ws.repository.git, branch_ref(branch)) is None:
        from ai_workflow.services.landing import find_tip

        tip = find_tip(ws, milestone) or "<commit>"
        raise AiwError(
            Kind.GIT,
            f"{milestone.id} works on branch {branch}, which does not exist any more",
            hint=f"bring it back: git branch {branch} {tip}",
        )
    _require_held(ws, status)
    ensure_on_branch(ws, milestone, head_branch=status.branch)
    _switch(ws, branch, start_sha=None)
    ws.talk(f"note: HEAD was on {status.branch or 'no branch'} and is on {branch} again")
    tell_dirt("uncommitted changes came along from there", ws, collect_dirt(ws, status))
    return True


def make_branch(
    ws: Workspace, snapshot: Snapshot, milestone: Milestone, status: TreeStatus, *, parent: Milestone | None = None
) -> MadeBranch:
    """The branch of a milestone that has not begun, made at the commit it starts from, and checked out.

    One that exists without commits of its own is brought there. The caller holds the repository's lock.

    Args:
        parent: the milestone that it is stacked on; else it starts from base.

    Raises:
        AiwError: GIT when base cannot be told or has diverged, the branch holds commits that are not the workspace's,
            here or on the remote, or the user's dirt is in the way.
    """
    git = ws.repository.git
    base = _choose_base(ws)
    branch = milestone.branch or make_branch_name(ws.config.git.branch_prefix, milestone.id, milestone.title)
    require_branch_name(git, branch)
    if status.head is None and status.branch != base:
        raise AiwError(
            Kind.GIT,
            f"base branch {base} does not exist: HEAD is on {status.branch}, which has no commit yet",
            hint="set git.base_branch in .ai-workflow.yaml, or `git branch -m` the branch",
        )
    remote = find_remote(git, base)
    tracked = _fetch_base(ws, remote, base)
    _require_joinable(ws, status, base=base, remote=remote, tracked=tracked)
    scaffold = _ensure_scaffold(ws, snapshot, base=base, tracked=tracked, status=status)
    above = find_commit(git, branch_ref(parent.branch or "")) if parent else None
    start_sha = above or choose_start(ws, base=base, remote=remote, tracked=tracked)
    _refuse_unknown_branch(ws, remote, branch, start_sha)
    existing = find_commit(git, branch_ref(branch))
    _check_out(ws, branch, existing=existing, start_sha=start_sha, status=status)
    return MadeBranch(name=branch, existing=existing, scaffold=scaffold)


def _choose_base(ws: Workspace) -> str:
    """The branch that milestones start from: the one they land on, which is made from base when it is new."""
    git = ws.repository.git
    base, target = ws.config.git.base_branch, ws.config.target_branch
    if target == base or find_commit(git, branch_ref(target)) is not None:
        return target
    remote = find_remote(git, target)
    if remote is not None and fetch_branch(git, remote.name, target).sha is not None:
        return target
    start_sha = choose_start(ws, base=base, remote=remote, tracked=_fetch_base(ws, remote, base))
    if move_ref(git, branch_ref(target), new=start_sha, old=None, reason=f"aiw: from {base}"):
        ws.talk(f"made the integration branch {target} from {base}")
    return target


def _require_joinable(
    ws: Workspace, status: TreeStatus, *, base: str, remote: Remote | None, tracked: str | None
) -> None:
    """Passes when HEAD can be left without loss, and local and remote base have not diverged; before anything moves."""
    name = remote.name if remote else ""
    if status.head is None and tracked is not None:
        raise AiwError(
            Kind.GIT,
            f"HEAD has no commit yet, but {name}/{base} has",
            hint=f"begin with what is there: git pull {name} {base}",
        )
    _require_held(ws, status)
    local = find_commit(ws.repository.git, branch_ref(base))
    if local and tracked:
        require_one_line(ws, base=base, name=name, local=local, tracked=tracked)


def _require_held(ws: Workspace, status: TreeStatus) -> None:
    """Passes unless HEAD is detached at a commit that nothing else holds: leaving it would lose sight of it."""
    if status.branch is not None or status.head is None:
        return
    if not ws.repository.git.line("for-each-ref", "--count=1", "--format=%(refname)", "--contains", status.head):
        raise AiwError(
            Kind.GIT,
            f"HEAD is detached at {status.head[:10]}, and no branch holds that commit",
            hint=f"keep it first: git branch <name> {status.head[:10]}",
        )


def require_one_line(ws: Workspace, *, base: str, name: str, local: str, tracked: str) -> None:
    """Passes unless local base and the remote's both have commits that the other lacks. Raises AiwError(GIT)."""
    git = ws.repository.git
    if is_ancestor(git, local, tracked) or is_ancestor(git, tracked, local):
        return
    common = merge_base(git, local, tracked)
    raise AiwError(
        Kind.GIT,
        f"{base} and {name}/{base} have diverged" + (f" since {common[:10]}" if common else ""),
        hint=f"join them first: git switch {base} && git pull --rebase {name} {base}",
    )


def _fetch_base(ws: Workspace, remote: Remote | None, base: str) -> str | None:
    if remote is None:
        return None
    fetched = fetch_branch(ws.repository.git, remote.name, base)
    if fetched.failure is not None:
        ws.talk(f"note: {remote.name} could not be reached, so its {base} may be older than it is:\n{fetched.failure}")
        return find_commit(ws.repository.git, tracking_ref(remote.name, base))
    return fetched.sha


def _ensure_scaffold(
    ws: Workspace, snapshot: Snapshot, *, base: str, tracked: str | None, status: TreeStatus
) -> str | None:
    git = ws.repository.git
    local = find_commit(git, branch_ref(base))
    if local is None and tracked is not None:
        if not find_missing(ws, tracked):
            return None
        move_ref(git, branch_ref(base), new=tracked, old=None, reason=f"aiw: follow {base}")
        local = tracked
    if local is None and status.head is not None:
        raise AiwError(
            Kind.GIT,
            f"base branch {base} does not exist",
            hint="set git.base_branch in .ai-workflow.yaml to one that does",
        )
    if any(not find_missing(ws, held) for held in (tracked, local) if held is not None):
        return None
    # They are written only because they are committed now: a start leaves the tree as clean as it was.
    ws.documents.write_handoffs(snapshot)
    if local is not None and tracked is not None and local != tracked and is_ancestor(git, local, tracked):
        _fast_forward_base(ws, base, local=local, tracked=tracked, status=status)
    made = commit_scaffold(ws, base_branch=base, head_branch=status.branch)
    if made:
        ws.talk(f"committed the workspace's own files on {base} as {made[:10]}")
    return made


def _fast_forward_base(ws: Workspace, base: str, *, local: str, tracked: str, status: TreeStatus) -> None:
    git = ws.repository.git
    reason = "aiw: fast-forward to the remote"
    failure = advance_branch(git, branch_ref(base), new=tracked, old=local, reason=reason)
    if failure is not None:
        holder = worktrees_of_branches(git).get(branch_ref(base), ws.repository.top)
        raise AiwError(
            Kind.GIT,
            f"{base} is behind its remote and cannot be brought up to date in {holder}:\n{failure}",
            hint=f"commit or stash what git names, then: git -C {holder} pull --ff-only",
        )


def choose_start(ws: Workspace, *, base: str, remote: Remote | None, tracked: str | None) -> str:
    """The commit a new milestone branch starts from: local base when it is ahead of its remote, else the remote's.

    Raises:
        AiwError: GIT when both have commits that the other lacks, or neither exists.
    """
    git = ws.repository.git
    local = find_commit(git, branch_ref(base))
    if local is None and tracked is None:
        raise AiwError(
            Kind.GIT,
            f"base branch {base} does not exist",
            hint="set git.base_branch in .ai-workflow.yaml to one that does",
        )
    if local is None or tracked is None or local == tracked:
        return local or tracked or ""
    if is_ancestor(git, local, tracked):
        return tracked
    if is_ancestor(git, tracked, local):
        # aiw's own commits go along with the first milestone; only a person's are worth a note.
        count = git.line("rev-list", "--count", "--invert-grep", "--grep=^Aiw-Op: ", f"{tracked}..{local}")
        if count != "0":
            ws.talk(f"note: {base} is {count} commit(s) ahead of its remote; the branch starts from your local {base}")
        return local
    require_one_line(ws, base=base, name=remote.name if remote else "", local=local, tracked=tracked)
    return local


def _refuse_unknown_branch(ws: Workspace, remote: Remote | None, branch: str, start_sha: str) -> None:
    git = ws.repository.git
    for blocking in _parents(branch):
        if find_commit(git, branch_ref(blocking)) is not None:
            raise AiwError(
                Kind.GIT,
                f"branch {branch} cannot be made: a branch {blocking} exists, and git allows only one of them",
                hint=f"rename that one (git branch -m {blocking} …), or set git.branch_prefix in {CONFIG_NAME}",
            )
    existing = find_commit(git, branch_ref(branch))
    if existing is not None and not is_ancestor(git, existing, start_sha):
        raise AiwError(
            Kind.GIT,
            f"branch {branch} exists already and has commits of its own",
            hint=f"rename it (git branch -m {branch} {branch}-old), then run the same command again",
        )
    if remote is None:
        return
    fetched = fetch_branch(git, remote.name, branch)
    if fetched.sha is not None and not is_ancestor(git, fetched.sha, start_sha):
        raise AiwError(
            Kind.GIT,
            f"{remote.name} has a branch {branch} with commits that this workspace does not know",
            hint=f"look at `git log {remote.name}/{branch}`; delete or rename it there before the milestone starts",
        )


def _parents(branch: str) -> list[str]:
    parts = branch.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _check_out(ws: Workspace, branch: str, *, existing: str | None, start_sha: str, status: TreeStatus) -> None:
    """HEAD on the milestone's branch at its start; one that exists without commits of its own is brought there."""
    if existing is not None and existing != start_sha:
        reason = f"aiw: fast-forward to {start_sha[:10]}"
        failure = advance_branch(ws.repository.git, branch_ref(branch), new=start_sha, old=existing, reason=reason)
        if failure is not None:
            raise _switch_error(ws, branch, failure)
    if status.branch != branch:
        _switch(ws, branch, start_sha=None if existing else start_sha)


def _switch(ws: Workspace, branch: str, *, start_sha: str | None) -> None:
    git = ws.repository.git
    head, target = find_commit(git, "HEAD"), start_sha or find_commit(git, branch_ref(branch))
    staged = stage_for_switch(ws, target) if head and target and head != target else ()
    failure = switch_to(git, branch, start=start_sha)
    if failure is not None:
        unstage(ws, staged)
        raise _switch_error(ws, branch, failure)


def _switch_error(ws: Workspace, branch: str, failure: str) -> AiwError:
    holder = worktrees_of_branches(ws.repository.git).get(branch_ref(branch))
    if holder is not None:
        return AiwError(Kind.GIT, f"{branch} is checked out in {holder}", hint=f"work there: cd {holder}")
    return AiwError(
        Kind.GIT,
        f"the work tree cannot be switched to {branch}:\n{failure}",
        hint="commit or stash what git names, then run the same command again",
    )
