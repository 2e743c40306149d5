"""Starting processes, following them, and ending them with everything that they started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from ai_workflow.descendants import MARK_VARIABLE
from ai_workflow.errors import AiwError, Kind
from ai_workflow.process import TRACE_VARIABLE, Watched, run, run_watched
from ai_workflow.watch import Terminated

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who descends from whom")
_PATIENCE_S = 10.0


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        if sys.platform == "linux":
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True
    return state not in ("Z", "X")


def _wait_for(path: Path) -> str:
    """The text of a file that a process is about to write, once it has its line feed."""
    until_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until_s:
        if path.exists() and path.read_text().endswith("\n"):
            return path.read_text()
        time.sleep(0.01)
    raise AssertionError(f"{path} was not written")


def _watch(
    command: str, cwd: Path, *, timeout_s: float | None = 20.0, grace_s: float = 2.0, tail_bytes: int = 65536
) -> Watched:
    return run_watched(
        command, cwd=cwd, env=None, timeout_s=timeout_s, on_output=None, grace_s=grace_s, tail_bytes=tail_bytes
    )


def test_run_returns_both_outputs_and_the_exit_code(tmp_path: Path) -> None:
    done = run(["sh", "-c", "printf out; printf 'e\\377r' >&2; exit 7"], cwd=tmp_path)
    assert (done.argv[0], done.returncode, done.stdout, done.stderr) == ("sh", 7, b"out", b"e\xffr")


def test_run_feeds_its_input_and_closes_it_otherwise(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096
    assert run(["cat"], cwd=tmp_path, stdin=data).stdout == data
    assert run(["cat"], cwd=tmp_path).stdout == b""


def test_run_uses_folder_environment_and_descriptors(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    try:
        env = {"PATH": os.environ["PATH"], "ONLY": "this"}
        code = f"import os; print(os.getcwd(), os.environ['ONLY'], 'HOME' in os.environ); os.write({writing}, b'fd')"
        done = run([sys.executable, "-c", code], cwd=tmp_path, env=env, pass_fds=[writing])
        assert (done.stdout.decode(), done.stderr) == (f"{tmp_path.resolve()} this False\n", b"")
        assert os.read(reading, 10) == b"fd"
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize(
    ("argv", "folder", "message", "hint"),
    [
        (["no-such-tool"], "", "cannot run `no-such-tool`: no such program", "install no-such-tool, or put the"),
        (["ls"], "gone", "cannot run `ls` in {}/gone: there is no such folder", None),
        (["ls", "a\0b"], "", "cannot run `ls`: embedded null byte", None),
        (["./plain"], "", "cannot run `./plain`: Permission denied", None),
        ([], "", "cannot run ``: list index out of range", None),
    ],
)
def test_run_names_what_cannot_be_started(
    tmp_path: Path, argv: list[str], folder: str, message: str, hint: str | None
) -> None:
    (tmp_path / "plain").write_text("text")
    with pytest.raises(AiwError) as caught:
        run(argv, cwd=tmp_path / folder)
    assert caught.value.kind == Kind.IO
    assert caught.value.message == message.format(tmp_path)
    assert (caught.value.hint or "").startswith(hint or "")


def test_run_ends_what_takes_too_long(tmp_path: Path) -> None:
    with pytest.raises(AiwError, match=r"`sh` did not end within 0.3 s and was stopped: sh -c echo"):
        run(["sh", "-c", "echo $$ > pid; exec sleep 60"], cwd=tmp_path, timeout_s=0.3)
    assert not _is_running(int((tmp_path / "pid").read_text()))


@linux_only
def test_run_kills_what_a_stopped_program_left_behind(tmp_path: Path) -> None:
    with pytest.raises(AiwError):
        run(["sh", "-c", "setsid sleep 60 & echo $! > pid; wait"], cwd=tmp_path, timeout_s=0.3)
    assert not _is_running(int((tmp_path / "pid").read_text()))


def test_started_processes_can_be_traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = tmp_path / "trace"
    monkeypatch.setenv(TRACE_VARIABLE, str(trace))
    run(["echo", "ü\udcff"], cwd=None)
    _watch("true", tmp_path)
    with pytest.raises(AiwError):
        run(["no-such-tool"], cwd=None)
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    assert lines == [["echo", "ü\udcff"], ["/bin/sh", "-c", "true"]]


def test_a_trace_that_cannot_be_written_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRACE_VARIABLE, str(tmp_path / "none" / "trace"))
    assert run(["true"], cwd=None).returncode == 0


def test_importing_the_module_is_cheap() -> None:
    code = (
        "import sys, ai_workflow.process; print([m for m in ('subprocess', 'signal', 'threading') if m in sys.modules])"
    )
    # Isolated: what an interpreter start-up hook imports is none of ours.
    done = subprocess.run([sys.executable, "-S", "-c", code], env={"PYTHONPATH": "src"}, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_watched_output_is_merged_in_order_and_streamed(tmp_path: Path) -> None:
    pieces: list[bytes] = []
    done = run_watched(
        "echo one; echo two >&2; printf 'three\\377'; exit 3",
        cwd=tmp_path,
        env=None,
        timeout_s=20,
        on_output=pieces.append,
    )
    assert (done.returncode, done.timed_out, done.truncated_bytes) == (3, False, 0)
    assert done.tail == b"".join(pieces) == b"one\ntwo\nthree\xff"


def test_watched_output_arrives_while_the_command_runs(tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    done = run_watched(
        "echo ready; while [ ! -e go-on ]; do sleep 0.02; done; echo end",
        cwd=tmp_path,
        env=None,
        timeout_s=20,
        on_output=lambda _: go_on.touch(),
    )
    assert (done.returncode, done.tail) == (0, b"ready\nend\n")


def test_watched_commands_have_no_input_and_no_terminal(tmp_path: Path) -> None:
    done = _watch("cat; [ -t 0 ] || echo none; echo x 2>/dev/null >/dev/tty || echo no tty", tmp_path)
    assert done.tail == b"none\nno tty\n"


def test_watched_takes_an_argv_too(tmp_path: Path) -> None:
    done = run_watched(["printf", "%s", "$HOME; x"], cwd=tmp_path, env=None, timeout_s=20, on_output=None)
    assert done.tail == b"$HOME; x"


def test_watched_names_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(AiwError, match="there is no such folder"):
        _watch("true", tmp_path / "gone")


def test_a_command_killed_by_somebody_shows_the_signal(tmp_path: Path) -> None:
    assert _watch("kill -9 $$", tmp_path).returncode == -9


def test_thirty_megabytes_stay_bounded_in_memory(tmp_path: Path) -> None:
    command = "head -c 30000000 /dev/zero; printf the-end"
    _watch("true", tmp_path)
    tracemalloc.start()
    done = _watch(command, tmp_path, tail_bytes=1000)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert done.tail == b"\0" * 993 + b"the-end"
    assert done.truncated_bytes == 30_000_007 - 1000
    assert peak_bytes < 8_000_000


@pytest.mark.parametrize("tail_bytes", [0, 1, 5, 6])
def test_the_tail_is_exact(tmp_path: Path, tail_bytes: int) -> None:
    done = _watch("printf 12345", tmp_path, tail_bytes=tail_bytes)
    assert done.tail == b"12345"[5 - min(5, tail_bytes) :]
    assert done.truncated_bytes == max(0, 5 - tail_bytes)


def test_a_time_out_asks_first(tmp_path: Path) -> None:
    done = _watch(
        "trap 'echo bye; exit 0' TERM; echo hi; while :; do sleep 0.05; done", tmp_path, timeout_s=0.4, grace_s=20
    )
    # Some shells say themselves that the sleep was terminated.
    assert (done.returncode, done.timed_out, done.tail.replace(b"Terminated\n", b"")) == (None, True, b"hi\nbye\n")
    assert 0.4 <= done.duration_s < 15


def test_a_time_out_insists(tmp_path: Path) -> None:
    command = "trap '' TERM; echo $$; while :; do sleep 0.05; done"
    done = _watch(command, tmp_path, timeout_s=0.3, grace_s=0.2)
    assert done.timed_out
    assert not _is_running(int(done.tail))


@linux_only
@pytest.mark.parametrize(
    "start",
    [
        "sleep 60 &",
        "setsid sleep 60 &",
        "setsid sh -c 'trap \"\" TERM INT; sleep 60; :' &",
        "env -i setsid sleep 60 &",
        "(setsid sh -c 'sleep 60' >/dev/null 2>&1 </dev/null &) ; true &",
    ],
)
def test_a_time_out_ends_all_descendants(tmp_path: Path, start: str) -> None:
    done = _watch(f"{start} echo $!; sleep 60", tmp_path, timeout_s=0.4, grace_s=0.3)
    assert done.timed_out
    assert not _is_running(int(done.tail))
    assert not _marked_processes(tmp_path)


def _marked_processes(cwd: Path) -> list[str]:
    """Command lines of the processes that still run in a folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cwd").resolve() == cwd.resolve() and _is_running(int(folder.name)):
                found.append((folder / "cmdline").read_text())
        except OSError:
            continue
    return found


@linux_only
def test_a_background_process_that_holds_the_output_does_not_hang_us(tmp_path: Path) -> None:
    done = _watch("setsid sleep 60 & echo $!; exit 4", tmp_path, timeout_s=None)
    assert (done.returncode, done.timed_out) == (4, False)
    assert 0.9 < done.duration_s < 5
    assert not _is_running(int(done.tail))


@linux_only
def test_a_background_process_that_keeps_quiet_stays(tmp_path: Path) -> None:
    done = _watch("setsid sleep 60 >/dev/null 2>&1 & echo $!", tmp_path)
    pid = int(done.tail)
    try:
        assert done.returncode == 0
        assert _is_running(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_command_may_close_its_output_and_go_on(tmp_path: Path) -> None:
    done = _watch("exec >/dev/null 2>&1; sleep 0.3; exit 5", tmp_path)
    assert done.returncode == 5
    assert done.duration_s >= 0.3


def test_a_command_in_a_command_carries_both_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MARK_VARIABLE, "outer")
    done = run_watched(f"echo ${MARK_VARIABLE}", cwd=tmp_path, env={}, timeout_s=20, on_output=None)
    outer, _, own = done.tail.decode().strip().partition(":")
    assert outer == "outer"
    assert len(own) == 24


def test_a_listener_that_fails_ends_the_command(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def fail(chunk: bytes) -> None:
        seen.append(chunk)
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_watched("echo $$; sleep 60", cwd=tmp_path, env=None, timeout_s=20, on_output=fail, grace_s=1)
    assert not _is_running(int(seen[0]))


@pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated), (signal.SIGHUP, Terminated)],
)
def test_handlers_are_restored_after_a_signal(tmp_path: Path, number: int, error: type[BaseException]) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with pytest.raises(error) as caught:
        run_watched(
            f"kill -{int(number)} {os.getpid()}; sleep 60", cwd=tmp_path, env=None, timeout_s=20, on_output=None
        )
    assert type(caught.value) is error
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_a_signal_leaves_a_listener_that_blocks(tmp_path: Path) -> None:
    def block(_: bytes) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)

    started_s = time.monotonic()
    with pytest.raises(Terminated):
        run_watched("echo x; sleep 60", cwd=tmp_path, env=None, timeout_s=20, on_output=block)
    assert time.monotonic() - started_s < 10


def test_other_threads_may_watch_too(tmp_path: Path) -> None:
    found: list[Watched] = []
    thread = threading.Thread(target=lambda: found.append(_watch("echo $$; sleep 60", tmp_path, timeout_s=0.3)))
    thread.start()
    thread.join(_PATIENCE_S)
    assert found[0].timed_out
    assert not _is_running(int(found[0].tail))


_PARENT = """
import sys
from ai_workflow.process import {function}
try:
    {call}
except KeyboardInterrupt as error:
    print(type(error).__name__, flush=True)
    sys.exit(9)
"""


def _start_parent(tmp_path: Path, function: str, call: str) -> subprocess.Popen[str]:
    source = _PARENT.format(function=function, call=call)
    env = {**os.environ, "PYTHONPATH": str(Path("src").resolve())}
    return subprocess.Popen([sys.executable, "-c", source], cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True)


_LONG = "setsid sleep 60 & echo $$ $! > new; mv new pids; sleep 60"


@linux_only
@pytest.mark.parametrize(
    ("number", "name"),
    [(signal.SIGINT, "KeyboardInterrupt"), (signal.SIGTERM, "Terminated"), (signal.SIGHUP, "Terminated")],
)
def test_no_child_survives_a_signal_to_us(tmp_path: Path, number: int, name: str) -> None:
    call = f"run_watched({_LONG!r}, cwd='.', env=None, timeout_s=None, on_output=None, grace_s=0.5)"
    with _start_parent(tmp_path, "run_watched", call) as parent:
        pids = [int(pid) for pid in _wait_for(tmp_path / "pids").split()]
        assert all(map(_is_running, pids))
        parent.send_signal(number)
        out, _ = parent.communicate(timeout=_PATIENCE_S)
    assert (out, parent.returncode) == (f"{name}\n", 9)
    assert not any(map(_is_running, pids))


def test_a_second_signal_cuts_the_grace_short(tmp_path: Path) -> None:
    command = "trap 'echo again > asked' INT; trap '' TERM; echo $$ > pid; while :; do sleep 0.05; done"
    call = f"run_watched({command!r}, cwd='.', env=None, timeout_s=None, on_output=None, grace_s=60)"
    with _start_parent(tmp_path, "run_watched", call) as parent:
        pid = int(_wait_for(tmp_path / "pid"))
        parent.send_signal(signal.SIGINT)
        _wait_for(tmp_path / "asked")
        parent.send_signal(signal.SIGINT)
        out, _ = parent.communicate(timeout=_PATIENCE_S)
    assert (out, parent.returncode) == ("KeyboardInterrupt\n", 9)
    assert not _is_running(pid)


@pytest.mark.parametrize("is_starting", [False, True])
def test_an_interrupt_ends_the_program_of_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_starting: bool
) -> None:
    trace = tmp_path / "trace"
    if is_starting:
        # Opening it waits for a reader, so that the signal comes before `run` has the program in hand.
        os.mkfifo(trace)
        monkeypatch.setenv(TRACE_VARIABLE, str(trace))
    with _start_parent(tmp_path, "run", "run(['sh', '-c', 'echo $$ > pid; exec sleep 60'], cwd='.')") as parent:
        pid = int(_wait_for(tmp_path / "pid"))
        parent.send_signal(signal.SIGINT)
        if is_starting:
            trace.read_bytes()
        out, _ = parent.communicate(timeout=_PATIENCE_S)
    assert (out, parent.returncode) == ("KeyboardInterrupt\n", 9)
    assert not _is_running(pid)
