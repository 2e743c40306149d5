"""`status --watch` shows each change, and ends on Ctrl-C or when nobody reads (spec §8)."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from ai_workflow.services.status import format_status
from support.prepared import prepared
from support.project import Project, make_planned


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(make_planned, tmp_path, remote=False)


def watch(project: Project, *args: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-u", "-m", "ai_workflow", "status", "--watch", "0.1", *args]
    return subprocess.Popen(command, cwd=project.path, stdout=stdout, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)


def read_line(stream: IO[bytes] | None, wanted: str) -> str:
    """The next line that holds the text; a watch that never shows it is ended by the timer and fails."""
    assert stream is not None
    while line := stream.readline().decode():
        if wanted in line:
            return line
    raise AssertionError(f"{wanted!r} was never shown")


@pytest.fixture
def limited() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Ends what hangs."""
    processes: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        for process in processes:
            process.kill()

    timer = threading.Timer(30, kill)
    timer.start()
    yield processes
    timer.cancel()
    kill()
    for process in processes:
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def test_one_block_for_each_change_until_ctrl_c(project: Project, limited: list[subprocess.Popen[bytes]]) -> None:
    process = watch(project)
    limited.append(process)
    read_line(process.stdout, "next        aiw agent run")
    project.next()
    assert process.stdout is not None
    assert process.stdout.readline() == b"\n"
    assert "TASK-001" in read_line(process.stdout, "task        ")
    read_line(process.stdout, "next        aiw agent finish --lane core --task TASK-001")
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (130, b"")
    assert b"\x1b" not in rest


def test_it_ends_when_nobody_reads(project: Project, limited: list[subprocess.Popen[bytes]]) -> None:
    process = watch(project)
    limited.append(process)
    read_line(process.stdout, "next        ")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=20) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""


def test_json_is_one_line_for_each_change(project: Project, limited: list[subprocess.Popen[bytes]]) -> None:
    process = watch(project, "--json")
    limited.append(process)
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert first == project.aiw("status", "--json").json
    project.next()
    while json.loads(process.stdout.readline())["active_task"] is None:
        pass
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130


def test_a_config_that_is_wrong_for_a_moment_does_not_end_it(
    project: Project, limited: list[subprocess.Popen[bytes]]
) -> None:
    process = watch(project)
    limited.append(process)
    read_line(process.stdout, "next        ")
    text = project.read(".ai-workflow.yaml")
    project.write(".ai-workflow.yaml", "nonsense: [\n")
    read_line(process.stdout, "error: ")
    project.write(".ai-workflow.yaml", text)
    read_line(process.stdout, "next        ")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130


def test_a_terminal_is_redrawn(project: Project, limited: list[subprocess.Popen[bytes]]) -> None:
    leader, follower = pty.openpty()
    process = watch(project, stdout=follower)
    limited.append(process)
    os.close(follower)
    with os.fdopen(leader, "rb", buffering=0) as stream:
        shown = b""
        while b"next        " not in shown:
            shown += stream.read(4096)
        project.next()
        while b"agent finish" not in shown:
            shown += stream.read(4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
    assert shown.startswith(b"\x1b[H\x1b[2J")
    assert shown.count(b"\x1b[H\x1b[2J") >= 2


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon", "1e9"])
def test_senseless_seconds(project: Project, value: str) -> None:
    assert "--watch" in project.aiw("status", "--watch", value, code=2).stderr


@pytest.mark.parametrize(
    ("now", "shown"),
    [
        ("2024-02-29T12:00:30Z", " (0 min)"),
        ("2024-02-29T12:59:59Z", " (59 min)"),
        ("2024-03-01T13:05:00Z", " (25 h 5 min)"),
        ("2024-03-03T13:05:00Z", " (3 d 1 h)"),
        ("2024-02-28T12:00:00Z", ""),
    ],
)
def test_elapsed_time(now: str, shown: str) -> None:
    import calendar
    import time

    status: dict[str, Any] = {
        "project": "p", "base_branch": "main", "progress": {"tasks": {}, "milestones": {}}, "active_milestone": None,
        "active_task": {"id": "TASK-001", "title": "T", "status": "in_progress", "started_at": "2024-02-29T12:00:00Z"},
        "blockers": [], "damaged": [], "next_command": "x",
    }  # fmt: skip
    now_s = calendar.timegm(time.strptime(now, "%Y-%m-%dT%H:%M:%SZ"))
    line = next(line for line in format_status(status, now_s=now_s) if line.startswith("task  "))
    assert line == f"task        TASK-001 T, in progress since 2024-02-29T12:00:00Z{shown}"
