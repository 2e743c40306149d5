"""Command lines made of anything end in an expected way (spec §8)."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_workflow.cli.table import COMMANDS
from ai_workflow.errors import ExitCode
from support.fuzzing import EXPECTED, examples, run
from support.prepared import prepared
from support.project import Project, make_planned

_STAYING = {"demo", "version", "completion bash", "completion"}
_NAMES = sorted(set(COMMANDS) - _STAYING)
_WORDS = st.sampled_from(
    [
        "TASK-001",
        "1",
        "task-1",
        "M01",
        "m1",
        "M99999999999",
        "ADR-0001",
        "RUN-0001",
        "BLG-001",
        "OP-000001-abcdef",
        "core",
        "--lane",
        "--json",
        "--reason",
        "why",
        "--title",
        "--status",
        "done",
        "--force",
        "--yes",
        "--dry-run",
        "-C",
        ".",
        "--help",
        "-q",
        "-v",
        "--",
        "-",
        "",
        " ",
        "../..",
        "/etc/passwd",
        "--output",
        "x.md",
        "--mode",
        "queue",
        "single",
        "--task",
        "--commit",
        "--check-cmd",
        "true",
        "false",
        "--allow",
        "src/**",
        "--adopt",
        "--no-check",
        "--plan",
        "--depends",
        "none",
        "M01/1",
        "--acceptance",
        "--tag",
        "--selected",
        "--append",
        "--local",
        "--remote",
        "--limit",
        "-1",
        "0",
        "1e9",
        "9" * 400,
        "\u2028",
        "\x1b[31m",
        "\ufeff",
        "é",
        "{title}",
        "{% x %}",
        "$(id)",
        "`id`",
        "a" * 3000,
    ]
)
_ANY = _WORDS | st.text(max_size=20)
_VALUES = st.sampled_from(
    [
        *("TASK-001", "task-2", "1", "M01", "ADR-0001", "RUN-0001", "BLG-001", "core", "3", "-1", "0", "1.5", "9" * 30),
        *("high", "done", "selected", "idea", "ready", "blocked", "passed", "why not", "src/parser.py", "src/**", "."),
        *("docs/ai/plan/milestones.md", "README.md", "missing.md", "docs", "-", "true", "false", "git.merge_strategy"),
        *("squash", "x=y", "2026-01-01", "../up", "/dev/null", "main", "refs/heads/main", "HEAD", "a,b", "", "\x1b[2J"),
        *("\u2028", "é" * 300, "{{ x }}", "# Milestones\n", "a\nb", "--", "\0"),
    ]
)


_MEANT = {
    "task": ("TASK-001", "2", "task-3"),
    "milestone": ("M01", "m1"),
    "lane": ("core",),
    "adr": ("ADR-0001",),
    "run": ("RUN-0001", "1"),
    "item": ("BLG-001",),
    "backlog": ("BLG-001",),
    "recovery": ("M01-01",),
    "op": ("OP-000001", "3"),
    "path": ("docs/ai/plan/milestones.md", "src/parser.py"),
    "key": ("git.merge_strategy", "agent.checks", "scope.policy"),
    "n": ("3",),
}
"""What an argument of that name, or the id in a group of that name, may hold."""


@st.composite
def _fitting(draw: st.DrawFn) -> list[str]:
    """A command with options of its own, most of them with values that could be meant."""
    name = draw(st.sampled_from(_NAMES))
    module, _, attribute = COMMANDS[name][0].partition(":")
    parser: argparse.ArgumentParser = getattr(import_module(module), attribute).make_parser(name)
    words = name.split()
    options = [one for one in parser._actions if one.option_strings and one.dest not in ("help", "watch", "root")]
    for option in draw(st.lists(st.sampled_from(options), max_size=4)):
        words.append(draw(st.sampled_from(option.option_strings)))
        words += [] if option.nargs == 0 else [draw(_values_of(option, group=words[0]))]
    for argument in parser._actions:
        if not argument.option_strings and draw(st.integers(0, 9)) < 9:
            most = 3 if argument.nargs in ("*", "+") else 1
            words += draw(st.lists(_values_of(argument, group=words[0]), min_size=1, max_size=most))
    return words


def _values_of(action: argparse.Action, *, group: str) -> st.SearchStrategy[str]:
    name = str(action.metavar or action.dest).lower()
    meant = [str(one) for one in action.choices or ()] or _MEANT.get(name) or _MEANT.get(group if name == "id" else "")
    return st.sampled_from(meant) | st.sampled_from(meant) | _VALUES if meant else _VALUES


def prepare(folder: Path) -> Project:
    project = make_planned(folder, remote=False)
    project.aiw("adr", "new", "Errors are values", "-d", "They are.")
    project.next()
    return project


@pytest.fixture
def origin(tmp_path: Path) -> Project:
    return prepared(prepare, tmp_path)


@examples(8)
@given(name=st.sampled_from(_NAMES), words=st.lists(_ANY, max_size=6), stdin=st.text(max_size=60))
def test_any_arguments(
    origin: Project, tmp_path_factory: pytest.TempPathFactory, name: str, words: list[str], stdin: str
) -> None:
    if "--watch" not in words:
        run_in_copy(origin, tmp_path_factory, [*name.split(), *words], stdin=stdin)


@examples(12)
@given(words=_fitting(), more=_fitting(), stdin=st.just("") | st.text(max_size=60))
def test_arguments_that_fit(
    origin: Project, tmp_path_factory: pytest.TempPathFactory, words: list[str], more: list[str], stdin: str
) -> None:
    run_in_copy(origin, tmp_path_factory, words, more, stdin=stdin)


def run_in_copy(origin: Project, tmp_path_factory: pytest.TempPathFactory, *commands: list[str], stdin: str) -> None:
    """The command lines one after the other; what they leave can be shown."""
    folder = tmp_path_factory.mktemp("copy")
    before = os.getcwd()
    try:
        shutil.copytree(origin.path, folder / "project", symlinks=True)
        os.chdir(folder / "project")
        for words in commands:
            run(*words, stdin=stdin)
        run("status")
        if not {"uninstall", "migrate"} & {words[0] for words in commands}:
            assert run("doctor", "--json").code in (ExitCode.OK, ExitCode.REFUSED)
    finally:
        os.chdir(before)
        shutil.rmtree(folder, ignore_errors=True)


@examples(25)
@given(words=st.lists(_ANY, min_size=1, max_size=5))
def test_any_words_at_all(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    folder = tmp_path_factory.mktemp("empty")
    before = os.getcwd()
    try:
        os.chdir(folder)
        run(*words)
    finally:
        os.chdir(before)
        shutil.rmtree(folder, ignore_errors=True)


@examples(3)
@given(name=st.sampled_from(_NAMES), words=st.lists(st.binary(min_size=1, max_size=12), max_size=4))
def test_bytes_as_arguments_of_a_real_process(origin: Project, name: str, words: list[bytes]) -> None:
    argv = [word.replace(b"\0", b"") for word in words]
    done = subprocess.run(
        [os.fsencode(sys.executable), b"-m", b"ai_workflow", *(os.fsencode(word) for word in name.split()), *argv],
        cwd=origin.path,
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert done.returncode in EXPECTED, (argv, done)
    assert b"Traceback" not in done.stdout + done.stderr
