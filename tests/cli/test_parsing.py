"""Commands that are called all the time know what their arguments are when none is typed."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace

import pytest

from ai_workflow.cli.runtime import Command, Globals
from ai_workflow.cli.table import COMMANDS

SHARED = {"root": None, "json": False, "quiet": False, "verbose": False}


def load(name: str) -> Command:
    module, _, attribute = COMMANDS[name][0].partition(":")
    command: Command = getattr(import_module(module), attribute)
    return command


@pytest.mark.parametrize("name", [name for name in COMMANDS if load(name).bare is not None])
def test_bare_arguments_are_what_the_parser_gives(name: str) -> None:
    command = load(name)
    assert vars(command.make_parser(name).parse_args([])) == SHARED | dict(command.bare or {})


@pytest.mark.parametrize("name", ["status", "next", "task list", "report all"])
def test_the_commands_that_must_be_quick_are_among_them(name: str) -> None:
    assert load(name).bare is not None


def test_options_of_every_command_count_without_a_parser() -> None:
    settings = Globals()
    parsed = load("status").parse("status", ["--json", "-q", "--verbose"], settings)
    assert isinstance(parsed, SimpleNamespace)
    assert (settings.is_json, settings.is_quiet, settings.is_verbose) == (True, True, True)
