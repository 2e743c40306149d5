"""Failing checks and a hotfix: `recovery.md`, `hotfix.md`."""

from __future__ import annotations

from pathlib import Path

from guide.greet import README, WORLD, make_planned
from guide.stage import Stage, Story

_SLASH = """#!/bin/sh
# Greets a person, or the world.
case $1 in */*) echo "a name has no slash" >&2; exit 1 ;; esac
"""


def play(folder: Path) -> Stage:
    """A task whose checks fail once, a hotfix in the middle of the next, and one whose recovery gives up."""
    stage = make_planned(folder)
    stage.run("aiw agent run --lane core")
    stage.write("greet.sh", WORLD.replace(", $", " $"))
    with stage.transcript("recovery-opens"):
        stage.run("aiw agent finish --lane core --task TASK-001 --commit", code=1)
    with stage.transcript("recovery-status"):
        stage.run("aiw status")
    with stage.transcript("recovery-prompt"):
        stage.run("sed -n '/^## Last failure/,/^## Rules/p' docs/ai/workspace/prompts/next-core.md")
    stage.write("greet.sh", WORLD)
    with stage.transcript("recovery-passes"):
        stage.run("aiw agent finish --lane core --task TASK-001 --commit")
        stage.run("aiw recovery list")
    _hotfix(stage)
    _exhausted(stage)
    return stage


def _hotfix(stage: Stage) -> None:
    stage.run("aiw agent run --lane core")
    stage.write("README.md", README)
    with stage.transcript("hotfix-add"):
        stage.run("git status --short")
        stage.run(
            "aiw task adhoc --kind hotfix --title 'Refuse names with a slash' --reason 'reported by a user'"
            " --acceptance 'A name with a slash ends with exit code 1.' --scope greet.sh --scope tests/"
        )
    with stage.transcript("hotfix-start"):
        stage.run("aiw task start TASK-005")
        stage.run("git status --short --branch")
    stage.write("greet.sh", _SLASH + 'echo "Hello, $1"\n')
    with stage.transcript("hotfix-finish"):
        stage.run("aiw agent finish --lane core --task TASK-005 --commit")
    with stage.transcript("hotfix-back"):
        stage.run("aiw agent run --lane core --mode queue")
        stage.run("git status --short --branch")
    with stage.transcript("hotfix-conflict"):
        stage.run("aiw agent finish --lane core --task TASK-002 --commit", code=3)
    stage.run("git merge --quiet main", code=1)
    stage.write("greet.sh", _SLASH + 'echo "Hello, ${1:-world}"\n')
    with stage.transcript("hotfix-resolved"):
        stage.run("git status --short")
        stage.run("git checkout --quiet --ours docs/ai/workspace")
        stage.run("git add greet.sh docs/ai/workspace && git commit --quiet -m 'Merge main into M01'")
        stage.run("aiw milestone finish M01")


def _exhausted(stage: Stage) -> None:
    stage.run("aiw agent run --lane core")
    stage.replace("greet.sh", '"Hello, ${1:-world}"', '"$GREETING, ${1:-world}"')
    for _attempt in range(2):
        stage.run("aiw agent finish", code=1)
    with stage.transcript("recovery-gives-up"):
        stage.run("aiw agent finish --lane core --task TASK-003 --commit", code=3)
    with stage.transcript("recovery-again"):
        stage.run("aiw recovery start M02-01")
    stage.replace("greet.sh", "$GREETING,", "${GREETING:-Hello},")
    with stage.transcript("recovery-resolve"):
        stage.run("aiw recovery resolve M02-01")


STORIES = (
    Story(
        name="trouble",
        play=play,
        transcripts=(
            "recovery-opens", "recovery-status", "recovery-prompt", "recovery-passes", "hotfix-add", "hotfix-start",
            "hotfix-finish", "hotfix-back", "hotfix-conflict", "hotfix-resolved", "recovery-gives-up",
            "recovery-again", "recovery-resolve",
        ),
    ),
)  # fmt: skip
