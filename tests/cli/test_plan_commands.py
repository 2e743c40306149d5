"""`aiw plan …` and what a bad plan, config or id leads to: one clear line, exit 1, nothing written (spec §4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.prepared import prepared
from support.project import PARSER_PLAN, THREE_MILESTONES, Project, make_project

MICRO_TASKS = """# Milestones

## M01 - Parser cleanup

Tasks:

- Add import
Acceptance: Import exists.
Conflict: src/parser.py
- Rename helper
Acceptance: Helper is renamed.
Conflict: src/parser.py
- Write assertion
Acceptance: Assertion exists.
Conflict: tests/test_parser.py
"""


def prepare(folder: Path) -> Project:
    files = {"src/parser.py": "x\n", "tests/test_parser.py": "x\n", "docs/index.md": "x\n"}
    project = make_project(folder, remote=False, files=files)
    project.aiw("init")
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(prepare, tmp_path)


def tasks(project: Project) -> list[dict[str, object]]:
    found: list[dict[str, object]] = project.aiw("task", "list", "--json").json["tasks"]
    return found


def state_bytes(project: Project) -> dict[str, bytes]:
    root = project.path / "docs/ai/workspace/state"
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_micro_tasks_become_one_task_and_nothing_is_lost(project: Project) -> None:
    project.plan(MICRO_TASKS)
    dry = project.aiw("plan", "optimize", "docs/ai/plan/milestones.md", "--dry-run")
    assert project.read("docs/ai/plan/milestones.md") == MICRO_TASKS, "a dry run writes nothing"
    assert "merge" in dry.stdout
    assert "+++ " in dry.stdout
    project.aiw("plan", "optimize", "--apply")
    optimized = project.read("docs/ai/plan/milestones.md")
    plan = project.aiw("plan", "show", "--json").json
    [task] = plan["milestones"][0]["tasks"]
    assert task["acceptance"] == ["Import exists.", "Helper is renamed.", "Assertion exists."]
    assert set(task["conflicts"]) == {"src/parser.py", "tests/test_parser.py"}
    for title in ("Add import", "Rename helper", "Write assertion"):
        assert title in optimized
    again = project.aiw("plan", "optimize", "--apply")
    assert "docs/ai/plan/milestones.md needs no change" in again.stdout
    assert project.read("docs/ai/plan/milestones.md") == optimized
    assert project.aiw("plan", "validate").code == 0


def test_the_public_plan_validates_and_needs_no_change(project: Project) -> None:
    project.plan(PARSER_PLAN)
    assert project.aiw("plan", "validate").stdout.endswith("Plan is valid: 0 errors, 0 warnings, quality 100/100\n")
    assert "needs no change" in project.aiw("plan", "optimize", "--dry-run").stdout


def test_validate_names_places_and_exits_by_level(project: Project) -> None:
    project.plan("# Milestones\n\n## M01 - Things\nTasks:\n- Improve it\n  Conflict: x.py\n")
    result = project.aiw("plan", "validate", code=1)
    assert "error: docs/ai/plan/milestones.md:5:" in result.stdout
    document = project.aiw("plan", "validate", "--json", code=1).json
    assert set(document) == {"valid", "score", "findings"}
    assert not document["valid"]
    assert {"level", "code", "line", "column", "message", "hint"} <= set(document["findings"][0])


def test_strict_refuses_warnings(project: Project) -> None:
    project.plan("# Milestones\n\n## M01 - Things\nTasks:\n- Add the reader module\n  Acceptance: It reads a line.\n")
    assert project.aiw("plan", "validate").stdout == project.aiw("plan", "validate", "--strict", code=1).stdout


def test_import_is_idempotent_and_a_dry_run_writes_nothing(project: Project) -> None:
    project.plan(THREE_MILESTONES)
    before = state_bytes(project)
    assert project.aiw("plan", "import", "--dry-run").stdout.count("added ") == 7
    assert state_bytes(project) == before
    project.aiw("plan", "import")
    imported = state_bytes(project)
    assert project.aiw("plan", "import").stdout == "Nothing changed: the plan is imported as it is\n"
    assert state_bytes(project) == imported
    assert [(task["id"], task["status"], task["depends_on"]) for task in tasks(project)] == [
        ("TASK-001", "ready", []),
        ("TASK-002", "planned", ["TASK-001"]),
        ("TASK-003", "planned", ["M01"]),
        ("TASK-004", "ready", []),
    ]
    branches = [m["branch"] for m in project.aiw("milestone", "list", "--json").json["milestones"]]
    assert branches == ["ai/m01-parser-base", "ai/m02-parser-errors", "ai/m10-parser-documentation"]


def test_an_edited_plan_is_reconciled_and_active_work_is_left_alone(project: Project) -> None:
    project.plan(PARSER_PLAN)
    project.next()
    edited = (
        PARSER_PLAN + "- Announce the parser cleanup\nAcceptance: The changelog names it.\nConflict: CHANGELOG.md\n"
    )
    project.plan(edited)
    assert "added      TASK-003  Announce the parser cleanup" in project.aiw("plan", "import").stdout
    assert [task["id"] for task in tasks(project)] == ["TASK-001", "TASK-002", "TASK-003"]
    project.plan(edited.replace("Acceptance: Parser behavior is covered by focused tests.\n", ""))
    before = state_bytes(project)
    result = project.aiw("plan", "import", code=1)
    assert "TASK-001" in result.stderr
    assert state_bytes(project) == before
    project.plan(edited.split("- Update parser documentation")[0])
    project.aiw("plan", "import")
    assert [task["status"] for task in tasks(project)] == ["in_progress", "cancelled", "cancelled"]


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ("", "1:1: "),
        ("# Milestones\n\n## M01 - A\nTasks:\n- Add the reader\n", ":5:1: "),
        ("# Milestones\n\n## M01 - A\nTasks:\n- Add the reader\n  Acceptance: x.\n  Depends: M07\n", ":7:"),
        ("# Milestones\n\n## M01 - A\n\n## M01 - B\n", "M01"),
    ],
)
def test_a_bad_plan_writes_nothing(project: Project, plan: str, says: str) -> None:
    project.plan(plan)
    before = state_bytes(project)
    for command in (("plan", "import"), ("agent", "run"), ("agent", "bootstrap")):
        result = project.aiw(*command, code=1)
        assert says in result.stderr
        assert result.stderr.startswith("error: docs/ai/plan/milestones.md")
        assert state_bytes(project) == before


def test_a_plan_that_is_not_text_names_the_place(project: Project) -> None:
    project.write("docs/ai/plan/milestones.md", b"# Milestones\n\n## M01 - caf\xe9\n")
    result = project.aiw("plan", "validate", code=1)
    assert result.stderr.startswith("error: docs/ai/plan/milestones.md:3")


def test_a_missing_plan_says_how_to_write_one(project: Project) -> None:
    result = project.aiw("agent", "run", "--mode", "queue", code=1)
    assert "error: there is no plan at docs/ai/plan/milestones.md" in result.stderr
    assert "docs/operator/operator.md" in result.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("git:\n  base_brnch: x\n", ".ai-workflow.yaml:2: "),
        ("git: [\n", ".ai-workflow.yaml:"),
        ("scope:\n  policy: maybe\n", ".ai-workflow.yaml:2: "),
        ("workspace_dir: ../outside\n", ".ai-workflow.yaml:1: "),
        ("- a list\n", ".ai-workflow.yaml:1: "),
    ],
)
def test_a_bad_config_is_one_line_for_every_command(project: Project, text: str, says: str) -> None:
    project.write(".ai-workflow.yaml", text)
    for command in (("status",), ("next",), ("plan", "validate"), ("task", "list"), ("init",)):
        result = project.aiw(*command, code=1)
        assert result.stderr.startswith(f"error: {says}"), result
        assert result.stdout == ""


def test_a_cycle_is_printed(project: Project) -> None:
    project.plan(
        "# Milestones\n\n## M01 - A\nTasks:\n- Add the reader\n  Acceptance: It reads.\n  Depends: Add the writer\n"
        "- Add the writer\n  Acceptance: It writes.\n  Depends: Add the reader\n"
    )
    result = project.aiw("plan", "validate", code=1)
    assert "Add the reader" in result.stdout
    assert "cycle" in result.stdout


def test_a_scope_of_thousands_of_folders_is_one_that_matches_nothing(project: Project) -> None:
    project.plan(PARSER_PLAN.replace("docs/parser.md", "a/" * 1500 + "parser.md"))
    found = project.aiw("plan", "validate", "--json").json
    assert [one["code"] for one in found["findings"] if one["message"].startswith("`a/a/")] == ["scope-matches-nothing"]
