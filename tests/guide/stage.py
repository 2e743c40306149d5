"""Runs the command lines of the guide in a real repository, and keeps what they printed as its transcripts."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HOME = "/home/ada"
"""What the guide shows in place of the temporary folder."""
_TIME = "2026-03-02T09:30:00Z"
_MASKS = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), _TIME),
    (re.compile(r"\d{8}T\d{6}Z"), "20260302T093000Z"),
    (re.compile(r"\(\d+ min\)"), "(12 min)"),
    (re.compile(r"\b(after|in) \d+\.\d+ s\b"), r"\1 0.4 s"),
    # GNU make 3 names no line.
    (re.compile(r"make: \*\*\* \[(?:\w+:\d+: )?(\w+)\]"), r"make: *** [Makefile:2: \1]"),
)
_SHA = re.compile(r"(?<![\w-])(OP-\d{6}-)?([0-9a-f]{40}|[0-9a-f]{12}|[0-9a-f]{10}|[0-9a-f]{7}|(?<=-)[0-9a-f]{6})(?!\w)")


class Stage:
    """One repository, what is played in it, and the transcripts that came of it.

    Attributes:
        path: the repository's folder; others may lie beside it.
        transcripts: name → the lines of the block, without its fences.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / name
        self.path.mkdir(parents=True)
        self.transcripts: dict[str, str] = {}
        self._folder = folder
        self._shas: list[str] = []
        self._lines: list[str] | None = None
        programs = folder / ".bin"
        programs.mkdir()
        shim = programs / "aiw"
        shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ai_workflow "$@"\n')
        shim.chmod(0o755)
        self._env = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "AIW_ACTOR": "ada",
            "PYTHONUNBUFFERED": "1",
            "GIT_AUTHOR_DATE": "2026-03-02T09:00:00Z",
            "GIT_COMMITTER_DATE": "2026-03-02T09:00:00Z",
        }

    def write(self, rel: str, text: str) -> None:
        """Puts a file there, as a person or an agent would."""
        target = self.path / rel
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def replace(self, rel: str, old: str, new: str) -> None:
        """Changes one place of a file."""
        text = (self.path / rel).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{rel} does not hold {old!r} once:\n{text}"
        self.write(rel, text.replace(old, new))

    @contextlib.contextmanager
    def transcript(self, name: str) -> Iterator[None]:
        """What is run inside becomes the block of that name."""
        assert name not in self.transcripts, f"{name} is there twice"
        assert self._lines is None, f"{name} is inside another transcript"
        self._lines = []
        yield
        self.transcripts[name] = "\n".join(self._lines) + "\n"
        self._lines = None

    def run(self, line: str, *, code: int = 0, first: int | None = None, last: int | None = None) -> str:
        """Runs a line in a shell; inside a transcript it is shown with all that it printed.

        Args:
            code: how it must end; shown when it is not 0.
            first, last: shows only that many lines of the beginning and of the end, and `…` for the rest.

        Returns:
            What it printed, as it is.
        """
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=self.path,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        text = done.stdout.decode("utf-8", "replace")
        assert "Traceback" not in text, text
        assert done.returncode == code, f"`{line}` ended with {done.returncode}, not {code}:\n{text}"
        if self._lines is not None:
            shown = [self._mask(one).rstrip() for one in text.rstrip("\n").split("\n")] if text.strip() else []
            self._lines += [f"$ {line}", *_cut(shown, first, last)]
            if code:
                self._lines.append(f"[exit code {code}]")
        return text

    def _mask(self, line: str) -> str:
        line = line.replace(str(self._folder), HOME)
        for pattern, stable in _MASKS:
            line = pattern.sub(stable, line)
        return _SHA.sub(self._stable_sha, line)

    def _stable_sha(self, match: re.Match[str]) -> str:
        """Stands for the same commit, long or short, in all transcripts of the stage."""
        sha = match[2]
        for number, known in enumerate(self._shas):
            if known.startswith(sha) or sha.startswith(known):
                self._shas[number] = max(known, sha, key=len)
                break
        else:
            number = len(self._shas)
            self._shas.append(sha)
        made = hashlib.sha256(f"{self.path.name} {number}".encode()).hexdigest()
        return (match[1] or "") + made[: len(sha)]


def _cut(lines: list[str], first: int | None, last: int | None) -> list[str]:
    if first is None and last is None:
        return lines
    head, tail = first or 0, last or 0
    if head + tail >= len(lines):
        return lines
    return [*lines[:head], "…", *lines[len(lines) - tail :]]


@dataclass(frozen=True)
class Story:
    """What is played in one repository.

    Attributes:
        play: plays it in a folder, and gives back the stage with its transcripts.
        transcripts: their names.
        needs: commands that it is about and that may not exist yet, e.g. `config set`; until then it is skipped.
    """

    name: str
    play: Callable[[Path], Stage]
    transcripts: tuple[str, ...]
    needs: tuple[str, ...] = ()
