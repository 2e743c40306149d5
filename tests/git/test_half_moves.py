"""A switch that was killed half-way is taken back, without what somebody did since (spec §7.2)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ai_workflow.git.half_moves import take_back_half_move
from ai_workflow.git.refs import switch_to
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


def switch_noted(project: Project) -> str | None:
    """A switch to `other` under a note, as every move of aiw's is made."""
    repository = find_repository(str(project.path))
    assert repository is not None
    note = Path(repository.git_dir) / "aiw-moving"
    repository.git.move_note = (str(note), str(Path(repository.git_dir) / "HEAD"))
    failure = switch_to(repository.git, "other")
    assert not note.exists()
    return failure


def test_a_switch_that_fails_half_way_leaves_no_file_that_can_be_put_back(project: Project) -> None:
    project.write(".git/info/attributes", "c filter=bad\n")
    project.git("config", "filter.bad.clean", "cat")
    project.git("config", "filter.bad.smudge", "false")
    project.git("config", "filter.bad.required", "true")
    assert "smudge filter" in (switch_noted(project) or "")
    project.write(".git/info/attributes", "")
    assert project.status() == [" D c"]
    assert not (project.path / "new").exists()
    project.git("restore", "c")
    assert switch_noted(project) is None


def test_a_switch_that_is_refused_leaves_what_is_in_its_way(project: Project) -> None:
    (project.path / "a").unlink()
    project.write("b", "b, and more\n")
    project.write("new/d", "mine\n")
    # File times are as coarse as the kernel's tick.
    time.sleep(0.05)
    assert switch_noted(project) is not None
    assert project.status() == [" D a", " M b", "?? new/d"]
    assert project.read("b") == "b, and more\n"


def test_a_file_that_git_could_not_write_and_went_past_is_written(project: Project) -> None:
    hook = "#!/bin/sh\ngit show $1:a > a\ngit show $1:e > e\necho 'unable to unlink old a' >&2\n"
    project.write(".git/hooks/post-checkout", hook, mode=0o755)
    project.write("mine", "mine\n")
    assert switch_noted(project) is None
    assert project.status() == ["?? mine"]
    assert project.read("a") == "a, and more\n"
    assert not (project.path / "e").exists()
