"""`aiw task done|block|unblock|skip|cancel|edit|adhoc`, and `aiw agent audit`."""

from __future__ import annotations

from ai_workflow.cli.inherited import add_secret_option
from ai_workflow.cli.runtime import Command, Session, to_json
from ai_workflow.errors import AiwError, ExitCode, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from ai_workflow.models.task import Task
    from ai_workflow.services.workspace import Workspace


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="TASK", help="e.g. TASK-001, task-1 or 1")


def _id(args: argparse.Namespace) -> str:
    from ai_workflow.models.ids import parse_id

    return parse_id("task", args.task)


def _tell(session: Session, task: Task, sentence: str, *more: str) -> int:
    session.show(sentence, *more)
    session.show_json(to_json(task))
    return ExitCode.OK


def _tell_unfinished(ws: Workspace, task: Task) -> tuple[str, ...]:
    """What becomes of the task's uncommitted work."""
    lane = ws.store.snapshot().lanes.get("core")
    ref = f"refs/aiw/parked/{task.id}"
    if task.parked is not None and task.status in ("skipped", "cancelled"):
        return (f"Its work that was put aside stays there: git ls-tree -r {ref} work/",)
    if lane is None or lane.unfinished_task_id != task.id:
        return ()
    return (f"Its uncommitted work stays in the tree, and is put aside ({ref}) when another task is claimed",)


def _block_arguments(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("reason", metavar="REASON", nargs="?", help="what it waits for")
    parser.add_argument("--reason", dest="why", metavar="REASON", help="the same, as with the other commands")


def _block(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services import tasks

    reason = " ".join(text for text in (args.reason, args.why) if text)
    if not reason.strip():
        raise AiwError(Kind.USAGE, "aiw task block needs a reason", hint="say what it waits for: --reason 'why'")
    ws = session.open()
    task = tasks.block(ws, _id(args), reason=reason)
    more = (*_tell_unfinished(ws, task), f"Next: {ws.command(f'task unblock {task.id}')}")
    return _tell(session, task, f"Blocked {task.id}: {task.title}", *more)


def _unblock(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services import tasks

    ws = session.open()
    task = tasks.unblock(ws, _id(args))
    return _tell(session, task, f"Unblocked {task.id}: it is {task.status}", f"Next: {ws.command('agent run')}")


def _reason_arguments(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("-l", "--lane", default="core", help="the lane (default: core)")
    parser.add_argument("--reason", default="", metavar="WHY", help="recorded with the task")


def _skip(session: Session, args: argparse.Namespace) -> int:
    return _end(session, args, "skip", "Skipped")


def _cancel(session: Session, args: argparse.Namespace) -> int:
    return _end(session, args, "cancel", "Cancelled")


def _end(session: Session, args: argparse.Namespace, verb: str, word: str) -> int:
    from ai_workflow.services import tasks

    ws = session.open()
    task = tasks.end(ws, _id(args), verb, reason=args.reason)
    snapshot = ws.store.snapshot()
    waiting = [other.id for other in snapshot.tasks.values() if verb == "cancel" and task.id in other.depends_on
               and other.status in ("planned", "ready")]  # fmt: skip
    more = _tell_unfinished(ws, task)
    if waiting:
        cut = ws.command(f"task edit {waiting[0]} --depends none")
        more = (*more, f"Waiting for it, and now for ever: {', '.join(waiting[:10])}; cut that with: {cut}")
    return _tell(session, task, f"{word} {task.id}: {task.title}", *more)


def _done_arguments(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("-l", "--lane", default="core", help="the lane (default: core)")
    parser.add_argument("--commit", action="store_true", help="accepted as before; a task is done by its commit anyway")
    parser.add_argument("--summary", default="", metavar="TEXT", help="what was done, for the record")
    add_secret_option(parser)
    parser.add_argument("--reason", metavar="WHY", help="why it is let in; recorded")


def _done(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.cli.agent import show_finish
    from ai_workflow.cli.progress import make_listener
    from ai_workflow.models.ids import require_lane_id
    from ai_workflow.policy.gates import FinishOptions
    from ai_workflow.services.finish import FinishRequest, finish_task

    ws = session.open()
    options = FinishOptions(summary=args.summary, reason=args.reason, allow_secrets=tuple(args.allow_secret))
    request = FinishRequest(lane_id=require_lane_id(args.lane), task_id=_id(args), options=options)
    return show_finish(session, ws, finish_task(ws, request, listener=make_listener(session)))


def _edit_arguments(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("--title", metavar="TEXT", help="another title")
    parser.add_argument("--description", metavar="TEXT", help="another description")
    parser.add_argument("--priority", choices=("low", "medium", "high", "critical"), help="another priority")
    parser.add_argument("--acceptance", action="append", metavar="TEXT", help="replaces the criteria (repeatable)")
    parser.add_argument("--verify", action="append", metavar="CMD", help="replaces the task's own checks (repeatable)")
    parser.add_argument(
        "--scope", "--conflict", action="append", metavar="PATH", help="replaces the scope (repeatable)"
    )
    parser.add_argument("--depends", action="append", metavar="ID",
                        help="replaces what it waits for (repeatable; `none` for nothing)")  # fmt: skip
    parser.add_argument("--add-scope", action="append", default=[], metavar="PATH",
                        help="widens the scope as a recorded decision (repeatable; needs --reason)")  # fmt: skip
    parser.add_argument("--drop-parked", action="store_true", help="forget parked work that is gone (needs --reason)")
    parser.add_argument("--reason", metavar="WHY", help="recorded with the decision")


def _edit(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services import tasks

    ws = session.open()
    values = _edited_values(args)
    if args.drop_parked:
        if not args.reason:
            raise AiwError(Kind.USAGE, "--drop-parked needs a reason", hint="add --reason 'why'")
        task = tasks.forget_parked(ws, _id(args), reason=args.reason)
        return _tell(session, task, f"{task.id} has no parked work any more")
    if not values and not args.add_scope:
        raise AiwError(Kind.USAGE, "nothing to edit was given", hint="see `aiw task edit --help`")
    task = tasks.edit(ws, _id(args), values, add_scopes=tuple(args.add_scope), reason=args.reason)
    changed = ", ".join([*(name.replace("_", " ") for name in values), *(f"scope {path}" for path in args.add_scope)])
    return _tell(session, task, f"Edited {task.id}: {changed}")


def _edited_values(args: argparse.Namespace) -> dict[str, Any]:
    from ai_workflow.models.ids import parse_id, parse_milestone_id

    values: dict[str, Any] = {}
    for name, value in (("title", args.title), ("description", args.description), ("priority", args.priority)):
        if value is not None:
            values[name] = value.strip()
    for name, given in (
        ("acceptance_criteria", args.acceptance),
        ("verify", args.verify),
        ("conflict_scopes", args.scope),
    ):
        if given is not None:
            values[name] = tuple(text.strip() for text in given if text.strip())
    if args.depends is not None:
        refs = [ref.strip() for text in args.depends for ref in text.split(",") if ref.strip()]
        named = [ref for ref in refs if ref.lower() != "none"]
        values["depends_on"] = tuple(
            parse_milestone_id(ref) if ref[:1] in "mM" else parse_id("task", ref) for ref in named
        )
    return values


def _adhoc_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--title", required=True, metavar="TEXT", help="what is to be done, in one line")
    parser.add_argument(
        "--kind", choices=("ad-hoc", "hotfix", "remedial", "investigation"), default="ad-hoc",
        help="a hotfix is taken before everything that is not under way (default: ad-hoc)",
    )  # fmt: skip
    parser.add_argument("-l", "--lane", default="core", help="the lane (default: core)")
    parser.add_argument("--reason", default="", metavar="WHY", help="why it is not in the plan; recorded")
    parser.add_argument("--description", default="", metavar="TEXT", help="more about it")
    parser.add_argument("--acceptance", action="append", default=[], metavar="TEXT", help="a criterion (repeatable)")
    parser.add_argument(
        "--scope", "--conflict", action="append", default=[], metavar="PATH", help="a path it may change"
    )
    parser.add_argument("--verify", action="append", default=[], metavar="CMD", help="a command that proves it")
    parser.add_argument("--priority", choices=("low", "medium", "high", "critical"), help="default: by its kind")
    parser.add_argument("--start", action="store_true", help="claim it at once; unfinished work is put aside")


def _adhoc(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import require_lane_id
    from ai_workflow.policy.out_of_band import OutOfBand
    from ai_workflow.services import queue, tasks

    ws = session.open()
    lane_id = require_lane_id(args.lane)
    wanted = OutOfBand(
        title=" ".join(args.title.split()),
        kind=args.kind,
        reason=args.reason.strip(),
        description=args.description.strip(),
        acceptance=tuple(args.acceptance),
        scopes=tuple(args.scope),
        verify=tuple(args.verify),
        priority=args.priority,
    )
    task = tasks.create(ws, wanted)
    if not args.start:
        return _tell(
            session,
            task,
            f"Added {task.id} in {task.milestone_id}: {task.title}",
            f"Next: {ws.command(f'agent task {task.id} --lane {lane_id}')}",
        )
    handed = queue.take(ws, lane_id, task.id)
    return _tell(session, handed.task, f"Started {task.id} in {task.milestone_id}: {task.title}",
                 f"Prompt: {handed.prompt_rel}")  # fmt: skip


def _audit_arguments(parser: argparse.ArgumentParser) -> None:
    _one(parser)
    parser.add_argument("-l", "--lane", default="core", help="the lane (default: core)")
    parser.add_argument("--result", default="pass", metavar="TEXT", help="the reviewer's verdict (default: pass)")
    parser.add_argument("--check", action="append", default=[], metavar="TEXT", help="what was looked at (repeatable)")


def _audit(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services import tasks

    task = tasks.record_audit(session.open(), _id(args), result=args.result, notes=tuple(args.check))
    return _tell(session, task, f"Recorded for {task.id}: {args.result}. It proves nothing; checks do",
                 f"Audit: {task.audit_path}")  # fmt: skip


BLOCK = Command(
    _block,
    about="The task waits for a person, with the reason. It can be active: its work stays where it is.",
    example="aiw task block TASK-001 'needs an account at the payment provider'",
    shape="the task, as its state file.",
    arguments=_block_arguments,
)
UNBLOCK = Command(
    _unblock,
    about="A blocked task may be taken again as soon as its dependencies allow.",
    example="aiw task unblock TASK-001",
    shape="the task, as its state file.",
    arguments=_one,
)
SKIP = Command(
    _skip,
    about="The task is not needed: it counts as satisfied, and what depends on it goes on.",
    example="aiw task skip TASK-001 --reason 'done by hand before'",
    shape="the task, as its state file.",
    arguments=_reason_arguments,
)
CANCEL = Command(
    _cancel,
    about="The task is given up: what depends on it waits until that dependency is cut. Its work is never thrown away.",
    example="aiw task cancel TASK-001 --reason 'not wanted any more'",
    shape="the task, as its state file.",
    arguments=_reason_arguments,
)
DONE = Command(
    _done,
    about="The same as `agent finish` for this task: gates, checks, one commit. There is no other way to be done.",
    example="aiw task done TASK-001",
    shape="as `agent finish`.",
    arguments=_done_arguments,
)
EDIT = Command(
    _edit,
    about="Changes a task that is not closed. A later import keeps the change until the plan itself says something\n"
    "else there.",
    example="aiw task edit TASK-001 --add-scope src/lexer.py --reason 'the parser needs it'",
    shape="the task, as its state file.",
    arguments=_edit_arguments,
)
ADHOC = Command(
    _adhoc,
    about="Adds a task that no plan has, in a milestone and on a branch of its own from base. It can be claimed at\n"
    "once: work that is under way is put aside and comes back at its next claim.",
    example="aiw task adhoc --kind hotfix --title 'Fix the login redirect loop' --reason 'production is down'",
    shape="the task, as its state file.",
    arguments=_adhoc_arguments,
)
AUDIT = Command(
    _audit,
    about="Records what a reviewer says of a task and writes its audit anew. A verdict is shown, and proves nothing.",
    example="aiw agent audit TASK-001 --result pass --check 'read the diff'",
    shape="the task, as its state file.",
    arguments=_audit_arguments,
)
