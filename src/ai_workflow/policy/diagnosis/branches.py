"""Whether git has what the state says, and can be worked with (spec §6.4, §6.5, §6.7). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from ai_workflow.models.base import Record
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.status import TASK_ACTIVE
from ai_workflow.models.task import Task
from ai_workflow.policy.diagnosis.finding import Diagnosis, Names, join_command

PARKED = "refs/aiw/parked/"


class Lock(Record, frozen=True, kw_only=True):
    """A lock file of git's that lies there."""

    path: str
    """Relative to the root, or absolute when it lies elsewhere."""
    age_s: float


class GitFacts(Record, frozen=True, kw_only=True):
    """What git says, from a handful of processes and no network."""

    head_branch: str | None
    """None when HEAD is detached."""
    head: str | None
    """None when HEAD is unborn."""
    refs: Mapping[str, str]
    """Full name → commit, for branches, remote-tracking branches and aiw's own refs."""
    base: str
    """The branch that milestones start from and land on."""
    remote: str | None
    git_dir: str
    """As findings name it."""
    unfinished: tuple[str, str] | None = None
    """What git is in the middle of, and the command that ends it."""
    has_identity: bool = True
    is_shallow: bool = False
    has_submodules: bool = False
    is_writable: bool = True
    locks: tuple[Lock, ...] = ()
    tracked: tuple[str, ...] = ()
    """Runtime files and folders of aiw that git tracks, relative to the root."""
    apart: tuple[int, int] | None = None
    """Commits that only the local base has, and that only its remote-tracking branch has; None without both."""
    missing: frozenset[str] = frozenset()
    """Commits that the state names and that the repository does not have."""
    unreachable: frozenset[str] = frozenset()
    """Commits of done tasks that no branch holds."""
    not_landed: frozenset[str] = frozenset()
    """Commits by which milestones landed that base does not hold."""
    rewritten: Mapping[str, str] = MappingProxyType({})
    """Task id → the commit on a branch that carries its trailers, for commits that are missing or on no branch."""

    @property
    def upstream(self) -> str:
        """The remote-tracking ref of base."""
        return f"refs/remotes/{self.remote}/{self.base}"


def diagnose_git(snapshot: Snapshot, facts: GitFacts, names: Names) -> Iterator[Diagnosis]:
    """Everything about the repository."""
    yield from _diagnose_place(snapshot, facts, names)
    yield from _diagnose_base(facts)
    yield from _diagnose_repository(facts)
    for milestone in snapshot.milestones.values():
        yield from _diagnose_branch(snapshot, milestone, facts, names)
    for task in snapshot.tasks.values():
        yield from _diagnose_commit(snapshot, task, facts, names)
    yield from _diagnose_parked(snapshot, facts, names)
    yield from _diagnose_left_branches(snapshot, facts, names)


def _diagnose_place(snapshot: Snapshot, facts: GitFacts, names: Names) -> Iterator[Diagnosis]:
    if facts.unfinished is not None:
        what, ending = facts.unfinished
        yield Diagnosis(
            level="warning",
            code="git-unfinished",
            message=f"a {what} is in progress, and aiw waits until it is ended",
            path=facts.git_dir,
            fix=ending.partition(" (")[0],
        )
        return
    lane = snapshot.lanes.get("core")
    milestone = snapshot.find_milestone(lane.milestone_id) if lane else None
    if milestone is None or milestone.status != "in_progress" or milestone.branch == facts.head_branch:
        return
    if f"refs/heads/{milestone.branch}" not in facts.refs:
        return
    is_active = any(task.status in TASK_ACTIVE for task in snapshot.tasks_of(milestone))
    yield Diagnosis(
        level="warning" if is_active else "info",
        code="head-elsewhere" if facts.head_branch else "head-detached",
        message=f"HEAD is {'on ' + facts.head_branch if facts.head_branch else 'detached'}, and {milestone.id} works on"
        f" {milestone.branch}",
        path=f"{facts.git_dir}/HEAD",
        fix=join_command("git", "switch", milestone.branch or ""),
    )


def _diagnose_base(facts: GitFacts) -> Iterator[Diagnosis]:
    if f"refs/heads/{facts.base}" not in facts.refs:
        if facts.head is None and facts.head_branch == facts.base:
            return  # No commit yet: the first start makes it.
        tracked = facts.refs.get(facts.upstream)
        yield Diagnosis(
            level="warning" if tracked else "error",
            code="base-missing",
            message=f"the base branch {facts.base} does not exist here",
            path=".ai-workflow.yaml",
            fix=_make_base(facts, tracked),
        )
    elif facts.apart is not None and all(facts.apart):
        ours, theirs = facts.apart
        there = f"{facts.remote}/{facts.base}"
        yield Diagnosis(
            level="warning",
            code="base-diverged",
            message=f"{facts.base} and {there} have parted: {ours} commit(s) here, {theirs} there",
            path=f"{facts.git_dir}/refs/heads/{facts.base}",
            fix=join_command("git", "rebase", there, facts.base),
        )


def _make_base(facts: GitFacts, tracked: str | None) -> str:
    if tracked is not None:
        return join_command("git", "branch", facts.base, f"{facts.remote}/{facts.base}")
    if facts.head is None:
        return join_command("git", "symbolic-ref", "HEAD", f"refs/heads/{facts.base}")
    return join_command("git", "branch", facts.base)


def _diagnose_repository(facts: GitFacts) -> Iterator[Diagnosis]:
    if not facts.has_identity:
        yield Diagnosis(
            level="error",
            code="no-identity",
            message="git does not know who you are, so it refuses to commit",
            path=f"{facts.git_dir}/config",
            fix="git config user.name 'Your Name' && git config user.email you@example.com",
        )
    if not facts.is_writable:
        yield Diagnosis(
            level="warning",
            code="git-not-writable",
            message=f"{facts.git_dir} cannot be written from here, so nothing can be committed",
            path=facts.git_dir,
            fix=join_command("chmod", "-R", "u+w", facts.git_dir),
        )
    for lock in facts.locks:
        yield Diagnosis(
            level="warning",
            code="git-lock",
            message=f"this lock is {lock.age_s:.0f} s old: a git command is at work, or one was killed",
            path=lock.path,
            fix=join_command("rm", lock.path),
        )
    for path in facts.tracked:
        yield Diagnosis(
            level="error",
            code="runtime-tracked",
            message="this is aiw's own, and git tracks it: every switch of branches would change it",
            path=path,
            fix=join_command("git", "rm", "-r", "--cached", "--quiet", "--", path),
        )
    if facts.is_shallow:
        yield Diagnosis(
            level="info",
            code="shallow",
            message="the history of this clone is cut off; a closeout fetches what it needs of it",
            path=f"{facts.git_dir}/shallow",
            fix="git fetch --unshallow",
        )
    if facts.has_submodules:
        yield Diagnosis(
            level="info",
            code="submodules",
            message="there are submodules: a task can commit that one moved, not what is changed inside it",
            path=".gitmodules",
        )


def _diagnose_branch(snapshot: Snapshot, milestone: Milestone, facts: GitFacts, names: Names) -> Iterator[Diagnosis]:
    path = names.file("milestone", milestone.id)
    landed = milestone.closeout.landed_sha if milestone.closeout else None
    if milestone.status == "merged" and landed is not None:
        if landed in facts.missing or landed in facts.not_landed:
            where = f"is not on {facts.base}" if landed in facts.not_landed else "is not in this repository"
            bring = join_command("git", "fetch", facts.remote) if facts.remote else None
            here = f"git switch {facts.base} && git merge {landed}"
            yield Diagnosis(
                level="error",
                code="merged-not-on-base",
                message=f"{milestone.id} is merged, but its commit {landed[:10]} {where}",
                path=path,
                fix=here if landed in facts.not_landed or bring is None else bring,
            )
        return
    if milestone.start_sha is None or milestone.status in ("merged", "cancelled") or landed is not None:
        return
    branch = milestone.branch or ""
    if milestone.recovery is None and f"refs/heads/{branch}" not in facts.refs:
        yield Diagnosis(
            level="error",
            code="branch-missing",
            message=f"{milestone.id} is {milestone.status.replace('_', ' ')}, and its branch {branch} does not exist",
            path=path,
            fix=join_command("git", "branch", branch, _tip(snapshot, milestone, facts)),
        )


def _tip(snapshot: Snapshot, milestone: Milestone, facts: GitFacts) -> str:
    """Where the branch was: as the remote has it, or its newest commit that git still has."""
    if facts.remote and f"refs/remotes/{facts.remote}/{milestone.branch}" in facts.refs:
        return f"{facts.remote}/{milestone.branch}"
    done = [t for t in snapshot.tasks_of(milestone) if t.commit_sha and t.commit_sha not in facts.missing]
    newest = max(done, key=lambda task: task.finished_at or "", default=None)
    return newest.commit_sha or "" if newest else milestone.start_sha or ""


def _diagnose_commit(snapshot: Snapshot, task: Task, facts: GitFacts, names: Names) -> Iterator[Diagnosis]:
    sha = task.commit_sha
    if task.status != "done" or sha is None or sha not in facts.missing | facts.unreachable:
        return
    path = names.file("task", task.id)
    where = "is not in this repository" if sha in facts.missing else "is on no branch"
    again = facts.rewritten.get(task.id)
    if again is not None:
        yield Diagnosis(
            level="warning",
            code="commit-rewritten",
            message=f"{task.id} was committed as {sha[:10]}, which {where}; {again[:10]} carries its trailers now",
            path=path,
            fix=names.repair,
        )
        return
    home = snapshot.find_milestone(task.milestone_id)
    is_merged = home is not None and home.status == "merged"
    fetch = join_command("git", "fetch", facts.remote) if facts.remote else f"git fsck --lost-found  # find {sha}"
    yield Diagnosis(
        level="warning" if is_merged else "error",
        code="commit-missing" if sha in facts.missing else "commit-unreachable",
        message=f"{task.id} is done, but its commit {sha[:10]} {where}",
        path=path,
        fix=fetch if sha in facts.missing else _hold(task, home, facts),
    )


def _hold(task: Task, home: Milestone | None, facts: GitFacts) -> str:
    """Brings the commit onto the milestone's branch, or, once that is merged, gives it a branch of its own."""
    sha = task.commit_sha or ""
    if home is not None and home.status != "merged" and f"refs/heads/{home.branch}" in facts.refs:
        merge = join_command("git", "merge", sha)
        here = home.branch == facts.head_branch
        return merge if here else f"{join_command('git', 'switch', home.branch or '')} && {merge}"
    return join_command("git", "update-ref", f"refs/aiw/landed/{task.id}", sha)


def _diagnose_parked(snapshot: Snapshot, facts: GitFacts, names: Names) -> Iterator[Diagnosis]:
    for task in snapshot.tasks.values():
        if task.parked is None:
            continue
        sha = task.parked.commit
        if sha in facts.missing:
            drop = ("task", "edit", task.id, "--drop-parked", "--reason", "it is not in the repository any more")
            yield Diagnosis(
                level="error",
                code="parked-work-missing",
                message=f"{task.id} has parked work, and its commit {sha[:10]} is not in this repository",
                path=names.file("task", task.id),
                fix=names.command(*drop),
            )
        elif f"{PARKED}{task.id}" not in facts.refs:
            yield Diagnosis(
                level="error",
                code="parked-ref-missing",
                message=f"{task.id} has parked work in {sha[:10]}, which nothing keeps from being collected by git",
                path=names.file("task", task.id),
                fix=join_command("git", "update-ref", f"{PARKED}{task.id}", sha),
            )
    for ref, sha in facts.refs.items():
        task_id = ref.removeprefix(PARKED)
        if not ref.startswith(PARKED):
            continue
        owner = snapshot.find_task(task_id)
        if owner is None or owner.parked is None:
            # What could not be brought back stays on its ref: it is somebody's work, so only a person deletes it.
            yield Diagnosis(
                level="info",
                code="parked-without-task",
                message=f"{ref} keeps work that no task waits for",
                path=f"{facts.git_dir}/{ref}",
                fix=join_command("git", "show", "--stat", sha),
            )


def _diagnose_left_branches(snapshot: Snapshot, facts: GitFacts, names: Names) -> Iterator[Diagnosis]:
    left = [
        milestone.branch
        for milestone in snapshot.milestones.values()
        if milestone.status == "merged"
        and milestone.recovery is None
        and milestone.branch not in (None, facts.base, facts.head_branch)
        and f"refs/heads/{milestone.branch}" in facts.refs
    ]
    if left:
        names_of = ", ".join(str(branch) for branch in left[:5])
        yield Diagnosis(
            level="info",
            code="branches-to-clean-up",
            message=f"{len(left)} branch(es) of merged milestones are still there: {names_of}",
            path=f"{facts.git_dir}/refs/heads",
            fix=names.command("git", "cleanup", "--dry-run"),
        )
