"""Finds the checks that a repository already has, from the files of its tools (spec §2).

Only what surely exists is proposed: tests, no linters. A file that cannot be read or understood counts as missing.
"""

from __future__ import annotations

import os
import re
from typing import Any

from ai_workflow.models.base import Record

_MAX_BYTES = 1024 * 1024
_MAX_TEST_FILES = 200
_TEST_FOLDERS = ("tests", "test")
_TEST_FILE = re.compile(r"test_.*\.py|.*_test\.py")
_FOR_PYTEST = re.compile(r"^(async )?def test_|\bpytest\b", re.MULTILINE)
_NO_TEST = re.compile(r"no test specified.*exit 1", re.DOTALL)
_MAKE_TARGET = re.compile(r"^test[ \t]*:(?!=)", re.MULTILINE)
_GO_MODULE = re.compile(r"^module\s", re.MULTILINE)
_LOCK_FILES = (
    ("pnpm-lock.yaml", "pnpm"),
    ("yarn.lock", "yarn"),
    ("bun.lock", "bun"),
    ("bun.lockb", "bun"),
)
_SCRIPT_COMMANDS = {"npm": "npm test", "pnpm": "pnpm test", "yarn": "yarn test", "bun": "bun run test"}


class Detected(Record, frozen=True, kw_only=True):
    """What was found."""

    checks: tuple[str, ...] = ()
    """Shell lines, in a fixed order; empty when nothing was found."""
    command_prefix: str = ""
    """`uv run` when the repository has a pyproject.toml."""
    sources: tuple[str, ...] = ()
    """For each check the file or folder that speaks for it, relative to the root."""


def detect_checks(root: str | os.PathLike[str]) -> Detected:
    """The checks of the repository at `root`; never an error.

    Effects: reads files in the root and in its folder of tests; writes nothing, runs nothing.
    """
    base = os.fspath(root)
    pyproject = _read_toml(base, "pyproject.toml")
    found = [
        _find_pytest(base, pyproject),
        _find_script(base),
        _find_cargo(base),
        _find_go(base),
    ]
    pairs = [pair for pair in found if pair is not None]
    if not pairs:
        target = _find_make_target(base)
        pairs = [target] if target else []
    return Detected(
        checks=tuple(command for command, _ in pairs),
        command_prefix="" if pyproject is None else "uv run",
        sources=tuple(source for _, source in pairs),
    )


def _find_pytest(base: str, pyproject: dict[str, Any] | None) -> tuple[str, str] | None:
    source = _find_pytest_source(base, pyproject)
    if source is None:
        return None
    by_uv = pyproject is not None and (
        "project" in pyproject or "uv" in _table(pyproject, "tool") or os.path.isfile(os.path.join(base, "uv.lock"))
    )
    return ("uv run python -m pytest" if by_uv else "python -m pytest", source)


def _find_pytest_source(base: str, pyproject: dict[str, Any] | None) -> str | None:
    if pyproject is not None and "pytest" in _table(pyproject, "tool"):
        return "pyproject.toml"
    for name, section in (("pytest.ini", "[pytest]"), ("tox.ini", "[pytest]"), ("setup.cfg", "[tool:pytest]")):
        if section in (_read_text(base, name) or ""):
            return name
    return next((folder for folder in _TEST_FOLDERS if _has_pytest_tests(os.path.join(base, folder))), None)


def _has_pytest_tests(folder: str) -> bool:
    """Whether a test file below needs pytest; those of unittest alone do not show that pytest is there."""
    seen = 0
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        for name in sorted(names):
            if name != "conftest.py" and not _TEST_FILE.fullmatch(name):
                continue
            seen += 1
            if name == "conftest.py" or _FOR_PYTEST.search(_read_text(parent, name) or ""):
                return True
            if seen >= _MAX_TEST_FILES:
                return False
    return False


def _find_script(base: str) -> tuple[str, str] | None:
    import json

    text = _read_text(base, "package.json")
    try:
        package: Any = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    script = _table(package, "scripts").get("test")
    if not isinstance(script, str) or not script.strip() or _NO_TEST.search(script):
        return None
    named = package.get("packageManager")
    manager = named.partition("@")[0] if isinstance(named, str) else ""
    if manager not in _SCRIPT_COMMANDS:
        manager = next((tool for lock, tool in _LOCK_FILES if os.path.isfile(os.path.join(base, lock))), "npm")
    return _SCRIPT_COMMANDS[manager], "package.json"


def _find_cargo(base: str) -> tuple[str, str] | None:
    manifest = _read_toml(base, "Cargo.toml") or {}
    return ("cargo test", "Cargo.toml") if "package" in manifest or "workspace" in manifest else None


def _find_go(base: str) -> tuple[str, str] | None:
    return ("go test ./...", "go.mod") if _GO_MODULE.search(_read_text(base, "go.mod") or "") else None


def _find_make_target(base: str) -> tuple[str, str] | None:
    # The order in which make itself looks for its file.
    for name in ("GNUmakefile", "makefile", "Makefile"):
        text = _read_text(base, name)
        if text is not None:
            return ("make test", name) if _MAKE_TARGET.search(text) else None
    return None


def _table(value: Any, name: str) -> dict[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _read_toml(base: str, name: str) -> dict[str, Any] | None:
    import tomllib

    text = _read_text(base, name)
    if text is None:
        return None
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return None


def _read_text(base: str, name: str) -> str | None:
    path = os.path.join(base, name)
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > _MAX_BYTES:
            return None
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except (OSError, ValueError):
        return None
