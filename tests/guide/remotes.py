"""With a remote: `git-and-merging.md`."""

from __future__ import annotations

from pathlib import Path

from guide.greet import README, WORLD, make_planned
from guide.stage import Stage, Story

_FORGE = "https://github.com/ada/greet"


def play(folder: Path) -> Stage:
    """A commit of the user's that is not pushed, a direct merge, a forge, and the branches that are left."""
    stage = make_planned(folder, remote=True)
    stage.run("aiw agent run --lane core")
    stage.write("greet.sh", WORLD)
    stage.run("aiw agent finish")
    stage.run("git switch --quiet main")
    stage.write("LICENSE", "Do what you like.\n")
    stage.run("git add LICENSE && git commit --quiet -m 'Add a licence' && git switch --quiet ai/m01-polite-greetings")
    stage.run("aiw agent run --lane core")
    stage.write("README.md", README)
    with stage.transcript("unpushed"):
        stage.run("aiw agent finish", code=3)
    with stage.transcript("pushed"):
        stage.run("git push --quiet origin main")
        stage.run("aiw milestone finish M01")
        stage.run("git log --graph --oneline origin/main")
    stage.run(f"git remote set-url origin {_FORGE}")
    stage.run(f"git config url.{folder}/greet.git.insteadOf {_FORGE}")
    stage.run("aiw agent run --lane core")
    stage.write("greet.sh", '#!/bin/sh\n# Greets a person, or the world.\necho "${GREETING:-Hello}, ${1:-world}"\n')
    with stage.transcript("forge"):
        stage.run("aiw agent finish", code=3)
    with stage.transcript("request-text"):
        stage.run("sed -n '1,/^## Checks/p' docs/ai/workspace/reports/pr/M02.md")
    # What a person does on the forge's pages.
    stage.run("git push --quiet origin ai/m02-other-languages")
    stage.run("git push --quiet origin ai/m02-other-languages:main")
    with stage.transcript("noticed"):
        stage.run("aiw milestone finish M02")
    with stage.transcript("cleanup"):
        stage.run("aiw git cleanup")
    return stage


STORIES = (
    Story(
        name="remotes",
        play=play,
        transcripts=("unpushed", "pushed", "forge", "request-text", "noticed", "cleanup"),
    ),
)
