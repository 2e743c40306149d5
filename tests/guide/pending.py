"""Commands that are being written: each story is skipped until its commands are in the command table."""

from __future__ import annotations

import json
from pathlib import Path

from guide.greet import README, WORLD, make_planned
from guide.stage import Stage, Story

_TIME = "2026-01-05T10:00:00Z"


def _worked(folder: Path) -> Stage:
    """One task done, the next one active."""
    stage = make_planned(folder)
    stage.run("aiw agent run --lane core")
    stage.write("greet.sh", WORLD)
    stage.run("aiw agent finish")
    stage.run("aiw agent run --lane core")
    return stage


def doctor(folder: Path) -> Stage:
    """A sound workspace."""
    stage = _worked(folder)
    with stage.transcript("doctor"):
        stage.run("aiw doctor")
    return stage


def config(folder: Path) -> Stage:
    """One key shown, one changed."""
    stage = make_planned(folder)
    with stage.transcript("config-show"):
        stage.run("aiw config show git.merge_strategy")
    with stage.transcript("config-set"):
        stage.run("aiw config set git.merge_strategy squash")
        stage.run("grep -n merge_strategy .ai-workflow.yaml")
    return stage


def reset(folder: Path) -> Stage:
    """There and back."""
    stage = _worked(folder)
    stage.write("README.md", README)
    stage.run("aiw agent finish")
    with stage.transcript("reset"):
        stage.run("aiw workspace reset --force")
        stage.run("aiw task list")
        stage.run("aiw workspace restore")
        stage.run("aiw task list")
    return stage


def uninstall(folder: Path) -> Stage:
    """Nothing of aiw is left but an edited document."""
    stage = _worked(folder)
    stage.write("README.md", README)
    stage.run("aiw agent finish")
    stage.write("docs/operator/operator.md", "# How we plan\n")
    with stage.transcript("uninstall"):
        stage.run("aiw uninstall --force")
        stage.run("git status --short")
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


PENDING = (
    Story(name="doctor", play=doctor, transcripts=("doctor",), needs=("doctor",)),
    Story(name="config", play=config, transcripts=("config-show", "config-set"), needs=("config show", "config set")),
    Story(name="reset", play=reset, transcripts=("reset",), needs=("workspace reset", "workspace restore")),
    Story(name="uninstall", play=uninstall, transcripts=("uninstall",), needs=("uninstall",)),
    Story(name="migrate", play=migrate, transcripts=("migrate",), needs=("migrate",)),
)
"""What waits for its commands, or did."""
