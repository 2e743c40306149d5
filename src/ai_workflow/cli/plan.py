"""`aiw plan validate|optimize|import|show`."""

from __future__ import annotations

from ai_workflow.cli.runtime import Command, Session, is_terminal, to_json
from ai_workflow.errors import AiwError, ExitCode, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ai_workflow.models.plan import Finding
    from ai_workflow.services.plan_file import TakenOver
    from ai_workflow.services.plans import Loaded
    from ai_workflow.services.workspace import Workspace

_MAX_SAID = 20
"""Warnings that an import says; `plan validate` has them all."""


def _path(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path", metavar="PATH", nargs="?", help="the plan (default: docs/ai/plan/milestones.md); - is standard input"
    )


def _load(session: Session, ws: Workspace, path: str | None) -> Loaded:
    from ai_workflow.services import plan_file, plans

    if path != plans.STANDARD_INPUT:
        return plans.load_plan(ws, path)
    loaded, found = plan_file.take_plan(read_standard_input(session))
    for count, where in ((found.dropped_before, "before"), (found.dropped_after, "after")):
        if count:
            session.say(f"note: left out {_count(count, 'line')} {where} the plan")
    return loaded


def read_standard_input(session: Session) -> bytes:
    """All of standard input; on a terminal it says what it waits for. Empty when it is closed."""
    import sys

    if sys.stdin is None or sys.stdin.closed:
        return b""
    if is_terminal(sys.stdin):
        session.say("paste the plan, then press Ctrl-D on a line of its own")
    return sys.stdin.buffer.read()


def _validate_arguments(parser: argparse.ArgumentParser) -> None:
    _path(parser)
    parser.add_argument("--strict", action="store_true", help="exit with 1 on warnings too")


def _validate(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services import plans

    ws = session.open()
    loaded = _load(session, ws, args.path)
    verdict = plans.judge(ws, loaded)
    for finding in verdict.findings:
        session.show(f"{finding.level}: {plans.format_finding(finding)} [{finding.code}]")
        if finding.hint:
            session.show(f"    {finding.hint}")
    errors = sum(1 for finding in verdict.findings if finding.level == "error")
    warnings = sum(1 for finding in verdict.findings if finding.level == "warning")
    says = "Plan is valid" if verdict.valid else "Plan is not valid"
    counts = f"{_count(errors, 'error')}, {_count(warnings, 'warning')}"
    session.show(f"{says}: {counts}, quality {verdict.score}/100")
    session.show_json({"valid": verdict.valid, "score": verdict.score, "findings": to_json(verdict.findings)})
    refused = not verdict.valid or (args.strict and warnings)
    return ExitCode.REFUSED if refused else ExitCode.OK


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _optimize_arguments(parser: argparse.ArgumentParser) -> None:
    _path(parser)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--dry-run", action="store_true", help="show the proposals and the diff, write nothing")
    action.add_argument("--apply", action="store_true", help="write the better plan")
    parser.add_argument(
        "--mode", choices=("conservative", "balanced", "aggressive"), default="balanced", help="default: balanced"
    )


def _optimize(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services import plans

    if args.apply and args.path == plans.STANDARD_INPUT:
        raise AiwError(
            Kind.USAGE,
            "there is no file to write the optimised plan to when it comes from standard input",
            hint="aiw plan import - --optimize writes it to the plan file and imports it",
        )
    ws = session.open()
    result = plans.optimize(_load(session, ws, args.path), mode=args.mode)
    if args.apply:
        plans.write_optimized(ws, result, args.path)
    for proposal in result.optimized.proposals:
        word = "applied" if proposal.applied and args.apply else "proposed"
        session.show(
            f"{word} {proposal.kind} ({proposal.rule}): {', '.join(proposal.subjects)}", f"    {proposal.reason}"
        )
    if result.diff:
        session.show("", *result.diff.splitlines())
    if not result.diff:
        session.show(f"{result.loaded.plan.path} needs no change")
    elif args.apply:
        session.show("", f"Wrote {result.rel}")
    session.show_json(
        {
            "proposals": to_json(result.optimized.proposals),
            "diff": result.diff,
            "written": bool(args.apply and result.diff),
        }
    )
    return ExitCode.OK


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    _path(parser)
    parser.add_argument("--dry-run", action="store_true", help="show what would change, write nothing")
    parser.add_argument("--no-chain", action="store_true", help="tasks without Depends do not wait for the one before")
    parser.add_argument("--accept-done", action="store_true", help="take `[x]` tasks over as done (shown as unproven)")
    parser.add_argument("--optimize", action="store_true", help="optimise the plan first, and write it")
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace another plan in the plan file (for -; a copy is kept); an edited plan is reconciled with or"
        " without it, and work is never dropped",
    )


def _import(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services import plan_file, resume

    ws = session.open()
    if not args.dry_run:
        resume.resume(ws)
    options = plan_file.ImportOptions(
        is_dry_run=args.dry_run,
        is_forced=args.force,
        optimizes=args.optimize,
        chain=not args.no_chain,
        accept_done=args.accept_done,
    )
    taken = plan_file.import_source(ws, _load(session, ws, args.path), options, path=args.path)
    if taken.imported.changed or args.dry_run:
        _say_findings(session, ws, taken.imported.findings)
    _show_import(session, taken, is_dry_run=args.dry_run)
    return ExitCode.OK


def _say_findings(session: Session, ws: Workspace, findings: Sequence[Finding]) -> None:
    from ai_workflow.services import plans

    for finding in findings[:_MAX_SAID]:
        session.say(f"{finding.level}: {plans.format_finding(finding)}")
    if len(findings) > _MAX_SAID:
        session.say(f"… and {len(findings) - _MAX_SAID} more warnings; all of them: {ws.command('plan validate')}")


def _show_import(session: Session, taken: TakenOver, *, is_dry_run: bool) -> None:
    imported = taken.imported
    entries = imported.reconciled.entries
    changed = [entry for entry in entries if entry.kind != "unchanged"]
    if taken.written:
        session.show(f"Wrote {taken.written}{', optimised' if taken.optimized else ''}")
    if taken.copy:
        session.show(f"  what stood there before is kept in {taken.copy}")
    if is_dry_run or any(entry.kind != "added" for entry in changed):
        session.show(*[f"{entry.kind:<10} {entry.id}  {entry.title}" for entry in changed])
    if not imported.changed and not is_dry_run:
        session.show("Nothing changed: the plan is imported as it is")
    else:
        session.show(f"{'Would import' if is_dry_run else 'Imported'}: {imported.summary}")
    if imported.verify:
        session.show("Commands of this plan that finish will run:", *[f"  {command}" for command in imported.verify])
    session.show_json(
        {
            "changed": imported.changed,
            "entries": to_json(entries),
            "verify": list(imported.verify),
            "dry_run": is_dry_run,
            "written": taken.written,
        }
    )


def _show(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.plan.write import write_plan

    loaded = _load(session, session.open(), args.path)
    session.show(*write_plan(loaded.plan).rstrip("\n").split("\n"))
    session.show_json(to_json(loaded.plan))
    return ExitCode.OK


VALIDATE = Command(
    _validate,
    about="Prints every finding with its place, and a score from 0 to 100. Exits with 1 on errors.",
    example="aiw plan validate docs/ai/plan/milestones.md",
    shape=('`{"valid", "score", "findings": [{"level", "code", "path", "line", "column", "message", "hint"}]}`.'),
    arguments=_validate_arguments,
)
OPTIMIZE = Command(
    _optimize,
    about="Merges checklist steps into commit-shaped tasks and puts producers before consumers. Loses nothing: every\n"
    "criterion, scope, dependency and note of the plan is in the result.",
    example="aiw plan optimize docs/ai/plan/milestones.md --dry-run",
    shape='`{"proposals": […], "diff", "written"}`.',
    arguments=_optimize_arguments,
)
IMPORT = Command(
    _import,
    about="Takes a plan over, all of it or nothing. The same plan again changes nothing; an edited one is reconciled:\n"
    "done work is kept, and what is being worked on is never altered.",
    example="aiw plan import docs/ai/plan/milestones.md",
    shape=(
        '`{"changed", "entries": [{"kind", "entity", "id", "title", "fields", "note"}], "verify", '
        '"dry_run", "written"}`.'
    ),
    arguments=_import_arguments,
)
SHOW = Command(
    _show,
    about="Prints a plan as aiw understands it.",
    example="aiw plan show",
    shape='`{"path", "prose", "milestones": […], "findings": […]}`.',
    arguments=_path,
)
