"""A secret in a change set stops the commit, and is printed and stored nowhere (spec §7.8)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from support.landing import ONE_TASK
from support.prepared import prepared
from support.project import Project, make_ready
from support.secret_corpus import Secrets

WIDE = ONE_TASK.replace("  Conflict: src/parser.py\n", "")


def prepare(folder: Path) -> Project:
    """A task without scopes is active, so that every file is its own."""
    made = make_ready(folder, plan=WIDE, remote=False)
    made.write("src/old.py", "old = 1\n")
    made.git("add", "--all")
    made.git("commit", "--quiet", "-m", "Old")
    made.next()
    return made


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(prepare, tmp_path)


@pytest.fixture
def secret() -> str:
    return Secrets().github()


def _fingerprint(text: str) -> str:
    found = re.search(r"fingerprint ([0-9a-f]{16})", text)
    assert found, text
    return found.group(1)


def _assert_nowhere(project: Project, secret: str) -> None:
    """No file of the workspace and no object that a ref reaches holds it."""
    for path in (project.path / "docs").rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    objects = project.git("rev-list", "--all", "--objects").split("\n")
    stdin = "".join(f"{line.split(' ')[0]}\n" for line in objects)
    assert stdin
    for line in objects:
        sha = line.split(" ")[0]
        if project.git("cat-file", "-t", sha) == "blob":
            assert secret not in project.git("cat-file", "blob", sha), line


def test_a_secret_stops_the_finish_and_is_named_without_being_shown(project: Project, secret: str) -> None:
    before = project.git("rev-parse", "HEAD")
    project.write("src/a.py", f"one = 1\ntoken = '{secret}'\n")
    result = project.finish(code=1)
    mark = _fingerprint(result.stderr)
    assert result.stderr == (
        "error: TASK-001 would commit what looks like a secret:\n"
        f"  src/a.py:2: github-token, fingerprint {mark}\n"
        "hint: take it out of the file (the environment and ignored files are places for it), or if it is none\n"
        "  let it in:        aiw agent finish --lane core --task TASK-001 --commit --allow-secret FINGERPRINT"
        " --reason …\n"
        "  say so for good:  `aiw:allow-secret` in a comment on its line, or secrets.allow in .ai-workflow.yaml\n"
    )
    assert secret not in result.stdout + result.stderr
    assert project.git("rev-parse", "HEAD") == before
    assert project.task(1)["status"] == "in_progress"
    _assert_nowhere(project, secret)
    refused = project.finish("--json", code=1)
    assert refused.json["error"]["kind"] == "secret"
    assert secret not in refused.stdout


def test_no_check_runs_on_a_refused_change(project: Project, secret: str) -> None:
    project.write("src/a.py", f"token = '{secret}'\n")
    project.finish("--check-cmd", "touch ../ran", code=1)
    assert not (project.path.parent / "ran").exists()


@pytest.mark.parametrize("how", ["staged", "renamed", "new name in utf-16", "odd name", "link"])
def test_a_secret_is_found_however_it_comes(project: Project, secret: str, how: str) -> None:
    line = f"token = '{secret}'\n"
    if how == "staged":
        project.write("src/a.py", line)
        project.git("add", "src/a.py")
    elif how == "renamed":
        project.git("mv", "src/old.py", "src/new.py")
        project.write("src/new.py", "old = 1\n" + line)
    elif how == "odd name":
        project.write("src/ä b\n.py", line)
    elif how == "link":
        (project.path / "src/link").symlink_to(f"https://x:{secret}@acme.io")
    else:
        project.write("src/a.txt", line.encode("utf-16"))
    result = project.finish(code=1)
    assert "github-token" in result.stderr
    assert secret not in result.stderr


def test_attributes_of_the_repository_do_not_hide_a_file(project: Project, secret: str) -> None:
    project.write(".gitattributes", "*.py binary -diff diff=none\n")
    project.write("src/a.py", f"token = '{secret}'\n")
    assert "src/a.py:1: github-token" in project.finish(code=1).stderr


def test_what_was_in_history_before_is_not_held_against_the_task(project: Project, secret: str) -> None:
    project.write("src/old.py", f"token = '{secret}'\n")
    project.git("commit", "--quiet", "-am", "Long ago")
    project.write("src/old.py", f"# touched\n    token = '{secret}'  # and moved\n")
    project.finish()


def test_what_the_user_left_uncommitted_is_not_looked_at(
    tmp_path: Path, secret: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = make_ready(tmp_path, plan=WIDE, remote=False)
    made.write("mine.txt", secret)
    made.write(".ai-workflow.yaml", made.read(".ai-workflow.yaml"))
    made.aiw("plan", "import")
    made.aiw("milestone", "start", "M01")
    made.next()
    made.write("src/a.py", "one = 1\n")
    made.finish()
    assert made.status() == ["?? mine.txt"]


def test_a_fingerprint_lets_one_value_in_and_is_recorded(project: Project, secret: str) -> None:
    other = Secrets(7).github()
    project.write("src/a.py", f"token = '{secret}'\n")
    mark = _fingerprint(project.finish(code=1).stderr)
    project.write("src/b.py", f"token = '{other}'\n")
    both = project.finish("--allow-secret", mark, "--reason", "a test value", code=1).stderr
    assert "src/b.py:1" in both
    assert "src/a.py" not in both
    (project.path / "src/b.py").unlink()
    project.finish("--allow-secret", mark, "--reason", "a test value")
    made = project.task(1)["decisions"]
    assert [(one["kind"], one["fingerprint"], one["reason"]) for one in made] == [
        ("allow-secret", mark, "a test value")
    ]


def test_task_done_and_git_commit_take_it_too(project: Project, secret: str) -> None:
    project.write("src/a.py", f"token = '{secret}'\n")
    mark = _fingerprint(project.aiw("task", "done", "TASK-001", code=1).stderr)
    again = project.aiw("git", "commit", "TASK-001", "--allow-secret", mark, code=2)
    assert "needs a reason" in again.stderr
    project.aiw("task", "done", "TASK-001", "--allow-secret", mark, "--reason", "a test value")
    assert project.task(1)["status"] == "done"


def test_the_secret_itself_is_no_fingerprint_and_is_not_repeated(project: Project, secret: str) -> None:
    project.write("src/a.py", f"token = '{secret}'\n")
    result = project.finish("--allow-secret", secret, "--reason", "mine", code=2)
    assert secret not in result.stdout + result.stderr
    wrong = project.finish("--allow-secret", "0" * 16, "--reason", "mine", code=1)
    assert "github-token" in wrong.stderr


def test_a_fingerprint_that_fits_nothing_is_told(project: Project) -> None:
    project.write("src/a.py", "one = 1\n")
    result = project.finish("--allow-secret", "0" * 16, "--reason", "mine", code=2)
    assert result.stderr.startswith(f"error: --allow-secret {'0' * 16}: nothing in the change has this fingerprint\n")


@pytest.mark.parametrize("pragma", ["aiw:allow-secret", "pragma: allowlist secret"])
def test_a_pragma_lets_its_line_in_and_is_named(project: Project, secret: str, pragma: str) -> None:
    project.write("src/a.py", f"token = '{secret}'  # {pragma}\n")
    result = project.finish()
    assert "note: taken for no secret because the line says so: src/a.py:1" in result.stderr


@pytest.mark.parametrize("policy", ["warn", "off"])
def test_the_policy_can_be_weaker(project: Project, secret: str, policy: str) -> None:
    project.aiw("config", "set", "secrets.policy", policy)
    project.git("update-index", "--assume-unchanged", ".ai-workflow.yaml")
    project.write("src/a.py", f"token = '{secret}'\n")
    result = project.finish()
    assert ("warning: TASK-001 commits what looks like a secret:\n  src/a.py:1: github" in result.stderr) == (
        policy == "warn"
    )
    assert secret not in result.stderr


def test_the_config_keeps_false_alarms(project: Project, secret: str) -> None:
    project.write("src/a.py", f"token = '{secret}'\n")
    mark = _fingerprint(project.finish(code=1).stderr)
    text = project.read(".ai-workflow.yaml")
    project.write(".ai-workflow.yaml", f'{text}\nsecrets:\n  allow: ["{mark}"]\n')
    project.finish()


def test_a_secret_that_a_hook_adds_takes_the_commit_back(project: Project, secret: str) -> None:
    before = project.git("rev-parse", "HEAD")
    hook = f"#!/bin/sh\nprintf 'token = \"{secret}\"\\n' >> src/a.py\ngit add src/a.py\n"
    project.write(".git/hooks/pre-commit", hook, mode=0o755)
    project.write("src/a.py", "one = 1\n")
    result = project.finish(code=1)
    assert "it was taken back" in result.stderr
    assert "src/a.py:2: github-token" in result.stderr
    assert secret not in result.stderr
    assert project.git("rev-parse", "HEAD") == before


def test_a_decision_record_with_a_secret_is_not_committed(project: Project, secret: str) -> None:
    project.aiw("adr", "new", "Keep it")
    path = next((project.path / "docs/ai/workspace/adr").glob("*.md"))
    path.write_text(f"{path.read_text()}\nThe key is {secret}.\n")
    project.write("src/a.py", "one = 1\n")
    before = project.git("rev-parse", "HEAD")
    result = project.finish(code=1)
    assert "github-token" in result.stderr
    assert secret not in result.stderr
    assert project.git("rev-parse", "HEAD") == before


def test_the_first_commit_of_the_workspace_is_searched_too(tmp_path: Path, secret: str) -> None:
    made = make_ready(tmp_path, plan=WIDE, remote=False)
    made.write(".ai-workflow.yaml", made.read(".ai-workflow.yaml") + f"# {secret}\n")
    before = made.git("rev-parse", "HEAD")
    result = made.aiw("agent", "run", code=1)
    assert "the commit `aiw: set up workspace` would hold what looks like a secret" in result.stderr
    assert secret not in result.stderr
    assert made.git("rev-parse", "HEAD") == before


def test_output_of_checks_is_masked(project: Project, secret: str) -> None:
    project.write("src/a.py", "one = 1\n")
    project.write("../said", f"API_TOKEN={secret}\n")
    result = project.finish("--check-cmd", "cat ../said; exit 1", code=1)
    assert "[secret:github-token]" in result.stderr.split("--- cat ../said")[1]
    tail = json.dumps([project.state(f"runs/{run}.json") for run in project.task(1)["run_ids"]])
    assert "[secret:github-token]" in tail
    project.aiw("agent", "run")
    assert "[secret:github-token]" in project.read("docs/ai/workspace/prompts/next-core.md")
    for path in (project.path / "docs").rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path


def test_a_big_binary_file_is_searched_for_forms(project: Project, secret: str) -> None:
    project.write("data.bin", b"\0" * 3_000_000 + secret.encode() + b"\0" * 1000)
    assert "data.bin: github-token" in project.finish(code=1).stderr
