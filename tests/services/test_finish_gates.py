"""A refused finish leaves the task active, the index and the tree as they were, and says what to type (spec §6.4)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.prepared import prepared
from support.project import Project, Result, make_planned, make_project, make_ready


def prepare(folder: Path) -> Project:
    """TASK-001 claimed; its scope is src/parser.py and tests/test_parser.py."""
    project = make_ready(folder)
    project.next()
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(prepare, tmp_path)


def picture(project: Project) -> tuple[object, ...]:
    """Everything that a refusal must leave as it was."""
    files = {
        str(path.relative_to(project.path)): path.read_bytes()
        for path in sorted(project.path.rglob("*"))
        if path.is_file() and ".git" not in path.parts and "docs/ai/workspace" not in str(path)
    }
    handoffs = {name: project.read(f"docs/ai/workspace/{name}.md") for name in ("current-status", "next-handoff")}
    index = project.git("ls-files", "--stage")
    return files, handoffs, index, project.git("rev-parse", "HEAD"), project.status()


def check_refused(
    project: Project,
    *args: str,
    says: str,
    code: int = 1,
    env: dict[str, str] | None = None,
    leaves: str = "in_progress",
) -> Result:
    """`leaves="blocked"`: the failing checks open a recovery, whose task is then the lane's."""
    before = picture(project)
    result = project.aiw("agent", "finish", "--lane", "core", "--commit", *args, code=code, env=env)
    assert says in result.stderr, result
    assert "hint: " in result.stderr, result
    assert picture(project) == before
    assert project.task(1)["status"] == leaves
    assert project.state("lanes/core.json")["current_task_id"] == (
        "TASK-001" if leaves == "in_progress" else "TASK-003"
    )
    assert list((project.path / "docs/ai/workspace/state/intents").glob("*")) == []
    return result


def test_nothing_changed(project: Project) -> None:
    check_refused(project, says="nothing has changed for TASK-001")


def test_a_failing_check_shows_its_tail(project: Project) -> None:
    project.write("src/parser.py", "x\n")
    result = check_refused(
        project, "--check-cmd", "echo the reason is here; exit 7", says="ended with exit code 7", leaves="blocked"
    )
    assert "the reason is here" in result.stderr
    assert project.task(1)["attempts"] == 1
    assert project.state("runs/RUN-0001.json")["status"] == "failed"
    assert "the reason is here" in project.read("docs/ai/workspace/reports/audits/TASK-001.md")
    project.next()
    assert "the reason is here" in project.read("docs/ai/workspace/prompts/next-core.md")
    project.finish()
    assert project.state("runs/RUN-0002.json")["status"] == "completed"


def test_a_check_that_hangs_is_ended_with_its_children(project: Project) -> None:
    text = project.read(".ai-workflow.yaml")
    project.write(".ai-workflow.yaml", text.replace("timeout_s: 900", "timeout_s: 0.5"))
    project.git("add", ".ai-workflow.yaml")
    project.git("commit", "-qm", "shorter time-out")
    project.write("src/parser.py", "x\n")
    check_refused(project, "--check-cmd", "sleep 60 & sleep 60", says="did not end in time", leaves="blocked")


def test_a_rejecting_hook(project: Project) -> None:
    project.write(".git/hooks/pre-commit", "#!/bin/sh\necho not on my watch >&2\nexit 1\n", mode=0o755)
    project.write("src/parser.py", "x\n")
    check_refused(project, says="not on my watch")
    (project.path / ".git/hooks/pre-commit").unlink()
    project.finish()
    assert project.subjects()[-1] == "TASK-001: Consolidate parser cleanup behavior"


def test_a_missing_identity(project: Project, sealed_environment: Path) -> None:
    (sealed_environment / ".gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")
    project.write("src/parser.py", "x\n")
    check_refused(project, says="was not committed; git or a hook refused")


def test_a_file_outside_the_scope(project: Project) -> None:
    project.write("src/parser.py", "x\n")
    project.write("src/other.py", "x\n")
    result = check_refused(project, says="outside the scope of TASK-001")
    assert "  src/other.py" in result.stderr
    assert "--allow PATH --reason" in result.stderr


def test_a_detached_head(project: Project) -> None:
    project.write("src/parser.py", "x\n")
    project.git("switch", "-q", "--detach")
    result = check_refused(project, says="HEAD is detached")
    assert "git switch ai/m01-parser-cleanup" in result.stderr


def test_another_branch(project: Project) -> None:
    project.write("src/parser.py", "x\n")
    project.git("switch", "-q", "main")
    check_refused(project, says="the work tree is on main; M01 works on ai/m01-parser-cleanup")


def test_a_merge_in_progress(project: Project) -> None:
    project.git("switch", "-qc", "side")
    project.write("README.md", "side\n")
    project.git("commit", "-qam", "side")
    project.git("switch", "-q", "ai/m01-parser-cleanup")
    project.write("README.md", "ours\n")
    project.git("commit", "-qam", "ours")
    project.git("merge", "side", ok=(1,))
    check_refused(project, says="a merge is in progress")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_git_folder_that_cannot_be_written(project: Project) -> None:
    project.write("src/parser.py", "x\n")
    (project.path / ".git").chmod(0o555)
    try:
        check_refused(project, says="cannot be written from here")
    finally:
        (project.path / ".git").chmod(0o755)


def test_a_second_finish_meanwhile_is_told_who_and_since_when(project: Project) -> None:
    import subprocess
    import sys
    import time

    project.write("src/parser.py", "x\n")
    gate = project.path.parent / "gate"
    command = f"touch {gate}; while test -f {gate}; do sleep 0.05; done"
    first = subprocess.Popen(
        [sys.executable, "-m", "ai_workflow", "agent", "finish", "--commit", "--check-cmd", command],
        cwd=project.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not gate.exists():
        time.sleep(0.02)
    second = project.finish(code=1)
    assert f"TASK-001 is being finished already: pid {first.pid}, finish TASK-001, since " in second.stderr
    assert project.aiw("status").code == 0, "reading goes on meanwhile"
    gate.unlink()
    assert first.wait() == 0
    assert project.task(1)["status"] == "done"


def test_another_task_than_the_active_one(project: Project) -> None:
    project.write("docs/parser.md", "x\n")
    check_refused(project, "--task", "TASK-002", says="the active task is TASK-001")
    check_refused(project, "--task", "TASK-099", says="task TASK-099 does not exist")


def test_the_owners_dirt_that_changed_again_names_adopt(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    project.write("src/keep.txt", "edited before the start\n")
    project.next()
    project.write("src/parser.py", "x\n")
    project.write("src/keep.txt", "and again\n")
    result = check_refused(project, says="changed again since TASK-001 began")
    assert "--adopt PATH" in result.stderr
    check_refused(project, "--adopt", "src/keep.txt", says="needs a reason", code=2)
    check_refused(project, "--adopt", "src/keep.txt", "--reason", "it is the task's", says="outside the scope")
    project.finish("--adopt", "src/keep.txt", "--allow", "src/keep.txt", "--reason", "it is the task's")
    assert "src/keep.txt" in project.git("show", "--name-only", "--format=", "HEAD")
    kinds = [decision["kind"] for decision in project.task(1)["decisions"]]
    assert kinds == ["allow", "adopt"]


def test_bad_ids_and_lanes(project: Project) -> None:
    assert "is not a task id" in project.finish("--task", "../lanes/core", code=1).stderr
    assert "lane 'x' does not exist" in project.aiw("next", "--lane", "x", code=1).stderr


def test_staged_changes_of_the_owner_stay_staged_and_out(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    project.write("staged.txt", "mine\n")
    project.git("add", "staged.txt")
    project.next()
    project.write("src/parser.py", "x\n")
    project.finish()
    assert project.status() == ["A  staged.txt"]
    assert "staged.txt" not in project.git("show", "--name-only", "--format=", "HEAD")


def test_files_staged_by_the_agent_are_committed(project: Project) -> None:
    project.write("src/parser.py", "x\n")
    project.git("add", "src/parser.py")
    project.finish()
    assert project.status() == []


def test_hostile_file_names_renames_deletions_and_modes(tmp_path: Path) -> None:
    project = make_ready(
        tmp_path,
        plan="# Milestones\n\n## M01 - Names\nTasks:\n- Accept every file name\n  Acceptance: each is in the commit.\n",
    )
    project.next()
    names = ["spa ce.txt", "-dash", "é.py", 'quo"te', "new\nline", "a;rm -rf b", "$(x)", "*", "日本.md", "#x", "!y"]
    for name in names:
        project.write(name, name)
    project.git("mv", "README.md", "READ ME.md")
    (project.path / "src/keep.txt").unlink()
    project.finish()
    assert project.status() == []
    tree = project.git("ls-tree", "-r", "-z", "--name-only", "main").split("\0")
    assert set(names) <= set(tree)
    assert "READ ME.md" in tree
    assert "README.md" not in tree
    assert "src/keep.txt" not in tree


def test_by_products_are_left_out_and_named(tmp_path: Path) -> None:
    plan = "# Milestones\n\n## M01 - All\nTasks:\n- Write anything anywhere here\n  Acceptance: it is there.\n"
    project = make_ready(tmp_path, plan=plan, checks=("mkdir -p out && touch out/report.xml",))
    project.next()
    project.write("app.py", "x\n")
    project.write("__pycache__/app.pyc", "x")
    project.write(".env", "TOKEN=1")
    result = project.finish()
    assert "left uncommitted: .env, __pycache__/app.pyc, out/report.xml" in result.stdout
    assert project.status() == ["?? .env", "?? __pycache__/app.pyc", "?? out/report.xml"]


def test_a_check_that_formats_is_committed_as_formatted(tmp_path: Path) -> None:
    project = make_ready(tmp_path, checks=("printf 'formatted\\n' > src/parser.py",))
    project.next()
    project.write("src/parser.py", "raw")
    project.finish()
    assert project.git("show", "HEAD:src/parser.py") == "formatted"
    assert project.status() == []


def test_a_check_that_keeps_changing_files_is_refused(project: Project) -> None:
    project.write("src/parser.py", "x\n")
    result = project.finish("--check-cmd", "date +%N >> src/parser.py", code=1)
    assert "the checks keep changing what they check" in result.stderr
    assert project.task(1)["status"] == "in_progress"


def test_a_hook_that_changes_the_commit_is_checked_again(project: Project) -> None:
    hook = "#!/bin/sh\necho reformatted > src/parser.py\ngit add src/parser.py\n"
    project.write(".git/hooks/pre-commit", hook, mode=0o755)
    project.write("src/parser.py", "raw\n")
    project.finish("--check-cmd", "cat src/parser.py")
    assert project.git("show", "HEAD:src/parser.py") == "reformatted"
    assert project.status() == []


def test_a_hook_that_breaks_the_checks_loses_its_commit(project: Project) -> None:
    hook = "#!/bin/sh\necho broken > src/parser.py\ngit add src/parser.py\n"
    project.write(".git/hooks/pre-commit", hook, mode=0o755)
    project.write("src/parser.py", "good\n")
    head = project.git("rev-parse", "HEAD")
    result = project.finish("--check-cmd", "grep -q good src/parser.py", code=1)
    assert "the commit was taken back" in result.stderr
    assert project.git("rev-parse", "HEAD") == head
    assert project.task(1)["status"] == "in_progress"


def test_a_hook_that_strips_the_message_is_no_reason_for_a_second_commit(project: Project) -> None:
    project.write(".git/hooks/commit-msg", '#!/bin/sh\nhead -n 1 "$1" > "$1.new" && mv "$1.new" "$1"\n', mode=0o755)
    project.write("src/parser.py", "x\n")
    project.finish()
    assert project.subjects()[-1] == "TASK-001: Consolidate parser cleanup behavior"
    assert project.task(1)["commit_sha"] == project.git("rev-parse", "HEAD")


def test_no_change_with_a_reason_is_done_without_a_commit(project: Project) -> None:
    head = project.git("rev-parse", "HEAD")
    result = project.finish("--no-change", "the parser does this already")
    assert "Done without a commit: TASK-001" in result.stdout
    assert project.git("rev-parse", "HEAD") == head
    assert project.task(1)["no_change_reason"] == "the parser does this already"


def test_a_rehearsal_changes_nothing(project: Project) -> None:
    project.write("src/parser.py", "x\n")
    before = picture(project)
    result = project.aiw("agent", "finish", "--no-commit")
    assert "TASK-001 would pass; it would commit:\n  src/parser.py\n" in result.stdout
    assert picture(project) == before


def test_waived_proof_needs_a_reason_and_holds_the_closeout(tmp_path: Path) -> None:
    plan = "# Milestones\n\n## M01 - One\nTasks:\n- Write one single thing\n  Acceptance: it is there.\n"
    project = make_ready(tmp_path, plan=plan, checks=("false",))
    project.next()
    project.write("a.txt", "x\n")
    assert "needs a reason" in project.finish("--no-check", code=2).stderr
    result = project.finish("--no-check", "--reason", "the suite is broken upstream", code=3)
    assert "unproven: the suite is broken upstream" in result.stdout
    assert "it holds work without proof" in result.stdout
    assert project.milestone()["status"] == "blocked"
    project.aiw("milestone", "finish", "M01", code=3)
    project.aiw("milestone", "finish", "M01", "--accept-unproven", "reviewed by hand")
    assert project.milestone()["status"] == "merged"


def test_stash_out_of_scope_keeps_the_work(project: Project) -> None:
    project.write("src/parser.py", "x\n")
    project.write("src/other.py", "kept\n")
    result = project.finish("--stash-out-of-scope")
    assert "  src/other.py" in result.stdout
    assert project.status() == []
    project.git("stash", "pop")
    assert project.read("src/other.py") == "kept\n"


def test_work_done_before_the_claim_is_named_and_counted(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    project.next()
    project.write("src/parser.py", "x\n")
    project.finish()
    project.write("docs/parser.md", "written too early\n")
    result = project.aiw("agent", "run")
    assert "Changed before the claim, and counted as this task's:\n  docs/parser.md\n" in result.stdout
    project.finish()
    assert project.milestone()["status"] == "merged"


def test_a_nested_repository_is_left_out(tmp_path: Path) -> None:
    plan = "# Milestones\n\n## M01 - One\nTasks:\n- Write one single thing\n  Acceptance: it is there.\n"
    project = make_ready(tmp_path, plan=plan)
    project.next()
    nested = project.path / "vendor"
    nested.mkdir()
    project.git("init", "-q", cwd=nested)
    (nested / "f").write_text("x")
    project.write("a.txt", "x\n")
    result = project.finish()
    assert "left uncommitted: vendor/" in result.stdout
    assert project.git("ls-tree", "-r", "--name-only", "main", "vendor") == ""


def test_companions_go_along_and_are_named(project: Project) -> None:
    project.write("src/parser.py", "x\n")
    project.write("uv.lock", "x\n")
    result = project.finish()
    assert "along with it: uv.lock" in result.stdout
    assert project.status() == []


def test_isolated_checks_see_the_candidate_alone(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False, checks=("test -f src/parser.py && ! test -e scratch.txt && pwd",))
    text = project.read(".ai-workflow.yaml").replace("timeout_s: 900", "timeout_s: 900\n  isolation: worktree")
    project.write(".ai-workflow.yaml", text)
    project.write("scratch.txt", "the owner's\n")
    project.next()
    project.write("src/parser.py", "x\n")
    project.finish()
    [check] = project.state("runs/RUN-0001.json")["checks"]
    assert "aiw-check-" in check["output_tail"]
    assert project.git("worktree", "list").count("\n") == 0, "the temporary work tree is gone"
    assert project.status() == ["?? scratch.txt"]


def test_settings_without_effect_are_named(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False)
    text = project.read(".ai-workflow.yaml")
    project.write(".ai-workflow.yaml", text + "notify:\n  command: echo done\n")
    line = len(text.splitlines()) + 2
    result = project.aiw("agent", "run")
    assert f"note: .ai-workflow.yaml:{line}: `notify.command` has no effect in this release" in result.stderr


def test_a_submodule_bump_is_committed_and_dirt_inside_one_is_not(tmp_path: Path) -> None:
    plan = "# Milestones\n\n## M01 - One\nTasks:\n- Move the library on\n  Acceptance: it is moved on.\n"
    project = make_ready(tmp_path, plan=plan, remote=False)
    library = Project(tmp_path / "library")
    library.path.mkdir()
    library.git("init", "-q")
    library.write("f", "1")
    library.git("add", "-A")
    library.git("commit", "-qm", "one")
    for name in ("bumped", "dirty"):
        project.git("submodule", "--quiet", "add", str(library.path), name)
    project.git("commit", "-qm", "libraries")
    project.next()
    bumped = Project(project.path / "bumped")
    bumped.write("f", "2")
    bumped.git("commit", "-qam", "two")
    project.write("dirty/f", "edited")
    result = project.finish()
    assert "left uncommitted: dirty" in result.stdout
    assert project.git("ls-tree", "main", "bumped").split()[2] == bumped.git("rev-parse", "HEAD")
    assert project.status() == [" M dirty"]


def test_a_repository_of_sha256_ids(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.path.mkdir()
    project.git("init", "-q", "--object-format=sha256")
    project.write("a.txt", "x")
    project.write("b.txt", "x")
    project.git("add", "-A")
    project.git("commit", "-qm", "Begin")
    project.aiw("init")
    project.checks("true")
    project.plan("# Milestones\n\n## M01 - One\nTasks:\n- Remove one single file\n  Acceptance: it is gone.\n")
    project.next()
    (project.path / "a.txt").unlink()
    project.finish()
    assert project.status() == []
    assert project.milestone()["status"] == "merged"


def test_a_neighbour_in_a_monorepo_is_out_of_scope_under_every_policy(tmp_path: Path) -> None:
    outer = make_project(tmp_path, remote=False, files={"a/a.txt": "a\n", "b/b.txt": "b\n"})
    inner = Project(outer.path / "a")
    inner.aiw("init")
    inner.write(".ai-workflow.yaml", inner.read(".ai-workflow.yaml").replace("policy: refuse", "policy: off"))
    inner.plan("# Milestones\n\n## M01 - One\nTasks:\n- Write one single thing\n  Acceptance: it is there.\n")
    inner.next()
    inner.write("a.txt", "changed\n")
    outer.write("b/b.txt", "changed\n")
    result = inner.finish(code=1)
    assert "outside the scope of TASK-001 (everything in this folder):\n  ../b/b.txt" in result.stderr
    inner.finish("--allow", "../b/b.txt", "--reason", "both move together")
    assert outer.status() == []
    assert inner.task(1)["unproven"] == "no check is configured and the task has no Verify line"


def test_a_damaged_task_is_named_instead_of_nothing_claimable(tmp_path: Path) -> None:
    project = make_planned(tmp_path, remote=False)
    project.write("docs/ai/workspace/state/tasks/TASK-001.json", "{")
    result = project.aiw("agent", "run", code=5)
    assert result.stderr.startswith("error: docs/ai/workspace/state/tasks/TASK-001.json:1: the file is cut off")


def test_records_name_who_acted(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False)
    project.aiw("agent", "run", env={"AIW_ACTOR": "codex@night"})
    assert project.state("runs/RUN-0001.json")["actor"] == "codex@night"
