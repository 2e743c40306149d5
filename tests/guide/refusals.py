"""What is refused, and what blocks: `when-it-is-blocked.md`, `configuration.md`."""

from __future__ import annotations

from pathlib import Path

from guide.greet import PLAN, README, WORLD, make_planned
from guide.stage import Stage, Story


def play(folder: Path) -> Stage:
    """One task after another runs into a gate and out of it again."""
    stage = make_planned(
        folder, plan=PLAN.replace("  Conflict: README.md\n", "  Conflict: README.md\n  Depends: none\n")
    )
    stage.write("README.md", "# greet\n\nTODO: say more\n")
    stage.run("aiw agent run --lane core")
    with stage.transcript("nothing-changed"):
        stage.run("aiw agent finish", code=1)
    stage.write("greet.sh", WORLD)
    stage.write("VERSION", "1.0\n")
    with stage.transcript("scope-refused"):
        stage.run("aiw agent finish", code=1)
    with stage.transcript("scope-let-in"):
        stage.run("aiw agent finish --allow VERSION --reason 'the greeting will print it'")
    _touched(stage)
    _waived(stage)
    _blocked(stage)
    _damaged(stage)
    return stage


def _touched(stage: Stage) -> None:
    stage.run("aiw agent run --lane core")
    stage.write("README.md", README)
    with stage.transcript("touched-file"):
        stage.run("aiw agent finish", code=1)
    stage.run("git stash push --quiet README.md && git switch --quiet main")
    with stage.transcript("wrong-branch"):
        stage.run("aiw agent finish", code=1)
    stage.run("git switch --quiet ai/m01-polite-greetings && git stash pop --quiet")


def _waived(stage: Stage) -> None:
    with stage.transcript("waived"):
        stage.run("aiw agent finish --adopt README.md --no-check --reason 'only words changed'", code=3)
    with stage.transcript("waived-accepted"):
        stage.run("aiw milestone finish M01 --accept-unproven 'read it myself'")


def _blocked(stage: Stage) -> None:
    with stage.transcript("task-block"):
        stage.run("aiw task block TASK-003 'which languages? ask the product owner'")
        stage.run("aiw agent run --lane core", code=3)
        stage.run("aiw task unblock TASK-003")


def _damaged(stage: Stage) -> None:
    path = "docs/ai/workspace/state/tasks/TASK-003.json"
    text = (stage.path / path).read_text(encoding="utf-8")
    stage.write(path, text[:200])
    with stage.transcript("damaged"):
        stage.run("aiw task list", code=5)
    stage.write(path, text)
    stage.replace(".ai-workflow.yaml", "merge_strategy: merge", "merge_stategy: merge")
    with stage.transcript("config-error"):
        stage.run("aiw status", code=1)


STORIES = (
    Story(
        name="refusals",
        play=play,
        transcripts=(
            "nothing-changed", "scope-refused", "scope-let-in", "touched-file", "wrong-branch", "waived",
            "waived-accepted", "task-block", "damaged", "config-error",
        ),
    ),
)  # fmt: skip
