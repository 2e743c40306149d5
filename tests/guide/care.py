"""Looking after a workspace, and taking over one of 0.1.0: `day-to-day.md`, `what-happens-when.md`, `moving-…`."""

from __future__ import annotations

import json
from pathlib import Path

from guide.greet import WORLD, make_planned
from guide.stage import Stage, Story

_TIME = "2026-01-05T10:00:00Z"


def look_after(stage: Stage) -> None:
    """Examines, configures, resets and removes the workspace of a finished plan."""
    with stage.transcript("doctor"):
        stage.run("aiw doctor")
    with stage.transcript("config-show"):
        stage.run("aiw config show git.merge_strategy")
    with stage.transcript("config-set"):
        stage.run("aiw config set git.merge_strategy squash")
        stage.run("grep -n merge_strategy .ai-workflow.yaml")
    with stage.transcript("reset"):
        stage.run("aiw workspace reset --force")
        stage.run("aiw task list")
        stage.run("aiw workspace restore")
        stage.run("aiw task list")
    stage.run("git checkout --quiet .ai-workflow.yaml")
    stage.write("docs/operator/operator.md", "# How we plan\n")
    with stage.transcript("uninstall"):
        stage.run("aiw uninstall --yes")


def undo(folder: Path) -> Stage:
    """A finish that is taken back, and brought back."""
    stage = make_planned(folder)
    stage.run("aiw agent run --lane core")
    stage.write("greet.sh", WORLD)
    stage.run("aiw agent finish --lane core --task TASK-001 --commit")
    with stage.transcript("undo"):
        stage.run("git log --oneline -2")
        stage.run("aiw undo")
        stage.run("git log --oneline -1")
        stage.run("git status --short")
    with stage.transcript("redo"):
        stage.run("aiw undo 7")
        stage.run("git log --oneline -1")
        stage.run("aiw op log -n 3")
    return stage


def migrate(folder: Path) -> Stage:
    """The state as 0.1.0 left it, with one task that waits."""
    stage = make_planned(folder)
    state = "docs/ai/workspace/state"
    stage.run(f"rm -r {state} && mkdir -p {state}")
    _write_old(stage, "project", project_name="greet", workspace_version="0.2.0", base_branch="main", status="active")
    _write_old(
        stage, "milestones/M01", id="M01", title="Polite greetings", goal="", status="ready", lane_id=None,
        base_branch="main", branch=None, worktree=None, task_ids=["TASK-001"], adr_ids=[],
        pr={"status": "not_created", "url": None, "body_path": None, "blocker": None}, recovery=None,
    )  # fmt: skip
    _write_old(
        stage, "tasks/TASK-001", id="TASK-001", title="Greet the world when no name is given", description="",
        status="ready", milestone_id="M01", lane_id=None, priority="medium", depends_on=[],
        conflict_scopes=["greet.sh"],
        acceptance_criteria=["`sh greet.sh` greets the world."], notes=[], branch=None, worktree=None, commit_sha=None,
        audit_path=None, run_ids=[], claimed_at=None, started_at=None, finished_at=None, blocked_reason=None,
    )  # fmt: skip
    with stage.transcript("migrate"):
        stage.run("aiw status", code=1)
        stage.run("aiw migrate")
        stage.run("aiw task list")
    return stage


def _write_old(stage: Stage, name: str, **fields: object) -> None:
    whole = {**fields, "created_at": _TIME, "updated_at": _TIME, "schema_version": 1}
    if name != "project":
        del whole["schema_version"]
    stage.write(f"docs/ai/workspace/state/{name}.json", json.dumps(whole, indent=2, sort_keys=True) + "\n")


STORIES = (
    Story(name="migrate", play=migrate, transcripts=("migrate",)),
    Story(name="undo", play=undo, transcripts=("undo", "redo")),
)
