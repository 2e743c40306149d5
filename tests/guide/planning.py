"""Plans by hand, from the backlog and from a model; decisions: `write-a-plan.md`, `decisions.md`."""

from __future__ import annotations

from pathlib import Path

from guide.greet import PLAN, WORLD, make_greet
from guide.stage import Stage, Story

_FAULTY = """# Milestones

## M01 - Polite greetings
Goal: The greeting reads well with and without a name.
Tasks:
- Improve greeting
  Conflict: greet.sh
- Describe the call in the README
  Acceptance: README.md shows a call with a name and one without.
  Conflict: README.md
  Depends: Greet the world
"""
_MICRO = """# Milestones

## M01 - Polite greetings
Goal: The greeting reads well with and without a name.
Tasks:
- Rename variable
  Acceptance: The variable is called `name`.
  Conflict: greet.sh
- Greet the world when no name is given
  Acceptance: `sh greet.sh` prints "Hello, world".
  Conflict: greet.sh
- Write one assertion
  Acceptance: The test calls greet.sh without a name.
  Conflict: tests/greet.test
"""
_ANSWER = f"""Here is the plan you asked for.

```markdown
{PLAN}```

Tell me if you want it shorter.
"""
_LATER = """
## M03 - Releases
Goal: Users know what they run.
Tasks:
- Print the version with --version
  Acceptance: `sh greet.sh --version` prints "greet 1.0".
  Conflict: greet.sh, tests/
"""


def play(folder: Path) -> Stage:
    """A faulty plan, one of micro-tasks, one of the backlog, one of a model; then an edited one."""
    stage = make_greet(folder)
    stage.run("aiw init --quiet")
    stage.write("docs/ai/plan/milestones.md", _FAULTY)
    with stage.transcript("plan-errors"):
        stage.run("aiw plan validate", code=1)
    stage.write("docs/ai/plan/milestones.md", _MICRO)
    with stage.transcript("plan-optimize"):
        stage.run("aiw plan optimize --dry-run")
    stage.run("rm docs/ai/plan/milestones.md")
    _from_backlog(stage)
    stage.run("rm docs/ai/plan/milestones.md")
    _from_model(stage)
    _decisions(stage)
    _edited(stage)
    return stage


def _from_backlog(stage: Stage) -> None:
    with stage.transcript("backlog-add"):
        stage.run("aiw backlog add --title 'Say goodbye as well' --priority high --note 'Asked for twice.'")
        stage.run("aiw backlog list")
    with stage.transcript("backlog-lacks"):
        stage.run("aiw backlog promote BLG-002", code=1)
    with stage.transcript("backlog-promote"):
        stage.run(
            "aiw backlog edit BLG-002 --acceptance '`sh greet.sh --bye Ada` prints \"Goodbye, Ada\".'"
            " --conflict greet.sh --conflict tests/"
        )
        stage.run("aiw backlog promote BLG-002 --output docs/ai/plan/milestones.md")
        stage.run("cat docs/ai/plan/milestones.md")


def _from_model(stage: Stage) -> None:
    with stage.transcript("plan-prompt"):
        stage.run("aiw agent plan-prompt --target milestones --print", first=12)
    stage.write("answer.txt", _ANSWER)
    with stage.transcript("plan-answer"):
        stage.run("aiw plan import - < answer.txt")
    stage.run("rm answer.txt")


def _decisions(stage: Stage) -> None:
    with stage.transcript("adr-new"):
        stage.run(
            "aiw adr new 'One program, one file' -d 'greet.sh stays one POSIX shell file.' --applies-to 'greet.sh'"
            " --consequence 'No bash arrays, no sourced files.'"
        )
        stage.run("aiw adr accept ADR-0001")
        stage.run("cat docs/ai/workspace/adr/ADR-0001-one-program-one-file.md")
    stage.run("aiw agent run --lane core")
    with stage.transcript("adr-prompt"):
        stage.run("grep -A 6 '^## Decisions' docs/ai/workspace/prompts/next-core.md")
    stage.write("greet.sh", WORLD)
    stage.run("aiw agent finish")
    with stage.transcript("adr-supersede"):
        stage.run("aiw adr new 'Functions in a library file' -d 'Shared functions live in lib.sh.'")
        stage.run("aiw adr accept ADR-0002")
        stage.run("aiw adr supersede ADR-0001 --by ADR-0002")
        stage.run("aiw adr list")


def _edited(stage: Stage) -> None:
    path = "docs/ai/plan/milestones.md"
    text = (stage.path / path).read_text(encoding="utf-8")
    stage.write(path, text.replace("and what they print", "with their output") + _LATER)
    with stage.transcript("plan-edited"):
        stage.run("aiw plan import --dry-run")
        stage.run("aiw plan import")


STORIES = (
    Story(
        name="planning",
        play=play,
        transcripts=(
            "plan-errors", "plan-optimize", "backlog-add", "backlog-lacks", "backlog-promote", "plan-prompt",
            "plan-answer", "adr-new", "adr-prompt", "adr-supersede", "plan-edited",
        ),
    ),
)  # fmt: skip
