"""Builds real repositories and runs the real command line in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from support.prepared import prepared

PARSER_PLAN = """# Milestones

## M01 - Parser cleanup

Goal: Make parser cleanup reviewable as one implementation slice.

Tasks:

- Consolidate parser cleanup behavior
Acceptance: Parser uses the renamed helper through the intended import path.
Acceptance: Parser behavior is covered by focused tests.
Conflict: src/parser.py, tests/test_parser.py
- Update parser documentation
Acceptance: Parser docs describe the cleanup behavior.
Conflict: docs/parser.md
"""

LINKED_PLAN = """# Milestones

## M01 - Parser cleanup
Tasks:
- Consolidate parser cleanup behavior
  Acceptance: it is consolidated.
  Conflict: src/parser.py
  Backlog: BLG-001
- Update parser documentation
  Acceptance: it is updated.
  Conflict: docs/parser.md
"""
"""The first task belongs to an item of the backlog."""

THREE_MILESTONES = """# Milestones

## M01 - Parser base
Goal: A parser exists.
Tasks:
- Add the parser module
  Acceptance: The parser reads one line.
  Conflict: src/parser.py
- Cover the parser with tests
  Acceptance: The parser's tests read one line.
  Conflict: tests/test_parser.py

## M02 - Parser errors
Goal: The parser explains what is wrong.
Tasks:
- Report the position of errors
  Acceptance: An error names its line.
  Conflict: src/errors.py
  Depends: M01

## M10 - Parser documentation
Goal: The parser is documented.
Tasks:
- Describe the parser grammar
  Acceptance: The grammar stands in the docs.
  Conflict: docs/grammar.md
"""


class Result:
    """What a command line did."""

    def __init__(self, code: int, stdout: str, stderr: str) -> None:
        self.code = code
        self.stdout = stdout
        self.stderr = stderr

    @property
    def json(self) -> Any:
        """The document on stdout."""
        return json.loads(self.stdout)

    def __repr__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


class Project:
    """A repository in a folder, with a bare `origin` beside it if it has one."""

    def __init__(self, path: Path, origin: Path | None = None) -> None:
        self.path = path
        self.origin = origin

    def git(self, *args: str, cwd: Path | None = None, ok: Sequence[int] | None = (0,)) -> str:
        done = subprocess.run(["git", *args], cwd=cwd or self.path, capture_output=True, text=True, check=False)
        assert ok is None or done.returncode in ok, f"git {args}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout.strip("\n")

    def aiw(
        self,
        *args: str,
        code: int | None = 0,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | bytes | None = None,
    ) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "ai_workflow", *args],
            cwd=cwd or self.path,
            capture_output=True,
            check=False,
            input=stdin.encode() if isinstance(stdin, str) else stdin or b"",
            env={**os.environ, **(env or {})},
        )
        result = Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        assert "Traceback" not in result.stdout + result.stderr, result
        assert code is None or done.returncode == code, result
        return result

    def write(self, rel: str, text: str | bytes, *, mode: int | None = None) -> Path:
        target = self.path / rel
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())
        if mode is not None:
            target.chmod(mode)
        return target

    def read(self, rel: str) -> str:
        return (self.path / rel).read_text()

    def plan(self, text: str = PARSER_PLAN) -> None:
        self.write("docs/ai/plan/milestones.md", text)

    def checks(self, *commands: str) -> None:
        """Sets `agent.checks` in the config that `init` wrote."""
        text = self.read(".ai-workflow.yaml")
        assert "  checks: []\n" in text, text
        lines = "".join(f"    - {json.dumps(command)}\n" for command in commands)
        self.write(".ai-workflow.yaml", text.replace("  checks: []\n", f"  checks:\n{lines}"))

    def state(self, rel: str) -> Any:
        return json.loads(self.read(f"docs/ai/workspace/state/{rel}"))

    def task(self, number: int) -> Any:
        return self.state(f"tasks/TASK-{number:03d}.json")

    def milestone(self, milestone_id: str = "M01") -> Any:
        return self.state(f"milestones/{milestone_id}.json")

    def next(self) -> Any:
        return self.aiw("agent", "run", "--lane", "core", "--mode", "queue", "--json").json

    def finish(self, *args: str, code: int | None = 0) -> Result:
        return self.aiw("agent", "finish", "--lane", "core", "--commit", *args, code=code)

    def status(self) -> list[str]:
        text = self.git("status", "--porcelain", "--untracked-files=all")
        return text.split("\n") if text else []

    def subjects(self, revision: str = "HEAD", *, cwd: Path | None = None) -> list[str]:
        """Subjects of all commits but merges, oldest first."""
        return self.git("log", "--reverse", "--topo-order", "--no-merges", "--format=%s", revision, cwd=cwd).split("\n")


def make_project(
    folder: Path, *, remote: bool = True, files: Mapping[str, str] | None = None, commit: bool = True
) -> Project:
    """A repository with one commit on `main` (pushed when there is a remote)."""
    project = Project(folder / "project", folder / "origin.git" if remote else None)
    project.path.mkdir(parents=True)
    project.git("init", "--quiet")
    for rel, text in (files or {"README.md": "# project\n", "src/keep.txt": "kept\n"}).items():
        project.write(rel, text)
    if commit:
        project.git("add", "--all")
        project.git("commit", "--quiet", "-m", "Begin")
    if project.origin:
        project.git("init", "--quiet", "--bare", str(project.origin), cwd=folder)
        project.git("remote", "add", "origin", str(project.origin))
        if commit:
            project.git("push", "--quiet", "-u", "origin", "main")
    return project


def make_workspace(folder: Path, *, remote: bool = True) -> Project:
    """A project with a workspace as `init` makes it."""
    project = make_project(folder, remote=remote)
    project.aiw("init")
    return project


def make_ready(
    folder: Path, *, plan: str = PARSER_PLAN, remote: bool = True, checks: Sequence[str] = ("true",)
) -> Project:
    """A project with a workspace (the same one each time), a check and a plan, nothing claimed yet."""
    project = prepared(make_workspace, folder, remote=remote)
    project.checks(*checks)
    project.plan(plan)
    return project


def make_planned(folder: Path, *, plan: str = PARSER_PLAN, remote: bool = True) -> Project:
    """A ready project with its plan imported."""
    project = make_ready(folder, plan=plan, remote=remote)
    project.aiw("plan", "import")
    return project


def make_under_way(folder: Path) -> Project:
    """One task is done, the next one under way; there is no remote."""
    project = make_ready(folder, remote=False)
    project.next()
    project.write("src/parser.py", "x\n")
    project.finish()
    project.next()
    return project
