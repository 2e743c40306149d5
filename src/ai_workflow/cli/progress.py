"""Shows checks while they run, and what a closeout came to."""

from __future__ import annotations

import contextlib
import sys

from ai_workflow.cli.runtime import Session, is_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ai_workflow.config.schema import CheckCommand
    from ai_workflow.services.closeout import CloseoutResult
    from ai_workflow.services.listener import Listener


def make_listener(session: Session) -> Listener:
    """Names each check as it starts; its output is streamed to a terminal (or with `--verbose`)."""
    from ai_workflow.policy.secrets import mask
    from ai_workflow.services.listener import Listener

    settings = session.settings
    if settings.is_quiet:
        return Listener()

    def on_start(command: CheckCommand) -> None:
        session.say(f"check: {command.name or mask(command.run)}")

    def on_output(data: bytes) -> None:
        # Nobody may be there to read it; the check goes on all the same.
        with contextlib.suppress(OSError):
            sys.stderr.buffer.write(data)
            sys.stderr.buffer.flush()

    streams = settings.is_verbose or (is_terminal(sys.stderr) and not settings.is_json)
    return Listener(on_start=on_start, on_output=on_output if streams else None)


def say_closeout(session: Session, result: CloseoutResult) -> None:
    """One line on what became of the milestone, its notes, or its blocker."""
    milestone = result.milestone
    if result.outcome == "merged":
        target = session.open().config.target_branch
        landed = milestone.closeout.landed_sha if milestone.closeout else None
        session.show(f"Merged {milestone.id} into {target}" + (f" as {landed[:10]}" if landed else ""))
        for note in milestone.closeout.notes if milestone.closeout else ():
            session.show(f"  note: {note}")
    elif result.obstacle is not None:
        session.show(
            f"Blocked: {milestone.id} is finished but not merged ({result.obstacle.klass}, {result.obstacle.step})",
            f"  {result.obstacle.message}",
            *[f"    {line}" for line in result.obstacle.evidence],
            f"  next: {result.obstacle.next_command}",
        )
