"""What a check writes, shown while it runs and without secrets (spec §7.8). Pure, but for whom it tells."""

from __future__ import annotations

import re
from collections.abc import Callable

from ai_workflow.policy.secrets import mask_bytes

_HELD_BYTES = 64 * 1024
"""A line that is longer is shown in pieces."""
_KEY = b"PRIVATE KEY"
_KEY_LINE = re.compile(rb"[\sA-Za-z0-9+/=\\\"',]*|[A-Za-z-]+: .*\s*")
"""What stands between the first and the last line of a private key."""


class LiveOutput:
    """Passes output on line by line, each secret masked.

    The beginning of a line is held back until its end comes, or nothing comes for a moment (`rest`): so a prompt or a
    row of dots is seen, while a secret that comes in two pieces is masked all the same.
    """

    def __init__(self, show: Callable[[bytes], None]) -> None:
        self._show = show
        self._held = b""
        self._is_in_key = False

    def feed(self, data: bytes) -> None:
        """Takes the next piece, whatever it ends with."""
        held = self._held + data
        end = max(held.rfind(b"\n"), held.rfind(b"\r")) + 1
        if len(held) - end > _HELD_BYTES:
            end = len(held)
        self._held = held[end:]
        if end:
            self._pass_on(held[:end])

    def rest(self) -> None:
        """Shows what is held back: nothing came for a moment, or nothing will."""
        if self._held:
            held, self._held = self._held, b""
            self._pass_on(held)

    def _pass_on(self, data: bytes) -> None:
        if self._is_in_key or _KEY in data:
            data = self._without_keys(data)
        shown = mask_bytes(data)
        if shown:
            self._show(shown)

    def _without_keys(self, data: bytes) -> bytes:
        """Leaves out the lines of private keys, which no single line gives away."""
        kept = []
        for line in data.splitlines(keepends=True):
            if self._is_in_key and b"-----END" not in line and _KEY_LINE.fullmatch(line):
                continue
            if self._is_in_key and b"-----END" not in line:
                self._is_in_key = False
            kept.append(line)
            if b"-----END" in line:
                self._is_in_key = False
            elif b"-----BEGIN" in line and _KEY in line:
                self._is_in_key = True
                kept.append(b"[secret:private-key]\n")
        return b"".join(kept)
