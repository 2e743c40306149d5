"""The house rules that a program can check; the direction of imports is import-linter's (`make layers`)."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "ai_workflow"
MAX_LINES = 400
MAX_FUNCTION_LINES = 60


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if "demo/project" not in path.as_posix():
            yield path, ast.parse(path.read_text())


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def test_files_and_functions_stay_small() -> None:
    long_files = [relative(path) for path, _ in modules() if len(path.read_text().splitlines()) > MAX_LINES]
    long_functions = [
        f"{relative(path)}:{node.name}"
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert (long_files, long_functions) == ([], [])


def test_only_process_starts_processes() -> None:
    users = {
        relative(path)
        for path, tree in modules()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Import) and any(alias.name == "subprocess" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module == "subprocess")
        or (
            isinstance(node, ast.Attribute)
            and ast.unparse(node) in ("os.system", "os.popen", "os.posix_spawn", "os.fork")
        )
    }
    assert users == {"process.py"}


def test_only_fsio_writes_files() -> None:
    writers = set()
    for path, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
                modes = [arg.value for arg in node.args[1:2] if isinstance(arg, ast.Constant)]
                if any(set(str(mode)) & set("wax+") for mode in modes):
                    writers.add(relative(path))
            if isinstance(node, ast.Attribute) and node.attr in ("write_text", "write_bytes"):
                writers.add(relative(path))
    # The process trace is a hook for tests that appends lines; everything else goes through fsio.
    assert writers - {"process.py"} == set()


def test_every_module_and_public_name_has_a_docstring() -> None:
    missing = []
    for path, tree in modules():
        if not ast.get_docstring(tree) and path.read_text().strip():
            missing.append(relative(path))
        missing += [
            f"{relative(path)}:{node.name}"
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            and not node.name.startswith("_")
            and not ast.get_docstring(node)
        ]
    assert missing == []


def test_every_command_has_help_with_an_example() -> None:
    from ai_workflow.cli.runtime import Command
    from ai_workflow.cli.table import COMMANDS, GROUPS

    for name, (target, about) in COMMANDS.items():
        module, _, attribute = target.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, Command), name
        assert about, name
        assert command.example.startswith(f"aiw {name}"), name
        help_text = command.make_parser(name).format_help()
        assert command.example in help_text
        assert all(action.help for action in command.make_parser(name)._actions), name
    assert {name.split()[0] for name in COMMANDS if " " in name} == set(GROUPS)


def test_pins_are_the_same_for_pip_and_for_uv() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert project["tool"]["uv"]["constraint-dependencies"] == pins
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin) for pin in pins)


@pytest.mark.parametrize("name", ["README.md", "docs/spec.md", "docs/architecture.md", "AGENTS.md", "CHANGELOG.md"])
def test_documents_exist_and_their_links_lead_somewhere(name: str) -> None:
    path = ROOT / name
    text = path.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_readme_begins_with_the_two_commands_of_ci() -> None:
    commands = ["python -m pip install uv && uv run aiw demo", "python -m pip install uv && uv run python -m pytest"]
    readme = (ROOT / "README.md").read_text()
    shown = [
        line.strip() for block in re.findall(r"```\w*\n(.*?)```", readme, re.DOTALL) for line in block.splitlines()
    ]
    assert shown[:2] == commands or [line for line in shown if line.startswith("python -m pip")][:2] == commands
    ci = (ROOT / ".ci/run").read_text()
    assert all(command in ci for command in commands)


def test_every_command_says_what_its_json_looks_like() -> None:
    from importlib import import_module

    from ai_workflow.cli.table import COMMANDS

    missing = []
    for path, (target, _about) in COMMANDS.items():
        module, _, name = target.partition(":")
        if not getattr(import_module(module), name).shape:
            missing.append(path)
    assert missing == []
