"""Starts the measured processes; run as a script, with requests on its input.

A process of its own because of memory: the peak that the kernel reports for a child is never less than what its parent
held when it started the child, and this one holds next to nothing.
"""

from __future__ import annotations

import marshal
import os
import sys


def serve() -> None:
    """Answers each request with two lines: the id of what was started; its status, CPU seconds and peak in KiB."""
    requests, answers = sys.stdin.buffer, sys.stdout
    while size := requests.read(4):
        argv, cwd, env, errors = marshal.loads(requests.read(int.from_bytes(size, "big")))  # noqa: S302 - from bench only
        os.chdir(cwd)
        files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        ]
        # A group of its own, so that a command that takes too long can be ended with all it started.
        pid = os.posix_spawnp(argv[0], argv, env, file_actions=files, setpgroup=0)
        answers.write(f"{pid}\n")
        answers.flush()
        _pid, status, usage = os.wait4(pid, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss}\n")
        answers.flush()


if __name__ == "__main__":
    serve()
