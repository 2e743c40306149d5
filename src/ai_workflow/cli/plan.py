"""`aiw plan validate|optimize|import|show`."""

from __future__ import annotations

from ai_workflow.cli.runtime import Command, Session, to_json
from ai_workflow.errors import ExitCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ai_workflow.services.plans import Imported


def _path(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", nargs="?", help="the plan (default: docs/ai/plan/milestones.md)")


def _validate_arguments(parser: argparse.ArgumentParser) -> None:
    _path(parser)
    parser.add_argument("--strict", action="store_true", help="exit with 1 on warnings too")


def _validate(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services import plans

    ws = session.open()
    loaded = plans.load_plan(ws, args.path)
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

    ws = session.open()
    result = plans.optimize(ws, args.path, mode=args.mode, is_applied=args.apply)
    for proposal in result.optimized.proposals:
        word = "applied" if proposal.applied and args.apply else "proposed"
        session.show(
            f"{word} {proposal.kind} ({proposal.rule}): {', '.join(proposal.subjects)}", f"    {proposal.reason}"
        )
    if result.diff:
        session.show("", *result.diff.splitlines())
    if not result.diff:
        session.show(f"{result.rel} needs no change")
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
    parser.add_argument("--force", action="store_true", help="accepted for 0.1.0; an edited plan is reconciled anyway")


def _import(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services import plans, resume

    ws = session.open()
    resume.resume(ws)
    if args.optimize and not args.dry_run:
        optimized = plans.optimize(ws, args.path, mode="balanced", is_applied=True)
        if optimized.diff:
            session.show(f"Wrote {optimized.rel}, optimised")
    imported = plans.import_plan(
        ws, args.path, is_dry_run=args.dry_run, chain=not args.no_chain, accept_done=args.accept_done
    )
    for finding in imported.findings if imported.changed or args.dry_run else ():
        session.say(f"{finding.level}: {plans.format_finding(finding)}")
    _show_import(session, imported, is_dry_run=args.dry_run)
    return ExitCode.OK


def _show_import(session: Session, imported: Imported, *, is_dry_run: bool) -> None:
    entries = imported.reconciled.entries
    changed = [entry for entry in entries if entry.kind != "unchanged"]
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
        }
    )


def _show(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.plan.write import write_plan
    from ai_workflow.services import plans

    loaded = plans.load_plan(session.open(), args.path)
    session.show(*write_plan(loaded.plan).rstrip("\n").split("\n"))
    session.show_json(to_json(loaded.plan))
    return ExitCode.OK


VALIDATE = Command(
    _validate,
    about="Prints every finding with its place, and a score from 0 to 100. Exits with 1 on errors.",
    example="aiw plan validate docs/ai/plan/milestones.md",
    arguments=_validate_arguments,
)
OPTIMIZE = Command(
    _optimize,
    about="Merges checklist steps into commit-shaped tasks and puts producers before consumers. Loses nothing: every\n"
    "criterion, scope, dependency and note of the plan is in the result.",
    example="aiw plan optimize docs/ai/plan/milestones.md --dry-run",
    arguments=_optimize_arguments,
)
IMPORT = Command(
    _import,
    about="Takes a plan over, all of it or nothing. The same plan again changes nothing; an edited one is reconciled:\n"
    "done work is kept, and what is being worked on is never altered.",
    example="aiw plan import docs/ai/plan/milestones.md",
    arguments=_import_arguments,
)
SHOW = Command(_show, about="Prints a plan as aiw understands it.", example="aiw plan show", arguments=_path)
