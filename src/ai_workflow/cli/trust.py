"""`aiw trust`."""

from __future__ import annotations

from ai_workflow.cli.runtime import Command, Session, to_json
from ai_workflow.errors import ExitCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def _arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--revoke", action="store_true", help="take the trust back, of every copy of this folder too")
    what.add_argument("--status", action="store_true", help="only say whether this clone is trusted")


def _trust(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services import trusting

    ws = session.open()
    changed = False
    if args.revoke:
        changed = trusting.revoke(ws)
    elif not args.status:
        changed = trusting.read_trust(ws).by != "record"
        trusting.grant(ws)
    now = trusting.read_trust(ws)
    if args.revoke:
        session.show("Trusted no longer" if changed else "This clone was not trusted")
    elif args.status:
        session.show("This clone is trusted" if now.trusted else "This clone is not trusted")
    else:
        session.show("Trusted: commands of this repository may run" if changed else "This clone was trusted already")
    if now.by == "environment":
        session.show("AIW_TRUST=1 is set, so commands run whatever is recorded")
    if now.commands:
        session.show("Commands it brings:", trusting.list_commands(now.commands))
    session.show_json({**to_json(now), "changed": changed})
    return ExitCode.OK


TRUST = Command(
    _trust,
    about="Lets the commands that this repository brings (agent.checks, `Verify:` lines of a plan) run in this clone,\n"
    "with your rights. `init` does that for your own work; a clone of somebody else's asks for it once.",
    example="aiw trust --status",
    shape='`{"trusted", "by", "commands", "changed"}`; `by` is `record`, `environment` or null.',
    arguments=_arguments,
)
