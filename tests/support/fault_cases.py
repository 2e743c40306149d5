"""Commands that the fault tests break: how the project is before each, and what must hold once it has healed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from support.landing import ONE_TASK, SUBJECT
from support.legacy import make_recovery
from support.project import PARSER_PLAN, Project, make_planned, make_project, make_ready


def prepare_import(folder: Path) -> Project:
    return make_ready(folder, plan=PARSER_PLAN)


def prepare_answer(folder: Path) -> Project:
    """A plan file that is not imported and goes, and an answer on standard input (see `crash`)."""
    project = make_ready(folder, plan=ONE_TASK)
    project.write("answer.md", f"Here it is:\n\n```markdown\n{PARSER_PLAN}```\n\nBye.\n")
    return project


def prepare_pack(folder: Path) -> Project:
    project = make_ready(folder, plan="")
    project.write("answer.md", f"# Task 1\n\nDo it.\n\n# Task 2\n\nThis too.\n\n{PARSER_PLAN}")
    return project


def prepare_next(folder: Path) -> Project:
    return make_planned(folder, plan=ONE_TASK)


def prepare_finish(folder: Path) -> Project:
    project = make_ready(folder, plan=PARSER_PLAN)
    project.next()
    project.write("src/parser.py", "x\n")
    return project


def prepare_closeout(folder: Path) -> Project:
    project = make_ready(folder, plan=ONE_TASK)
    project.next()
    project.write("src/parser.py", "x\n")
    return project


def prepare_begun(folder: Path) -> Project:
    """The first of two tasks is done."""
    project = prepare_finish(folder)
    project.finish()
    return project


def prepare_local_closeout(folder: Path) -> Project:
    project = make_ready(folder, plan=ONE_TASK, remote=False)
    project.next()
    project.write("src/parser.py", "x\n")
    return project


def prepare_moved_base(folder: Path) -> Project:
    """As `prepare_local_closeout`, and base has got a commit since: files changed, made and removed."""
    project = make_project(
        folder, remote=False, files={"README.md": "# project\n", "src/keep.txt": "kept\n", "src/old.txt": "old\n"}
    )
    project.aiw("init")
    project.checks("true")
    project.plan(ONE_TASK)
    project.next()
    project.git("worktree", "add", "-q", "../other", "main")
    other = project.path.parent / "other"
    (other / "src/keep.txt").write_text("kept, and more\n")
    (other / "README.md").write_text("# project, and more\n")
    (other / "new.txt").write_text("new\n")
    (other / "src/old.txt").unlink()
    project.git("add", "--all", cwd=other)
    project.git("commit", "-q", "-m", "Theirs", cwd=other)
    project.git("worktree", "remove", "--force", "../other")
    project.write("src/parser.py", "x\n")
    return project


def check_merged_base(project: Project) -> None:
    """Both sides are on base, and in the work tree."""
    assert project.milestone()["status"] == "merged"
    assert project.git("symbolic-ref", "--short", "HEAD") == "main"
    assert sorted(project.subjects("main")) == sorted(["Begin", "aiw: set up workspace", SUBJECT, "Theirs"])
    assert len(project.git("rev-list", "--merges", "main").split("\n")) == 1
    assert project.status() == []
    assert project.read("src/keep.txt") == "kept, and more\n"
    assert not (project.path / "src/old.txt").exists()
    assert project.git("branch", "--format=%(refname:short)") == "main"


def prepare_park(folder: Path) -> Project:
    project = prepare_finish(folder)
    project.git("add", "src/parser.py")
    project.write("src/parser.py", "x, and more\n")
    project.write("src/new file", "n\n")
    project.aiw("task", "adhoc", "--kind", "hotfix", "--title", "Fix the login")
    return project


def prepare_restore(folder: Path) -> Project:
    project = prepare_park(folder)
    project.aiw("agent", "task", "TASK-003")
    project.write("login.py", "x\n")
    project.finish()
    return project


def prepare_recovery(folder: Path) -> Project:
    project = prepare_finish(folder)
    project.finish("--check-cmd", "false", code=1)
    return project


def check_park(project: Project) -> None:
    assert project.state("lanes/core.json")["current_task_id"] == "TASK-003"
    assert project.git("symbolic-ref", "--short", "HEAD") == "ai/m00-01-fix-the-login"
    assert project.status() == []
    assert project.git("show", "refs/aiw/parked/TASK-001:work/src/parser.py") == "x, and more"
    assert project.task(1)["parked"]["commit"] == project.git("rev-parse", "refs/aiw/parked/TASK-001")


def check_restore(project: Project) -> None:
    assert project.state("lanes/core.json")["current_task_id"] == "TASK-001"
    assert project.status() == ["AM src/parser.py", '?? "src/new file"']
    assert project.read("src/parser.py") == "x, and more\n"
    assert project.git("show", ":src/parser.py") == "x"
    assert project.task(1)["parked"] is None
    assert project.git("for-each-ref", "refs/aiw") == ""


def check_recovery(project: Project) -> None:
    check_finish(project)
    assert project.task(3)["status"] == "done"
    assert project.milestone("M01-01")["recovery"]["recovery_status"] == "resolved"


def prepare_backlog(folder: Path) -> Project:
    project = make_ready(folder, remote=False)
    (project.path / "docs/ai/plan/milestones.md").unlink()
    return project


def check_promote(project: Project) -> None:
    assert project.aiw("backlog", "show", "1").json["status"] == "active"
    assert project.read("docs/ai/plan/milestones.md").count("Backlog: BLG-001") == 1
    (edit,) = project.state("project.json")["pending_edits"]
    assert edit["backlog"]["status"] == "active"


def check_adr(project: Project) -> None:
    names = sorted(path.name for path in (project.path / "docs/ai/workspace/adr").iterdir())
    adrs = project.aiw("adr", "list", "--json").json["adrs"]
    assert [f"{adr['id']}-errors-are-values.md" for adr in adrs] == names
    assert {adr["title"] for adr in adrs} == {"Errors are values"}


def prepare_damaged(folder: Path) -> Project:
    project = prepare_begun(folder)
    state = project.path / "docs/ai/workspace/state"
    (state / "lanes/core.json").write_bytes(b"")
    (state / "tasks/TASK-001.json").write_bytes((state / "tasks/TASK-001.json").read_bytes()[:200])
    with (state / "events/events.jsonl").open("a") as stream:
        stream.write("{half")
    (project.path / "docs/ai/START_HERE.md").unlink()
    return project


def check_repaired(project: Project) -> None:
    assert project.aiw("doctor").stdout == "Healthy: 0 errors, 0 warnings\n"
    assert project.task(1)["commit_sha"] == project.git("rev-parse", "HEAD")
    kept = [path.read_bytes() for path in (project.path / "docs/ai/workspace/archive/damaged").rglob("*.json*")]
    assert b"" in kept
    assert any(data.endswith(b"{half") for data in kept)
    assert project.status() == []
    project.next()
    assert project.task(2)["status"] == "in_progress"


def prepare_leftover(folder: Path) -> Project:
    """M01 is merged, and its branch is back, here and on origin."""
    project = prepare_closeout(folder)
    project.finish()
    tip = project.task(1)["commit_sha"]
    project.git("branch", LEFTOVER, tip)
    project.git("push", "-q", "origin", LEFTOVER)
    return project


def prepare_behind(folder: Path) -> Project:
    """Base on origin is one commit ahead of base here."""
    project = make_ready(folder, plan=ONE_TASK)
    ahead = project.git("commit-tree", "-p", "main", "-m", "Theirs", "main^{tree}")
    project.git("push", "-q", "origin", f"{ahead}:refs/heads/main")
    return project


def files_of(folder: Path) -> dict[str, bytes]:
    """Path below the folder → bytes, git's own folder left out."""
    paths = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.relative_to(folder).parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def prepare_reset(folder: Path) -> Project:
    """Work under way, and beside the project a copy of its state."""
    project = prepare_finish(folder)
    project.finish()
    project.next()
    shutil.copytree(project.path / "docs/ai/workspace/state", folder / "before")
    return project


def prepare_restore_of_a_reset(folder: Path) -> Project:
    project = prepare_reset(folder)
    project.aiw("workspace", "reset", "--force")
    project.aiw("task", "adhoc", "--title", "Made since")
    return project


def prepare_rebuild(folder: Path) -> Project:
    """One of two tasks is done, an item of the backlog is linked to the other, and the state is gone."""
    plan = PARSER_PLAN.replace("Conflict: docs/parser.md", "Conflict: docs/parser.md\nBacklog: BLG-001")
    project = make_ready(folder, plan=plan)
    project.next()
    project.write("src/parser.py", "x\n")
    project.finish()
    state = project.path / "docs/ai/workspace/state"
    shutil.rmtree(state)
    project.write("docs/ai/workspace/state/notes.txt", "mine\n")
    backlog = project.read("docs/ai/plan/backlog.md")
    project.write("docs/ai/plan/backlog.md", backlog.replace("Status: active", "Status: idea"))
    return project


def check_rebuilt(project: Project) -> None:
    tasks = project.aiw("task", "list", "--json").json["tasks"]
    assert [(task["id"], task["status"]) for task in tasks] == [("TASK-001", "done"), ("TASK-002", "ready")]
    assert tasks[0]["commit_sha"] == project.git("rev-parse", "HEAD")
    assert project.state("project.json")["serial"] == 1
    assert project.aiw("backlog", "show", "1").json["status"] == "active"
    kept = [path for path in (project.path / "docs/ai/workspace/archive").rglob("*") if path.is_file()]
    assert [path.read_text() for path in kept] == ["mine\n"]
    assert not (project.path / "docs/ai/workspace/state/notes.txt").exists()
    project.next()
    project.write("docs/parser.md", "x\n")
    project.finish()
    assert project.milestone()["status"] == "merged"
    assert project.aiw("doctor", "--json").json["ok"]


def prepare_uninstall(folder: Path) -> Project:
    """A fresh workspace, and beside it a copy of what was there before."""
    project = make_project(folder, files={"README.md": "# project\n", ".gitignore": "*.log"})
    shutil.copytree(project.path, folder / "before", ignore=shutil.ignore_patterns(".git"))
    project.aiw("init")
    return project


LEFTOVER = "ai/m01-parser-cleanup"
STATE = "docs/ai/workspace/state"


def check_migrate(project: Project) -> None:
    archive = project.path / "docs/ai/workspace/archive/0.1.0"
    assert (archive / ".gitignore").read_text().endswith("docs/operator/queue-run.md\n")
    assert '"workspace_version"' in (archive / "docs/ai/workspace/state/project.json").read_text()
    assert project.read(".gitignore").count("# >>> aiw runtime files") == 1
    assert project.state("project.json")["serial"] == 1
    assert project.state("lanes/core.json")["current_task_id"] == "TASK-001"
    assert "M02: Parser errors" in project.read("docs/ai/workspace/active-roadmap.md")
    assert not (project.path / "docs/ai/workspace/state/locks").exists()
    project.finish()
    assert project.task(1)["status"] == "done"


def check_reset(project: Project) -> None:
    assert project.aiw("task", "list", "--json").json["tasks"] == []
    assert project.state("project.json")["counters"]["task"] == 2
    folder = project.path / "docs/ai/workspace"
    assert len(list((folder / "archive").iterdir())) == 1
    # An empty folder that could not be removed is no file that came through the reset.
    assert [*files_of(folder / "prompts"), *files_of(folder / "tasks")] == []
    project.aiw("workspace", "restore")
    assert files_of(folder / "state") == files_of(project.path.parent / "before")


def check_restored(project: Project) -> None:
    folder = project.path / "docs/ai/workspace"
    kept, now = files_of(project.path.parent / "before"), files_of(folder / "state")
    kept.pop("project.json")
    assert now.pop("project.json")
    assert now == kept
    assert project.state("project.json")["counters"]["task"] == 3
    assert (folder / "prompts/next-core.md").is_file()
    names = sorted(path.name.partition("-2")[0] for path in (folder / "archive").iterdir())
    assert names == ["before-restore", "reset"]


def check_uninstall(project: Project) -> None:
    assert files_of(project.path) == files_of(project.path.parent / "before")
    assert sorted(path.name for path in project.path.iterdir()) == [".git", ".gitignore", "README.md"]
    assert project.status() == []


def check_init(project: Project) -> None:
    assert project.aiw("status", "--json").json["lane"]["id"] == "core"
    for name in ("START_HERE.md", "README.md", "workspace/current-status.md", "plan/backlog.md"):
        assert (project.path / "docs/ai" / name).is_file()
    assert project.read(".gitignore").count("# >>> aiw runtime files") == 1
    assert project.aiw("init").stdout.startswith("Already initialized")


def check_import(project: Project) -> None:
    tasks = project.aiw("task", "list", "--json").json["tasks"]
    assert [(task["id"], task["status"]) for task in tasks] == [("TASK-001", "ready"), ("TASK-002", "planned")]
    assert len(project.aiw("milestone", "list", "--json").json["milestones"]) == 1


def check_answer(project: Project) -> None:
    check_import(project)
    assert project.read("docs/ai/plan/milestones.md") == PARSER_PLAN
    [copy] = (project.path / "docs/ai/workspace/archive/replaced").iterdir()
    assert copy.read_text() == ONE_TASK


def check_pack(project: Project) -> None:
    check_import(project)
    assert project.read("docs/ai/plan/milestones.md") == PARSER_PLAN
    folder = project.path / "docs/ai/workspace/generated-packs"
    assert [path.name for path in folder.iterdir()] == ["parser"]
    assert sorted(path.name for path in (folder / "parser/prompts").iterdir()) == ["task-01.md", "task-02.md"]
    assert (folder / "parser/execution-pack.md").read_bytes() == (project.path / "answer.md").read_bytes()


def check_prompt(project: Project) -> None:
    prompt = project.aiw("agent", "plan-prompt", "--print").stdout
    assert project.read("docs/operator/operator.md") == prompt
    assert project.aiw("agent", "plan-prompt").stdout.startswith("Unchanged")


def check_next(project: Project) -> None:
    assert project.task(1)["status"] == "in_progress"
    assert project.state("lanes/core.json")["current_task_id"] == "TASK-001"
    assert project.git("symbolic-ref", "--short", "HEAD") == "ai/m01-parser-cleanup"
    assert project.subjects() == ["Begin", "aiw: set up workspace"]
    assert "TASK-001" in project.read("docs/ai/workspace/prompts/next-core.md")
    assert project.status() == []


def check_finish(project: Project) -> None:
    assert project.task(1)["status"] == "done"
    assert project.task(2)["status"] == "ready"
    assert project.task(1)["commit_sha"] == project.git("rev-parse", "HEAD")
    assert project.subjects().count("TASK-001: Consolidate parser cleanup behavior") == 1
    assert project.status() == []
    assert project.state("baselines/core.json")["paths"] == {}


def check_closeout(project: Project) -> None:
    assert project.milestone()["status"] == "merged"
    assert project.git("symbolic-ref", "--short", "HEAD") == "main"
    assert project.subjects("main") == [
        "Begin",
        "aiw: set up workspace",
        "TASK-001: Consolidate parser cleanup behavior",
    ]
    assert len(project.git("rev-list", "--merges", "main").split("\n")) == 1
    assert project.status() == []
    if project.origin:
        assert project.git("rev-parse", "main", cwd=project.origin) == project.git("rev-parse", "main")
        assert project.git("branch", "--format=%(refname:short)", cwd=project.origin) == "main"
    assert project.git("branch", "--format=%(refname:short)") == "main"


def check_branch(project: Project) -> None:
    assert project.git("symbolic-ref", "--short", "HEAD") == LEFTOVER
    assert project.subjects() == ["Begin", "aiw: set up workspace"]
    assert project.git("rev-parse", LEFTOVER) == project.git("rev-parse", "main")
    assert (project.milestone()["start_sha"], project.status()) == (None, [])
    project.next()
    check_next(project)


def check_push(project: Project) -> None:
    assert project.git("rev-parse", LEFTOVER, cwd=project.origin) == project.task(1)["commit_sha"]
    assert project.task(1)["status"] == "done"


def check_sync(project: Project) -> None:
    assert project.git("rev-parse", "main") == project.git("rev-parse", "main", cwd=project.origin)
    assert project.subjects("main") == ["Begin", "Theirs"]


def check_cleanup(project: Project) -> None:
    for cwd in (project.path, project.origin):
        assert project.git("branch", "--format=%(refname:short)", cwd=cwd) == "main"
    check_closeout(project)


def prepare_finished(folder: Path) -> Project:
    """The first of two tasks is done, and could be undone; see `undo_latest`."""
    project = make_ready(folder, plan=PARSER_PLAN, remote=False)
    project.next()
    project.write("src/parser.py", "x\n")
    project.finish()
    return project


def prepare_merged(folder: Path) -> Project:
    """The only task is done, and its milestone merged into main here."""
    project = prepare_local_closeout(folder)
    project.finish()
    return project


def check_undone(project: Project) -> None:
    """The finish of TASK-001 was taken back, with its merge if it had one."""
    assert project.task(1)["status"] == "in_progress"
    assert project.state("lanes/core.json")["current_task_id"] == "TASK-001"
    assert project.milestone()["status"] == "in_progress"
    assert project.status() == ["?? src/parser.py"]
    assert project.git("symbolic-ref", "--short", "HEAD") == LEFTOVER
    assert project.subjects("main") in (["Begin"], ["Begin", "aiw: set up workspace"])
    assert project.subjects() == ["Begin", "aiw: set up workspace"]
    kept = project.git("for-each-ref", "--format=%(objectname)", "refs/aiw/undone").split("\n")
    assert SUBJECT in project.git("log", "--no-walk", "--format=%s", *kept)


def undo_latest(project: Project) -> tuple[str, ...]:
    """Undo of what is the latest operation now: by its id, so that the same words again mean the same."""
    found = project.aiw("op", "log", "--json").json["operations"]
    return ("undo", max(one["id"] for one in found))


FINISH = ("agent", "finish", "--lane", "core", "--task", "TASK-001", "--commit")
CASES: dict[str, tuple[Callable[[Path], Project], tuple[str, ...], Callable[[Project], None]]] = {
    "init": (make_project, ("init",), check_init),
    "import": (prepare_import, ("plan", "import"), check_import),
    "import-answer": (prepare_answer, ("plan", "import", "-", "--force"), check_answer),
    "workpackage": (prepare_pack, ("workpackage", "install", "parser", "--pack", "answer.md", "--import"), check_pack),
    "plan-prompt": (prepare_import, ("agent", "plan-prompt"), check_prompt),
    "run": (prepare_next, ("agent", "run", "--lane", "core", "--mode", "queue"), check_next),
    "finish": (prepare_finish, FINISH, check_finish),
    "finish-and-push": (prepare_closeout, FINISH, check_closeout),
    "finish-and-merge": (prepare_local_closeout, FINISH, check_closeout),
    "undo": (prepare_finished, ("undo", "6"), check_undone),
    "undo-a-merge": (prepare_merged, ("undo", "6"), check_undone),
    "park": (prepare_park, ("agent", "task", "TASK-003"), check_park),
    "restore": (prepare_restore, ("agent", "run", "--lane", "core"), check_restore),
    "finish-a-recovery": (prepare_recovery, FINISH, check_recovery),
    "backlog-promote": (prepare_backlog, ("backlog", "promote", "BLG-001"), check_promote),
    "adr-new": (prepare_backlog, ("adr", "new", "Errors are values", "-d", "They are."), check_adr),
    "migrate": (make_recovery, ("migrate",), check_migrate),
    "reset": (prepare_reset, ("workspace", "reset", "--force"), check_reset),
    "restore-a-reset": (prepare_restore_of_a_reset, ("workspace", "restore"), check_restored),
    "state-rebuild": (prepare_rebuild, ("state", "rebuild"), check_rebuilt),
    "uninstall": (prepare_uninstall, ("uninstall", "--yes"), check_uninstall),
    "git-branch": (prepare_next, ("git", "branch", "M01"), check_branch),
    "git-push": (prepare_begun, ("git", "push", "M01"), check_push),
    "git-sync": (prepare_behind, ("git", "sync"), check_sync),
    "doctor-fix": (prepare_damaged, ("doctor", "--fix"), check_repaired),
    "git-cleanup": (prepare_leftover, ("git", "cleanup", "--local", "--remote"), check_cleanup),
}


def given_to(project: Project, command: tuple[str, ...]) -> str:
    """What the command gets on standard input: the project's `answer.md` for `-`, else nothing."""
    return project.read("answer.md") if "-" in command else ""


def check_common(project: Project) -> None:
    """What must hold after any command."""
    state = project.path / "docs/ai/workspace/state"
    assert not (state / "journal.json").exists()
    if not (project.path / ".ai-workflow.yaml").exists():
        return
    assert list((state / "intents").glob("*.json")) == []
    left = {path.name for path in (project.path / ".git").iterdir() if path.name.startswith("aiw-")}
    assert {name for name in left if not name.startswith("aiw-trust-")} <= {"aiw.lock"}
    assert not (project.path / ".git/index.lock").exists()
    assert project.aiw("status", "--json").json["damaged"] == []
