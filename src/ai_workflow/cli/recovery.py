"""`aiw recovery list|show|start|resolve|abort`."""

from __future__ import annotations

from ai_workflow.cli.listing import Row, show_rows
from ai_workflow.cli.runtime import Command, Session, to_json
from ai_workflow.errors import AiwError, ExitCode, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def _list(session: Session, _args: argparse.Namespace) -> int:
    glance = session.glance()
    rows = [row for row in glance.rows.of("milestone") if row.get("recovery")]
    head = ("ID", "STATUS", "REPAIRS", "ATTEMPT", "TASK", "TITLE")
    return show_rows(session, glance, rows, key="recoveries", head=head, cells=_cells)


def _cells(row: Row) -> list[str]:
    recovery = row["recovery"]
    return [
        row["id"],
        str(recovery.get("recovery_status")),
        recovery.get("blocked_task_id") or "-",
        str(recovery.get("recovery_attempt_number") or 1),
        ", ".join(row.get("task_ids", [])),
        row["title"],
    ]


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recovery", metavar="RECOVERY", help="e.g. M01-01")


def _show(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.cli.listing import show_one
    from ai_workflow.models.ids import parse_milestone_id

    glance = session.glance()
    milestone_id = parse_milestone_id(args.recovery)
    row = glance.rows.find("milestone", milestone_id)
    if row is not None and not row.get("recovery"):
        raise AiwError(Kind.NOT_FOUND, f"{milestone_id} is not a recovery", hint="see `aiw recovery list`")
    return show_one(session, glance, "milestone", milestone_id)


def _start_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recovery", metavar="RECOVERY", help="e.g. M01-01; or the failed task, e.g. TASK-001")
    parser.add_argument("-l", "--lane", default="core", help="the lane (default: core)")


def _start(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_id, parse_milestone_id, require_lane_id
    from ai_workflow.services import recoveries

    ws = session.open()
    lane_id = require_lane_id(args.lane)
    if args.recovery.strip().lower().startswith("task"):
        milestone_id = recoveries.open_for(ws, lane_id, parse_id("task", args.recovery)).id
    else:
        milestone_id = parse_milestone_id(args.recovery)
    handed = recoveries.start(ws, lane_id, milestone_id)
    session.show(f"Recovery {milestone_id}: {handed.task.id} - {handed.task.title}", f"Prompt: {handed.prompt_rel}")
    milestone = ws.store.snapshot().get_milestone(milestone_id)
    session.show_json({"recovery": to_json(milestone), "task": to_json(handed.task), "prompt": handed.prompt_rel})
    return ExitCode.OK


def _resolve_arguments(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("-l", "--lane", default="core", help="the lane (default: core)")
    parser.add_argument("--summary", default="", metavar="TEXT", help="what was done, for the record")


def _resolve(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.cli.agent import show_finish
    from ai_workflow.cli.progress import make_listener
    from ai_workflow.models.ids import parse_milestone_id, require_lane_id
    from ai_workflow.policy.gates import FinishOptions
    from ai_workflow.policy.recovery import get_recovery
    from ai_workflow.services.finish import FinishRequest, finish_task

    ws = session.open()
    _milestone, record = get_recovery(ws.store.snapshot(), parse_milestone_id(args.recovery))
    request = FinishRequest(
        lane_id=require_lane_id(args.lane),
        task_id=record.blocked_task_id,
        options=FinishOptions(summary=args.summary),
    )
    return show_finish(session, ws, finish_task(ws, request, listener=make_listener(session)))


def _abort_arguments(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--reason", default="by hand", metavar="WHY", help="why it is given up; recorded")


def _abort(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_milestone_id
    from ai_workflow.services import recoveries

    ws = session.open()
    milestone = recoveries.abort(ws, parse_milestone_id(args.recovery), reason=args.reason)
    task_id = milestone.recovery.blocked_task_id if milestone.recovery else None
    session.show(
        f"Recovery {milestone.id} was given up; {task_id} stays blocked",
        f"Next: {ws.command(f'task unblock {task_id}')}, or {ws.command(f'task cancel {task_id} --reason …')}",
    )
    session.show_json({"recovery": to_json(milestone)})
    return ExitCode.OK


LIST = Command(
    _list,
    about="Lists the recoveries, old ones too.",
    example="aiw recovery list",
    shape='`{"recoveries": […]}`, each as its state file.',
)
SHOW = Command(
    _show,
    about="Prints one recovery as JSON.",
    example="aiw recovery show M01-01",
    shape="the recovery milestone, as its state file; without it too.",
    arguments=_one,
)
START = Command(
    _start,
    about="Hands a recovery's task out; one whose attempts are used up begins anew. With a task id it opens a\n"
    "recovery for the active task, whose last finish failed.",
    example="aiw recovery start M01-01",
    shape='`{"recovery", "task", "prompt"}`.',
    arguments=_start_arguments,
)
RESOLVE = Command(
    _resolve,
    about="Runs the gates of the repaired task and commits it; the same as `agent finish`.",
    example="aiw recovery resolve M01-01",
    shape="as `agent finish`.",
    arguments=_resolve_arguments,
)
ABORT = Command(
    _abort,
    about="Gives a recovery up. Its task stays blocked for a person, its work stays in the tree.",
    example="aiw recovery abort M01-01 --reason 'the check itself is wrong'",
    shape='`{"recovery"}`.',
    arguments=_abort_arguments,
)
