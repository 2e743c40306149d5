"""`aiw task list|show|claim|start`."""

from __future__ import annotations

from ai_workflow.cli.listing import Row, show_document, show_one, show_rows
from ai_workflow.cli.runtime import Command, Session, to_json
from ai_workflow.errors import ExitCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-m", "--milestone", metavar="ID", help="only this milestone's tasks")
    parser.add_argument(
        "-s",
        "--status",
        choices=("planned", "ready", "claimed", "in_progress", "blocked", "done", "skipped", "cancelled"),
        help="only tasks in this status",
    )


def _list(session: Session, args: argparse.Namespace) -> int:
    glance = session.glance()
    if session.settings.is_json and not args.milestone and not args.status:
        return show_document(session, glance, "task")
    rows = glance.rows.of("task")
    if args.milestone:
        from ai_workflow.models.ids import parse_milestone_id

        milestone_id = parse_milestone_id(args.milestone)
        rows = [row for row in rows if row.get("milestone_id") == milestone_id]
    if args.status:
        rows = [row for row in rows if row.get("status") == args.status]
    return show_rows(
        session,
        glance,
        rows,
        key="tasks",
        head=("ID", "STATUS", "MILESTONE", "COMMIT", "TITLE"),
        cells=_cells,
    )


def _cells(row: Row) -> list[str]:
    commit = row.get("commit_sha") or "-"
    status = str(row["status"]).replace("_", " ") + (" (unproven)" if row.get("unproven") else "")
    return [row["id"], status, row["milestone_id"], commit[:10], row["title"]]


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="TASK", help="e.g. TASK-001, task-1 or 1")


def _show(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_id

    return show_one(session, session.glance(), "task", parse_id("task", args.task))


def _claim_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="TASK", nargs="?", help="this task instead of the next in order")
    parser.add_argument("-l", "--lane", default="core", help="the lane that claims it (default: core)")


def _claim(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_id, require_lane_id
    from ai_workflow.services import queue

    ws = session.open()
    lane_id = require_lane_id(args.lane)
    if args.task:
        result = queue.take(ws, lane_id, parse_id("task", args.task), is_started=False)
    else:
        result = queue.take_next(ws, lane_id, is_started=False)
    if result.claimed:
        session.show(f"Claimed {result.task.id}: {result.task.title}")
    else:
        session.show(f"{result.task.id} is held by lane {result.task.lane_id} since {result.task.claimed_at}")
    session.show_json({"claimed": result.claimed, "task": to_json(result.task)})
    return ExitCode.OK


def _start_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="TASK", help="e.g. TASK-001, task-1 or 1")
    parser.add_argument("-l", "--lane", default="core", help="the lane that works on it (default: core)")


def _start(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_id, require_lane_id
    from ai_workflow.services import queue

    ws = session.open()
    result = queue.take(ws, require_lane_id(args.lane), parse_id("task", args.task))
    session.show(f"Started {result.task.id}: {result.task.title}", f"Prompt: {result.prompt_rel}")
    session.show_json({"claimed": result.claimed, "task": to_json(result.task), "prompt": result.prompt_rel})
    return ExitCode.OK


LIST = Command(
    _list,
    about="Lists the tasks in the order of their ids.",
    example="aiw task list -s ready",
    shape='`{"tasks": […]}`, each as its state file.',
    arguments=_list_arguments,
    bare={"milestone": None, "status": None},
)
SHOW = Command(
    _show,
    about="Prints one task as JSON.",
    example="aiw task show 1",
    shape="the task, as its state file; without it too.",
    arguments=_show_arguments,
)
CLAIM = Command(
    _claim,
    about="Claims the next task of the milestone that is under way, or the one named. Only the winner of a race reads\n"
    "`Claimed`; everybody else is told who holds the task.",
    example="aiw task claim --lane core",
    shape='`{"claimed", "task"}`.',
    arguments=_claim_arguments,
)
START = Command(
    _start,
    about="Claims a task by its id and writes its prompt.",
    example="aiw task start TASK-001",
    shape='`{"claimed", "task", "prompt"}`.',
    arguments=_start_arguments,
)
