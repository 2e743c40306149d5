"""The entry point: finds the command, runs it, and turns every error into a sentence and an exit code (spec §8)."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ai_workflow.cli.runtime import Command, Globals


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line.

    Args:
        argv: the arguments without the program's name; None takes the process's own.

    Returns:
        The exit code of `errors.ExitCode`.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        from ai_workflow.cli.boundary import open_streams

        open_streams()
    if words in (["--version"], ["-V"]):
        from ai_workflow import __version__

        return _print(f"aiw {__version__}\n")
    if words in ([], ["-h"], ["--help"]):
        from ai_workflow.cli.table import format_help

        return _print(format_help()) if words else _print(format_help(), code=2)
    if words[0] == "__complete":
        from ai_workflow.cli.complete import run

        return run(words[1:])
    from ai_workflow.cli.boundary import guarded

    return guarded(_dispatch, words)


def _print(text: str, *, code: int = 0) -> int:
    from ai_workflow.cli.boundary import write_out

    return write_out(text) or code


def _dispatch(words: Sequence[str], settings: Globals) -> int:
    from ai_workflow.cli.runtime import Session, peel_globals
    from ai_workflow.cli.table import COMMANDS, GROUPS, format_group_help, format_help

    if words[0].partition("=")[0] in ("--install-completion", "--show-completion"):
        return _complete_as_before(words)
    rest = peel_globals(words, settings)
    if settings.wants_version:
        from ai_workflow import __version__

        return _print(f"aiw {__version__}\n")
    if not rest or rest[0] in ("-h", "--help"):
        return _print(format_help(), code=0 if rest else 2)
    name = " ".join(rest[:2]) if rest[0] in GROUPS else rest[0]
    if rest[0] in GROUPS and (len(rest) == 1 or rest[1] in ("-h", "--help")):
        return _print(format_group_help(rest[0]), code=0 if len(rest) > 1 else 2)
    if name not in COMMANDS:
        raise _unknown(name)
    command = _load(COMMANDS[name][0])
    arguments = rest[len(name.split()) :]
    parsed = command.parse(name, arguments, settings)
    return command.run(Session(settings, command_line=words), parsed)


def _complete_as_before(words: Sequence[str]) -> int:
    """The root options of 0.1.0; the command is `aiw completion SHELL`."""
    from ai_workflow.cli.completion import SCRIPTS, explain_loading, require_shell

    option, _, name = words[0].partition("=")
    shell = require_shell(name or (words[1] if len(words) > 1 else None))
    return _print(SCRIPTS[shell] if option == "--show-completion" else explain_loading(shell))


def _load(target: str) -> Command:
    module, _, attribute = target.partition(":")
    # As `importlib.import_module`, whose package costs start-up time.
    __import__(module)
    command: Command = getattr(sys.modules[module], attribute)
    return command


def _unknown(name: str) -> Exception:
    from difflib import get_close_matches

    from ai_workflow.cli.table import COMMANDS
    from ai_workflow.errors import AiwError, Kind

    near = get_close_matches(name, list(COMMANDS), n=1, cutoff=0.5)
    hint = f"did you mean `aiw {near[0]}`?" if near else "see `aiw --help`"
    return AiwError(Kind.USAGE, f"there is no command `aiw {name}`", hint=hint)
