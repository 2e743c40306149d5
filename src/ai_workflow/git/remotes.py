"""Remotes: which one, fetching one branch, and pushing with a lease."""

from __future__ import annotations

import os

import msgspec

from ai_workflow.git.refs import find_commit
from ai_workflow.git.runner import Git, message_of
from ai_workflow.models.base import Record

_PUSH_ONLY = ("--quiet", "--porcelain", "--no-follow-tags")
"""Whatever `push.followTags` says: the user's tags are not ours to push."""


class Remote(Record, frozen=True, kw_only=True):
    """The remote that a base branch belongs to."""

    name: str
    url: str
    """After `url.insteadOf`; may hold a password: only shown through `show_url`."""


class Fetched(Record, frozen=True, kw_only=True):
    """What the remote said of a branch."""

    sha: str | None
    """Its tip; None when the remote does not have it (or was not reached)."""
    failure: str | None = None
    """Git's words when the remote could not be asked."""


def find_remote(git: Git, base: str) -> Remote | None:
    """The remote of the base branch: its configured one, else `origin`, else the only one, else None."""
    names = git.line("remote").split("\n")
    names = [name for name in names if name]
    configured = git.find_line("config", "--get", f"branch.{base}.remote")
    if configured in names:
        name = configured
    elif "origin" in names:
        name = "origin"
    elif len(names) == 1:
        name = names[0]
    else:
        return None
    return Remote(name=name, url=git.line("remote", "get-url", name))


def list_urls(git: Git, remote: Remote) -> tuple[str, ...]:
    """Every URL that names the remote: as it is configured, where fetches go and where pushes go; each once."""
    configured = git.find_line("config", "--get-all", f"remote.{remote.name}.url") or ""
    pushed_to = git.find_line("remote", "get-url", "--push", "--all", remote.name) or ""
    found = (*configured.split("\n"), remote.url, *pushed_to.split("\n"))
    return tuple(dict.fromkeys(url for url in found if url))


def tracking_ref(remote: str, branch: str) -> str:
    """`refs/remotes/<remote>/<branch>`."""
    return f"refs/remotes/{remote}/{branch}"


def find_default_branch(git: Git, remote: str) -> str | None:
    """The branch that `refs/remotes/<remote>/HEAD` names, or None."""
    ref = git.find_line("symbolic-ref", "--quiet", f"refs/remotes/{remote}/HEAD")
    return ref.removeprefix(f"refs/remotes/{remote}/") if ref else None


def fetch_branch(git: Git, remote: str, branch: str) -> Fetched:
    """Fetches one branch into its tracking ref; nothing else, and the user's FETCH_HEAD stays."""
    tracking = tracking_ref(remote, branch)
    only = ("--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
    done = git.run_for_user("fetch", "--quiet", *only, remote, f"+refs/heads/{branch}:{tracking}", ok=None)
    if done.returncode == 0:
        return Fetched(sha=find_commit(git, tracking))
    asked = git.run_for_user("ls-remote", "--exit-code", "--heads", remote, f"refs/heads/{branch}", ok=None)
    if asked.returncode == 2:
        # Exit code 2 is documented: the remote answered, and has no such branch (git-ls-remote(1)).
        return Fetched(sha=None)
    return Fetched(sha=None, failure=message_of(done))


def fetch_commit(git: Git, remote: str, sha: str) -> bool:
    """Fetches one commit by its id, on no ref here; whether it is here then. A server may refuse."""
    only = ("--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
    git.run_for_user("fetch", "--quiet", *only, remote, sha, ok=None)
    return find_commit(git, sha) is not None


class RemoteBranches(Record, frozen=True, kw_only=True):
    """What the remote said of all its branches."""

    tips: dict[str, str] = msgspec.field(default_factory=dict)
    """Short branch name → tip."""
    failure: str | None = None
    """Git's words when the remote could not be asked."""


def list_remote_branches(git: Git, remote: str) -> RemoteBranches:
    """The branches that the remote has now; fetches nothing."""
    # Lines of `<id> TAB <ref>` in every locale (git-ls-remote(1)).
    done = git.run_for_user("ls-remote", "--quiet", "--heads", remote, ok=None)
    if done.returncode != 0:
        return RemoteBranches(failure=message_of(done))
    pairs = (line.partition("\t") for line in os.fsdecode(done.stdout).split("\n") if line)
    return RemoteBranches(tips={ref.removeprefix("refs/heads/"): sha for sha, _, ref in pairs})


class PushFailure(Record, frozen=True, kw_only=True):
    """Why the remote may not have what was pushed."""

    words: str
    """Git's."""
    is_refused_there: bool = False
    """Whether the remote itself did not take it: a hook or a rule of the branch."""

    def __str__(self) -> str:
        return self.words


def push_branch(git: Git, remote: str, *, sha: str, branch: str, expected: str | None) -> PushFailure | None:
    """Pushes one commit to one branch of the remote, if the branch there is still what we know.

    Args:
        expected: the remote branch's tip as we know it; None when it must not exist yet.

    Returns:
        None when the remote has it.
    """
    ref = f"refs/heads/{branch}"
    lease = f"--force-with-lease={ref}:{expected or ''}"
    done = git.run_for_user("push", *_PUSH_ONLY, lease, remote, f"{sha}:{ref}", ok=None)
    if done.returncode == 0:
        return None
    # `<flag> TAB <from>:<to> TAB <summary> (<reason>)` in every locale (git-push(1), OUTPUT).
    is_refused = any(line.startswith(b"!\t") and b"\t[remote rejected]" in line for line in done.stdout.splitlines())
    return PushFailure(words=message_of(done), is_refused_there=is_refused)


def delete_branch(git: Git, remote: str, *, branch: str, expected: str) -> str | None:
    """Deletes the remote's branch if it is still what we know; None when done, else git's words."""
    ref = f"refs/heads/{branch}"
    lease = f"--force-with-lease={ref}:{expected}"
    done = git.run_for_user("push", *_PUSH_ONLY, lease, remote, f":{ref}", ok=None)
    return None if done.returncode == 0 else message_of(done)


def is_shallow(git: Git) -> bool:
    """Whether history is cut off."""
    return git.line("rev-parse", "--is-shallow-repository") == "true"


def deepen(git: Git, remote: str) -> str | None:
    """Fetches the history that a shallow clone lacks; None when done, else git's words."""
    done = git.run_for_user("fetch", "--quiet", "--unshallow", remote, ok=None)
    return None if done.returncode == 0 else message_of(done)
