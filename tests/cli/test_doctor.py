"""`aiw doctor`: what a healthy workspace looks like at each step, the shapes it prints, and that it only looks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.project import THREE_MILESTONES, Project, make_planned, make_project, make_ready


def serious(project: Project) -> list[str]:
    """Errors and warnings, as `code path`."""
    found = project.aiw("doctor", "--json", code=None).json["findings"]
    return [f"{one['code']} {one['path']}" for one in found if one["level"] != "info"]


def codes(project: Project) -> list[str]:
    return [one["code"] for one in project.aiw("doctor", "--json", code=None).json["findings"]]


def work(project: Project, rel: str, text: str = "one\n") -> None:
    project.write(rel, text)
    project.finish()


@pytest.mark.parametrize("remote", [True, False])
def test_nothing_is_wrong_at_any_step_of_a_normal_cycle(tmp_path: Path, *, remote: bool) -> None:
    project = make_project(tmp_path, remote=remote)
    project.aiw("init")
    project.checks("true")
    assert serious(project) == []
    project.plan(THREE_MILESTONES)
    assert serious(project) == []
    project.aiw("plan", "import")
    assert serious(project) == []
    project.next()
    assert serious(project) == []
    project.write("src/parser.py", "one\n")
    project.write("notes.txt", "mine\n")
    assert serious(project) == []
    project.finish("--allow", "notes.txt", "--reason", "they belong to it")
    assert serious(project) == []
    project.next()
    work(project, "tests/test_parser.py")
    assert project.milestone("M01")["status"] == "merged"
    assert serious(project) == []
    assert codes(project) == []
    project.next()
    assert serious(project) == []
    work(project, "src/errors.py")
    project.next()
    work(project, "docs/grammar.md")
    project.next()
    assert serious(project) == []
    assert project.aiw("doctor").stdout == "Healthy: 0 errors, 0 warnings\n"


def test_nothing_is_wrong_with_a_hotfix_while_other_work_is_parked(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    project.next()
    project.write("src/parser.py", "half\n")
    project.aiw("adr", "new", "Errors are values", "-d", "Functions return errors.")
    assert serious(project) == []
    project.aiw("task", "adhoc", "--kind", "hotfix", "--title", "Stop the crash at start")
    assert serious(project) == []
    project.aiw("agent", "run", "--lane", "core", "--mode", "queue", "--milestone", "M01", code=None)
    project.aiw("agent", "task", "TASK-003")
    assert project.task(1)["parked"] is not None
    assert serious(project) == []
    work(project, "src/crash.py")
    assert serious(project) == []
    project.next()
    assert project.read("src/parser.py") == "half\n"
    assert serious(project) == []
    project.finish()
    assert serious(project) == []


def test_nothing_is_wrong_in_a_recovery_nor_after_it(tmp_path: Path) -> None:
    project = make_ready(tmp_path, checks=("test -e src/good",))
    project.next()
    project.write("src/parser.py", "bad\n")
    project.finish(code=1)
    assert project.milestone("M01-01")["recovery"]["recovery_status"] == "active"
    assert serious(project) == []
    project.finish(code=1)
    project.finish(code=3 if project.task(3)["status"] == "blocked" else None)
    assert serious(project) == []
    project.write(".ai-workflow.yaml", project.read(".ai-workflow.yaml").replace("test -e src/good", "true"))
    if project.milestone("M01-01")["recovery"]["recovery_status"] == "failed":
        project.aiw("recovery", "start", "M01-01")
    assert serious(project) == []
    project.finish("--allow", ".ai-workflow.yaml", "--reason", "the check was wrong")
    assert project.task(1)["status"] == "done"
    assert serious(project) == []


def test_nothing_is_wrong_with_tasks_that_a_person_decided_about(tmp_path: Path) -> None:
    project = make_ready(tmp_path, plan=THREE_MILESTONES)
    project.next()
    project.aiw("task", "block", "TASK-001", "waits for an answer")
    assert serious(project) == []
    project.aiw("task", "unblock", "TASK-001")
    project.aiw("task", "skip", "TASK-002", "--reason", "not needed")
    assert serious(project) == []
    project.next()
    work(project, "src/parser.py")
    assert serious(project) == []
    project.aiw("lane", "pause", "core")
    assert serious(project) == []
    project.aiw("lane", "resume", "core")
    project.aiw("milestone", "cancel", "M10", "--reason", "later")
    assert serious(project) == []


def test_nothing_is_wrong_while_a_milestone_waits_and_after_the_plan_was_edited(tmp_path: Path) -> None:
    project = make_ready(tmp_path, plan=THREE_MILESTONES)
    text = project.read(".ai-workflow.yaml")
    project.write(".ai-workflow.yaml", text.replace("closeout_mode: auto", "closeout_mode: pull_request"))
    project.next()
    work(project, "src/parser.py")
    project.next()
    project.write("tests/test_parser.py", "one\n")
    project.finish(code=3)
    assert project.milestone("M01")["status"] in ("blocked", "pr_created")
    assert serious(project) == ["no-forge .ai-workflow.yaml"]
    project.plan(THREE_MILESTONES.replace("- Report the position of errors", "- Name the column of errors too"))
    assert [code for code in codes(project) if code.startswith("plan")] == ["plan-changed"]
    project.aiw("plan", "import")
    assert serious(project) == ["no-forge .ai-workflow.yaml"]


def test_the_quick_start_works_as_it_is_written_without_any_commit(tmp_path: Path) -> None:
    project = make_project(tmp_path, remote=False, files={"README.md": "# project\n"}, commit=False)
    project.aiw("init")
    assert project.aiw("doctor").stdout == (
        "warning: .ai-workflow.yaml:19: agent.checks is empty: only the Verify lines of the tasks prove anything"
        " [no-checks]\n"
        "    fix: name the commands that must pass under agent.checks in .ai-workflow.yaml\n"
        "Healthy: 0 errors, 1 warning\n"
    )
    project.aiw("backlog", "promote", "BLG-001", "--output", "docs/ai/plan/milestones.md")
    assert serious(project) == ["no-checks .ai-workflow.yaml"]
    handed = project.aiw("agent", "run", "--lane", "core", "--mode", "queue")
    assert "TASK-001" in handed.stdout
    assert serious(project) == ["no-checks .ai-workflow.yaml"]


def test_the_document_has_the_promised_shape(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    project.write("docs/ai/workspace/state/lanes/core.json", "{")
    done = project.aiw("doctor", "--json", code=5)
    assert set(done.json) == {"ok", "findings"}
    assert done.json["ok"] is False
    assert done.json["findings"][0] == {
        "level": "error",
        "code": "state-damaged",
        "message": "the file is cut off or not JSON",
        "path": "docs/ai/workspace/state/lanes/core.json",
        "line": 1,
        "fix": "aiw doctor --fix",
    }
    assert all(one["path"] and one["fix"] for one in done.json["findings"] if one["level"] == "error")
    assert set(project.aiw("doctor", "--fix", "--json").json) == {"ok", "findings", "repairs"}


def everything(project: Project) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(project.path)): path.read_bytes() if path.is_file() else None
        for path in sorted(project.path.rglob("*"))
    }


@pytest.mark.parametrize("damage", ["", "{", None])
def test_it_writes_nothing(tmp_path: Path, damage: str | None) -> None:
    project = make_ready(tmp_path)
    project.next()
    project.write("src/parser.py", "half\n")
    if damage is not None:
        project.write("docs/ai/workspace/state/tasks/TASK-002.json", damage)
    before = everything(project)
    project.aiw("doctor", code=None)
    assert everything(project) == before


def test_it_takes_no_lock_and_waits_for_none(tmp_path: Path) -> None:
    import fcntl

    project = make_ready(tmp_path)
    project.next()
    held = []
    for name in ("docs/ai/workspace/locks/state.lock", "docs/ai/workspace/locks/finish-core.lock", ".git/aiw.lock"):
        stream = (project.path / name).open("a+")
        fcntl.flock(stream, fcntl.LOCK_EX)
        held.append(stream)
    assert project.aiw("doctor").stdout == "Healthy: 0 errors, 0 warnings\n"
    for stream in held:
        stream.close()


def test_the_name_in_a_lock_file_means_nothing_by_itself(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    project.next()
    for name in ("state.lock", "finish-core.lock"):
        project.write(f"docs/ai/workspace/locks/{name}", "pid 999999, finish TASK-001, since 2020-01-01T00:00:00Z\n")
    assert serious(project) == []


def test_it_needs_few_processes(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    project.next()
    trace = tmp_path / "trace"
    project.aiw("doctor", env={"AIW_TRACE_PROCESSES": str(trace)})
    started = trace.read_text().splitlines()
    assert len(started) <= 15, started
    assert not [line for line in started if "fetch" in line or "ls-remote" in line]


def test_without_a_workspace_it_is_an_error_like_everywhere(tmp_path: Path) -> None:
    project = make_project(tmp_path, remote=False)
    assert "no .ai-workflow.yaml" in project.aiw("doctor", code=1).stderr
    assert "no .ai-workflow.yaml" in project.aiw("doctor", "--fix", code=1).stderr


def test_it_works_from_a_folder_below_and_in_a_linked_work_tree(tmp_path: Path) -> None:
    project = make_planned(tmp_path)
    project.next()
    work(project, "src/parser.py")
    assert project.aiw("doctor", cwd=project.path / "src").stdout == "Healthy: 0 errors, 0 warnings\n"
    tree = tmp_path / "other"
    project.git("worktree", "add", "-q", "-b", "side", str(tree))
    found = project.aiw("doctor", "--json", cwd=tree).json
    assert found["ok"], found


def test_it_works_where_git_cannot_be_found(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    empty = tmp_path / "bin"
    empty.mkdir()
    found = project.aiw("doctor", "--json", code=1, env={"PATH": str(empty)}).json["findings"]
    assert [one["code"] for one in found if one["level"] == "error"] == ["git-missing"]


def test_titles_and_paths_of_strangers_are_harmless(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    project.aiw("task", "adhoc", "--title", "\x1b[31mred [/red] " + "x" * 5000)
    project.write("docs/ai/workspace/adr/ADR-0009-\x1b[2J.md", "# ADR-0009: x\n")
    for args in (("doctor",), ("doctor", "--json")):
        shown = project.aiw(*args).stdout
        assert "\x1b" not in shown
        assert "ADR-0009-" in shown


def test_it_names_a_read_only_state(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    project = make_ready(tmp_path)
    state = project.path / "docs/ai/workspace/state"
    state.chmod(0o555)
    try:
        found = project.aiw("doctor", "--json").json["findings"]
    finally:
        state.chmod(0o755)
    assert [one["code"] for one in found] == ["state-not-writable"]
