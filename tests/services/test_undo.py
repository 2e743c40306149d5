"""`aiw op log`, `op show` and `undo`: everything back as it was, and nothing of the user's touched (spec §7.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.prepared import prepared
from support.project import LINKED_PLAN, Project, make_ready

BACKLOG = "docs/ai/plan/backlog.md"
BRANCH = "ai/m01-parser-cleanup"


def prepare_finished(folder: Path) -> Project:
    """The first task is done."""
    project = make_ready(folder, plan=LINKED_PLAN, remote=False)
    project.next()
    project.write("src/parser.py", "x\n")
    project.finish()
    return project


def prepare_merged(folder: Path) -> Project:
    """Both tasks are done, and the milestone is merged into main."""
    project = prepare_finished(folder)
    project.next()
    project.write("docs/parser.md", "x\n")
    project.finish()
    return project


@pytest.fixture
def finished(tmp_path: Path) -> Project:
    return prepared(prepare_finished, tmp_path)


@pytest.fixture
def merged(tmp_path: Path) -> Project:
    return prepared(prepare_merged, tmp_path)


def operations(project: Project) -> list[Any]:
    found: list[Any] = project.aiw("op", "log", "--json").json["operations"]
    return found


def everything(project: Project) -> tuple[object, ...]:
    """State, branches, index and work tree, without what only grows: the log, its counters and times."""
    folder = project.path / "docs/ai/workspace/state"
    state = {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*.json")
        if path.parent.name != "operations" and path.name != "project.json"
    }
    top = project.state("project.json")
    for key in ("serial", "updated_at"):
        top.pop(key)
    top["counters"] = {**top["counters"], "operation": 0, "run": 0, "blocker": 0}
    files = {
        str(path.relative_to(project.path)): path.read_bytes()
        for path in project.path.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and "/.git/" not in str(path)
        and "/docs/ai/workspace/" not in str(path)
    }
    git = tuple(
        project.git(*args)
        for args in (
            ("for-each-ref", "refs/heads"),
            ("symbolic-ref", "HEAD"),
            ("ls-files", "--stage"),
            ("status", "--porcelain"),
        )
    )
    return state, top, files, git


def test_a_finish_comes_back_as_work_in_the_tree(finished: Project) -> None:
    sha = finished.git("rev-parse", "HEAD")
    done = finished.aiw("undo")
    assert "Undone: finish TASK-001" in done.stdout
    assert finished.task(1)["status"] == "in_progress"
    assert finished.task(2)["status"] == "planned"
    assert finished.status() == ["?? src/parser.py"]
    assert finished.subjects()[-1] == "aiw: set up workspace"
    assert finished.git("symbolic-ref", "--short", "HEAD") == BRANCH
    assert "Status: active" in finished.read(BACKLOG)
    assert finished.git("for-each-ref", "--format=%(objectname)", "refs/aiw/undone") == sha
    assert finished.aiw("doctor", "--json").json["findings"] == []
    finished.finish()
    assert finished.task(1)["status"] == "done"
    assert finished.subjects().count("TASK-001: Consolidate parser cleanup behavior") == 1


def test_what_was_staged_before_the_commit_is_staged_again(tmp_path: Path) -> None:
    project = make_ready(tmp_path, plan=LINKED_PLAN, remote=False)
    project.next()
    project.write("src/parser.py", "x\n")
    project.git("add", "src/parser.py")
    project.write("src/parser.py", "x\ny\n")
    before = project.git("ls-files", "--stage", "src")
    project.finish()
    project.aiw("undo")
    assert project.git("ls-files", "--stage", "src") == before
    assert project.read("src/parser.py") == "x\ny\n"


def test_an_undo_is_undone_and_everything_is_as_before_it(merged: Project) -> None:
    before = everything(merged)
    undone = merged.aiw("undo", "--json").json
    assert everything(merged) != before
    merged.aiw("undo", undone["id"])
    assert everything(merged) == before
    assert [one["name"] for one in operations(merged)][:2] == [
        "redo finish TASK-002 and 1 more",
        "undo finish TASK-002 and 1 more",
    ]


def test_a_finish_and_its_merge_are_one_step(merged: Project) -> None:
    done = merged.aiw("undo")
    assert "Undone: merge M01" in done.stdout
    assert "Undone: finish TASK-002" in done.stdout
    assert merged.git("symbolic-ref", "--short", "HEAD") == BRANCH
    assert merged.subjects("main") == ["Begin", "aiw: set up workspace"]
    assert merged.subjects() == ["Begin", "aiw: set up workspace", "TASK-001: Consolidate parser cleanup behavior"]
    assert merged.status() == ["?? docs/parser.md"]
    assert merged.milestone()["status"] == "in_progress"
    merged.finish()
    assert merged.milestone()["status"] == "merged"
    assert merged.status() == []


def test_undo_goes_back_step_by_step_to_the_very_states_that_were(tmp_path: Path) -> None:
    project = make_ready(tmp_path, plan=LINKED_PLAN, remote=False)
    seen = [everything(project)]

    def step(*args: str) -> None:
        project.aiw(*args)
        seen.append(everything(project))

    step("plan", "import")
    step("backlog", "add", "--title", "Another idea")
    step("adr", "new", "Errors are values", "-d", "They are.")
    step("task", "block", "TASK-002", "nobody is there")
    for expected in reversed(seen[:-1]):
        project.aiw("undo")
        assert everything(project) == expected
    refused = project.aiw("undo", code=1)
    assert "the beginning of this workspace" in refused.stderr
    assert "aiw uninstall" in refused.stderr


def test_everything_back_to_one_operation_takes_the_work_of_all_commits_into_the_tree(merged: Project) -> None:
    first = next(one for one in operations(merged) if one["name"] == "claim TASK-001")
    merged.aiw("undo", first["id"].split("-")[1])
    assert merged.git("symbolic-ref", "--short", "HEAD") == "main"
    assert merged.git("branch", "--format=%(refname:short)") == "main"
    assert {line for line in merged.status() if "docs/ai" not in line} == {"?? docs/parser.md", "?? src/parser.py"}
    assert merged.aiw("task", "list", "--json").json["tasks"] == []
    again = merged.aiw("undo", first["id"])
    assert "undone already" in again.stdout


def test_the_users_changes_are_not_touched(merged: Project) -> None:
    merged.write("src/keep.txt", "mine\n")
    merged.write("src/parser.py", "x\nmore\n")
    merged.write("note.txt", "mine\n")
    merged.git("add", "note.txt")
    merged.write(BACKLOG, merged.read(BACKLOG) + "\nA line of mine.\n")
    merged.aiw("undo")
    assert merged.read("src/keep.txt") == "mine\n"
    assert merged.read("src/parser.py") == "x\nmore\n"
    assert merged.read(BACKLOG).endswith("\nA line of mine.\n")
    assert "A  note.txt" in merged.status()


@pytest.mark.parametrize("publish", ["branch", "base"])
def test_what_is_on_a_remote_is_not_taken_back(tmp_path: Path, publish: str) -> None:
    project = make_ready(tmp_path, plan=LINKED_PLAN)
    project.next()
    project.write("src/parser.py", "x\n")
    project.finish()
    if publish == "branch":
        project.git("push", "--quiet", "origin", BRANCH)
    else:
        project.next()
        project.write("docs/parser.md", "x\n")
        project.finish()
    before = everything(project)
    refused = project.aiw("undo", code=1)
    assert "was published already (origin/" in refused.stderr
    assert "git revert" in refused.stderr
    assert everything(project) == before


def commit_on_top(project: Project) -> None:
    project.write("src/keep.txt", "mine\n")
    project.git("commit", "--quiet", "--all", "-m", "Mine")


def edit_the_same_line(project: Project) -> None:
    project.write(BACKLOG, project.read(BACKLOG).replace("Status: done", "Status: rejected"))


def edit_the_state(project: Project) -> None:
    path = "docs/ai/workspace/state/tasks/TASK-002.json"
    project.write(path, project.read(path).replace('"medium"', '"high"'))


def leave(project: Project) -> None:
    project.git("switch", "--quiet", "--create", "elsewhere")


@pytest.mark.parametrize(
    ("obstacle", "says"),
    [
        (commit_on_top, "has moved since"),
        (edit_the_same_line, "cannot be taken back: the same lines were changed since"),
        (edit_the_state, "tasks/TASK-002.json is not as aiw left it"),
        (leave, "HEAD is on elsewhere, and was on main"),
    ],
)
def test_an_undo_that_cannot_be_whole_does_nothing(merged: Project, obstacle: Any, says: str) -> None:
    first = next(one for one in operations(merged) if one["name"] == "finish TASK-001")
    obstacle(merged)
    before = everything(merged)
    refused = merged.aiw("undo", first["id"], code=1)
    assert says in refused.stderr
    assert "hint: " in refused.stderr
    assert everything(merged) == before
    assert next(one["name"] for one in operations(merged)) == "merge M01"


def test_a_switch_that_git_refuses_leaves_everything_as_it_was(tmp_path: Path) -> None:
    project = make_ready(tmp_path, plan=LINKED_PLAN, remote=False)
    project.next()
    project.git("switch", "--quiet", "main")
    project.write("src/keep.txt", "from main\n")
    project.git("commit", "--quiet", "--all", "-m", "Mine")
    project.git("switch", "--quiet", BRANCH)
    project.write("src/keep.txt", "dirty\n")
    before = everything(project)
    refused = project.aiw("undo", code=1)
    assert "nothing was undone" in refused.stderr
    assert everything(project) == before
    assert project.aiw("doctor", "--json").json["ok"] is True


def test_work_put_aside_is_not_crossed(finished: Project) -> None:
    finished.next()
    finished.write("docs/parser.md", "half\n")
    finished.aiw(
        "task", "adhoc", "--kind", "hotfix", "--title", "Mend the keeper", "--scope", "src/keep.txt", "--start"
    )
    refused = finished.aiw("undo", code=1)
    assert "was put aside" in refused.stderr
    assert finished.task(3)["status"] == "in_progress"


def test_a_reset_is_not_crossed_and_a_restore_brings_the_log_back(finished: Project) -> None:
    finished.aiw("workspace", "reset", "--force")
    assert "aiw workspace restore --list" in finished.aiw("undo", code=1).stderr
    finished.aiw("workspace", "restore")
    finished.aiw("undo")
    assert finished.task(1)["status"] == "in_progress"


def test_the_log_tells_who_did_what_and_what_it_changed(finished: Project) -> None:
    rows = operations(finished)
    assert [row["name"] for row in rows] == [
        "finish TASK-001",
        "claim TASK-001",
        "start M01",
        "set up workspace",
        "import docs/ai/plan/milestones.md",
        "init",
    ]
    assert rows[0]["command"][:2] == ["agent", "finish"]
    assert rows[0]["actor"]
    shown = finished.aiw("op", "show", rows[0]["id"]).stdout
    assert "tasks/TASK-001: status in_progress → done" in shown
    assert f"{BRANCH}: " in shown
    assert f"{BACKLOG}:" in shown
    assert "  - Status: active\n  + Status: done\n" in shown
    lines = finished.aiw("op", "log", "-n", "2")
    assert len(lines.stdout.splitlines()) == 3
    assert "4 older ones" in lines.stderr
    assert finished.aiw("op", "show", "99", code=1).stderr.startswith("error: operation 99 does not exist")


def test_reading_the_log_writes_nothing(finished: Project) -> None:
    before = everything(finished)
    finished.aiw("op", "log")
    finished.aiw("op", "show", "1")
    assert everything(finished) == before


def test_ids_of_runs_are_not_given_again(finished: Project) -> None:
    finished.aiw("undo", next(one["id"] for one in operations(finished) if one["name"] == "claim TASK-001"))
    finished.next()
    assert finished.task(1)["run_ids"] == ["RUN-0002"]


def test_an_open_undo_that_the_log_does_not_know_is_named(finished: Project) -> None:
    import json

    intent = {
        "at": "2026-01-02T03:04:05Z", "branch": "", "head": None, "id": "OP-000099-abcdef", "kind": "undo",
        "schema_version": 2, "since": 1, "tree": "",
    }  # fmt: skip
    finished.write("docs/ai/workspace/state/intents/OP-000099-abcdef.json", json.dumps(intent))
    assert "has no operation OP-000099-abcdef" in finished.aiw("backlog", "select", "1", code=5).stderr
    assert finished.task(1)["status"] == "done"
