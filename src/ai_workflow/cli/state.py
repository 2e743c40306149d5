"""`aiw state`."""

from __future__ import annotations

from ai_workflow.cli.runtime import Command, Session, to_json
from ai_workflow.errors import ExitCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ai_workflow.services.state_rebuild import StateRebuilt


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only say what would be restored; nothing is written")


def _rebuild(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services.state_rebuild import rebuild_state

    ws = session.open()
    done = rebuild_state(ws, is_dry_run=args.dry_run)
    session.show(*_lines(done))
    if not args.dry_run:
        session.show(f"Next: {ws.command('doctor')}, then {ws.command('status')}")
    session.show_json(to_json(done))
    return ExitCode.OK


def _lines(done: StateRebuilt) -> list[str]:
    heads = {"rebuilt": "Rebuilt", "rehearsed": "Would rebuild", "already_rebuilt": "Rebuilt already"}
    counts = done.counts
    told = (
        f"{counts['milestone']} milestones, {counts['task']} tasks ({counts['done']} done), {counts['adr']} decisions"
    )
    lines = [f"{heads[done.outcome]}: {told}"]
    lines += [f"  {key} {status.replace('_', ' ')}" for key, status in done.milestones.items()]
    lines += [f"  branch made from the remote's: {name}" for name in done.branches]
    lines += [f"  what lay there is kept: {done.kept}"] if done.kept else []
    lines += [f"  note: {note}" for note in done.notes]
    return lines


REBUILD = Command(
    _rebuild,
    about="Restores a state folder that is gone, from the plan, the backlog, the decisions and the `Aiw-` trailers of\n"
    "the commits on all branches, and says what cannot be known from them. A state that is there is not touched.",
    example="aiw state rebuild --dry-run",
    shape='`{"outcome", "counts", "milestones", "notes", "kept", "branches"}`, `outcome` being `rebuilt`,\n'
    "`rehearsed` or `already_rebuilt`",
    arguments=_arguments,
)
