"""`aiw adr list|show|new|accept|deprecate|supersede`."""

from __future__ import annotations

from ai_workflow.cli.listing import Row, show_one, show_rows
from ai_workflow.cli.runtime import Command, Session, to_json
from ai_workflow.errors import ExitCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ai_workflow.services.adrs import Decided


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-s",
        "--status",
        choices=("proposed", "accepted", "deprecated", "superseded"),
        help="only decisions in this status",
    )


def _list(session: Session, args: argparse.Namespace) -> int:
    glance = session.glance()
    rows = [row for row in glance.rows.of("adr") if args.status in (None, row.get("status"))]
    return show_rows(session, glance, rows, key="adrs", head=("ID", "STATUS", "APPLIES TO", "TITLE"), cells=_cells)


def _cells(row: Row) -> list[str]:
    by = row.get("superseded_by")
    status = f"{row['status']} by {by}" if by else str(row["status"])
    return [row["id"], status, ", ".join(row.get("applies_to") or ()) or "everything", row["title"]]


def _id_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("adr", metavar="ID", help="e.g. ADR-0001, adr-1 or 1")


def _show(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_id

    return show_one(session, session.glance(), "adr", parse_id("adr", args.adr))


def _new_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("title", metavar="TITLE", help="what is decided, in a few words")
    parser.add_argument("-d", "--decision", metavar="TEXT", default="", help="the decision (or write it in the file)")
    parser.add_argument(
        "--applies-to",
        action="append",
        metavar="ENTRY",
        help="path pattern, task or milestone that it binds (repeatable; default: everything)",
    )
    parser.add_argument("--consequence", action="append", metavar="TEXT", help="what follows from it (repeatable)")


def _new(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services import adrs, resume

    ws = session.open()
    resume.resume(ws)
    made = adrs.propose(
        ws,
        title=args.title,
        decision=args.decision,
        applies_to=args.applies_to or (),
        consequences=args.consequence or (),
    )
    _show_decided(session, made)
    session.say(f"it binds once it is accepted: {ws.command(f'adr accept {made.adr.id}')}")
    return ExitCode.OK


def _show_decided(session: Session, made: Decided) -> None:
    by = f" by {made.adr.superseded_by}" if made.adr.superseded_by else ""
    session.show(f"{made.adr.id} is {made.adr.status}{by}: {made.adr.title}", f"File: {made.rel}")
    session.show_json({"adr": to_json(made.adr), "path": made.rel})


def _accept(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_id
    from ai_workflow.services import adrs, resume

    ws = session.open()
    resume.resume(ws)
    _show_decided(session, adrs.accept(ws, parse_id("adr", args.adr)))
    return ExitCode.OK


def _deprecate_arguments(parser: argparse.ArgumentParser) -> None:
    _id_argument(parser)
    parser.add_argument("--reason", metavar="WHY", help="why it no longer holds; stands in its file")


def _deprecate(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_id
    from ai_workflow.services import adrs, resume

    ws = session.open()
    resume.resume(ws)
    _show_decided(session, adrs.deprecate(ws, parse_id("adr", args.adr), reason=args.reason))
    return ExitCode.OK


def _supersede_arguments(parser: argparse.ArgumentParser) -> None:
    _id_argument(parser)
    parser.add_argument("--by", metavar="ID", required=True, help="the accepted decision that takes its place")


def _supersede(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_id
    from ai_workflow.services import adrs, resume

    ws = session.open()
    resume.resume(ws)
    _show_decided(session, adrs.supersede(ws, parse_id("adr", args.adr), by=parse_id("adr", args.by)))
    return ExitCode.OK


LIST = Command(
    _list,
    about="Lists the architecture decisions in the order of their ids.",
    example="aiw adr list --status accepted",
    shape='`{"adrs": […]}`, each as its state file.',
    arguments=_list_arguments,
)
SHOW = Command(
    _show,
    about="Prints one decision as JSON.",
    example="aiw adr show ADR-0001",
    shape="the decision, as its state file; without it too.",
    arguments=_id_argument,
)
NEW = Command(
    _new,
    about="Proposes a decision and writes its file, which belongs to the repository and may be edited. Once accepted\n"
    "it stands in the prompts of the tasks that it binds.",
    example="aiw adr new 'Errors are values' -d 'Functions return errors.' --applies-to 'src/**'",
    shape='`{"adr", "path"}`.',
    arguments=_new_arguments,
)
ACCEPT = Command(
    _accept,
    about="Puts a proposed decision in force. What was written in its file meanwhile counts as the decision.",
    example="aiw adr accept ADR-0001",
    shape='`{"adr", "path"}`.',
    arguments=_id_argument,
)
DEPRECATE = Command(
    _deprecate,
    about="Takes a decision out of force, with nothing in its place.",
    example="aiw adr deprecate ADR-0001 --reason 'the module is gone'",
    shape='`{"adr", "path"}`.',
    arguments=_deprecate_arguments,
)
SUPERSEDE = Command(
    _supersede,
    about="Replaces a decision in force by another one that is in force.",
    example="aiw adr supersede ADR-0001 --by ADR-0002",
    shape='`{"adr", "path"}`.',
    arguments=_supersede_arguments,
)
