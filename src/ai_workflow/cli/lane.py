"""`aiw lane list|show|start|pause|resume|finish|cleanup`."""

from __future__ import annotations

from ai_workflow.cli.inherited import add_start_options
from ai_workflow.cli.listing import Row, show_one, show_rows
from ai_workflow.cli.runtime import Command, Session, to_json
from ai_workflow.errors import AiwError, ExitCode, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ai_workflow.models.lane import Lane


def _list(session: Session, _args: argparse.Namespace) -> int:
    glance = session.glance()
    head = ("ID", "STATUS", "MILESTONE", "TASK", "BRANCH")
    return show_rows(session, glance, glance.rows.of("lane"), key="lanes", head=head, cells=_cells)


def _cells(row: Row) -> list[str]:
    return [
        row["id"],
        row["status"],
        row.get("milestone_id") or "-",
        row.get("current_task_id") or "-",
        row.get("branch") or "-",
    ]


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lane", metavar="LANE", nargs="?", default="core", help="core")


def _show(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import require_lane_id

    return show_one(session, session.glance(), "lane", require_lane_id(args.lane))


def _start_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lane", metavar="LANE", help="core")
    parser.add_argument("milestone", metavar="MILESTONE", help="e.g. M01, m1 or 1")
    add_start_options(parser)


def _start(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.cli.milestone import start

    return start(session, args)


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lane", metavar="LANE", nargs="?", default="core", help="core")


def _tell(session: Session, lane: Lane, sentence: str) -> int:
    session.show(sentence)
    session.show_json(to_json(lane))
    return ExitCode.OK


def _pause(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import require_lane_id
    from ai_workflow.services import lanes

    lane = lanes.pause(session.open(), require_lane_id(args.lane))
    return _tell(session, lane, f"Paused lane {lane.id}: nothing more is handed out until it is resumed")


def _resume(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import require_lane_id
    from ai_workflow.services import lanes

    lane = lanes.unpause(session.open(), require_lane_id(args.lane))
    return _tell(session, lane, f"Resumed lane {lane.id}: it is {lane.status}")


def _finish(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import require_lane_id
    from ai_workflow.services import lanes

    lane = lanes.close(session.open(), require_lane_id(args.lane))
    return _tell(session, lane, f"Finished lane {lane.id}; starting a milestone opens it again")


def _cleanup_arguments(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--force", action="store_true", help="required: the lane may be at work")
    parser.add_argument("--detach", action="store_true", help="accepted as before; the lane always lets go of both")
    parser.add_argument("--reason", default="", metavar="WHY", help="recorded")


def _cleanup(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import require_lane_id
    from ai_workflow.services import lanes

    if not args.force:
        raise AiwError(
            Kind.USAGE,
            "freeing a lane takes its task and milestone from whoever works on them",
            hint="if that is meant: aiw lane cleanup core --force --reason 'why'",
        )
    lane = lanes.free(session.open(), require_lane_id(args.lane), reason=args.reason or "by hand")
    return _tell(session, lane, f"Freed lane {lane.id}; its work is untouched")


LIST = Command(
    _list, about="Lists the lanes.", example="aiw lane list", shape='`{"lanes": […]}`, each as its state file.'
)
SHOW = Command(
    _show,
    about="Prints one lane as JSON.",
    example="aiw lane show core",
    shape="the lane, as its state file; without it too.",
    arguments=_show_arguments,
)
START = Command(
    _start,
    about="Starts a milestone in a lane; the same as `aiw milestone start`.",
    example="aiw lane start core M01",
    shape='`{"milestone", "resumed"}`.',
    arguments=_start_arguments,
)
PAUSE = Command(
    _pause,
    about="Hands nothing more out in this lane. The active task can still be finished.",
    example="aiw lane pause core",
    shape="the lane, as its state file.",
    arguments=_one,
)
RESUME = Command(
    _resume,
    about="Hands tasks out again.",
    example="aiw lane resume core",
    shape="the lane, as its state file.",
    arguments=_one,
)
FINISH = Command(
    _finish,
    about="Closes a lane that has nothing to do; starting a milestone opens it again.",
    example="aiw lane finish core",
    shape="the lane, as its state file.",
    arguments=_one,
)
CLEANUP = Command(
    _cleanup,
    about="Frees a lane that is stuck: its task and milestone are ready to be taken again. No work is touched.",
    example="aiw lane cleanup core --force --reason 'its agent is gone'",
    shape="the lane, as its state file.",
    arguments=_cleanup_arguments,
)
