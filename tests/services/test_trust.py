"""Commands that a repository brings run only in a clone that this user trusted once (spec §7.7)."""

from __future__ import annotations

import os
import pty
import select
import shutil
import sys
import time
from pathlib import Path

import pytest

from ai_workflow import trust
from support.landing import BRANCH, push_from_elsewhere
from support.project import PARSER_PLAN, Project, make_project, make_ready

CHECK = "touch ../ran"


@pytest.fixture
def theirs(tmp_path: Path) -> Project:
    """A clone of somebody else's workspace: its config is tracked and names a check; the task's work lies there."""
    made = make_ready(tmp_path / "a", checks=(CHECK,))
    made.git("add", "--all")
    made.git("commit", "--quiet", "-m", "Work with aiw")
    made.git("push", "--quiet", "origin", "main")
    clone = Project(tmp_path / "b" / "clone", made.origin)
    clone.path.parent.mkdir()
    made.git("clone", "--quiet", str(made.origin), str(clone.path))
    clone.aiw("init")
    clone.plan()
    clone.next()
    clone.write("src/parser.py", "parsed\n")
    return clone


def _ran(project: Project) -> bool:
    return (project.path.parent / "ran").exists()


def test_init_trusts_its_own_work(tmp_path: Path) -> None:
    made = make_ready(tmp_path, checks=(CHECK,))
    assert made.aiw("trust", "--status", "--json").json == {
        "trusted": True, "by": "record", "commands": [CHECK], "changed": False,
    }  # fmt: skip


def test_commands_of_a_clone_do_not_run_before_it_is_trusted(theirs: Project) -> None:
    before = theirs.git("rev-parse", "HEAD")
    result = theirs.finish(code=1)
    assert result.stderr == (
        "error: this clone is not trusted, so its commands do not run:\n"
        "  touch ../ran\n"
        "hint: read them, then: aiw trust (in CI: AIW_TRUST=1)\n"
    )
    assert theirs.finish("--json", code=1).json["error"]["kind"] == "trust"
    assert not _ran(theirs)
    assert theirs.git("rev-parse", "HEAD") == before
    assert theirs.task(1)["status"] == "in_progress"


def test_init_in_somebody_elses_clone_says_what_to_do(theirs: Project) -> None:
    assert "aiw trust" in theirs.aiw("init").stderr
    assert theirs.aiw("init", "--json").json["trusted"] is False


def test_trust_is_given_once_and_taken_back(theirs: Project) -> None:
    assert theirs.aiw("trust").stdout == (
        "Trusted: commands of this repository may run\nCommands it brings:\n  touch ../ran\n"
    )
    assert theirs.aiw("trust").stdout.startswith("This clone was trusted already\n")
    theirs.finish("--no-commit")
    assert _ran(theirs)
    (theirs.path.parent / "ran").unlink()
    assert theirs.aiw("trust", "--revoke").stdout.startswith("Trusted no longer\n")
    theirs.finish(code=1)
    assert not _ran(theirs)


def test_the_environment_of_ci_trusts(theirs: Project) -> None:
    theirs.aiw("agent", "finish", "--commit", env={"AIW_TRUST": "1"})
    assert _ran(theirs)


@pytest.mark.parametrize("value", ["", "0", "yes"])
def test_nothing_but_one_trusts(theirs: Project, value: str) -> None:
    theirs.aiw("agent", "finish", "--commit", env={"AIW_TRUST": value}, code=1)
    assert not _ran(theirs)


def test_what_the_person_types_needs_no_trust(tmp_path: Path, theirs: Project) -> None:
    text = theirs.read(".ai-workflow.yaml")
    theirs.write(".ai-workflow.yaml", text.replace(f'  checks:\n    - "{CHECK}"\n', "  checks: []\n"))
    theirs.git("update-index", "--assume-unchanged", ".ai-workflow.yaml")
    theirs.finish("--check-cmd", "touch ../typed")
    assert (theirs.path.parent / "typed").exists()


def test_a_verify_line_of_a_plan_that_came_along_needs_trust(tmp_path: Path) -> None:
    made = make_ready(tmp_path / "a", checks=())
    made.git("add", "--all")
    plan = PARSER_PLAN.replace("Conflict: src/parser.py", f"Verify: {CHECK}\nConflict: src/parser.py")
    made.plan(plan)
    made.git("add", "--force", "docs/ai/plan/milestones.md")
    made.git("commit", "--quiet", "-m", "Work with aiw")
    clone = Project(tmp_path / "b" / "clone")
    clone.path.parent.mkdir()
    made.git("clone", "--quiet", str(made.path), str(clone.path))
    clone.aiw("init")
    clone.next()
    clone.write("src/parser.py", "parsed\n")
    assert "not trusted" in clone.finish(code=1).stderr
    assert not _ran(clone)


def test_a_state_that_came_along_is_not_the_users_own_work(tmp_path: Path) -> None:
    made = make_ready(tmp_path / "a", checks=())
    made.plan(PARSER_PLAN.replace("Conflict: docs", f"Verify: {CHECK}\nConflict: docs"))
    made.aiw("plan", "import")
    made.git("add", "--force", "docs/ai/workspace/state")
    made.git("commit", "--quiet", "-m", "Bring a state")
    made.git("push", "--quiet", "origin", "main")
    clone = Project(tmp_path / "b" / "clone", made.origin)
    clone.path.parent.mkdir()
    made.git("clone", "--quiet", str(made.origin), str(clone.path))
    clone.aiw("init", code=None)
    assert clone.aiw("trust", "--status", "--json", code=None).json["trusted"] is False


def test_a_repository_cannot_bring_its_trust(theirs: Project, tmp_path: Path) -> None:
    """Neither by a token in its git folder, as an archive may hold one, nor by a link to somebody's record."""
    token = Path(trust.token_path(str(theirs.path / ".git")))
    token.write_text("a" * 64 + "\n")
    theirs.finish(code=1)
    other = next((tmp_path / "a/project/.git").glob("aiw-trust-*"))
    token.unlink()
    token.symlink_to(other)
    theirs.finish(code=1)
    assert not _ran(theirs)


def test_a_token_that_came_along_is_replaced_when_trust_is_given(theirs: Project) -> None:
    token = Path(trust.token_path(str(theirs.path / ".git")))
    token.write_text("a" * 64 + "\n")
    theirs.aiw("trust")
    assert token.read_text() != "a" * 64 + "\n"
    assert token.stat().st_mode & 0o077 == 0


def test_trust_survives_a_move_and_a_copy_and_no_clone(tmp_path: Path) -> None:
    made = make_ready(tmp_path, checks=(CHECK,))
    copied = Project(tmp_path / "copy" / "project")
    shutil.copytree(made.path, copied.path, symlinks=True)
    assert copied.aiw("trust", "--status", "--json").json["trusted"]
    made.path.rename(tmp_path / "moved")
    assert Project(tmp_path / "moved").aiw("trust", "--status", "--json").json["trusted"]
    copied.git("add", "--all")
    copied.git("commit", "--quiet", "-m", "All")
    for how in ("--local", "--no-local", "--mirror"):
        copied.git("clone", "--quiet", how, str(copied.path), str(tmp_path / how))
        assert not list((tmp_path / how).rglob("aiw-trust-*"))


def test_a_linked_work_tree_shares_the_trust(tmp_path: Path) -> None:
    made = make_ready(tmp_path, checks=(CHECK,))
    made.git("add", "--all")
    made.git("commit", "--quiet", "-m", "All")
    made.git("worktree", "add", "--quiet", str(tmp_path / "linked"))
    assert Project(tmp_path / "linked").aiw("trust", "--status", "--json").json["trusted"]


def test_another_user_of_the_same_folder_trusts_for_himself(theirs: Project, tmp_path: Path) -> None:
    theirs.aiw("trust")
    other = {"XDG_STATE_HOME": str(tmp_path / "others-state")}
    assert not theirs.aiw("trust", "--status", "--json", env=other).json["trusted"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs another user's file")
def test_a_record_of_another_user_does_not_count(theirs: Project) -> None:
    theirs.aiw("trust")
    os.chown(trust.token_path(str(theirs.path / ".git")), 12345, -1)
    assert not theirs.aiw("trust", "--status", "--json").json["trusted"]


def test_a_home_that_cannot_be_written_is_told(theirs: Project, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    broken = {"XDG_STATE_HOME": str(tmp_path / "file")}
    result = theirs.aiw("trust", env=broken, code=1)
    assert result.stderr.startswith("error: the trust cannot be recorded: cannot create folder ")
    assert "AIW_TRUST=1" in result.stderr
    theirs.aiw("agent", "finish", "--commit", env={**broken, "AIW_TRUST": "1"})


def test_init_works_where_trust_cannot_be_recorded(tmp_path: Path) -> None:
    made = make_ready(tmp_path / "a")
    (tmp_path / "file").write_text("")
    other = Project(tmp_path / "b")
    made.git("clone", "--quiet", str(made.path), str(other.path))
    result = other.aiw("init", env={"XDG_STATE_HOME": str(tmp_path / "file")})
    assert "note: the trust cannot be recorded" in result.stderr


def test_without_a_home_the_accounts_own_folder_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_STATE_HOME")
    assert os.path.isabs(trust.trust_folder())


def test_a_merge_is_not_tested_in_a_clone_that_is_not_trusted(theirs: Project) -> None:
    theirs.aiw("trust")
    theirs.finish()
    theirs.next()
    theirs.write("docs/parser.md", "described\n")
    push_from_elsewhere(theirs, {"new.txt": "new\n"})
    (theirs.path.parent / "ran").unlink()
    theirs.aiw("trust", "--revoke")
    theirs.aiw("agent", "finish", "--no-check", "--reason", "later", "--commit", code=3)
    theirs.aiw("milestone", "finish", "M01", "--accept-unproven", "seen", code=3)
    blocker = theirs.state(f"blockers/{theirs.milestone()['blocker']['id']}.json")
    assert (blocker["class"], blocker["next_command"]) == ("human", "aiw trust; then aiw milestone finish M01")
    assert not _ran(theirs)
    theirs.aiw("trust")
    theirs.aiw("milestone", "finish", "M01", "--accept-unproven", "seen")
    assert BRANCH not in theirs.git("branch")


def test_uninstall_takes_the_trust_along(tmp_path: Path) -> None:
    made = make_ready(tmp_path, checks=(CHECK,))
    made.aiw("uninstall", "--yes")
    assert not list((made.path / ".git").glob("aiw-*"))


@pytest.mark.parametrize(("answer", "runs"), [("y", True), ("n", False), ("", False)])
def test_a_person_at_a_terminal_is_asked(theirs: Project, answer: str, runs: bool) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(theirs.path)
        os.execv(sys.executable, [sys.executable, "-m", "ai_workflow", "agent", "finish", "--no-commit"])
    said = b""
    end_s = time.monotonic() + 60
    is_answered = False
    while time.monotonic() < end_s:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                data = os.read(terminal, 4096)
            except OSError:
                break
            if not data:
                break
            said += data
        if not is_answered and b"[y/N]" in said:
            os.write(terminal, f"{answer}\n".encode())
            is_answered = True
    os.close(terminal)
    os.waitpid(pid, 0)
    assert is_answered, said
    assert b"touch ../ran" in said
    assert _ran(theirs) == runs, said


def test_uninstall_leaves_copies_and_neighbours_trusted(tmp_path: Path) -> None:
    project = make_project(tmp_path, remote=False)
    project.aiw("init")
    copied = Project(tmp_path / "copied")
    shutil.copytree(project.path, copied.path, symlinks=True)
    project.aiw("-C", "src", "init", "--nested")
    project.aiw("-C", "src", "uninstall", "--yes")
    assert project.aiw("trust", "--status", "--json").json["trusted"] is True
    copied.aiw("uninstall", "--yes")
    assert project.aiw("trust", "--status", "--json").json["trusted"] is True
    project.aiw("uninstall", "--yes")
    assert list((project.path / ".git").glob("aiw*")) == []


def test_init_clears_what_a_killed_one_left_of_the_token(tmp_path: Path) -> None:
    project = make_project(tmp_path, remote=False)
    left = project.write(".git/aiw-trust-0.4194999.0a1b2c3d", "half")
    other = project.write(".git/aiw-trust-0.mine", "of somebody else")
    for path in (left, other):
        os.utime(path, (1, 1))
    renamed = left.rename(left.with_name(left.name.replace("-0.", f"-{os.getuid()}.")))
    project.aiw("init")
    assert not renamed.exists()
    assert other.exists()
