"""`aiw migrate`."""

from __future__ import annotations

from ai_workflow.cli.runtime import Command, Session, to_json
from ai_workflow.errors import ExitCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ai_workflow.services.migrate import Migrated


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done; nothing is written")


def _migrate(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services import migrate

    ws = session.open()
    done = migrate.migrate(ws, is_dry_run=args.dry_run)
    if done.outcome == "already_migrated":
        session.show(
            "Already migrated: the workspace is of this release", *([f"  copy: {done.archive}"] if done.archive else [])
        )
    else:
        session.show(*_lines(done))
        if not args.dry_run:
            session.show("Next: look at it, then go on", f"  {ws.command('status')}")
    session.show_json(to_json(done))
    return ExitCode.OK


def _lines(done: Migrated) -> list[str]:
    counts = done.counts
    would = "Would take over" if done.outcome == "rehearsed" else "Took over"
    told = f"{counts['milestone']} milestones, {counts['task']} tasks, {counts['run']} runs, {counts['adr']} decisions"
    lines = [
        f"{would} from aiw 0.1.0: {told}; no id changes",
        f"  a copy of the old workspace, byte for byte: {done.archive}",
    ]
    if done.active_task:
        lines.append(f"  active task: {done.active_task}")
    lines += [f"  note: {note}" for note in done.notes]
    lines += [f"  damaged, only in the copy: {one}" for one in done.damaged]
    lines += _paths(f"uncommitted, counts as work of {done.active_task}", done.task_paths)
    lines += _paths("uncommitted, counts as yours and stays out of tasks' commits", done.own_paths)
    return lines


def _paths(head: str, paths: tuple[str, ...], *, shown: int = 20) -> list[str]:
    if not paths:
        return []
    more = [f"    … and {len(paths) - shown} more"] if len(paths) > shown else []
    return [f"  {head}:", *(f"    {path}" for path in paths[:shown]), *more]


MIGRATE = Command(
    _migrate,
    about="Takes a workspace of aiw 0.1.0 over, after a byte copy of it was made: tasks, milestones, runs and\n"
    "decisions keep their ids, work under way stays under way. Running it again changes nothing.",
    example="aiw migrate --dry-run",
    shape='`{"outcome", "archive", "counts", "active_task", "notes", "damaged", "task_paths", "own_paths"}`,\n'
    "`outcome` being `migrated`, `rehearsed` or `already_migrated`",
    arguments=_arguments,
)
