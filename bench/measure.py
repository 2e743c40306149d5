"""Measures whole processes in alternating pairs against the bare interpreter."""

from __future__ import annotations

import marshal
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
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


class OverTimeError(Exception):
    """A command was ended because it took longer than it was given."""


class Starter:
    """The small process that starts what is measured; see `bench.starter`."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("starter.py")
        # Unbuffered, so that waiting for its next line with `select` is not misled by what was read ahead.
        self._process = subprocess.Popen(
            (sys.executable, "-I", "-S", script), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )

    def measure(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], limit_s: float | None) -> Cost:
        """Runs a command to its end.

        Raises:
            OverTimeError: it took longer than the limit, and was ended.
            RuntimeError: it did not exit with 0.
        """
        with tempfile.NamedTemporaryFile(prefix="aiw-bench-errors-") as errors:
            request = marshal.dumps((tuple(argv), str(cwd), dict(env), errors.name))
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(len(request).to_bytes(4, "big") + request)
            pid = int(self._process.stdout.readline())
            in_time = bool(select.select([self._process.stdout], [], [], limit_s)[0])
            if not in_time:
                os.killpg(pid, signal.SIGKILL)
            code, cpu_s, peak_kib = self._process.stdout.readline().split()
            if not in_time:
                raise OverTimeError(" ".join(argv))
            if int(code) != 0:
                said = Path(errors.name).read_text(errors="replace")
                raise RuntimeError(f"{' '.join(argv)} ended with {int(code)}:\n{said}")
        return Cost(cpu_s=float(cpu_s), peak_kib=int(peak_kib))

    def close(self) -> None:
        """Ends it."""
        self._process.communicate()


class Bench:
    """Collects runs; each is preceded by a start of the bare interpreter.

    Args:
        python: the interpreter that aiw runs in.
        limit_s: how long one command may take; None for as long as it likes.
    """

    def __init__(self, python: Path, env: Mapping[str, str], *, limit_s: float | None = None) -> None:
        self._bare = (str(python), "-I", "-c", "pass")
        self._env = dict(env)
        self._limit_s = limit_s
        self._starter = Starter()
        self._bare_costs: list[Cost] = []
        self._costs: dict[str, list[Cost]] = {}

    def run(self, name: str, argv: Sequence[str], cwd: Path) -> None:
        """One pair of runs.

        Raises:
            OverTimeError: the command took longer than the limit.
            RuntimeError: it did not exit with 0.
        """
        self._bare_costs.append(self._starter.measure(self._bare, cwd, self._env, None))
        self._costs.setdefault(name, []).append(self._starter.measure(argv, cwd, self._env, self._limit_s))

    def repeat(self, name: str, argv: Sequence[str], cwd: Path, times: int) -> None:
        """Several pairs; for commands that leave everything as it was."""
        for _ in range(times):
            self.run(name, argv, cwd)

    def close(self) -> None:
        """Ends the process that starts the others."""
        self._starter.close()

    @property
    def bare_ms(self) -> float:
        """Median CPU time of the bare interpreter."""
        return statistics.median(cost.cpu_s for cost in self._bare_costs) * 1000

    @property
    def bare_mib(self) -> float:
        """Peak memory of the bare interpreter."""
        return max(cost.peak_kib for cost in self._bare_costs) / 1024

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
            if costs  # none when the first run took too long
        }
