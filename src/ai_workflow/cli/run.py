"""`aiw run list|show|start|finish`."""

from __future__ import annotations

from ai_workflow.cli.listing import Row, show_one, show_rows
from ai_workflow.cli.runtime import Command, Session, to_json
from ai_workflow.errors import ExitCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-t", "--task", metavar="TASK", help="only runs of this task")


def _list(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_id

    glance = session.glance()
    rows = glance.rows.of("run")
    if args.task:
        task_id = parse_id("task", args.task)
        rows = [row for row in rows if row.get("task_id") == task_id]
    head = ("ID", "STATUS", "TASK", "STARTED", "CHECKS", "SUMMARY")
    return show_rows(session, glance, rows, key="runs", head=head, cells=_cells)


def _cells(row: Row) -> list[str]:
    checks = row.get("checks") or []
    passed = sum(1 for check in checks if check.get("status") == "passed")
    told = f"{passed}/{len(checks)}" if checks else "-"
    return [row["id"], row["status"], row.get("task_id") or "-", row.get("started_at") or "-", told,
            str(row.get("summary") or "").partition("\n")[0]]  # fmt: skip


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="e.g. RUN-0001 or 1")


def _show(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_id

    return show_one(session, session.glance(), "run", parse_id("run", args.run))


def _start_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-l", "--lane", default="core", help="the lane (default: core)")
    parser.add_argument("-t", "--task", metavar="TASK", help="the task (default: the active one)")
    parser.add_argument("--summary", default="", metavar="TEXT", help="what is being done")


def _start(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_id, require_lane_id
    from ai_workflow.services import runs

    task_id = parse_id("task", args.task) if args.task else None
    run = runs.start(session.open(), require_lane_id(args.lane), task_id=task_id, summary=args.summary)
    session.show(f"{run.id} of {run.task_id} is under way")
    session.show_json(to_json(run))
    return ExitCode.OK


def _finish_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="e.g. RUN-0001 or 1")
    parser.add_argument(
        "--status", choices=("completed", "failed", "cancelled"), default="completed", help="how it ended"
    )
    parser.add_argument("--summary", default="", metavar="TEXT", help="what was done")


def _finish(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_id
    from ai_workflow.services import runs

    run = runs.finish(session.open(), parse_id("run", args.run), status=args.status, summary=args.summary)
    session.show(f"{run.id} {run.status}")
    session.show_json(to_json(run))
    return ExitCode.OK


LIST = Command(
    _list,
    about="Lists the runs, oldest first.",
    example="aiw run list -t 1",
    shape='`{"runs": […]}`, each as its state file.',
    arguments=_list_arguments,
)
SHOW = Command(
    _show,
    about="Prints one run with its checks as JSON.",
    example="aiw run show RUN-0001",
    shape="the run, as its state file; without it too.",
    arguments=_show_arguments,
)
START = Command(
    _start,
    about="Starts a run record of the active task, when the last one has ended. A record proves nothing, and\n"
    "`agent finish` makes its own.",
    example="aiw run start --task TASK-001 --summary 'second try'",
    shape="the run, as its state file.",
    arguments=_start_arguments,
)
FINISH = Command(
    _finish,
    about="Ends a run record by hand. The task stays as it is: only `agent finish` makes a task done.",
    example="aiw run finish RUN-0001 --status cancelled",
    shape="the run, as its state file.",
    arguments=_finish_arguments,
)
