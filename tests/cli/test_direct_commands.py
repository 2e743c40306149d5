"""Deciding about tasks, milestones, lanes, runs and prompts by command (spec §6.8)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.prepared import prepared
from support.project import PARSER_PLAN, THREE_MILESTONES, Project, make_planned, make_ready


def prepare(folder: Path) -> Project:
    """Three milestones imported; TASK-001 of M01 is under way with a changed file."""
    project = make_ready(folder, plan=THREE_MILESTONES, remote=False)
    project.next()
    project.write("src/parser.py", "x\n")
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(prepare, tmp_path)


def test_an_edit_stays_until_the_plan_says_something_else(tmp_path: Path) -> None:
    project = make_planned(tmp_path)
    told = project.aiw("task", "edit", "2", "--title", "Describe the parser", "--acceptance", "It is described.")
    assert told.stdout == "Edited TASK-002: title, acceptance criteria\n"
    project.plan(PARSER_PLAN.replace("Parser docs describe the cleanup behavior.", "Parser docs are right."))
    project.aiw("plan", "import")
    task = project.task(2)
    assert task["title"] == "Describe the parser"
    assert task["acceptance_criteria"] == ["Parser docs are right."]
    assert project.aiw("plan", "import").stdout.startswith("Nothing changed")
    assert "nothing to edit was given" in project.aiw("task", "edit", "2", code=2).stderr
    assert "lies outside the git work tree" in project.aiw("task", "edit", "2", "--scope", "../../x", code=1).stderr


def test_a_wider_scope_is_a_recorded_decision_and_counts_at_once(project: Project) -> None:
    project.write("src/lexer.py", "x\n")
    assert "outside the scope" in project.finish(code=1).stderr
    assert "needs a reason" in project.aiw("task", "edit", "1", "--add-scope", "src/lexer.py", code=2).stderr
    project.aiw("task", "edit", "1", "--add-scope", "src/lexer.py", "--reason", "the parser needs it")
    assert "src/lexer.py" in project.aiw("prompt", "print").stdout
    project.finish()
    (decision,) = project.task(1)["decisions"]
    assert (decision["kind"], decision["path"], decision["reason"]) == (
        "add-scope",
        "src/lexer.py",
        "the parser needs it",
    )


def test_task_done_is_finish(project: Project) -> None:
    assert "TASK-002 is planned" in project.aiw("task", "done", "TASK-002", code=1).stderr
    done = project.aiw("task", "done", "TASK-001", "--commit", "--summary", "parsed")
    assert done.stdout.startswith("Done: TASK-001 ")
    assert project.task(1)["commit_sha"] == project.git("rev-parse", "HEAD")


def test_skipping_and_cancelling(project: Project) -> None:
    skipped = project.aiw("task", "skip", "TASK-001", "--reason", "done by hand")
    assert skipped.stdout.startswith("Skipped TASK-001: Add the parser module\nIts uncommitted work stays in the tree")
    assert project.next()["task"]["id"] == "TASK-002", "its dependants go on"
    assert project.git("show", "refs/aiw/parked/TASK-001:work/src/parser.py") == "x"
    cancelled = project.aiw("task", "cancel", "TASK-002", "--reason", "not wanted")
    assert "Cancelled TASK-002" in cancelled.stdout
    refused = project.aiw("task", "skip", "TASK-002", code=1)
    assert "task TASK-002 is cancelled: skip is not possible" in refused.stderr
    assert project.next()["task"]["id"] == "TASK-003", "M01 is complete, so M02 follows"
    assert project.milestone()["status"] == "merged"


def test_what_waits_for_a_cancelled_task_is_named_with_the_way_on(project: Project) -> None:
    told = project.aiw("task", "cancel", "TASK-001")
    assert "Waiting for it, and now for ever: TASK-002" in told.stdout
    assert "aiw task edit TASK-002 --depends none" in told.stdout
    project.aiw("task", "edit", "TASK-002", "--depends", "none")
    assert project.next()["task"]["id"] == "TASK-002"


def test_cancelling_a_milestone_in_the_middle(project: Project) -> None:
    told = project.aiw("milestone", "cancel", "M01", "--reason", "not wanted")
    assert told.stdout == (
        "Cancelled M01: Parser base\nIts branch ai/m01-parser-base stays, with what was committed on it\n"
    )
    assert [project.task(number)["status"] for number in (1, 2)] == ["cancelled", "cancelled"]
    handed = project.next()
    assert handed["task"]["id"] == "TASK-004", "M02 needs M01; M10 does not"
    assert project.status() == []
    assert project.git("show", "refs/aiw/parked/TASK-001:work/src/parser.py") == "x"
    project.write("docs/grammar.md", "x\n")
    project.finish()
    stuck = project.aiw("agent", "run", code=1)
    assert "TASK-003 waits for M01 (cancelled)" in stuck.stderr
    assert "is not possible" in project.aiw("milestone", "cancel", "M01", code=1).stderr


def test_a_milestone_closed_incomplete(project: Project) -> None:
    project.finish()
    refused = project.aiw("milestone", "finish", "M01", code=1)
    assert "M01 still has open tasks: TASK-002 (ready)" in refused.stderr
    assert "needs a reason" in project.aiw("milestone", "finish", "M01", "--allow-incomplete", code=2).stderr
    project.aiw("milestone", "finish", "M01", "--allow-incomplete", "--reason", "tests come later")
    assert project.milestone()["status"] == "merged"
    assert project.task(2)["status"] == "skipped"


def test_a_lane_is_paused_resumed_closed_and_freed(project: Project) -> None:
    project.aiw("lane", "pause", "core")
    project.aiw("lane", "pause", "core")
    refused = project.aiw("agent", "run", code=1)
    assert "lane core is paused" in refused.stderr
    assert "hint: aiw lane resume core" in refused.stderr
    project.finish()
    assert project.aiw("lane", "show", "core").json["status"] == "paused", "what was under way could be finished"
    assert "Resumed lane core: it is active" in project.aiw("lane", "resume", "core").stdout
    assert "lane core is active: resume is not possible" in project.aiw("lane", "resume", "core", code=1).stderr
    project.next()
    project.write("tests/test_parser.py", "x\n")
    assert "lane core is on M01" in project.aiw("lane", "finish", "core", code=1).stderr
    assert "takes its task and milestone" in project.aiw("lane", "cleanup", "core", code=2).stderr
    freed = project.aiw("lane", "cleanup", "core", "--force", "--reason", "its agent is gone")
    assert freed.stdout == "Freed lane core; its work is untouched\n"
    assert (project.task(2)["status"], project.milestone()["status"]) == ("ready", "ready")
    assert project.read("tests/test_parser.py") == "x\n"
    assert project.next()["task"]["id"] == "TASK-002"
    project.finish()
    project.aiw("lane", "finish", "core")
    assert project.aiw("lane", "show", "core").json["status"] == "finished"
    assert project.next()["task"]["id"] == "TASK-003", "starting a milestone opens it again"


def test_runs_by_hand_prove_nothing(project: Project) -> None:
    assert project.aiw("run", "list").stdout.split("\n")[1].startswith("RUN-0001  started")
    project.aiw("run", "finish", "RUN-0001", "--status", "completed", "--summary", "says who")
    assert project.task(1)["status"] == "in_progress"
    again = project.aiw("run", "finish", "1", code=1)
    assert "run RUN-0001 is completed: complete is not possible" in again.stderr
    assert project.aiw("run", "start", "--summary", "second try").stdout == "RUN-0002 of TASK-001 is under way\n"
    assert project.aiw("run", "start", "--json").json["id"] == "RUN-0002"
    assert "TASK-002 is planned" in project.aiw("run", "start", "--task", "2", code=1).stderr
    project.finish()
    assert project.aiw("run", "show", "RUN-0002").json["commit_sha"] == project.git("rev-parse", "HEAD")
    assert [row["id"] for row in project.aiw("run", "list", "-t", "1", "--json").json["runs"]] == [
        "RUN-0001",
        "RUN-0002",
    ]
    assert "run RUN-0099 does not exist" in project.aiw("run", "finish", "99", code=1).stderr


def test_a_reviewers_verdict_is_kept_and_proves_nothing(project: Project) -> None:
    told = project.aiw("agent", "audit", "TASK-001", "--result", "pass", "--check", "read the diff")
    assert told.stdout.startswith("Recorded for TASK-001: pass. It proves nothing; checks do\n")
    assert project.task(1)["status"] == "in_progress"
    project.finish()
    assert "read the diff" in project.read("docs/ai/workspace/reports/audits/TASK-001.md")


def test_prompts_by_hand(tmp_path: Path) -> None:
    project = make_planned(tmp_path, remote=False)
    ahead = project.aiw("prompt", "next", "--no-claim")
    assert ahead.stdout == "Prompt: docs/ai/workspace/prompts/next-core.md\n"
    assert "**Claim first.**" in project.read("docs/ai/workspace/prompts/next-core.md")
    assert project.task(1)["status"] == "ready"
    assert "Claim first" in project.read(project.aiw("prompt", "task", "2", "--json").json["prompt"])
    whole = project.aiw("prompt", "milestone", "M01", "--json").json
    assert whole["prompt"] == "docs/ai/workspace/prompts/M01.milestone.md"
    assert "TASK-001" in whole["text"]
    assert "TASK-002" in whole["text"]
    printed = project.aiw("prompt", "print")
    assert printed.stdout == project.read("docs/ai/workspace/prompts/next-core.md")
    assert "Claim first" not in printed.stdout
    assert project.task(1)["status"] == "in_progress"


def test_status_names_the_command_that_helps(project: Project) -> None:
    def following() -> str:
        text: str = project.aiw("status", "--json").json["next_command"]
        return text

    assert following() == "aiw agent finish --lane core --task TASK-001 --commit"
    project.aiw("task", "block", "TASK-001", "needs an account")
    assert following() == "aiw agent run --lane core --mode queue", "M10 can be worked on"
    assert "clear it: aiw task unblock TASK-001" in project.aiw("status").stdout
    project.aiw("task", "skip", "TASK-004")
    assert following() == "aiw task unblock TASK-001"
    project.aiw("lane", "pause")
    assert following() == "aiw lane resume core"
    assert "lane        core is paused" in project.aiw("status").stdout


def test_a_reason_and_a_scope_are_given_as_elsewhere(project: Project) -> None:
    project.aiw("task", "block", "TASK-001", "--reason", "needs an account")
    assert project.task(1)["blocked_reason"] == "needs an account"
    assert "say what it waits for: --reason" in project.aiw("task", "block", "TASK-001", code=2).stderr
    added = project.aiw("backlog", "add", "--title", "Sort the names", "--scope", "sort.js", "--json").json
    assert added["item"]["conflict_scopes"] == ["sort.js"]
