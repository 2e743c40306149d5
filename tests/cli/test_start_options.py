"""Every option of 0.1.0 around starting work is accepted and does an honest thing (spec §8)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.project import PARSER_PLAN, make_planned, make_project, make_ready

NO_WORKTREE = (
    "note: --worktree has no effect: lanes in work trees of their own are not in this release;"
    " working in this work tree\n"
)
TWO = """# Milestones

## M01 - First thing
Tasks:
- Write the first file of it
  Acceptance: first.txt is there.
  Conflict: first.txt

## M02 - Second thing
Tasks:
- Write the second file of it
  Acceptance: second.txt is there.
  Conflict: second.txt
"""
STARTS = (
    ("agent", "run", "--lane", "core", "--mode", "single"),
    ("agent", "bootstrap", "--plan", "docs/ai/plan/milestones.md", "--lane", "core"),
    ("milestone", "start", "M01"),
    ("lane", "start", "core", "M01"),
)


@pytest.mark.parametrize("command", STARTS, ids=" ".join)
def test_worktree_is_a_note_and_no_git_a_refusal(tmp_path: Path, command: tuple[str, ...]) -> None:
    project = make_planned(tmp_path, remote=False)
    refused = project.aiw(*command, "--no-git", code=1)
    assert refused.stderr.startswith("error: --no-git is not possible: a milestone is a branch")
    assert project.git("symbolic-ref", "--short", "HEAD") == "main"
    started = project.aiw(*command, "--worktree", "--allow-unmerged-previous")
    assert NO_WORKTREE in started.stderr
    assert project.git("symbolic-ref", "--short", "HEAD") == "ai/m01-parser-cleanup"
    assert len(project.git("worktree", "list").split("\n")) == 1


def test_init_takes_no_git_as_what_it_does_anyway(tmp_path: Path) -> None:
    project = make_project(tmp_path, remote=False)
    assert project.aiw("init", "--no-git").stderr.startswith("note: --no-git has no effect: init makes no branch")


@pytest.mark.parametrize("command", ["run", "bootstrap"])
def test_force_import_reconciles_while_work_is_open(tmp_path: Path, command: str) -> None:
    project = make_ready(tmp_path, remote=False)
    project.next()
    longer = PARSER_PLAN + "- Announce the parser cleanup\nAcceptance: It is named.\nConflict: NEWS.md\n"
    project.plan(longer)
    project.aiw("agent", command)
    assert not (project.path / "docs/ai/workspace/state/tasks/TASK-003.json").exists()
    forced = project.aiw("agent", command, "--force-import")
    assert "imported docs/ai/plan/milestones.md: 1 milestone changed, 1 task added" in forced.stderr
    assert project.task(1)["status"] == "in_progress"
    project.plan(longer.replace("- Consolidate parser cleanup behavior", "- Something else entirely here"))
    refused = project.aiw("agent", command, "--force-import", code=1)
    assert "TASK-001" in refused.stderr
    assert project.task(1)["status"] == "in_progress", "work that was begun is never dropped"


def test_optimize_plan_optimises_what_is_imported_and_says_when_nothing_is(tmp_path: Path) -> None:
    micro = "# Milestones\n\n## M01 - Parser\nTasks:\n" + "".join(
        f"- {title}\n  Acceptance: {title} is there.\n  Conflict: src/parser.py\n"
        for title in ("Add import", "Rename helper")
    )
    project = make_ready(tmp_path, remote=False, plan=micro)
    result = project.aiw("agent", "bootstrap", "--optimize-plan")
    assert "wrote docs/ai/plan/milestones.md, optimised\n" in result.stderr
    assert len(project.aiw("task", "list", "--json").json["tasks"]) == 1
    again = project.aiw("agent", "run", "--optimize-plan")
    assert "is imported already, so it was not optimised" in again.stderr


def test_a_plan_is_found_from_a_sub_folder(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False)
    (project.path / "sub").mkdir()
    (project.path / "docs/ai/plan/milestones.md").rename(project.path / "sub/mine.md")
    done = project.aiw("agent", "bootstrap", "--plan", "mine.md", cwd=project.path / "sub")
    assert "imported sub/mine.md: 1 milestone and 2 tasks added" in done.stderr


def test_an_unmerged_milestone_is_passed_over_only_when_allowed(tmp_path: Path) -> None:
    project = make_ready(tmp_path, plan=TWO)
    config = project.read(".ai-workflow.yaml").replace("closeout_mode: auto", "closeout_mode: pull_request")
    project.write(".ai-workflow.yaml", config)
    project.git("add", "--all")
    project.git("commit", "--quiet", "-m", "Set up")
    project.git("push", "--quiet")
    project.next()
    project.write("first.txt", "x\n")
    project.finish(code=3)
    waiting = project.aiw("agent", "run", code=3)
    assert "Blocked: M01 is finished but not merged" in waiting.stdout
    assert "lane core is still on M01" in project.aiw("milestone", "start", "M02", code=1).stderr
    went_on = project.aiw("agent", "run", "--allow-unmerged-previous")
    assert "Next task: TASK-002" in went_on.stdout
    assert project.git("symbolic-ref", "--short", "HEAD") == "ai/m02-second-thing"
    assert not (project.path / "first.txt").exists(), "the second milestone starts from base"
    assert project.milestone("M01")["status"] == "blocked"
    assert project.aiw("agent", "run").stdout.startswith("Active task: TASK-002")
    project.write("second.txt", "x\n")
    project.finish(code=3)
    ended = project.aiw("agent", "run", "--allow-unmerged-previous", code=3)
    assert ended.stdout.count("Blocked: ") == 2


def test_unfinished_work_is_never_passed_over(tmp_path: Path) -> None:
    project = make_ready(tmp_path, plan=TWO)
    project.aiw("agent", "bootstrap")
    refused = project.aiw("milestone", "start", "M02", "--allow-unmerged-previous", code=1)
    assert "lane core is still on M01" in refused.stderr
