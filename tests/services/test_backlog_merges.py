"""Status lines of the backlog are never a conflict that a person must resolve (spec §2, §6.5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.prepared import prepared
from support.project import Project, make_ready

BACKLOG = "docs/ai/plan/backlog.md"
PLAN = """# Milestones

## M01 - Parser cleanup
Tasks:
- Consolidate parser cleanup behavior
  Acceptance: it is consolidated.
  Conflict: src/parser.py
  Backlog: BLG-001
"""


def prepare(folder: Path) -> Project:
    """A person blocked the task, so the item is blocked; a hotfix took that to base; then the work went on."""
    project = make_ready(folder, plan=PLAN, remote=False)
    project.next()
    project.write("src/parser.py", "x\n")
    project.aiw("task", "block", "TASK-001", "the parser's owner is away")
    hotfix = ("task", "adhoc", "--kind", "hotfix", "--title", "Mend the keeper", "--scope", "src/keep.txt", "--start")
    assert "yours" not in project.aiw(*hotfix).stderr, "the status line in the backlog is aiw's"
    project.write("src/keep.txt", "mended\n")
    project.finish()
    assert "Status: blocked" in project.git("show", f"main:{BACKLOG}")
    project.aiw("task", "unblock", "TASK-001")
    project.next()
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(prepare, tmp_path)


def test_a_status_that_both_sides_changed_is_the_one_that_the_tasks_ask_for(project: Project) -> None:
    done = project.finish()
    assert "no longer there" not in done.stderr
    assert "Merged M01 into main" in done.stdout
    assert project.git("show", f"main:{BACKLOG}").count("Status: done") == 1
    assert "Status: blocked" not in project.git("show", f"main:{BACKLOG}")
    assert project.read(BACKLOG).rstrip("\n") == project.git("show", f"main:{BACKLOG}")
    assert project.status() == []


def test_what_a_person_wrote_on_either_side_is_kept(project: Project) -> None:
    side = project.path.parent / "side"
    project.git("worktree", "add", "--quiet", str(side), "main")
    text = (side / BACKLOG).read_text().replace("# Backlog\n", "# Our backlog\n")
    (side / BACKLOG).write_text(text)
    project.git("commit", "--quiet", "--all", "-m", "Call it ours", cwd=side)
    project.git("worktree", "remove", str(side))
    project.finish()
    merged = project.git("show", f"main:{BACKLOG}")
    assert merged.startswith("# Our backlog\n")
    assert "Status: done" in merged


def test_other_lines_that_conflict_are_left_to_a_person(project: Project) -> None:
    side = project.path.parent / "side"
    project.git("worktree", "add", "--quiet", str(side), "main")
    for folder, title in ((side, "Ours"), (project.path, "Theirs")):
        text = (folder / BACKLOG).read_text()
        (folder / BACKLOG).write_text(text.replace("# Backlog\n", f"# {title}\n"))
    project.git("commit", "--quiet", "--all", "-m", "Ours", cwd=side)
    project.git("worktree", "remove", str(side))
    project.git("commit", "--quiet", "-m", "Theirs", "--", BACKLOG)
    blocked = project.finish(code=3)
    assert f"conflict in {BACKLOG}" in blocked.stdout + blocked.stderr
