"""`aiw milestone list|show|start|finish|pr`."""

from __future__ import annotations

from ai_workflow.cli.inherited import add_start_options, heed_start_options
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
    add_start_options(parser)


def start(session: Session, args: argparse.Namespace) -> int:
    """Starts the milestone in the lane and says so; shared with `lane start`."""
    from ai_workflow.models.ids import parse_milestone_id, require_lane_id
    from ai_workflow.services import milestones, resume

    heed_start_options(session, args)
    ws = session.open()
    resume.resume(ws)
    started = milestones.start(
        ws,
        require_lane_id(args.lane),
        parse_milestone_id(args.milestone),
        allow_unmerged=args.allow_unmerged_previous,
    )
    word = "Resumed" if started.was_resumed else "Started"
    session.show(
        f"{word} {started.milestone.id} on {started.milestone.branch}",
        f"Next: {ws.command('agent task --lane core')}",
    )
    session.show_json({"milestone": to_json(started.milestone), "resumed": started.was_resumed})
    return ExitCode.OK


def _finish_arguments(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--allow-incomplete", action="store_true", help="skip its open tasks first (needs --reason)")
    parser.add_argument("--reason", default="", metavar="WHY", help="recorded with the tasks that are skipped")
    parser.add_argument("--accept-unproven", metavar="WHY", help="land work whose proof was waived; recorded")


def _finish(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.cli.progress import make_listener, say_closeout
    from ai_workflow.models.ids import parse_milestone_id
    from ai_workflow.services import closeout, milestones, resume

    ws = session.open()
    resume.resume(ws)
    milestone_id = parse_milestone_id(args.milestone)
    if args.allow_incomplete:
        milestones.skip_open(ws, milestone_id, reason=args.reason)
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


def _cancel_arguments(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--reason", default="", metavar="WHY", help="recorded with it and its tasks")


def _cancel(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_milestone_id
    from ai_workflow.services import milestones

    ws = session.open()
    milestone = milestones.cancel(ws, parse_milestone_id(args.milestone), reason=args.reason)
    session.show(f"Cancelled {milestone.id}: {milestone.title}")
    if milestone.start_sha is not None:
        session.show(f"Its branch {milestone.branch} stays, with what was committed on it")
    session.show_json(to_json(milestone))
    return ExitCode.OK


LIST = Command(
    _list,
    about="Lists the milestones in the order of their numbers.",
    example="aiw milestone list",
    shape='`{"milestones": […]}`, each as its state file.',
)
SHOW = Command(
    _show,
    about="Prints one milestone as JSON.",
    example="aiw milestone show M01",
    shape="the milestone, as its state file; without it too.",
    arguments=_one,
)
START = Command(
    start,
    about="Makes the milestone's branch from base (or goes back to it) and lets the lane work on it.",
    example="aiw milestone start M01",
    shape='`{"milestone", "resumed"}`.',
    arguments=_start_arguments,
)
FINISH = Command(
    _finish,
    about="Lands a milestone whose tasks are all finished, or goes on from where that was blocked.",
    example="aiw milestone finish M01",
    shape='`{"milestone", "outcome"}`; `outcome` is `merged`, `blocked` or `not_complete`.',
    arguments=_finish_arguments,
)
CANCEL = Command(
    _cancel,
    about="Gives a milestone up: its open tasks are cancelled, finished ones stay done, its branch is kept.",
    example="aiw milestone cancel M02 --reason 'not wanted any more'",
    shape="the milestone, as its state file.",
    arguments=_cancel_arguments,
)
PR = Command(
    _pr,
    about="Writes the text of the milestone's pull request, with what proved each task, to reports/pr. Opens nothing;\n"
    "the same as `aiw git pr MILESTONE --no-create`.",
    example="aiw milestone pr M01",
    shape='`{"milestone", "path"}`.',
    arguments=_one,
)
