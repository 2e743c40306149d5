"""Prepared repositories: made once, and each test's copy has its own life."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.prepared import prepared
from support.project import Project, make_ready

calls: list[Path] = []


def prepare(folder: Path, *, text: str = "x\n") -> Project:
    calls.append(folder)
    project = make_ready(folder)
    project.next()
    project.write("src/parser.py", text)
    return project


def test_it_is_made_once_and_no_copy_sees_another(tmp_path: Path) -> None:
    calls.clear()
    first, second = prepared(prepare, tmp_path / "1"), prepared(prepare, tmp_path / "2")
    first.finish()
    first.git("push", "--quiet", "origin", "HEAD:theirs")
    third = prepared(prepare, tmp_path / "3")
    assert len(calls) == 1
    for project, folder in ((second, "2"), (third, "3")):
        assert project.git("remote", "get-url", "origin") == str(tmp_path / folder / "origin.git")
        assert project.git("ls-remote", "origin", "theirs") == ""
        assert project.git("diff-files", "--name-only") == ""
        assert project.status() == ["?? src/parser.py"]
        assert project.task(1)["status"] == "in_progress"
        project.finish()
        assert project.task(1)["status"] == "done"


def test_other_arguments_and_another_git_configuration_make_another(tmp_path: Path, sealed_environment: Path) -> None:
    calls.clear()
    assert prepared(prepare, tmp_path / "1", text="other\n").read("src/parser.py") == "other\n"
    with (sealed_environment / ".gitconfig").open("a") as config:
        config.write("[user]\n\tname = Somebody Else\n")
    made = prepared(prepare, tmp_path / "2", text="other\n")
    assert made.git("log", "--format=%an", "main").split("\n") == ["Somebody Else", "Somebody Else"]
    assert len(calls) == 2


def test_one_that_knows_its_place_is_refused(tmp_path: Path) -> None:
    def prepare_bound(folder: Path) -> Project:
        project = make_ready(folder)
        project.write("note", str(folder))
        return project

    with pytest.raises(AssertionError, match="note of a prepared repository holds its path"):
        prepared(prepare_bound, tmp_path)
