"""`python -m bench [--tasks 10,1000,…] [--quick]`: measures aiw and writes `bench/results/`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from bench.measure import Bench, Result
from bench.report import Measured, describe_machine, write_plot, write_table
from bench.workspaces import Workspace, make_workspace

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench/results"
RUNS = {10: 11, 1_000: 7, 10_000: 3, 100_000: 1}
READING = {
    "status": ("status",),
    "task show": ("task", "show", "TASK-003"),
    "task list --json": ("task", "list", "--json"),
}


def main() -> int:
    """Measures and writes; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--tasks", default="10,1000,10000", help="sizes of the plan (default: 10,1000,10000)")
    parser.add_argument("--quick", action="store_true", help="a third of the runs")
    parser.add_argument("--stdout", action="store_true", help="print the table and write nothing")
    args = parser.parse_args()
    counts = [int(text) for text in args.tasks.split(",")]
    with tempfile.TemporaryDirectory(prefix="aiw-bench-") as folder:
        base = Path(folder)
        python = _install(base / "venv")
        env = _environment(base)
        measured: dict[int, dict[str, Result]] = {}
        bare_ms = 0.0
        processes: dict[str, int] = {}
        for count in counts:
            sys.stderr.write(f"{count:,} tasks\n")
            runs = max(1, RUNS.get(count, 3) // (3 if args.quick else 1))
            bench = Bench(python, env)
            processes |= _measure(bench, base / str(count), count, python.parent / "aiw", env, runs)
            measured[count] = bench.results()
            bare_ms = bench.bare_ms
        version = _read_version(python)
    machine = describe_machine(version)
    table = write_table(measured, machine=machine, bare_ms=bare_ms, processes=processes)
    if args.stdout:
        sys.stdout.write(table)
        return 0
    _write(table, measured)
    return 0


def _install(folder: Path) -> Path:
    """aiw in an environment of its own: what else is installed would cost start-up time."""
    venv.create(folder, with_pip=True)
    python = folder / "bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(ROOT)], check=True)
    subprocess.run([python, "-m", "compileall", "-q", folder / "lib"], check=False)
    return python


def _read_version(python: Path) -> str:
    script = "import platform; print(platform.python_version())"
    return subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def _environment(base: Path) -> dict[str, str]:
    home = base / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\n\tname = Bench\n\temail = bench@example.org\n")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("GIT_", "PYTHON", "AIW_"))}
    return {**kept, "HOME": str(home), "LC_ALL": "C.UTF-8"}


def _measure(bench: Bench, folder: Path, count: int, aiw: Path, env: dict[str, str], runs: int) -> dict[str, int]:
    """Every command at one size; how many git processes the writing ones started."""
    tool = str(aiw)
    fresh = make_workspace(folder / "fresh", count, aiw, env)
    if count == 10:
        bench.repeat("--version", (tool, "--version"), fresh.path, runs)
        bench.repeat("--help", (tool, "--help"), fresh.path, runs)
    for _ in range(runs):
        copy = fresh.copy(folder / "copy")
        bench.run("plan import", (tool, "plan", "import"), copy.path)
    ready = copy.copy(folder / "ready")
    ready.aiw("agent", "run", "--lane", "core", "--mode", "queue")
    ready.work(1)
    ready.aiw("agent", "finish", "--commit", "--check-cmd", "true")
    for name, words in READING.items():
        bench.repeat(name, (tool, *words), ready.path, runs)
    bench.repeat("report all", (tool, "report", "all"), ready.path, runs)
    for _ in range(runs):
        copy = ready.copy(folder / "copy")
        bench.run("next", (tool, "next"), copy.path)
        copy.work(2)
        bench.run("agent finish", (tool, "agent", "finish", "--commit", "--check-cmd", "true"), copy.path)
    return _count_processes(ready.copy(folder / "copy"), tool, folder / "trace", env)


def _count_processes(workspace: Workspace, tool: str, trace: Path, env: dict[str, str]) -> dict[str, int]:
    counts = {}
    for name, words in {
        "status": ("status",),
        "next": ("next",),
        "agent finish": ("agent", "finish", "--commit", "--check-cmd", "true"),
    }.items():
        trace.unlink(missing_ok=True)
        traced = {**env, "AIW_TRACE_PROCESSES": str(trace)}
        subprocess.run([tool, *words], cwd=workspace.path, env=traced, check=True, capture_output=True)
        lines = trace.read_text().splitlines() if trace.exists() else []
        counts[name] = sum(1 for line in lines if json.loads(line)[0].endswith("git"))
        workspace.work(2)
    return counts


def _write(table: str, measured: Measured) -> None:
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "table.md").write_text(table)
    if not write_plot(measured, RESULTS / "plot.svg", [*READING, "next", "agent finish", "plan import", "report all"]):
        sys.stderr.write("note: no plot, because matplotlib is not installed: uv sync --group bench\n")
    sys.stderr.write(f"wrote {RESULTS}\n")


if __name__ == "__main__":
    raise SystemExit(main())
