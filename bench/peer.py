"""What a compared tool is: how it is installed, how it gets the plan, and what is typed for each thing measured."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Line = tuple[str, ...]
"""One command line; its first word is the name of a program."""
Chain = tuple[Line, ...]
"""Command lines that run one after the other, as one measured thing."""

STATE = "show the state"
LISTING = "list all as JSON"
SHOW = "show one task"
TAKE = "take the next task"
ADD = "add the plan"
ACTIONS = (STATE, LISTING, SHOW, TAKE, ADD)

PER_MILESTONE = 10
LONG_AGO = "2026-01-01T00:00:00.000Z"


class MissingError(Exception):
    """A peer cannot be measured here; the message says why."""


@dataclass(frozen=True)
class Task:
    """A task of the plan, as a peer may store it."""

    number: int
    title: str
    description: str
    criteria: tuple[str, str]


def make_tasks(count: int) -> Iterator[Task]:
    """The tasks of `bench.workspaces.write_plan`."""
    for number in range(1, count + 1):
        yield Task(
            number=number,
            title=f"Consolidate parser cleanup behavior number {number}",
            description=f"Touches src/part{(number - 1) // PER_MILESTONE + 1}/file{(number - 1) % PER_MILESTONE}.py",
            criteria=(f"the behavior {number} is consolidated in one place.", f"test_{number} covers it."),
        )


@dataclass
class Place:
    """Where a peer is installed and what it is started with.

    Attributes:
        folder: of its own.
        env: its variables.
        programs: the name typed → the path.
    """

    folder: Path
    env: dict[str, str]
    programs: dict[str, str] = field(default_factory=dict)

    def find(self, chain: Chain) -> tuple[str, ...]:
        """What to start for a chain: the program itself, or a shell for several."""
        lines = [(self.programs.get(line[0], line[0]), *line[1:]) for line in chain]
        if len(lines) == 1:
            return lines[0]
        return ("/bin/sh", "-c", " && ".join(shlex.join(line) for line in lines))

    def run(self, cwd: Path, *line: str, limit_s: float = 600) -> str:
        """Runs something that is not measured.

        Raises:
            RuntimeError: it failed.
        """
        argv = self.find((line,))
        done = subprocess.run(
            argv, cwd=cwd, env=self.env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=limit_s
        )
        if done.returncode != 0:
            raise RuntimeError(f"{shlex.join(line)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout


class Peer:
    """A tool to compare with.

    Attributes:
        name: as people call it.
        source: where it is from.
        imports: whether one command takes in the whole plan; if not, ADD is one task more.
        stored: how the plan got into it.
    """

    name: str
    source: str
    imports = True
    stored: str

    def install(self, place: Place) -> str:
        """Its version.

        Raises:
            MissingError: it does not install here.
        """
        raise NotImplementedError

    def begin(self, project: Path, place: Place) -> None:
        """Sets it up in a repository without tasks."""

    def offer(self, project: Path, count: int) -> None:
        """Puts the plan where `ADD` takes it from; for one that does not import, straight into what it stores."""
        raise NotImplementedError

    def settle(self, project: Path, place: Place) -> None:
        """What must be done after the import and before the first task can be taken."""

    def warm(self, project: Path, place: Place) -> None:
        """Makes a copied project what one in use is."""

    def last(self, count: int) -> str:
        """A text that the list holds if all tasks are there."""
        return f"number {count}"

    def chains(self) -> Mapping[str, Chain]:
        """What is typed for each of ACTIONS."""
        raise NotImplementedError


def install_npm(place: Place, packages: Mapping[str, str]) -> dict[str, str]:
    """npm packages in the folder of a peer.

    Args:
        place: whose folder.
        packages: program → package.

    Returns:
        Package → version.

    Raises:
        MissingError: npm is not there, or it failed.
    """
    folder = str(place.folder)
    # Without scripts: nothing of a stranger's runs at install, and what is measured must not depend on it. With the
    # caller's own variables, because they may say how to reach the registry.
    argv = ["npm", "install", "--prefix", folder, "--cache", f"{folder}/.npm", "--ignore-scripts", "--no-audit"]
    try:
        done = subprocess.run([*argv, "--no-fund", *packages.values()], capture_output=True, text=True, timeout=600)
    except FileNotFoundError:
        raise MissingError("npm is not installed") from None
    except subprocess.TimeoutExpired:
        raise MissingError("npm install took longer than ten minutes") from None
    if done.returncode != 0:
        raise MissingError("npm install failed")
    versions = {}
    for program, package in packages.items():
        about = json.loads((place.folder / "node_modules" / package / "package.json").read_text())
        versions[package] = str(about["version"])
        place.programs[program] = str(place.folder / "node_modules/.bin" / program)
    return versions
