"""Projects one `agent finish` away from a closeout, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from support.project import Project, make_ready

ONE_TASK = """# Milestones

## M01 - Parser cleanup
Goal: one slice.
Tasks:
- Consolidate parser cleanup behavior
  Acceptance: it is consolidated.
  Conflict: src/parser.py
"""
BRANCH = "ai/m01-parser-cleanup"
SUBJECT = "TASK-001: Consolidate parser cleanup behavior"
CHECK = "{ ls src; git symbolic-ref --quiet HEAD || echo detached; echo; } >> ../seen; test ! -e broken"
"""Writes down what it saw, and fails when a file `broken` is there."""


def prepare_worked(folder: Path, *, remote: bool = True, plan: str = ONE_TASK) -> Project:
    """The first task is claimed and its work lies in the tree."""
    project = make_ready(folder, plan=plan, remote=remote, checks=(CHECK,))
    project.next()
    project.write("src/parser.py", "parsed\n")
    return project


def configure(project: Project, **settings: str) -> None:
    """Sets keys of the `git` section in the work tree's config, committed by nobody."""
    text = project.read(".ai-workflow.yaml")
    for key, value in settings.items():
        kept = [line for line in text.split("\n") if not line.startswith(f"  {key}:")]
        at = kept.index("git:") + 1
        text = "\n".join([*kept[:at], f"  {key}: {value}", *kept[at:]])
    project.write(".ai-workflow.yaml", text)
    project.git("update-index", "--assume-unchanged", ".ai-workflow.yaml")


def push_from_elsewhere(project: Project, files: Mapping[str, str], *, branch: str = "main") -> str:
    """Somebody else's commit on a branch of origin; returns it."""
    assert project.origin is not None
    other = project.path.parent / "other"
    if not other.exists():
        project.git("clone", "--quiet", str(project.origin), str(other), cwd=project.path.parent)
    project.git("fetch", "--quiet", cwd=other)
    project.git("switch", "--quiet", "--detach", f"origin/{branch}", cwd=other)
    for rel, text in files.items():
        (other / rel).parent.mkdir(parents=True, exist_ok=True)
        (other / rel).write_text(text)
    project.git("add", "--all", "--force", cwd=other)
    project.git("commit", "--quiet", "-m", "Somebody else's work", cwd=other)
    project.git("push", "--quiet", "origin", f"HEAD:{branch}", cwd=other)
    return project.git("rev-parse", "HEAD", cwd=other)


def origin_tip(project: Project, branch: str = "main") -> str:
    """The branch's tip on origin; empty when it is not there."""
    assert project.origin is not None
    return project.git("rev-parse", "--verify", "--quiet", branch, cwd=project.origin, ok=(0, 1))


def head(project: Project) -> str:
    """The branch HEAD is on."""
    return project.git("symbolic-ref", "--short", "HEAD", ok=None)


def assert_landed(project: Project, *, branches: str = "main") -> None:
    """On base here and on origin, HEAD on base, the branch gone, nothing left over."""
    assert project.milestone()["status"] == "merged"
    assert project.milestone()["blocker"] is None
    assert head(project) == "main"
    assert project.status() == []
    assert project.git("show", "main:src/parser.py") == "parsed"
    assert project.git("branch", "--format=%(refname:short)") == branches
    if project.origin:
        assert origin_tip(project) == project.git("rev-parse", "main")
        assert project.git("branch", "--format=%(refname:short)", cwd=project.origin) == "main"


def assert_blocked(project: Project, klass: str, says: str, *, on: str = BRANCH) -> str:
    """The closeout is blocked, the task done all the same; returns the next command."""
    milestone = project.milestone()
    assert milestone["status"] == "blocked"
    blocker = project.state(f"blockers/{milestone['blocker']['id']}.json")
    assert blocker["class"] == klass, blocker
    assert says in blocker["message"], blocker
    assert project.task(1)["status"] == "done"
    assert head(project) == on
    assert project.status() == []
    command = blocker["next_command"]
    assert isinstance(command, str)
    return command
