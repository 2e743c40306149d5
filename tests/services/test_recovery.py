"""Failing checks open a recovery: one commit in the end, never a nest of milestones (spec §6.6)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.prepared import prepared
from support.project import Project, make_ready

CHECK = "test ! -e ../broken || { echo the reason; exit 1; }"


def prepare(folder: Path) -> Project:
    """TASK-001's first finish has failed."""
    project = make_ready(folder, checks=(CHECK,))
    project.next()
    project.write("src/parser.py", "x\n")
    project.write("../broken", "")
    failed = project.finish(code=1)
    assert "its recovery M01-01 goes on in the same tree (attempt 1 of 2)" in failed.stderr
    assert "the reason" in failed.stderr
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(prepare, tmp_path)


def repair(project: Project) -> None:
    (project.path.parent / "broken").unlink()


def test_the_failed_task_is_blocked_and_one_task_carries_the_evidence(project: Project) -> None:
    task = project.task(1)
    assert (task["status"], task["blocker"]["class"]) == ("blocked", "checks")
    recovery = project.milestone("M01-01")
    assert recovery["task_ids"] == ["TASK-003"]
    assert recovery["branch"] == project.milestone()["branch"]
    assert recovery["recovery"]["parent_milestone_id"] == "M01"
    assert recovery["recovery"]["blocked_task_id"] == "TASK-001"
    prompt = project.read("docs/ai/workspace/prompts/next-core.md")
    assert prompt.startswith("# TASK-003: Recover TASK-001: Consolidate parser cleanup behavior\n")
    assert "the reason" in prompt
    assert project.next()["task"]["id"] == "TASK-003"
    rows = project.aiw("recovery", "list", "--json").json["recoveries"]
    assert [row["id"] for row in rows] == ["M01-01"]


@pytest.mark.parametrize("named", [(), ("--task", "TASK-001"), ("--task", "TASK-003")])
def test_whatever_is_named_the_task_gets_its_one_commit(project: Project, named: tuple[str, ...]) -> None:
    repair(project)
    project.write("src/parser.py", "repaired\n")
    done = project.finish(*named)
    assert done.stdout.startswith("Done: TASK-001 ")
    assert project.subjects() == ["Begin", "aiw: set up workspace", "TASK-001: Consolidate parser cleanup behavior"]
    assert project.git("show", "HEAD:src/parser.py") == "repaired"
    assert (project.task(1)["status"], project.task(3)["status"]) == ("done", "done")
    assert project.milestone("M01-01")["recovery"]["recovery_status"] == "resolved"
    assert project.milestone()["status"] == "in_progress"
    assert project.aiw("status", "--json").json["blockers"] == []
    assert project.finish("--task", "TASK-003").stdout.startswith("Done: TASK-001"), "again, nothing happens"
    assert project.next()["task"]["id"] == "TASK-002"
    project.write("docs/parser.md", "x\n")
    project.finish()
    assert project.milestone()["status"] == "merged"
    assert project.aiw("agent", "run").stdout == "Plan complete: every milestone is merged\n"


def test_it_never_nests_and_ends_with_a_person(project: Project) -> None:
    again = project.finish(code=1)
    assert "(attempt 2 of 2)" in again.stderr
    last = project.finish(code=3)
    assert "its recovery M01-01 has no attempt left" in last.stderr
    assert "aiw recovery start M01-01" in last.stderr
    assert project.task(1)["blocker"]["class"] == "human"
    assert project.milestone("M01-01")["recovery"]["recovery_status"] == "failed"
    assert project.task(3)["status"] == "blocked"
    assert [b["class"] for b in project.aiw("status", "--json").json["blockers"]] == ["human"]
    assert sorted(path.name for path in (project.path / "docs/ai/workspace/state/milestones").iterdir()) == [
        "M01-01.json",
        "M01.json",
    ]
    stuck = project.aiw("agent", "run", code=3)
    assert "TASK-001 is blocked" in stuck.stderr
    assert "lane core has no active task" in project.finish(code=1).stderr
    project.aiw("recovery", "start", "M01-01")
    repair(project)
    project.finish()
    assert project.task(1)["status"] == "done"


def test_aborting_leaves_the_work_and_the_task_to_a_person(project: Project) -> None:
    aborted = project.aiw("recovery", "abort", "M01-01", "--reason", "the check is wrong")
    assert "TASK-001 stays blocked" in aborted.stdout
    assert project.read("src/parser.py") == "x\n"
    assert project.milestone("M01-01")["recovery"]["recovery_status"] == "abandoned"
    assert project.task(3)["status"] == "cancelled"
    assert "abandoned already" in project.aiw("recovery", "abort", "M01-01", "--reason", "x", code=1).stderr
    project.aiw("task", "unblock", "TASK-001")
    assert project.next()["task"]["id"] == "TASK-001"
    failed = project.finish(code=1)
    assert "its recovery M01-02 goes on" in failed.stderr, "a new number, not a nested one"
    repair(project)
    project.finish()
    assert project.task(1)["status"] == "done"


def test_recovery_by_hand_and_switched_off(tmp_path: Path) -> None:
    project = make_ready(tmp_path, checks=(CHECK,))
    text = project.read(".ai-workflow.yaml")
    project.write(".ai-workflow.yaml", text + "recovery:\n  auto_for_failed_checks: false\n")
    project.next()
    project.write("src/parser.py", "x\n")
    refused = project.aiw("recovery", "start", "TASK-001", code=1)
    assert "has no failed finish to recover from" in refused.stderr
    project.write("../broken", "")
    assert "TASK-001 did not pass, and stays active" in project.finish(code=1).stderr
    assert project.task(1)["status"] == "in_progress"
    assert project.aiw("recovery", "start", "TASK-001").stdout.startswith("Recovery M01-01: TASK-003")
    repair(project)
    resolved = project.aiw("recovery", "resolve", "M01-01")
    assert resolved.stdout.startswith("Done: TASK-001")


def test_a_check_that_cannot_start_is_not_the_tasks_fault(tmp_path: Path) -> None:
    project = make_ready(tmp_path, checks=("true",))
    project.next()
    project.write("src/parser.py", "x\n")
    failed = project.finish("--audit", "fail", code=1)
    assert "stays active" in failed.stderr
    assert project.aiw("recovery", "list").stdout == "no recoveries\n"


def test_a_hotfix_in_the_middle_of_a_recovery(project: Project) -> None:
    project.aiw("task", "adhoc", "--kind", "hotfix", "--title", "Fix the login loop", "--start")
    assert project.status() == []
    repair(project)
    project.write("login.py", "x\n")
    project.finish()
    assert project.next()["task"]["id"] == "TASK-003", "back to the recovery"
    assert project.read("src/parser.py") == "x\n"
    project.finish()
    assert project.task(1)["status"] == "done"
    assert project.milestone()["status"] == "in_progress"


def test_cancelling_the_failed_task_ends_its_recovery(project: Project) -> None:
    refused = project.aiw("task", "cancel", "TASK-003", code=1)
    assert "TASK-003 repairs TASK-001" in refused.stderr
    assert "being repaired by M01-01" in project.aiw("task", "unblock", "TASK-001", code=1).stderr
    project.aiw("task", "cancel", "TASK-001", "--reason", "not wanted")
    assert project.task(3)["status"] == "cancelled"
    assert project.milestone("M01-01")["status"] == "cancelled"
    assert project.aiw("status", "--json").json["blockers"] == []


def test_a_plan_does_not_change_a_task_under_its_recovery(project: Project) -> None:
    plan = project.read("docs/ai/plan/milestones.md")
    project.plan(plan.replace("Parser behavior is covered by focused tests.", "Parser behavior is tested."))
    refused = project.aiw("plan", "import", code=1)
    assert "TASK-001 is blocked and the plan changes its acceptance criteria" in refused.stderr


def test_cancelling_the_milestone_ends_the_recovery_too(project: Project) -> None:
    project.aiw("milestone", "cancel", "M01", "--reason", "not wanted")
    assert project.milestone("M01-01")["status"] == "cancelled"
    assert [project.task(number)["status"] for number in (1, 2, 3)] == ["cancelled"] * 3
    assert project.aiw("status", "--json").json["blockers"] == []
    assert project.aiw("agent", "run").stdout == "Plan complete: every milestone is merged\n"


def test_a_recovery_that_was_left_for_a_hotfix_is_taken_up_before_it_is_finished(project: Project) -> None:
    (shown,) = project.aiw("status", "--json").json["blockers"]
    assert shown["next_command"] == "aiw agent finish --lane core --task TASK-001 --commit"
    project.aiw("task", "adhoc", "--kind", "hotfix", "--title", "Mend the keeper", "--start")
    (shown,) = project.aiw("status", "--json").json["blockers"]
    assert shown["next_command"] == "aiw agent run --lane core --mode queue"
    project.write("src/keep.txt", "mended\n")
    repair(project)
    project.finish()
    status = project.aiw("status", "--json").json
    assert status["next_command"] == "aiw agent run --lane core --mode queue"
    assert project.next()["task"]["id"] == "TASK-003"
    (shown,) = project.aiw("status", "--json").json["blockers"]
    assert shown["next_command"] == "aiw agent finish --lane core --task TASK-001 --commit"


def test_a_hotfix_that_is_not_merged_yet_is_told_before_the_recovery_that_was_left_for_it(project: Project) -> None:
    project.aiw("task", "adhoc", "--kind", "hotfix", "--title", "Mend the keeper", "--start")
    project.write("src/keep.txt", "mended\n")
    project.finish("--no-check", "--reason", "it burns", code=3)
    blocked = project.aiw("agent", "run", "--lane", "core", "--mode", "queue", code=3)
    assert "aiw milestone finish M00-01 --accept-unproven 'why'" in blocked.stdout
    project.aiw("milestone", "finish", "M00-01", "--accept-unproven", "looked at by hand")
    assert project.next()["task"]["id"] == "TASK-003"


def test_every_refusal_after_the_last_attempt_leads_back_to_the_recovery(project: Project) -> None:
    project.finish(code=1)
    project.finish(code=3)
    repair(project)
    for refused in (
        ("agent", "finish", "--commit"),
        ("agent", "finish", "--commit", "--task", "TASK-001"),
        ("recovery", "resolve", "M01-01"),
        ("task", "start", "TASK-001"),
    ):
        assert project.aiw(*refused, code=1).stderr.endswith("hint: aiw recovery start M01-01\n"), refused
    told = project.aiw("task", "unblock", "TASK-001", code=1).stderr
    assert "try again (aiw recovery start M01-01) or give it up (aiw recovery abort M01-01" in told
    project.aiw("recovery", "start", "M01-01")
    project.finish("--task", "TASK-001")
    assert project.task(1)["status"] == "done"


def test_a_recovery_that_was_aborted_says_how_its_task_is_taken_up(project: Project) -> None:
    project.aiw("recovery", "abort", "M01-01", "--reason", "not this way")
    project.aiw("task", "adhoc", "--title", "Look into it", "--start")
    refused = project.aiw("recovery", "start", "M01-01", code=1)
    assert refused.stderr == (
        "error: M01-01 is abandoned: there is nothing to start\n"
        "hint: take the task itself up again: aiw task unblock TASK-001\n"
    )
