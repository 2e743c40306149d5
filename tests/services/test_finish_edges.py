"""Commits of a finish where git's plumbing says less than usual: heads without changes, hidden submodules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from services.test_finish_attacks import BRANCH, check_untouched, prepare
from support.prepared import prepared
from support.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(prepare, tmp_path)


def commit_empty(project: Project) -> None:
    project.git("commit", "-q", "--allow-empty", "-m", "empty")


def commit_merge(project: Project) -> None:
    tree = project.git("rev-parse", "HEAD^{tree}")
    other = project.git("commit-tree", "-p", "HEAD", "-m", "other", tree)
    project.git("merge", "-q", "--no-ff", "-m", "merge", other)


@pytest.mark.parametrize("commit", [commit_empty, commit_merge])
def test_a_hook_that_refuses_on_a_head_without_changes(project: Project, commit: Callable[[Project], None]) -> None:
    commit(project)
    head = project.git("rev-parse", "HEAD")
    project.write("work.py", "x\n")
    project.write(".git/hooks/pre-commit", "#!/bin/sh\necho no; exit 1\n", mode=0o755)
    refused = project.finish(code=1)
    assert "no" in refused.stderr
    assert "Traceback" not in refused.stderr
    check_untouched(project, head)
    (project.path / ".git/hooks/pre-commit").unlink()
    project.finish()
    assert project.task(1)["status"] == "done"


def test_a_bump_of_a_submodule_that_git_is_told_to_ignore(project: Project) -> None:
    """Everything that was changed is committed and gets a name, whatever `ignore` says of showing it."""
    module = project.path / "module"
    module.mkdir()
    sub = Project(module)
    sub.git("init", "-q")
    for name in ("user.name", "user.email"):
        sub.git("config", name, "me@example.com")
    sub.git("commit", "-q", "--allow-empty", "-m", "one")
    project.write(".gitmodules", '[submodule "module"]\n\tpath = module\n\turl = ./module\n\tignore = all\n')
    project.git("add", "-f", ".gitmodules", "module")
    project.git("commit", "-q", "-m", "module")
    sub.git("commit", "-q", "--allow-empty", "-m", "two")
    project.finish()
    assert project.git("ls-tree", BRANCH, "module").split()[2] == sub.git("rev-parse", "HEAD")
    assert project.task(1)["status"] == "done"
