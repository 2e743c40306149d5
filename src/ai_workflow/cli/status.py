"""`aiw status` and `aiw version`."""

from __future__ import annotations

from ai_workflow.cli.runtime import Command, Session
from ai_workflow.errors import ExitCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def _status(session: Session, _args: argparse.Namespace) -> int:
    from ai_workflow.services.status import format_status, read_status

    status = read_status(session.glance())
    session.show(*format_status(status))
    session.show_json(status)
    return ExitCode.DAMAGED if status["damaged"] else ExitCode.OK


def _version(session: Session, _args: argparse.Namespace) -> int:
    from ai_workflow import __version__

    session.show(__version__)
    session.show_json({"version": __version__})
    return ExitCode.OK


STATUS = Command(
    _status,
    about="Shows progress, what is active since when, blockers with the command that clears them, and the next\n"
    "command. Writes nothing.",
    example="aiw status",
    shape=(
        '`{"project", "root", "base_branch", "lane", "active_milestone", "active_task", "progress": '
        '{"tasks", "milestones"}, "blockers", "next_command", "damaged"}`.'
    ),
)
VERSION = Command(_version, about="Prints the version.", example="aiw version", shape='`{"version"}`.')
