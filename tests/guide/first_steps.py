"""From `init` to a merged milestone: `start.md`, `run-with-an-agent.md`, `day-to-day.md`."""

from __future__ import annotations

from pathlib import Path

from guide.care import look_after
from guide.greet import PLAN, README, WORLD, make_greet
from guide.stage import Stage, Story


def play(folder: Path) -> Stage:
    """The whole way, with nothing going wrong."""
    stage = make_greet(folder)
    with stage.transcript("init"):
        stage.run("aiw init")
    with stage.transcript("fresh-status"):
        stage.run("aiw status")
    stage.write("docs/ai/plan/milestones.md", PLAN)
    with stage.transcript("first-plan"):
        stage.run("aiw plan validate")
    with stage.transcript("first-run"):
        stage.run("aiw agent run --lane core --mode queue")
    with stage.transcript("prompt"):
        stage.run("cat docs/ai/workspace/prompts/next-core.md", first=31, last=9)
    stage.write("greet.sh", WORLD)
    stage.write("tests/greet.test", "Ada => Hello, Ada\n'' => Hello, world\n")
    with stage.transcript("rehearsal"):
        stage.run("aiw agent finish --no-commit")
    with stage.transcript("first-finish"):
        stage.run("aiw agent finish --lane core --task TASK-001 --commit")
    with stage.transcript("status"):
        stage.run("aiw status")
    with stage.transcript("trailers"):
        stage.run("git log -1 --stat --format='%s%n%n%b'")
    with stage.transcript("second-run"):
        stage.run("aiw agent run --lane core --mode queue")
    stage.write("README.md", README)
    with stage.transcript("second-finish"):
        stage.run("aiw agent finish --lane core --commit")
    with stage.transcript("first-log"):
        stage.run("git log --graph --oneline")
    with stage.transcript("evidence"):
        stage.run("cat docs/ai/workspace/reports/audits/TASK-001.md")
    with stage.transcript("lists"):
        stage.run("aiw task list")
        stage.run("aiw milestone list")
        stage.run("aiw run list")
    with stage.transcript("report"):
        stage.run("aiw report tasks", first=24)
    _last_milestone(stage)
    look_after(stage)
    return stage


def _last_milestone(stage: Stage) -> None:
    stage.run("aiw agent run --lane core --mode queue")
    stage.write("greet.sh", '#!/bin/sh\n# Greets a person, or the world.\necho "${GREETING:-Hello}, ${1:-world}"\n')
    with stage.transcript("complete"):
        stage.run("aiw agent finish")
        stage.run("aiw agent run --lane core --mode queue")
        stage.run("git status --short")


STORIES = (
    Story(
        name="first steps",
        play=play,
        transcripts=(
            "init", "fresh-status", "first-plan", "first-run", "prompt", "rehearsal", "first-finish", "status",
            "trailers", "second-run", "second-finish", "first-log", "evidence", "lists", "report", "complete",
            "doctor", "config-show", "config-set", "reset", "uninstall",
        ),
    ),
)  # fmt: skip
