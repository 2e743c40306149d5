"""`aiw workspace reset|restore`."""

from __future__ import annotations

from ai_workflow.cli.runtime import Command, Session, to_json
from ai_workflow.errors import AiwError, ExitCode, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def _reset_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="required: tasks, milestones and runs are put away")
    parser.add_argument("--regenerate-handoffs", action="store_true", help="write the handoffs anew too")


def _reset(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services import reset

    if not args.force:
        raise AiwError(
            Kind.USAGE,
            "a reset puts away all tasks, milestones and runs, into an archive that can be brought back",
            hint="if that is meant: aiw workspace reset --force",
        )
    ws = session.open()
    done = reset.reset(ws, renews_handoffs=args.regenerate_handoffs)
    if done.outcome == "nothing":
        session.show("The workspace is new already: there is nothing to put away")
    else:
        session.show("Began anew; ids go on from where they were", f"  archive: {done.archive}")
    if done.active_task:
        session.show(f"  {done.active_task} was active: its uncommitted work stays in the tree, and is yours now")
    session.show(*[f"  branch kept: {name}" for name in done.branches])
    session.show(*[f"  parked work kept: {ref}" for ref in done.parked])
    session.show(*[f"  not aiw's, so it stays: {path}" for path in done.left])
    if done.outcome == "reset":
        session.show(f"Bring it back: {ws.command('workspace restore')}")
    session.show_json(to_json(done))
    return ExitCode.OK


def _restore_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "archive", metavar="ARCHIVE", nargs="?", help="its name or path (default: that of the last reset)"
    )
    parser.add_argument("--list", action="store_true", dest="lists", help="only list the archives, the newest first")
    parser.add_argument("--force", action="store_true", help="take the archive of another workspace too")


def _restore(session: Session, args: argparse.Namespace) -> int:
    if args.lists:
        return _list(session)
    from ai_workflow.services import reset

    ws = session.open()
    done = reset.restore(ws, args.archive, is_forced=args.force)
    if done.outcome == "nothing":
        session.show(f"Everything is as {done.archive} has it already")
    else:
        session.show(f"Restored from {done.archive}")
    if done.replaced:
        session.show(f"  what was there before: {done.replaced}")
    session.show(*[f"  note: {note}" for note in done.notes])
    session.show(f"Next: {ws.command('status')}")
    session.show_json(to_json(done))
    return ExitCode.OK


def _list(session: Session) -> int:
    from ai_workflow.cli.runtime import table
    from ai_workflow.services import state_archive

    ws = session.open()
    rows = []
    for name in state_archive.list_archives(ws):
        try:
            manifest = state_archive.read_manifest(ws, name)
        except AiwError as error:
            session.say(f"damaged: {error.message}")
            continue
        rows.append({"name": name, "made_at": manifest.made_at, "actor": manifest.actor, "files": len(manifest.files)})
    if rows:
        session.show(
            *table([[str(value) for value in row.values()] for row in rows], head=("NAME", "MADE", "BY", "FILES"))
        )
    else:
        session.show("no archives")
    session.show_json({"archives": rows})
    return ExitCode.OK


RESET = Command(
    _reset,
    about="Begins the workspace anew: tasks, milestones, runs, prompts and reports go into an archive. Files of the\n"
    "repository (decisions too), the plan and all git branches stay, and ids go on from where they were.",
    example="aiw workspace reset --force",
    shape='`{"outcome", "archive", "active_task", "branches", "parked"}`, `outcome` being `reset` or `nothing`',
    arguments=_reset_arguments,
)
RESTORE = Command(
    _restore,
    about="Brings back what a reset put away, after archiving what is there now. The state is byte for byte as it\n"
    "was; only ids given out and decisions made since then are not taken back.",
    example="aiw workspace restore --list",
    shape='`{"outcome", "archive", "replaced", "notes"}`; with `--list` `{"archives": [{"name", "made_at", "actor",\n'
    '"files"}]}`',
    arguments=_restore_arguments,
)
