"""`aiw prompt next|task|milestone|print`."""

from __future__ import annotations

from ai_workflow.cli.runtime import Command, Session
from ai_workflow.errors import ExitCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ai_workflow.services.prompts import WrittenPrompt


def _next_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-l", "--lane", default="core", help="the lane (default: core)")
    parser.add_argument("--no-claim", action="store_true", help="write it ahead of the claim; the prompt says so")


def _next(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import require_lane_id
    from ai_workflow.services import prompts

    return _show(session, prompts.write_next(session.open(), require_lane_id(args.lane), claims=not args.no_claim))


def _print_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-l", "--lane", default="core", help="the lane (default: core)")


def _print(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import require_lane_id
    from ai_workflow.services import prompts

    written = prompts.write_next(session.open(), require_lane_id(args.lane), claims=True)
    if written is None or session.settings.is_json:
        return _show(session, written)
    session.show(written.text.rstrip("\n"))
    return ExitCode.OK


def _task_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="TASK", help="e.g. TASK-001, task-1 or 1")
    parser.add_argument("-l", "--lane", default="core", help="the lane (default: core)")


def _task(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_id
    from ai_workflow.services import prompts

    return _show(session, prompts.write_task(session.open(), parse_id("task", args.task)))


def _milestone_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("milestone", metavar="MILESTONE", help="e.g. M01, m1 or 1")


def _milestone(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_milestone_id
    from ai_workflow.services import prompts

    return _show(session, prompts.write_milestone(session.open(), parse_milestone_id(args.milestone)))


def _show(session: Session, written: WrittenPrompt | None) -> int:
    if written is None:
        session.show("No task is waiting: there is no prompt to write")
        session.show_json({"prompt": None, "task": None, "text": None})
        return ExitCode.OK
    session.show(f"Prompt: {written.rel}")
    session.show_json({"prompt": written.rel, "task": written.task.id if written.task else None, "text": written.text})
    return ExitCode.OK


NEXT = Command(
    _next,
    about="Claims the next task and writes its prompt, as `aiw next` does. With --no-claim it only writes the prompt,\n"
    "which then says that the task must be claimed first.",
    example="aiw prompt next --no-claim",
    shape='`{"prompt", "task", "text"}`.',
    arguments=_next_arguments,
)
TASK = Command(
    _task,
    about="Writes the prompt of one task to prompts/TASK-001.prompt.md, claimed or not.",
    example="aiw prompt task TASK-001",
    shape='`{"prompt", "task", "text"}`.',
    arguments=_task_arguments,
)
MILESTONE = Command(
    _milestone,
    about="Writes a whole milestone, with the prompts of its tasks, to prompts/M01.milestone.md.",
    example="aiw prompt milestone M01",
    shape='`{"prompt", "task", "text"}`.',
    arguments=_milestone_arguments,
)
PRINT = Command(
    _print,
    about="Claims the next task (or takes the active one), writes its prompt and prints it.",
    example="aiw prompt print --lane core",
    shape='`{"prompt", "task", "text"}`.',
    arguments=_print_arguments,
)
