"""`aiw workpackage install`."""

from __future__ import annotations

import os

from ai_workflow.cli.runtime import Command, Session
from ai_workflow.errors import AiwError, ExitCode, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ai_workflow.services.workpackages import Installed


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="SLUG", nargs="?", help="what to call it: letters, digits, - and _")
    parser.add_argument("--slug", metavar="SLUG", help="the same, as an option")
    parser.add_argument("--pack", metavar="PATH", required=True, help="the pack, a Markdown file; - is standard input")
    parser.add_argument("--optimize-plan", action="store_true", help="optimise the plan; a pack without one is refused")
    parser.add_argument("--import", dest="imports", action="store_true", help="import the plan too")
    parser.add_argument("--force", action="store_true", help="replace another pack or plan; copies are kept")


def _install(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.cli.plan import read_standard_input
    from ai_workflow.fsio import find_bytes
    from ai_workflow.services.workpackages import PackRequest, install

    names = {name for name in (args.name, args.slug) if name is not None}
    if len(names) != 1:
        what = "no slug is given" if not names else f"two slugs are given, {args.name} and {args.slug}"
        raise AiwError(Kind.USAGE, what, hint="aiw workpackage install SLUG --pack PATH")
    ws = session.open()
    data = read_standard_input(session) if args.pack == "-" else find_bytes(os.path.abspath(args.pack))
    if data is None:
        raise AiwError(Kind.NOT_FOUND, f"there is no pack at {args.pack}", hint="check the path after --pack")
    request = PackRequest(
        slug=names.pop(),
        name="standard input" if args.pack == "-" else args.pack,
        data=data,
        needs_plan=args.optimize_plan or args.imports,
        optimizes=args.optimize_plan,
        imports=args.imports,
        is_forced=args.force,
    )
    done = install(ws, request)
    _show(session, done)
    if done.plan and not done.imported:
        verb = "validate" if done.findings else "import"
        session.show(f"Next: {ws.command(f'plan {verb} {done.plan}')}")
    return ExitCode.OK


def _show(session: Session, done: Installed) -> None:
    session.show(f"{'Installed' if done.changed else 'Already installed:'} {done.folder}")
    session.show(*[f"  prompt {path}" for path in done.prompts])
    if done.plan is None:
        session.show("  the pack holds no plan; the plan file is as it was")
    else:
        session.show(f"  plan   {done.plan}{'' if done.plan_written else ' (as it was)'}")
    session.show(*[f"  what stood there before is kept in {path}" for path in done.copies])
    for finding in done.findings:
        session.say(f"{finding.level}: {finding.path}:{finding.line}:{finding.column}: {finding.message}")
    if done.imported is not None:
        session.show(f"Imported: {done.imported.summary}")
    session.show_json(
        {
            "folder": done.folder,
            "prompts": list(done.prompts),
            "plan": done.plan,
            "plan_written": done.plan_written,
            "imported": done.imported is not None,
            "changed": done.changed,
        }
    )


INSTALL = Command(
    _install,
    about="Keeps a pack, its `# Task 1 …` sections as prompts, and its plan, which becomes the plan file: all of it\n"
    "or nothing. Nothing is imported without --import.",
    example="aiw workpackage install parser-cleanup --pack pack.md",
    shape='`{"folder", "prompts", "plan", "plan_written", "imported", "changed"}`.',
    arguments=_arguments,
)
