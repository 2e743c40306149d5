"""What a forge does with a bare repository: real trees, real commits, refs moved by compare-and-swap."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

ZERO = "0" * 40
"""The old value of a ref that must not exist yet."""


class BareRepository:
    """One on disk. What is known of commits is kept: they do not change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._trees: dict[tuple[str, str], str | None] = {}
        self._ancestors: dict[tuple[str, str], bool] = {}
        self._commits: dict[tuple[str, str], list[str]] = {}
        self._sizes: dict[tuple[str, str], tuple[int, int, int]] = {}

    def git(
        self,
        *args: str,
        stdin: str | None = None,
        ok: tuple[int, ...] = (0,),
        env: Mapping[str, str] | None = None,
    ) -> str:
        """The output of a git command; asserts its exit code."""
        return self._run(*args, stdin=stdin, ok=ok, env=env)[1]

    def _run(
        self,
        *args: str,
        stdin: str | None = None,
        ok: tuple[int, ...] = (0,),
        env: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        # Nothing of the test's environment but where git is: the forge is another machine.
        sealed = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "GIT_AUTHOR_NAME": "Forge",
            "GIT_AUTHOR_EMAIL": "noreply@forge.test",
            "GIT_COMMITTER_NAME": "Forge",
            "GIT_COMMITTER_EMAIL": "noreply@forge.test",
        }
        command = ["git", f"--git-dir={self.path}", *args]
        done = subprocess.run(
            command, input=stdin or "", capture_output=True, text=True, check=False, env={**sealed, **(env or {})}
        )
        assert done.returncode in ok, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.returncode, done.stdout.strip("\n")

    def refs(self) -> dict[str, str]:
        """Every ref with its commit."""
        text = self.git("for-each-ref", "--format=%(refname) %(objectname)")
        return dict(line.split(" ", 1) for line in text.splitlines())

    def find_commit(self, revision: str) -> str | None:
        """The commit that a branch or a sha names."""
        for name in (f"refs/heads/{revision}", revision):
            found = self.git(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", ok=(0, 1, 128)
            )
            if found:
                return found
        return None

    def is_ancestor(self, sha: str, of: str) -> bool:
        """Whether the second holds the first."""
        key = (sha, of)
        if key not in self._ancestors:
            self._ancestors[key] = self._run("merge-base", "--is-ancestor", sha, of, ok=(0, 1))[0] == 0
        return self._ancestors[key]

    def commits(self, base: str, head: str) -> list[str]:
        """What head has that base lacks, the oldest first."""
        key = (base, head)
        if key not in self._commits:
            self._commits[key] = self.git("rev-list", "--reverse", "--topo-order", f"{base}..{head}").split()
        return self._commits[key]

    def size(self, base: str, head: str) -> tuple[int, int, int]:
        """Lines added, lines taken away, files changed since head left base."""
        key = (base, head)
        if key not in self._sizes:
            lines = self.git("diff", "--numstat", f"{base}...{head}").splitlines()
            counts = [[int(one) if one.isdecimal() else 0 for one in line.split("\t")[:2]] for line in lines]
            self._sizes[key] = (sum(one for one, _ in counts), sum(one for _, one in counts), len(counts))
        return self._sizes[key]

    def is_signed(self, sha: str) -> bool:
        """Whether the commit has a signature, whosever."""
        return "\ngpgsig " in self.git("cat-file", "commit", sha)

    def merged_tree(self, base: str, head: str) -> str | None:
        """The tree of a merge; None for a conflict."""
        key = (base, head)
        if key not in self._trees:
            code, text = self._run("merge-tree", "--write-tree", "--no-messages", base, head, ok=(0, 1))
            self._trees[key] = text.split("\n")[0] if code == 0 else None
        return self._trees[key]

    def commit(self, tree: str, parents: list[str], message: str, *, like: str | None = None) -> str:
        """A commit; its author is that of another commit if one is given."""
        env = {}
        if like is not None:
            name, mail, date = self.git("show", "--no-patch", "--format=%an%n%ae%n%aI", like).split("\n")
            env = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": mail, "GIT_AUTHOR_DATE": date}
        args = [part for parent in parents for part in ("-p", parent)]
        return self.git("commit-tree", tree, *args, stdin=message.rstrip("\n") + "\n", env=env)

    def message(self, sha: str) -> str:
        """That of a commit."""
        return self.git("show", "--no-patch", "--format=%B", sha)

    def tree(self, sha: str) -> str:
        """That of a commit."""
        return self.git("rev-parse", f"{sha}^{{tree}}")

    def rebased(self, base: str, head: str) -> str | None:
        """The tip of head's commits made anew on base, merges left out; None for a conflict."""
        tip = base
        for sha in self.commits(base, head):
            parents = self.git("show", "--no-patch", "--format=%P", sha).split()
            if len(parents) > 1:
                continue
            tree = self._picked(sha, parents[0], tip)
            if tree is None:
                return None
            tip = self.commit(tree, [tip], self.message(sha), like=sha)
        return tip

    def _picked(self, sha: str, parent: str, onto: str) -> str | None:
        # `merge-tree --merge-base` came with git 2.40: commits made for it have the base that is wanted.
        base = self.commit(self.tree(parent), [], "base")
        ours, theirs = (self.commit(self.tree(one), [base], "side") for one in (onto, sha))
        return self.merged_tree(ours, theirs)

    def move(self, ref: str, new: str | None, old: str) -> bool:
        """Whether the ref was `old`, and is `new` now (None: gone)."""
        args = ["-d", ref, old] if new is None else [ref, new, old]
        return self._run("update-ref", *args, ok=(0, 1, 128))[0] == 0

    def commit_files(self, files: Mapping[str, str | None], message: str, *, parent: str, author: str) -> str:
        """A commit on the parent with these texts; None takes a file away."""
        with tempfile.TemporaryDirectory() as folder:
            env = {"GIT_INDEX_FILE": os.path.join(folder, "index")}
            self.git("read-tree", parent, env=env)
            lines = []
            for path, text in files.items():
                blob = ZERO if text is None else self.git("hash-object", "-w", "--stdin", stdin=text)
                lines.append(f"{'0' if text is None else '100644'} {blob}\t{path}\n")
            self.git("update-index", "--index-info", stdin="".join(lines), env=env)
            tree = self.git("write-tree", env=env)
        person = {f"GIT_{role}_NAME": author for role in ("AUTHOR", "COMMITTER")}
        person |= {f"GIT_{role}_EMAIL": f"{author}@forge.test" for role in ("AUTHOR", "COMMITTER")}
        return self.git("commit-tree", tree, "-p", parent, stdin=f"{message}\n", env=person)
