"""The bare repository behind a stand-in of a forge: what a server does with git, without a work tree."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path


class ServedRepository:
    """A bare repository. Every answer is git's at that moment; nothing is remembered."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def git(self, *args: str, ok: Sequence[int] = (0,), env: Mapping[str, str] | None = None, stdin: str = "") -> str:
        """Standard output without the last line feed; AssertionError at another exit code."""
        done = subprocess.run(
            ["git", *args],
            cwd=self.path,
            capture_output=True,
            text=True,
            check=False,
            input=stdin,
            env={**os.environ, **(env or {})},
        )
        assert done.returncode in ok, f"git {args}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout.rstrip("\n") if done.returncode == 0 else ""

    def find_tip(self, branch: str) -> str | None:
        """The commit that a branch points to."""
        return self.git("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", ok=(0, 1)) or None

    def list_commits(self, revisions: str) -> list[str]:
        """The commits of a range, the newest first."""
        return self.git("rev-list", revisions, "--").split()

    def parents(self, sha: str) -> list[str]:
        """Those of a commit; empty if there is no such commit."""
        return self.git("rev-list", "--parents", "-n1", sha, "--", ok=(0, 128)).split()[1:]

    def message(self, sha: str) -> str:
        """That of a commit, whole."""
        return self.git("log", "-1", "--format=%B", sha).strip()

    def is_within(self, old: str, new: str) -> bool:
        """Whether `new` holds `old`."""
        return self.git("rev-list", "-n1", old, f"^{new}", "--") == ""

    def merge_tree(self, ours: str, theirs: str) -> str | None:
        """The tree of a merge, None at a conflict."""
        return self.git("merge-tree", "--write-tree", ours, theirs, ok=(0, 1)).partition("\n")[0] or None

    def commit(self, tree: str, parents: Sequence[str], message: str) -> str:
        """Writes a commit."""
        options = [option for parent in parents for option in ("-p", parent)]
        return self.git("commit-tree", tree, *options, stdin=message)

    def move(self, branch: str, new: str, old: str | None) -> bool:
        """Lets a branch point elsewhere, if it still points to `old` (None: is not there)."""
        done = subprocess.run(
            ["git", "update-ref", f"refs/heads/{branch}", new, old or "0" * 40],
            cwd=self.path,
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def delete(self, branch: str) -> None:
        """Removes a branch."""
        self.git("update-ref", "-d", f"refs/heads/{branch}")

    def write(self, branch: str, files: Mapping[str, str | None], *, message: str, start: str) -> str:
        """Commits files to a branch, which begins at `start` if it is not there; None removes a file."""
        old = self.find_tip(branch)
        parent = old or self.find_tip(start)
        assert parent is not None, start
        with tempfile.TemporaryDirectory() as folder:
            env = {"GIT_INDEX_FILE": f"{folder}/index"}
            self.git("read-tree", parent, env=env)
            for path, text in files.items():
                if text is None:
                    self.git("rm", "--quiet", "--cached", "--", path, env=env)
                else:
                    blob = self.git("hash-object", "-w", "--stdin", stdin=text)
                    self.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=env)
            tree = self.git("write-tree", env=env)
        sha = self.commit(tree, [parent], message)
        assert self.move(branch, sha, old), branch
        return sha
