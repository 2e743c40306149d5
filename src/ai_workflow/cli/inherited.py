"""Options of 0.1.0 around starting work: accepted, and honest about what they mean now (spec §8)."""

from __future__ import annotations

from ai_workflow.cli.runtime import Session
from ai_workflow.errors import AiwError, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def add_start_options(parser: argparse.ArgumentParser) -> None:
    """`--worktree`, `--no-git` and `--allow-unmerged-previous`."""
    parser.add_argument("--worktree", action="store_true", help="without effect: work happens in this work tree")
    parser.add_argument("--no-git", action="store_true", help="refused: a milestone is a branch, a task a commit")
    parser.add_argument(
        "--allow-unmerged-previous",
        action="store_true",
        help="go on although a finished milestone before it is not merged yet",
    )


def heed_start_options(session: Session, args: argparse.Namespace) -> None:
    """Says what `--worktree` no longer does, and refuses `--no-git`.

    Raises:
        AiwError: STATE for `--no-git`.
    """
    if args.no_git:
        raise AiwError(
            Kind.STATE,
            "--no-git is not possible: a milestone is a branch, and only a commit proves a task",
            hint="run the same command without --no-git; nothing is pushed where there is no remote",
        )
    if args.worktree:
        session.say(
            "note: --worktree has no effect: lanes in work trees of their own are not in this release;"
            " working in this work tree"
        )


def add_secret_option(parser: argparse.ArgumentParser) -> None:
    """`--allow-secret`, of every command that finishes a task."""
    parser.add_argument(
        "--allow-secret",
        action="append",
        default=[],
        metavar="FINGERPRINT",
        help="let in what only looks like a secret; the refusal names its fingerprint",
    )
