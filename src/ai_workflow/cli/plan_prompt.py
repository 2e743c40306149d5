"""`aiw agent plan-prompt`."""

from __future__ import annotations

from ai_workflow.cli.runtime import Command, Session
from ai_workflow.errors import ExitCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--target",
        choices=("milestones", "bootstrap"),
        default="milestones",
        help="plan the next work, or the first work in a new repository (default: milestones)",
    )
    parser.add_argument("--print", dest="prints", action="store_true", help="print the prompt, write nothing")
    parser.add_argument(
        "--force", action="store_true", help="write over a document that a person edited; a copy of it is kept"
    )


def _plan_prompt(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.policy.secrets import mask
    from ai_workflow.rendering.plan_prompt import render_plan_prompt
    from ai_workflow.services import plan_prompt

    ws = session.open()
    text = mask(render_plan_prompt(plan_prompt.collect_context(ws), target=args.target))
    if args.prints:
        session.show(*text.rstrip("\n").split("\n"))
        session.show_json({"target": args.target, "prompt": text, "path": None})
        return ExitCode.OK
    done = plan_prompt.write_prompt(ws, text, is_forced=args.force)
    session.show(f"{'Wrote' if done.written else 'Unchanged:'} {done.rel}")
    if done.copy:
        session.show(f"  what stood there before is kept in {done.copy}")
    session.show(
        "Give it to a planning model with your goal behind it, then take its answer over:",
        f"  {ws.command('plan import -')}",
    )
    session.show_json({"target": args.target, "prompt": text, "path": done.rel})
    return ExitCode.OK


PLAN_PROMPT = Command(
    _plan_prompt,
    about="Makes a prompt with which any general planning model writes a plan for this repository: its layout,\n"
    "languages, checks, backlog, decisions, the grammar and the rules. Without --print it becomes the operator's\n"
    "document; what a person wrote there is kept.",
    example="aiw agent plan-prompt --target milestones --print",
    shape='`{"target", "prompt", "path"}`; `path` is null with `--print`.',
    arguments=_arguments,
)
