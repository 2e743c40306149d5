"""Runs a command line and kills it, by SIGKILL, at its n-th write point.

    python -m support.crash N ARGS…

Write points are: every rename, removal and sync of a file, and the start and the end of every git process that
changes something. With N = 0 nothing is killed and the number of points is printed as the last line of stderr.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

_READING = {
    "status", "rev-parse", "log", "rev-list", "for-each-ref", "cat-file", "ls-tree", "diff-tree", "diff", "merge-base",
    "remote", "config", "symbolic-ref", "check-ignore", "check-ref-format", "version", "worktree", "ls-remote",
    "merge-tree",
}  # fmt: skip


class Counter:
    def __init__(self, target: int) -> None:
        self.target = target
        self.count = 0

    def point(self) -> None:
        self.count += 1
        if self.count == self.target:
            os.kill(os.getpid(), signal.SIGKILL)


def _wrap(counter: Counter, owner: Any, name: str) -> None:
    original = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        counter.point()
        result = original(*args, **kwargs)
        counter.point()
        return result

    setattr(owner, name, wrapped)


def _is_changing_git(argv: Any) -> bool:
    words = [str(word) for word in argv] if isinstance(argv, (list, tuple)) else []
    if not words or not words[0].endswith("git"):
        return False
    names = [word for index, word in enumerate(words[1:], 1) if not word.startswith("-") and words[index - 1] != "-c"]
    return bool(names) and names[0] not in _READING


def main() -> int:
    counter = Counter(int(sys.argv[1]))
    for name in ("replace", "unlink", "fsync", "ftruncate"):
        _wrap(counter, os, name)
    original = subprocess.Popen.communicate
    started = subprocess.Popen.__init__

    def init(self: Any, args: Any, *rest: Any, **kwargs: Any) -> None:
        if _is_changing_git(args):
            counter.point()
        started(self, args, *rest, **kwargs)

    def communicate(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        if _is_changing_git(self.args):
            counter.point()
        return result

    subprocess.Popen.__init__ = init  # type: ignore[method-assign]
    subprocess.Popen.communicate = communicate  # type: ignore[method-assign]
    from ai_workflow.cli.main import main as aiw

    code = aiw(sys.argv[2:])
    sys.stderr.write(f"\npoints: {counter.count}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
