"""Mirrors and audits are functions of the state and say what is unproven (spec §2, §6.4)."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given, settings

from ai_workflow.models.blocker import BlockerRef
from ai_workflow.models.milestone import Closeout, PullRequest, Recovery
from ai_workflow.models.snapshot import Changes
from ai_workflow.models.task import Decision
from ai_workflow.rendering.audits import render_audit
from ai_workflow.rendering.mirrors import (
    milestone_mirror_name,
    render_milestone_mirror,
    render_task_mirror,
    task_mirror_name,
)
from rendering.builders import (
    GOLDEN,
    HOSTILE,
    NOW,
    hostile_texts,
    make_check,
    make_milestone,
    make_plan,
    make_run,
    make_snapshot,
    make_task,
)
from support.golden import assert_golden

BLOCKER = BlockerRef(
    id="BLK-0001",
    klass="checks",
    step="checks",
    message="python -m pytest: exit code 1",
    next_command="aiw agent finish --lane core --task TASK-001 --commit",
    since=NOW,
)
DECISION = Decision(kind="allow", path="docs/a b.md", reason="the title changed", actor="ann", at=NOW)
FULL_TASK = make_task(
    1,
    status="blocked",
    description="Columns count characters.\n\n# not a heading of ours",
    depends_on=("TASK-007", "M02"),
    branch="ai/m01-readable-parser-errors",
    attempts=2,
    run_ids=("RUN-0001", "RUN-0002"),
    notes=("backlog_id: BLG-001",),
    blocker=BLOCKER,
    decisions=(DECISION,),
    claimed_at=NOW,
    audit_path="docs/ai/workspace/reports/audits/TASK-001.md",
)


def test_task_mirror_is_as_kept() -> None:
    snapshot = make_snapshot(FULL_TASK)
    assert_golden(GOLDEN / "mirrors" / "task-full.md", render_task_mirror(snapshot, FULL_TASK))
    plain = make_task(2, title=HOSTILE[0], acceptance_criteria=HOSTILE)
    assert_golden(GOLDEN / "mirrors" / "task-hostile.md", render_task_mirror(snapshot, plain))


def test_task_mirror_depends_on_the_task_alone() -> None:
    alone = make_snapshot(FULL_TASK)
    together = make_plan(3, 3, done=9).apply(Changes(put=(FULL_TASK,)))
    assert render_task_mirror(alone, FULL_TASK) == render_task_mirror(together, FULL_TASK)


def test_milestone_mirror_is_as_kept() -> None:
    tasks = [FULL_TASK, make_task(2, status="done"), make_task(3, title=HOSTILE[1])]
    milestone = make_milestone(
        1,
        tasks,
        status="blocked",
        adr_ids=("ADR-0001",),
        pr=PullRequest(status="created", url="https://forge.test/pr/7"),
        recovery=Recovery(parent_milestone_id="M01", blocked_task_id="TASK-001"),
        closeout=Closeout(
            mode="pull_request", operation="OP-000012-3fa2c1", started_at=NOW, landed_sha="ab12", notes=("left",)
        ),
        blocker=BLOCKER,
        accepted_unproven="shown to the customer",
    )
    text = render_milestone_mirror(make_snapshot(*tasks, milestone), milestone)
    assert_golden(GOLDEN / "mirrors" / "milestone-full.md", text)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Report syntax errors", "TASK-001-report-syntax-errors.md"),
        ("../../etc/passwd: x", "TASK-001-etc-passwd-x.md"),
        ("", "TASK-001-item.md"),
        ("日本語の題名", "TASK-001-日本語の題名.md"),
    ],
)
def test_mirror_names_are_safe_file_names(title: str, name: str) -> None:
    assert task_mirror_name(make_task(1, title=title)) == name
    assert milestone_mirror_name(make_milestone(1, [], title=title)) == name.replace("TASK-001", "M01")


@given(hostile_texts)
def test_mirror_names_have_bounded_slugs(title: str) -> None:
    name = task_mirror_name(make_task(1, title=title * 5))
    assert re.fullmatch(r"TASK-001-[^/\\:\x00-\x1f]+\.md", name)
    assert len(name.encode()) <= len("TASK-001-.md") + 60


@settings(deadline=None, max_examples=50)
@given(hostile_texts, hostile_texts)
def test_hostile_text_adds_no_section_to_a_mirror(text: str, other: str) -> None:
    task = make_task(1, title=text, description=other, acceptance_criteria=(text, other), notes=(text,))
    mirror = render_task_mirror(make_snapshot(task), task)
    assert set(re.findall(r"^#+ (.*)$", mirror, re.MULTILINE)[1:]) <= {
        *("Description", "Acceptance", "Verify", "Conflict scopes", "Notes")
    }
    assert mirror.endswith("edits are overwritten.\n")


def test_ten_thousand_mirrors_take_well_under_two_seconds() -> None:
    snapshot = make_plan(1, 1)
    task = snapshot.tasks["TASK-001"]
    begun = time.process_time()
    for _ in range(10_000):
        render_task_mirror(snapshot, task)
        task_mirror_name(task)
    assert time.process_time() - begun < 2


def audit(task: Any, run: Any, **changed: Any) -> str:
    arguments: dict[str, Any] = {"verdict": "pass", "reasons": (), "decisions": task.decisions}
    return render_audit(task, run, **(arguments | changed))


def test_audit_of_a_task_that_passed() -> None:
    task = make_task(1, status="done", commit_sha="0123456789" * 4)
    run = make_run(
        1,
        tree="fedcba9876" * 4,
        summary="Positions everywhere.",
        checks=(make_check("ruff check ."), make_check()),
        changed_files=("src/parser.py", "tests/test errors.py"),
        also_present=("notes.txt",),
    )
    assert_golden(GOLDEN / "audits" / "passed.md", audit(task, run))


def test_audit_of_a_task_that_failed() -> None:
    checks = (
        make_check("ruff check ."),
        make_check(status="failed", exit_code=1, output_tail=f"{'x' * 79}\n" * 100 + "```\n# E   assert\n"),
        make_check("npm test", status="timed_out", exit_code=None, duration_s=900, timed_out=True),
        make_check("nope", status="not_started", exit_code=None, duration_s=0),
        make_check("crash", status="failed", exit_code=-11),
    )
    run = make_run(1, status="failed", checks=checks, finished_at=None)
    text = audit(FULL_TASK, run, verdict="fail", reasons=("`python -m pytest` failed", HOSTILE[0]))
    assert_golden(GOLDEN / "audits" / "failed.md", text)


def test_unproven_work_is_never_called_proved() -> None:
    task = make_task(1, status="done", unproven="no runner at hand")
    text = audit(task, make_run(1, checks=(make_check(),)))
    assert_golden(GOLDEN / "audits" / "unproven.md", text)
    assert "Proved" not in text
    assert "Not proven: no check ran." in audit(make_task(1), make_run(1))
    failed = make_run(1, checks=(make_check(), make_check(status="failed", exit_code=2)))
    assert "Not proven: 1 of 2 checks passed." in audit(make_task(1), failed)


def test_an_audit_lists_at_most_200_files() -> None:
    run = make_run(1, changed_files=tuple(f"src/{n}.py" for n in range(250)))
    assert "- and 50 more\n" in audit(make_task(1), run)
