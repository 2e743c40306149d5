"""`python -m bench [--tasks 10,1000,…] [--quick] [--peers]`: measures aiw and writes `bench/results/`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.environment import install_package, make_environment, read_python_version
from bench.measure import Bench, Result
from bench.peer_report import write_comparison
from bench.peers import compare, make_peers
from bench.report import Measured, describe_machine, put_into_page, write_plot, write_table
from bench.workspaces import Workspace, make_workspace

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench/results"
PAGE = ROOT / "docs/performance.md"
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
    parser.add_argument("--peers", action="store_true", help="compare with other tools instead, into peers.md")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where to measure (default: the temporary folder)")
    parser.add_argument(
        "--python", type=Path, default=Path(sys.executable), metavar="PATH", help="the interpreter (default: this one)"
    )
    args = parser.parse_args()
    counts = [int(text) for text in args.tasks.split(",")]
    # Everything is deleted at the end and nothing before: see Workspace.copy.
    with tempfile.TemporaryDirectory(prefix="aiw-bench-", dir=args.folder) as folder:
        base = Path(folder).resolve()
        python = install_package(base / "venv", args.python.absolute(), str(ROOT))
        machine = describe_machine(read_python_version(python), base)
        if args.peers:
            made = compare(base, python, counts, quick=args.quick)
            table = write_comparison(made, make_peers(python), counts, machine=machine)
            _put(table, RESULTS / "peers.md", only_print=args.stdout)
            return 0
        measured, bare_ms, processes = _measure_all(base, python, counts, quick=args.quick)
    table = write_table(measured, machine=machine, bare_ms=bare_ms, processes=processes)
    _put(table, RESULTS / "table.md", only_print=args.stdout)
    if not args.stdout:
        PAGE.write_text(put_into_page(PAGE.read_text(), table))
    if not args.stdout and not write_plot(
        measured, RESULTS / "plot.svg", [*READING, "next", "agent finish", "plan import", "report all"]
    ):
        sys.stderr.write("note: no plot, because matplotlib is not installed: uv sync --group bench\n")
    return 0


def _put(table: str, path: Path, *, only_print: bool) -> None:
    if only_print:
        sys.stdout.write(table)
        return
    path.parent.mkdir(exist_ok=True)
    path.write_text(table)
    sys.stderr.write(f"wrote {path}\n")


def _measure_all(base: Path, python: Path, counts: list[int], *, quick: bool) -> tuple[Measured, float, dict[str, int]]:
    """At every size: the results, what the bare interpreter took, and how many git processes there were."""
    env = make_environment(base)
    measured: dict[int, dict[str, Result]] = {}
    bare_ms = 0.0
    processes: dict[str, int] = {}
    for count in counts:
        sys.stderr.write(f"{count:,} tasks\n")
        runs = max(1, RUNS.get(count, 3) // (3 if quick else 1))
        bench = Bench(python, env)
        processes |= _measure(bench, base / str(count), count, python.parent / "aiw", env, runs)
        measured[count] = bench.results()
        bare_ms = bench.bare_ms
        bench.close()
    return measured, bare_ms, processes


def _measure(bench: Bench, folder: Path, count: int, aiw: Path, env: dict[str, str], runs: int) -> dict[str, int]:
    """Every command at one size; how many git processes the writing ones started."""
    tool = str(aiw)
    fresh = make_workspace(folder / "fresh", count, aiw, env)
    if count == 10:
        bench.repeat("--version", (tool, "--version"), fresh.path, runs)
        bench.repeat("--help", (tool, "--help"), fresh.path, runs)
    for number in range(runs):
        ready = fresh.copy(folder / f"imported-{number}")
        ready.warm()
        bench.run("plan import", (tool, "plan", "import"), ready.path)
    ready.aiw("agent", "run", "--lane", "core", "--mode", "queue")
    ready.work(1)
    ready.aiw("agent", "finish", "--commit", "--check-cmd", "true")
    ready.warm()
    for name, words in READING.items():
        bench.repeat(name, (tool, *words), ready.path, runs)
    # The first one looks into every mirror, and remembers which are right.
    ready.aiw("report", "all")
    bench.repeat("report all", (tool, "report", "all"), ready.path, runs)
    for number in range(runs):
        copy = ready.copy(folder / f"copy-{number}")
        copy.warm()
        bench.run("next", (tool, "next"), copy.path)
        copy.work(2)
        bench.run("agent finish", (tool, "agent", "finish", "--commit", "--check-cmd", "true"), copy.path)
    traced = ready.copy(folder / "traced")
    traced.warm()
    return _count_processes(traced, tool, folder / "trace", env)


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


if __name__ == "__main__":
    raise SystemExit(main())
