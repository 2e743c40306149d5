"""`aiw doctor`."""

from __future__ import annotations

from ai_workflow.cli.runtime import Command, Session, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ai_workflow.policy.diagnosis.finding import Diagnosis
    from ai_workflow.services.doctor.examine import Examination
    from ai_workflow.services.doctor.repair import Repair


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fix", action="store_true", help="make the safe repairs, and say what was done")


def _doctor(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.policy.diagnosis.finding import Diagnosis
    from ai_workflow.services.doctor.examine import examine, examine_config_only, open_for_examination

    opened = open_for_examination(session.start, command=session.command_line, talk=session.say)
    repairs: Sequence[Repair] | None = None
    if isinstance(opened, Diagnosis):
        found = examine_config_only(opened)
        repairs = () if args.fix else None
    elif args.fix:
        from ai_workflow.services.doctor.repair import repair

        done = repair(opened)
        found, repairs = done.after, done.repairs
    else:
        found = examine(opened)
    _show(session, found, repairs)
    return found.exit_code


def _show(session: Session, found: Examination, repairs: Sequence[Repair] | None) -> None:
    for done in repairs or ():
        session.show(f"fixed: {done.message}", *([f"    kept: {done.copy}"] if done.copy else []))
    for finding in found.findings:
        session.show(f"{finding.level}: {_place(finding)}{finding.message} [{finding.code}]")
        if finding.fix:
            session.show(f"    fix: {finding.fix}")
    counts = {level: sum(one.level == level for one in found.findings) for level in ("error", "warning")}
    numbers = ", ".join(f"{number} {level}{'' if number == 1 else 's'}" for level, number in counts.items())
    session.show(f"{'Healthy' if found.ok else 'Not healthy'}: {numbers}")
    document = {"ok": found.ok, "findings": to_json(found.findings)}
    if repairs is not None:
        document["repairs"] = to_json(tuple(repairs))
    session.show_json(document)


def _place(finding: Diagnosis) -> str:
    if finding.path is None:
        return ""
    return f"{finding.path}: " if finding.line is None else f"{finding.path}:{finding.line}: "


DOCTOR = Command(
    _doctor,
    about="Examines the workspace: settings, state, documents, plan, backlog, decisions, and what git has of them.\n"
    "Each finding names its file and what to type. It writes nothing and reaches no network; --fix makes safe repairs.",
    example="aiw doctor",
    shape=(
        '`{"ok", "findings": [{"level", "code", "message", "path", "line", "fix"}]}`, `level` being `error`, `warning`'
        ' or `info`; with `--fix` also `"repairs": [{"message", "path", "copy"}]`.'
    ),
    arguments=_arguments,
)
