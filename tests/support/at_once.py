"""Processes that all pass one gate: forked from an interpreter that has imported what their commands need.

Started one after the other, most of twenty processes import while the first is through already; here they meet at the
locks. Run as `python -m support.at_once PLAN.json` in the project; it prints what became of each (`Ended`).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from support.forks import become, import_all

_DEADLINE_S = 180
_TASKS = Path("docs/ai/workspace/state/tasks")


def main() -> None:
    """Runs the plan: a list of `{"words", "output", "delay_s", "kill_after_s", "works"}`."""
    import_all()
    plan: list[dict[str, Any]] = json.loads(Path(sys.argv[1]).read_text())
    gate, opener = os.pipe()
    pids = [_fork(one, gate, opener) for one in plan]
    os.close(gate)
    os.close(opener)
    started = time.monotonic()
    kills = sorted((one["kill_after_s"], pid) for one, pid in zip(plan, pids, strict=True) if one["kill_after_s"])
    for after_s, pid in kills:
        time.sleep(max(0.0, started + after_s - time.monotonic()))
        # Not waited for yet, so the number is still its own.
        os.kill(pid, signal.SIGKILL)
    print(json.dumps([_wait(pid, started + _DEADLINE_S) for pid in pids]))


def _fork(one: dict[str, Any], gate: int, opener: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        os.close(opener)
        os.read(gate, 1)
        os.close(gate)
        time.sleep(one["delay_s"])
        if one["works"]:
            write_work(Path())
        code = become(one["words"], stdout=f"{one['output']}.stdout", stderr=f"{one['output']}.stderr")
    finally:
        os._exit(code)


def _wait(pid: int, end: float) -> int:
    """Its exit code, or the negative number of the signal that ended it."""
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(pid, signal.SIGABRT)
        time.sleep(0.005)


def write_work(project: Path) -> None:
    """What the agent of the active task does."""
    for path in (project / _TASKS).glob("*.json"):
        # Another process may remove it, or be writing it, in this moment.
        with contextlib.suppress(OSError, ValueError):
            task = json.loads(path.read_text())
            if task["status"] in ("claimed", "in_progress"):
                target = project / (task["conflict_scopes"] or ["src/other.txt"])[0]
                target.parent.mkdir(exist_ok=True)
                target.write_text(f"{task['id']} {random.random()}\n")


if __name__ == "__main__":
    main()
