"""Makes repositories with plans of any size."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

PLAN = "docs/ai/plan/milestones.md"
PER_MILESTONE = 10


def write_plan(count: int) -> str:
    """A plan of that many tasks, ten a milestone; every line differs from the next."""
    lines = ["# Milestones", ""]
    for number in range(count):
        milestone, place = divmod(number, PER_MILESTONE)
        if place == 0:
            lines += [f"## M{milestone + 1:02} - Rework part number {milestone + 1} of the system", "Goal: one slice."]
            lines.append("Tasks:")
        lines += [
            f"- Consolidate parser cleanup behavior number {number + 1}",
            f"  Acceptance: the behavior {number + 1} is consolidated in one place.",
            f"  Acceptance: test_{number + 1} covers it.",
            f"  Conflict: src/part{milestone + 1}/file{place}.py",
        ]
    return "\n".join(lines) + "\n"


class Workspace:
    """A repository with a workspace.

    Attributes:
        path: its folder.
    """

    def __init__(self, path: Path, aiw: Path, env: Mapping[str, str]) -> None:
        self.path = path
        self._aiw = str(aiw)
        self._env = dict(env)

    def aiw(self, *args: str) -> None:
        """Runs a command that is not measured."""
        self._run(self._aiw, *args)

    def git(self, *args: str) -> None:
        """Runs git."""
        self._run("git", *args)

    def _run(self, *argv: str) -> None:
        subprocess.run(argv, cwd=self.path, env=self._env, check=True, capture_output=True)

    def work(self, number: int) -> None:
        """Does the work of a task."""
        milestone, place = divmod(number - 1, PER_MILESTONE)
        file = self.path / f"src/part{milestone + 1}/file{place}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"x = {number}\n")

    def copy(self, path: Path) -> Workspace:
        """The same in a folder that is not there yet.

        Never one that is emptied first: a file system may look long for the inodes that were freed a moment ago.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", str(self.path), str(path)], check=True)
        return Workspace(path, Path(self._aiw), self._env)

    def warm(self) -> None:
        """Makes a copy what a workspace in use is.

        aiw remembers what it read by the inode of the file, and a copy has other ones; a command that writes remembers
        anew. It does not trust what was written within the last clock tick, hence the wait.
        """
        self.aiw("lane", "pause", "core")
        self.aiw("lane", "resume", "core")
        time.sleep(0.05)


def make_workspace(path: Path, count: int, aiw: Path, env: Mapping[str, str]) -> Workspace:
    """A workspace with a plan that is not imported."""
    path.mkdir(parents=True)
    made = Workspace(path, aiw, env)
    made.git("init", "--quiet", "--initial-branch=main")
    (path / "README.md").write_text("# bench\n")
    made.git("add", "README.md")
    made.git("commit", "--quiet", "-m", "Begin")
    made.aiw("init")
    (path / PLAN).write_text(write_plan(count))
    return made
