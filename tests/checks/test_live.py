"""Output of a check as it is shown while it runs: at once, and without secrets (spec §7.8)."""

from __future__ import annotations

import time

import pytest

from ai_workflow.checks.live import LiveOutput
from ai_workflow.checks.runner import CheckCommand, run_checks
from support.secret_corpus import Secrets

SECRET = Secrets().github().encode()
MASKED = b"[secret:github-token]"
KEY = Secrets().pem().encode()


def show(*pieces: bytes) -> list[bytes]:
    """What is shown after each piece, and at the end."""
    shown: list[bytes] = []
    live = LiveOutput(shown.append)
    after = []
    for piece in (*pieces, None):
        if piece is None:
            live.rest()
        else:
            live.feed(piece)
        after.append(b"".join(shown))
        shown.clear()
    return after


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        ([b"one\ntwo\n"], [b"one\ntwo\n", b""]),
        ([b"one\ntw", b"o\n"], [b"one\n", b"two\n", b""]),
        ([b"10 %\r20 %\r"], [b"10 %\r20 %\r", b""]),
        ([b"\x1b[31m\xff\x00ok\x1b[0m\r\n"], [b"\x1b[31m\xff\x00ok\x1b[0m\r\n", b""]),
        ([b"no end"], [b"", b"no end"]),
        ([b"t " + SECRET + b"\nnext\n"], [b"t " + MASKED + b"\nnext\n", b""]),
        ([b"t " + SECRET[:9], SECRET[9:30], SECRET[30:] + b"\n"], [b"", b"", b"t " + MASKED + b"\n", b""]),
        ([b"t " + SECRET], [b"", b"t " + MASKED]),
        ([b"x" * 70_000], [b"x" * 70_000, b""]),
    ],
)
def test_lines_come_as_they_end_and_secrets_never(pieces: list[bytes], shown: list[bytes]) -> None:
    assert show(*pieces) == shown


@pytest.mark.parametrize("size", [7, 64, 1000, 100_000])
def test_a_private_key_is_left_out_however_it_comes(size: int) -> None:
    text = b"before\n" + KEY + b"\nafter\n"
    shown = b"".join(show(*(text[at : at + size] for at in range(0, len(text), size))))
    lines = KEY.split(b"\n")
    assert shown == b"\n".join((b"before", lines[0], b"[secret:private-key]", lines[-1], b"after", b""))


def test_a_key_that_is_cut_off_hides_nothing_that_follows() -> None:
    text = b"\n".join((*KEY.split(b"\n")[:4], b"FAILED tests/test_a.py::test_b - 3 < 4", b"done", b""))
    assert b"".join(show(text)).endswith(b"[secret:private-key]\nFAILED tests/test_a.py::test_b - 3 < 4\ndone\n")


def test_a_prompt_is_seen_while_the_check_waits() -> None:
    seen: list[tuple[float, bytes]] = []
    begin_s = time.monotonic()
    command = CheckCommand(run="printf 'ready? '; sleep 1.5; echo yes", timeout_s=20)
    results = run_checks([command], cwd="/", on_output=lambda data: seen.append((time.monotonic() - begin_s, data)))
    assert [data for _, data in seen] == [b"ready? ", b"yes\n"]
    assert seen[0][0] < 1
    assert results[0].output_tail == "ready? yes\n"


def test_neither_what_is_shown_nor_what_is_recorded_holds_a_secret() -> None:
    seen: list[bytes] = []
    line = f"echo API_TOKEN={SECRET.decode()}"
    results = run_checks([CheckCommand(run=line, timeout_s=20)], cwd="/", on_output=seen.append)
    assert b"".join(seen) == b"API_TOKEN=" + MASKED + b"\n"
    assert results[0].command == "echo API_TOKEN=[secret:github-token]"
    assert SECRET.decode() not in results[0].output_tail
