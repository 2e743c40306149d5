"""What a failing check of the merged tree says, and what it does not (spec §6.5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.prepared import prepared
from support.project import Project, make_ready

PLAN = """# Milestones

## M01 - Parser cleanup
Tasks:
- Parse a single line
  Acceptance: it parses one.
  Verify: grep -q one src/parser.py
  Conflict: src/parser.py
- Parse two lines instead
  Acceptance: it parses two.
  Verify: grep -q two src/parser.py && test ! -e src/wrong
  Conflict: src/parser.py
"""


def prepare(folder: Path) -> Project:
    """The second task undoes what the first one's command proves; base gets a commit in the meantime."""
    project = make_ready(folder, plan=PLAN, remote=False, checks=("test ! -e src/broken",))
    project.next()
    project.write("src/parser.py", "one\n")
    project.finish()
    project.next()
    project.write("src/parser.py", "two\n")
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(prepare, tmp_path)


def commit_on_base(project: Project, rel: str) -> None:
    side = project.path.parent / "side"
    project.git("worktree", "add", "--quiet", str(side), "main")
    (side / rel).write_text("x\n")
    project.git("add", rel, cwd=side)
    project.git("commit", "--quiet", "-m", "Meanwhile", cwd=side)
    project.git("worktree", "remove", str(side))


def test_a_command_that_a_later_task_outdated_holds_nothing_up(project: Project) -> None:
    commit_on_base(project, "src/fine")
    done = project.finish()
    assert "note: `grep -q one src/parser.py` fails on M01 alone too, because of a later task" in done.stderr
    assert "Merged M01 into main" in done.stdout
    assert project.git("symbolic-ref", "--short", "HEAD") == "main"
    assert project.status() == []


@pytest.mark.parametrize("rel", ["src/wrong", "src/broken"])
def test_a_command_that_the_merge_broke_does(project: Project, rel: str) -> None:
    commit_on_base(project, rel)
    blocked = project.finish(code=3)
    assert "M01 passes alone, but not merged with main" in blocked.stdout
    assert project.git("symbolic-ref", "--short", "HEAD") == "ai/m01-parser-cleanup"
    project.git("merge", "--quiet", "--no-edit", "main")
    again = project.aiw("milestone", "finish", "M01", code=3)
    assert "M01 does not pass its checks as ai/m01-parser-cleanup is now" in again.stdout
    assert "next: git switch ai/m01-parser-cleanup, repair, commit; then aiw milestone finish M01" in again.stdout
    project.git("rm", "--quiet", rel)
    project.git("commit", "--quiet", "-m", "Repair")
    assert "Merged M01 into main" in project.aiw("milestone", "finish", "M01").stdout
