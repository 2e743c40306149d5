"""What every command gets: global options, a parser, and a session that opens the workspace and prints."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace

from ai_workflow.errors import AiwError, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any, NoReturn, TextIO

    from ai_workflow.services.glance import Glance
    from ai_workflow.services.workspace import Workspace


class Globals:
    """Options that every command takes, before or after its name."""

    def __init__(self) -> None:
        self.root = "."
        self.is_json = False
        self.is_quiet = False
        self.is_verbose = False
        self.wants_version = False


_SHARED_FLAGS = ("--json", "-q", "--quiet", "-v", "--verbose")


def peel_globals(words: Sequence[str], settings: Globals) -> list[str]:
    """Takes the global options off the front; returns the rest.

    Raises:
        AiwError: USAGE.
    """
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] not in ("-h", "--help"):
        word = rest.pop(0)
        flag, has_value, value = word.partition("=")
        if flag in ("-C", "--root"):
            if not has_value and not rest:
                raise AiwError(Kind.USAGE, f"{flag} needs a folder", hint="aiw -C DIR COMMAND …")
            settings.root = value if has_value else rest.pop(0)
        elif not _set_flag(word, settings):
            raise AiwError(Kind.USAGE, f"there is no option {word} before the command", hint="see `aiw --help`")
    return rest


def _set_flag(word: str, settings: Globals) -> bool:
    if word == "--json":
        settings.is_json = True
    elif word in ("-q", "--quiet"):
        settings.is_quiet = True
    elif word in ("-v", "--verbose"):
        settings.is_verbose = True
    elif word in ("--version", "-V"):
        settings.wants_version = True
    else:
        return False
    return True


class Command:
    """One command: its arguments and what runs it."""

    def __init__(
        self,
        run: Callable[[Session, argparse.Namespace], int],
        *,
        about: str,
        example: str,
        shape: str = "",
        arguments: Callable[[argparse.ArgumentParser], None] | None = None,
        bare: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Args:
            run: gets the session and the parsed arguments, returns the exit code.
            about: the sentences of `--help`.
            example: a command line that works as it stands.
            shape: what `--json` prints, as Markdown, for the reference.
            arguments: adds the command's own arguments.
            bare: what these are when none is typed, for commands that are called all the time: then no parser is
                made. `tests/cli/test_parsing.py` compares it with the parser.
        """
        self.run = run
        self.about = about
        self.example = example
        self.shape = shape
        self._arguments = arguments
        self.bare = {} if arguments is None and bare is None else bare

    def make_parser(self, name: str, *, is_for_help: bool = True) -> argparse.ArgumentParser:
        """The parser of the command, global options included.

        Args:
            is_for_help: whether its help may be printed, which then fits the terminal.
        """
        import argparse

        # Each added argument makes a formatter, which would ask for the terminal's width: only help needs that.
        width = None if is_for_help else 100

        def _formatter(prog: str) -> argparse.HelpFormatter:
            return argparse.RawDescriptionHelpFormatter(prog, width=width)

        class Parser(argparse.ArgumentParser):
            def error(self, message: str) -> NoReturn:
                raise AiwError(Kind.USAGE, f"aiw {name}: {message}", hint=f"see `aiw {name} --help`")

        parser = Parser(
            prog=f"aiw {name}",
            description=self.about,
            epilog=f"example:\n  {self.example}",
            formatter_class=_formatter,
            allow_abbrev=False,
        )
        if self._arguments is not None:
            self._arguments(parser)
        shared = parser.add_argument_group("options of every command")
        shared.add_argument("-C", "--root", metavar="DIR", default=None, help="work as if started in DIR")
        shared.add_argument("--json", action="store_true", help="print one JSON document on stdout")
        shared.add_argument("-q", "--quiet", action="store_true", help="no notes and no progress")
        shared.add_argument("-v", "--verbose", action="store_true", help="the output of checks as it comes")
        return parser

    def parse(self, name: str, words: Sequence[str], settings: Globals) -> argparse.Namespace:
        """The parsed arguments; global ones go into `settings`. Raises AiwError(USAGE), SystemExit for `--help`."""
        settings.is_json = settings.is_json or "--json" in words
        if self.bare is not None and all(word in _SHARED_FLAGS for word in words):
            for word in words:
                _set_flag(word, settings)
            return SimpleNamespace(**self.bare)  # type: ignore[return-value]
        is_for_help = "-h" in words or "--help" in words
        parsed = self.make_parser(name, is_for_help=is_for_help).parse_args(list(words))
        settings.root = parsed.root if parsed.root is not None else settings.root
        settings.is_quiet = settings.is_quiet or parsed.quiet
        settings.is_verbose = settings.is_verbose or parsed.verbose
        return parsed


class Session:
    """One running command: where it works and how it talks.

    Results go to stdout, talk to stderr.
    """

    def __init__(self, settings: Globals, *, command_line: Sequence[str]) -> None:
        self.settings = settings
        self.command_line = tuple(command_line)
        self._workspace: Workspace | None = None

    @property
    def start(self) -> str:
        """The folder that the command works from.

        Raises:
            AiwError: USAGE when it does not exist.
        """
        folder = os.path.abspath(self.settings.root)
        if not os.path.isdir(folder):
            raise AiwError(Kind.USAGE, f"{folder} is not a folder", hint="check the path after -C")
        return folder

    def open(self) -> Workspace:
        """The workspace, for commands that decide or write. Raises AiwError(CONFIG)."""
        from ai_workflow.services.workspace import open_workspace

        if self._workspace is None:
            self._workspace = open_workspace(self.start, command=self.command_line, talk=self.say)
            if not self.settings.is_json and is_terminal(sys.stdin) and is_terminal(sys.stderr):
                self._workspace.ask = self.ask
        return self._workspace

    def glance(self) -> Glance:
        """The workspace, for commands that only show. Raises AiwError(CONFIG)."""
        from ai_workflow.services.glance import open_glance

        return open_glance(self.start)

    def say(self, text: str) -> None:
        """A note for people, on stderr; nothing with `--quiet`."""
        if not self.settings.is_quiet:
            # Unheard, the work goes on: a reader that went away must not leave it half done.
            try:
                sys.stderr.write(_shown(text) + "\n")
                sys.stderr.flush()
            except OSError:
                pass

    def ask(self, question: str) -> bool:
        """Whether the person at the terminal answers with yes; the question goes to stderr."""
        sys.stderr.write(f"{_shown(question)} [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def show(self, *lines: str) -> None:
        """Result lines for people; nothing with `--json`."""
        if not self.settings.is_json:
            sys.stdout.write("".join(f"{_shown(line)}\n" for line in lines))

    def show_json(self, document: Any) -> None:
        """The result for programs; nothing without `--json`."""
        if self.settings.is_json:
            sys.stdout.write(format_json(document))


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person sits there; a stream that was closed before the start is None."""
    return stream is not None and stream.isatty()


def format_json(document: Any, *, indent: int | None = 2) -> str:
    """The document as JSON with a final newline, harmless on a terminal; on one line without an indent."""
    import json

    from ai_workflow.rendering.inert import inert_json

    return inert_json(json.dumps(document, indent=indent, ensure_ascii=False, sort_keys=True)) + "\n"


def _shown(text: str) -> str:
    from ai_workflow.rendering.inert import inert

    return inert(text, keeps_lines=True)


def to_json(record: object) -> Any:
    """Plain lists and dictionaries for a record, as its state file has them."""
    import msgspec

    return msgspec.to_builtins(record)


def table(rows: Sequence[Sequence[str]], *, head: Sequence[str]) -> list[str]:
    """Rows as aligned lines, two spaces between columns; cells are made inert, the last column is not padded."""
    from ai_workflow.rendering.inert import inert

    cells = [list(head), *[[inert(cell) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = []
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        lines.append("  ".join([*padded, row[-1]]).rstrip())
    return lines
