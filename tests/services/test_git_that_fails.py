"""A git that fails once at the end of a closeout, without anybody's doing (spec §6.5, §7.6)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.fault_cases import FINISH, check_closeout, prepare_closeout
from support.project import Project


def put_shim(folder: Path, when: str, then: str, *, times: int) -> dict[str, str]:
    """An environment with a `git` first on PATH that does something else where its words match, so many times."""
    shim = folder / "bin/git"
    shim.parent.mkdir()
    count = folder / "count"
    shim.write_text(
        f"""#!/bin/sh
case "$*" in {when})
    echo x >> {count}
    if [ $(wc -l < {count}) -le {times} ]; then {then}; fi;;
esac
exec {shutil.which("git")} "$@"
"""
    )
    shim.chmod(0o755)
    return {"PATH": f"{shim.parent}:/usr/local/bin:/usr/bin:/bin"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepare_closeout(tmp_path / "all")


def test_a_switch_to_base_that_fails_once_is_made_again(project: Project, tmp_path: Path) -> None:
    failing = "echo 'fatal: unable to write HEAD' >&2; exit 128"
    project.aiw(*FINISH, env=put_shim(tmp_path, "*'switch --quiet --no-guess main'*", failing, times=1))
    check_closeout(project)


def test_a_switch_that_keeps_failing_is_told_by_its_true_cause(project: Project, tmp_path: Path) -> None:
    failing = "echo 'fatal: unable to write HEAD' >&2; exit 128"
    done = project.aiw(*FINISH, env=put_shim(tmp_path, "*'switch --quiet --no-guess main'*", failing, times=9))
    assert "git could not switch to main (fatal: unable to write HEAD)" in done.stdout
    assert project.milestone()["status"] == "merged"
    assert project.status() == []


def test_a_push_that_git_fails_to_note_is_followed_all_the_same(project: Project, tmp_path: Path) -> None:
    real = shutil.which("git")
    before = project.git("rev-parse", "refs/remotes/origin/main")
    forget = f'{real} "$@"; code=$?; {real} update-ref refs/remotes/origin/main {before}; exit $code'
    project.aiw(*FINISH, env=put_shim(tmp_path, "*push*:refs/heads/main*", forget, times=1))
    check_closeout(project)
    assert project.git("rev-parse", "refs/remotes/origin/main") == project.git("rev-parse", "main")
