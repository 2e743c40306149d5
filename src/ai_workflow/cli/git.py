"""`aiw git branch|commit|push|pr|sync|cleanup`."""

from __future__ import annotations

from ai_workflow.cli.agent import add_finish_options, finish
from ai_workflow.cli.runtime import Command, Session, table, to_json
from ai_workflow.errors import ExitCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ai_workflow.services.cleanup import CleanupRow
    from ai_workflow.services.syncing import BaseState


def _milestone(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("milestone", metavar="MILESTONE", help="e.g. M01, m1 or 1")


def _branch(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_milestone_id
    from ai_workflow.services.branching import branch_milestone

    ws = session.open()
    done = branch_milestone(ws, "core", parse_milestone_id(args.milestone))
    at = done.tip[:10]
    words = {
        "made": f"Made {done.branch} at {at} and checked it out",
        "moved": f"Brought {done.branch} to {at} and checked it out",
        "switched": f"Checked out {done.branch} at {at}",
        "here": f"Already on {done.branch} at {at}",
    }
    session.show(words[done.outcome])
    if not done.milestone.start_sha:
        session.show(f"Next: {ws.command(f'milestone start {done.milestone.id}')}")
    session.show_json(
        {
            "milestone": to_json(done.milestone),
            "branch": done.branch,
            "commit": done.tip,
            "outcome": done.outcome,
        }
    )
    return ExitCode.OK


def _commit_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="TASK", help="e.g. TASK-001, task-1 or 1")
    add_finish_options(parser)


def _push(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_milestone_id
    from ai_workflow.services.pushing import push_milestone_branch

    pushed = push_milestone_branch(session.open(), parse_milestone_id(args.milestone))
    at = pushed.tip[:10]
    if pushed.before == pushed.tip:
        session.show(f"{pushed.remote} has {pushed.branch} at {at} already")
    else:
        was = f"from {pushed.before[:10]} " if pushed.before else ""
        session.show(f"Pushed {pushed.branch} to {pushed.remote} {was}at {at} ({_count(pushed.commits)})")
    session.show_json(
        {
            "milestone": to_json(pushed.milestone),
            "branch": pushed.branch,
            "remote": pushed.remote,
            "before": pushed.before,
            "commit": pushed.tip,
            "commits": pushed.commits,
        }
    )
    return ExitCode.OK


def _count(commits: int) -> str:
    return "1 commit" if commits == 1 else f"{commits} commits"


def _pr_arguments(parser: argparse.ArgumentParser) -> None:
    _milestone(parser)
    parser.add_argument("--no-create", action="store_true", help="write the text and open nothing")


def _pr(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_milestone_id
    from ai_workflow.services.pull_requests import open_pull_request, write_request

    ws, milestone_id = session.open(), parse_milestone_id(args.milestone)
    if args.no_create:
        written = write_request(ws, milestone_id)
        session.show(f"Wrote {written.path}")
        session.show_json({"milestone": to_json(written.milestone), "path": written.path})
        return ExitCode.OK
    opened = open_pull_request(ws, milestone_id)
    verb = "Opened" if opened.is_new else "Kept"
    session.show(f"{verb} {opened.noun} {opened.number} of {opened.milestone.id}, {opened.status}: {opened.url}")
    session.show(*[f"note: {note}" for note in opened.notes])
    session.show_json({"request": to_json(opened), "milestone": to_json(opened.milestone), "path": opened.path})
    return ExitCode.OK


def _sync(session: Session, _args: argparse.Namespace) -> int:
    from ai_workflow.cli.progress import make_listener, say_closeout
    from ai_workflow.services.syncing import sync

    listener = make_listener(session)
    done = sync(session.open(), listeners=(listener.on_start, listener.on_output))
    session.show(*[_describe(base, done.remote) for base in done.bases])
    for closed in done.closeouts:
        say_closeout(session, closed)
    if done.refusal is not None:
        raise done.refusal
    session.show_json(
        {
            "remote": done.remote,
            "bases": to_json(done.bases),
            "milestones": [to_json(closed.milestone) for closed in done.closeouts],
        }
    )
    is_held = any(closed.outcome == "blocked" for closed in done.closeouts)
    return ExitCode.BLOCKED if is_held else ExitCode.OK


def _describe(base: BaseState, remote: str | None) -> str:
    at = (base.after or "")[:10]
    there = f"{remote}/{base.branch}"
    if base.outcome == "local":
        return f"{base.branch}: there is no remote to follow" if base.after else f"{base.branch}: does not exist"
    return {
        "up_to_date": f"{base.branch}: up to date with {there} at {at}",
        "advanced": f"{base.branch}: fast-forwarded to {there} at {at} ({_count(base.commits)})",
        "made": f"{base.branch}: made from {there} at {at}",
        "ahead": f"{base.branch}: {_count(base.commits)} ahead of {there}, left as it is",
        "not_there": f"{base.branch}: {remote} does not have it yet",
    }[base.outcome]


def _cleanup_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="show only (default without --local and --remote)")
    parser.add_argument("--local", action="store_true", help="delete the candidates here")
    parser.add_argument("--remote", action="store_true", help="delete the candidates on the remote")
    parser.add_argument("--merged", action="store_true", help="only merged ones: always so, taken for 0.1.0's sake")
    parser.add_argument("--force", action="store_true", help="no effect: an unmerged commit is never deleted")
    parser.add_argument("--allow-unmerged-remote", action="store_true", help="no effect, for the same reason")


def _cleanup(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services.cleanup import CleanupRequest, clean_branches

    for name, given in (("--force", args.force), ("--allow-unmerged-remote", args.allow_unmerged_remote)):
        if given:
            session.say(f"note: {name} has no effect: a branch with unmerged commits is never deleted")
    ws = session.open()
    request = CleanupRequest(local=args.local and not args.dry_run, remote=args.remote and not args.dry_run)
    rows = clean_branches(ws, request)
    if rows:
        head = ("MILESTONE", "BRANCH", "TARGET", "STATUS", "REASON")
        session.show(*table([_cells(row) for row in rows], head=head))
    else:
        session.show("no branch of a milestone is left")
    waiting = sorted({row.target for row in rows if row.status == "candidate"})
    if waiting:
        flags = " ".join(f"--{target}" for target in waiting)
        session.show(f"Delete the candidates: {ws.command(f'git cleanup {flags}')}")
    session.show_json({"branches": to_json(rows)})
    return ExitCode.REFUSED if any(row.status == "failed" for row in rows) else ExitCode.OK


def _cells(row: CleanupRow) -> list[str]:
    return [row.milestone_id, row.branch, row.target, row.status, row.reason]


BRANCH = Command(
    _branch,
    about="Makes the milestone's branch exactly where a start would make it (or finds it) and checks it out. The\n"
    "milestone does not start by that, and uncommitted changes come along as with `git switch`; nothing is forced.",
    example="aiw git branch M01",
    shape='`{"milestone", "branch", "commit", "outcome"}`.',
    arguments=_milestone,
)
COMMIT = Command(
    finish,
    about="Commits the active task: the same gates, checks and options as `aiw agent finish --task TASK --commit`.\n"
    "There is no way to commit a task without them.",
    example="aiw git commit TASK-001",
    shape="as `agent finish`.",
    arguments=_commit_arguments,
)
PUSH = Command(
    _push,
    about="Pushes the milestone's branch to the remote that base belongs to, never base and never with force. Refuses\n"
    "when the remote's branch holds commits that this one lacks.",
    example="aiw git push M01",
    shape='`{"milestone", "branch", "remote", "before", "commit"}`.',
    arguments=_milestone,
)
PR = Command(
    _pr,
    about="Pushes the milestone's branch and opens its pull request (merge request), or brings title and text of the\n"
    "one that is there up to date, unless a person has changed them. While tasks are open it is a draft.",
    example="aiw git pr M01",
    shape='`{"milestone", "path", "request": {"number", "url", "status", "is_new", "noun", "notes", …}}`; with'
    " --no-create no request.",
    arguments=_pr_arguments,
)
SYNC = Command(
    _sync,
    about="Fetches base, fast-forwards the local one where that is safe, and records milestones that people merged.\n"
    "It pushes nothing, merges nothing, moves base only forwards, and keeps your uncommitted changes.",
    example="aiw git sync",
    shape='`{"remote", "bases", "milestones"}`.',
)
CLEANUP = Command(
    _cleanup,
    about="Shows the branches of milestones and which of them may go; --local and --remote delete those. Only\n"
    "branches of closed milestones whose commits are merged are ever deleted, whatever flags are given.",
    example="aiw git cleanup --dry-run",
    shape='`{"branches": [{"milestone_id", "branch", "target", "status", "reason"}]}`.',
    arguments=_cleanup_arguments,
)
