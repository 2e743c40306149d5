"""Runs the real command line under strace: lists the calls that change files, and breaks one of them (spec §7.1, §7.6).

A `Point` is one such call, named by the process it happens in (`aiw` itself, or the n-th git that aiw starts), the name
of the call and how many of that name came before: what strace's `inject=CALL:…:when=N` counts. Git children are found
by a `git` first on PATH that counts its calls; what git starts itself (a transport, a hook) is not traced. Calls on
files outside of the folder that is watched (libraries, temporary files, pipes) are counted and are no points.

Where strace is missing or may not trace, `require_strace` skips.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.project import Project, Result

AIW = 0
"""The process of a point that is aiw itself; git children are numbered from 1."""

_CALLS = (
    "open", "openat", "creat", "write", "pwrite64", "writev", "pwritev", "rename", "renameat", "renameat2", "unlink",
    "unlinkat", "rmdir", "mkdir", "mkdirat", "link", "linkat", "symlink", "symlinkat", "fsync", "fdatasync", "syncfs",
    "ftruncate", "truncate", "chmod", "fchmod", "fchmodat", "utimensat", "copy_file_range",
)  # fmt: skip
# `?`: some of them do not exist on every machine.
_TRACED = ["-qq", "-y", "-s", "0", "-e", "trace=" + ",".join(f"?{call}" for call in _CALLS), "-e", "signal=none"]
_LINE = re.compile(r"(?P<call>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+|\?)")
_OPEN = {"open", "openat", "creat"}
_TEXT = re.compile(r'"([^"]*)"')
_CHANGING = re.compile(r"tmp_\w+|[0-9a-f]*\d[0-9a-f]*|\b[a-f]{2,}\b")
_DESCRIPTOR = re.compile(r"(?:\d+|AT_FDCWD)<([^>]*)>")

_SHIM = """#!/bin/sh
read -r n < "$AIW_FAULT_DIR/count"
n=$((n + 1))
echo $n > "$AIW_FAULT_DIR/count"
if [ -n "$AIW_FAULT_ALL" ]; then
    exec strace {traced} -o "$AIW_FAULT_DIR/$n.trace" {git} "$@"
fi
if [ "$n" != "$AIW_FAULT_GIT" ]; then
    exec {git} "$@"
fi
strace {traced} -o "$AIW_FAULT_DIR/$n.trace" -e "$AIW_FAULT_INJECT" {git} "$@"
code=$?
if [ -n "$AIW_FAULT_PARENT" ] && [ $code = 137 ]; then
    kill -9 $PPID
fi
exit $code
"""


@dataclass(frozen=True)
class Call:
    """One line of a trace.

    Attributes:
        number: which of the calls of that name it is, from 1, failed ones and those elsewhere included.
        paths: absolute, in the order of the arguments; those of descriptors too.
    """

    name: str
    number: int
    arguments: str
    paths: tuple[str, ...]
    failed: bool

    @property
    def is_change(self) -> bool:
        """Whether it changes a file, or makes a change last."""
        flags = ("O_CREAT", "O_TRUNC", "O_WRONLY", "O_RDWR")
        return self.name not in _OPEN or any(flag in self.arguments for flag in flags)


@dataclass(frozen=True)
class Point:
    """One call that can be broken, and what the other calls had counted by then."""

    process: int
    call: Call
    before: Mapping[str, int]

    def __str__(self) -> str:
        where = "aiw" if self.process == AIW else f"git {self.process}"
        return f"{where}: {self.call.name} {self.call.number} of {', '.join(self.call.paths)}"


@dataclass(frozen=True)
class Traced:
    """A command that ran, and the calls of each process."""

    result: Result
    calls: Mapping[int, Sequence[Call]]

    def points(self, *folders: Path) -> list[Point]:
        """Every successful change below the folders, process by process in the order of their start."""
        return [point for process, calls in sorted(self.calls.items()) for point in _points_of(process, calls, folders)]


def _points_of(process: int, calls: Iterable[Call], folders: Sequence[Path]) -> Iterable[Point]:
    counts: Counter[str] = Counter()
    for call in calls:
        if call.is_change and not call.failed and any(_is_below(path, folders) for path in call.paths):
            yield Point(process, call, dict(counts))
        counts[call.name] += 1


def _is_below(path: str, folders: Sequence[Path]) -> bool:
    return any(path.startswith(f"{folder}/") for folder in folders)


def require_strace(folder: Path) -> None:
    """Skips, and says why, where a process cannot be traced."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    done = subprocess.run(["strace", "-o", str(folder / "tried"), "true"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"strace may not trace here: {done.stderr.strip()}")


def trace(project: Project, *command: str, folder: Path) -> Traced:
    """Runs the command without a fault.

    Args:
        folder: an empty one for the traces.
    """
    result = _run(project, command, folder=folder, inject=[], env={"AIW_FAULT_ALL": "1"})
    top = str(project.path)
    calls = {int(path.stem): parse_trace(path.read_text(), cwd=top) for path in folder.glob("*.trace")}
    return Traced(result, calls)


def kill_at(project: Project, point: Point, *command: str, folder: Path, alone: bool = False) -> Result:
    """Kills the process of the point as it enters the call; aiw with its git, unless git is to die `alone`."""
    inject = f"inject={point.call.name}:signal=KILL:when={point.call.number}"
    return _break(project, point, command, [inject], folder=folder, alone=alone)


def fail_at(project: Project, point: Point, *command: str, folder: Path, error: str, stays: bool = False) -> Result:
    """Lets the call of the point fail, and with `stays` each later one that makes, moves or syncs something.

    Args:
        error: name of an errno, e.g. `ENOSPC`.
        stays: opening and writing fail once all the same: later ones read, or tell what is wrong.
    """
    injects = [f"inject={point.call.name}:error={error}:when={point.call.number}"]
    if stays:
        later = {"rename", "mkdir", "fsync", "ftruncate", "pwrite64"} - {point.call.name}
        injects += [f"inject={name}:error={error}:when={point.before.get(name, 0) + 1}+" for name in sorted(later)]
    return _break(project, point, command, injects, folder=folder)


def has_struck(point: Point, folder: Path) -> bool:
    """Whether the broken run had, as its call of that number, what the traced one had: a file of the same name."""
    trace = folder / f"{point.process}.trace"
    calls = parse_trace(trace.read_text(), cwd="/") if trace.exists() else []
    struck = next((call for call in calls if (call.name, call.number) == (point.call.name, point.call.number)), None)
    return struck is not None and [_sort_of(path) for path in struck.paths] == [_sort_of(p) for p in point.call.paths]


def _sort_of(path: str) -> str:
    """The last part of a path without what differs from run to run: ids of objects, processes and operations."""
    return _CHANGING.sub("#", os.path.basename(path))


def _break(
    project: Project,
    point: Point,
    command: Sequence[str],
    injects: Sequence[str],
    *,
    folder: Path,
    alone: bool = False,
) -> Result:
    if point.process == AIW:
        return _run(project, command, folder=folder, inject=injects, env=None)
    env = {"AIW_FAULT_GIT": str(point.process), "AIW_FAULT_INJECT": injects[0]}
    env |= {} if alone else {"AIW_FAULT_PARENT": "1"}
    return _run(project, command, folder=folder, inject=None, env=env)


def _run(
    project: Project,
    command: Sequence[str],
    *,
    folder: Path,
    inject: Sequence[str] | None,
    env: Mapping[str, str] | None,
) -> Result:
    """Runs aiw, traced unless `inject` is None, with the counting git unless `env` is None."""
    folder.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", "ai_workflow", *command]
    if inject is not None:
        options = [word for one in inject for word in ("-e", one)]
        words = ["strace", *_TRACED, *options, "-o", str(folder / f"{AIW}.trace"), *words]
    environment = dict(os.environ)
    if env is not None:
        _put_shim(folder)
        environment |= {"PATH": f"{folder}/bin:{os.environ['PATH']}", "AIW_FAULT_DIR": str(folder), **env}
    done = subprocess.run(
        words, cwd=project.path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def _put_shim(folder: Path) -> None:
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "count").write_text("0\n")
    shim = folder / "bin/git"
    shim.write_text(_SHIM.format(traced=" ".join(f"'{word}'" for word in _TRACED), git=shutil.which("git")))
    shim.chmod(0o755)


def parse_trace(text: str, *, cwd: str) -> list[Call]:
    """The calls of a trace, in order. Relative paths are taken from `cwd` where the call names no folder."""
    counts: Counter[str] = Counter()
    calls = []
    for line in text.split("\n"):
        match = _LINE.match(line)
        if match is None or match["call"] not in _CALLS:
            continue
        counts[match["call"]] += 1
        calls.append(
            Call(
                name=match["call"],
                number=counts[match["call"]],
                arguments=match["arguments"],
                paths=tuple(_paths_in(match["arguments"], cwd)),
                failed=match["result"] in ("-1", "?"),
            )
        )
    return calls


def _paths_in(arguments: str, cwd: str) -> Iterable[str]:
    base = cwd
    for part in re.finditer(rf"{_DESCRIPTOR.pattern}|{_TEXT.pattern}", arguments):
        if part[2] is None:
            base = part[1]
            if not part[0].startswith("AT_FDCWD"):
                yield base
        elif part[2]:
            yield os.path.normpath(os.path.join(base, part[2]))
            base = cwd
