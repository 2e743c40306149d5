"""Text from a plan is inert wherever it is shown, and too much of it breaks nothing (spec §7.7)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.prepared import prepared
from support.project import Project, make_planned

CONTROL = "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b31m \x85 \x90q \x7f \x08\x08"
DIRECTION = "\u202eevil\u202c \u2066x\u2069 \u200f \u200b \u2028 \ufeff"
MARKUP = "[bold]x[/red] *b* _i_ `code` <b>t</b> <!-- c --> ![i](j) | a | ``` {{ x }} {% y %} $(touch pwned) end"
LONG = "very" * 1250
TITLES = (
    f"Add the control {CONTROL} module",
    f"Add the direction {DIRECTION} module",
    f"Add the markup {MARKUP} module",
    f"Add the long {LONG} module",
)
PLAN = "# Milestones\n\n" + "".join(
    f"## M{number:02d} - {title}\nGoal: {title}\nTasks:\n- {title}\n  Acceptance: {title}\n  Conflict: src/a.py\n\n"
    for number, title in enumerate(TITLES, 1)
)
SHOWING = (
    ("status",),
    ("task", "list"),
    *(("task", "show", str(number)) for number in (1, 2, 3, 4)),
    ("milestone", "list"),
    *(("milestone", "show", str(number)) for number in (1, 2, 3, 4)),
    ("lane", "list"),
    ("lane", "show"),
    ("plan", "show"),
    ("plan", "validate"),
    ("plan", "optimize", "--dry-run"),
    ("plan", "import", "--dry-run"),
    *(("report", name) for name in ("all", "status", "tasks", "milestones", "lanes", "git")),
    *(("milestone", "pr", str(number)) for number in (1, 2, 3, 4)),
    ("git", "cleanup"),
    ("git", "pr", "1"),
    ("git", "push", "1"),
    ("next",),
)


def prepare(folder: Path) -> Project:
    project = make_planned(folder, plan=PLAN)
    project.next()
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(prepare, tmp_path)


def assert_inert(text: str) -> None:
    assert {char for char in text if not char.isprintable()} <= {"\n"}


@pytest.mark.parametrize("command", SHOWING, ids=" ".join)
def test_it_is_inert_on_a_terminal_and_whole_in_json(project: Project, command: tuple[str, ...]) -> None:
    shown = project.aiw(*command, code=None)
    assert shown.code in (0, 3), shown
    assert_inert(shown.stdout)
    assert_inert(shown.stderr)
    document = project.aiw(*command, "--json", code=None)
    assert_inert(document.stdout)
    assert isinstance(json.loads(document.stdout), dict)
    assert not (project.path / "pwned").exists()


def test_json_keeps_every_character(project: Project) -> None:
    stored = [project.task(number)["title"] for number in (1, 2, 3, 4)]
    shown = [task["title"] for task in project.aiw("task", "list", "--json").json["tasks"]]
    assert shown == stored
    assert len(shown[3]) > 5000
    assert "\x1b" in shown[0]
    assert "\x9b" in shown[0]
    assert "\u202e" in shown[1]


def test_generated_files_are_inert(project: Project) -> None:
    project.aiw("report", "all")
    for path in (project.path / "docs").rglob("*.md"):
        if path.name != "milestones.md":
            assert not {char for char in path.read_text() if ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0} - {
                "\n",
                "\t",
            }
            assert not {char for char in path.read_text() if char in "\u202a\u202b\u202c\u202d\u202e\u2066\u2069\u200f"}
    for name in ("active-roadmap.md", "current-status.md", "next-handoff.md"):
        assert (project.path / "docs/ai/workspace" / name).stat().st_size <= 8192


def test_the_status_stays_one_screen(project: Project) -> None:
    lines = project.aiw("-C", str(project.path), "status").stdout.split("\n")
    assert len(lines) < 20
    assert max(map(len, lines)) < 1200
