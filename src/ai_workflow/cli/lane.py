"""`aiw lane list|show|start`."""

from __future__ import annotations

from ai_workflow.cli.inherited import add_start_options
from ai_workflow.cli.listing import Row, show_one, show_rows
from ai_workflow.cli.runtime import Command, Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


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
