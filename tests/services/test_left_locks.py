"""Lock files of git that a killed command left go; anybody else's stay (spec §7.2)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ai_workflow.services.workspace import open_workspace
from support.project import Project, make_project

SECOND_NS = 1_000_000_000
DIED_NS = 1_700_000_000 * SECOND_NS
"""When the dead holder had taken the lock."""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells who is at work")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path, remote=False)
    made.aiw("init")
    return made


def leave(path: Path, *, after_s: int = 1, text: str = "") -> Path:
    """A file that was written so many seconds after the holder had taken the lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, ns=(DIED_NS + after_s * SECOND_NS, DIED_NS + after_s * SECOND_NS))
    return path


def die(project: Project) -> None:
    """What a holder leaves that is killed."""
    leave(project.path / ".git/aiw.lock", after_s=0, text="pid 1, close out M01, since 2026-01-01T00:00:00Z\n")


def act(project: Project) -> None:
    with open_workspace(str(project.path)).git_effects("act"):
        pass


def test_locks_left_by_a_killed_command_are_cleared(project: Project) -> None:
    die(project)
    left = [leave(project.path / ".git" / name) for name in ("index.lock", "HEAD.lock", "refs/heads/ai/m01.lock")]
    act(project)
    assert [path.exists() for path in left] == [False] * 3
    assert (project.path / ".git/aiw.lock").read_text() == ""


def test_a_note_on_a_switch_that_was_cut_off_is_swept(project: Project) -> None:
    die(project)
    path = leave(project.path / ".git/aiw-moving.123.ab12cd34", text="ref: re")
    act(project)
    assert not path.exists()


def test_a_lock_older_than_the_killed_command_stays(project: Project) -> None:
    die(project)
    path = leave(project.path / ".git/index.lock", after_s=-1)
    act(project)
    assert path.exists()


def test_a_lock_made_after_a_command_that_ended_well_stays(project: Project) -> None:
    act(project)
    path = project.path / ".git/index.lock"
    path.write_text("")
    act(project)
    assert path.exists()


def _git_at_work(project: Project) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["git", "cat-file", "--batch"], cwd=project.path / "src", stdin=subprocess.PIPE)


def _holder(project: Project) -> subprocess.Popen[bytes]:
    with (project.path / ".git/index.lock").open("ab") as stream:
        return subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=stream)


@pytest.mark.parametrize("start", [_git_at_work, _holder])
def test_a_lock_that_may_be_in_use_stays_and_goes_once_it_is_not(
    project: Project, start: Callable[[Project], subprocess.Popen[bytes]]
) -> None:
    die(project)
    path = leave(project.path / ".git/index.lock")
    other = start(project)
    try:
        act(project)
        assert path.exists()
    finally:
        other.communicate()
    act(project)
    assert not path.exists()


def test_a_lock_left_by_a_git_that_died_alone_is_cleared_by_the_command_that_lost_it(
    project: Project, tmp_path: Path
) -> None:
    shim = tmp_path / "bin/git"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\n: > .git/index.lock\nkill -9 $$\n")
    shim.chmod(0o755)
    ws = open_workspace(str(project.path))
    with ws.git_effects("act"):
        path, os.environ["PATH"] = os.environ["PATH"], f"{shim.parent}:{os.environ['PATH']}"
        try:
            assert ws.repository.git.run("update-index", ok=None).returncode == -9
        finally:
            os.environ["PATH"] = path
        assert (project.path / ".git/index.lock").exists()
    assert not (project.path / ".git/index.lock").exists()


@pytest.mark.parametrize("name", ["HEAD.lock", "index.lock", "packed-refs.lock", "refs/heads/ai/m01.lock"])
def test_a_lock_that_a_git_of_ours_could_not_remove_is_cleared(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Git names it and goes on."""
    path = project.path / ".git" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    shim = tmp_path / "bin/git"
    shim.parent.mkdir()
    shim.write_text(f"#!/bin/sh\n: > {path}\necho \"warning: unable to unlink '{path}': Input/output error\" >&2\n")
    shim.chmod(0o755)
    ws = open_workspace(str(project.path))
    with ws.git_effects("act"):
        monkeypatch.setenv("PATH", f"{shim.parent}:{os.environ['PATH']}")
        ws.repository.git.run("update-ref", "-d", "refs/heads/ai/m01")
        assert path.exists()
    assert not path.exists()


def test_a_note_on_a_switch_that_has_ended_goes_with_the_lock(project: Project) -> None:
    ws = open_workspace(str(project.path))
    with ws.git_effects("act"):
        note = project.path / ".git/aiw-moving"
        note.write_text("ref: refs/heads/main\nrefs/heads/main")
    assert not note.exists()
