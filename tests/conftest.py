"""Seals every test: an empty home, no system git configuration, a fixed identity, no editor, no prompts."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("support")

from support.prepared import keep_templates_in  # noqa: E402 - its assertions are to be rewritten

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background by a shell, as CI may be: children would ignore the Ctrl-C that some tests send them.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_KEPT = {"PATH", "LANG", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "COVERAGE_PROCESS_START"}


@pytest.fixture(autouse=True, scope="session")
def byte_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the command lines that tests start keep compiled modules: without, each compiles all that it imports."""
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    folder = tmp_path_factory.getbasetemp()
    return (folder.parent if is_worker else folder) / "byte-code"


@pytest.fixture(autouse=True, scope="session")
def template_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    keep_templates_in(tmp_path_factory.mktemp("templates"))


@pytest.fixture(autouse=True)
def sealed_environment(tmp_path_factory: pytest.TempPathFactory, byte_code: Path) -> Iterator[Path]:
    """Replaces the environment of the test and its children; yields the empty home."""
    home = tmp_path_factory.mktemp("home")
    saved = dict(os.environ)
    sealed = {key: value for key, value in saved.items() if key in _KEPT or key.startswith(("PYTEST_", "HYPOTHESIS"))}
    sealed |= {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_EDITOR": "false",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "file",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "NO_COLOR": "1",
        "PYTHONPYCACHEPREFIX": str(byte_code),
    }
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Test Person\n\temail = person@example.test\n[init]\n\tdefaultBranch = main\n"
    )
    os.environ.clear()
    os.environ.update(sealed)
    yield home
    os.environ.clear()
    os.environ.update(saved)
