"""`aiw status` and `aiw version`."""

from __future__ import annotations

from ai_workflow.cli.runtime import Command, Session, is_terminal
from ai_workflow.errors import ExitCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

_WATCH_S = 1.0
_CLEAR = "\x1b[H\x1b[2J"


def _status_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--watch",
        nargs="?",
        const=_WATCH_S,
        type=_seconds,
        metavar="SECONDS",
        help="show it again whenever it changes, looking every SECONDS (default 1)",
    )


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.05 <= value <= 3600:
        raise ValueError(text)
    return value


def _status(session: Session, args: argparse.Namespace) -> int:
    import time

    from ai_workflow.services.status import format_status, read_status

    if args.watch is not None:
        return _watch(session, args.watch)
    status = read_status(session.glance())
    session.show(*format_status(status, now_s=time.time()))
    session.show_json(status)
    return ExitCode.DAMAGED if status["damaged"] else ExitCode.OK


def _watch(session: Session, interval_s: float) -> int:
    """Shows the status at each change until Ctrl-C, or until nobody reads any more."""
    from ai_workflow.services.status_feed import StatusFeed

    try:
        feed = StatusFeed(session.glance)
        shown: dict[str, Any] | None = None
        drawn = ""
        while True:
            news = feed.poll()
            shown = news or shown
            if shown is not None:
                drawn = _draw(session, shown, drawn, is_news=news is not None)
            if not _wait(interval_s):
                return ExitCode.OK
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def _draw(session: Session, status: dict[str, Any], drawn: str, *, is_news: bool) -> str:
    """Shows the status; on a terminal again and again, since times go by. Returns the text that stands there."""
    import sys
    import time

    from ai_workflow.cli.runtime import format_json
    from ai_workflow.services.status import format_status

    is_screen = is_terminal(sys.stdout) and not session.settings.is_json
    if not (is_news or is_screen):
        return drawn
    if session.settings.is_json:
        sys.stdout.write(format_json(status, indent=None))
        sys.stdout.flush()
        return drawn
    lines = [f"error: {status['error']}"] if "error" in status else format_status(status, now_s=time.time())
    text = "\n".join(lines)
    if text != drawn or is_news:
        if is_screen:
            sys.stdout.write(_CLEAR)
        elif drawn:
            session.show("")
        session.show(*lines)
        sys.stdout.flush()
    return text


def _wait(interval_s: float) -> bool:
    """Waits; False at once when the reader of stdout has gone away."""
    import select
    import time

    if not hasattr(select, "poll"):
        time.sleep(interval_s)
        return True
    poll = select.poll()
    # No event is asked for: errors and hang-ups are told always.
    poll.register(1, 0)
    return not poll.poll(interval_s * 1000)


def _version(session: Session, _args: argparse.Namespace) -> int:
    from ai_workflow import __version__

    session.show(__version__)
    session.show_json({"version": __version__})
    return ExitCode.OK


STATUS = Command(
    _status,
    about="Shows progress, what is active since when, blockers with the command that clears them, and the next\n"
    "command. Writes nothing. With --watch it goes on until Ctrl-C; --json prints one line for each change then.",
    example="aiw status",
    shape=(
        '`{"project", "root", "base_branch", "lane", "active_milestone", "active_task", "progress": '
        '{"tasks", "milestones"}, "blockers", "next_command", "damaged"}`.'
    ),
    arguments=_status_arguments,
    bare={"watch": None},
)
VERSION = Command(_version, about="Prints the version.", example="aiw version", shape='`{"version"}`.')
