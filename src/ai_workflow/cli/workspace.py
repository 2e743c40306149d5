"""`aiw init`."""

from __future__ import annotations

from ai_workflow.cli.runtime import Command, Session, to_json
from ai_workflow.errors import ExitCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base-branch", metavar="NAME", help="where milestones land (default: the default branch)")
    parser.add_argument("--project-name", metavar="NAME", help="default: the folder's name")
    parser.add_argument("--force", action="store_true", help="write documents anew that nobody edited")
    parser.add_argument("--no-git", action="store_true", help="without effect: init changes nothing in git anyway")
    parser.add_argument("--nested", action="store_true", help="make a workspace inside another one")
    parser.add_argument(
        "--anew", action="store_true", help="begin with an empty state where the history holds work of aiw"
    )


def _init(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services.init import InitRequest, initialize

    if args.no_git:
        session.say("note: --no-git has no effect: init makes no branch, no commit and no push anyway")
    request = InitRequest(
        root=session.start,
        base_branch=args.base_branch,
        project_name=args.project_name,
        is_forced=args.force,
        is_nested=args.nested,
        begins_anew=args.anew,
    )
    done = initialize(request, command=session.command_line, talk=session.say)
    word = "Initialized" if done.was_new else "Already initialized:"
    session.show(f"{word} aiw workspace in {done.root} (base branch {done.base_branch})")
    session.show(*[f"  wrote {path}" for path in done.written], *[f"  kept  {path} (yours)" for path in done.kept])
    if done.checks:
        session.show("Checks that every task must pass:", *[f"  {check}" for check in done.checks])
    else:
        session.say(
            "warning: no checks were found, so aiw cannot prove anything by itself;"
            " name some under agent.checks in .ai-workflow.yaml"
        )
    if not done.trusted:
        session.say(
            "note: the config or plan came with this clone, so its commands do not run until you trust it: aiw trust"
        )
    session.show("Next: write a plan to docs/ai/plan/milestones.md (how: docs/operator/operator.md), then run")
    session.show("  aiw agent run --lane core --mode queue")
    session.show_json(to_json(done))
    return ExitCode.OK


INIT = Command(
    _init,
    about="Writes the config, the documents, a marked block in .gitignore, and the first state. Commits nothing,\n"
    "pushes nothing, switches no branch; what you wrote is kept. Running it again completes what is missing.",
    example="aiw init",
    shape='`{"root", "base_branch", "checks", "written", "kept", "was_new", "trusted"}`.',
    arguments=_arguments,
)
