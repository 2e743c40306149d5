"""Writes what was measured of the peers as tables."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Sequence

from bench.measure import Result
from bench.peer import ACTIONS, ADD, Chain, Peer
from bench.peers import LIMIT_S, Comparison

INTRODUCTION = """\
# aiw beside other tools

Written by `make bench-peers`. The same plan in every tool: its tasks have a title, one line of description and two
acceptance criteria. CPU time (user and system, children included) as a multiple of starting the bare interpreter
(`python -I -c pass`), with which every run alternated and which took {bare_ms:.1f} ms and {bare_mib:.0f} MiB; medians;
then the peak memory of the largest process, where anything up to {bare_mib:.0f} MiB is also what the measuring process
holds. The state was committed to git before. A command that took longer than {limit} s was ended. What differs by less
than a half means nothing.

Telemetry and the check for new versions are off; the home folder is empty but for git's user name; network is used
for installing only.

Machine: {machine}
"""


def write_comparison(made: Comparison, peers: Sequence[Peer], counts: Sequence[int], *, machine: str) -> str:
    """The whole page as Markdown."""
    shown = [peer for peer in peers if peer.name in made.versions]
    lines = INTRODUCTION.format(
        bare_ms=statistics.median(made.bare_ms), bare_mib=made.bare_mib, limit=LIMIT_S, machine=machine
    ).splitlines()
    lines += ["", "| Tool | Version | From | How the plan got in |", "|---|---|---|---|"]
    for peer in shown:
        lines.append(f"| {peer.name} | {made.versions[peer.name]} | {peer.source} | {peer.stored} |")
    lines += [f"| {name} | left out | {reason} | |" for name, reason in made.missing.items()]
    for count in sorted(counts):
        lines += _write_size(made, shown, count)
    lines += ["", "## What was run", "", *_head()]
    for peer in shown:
        chains = peer.chains()
        lines.append(f"| {peer.name} | " + " | ".join(_write_chain(chains[action]) for action in ACTIONS) + " |")
    lines += [
        "",
        "Where a tool has no command that takes a task, the next one is asked for and then marked, as one thing.",
        'Where it has none that takes in a plan, "add the plan" is one task more; a whole plan is as many of these.',
        "Before the first task is taken, aiw begins the milestone: `aiw lane start core M01`, not measured.",
        "aiw 0.1.0 has no list as JSON: its table is measured.",
    ]
    return "\n".join(lines) + "\n"


def _head() -> list[str]:
    return ["| Tool | " + " | ".join(ACTIONS) + " |", "|---|" + "---|" * len(ACTIONS)]


def _write_size(made: Comparison, shown: Sequence[Peer], count: int) -> list[str]:
    runs = max((result.runs for peer in shown for result in made.sizes[peer.name][count].results.values()), default=0)
    lines = ["", f"## {count:,} tasks", "", f"Runs of each command: {runs}.", "", *_head()]
    for peer in shown:
        size = made.sizes[peer.name][count]
        cells = []
        for action in ACTIONS:
            prefix = "" if peer.imports or action != ADD else "one task: "
            cells.append(prefix + (size.notes.get(action) or _write_cell(size.results.get(action))))
        lines.append(f"| {peer.name} | " + " | ".join(cells) + " |")
    troubles = [(peer.name, made.sizes[peer.name][count].trouble) for peer in shown]
    lines += [
        line for name, trouble in troubles if trouble for line in ("", f"{name} could not be measured: {trouble}.")
    ]
    return lines


def _write_cell(result: Result | None) -> str:
    return f"{result.ratio:.1f}, {result.peak_mib:.0f} MiB" if result else "–"


def _write_chain(chain: Chain) -> str:
    return " && ".join(f"`{shlex.join(line)}`" for line in chain)
