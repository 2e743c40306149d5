"""Command lines made of anything end in an expected way (spec §8)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_workflow.cli.table import COMMANDS
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
    folder = tmp_path_factory.mktemp("copy")
    before = os.getcwd()
    try:
        shutil.copytree(origin.path, folder / "project", symlinks=True)
        os.chdir(folder / "project")
        if "--watch" not in words:
            run(*name.split(), *words, stdin=stdin)
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
