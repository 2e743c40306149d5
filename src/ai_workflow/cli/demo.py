"""`aiw demo`."""

from __future__ import annotations

import os

from ai_workflow.cli.runtime import Command, Session
from ai_workflow.errors import AiwError, ExitCode, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keep", metavar="DIR", help="play in this (new or empty) folder, and leave it there")
    parser.add_argument("--slow", action="store_true", help="pause between the steps")


def _demo(session: Session, args: argparse.Namespace) -> int:
    import tempfile

    from ai_workflow.demo.story import Story

    def tell(text: str) -> None:
        session.show(text)
        import sys

        sys.stdout.flush()

    if args.keep is None:
        with tempfile.TemporaryDirectory(prefix="aiw-demo-") as folder:
            Story(folder, tell=tell, is_slow=args.slow).play()
        tell("")
        tell("The repository is gone again; `aiw demo --keep DIR` leaves it for you to look around in.")
        session.show_json({"ok": True, "kept": None})
        return ExitCode.OK
    folder = os.path.abspath(args.keep)
    if os.path.isdir(folder) and os.listdir(folder):
        raise AiwError(Kind.USAGE, f"{folder} is not empty", hint="name a new folder")
    os.makedirs(folder, exist_ok=True)
    story = Story(folder, tell=tell, is_slow=args.slow)
    story.play()
    tell("")
    tell("Where to look:")
    tell(f"  git -C {story.project} log --graph --stat")
    tell(f"  {story.project}/docs/ai/workspace/prompts/next-core.md     the last prompt")
    tell(f"  {story.project}/docs/ai/workspace/reports/audits           what proved each task")
    tell(f"  {story.project}/docs/ai/workspace/state                    the state, plain JSON")
    session.show_json({"ok": True, "kept": story.project})
    return ExitCode.OK


DEMO = Command(
    _demo,
    about="Makes a throw-away repository with a remote and a small program, and takes a plan of two milestones\n"
    "through the whole loop by ordinary commands, with a scripted agent that makes real edits. Exits with 0 only\n"
    "when every claim was seen to hold.",
    example="aiw demo --keep ./aiw-demo",
    shape='`{"ok", "kept"}` behind the story.',
    arguments=_arguments,
)
