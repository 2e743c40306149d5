"""From a planning model's answer to the plan file and the state: `plan … -` (spec §4.5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.prepared import prepared
from support.project import PARSER_PLAN, THREE_MILESTONES, Project, make_project

PLAN_FILE = "docs/ai/plan/milestones.md"
OTHER = """# Milestones

## M01 - Release notes
Tasks:
- Write the notes of the release
  Acceptance: docs/notes.md names every change.
  Conflict: docs/notes.md
"""


def answer(plan: str) -> str:
    return f"Sure! Here is your plan.\n\n```markdown\n{plan}```\n\nLet me know if you want changes.\n"


def prepare(folder: Path) -> Project:
    files = {"src/parser.py": "x\n", "tests/test_parser.py": "x\n", "docs/index.md": "x\n"}
    project = make_project(folder, remote=False, files=files)
    project.aiw("init")
    project.checks("true")
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(prepare, tmp_path)


def contents(project: Project) -> dict[str, bytes]:
    root = project.path / "docs"
    skipped = ("locks/",)
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not any(part in str(path) for part in skipped)
    }


def test_an_answer_becomes_the_plan_file_and_the_state(project: Project) -> None:
    result = project.aiw("plan", "import", "-", stdin=answer(PARSER_PLAN))
    assert result.stdout == f"Wrote {PLAN_FILE}\nImported: 1 milestone and 2 tasks added\n"
    assert result.stderr == "note: left out 1 line before the plan\nnote: left out 1 line after the plan\n"
    assert project.read(PLAN_FILE) == PARSER_PLAN
    assert project.aiw("plan", "import").stdout == "Nothing changed: the plan is imported as it is\n"
    before = contents(project)
    again = project.aiw("plan", "import", "-", stdin=answer(PARSER_PLAN))
    assert again.stdout == "Nothing changed: the plan is imported as it is\n"
    assert contents(project) == before
    assert project.next()["task"]["id"] == "TASK-001"


def test_a_dry_run_and_the_commands_that_only_look_write_nothing(project: Project) -> None:
    before = contents(project)
    dry = project.aiw("plan", "import", "-", "--dry-run", "--force", stdin=answer(THREE_MILESTONES))
    assert "Would import: 3 milestones and 4 tasks added" in dry.stdout
    assert project.aiw("plan", "validate", "-", stdin=answer(PARSER_PLAN)).stdout.startswith("Plan is valid: 0 errors")
    shown = project.aiw("plan", "optimize", "-", "--dry-run", stdin=answer(PARSER_PLAN)).stdout
    assert shown == "standard input needs no change\n"
    assert project.aiw("plan", "show", "-", stdin=answer(OTHER)).stdout.startswith("# Milestones\n\n## M01 - Release")
    refused = project.aiw("plan", "optimize", "-", "--apply", code=2, stdin=answer(PARSER_PLAN))
    assert "aiw plan import - --optimize" in refused.stderr
    assert contents(project) == before


def test_findings_name_the_lines_of_the_answer(project: Project) -> None:
    plan = OTHER.replace("  Acceptance: docs/notes.md names every change.\n", "")
    result = project.aiw("plan", "validate", "-", code=1, stdin=answer(plan))
    assert "error: standard input:8:1: `Write the notes of the release` has no Acceptance" in result.stdout
    before = contents(project)
    refused = project.aiw("plan", "import", "-", code=1, stdin=answer(plan))
    assert "error: standard input:8:1:" in refused.stderr
    assert contents(project) == before


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "standard input: there is no text to take a plan from"),
        ("I am sorry, I cannot do that.\n", "standard input: the text holds no plan"),
        (b"# Milestones\n\n## M01 \xff\n", "standard input:3: byte 0xff is not UTF-8"),
        (answer(OTHER) + answer(PARSER_PLAN), "standard input: the text holds 2 different plans"),
    ],
)
def test_no_plan_is_one_clear_error(project: Project, given: str | bytes, says: str) -> None:
    before = contents(project)
    for command in (("plan", "import", "-"), ("plan", "validate", "-"), ("plan", "optimize", "-", "--dry-run")):
        result = project.aiw(*command, code=1, stdin=given)
        assert result.stderr.startswith(f"error: {says}")
        assert "\nhint: " in result.stderr
    assert contents(project) == before


def test_a_plan_that_is_not_imported_is_not_written_over_without_force(project: Project) -> None:
    project.plan(OTHER)
    before = contents(project)
    refused = project.aiw("plan", "import", "-", code=1, stdin=PARSER_PLAN)
    assert f"{PLAN_FILE} holds another plan, which is not imported yet" in refused.stderr
    assert contents(project) == before
    forced = project.aiw("plan", "import", "-", "--force", "--json", stdin=PARSER_PLAN).json
    assert (forced["changed"], forced["written"]) == (True, PLAN_FILE)
    [copy] = (project.path / "docs/ai/workspace/archive/replaced").iterdir()
    assert copy.read_text() == OTHER
    assert project.read(PLAN_FILE) == PARSER_PLAN


def test_force_reconciles_and_drops_no_work(project: Project) -> None:
    project.aiw("plan", "import", "-", stdin=PARSER_PLAN)
    project.next()
    project.write("src/parser.py", "y\n")
    project.finish()
    edited = PARSER_PLAN.replace(
        "- Update parser documentation",
        "- Announce it in the changelog\nAcceptance: It names it.\n- Update parser documentation",
    )
    refused = project.aiw("plan", "import", "-", code=1, stdin=edited)
    assert "another plan is being worked through (M01 not finished)" in refused.stderr
    project.aiw("plan", "import", "-", "--force", stdin=edited)
    tasks = project.aiw("task", "list", "--json").json["tasks"]
    assert [(task["id"], task["status"]) for task in tasks] == [
        ("TASK-001", "done"), ("TASK-002", "planned"), ("TASK-003", "ready"),
    ]  # fmt: skip
    before = contents(project)
    project.next()
    assert "TASK-003" in project.aiw("plan", "import", "-", "--force", code=1, stdin=OTHER).stderr
    assert project.read(PLAN_FILE) == edited
    assert before["ai/plan/milestones.md"] == edited.encode()


def test_optimize_writes_the_optimised_plan_and_imports_that(project: Project) -> None:
    micro = "# Milestones\n\n## M01 - Parser\nTasks:\n" + "".join(
        f"- {title}\n  Acceptance: {title} is there.\n  Conflict: src/parser.py\n"
        for title in ("Add import", "Rename helper", "Write assertion")
    )
    dry = project.aiw("plan", "import", "-", "--optimize", "--dry-run", stdin=answer(micro))
    assert "Would import: 1 milestone and 1 task added" in dry.stdout
    result = project.aiw("plan", "import", "-", "--optimize", stdin=answer(micro))
    assert f"Wrote {PLAN_FILE}, optimised\n" in result.stdout
    assert [task["id"] for task in project.aiw("task", "list", "--json").json["tasks"]] == ["TASK-001"]
    assert project.aiw("plan", "import").stdout == "Nothing changed: the plan is imported as it is\n"


def test_optimize_of_a_file_is_not_written_when_the_import_is_refused(project: Project) -> None:
    bad = "# Milestones\n\n## M01 - Parser\nTasks:\n- Add import\n  Conflict: a\n- Rename helper\n  Conflict: a\n"
    project.plan(bad)
    project.aiw("plan", "import", "--optimize", code=1)
    assert project.read(PLAN_FILE) == bad


def test_unfinished_work_counts_wherever_its_plan_lies(project: Project) -> None:
    project.write("mine.md", PARSER_PLAN)
    project.aiw("plan", "import", "mine.md")
    refused = project.aiw("plan", "import", "-", code=1, stdin=OTHER)
    assert "another plan is being worked through (M01 not finished)" in refused.stderr
    assert not (project.path / PLAN_FILE).exists()
    assert project.aiw("plan", "import", "-", stdin=PARSER_PLAN).stdout.startswith(f"Wrote {PLAN_FILE}\n")


def test_after_a_finished_plan_the_next_one_needs_no_force(project: Project) -> None:
    project.aiw("plan", "import", "-", stdin=OTHER)
    project.next()
    project.write("docs/notes.md", "y\n")
    assert "Merged M01" in project.finish().stdout
    result = project.aiw("plan", "import", "-", stdin=PARSER_PLAN)
    assert "is kept in docs/ai/workspace/archive/replaced/milestones-" in result.stdout
    assert project.next()["task"]["id"] == "TASK-002"
