"""A limit on how long a piece of pure work may take, e.g. a template that the repository brings (spec §7.7)."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from ai_workflow.errors import AiwError


@contextlib.contextmanager
def limited(seconds: float, error: AiwError) -> Iterator[None]:
    """Ends the block with the error when it takes longer.

    Only for work without effects: it is left wherever it is. Where the platform has no timer of this kind (Windows), or
    in another thread than the main one, there is no limit.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise error

    before = signal.signal(signal.SIGALRM, leave)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
