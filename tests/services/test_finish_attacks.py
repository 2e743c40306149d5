"""What agents, checks, hooks and people do between the first gate and the commit (spec §6.4)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from support.prepared import prepared
from support.project import Project, make_ready

ANYWHERE = """# Milestones

## M01 - Anywhere
Tasks:
- Change what needs changing here
  Acceptance: it is changed.
- Change what is left then
  Acceptance: it is changed too.
"""
BRANCH = "ai/m01-anywhere"


def prepare(folder: Path) -> Project:
    """TASK-001 claimed, with no scope: it may change everything."""
    project = make_ready(folder, plan=ANYWHERE)
    project.next()
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(prepare, tmp_path)


def check_untouched(project: Project, head: str) -> None:
    assert project.task(1)["status"] == "in_progress"
    assert project.git("rev-parse", BRANCH) == head
    assert not list((project.path / "docs/ai/workspace/state/intents").glob("*"))
    assert not list((project.path / ".git").glob("aiw-candidate-*"))


def test_a_commit_made_while_checks_run_is_not_reverted(project: Project) -> None:
    project.write("work.py", "x\n")
    commit = "echo theirs > theirs.txt && git add theirs.txt && git commit -qm theirs -- theirs.txt"
    refused = project.finish("--check-cmd", commit, code=1)
    assert "HEAD moved while the checks ran" in refused.stderr
    assert project.subjects()[-1] == "theirs"
    check_untouched(project, project.git("rev-parse", "HEAD"))
    project.finish()
    assert project.subjects()[-2:] == ["theirs", "TASK-001: Change what needs changing here"]
    assert project.git("show", "HEAD:theirs.txt") == "theirs"


def test_a_check_that_switches_branches_gets_no_commit_there(project: Project) -> None:
    project.write("work.py", "x\n")
    head = project.git("rev-parse", BRANCH)
    refused = project.finish("--check-cmd", "git switch -qc elsewhere", code=1)
    assert "HEAD moved while the checks ran" in refused.stderr
    check_untouched(project, head)
    assert project.git("rev-parse", "elsewhere") == head
    project.git("switch", "-q", BRANCH)
    project.finish()
    assert project.subjects(BRANCH).count("TASK-001: Change what needs changing here") == 1


def test_a_hook_that_commits_is_not_undone(project: Project) -> None:
    """The commit lands on another parent than was checked: it is taken back, and what the hook made stays."""
    project.write("work.py", "x\n")
    hook = """#!/bin/sh
rm -f .git/hooks/pre-commit
unset GIT_INDEX_FILE
echo theirs > theirs.txt && git add theirs.txt && git commit -qm theirs -- theirs.txt
"""
    project.write(".git/hooks/pre-commit", hook, mode=0o755)
    project.finish(code=None)
    assert "theirs" in project.subjects(BRANCH)
    assert project.git("show", f"{BRANCH}:theirs.txt") == "theirs"
    project.finish(code=None)
    assert project.task(1)["status"] == "done"
    subjects = project.subjects(BRANCH)
    assert subjects.count("TASK-001: Change what needs changing here") == 1
    assert project.git("show", f"{BRANCH}:theirs.txt") == "theirs"


def test_checks_that_undo_the_work_leave_nothing_to_commit(project: Project) -> None:
    project.write("README.md", "changed\n")
    head = project.git("rev-parse", "HEAD")
    refused = project.finish("--check-cmd", "git checkout -q README.md", code=1)
    assert "the checks undid the changes of TASK-001" in refused.stderr
    check_untouched(project, head)


def test_a_file_taken_out_of_git_and_ignored_leaves_the_commit(project: Project) -> None:
    project.git("rm", "-q", "--cached", "src/keep.txt")
    project.write(".gitignore", project.read(".gitignore") + "src/keep.txt\n")
    project.finish()
    assert project.git("ls-tree", "-r", "--name-only", "HEAD", "src") == ""
    assert project.read("src/keep.txt") == "kept\n"
    assert project.status() == []


def test_a_file_taken_out_of_git_but_not_ignored_stays_and_is_named(project: Project) -> None:
    project.git("rm", "-q", "--cached", "src/keep.txt")
    project.write("work.py", "x\n")
    done = project.finish()
    assert "src/keep.txt was taken out of git's index but is not ignored, so it stays tracked" in done.stderr
    assert project.git("show", "HEAD:src/keep.txt") == "kept"
    assert project.status() == []


def test_a_folder_that_became_a_link(project: Project) -> None:
    project.write("other/keep.txt", "other\n")
    project.git("rm", "-q", "--cached", "src/keep.txt")
    (project.path / "src/keep.txt").unlink()
    (project.path / "src").rmdir()
    (project.path / "src").symlink_to("other")
    project.finish()
    assert project.git("ls-tree", "HEAD", "src").startswith("120000 blob")
    assert project.git("ls-tree", "-r", "--name-only", "HEAD", "src") == "src"
    assert project.status() == []


def test_a_file_that_became_a_folder_and_back(project: Project) -> None:
    (project.path / "README.md").unlink()
    project.write("README.md/part.md", "x\n")
    project.finish()
    assert project.git("ls-tree", "-r", "--name-only", "HEAD", "README.md") == "README.md/part.md"
    assert project.status() == []
    project.next()
    (project.path / "README.md/part.md").unlink()
    (project.path / "README.md").rmdir()
    project.write("README.md", "again\n")
    project.finish()
    assert project.git("show", "main:README.md") == "again"
    assert project.status() == []


def test_dirt_of_the_owner_that_vanished_is_named(tmp_path: Path) -> None:
    project = make_ready(tmp_path, plan=ANYWHERE)
    project.write("src/keep.txt", "mine\n")
    project.write("committed.txt", "mine too\n")
    project.next()
    project.git("checkout", "-q", "src/keep.txt")
    project.git("add", "committed.txt")
    project.git("commit", "-qm", "mine", "--", "committed.txt")
    project.write("work.py", "x\n")
    done = project.finish()
    assert "uncommitted changes of yours from before TASK-001 are no longer there:\n  src/keep.txt\n" in done.stderr
    assert "committed.txt" not in done.stderr


def test_adopt_and_allow_that_match_nothing_are_refused(project: Project) -> None:
    project.write("work.py", "x\n")
    for option in ("--adopt", "--allow"):
        refused = project.finish(option, "wrok.py", "--reason", "a slip", code=2)
        assert f"{option} wrok.py: there is no such change" in refused.stderr


def test_a_hook_cannot_take_the_owners_files_in(tmp_path: Path) -> None:
    project = make_ready(tmp_path, plan=ANYWHERE)
    project.write("staged.txt", "mine\n")
    project.git("add", "staged.txt")
    project.next()
    head = project.git("rev-parse", "HEAD")
    project.write(".git/hooks/pre-commit", "#!/bin/sh\ngit add -A\n", mode=0o755)
    project.write("work.py", "x\n")
    refused = project.finish(code=1)
    assert "a hook put into the commit of TASK-001 what is not the task's" in refused.stderr
    assert "  staged.txt" in refused.stderr
    check_untouched(project, head)
    assert project.status() == ["A  staged.txt", "?? work.py"]


def test_stash_out_of_scope_takes_nothing_else_along(tmp_path: Path) -> None:
    scoped = ANYWHERE.replace("it is changed.\n", "it is changed.\n  Conflict: src/\n", 1)
    project = make_ready(tmp_path, plan=scoped)
    project.write("mine.txt", "mine\n")
    project.git("add", "mine.txt")
    project.next()
    project.write("src/work.py", "x\n")
    project.write("src/keep.txt", "kept and changed\n")
    project.git("add", "src")
    project.write("README.md", "staged\n")
    project.git("add", "README.md")
    project.write("README.md", "staged, then changed\n")
    project.write("new*.txt", "new\n")
    project.write("newer.txt", "newer\n")
    project.git("add", "newer.txt")
    done = project.finish("--stash-out-of-scope")
    for path in ("README.md", "new*.txt", "newer.txt"):
        assert f"  {path}\n" in done.stdout
    assert project.git("show", "HEAD:src/keep.txt") == "kept and changed"
    assert project.status() == ["A  mine.txt"]
    changed = project.git("diff", "--name-only", "stash@{0}^1", "stash@{0}").split("\n")
    assert changed == ["README.md", "newer.txt"]
    assert project.git("ls-tree", "-r", "--name-only", "stash@{0}^3") == "new*.txt"
    project.git("reset", "-q", "mine.txt")
    project.git("stash", "pop", "--index", "--quiet")
    assert project.status() == ["MM README.md", "A  newer.txt", "?? mine.txt", "?? new*.txt"]
    assert project.read("README.md") == "staged, then changed\n"


def test_what_is_staged_right_after_the_status_was_read_is_not_committed(tmp_path: Path) -> None:
    """The private index is a copy of the user's, and is reset to HEAD only when something is staged."""
    project = make_ready(tmp_path, plan=ANYWHERE)
    project.write("mine.txt", "mine, from before\n")
    project.next()
    project.write("work.py", "x\n")
    real = shutil.which("git")
    shim = tmp_path / "bin/git"
    shim.parent.mkdir()
    shim.write_text(
        f'#!/bin/sh\ncase "$*" in *" status "*)\n  {real} "$@"; code=$?\n'
        f"  test -e {tmp_path}/staged || {real} add mine.txt; : > {tmp_path}/staged; exit $code;;\nesac\n"
        f'exec {real} "$@"\n'
    )
    shim.chmod(0o755)
    project.aiw("agent", "finish", "--commit", env={"PATH": f"{shim.parent}:{os.environ['PATH']}"})
    assert (tmp_path / "staged").exists()
    assert "work.py" in project.git("show", "--name-only", "--format=", "HEAD")
    assert "mine.txt" not in project.git("show", "--name-only", "--format=", "HEAD")
    assert project.git("diff", "--cached", "--name-only") == "mine.txt"
