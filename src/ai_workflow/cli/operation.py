"""`aiw op log|show`, `aiw undo`."""

from __future__ import annotations

from ai_workflow.cli.runtime import Command, Session, table, to_json
from ai_workflow.errors import ExitCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ai_workflow.models.operation import Operation

_LIMIT = 30


def _log_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--limit", type=_count, metavar="N", help=f"how many (default: {_LIMIT}; JSON: all)")


def _count(text: str) -> int:
    import argparse

    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


def _log(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services.operation_log import list_operations

    rows, log = list_operations(session.glance().layout)
    limit = args.limit or (len(rows) if session.settings.is_json else _LIMIT)
    shown = rows[:limit]
    cells = [
        (
            row.operation.id,
            row.operation.at,
            row.operation.actor,
            row.operation.name,
            f"undone by {row.undone_by}" if row.undone_by else "",
        )
        for row in shown
    ]
    if cells:
        session.show(*table(cells, head=("ID", "WHEN", "WHO", "WHAT", "")))
    if len(shown) < len(rows):
        session.say(f"{len(rows) - len(shown)} older ones: aiw op log -n {len(rows)}")
    operations = [{**to_json(row.operation), "undone_by": row.undone_by} for row in shown]
    session.show_json({"operations": operations})
    for path in log.damaged:
        session.say(f"error: {path} cannot be read\nhint: aiw doctor")
    return ExitCode.DAMAGED if log.damaged else ExitCode.OK


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("operation", metavar="OP", help="e.g. OP-000008-3fa2c1, OP-8 or 8")


def _show(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.policy.undoing import undone_by
    from ai_workflow.services.operation_log import describe_changes, find_operation
    from ai_workflow.store.operations import read_log

    layout = session.glance().layout
    log = read_log(layout)
    operation = find_operation(log.operations, args.operation)
    holder = undone_by(log.operations).get(operation.id)
    session.show(
        f"{operation.id}: {operation.name}",
        f"When: {operation.at}, by {operation.actor} (pid {operation.pid})",
        f"Command: aiw {' '.join(operation.command)}",
        *([f"Undone by: {holder}"] if holder else []),
        *([f"Cannot be undone: {operation.final}"] if operation.final else []),
        *describe_changes(layout, log, operation),
    )
    session.show_json({**to_json(operation), "undone_by": holder})
    return ExitCode.OK


def _undo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("operation", metavar="OP", nargs="?", help="go back to before this one (default: the latest)")


def _undo(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services.undo import undo

    ws = session.open()
    done = undo(ws, args.operation)
    if not done.operations:
        session.show(f"It is undone already, by {done.id}")
    session.show(
        *(f"Undone: {one.name} ({one.id})" for one in done.operations),
        *_commits(done.commits),
        f"To bring it back: {ws.command(f'undo {done.id}')}",
    )
    session.show_json({"id": done.id, "operations": _ids(done.operations), "commits": list(done.commits)})
    return ExitCode.OK


def _commits(commits: Sequence[str]) -> list[str]:
    if not commits:
        return []
    return [f"Off their branch, and kept in git: {', '.join(sha[:10] for sha in commits)}; their work is in the tree"]


def _ids(operations: Sequence[Operation]) -> list[str]:
    return [one.id for one in operations]


LOG = Command(
    _log,
    about="Lists what was done: every operation with who, when and what, the newest first. Operations of one command\n"
    "are undone together.",
    example="aiw op log",
    shape='`{"operations": […]}`, newest first, each as its state file (with `id` and `command`) and `undone_by`.',
    arguments=_log_arguments,
)
SHOW = Command(
    _show,
    about="Shows one operation: its command line, and what it changed in the state, in git and in files.",
    example="aiw op show 8",
    shape="the operation, as its state file, and `undone_by`.",
    arguments=_one,
)
UNDO = Command(
    _undo,
    about="Takes back the latest operation, or everything back to one. The work of an undone commit comes back into\n"
    "the tree, and what is yours is left alone. What is on a remote is not taken back. An undo can be undone.",
    example="aiw undo",
    shape='`{"id", "operations": […], "commits": […]}`: of the undo itself, and what was taken back.',
    arguments=_undo_arguments,
)
