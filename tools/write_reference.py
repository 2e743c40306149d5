"""Writes `docs/reference/` from the code: every command from its parser, every setting from the table of keys.

`make reference` runs it; a test compares the files with what it makes. It formats by itself and asks `argparse` only
for the arguments, so that neither the width of a terminal nor the version of Python shows.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from ai_workflow.cli.runtime import Command
from ai_workflow.cli.table import COMMANDS, GROUPS
from ai_workflow.config.keys import KEYS, Key, default_of

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
MARK = "<!-- Written by `make reference` from the code. Do not edit. -->"
SHARED = ("help", "root", "json", "quiet", "verbose")
EXIT_CODES = (
    ("0", "done, or nothing was left to do"),
    ("1", "refused, or failed; the error says why and names the next command"),
    ("2", "wrong usage"),
    ("3", "blocked: a person is needed"),
    ("4", "a limit or budget is reached"),
    ("5", "state files are damaged; what is healthy was shown"),
    ("70", "a defect of aiw; a report is written and its path shown"),
    ("75", "waiting for a provider's quota"),
    ("130", "interrupted"),
)


def load(target: str) -> Command:
    """The command behind a row of the table."""
    module, _, attribute = target.partition(":")
    command: Command = getattr(import_module(module), attribute)
    return command


def own_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Arguments first, then options, without those of every command."""
    found = [action for action in parser._actions if action.dest not in SHARED]
    return [a for a in found if not a.option_strings] + [a for a in found if a.option_strings]


def name_value(action: argparse.Action) -> str:
    """What stands for the value of an argument or option."""
    if action.choices is not None and action.metavar is None:
        return "|".join(str(choice) for choice in action.choices)
    metavar = action.metavar if isinstance(action.metavar, str) else None
    return metavar or action.dest.upper().replace("_", "-")


def format_usage(name: str, parser: argparse.ArgumentParser) -> str:
    """The command line in one line, e.g. `aiw plan import [PATH] [--dry-run]`."""
    words = [f"aiw {name}"]
    for action in own_actions(parser):
        word = name_value(action)
        if action.option_strings:
            flag = action.option_strings[0]
            word = flag if action.nargs == 0 else f"{flag} {word}"
            words.append(word if action.required else f"[{word}]")
        else:
            many = "…" if action.nargs in ("*", "+") else ""
            words.append(f"[{word}{many}]" if action.nargs in ("?", "*") else f"{word}{many}")
    return " ".join(words)


def cell(text: str) -> str:
    """The text inside a table of Markdown."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "\\<")


def format_action(action: argparse.Action) -> str:
    """One row: names and value, meaning."""
    value = name_value(action).replace("|", "\\|")
    if action.option_strings:
        shown = ", ".join(f"`{flag}`" for flag in action.option_strings)
        shown += "" if action.nargs == 0 else f" `{value}`"
    else:
        shown = f"`{value}`"
    choices = ""
    if action.choices is not None and action.metavar is not None:
        choices = f" ({', '.join(f'`{choice}`' for choice in action.choices)})"
    repeats = ""
    if type(action).__name__ == "_AppendAction" and "repeatable" not in (action.help or ""):
        repeats = " (repeatable)"
    needed = " (needed)" if action.option_strings and action.required else ""
    return f"| {shown} | {cell(action.help or '')}{choices}{repeats}{needed} |"


def format_command(name: str) -> Iterator[str]:
    """The section of one command."""
    target, short = COMMANDS[name]
    command = load(target)
    parser = command.make_parser(name)
    yield from (f"### aiw {name}", "", f"{short[0].upper()}{short[1:]}.", "", " ".join(command.about.split()), "")
    yield from ("```text", format_usage(name, parser), "```", "")
    rows = [format_action(action) for action in own_actions(parser)]
    if rows:
        yield from ("| Argument | Meaning |", "|---|---|", *rows, "")
    yield from ("Example:", "", "```sh", command.example, "```", "")
    if command.shape:
        yield from (f"With `--json`: {command.shape}", "")


def render_cli() -> str:
    """The text of `docs/reference/cli.md`."""
    lines = [
        "# Command-line reference",
        "",
        MARK,
        "",
        "Results go to stdout, everything else to stderr. Ids may be typed as `TASK-001`, `task-1` or `1`.",
        "",
        "## Options of every command",
        "",
        "They may stand before or behind the command.",
        "",
        "| Option | Meaning |",
        "|---|---|",
        "| `-C`, `--root` `DIR` | work as if started in DIR |",
        "| `--json` | print one JSON document on stdout |",
        "| `-q`, `--quiet` | no notes and no progress |",
        "| `-v`, `--verbose` | the output of checks as it comes |",
        "| `-h`, `--help` | print the help of the command |",
        "",
        "`aiw --version` prints the version. `aiw --show-completion` and `aiw --install-completion` are names of 0.1.0",
        "for what [aiw completion](#aiw-completion) prints and explains.",
        "",
        'With `--json` an error is the document `{"error": {"kind", "message", "hint", "exit_code"}}`.',
        "",
        "## Exit codes",
        "",
        "| Code | Meaning |",
        "|---|---|",
        *(f"| {code} | {cell(meaning)} |" for code, meaning in EXIT_CODES),
        "",
        "## Commands",
        "",
    ]
    for name in COMMANDS:
        if " " not in name:
            lines += format_command(name)
    for group, about in GROUPS.items():
        lines += [f"## Commands of aiw {group}", "", f"{about[0].upper()}{about[1:]}.", ""]
        for name in COMMANDS:
            if name.startswith(f"{group} "):
                lines += format_command(name)
    return "\n".join(lines).rstrip("\n") + "\n"


def format_default(value: Any) -> str:
    """A default as it would stand in the file; `empty` for none."""
    if value is None or value in ((), {}, ""):
        return "empty"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def format_keys(status: str) -> Iterator[str]:
    """The table of all keys of one status."""
    yield from ("| Key | Accepts | Default | Meaning |", "|---|---|---|---|")
    for key in KEYS.values():
        if key.status == status:
            default = format_default(default_of(key.name))
            yield f"| `{key.name}` | {format_accepts(key)} | {default} | {cell(key.about)} |"


def format_accepts(key: Key) -> str:
    """What the key accepts, and whether it may be left empty."""
    choices = ", ".join(f"`{choice}`" for choice in key.expect.choices)
    accepts = choices or cell(key.expect.text)
    return f"{accepts}; or empty" if key.expect.optional else accepts


def render_config() -> str:
    """The text of `docs/reference/config.md`."""
    lines = [
        "# Settings",
        "",
        MARK,
        "",
        "All settings are keys of `.ai-workflow.yaml` at the root of the workspace. Every key may be left out. An",
        "unknown key or a wrong value is refused with its line. A dotted name is a nested key: `git.base_branch` is",
        "`base_branch` below `git`. Paths are relative to the root and stay inside it.",
        "",
        "## Settings with an effect",
        "",
        *format_keys("effective"),
        "",
        "## Settings that are reserved",
        "",
        "They are checked and kept, but this release does nothing with them; `aiw agent run` says so when one is set.",
        "",
        *format_keys("reserved"),
        "",
        "## Settings that are retired",
        "",
        "Keys of 0.1.0 that have no effect any more. They are accepted, so that an old file stays valid.",
        "",
        *format_keys("dead"),
    ]
    return "\n".join(lines) + "\n"


def render() -> dict[str, str]:
    """File name → text."""
    return {"cli.md": render_cli(), "config.md": render_config()}


def main() -> None:
    """Writes the files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in render().items():
        path = FOLDER / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")
            sys.stdout.write(f"wrote {path.relative_to(FOLDER.parents[1])}\n")


if __name__ == "__main__":
    main()
