"""Where the repository is and what state it is in."""

from __future__ import annotations

import os
import re

from ai_workflow.errors import AiwError, Kind
from ai_workflow.fsio import read_bytes
from ai_workflow.git.runner import MINIMUM_VERSION, Git, git_error

_UNFINISHED = {
    "MERGE_HEAD": ("merge", "git merge --continue (or --abort)"),
    "CHERRY_PICK_HEAD": ("cherry-pick", "git cherry-pick --continue (or --abort)"),
    "REVERT_HEAD": ("revert", "git revert --continue (or --abort)"),
    "rebase-merge": ("rebase", "git rebase --continue (or --abort)"),
    "rebase-apply": ("rebase", "git rebase --continue (or --abort)"),
    "BISECT_LOG": ("bisect", "git bisect reset"),
    "sequencer": ("sequence of commits", "git cherry-pick --continue (or --abort)"),
}


_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HEAD = re.compile(rb"ref:\s*refs/.*|[0-9a-f]{40,64}\s*", re.DOTALL)
"""Anything else in `HEAD`, and git takes the folder for no repository and looks further up."""
_UNUSUAL = re.compile(
    rb"worktree|include|extensions|bare(?!\s*=\s*false\s*$)|formatversion(?!\s*=\s*0\s*$)", re.MULTILINE
)
"""In a config, in lower case: what may put the work tree elsewhere, or make git refuse the repository."""


class Repository:
    """One work tree of a repository.

    Attributes:
        root: the workspace root.
        top: top of the work tree.
        prefix: the root relative to the top, POSIX with a final `/`, or empty.
        git_dir: of this work tree.
        common_dir: shared by all its work trees.
        git: runs at the top.
    """

    def __init__(self, root: str, *, top: str, git_dir: str, common_dir: str) -> None:
        self.root = root
        self.top = top
        self.git_dir = git_dir
        self.common_dir = common_dir
        rel = os.path.relpath(os.path.realpath(root), os.path.realpath(top))
        self.prefix = "" if rel == "." else rel.replace(os.sep, "/") + "/"
        self.git = Git(top)

    def from_root(self, rel: str) -> str:
        """A path relative to the top for one relative to the root."""
        return self.prefix + rel

    def to_root(self, rel: str) -> str:
        """A path relative to the root for one relative to the top; begins with `../` outside the root."""
        if not self.prefix:
            return rel
        if rel.startswith(self.prefix):
            return rel[len(self.prefix) :]
        return os.path.relpath("/" + rel, "/" + self.prefix).replace(os.sep, "/")

    @property
    def is_linked_worktree(self) -> bool:
        """Whether this is a linked work tree, not the main one."""
        return os.path.realpath(self.git_dir) != os.path.realpath(self.common_dir)

    def find_head(self) -> tuple[str, str] | None:
        """Full name and commit of the branch that HEAD is on, as their files say; no process is started.

        None when they do not tell it: detached, unborn, packed away, a reference to a reference, or kept otherwise than
        in files. Then git is to be asked.
        """
        try:
            head = _read_text(os.path.join(self.git_dir, "HEAD"))
            if not head.startswith("ref: refs/heads/"):
                return None
            branch = head.removeprefix("ref: ")
            commit = _read_text(os.path.join(self.common_dir, *branch.split("/")))
        except (AiwError, FileNotFoundError):
            return None
        return (branch, commit) if _COMMIT.fullmatch(commit) else None

    def unfinished_operation(self) -> tuple[str, str] | None:
        """What git is in the middle of, and the command that ends it; None when nothing."""
        for name, found in _UNFINISHED.items():
            if os.path.exists(os.path.join(self.git_dir, name)):
                return found
        return None

    def require_writable(self) -> None:
        """Passes when `.git` can be written; an agent's sandbox often forbids it.

        Raises:
            AiwError: GIT.
        """
        for folder in (self.git_dir, os.path.join(self.common_dir, "objects"), os.path.join(self.common_dir, "refs")):
            if not os.access(folder, os.W_OK):
                raise AiwError(
                    Kind.GIT,
                    f"{folder} cannot be written from here",
                    hint="run this command outside the agent's sandbox, or let the sandbox write to .git",
                )


_NO_BARE = ("-c", "safe.bareRepository=explicit")
"""A folder of a clone may look like a bare repository, with a config that names programs; see ADR 0036."""


def _read_text(path: str) -> str:
    return os.fsdecode(read_bytes(path)).rstrip("\n")


def _find_plain(root: str) -> str | None:
    """Top of the repository when it is laid out as usual, found without a process; None when git has to be asked.

    Usual is a folder `.git` of the user's own, whole and not shared, with a config of the first format that puts the
    work tree nowhere else (gitrepository-layout(5)).
    """
    if "GIT_CEILING_DIRECTORIES" in os.environ:
        return None
    top = os.path.realpath(root)
    while not os.path.lexists(os.path.join(top, ".git")):
        if os.path.lexists(os.path.join(top, "HEAD")):
            # Perhaps a bare repository, which git would refuse here.
            return None
        parent = os.path.dirname(top)
        if parent == top or os.stat(parent).st_dev != os.stat(top).st_dev:
            return None
        top = parent
    git_dir = os.path.join(top, ".git")
    config = read_bytes(os.path.join(git_dir, "config")).lower()
    head = read_bytes(os.path.join(git_dir, "HEAD"))
    is_whole = not os.path.islink(git_dir) and all(os.path.isdir(f"{git_dir}/{name}") for name in ("objects", "refs"))
    is_whole = is_whole and _HEAD.fullmatch(head) is not None and not os.path.lexists(f"{git_dir}/commondir")
    is_own = all(os.stat(path).st_uid == os.geteuid() for path in (top, git_dir))
    return top if is_whole and is_own and not _UNUSUAL.search(config) else None


def find_repository(root: str) -> Repository | None:
    """The repository that the folder lies in, or None.

    Raises:
        AiwError: IO when git is missing; GIT, in its words, when it refuses to use the one that is there.
    """
    try:
        plain = _find_plain(root)
    except (AiwError, OSError):
        # What cannot be looked at, git is asked about.
        plain = None
    if plain is not None:
        return Repository(root, top=plain, git_dir=f"{plain}/.git", common_dir=f"{plain}/.git")
    asked = ("--path-format=absolute", "--show-toplevel", "--absolute-git-dir", "--git-common-dir")
    done = Git(root).run(*_NO_BARE, "rev-parse", *asked, ok=None)
    if done.returncode != 0:
        if _looks_like_one(root):
            raise git_error(done, ("rev-parse",), hint="aiw works where `git status` does; put right what git names")
        return None
    lines = os.fsdecode(done.stdout).split("\n")
    return Repository(root, top=lines[0], git_dir=lines[1], common_dir=lines[2])


def _looks_like_one(root: str) -> bool:
    """Whether there is something for git to refuse: a `.git` in or above the folder, or what a bare repository has."""
    folder = os.path.abspath(root)
    while True:
        if any(os.path.lexists(os.path.join(folder, name)) for name in (".git", "HEAD")):
            return True
        parent = os.path.dirname(folder)
        if parent == folder:
            return False
        folder = parent


def require_version(git: Git) -> None:
    """Passes when git is new enough.

    Raises:
        AiwError: GIT, naming both versions.
    """
    text = git.line("version")
    match = re.search(r"(\d+)\.(\d+)", text)
    if match is None or (int(match.group(1)), int(match.group(2))) < MINIMUM_VERSION:
        wanted = ".".join(map(str, MINIMUM_VERSION))
        raise AiwError(Kind.GIT, f"{text} is too old", hint=f"install git {wanted} or newer")
