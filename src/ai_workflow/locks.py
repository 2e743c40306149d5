"""Kernel locks: short mutexes that the death of their holder releases (spec §7.1).

The file's text (`pid`, `command`, `since`) only serves the message to those who wait; the lock is the kernel's. A
holder that asks for it (`on_left`) also learns by text that is still there that the one before died with the lock.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from types import TracebackType

from ai_workflow.clock import format_utc
from ai_workflow.errors import AiwError, Kind
from ai_workflow.fsio import make_directory, translated

DEFAULT_DEADLINE_S = 30.0
_POLL_S = (0.005, 0.01, 0.02, 0.05, 0.1)
_TELL_AFTER_S = 0.5
_OPEN_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
"""A link is not followed: the holder writes its name into the file, and a clone may bring links."""


def deadline_from_environment() -> float:
    """Seconds to wait for a lock: `AIW_LOCK_TIMEOUT`, or 30."""
    try:
        return max(0.0, float(os.environ.get("AIW_LOCK_TIMEOUT", DEFAULT_DEADLINE_S)))
    except ValueError:
        return DEFAULT_DEADLINE_S


class KernelLock:
    """An exclusive lock on a file, held from `acquire` (or entering the context) to `release`.

    The descriptor may be handed to child processes (`descriptor`): an orphan then keeps the lock until it ends.

    Attributes:
        left_behind: what a holder that died wrote into the file; empty when the last one released it.
    """

    def __init__(
        self,
        path: str,
        *,
        purpose: str,
        on_wait: Callable[[str], None] | None = None,
        on_left: Callable[[int], bool] | None = None,
    ) -> None:
        """
        Args:
            path: the lock file; made when missing, never removed.
            purpose: what the holder is doing, e.g. `finish TASK-001`; shown to those who wait.
            on_wait: called once with a sentence naming the holder when waiting takes longer than half a second.
            on_left: called while the lock is held when its last holder died with it, with the time at which that one
                had taken it (nanoseconds, by the clock of the file system); returns whether that is settled. Until it
                is, the file keeps that time for the next holder.
        """
        self.path = path
        self._purpose = purpose
        self._on_wait = on_wait
        self._on_left = on_left
        self._unsettled_ns: int | None = None
        self._descriptor: int | None = None
        self.left_behind = ""

    @property
    def descriptor(self) -> int:
        """The open descriptor; only while held."""
        if self._descriptor is None:
            raise RuntimeError("lock is not held")
        return self._descriptor

    def acquire(self, *, deadline_s: float | None = None) -> None:
        """Waits for the lock.

        Args:
            deadline_s: longest wait in seconds; None takes `deadline_from_environment()`, 0 tries once.

        Raises:
            AiwError: LOCKED with the holder named when the deadline passes; IO when the file cannot be made.
        """
        limit_s = deadline_from_environment() if deadline_s is None else deadline_s
        make_directory(os.path.dirname(self.path))
        with translated("lock", self.path):
            descriptor = os.open(self.path, _OPEN_FLAGS, 0o666)
        try:
            self._wait(descriptor, limit_s)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self.left_behind = os.pread(descriptor, 400, 0).decode("utf-8", "replace").strip()
        try:
            self._settle(descriptor)
        except BaseException:
            # Nothing is written over: the next holder finds the same.
            self._descriptor = None
            os.close(descriptor)
            raise
        self._sign(descriptor)

    def _settle(self, descriptor: int) -> None:
        info = os.fstat(descriptor)
        if self._on_left is not None and info.st_size > 0 and not self._on_left(info.st_mtime_ns):
            self._unsettled_ns = info.st_mtime_ns

    def settle_own(self) -> None:
        """Settles what a child that died has left, as the next holder would. Raises as `on_left`."""
        if self._on_left is not None and not self._on_left(os.fstat(self.descriptor).st_mtime_ns):
            self._unsettled_ns = os.fstat(self.descriptor).st_mtime_ns

    def _wait(self, descriptor: int, limit_s: float) -> None:
        start_s = time.monotonic()
        told = False
        tries = 0
        while not _try_lock(descriptor):
            waited_s = time.monotonic() - start_s
            if waited_s >= limit_s:
                raise AiwError(
                    Kind.LOCKED,
                    f"{self._purpose}: {read_holder(self.path)} holds {self.path}",
                    hint=f"waited {waited_s:.0f} s; run the command again when it has ended"
                    " (AIW_LOCK_TIMEOUT sets the wait in seconds)",
                )
            if not told and waited_s >= _TELL_AFTER_S and self._on_wait is not None:
                told = True
                self._on_wait(f"waiting for {read_holder(self.path)}")
            time.sleep(_POLL_S[min(tries, len(_POLL_S) - 1)])
            tries += 1

    def _sign(self, descriptor: int) -> None:
        text = f"pid {os.getpid()}, {self._purpose}, since {format_utc()}\n".encode()
        try:
            os.pwrite(descriptor, text, 0)
            os.ftruncate(descriptor, len(text))
            if self._unsettled_ns is not None:
                os.utime(descriptor, ns=(self._unsettled_ns, self._unsettled_ns))
        except OSError:
            # A full disk must not stop the release of what is locked already: the text is only for messages.
            return

    def release(self) -> None:
        """Gives the lock back; again is harmless."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            if self._unsettled_ns is None:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, 0)
            _unlock(descriptor)
            os.close(descriptor)

    def __enter__(self) -> KernelLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def read_holder(path: str) -> str:
    """Who wrote itself into the lock file, as text; `another process` when nobody did."""
    try:
        with open(path, "rb") as stream:
            return stream.read(400).decode("utf-8", "replace").strip() or "another process"
    except OSError:
        return "another process"


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            os.lseek(descriptor, 1 << 20, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
