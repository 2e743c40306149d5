"""`aiw milestone list|show|start|finish|pr`."""

from __future__ import annotations

from ai_workflow.cli.listing import Row, show_one, show_rows
from ai_workflow.cli.runtime import Command, Session, to_json
from ai_workflow.errors import ExitCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def _list(session: Session, _args: argparse.Namespace) -> int:
    glance = session.glance()
    tasks = {row["id"]: row for row in glance.rows.of("task")}

    def cells(row: Row) -> list[str]:
        own = [tasks[task_id] for task_id in row.get("task_ids", []) if task_id in tasks]
        done = sum(1 for task in own if task.get("status") in ("done", "skipped"))
        status = str(row["status"]).replace("_", " ")
        return [row["id"], status, f"{done}/{len(row.get('task_ids', []))}", row.get("branch") or "-", row["title"]]

    return show_rows(
        session,
        glance,
        glance.rows.of("milestone"),
        key="milestones",
        head=("ID", "STATUS", "DONE", "BRANCH", "TITLE"),
        cells=cells,
    )


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("milestone", metavar="MILESTONE", help="e.g. M01, m1 or 1")


def _show(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_milestone_id

    return show_one(session, session.glance(), "milestone", parse_milestone_id(args.milestone))


def _start_arguments(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("-l", "--lane", default="core", help="the lane that works on it (default: core)")


def _start(session: Session, args: argparse.Namespace) -> int:
    return start(session, args.lane, args.milestone)


def start(session: Session, lane: str, milestone: str) -> int:
    """Starts a milestone and says so; shared with `lane start`."""
    from ai_workflow.models.ids import parse_milestone_id, require_lane_id
    from ai_workflow.services import milestones, resume

    ws = session.open()
    resume.resume(ws)
    started = milestones.start(ws, require_lane_id(lane), parse_milestone_id(milestone))
    word = "Resumed" if started.was_resumed else "Started"
    session.show(
        f"{word} {started.milestone.id} on {started.milestone.branch}",
        f"Next: {ws.command('agent task --lane core')}",
    )
    session.show_json({"milestone": to_json(started.milestone), "resumed": started.was_resumed})
    return ExitCode.OK


def _finish_arguments(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--accept-unproven", metavar="WHY", help="land work whose proof was waived; recorded")


def _finish(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.cli.progress import make_listener, say_closeout
    from ai_workflow.models.ids import parse_milestone_id
    from ai_workflow.services import closeout, resume

    ws = session.open()
    resume.resume(ws)
    milestone_id = parse_milestone_id(args.milestone)
    if args.accept_unproven:
        closeout.accept_unproven(ws, milestone_id, reason=args.accept_unproven)
    listener = make_listener(session)
    result = closeout.require_complete(
        closeout.advance(ws, milestone_id, listener_of_checks=(listener.on_start, listener.on_output)), ws
    )
    say_closeout(session, result)
    session.show_json({"milestone": to_json(result.milestone), "outcome": result.outcome})
    return ExitCode.BLOCKED if result.outcome == "blocked" else ExitCode.OK


def _pr(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_milestone_id
    from ai_workflow.services.pull_requests import write_request

    written = write_request(session.open(), parse_milestone_id(args.milestone))
    session.show(f"Wrote {written.path}")
    session.show_json({"milestone": to_json(written.milestone), "path": written.path})
    return ExitCode.OK


LIST = Command(_list, about="Lists the milestones in the order of their numbers.", example="aiw milestone list")
SHOW = Command(_show, about="Prints one milestone as JSON.", example="aiw milestone show M01", arguments=_one)
START = Command(
    _start,
    about="Makes the milestone's branch from base (or goes back to it) and lets the lane work on it.",
    example="aiw milestone start M01",
    arguments=_start_arguments,
)
FINISH = Command(
    _finish,
    about="Lands a milestone whose tasks are all finished, or goes on from where that was blocked.",
    example="aiw milestone finish M01",
    arguments=_finish_arguments,
)
PR = Command(
    _pr,
    about="Writes the text of the milestone's pull request, with what proved each task, to reports/pr. Opens nothing;\n"
    "the same as `aiw git pr MILESTONE --no-create`.",
    example="aiw milestone pr M01",
    arguments=_one,
)
