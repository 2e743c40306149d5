"""`aiw agent bootstrap|task|run|finish` and `aiw next`."""

from __future__ import annotations

from ai_workflow.cli.inherited import add_secret_option, add_start_options, heed_start_options
from ai_workflow.cli.runtime import Command, Session, to_json
from ai_workflow.config.place import CONFIG_NAME
from ai_workflow.errors import AiwError, ExitCode, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ai_workflow.services.finish import FinishResult
    from ai_workflow.services.queue import Advance
    from ai_workflow.services.workspace import Workspace


def _lane(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-l", "--lane", default="core", help="the lane (default: core)")


def _walk_arguments(parser: argparse.ArgumentParser) -> None:
    _lane(parser)
    parser.add_argument("--plan", metavar="PATH", help="import this plan if it is not imported yet")
    parser.add_argument("-m", "--milestone", metavar="ID", help="this milestone instead of the next in order")
    parser.add_argument(
        "--force-import",
        action="store_true",
        help="reconcile the plan with the state even if work of the last one is open; drops no work",
    )
    parser.add_argument("--optimize-plan", action="store_true", help="optimise the plan when it is imported")
    add_start_options(parser)


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    _walk_arguments(parser)
    parser.add_argument(
        "--mode",
        choices=("single", "queue"),
        default="single",
        help="queue also writes the queue document",
    )


def _run(session: Session, args: argparse.Namespace) -> int:
    heed_start_options(session, args)
    ws = session.open()
    _name_idle_keys(session, ws)
    result = _advance(session, ws, args)
    if args.mode == "queue":
        _write_runbook(ws)
    return _show_advance(session, ws, result)


def _name_idle_keys(session: Session, ws: Workspace) -> None:
    """Says which settings of the config do nothing yet, so that nobody relies on them."""
    for name, line in ws.idle_keys():
        session.say(f"note: {CONFIG_NAME}:{line}: `{name}` has no effect in this release")


def _bootstrap(session: Session, args: argparse.Namespace) -> int:
    heed_start_options(session, args)
    ws = session.open()
    result = _advance(session, ws, args, hands_out=False)
    _write_runbook(ws)
    if result.outcome == "task":
        milestone = ws.store.snapshot().get_lane("core").milestone_id
        session.show(
            f"Ready: lane core works on {milestone}",
            f"Queue: {ws.config.agent.queue_prompt}",
            f"Next: {ws.command('agent task --lane core')}",
        )
        session.show_json({"outcome": "ready", "milestone": milestone})
        return ExitCode.OK
    return _show_advance(session, ws, result)


def _next(session: Session, args: argparse.Namespace) -> int:
    ws = session.open()
    return _show_advance(session, ws, _advance(session, ws, args))


def _task_arguments(parser: argparse.ArgumentParser) -> None:
    _lane(parser)
    parser.add_argument("task", metavar="TASK", nargs="?", help="this task instead of the next in order")
    parser.add_argument(
        "--allow-unmerged-previous",
        action="store_true",
        help="go on although a finished milestone before it is not merged yet",
    )


def _advance(session: Session, ws: Workspace, args: argparse.Namespace, *, hands_out: bool = True) -> Advance:
    from ai_workflow.cli.progress import make_listener
    from ai_workflow.models.ids import parse_id, parse_milestone_id, require_lane_id
    from ai_workflow.services import queue

    listener = make_listener(session)
    milestone = getattr(args, "milestone", None)
    task = getattr(args, "task", None)
    return queue.advance(
        ws,
        require_lane_id(args.lane),
        plan=getattr(args, "plan", None),
        milestone_id=parse_milestone_id(milestone) if milestone else None,
        task_id=parse_id("task", task) if task else None,
        hands_out=hands_out,
        wishes=queue.Wishes(
            imports_again=getattr(args, "force_import", False),
            optimizes=getattr(args, "optimize_plan", False),
            skips_unmerged=getattr(args, "allow_unmerged_previous", False),
        ),
        listeners=(listener.on_start, listener.on_output),
    )


def _write_runbook(ws: Workspace) -> None:
    ws.documents.write_queue_runbook(ws.store.snapshot())


def _show_advance(session: Session, ws: Workspace, result: Advance) -> int:
    from ai_workflow.cli.progress import say_closeout

    for closed in result.closeouts:
        say_closeout(session, closed)
    if result.claim is not None:
        task = result.claim.task
        word = "Next task" if result.claim.claimed else "Active task"
        session.show(f"{word}: {task.id} - {task.title}", f"Prompt: {result.claim.prompt_rel}")
        if result.claim.claimed and result.claim.early_paths:
            session.show("Changed before the claim, and counted as this task's:")
            session.show(*[f"  {path}" for path in result.claim.early_paths[:20]])
        session.show(f"When it is done: {ws.command(f'agent finish --lane core --task {task.id} --commit')}")
    elif result.outcome == "complete":
        session.show("Plan complete: every milestone is merged")
    session.show_json(
        {
            "outcome": result.outcome,
            "claimed": bool(result.claim and result.claim.claimed),
            "task": to_json(result.claim.task) if result.claim else None,
            "prompt": result.claim.prompt_rel if result.claim else None,
            "milestones": [to_json(closed.milestone) for closed in result.closeouts],
        }
    )
    return result.exit_code


def _finish_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-t", "--task", metavar="TASK", help="the task to finish (default: the active one)")
    add_finish_options(parser)


def add_finish_options(parser: argparse.ArgumentParser) -> None:
    """The options of a finish, all but which task; shared with `git commit`."""
    _lane(parser)
    parser.add_argument(
        "--commit", dest="commit", action="store_true", default=True, help="commit when it passes (default)"
    )
    parser.add_argument(
        "--no-commit", "--dry-run", dest="commit", action="store_false", help="rehearse: gates and checks only"
    )
    parser.add_argument("--summary", default="", metavar="TEXT", help="what was done, for the record")
    parser.add_argument(
        "--audit", choices=("pass", "fail", "skipped"), default="pass", help="the verdict of a reviewer"
    )
    parser.add_argument("--check", dest="check", action="store_true", default=True, help="run the checks (default)")
    parser.add_argument("--no-check", dest="check", action="store_false", help="do not (unproven; needs --reason)")
    parser.add_argument("--check-cmd", action="append", default=[], metavar="CMD", help="one more check (repeatable)")
    parser.add_argument(
        "--allow-failed", action="store_true", help="pass with failing checks (unproven; needs --reason)"
    )
    parser.add_argument("--no-change", metavar="WHY", help="done without a change, for this reason")
    parser.add_argument("--allow", action="append", default=[], metavar="PATH", help="let a path outside the scope in")
    add_secret_option(parser)
    parser.add_argument("--adopt", action="append", default=[], metavar="PATH", help="give your own change to the task")
    parser.add_argument("--stash-out-of-scope", action="store_true", help="put what is outside the scope into a stash")
    parser.add_argument("--reason", metavar="WHY", help="why a gate is passed this way; recorded")


def finish(session: Session, args: argparse.Namespace) -> int:
    """Finishes the task as the arguments say, and shows what became of it; shared with `git commit`."""
    from ai_workflow.cli.progress import make_listener
    from ai_workflow.models.ids import parse_id, require_lane_id
    from ai_workflow.policy.gates import FinishOptions
    from ai_workflow.services.finish import FinishRequest, finish_task

    ws = session.open()
    options = FinishOptions(
        commit=args.commit,
        summary=args.summary,
        audit=args.audit,
        run_checks=args.check,
        extra_checks=tuple(args.check_cmd),
        allow_failed=args.allow_failed,
        no_change_reason=args.no_change,
        reason=args.reason,
        allow=tuple(args.allow),
        allow_secrets=tuple(args.allow_secret),
        adopt=tuple(args.adopt),
        stash_out_of_scope=args.stash_out_of_scope,
    )
    request = FinishRequest(
        lane_id=require_lane_id(args.lane), task_id=parse_id("task", args.task) if args.task else None, options=options
    )
    return show_finish(session, ws, finish_task(ws, request, listener=make_listener(session)))


def show_finish(session: Session, ws: Workspace, result: FinishResult) -> int:
    """Prints what became of a finish; the exit code. Raises AiwError(CHECK, BLOCKED) for one that did not pass."""
    from ai_workflow.cli.progress import say_closeout
    from ai_workflow.git.status import show_path

    session.show_json(
        {
            "outcome": result.outcome,
            "task": to_json(result.task),
            "commit": result.commit_sha,
            "checks": to_json(result.results),
            "reasons": list(result.reasons),
            "milestone": to_json(result.closeout.milestone) if result.closeout else None,
            "closeout": result.closeout.outcome if result.closeout else None,
            "recovery": _recovery_json(ws, result),
        }
    )
    if result.stashed:
        session.show("Stashed, bring it back with `git stash pop`:", *[f"  {path}" for path in result.stashed])
    if result.outcome == "failed":
        return _refuse(session, ws, result)
    task = result.task
    if result.outcome == "rehearsed":
        paths = result.candidate.verdict.committed if result.candidate else ()
        session.show(f"{task.id} would pass; it would commit:", *[f"  {show_path(path)}" for path in paths])
        return ExitCode.OK
    if result.commit_sha is not None:
        session.show(f"Done: {task.id} {task.title}, commit {result.commit_sha[:10]}")
    else:
        session.show(f"Done without a commit: {task.id} {task.title}")
    _show_notes(session, ws, result)
    if result.closeout is not None and result.closeout.outcome != "not_complete":
        say_closeout(session, result.closeout)
        if result.closeout.outcome == "blocked":
            return ExitCode.BLOCKED
    if ws.store.snapshot().is_plan_complete():
        session.show("Plan complete: every milestone is merged")
    else:
        session.show(f"Next: {ws.command('agent run --lane core --mode queue')}")
    return ExitCode.OK


def _recovery_json(ws: Workspace, result: FinishResult) -> object:
    from ai_workflow.policy.recovery import find_recovery

    if result.outcome != "failed" or result.task.status != "blocked":
        return None
    recovery = find_recovery(ws.store.snapshot(), result.task.id)
    return to_json(recovery) if recovery is not None else None


def _show_notes(session: Session, ws: Workspace, result: FinishResult) -> None:
    from ai_workflow.git.status import show_path

    if result.task.unproven:
        session.show(f"  unproven: {result.task.unproven}")
    candidate = result.candidate
    if candidate is None:
        return
    for name, paths in (
        ("along with it", candidate.verdict.companions),
        ("allowed outside its scope", candidate.verdict.allowed),
    ):
        if paths:
            session.show(f"  {name}: {', '.join(show_path(path) for path in paths)}")
    if candidate.left_out:
        left = ", ".join(show_path(ws.repository.to_root(path)) for path in candidate.left_out[:10])
        session.show(f"  left uncommitted: {left}")


def _refuse(session: Session, ws: Workspace, result: FinishResult) -> int:
    from ai_workflow.checks.excerpt import excerpt

    for check in result.results:
        if check.status != "passed":
            session.say(f"--- {check.command}")
            session.say(excerpt(check.output_tail, max_lines=40, max_bytes=6000) or "(it printed nothing)")
    error = _refusal(ws, result)
    if session.settings.is_json:
        return error.exit_code
    raise error


def _refusal(ws: Workspace, result: FinishResult) -> AiwError:
    """What a finish that did not pass says: the task stays active, its recovery goes on, or a person is needed."""
    from ai_workflow.policy.recovery import find_recovery

    task = result.task
    reasons = "\n".join(f"  {reason}" for reason in result.reasons)
    again = ws.command(f"agent finish --lane core --task {task.id} --commit")
    recovery = find_recovery(ws.store.snapshot(), task.id) if task.status == "blocked" else None
    if recovery is None or recovery.recovery is None:
        return AiwError(
            Kind.CHECK, f"{task.id} did not pass, and stays active:\n{reasons}", hint=f"repair it, then: {again}"
        )
    if recovery.recovery.recovery_status == "failed":
        return AiwError(
            Kind.BLOCKED,
            f"{task.id} did not pass, and its recovery {recovery.id} has no attempt left:\n{reasons}",
            hint=f"look into it, then: {ws.command(f'recovery start {recovery.id}')}",
        )
    number, most = recovery.recovery.recovery_attempt_number, ws.config.recovery.max_attempts_per_task
    return AiwError(
        Kind.CHECK,
        f"{task.id} did not pass; its recovery {recovery.id} goes on in the same tree (attempt {number} of {most}):\n"
        f"{reasons}",
        hint=f"repair it, then: {again}",
    )


NEXT = Command(
    _next,
    about="Claims the next task (or shows the one that is active) and writes its prompt.",
    example="aiw next --lane core",
    shape=('`{"outcome", "claimed", "task", "prompt", "milestones"}`; `outcome` is `task`, `complete` or `blocked`.'),
    arguments=_lane,
    bare={"lane": "core"},
)
BOOTSTRAP = Command(
    _bootstrap,
    about="Imports the plan if that was not done, and starts the next milestone on its branch.",
    example="aiw agent bootstrap --plan docs/ai/plan/milestones.md --lane core",
    shape='`{"outcome": "ready", "milestone"}`, or what `aiw agent run` prints.',
    arguments=_walk_arguments,
)
TASK = Command(
    _next,
    about="Hands out the next task, or the one named: claims it and writes its prompt.",
    example="aiw agent task --lane core",
    shape='`{"outcome", "claimed", "task", "prompt", "milestones"}`.',
    arguments=_task_arguments,
)
RUN = Command(
    _run,
    about="Does whatever is missing (import, start, close out), then hands out the next task. With a task active it\n"
    "shows that task; on a finished plan it says so.",
    example="aiw agent run --lane core --mode queue",
    shape=(
        '`{"outcome", "claimed", "task", "prompt", "milestones"}`; `milestones` are those that were closed on the way.'
    ),
    arguments=_run_arguments,
)
FINISH = Command(
    finish,
    about="Checks the active task in the tree it would commit, makes one commit of exactly that, and closes the\n"
    "milestone when it was the last one. A refusal leaves the task active and everything as it was.",
    example="aiw agent finish --lane core --task TASK-001 --commit",
    shape=(
        '`{"outcome", "task", "commit", "checks", "reasons", "milestone", "closeout"}`; `outcome` is '
        "`done`, `failed`, `rehearsed` or `already_done`."
    ),
    arguments=_finish_arguments,
)
