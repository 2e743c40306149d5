"""The bare repository behind a stand-in of a forge: what a server does with git, without a work tree."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

_FIXED_RANGE = re.compile(r"[0-9a-f]{40}\.\.[0-9a-f]{40}")


class ServedRepository:
    """A bare repository. Branches are asked for each time; what follows from commits alone is remembered."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ranges: dict[str, list[str]] = {}
        self._trees: dict[tuple[str, str], str | None] = {}
        self._lock = threading.Lock()
        # A process for each look at a branch would be most of what a test takes.
        self._looks = subprocess.Popen(
            ["git", "cat-file", "--batch-check=%(objectname)"],
            cwd=path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def close(self) -> None:
        """Ends the process that looks."""
        self._looks.communicate()

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
        with self._lock:
            assert self._looks.stdin is not None
            assert self._looks.stdout is not None
            self._looks.stdin.write(f"refs/heads/{branch}\n")
            self._looks.stdin.flush()
            said = self._looks.stdout.readline().strip()
        return None if said.endswith(" missing") else said

    def list_commits(self, revisions: str) -> list[str]:
        """The commits of a range, the newest first."""
        if revisions in self._ranges:
            return self._ranges[revisions]
        found = self.git("rev-list", revisions, "--").split()
        if _FIXED_RANGE.fullmatch(revisions):
            self._ranges[revisions] = found
        return found

    def parents(self, sha: str) -> list[str]:
        """Those of a commit; empty if there is no such commit."""
        return self.git("rev-list", "--parents", "-n1", sha, "--", ok=(0, 128)).split()[1:]

    def message(self, sha: str) -> str:
        """That of a commit, whole."""
        return self.git("log", "-1", "--format=%B", sha).strip()

    def merge_tree(self, ours: str, theirs: str) -> str | None:
        """The tree of a merge of two commits, None at a conflict."""
        if (ours, theirs) not in self._trees:
            said = self.git("merge-tree", "--write-tree", ours, theirs, ok=(0, 1))
            self._trees[ours, theirs] = said.partition("\n")[0] or None
        return self._trees[ours, theirs]

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
