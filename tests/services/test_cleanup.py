"""`git cleanup` deletes merged branches of closed milestones and nothing else, whatever flags are given (spec §6.9)."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from pathlib import Path

import pytest

from ai_workflow.cli.main import main
from support.landing import BRANCH, configure, prepare_worked, push_from_elsewhere
from support.prepared import prepared
from support.project import THREE_MILESTONES, Project, make_ready

pytestmark = pytest.mark.slow

MERGED, EXTRA, ACTIVE = "ai/m01-parser-base", "ai/m02-parser-errors", "ai/m10-parser-documentation"
FLAGS = ("--dry-run", "--local", "--remote", "--merged", "--force", "--allow-unmerged-remote")


def prepare_world(folder: Path) -> Project:
    """M01 and M02 are merged and M10 is under way.

    M01's branch is back as it was, here and on origin. M02's is back with one more commit here, and with one that only
    origin knows there. A branch of the user's is not merged.
    """
    project = make_ready(folder, plan=THREE_MILESTONES)
    for path in ("src/parser.py", "tests/test_parser.py", "src/errors.py"):
        project.next()
        project.write(path, "x\n")
        project.finish()
    project.next()
    first, second = project.task(2)["commit_sha"], project.task(3)["commit_sha"]
    project.git("branch", MERGED, first)
    project.git("push", "-q", "origin", MERGED, f"{second}:refs/heads/{EXTRA}")
    push_from_elsewhere(project, {"theirs.txt": "x\n"}, branch=EXTRA)
    shutil.rmtree(folder / "other")
    extra = project.git("commit-tree", "-p", second, "-m", "Not merged", f"{second}^{{tree}}")
    project.git("branch", EXTRA, extra)
    project.git("branch", "feature", project.git("commit-tree", "-p", "main", "-m", "Mine", "main^{tree}"))
    return project


@pytest.fixture
def world(tmp_path: Path) -> Project:
    return prepared(prepare_world, tmp_path)


def commits(project: Project) -> tuple[set[str], set[str]]:
    """Everything reachable, here and on origin."""
    here = set(project.git("rev-list", "--all").split())
    return here, set(project.git("rev-list", "--all", cwd=project.origin).split()) if project.origin else set()


def branches(project: Project, *, on_origin: bool = False) -> set[str]:
    cwd = project.origin if on_origin else None
    return set(project.git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads", cwd=cwd).split("\n"))


def judge(project: Project, *flags: str, code: int = 0) -> dict[tuple[str, str], tuple[str, str]]:
    rows = project.aiw("git", "cleanup", *flags, "--json", code=code).json["branches"]
    return {(row["branch"], row["target"]): (row["status"], row["reason"]) for row in rows}


def test_it_proposes_by_default(world: Project) -> None:
    before = (branches(world), branches(world, on_origin=True))
    result = world.aiw("git", "cleanup")
    assert result.stdout == (
        "MILESTONE  BRANCH                       TARGET  STATUS     REASON\n"
        f"M01        {MERGED}           local   candidate  merged into main\n"
        f"M01        {MERGED}           remote  candidate  merged into origin/main\n"
        f"M02        {EXTRA}         local   kept       has commits that are not merged\n"
        f"M02        {EXTRA}         remote  kept       has commits that this repository does not know\n"
        f"M10        {ACTIVE}  local   kept       is checked out\n"
        "Delete the candidates: aiw git cleanup --local --remote\n"
    )
    assert (branches(world), branches(world, on_origin=True)) == before


def test_no_combination_of_flags_loses_a_commit(world: Project, capsys: pytest.CaptureFixture[str]) -> None:
    merged = world.git("rev-parse", MERGED)
    here, there = commits(world)
    all_here, all_there = branches(world), branches(world, on_origin=True)
    chosen = itertools.chain.from_iterable(itertools.combinations(FLAGS, count) for count in range(len(FLAGS) + 1))
    for flags in chosen:
        assert main(["-C", str(world.path), "git", "cleanup", *flags]) == 0, flags
        deletes = "--dry-run" not in flags
        assert commits(world) == (here, there), flags
        assert all_here - branches(world) == ({MERGED} if deletes and "--local" in flags else set()), flags
        gone = all_there - branches(world, on_origin=True)
        assert gone == ({MERGED} if deletes and "--remote" in flags else set()), flags
        world.git("branch", "--force", MERGED, merged)
        world.git("push", "-q", "origin", f"{merged}:refs/heads/{MERGED}")
    capsys.readouterr()


def test_flags_that_would_lose_commits_say_that_they_do_not(world: Project) -> None:
    result = world.aiw("git", "cleanup", "--local", "--remote", "--force", "--allow-unmerged-remote")
    assert result.stderr.count("has no effect: a branch with unmerged commits is never deleted") == 2
    assert EXTRA in branches(world)
    assert EXTRA in branches(world, on_origin=True)
    assert "feature" in branches(world)
    operations = sorted((world.path / "docs/ai/workspace/state/operations").iterdir())
    refs = json.loads(operations[-1].read_text())["refs"]
    assert [ref["ref"] for ref in refs] == [f"refs/heads/{MERGED}"]
    assert judge(world, "--local", "--remote") == judge(world)


@pytest.mark.parametrize("on_origin", [False, True], ids=["local", "remote"])
def test_a_squashed_branch_goes_and_its_commits_stay(on_origin: bool, tmp_path: Path) -> None:
    project = prepared(prepare_worked, tmp_path)
    configure(project, merge_strategy="squash")
    project.finish()
    tip = project.task(1)["commit_sha"]
    project.git("update-ref", "-d", f"refs/aiw/landed/{BRANCH}")
    project.git("push", "-q", "origin", f"{tip}:refs/heads/{BRANCH}")
    project.git("branch", BRANCH, tip)
    here, there = commits(project)
    target = "remote" if on_origin else "local"
    assert judge(project)[BRANCH, target] == ("candidate", "landed as a squash")
    assert judge(project, f"--{target}")[BRANCH, target] == ("deleted", "landed as a squash")
    assert BRANCH not in branches(project, on_origin=on_origin)
    after_here, after_there = commits(project)
    assert here <= after_here
    assert there <= after_here | after_there
    assert project.git("rev-parse", f"refs/aiw/landed/{BRANCH}") == tip


def test_a_squashed_branch_that_went_on_is_kept(tmp_path: Path) -> None:
    project = prepared(prepare_worked, tmp_path)
    configure(project, merge_strategy="squash")
    project.finish()
    project.git("switch", "-q", "-c", BRANCH, project.task(1)["commit_sha"])
    project.write("src/more.py", "x\n")
    project.git("add", "src/more.py")
    project.git("commit", "-q", "-m", "More")
    project.git("switch", "-q", "main")
    assert judge(project, "--local")[BRANCH, "local"] == ("kept", "has commits that are not merged")


def test_what_is_in_use_is_kept(world: Project) -> None:
    other = world.path.parent / "wt"
    world.git("worktree", "add", "-q", str(other), MERGED)
    assert judge(world, "--local")[MERGED, "local"] == ("kept", f"is checked out in {other}")
    world.git("worktree", "remove", str(other))
    world.git("switch", "-q", MERGED)
    assert judge(world, "--local", "--remote")[MERGED, "local"] == ("kept", "is checked out")
    world.git("switch", "-q", "main")
    assert judge(world, "--local")[ACTIVE, "local"] == ("kept", "lane core works on it")
    assert judge(world, "--local") == judge(world)


def test_another_name_of_base_is_not_followed(world: Project) -> None:
    world.git("branch", "-D", MERGED)
    world.git("symbolic-ref", f"refs/heads/{MERGED}", "refs/heads/main")
    tip = world.git("rev-parse", "main")
    assert judge(world, "--local", "--force")[MERGED, "local"] == ("kept", "is only another name of a branch")
    assert world.git("rev-parse", "refs/heads/main") == tip


def test_base_is_kept_even_when_a_state_file_says_it_is_a_milestones(world: Project) -> None:
    path = "docs/ai/workspace/state/milestones/M01.json"
    world.write(path, json.dumps({**world.milestone(), "branch": "main"}))
    rows = judge(world, "--local", "--remote", "--force")
    assert rows["main", "local"] == ("kept", "is a base branch")
    assert rows["main", "remote"] == ("kept", "is a base branch")


def test_merged_only_into_an_unpushed_base_is_kept_on_the_remote(world: Project) -> None:
    # Base goes back on origin: what was merged is there on the milestone's branch alone.
    assert world.origin is not None
    world.git("update-ref", "refs/heads/main", world.git("rev-list", "--max-parents=0", "main"), cwd=world.origin)
    rows = judge(world, "--local", "--remote", "--force", "--allow-unmerged-remote")
    assert rows[MERGED, "remote"] == ("kept", "has commits that are not merged")
    assert MERGED in branches(world, on_origin=True)
    assert rows[MERGED, "local"] == ("deleted", "merged into main")


def test_a_milestone_that_is_open_keeps_its_branch(tmp_path: Path) -> None:
    project = prepared(prepare_worked, tmp_path)
    configure(project, closeout_mode="pull_request")
    project.finish(code=3)
    project.git("switch", "-q", "main")
    project.git("merge", "-q", "--no-ff", "-m", "By hand", BRANCH)
    lane = project.state("lanes/core.json")
    project.write("docs/ai/workspace/state/lanes/core.json", json.dumps({**lane, "milestone_id": None, "branch": None}))
    assert judge(project, "--local")[BRANCH, "local"] == ("kept", "M01 is blocked")


def test_an_unreachable_remote_and_a_refusing_one(world: Project) -> None:
    assert world.origin is not None
    hook = world.origin / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    assert judge(world, "--remote", code=1)[MERGED, "remote"][0] == "failed"
    assert MERGED in branches(world, on_origin=True)
    hidden = world.origin.rename(world.origin.with_name("hidden.git"))
    rows = judge(world, "--local", "--remote")
    assert rows[MERGED, "remote"] == ("kept", "origin could not be reached")
    assert rows[MERGED, "local"] == ("deleted", "merged into main")
    hidden.rename(world.origin)


def test_it_waits_for_the_end_of_a_merge(world: Project) -> None:
    world.write(".git/MERGE_HEAD", world.git("rev-parse", "main") + "\n")
    assert "a merge is in progress" in world.aiw("git", "cleanup", "--local", code=1).stderr
    os.unlink(world.path / ".git/MERGE_HEAD")
    assert MERGED in branches(world)


def test_nothing_left(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False)
    assert project.aiw("git", "cleanup").stdout == "no branch of a milestone is left\n"
