"""Which checks `init` finds in a repository, and that nothing in one can stop it (spec §2)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ai_workflow.config.detect import Detected, detect_checks

PYTEST = "[project]\nname = 'x'\n[tool.pytest.ini_options]\n"
NPM = '{"scripts": {"test": "vitest run"}}'
PLACEHOLDER = json.dumps({"scripts": {"test": 'echo "Error: no test specified" && exit 1'}})


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("files", "checks", "prefix", "sources"),
    [
        ({}, (), "", ()),
        ({"pyproject.toml": PYTEST}, ("uv run python -m pytest",), "uv run", ("pyproject.toml",)),
        ({"pyproject.toml": "[tool.pytest.ini_options]"}, ("python -m pytest",), "uv run", ("pyproject.toml",)),
        ({"pyproject.toml": "[tool.uv]\n[tool.pytest]"}, ("uv run python -m pytest",), "uv run", ("pyproject.toml",)),
        ({"pyproject.toml": "[project]\nname = 'x'"}, (), "uv run", ()),
        ({"pyproject.toml": "[tool.ruff]\n[tool.mypy]"}, (), "uv run", ()),
        (
            {"pyproject.toml": "[project]\nname='x'", "tests/deep/test_a.py": "def test_a(): pass"},
            ("uv run python -m pytest",),
            "uv run",
            ("tests",),
        ),
        ({"tests/test_a.py": "import unittest\nclass T: pass"}, (), "", ()),
        ({"tests/conftest.py": ""}, ("python -m pytest",), "", ("tests",)),
        ({"test/a_test.py": "import pytest"}, ("python -m pytest",), "", ("test",)),
        ({"tests/readme.txt": "pytest"}, (), "", ()),
        ({"setup.cfg": "[tool:pytest]\n"}, ("python -m pytest",), "", ("setup.cfg",)),
        ({"package.json": NPM}, ("npm test",), "", ("package.json",)),
        ({"package.json": NPM, "pnpm-lock.yaml": ""}, ("pnpm test",), "", ("package.json",)),
        ({"package.json": NPM, "yarn.lock": ""}, ("yarn test",), "", ("package.json",)),
        ({"package.json": NPM, "bun.lockb": ""}, ("bun run test",), "", ("package.json",)),
        (
            {"package.json": NPM[:-1] + ', "packageManager": "pnpm@9.1.0"}', "yarn.lock": ""},
            ("pnpm test",),
            "",
            ("package.json",),
        ),
        ({"package.json": PLACEHOLDER}, (), "", ()),
        ({"package.json": '{"scripts": {"test": ""}}'}, (), "", ()),
        ({"package.json": '{"scripts": {"test": ["x"]}}'}, (), "", ()),
        ({"package.json": '{"scripts": {"build": "x"}}'}, (), "", ()),
        ({"Cargo.toml": "[package]\nname='x'"}, ("cargo test",), "", ("Cargo.toml",)),
        ({"Cargo.toml": "[workspace]"}, ("cargo test",), "", ("Cargo.toml",)),
        ({"go.mod": "module example.com/x\n"}, ("go test ./...",), "", ("go.mod",)),
        ({"Makefile": "all:\n\ntest: all\n\techo\n"}, ("make test",), "", ("Makefile",)),
        ({"Makefile": "test := x\ntested:\n"}, (), "", ()),
        ({"Makefile": "test:\n", "go.mod": "module x\n"}, ("go test ./...",), "", ("go.mod",)),
        (
            {"Cargo.toml": "[package]", "package.json": NPM, "pyproject.toml": PYTEST},
            ("uv run python -m pytest", "npm test", "cargo test"),
            "uv run",
            ("pyproject.toml", "package.json", "Cargo.toml"),
        ),
    ],
)
def test_checks_are_found(
    tmp_path: Path, files: dict[str, str], checks: tuple[str, ...], prefix: str, sources: tuple[str, ...]
) -> None:
    _write(tmp_path, files)
    assert detect_checks(tmp_path) == Detected(checks=checks, command_prefix=prefix, sources=sources)


@pytest.mark.parametrize(
    "name", ["pyproject.toml", "package.json", "Cargo.toml", "go.mod", "Makefile", "setup.cfg", "tests"]
)
@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe\x00",
        b"{" * 100_000,
        b"[" * 100_000,
        b"[]",
        b"1",
        b'"x"',
        b"a = ",
        b"tool = 1\nscripts = 2",
        b"\0" * 2_000_000,
    ],
)
def test_a_damaged_file_counts_as_missing(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert detect_checks(tmp_path).checks == ()


@pytest.mark.parametrize("name", ["pyproject.toml", "package.json", "Makefile"])
def test_what_is_no_file_counts_as_missing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / "go.mod").symlink_to("go.mod")
    os.mkfifo(tmp_path / "Cargo.toml")
    assert detect_checks(tmp_path) == Detected()
    assert detect_checks(tmp_path / "missing") == Detected()
