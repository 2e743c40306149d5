"""The user's signing applies to every commit that aiw makes, merges included (spec §6.4 step 7, §6.5)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support.project import Project, make_ready

PLAN = "# Milestones\n\n## M01 - One\nTasks:\n- Write one single thing\n  Acceptance: it is there.\n"

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="signing is tried with an ssh key")


@pytest.fixture
def key(sealed_environment: Path) -> Path:
    """A key that git signs every commit with."""
    key = sealed_environment / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with (sealed_environment / ".gitconfig").open("a") as config:
        config.write(f"[gpg]\n\tformat = ssh\n[commit]\n\tgpgSign = true\n[user]\n\tsigningKey = {key}.pub\n")
    return key


def unsigned(project: Project) -> list[str]:
    commits = project.git("rev-list", "--all").split("\n")
    return [commit for commit in commits if "\ngpgsig " not in project.git("cat-file", "commit", commit)]


def test_scaffold_task_and_merge_are_signed(tmp_path: Path, key: Path) -> None:
    project = make_ready(tmp_path, plan=PLAN)
    project.next()
    project.write("a.txt", "x\n")
    project.finish()
    assert len(project.git("rev-list", "main").split("\n")) == 4
    assert unsigned(project) == []


def test_a_key_that_cannot_sign_refuses_the_commit_and_loses_nothing(tmp_path: Path, key: Path) -> None:
    project = make_ready(tmp_path, plan=PLAN)
    project.next()
    project.write("a.txt", "x\n")
    head = project.git("rev-parse", "HEAD")
    key.rename(key.with_name("elsewhere"))
    result = project.finish(code=1)
    assert "TASK-001 was not committed; git or a hook refused" in result.stderr
    assert project.git("rev-parse", "HEAD") == head
    assert project.task(1)["status"] == "in_progress"
    assert project.status() == ["?? a.txt"]
    key.with_name("elsewhere").rename(key)
    project.finish()
    assert unsigned(project) == []
