"""`aiw pr sync|task`."""

from __future__ import annotations

from ai_workflow.cli.runtime import Command, Session, to_json
from ai_workflow.errors import ExitCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ai_workflow.models.forge import ForgeComment


def _sync_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("milestone", metavar="MILESTONE", nargs="?", help="e.g. M01, m1 or 1 (default: all)")


def _sync(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.cli.progress import make_listener, say_closeout
    from ai_workflow.models.ids import parse_milestone_id
    from ai_workflow.services.request_sync import sync_requests

    listener = make_listener(session)
    named = parse_milestone_id(args.milestone) if args.milestone else None
    done = sync_requests(session.open(), milestone_id=named, listeners=(listener.on_start, listener.on_output))
    for one in done.requests:
        was = f" (was {one.before})" if one.before != one.status else ""
        session.show(f"{one.milestone_id}: {one.number} is {one.status}{was}: {one.url}")
        session.show(*[line for comment in one.comments for line in _describe(comment)])
    if not done.requests:
        session.show("No pull request waits.")
    for closed in done.closeouts:
        say_closeout(session, closed)
    session.show_json(
        {
            "requests": to_json(done.requests),
            "milestones": [to_json(closed.milestone) for closed in done.closeouts],
        }
    )
    is_held = any(closed.outcome == "blocked" for closed in done.closeouts)
    return ExitCode.BLOCKED if is_held else ExitCode.OK


def _describe(comment: ForgeComment) -> list[str]:
    where = f" on {comment.path}" + (f":{comment.line}" if comment.line else "") if comment.path else ""
    return [f"  {comment.author}{where}:", *[f"    {line}" for line in comment.text.splitlines()[:20]]]


def _task_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("milestone", metavar="MILESTONE", help="e.g. M01, m1 or 1")
    parser.add_argument(
        "--from", dest="authors", metavar="LOGIN", action="append", default=[], help="only this reviewer's; repeatable"
    )


def _task(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_milestone_id
    from ai_workflow.services.request_sync import make_follow_up

    ws = session.open()
    made = make_follow_up(ws, parse_milestone_id(args.milestone), authors=args.authors)
    session.show(*[line for comment in made.comments for line in _describe(comment)])
    session.show(f"Added {made.task.id} to {made.task.milestone_id}: {made.task.title}")
    session.show(f"Next: {ws.command('agent run --lane core')}")
    session.show_json({"task": to_json(made.task), "comments": to_json(made.comments)})
    return ExitCode.OK


SYNC = Command(
    _sync,
    about="Asks the forge what became of the pull requests: a merge by a person is recorded and cleaned up after, a\n"
    "closed one is noted, and what reviewers wrote since the last time is shown. Nothing is changed there.",
    example="aiw pr sync",
    shape='`{"requests": [{"milestone_id", "number", "url", "before", "status", "comments"}], "milestones"}`.',
    arguments=_sync_arguments,
)
TASK = Command(
    _task,
    about="Makes a task of what reviewers wrote and nobody resolved: it is added to the milestone in the plan, and\n"
    "imported. A comment is quoted as data, whoever wrote it; --from takes only those of people whom you trust.",
    example="aiw pr task M01 --from mia",
    shape='`{"task", "comments"}`.',
    arguments=_task_arguments,
)
