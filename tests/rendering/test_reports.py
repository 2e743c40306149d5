"""The reports and the text of a pull request: functions of the state, bounded, and inert (spec §6.5, §6.8)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ai_workflow.models.blocker import Blocker
from ai_workflow.models.lane import Lane
from ai_workflow.models.snapshot import Changes, Damage, Snapshot
from ai_workflow.models.task import Decision
from ai_workflow.rendering.git_report import BranchLine, GitFacts, render_git_report
from ai_workflow.rendering.graph import Node, escape_label, render_graph
from ai_workflow.rendering.pr_body import render_pr_body
from ai_workflow.rendering.reports import (
    render_lane_report,
    render_milestone_report,
    render_status_report,
    render_task_report,
)
from ai_workflow.rendering.tables import render_table
from rendering.builders import (
    GOLDEN,
    HOSTILE,
    NOW,
    hostile_texts,
    make_adr,
    make_check,
    make_milestone,
    make_plan,
    make_run,
    make_snapshot,
    make_task,
)
from support.golden import assert_golden

FACTS = GitFacts(
    head="ai/m02-x",
    remote="origin",
    base="origin/main",
    bases=(BranchLine(branch="main", local_tip="a" * 40, remote_tip="b" * 40, ahead=1, behind=0),),
    branches=(
        BranchLine(branch="ai/m02-x", milestone_id="M02", local_tip="c" * 40, remote_tip=None, ahead=3, behind=2),
    ),
)
Render = Callable[[Snapshot], str]
REPORTS: dict[str, Render] = {
    "status": lambda s: render_status_report(s, command_prefix="uv run", next_command="uv run aiw next"),
    "task-monitor": lambda s: render_task_report(s, command_prefix="uv run"),
    "milestone-monitor": lambda s: render_milestone_report(s, command_prefix="uv run"),
    "lane-monitor": lambda s: render_lane_report(s, command_prefix="uv run"),
    "git-monitor": lambda s: render_git_report(s, FACTS, command_prefix="uv run"),
}


def make_blocker(number: int = 1, **fields: Any) -> Blocker:
    values: dict[str, Any] = {
        "id": f"BLK-{number:04d}",
        "klass": "push",
        "step": "push-base",
        "message": "main could not be pushed",
        "since": NOW,
        "next_command": "aiw milestone finish M01",
        "blocked_milestone_id": "M01",
    }
    return Blocker(**(values | fields))


def make_begun(**fields: Any) -> Snapshot:
    """M01 done but for its merge, which is blocked; M02 with a task under way."""
    snapshot = make_plan(3, 3, done=4, **fields)
    tasks = snapshot.tasks
    active = replace(tasks["TASK-005"], status="in_progress", started_at=NOW, claimed_at=NOW, lane_id="core")
    done = replace(
        tasks["TASK-001"],
        commit_sha="f" * 40,
        run_ids=("RUN-0001",),
        finished_at=NOW,
        verify=("make test",),
        decisions=(Decision(kind="allow", path="a|b.txt", reason="needed | so", actor="ann", at=NOW),),
    )
    unproven = replace(tasks["TASK-002"], commit_sha="e" * 40, unproven="nobody wrote tests", finished_at=NOW)
    checks = (make_check("make test"), make_check("ruff | cat"))
    run = make_run(1, checks=checks, changed_files=("src/a.py", "src/b.py", "docs/x.md"), also_present=("x",))
    lane = Lane(
        id="core", status="active", milestone_id="M02", current_task_id="TASK-005", created_at=NOW, updated_at=NOW
    )
    other = replace(tasks["TASK-007"], depends_on=("M01", "TASK-004", "TASK-099"))
    extra = (active, done, unproven, run, lane, other, make_blocker(), make_adr(1), make_adr(2, applies_to=("M09",)))
    return snapshot.apply(Changes(put=extra))


def hostile_snapshot() -> Snapshot:
    fields: dict[str, Any] = {"acceptance_criteria": HOSTILE, "verify": HOSTILE, "description": HOSTILE[2]}
    tasks = [make_task(n, title=HOSTILE[n - 1], **fields) for n in (1, 2, 3)]
    tasks[0] = replace(tasks[0], status="done", unproven=HOSTILE[1], run_ids=("RUN-0001",))
    run = make_run(1, actor=HOSTILE[0], checks=tuple(make_check(text) for text in HOSTILE), changed_files=HOSTILE)
    milestone = make_milestone(1, tasks, title=HOSTILE[0], goal=HOSTILE[1], branch=HOSTILE[2])
    blocker = make_blocker(message=HOSTILE[2], next_command=HOSTILE[1], step=HOSTILE[0])
    lane = Lane(id="core", branch=HOSTILE[0], created_at=NOW, updated_at=NOW)
    return make_snapshot(*tasks, run, milestone, blocker, lane, make_adr(1, title=HOSTILE[2]), project_name=HOSTILE[0])


def assert_well_formed(text: str) -> None:
    assert len(text.encode()) <= 60_000
    assert text.startswith("# ")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b]", text)
    head = 0
    for line in text.split("\n"):
        if line.startswith("|"):
            cells = len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) - 1
            head = head or cells
            assert cells == head, line
        else:
            head = 0
    for body in re.findall(r"^```mermaid\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL):
        for line in body.split("\n"):
            assert re.fullmatch(
                r'graph LR|  n\d+\["[\w .,#;-]*"\](:::\w+)?|  n\d+ --> n\d+|  classDef \w+ [\w:#,]+', line
            ), line


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize(
    ("case", "snapshot"), [("empty", make_snapshot()), ("begun", make_begun()), ("hostile", hostile_snapshot())]
)
def test_report_is_as_kept(case: str, snapshot: Snapshot, name: str) -> None:
    text = REPORTS[name](snapshot)
    assert_well_formed(text)
    assert_golden(GOLDEN / "reports" / case / f"{name}.md", text)


@pytest.mark.parametrize("name", REPORTS)
def test_a_large_plan_is_summarised_and_says_so(name: str) -> None:
    snapshot = make_plan(100, 10, done=437, title="A title that goes on " * 250)
    text = REPORTS[name](snapshot)
    assert_well_formed(text)
    assert REPORTS[name](snapshot) == text
    if name == "task-monitor":
        assert "… and 503 more, see `uv run aiw task list`" in text
        assert "437 of 1000 (43 %) done" in text
    if name == "milestone-monitor":
        assert "… and 40 more, see `uv run aiw milestone list`" in text


def test_damage_is_told_in_every_report() -> None:
    base = make_begun()
    entities = {type(task): {task.id: task} for task in base.tasks.values()}
    damage = Damage(path="docs/ai/workspace/state/tasks/TASK-009.json", line=1, message="the file is cut off")
    snapshot = Snapshot(project=base.project, entities=entities, damaged=(damage,))
    for render in REPORTS.values():
        assert "`docs/ai/workspace/state/tasks/TASK-009.json`: the file is cut off" in render(snapshot)


def test_labels_hold_nothing_that_mermaid_reads() -> None:
    label = escape_label('end "x] --> y`<b>&#34;%%{init}%%\n\u202eé日')
    assert re.fullmatch(r"[\w .,#;-]+", label)
    assert label.startswith("end #34;x#93; --#62; y#96;#60;b#62;#38;#35;34#59;")
    assert "é日" in escape_label("é日")
    assert len(escape_label("a" * 5000)) <= 70


def test_arrows_are_bounded_and_those_to_nowhere_left_out() -> None:
    nodes = [Node(id=f"T{n}", title="x", status="ready") for n in range(40)]
    lines = render_graph(nodes, {node.id: [other.id for other in nodes] for node in nodes})
    assert sum(" --> " in line for line in lines) == 200
    assert lines[-1] == "1400 more arrows are left out."
    assert sum(" --> " in line for line in render_graph(nodes, {"T1": ["nowhere"]})) == 0


@pytest.mark.parametrize(
    ("cell", "shown"),
    [("a|b", r"a\|b"), (r"a\|b", r"a\|b"), (r"a\\|b", r"a\\\|b"), ("`x|y`", r"`x\|y`"), ("", "-")],
)
def test_no_bar_ends_a_cell(cell: str, shown: str) -> None:
    assert render_table(("Head",), [(cell,)])[2] == f"| {shown} |"


def render_body(snapshot: Snapshot, milestone_id: str = "M01") -> str:
    milestone = snapshot.milestones[milestone_id]
    return render_pr_body(snapshot, milestone, target_branch="main", command_prefix="uv run")


@pytest.mark.parametrize(("case", "snapshot"), [("begun", make_begun()), ("hostile", hostile_snapshot())])
def test_request_text_is_as_kept(case: str, snapshot: Snapshot) -> None:
    text = render_body(snapshot)
    assert_well_formed(text)
    assert_golden(GOLDEN / "reports" / case / "pull-request.md", text)


def test_only_checks_that_passed_prove_anything() -> None:
    task = make_task(1, status="done", commit_sha="f" * 40, run_ids=("RUN-0001",), verify=("make test",))

    def proof(run: Any, **fields: Any) -> str:
        changed = replace(task, **fields)
        snapshot = make_snapshot(changed, run, make_milestone(1, [changed]))
        section = render_body(snapshot).partition("## Acceptance\n")[2]
        return section.split("\n")[3]

    passed = make_run(1, checks=(make_check("make test"), make_check("ruff")))
    assert (
        proof(passed)
        == "Proved together by its own `make test` and the project's `ruff`, passed on the committed tree (RUN-0001)."
    )
    failed = make_run(1, checks=(make_check("make test"), make_check("ruff", status="failed", exit_code=1)))
    assert proof(failed) == "**Unproven**: 1 of 2 checks passed (RUN-0001)."
    assert proof(make_run(1)) == "**Unproven**: no check ran."
    assert proof(passed, unproven="no time") == "**Unproven**: no time"
    assert proof(passed, status="skipped") == "Not done: the task is skipped."
    assert proof(passed, status="in_progress") == "Unproven: the task is in progress."
    assert "without a change" in proof(passed, no_change_reason="was so already")


def test_a_request_text_that_is_too_long_is_shortened_and_says_so() -> None:
    tasks = [
        make_task(n, title="t" * 5000, acceptance_criteria=("a" * 5000,) * 14, description="d" * 5000)
        for n in range(1, 41)
    ]
    text = render_body(make_snapshot(*tasks, make_milestone(1, tasks, title="x" * 5000, goal="g" * 20_000)))
    assert_well_formed(text)
    assert "Shortened: texts are cut at " in text
    assert "more" in text


@settings(deadline=None, max_examples=40)
@given(st.lists(hostile_texts, min_size=4, max_size=4), st.integers(min_value=0, max_value=100))
def test_hostile_text_breaks_neither_structure_nor_size(texts: list[str], length: int) -> None:
    title, goal, line, other = (text * (1 + length // 5) for text in texts)
    done = make_task(
        1, status="done", title=title, unproven=goal or None, acceptance_criteria=(line,) * 20, run_ids=("RUN-0001",)
    )
    tasks = [done, *(make_task(n, title=title, depends_on=(other, "M02")) for n in range(2, 9))]
    run = make_run(1, actor=other, checks=(make_check(other), make_check(line)), changed_files=(title, line))
    milestone = make_milestone(1, tasks, title=title, goal=goal, branch=other)
    blocker = make_blocker(message=line, next_command=other, step=title)
    lane = Lane(id="core", branch=line, created_at=NOW, updated_at=NOW)
    snapshot = make_snapshot(*tasks, run, milestone, blocker, lane, make_adr(1, title=line), project_name=title)
    for render in REPORTS.values():
        assert_well_formed(render(snapshot))
    assert_well_formed(render_body(snapshot))
