"""What must hold after any history of processes that worked at once (spec §7.4).

A report that says success is compared with what is on disk, in git and in the log of operations. The log is looked at
too: what each transaction found must be what the one before it left, and at no moment may two tasks be active.
"""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from support.fuzzing import EXPECTED
from support.history_of_races import Race, Racer, write_plan
from support.project import Project

_ACTIVE = ("claimed", "in_progress")
_STATE = "docs/ai/workspace/state"


class Verdict:
    """The checks of one race; each raises AssertionError."""

    def __init__(self, race: Race) -> None:
        project = self.project = race.project
        self.race = race
        self.racers = race.racers
        time.sleep(0.5)
        project.aiw("backlog", "add", "--title", "The last idea")
        self.operations: list[dict[str, Any]] = project.aiw("op", "log", "--json").json["operations"]
        self.undone = [one for one in self.operations if one["undone_by"]]
        self.lost = {tuple(one["command"]) for one in self.undone}
        self.tasks: list[dict[str, Any]] = project.aiw("task", "list", "--json").json["tasks"]

    def check(self) -> None:
        """All of them."""
        self.check_answers()
        assert self.project.aiw("doctor", "--json", code=None).json["ok"], self.project.aiw("doctor", code=None)
        self.check_log()
        self.check_claims()
        self.check_ideas()
        self.check_adhoc()
        self.check_imports()
        self.check_undos()
        self.check_commits()

    def check_answers(self) -> None:
        """Each ended in an expected way, unless it was killed."""
        for racer in self.racers:
            was_killed = racer.kill_after_s is not None and racer.code == -signal.SIGKILL
            assert was_killed or racer.code in EXPECTED, racer
            assert "Traceback" not in racer.stdout + racer.stderr, racer

    def check_log(self) -> None:
        """No transaction was decided on anything but what the one before had left; one serial each."""
        serials = sorted(serial for one in self.operations for serial in one["serials"])
        assert serials == list(range(serials[0], serials[0] + len(serials))), serials
        for path, steps in _history(self.operations).items():
            file = self.project.path / _STATE / path
            following = [*(_digest(text) for _, text, _ in steps[1:]), _digest_of(file)]
            left = [after for _, _, after in steps]
            assert left == following, f"{path}: a change was lost"

    def check_claims(self) -> None:
        """As many reports of a claim as times it was claimed, at most; and never a second task beside an active one."""
        claims, most = _replay_claims(self.project, self.operations)
        assert most <= 1, f"{most} tasks were active at once"
        if not self.race.has_undo:
            assert set(claims.values()) <= {1}, claims
        reported = Counter(
            one.document["task"]["id"] for one in self.succeeded() if one.document.get("claimed") is True
        )
        assert reported <= claims, (reported, claims, [one for one in self.racers if one.document])

    def check_ideas(self) -> None:
        """An id each, nothing twice, and there if it was reported."""
        items = self.project.aiw("backlog", "list", "--json").json["items"]
        ids = {item["title"]: item["id"] for item in items}
        assert len(items) == len(ids) == len(set(ids.values())), items
        for racer in self.succeeded("backlog", "add"):
            if racer.words not in self.lost:
                assert ids.get(racer.words[3]) == racer.document["item"]["id"], (racer, items)

    def check_adhoc(self) -> None:
        """As `check_ideas`."""
        titles = {task["id"]: task["title"] for task in self.tasks}
        assert len(titles) == len(self.tasks) == len(set(titles.values())), titles
        for racer in self.succeeded("task", "adhoc"):
            if racer.words not in self.lost:
                assert titles.get(racer.document["id"]) == racer.words[3], (racer, titles)

    def check_imports(self) -> None:
        """Each task of the plan is there once, after another import; a reported id is that of its title."""
        self.project.aiw("plan", "import")
        tasks = self.project.aiw("task", "list", "--json").json["tasks"]
        titles = Counter(task["title"] for task in tasks)
        lines = write_plan(self.race.milestones).split("\n")
        planned = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
        assert [titles[title] for title in planned] == [1] * len(planned), titles
        ids = {task["id"]: task["title"] for task in tasks}
        for racer in self.succeeded("plan", "import"):
            for entry in racer.document["entries"]:
                if entry["id"].startswith("TASK-") and not self.race.has_undo:
                    assert ids[entry["id"]] == entry["title"], racer

    def check_undos(self) -> None:
        """What is said to be undone stands in the log as taken back, by that very undo."""
        serials = {one["id"]: set(one["serials"]) for one in self.operations}
        undoes = {one["id"]: set(one["undoes"]) for one in self.operations}
        for racer in self.succeeded("undo"):
            if racer.document["operations"]:
                taken_back = undoes[racer.document["id"]]
                assert all(serials[name] <= taken_back for name in racer.document["operations"]), racer

    def check_commits(self) -> None:
        """One commit for each task that is done, none for any other; what was reported is one of them."""
        log = self.project.git("log", "--branches", "--format=%H %(trailers:key=Aiw-Task,valueonly,separator=%x2C)")
        made = [line.split(" ") for line in log.split("\n") if line.split(" ")[1:] != [""]]
        counted = Counter(task_id for _, task_id in made)
        assert set(counted.values()) <= {1}, counted
        commits = {task_id: sha for sha, task_id in made}
        assert {task["id"]: task["commit_sha"] for task in self.tasks if task["status"] == "done"} == commits
        taken_back = {ref["after"] for one in self.undone for ref in one["refs"]}
        for racer in self.succeeded("agent", "finish"):
            sha = racer.document.get("commit")
            if racer.document.get("outcome") == "done" and sha and sha not in taken_back:
                assert commits.get(racer.document["task"]["id"]) == sha, (racer, commits)
                if racer.document["closeout"] == "merged":
                    self._require_published(sha)

    def _require_published(self, sha: str) -> None:
        self.project.git("merge-base", "--is-ancestor", sha, "main")
        if self.project.origin:
            self.project.git("merge-base", "--is-ancestor", sha, "main", cwd=self.project.origin)

    def succeeded(self, *words: str) -> Iterator[Racer]:
        """Those that began with these words and reported success."""
        return (one for one in self.racers if one.words[: len(words)] == words and one.has_reported_success)


def summarize(race: Race) -> Counter[str]:
    """How much happened: a history in which nothing succeeds proves nothing."""
    found = Counter({"processes": len(race.racers)})
    for one in race.racers:
        found["killed"] += one.code == -signal.SIGKILL
        if not one.has_reported_success:
            continue
        document, command = one.document, one.words[:2]
        found["claims"] += document.get("claimed") is True
        found["finishes"] += document.get("outcome") == "done" and command == ("agent", "finish")
        found["merges"] += document.get("closeout") == "merged"
        found["imports"] += command == ("plan", "import") and document["changed"]
        found["ideas"] += command == ("backlog", "add")
        found["adhoc"] += command == ("task", "adhoc")
        found["undos"] += command[0] == "undo"
    return found


def _history(operations: list[dict[str, Any]]) -> dict[str, list[tuple[int, str | None, str | None]]]:
    """State file → serial, text found and digest left, for each transaction that changed it."""
    found: dict[str, list[tuple[int, str | None, str | None]]] = {}
    for one in operations:
        for change in one["changes"]:
            found.setdefault(change["path"], []).append((change["serial"], change["before"], change["after_sha256"]))
    return {path: sorted(steps, key=lambda step: step[0]) for path, steps in found.items()}


def _replay_claims(project: Project, operations: list[dict[str, Any]]) -> tuple[Counter[str], int]:
    """How often each task became active, other than by an undo; and the most that were active after any serial."""
    undos = {serial for one in operations if one["undoes"] for serial in one["serials"]}
    claims: Counter[str] = Counter()
    moves: list[tuple[int, int]] = []
    for path, steps in _history(operations).items():
        if not path.startswith("tasks/"):
            continue
        file = project.path / _STATE / path
        texts = [*(text for _, text, _ in steps), file.read_text() if file.exists() else None]
        for (serial, before, _), after in zip(steps, texts[1:], strict=True):
            change = _is_active(after) - _is_active(before)
            moves.append((serial, change))
            if change > 0 and serial not in undos:
                claims[path[6:-5]] += 1
    active = most = 0
    for serial in sorted({serial for serial, _ in moves}):
        active += sum(change for at, change in moves if at == serial)
        most = max(most, active)
    return claims, most


def _is_active(text: str | None) -> int:
    return int(text is not None and json.loads(text)["status"] in _ACTIVE)


def _digest(text: str | None) -> str | None:
    return None if text is None else sha256(text.encode()).hexdigest()


def _digest_of(path: Any) -> str | None:
    return sha256(path.read_bytes()).hexdigest() if path.exists() else None
