"""What somebody else's repository brings makes aiw neither write outside of it nor start a program (spec §7.7)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.project import Project, make_project, make_ready

READING = (
    ("status",),
    ("task", "list"),
    ("milestone", "list"),
    ("backlog", "list"),
    ("adr", "list"),
    ("op", "log"),
    ("trust", "--status"),
    ("doctor",),
    ("plan", "validate", "docs/ai/plan/milestones.md"),
)


@pytest.mark.parametrize(
    "link", ["docs", "docs/ai", "docs/ai/workspace", "docs/ai/plan", "docs/operator", "docs/ai/START_HERE.md"]
)
def test_init_follows_no_link_out_of_the_root(tmp_path: Path, link: str) -> None:
    project = make_project(tmp_path, remote=False)
    outside = tmp_path / "outside"
    outside.mkdir()
    (project.path / link).parent.mkdir(parents=True, exist_ok=True)
    (project.path / link).symlink_to(outside)
    result = project.aiw("init", code=1)
    assert "leads out of the project" in result.stderr
    assert list(outside.iterdir()) == []
    assert not (project.path / ".ai-workflow.yaml").exists()


@pytest.mark.parametrize("link", ["docs/ai/workspace/adr", "docs/ai/workspace/prompts", "docs/ai/workspace/state"])
def test_no_command_follows_a_link_that_came_later(tmp_path: Path, link: str) -> None:
    project = make_ready(tmp_path, remote=False)
    outside = tmp_path / "outside"
    place = project.path / link
    if place.exists():
        place.rename(outside)
    else:
        outside.mkdir()
        place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(outside)
    before = {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()}
    result = project.aiw("agent", "run", code=1)
    assert "leads out of the project" in result.stderr
    assert {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()} == before


def _set_traps(project: Project) -> Path:
    """Every setting of git that names a program, set in the repository's own config; each would leave a mark."""
    mark = project.path.parent / "started"
    trap = project.write("../trap", f'#!/bin/sh\necho "$0 $*" >> "{mark}"\nexec cat\n', mode=0o755)
    for key in (
        "core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "core.askPass", "diff.external",
        "sequence.editor", "diff.trap.command", "diff.trap.textconv", "merge.trap.driver", "alias.status", "pager.log",
        "pager.status", "credential.helper", "gpg.program", "interactive.diffFilter", "uploadpack.packObjectsHook",
    ):  # fmt: skip
        project.git("config", key, f"!{trap}" if key.startswith("alias.") else str(trap))
    project.write(".gitattributes", "* diff=trap merge=trap\n")
    return mark


def test_commands_that_show_start_no_program_of_the_repositorys_config(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False)
    project.next()
    project.write("src/keep.txt", "changed\n")
    mark = _set_traps(project)
    for words in READING:
        project.aiw(*words, code=None)
    assert not mark.exists(), mark.read_text()


def test_a_finish_starts_no_program_that_shows_or_compares(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False)
    project.next()
    project.write("src/parser.py", "parsed\n")
    mark = _set_traps(project)
    project.git("config", "--unset", "core.editor")
    project.finish("--allow", ".gitattributes", "--reason", "a trap")
    assert not mark.exists(), mark.read_text()


@pytest.mark.parametrize(
    "title", ["-rf", "--upload-pack=touch x", "$(touch x)", "`touch x`; touch x", "../../x", "x\x1b[31m"]
)
def test_titles_never_reach_a_shell_or_an_option(tmp_path: Path, title: str) -> None:
    project = make_ready(tmp_path, remote=True)
    project.plan(project.read("docs/ai/plan/milestones.md").replace("Parser cleanup", title))
    project.next()
    branch = project.git("symbolic-ref", "--short", "HEAD")
    assert branch.startswith("ai/m01"), branch
    assert not set(branch) & set(" $`;~^:?*[\\\x1b"), branch
    assert ".." not in branch
    assert not (project.path / "x").exists()
