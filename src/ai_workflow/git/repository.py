"""Where the repository is and what state it is in."""

from __future__ import annotations

import os
import re

from ai_workflow.errors import AiwError, Kind
from ai_workflow.fsio import read_bytes
from ai_workflow.git.runner import MINIMUM_VERSION, Git

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


_BARE = re.compile(rb"bare\s*(=\s*(true|yes|on|1)|$)", re.MULTILINE)


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


def _read_text(path: str) -> str:
    return os.fsdecode(read_bytes(path)).rstrip("\n")


def _find_plain(root: str) -> str | None:
    """Top of the repository when it is laid out as usual, found without a process; None when git has to be asked.

    Usual is a folder `.git` with a config of its own that puts the work tree nowhere else (gitrepository-layout(5)).
    """
    if "GIT_CEILING_DIRECTORIES" in os.environ:
        return None
    top = os.path.realpath(root)
    while not os.path.lexists(os.path.join(top, ".git")):
        parent = os.path.dirname(top)
        if parent == top or os.stat(parent).st_dev != os.stat(top).st_dev:
            return None
        top = parent
    git_dir = os.path.join(top, ".git")
    try:
        config = read_bytes(os.path.join(git_dir, "config")).lower()
    except (AiwError, FileNotFoundError):
        return None
    is_whole = not os.path.islink(git_dir) and all(os.path.isdir(f"{git_dir}/{name}") for name in ("objects", "refs"))
    is_usual = not any(word in config for word in (b"worktree", b"include")) and not _BARE.search(config)
    return top if is_whole and is_usual and os.path.isfile(f"{git_dir}/HEAD") else None


def find_repository(root: str) -> Repository | None:
    """The repository that the folder lies in, or None. Raises AiwError(IO) when git is missing."""
    plain = _find_plain(root)
    if plain is not None:
        return Repository(root, top=plain, git_dir=f"{plain}/.git", common_dir=f"{plain}/.git")
    done = Git(root).run(
        "rev-parse", "--path-format=absolute", "--show-toplevel", "--absolute-git-dir", "--git-common-dir", ok=None
    )
    if done.returncode != 0:
        return None
    lines = os.fsdecode(done.stdout).split("\n")
    return Repository(root, top=lines[0], git_dir=lines[1], common_dir=lines[2])


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
