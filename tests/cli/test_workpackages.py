"""`aiw workpackage install`: the pack, its prompts and its plan, all or nothing (spec §6.8)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.prepared import prepared
from support.project import PARSER_PLAN, Project, make_project

PACK = f"""# Pack

Intro.

{PARSER_PLAN}
# Task 1 - Consolidate the parser

Read `src/parser.py`.

```sh
# Task 9 is only a comment here
```

## Task 2: Update the documents

Write.

# Task 1 - more of it

Later.
"""
PLAN_FILE = "docs/ai/plan/milestones.md"
FOLDER = "docs/ai/workspace/generated-packs/parser"


def prepare(folder: Path) -> Project:
    project = make_project(folder, remote=False)
    project.aiw("init")
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(prepare, tmp_path)


def contents(project: Project) -> dict[str, bytes]:
    root = project.path / "docs"
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and "locks/" not in str(path)
    }


def test_a_pack_is_kept_split_and_its_plan_becomes_the_plan(project: Project) -> None:
    project.write("pack.md", PACK)
    result = project.aiw("workpackage", "install", "parser", "--pack", "pack.md")
    assert result.stdout == (
        f"Installed {FOLDER}\n  prompt {FOLDER}/prompts/task-01.md\n  prompt {FOLDER}/prompts/task-02.md\n"
        f"  plan   {PLAN_FILE}\nNext: aiw plan import {PLAN_FILE}\n"
    )
    assert project.read(f"{FOLDER}/execution-pack.md") == PACK
    first = project.read(f"{FOLDER}/prompts/task-01.md")
    assert first.startswith("# Task 1 - Consolidate the parser\n\nRead")
    assert "# Task 9 is only a comment here" in first
    assert first.endswith("# Task 1 - more of it\n\nLater.\n")
    assert project.read(f"{FOLDER}/prompts/task-02.md") == "## Task 2: Update the documents\n\nWrite.\n"
    assert project.read(PLAN_FILE) == PARSER_PLAN
    assert project.aiw("task", "list", "--json").json == {"tasks": []}
    before = contents(project)
    again = project.aiw("workpackage", "install", "--slug", "parser", "--pack", "pack.md")
    assert again.stdout.startswith(f"Already installed: {FOLDER}\n")
    assert contents(project) == before


def test_import_takes_the_plan_over_too(project: Project) -> None:
    result = project.aiw("workpackage", "install", "parser", "--pack", "-", "--import", "--optimize-plan", stdin=PACK)
    assert "Imported: 1 milestone and 2 tasks added" in result.stdout
    assert len(project.aiw("task", "list", "--json").json["tasks"]) == 2


def test_a_pack_without_a_plan_is_installed_unless_a_plan_is_wanted(project: Project) -> None:
    pack = "# Task 1\n\nDo it.\n"
    before = contents(project)
    for option in ("--optimize-plan", "--import"):
        refused = project.aiw("workpackage", "install", "parser", "--pack", "-", option, code=1, stdin=pack)
        assert refused.stderr.startswith("error: standard input: the text holds no plan\n")
    nothing = project.aiw("workpackage", "install", "parser", "--pack", "-", code=1, stdin="Hello.\n")
    assert "holds neither a plan nor a heading" in nothing.stderr
    assert contents(project) == before
    result = project.aiw("workpackage", "install", "parser", "--pack", "-", stdin=pack)
    assert "  the pack holds no plan; the plan file is as it was\n" in result.stdout
    assert not (project.path / PLAN_FILE).exists()


def test_another_plan_or_pack_in_the_way_leaves_everything_as_it_was(project: Project) -> None:
    project.plan("# Milestones\n\nmine\n")
    before = contents(project)
    refused = project.aiw("workpackage", "install", "parser", "--pack", "-", code=1, stdin=PACK)
    assert "holds another plan" in refused.stderr
    assert contents(project) == before
    (project.path / PLAN_FILE).unlink()
    project.aiw("workpackage", "install", "parser", "--pack", "-", stdin=PACK)
    other = PACK.replace("Intro.", "Other.")
    refused = project.aiw("workpackage", "install", "parser", "--pack", "-", code=1, stdin=other)
    assert f"{FOLDER} holds another pack" in refused.stderr
    forced = project.aiw("workpackage", "install", "parser", "--pack", "-", "--force", stdin=other)
    assert "what stood there before is kept in docs/ai/workspace/archive/replaced/parser-" in forced.stdout
    assert project.read(f"{FOLDER}/execution-pack.md") == other
    [kept] = (project.path / "docs/ai/workspace/archive/replaced").iterdir()
    assert (kept / "execution-pack.md").read_text() == PACK


@pytest.mark.parametrize("slug", ["../evil", "a/b", ".", "", "x" * 65, "ünïcode", "a b", "-x"])
def test_a_slug_is_never_a_path(project: Project, slug: str) -> None:
    before = contents(project)
    refused = project.aiw("workpackage", "install", f"--slug={slug}", "--pack", "-", code=2, stdin=PACK)
    assert "cannot name a workpackage" in refused.stderr
    assert contents(project) == before


def test_usage_and_unreadable_packs(project: Project) -> None:
    assert "no slug is given" in project.aiw("workpackage", "install", "--pack", "x", code=2).stderr
    two = project.aiw("workpackage", "install", "a", "--slug", "b", "--pack", "x", code=2)
    assert "two slugs are given" in two.stderr
    assert "there is no pack at x.md" in project.aiw("workpackage", "install", "a", "--pack", "x.md", code=1).stderr
    assert "cannot read" in project.aiw("workpackage", "install", "a", "--pack", ".", code=1).stderr
    binary = project.aiw("workpackage", "install", "a", "--pack", "-", code=1, stdin=b"# Task 1\n\xff\n")
    assert "standard input:2: byte 0xff is not UTF-8" in binary.stderr


def test_a_plan_with_errors_is_kept_for_correction_but_not_imported(project: Project) -> None:
    pack = "# Milestones\n\n## M01 - Things\nTasks:\n- Add the reader module\n"
    result = project.aiw("workpackage", "install", "things", "--pack", "-", stdin=pack)
    assert "error: standard input:5:1: `Add the reader module` has no Acceptance" in result.stderr
    assert result.stdout.endswith(f"Next: aiw plan validate {PLAN_FILE}\n")
    (project.path / PLAN_FILE).unlink()
    before = contents(project)
    project.aiw("workpackage", "install", "other", "--pack", "-", "--import", code=1, stdin=pack)
    assert contents(project) == before
