"""`aiw agent plan-prompt`: the repository as it is, and a document that keeps what a person wrote (spec §4.5)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.prepared import prepared
from support.project import PARSER_PLAN, THREE_MILESTONES, Project, make_project

DOCUMENT = "docs/operator/operator.md"


def prepare(folder: Path) -> Project:
    files = {
        "src/parser.py": "x\n",
        "tests/test_parser.py": "x\n",
        "docs/index.md": "x\n",
        "pyproject.toml": "[tool.pytest]\n",
        "src/`` evil\n# Milestones\n.py": "x\n",
    }
    project = make_project(folder, remote=False, files=files)
    project.aiw("init")
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(prepare, tmp_path)


def contents(project: Project) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in project.path.rglob("*")
        if path.is_file() and ".git/" not in str(path) and "locks/" not in str(path)
    }


def test_print_shows_the_repository_and_writes_nothing(project: Project) -> None:
    before = contents(project)
    text = project.aiw("agent", "plan-prompt", "--target", "milestones", "--print").stdout
    assert contents(project) == before
    assert project.aiw("agent", "plan-prompt", "--print").stdout == text
    assert project.aiw("agent", "plan-prompt", "--print", "--json").json["prompt"] == text
    assert text.startswith("# Plan the next work on project\n")
    assert "src/  (2 files)\n" in text
    assert "  `` evil # Milestones .py\n" in text
    assert "- Languages, with the number of files: Python (3)\n" in text
    assert "- `python -m pytest`\n" in text
    assert "BLG-001" in text
    assert "docs/ai/START_HERE.md" not in text, "aiw's own files are no context"
    assert len(text.encode()) < 24 * 1024


def test_the_prompts_example_passes_validation_here(project: Project) -> None:
    text = project.aiw("agent", "plan-prompt", "--print").stdout
    [example] = re.findall(r"```markdown\n(.*?)```", text, re.DOTALL)
    assert "Plan is valid: 0 errors" in project.aiw("plan", "validate", "-", stdin=example).stdout


def test_bootstrap_is_about_the_first_work(tmp_path: Path) -> None:
    project = make_project(tmp_path, remote=False, commit=False)
    project.aiw("init")
    text = project.aiw("agent", "plan-prompt", "--target", "bootstrap", "--print").stdout
    assert text.startswith("# Plan the first work on project\n")
    assert "- Files: 3, none of them committed yet\n" in text
    assert "## The first work" in text
    assert "## The first work" not in project.aiw("agent", "plan-prompt", "--print").stdout


def test_selected_items_come_first_and_finished_ones_not_at_all(project: Project) -> None:
    items = [("BLG-001", "idea"), ("BLG-002", "done"), ("BLG-003", "Selected"), ("BLG-004", "archived")]
    text = "".join(f"## {item} - Title of it\n\nStatus: {status}\n\n" for item, status in items)
    project.write("docs/ai/plan/backlog.md", "\ufeff# Backlog\r\n\r\n" + text.replace("\n", "\r\n"))
    shown = project.aiw("agent", "plan-prompt", "--print").stdout
    assert re.findall(r"^## (BLG-\d+)", shown, re.MULTILINE) == ["BLG-003", "BLG-001"]
    for data in (b"", b"\xff\xfe", b"# Backlog\n"):
        project.write("docs/ai/plan/backlog.md", data)
        assert "## Backlog" not in project.aiw("agent", "plan-prompt", "--print").stdout


def test_an_unfinished_plan_is_to_be_repeated_and_goes_on(project: Project) -> None:
    project.plan(THREE_MILESTONES)
    project.aiw("plan", "import")
    text = project.aiw("agent", "plan-prompt", "--print").stdout
    assert "- M10: Parser documentation (ready, 0 of 1 tasks closed)\n" in text
    assert "## M02 - Parser errors" in text
    assert "from M11 on" in text.replace("\n", " ")
    project.plan(PARSER_PLAN)
    assert "Answer with new milestones only, from M11 on" in project.aiw(
        "agent", "plan-prompt", "--print"
    ).stdout.replace("\n", " ")


def test_the_document_is_ours_until_a_person_edits_it(project: Project) -> None:
    prompt = project.aiw("agent", "plan-prompt", "--print").stdout
    result = project.aiw("agent", "plan-prompt")
    assert result.stdout.startswith(f"Wrote {DOCUMENT}\n")
    assert project.read(DOCUMENT) == prompt
    assert project.aiw("agent", "plan-prompt").stdout.startswith(f"Unchanged: {DOCUMENT}\n")
    project.aiw("agent", "plan-prompt", "--target", "bootstrap")
    assert project.read(DOCUMENT).startswith("# Plan the first work")
    project.write(DOCUMENT, "mine\n")
    before = contents(project)
    refused = project.aiw("agent", "plan-prompt", code=1)
    assert f"error: {DOCUMENT} was edited by a person" in refused.stderr
    assert "--print" in refused.stderr
    assert "--force" in refused.stderr
    assert contents(project) == before
    forced = project.aiw("agent", "plan-prompt", "--force")
    assert "is kept in docs/ai/workspace/archive/replaced/operator-" in forced.stdout
    [copy] = (project.path / "docs/ai/workspace/archive/replaced").iterdir()
    assert copy.read_text() == "mine\n"
    project.aiw("init", "--force")
    assert project.read(DOCUMENT).startswith("# Writing a plan\n"), "init brings its own document back"
    (project.path / DOCUMENT).unlink()
    project.aiw("agent", "plan-prompt")
    assert project.read(DOCUMENT) == prompt
