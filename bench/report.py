"""Writes what was measured as a table and a plot."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.measure import Result

Measured = Mapping[int, Mapping[str, Result]]
"""Number of tasks → command → result."""

_BEGIN = "<!-- bench: written by `make bench` -->\n"
_END = "<!-- end -->"
TARGETS: dict[str, tuple[str, str, str, str]] = {
    "--version": ("1.3", "", "", ""),
    "--help": ("2.2", "", "", ""),
    "status": ("2", "2.2", "4", "25"),
    "task show": ("2", "2.2", "4", "25"),
    "task list --json": ("3", "4", "12", "linear"),
    "next": ("9", "9", "11", "35"),
    "plan import": ("5", "7", "40", "linear"),
    "report all": ("9", "9", "11", "35"),
    "agent finish": ("16", "16", "18", ""),
}
"""What each should cost at most at 10, 1,000, 10,000 and 100,000 tasks."""


def describe_machine(python: str, folder: Path) -> str:
    """One line on where it was measured."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    # Of the kernel its version; what a distribution appends tells nothing here.
    kernel = f"{platform.system()} {platform.release().split('-')[0]}"
    return f"{model}, {kernel}, {_read_file_system(folder)}, Python {python}"


def _read_file_system(folder: Path) -> str:
    """The type of the file system that a folder is on."""
    here = f"{folder.resolve()}/"
    # Device, mount point, type, options. The longest mount point wins, and of equal ones the one mounted last.
    mounts = [(fields[1].rstrip("/") + "/", fields[2]) for fields in map(str.split, _lines("/proc/mounts"))]
    fitting = [(len(point), place, kind) for place, (point, kind) in enumerate(mounts) if here.startswith(point)]
    return max(fitting)[2] if fitting else "unknown file system"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def write_table(measured: Measured, *, machine: str, bare_ms: float, processes: Mapping[str, int]) -> str:
    """The table as Markdown: CPU as a multiple of the bare interpreter, peak memory, targets."""
    counts = sorted(measured)
    names = list(dict.fromkeys(name for count in counts for name in measured[count]))
    lines = [
        "# What commands cost",
        "",
        "Written by `make bench`. CPU time (user and system, children included) as a multiple of starting the bare",
        f"interpreter, which took {bare_ms:.1f} ms; medians of alternating runs; in brackets the target, then the peak",
        "memory in MiB.",
        "",
        f"Machine: {machine}",
        "",
        "| Command | " + " | ".join(f"{count:,} tasks" for count in counts) + " | git processes |",
        "|---|" + "---|" * (len(counts) + 1),
    ]
    for name in names:
        cells = [_cell(measured[count].get(name), _target(name, count)) for count in counts]
        lines.append(f"| `{name}` | " + " | ".join(cells) + f" | {processes.get(name, '')} |")
    return "\n".join(lines) + "\n"


def put_into_page(page: str, table: str) -> str:
    """The page of the documentation with the table, without its title, between the two marks."""
    head, begin, rest = page.partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    return f"{head}{begin}\n{table.partition(chr(10))[2].strip()}\n\n{end}{tail}"


def _target(name: str, count: int) -> str:
    place = {10: 0, 1_000: 1, 10_000: 2, 100_000: 3}.get(count)
    return TARGETS[name][place] if place is not None and name in TARGETS else ""


def _cell(result: Result | None, target: str) -> str:
    if result is None:
        return ""
    bound = f" ({target if target == 'linear' else f'≤ {target}'})" if target else ""
    return f"{result.ratio:.1f}" + bound + f", {result.peak_mib:.0f} MiB"


def write_plot(measured: Measured, path: Path, names: Sequence[str]) -> bool:
    """The plot as SVG; False when matplotlib is not installed."""
    try:
        import matplotlib as mpl
    except ImportError:
        return False
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "aiw"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5))
    for name in names:
        points = [(count, measured[count][name].ratio) for count in sorted(measured) if name in measured[count]]
        axes.plot([count for count, _ in points], [ratio for _, ratio in points], marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="tasks", ylabel="CPU, starts of the bare interpreter")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return True
