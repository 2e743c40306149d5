"""Command lines without their start-up: each is a fork of one interpreter that has imported aiw (see `Forks.run`).

Most of what a command costs is imports. The faults look at a project with some ten commands a point, at thousands of
points; the command that is broken is a process of its own all the same.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from support.project import Project, Result

_COMMANDS = ("agent", "backlog", "doctor", "operation", "plan", "status", "task", "task_work", "reset", "workspace")
_SERVICES = ("backlog", "claim", "closeout", "doctor.examine", "finish", "operation_log", "plan_file", "queue", "undo")


def import_all() -> None:
    """What the commands of the faults and of the races need; the rest is imported by whoever needs it."""
    for name in _COMMANDS:
        import_module(f"ai_workflow.cli.{name}")
    for name in _SERVICES:
        import_module(f"ai_workflow.services.{name}")


def become(words: Sequence[str], *, stdout: str, stderr: str, stdin: str = os.devnull) -> int:
    """Runs a command line in a process just forked, with its streams in these files."""
    try:
        for number, path in ((1, stdout), (2, stderr)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
        os.dup2(os.open(stdin, os.O_RDONLY), 0)
        from ai_workflow.cli.main import main as run

        code = run(list(words))
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - a forked process must not go on as its parent
        traceback.print_exc()
        return 99
    return code


class Forks:
    """The interpreter that is forked."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.forks"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        atexit.register(self._process.communicate)

    def run(self, words: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes) -> Result:
        """One command line, in this folder, with this environment instead of the interpreter's own."""
        with tempfile.TemporaryDirectory() as folder:
            out, err, given = (os.path.join(folder, name) for name in ("out", "err", "in"))
            Path(given).write_bytes(stdin)
            order = {"words": list(words), "cwd": str(cwd), "env": dict(env), "streams": [out, err, given]}
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            return Result(code, *(Path(path).read_bytes().decode(errors="replace") for path in (out, err)))


_forks: list[Forks] = []


class ForkingProject(Project):
    """A project whose command lines are forks."""

    def aiw(
        self,
        *args: str,
        code: int | None = 0,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | bytes | None = None,
    ) -> Result:
        if not _forks:
            _forks.append(Forks())
        given = stdin.encode() if isinstance(stdin, str) else stdin or b""
        result = _forks[0].run(args, cwd=cwd or self.path, env={**os.environ, **(env or {})}, stdin=given)
        assert "Traceback" not in result.stdout + result.stderr, result
        assert code is None or result.code == code, result
        return result


def main() -> None:
    """Obeys one order a line, until there are no more."""
    import_all()
    with contextlib.suppress(KeyboardInterrupt):
        for line in sys.stdin:
            print(_obey(json.loads(line)), flush=True)


def _obey(order: dict[str, Any]) -> int:
    pid = os.fork()
    if not pid:
        code = 99
        try:
            os.chdir(order["cwd"])
            os.environ.clear()
            os.environ.update(order["env"])
            stdout, stderr, stdin = order["streams"]
            code = become(order["words"], stdout=stdout, stderr=stderr, stdin=stdin)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main()
