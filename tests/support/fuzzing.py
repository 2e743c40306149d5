"""Bytes that nobody should have written, and running commands on them in this process.

`AIW_FUZZ_EXAMPLES=N` runs N examples of each property instead of the few of the ordinary suite.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from ai_workflow.cli.main import main
from ai_workflow.errors import AiwError, ExitCode

EXPECTED = {ExitCode.OK, ExitCode.REFUSED, ExitCode.USAGE, ExitCode.BLOCKED, ExitCode.DAMAGED}
"""Exit codes that bad input may lead to."""
HANG_S = 30
_NUMBERS = (b"-1", b"0", b"1e400", b"9" * 40, b"9" * 5000, b"NaN", b"-0.5", b"true", b"null", b'""', b"[]", b"{}")
_JUNK = (
    *(b"\0", b"\r\n", b"\r", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xe2\x80\xae", b"\x1b[2J"),
    *(
        b"<<<<<<< ours\n",
        b"=======\n",
        b">>>>>>> theirs\n",
        b"```",
        b"<!--",
        b"-->",
        b"{{ x }}",
        b"{% for %}",
        b"&a *a",
    ),
    *(b"../../", b"\\", b'"', b"'", b"`", b"#", b"- ", b": ", b"\t", b"[" * 3000, b"{" * 2000, b"a" * 70_000),
)


def examples(ordinary: int) -> settings:
    """How many examples a property gets: `ordinary`, or what AIW_FUZZ_EXAMPLES says."""
    wanted = os.environ.get("AIW_FUZZ_EXAMPLES")
    return settings(
        max_examples=int(wanted) if wanted else ordinary,
        deadline=None,
        database=None,
        derandomize=not wanted,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


@st.composite
def mutants(draw: st.DrawFn, document: bytes) -> bytes:
    """The document with one to three mutations, or arbitrary bytes."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.binary(max_size=300))
    data = document
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3)))):
        data = draw(st.sampled_from(_MUTATIONS))(draw, data)
    return data


def _flip(draw: st.DrawFn, data: bytes) -> bytes:
    at = draw(st.integers(0, max(0, len(data) - 1)))
    return data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]


def _cut(draw: st.DrawFn, data: bytes) -> bytes:
    return data[: draw(st.integers(0, len(data)))]


def _remove(draw: st.DrawFn, data: bytes) -> bytes:
    at = draw(st.integers(0, len(data)))
    return data[:at] + data[at + draw(st.integers(1, 40)) :]


def _insert(draw: st.DrawFn, data: bytes) -> bytes:
    at = draw(st.integers(0, len(data)))
    return data[:at] + draw(st.sampled_from(_JUNK) | st.binary(max_size=8)) + data[at:]


def _lines(draw: st.DrawFn, data: bytes) -> bytes:
    """A line dropped, repeated, moved, indented or emptied."""
    lines = data.split(b"\n")
    at = draw(st.integers(0, len(lines) - 1))
    other = draw(st.integers(0, len(lines) - 1))
    how = draw(st.integers(0, 5))
    changed = {
        0: [*lines[:at], *lines[at + 1 :]],
        1: [*lines[:at], lines[at], *lines[at:]],
        2: [*lines[:at], lines[other], *lines[at + 1 :]],
        3: [*lines[:at], b"    " + lines[at], *lines[at + 1 :]],
        4: [*lines[:at], lines[at].lstrip(), *lines[at + 1 :]],
        5: [*lines[:at], b"", *lines[at + 1 :]],
    }[how]
    return b"\n".join(changed)


def _value(draw: st.DrawFn, data: bytes) -> bytes:
    """What follows a colon, replaced by something of another kind."""
    ends = [at for at, byte in enumerate(data) if byte == 0x3A]
    if not ends:
        return data
    at = draw(st.sampled_from(ends))
    stop = data.find(b"\n", at)
    stop = len(data) if stop < 0 else stop
    comma = b"," if data[at:stop].rstrip().endswith(b",") else b""
    new = draw(st.sampled_from((*_NUMBERS, b'"../../etc"', b'[{"a": [1]}]', b'["x", 1]', b'"\\ud800"', b'"\\u0000"')))
    return data[: at + 1] + b" " + new + comma + data[stop:]


def _key(draw: st.DrawFn, data: bytes) -> bytes:
    """A key made another."""
    starts = [at for at in range(len(data) - 1) if data[at : at + 1] == b'"' or data[at - 1 : at] == b"\n"]
    if not starts:
        return data
    at = draw(st.sampled_from(starts))
    return data[: at + 1] + b"z" + data[at + 2 :]


def _line_ends(_: st.DrawFn, data: bytes) -> bytes:
    return data.replace(b"\n", b"\r\n")


def _mark(_: st.DrawFn, data: bytes) -> bytes:
    return b"\xef\xbb\xbf" + data


_MUTATIONS: Sequence[Callable[[st.DrawFn, bytes], bytes]] = (
    *(_flip, _cut, _remove, _insert, _insert, _lines, _lines, _value, _value, _value, _key, _line_ends, _mark),
)


class Ran:
    """What a command line did."""

    def __init__(self, code: int, stdout: str, stderr: str) -> None:
        self.code = code
        self.stdout = stdout
        self.stderr = stderr

    def __repr__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.stdout[-2000:]}\n--- stderr\n{self.stderr[-3000:]}"


@contextlib.contextmanager
def no_hang() -> Iterator[None]:
    """Fails what takes longer than any input may make it take."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"still at work after {HANG_S} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(HANG_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run(*words: str, stdin: str = "") -> Ran:
    """Runs a command line in this process; whatever it is given, it ends in an expected way."""
    out, err = io.StringIO(), io.StringIO()
    with no_hang(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _standard_input(stdin):
        code = main(list(words))
    ran = Ran(code, out.getvalue(), err.getvalue())
    if code == ExitCode.INTERNAL:
        place = ran.stderr.rpartition("the report is in ")[2].strip()
        with contextlib.suppress(OSError), open(place, encoding="utf-8") as report:
            ran.stderr += report.read()
            os.unlink(place)
    assert code in EXPECTED, ran
    assert "Traceback" not in ran.stdout + ran.stderr, ran
    assert code == 0 or ran.stderr or ran.stdout, ran
    return ran


@contextlib.contextmanager
def _standard_input(text: str) -> Iterator[None]:
    import sys

    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode("utf-8", "surrogateescape")), encoding="utf-8")
    try:
        yield
    finally:
        sys.stdin = before


def refuses_or(act: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The result, or None for an expected refusal; everything else fails."""
    with no_hang():
        try:
            return act(*args, **kwargs)
        except AiwError as error:
            refusal = error
    assert refusal.exit_code in EXPECTED
    assert refusal.message
    return None
