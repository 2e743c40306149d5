"""The parts of the loop that touch branches, each by itself: branch, commit, push, pr, sync (spec §6.8)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.landing import (
    BRANCH,
    configure,
    head,
    origin_tip,
    prepare_worked,
    push_from_elsewhere,
)
from support.prepared import prepared
from support.project import THREE_MILESTONES, Project, make_planned, make_ready

FORGE_URL = "https://github.com/someone/parser"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """M01's only task is claimed and its work lies in the tree; base with the scaffold is pushed."""
    project = prepared(prepare_worked, tmp_path)
    project.git("push", "--quiet", "origin", "main")
    return project


@pytest.fixture
def planned(tmp_path: Path) -> Project:
    """Three milestones, nothing begun."""
    return prepared(make_planned, tmp_path, plan=THREE_MILESTONES)


def on_forge(project: Project) -> None:
    project.git("remote", "set-url", "origin", FORGE_URL)
    project.git("config", f"url.{project.origin}.insteadOf", FORGE_URL)


def test_branch_makes_what_a_start_would_make_and_a_start_takes_it(planned: Project) -> None:
    planned.write("notes.txt", "mine\n")
    made = planned.aiw("git", "branch", "m1")
    tip = planned.git("rev-parse", "ai/m01-parser-base")
    assert made.stdout == (f"Made ai/m01-parser-base at {tip[:10]} and checked it out\nNext: aiw milestone start M01\n")
    assert tip == planned.git("rev-parse", "main")
    assert planned.subjects() == ["Begin", "aiw: set up workspace"]
    assert head(planned) == "ai/m01-parser-base"
    assert planned.milestone()["start_sha"] is None
    assert planned.status() == ["?? notes.txt"]
    again = planned.aiw("git", "branch", "M01")
    assert again.stdout.startswith("Already on ai/m01-parser-base at ")
    planned.git("switch", "-q", "main")
    assert planned.aiw("git", "branch", "M01").stdout.startswith("Checked out ai/m01-parser-base at ")
    planned.aiw("milestone", "start", "M01")
    assert planned.milestone()["start_sha"] == tip
    assert list(planned.state("baselines/core.json")["paths"]) == ["notes.txt"]
    planned.git("switch", "-q", "main")
    assert planned.aiw("git", "branch", "M01", "--json").json["outcome"] == "switched"
    assert planned.state("lanes/core.json")["milestone_id"] == "M01"


def test_branch_refuses_what_a_start_refuses(planned: Project) -> None:
    planned.git("branch", "ai/m01-parser-base", "main")
    planned.git("switch", "-q", "ai/m01-parser-base")
    planned.git("commit", "-q", "--allow-empty", "-m", "Mine")
    mine = planned.git("rev-parse", "HEAD")
    planned.git("switch", "-q", "main")
    assert "has commits of its own" in planned.aiw("git", "branch", "M01", code=1).stderr
    assert (head(planned), planned.git("rev-parse", "ai/m01-parser-base")) == ("main", mine)
    planned.git("push", "-q", "origin", "ai/m01-parser-base")
    planned.git("branch", "-D", "ai/m01-parser-base")
    assert "commits that this workspace does not know" in planned.aiw("git", "branch", "M01", code=1).stderr
    assert "it needs M01" in planned.aiw("git", "branch", "M02", code=1).stderr
    assert "does not exist" in planned.aiw("git", "branch", "M77", code=1).stderr


def test_branch_does_not_carry_a_tasks_work_away(planned: Project) -> None:
    planned.next()
    planned.write("src/parser.py", "half\n")
    result = planned.aiw("git", "branch", "M10", code=1)
    assert "TASK-001 of M01 is in progress" in result.stderr
    assert head(planned) == "ai/m01-parser-base"


def test_branch_of_a_milestone_whose_branch_was_deleted_names_its_tip(project: Project) -> None:
    project.git("switch", "-q", "main")
    tip = project.git("rev-parse", BRANCH)
    project.git("branch", "-D", BRANCH)
    assert f"git branch {BRANCH} {tip}" in project.aiw("git", "branch", "M01", code=1).stderr


def test_commit_is_a_finish(project: Project) -> None:
    project.write("outside.txt", "x\n")
    assert "outside.txt" in project.aiw("git", "commit", "1", code=1).stderr
    (project.path / "outside.txt").unlink()
    result = project.aiw("git", "commit", "TASK-001", "--summary", "parsed it", "--json")
    assert result.json["outcome"] == "done"
    assert project.task(1)["commit_sha"] == result.json["commit"]
    assert project.state("runs/RUN-0001.json")["summary"] == "parsed it"
    assert "does not exist" in project.aiw("git", "commit", "9", code=1).stderr


def test_push_pushes_the_branch_and_says_what(project: Project) -> None:
    configure(project, closeout_mode="pull_request")
    project.finish(code=3)
    before = origin_tip(project)
    tip = project.git("rev-parse", BRANCH)
    assert (origin_tip(project, BRANCH), origin_tip(project)) == (tip, before)
    assert project.milestone()["closeout"]["pushed_branch_sha"] == tip
    assert project.aiw("git", "push", "M01").stdout == f"origin has {BRANCH} at {tip[:10]} already\n"
    project.git("commit", "-q", "--allow-empty", "-m", "After review")
    newer = project.git("rev-parse", BRANCH)
    pushed = project.aiw("git", "push", "M01")
    assert pushed.stdout == f"Pushed {BRANCH} to origin from {tip[:10]} at {newer[:10]} (1 commit)\n"
    project.git("commit", "-q", "--allow-empty", "-m", "After that")
    document = project.aiw("git", "push", "M01", "--json").json
    assert (document["before"], document["commits"]) == (newer, 1)


def test_push_never_forces(project: Project) -> None:
    theirs = push_from_elsewhere(project, {"src/theirs.py": "x\n"}, branch="main")
    project.git("push", "-q", "--force", "origin", f"{theirs}:refs/heads/{BRANCH}", cwd=project.path.parent / "other")
    result = project.aiw("git", "push", "M01", code=1)
    assert "has commits that" in result.stderr
    assert origin_tip(project, BRANCH) == theirs


def test_push_does_not_publish_a_persons_commits_on_base(planned: Project) -> None:
    planned.git("commit", "-q", "--allow-empty", "-m", "Secret plan")
    planned.aiw("milestone", "start", "M01")
    result = planned.aiw("git", "push", "M01", code=1)
    assert "1 commit(s) of your own from main" in result.stderr
    assert "Secret plan" in result.stderr
    assert origin_tip(planned, "ai/m01-parser-base") == ""


def test_push_without_a_remote_or_a_beginning(planned: Project) -> None:
    assert "has not begun" in planned.aiw("git", "push", "M01", code=1).stderr
    planned.aiw("milestone", "start", "M01")
    planned.git("remote", "remove", "origin")
    result = planned.aiw("git", "push", "M01", code=1)
    assert result.stderr.startswith(
        "error: there is no remote to push ai/m01-parser-base to\nhint: add one: git remote"
    )


def test_push_shows_what_a_server_hook_said(project: Project) -> None:
    assert project.origin is not None
    hook = project.origin / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    assert "not today" in project.aiw("git", "push", "M01", code=1).stderr


def test_without_a_token_the_text_is_written_and_the_blocker_says_what_to_do(project: Project) -> None:
    on_forge(project)
    project.finish(code=3)
    path = "docs/ai/workspace/reports/pr/M01.md"
    blocker = project.milestone()["blocker"]
    assert path in blocker["message"]
    assert "there is no token for github.com" in blocker["message"]
    again = "aiw milestone finish M01"
    assert blocker["next_command"] == f"set GH_TOKEN, or run `gh auth login --hostname github.com`; then {again}"
    assert project.milestone()["pr"]["body_path"] == path
    text = project.read(path)
    assert "| TASK-001 | Consolidate parser cleanup behavior | done | " in text
    refused = project.aiw("git", "pr", "M01", code=3)
    assert "there is no token for github.com" in refused.stderr
    assert "hint: set GH_TOKEN" in refused.stderr
    for command in (("git", "pr", "M01", "--no-create"), ("milestone", "pr", "1")):
        assert project.aiw(*command).stdout == f"Wrote {path}\n"
    assert project.aiw("git", "pr", "M01", "--no-create", "--json").json["path"] == path
    assert project.read(path) == text
    assert project.status() == []


def test_a_remote_that_is_no_forge_is_told_with_what_to_do_by_hand(tmp_path: Path) -> None:
    title = "Parser's $(touch pwned) `touch pwned`; touch pwned"
    plan = f"# Milestones\n\n## M01 - {title}\nTasks:\n- Write the parser module\n  Acceptance: It is there.\n"
    project = make_ready(tmp_path, plan=plan)
    project.aiw("plan", "import")
    shown = project.aiw("git", "pr", "M01", code=3).stderr
    assert "the URL of origin names no project on a known forge" in shown
    assert "titled 'M01: Parser'\"'\"'s $(touch pwned) `touch pwned`; touch pwned', with" in shown
    assert "aiw git push M01" in shown


def test_a_text_that_cannot_be_written_holds_no_closeout_up(project: Project) -> None:
    on_forge(project)
    (project.path / "docs/ai/workspace/reports/pr/M01.md").mkdir(parents=True)
    result = project.finish(code=3)
    assert "Done: TASK-001" in result.stdout
    assert "was not written" in result.stderr
    assert "there is no token" in project.milestone()["blocker"]["message"]
    assert "cannot" in project.aiw("git", "pr", "M01", "--no-create", code=1).stderr


def test_sync_with_nothing_to_do(project: Project) -> None:
    tip = project.git("rev-parse", "main")
    before = project.state("project.json")["serial"]
    assert project.aiw("git", "sync").stdout == f"main: up to date with origin/main at {tip[:10]}\n"
    assert project.state("project.json")["serial"] == before
    project.git("remote", "remove", "origin")
    assert project.aiw("git", "sync").stdout == "main: there is no remote to follow\n"


def test_sync_fast_forwards_base_and_leaves_the_rest(project: Project) -> None:
    moved = push_from_elsewhere(project, {"src/theirs.py": "x\n", "src/more.py": "y\n"})
    dirt = project.status()
    synced = project.aiw("git", "sync")
    assert synced.stdout == f"main: fast-forwarded to origin/main at {moved[:10]} (1 commit)\n"
    assert project.git("rev-parse", "main") == moved
    assert (head(project), project.status()) == (BRANCH, dirt)


def test_sync_of_a_base_that_is_checked_out_keeps_the_users_dirt(planned: Project) -> None:
    planned.write("src/keep.txt", "my edit\n")
    moved = push_from_elsewhere(planned, {"src/theirs.py": "x\n"})
    planned.aiw("git", "sync")
    assert planned.git("rev-parse", "HEAD") == moved
    assert planned.read("src/keep.txt") == "my edit\n"
    push_from_elsewhere(planned, {"src/keep.txt": "their edit\n"})
    refused = planned.aiw("git", "sync", code=1)
    assert "main is behind origin/main and cannot be brought there" in refused.stderr
    assert planned.read("src/keep.txt") == "my edit\n"
    assert planned.git("rev-parse", "HEAD") == moved


def test_sync_never_moves_base_backwards(planned: Project) -> None:
    planned.git("commit", "-q", "--allow-empty", "-m", "Mine")
    mine = planned.git("rev-parse", "main")
    assert planned.aiw("git", "sync").stdout == "main: 1 commit ahead of origin/main, left as it is\n"
    push_from_elsewhere(planned, {"theirs.txt": "x\n"})
    refused = planned.aiw("git", "sync", code=1)
    assert "main and origin/main have diverged since " in refused.stderr
    assert planned.git("rev-parse", "main") == mine


def test_sync_says_when_the_remote_cannot_be_reached(project: Project) -> None:
    project.git("remote", "set-url", "origin", "/nowhere/at/all")
    assert "could not be reached" in project.aiw("git", "sync", code=1).stderr


@pytest.mark.parametrize("way", ["merge", "squash"])
def test_sync_notices_a_merge_by_a_person(project: Project, way: str) -> None:
    on_forge(project)
    project.finish(code=3)
    project.aiw("git", "push", "M01")
    assert project.aiw("git", "sync").code == 0
    assert project.milestone()["status"] == "blocked", "not merged yet: nothing was noticed and nothing merged"
    other = project.path.parent / "person"
    project.git("clone", "-q", str(project.origin), str(other), cwd=project.path.parent)
    if way == "merge":
        project.git("merge", "-q", "--no-ff", "-m", "Merge request 1", f"origin/{BRANCH}", cwd=other)
    else:
        project.git("merge", "-q", "--squash", f"origin/{BRANCH}", cwd=other)
        project.git("commit", "-q", "-m", "Squashed", cwd=other)
    project.git("push", "-q", "origin", "main", cwd=other)
    noticed = project.aiw("git", "sync")
    assert "Merged M01 into main as " in noticed.stdout
    assert project.milestone()["status"] == "merged"
    assert project.git("rev-parse", "main") == origin_tip(project)


def test_sync_merges_nothing_itself(project: Project) -> None:
    assert project.origin is not None
    hook = project.origin / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    project.finish(code=3)
    hook.unlink()
    before = origin_tip(project)
    project.aiw("git", "sync")
    assert origin_tip(project) == before
    assert project.milestone()["status"] == "blocked"
