"""Every process that aiw starts, and the certain end of those that run too long (spec §6.4 step 5, §7.7).

No other module imports `subprocess`. Nothing here passes text through a shell except `run_watched` with a string,
which is for commands that a person wrote as shell lines.

With `AIW_TRACE_PROCESSES=<file>` in the environment each started process appends its argv to that file, as one
line of JSON.
"""

from __future__ import annotations

import os
import time

from ai_workflow.errors import AiwError, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping, Sequence
    from types import FrameType

    from ai_workflow.descendants import Descendants

TRACE_VARIABLE = "AIW_TRACE_PROCESSES"
_GRACE_S = 5.0
_TAIL_BYTES = 64 * 1024


class Completed:
    """A process that has ended.

    Attributes:
        argv: the program and its arguments.
        returncode: exit code; negative is the signal that ended it.
        stdout: everything it wrote there.
        stderr: everything it wrote there.
    """

    __slots__ = ("argv", "returncode", "stderr", "stdout")

    def __init__(self, argv: tuple[str, ...], *, returncode: int, stdout: bytes, stderr: bytes) -> None:
        self.argv = argv
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr

    def __repr__(self) -> str:
        return f"Completed({' '.join(self.argv)!r}, returncode={self.returncode})"


def run(
    argv: Sequence[str],
    *,
    cwd: str | os.PathLike[str] | None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    timeout_s: float | None = None,
    pass_fds: Sequence[int] = (),
) -> Completed:
    """Runs a program to its end and returns what it wrote; any exit code is a result, not an error.

    Args:
        argv: the program, found on PATH, and its arguments; never a shell line.
        cwd: working directory; None keeps ours.
        env: the whole environment; None inherits ours.
        stdin: bytes to feed; None gives an empty input.
        timeout_s: seconds until the program is ended; None waits for ever.
        pass_fds: descriptors that the program inherits under their numbers.

    Raises:
        AiwError: IO when the program or the folder is missing, or the time is up.
        KeyboardInterrupt: after the program was ended.

    Effects: one process, in our process group, so that it keeps the terminal.
    """
    import subprocess

    left_over = None
    if timeout_s is not None:
        from ai_workflow import descendants

        mark = descendants.new_mark()
        env = descendants.marked(env, mark)
        left_over = descendants.Descendants(leader=None, mark=mark)
    interrupt = _HeldInterrupt()
    try:
        child = _start(argv, cwd=cwd, env=env, has_stdin=stdin is not None, pass_fds=pass_fds)
    except BaseException:
        interrupt.release()
        raise
    try:
        interrupt.release()
        stdout, stderr = child.communicate(stdin, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        _end(child, left_over)
        raise AiwError(
            Kind.IO,
            f"`{argv[0]}` did not end within {timeout_s:g} s and was stopped: {_shown(argv)}",
            hint="run it yourself to see what it waits for",
        ) from error
    except BaseException:
        _end(child, left_over)
        raise
    return Completed(tuple(argv), returncode=child.returncode, stdout=stdout, stderr=stderr)


class _HeldInterrupt:
    """Keeps Ctrl-C back from its making to `release`: raised while a process is being started it would lose that."""

    __slots__ = ("_came", "_previous")

    def __init__(self) -> None:
        import signal
        import threading

        self._came = False
        self._previous: Callable[[int, FrameType | None], object] | None = None
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler) and threading.current_thread() is threading.main_thread():
            self._previous = handler
            signal.signal(signal.SIGINT, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = True

    def release(self) -> None:
        """Puts the handler back, and hands it a Ctrl-C that came meanwhile; it may raise KeyboardInterrupt."""
        import signal

        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            if self._came:
                self._previous(signal.SIGINT, None)


def _start(
    argv: Sequence[str],
    *,
    cwd: str | os.PathLike[str] | None,
    env: Mapping[str, str] | None,
    has_stdin: bool = False,
    pass_fds: Sequence[int] = (),
    own_session: bool = False,
) -> subprocess.Popen[bytes]:
    """Starts a program with pipes; with a session of its own, stdout and stderr share one."""
    import subprocess

    try:
        child = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE if has_stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if own_session else subprocess.PIPE,
            pass_fds=tuple(pass_fds),
            start_new_session=own_session,
        )
    except (OSError, ValueError, IndexError) as error:
        raise _start_error(argv, cwd, error) from error
    _trace(argv)
    return child


def _start_error(argv: Sequence[str], cwd: str | os.PathLike[str] | None, error: Exception) -> AiwError:
    program = argv[0] if argv else ""
    if cwd is not None and not os.path.isdir(cwd):
        return AiwError(Kind.IO, f"cannot run `{program}` in {os.fspath(cwd)}: there is no such folder")
    if isinstance(error, FileNotFoundError):
        return AiwError(
            Kind.IO,
            f"cannot run `{program}`: no such program",
            hint=f"install {program}, or put the folder that holds it on PATH",
        )
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return AiwError(Kind.IO, f"cannot run `{program}`: {reason}")


def _shown(argv: Sequence[str]) -> str:
    text = " ".join(argv)
    return text if len(text) <= 200 else text[:199] + "…"


def _trace(argv: Sequence[str]) -> None:
    path = os.environ.get(TRACE_VARIABLE)
    if not path:
        return
    import contextlib
    import json

    # Never an error: the process runs already, and an exception here would lose it.
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            os.write(descriptor, json.dumps(list(argv)).encode() + b"\n")
        finally:
            os.close(descriptor)


def _end(child: subprocess.Popen[bytes], left_over: Descendants | None) -> None:
    """Ends a program: asked first, so that git can remove its lock files, then killed; what it started is killed."""
    import subprocess

    try:
        child.terminate()
        child.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    except BaseException:
        child.kill()
        raise
    finally:
        # Unread: something that it started may hold the other ends open for ever.
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()
        if left_over is not None:
            left_over.kill()


class Watched:
    """What a watched command did.

    Attributes:
        returncode: exit code; negative is the signal that ended it; None when we ended it.
        timed_out: whether the time was up.
        duration_s: seconds from start to end.
        tail: the last bytes of stdout and stderr, in the order in which they were written.
        truncated_bytes: how many bytes were dropped before `tail`.
    """

    __slots__ = ("duration_s", "returncode", "tail", "timed_out", "truncated_bytes")

    def __init__(
        self, *, returncode: int | None, timed_out: bool, duration_s: float, tail: bytes, truncated_bytes: int
    ) -> None:
        self.returncode = returncode
        self.timed_out = timed_out
        self.duration_s = duration_s
        self.tail = tail
        self.truncated_bytes = truncated_bytes


def run_watched(
    command: str | Sequence[str],
    *,
    cwd: str | os.PathLike[str] | None,
    env: Mapping[str, str] | None,
    timeout_s: float | None,
    on_output: Callable[[bytes], None] | None,
    on_idle: Callable[[], None] | None = None,
    tail_bytes: int = _TAIL_BYTES,
    grace_s: float = _GRACE_S,
) -> Watched:
    """Runs a command that nobody trusts to end, and returns the last part of its output.

    The command is ended with all its descendants when the time is up, when `on_output` raises, and when Ctrl-C,
    SIGTERM or SIGHUP reaches us (the latter only in the main thread): asked first, killed after `grace_s`. A second
    signal cuts the grace short. Output that goes on a second after the command itself has ended comes from something
    left in the background, which is ended the same way; what was left there quietly stays.

    Who its descendants are: see `descendants`. Outside Linux a child with a session of its own is not found.

    Args:
        command: a shell line for `sh -c`, or an argv.
        cwd: working directory; None keeps ours.
        env: the whole environment; None inherits ours.
        timeout_s: seconds until the command is ended; None waits for ever.
        on_output, on_idle: called with each piece of output as it comes, undecoded; and when none came for a moment.
        tail_bytes: how much output is kept.
        grace_s: seconds between asking and insisting.

    Raises:
        AiwError: IO when the program or the folder is missing.
        KeyboardInterrupt: or `Terminated`, after everything was ended.

    Effects: processes in a session of their own, without a terminal and with an empty input.
    Source: spec §6.4 step 5.
    """
    from ai_workflow import descendants, watch

    mark = descendants.new_mark()
    argv = ["/bin/sh", "-c", command] if isinstance(command, str) else command
    started_s = time.monotonic()
    with watch.Signals() as signals:
        child = _start(argv, cwd=cwd, env=descendants.marked(env, mark), own_session=True)
        watched = watch.Watch(
            child,
            descendants=descendants.Descendants(leader=child.pid, mark=mark),
            signals=signals,
            on_output=on_output,
            on_idle=on_idle,
            tail_bytes=tail_bytes,
        )
        outcome = watched.see_through(timeout_s=timeout_s, grace_s=grace_s)
    signals.raise_received()
    return Watched(
        returncode=None if outcome == watch.TIMED_OUT else child.returncode,
        timed_out=outcome == watch.TIMED_OUT,
        duration_s=time.monotonic() - started_s,
        tail=bytes(watched.tail[max(0, len(watched.tail) - tail_bytes) :]),
        truncated_bytes=max(0, watched.total_bytes - tail_bytes),
    )
