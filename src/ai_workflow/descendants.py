"""Which processes descend from a command that aiw started, and signals for all of them (spec §6.4 step 5).

Descendants are the processes of its session or group, those that carry its mark in their environment, and whatever
these have started. Only Linux can tell: elsewhere they are those of its process group, so that a child which opened
a session of its own is not found there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping

MARK_VARIABLE = "AIW_PROCESS_MARK"
"""Set in a command's environment and inherited by what it starts; a command inside a command appends its own."""

_ENVIRON_BYTES = 2 * 1024 * 1024
_OUTER_MARKS_CHARS = 1000
_KILL_ROUNDS = 20
_KILL_PAUSE_S = 0.02


def new_mark() -> str:
    """A text that no other process carries."""
    return os.urandom(12).hex()


def marked(env: Mapping[str, str] | None, mark: str) -> dict[str, str]:
    """The environment (None: ours) with the mark added to those that it inherits. Pure but for reading ours."""
    outer = os.environ.get(MARK_VARIABLE, "")[-_OUTER_MARKS_CHARS:]
    return {**(os.environ if env is None else env), MARK_VARIABLE: f"{outer}:{mark}" if outer else mark}


class Descendants:
    """The processes of one command."""

    def __init__(self, *, leader: int | None, mark: str) -> None:
        """
        Args:
            leader: process id of the command when it leads a session of its own; None goes by the mark alone.
            mark: what `marked` put into its environment.
        """
        self._leader = leader
        self._mark = mark.encode()
        self._seen: dict[int, bytes] = {}
        """Found before, with the time of their start; some can no longer be told once those between have ended."""

    def send(self, number: int) -> None:
        """Sends the signal to every one of them; none left is fine."""
        found = self._find() or ()
        # PermissionError: macOS answers so for a group of which only unreaped members are left.
        if self._leader is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._leader, number)
        for pid, group in found:
            if group != self._leader:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)

    def is_alive(self) -> bool:
        """Whether any of them still runs; ended ones that nobody has reaped do not count."""
        found = self._find()
        if found is not None:
            return bool(found)
        if self._leader is None:
            return False
        try:
            os.killpg(self._leader, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def kill(self) -> None:
        """Kills them all, and those that they start meanwhile; gives up on what the kernel does not let go."""
        for _ in range(_KILL_ROUNDS):
            self.send(signal.SIGKILL)
            if not self.is_alive():
                return
            time.sleep(_KILL_PAUSE_S)

    def _find(self) -> list[tuple[int, int]] | None:
        """(pid, group) of each; None where the platform cannot tell."""
        if sys.platform != "linux":
            return None
        known: dict[int, _Process] = {}
        found: set[int] = set()
        try:
            for process in _living_processes():
                known[process.pid] = process
                if self._is_known(process):
                    found.add(process.pid)
        except OSError:
            return None
        added = found
        while added:
            added = {pid for pid, process in known.items() if process.parent in added and pid not in found}
            found = found | added
        found.discard(os.getpid())
        self._seen = {pid: known[pid].started for pid in found}
        return [(pid, known[pid].group) for pid in sorted(found)]

    def _is_known(self, process: _Process) -> bool:
        return (
            self._leader in (process.session, process.group)
            or self._seen.get(process.pid) == process.started
            or self._mark in _read_proc(process.pid, "environ")
        )


class _Process:
    """What the kernel tells about a process."""

    __slots__ = ("group", "parent", "pid", "session", "started")

    def __init__(self, pid: int, fields: list[bytes]) -> None:
        self.pid = pid
        self.parent = int(fields[1])
        self.group = int(fields[2])
        self.session = int(fields[3])
        self.started = fields[19]


def _living_processes() -> Iterator[_Process]:
    """Every process that we may see and that has not ended. Source: proc_pid_stat(5)."""
    for name in os.listdir("/proc"):
        if name.isdecimal():
            # The program's name stands in parentheses and may hold anything, also parentheses.
            fields = _read_proc(int(name), "stat").rpartition(b")")[2].split()
            if len(fields) > 19 and fields[0] not in (b"Z", b"X"):
                yield _Process(int(name), fields)


def _read_proc(pid: int, name: str) -> bytes:
    """The file of a process, as far as it may be read; empty when the process is gone or somebody else's."""
    try:
        descriptor = os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, _ENVIRON_BYTES)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
