"""Where a repository is, told without a process where it is laid out as usual, and by git everywhere else."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ai_workflow.errors import AiwError
from ai_workflow.git.repository import find_repository


def git(folder: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def make(folder: Path) -> Path:
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "begin")
    return folder


def usual(tmp_path: Path) -> Path:
    return make(tmp_path / "usual")


def below(tmp_path: Path) -> Path:
    folder = make(tmp_path / "below") / "packages/one"
    folder.mkdir(parents=True)
    return folder


def by_link(tmp_path: Path) -> Path:
    (tmp_path / "link").symlink_to(make(tmp_path / "real"))
    return tmp_path / "link"


def worktree(tmp_path: Path) -> Path:
    git(make(tmp_path / "main"), "worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    return tmp_path / "linked"


def separate_folder(tmp_path: Path) -> Path:
    (tmp_path / "apart").mkdir()
    git(tmp_path / "apart", "init", "--quiet", f"--separate-git-dir={tmp_path}/store.git")
    return tmp_path / "apart"


def tree_elsewhere(tmp_path: Path) -> Path:
    folder = make(tmp_path / "elsewhere")
    (tmp_path / "other").mkdir()
    git(folder, "config", "core.worktree", str(tmp_path / "other"))
    return tmp_path / "elsewhere"


def tree_elsewhere_by_include(tmp_path: Path) -> Path:
    folder = make(tmp_path / "including")
    (tmp_path / "other").mkdir()
    (tmp_path / "more.config").write_text(f"[core]\n\tworktree = {tmp_path}/other\n")
    git(folder, "config", "include.path", str(tmp_path / "more.config"))
    return folder


def bare(tmp_path: Path) -> Path:
    folder = make(tmp_path / "bare")
    git(folder, "config", "core.bare", "true")
    return folder


def half(tmp_path: Path) -> Path:
    folder = make(tmp_path / "whole") / "half"
    (folder / ".git").mkdir(parents=True)
    return folder


def no_head(tmp_path: Path) -> Path:
    folder = make(make(tmp_path / "around") / "no-head")
    (folder / ".git/HEAD").write_text("")
    return folder


def shared(tmp_path: Path) -> Path:
    folder = make(tmp_path / "shared")
    shutil.copytree(folder / ".git", tmp_path / "common")
    (folder / ".git/commondir").write_text("../../common")
    return folder


def none(tmp_path: Path) -> Path:
    return tmp_path


ASKED = (worktree, separate_folder, tree_elsewhere, tree_elsewhere_by_include, bare, half, no_head, shared, none)


@pytest.mark.parametrize("prepare", [usual, below, by_link, *ASKED])
def test_it_is_what_git_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepare: Callable[[Path], Path]) -> None:
    folder = prepare(tmp_path)
    asked = subprocess.run(
        ["git", "rev-parse", "--path-format=absolute", "--show-toplevel", "--absolute-git-dir", "--git-common-dir"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    expected = asked.stdout.split("\n")[:3] if asked.returncode == 0 else None
    monkeypatch.setenv("AIW_TRACE_PROCESSES", str(tmp_path / "trace"))
    if prepare is bare:
        with pytest.raises(AiwError, match="must be run in a work tree"):
            find_repository(str(folder))
        return
    found = find_repository(str(folder))
    assert (found and [found.top, found.git_dir, found.common_dir]) == expected
    assert (tmp_path / "trace").exists() is (prepare in ASKED)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ('[core]\n\tbare = "true"', "must be run in a work tree"),
        ("[core]\n\tbare = 5", "must be run in a work tree"),
        ("[core]\n\trepositoryFormatVersion = 99", "found 99"),
        ("[core]\n\trepositoryFormatVersion = 1\n[extensions]\n\tnoSuch = true", "nosuch"),
    ],
)
def test_what_git_refuses_is_refused_in_its_words(tmp_path: Path, setting: str, words: str) -> None:
    folder = make(tmp_path / "one")
    with (folder / ".git/config").open("a") as config:
        config.write(setting + "\n")
    with pytest.raises(AiwError, match=words):
        find_repository(str(folder))


def test_the_head_is_what_git_says_or_unknown(tmp_path: Path) -> None:
    folder = make(tmp_path / "one")
    repository = find_repository(str(folder))
    assert repository is not None
    commit = git(folder, "rev-parse", "HEAD")
    assert repository.find_head() == ("refs/heads/main", commit)
    git(folder, "pack-refs", "--all")
    assert repository.find_head() is None
    git(folder, "switch", "--quiet", "-c", "ai/m01-thing")
    assert repository.find_head() == ("refs/heads/ai/m01-thing", commit)
    git(folder, "symbolic-ref", "refs/heads/alias", "refs/heads/main")
    git(folder, "symbolic-ref", "HEAD", "refs/heads/alias")
    assert repository.find_head() is None
    git(folder, "switch", "--quiet", "--detach")
    assert repository.find_head() is None
    git(folder, "symbolic-ref", "HEAD", "refs/heads/unborn")
    assert repository.find_head() is None
