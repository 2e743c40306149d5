"""A milestone's start: from which commit, on which branch, and what it leaves alone (spec §2, §3, §6.2)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.landing import BRANCH, ONE_TASK, head, origin_tip, push_from_elsewhere
from support.prepared import prepared
from support.project import Project, Result, make_planned, make_project

SCAFFOLD = "aiw: set up workspace"
TWO_MILESTONES = (
    ONE_TASK
    + """
## M02 - Парсер: ошибки / 解析
Goal: another slice.
Tasks:
- Report the position of errors
  Acceptance: an error names its line.
  Conflict: src/errors.py
  Depends: M01
"""
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A workspace with an imported plan and an origin, nothing started."""
    return prepared(make_planned, tmp_path, plan=TWO_MILESTONES)


def check_refused(
    project: Project, *, says: str, hint: str, args: tuple[str, ...] = ("milestone", "start", "M01")
) -> Result:
    """Refused, with everything in git as it was."""

    def picture() -> tuple[object, ...]:
        files = {
            str(path): path.read_bytes()
            for path in sorted(project.path.rglob("*"))
            if path.is_file() and ".git" not in path.parts and "docs/ai/workspace" not in str(path)
        }
        refs = project.git("for-each-ref", "refs/heads", "refs/aiw")
        where = (project.path / ".git/HEAD").read_text()
        return files, refs, where, project.git("ls-files", "--stage"), project.status()

    before = picture()
    result = project.aiw(*args, code=1)
    assert says in result.stderr, result
    assert hint in result.stderr, result
    assert picture() == before
    assert project.milestone()["status"] in ("planned", "ready")
    return result


def start(project: Project, milestone: str = "M01") -> Result:
    return project.aiw("milestone", "start", milestone)


def test_local_base_behind_its_remote(project: Project) -> None:
    moved = push_from_elsewhere(project, {"src/theirs.txt": "theirs\n"})
    start(project)
    assert project.read("src/theirs.txt") == "theirs\n"
    assert project.git("rev-parse", "HEAD^") == moved
    assert project.subjects("HEAD")[-1] == SCAFFOLD
    assert origin_tip(project) == moved, "nothing is pushed by a start"


def test_local_base_ahead_of_its_remote_is_said(project: Project) -> None:
    project.git("commit", "--quiet", "--allow-empty", "-m", "My own work")
    result = start(project)
    assert "note: main is 1 commit(s) ahead of its remote; the branch starts from your local main" in result.stderr
    assert project.subjects("HEAD") == ["Begin", "My own work", SCAFFOLD]


def test_local_base_that_diverged_is_refused_before_anything_moves(project: Project) -> None:
    push_from_elsewhere(project, {"src/theirs.txt": "theirs\n"})
    project.git("commit", "--quiet", "--allow-empty", "-m", "My own work")
    project.git("fetch", "--quiet")
    check_refused(
        project,
        says="main and origin/main have diverged since ",
        hint="git switch main && git pull --rebase origin main",
    )


def test_an_unreachable_remote_is_said_and_the_start_goes_on(project: Project) -> None:
    assert project.origin is not None
    project.origin.rename(project.origin.with_name("hidden.git"))
    assert "note: origin could not be reached" in start(project).stderr
    assert head(project) == BRANCH


def test_dirt_in_the_way_of_a_newer_base(project: Project) -> None:
    push_from_elsewhere(project, {"README.md": "changed on base\n"})
    project.git("fetch", "--quiet")
    project.write("README.md", "the owner's edit\n")
    check_refused(project, says="main is behind its remote and cannot be brought up to date", hint="commit or stash")
    assert project.read("README.md") == "the owner's edit\n"


def feature_branch(project: Project) -> str:
    """HEAD on a branch of the owner's with a file of its own and another README."""
    project.git("switch", "--quiet", "-c", "feature")
    project.write("src/feature.txt", "mine\n")
    project.write("README.md", "# feature\n")
    project.git("add", "src/feature.txt", "README.md")
    project.git("commit", "--quiet", "-m", "My feature")
    return project.git("rev-parse", "HEAD")


def test_a_first_start_from_a_feature_branch(project: Project) -> None:
    feature = feature_branch(project)
    project.write("src/keep.txt", "the owner's dirt\n")
    project.write("todo.txt", "mine\n")
    result = start(project)
    assert "that are yours stay out of every commit: src/keep.txt, todo.txt" in result.stderr
    assert head(project) == BRANCH
    assert project.status() == [" M src/keep.txt", "?? todo.txt"]
    assert project.subjects("HEAD") == ["Begin", SCAFFOLD]
    assert project.git("rev-parse", "main") == project.git("rev-parse", "HEAD")
    assert not (project.path / "src/feature.txt").exists()
    assert project.git("rev-parse", "feature") == feature
    project.git("switch", "--quiet", "feature")
    assert project.read("src/feature.txt") == "mine\n"
    assert [line for line in project.status() if "docs/ai/" not in line] == [" M src/keep.txt", "?? todo.txt"]
    assert project.git("ls-files", "docs") == ""


def test_dirt_that_a_switch_would_overwrite_stops_the_start(project: Project) -> None:
    feature_branch(project)
    project.write("README.md", "# feature, edited\n")
    index, status = project.git("ls-files", "--stage"), project.status()
    result = project.aiw("milestone", "start", "M01", code=1)
    assert f"the work tree cannot be switched to {BRANCH}" in result.stderr
    assert "README.md" in result.stderr
    assert head(project) == "feature"
    assert project.read("README.md") == "# feature, edited\n"
    assert (project.git("ls-files", "--stage"), project.status()) == (index, status)
    assert project.milestone()["status"] in ("planned", "ready")
    project.git("commit", "--quiet", "-m", "More", "README.md")
    start(project)
    assert project.status() == []
    assert project.git("log", "--format=%s", "main").split("\n").count(SCAFFOLD) == 1


def test_base_in_another_work_tree_gets_the_workspace_there(project: Project) -> None:
    project.git("switch", "--quiet", "-c", "feature")
    worktree = project.path.parent / "wt"
    project.git("worktree", "add", "--quiet", str(worktree), "main")
    start(project)
    assert project.git("status", "--porcelain", cwd=worktree) == ""
    assert (worktree / ".ai-workflow.yaml").is_file()
    assert project.status() == []


def test_a_detached_head_that_nothing_holds_is_not_left(project: Project) -> None:
    project.git("switch", "--quiet", "--detach")
    project.git("commit", "--quiet", "--allow-empty", "-m", "Held by nobody")
    sha = project.git("rev-parse", "--short=10", "HEAD")
    check_refused(project, says=f"HEAD is detached at {sha}, and no branch holds", hint=f"git branch <name> {sha}")
    project.git("branch", "kept")
    start(project)
    assert head(project) == BRANCH


def test_an_unborn_head_beside_base(tmp_path: Path) -> None:
    project = make_project(tmp_path, remote=False, commit=False)
    project.aiw("init")
    project.plan(ONE_TASK)
    project.aiw("plan", "import")
    project.git("symbolic-ref", "HEAD", "refs/heads/trunk")
    check_refused(project, says="base branch main does not exist: HEAD is on trunk", hint="git branch -m")
    project.git("symbolic-ref", "HEAD", "refs/heads/main")
    origin = make_project(tmp_path / "other").origin
    project.git("remote", "add", "origin", str(origin))
    check_refused(project, says="HEAD has no commit yet, but origin/main has", hint="git pull origin main")


def test_a_hook_that_protects_base_refuses_the_workspace_commit(project: Project) -> None:
    protecting = project.write(".git/hooks/pre-commit", "#!/bin/sh\necho main is protected >&2\nexit 1\n", mode=0o755)
    check_refused(project, says="main is protected", hint="put right what git or the hook names")
    assert list((project.path / "docs/ai/workspace/state/intents").glob("*.json")) == []
    protecting.unlink()
    start(project)
    assert project.subjects("main") == ["Begin", SCAFFOLD]


def test_a_branch_of_that_name_with_commits_of_its_own(project: Project) -> None:
    project.git("branch", BRANCH)
    sha = project.git("commit-tree", "-p", "HEAD", "-m", "Somebody's", "HEAD^{tree}")
    project.git("update-ref", f"refs/heads/{BRANCH}", sha)
    result = project.aiw("milestone", "start", "M01", code=1)
    assert f"branch {BRANCH} exists already and has commits of its own" in result.stderr
    assert project.git("rev-parse", BRANCH) == sha
    assert head(project) == "main"
    project.git("update-ref", f"refs/heads/{BRANCH}", "main~1")
    start(project)
    assert project.git("rev-parse", BRANCH) == project.git("rev-parse", "main"), "an empty one is brought to base"


def test_a_branch_of_that_name_on_origin_with_unknown_commits(project: Project) -> None:
    project.git("push", "--quiet", "origin", f"main:{BRANCH}")
    theirs = push_from_elsewhere(project, {"x": "x\n"}, branch=BRANCH)
    result = project.aiw("milestone", "start", "M01", code=1)
    assert f"origin has a branch {BRANCH} with commits that this workspace does not know" in result.stderr
    assert head(project) == "main"
    assert origin_tip(project, BRANCH) == theirs


def test_a_branch_that_stands_in_the_way_of_the_name(project: Project) -> None:
    project.git("branch", "ai")
    result = project.aiw("milestone", "start", "M01", code=1)
    assert f"branch {BRANCH} cannot be made: a branch ai exists" in result.stderr
    assert "git.branch_prefix" in result.stderr


def test_the_second_milestone_starts_from_what_the_first_landed(project: Project) -> None:
    project.next()
    project.write("src/parser.py", "parsed\n")
    project.finish()
    project.next()
    branch = "ai/m02-парсер-ошибки-解析"
    assert head(project) == branch
    assert project.read("src/parser.py") == "parsed\n"
    assert project.git("rev-parse", "HEAD") == project.git("rev-parse", "origin/main")
    project.write("src/errors.py", "x\n")
    project.finish()
    assert [project.milestone(name)["status"] for name in ("M01", "M02")] == ["merged", "merged"]
    assert project.git("branch", "--all", "--format=%(refname:short)").split("\n") == ["main", "origin/main"] or (
        project.git("branch", "--format=%(refname:short)") == "main"
    )


def test_an_active_task_brings_head_back_and_says_what_came_along(project: Project) -> None:
    project.next()
    project.git("switch", "--quiet", "main")
    project.write("src/keep.txt", "dirt from main\n")
    result = project.aiw("agent", "run")
    assert head(project) == BRANCH
    assert f"HEAD was on main and is on {BRANCH} again" in result.stderr
    assert "uncommitted changes came along from there: src/keep.txt" in result.stderr
    assert "Active task: TASK-001" in result.stdout
    other = project.aiw("agent", "run", "--milestone", "M02", code=1)
    assert "M02 cannot be started: TASK-001 of M01 is in progress" in other.stderr
    project.git("switch", "--quiet", "main")
    project.git("branch", "--quiet", "-D", BRANCH)
    gone = project.aiw("agent", "run", code=1)
    assert f"git branch {BRANCH} {project.git('rev-parse', 'main')}" in gone.stderr


def test_a_linked_work_tree_uses_the_state_of_the_main_one(project: Project) -> None:
    start(project)
    worktree = project.path.parent / "wt"
    project.git("worktree", "add", "--quiet", "-b", "side", str(worktree), "main")
    assert project.aiw("status", "--json", cwd=worktree).json["active_milestone"]["id"] == "M01"
    result = project.aiw("agent", "run", cwd=worktree, code=1)
    assert f"{BRANCH} is checked out in {project.path}" in result.stderr
    assert project.task(1)["status"] == "ready"
    assert not (worktree / "docs/ai/workspace/state").exists()


def edit_state(project: Project, rel: str, **fields: object) -> None:
    """Puts values into a state file, as an operator may."""
    path = project.path / "docs/ai/workspace/state" / rel
    path.write_text(json.dumps(json.loads(path.read_text()) | fields, indent=2, sort_keys=True) + "\n")


def test_why_nothing_can_be_claimed_task_by_task(project: Project) -> None:
    start(project)
    edit_state(project, "tasks/TASK-001.json", status="blocked", blocked_reason="the grammar is undecided")
    result = project.aiw("agent", "run", "--mode", "queue", code=1)
    assert "TASK-001 is blocked: the grammar is undecided" in result.stderr
    assert "TASK-002 waits for M01 (in progress)" in result.stderr
    named = project.aiw("agent", "run", "--milestone", "M02", code=1)
    assert "TASK-002 waits for M01 (in progress)" in named.stderr


def test_a_milestone_without_work_left_never_needs_a_branch(project: Project) -> None:
    edit_state(project, "tasks/TASK-001.json", status="cancelled")
    answer = project.next()
    assert answer["task"]["id"] == "TASK-002"
    assert project.milestone("M01")["closeout"]["mode"] == "nothing"
    assert project.git("branch", "--list", "ai/m01*") == ""


def test_closing_an_empty_milestone_leaves_the_active_one_alone(project: Project) -> None:
    project.next()
    edit_state(project, "tasks/TASK-002.json", status="cancelled")
    project.aiw("milestone", "finish", "M02")
    assert project.milestone("M02")["status"] == "merged"
    assert project.state("lanes/core.json")["current_task_id"] == "TASK-001"
    project.write("src/parser.py", "x\n")
    project.finish()
    assert project.milestone()["status"] == "merged"


def test_a_milestone_whose_tasks_needed_no_change_adds_nothing_to_base(project: Project) -> None:
    project.next()
    project.finish("--no-change", "it was so already")
    assert project.milestone()["status"] == "merged"
    assert head(project) == "main"
    assert project.subjects("main") == ["Begin", SCAFFOLD]
    assert project.git("branch", "--format=%(refname:short)") == "main"
