"""Work put aside comes back byte for byte: staged, unstaged, untracked, links, modes (spec §6.7)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from ai_workflow.errors import AiwError
from ai_workflow.git.repository import Repository, find_repository
from ai_workflow.git.saved_work import (
    SavedWork,
    clear_work,
    find_in_the_way,
    read_saved_work,
    restore_work,
    save_work,
)
from ai_workflow.git.status import describe_path, read_status
from support.project import Project, make_project

TEMP = tempfile.mkdtemp()
REF = "refs/aiw/parked/TASK-001"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    files = {
        "a.txt": "a\n", "gone.txt": "g\n", "moved.txt": "m\n", "tool.sh": "#!/bin/sh\n", "folder/x.txt": "x\n",
        "untrack.txt": "u\n", ".gitattributes": "*.crlf text eol=lf\n", "b.crlf": "b\n",
    }  # fmt: skip
    return make_project(tmp_path, remote=False, files=files)


def make_a_mess(project: Project) -> None:
    project.write("a.txt", "staged\n")
    project.git("add", "a.txt")
    project.write("a.txt", b"staged\r\nand changed \xff\n")
    (project.path / "gone.txt").unlink()
    project.git("mv", "moved.txt", "moved here.txt")
    (project.path / "tool.sh").chmod(0o755)
    project.git("rm", "-rq", "folder")
    project.write("folder", "a file now\n")
    project.git("rm", "-q", "--cached", "untrack.txt")
    project.write("new/deep/file", "new\n")
    project.write("new\nline", "n\n")
    os.symlink("a.txt", project.path / "link")
    project.write("b.crlf", b"b\r\nc\r\n")
    project.write("staged only.txt", "s\n")
    project.git("add", "staged only.txt")


def picture(project: Project) -> object:
    tree = {}
    for path in sorted(project.path.rglob("*")):
        if ".git" in path.parts or (path.is_dir() and not path.is_symlink()):
            continue
        name = str(path.relative_to(project.path))
        tree[name] = os.readlink(path) if path.is_symlink() else (path.read_bytes(), path.stat().st_mode & 0o111)
    return tree, project.git("ls-files", "--stage"), project.git("status", "--porcelain")


def save(project: Project) -> tuple[Repository, SavedWork]:
    repository = find_repository(str(project.path))
    assert repository is not None
    status = read_status(repository.git)
    prints = {path: describe_path(repository.top, entry) for path, entry in status.entries.items()}
    saved = save_work(
        repository, head=status.head or "", entries=status.entries, fingerprints=prints, ref=REF, message="m"
    )
    return repository, saved


def test_everything_comes_back_byte_for_byte(project: Project) -> None:
    clean = picture(project)
    make_a_mess(project)
    mess = picture(project)
    repository, saved = save(project)
    assert picture(project) == mess, "saving changes nothing"
    assert clear_work(repository, saved.paths) == ()
    assert picture(project) == clean
    again = read_saved_work(repository.git, saved.commit)
    assert again == saved
    restored = restore_work(repository, again, head=project.git("rev-parse", "HEAD"), temp_dir=TEMP)
    assert restored.kept_back == ()
    assert picture(project) == mess
    restore_work(repository, again, head=project.git("rev-parse", "HEAD"), temp_dir=TEMP)
    assert picture(project) == mess, "a second time changes nothing"
    assert project.git("show", f"{REF}:work/new/deep/file") == "new"


def test_both_halves_can_be_taken_up_in_the_middle(project: Project) -> None:
    clean = picture(project)
    make_a_mess(project)
    mess = picture(project)
    repository, saved = save(project)
    for one in saved.paths[: len(saved.paths) // 2]:
        clear_work(repository, [one])
    clear_work(repository, saved.paths)
    assert picture(project) == clean
    head = project.git("rev-parse", "HEAD")
    half = SavedWork(commit=saved.commit, paths=saved.paths[: len(saved.paths) // 2])
    restore_work(repository, half, head=head, temp_dir=TEMP)
    assert (
        find_in_the_way(repository, saved, read_status(repository.git).entries, head=project.git("rev-parse", "HEAD"))
        == ()
    )
    restore_work(repository, saved, head=head, temp_dir=TEMP)
    assert picture(project) == mess


def test_what_somebody_changed_meanwhile_is_left(project: Project) -> None:
    project.write("a.txt", "work\n")
    project.write("new.txt", "work\n")
    repository, saved = save(project)
    project.write("a.txt", "somebody else\n")
    assert clear_work(repository, saved.paths) == ("a.txt",)
    assert project.read("a.txt") == "somebody else\n"
    assert not (project.path / "new.txt").exists()


def test_what_lies_in_the_way_is_found_and_what_a_commit_changed_is_kept_back(project: Project) -> None:
    project.write("a.txt", "work\n")
    project.write("new.txt", "work\n")
    repository, saved = save(project)
    clear_work(repository, saved.paths)
    project.write("new.txt", "mine\n")
    assert find_in_the_way(
        repository, saved, read_status(repository.git).entries, head=project.git("rev-parse", "HEAD")
    ) == ("new.txt",)
    (project.path / "new.txt").unlink()
    project.write("a.txt", "committed\n")
    project.git("commit", "-qam", "later")
    restored = restore_work(repository, saved, head=project.git("rev-parse", "HEAD"), temp_dir=TEMP)
    assert (restored.paths, restored.kept_back) == (("new.txt",), ("a.txt",))
    assert project.read("a.txt") == "committed\n"
    assert project.git("show", f"{REF}:work/a.txt") == "work"


def test_saving_twice_keeps_the_first(project: Project) -> None:
    project.write("a.txt", "one\n")
    repository, first = save(project)
    clear_work(repository, first.paths)
    project.write("a.txt", "two\n")
    _repository, second = save(project)
    assert first.commit in project.git("rev-list", REF).split("\n")
    assert second.commit == project.git("rev-parse", REF)


def test_a_moved_submodule_is_refused(project: Project, tmp_path: Path) -> None:
    other = make_project(tmp_path / "other", remote=False)
    project.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other.path), "sub")
    project.git("commit", "-qm", "sub")
    project.git("-C", "sub", "commit", "-q", "--allow-empty", "-m", "moved")
    with pytest.raises(AiwError, match="the submodule sub has changed"):
        save(project)
