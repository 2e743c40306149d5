"""Finds the `aiw …` command lines of a document, and says why the command line would not take one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib import import_module

from ai_workflow.cli.table import COMMANDS, GROUPS
from ai_workflow.errors import AiwError

_PLACEHOLDERS = {"…": "x", "SHELL": "bash"}
_WITHOUT_COMMAND = ("--version", "--help", "--show-completion", "--install-completion")


def find_command_lines(text: str) -> Iterator[str]:
    """The command lines in code spans and in blocks of shell, without `aiw` and what stands before it."""
    blocks = re.findall(r"(?ms)^(`{3,})(?:sh|shell|console)\n(.*?)^\1$", text)
    plain = re.sub(r"(?ms)^(`{3,})\w*\n.*?^\1$", "", text)
    spans = [span for _, span in re.findall(r"(`+)([^`]+)\1", plain)]
    for line in [*spans, *(line for _, block in blocks for line in block.split("\n"))]:
        match = re.match(r"\s*(?:\$ )?(?:uv run |\w+ run )?aiw +(\S.*)", line.replace("\n", " "))
        if match is not None:
            yield match.group(1)


def refuse(line: str) -> str | None:
    """Why the command line is not taken; None when it is."""
    words = _split(line)
    if words[0] in _WITHOUT_COMMAND or words[-1] == "--help":
        return None
    name = " ".join(words[:2]) if words[0] in GROUPS else words[0]
    if name in GROUPS:
        return None
    if name not in COMMANDS:
        return f"there is no `aiw {name}`"
    module, _, attribute = COMMANDS[name][0].partition(":")
    parser = getattr(import_module(module), attribute).make_parser(name)
    try:
        parser.parse_args(words[len(name.split()) :])
    except AiwError as error:
        is_mention = words == name.split() and "arguments are required" in error.message
        return None if is_mention else error.message
    return None


def _split(line: str) -> list[str]:
    words = [_PLACEHOLDERS.get(word, word) for word in shlex.split(line, comments=True)]
    while words and words[0] in ("--json", "-q", "-v"):
        words = words[1:]
    return words[: words.index("|")] if "|" in words else words
