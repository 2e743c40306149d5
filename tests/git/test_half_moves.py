"""A switch that was killed half-way is taken back, without what somebody did since (spec §7.2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_workflow.git.half_moves import take_back_half_move
from ai_workflow.git.repository import Repository, find_repository
from support.project import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """On main; the branch `other` changes `a`, `b` and `c`, adds `new/d`, and removes `e`."""
    made = make_project(tmp_path, remote=False, files={name: f"{name}\n" for name in "abce"})
    made.git("switch", "-q", "-c", "other")
    for name in ("a", "b", "c", "new/d"):
        made.write(name, f"{name}, and more\n")
    made.git("rm", "-q", "e")
    made.git("add", "--all")
    made.git("commit", "-q", "-m", "Other")
    made.git("switch", "-q", "main")
    return made


def take_back(project: Project) -> Repository:
    repository = find_repository(str(project.path))
    assert repository is not None
    note = Path(repository.git_dir) / "aiw-moving"
    note.write_text("ref: refs/heads/main\nrefs/heads/other")
    take_back_half_move(repository, str(note))
    assert not note.exists()
    return repository


def test_what_the_switch_wrote_cut_off_or_removed_is_put_back(project: Project) -> None:
    project.write("a", "a, and more\n")
    project.write("b", "b, an")
    (project.path / "c").unlink()
    project.write("new/d", "new/d, a")
    (project.path / "e").unlink()
    take_back(project)
    assert project.status() == []
    assert not (project.path / "new").exists()
    project.git("switch", "-q", "other")


def test_what_somebody_wrote_since_stays(project: Project) -> None:
    project.write("a", "mine\n")
    project.write("b", "b, and more\n")
    project.write("new/d", "mine\n")
    take_back(project)
    assert project.status() == [" M a", "?? new/d"]
    assert project.read("a") == project.read("new/d") == "mine\n"


def test_a_switch_that_arrived_is_left_alone(project: Project) -> None:
    project.git("switch", "-q", "other")
    (project.path / "a").unlink()
    take_back(project)
    assert project.status() == [" D a"]
