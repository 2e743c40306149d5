"""Uninstall removes exactly what aiw put there, and says what it leaves (spec §6.10)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.project import Project, make_project, make_ready

pytestmark = pytest.mark.slow


def tree(project: Project) -> dict[str, bytes | None]:
    """Everything but `.git`: files with their bytes, folders with None."""
    found = [path for path in project.path.rglob("*") if path.relative_to(project.path).parts[0] != ".git"]
    return {str(path.relative_to(project.path)): path.read_bytes() if path.is_file() else None for path in found}


def work_through(project: Project) -> None:
    project.next()
    project.write("src/parser.py", "x\n")
    project.finish()
    project.next()
    project.write("docs/parser.md", "x\n")
    project.finish()


@pytest.mark.parametrize("gitignore", [None, b"", b"*.log", b"*.log\n", b"a\r\nb\r\n", b"\xff\n", b"x\n\n\n"])
def test_init_and_uninstall_leave_no_trace(tmp_path: Path, gitignore: bytes | None) -> None:
    project = make_project(tmp_path, remote=False)
    if gitignore is not None:
        project.write(".gitignore", gitignore)
        project.git("add", ".gitignore")
        project.git("commit", "-qm", "Ignore")
    before, refs, status = tree(project), project.git("for-each-ref"), project.status()
    inside = sorted(path.name for path in (project.path / ".git").iterdir())
    project.aiw("init")
    assert tree(project) != before
    project.aiw("uninstall", "--yes")
    assert (tree(project), project.git("for-each-ref"), project.status()) == (before, refs, status)
    assert sorted(path.name for path in (project.path / ".git").iterdir()) == inside


def test_without_a_terminal_it_needs_yes(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.aiw("init")
    before = tree(project)
    assert "aiw uninstall --yes" in project.aiw("uninstall", code=2).stderr
    assert tree(project).keys() == before.keys()


def test_a_rehearsal_says_what_the_removal_does(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    before = tree(project)
    rehearsed = project.aiw("uninstall", "--dry-run", "--json").json
    assert tree(project) == before
    removed = project.aiw("uninstall", "--yes", "--json").json
    assert {**rehearsed, "outcome": "removed"} == removed
    assert project.aiw("uninstall", "--yes", "--json").json["outcome"] == "nothing"


def test_tracked_files_become_uncommitted_deletions(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    work_through(project)
    head = project.git("rev-parse", "HEAD")
    done = project.aiw("uninstall", "--yes", "--json").json
    assert project.git("rev-parse", "HEAD") == head
    assert ".ai-workflow.yaml" in done["tracked"]
    assert {line[:2] for line in project.status() if ".gitignore" not in line} == {" D", "??"}
    assert done["branches"] == []
    assert project.git("for-each-ref", "refs/aiw") == ""


def test_what_a_person_wrote_stays_and_is_named(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    project.aiw("adr", "new", "Errors are values", "-d", "They are.")
    project.aiw("backlog", "add", "--title", "An item of mine")
    project.write("docs/operator/operator.md", "# mine\n")
    project.write("docs/ai/notes.md", "mine\n")
    done = project.aiw("uninstall", "--yes", "--json").json
    left = {one["path"]: one["why"] for one in done["left"]}
    assert left == {
        "docs/ai/plan/backlog.md": "holds your items",
        "docs/operator/operator.md": "was changed since aiw wrote it",
        "docs/ai/workspace/adr/ADR-0001-errors-are-values.md": "is a decision record",
        "docs/ai/plan/milestones.md": "is your plan",
        ".ai-workflow.yaml": "was changed by you and is in no commit",
    }
    assert set(left) | {"docs/ai/notes.md"} <= {rel for rel, data in tree(project).items() if data is not None}
    assert not (project.path / "docs/ai/workspace/state").exists()


def test_a_config_that_head_holds_goes(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    work_through(project)
    project.aiw("uninstall", "--yes")
    assert not (project.path / ".ai-workflow.yaml").exists()
    assert "checks" in project.git("show", "HEAD:.ai-workflow.yaml")


def test_work_under_way_refuses_until_forced(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False)
    project.next()
    project.write("src/parser.py", "x\n")
    before = tree(project)
    result = project.aiw("uninstall", "--yes", code=1)
    assert "TASK-001 (Consolidate parser cleanup behavior) is in progress" in result.stderr
    project.finish()
    assert "not merged yet: M01 on ai/m01-parser-cleanup" in project.aiw("uninstall", "--yes", code=1).stderr
    assert ".ai-workflow.yaml" in tree(project)
    assert before.keys() <= tree(project).keys()
    done = project.aiw("uninstall", "--yes", "--force", "--json").json
    assert done["branches"] == ["ai/m01-parser-cleanup"]
    assert project.subjects("ai/m01-parser-cleanup")[-1].startswith("TASK-001")


def parked(tmp_path: Path) -> Project:
    project = make_ready(tmp_path, remote=False)
    project.next()
    project.write("src/parser.py", "begun\n")
    task = project.aiw("task", "adhoc", "--kind", "hotfix", "--title", "Fix the login", "--json").json["id"]
    project.aiw("agent", "task", task)
    return project


def test_parked_work_stays_unless_it_is_discarded(tmp_path: Path) -> None:
    project = parked(tmp_path)
    done = project.aiw("uninstall", "--yes", "--force", "--json").json
    assert [one["path"] for one in done["left"] if one["path"].startswith("refs/")] == ["refs/aiw/parked/TASK-001"]
    assert project.git("show", "refs/aiw/parked/TASK-001:work/src/parser.py") == "begun"


def test_discarded_parked_work_goes(tmp_path: Path) -> None:
    project = parked(tmp_path)
    project.aiw("uninstall", "--yes", "--force", "--discard-parked")
    assert project.git("for-each-ref", "refs/aiw") == ""


def test_a_damaged_state_needs_force(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    project.write("docs/ai/workspace/state/project.json", "{")
    assert "is damaged" in project.aiw("uninstall", "--yes", code=5).stderr
    project.aiw("uninstall", "--yes", "--force")
    assert not (project.path / "docs/ai/workspace/state").exists()


def test_another_workspace_of_the_repository_is_left_alone(tmp_path: Path) -> None:
    project = make_project(tmp_path, files={"one/a": "a\n", "two/a": "a\n"})
    project.aiw("-C", "one", "init")
    project.aiw("-C", "two", "init")
    project.git("update-ref", "refs/aiw/landed/M01", "HEAD")
    done = project.aiw("-C", "one", "uninstall", "--yes", "--json").json
    assert done["left"] == [{"path": "refs/aiw/landed/M01", "why": "another workspace of this repository may need it"}]
    assert sorted(path.name for path in (project.path / "one").iterdir()) == ["a"]
    project.aiw("-C", "two", "status")


def test_a_linked_work_tree_points_to_the_main_one(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    project.git("add", "--all")
    project.git("commit", "-qm", "Scaffold")
    project.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "linked")
    result = project.aiw("uninstall", "--yes", code=1, cwd=tmp_path / "linked")
    assert f"aiw -C {project.path} uninstall" in result.stderr


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.aiw("init")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept\n")
    (project.path / "docs/ai/workspace/state/link").symlink_to(outside)
    project.aiw("uninstall", "--yes")
    assert (outside / "kept").read_text() == "kept\n"
    assert not (project.path / "docs").exists()


def test_init_after_an_uninstall_begins_anew_when_told_and_ids_go_on(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False)
    work_through(project)
    project.aiw("uninstall", "--yes", "--force")
    result = project.aiw("init", code=1)
    assert result.stderr.endswith("in which ids go on: aiw init --anew\n")
    project.aiw("init", "--anew")
    handed = project.next()
    assert (handed["task"]["id"], handed["task"]["workpackage"]) == ("TASK-003", 2)


def test_ids_of_unmerged_branches_are_not_given_out_again_after_an_uninstall(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False)
    project.next()
    project.write("src/parser.py", "x\n")
    project.finish()
    project.aiw("uninstall", "--yes", "--force")
    project.git("checkout", "-qf", "main")
    project.aiw("uninstall", "--yes", "--force")
    assert "aiw state rebuild" in project.aiw("init", code=1).stderr
    project.aiw("init", "--anew")
    assert project.next()["task"]["id"] == "TASK-002"


def test_files_in_the_generated_folders_that_are_not_aiws_stay(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False)
    work_through(project)
    project.aiw("report", "all")
    folder = "docs/ai/workspace"
    mine = [f"{folder}/{rel}" for rel in ("prompts/notes.md", "reports/audits/mine.txt", "tasks/drafts/one.md")]
    for rel in mine:
        project.write(rel, "mine\n")
    rehearsed = project.aiw("uninstall", "--dry-run", "--json").json
    removed = project.aiw("uninstall", "--yes", "--json").json
    assert {**rehearsed, "outcome": "removed"} == removed
    assert {one["path"] for one in removed["left"] if one["why"] == "is not aiw's"} == set(mine)
    files = (path for path in (project.path / folder).rglob("*") if path.is_file())
    assert sorted(str(path.relative_to(project.path)) for path in files) == sorted(mine)
