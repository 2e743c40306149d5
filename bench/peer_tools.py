"""The tools that aiw is compared with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from bench.environment import install_package, read_python_version
from bench.peer import (
    ADD,
    LISTING,
    LONG_AGO,
    PER_MILESTONE,
    SHOW,
    STATE,
    TAKE,
    Chain,
    MissingError,
    Peer,
    Place,
    install_npm,
    make_tasks,
)
from bench.workspaces import PLAN, write_plan


class Aiw(Peer):
    """This aiw."""

    name = "aiw"
    source = "this repository"
    stored = f"`aiw plan import` of `{PLAN}`"

    def __init__(self, python: Path) -> None:
        self._python = python

    def install(self, place: Place) -> str:
        """Installed before; in the interpreter that is the measure."""
        place.programs["aiw"] = str(self._python.parent / "aiw")
        return place.run(place.folder, "aiw", "--version").split()[-1]

    def begin(self, project: Path, place: Place) -> None:
        """`aiw init`."""
        place.run(project, "aiw", "init")

    def offer(self, project: Path, count: int) -> None:
        """The plan as Markdown."""
        (project / PLAN).write_text(write_plan(count))

    def settle(self, project: Path, place: Place) -> None:
        """Begins the first milestone."""
        place.run(project, "aiw", "lane", "start", "core", "M01")

    def warm(self, project: Path, place: Place) -> None:
        """See `Workspace.warm`."""
        place.run(project, "aiw", "lane", "pause", "core")
        place.run(project, "aiw", "lane", "resume", "core")
        time.sleep(0.05)

    def chains(self) -> Mapping[str, Chain]:
        """One command each."""
        return {
            STATE: (("aiw", "status"),),
            LISTING: (("aiw", "task", "list", "--json"),),
            SHOW: (("aiw", "task", "show", "TASK-003"),),
            TAKE: (("aiw", "next"),),
            ADD: (("aiw", "plan", "import"),),
        }


class OldAiw(Aiw):
    """The public release of aiw that came before."""

    name = "aiw 0.1.0"
    source = "PyPI `aiw==0.1.0`"
    stored = f"`aiw plan import {PLAN}`"

    def install(self, place: Place) -> str:
        """With the same interpreter as this aiw."""
        version = read_python_version(self._python)
        if tuple(int(part) for part in version.split(".")[:2]) < (3, 12):
            raise MissingError(f"needs Python 3.12 or newer and this is {version}; choose another with --python")
        try:
            inner = install_package(place.folder / "venv", self._python, "aiw==0.1.0")
        except subprocess.CalledProcessError:
            raise MissingError("pip install failed") from None
        place.programs["aiw"] = str(inner.parent / "aiw")
        return "0.1.0"

    def warm(self, project: Path, place: Place) -> None:
        """It remembers nothing by inode."""

    def last(self, count: int) -> str:
        """The id: the table breaks titles. TASK-000 is its own."""
        return f"TASK-{count:03}"

    def chains(self) -> Mapping[str, Chain]:
        """Its list is a table only."""
        return {
            **super().chains(),
            LISTING: (("aiw", "task", "list"),),
            ADD: (("aiw", "plan", "import", PLAN),),
        }


class Backlog(Peer):
    """Backlog.md: a Markdown file a task."""

    name = "backlog.md"
    source = "npm `backlog.md`"
    imports = False
    stored = "a file a task, written as `backlog task create` writes it"

    def install(self, place: Place) -> str:
        """From npm."""
        return install_npm(place, {"backlog": "backlog.md"})["backlog.md"]

    def begin(self, project: Path, place: Place) -> None:
        """Its defaults."""
        place.run(project, "backlog", "init", "bench", "--defaults", "--integration-mode", "none")

    def offer(self, project: Path, count: int) -> None:
        """As `backlog task create` writes them."""
        folder = project / "backlog/tasks"
        folder.mkdir(exist_ok=True)
        for task in make_tasks(count):
            name = f"task-{task.number} - {task.title.replace(' ', '-')}.md"
            first, second = task.criteria
            (folder / name).write_text(
                f"---\nid: TASK-{task.number}\ntitle: {task.title}\nstatus: To Do\nassignee: []\n"
                f"created_date: '2026-01-01 00:00'\nlabels: []\ndependencies: []\nordinal: {task.number}000\n---\n\n"
                f"## Description\n\n<!-- SECTION:DESCRIPTION:BEGIN -->\n{task.description}\n"
                "<!-- SECTION:DESCRIPTION:END -->\n\n## Acceptance Criteria\n<!-- AC:BEGIN -->\n"
                f"- [ ] #1 {first}\n- [ ] #2 {second}\n<!-- AC:END -->\n"
            )

    def chains(self) -> Mapping[str, Chain]:
        """It has no command that takes a task: the next one is asked for, then marked."""
        return {
            STATE: (("backlog", "overview"),),
            LISTING: (("backlog", "task", "list", "--json"),),
            SHOW: (("backlog", "task", "view", "3", "--plain"),),
            TAKE: (
                ("backlog", "task", "list", "--ready", "--limit", "1", "--plain"),
                ("backlog", "task", "edit", "1", "-s", "In Progress", "-a", "@bench"),
            ),
            ADD: (("backlog", "task", "create", "One more", "-d", "Text", "--ac", "It works", "--plain"),),
        }


class TaskMaster(Peer):
    """Task Master: one JSON file."""

    name = "task-master-ai"
    source = "npm `task-master-ai`"
    imports = False
    stored = "`.taskmaster/tasks/tasks.json`, written as `task-master add-task` writes it"

    def install(self, place: Place) -> str:
        """From npm."""
        place.env["TASKMASTER_SKIP_AUTO_UPDATE"] = "1"
        return install_npm(place, {"task-master": "task-master-ai"})["task-master-ai"]

    def begin(self, project: Path, place: Place) -> None:
        """Its defaults, but for telemetry."""
        place.run(project, "task-master", "init", "--yes", "--no-git", "--no-aliases")
        config = project / ".taskmaster/config.json"
        settings = json.loads(config.read_text())
        settings["global"]["anonymousTelemetry"] = False
        config.write_text(json.dumps(settings, indent=2))

    def offer(self, project: Path, count: int) -> None:
        """As `task-master add-task` writes them."""
        tasks = [
            {
                "id": task.number,
                "title": task.title,
                "description": task.description,
                "status": "pending",
                "dependencies": [],
                "priority": "medium",
                "details": "",
                "testStrategy": " ".join(task.criteria),
                "subtasks": [],
            }
            for task in make_tasks(count)
        ]
        about = {"created": LONG_AGO, "updated": LONG_AGO, "description": "Bench"}
        file = project / ".taskmaster/tasks/tasks.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({"master": {"tasks": tasks, "metadata": about}}, indent=2))

    def chains(self) -> Mapping[str, Chain]:
        """It has no command that takes a task: the next one is asked for, then marked."""
        return {
            STATE: (("task-master", "list", "--compact"),),
            LISTING: (("task-master", "list", "--json"),),
            SHOW: (("task-master", "show", "3"),),
            TAKE: (("task-master", "next"), ("task-master", "set-status", "1", "in-progress")),
            ADD: (("task-master", "add-task", "--title", "One more", "--description", "Text"),),
        }


class Taskwarrior(Peer):
    """Taskwarrior: lines of text, one database for all projects of a user."""

    name = "Taskwarrior"
    source = "Debian `taskwarrior`"
    stored = "`task import plan.json`"

    def install(self, place: Place) -> str:
        """Only if it is there: a Debian package has no folder of its own."""
        found = shutil.which("task")
        if not found:
            raise MissingError("not installed (Debian package `taskwarrior`)")
        place.programs["task"] = found
        place.env |= {"TASKRC": "/dev/null", "TASKDATA": ".task"}
        version = place.run(place.folder, "task", "--version").strip()
        if not version[:1].isdigit():
            raise MissingError("the `task` found is another program")
        return version

    def begin(self, project: Path, place: Place) -> None:
        """An empty database in the project's folder."""
        (project / ".task").mkdir()

    def offer(self, project: Path, count: int) -> None:
        """Its import format."""
        rows = [
            json.dumps(
                {
                    "description": task.title,
                    "status": "pending",
                    "entry": "20260101T000000Z",
                    "project": f"M{(task.number - 1) // PER_MILESTONE + 1:02}",
                    "annotations": [
                        {"entry": f"20260101T00000{place}Z", "description": text}
                        for place, text in enumerate((task.description, *task.criteria))
                    ],
                }
            )
            for task in make_tasks(count)
        ]
        (project / "plan.json").write_text("\n".join(rows) + "\n")

    def chains(self) -> Mapping[str, Chain]:
        """The report `next` orders by urgency; `start` marks."""
        return {
            STATE: (("task", "next", "limit:page"),),
            LISTING: (("task", "export"),),
            SHOW: (("task", "3", "info"),),
            TAKE: (("task", "next", "limit:1"), ("task", "1", "start")),
            ADD: (("task", "import", "plan.json"),),
        }


class Dex(Peer):
    """dex: JSON lines."""

    name = "dex"
    source = "npm `@zeeg/dex`"
    imports = False
    stored = "`.dex/tasks.jsonl`, written as `dex create` writes it"

    def install(self, place: Place) -> str:
        """From npm."""
        return install_npm(place, {"dex": "@zeeg/dex"})["@zeeg/dex"]

    def offer(self, project: Path, count: int) -> None:
        """As `dex create` writes them."""
        rows: list[dict[str, object]] = [
            {
                "id": f"t{task.number:07}",
                "parent_id": None,
                "name": task.title,
                "description": "\n".join((task.description, *task.criteria)),
                "priority": 1,
                "completed": False,
                "result": None,
                "metadata": None,
                "created_at": LONG_AGO,
                "updated_at": LONG_AGO,
                "started_at": None,
                "completed_at": None,
                "blockedBy": [],
                "blocks": [],
                "children": [],
            }
            for task in make_tasks(count)
        ]
        (project / ".dex").mkdir()
        (project / ".dex/tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def chains(self) -> Mapping[str, Chain]:
        """It has no command for the next task: the ready ones are listed, the first is started."""
        return {
            STATE: (("dex", "status"),),
            LISTING: (("dex", "list", "--json"),),
            SHOW: (("dex", "show", "t0000003"),),
            TAKE: (("dex", "list", "--ready", "--json"), ("dex", "start", "t0000001")),
            ADD: (("dex", "create", "One more", "--description", "Text"),),
        }


class Seeds(Peer):
    """seeds: JSON lines; runs in bun."""

    name = "seeds"
    source = "npm `@os-eco/seeds-cli`"
    imports = False
    stored = "`.seeds/issues.jsonl`, written as `sd create` writes it"

    def install(self, place: Place) -> str:
        """From npm, with the bun that npm has."""
        # The package `bun` fetches its program by a script, which is off; this one is the program.
        bun = "@oven/bun-linux-x64" if os.uname().machine == "x86_64" else "@oven/bun-linux-aarch64"
        versions = install_npm(place, {"sd": "@os-eco/seeds-cli", "bun": bun})
        place.env["PATH"] = f"{place.folder / 'node_modules' / bun / 'bin'}:{place.env['PATH']}"
        return f"{versions['@os-eco/seeds-cli']} (bun {versions[bun]})"

    def begin(self, project: Path, place: Place) -> None:
        """Its defaults."""
        place.run(project, "sd", "init")

    def offer(self, project: Path, count: int) -> None:
        """As `sd create` writes them."""
        rows = [
            {
                "id": f"bench-{task.number:04x}",
                "title": task.title,
                "status": "open",
                "type": "task",
                "priority": 2,
                "description": "\n".join((task.description, *task.criteria)),
                "createdAt": LONG_AGO,
                "updatedAt": LONG_AGO,
            }
            for task in make_tasks(count)
        ]
        (project / ".seeds/issues.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def chains(self) -> Mapping[str, Chain]:
        """It has no command that takes a task: the next one is asked for, then marked."""
        return {
            STATE: (("sd", "stats"),),
            LISTING: (("sd", "list", "--limit", "1000000", "--json"),),
            SHOW: (("sd", "show", "bench-0003"),),
            TAKE: (
                ("sd", "ready", "--limit", "1"),
                ("sd", "update", "bench-0001", "--status", "in_progress", "--assignee", "bench"),
            ),
            ADD: (("sd", "create", "--title", "One more", "--description", "Text"),),
        }
