"""The small program that the guide's transcripts work on: a greeting in POSIX shell, with a test that make runs."""

from __future__ import annotations

from pathlib import Path

from guide.stage import Stage

PLAN = """# Milestones

## M01 - Polite greetings
Goal: The greeting reads well with and without a name.
Tasks:
- Greet the world when no name is given
  Acceptance: `sh greet.sh` prints "Hello, world".
  Verify: sh greet.sh | grep -qx "Hello, world"
  Conflict: greet.sh, tests/
- Describe the call in the README
  Acceptance: README.md shows a call with a name and one without, and what they print.
  Conflict: README.md

## M02 - Other languages
Goal: The greeting speaks the user's language.
Tasks:
- Take the greeting from the variable GREETING
  Acceptance: `GREETING=Salut sh greet.sh Ada` prints "Salut, Ada".
  Conflict: greet.sh, tests/
"""

WORLD = """#!/bin/sh
# Greets a person, or the world.
echo "Hello, ${1:-world}"
"""

README = """# greet

    $ sh greet.sh Ada
    Hello, Ada
    $ sh greet.sh
    Hello, world
"""

_FILES = {
    "greet.sh": '#!/bin/sh\n# Greets a person.\necho "Hello, $1"\n',
    "tests/run.sh": """#!/bin/sh
# Every line of greet.test is `arguments => what greet.sh prints`.
failed=0
while IFS= read -r line; do
  wanted=${line#* => }
  got=$(eval "sh greet.sh ${line%% => *}")
  [ "$got" = "$wanted" ] || { echo "greet ${line%% => *}: printed '$got', not '$wanted'"; failed=1; }
done < tests/greet.test
exit $failed
""",
    "tests/greet.test": "Ada => Hello, Ada\n",
    "Makefile": "test:\n\t@sh tests/run.sh\n",
    "README.md": "# greet\n",
}


def make_greet(folder: Path, *, name: str = "greet", remote: bool = False) -> Stage:
    """The repository with one commit on `main`, pushed to a bare `origin` when there is to be one."""
    stage = Stage(folder, name)
    for rel, text in _FILES.items():
        stage.write(rel, text)
    stage.run("git init --quiet && git add --all && git commit --quiet -m 'Greet a person'")
    if remote:
        origin = f"{folder}/{name}.git"
        stage.run(f"git init --quiet --bare {origin} && git remote add origin {origin}")
        stage.run("git push --quiet -u origin main")
    return stage


def make_planned(folder: Path, *, name: str = "greet", remote: bool = False, plan: str = PLAN) -> Stage:
    """The repository with a workspace and a plan that is not imported yet."""
    stage = make_greet(folder, name=name, remote=remote)
    stage.run("aiw init --quiet")
    stage.write("docs/ai/plan/milestones.md", plan)
    return stage
