"""Many processes at once, some of them killed, and what their reports must agree with (spec §7.4).

A report that says success is checked against what is on disk and in git; what `op log` calls undone is taken out.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import Any

from support.fuzzing import EXPECTED
from support.project import Project

TASKS = 8


def _task(number: int) -> str:
    return (
        f"- Write the file number {number}\n  Acceptance: The file number {number} exists.\n"
        f"  Conflict: src/f{number}.txt\n  Depends: none\n"
    )


def _milestone(number: int) -> str:
    tasks = "".join(_task(number * 10 + at) for at in range(TASKS // 2))
    return f"\n## M{number:02d} - Part {number} of the work\nGoal: Part {number} is there.\nTasks:\n{tasks}"


PLAN = f"# Milestones\n{_milestone(1)}{_milestone(2)}"


class Racer:
    """One process."""

    def __init__(self, project: Project, words: tuple[str, ...], *, kill_after_s: float | None) -> None:
        self.words = words
        self.kill_after_s = kill_after_s
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ai_workflow", *words],
            cwd=project.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "AIW_ACTOR": "racer"},
        )
        self.started = time.monotonic()
        self.code = 0
        self.stdout = self.stderr = ""

    def end(self) -> None:
        """Waits for it; its output is complete then."""
        self.stdout, self.stderr = self.process.communicate(timeout=180)
        self.code = self.process.returncode

    @property
    def document(self) -> dict[str, Any]:
        """What it printed; empty when it was killed in the middle."""
        try:
            found = json.loads(self.stdout)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def __repr__(self) -> str:
        return f"{' '.join(self.words)} -> {self.code}\n{self.stdout[-1500:]}\n{self.stderr[-1500:]}"


class Race:
    """Waves of processes in one project.

    Attributes:
        racers: all that ran, in order of their start.
    """

    def __init__(self, project: Project, seed: int, *, width: int = 20, has_undo: bool = True) -> None:
        self.project = project
        self.random = random.Random(seed)
        self.width = width
        self.has_undo = has_undo
        self.racers: list[Racer] = []

    def wave(self) -> None:
        """Starts all at once, kills some, and waits for the rest."""
        self._write_work()
        wave = [self._start() for _ in range(self.width)]
        self.racers += wave
        doomed = sorted((one for one in wave if one.kill_after_s is not None), key=lambda one: one.kill_after_s or 0)
        for racer in doomed:
            left = racer.started + (racer.kill_after_s or 0) - time.monotonic()
            time.sleep(max(0.0, left))
            racer.process.send_signal(signal.SIGKILL)
        for racer in wave:
            racer.end()

    def _write_work(self) -> None:
        """What the active task's agent does between two waves."""
        for path in (self.project.path / "docs/ai/workspace/state/tasks").glob("*.json"):
            task = json.loads(path.read_text())
            if task["status"] in ("claimed", "in_progress"):
                scope = (task["conflict_scopes"] or ["src/other.txt"])[0]
                self.project.write(scope, f"{task['id']} {self.random.random()}\n")

    def _start(self) -> Racer:
        number = len(self.racers) + self.random.randrange(10**9)
        choices = [
            ("task", "claim", "--json"),
            ("agent", "run", "--lane", "core", "--mode", "queue", "--json"),
            ("agent", "run", "--lane", "core", "--json"),
            ("backlog", "add", "--title", f"Idea {number}", "--json"),
            ("backlog", "add", "--title", f"Idea {number}", "--json"),
            ("plan", "import", "--json"),
            ("agent", "finish", "--lane", "core", "--commit", "--json"),
            ("agent", "finish", "--lane", "core", "--commit", "--json"),
            ("task", "adhoc", "--title", f"Adhoc {number}", "--json"),
            ("status", "--json"),
            ("doctor", "--json"),
        ]
        if self.has_undo:
            choices.append(("undo", "--json"))
        words = self.random.choice(choices)
        kill_after_s = self.random.uniform(0.05, 2.5) if self.random.random() < 0.2 else None
        return Racer(self.project, words, kill_after_s=kill_after_s)

    def summary(self) -> str:
        """How much happened: a history in which nothing succeeds proves nothing."""
        claims = sum(one.document.get("claimed") is True for one in self._succeeded())
        finishes = sum(one.document.get("outcome") == "done" for one in self._succeeded("agent", "finish"))
        undos, ideas = len(self._succeeded("undo")), len(self._succeeded("backlog", "add"))
        killed = sum(one.code == -signal.SIGKILL for one in self.racers)
        ran = f"{len(self.racers)} processes, {killed} killed"
        return f"{ran}: {claims} claims, {finishes} finishes, {undos} undos, {ideas} ideas"

    def check(self) -> None:
        """What must hold after any history."""
        project = self.project
        for racer in self.racers:
            assert racer.code in EXPECTED or (racer.kill_after_s is not None and racer.code == -9), racer
            assert "Traceback" not in racer.stdout + racer.stderr, racer
        time.sleep(0.5)
        project.aiw("backlog", "add", "--title", "The last idea")
        operations = project.aiw("op", "log", "--json").json["operations"]
        undone = [one for one in operations if one["undone_by"]]
        lost = {tuple(one["command"]) for one in undone}
        assert project.aiw("doctor", "--json", code=None).json["ok"], project.aiw("doctor", code=None)
        self._check_claims(undone)
        self._check_ideas(lost)
        self._check_adhoc(lost)
        self._check_commits(undone)

    def _check_claims(self, undone: list[dict[str, Any]]) -> None:
        claimed = Counter(
            one.document["task"]["id"] for one in self._succeeded() if one.document.get("claimed") is True
        )
        # A claim that is not the latest any more may have been taken back, by hand or for a task made out of band.
        again: Counter[str] = Counter()
        for one in undone:
            for change in one["changes"]:
                if change["path"].startswith("tasks/"):
                    again[change["path"][6:-5]] += 1
        for task_id, count in claimed.items():
            assert count <= 1 + again[task_id], (task_id, count, again, [one for one in self.racers if one.document])

    def _check_ideas(self, lost: set[tuple[str, ...]]) -> None:
        items = {item["title"]: item["id"] for item in self.project.aiw("backlog", "list", "--json").json["items"]}
        assert len(set(items.values())) == len(items)
        for racer in self._succeeded("backlog", "add"):
            title = racer.words[3]
            if racer.words not in lost:
                assert items.get(title) == racer.document["item"]["id"], (racer, items)

    def _check_adhoc(self, lost: set[tuple[str, ...]]) -> None:
        tasks = {task["id"]: task["title"] for task in self.project.aiw("task", "list", "--json").json["tasks"]}
        for racer in self._succeeded("task", "adhoc"):
            if racer.words not in lost:
                assert tasks.get(racer.document["id"]) == racer.words[3], (racer, tasks)

    def _check_commits(self, undone: list[dict[str, Any]]) -> None:
        log = self.project.git("log", "--branches", "--format=%H %(trailers:key=Aiw-Task,valueonly,separator=%x2C)")
        made = [line.split(" ") for line in log.split("\n") if line.split(" ")[1:] != [""]]
        counted = Counter(task_id for _, task_id in made)
        assert set(counted.values()) <= {1}, counted
        commits = {task_id: sha for sha, task_id in made}
        tasks = self.project.aiw("task", "list", "--json").json["tasks"]
        done = {task["id"]: task["commit_sha"] for task in tasks if task["status"] == "done"}
        assert done == commits
        taken_back = {ref["after"] for one in undone for ref in one["refs"]}
        for racer in self._succeeded("agent", "finish"):
            sha = racer.document.get("commit")
            if racer.document.get("outcome") == "done" and sha and sha not in taken_back:
                assert sha in commits.values(), (racer, commits)

    def _succeeded(self, *words: str) -> list[Racer]:
        return [one for one in self.racers if one.code == 0 and one.words[: len(words)] == words and one.document]
