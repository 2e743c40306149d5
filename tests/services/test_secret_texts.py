"""A secret in what is typed or taken over from a file is refused before anything is written (spec §7.8)."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from support.prepared import prepared
from support.project import PARSER_PLAN, Project, make_planned, make_ready, make_under_way
from support.secret_corpus import Secrets

SECRET = Secrets().github()
TEXT = f"with {SECRET} in it"
PLAN_PATH = "docs/ai/plan/milestones.md"
BAD_PLAN = PARSER_PLAN.replace("Acceptance: Parser uses", f"Acceptance: {SECRET} makes the parser use")
TYPED = (
    (("task", "block", "2", TEXT), "what follows `2`"),
    (("task", "block", "2", "--reason", TEXT), "--reason"),
    (("task", "skip", "2", f"--reason={TEXT}"), "--reason"),
    (("task", "edit", "2", "--title", TEXT), "--title"),
    (("task", "adhoc", TEXT), "what follows `adhoc`"),
    (("backlog", "add", "--title", TEXT), "--title"),
    (("adr", "new", "A title", "--decision", TEXT), "--decision"),
    (("agent", "finish", "--lane", "core", "--commit", "--check-cmd", f"curl -u x:{SECRET} a"), "--check-cmd"),
    (("agent", "finish", "--lane", "core", "--commit", "--summary", TEXT), "--summary"),
    (("milestone", "cancel", "1", "--reason", TEXT), "--reason"),
    (("run", "start", "--summary", TEXT), "--summary"),
    (("config", "set", "project.name", TEXT), "what follows `project.name`"),
    (("init", "--project-name", TEXT), "--project-name"),
    ((f"--{SECRET}",), "an option"),
)


def files(project: Project) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in project.path.rglob("*") if path.is_file()}


def assert_nowhere(project: Project) -> None:
    for path, data in files(project).items():
        assert SECRET.encode() not in data or path.endswith((PLAN_PATH, "backlog.md", "/given.md")), path


@pytest.mark.parametrize(("words", "name"), TYPED, ids=[" ".join(words[:2])[:20] for words, _ in TYPED])
def test_a_secret_that_is_typed_is_refused_and_its_option_named(
    tmp_path: Path, words: tuple[str, ...], name: str
) -> None:
    project = prepared(make_under_way, tmp_path)
    project.aiw("task", "list")
    before = files(project)
    refused = project.aiw(*words, code=None)
    assert refused.code in (1, 2)
    assert SECRET not in refused.stdout + refused.stderr
    if refused.code == 1:
        assert refused.stderr.startswith(f"error: {name} holds what looks like a secret (github-token, fingerprint ")
        assert "secrets.allow" in refused.stderr
    assert files(project) == before


def test_a_false_alarm_is_let_in_by_its_fingerprint(tmp_path: Path) -> None:
    project = prepared(make_under_way, tmp_path)
    refused = project.aiw("task", "block", "2", TEXT, code=1)
    mark = re.search(r"fingerprint ([0-9a-f]{16})", refused.stderr)
    assert mark
    config = project.read(".ai-workflow.yaml")
    project.write(".ai-workflow.yaml", f"{config}\nsecrets:\n  allow: [{mark.group(1)}]\n")
    project.aiw("task", "block", "2", TEXT)


def test_a_command_line_is_logged_without_its_secret(tmp_path: Path) -> None:
    project = prepared(make_under_way, tmp_path)
    config = project.read(".ai-workflow.yaml")
    project.write(".ai-workflow.yaml", f"{config}\nsecrets:\n  policy: warn\n")
    warned = project.aiw("task", "block", "2", TEXT)
    assert "warning: what follows `2` holds what looks like a secret" in warned.stderr
    log = project.aiw("op", "log", "--json").stdout
    assert SECRET not in log
    assert "[secret:github-token]" in log


@pytest.mark.parametrize("words", [("plan", "validate"), ("plan", "import"), ("agent", "run"), ("plan", "import", "-")])
def test_a_secret_in_a_plan_is_an_error_with_its_place(tmp_path: Path, words: tuple[str, ...]) -> None:
    project = make_ready(tmp_path, remote=False, plan="" if words[-1] == "-" else BAD_PLAN)
    refused = project.aiw(*words, stdin=BAD_PLAN, code=1)
    line = BAD_PLAN[: BAD_PLAN.index(SECRET)].count("\n") + 1
    said = refused.stdout + refused.stderr
    assert re.search(
        rf":{line}:1: looks like a secret: github-token, fingerprint [0-9a-f]{{16}}\b", said.replace("error: ", "")
    ), said
    assert SECRET not in said
    assert_nowhere(project)


def test_a_plan_whose_line_says_that_it_is_none_is_taken(tmp_path: Path) -> None:
    plan = BAD_PLAN.replace("the intended import path.", "the intended import path. <!-- aiw:allow-secret -->")
    project = make_ready(tmp_path, remote=False, plan=plan)
    project.aiw("plan", "import")
    project.plan(BAD_PLAN)
    config = project.read(".ai-workflow.yaml")
    project.write(".ai-workflow.yaml", f"{config}\nsecrets:\n  policy: off\n")
    project.aiw("plan", "import")


def test_a_secret_in_an_item_of_the_backlog_is_not_promoted(tmp_path: Path) -> None:
    project = make_planned(tmp_path, remote=False)
    item = f"## BLG-001 - Rotate the key\nstatus: idea\nacceptance:\n- {SECRET} is rotated.\n"
    project.write("docs/ai/plan/backlog.md", f"# Backlog\n\n{item}")
    refused = project.aiw("backlog", "promote", "BLG-001", "--force", code=1)
    assert re.search(r"docs/ai/plan/backlog\.md:3: BLG-001: looks like a secret", refused.stderr), refused
    assert SECRET not in refused.stderr
    assert project.read(PLAN_PATH) == PARSER_PLAN
    assert_nowhere(project)


def test_a_secret_in_the_file_of_a_decision_is_not_taken_over(tmp_path: Path) -> None:
    project = make_planned(tmp_path, remote=False)
    made = project.aiw("adr", "new", "Keep it", "--decision", "We keep it.", "--json").json
    text = project.read(made["path"])
    project.write(made["path"], text.replace("We keep it.", f"We keep it.\n\nBy {SECRET}."))
    line = project.read(made["path"])[: project.read(made["path"]).index(SECRET)].count("\n") + 1
    refused = project.aiw("adr", "accept", "1", code=1)
    assert f"{made['path']}:{line}: github-token, fingerprint " in refused.stderr
    assert SECRET not in refused.stderr
    for path, data in files(project).items():
        assert SECRET.encode() not in data or path.endswith(made["path"]), path


def test_a_secret_in_a_workpackage_is_not_installed(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False, plan="")
    project.write("../given.md", f"# Task 1 - Do it\n\nUse {SECRET}.\n\n{PARSER_PLAN}")
    refused = project.aiw("workpackage", "install", "one", "--pack", "../given.md", code=1)
    assert "../given.md:3: github-token, fingerprint " in refused.stderr
    assert_nowhere(project)


def test_a_secret_in_a_configured_check_is_stored_nowhere(tmp_path: Path) -> None:
    project = make_ready(tmp_path, remote=False, checks=(f"true {SECRET}",))
    project.git("add", "--all")
    project.git("commit", "--quiet", "-m", "Long ago")
    project.next()
    project.write("src/parser.py", "x\n")
    project.finish()
    project.aiw("report", "all")
    for path in (project.path / "docs").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def test_a_rebuilt_state_takes_over_no_secret(tmp_path: Path) -> None:
    project = make_planned(tmp_path, remote=False)
    rel = project.aiw("adr", "new", "Keep it", "--decision", "We keep it.", "--json").json["path"]
    project.write(rel, project.read(rel).replace("We keep it.", f"We keep it by {SECRET}."))
    project.plan(BAD_PLAN)
    shutil.rmtree(project.path / "docs/ai/workspace/state")
    told = project.aiw("state", "rebuild")
    said = told.stdout + told.stderr
    assert f"the plan was left out: {PLAN_PATH} holds what looks like a secret" in said
    assert f"a decision was left out: {rel} holds what looks like a secret" in said
    assert SECRET not in said
    for path in (project.path / "docs/ai/workspace/state").rglob("*.json"):
        assert SECRET not in path.read_text(), path
