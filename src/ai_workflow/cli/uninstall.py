"""`aiw uninstall`."""

from __future__ import annotations

from ai_workflow.cli.runtime import Command, Session, is_terminal, to_json
from ai_workflow.errors import AiwError, ExitCode, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ai_workflow.services.uninstall import Removal


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed and what left")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask; required without a terminal")
    parser.add_argument("--force", action="store_true", help="even with a task under way or a milestone not merged")
    parser.add_argument("--discard-parked", action="store_true", help="delete parked work, of which there is no copy")


def _uninstall(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.config.place import find_root
    from ai_workflow.services import uninstall

    if find_root(session.start) is None:
        session.show(f"Nothing to remove: there is no workspace of aiw in {session.start} or any folder above")
        session.show_json(to_json(uninstall.Removal(outcome="nothing")))
        return ExitCode.OK
    ws = session.open()
    if not args.dry_run and not args.yes:
        preview = uninstall.uninstall(ws, is_dry_run=True, is_forced=True, discards_parked=args.discard_parked)
        _require_consent(session, preview)
    done = uninstall.uninstall(ws, is_dry_run=args.dry_run, is_forced=args.force, discards_parked=args.discard_parked)
    session.show(*_lines(done))
    session.show_json(to_json(done))
    return ExitCode.OK


def _require_consent(session: Session, preview: Removal) -> None:
    """Asks on a terminal. Raises AiwError(USAGE) without one, and when the answer is not yes."""
    import sys

    if not is_terminal(sys.stdin):
        raise AiwError(
            Kind.USAGE,
            "there is no terminal to ask on",
            hint="look first: aiw uninstall --dry-run; then: aiw uninstall --yes",
        )
    sys.stderr.write("".join(f"{line}\n" for line in _shown(_lines(preview))))
    sys.stderr.write("Remove this? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise AiwError(Kind.STATE, "nothing was removed", hint="answer y, or use --yes")


def _shown(lines: list[str]) -> list[str]:
    from ai_workflow.rendering.inert import inert

    return [inert(line) for line in lines]


def _lines(done: Removal) -> list[str]:
    is_done = done.outcome != "rehearsed"
    heads = {"removed": "Removed aiw from this repository:", "nothing": "There was nothing to remove"}
    lines = [heads.get(done.outcome, "This would be removed:")]
    lines += [f"  {path}" for path in done.removed]
    if done.gitignore:
        lines.append("  .gitignore" if done.gitignore == "file" else "  the block of aiw in .gitignore")
    lines += [f"  {ref}" for ref in done.refs]
    if done.left:
        lines.append("Left where it is:" if is_done else "This would be left:")
        lines += [f"  {one.path} {one.why}" for one in done.left]
    if done.branches:
        lines.append("Branches that hold work which is not on base:")
        lines += [f"  {name}" for name in done.branches]
    if done.tracked and is_done:
        lines.append(
            f"{len(done.tracked)} of the files are tracked: commit their deletion, or bring them back with git"
        )
    return lines


UNINSTALL = Command(
    _uninstall,
    about="Removes what aiw put here: config, documents that nobody changed, generated folders, its block in\n"
    ".gitignore, its refs and locks. Commits nothing, and names what it leaves and why.",
    example="aiw uninstall --dry-run",
    shape='`{"outcome", "removed", "gitignore", "refs", "left": [{"path", "why"}], "branches", "tracked"}`, `outcome`\n'
    "being `removed`, `rehearsed` or `nothing`",
    arguments=_arguments,
)
