"""Measures whole processes in alternating pairs against the bare interpreter."""

from __future__ import annotations

import os
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """What one process, with all it waited for, took."""

    cpu_s: float
    """User and system time."""
    peak_kib: int
    """Largest resident set of any process of the tree."""


@dataclass(frozen=True)
class Result:
    """Several runs of a command."""

    ratio: float
    """Median of its CPU time by that of the bare interpreter, started in turn with it."""
    cpu_ms: float
    peak_mib: float
    runs: int


def measure(argv: Sequence[str], cwd: Path, *, env: Mapping[str, str] | None = None) -> Cost:
    """Runs a command to its end.

    Raises:
        RuntimeError: it did not exit with 0.
    """
    with open(os.devnull, "r+b") as null:
        process = subprocess.Popen(argv, cwd=cwd, stdin=null, stdout=null, stderr=subprocess.PIPE, env=env)
        errors = process.stderr.read() if process.stderr else b""
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} ended with {process.returncode}:\n{errors.decode(errors='replace')}")
    return Cost(cpu_s=usage.ru_utime + usage.ru_stime, peak_kib=usage.ru_maxrss)


class Bench:
    """Collects runs; each is preceded by a start of the bare interpreter.

    Args:
        python: the interpreter that aiw runs in.
    """

    def __init__(self, python: Path, env: Mapping[str, str]) -> None:
        self._bare = (str(python), "-I", "-c", "pass")
        self._env = dict(env)
        self._bare_costs: list[Cost] = []
        self._costs: dict[str, list[Cost]] = {}

    def run(self, name: str, argv: Sequence[str], cwd: Path) -> None:
        """One pair of runs."""
        self._bare_costs.append(measure(self._bare, cwd, env=self._env))
        self._costs.setdefault(name, []).append(measure(argv, cwd, env=self._env))

    def repeat(self, name: str, argv: Sequence[str], cwd: Path, times: int) -> None:
        """Several pairs; for commands that leave everything as it was."""
        for _ in range(times):
            self.run(name, argv, cwd)

    @property
    def bare_ms(self) -> float:
        """Median CPU time of the bare interpreter."""
        return statistics.median(cost.cpu_s for cost in self._bare_costs) * 1000

    def results(self) -> dict[str, Result]:
        """By the name of what was run, in that order."""
        return {
            name: Result(
                ratio=statistics.median(cost.cpu_s for cost in costs) * 1000 / self.bare_ms,
                cpu_ms=statistics.median(cost.cpu_s for cost in costs) * 1000,
                peak_mib=max(cost.peak_kib for cost in costs) / 1024,
                runs=len(costs),
            )
            for name, costs in self._costs.items()
        }
