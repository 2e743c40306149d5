"""Measures other tools with the same plan."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.environment import make_environment
from bench.measure import Bench, OverTimeError, Result
from bench.peer import ACTIONS, ADD, LISTING, SHOW, STATE, TAKE, MissingError, Peer, Place
from bench.peer_tools import Aiw, Backlog, Dex, OldAiw, Seeds, TaskMaster, Taskwarrior

LIMIT_S = 120
"""How long one measured command may take."""
RUNS = {10: 5, 1_000: 3}
"""Number of tasks → runs of each command; one where nothing is said."""


@dataclass
class Size:
    """What was measured of a peer with one number of tasks.

    Attributes:
        results: by action.
        notes: action → why there is no result.
        trouble: why there is none at all.
    """

    results: dict[str, Result] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    trouble: str = ""


@dataclass
class Comparison:
    """What was measured of all.

    Attributes:
        versions: name of a peer → its version.
        missing: name of a peer → why it was not measured.
        sizes: name of a peer → number of tasks → what was measured.
        bare_ms: what the bare interpreter took, each time.
        bare_mib: its peak memory.
    """

    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, dict[int, Size]] = field(default_factory=dict)
    bare_ms: list[float] = field(default_factory=list)
    bare_mib: float = 0.0


def make_peers(python: Path) -> list[Peer]:
    """All, this aiw first.

    Args:
        python: the interpreter of the environment that aiw is installed in.
    """
    return [Aiw(python), OldAiw(python), Taskwarrior(), Seeds(), Dex(), Backlog(), TaskMaster()]


def compare(base: Path, python: Path, counts: list[int], *, quick: bool) -> Comparison:
    """Installs each peer that can be installed into a folder in `base` and measures it."""
    made = Comparison()
    for place_number, peer in enumerate(make_peers(python)):
        folder = base / f"peer-{place_number}"
        folder.mkdir()
        place = Place(folder, make_environment(folder))
        sys.stderr.write(f"{peer.name}: installing\n")
        try:
            made.versions[peer.name] = peer.install(place)
        except MissingError as error:
            made.missing[peer.name] = str(error)
            sys.stderr.write(f"{peer.name}: left out: {error}\n")
            continue
        made.sizes[peer.name] = {}
        for count in counts:
            sys.stderr.write(f"{peer.name}: {count:,} tasks\n")
            runs = 1 if quick else RUNS.get(count, 1)
            bench = Bench(python, place.env, limit_s=LIMIT_S)
            try:
                made.sizes[peer.name][count] = _measure(bench, peer, place, count, runs)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                # One tool that does not work here must not cost what was measured of the others.
                sys.stderr.write(f"{error}\n")
                said = str(error).splitlines()[0].rstrip(":") if isinstance(error, RuntimeError) else "over ten minutes"
                made.sizes[peer.name][count] = Size(notes=dict.fromkeys(ACTIONS, "–"), trouble=said)
            else:
                made.bare_ms.append(bench.bare_ms)
                made.bare_mib = max(made.bare_mib, bench.bare_mib)
            bench.close()
    return made


def _measure(bench: Bench, peer: Peer, place: Place, count: int, runs: int) -> Size:
    """Every action with one number of tasks; an action that fails or takes too long costs only its own row."""
    size = Size()
    base = place.folder / str(count)
    chains = {action: place.find(chain) for action, chain in peer.chains().items()}
    empty = _make_empty(base / "bench", peer, place)
    full = _copy(empty, base / "0")
    if peer.imports:
        with _noting(size, ADD):
            for number in range(runs):
                full = _copy(empty, base / f"import-{number}")
                peer.warm(full, place)
                peer.offer(full, count)
                bench.run(ADD, chains[ADD], full)
    else:
        peer.offer(full, count)
    if size.notes:
        return size
    _commit(full, place)
    peer.settle(full, place)
    peer.warm(full, place)
    _check(peer, place, full, count)
    for action in (STATE, LISTING, SHOW):
        with _noting(size, action):
            bench.repeat(action, chains[action], full, runs)
    for action in (TAKE,) if peer.imports else (TAKE, ADD):
        with _noting(size, action):
            for number in range(runs):
                copy = _copy(full, base / f"{'take' if action == TAKE else 'add'}-{number}")
                peer.warm(copy, place)
                bench.run(action, chains[action], copy)
    size.results = bench.results()
    return size


def _check(peer: Peer, place: Place, project: Path, count: int) -> None:
    """Figures for a plan that did not get in, or not whole, would say nothing."""
    (line,) = peer.chains()[LISTING]
    with suppress(subprocess.TimeoutExpired):  # the measured run will say so
        if peer.last(count) not in place.run(project, *line, limit_s=LIMIT_S):
            raise RuntimeError(f"{peer.name} does not list all of {count:,} tasks")


@contextmanager
def _noting(size: Size, action: str) -> Iterator[None]:
    try:
        yield
    except OverTimeError:
        size.notes[action] = f"over {LIMIT_S} s"
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")
        size.notes[action] = "failed"


def _make_empty(project: Path, peer: Peer, place: Place) -> Path:
    """A repository with the tool set up and no task."""
    project.mkdir(parents=True)
    place.run(project, "git", "init", "--quiet", "--initial-branch=main")
    (project / "README.md").write_text("# bench\n")
    _commit(project, place)
    peer.begin(project, place)
    _commit(project, place)
    return project


def _commit(project: Path, place: Place) -> None:
    """What there is, as people do with tools that keep their state in the repository."""
    place.run(project, "git", "add", "--all")
    place.run(project, "git", "commit", "--quiet", "--allow-empty", "--message", "State")


def _copy(project: Path, path: Path) -> Path:
    """Always into a new folder, for the reason given in `Workspace.copy`."""
    # Named like the original: a tool may derive ids from the name of the folder.
    copy = path / project.name
    path.mkdir()
    subprocess.run(["cp", "-a", str(project), str(copy)], check=True)
    return copy
