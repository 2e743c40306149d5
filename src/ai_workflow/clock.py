"""The time, behind one seam, so that tests can hold it still."""

from __future__ import annotations

import time


def format_utc(seconds: float | None = None) -> str:
    """A time (in seconds since 1970; None: now) as ISO-8601 UTC to the second, e.g. `2026-11-24T17:32:55Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Clock:
    """Wall time for records and a monotonic time for durations."""

    def now_utc(self) -> str:
        """The time as ISO-8601 UTC to the second, e.g. `2026-11-24T17:32:55Z`."""
        return format_utc()

    def monotonic_s(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()


class FixedClock(Clock):
    """A clock that stands still; for tests and for documents that must not vary."""

    def __init__(self, now_utc: str) -> None:
        self._now_utc = now_utc

    def now_utc(self) -> str:
        return self._now_utc
