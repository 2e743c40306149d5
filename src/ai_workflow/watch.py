"""Follows one running command: its output as it comes, its time, its end with all descendants (spec §6.4). POSIX."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType, TracebackType
from typing import IO, Any, Protocol

from ai_workflow.descendants import Descendants

_POLL_S = 0.1
"""Longest time between two looks at signals and clocks."""
_DRAIN_S = 1.0
"""How long output may go on after the command itself has ended."""
_END_POLL_S = 0.03
_KILL_ROUNDS = 100
_CHUNK_BYTES = 64 * 1024

ENDED = "ended"
LEFT_OVER = "left over"
TIMED_OUT = "timed out"
INTERRUPTED = "interrupted"


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP reached us while a command ran; the command has been ended.

    A kind of `KeyboardInterrupt`, so that everything that cleans up after Ctrl-C cleans up after it too.
    """


class Child(Protocol):
    """The part of a started process that is needed here: its id, its output and whether it has ended."""

    @property
    def pid(self) -> int: ...

    @property
    def stdout(self) -> IO[bytes] | None: ...

    def poll(self) -> int | None: ...


class Signals:
    """Notes the signals that would end us, so that the command is ended first; only in the main thread.

    Use it as a context, and call `raise_received` after it. A handler that raised at any place could lose a process
    that was just started; only while `raising` nothing can get lost, and there a blocked write must be left.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self.raising = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received.append(number)
        if self.raising:
            self.raising = False
            self.raise_received()

    def raise_received(self) -> None:
        """Raises KeyboardInterrupt or `Terminated` when a signal came."""
        if self.received:
            raise KeyboardInterrupt if self.received[0] == signal.SIGINT else Terminated


class Watch:
    """One running command, leader of a session of its own.

    Attributes:
        tail: the end of its output; at least `tail_bytes` of it when there was as much.
        total_bytes: how much it wrote.
    """

    def __init__(
        self,
        child: Child,
        *,
        descendants: Descendants,
        signals: Signals,
        on_output: Callable[[bytes], None] | None,
        on_idle: Callable[[], None] | None,
        tail_bytes: int,
    ) -> None:
        assert child.stdout is not None
        self.tail = bytearray()
        self.total_bytes = 0
        self._child = child
        self._descendants = descendants
        self._signals = signals
        self._on_output = on_output
        self._on_idle = on_idle
        self._tail_bytes = tail_bytes
        self._pipe = child.stdout
        self._poll = select.poll()
        self._poll.register(self._pipe.fileno(), select.POLLIN)
        self._at_end = False

    def see_through(self, *, timeout_s: float | None, grace_s: float) -> str:
        """Follows the command until nothing of it is left that could disturb.

        Returns:
            `ENDED`, `LEFT_OVER` (it ended, something in its background had to be ended), `TIMED_OUT` or
            `INTERRUPTED`; for the latter see `Signals`.

        Raises:
            BaseException: whatever `on_output` or `on_idle` raised, after everything was ended.
        """
        try:
            outcome = self._follow(timeout_s)
            if outcome != ENDED:
                interrupted = outcome == INTERRUPTED and self._signals.received[0] == signal.SIGINT
                self._end(grace_s, interrupt=interrupted)
            return outcome
        except BaseException as error:
            self._on_output = self._on_idle = None
            self._end(grace_s, interrupt=type(error) is KeyboardInterrupt)
            raise
        finally:
            self._pipe.close()

    def _follow(self, timeout_s: float | None) -> str:
        deadline_s = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        drained_s = None
        while not self._signals.received:
            now_s = time.monotonic()
            if self._child.poll() is not None:
                if self._at_end:
                    return ENDED
                drained_s = now_s + _DRAIN_S if drained_s is None else drained_s
                if now_s >= drained_s:
                    return LEFT_OVER
            elif now_s >= deadline_s:
                return TIMED_OUT
            self._read(min(_POLL_S, max(0.001, deadline_s - now_s)))
        return INTERRUPTED

    def _read(self, wait_s: float) -> None:
        """Takes one piece of output, or waits for the command's end when there is none to come."""
        if self._at_end:
            self._wait(wait_s)
            return
        if not self._poll.poll(wait_s * 1000):
            if self._on_idle is not None:
                self._tell(self._on_idle)
            return
        chunk = os.read(self._pipe.fileno(), _CHUNK_BYTES)
        self._at_end = not chunk
        self.total_bytes += len(chunk)
        self.tail += chunk
        if len(self.tail) > self._tail_bytes + 16 * _CHUNK_BYTES:
            del self.tail[: len(self.tail) - self._tail_bytes]
        if chunk and self._on_output is not None:
            self._tell(partial(self._on_output, chunk))

    def _tell(self, call: Callable[[], None]) -> None:
        """Calls somebody who may block, and is left then when a signal comes."""
        self._signals.raising = True
        try:
            call()
        finally:
            self._signals.raising = False

    def _wait(self, wait_s: float) -> None:
        if self._child.poll() is not None:
            time.sleep(wait_s)
        until_s = time.monotonic() + wait_s
        pause_s = 0.0005
        while self._child.poll() is None and time.monotonic() < until_s:
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, _END_POLL_S)

    def _end(self, grace_s: float, *, interrupt: bool) -> None:
        """Asks, waits, insists; reads on meanwhile, so that nobody who says good-bye is blocked by a full pipe."""
        for number in (signal.SIGINT, signal.SIGTERM) if interrupt else (signal.SIGTERM,):
            seen = len(self._signals.received)
            until_s = time.monotonic() + grace_s
            self._descendants.send(number)
            while time.monotonic() < until_s and len(self._signals.received) == seen:
                self._read(_END_POLL_S)
                if not self._is_alive():
                    return
            if len(self._signals.received) != seen:
                break
        for _ in range(_KILL_ROUNDS):
            self._descendants.send(signal.SIGKILL)
            self._read(_END_POLL_S)
            if not self._is_alive():
                return

    def _is_alive(self) -> bool:
        return self._child.poll() is None or self._descendants.is_alive()
