"""Plays the demonstration: every step is an ordinary command in a process of its own, and every claim is checked."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Callable
from typing import Any

from ai_workflow import fsio
from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.runner import clean_environment
from ai_workflow.process import Completed, run

_HERE = os.path.dirname(os.path.abspath(__file__))
_PAUSE_S = 1.5
_MOST_STEPS = 20
_MOST_ATTEMPTS = 3
_FILES = {
    "README.md": "README.md",
    "tally.py": "tally.py",
    "gitignore": ".gitignore",
    "tests/__init__.py": "tests/__init__.py",
    "tests/test_tally.py": "tests/test_tally.py",
}


class Story:
    """One performance.

    Attributes:
        project: the repository that is worked in; `origin` beside it is its bare remote.
    """

    def __init__(self, folder: str, *, tell: Callable[[str], None], is_slow: bool) -> None:
        self.project = os.path.join(folder, "tally")
        self.origin = os.path.join(folder, "origin.git")
        self._tell = tell
        self._is_slow = is_slow
        self._environment = clean_environment({"PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1", "AIW_TRUST": "1"})

    def play(self) -> None:
        """Plays everything. Raises AiwError(CHECK) at the first thing that is not as told."""
        self._make_repository()
        self._set_up()
        self._work()
        self._finale()

    def _make_repository(self) -> None:
        self._chapter("A small Python program in a git repository, with a bare `origin` beside it")
        for source, target in _FILES.items():
            data = fsio.read_bytes(os.path.join(_HERE, "project", *source.split("/")))
            path = os.path.join(self.project, *target.split("/"))
            fsio.write_file(path, data, temp_dir=os.path.dirname(path), durable=False)
        self._git("init", "--quiet", "--bare", "--initial-branch=main", self.origin)
        self._git("init", "--quiet", "--initial-branch=main")
        for key, value in (
            ("user.name", "Demo Person"),
            ("user.email", "demo@example.invalid"),
            ("commit.gpgSign", "false"),
            ("core.hooksPath", ".git/hooks"),
        ):
            self._git("config", key, value)
        self._git("remote", "add", "origin", self.origin)
        self._git("add", "--all")
        self._git("commit", "--quiet", "-m", "Count words")
        self._git("push", "--quiet", "-u", "origin", "main")

    def _set_up(self) -> None:
        self._chapter("Set aiw up, name the check that every task must pass, and put the plan in place")
        self._show(self._aiw("init", "--quiet"))
        path = os.path.join(self.project, ".ai-workflow.yaml")
        check = f"{shlex.quote(sys.executable)} -m unittest discover -q -s tests -t ."
        text = fsio.read_bytes(path).decode()
        if text.count("  checks: []\n") != 1:
            raise AiwError(Kind.CHECK, "the demo's config does not begin without checks")
        text = text.replace("  checks: []\n", f"  checks:\n    - {json.dumps(check)}\n")
        fsio.write_file(path, text.encode(), temp_dir=self.project, durable=False)
        plan = fsio.read_bytes(os.path.join(_HERE, "plan.md"))
        target = os.path.join(self.project, "docs", "ai", "plan", "milestones.md")
        fsio.write_file(target, plan, temp_dir=os.path.dirname(target), durable=False)
        self._show(self._aiw("plan", "validate"))

    def _work(self) -> None:
        failures = 0
        for _step in range(_MOST_STEPS):
            advanced = self._aiw("agent", "run", "--lane", "core", "--mode", "queue", "--json")
            answer = json.loads(advanced.stdout)
            if answer["outcome"] == "complete":
                if not failures:
                    raise AiwError(Kind.CHECK, "no check failed, so the demo did not show a repair")
                return
            failures += self._do_task(answer)
        raise AiwError(Kind.CHECK, "the plan did not come to its end")

    def _do_task(self, answer: dict[str, Any]) -> int:
        task = answer["task"]
        self._chapter(f"{task['id']}: {task['title']}")
        self._tell(f"  aiw claimed it on {task['branch']} and wrote its prompt to {answer['prompt']}")
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            self._let_agent_work(answer["prompt"], attempt)
            finish = ("agent", "finish", "--lane", "core", "--task", task["id"], "--commit")
            done = self._aiw(*finish, ok=(0, 1))
            self._show(done)
            if done.returncode == 0:
                return attempt - 1
            self._tell("  the check failed, so nothing was committed; the agent gets another turn")
        raise AiwError(Kind.CHECK, f"{task['id']} did not pass in {_MOST_ATTEMPTS} attempts")

    def _let_agent_work(self, prompt_rel: str, attempt: int) -> None:
        prompt = fsio.read_bytes(os.path.join(self.project, *prompt_rel.split("/")))
        script = os.path.join(_HERE, "script.json")
        argv = (sys.executable, "-m", "ai_workflow.agents.scripted", "--script", script, "--attempt", str(attempt))
        done = run(argv, cwd=self.project, env=self._environment, stdin=prompt)
        if done.returncode != 0:
            raise AiwError(Kind.CHECK, f"the scripted agent failed: {done.stderr.decode('utf-8', 'replace').strip()}")
        for line in done.stdout.decode().splitlines():
            self._tell(f"  agent: {line}")

    def _finale(self) -> None:
        self._chapter("Done: one commit of each task, one merged branch of each milestone, and origin has it all")
        for line in self._git("log", "--graph", "--oneline", "--decorate").stdout.decode().splitlines():
            self._tell(f"  {line}")
        self._tell("")
        self._show(self._aiw("status"))
        self._check_truth()

    def _check_truth(self) -> None:
        """What the demo claims, looked at once more."""
        dirt = self._git("status", "--porcelain").stdout.decode()
        heads = [self._git("rev-parse", ref).stdout for ref in ("HEAD", "main", "origin/main")]
        remote = self._git("ls-remote", "origin", "refs/heads/main").stdout.split(b"\t")[0] + b"\n"
        subjects = self._git("log", "--format=%s", "--no-merges").stdout.decode().splitlines()
        tasks = sorted(subject for subject in subjects if subject.startswith("TASK-"))
        tests = run(
            (sys.executable, "-m", "unittest", "discover", "-q", "-s", "tests", "-t", "."),
            cwd=self.project,
            env=self._environment,
        )
        if dirt or len({*heads, remote}) != 1 or len(tasks) != 3 or tests.returncode != 0:
            raise AiwError(
                Kind.CHECK,
                f"the end is not what it should be: status {dirt!r}, tasks {tasks}, tests {tests.returncode}",
            )

    def _chapter(self, title: str) -> None:
        if self._is_slow:
            time.sleep(_PAUSE_S)
        self._tell("")
        self._tell(f"== {title}")

    def _show(self, done: Completed) -> None:
        shown = " ".join(("aiw", *done.argv[3:]))
        self._tell(f"  $ {shown}")
        for stream in (done.stderr, done.stdout):
            for line in stream.decode("utf-8", "replace").splitlines():
                self._tell(f"    {line}")
        if self._is_slow:
            time.sleep(_PAUSE_S)

    def _aiw(self, *words: str, ok: tuple[int, ...] = (0,)) -> Completed:
        done = run((sys.executable, "-m", "ai_workflow", *words), cwd=self.project, env=self._environment)
        return self._require(done, ok)

    def _git(self, *words: str) -> Completed:
        return self._require(run(("git", *words), cwd=self.project, env=self._environment), (0,))

    def _require(self, done: Completed, ok: tuple[int, ...]) -> Completed:
        if done.returncode not in ok:
            words = done.stderr.decode("utf-8", "replace").strip()
            raise AiwError(Kind.CHECK, f"`{' '.join(done.argv)}` ended with {done.returncode}:\n{words}")
        return done
