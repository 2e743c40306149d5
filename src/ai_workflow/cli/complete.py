"""`aiw __complete WORD…`: what could stand for the last word; the completion scripts of the shells call it.

One candidate a line, with a tab and a description behind it where there is one. A line `:files` or `:folders` asks the
shell for paths. It knows commands from the table, options from each command's own parser and ids from the state, so it
is never out of date. Whatever goes wrong, it prints nothing and the exit code is 0.
"""

from __future__ import annotations

import os
import sys

from ai_workflow.cli.table import COMMANDS, GROUPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence

    from ai_workflow.services.glance import Glance

Candidate = tuple[str, str]
FILES: Candidate = (":files", "")
FOLDERS: Candidate = (":folders", "")

_GLOBALS = {
    "-C": "work as if started in DIR",
    "--root": "work as if started in DIR",
    "--json": "print one JSON document on stdout",
    "-q": "no notes and no progress",
    "--quiet": "no notes and no progress",
    "-v": "the output of checks as it comes",
    "--verbose": "the output of checks as it comes",
    "--version": "print the version",
    "--help": "print the help",
}
_KINDS = {
    "task": "task",
    "milestone": "milestone",
    "lane": "lane",
    "adr": "adr",
    "run": "run",
    "recovery": "milestone",
    "item": "backlog",
    "items": "backlog",
    "backlog": "backlog",
}
"""Name of an argument (or the group, where the argument is called ID) → kind of entity whose ids fit."""
_FOLDERS = ("dir", "folder")
_FILES = ("path", "file", "plan", "pack", "output")
_MAX_CANDIDATES = 500
"""The newest of them; a shell that shows more helps nobody."""


def run(words: Sequence[str]) -> int:
    """Prints the candidates for the last of the words; the exit code is always 0."""
    try:
        lines = [f"{value}\t{_one_line(about)}" if about else value for value, about in complete(words)]
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 - a shell is waiting for the next key: silence is the only good answer
        # The interpreter would complain once more about a closed pipe when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


def _one_line(text: str) -> str:
    from ai_workflow.rendering.inert import inert

    return inert(" ".join(text.split()))[:100]


def complete(words: Sequence[str]) -> list[Candidate]:
    """The candidates for the last word.

    Args:
        words: the words behind `aiw`; the last one is being typed, and may be empty. Bash gives `--mode=x` as three
            words, other shells as one.
    """
    given = [word for word in words[:-1] if word != "="]
    current = words[-1] if words else ""
    if current == "=":
        current = ""
    flag, has_value, value = current.partition("=")
    if has_value and flag.startswith("--"):
        return [(f"{flag}={found}", about) for found, about in _value_of(given, flag) if found.startswith(value)]
    fitting = [pair for pair in _candidates(given, current) if pair[0].startswith(current) or pair in (FILES, FOLDERS)]
    return fitting[-_MAX_CANDIDATES:]


def _value_of(given: list[str], flag: str) -> Iterable[Candidate]:
    return [pair for pair in _candidates([*given, flag], "") if pair not in (FILES, FOLDERS)]


def _candidates(given: list[str], current: str) -> Iterable[Candidate]:
    root, rest = _skip_globals(given)
    if rest is None:
        return [FOLDERS]
    name = " ".join(rest[:2]) if rest and rest[0] in GROUPS else " ".join(rest[:1])
    if name not in COMMANDS:
        return _commands(rest, current)
    return _arguments(name, rest[len(name.split()) :], current, root)


def _skip_globals(given: list[str]) -> tuple[str, list[str] | None]:
    """The folder of `-C`, and the words from the command on; None when the folder itself is being typed."""
    root, index = ".", 0
    while index < len(given) and given[index].startswith("-"):
        flag, has_value, value = given[index].partition("=")
        if flag in ("-C", "--root"):
            if not has_value and index + 1 == len(given):
                return root, None
            root = value if has_value else given[index + 1]
            index += 0 if has_value else 1
        index += 1
    return root, given[index:]


def _commands(rest: list[str], current: str) -> Iterator[Candidate]:
    if not rest and current.startswith("-"):
        yield from _GLOBALS.items()
        return
    for path, (_, about) in COMMANDS.items():
        first, _, second = path.partition(" ")
        if not rest and not second:
            yield first, about
        elif rest == [first] and second:
            yield second, about
    if not rest:
        yield from GROUPS.items()


def _arguments(name: str, words: list[str], current: str, root: str) -> Iterable[Candidate]:
    from importlib import import_module

    module, _, attribute = COMMANDS[name][0].partition(":")
    parser = getattr(import_module(module), attribute).make_parser(name)
    options = {option: action for action in parser._actions for option in action.option_strings}
    positionals = [action for action in parser._actions if not action.option_strings]
    used: set[str] = set()
    count, index = 0, 0
    while index < len(words):
        word = words[index]
        flag, has_value, value = word.partition("=")
        action = options.get(flag)
        if action is not None:
            used.update(() if _repeats(action) else action.option_strings)
            if action.nargs != 0 and not has_value:
                index += 1
                if index == len(words):
                    return _values(name, action, root)
                value = words[index]
            if action.dest == "root":
                root = value or root
        elif not word.startswith("-"):
            count += 1
        index += 1
    if current.startswith("-"):
        return [(flag, action.help or "") for flag, action in options.items() if flag not in used]
    if not positionals:
        return []
    if count >= len(positionals) and positionals[-1].nargs not in ("*", "+"):
        return []
    return _values(name, positionals[min(count, len(positionals) - 1)], root)


def _repeats(action: argparse.Action) -> bool:
    return type(action).__name__ in ("_AppendAction", "_ExtendAction")


def _values(name: str, action: argparse.Action, root: str) -> Iterable[Candidate]:
    if action.choices is not None:
        return [(str(choice), "") for choice in action.choices]
    words = {action.dest.lower(), str(action.metavar or "").lower()}
    if "id" in words or not words.isdisjoint(_KINDS):
        kind = next((_KINDS[word] for word in sorted(words) if word in _KINDS), _KINDS.get(name.partition(" ")[0], ""))
        return _ids(kind, root)
    if not words.isdisjoint(_FOLDERS):
        return [FOLDERS]
    return [FILES] if not words.isdisjoint(_FILES) else []


def _ids(kind: str, root: str) -> list[Candidate]:
    from ai_workflow.services.glance import open_glance

    glance = open_glance(os.path.abspath(root))
    if kind == "backlog":
        return _backlog_ids(glance)
    if not kind:
        return []
    rows = glance.rows.of(kind)
    return [(str(row["id"]), str(row.get("title") or row.get("summary") or row.get("status") or "")) for row in rows]


def _backlog_ids(glance: Glance) -> list[Candidate]:
    """Ids from the headings of the backlog, which has no state of its own."""
    from ai_workflow.config.ownership import backlog_path
    from ai_workflow.services.workspace import open_workspace

    path = os.path.join(glance.root, *backlog_path(open_workspace(glance.root).config).split("/"))
    found = []
    with open(path, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            word, _, title = line.removeprefix("## ").partition(" ")
            if line.startswith("## BLG-"):
                found.append((word.rstrip(":"), title.strip().lstrip("-:–— ")))
    return found
