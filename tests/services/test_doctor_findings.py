"""Every finding: something that produces it, and the command it names, which clears it (spec §8)."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support.prepared import prepared
from support.project import Project
from support.sickness import PREPARE, STATE, call, edit, examine, find, serious, type_in

pytestmark = pytest.mark.slow

WORKSPACE = "docs/ai/workspace"
Break = Callable[[Project], object]


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Project]:
    return lambda name: prepared(PREPARE[name], tmp_path)


def unlink(rel: str) -> Break:
    return lambda project: (project.path / rel).unlink()


def lose(rel: str) -> Break:
    """The file is gone, and so is the log that would tell what it held."""

    def lose_both(project: Project) -> None:
        (project.path / rel).unlink()
        shutil.rmtree(project.path / STATE / "operations")

    return lose_both


def state(rel: str, **fields: object) -> Break:
    return lambda project: edit(project, rel, **fields)


def both(*breaks: Break) -> Break:
    return lambda project: [do(project) for do in breaks]


def git(*args: str) -> Break:
    return lambda project: project.git(*args)


def lock(project: Project) -> None:
    path = project.write(".git/index.lock", "")
    os.utime(path, (1, 1))


def leave_lane(project: Project) -> None:
    edit(project, "lanes/core.json", current_task_id=None)


def reset_branch(project: Project) -> None:
    """TASK-001's commit on no branch any more, and no other commit with its trailers."""
    project.git("update-ref", "refs/heads/ai/m01-parser-base", project.milestone("M01")["start_sha"])


def amend(project: Project) -> None:
    project.git("stash", "--include-untracked", "--quiet")
    project.git("commit", "--quiet", "--amend", "--reset-author", "--no-edit", "--date", "2001-01-01T00:00:00Z")
    project.git("stash", "pop", "--quiet")


def track(project: Project) -> None:
    project.git("add", "--force", f"{STATE}/project.json")


def hold(project: Project) -> None:
    blocker = json.loads((project.path / STATE / "blockers/BLK-0001.json").read_text())
    assert blocker["status"] == "open"
    blocker |= {"id": "BLK-0009", "blocked_task_id": "TASK-003", "blocked_milestone_id": "M02"}
    project.write(f"{STATE}/blockers/BLK-0009.json", json.dumps(blocker))


def lose_blocker(project: Project) -> None:
    call(project, "task", "block", "TASK-004", "waits for an answer")
    lose(f"{STATE}/blockers/BLK-0001.json")(project)


def nobody(project: Project) -> None:
    Path(os.environ["GIT_CONFIG_GLOBAL"]).write_text("")
    project.git("config", "user.useConfigOnly", "true")


def unproven(project: Project) -> None:
    decision = {"kind": "unproven", "reason": "in a hurry", "actor": "me", "at": "2026-01-01T00:00:00Z"}
    edit(project, "tasks/TASK-001.json", unproven="in a hurry", decisions=[decision])
    edit(project, "tasks/TASK-002.json", status="skipped")
    edit(project, "lanes/core.json", current_task_id=None)


def accept_adr(project: Project) -> None:
    call(project, "adr", "new", "Errors are values", "-d", "Functions return errors.")
    call(project, "adr", "accept", "1")


ADR = f"{WORKSPACE}/adr/ADR-0001-errors-are-values.md"


def adr_behind(project: Project) -> None:
    accept_adr(project)
    project.write(ADR, project.read(ADR).replace("Status: accepted", "Status: proposed"))


def adr_missing(project: Project) -> None:
    accept_adr(project)
    (project.path / ADR).unlink()


def link_backlog(project: Project) -> None:
    edit(project, "tasks/TASK-003.json", notes=["backlog_id: BLG-001"])


def merge_conflict(project: Project) -> None:
    (project.path / ".git/MERGE_HEAD").write_text(project.git("rev-parse", "HEAD") + "\n")


CASES: dict[str, tuple[str, Break]] = {
    # references
    "listed-task-missing": ("active", state("milestones/M10.json", task_ids=["TASK-004", "TASK-099"])),
    "task-listed-twice": ("active", state("milestones/M10.json", task_ids=["TASK-004", "TASK-003"])),
    "task-not-listed": ("active", state("milestones/M10.json", task_ids=[])),
    "milestone-missing": ("active", lose(f"{STATE}/milestones/M10.json")),
    "dependency-unknown": ("active", state("tasks/TASK-004.json", depends_on=["M02", "TASK-099"])),
    "dependency-cancelled": (
        "active",
        both(state("tasks/TASK-003.json", depends_on=["TASK-004"]), state("tasks/TASK-004.json", status="cancelled")),
    ),
    "dependency-cycle": (
        "active",
        both(state("tasks/TASK-003.json", depends_on=["TASK-004"]), state("tasks/TASK-004.json", depends_on=["M02"])),
    ),
    # lanes and activity
    "lane-milestone-missing": ("merged", state("lanes/core.json", milestone_id="M77", branch="ai/m77")),
    "lane-on-closed-milestone": ("merged", state("lanes/core.json", milestone_id="M01", status="active")),
    "lane-task-missing": ("merged", state("lanes/core.json", current_task_id="TASK-099")),
    "lane-task-not-active": ("merged", state("lanes/core.json", current_task_id="TASK-001")),
    "lane-missing": ("merged", lose(f"{STATE}/lanes/core.json")),
    "active-task-without-lane": ("active", leave_lane),
    "several-active-tasks": ("active", state("tasks/TASK-003.json", status="in_progress")),
    "several-active-milestones": ("active", state("milestones/M10.json", status="in_progress")),
    "readiness": ("active", state("tasks/TASK-003.json", status="ready")),
    # blockers, runs, proof
    "blocked-without-blocker": ("active", state("tasks/TASK-004.json", status="blocked")),
    "blocker-missing": ("active", lose_blocker),
    "blocker-holds-nothing": ("recovery", hold),
    "milestone-blocker-missing": ("active", state("milestones/M01.json", status="blocked")),
    "run-left-open": ("merged", state("runs/RUN-0001.json", status="started")),
    "unproven": ("active", unproven),
    "done-without-commit": ("active", state("tasks/TASK-001.json", commit_sha=None)),
    # recoveries
    "recovery-of-nothing": (
        "recovery",
        both(
            state("tasks/TASK-001.json", status="ready", blocker=None),
            state("blockers/BLK-0001.json", status="resolved"),
        ),
    ),
    "recovery-parent": (
        "recovery",
        lambda project: edit(
            project,
            "milestones/M01-01.json",
            recovery={**project.milestone("M01-01")["recovery"], "parent_milestone_id": "M01-01"},
        ),
    ),
    # git
    "head-elsewhere": ("active", both(git("switch", "--quiet", "main"))),
    "head-detached": ("active", git("switch", "--quiet", "--detach")),
    "base-missing": ("active", git("branch", "-D", "main")),
    "branch-missing": ("parked", git("branch", "-D", "ai/m01-parser-base")),
    "commit-rewritten": ("active", amend),
    "commit-unreachable": ("active", reset_branch),
    "merged-not-on-base": ("merged", git("update-ref", "refs/heads/main", "main~1")),
    "parked-ref-missing": ("parked", git("update-ref", "-d", "refs/aiw/parked/TASK-002")),
    "no-identity": ("active", nobody),
    "git-lock": ("active", lock),
    "runtime-tracked": ("active", track),
    # documents
    "document-missing": ("active", unlink("docs/ai/START_HERE.md")),
    "handoff-missing": ("active", unlink(f"{WORKSPACE}/next-handoff.md")),
    "handoff-conflict": (
        "active",
        lambda p: p.write(f"{WORKSPACE}/next-handoff.md", "<<<<<<< a\n=======\n>>>>>>> b\n"),
    ),
    "handoff-too-long": ("active", lambda p: p.write(f"{WORKSPACE}/active-roadmap.md", "x" * 9000)),
    "handoff-differs": ("active", lambda p: p.write(f"{WORKSPACE}/active-roadmap.md", "x")),
    "gitignore-block": ("active", unlink(".gitignore")),
    "prompt-missing": ("active", unlink(f"{WORKSPACE}/prompts/next-core.md")),
    "plan-changed": (
        "active",
        lambda p: p.plan(p.read("docs/ai/plan/milestones.md").replace("A parser", "One parser")),
    ),
    "backlog-out-of-step": ("merged", link_backlog),
    "adr-file-missing": ("active", adr_missing),
    "adr-status-differs": ("active", adr_behind),
    # what kills leave
    "events-damaged": (
        "active",
        lambda p: p.write(f"{STATE}/events/events.jsonl", p.read(f"{STATE}/events/events.jsonl") + '{"half'),
    ),
    "operation-damaged": ("active", lambda p: p.write(f"{STATE}/operations/OP-000099-abcdef.json", "{")),
}


@pytest.mark.parametrize("code", CASES)
def test_the_command_that_a_finding_names_clears_it(code: str, make: Callable[[str], Project]) -> None:
    name, sicken = CASES[code]
    project = make(name)
    assert serious(project) == [], "healthy before"
    sicken(project)
    found = find(project, code)
    assert found["path"]
    type_in(project, found["fix"])
    assert [one for one in examine(project) if (one["code"], one["level"]) == (code, found["level"])] == []


FIXED = [
    code
    for code, (_, _) in CASES.items()
    if code
    in {
        "listed-task-missing", "task-listed-twice", "task-not-listed", "lane-milestone-missing", "lane-task-missing",
        "lane-on-closed-milestone", "lane-task-not-active", "active-task-without-lane", "several-active-tasks",
        "several-active-milestones", "readiness", "blocker-holds-nothing", "run-left-open", "done-without-commit",
        "recovery-of-nothing", "recovery-parent", "commit-rewritten", "document-missing", "handoff-missing",
        "handoff-conflict", "handoff-too-long", "gitignore-block", "prompt-missing", "adr-file-missing",
        "adr-status-differs", "events-damaged", "operation-damaged",
    }
]  # fmt: skip


@pytest.mark.parametrize("code", FIXED)
def test_fix_leaves_nothing_to_do_and_does_nothing_twice(code: str, make: Callable[[str], Project]) -> None:
    name, sicken = CASES[code]
    project = make(name)
    work = project.git("status", "--porcelain")
    sicken(project)
    assert call(project, "doctor", "--fix")[0] == 0
    assert serious(project) == []
    again = json.loads(call(project, "doctor", "--fix", "--json")[1])
    assert again["repairs"] == []
    if not code.startswith(("adr", "gitignore", "document", "handoff", "commit")):
        assert project.git("status", "--porcelain") == work, "the work in the tree is as it was"


def test_a_lost_task_commit_is_shown_as_unproven(make: Callable[[str], Project]) -> None:
    project = make("active")
    edit(project, "tasks/TASK-001.json", commit_sha=None)
    reset_branch(project)
    assert "done-without-commit" in serious(project)
    call(project, "doctor", "--fix")
    assert project.task(1)["unproven"] == "no commit of it is known"


def test_a_commit_without_a_place_is_found_again_by_its_trailers(make: Callable[[str], Project]) -> None:
    project = make("active")
    before = project.task(1)["commit_sha"]
    amend(project)
    call(project, "doctor", "--fix")
    assert project.task(1)["commit_sha"] == project.git("rev-parse", "HEAD") != before


def test_parked_work_that_is_gone_is_an_error_with_a_way_on(make: Callable[[str], Project]) -> None:
    project = make("parked")
    edit(project, "tasks/TASK-002.json", parked={**project.task(2)["parked"], "commit": "1" * 40})
    found = find(project, "parked-work-missing")
    type_in(project, found["fix"])
    assert project.task(2)["parked"] is None


def test_work_on_a_parked_ref_that_no_task_waits_for_is_only_shown(make: Callable[[str], Project]) -> None:
    project = make("parked")
    edit(project, "tasks/TASK-002.json", parked=None)
    found = find(project, "parked-without-task")
    assert found["level"] == "info"
    type_in(project, found["fix"])
    call(project, "doctor", "--fix")
    assert project.git("rev-parse", "refs/aiw/parked/TASK-002")


def test_a_merge_in_progress_is_a_warning_with_git_s_own_way_out(make: Callable[[str], Project]) -> None:
    project = make("active")
    merge_conflict(project)
    found = find(project, "git-unfinished")
    assert (found["level"], found["fix"]) == ("warning", "git merge --continue")


def test_a_missing_commit_is_an_error(make: Callable[[str], Project]) -> None:
    project = make("active")
    edit(project, "tasks/TASK-001.json", commit_sha="1" * 40)
    # Its trailers are still on the branch.
    assert find(project, "commit-rewritten")["level"] == "warning"
    reset_branch(project)
    assert find(project, "commit-missing")["level"] == "error"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("git:\n  base_brnch: main\n", 2, "did you mean `git.base_branch`?"),
        ("agent:\n  checks: 7\n", 2, "expected a list of commands"),
        ("workspace_dir: ../x\n", 1, "inside the project"),
        ("a: [\n", 2, "YAML"),
    ],
)
def test_a_wrong_config_is_a_finding_with_its_line(
    text: str, line: int, words: str, make: Callable[[str], Project]
) -> None:
    project = make("active")
    project.write(".ai-workflow.yaml", text)
    for args in ((), ("--fix",)):
        code, out = call(project, "doctor", "--json", *args)
        assert code == 1
        found = json.loads(out)["findings"][0]
        assert (found["code"], found["path"]) == ("config", ".ai-workflow.yaml")
        assert found["line"] is None or found["line"] <= line
        assert words.lower() in (found["message"] + found["fix"]).lower()


def test_keys_without_effect_are_told_once(make: Callable[[str], Project]) -> None:
    project = make("active")
    text = project.read(".ai-workflow.yaml")
    project.write(".ai-workflow.yaml", f"{text}parallel:\n  enabled: true\n  max_lanes: 3\n")
    found = find(project, "keys-without-effect")
    assert found["level"] == "info"
    assert found["message"].startswith("parallel.enabled (line ")
    assert "parallel.max_lanes" in found["message"]


@pytest.mark.parametrize(
    ("check", "is_missing"),
    [
        ("no-such-program --x", True),
        ("A=1 no-such-program", True),
        ("./no/such/file", True),
        ("cd src && ls", False),
        ("true", False),
        ("git --version", False),
        ("$RUN tests", False),
        ("! grep x", False),
        ("if true; then x; fi", False),
        ("'unclosed", False),
    ],
)
def test_the_program_of_a_check_must_be_found(check: str, *, is_missing: bool, make: Callable[[str], Project]) -> None:
    project = make("merged")
    text = project.read(".ai-workflow.yaml")
    project.write(
        ".ai-workflow.yaml", text.replace('"true"', json.dumps(check)).replace("- true", f"- {json.dumps(check)}")
    )
    assert ("check-program-missing" in serious(project)) is is_missing


def test_the_program_of_the_prefix_must_be_found(make: Callable[[str], Project]) -> None:
    project = make("merged")
    text = project.read(".ai-workflow.yaml")
    project.write(".ai-workflow.yaml", text.replace('command_prefix: ""', "command_prefix: no-such-tool run"))
    found = find(project, "prefix-program-missing")
    assert found["line"] == text.split("\n").index('  command_prefix: ""') + 1


def test_a_plan_that_cannot_be_imported_is_a_warning_with_its_line(make: Callable[[str], Project]) -> None:
    project = make("merged")
    project.plan("# Milestones\n\n## M01 - One\nTasks:\n- Improve\n")
    found = find(project, "plan-not-valid")
    assert (found["level"], found["line"], found["path"]) == ("warning", 5, "docs/ai/plan/milestones.md")
    assert found["fix"] == "aiw plan validate docs/ai/plan/milestones.md"


def test_findings_of_the_backlog_have_their_lines(make: Callable[[str], Project]) -> None:
    project = make("merged")
    project.write("docs/ai/plan/backlog.md", "# Backlog\n\n## BLG-001 - One\n\nStatus: nonsense\n")
    found = find(project, "backlog-unknown-status")
    assert (found["level"], found["line"]) == ("warning", 5)
    project.write("docs/ai/plan/backlog.md", b"\xff\xfe")
    assert find(project, "backlog-unreadable")["path"] == "docs/ai/plan/backlog.md"


def test_a_base_that_parted_from_its_remote_is_a_warning(make: Callable[[str], Project], tmp_path: Path) -> None:
    project = make("merged")
    project.git("remote", "add", "origin", str(tmp_path / "nowhere"))
    first = project.git("rev-list", "--max-parents=0", "HEAD")
    other = project.git("commit-tree", "-p", first, "-m", "theirs", f"{first}^{{tree}}")
    project.git("update-ref", "refs/remotes/origin/main", other)
    assert find(project, "base-diverged")["fix"] == "git rebase origin/main main"


def test_no_repository_is_an_error(make: Callable[[str], Project]) -> None:
    project = make("merged")
    (project.path / ".git").rename(project.path.parent / "away")
    found = find(project, "no-repository")
    type_in(project, found["fix"])
    assert "no-repository" not in serious(project)


def test_no_state_is_an_error_that_init_clears(make: Callable[[str], Project]) -> None:
    import shutil

    from support.project import make_project

    project = make_project(make("merged").path.parent / "fresh", remote=False)
    call(project, "init")
    shutil.rmtree(project.path / STATE)
    found = find(project, "no-state")
    assert found["path"] == f"{STATE}/project.json"
    type_in(project, found["fix"])
    assert serious(project) == ["no-checks"]


def test_a_workspace_of_0_1_0_is_named(make: Callable[[str], Project]) -> None:
    project = make("merged")
    old = {"schema_version": 1, "project_name": "p", "workspace_version": "0.2.0", "base_branch": "main"}
    project.write(f"{STATE}/project.json", json.dumps(old))
    found = find(project, "cannot-read-state")
    assert (found["level"], found["path"]) == ("error", STATE)
    assert "aiw migrate" in found["fix"]
    assert call(project, "doctor", "--fix")[0] == 1
    assert json.loads(project.read(f"{STATE}/project.json")) == old


def test_a_cut_off_history_and_submodules_are_only_told(make: Callable[[str], Project], tmp_path: Path) -> None:
    project = make("merged")
    clone = Project(tmp_path / "clone")
    project.git("clone", "--quiet", "--depth", "2", f"file://{project.path}", str(clone.path))
    call(clone, "init")
    clone.write(".gitmodules", "")
    assert find(clone, "shallow")["level"] == "info"
    assert find(clone, "submodules")["level"] == "info"


def test_a_base_that_only_the_remote_has_is_a_warning(make: Callable[[str], Project], tmp_path: Path) -> None:
    project = make("active")
    project.git("remote", "add", "origin", str(tmp_path / "nowhere"))
    project.git("update-ref", "refs/remotes/origin/main", "main")
    project.git("branch", "--quiet", "-D", "main")
    found = find(project, "base-missing")
    assert (found["level"], found["fix"]) == ("warning", "git branch main origin/main")
    type_in(project, found["fix"])
    assert "base-missing" not in serious(project)
