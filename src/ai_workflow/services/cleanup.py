"""`git cleanup`: shows which branches of milestones may go, and deletes those that were asked for (spec §6.9)."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.refs import (
    branch_ref,
    delete_ref,
    find_commit,
    find_head_branch,
    is_ancestor,
    list_branches,
    worktrees_of_branches,
)
from ai_workflow.git.remotes import (
    Remote,
    RemoteBranches,
    delete_branch,
    fetch_branch,
    list_remote_branches,
)
from ai_workflow.models.base import Record
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.policy.cleanup import BranchFacts, Judgement, Target, judge_branch
from ai_workflow.policy.closeout import show_url
from ai_workflow.policy.events import make_event
from ai_workflow.services import resume
from ai_workflow.services.changeset import require_calm
from ai_workflow.services.landing import adds_nothing, find_target_remote
from ai_workflow.services.merging import keep_commits
from ai_workflow.services.workspace import Workspace


class CleanupRequest(Record, frozen=True, kw_only=True):
    """What may be deleted; nothing by default."""

    local: bool = False
    remote: bool = False


class CleanupRow(Record, frozen=True, kw_only=True):
    """One branch of a milestone."""

    milestone_id: str
    branch: str
    target: str
    """`local` or `remote`."""
    status: str
    """`candidate` (may go), `kept`, `deleted`, or `failed`."""
    reason: str
    tip: str


class _Ground(Record, frozen=True, kw_only=True):
    """The repository as it is while the lock is held."""

    remote: Remote | None
    there: RemoteBranches
    local_tips: dict[str, str]
    local_bases: dict[str, str]
    remote_bases: dict[str, str]
    head: str | None
    worktrees: dict[str, str]


def clean_branches(ws: Workspace, request: CleanupRequest) -> tuple[CleanupRow, ...]:
    """Every branch of a milestone that exists, judged, and deleted where the request says so and it may go.

    A branch goes only at the commit that was judged (compare-and-swap here, a lease on the remote). Commits that base
    has by content only stay under `refs/aiw/landed/`.

    Raises:
        AiwError: GIT while git is in the middle of a merge, rebase or the like.
    """
    resume.resume(ws)
    rows: list[CleanupRow] = []
    with ws.git_effects("clean up branches"):
        require_calm(ws)
        snapshot = ws.store.snapshot()
        ground = _survey(ws)
        try:
            for milestone in snapshot.milestones.values():
                rows += _rows(ws, snapshot, milestone, ground, request)
        finally:
            _record(ws, [row for row in rows if row.status == "deleted"])
    return tuple(rows)


def _survey(ws: Workspace) -> _Ground:
    git = ws.repository.git
    remote = find_target_remote(ws)
    names = tuple(dict.fromkeys((ws.config.target_branch, ws.config.git.base_branch)))
    there = list_remote_branches(git, remote.name) if remote else RemoteBranches()
    remote_bases = {}
    if remote is not None and there.failure is None:
        fetched = {name: fetch_branch(git, remote.name, name).sha for name in names if name in there.tips}
        remote_bases = {f"{remote.name}/{name}": sha for name, sha in fetched.items() if sha}
    local = {ref.removeprefix("refs/heads/"): sha for ref, sha in list_branches(git).items()}
    return _Ground(
        remote=remote,
        there=there,
        local_tips=local,
        local_bases={name: local[name] for name in names if name in local},
        remote_bases=remote_bases,
        head=find_head_branch(git),
        worktrees=worktrees_of_branches(git),
    )


def _rows(
    ws: Workspace, snapshot: Snapshot, milestone: Milestone, ground: _Ground, request: CleanupRequest
) -> list[CleanupRow]:
    branch = milestone.branch
    if not branch:
        return []
    rows = []
    if branch in ground.local_tips:
        rows.append(_row(ws, snapshot, milestone, ground, "local", ground.local_tips[branch], asked=request.local))
    if ground.remote is not None and branch in ground.there.tips:
        rows.append(_row(ws, snapshot, milestone, ground, "remote", ground.there.tips[branch], asked=request.remote))
    elif ground.remote is not None and ground.there.failure is not None:
        # What was seen last is all there is to show.
        seen = find_commit(ws.repository.git, f"refs/remotes/{ground.remote.name}/{branch}")
        if seen is not None:
            rows.append(_row(ws, snapshot, milestone, ground, "remote", seen, asked=False))
    return rows


def _row(
    ws: Workspace,
    snapshot: Snapshot,
    milestone: Milestone,
    ground: _Ground,
    target: Target,
    tip: str,
    *,
    asked: bool,
) -> CleanupRow:
    judged = judge_branch(_facts(ws, snapshot, milestone, ground, target, tip))
    row = CleanupRow(
        milestone_id=milestone.id,
        branch=milestone.branch or "",
        target=target,
        status="candidate" if judged.may_go else "kept",
        reason=judged.reason,
        tip=tip,
    )
    if not (asked and judged.may_go):
        return row
    failure = _delete(ws, milestone, ground, target, tip, judged)
    return replace(row, status="deleted") if failure is None else replace(row, status="failed", reason=failure)


def _facts(
    ws: Workspace, snapshot: Snapshot, milestone: Milestone, ground: _Ground, target: Target, tip: str
) -> BranchFacts:
    git = ws.repository.git
    branch = milestone.branch or ""
    bases = ground.remote_bases if target == "remote" else {**ground.local_bases, **ground.remote_bases}
    is_known = find_commit(git, tip) is not None
    holder = ground.worktrees.get(branch_ref(branch))
    lanes = snapshot.lanes.values()
    lane = next((lane.id for lane in lanes if branch == lane.branch or lane.milestone_id == milestone.id), None)
    return BranchFacts(
        milestone_id=milestone.id,
        milestone_status=milestone.status,
        branch=branch,
        target=target,
        tip=tip,
        is_known=is_known,
        is_base=branch in (ws.config.git.base_branch, ws.config.target_branch),
        is_head=branch == ground.head,
        is_alias=target == "local" and git.find_line("symbolic-ref", "--quiet", branch_ref(branch)) is not None,
        held_by_lane=lane,
        checked_out_in=holder if branch != ground.head else None,
        reached_from=_reached_from(ws, tip, bases) if is_known else None,
        is_merged_head=_is_merged_head(milestone, tip),
        is_landed_squash=is_known and _is_landed_squash(ws, snapshot, milestone, tip, bases),
        unreachable_remote=ground.remote.name
        if target == "remote" and ground.remote and ground.there.failure
        else None,
    )


def _reached_from(ws: Workspace, tip: str, bases: Mapping[str, str]) -> str | None:
    return next((name for name, sha in bases.items() if is_ancestor(ws.repository.git, tip, sha)), None)


def _is_merged_head(milestone: Milestone, tip: str) -> bool:
    closeout = milestone.closeout
    return milestone.pr.status == "merged" and closeout is not None and closeout.pushed_branch_sha == tip


def _is_landed_squash(
    ws: Workspace, snapshot: Snapshot, milestone: Milestone, tip: str, bases: Mapping[str, str]
) -> bool:
    """Whether the tip is one that the closeout recorded, and the commit by which that landed is on base.

    That merging the tip would change nothing is not enough by itself: a commit made and taken back later is somebody's
    work too.
    """
    git = ws.repository.git
    closeout = milestone.closeout
    landed = closeout.landed_sha if closeout else None
    if milestone.status != "merged" or closeout is None or landed is None or find_commit(git, landed) is None:
        return False
    recorded = {closeout.pushed_branch_sha, *(task.commit_sha for task in snapshot.tasks_of(milestone))}
    if tip not in recorded:
        return False
    if _reached_from(ws, landed, bases) is None:
        return False
    try:
        return adds_nothing(git, tip, landed)
    except AiwError as error:
        if error.kind != Kind.GIT:
            raise
        return False


def _delete(
    ws: Workspace, milestone: Milestone, ground: _Ground, target: Target, tip: str, judged: Judgement
) -> str | None:
    """None when the branch is gone, else why it is not."""
    git = ws.repository.git
    branch = milestone.branch or ""
    if judged.keeps_commits and not keep_commits(ws, milestone, tip):
        return "its commits could not be kept elsewhere"
    if target == "local":
        try:
            return None if delete_ref(git, branch_ref(branch), old=tip) else "it moved in the same moment"
        except AiwError as error:
            return error.message
    assert ground.remote is not None
    failure = delete_branch(git, ground.remote.name, branch=branch, expected=tip)
    if failure is None:
        return None
    now = fetch_branch(git, ground.remote.name, branch)
    # A push can fail after the remote took it.
    return None if now.sha is None and now.failure is None else show_url(failure.splitlines()[0])


def _record(ws: Workspace, gone: list[CleanupRow]) -> None:
    if not gone:
        return
    with ws.store.transaction("clean up branches") as change:
        for row in gone:
            event = make_event(
                "branch_deleted", f"{row.branch} ({row.target}) deleted at {row.tip[:10]}: {row.reason}",
                milestone_id=row.milestone_id, now=change.now, actor=ws.actor,
            )  # fmt: skip
            change.apply(Changes(events=(event,)))
            if row.target == "local":
                change.record_ref(branch_ref(row.branch), before=row.tip, after=None)
