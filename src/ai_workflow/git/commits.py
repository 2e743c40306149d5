"""Makes commits of exactly one tree, through a private index, with the user's hooks, identity and signing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from ai_workflow.errors import AiwError, Kind
from ai_workflow.fsio import read_bytes, remove_file, translated, write_file
from ai_workflow.git.blobs import DIFF_OPTIONS, TreeChange, parse_changes
from ai_workflow.git.repository import Repository
from ai_workflow.git.runner import Git, message_of
from ai_workflow.models.base import Record


class PrivateIndex:
    """A copy of the user's index, reset to a commit, in which a candidate tree is built.

    Copying keeps git's stat cache and sparse settings, so that only what changed is read again; everything the user
    had staged is taken out by the reset. The file lies in the git folder and is removed by `close`.
    """

    def __init__(self, repository: Repository, *, base: str | None, name: str, is_at_base: bool = False) -> None:
        """
        Args:
            base: commit whose tree the index begins with; None begins empty.
            name: part of the file's name, unique to the operation.
            is_at_base: whether nothing was staged a moment ago, so that the copy needs no reset. The caller looks at
                what the tree changes, since a user may stage something in the same moment.

        Raises:
            AiwError: GIT, IO.
        """
        self._open(repository, name)
        # What a killed command left under our own name is nobody else's.
        self.close()
        source = os.path.join(repository.git_dir, "index")
        if base is not None and os.path.exists(source):
            self._copy(source)
            if is_at_base:
                return
            done = self._git.run("read-tree", "--reset", base, env=self.env, ok=None)
            if done.returncode != 0:
                remove_file(self.path)
                self._git.run("read-tree", base, env=self.env)
        elif base is not None:
            self._git.run("read-tree", base, env=self.env)
        else:
            self._git.run("read-tree", "--empty", env=self.env)

    def _open(self, repository: Repository, name: str) -> None:
        self.repository = repository
        self._git = repository.git
        self.path = os.path.join(repository.git_dir, f"aiw-{name}")
        self.env = {"GIT_INDEX_FILE": self.path}

    @classmethod
    def reopen(cls, repository: Repository, *, name: str) -> PrivateIndex:
        """The index made under this name before, as it was left."""
        index = cls.__new__(cls)
        index._open(repository, name)
        return index

    def _copy(self, source: str) -> None:
        """Copies the index with its time: git tells by that time which entries it must not trust (racy-git.txt)."""
        info = os.stat(source)
        write_file(self.path, read_bytes(source), temp_dir=os.path.dirname(self.path), durable=False)
        with translated("copy", source):
            os.utime(self.path, ns=(info.st_atime_ns, info.st_mtime_ns))

    def take_from_work_tree(self, paths: Iterable[str]) -> None:
        """Makes the paths as they lie in the work tree, deletions included, through git's own filters."""
        data = b"".join(os.fsencode(path) + b"\0" for path in paths)
        if data:
            args = ("update-index", "--add", "--remove", "--replace", "--ignore-skip-worktree-entries", "-z", "--stdin")
            self._git.run(*args, stdin=data, env=self.env)

    def remove(self, paths: Iterable[str]) -> None:
        """Takes the paths out, whatever lies in the work tree."""
        data = b"".join(os.fsencode(path) + b"\0" for path in paths)
        if data:
            self._git.run("update-index", "--force-remove", "-z", "--stdin", stdin=data, env=self.env)

    def set_entries(self, entries: Mapping[str, str | None]) -> None:
        """Sets paths to `<mode> <blob>`, or removes them (None)."""
        set_index_entries(self._git, entries, env=self.env)

    def write_tree(self) -> str:
        """Id of the tree that the index holds."""
        return self._git.line("write-tree", env=self.env)

    def close(self) -> None:
        """Removes the file. Raises AiwError(IO)."""
        for path in (self.path, f"{self.path}.lock", f"{self.path}.message"):
            remove_file(path)


def set_index_entries(git: Git, entries: Mapping[str, str | None], *, env: Mapping[str, str] | None = None) -> None:
    """Sets index entries, of the user's index unless `env` names another. Raises AiwError(GIT)."""
    # The id of a removed entry is not looked at but must have the length of the repository's ids.
    zero = "0" * max((len(entry.split(" ")[1]) for entry in entries.values() if entry), default=40)
    data = b"".join(
        os.fsencode(f"0 {zero}\t{path}" if entry is None else f"{entry}\t{path}") + b"\0"
        for path, entry in entries.items()
    )
    if data:
        git.run("update-index", "-z", "--index-info", stdin=data, env=env)


def read_tree_entries(git: Git, tree: str, paths: Sequence[str]) -> dict[str, str | None]:
    """`<mode> <blob>` of each path in a tree, None where it is not there."""
    found: dict[str, str | None] = dict.fromkeys(paths)
    if not paths:
        return found
    # Names go in by batches: there is no list on standard input for ls-tree.
    for start in range(0, len(paths), 500):
        done = git.run("ls-tree", "-z", "--full-tree", tree, "--", *paths[start : start + 500])
        for field in done.stdout.split(b"\0"):
            if field:
                meta, _, name = os.fsdecode(field).partition("\t")
                mode, kind, blob = meta.split(" ")
                # A folder where a file was asked for: the file is not there.
                if kind != "tree":
                    found[name] = f"{mode} {blob}"
    return found


def read_index_entry(git: Git, path: str) -> str | None:
    """`<mode> <blob>` of the path in the user's index; None when it is not there or in conflict."""
    return read_index_entries(git, [path])[path]


def read_index_entries(git: Git, paths: Sequence[str]) -> dict[str, str | None]:
    """As `read_index_entry`, for several paths."""
    found: dict[str, str | None] = dict.fromkeys(paths)
    for start in range(0, len(paths), 500):
        fields = git.run("ls-files", "--stage", "-z", "--", *paths[start : start + 500]).stdout.split(b"\0")
        for field in fields:
            meta, _, name = os.fsdecode(field).partition("\t")
            if name in found and meta.endswith(" 0"):
                found[name] = meta.removesuffix(" 0")
    return found


def write_blob(git: Git, data: bytes) -> str:
    """Stores the bytes as they are; returns the blob id."""
    return git.run("hash-object", "-w", "--stdin", "--no-filters", stdin=data).stdout.decode().strip()


def write_empty_tree(git: Git) -> str:
    """Id of the tree that holds nothing, in the repository's own kind of hash."""
    return git.run("hash-object", "-t", "tree", "-w", "--stdin", stdin=b"").stdout.decode().strip()


def changed_paths(git: Git, one: str, other: str) -> tuple[str, ...]:
    """Paths that differ between two trees or commits."""
    done = git.run("diff-tree", *DIFF_OPTIONS, "--name-only", one, other)
    return tuple(os.fsdecode(field) for field in done.stdout.split(b"\0") if field)


class Refusal(Record, frozen=True, kw_only=True):
    """Git, or a hook, did not make the commit."""

    message: str


class Made(Record, frozen=True, kw_only=True):
    """A commit that was made."""

    sha: str
    parents: tuple[str, ...]
    changes: tuple[TreeChange, ...]
    """From its parent; everything for the first commit, nothing for a merge."""


def read_made(git: Git, revision: str) -> Made | None:
    """The commit of a revision, or None when there is none."""
    # Always: else a merge, or a commit that changes nothing, is not even named.
    args = ("--root", "--always", "--format=%H %P", "--end-of-options", f"{revision}^{{commit}}")
    done = git.run("diff-tree", *DIFF_OPTIONS, *args, ok=None)
    if done.returncode != 0:
        return None
    ids, _, raw = done.stdout.partition(b"\0")
    sha, *parents = ids.decode().split()
    return Made(sha=sha, parents=tuple(parents), changes=parse_changes(raw.lstrip(b"\n")))


def commit_index(index: PrivateIndex, message: str, *, branch: str, head: str | None) -> Made | Refusal:
    """Commits the private index on HEAD with the user's hooks, identity and signing.

    Git can fail after the commit exists (a failing post-commit hook, for one), so the answer comes from the branch.

    Args:
        message: the whole message; taken as it is but for trailing white space.
        branch: full ref name that HEAD is on.
        head: the commit it points to now; None when unborn.

    Returns:
        The new commit, or the refusal in the words of git or the hook.

    Raises:
        AiwError: GIT when somebody moved HEAD or the branch in the same moment.
    """
    git = index.repository.git
    if head is not None:
        _require_at(index.repository, branch, head)
    # A file, not standard input: that stays closed for the hooks.
    message_path = f"{index.path}.message"
    write_file(message_path, message.encode(), temp_dir=os.path.dirname(index.path), durable=False)
    done = git.run_for_user(
        "commit", "--quiet", "--cleanup=whitespace", "--no-edit", "-F", message_path, env=index.env, ok=None
    )
    made = read_made(git, branch)
    tip = made.sha if made else None
    if tip == head and done.returncode != 0:
        return Refusal(message=message_of(done))
    is_ours = done.returncode == 0 or (tip is not None and _is_made_of(git, tip, index, message))
    if made is None or tip == head or made.parents != ((head,) if head else ()) or not is_ours:
        raise _moved(branch, "while a commit was made on it")
    return made


def _is_made_of(git: Git, made: str, index: PrivateIndex, message: str) -> bool:
    """Whether a commit that git did not own up to is the one that was asked for, by its trailer or its tree."""
    facts = read_commit(git, made)
    marks = [line for line in message.split("\n") if line.startswith("Aiw-Op: ")]
    return any(mark in facts.message for mark in marks) or facts.tree == index.write_tree()


def _require_at(repository: Repository, branch: str, head: str) -> None:
    """Passes when HEAD is on the branch and at the commit: `git commit` itself takes whatever is there."""
    if repository.find_head() == (branch, head):
        return
    done = repository.git.run("rev-parse", "HEAD", "--symbolic-full-name", "HEAD", ok=None)
    if done.stdout.decode("utf-8", "surrogateescape").split("\n")[:2] != [head, branch]:
        raise _moved(branch, "before a commit could be made on it")


def _moved(branch: str, when: str) -> AiwError:
    return AiwError(
        Kind.GIT,
        f"another program moved HEAD or {branch.removeprefix('refs/heads/')} {when}",
        hint="look at `git log` and `git reflog`; then run the same command again",
    )


class CommitFacts(Record, frozen=True, kw_only=True):
    """What a commit says of itself."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    message: str


def read_commit(git: Git, sha: str) -> CommitFacts:
    """The commit's tree, parents and message. Raises AiwError(GIT)."""
    data = git.run("cat-file", "commit", sha).stdout
    header, _, message = data.partition(b"\n\n")
    tree = ""
    parents = []
    for line in header.split(b"\n"):
        if line.startswith(b"tree "):
            tree = line[5:].decode()
        elif line.startswith(b"parent "):
            parents.append(line[7:].decode())
    return CommitFacts(sha=sha, tree=tree, parents=tuple(parents), message=message.decode("utf-8", "replace"))


def make_commit(git: Git, *, tree: str, parents: Sequence[str], message: str) -> str | Refusal:
    """Makes a commit object with the user's identity and, when `commit.gpgSign` says so, their signature."""
    sign = git.find_line("config", "--type=bool", "--get", "commit.gpgSign") == "true"
    args = ["commit-tree", *(["-S"] if sign else []), *(arg for parent in parents for arg in ("-p", parent))]
    done = git.run_for_user(*args, tree, stdin=message.encode(), ok=None)
    if done.returncode != 0:
        return Refusal(message=message_of(done))
    return done.stdout.decode().strip()


def find_commit_of_operation(git: Git, operation: str, *, start: str | None, tip: str) -> str | None:
    """The commit after `start` up to `tip` that carries the operation's trailer, or None.

    The trailer is looked for anywhere in the message: forges and hooks move trailers.
    """
    args = ["log", "--format=%H", "--max-count=1", "--fixed-strings", f"--grep=Aiw-Op: {operation}", tip]
    return git.find_line(*args, *([f"^{start}"] if start else [])) or None
