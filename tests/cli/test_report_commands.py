"""`aiw report`: written only when different, the same for the same state, and the tree stays clean (spec §6.8)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.landing import configure
from support.prepared import prepared
from support.project import PARSER_PLAN, Project, make_ready

REPORTS = {
    "status": "status.md",
    "tasks": "task-monitor.md",
    "milestones": "milestone-monitor.md",
    "lanes": "lane-monitor.md",
    "git": "git-monitor.md",
}
FOLDER = "docs/ai/workspace/reports"


def prepare(folder: Path) -> Project:
    project = make_ready(folder, plan=PARSER_PLAN)
    project.next()
    project.write("src/parser.py", "x\n")
    project.finish()
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The first of two tasks is done."""
    return prepared(prepare, tmp_path)


def generated(project: Project) -> dict[str, tuple[int, bytes]]:
    folders = ("docs/ai/workspace", "docs/operator")
    files = [path for folder in folders for path in (project.path / folder).rglob("*.md")]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.mark.parametrize("name", REPORTS)
def test_one_report_is_written_and_printed(project: Project, name: str) -> None:
    shown = project.aiw("report", name)
    assert shown.stdout == project.read(f"{FOLDER}/{REPORTS[name]}")
    document = project.aiw("report", name, "--json").json
    assert (document["path"], document["text"]) == (f"{FOLDER}/{REPORTS[name]}", shown.stdout)
    assert not [
        other for other in REPORTS.values() if other != REPORTS[name] and (project.path / FOLDER / other).exists()
    ]


def test_all_brings_everything_up_to_date_and_prints_where(project: Project) -> None:
    (project.path / "docs/ai/workspace/current-status.md").write_text("scribble\n")
    (project.path / "docs/operator/queue-run.md").write_text("scribble\n")
    next((project.path / "docs/ai/workspace/tasks").iterdir()).unlink()
    owned = project.read("docs/ai/START_HERE.md") + "mine\n"
    project.write("docs/ai/START_HERE.md", owned)
    project.git("commit", "-q", "-m", "Mine", "docs/ai/START_HERE.md")
    result = project.aiw("report", "all")
    assert result.stdout.split("\n")[:-1] == [
        *[f"{FOLDER}/{name}" for name in REPORTS.values()],
        *[f"docs/ai/workspace/{name}.md" for name in ("active-roadmap", "current-status", "next-handoff")],
        "docs/operator/queue-run.md",
        "docs/ai/workspace/milestones/",
        "docs/ai/workspace/tasks/",
    ]
    assert project.status() == []
    assert project.read("docs/ai/START_HERE.md") == owned
    assert len(list((project.path / "docs/ai/workspace/tasks").iterdir())) == 2
    assert "TASK-002" in project.read("docs/operator/queue-run.md")
    before, serial = generated(project), project.state("project.json")["serial"]
    assert project.aiw("report", "all").stdout == result.stdout
    assert generated(project) == before, "nothing that is as it was is written"
    assert project.state("project.json")["serial"] == serial


def test_what_blocks_is_in_the_reports_and_the_request_text_is_kept_up(project: Project) -> None:
    configure(project, closeout_mode="pull_request")
    project.next()
    project.write("docs/parser.md", "x\n")
    project.finish(code=3)
    text = project.aiw("report", "git").stdout
    assert "| BLK-0001 | M01 | pr, pull-request |" in text
    assert "| M01 | blocked | `ai/m01-parser-cleanup` |" in text
    body = f"{FOLDER}/pr/M01.md"
    kept = project.read(body)
    project.write(body, "scribble\n")
    assert body in project.aiw("report", "all").stdout.split("\n")
    assert project.read(body) == kept
    assert "aiw milestone finish M01" in project.aiw("report", "status").stdout


def test_damage_is_told_and_nothing_is_made_of_half_a_state(project: Project) -> None:
    project.write("docs/ai/workspace/state/tasks/TASK-002.json", "{")
    handoffs = {name: project.read(f"docs/ai/workspace/{name}") for name in ("current-status.md", "next-handoff.md")}
    mirrors = sorted((project.path / "docs/ai/workspace/tasks").iterdir())
    result = project.aiw("report", "all", code=5)
    assert result.stdout.split("\n")[:-1] == [f"{FOLDER}/{name}" for name in REPORTS.values()]
    assert "left as they were" in result.stderr
    assert {name: project.read(f"docs/ai/workspace/{name}") for name in handoffs} == handoffs
    assert sorted((project.path / "docs/ai/workspace/tasks").iterdir()) == mirrors
    assert "state/tasks/TASK-002.json" in project.aiw("report", "tasks", code=5).stdout


def test_a_folder_in_the_place_of_a_report(project: Project) -> None:
    (project.path / FOLDER / "status.md").mkdir()
    assert "status.md" in project.aiw("report", "status", code=1).stderr


def test_from_a_folder_below_and_before_any_plan(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False)
    (project.path / "src").mkdir(exist_ok=True)
    assert "Tasks: none." in project.aiw("report", "status", cwd=project.path / "src").stdout
    assert "No milestone has a branch now." in project.aiw("report", "git").stdout
