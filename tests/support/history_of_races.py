"""Many processes at once, some of them killed; what their reports must agree with is in `judging_races` (spec §7.4)."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.at_once import write_work
from support.project import Project

TASKS_PER_MILESTONE = 4


def _task(number: int) -> str:
    return (
        f"- Write the file number {number}\n  Acceptance: The file number {number} exists.\n"
        f"  Conflict: src/f{number}.txt\n  Depends: none\n"
    )


def _milestone(number: int) -> str:
    tasks = "".join(_task(number * 10 + at) for at in range(TASKS_PER_MILESTONE))
    return f"\n## M{number:02d} - Part {number} of the work\nGoal: Part {number} is there.\nTasks:\n{tasks}"


def write_plan(milestones: int) -> str:
    """A plan of so many milestones; each longer one begins with the shorter ones."""
    return "# Milestones\n" + "".join(_milestone(number) for number in range(1, milestones + 1))


PLAN = write_plan(1)


class Racer:
    """One process, and what it reported."""

    def __init__(self, words: tuple[str, ...], *, delay_s: float = 0.0, kill_after_s: float | None = None) -> None:
        self.words = words
        self.delay_s = delay_s
        self.kill_after_s = kill_after_s
        self.code = 0
        self.stdout = self.stderr = ""

    @property
    def document(self) -> dict[str, Any]:
        """What it printed; empty when it was killed in the middle."""
        try:
            found = json.loads(self.stdout)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def has_reported_success(self) -> bool:
        """Killed after its whole report counts: whoever reads it goes by it."""
        document = self.document
        return self.code in (0, -signal.SIGKILL) and bool(document) and "error" not in document

    def __repr__(self) -> str:
        return f"{' '.join(self.words)} -> {self.code}\n{self.stdout[-1500:]}\n{self.stderr[-1500:]}"


class Race:
    """Waves of processes in one project.

    Attributes:
        racers: all that ran, wave by wave.
    """

    def __init__(self, project: Project, seed: int, *, width: int = 20, has_undo: bool = True) -> None:
        self.project = project
        self.random = random.Random(seed)
        self.width = width
        self.has_undo = has_undo
        self.racers: list[Racer] = []
        self.milestones = 1

    def wave(self) -> None:
        """Lets the plan grow, starts all at once, some of them to be killed, and waits."""
        project = self.project
        self.milestones += 1
        project.plan(write_plan(self.milestones))
        write_work(project.path)
        wave = [self._choose() for _ in range(self.width)]
        folder = project.path.parent / f"wave-{self.milestones}"
        folder.mkdir()
        plan = folder / "plan.json"
        plan.write_text(json.dumps([self._plan(one, folder / str(at)) for at, one in enumerate(wave)]))
        done = subprocess.run(
            [sys.executable, "-m", "support.at_once", str(plan)],
            cwd=project.path,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "AIW_ACTOR": "racer", "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        for at, (racer, code) in enumerate(zip(wave, json.loads(done.stdout), strict=True)):
            racer.code = code
            racer.stdout = _read(folder / f"{at}.stdout")
            racer.stderr = _read(folder / f"{at}.stderr")
        self.racers += wave

    def _choose(self) -> Racer:
        number = self.random.randrange(10**9)
        finish = ("agent", "finish", "--lane", "core", "--commit", "--json")
        add = ("backlog", "add", "--title", f"Idea {number}", "--json")
        choices = [
            *(finish, finish, finish, finish, add, add),
            ("task", "claim", "--json"),
            ("task", "claim", "--json"),
            ("next", "--json"),
            ("next", "--json"),
            ("agent", "run", "--lane", "core", "--mode", "queue", "--json"),
            ("agent", "run", "--lane", "core", "--json"),
            ("plan", "import", "--json"),
            ("plan", "import", "--json"),
            ("task", "adhoc", "--title", f"Adhoc {number}", "--json"),
            ("status", "--json"),
            ("doctor", "--json"),
            ("op", "log", "--json"),
        ]
        if self.has_undo:
            choices += [("undo", "--json"), ("undo", "--json")]
        is_killed = self.random.random() < 0.2
        return Racer(
            self.random.choice(choices),
            delay_s=0.0 if self.random.random() < 0.3 else self.random.uniform(0.0, 2.5),
            kill_after_s=self.random.uniform(0.01, 0.7) if is_killed else None,
        )

    @staticmethod
    def _plan(racer: Racer, output: Path) -> dict[str, Any]:
        return {
            "words": racer.words,
            "output": str(output),
            "delay_s": racer.delay_s,
            "kill_after_s": racer.kill_after_s and racer.delay_s + racer.kill_after_s,
            "works": racer.words[:2] == ("agent", "finish"),
        }


def _read(output: Path) -> str:
    """Nothing when it was killed before it began."""
    return output.read_text(errors="replace") if output.exists() else ""
