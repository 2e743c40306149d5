"""Seals every test: an empty home, no system git configuration, a fixed identity, no editor, no prompts."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background by a shell, as CI may be: children would ignore the Ctrl-C that some tests send them.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_KEPT = {"PATH", "LANG", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "COVERAGE_PROCESS_START"}


@pytest.fixture(autouse=True)
def sealed_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Replaces the environment of the test and its children; yields the empty home."""
    home = tmp_path_factory.mktemp("home")
    saved = dict(os.environ)
    sealed = {key: value for key, value in saved.items() if key in _KEPT or key.startswith(("PYTEST_", "HYPOTHESIS"))}
    sealed |= {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        # One for all tests of a process: projects that one test prepared are copied by others.
        "XDG_STATE_HOME": str(tmp_path_factory.getbasetemp() / "state"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_EDITOR": "false",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "file",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "NO_COLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Test Person\n\temail = person@example.test\n[init]\n\tdefaultBranch = main\n"
    )
    os.environ.clear()
    os.environ.update(sealed)
    yield home
    os.environ.clear()
    os.environ.update(saved)
