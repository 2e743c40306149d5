"""Defects of 0.1.0 that no other test is about; the list is in `test_defects_of_before.py`."""

from __future__ import annotations

from pathlib import Path

from support.project import make_planned, make_ready


def test_a_file_staged_and_then_removed_is_no_obstacle(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    project.next()
    project.write("src/gone.py", "x\n")
    project.git("add", "src/gone.py")
    (project.path / "src/gone.py").unlink()
    project.write("src/parser.py", "x\n")
    project.finish("--allow", "src/gone.py", "--reason", "it is gone again", code=0)
    assert "src/gone.py" not in project.git("ls-tree", "-r", "--name-only", "HEAD")
    assert project.task(1)["status"] == "done"


def test_a_renamed_base_is_named_and_not_made_anew(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False)
    project.git("branch", "-m", "main", "trunk")
    refused = project.aiw("agent", "run", code=1)
    assert "base branch main does not exist" in refused.stderr
    assert "git.base_branch" in refused.stderr
    assert project.git("branch", "--format=%(refname:short)") == "trunk"


def test_a_state_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    project = make_planned(tmp_path)
    locks = project.path / "docs/ai/workspace/locks"
    for entry in locks.iterdir():
        if entry.is_file():
            entry.unlink()
    state_lock = locks / "state.lock"
    state_lock.mkdir()
    refused = project.aiw("agent", "run", code=1)
    assert refused.stderr.startswith("error: cannot ")
    assert "hint: " in refused.stderr
    state_lock.rmdir()
    project.next()
