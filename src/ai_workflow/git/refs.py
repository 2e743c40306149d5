"""References and branches: reading, and moving by compare-and-swap only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ai_workflow.errors import AiwError, Kind
from ai_workflow.fsio import read_bytes, remove_file, write_file
from ai_workflow.git.runner import Git, git_error, message_of
from ai_workflow.process import Completed


def find_commit(git: Git, revision: str) -> str | None:
    """Commit id of a revision, or None."""
    return git.find_line("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")


def read_revisions(git: Git, *revisions: str) -> list[str]:
    """Ids of several revisions (ranges such as `HEAD^@` give several), in order; empty when one does not exist."""
    done = git.run("rev-parse", *revisions, "--", ok=None)
    return done.stdout.decode().split("\n")[:-2] if done.returncode == 0 else []


def get_tree(git: Git, revision: str) -> str:
    """Tree id of a revision. Raises AiwError(GIT)."""
    return git.line("rev-parse", "--verify", "--end-of-options", f"{revision}^{{tree}}")


def branch_ref(name: str) -> str:
    """`refs/heads/<name>`."""
    return f"refs/heads/{name}"


def require_branch_name(git: Git, name: str) -> None:
    """Passes when git takes the name for a branch. Raises AiwError(GIT)."""
    if git.run("check-ref-format", "--branch", name, ok=None).returncode != 0:
        raise AiwError(Kind.GIT, f"{name!r} is not a valid branch name", hint="choose another title or branch prefix")


def move_ref(git: Git, ref: str, *, new: str, old: str | None, reason: str) -> bool:
    """Moves the ref when it still points to `old` (None: does not exist); returns whether it did.

    Raises:
        AiwError: GIT when it failed for another reason than having moved.
    """
    # An empty old value means that the ref must not exist yet (git-update-ref(1)).
    done = git.run("update-ref", "-m", reason, "--end-of-options", ref, new, old or "", ok=None)
    if done.returncode == 0:
        return True
    now = find_commit(git, ref)
    if now == new and (old is not None or git.is_lost(done)):
        # It failed, or was ended, after the ref had moved: the log of references could not be written, for one.
        return True
    if now != old:
        return False
    raise git_error(done, ("update-ref",))


def delete_ref(git: Git, ref: str, *, old: str) -> bool:
    """Deletes the ref when it still points to `old`; returns whether it is gone.

    Raises:
        AiwError: GIT when it is still there for another reason than having moved.
    """
    done = git.run("update-ref", "-d", ref, old, ok=None)
    if done.returncode != 0 and find_commit(git, ref) == old:
        # Git may stop half-way, with the packed ref gone and the loose one not: nobody asks for this one again.
        done = git.run("update-ref", "-d", ref, old, ok=None)
    if done.returncode == 0:
        return True
    now = find_commit(git, ref)
    if now == old:
        raise git_error(done, ("update-ref",))
    return now is None


def is_ancestor(git: Git, ancestor: str, descendant: str) -> bool:
    """Whether the first commit is reachable from the second. Raises AiwError(GIT) for unknown commits."""
    done = git.run("merge-base", "--is-ancestor", ancestor, descendant, ok=(0, 1))
    return done.returncode == 0


def merge_base(git: Git, one: str, other: str) -> str | None:
    """A best common ancestor, or None for unrelated (or cut-off) histories."""
    return git.find_line("merge-base", one, other)


def list_branches(git: Git, pattern: str = "refs/heads") -> dict[str, str]:
    """Full ref name → commit id, for refs below `pattern`."""
    lines = git.line("for-each-ref", "--format=%(objectname) %(refname)", pattern).split("\n")
    return {name: sha for sha, _, name in (line.partition(" ") for line in lines if line)}


def commits_between(git: Git, excluded: str, included: str) -> list[str]:
    """Commits reachable from `included` and not from `excluded`, newest first."""
    text = git.line("rev-list", "--end-of-options", included, f"^{excluded}")
    return text.split("\n") if text else []


def count_apart(git: Git, one: str, other: str) -> tuple[int, int]:
    """How many commits only the first has, and how many only the second. Raises AiwError(GIT) for unknown ones."""
    left, right = git.line("rev-list", "--left-right", "--count", f"{one}...{other}").split("\t")
    return int(left), int(right)


@contextmanager
def _noted_move(git: Git, target: str) -> Iterator[None]:
    """Leaves a note of where the work tree goes, should git die on the way; see `git.half_moves`."""
    if git.move_note is None:
        yield
        return
    note, head = git.move_note
    write_file(note, read_bytes(head) + target.encode(), temp_dir=os.path.dirname(note), durable=False)
    yield
    remove_file(note)


def _move(git: Git, target: str, *args: str, is_there: Callable[[], bool]) -> str | None:
    """Runs a git that moves the work tree.

    Returns:
        None when it is there, else what git said; what it had written by then is taken back. Raises AiwError(GIT).
    """
    with _noted_move(git, target):
        done = _run_to_end(git, *args)
        failure = None if done.returncode == 0 or is_there() else message_of(done)
        if git.move_note is not None and (failure is not None or done.stderr):
            from ai_workflow.git.half_moves import complete_move, take_back_failed_move

            if failure is None:
                # Git goes on past a file that it cannot write, and succeeds.
                complete_move(git, git.move_note[0])
            else:
                take_back_failed_move(git, git.move_note[0], target)
    return failure


def _run_to_end(git: Git, *args: str) -> Completed:
    """Runs git; an exit code is its answer, a death is none. Raises AiwError(GIT)."""
    done = git.run(*args, ok=None)
    if git.is_lost(done):
        raise git_error(done, args, hint="something ended git on the way; run the same command again")
    return done


def split_note(data: bytes) -> tuple[bytes, str]:
    """What HEAD held when the move began, and the revision that it went to."""
    head, end, target = data.partition(b"\n")
    return head + end, target.decode()


def switch_to(git: Git, branch: str, *, start: str | None = None) -> str | None:
    """Switches the work tree to a branch, made at `start` when given; the user's dirt is carried along.

    Returns:
        None when done, else what git said: the dirt is in the way, and nothing was changed.
    """
    args = ("switch", "--quiet", "--no-guess") + (("-c", branch, start) if start else (branch,))
    # A post-checkout hook that fails makes git fail after the switch was made: HEAD tells.
    return _move(git, start or branch_ref(branch), *args, is_there=lambda: find_head_branch(git) == branch)


def switch_detached(git: Git, commit: str) -> str | None:
    """Switches the work tree to a commit without a branch; as `switch_to`."""

    def is_there() -> bool:
        return find_head_branch(git) is None and find_commit(git, "HEAD") == commit

    return _move(git, commit, "switch", "--quiet", "--detach", commit, is_there=is_there)


def find_head_branch(git: Git) -> str | None:
    """Short name of the branch that HEAD is on, unborn or not; None when it is detached."""
    ref = git.find_line("symbolic-ref", "--quiet", "HEAD")
    return ref.removeprefix("refs/heads/") if ref else None


def find_head_ref(git: Git) -> str | None:
    """Full name of the branch that HEAD is on; the commit when it is detached."""
    branch = find_head_branch(git)
    return branch_ref(branch) if branch else find_commit(git, "HEAD")


def advance_branch(git: Git, ref: str, *, new: str, old: str, reason: str) -> str | None:
    """Fast-forwards a branch, in the work tree that has it checked out if one has.

    Returns:
        None when done, else why not: it moved in the same moment, or what git said of the work tree.
    """
    return _bring(git, ref, ("merge", "--ff-only", "--quiet", new), new=new, old=old, reason=reason)


def replace_branch(git: Git, ref: str, *, new: str, old: str, reason: str) -> str | None:
    """Moves a branch to a commit that does not hold its old one; the caller keeps that. Else as `advance_branch`.

    Uncommitted changes stay, or nothing is done (git-reset(1), `--keep`).
    """
    return _bring(git, ref, ("reset", "--keep", "--quiet", new), new=new, old=old, reason=reason)


def _bring(git: Git, ref: str, words: tuple[str, ...], *, new: str, old: str, reason: str) -> str | None:
    holder = worktrees_of_branches(git).get(ref)
    if holder is None:
        is_moved = move_ref(git, ref, new=new, old=old, reason=reason)
        return None if is_moved else f"{ref.removeprefix('refs/heads/')} moved in the same moment"
    with _noted_move(git, new):
        done = _run_to_end(git, "-C", holder, *words)
    return None if done.returncode == 0 or find_commit(git, ref) == new else message_of(done)


def worktrees_of_branches(git: Git) -> dict[str, str]:
    """Full branch ref → folder of the work tree that has it checked out; folders that are gone do not count."""
    found: dict[str, str] = {}
    folder = ref = ""
    for field in git.run("worktree", "list", "--porcelain", "-z").stdout.split(b"\0"):
        text = field.decode("utf-8", "surrogateescape")
        if text.startswith("worktree "):
            folder, ref = text[9:], ""
        elif text.startswith("branch "):
            ref = text[7:]
            found[ref] = folder
        elif text.startswith("prunable") and ref:
            del found[ref]
    return found
