"""`aiw report all|status|tasks|milestones|lanes|git`."""

from __future__ import annotations

from ai_workflow.cli.runtime import Command, Session
from ai_workflow.errors import ExitCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


def _all(session: Session, _args: argparse.Namespace) -> int:
    from ai_workflow.services.reports import write_all

    done = write_all(session.open())
    session.show(*done.paths)
    session.show_json({"paths": list(done.paths), "damaged": done.is_damaged})
    if done.is_damaged:
        session.say("damaged: state files cannot be read, so handoffs and mirrors were left as they were")
        return ExitCode.DAMAGED
    return ExitCode.OK


def _one(name: str) -> Callable[[Session, argparse.Namespace], int]:
    def run(session: Session, _args: argparse.Namespace) -> int:
        from ai_workflow.services.reports import write_report

        report = write_report(session.open(), name)
        session.show(report.text.removesuffix("\n"))
        session.show_json({"report": name, "path": report.path, "text": report.text, "damaged": report.is_damaged})
        return ExitCode.DAMAGED if report.is_damaged else ExitCode.OK

    return run


def _command(name: str, what: str) -> Command:
    return Command(
        _one(name),
        about=f"Writes the report on {what} into the folder of reports and prints it.\n"
        "It is a function of the state: the same state gives the same bytes.",
        example=f"aiw report {name}",
        shape='`{"report", "path", "text", "damaged"}`.',
    )


ALL = Command(
    _all,
    about="Brings reports, handoffs, mirrors, audits, the queue's runbook and the texts of pull requests up to date\n"
    "and prints where they are. Only what differs is written; documents that are yours are left alone.",
    example="aiw report all",
    shape='`{"paths": […], "damaged"}`.',
)
STATUS = _command("status", "the whole: progress, what is active, what blocks")
TASKS = _command("tasks", "tasks: open ones, proof of finished ones, dependencies")
MILESTONES = _command("milestones", "milestones: progress, branches, dependencies")
LANES = _command("lanes", "lanes and runs")
GIT = _command("git", "branches: tips, how far from base, blockers")
