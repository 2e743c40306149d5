"""`aiw init`: detects, writes, is idempotent, keeps what a person wrote, and leaves git alone (spec §2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.project import Project, make_project


def refs(project: Project) -> str:
    return project.git("for-each-ref") + project.git("symbolic-ref", "HEAD", ok=(0, 1))


def contents(project: Project) -> dict[Path, bytes]:
    files = [path for path in project.path.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {path: path.read_bytes() for path in files}


def test_it_never_switches_commits_or_pushes(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    before = refs(project), project.git("ls-remote", "origin")
    project.aiw("init")
    assert (refs(project), project.git("ls-remote", "origin")) == before
    assert project.git("diff", "--cached", "--name-only") == ""


def test_base_is_the_default_branch_wherever_one_stands(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.git("switch", "-qc", "feature")
    assert project.aiw("init", "--json").json["base_branch"] == "main"


def test_base_is_the_remotes_default_branch(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.git("branch", "-m", "main", "trunk")
    project.git("push", "-q", "origin", "trunk")
    project.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    assert project.aiw("init", "--json").json["base_branch"] == "trunk"


def test_base_of_an_unborn_repository_is_its_branch(tmp_path: Path) -> None:
    project = make_project(tmp_path, remote=False, commit=False)
    project.git("symbolic-ref", "HEAD", "refs/heads/start")
    assert project.aiw("init", "--json").json["base_branch"] == "start"


def test_a_base_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    assert "branch nope does not exist" in project.aiw("init", "--base-branch", "nope", code=1).stderr
    assert not (project.path / ".ai-workflow.yaml").exists()


def test_again_changes_nothing(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write(".gitignore", "*.log")
    project.aiw("init")
    before = {
        path: path.read_bytes() for path in project.path.rglob("*") if path.is_file() and ".git/" not in str(path)
    }
    again = project.aiw("init")
    after = {path: path.read_bytes() for path in project.path.rglob("*") if path.is_file() and ".git/" not in str(path)}
    assert again.stdout.startswith("Already initialized")
    assert {path for path in after if before.get(path) != after[path]} == set()
    assert project.read(".gitignore").startswith("*.log\n")


def test_force_keeps_what_a_person_wrote(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.aiw("init")
    project.write("docs/ai/START_HERE.md", "# mine now\n")
    config = project.read(".ai-workflow.yaml").replace("closeout_mode: auto", "closeout_mode: direct_merge")
    project.write(".ai-workflow.yaml", config)
    (project.path / "docs/ai/README.md").unlink()
    result = project.aiw("init", "--force")
    assert "  kept  docs/ai/START_HERE.md (yours)" in result.stdout
    assert "  kept  .ai-workflow.yaml (yours)" in result.stdout
    assert "  wrote docs/ai/README.md" in result.stdout
    assert project.read("docs/ai/START_HERE.md") == "# mine now\n"
    assert project.read(".ai-workflow.yaml") == config


@pytest.mark.parametrize(
    ("files", "checks"),
    [
        ({"package.json": '{"scripts": {"test": "node --test"}}'}, ["npm test"]),
        ({"Cargo.toml": '[package]\nname = "x"\n'}, ["cargo test"]),
        ({"go.mod": "module x\n"}, ["go test ./..."]),
        ({"Makefile": "test:\n\ttrue\n"}, ["make test"]),
        ({"README.md": "x"}, []),
    ],
)
def test_checks_are_what_the_repository_has(tmp_path: Path, files: dict[str, str], checks: list[str]) -> None:
    project = make_project(tmp_path, remote=False, files=files)
    result = project.aiw("init", "--json")
    assert result.json["checks"] == checks
    assert ("warning: no checks were found" in result.stderr) == (not checks)


def test_runtime_files_are_ignored_and_owned_ones_are_not(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.aiw("init")
    project.plan()
    assert project.status() == [
        "?? .ai-workflow.yaml",
        "?? .gitignore",
        "?? docs/ai/README.md",
        "?? docs/ai/START_HERE.md",
        "?? docs/ai/plan/backlog.md",
        "?? docs/ai/workspace/active-roadmap.md",
        "?? docs/ai/workspace/current-status.md",
        "?? docs/ai/workspace/next-handoff.md",
        "?? docs/operator/codex-agent.md",
        "?? docs/operator/operator.md",
    ]


def test_outside_a_repository(tmp_path: Path) -> None:
    result = Project(tmp_path).aiw("init", code=1)
    assert result.stderr == f"error: {tmp_path} is not in a git repository\nhint: run `git init` first\n"
    assert list(tmp_path.iterdir()) == []


def test_inside_another_workspace_only_on_request(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.aiw("init")
    inner = Project(project.path / "src")
    assert "lies in the workspace of" in inner.aiw("init", code=1).stderr
    inner.aiw("init", "--nested")
    assert inner.aiw("status", "--json").json["root"] == str(inner.path)


def test_a_clone_of_worked_through_history_is_not_begun_anew(tmp_path: Path) -> None:
    from support.project import make_ready

    project = make_ready(tmp_path)
    project.next()
    project.write("src/parser.py", "x\n")
    project.finish()
    clone = Project(tmp_path / "clone")
    project.git("clone", "-q", str(project.path), str(clone.path), cwd=tmp_path)
    result = clone.aiw("init", code=1)
    assert "hold work of aiw (the last is TASK-001), but there is no state" in result.stderr
    assert not (clone.path / "docs/ai/workspace/state").exists()


def test_a_moved_workspace_takes_its_rules_along(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write(".ai-workflow.yaml", 'workspace_dir: tools/aiw\nplan_dir: tools/plan\nagent:\n  checks: ["true"]\n')
    project.aiw("init")
    project.write(
        "tools/plan/milestones.md",
        "# Milestones\n\n## M01 - One\nTasks:\n- Write one single thing\n  Acceptance: x is there.\n",
    )
    project.next()
    assert (project.path / "tools/aiw/state/tasks/TASK-001.json").exists()
    assert project.status() == []
    project.write("a.txt", "x\n")
    project.finish()
    assert project.status() == []
    assert project.aiw("status", "--json").json["progress"]["milestones"] == {"merged": 1}
    committed = project.git("log", "--name-only", "--format=", "main").split("\n")
    assert not [path for path in committed if "/state/" in path]
