"""Where base is checked out, who merged, and what a closeout leaves alone (spec §6.5)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.landing import (
    BRANCH,
    CHECK,
    ONE_TASK,
    assert_blocked,
    assert_landed,
    head,
    origin_tip,
    prepare_worked,
    push_from_elsewhere,
)
from support.prepared import prepared
from support.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """One `finish` away from the closeout, with an origin."""
    return prepared(prepare_worked, tmp_path)


@pytest.fixture
def local(tmp_path: Path) -> Project:
    """The same without a remote."""
    return prepared(prepare_worked, tmp_path, remote=False)


def land_again(project: Project, *, code: int = 0) -> str:
    return project.aiw("milestone", "finish", "M01", code=code).stdout


def add_worktree(project: Project, branch: str = "main") -> Path:
    path = project.path.parent / "wt"
    project.git("worktree", "add", "--quiet", str(path), branch)
    return path


def notes(project: Project) -> str:
    return "\n".join(project.milestone()["closeout"]["notes"])


def test_base_in_a_clean_work_tree_elsewhere_is_brought_along_there(project: Project) -> None:
    worktree = add_worktree(project)
    result = project.finish()
    assert "Merged M01 into main" in result.stdout
    assert (worktree / "src/parser.py").read_text() == "parsed\n"
    assert project.git("status", "--porcelain", cwd=worktree) == ""
    assert origin_tip(project) == project.git("rev-parse", "main")
    assert f"HEAD stays on {BRANCH}, which was kept: main is checked out in {worktree}" in result.stdout


def test_base_in_a_dirty_work_tree_elsewhere_is_left_behind(project: Project) -> None:
    worktree = add_worktree(project)
    (worktree / "src").mkdir(exist_ok=True)
    (worktree / "src/parser.py").write_text("mine, uncommitted\n")
    before = project.git("rev-parse", "main")
    result = project.finish()
    assert "local main was left behind origin/main: uncommitted changes in" in result.stdout
    assert project.milestone()["status"] == "merged"
    assert project.git("show", "main:src/parser.py", cwd=project.origin) == "parsed"
    assert project.git("rev-parse", "main") == before
    assert (worktree / "src/parser.py").read_text() == "mine, uncommitted\n"


def test_base_in_a_dirty_work_tree_elsewhere_without_a_remote_is_a_blocker(local: Project) -> None:
    worktree = add_worktree(local)
    (worktree / "src/parser.py").write_text("mine, uncommitted\n")
    local.finish(code=3)
    command = assert_blocked(local, "base", "src/parser.py")
    assert command.startswith(f"commit or stash what is in {worktree}")
    (worktree / "src/parser.py").unlink()
    land_again(local)
    assert local.milestone()["status"] == "merged"
    assert (worktree / "src/parser.py").read_text() == "parsed\n"


def test_a_work_tree_whose_folder_is_gone_holds_nothing_back(local: Project) -> None:
    import shutil

    shutil.rmtree(add_worktree(local))
    local.finish()
    assert local.milestone()["status"] == "merged"
    assert local.git("show", "main:src/parser.py") == "parsed"


def test_a_merged_branch_that_cannot_be_deleted_is_noted_with_gits_words(local: Project) -> None:
    hook = local.path / ".git/hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        f"""#!/bin/sh
[ "$1" = prepared ] || exit 0
while read -r _ new ref; do
    case "$new $ref" in 0000000*" refs/heads/{BRANCH}") exit 1;; esac
done
"""
    )
    hook.chmod(0o755)
    result = local.finish()
    assert local.milestone()["status"] == "merged"
    assert f"{BRANCH} has landed and could not be deleted: git update-ref failed" in result.stdout
    assert local.git("branch", "--list", BRANCH, "--format=%(refname:short)") == BRANCH
    hook.unlink()
    local.aiw("git", "cleanup", "--local")
    assert local.git("branch", "--list", BRANCH) == ""


def test_an_own_file_that_base_changed_stays_and_so_does_head(project: Project) -> None:
    """The user's dirt lies in a file that only the merged base has changed."""
    project.write("README.md", "the owner's edit\n")
    project.git("update-index", "--assume-unchanged", "README.md")
    configure_checks_off(project)
    push_from_elsewhere(project, {"README.md": "changed on base\n"})
    project.finish("--no-check", "--reason", "only the landing matters here", code=3)
    project.git("update-index", "--no-assume-unchanged", "README.md")
    result = project.aiw("milestone", "finish", "M01", "--accept-unproven", "seen")
    assert project.milestone()["status"] == "merged"
    assert f"HEAD stays on {BRANCH}, which was kept: your uncommitted changes are in the way" in result.stdout
    assert head(project) == BRANCH
    assert project.read("README.md") == "the owner's edit\n"
    assert origin_tip(project) == project.git("rev-parse", "main")


def configure_checks_off(project: Project) -> None:
    text = project.read(".ai-workflow.yaml")
    lines = [line for line in text.split("\n") if "seen" not in line]
    project.write(".ai-workflow.yaml", "\n".join(lines).replace("  checks:\n", "  checks: []\n"))
    project.git("update-index", "--assume-unchanged", ".ai-workflow.yaml")


def test_dirt_in_the_way_of_the_test_is_a_blocker_that_keeps_it(project: Project) -> None:
    push_from_elsewhere(project, {"README.md": "changed on base\n"})
    project.write("README.md", "the owner's edit\n")
    project.git("update-index", "--assume-unchanged", "README.md")
    result = project.finish(code=3)
    project.git("update-index", "--no-assume-unchanged", "README.md")
    assert "your uncommitted changes are in the way" in result.stdout
    assert head(project) == BRANCH
    assert project.read("README.md") == "the owner's edit\n"


def merge_by_hand(project: Project, *args: str) -> str:
    """What a person does on the forge: merges the pushed branch, and deletes it there."""
    other = project.path.parent / "person"
    project.git("clone", "--quiet", str(project.origin), str(other), cwd=project.path.parent)
    project.git("fetch", "--quiet", str(project.path), f"{BRANCH}:{BRANCH}", cwd=other)
    project.git("merge", "--quiet", *args, BRANCH, cwd=other)
    if "--squash" in args:
        project.git("commit", "--quiet", "-m", "Parser cleanup (#1)", cwd=other)
    project.git("push", "--quiet", "origin", "main", cwd=other)
    return project.git("rev-parse", "main", cwd=other)


@pytest.mark.parametrize("how", [("--no-ff", "--no-edit"), ("--squash",)], ids=["merged", "squashed"])
@pytest.mark.parametrize("is_deleted", [False, True], ids=["branch-kept", "branch-deleted"])
def test_a_merge_by_a_person_is_noticed(project: Project, how: tuple[str, ...], is_deleted: bool) -> None:
    assert project.origin is not None
    hidden = project.origin.rename(project.origin.with_name("hidden.git"))
    project.finish(code=3)
    hidden.rename(project.origin)
    merged = merge_by_hand(project, *how)
    if is_deleted:
        project.git("switch", "--quiet", "main")
        project.git("branch", "--quiet", "-D", BRANCH)
    land_again(project)
    assert project.milestone()["status"] == "merged"
    assert project.milestone()["closeout"]["landed_sha"] == merged
    assert origin_tip(project) == merged
    # The workspace's own commit went into the squash: local base, which had it, follows, and it is kept.
    assert_landed(project)
    if "--squash" in how:
        kept = f"refs/aiw/landed/{BRANCH}"
        assert project.git("for-each-ref", "--format=%(refname)", "refs/aiw/landed") == kept
        assert "set up workspace" in project.git("log", "--format=%s", kept)


def test_a_pushed_branch_that_was_rebased_and_merged_elsewhere_is_no_obstacle(project: Project) -> None:
    push_from_elsewhere(project, {"broken": "x\n"})
    project.finish(code=3)
    other = project.path.parent / "other"
    project.git("fetch", "--quiet", cwd=other)
    project.git("switch", "--quiet", "--detach", f"origin/{BRANCH}", cwd=other)
    project.git("rebase", "--quiet", "origin/main", cwd=other)
    project.git("push", "--quiet", "--force", "origin", f"HEAD:{BRANCH}", "HEAD:main", cwd=other)
    land_again(project)
    assert project.milestone()["status"] == "merged"
    assert project.milestone()["closeout"]["landed_sha"] == origin_tip(project)


def test_a_branch_deleted_by_hand_is_named_with_its_commit(project: Project) -> None:
    assert project.origin is not None
    hidden = project.origin.rename(project.origin.with_name("hidden.git"))
    project.finish(code=3)
    hidden.rename(project.origin)
    project.git("switch", "--quiet", "main")
    project.git("branch", "--quiet", "-D", BRANCH)
    land_again(project, code=3)
    command = assert_blocked(project, "merge", f"branch {BRANCH} does not exist any more", on="main")
    bring_back, _, _then = command.partition("; then ")
    assert bring_back == f"git branch {BRANCH} {project.task(1)['commit_sha']}"
    project.git(*bring_back.split()[1:])
    land_again(project)
    assert_landed(project)


def test_commits_on_the_remote_branch_that_nobody_here_knows_stop_it(project: Project) -> None:
    push_from_elsewhere(project, {"broken": "x\n"})
    project.finish(code=3)
    theirs = push_from_elsewhere(project, {"src/more.txt": "more\n"}, branch=BRANCH)
    land_again(project, code=3)
    assert_blocked(project, "push", f"{BRANCH} on origin has commits that this workspace does not know")
    assert origin_tip(project, BRANCH) == theirs


def test_a_shallow_clone_is_deepened(project: Project, tmp_path: Path) -> None:
    push_from_elsewhere(project, {"src/a.txt": "a\n"})
    push_from_elsewhere(project, {"src/b.txt": "b\n"})
    shallow = Project(tmp_path / "shallow", project.origin)
    project.git("clone", "--quiet", "--depth=1", f"file://{project.origin}", str(shallow.path), cwd=tmp_path)
    shallow.aiw("init")
    shallow.checks(CHECK)
    shallow.plan(ONE_TASK)
    shallow.next()
    shallow.write("src/parser.py", "parsed\n")
    push_from_elsewhere(project, {"src/c.txt": "c\n"})
    shallow.finish()
    assert_landed(shallow)
    assert shallow.git("rev-parse", "--is-shallow-repository") == "false"


def test_killed_while_the_merged_tree_is_checked_out(project: Project) -> None:
    push_from_elsewhere(project, {"src/theirs.txt": "theirs\n"})
    killer = "test ! -e src/theirs.txt || kill -9 $PPID"
    text = project.read(".ai-workflow.yaml")
    project.write(".ai-workflow.yaml", text.replace('"{ ls', f'"{killer}; {{ ls'))
    project.git("update-index", "--assume-unchanged", ".ai-workflow.yaml")
    assert killer in project.read(".ai-workflow.yaml")
    project.finish(code=-9)
    assert head(project) == ""
    project.write(".ai-workflow.yaml", text)
    # Even when it cannot land now, HEAD comes back.
    assert project.origin is not None
    hidden = project.origin.rename(project.origin.with_name("hidden.git"))
    land_again(project, code=3)
    assert_blocked(project, "infra", "could not be reached")
    hidden.rename(project.origin)
    project.aiw("agent", "run", "--lane", "core", "--mode", "queue")
    assert_landed(project)


def test_head_elsewhere_comes_back_there(project: Project) -> None:
    push_from_elsewhere(project, {"broken": "x\n"})
    project.finish(code=3)
    project.git("switch", "--quiet", "-c", "mine", "main")
    land_again(project, code=3)
    assert head(project) == "mine"
    push_from_elsewhere(project, {"broken": ""})
    assert project.origin is not None
    other = project.path.parent / "other"
    project.git("rm", "--quiet", "broken", cwd=other)
    project.git("commit", "--quiet", "-m", "Repair", cwd=other)
    project.git("push", "--quiet", "origin", "HEAD:main", cwd=other)
    land_again(project)
    assert project.milestone()["status"] == "merged"
    assert head(project) == "mine"
    assert project.git("branch", "--format=%(refname:short)").split("\n") == ["main", "mine"]


def test_two_closeouts_at_once_make_one_merge(project: Project) -> None:
    push_from_elsewhere(project, {"broken": "x\n"})
    project.finish(code=3)
    project.git("merge", "--quiet", "--no-edit", "origin/main")
    project.git("rm", "--quiet", "broken")
    project.git("commit", "--quiet", "-m", "Repair")
    command = [sys.executable, "-m", "ai_workflow", "milestone", "finish", "M01"]
    both = [
        subprocess.Popen(
            command, cwd=project.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ), text=True
        )
        for _ in range(2)
    ]
    for one in both:
        out, err = one.communicate(timeout=60)
        assert one.returncode == 0, out + err
    assert_landed(project)
    merges = project.git("log", "--merges", "--format=%s", "main").split("\n")
    assert merges.count("M01: Parser cleanup") == 1
