"""Damaged files of the state: named, never written over, the healthy ones still listed (spec §7.5)."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_workflow.errors import AiwError, ExitCode
from ai_workflow.store.layout import Layout
from ai_workflow.store.reader import StateReader
from support.fuzzing import examples, mutants, run
from support.prepared import prepared
from support.project import PARSER_PLAN, Project, make_ready

WORKSPACE = "docs/ai/workspace"
STATE = f"{WORKSPACE}/state"


def prepare(folder: Path) -> Project:
    """Everything that a state can hold: a done and an active task, a recovery, a blocker, a decision, parked work."""
    project = make_ready(folder, remote=False, plan=PARSER_PLAN)
    config = project.read(".ai-workflow.yaml")
    project.write(".ai-workflow.yaml", f"{config}prompts:\n  templates_dir: docs/ai/templates\n")
    project.aiw("adr", "new", "Errors are values", "-d", "They are.")
    project.write("mine.txt", "mine\n")
    project.next()
    project.write("src/parser.py", "x\n")
    project.finish()
    project.next()
    project.write("docs/parser.md", "x\n")
    project.finish("--check-cmd", "false", code=1)
    project.aiw("task", "adhoc", "--title", "Fix the login")
    return project


@pytest.fixture
def origin(tmp_path: Path) -> Project:
    return prepared(prepare, tmp_path)


def files(project: Project) -> list[str]:
    found = [path for path in sorted((project.path / STATE).rglob("*")) if path.is_file()]
    rels = [path.relative_to(project.path / STATE).as_posix() for path in found]
    operations = [rel for rel in rels if rel.startswith("operations/")]
    return [rel for rel in rels if rel not in operations[3:]]


def damaged_paths(project: Project) -> set[str] | None:
    """What the reader calls damaged; None when nothing can be read for its journal."""
    try:
        return {one.path for one in StateReader(Layout(str(project.path), workspace_rel=WORKSPACE)).read().damaged}
    except AiwError:
        return None


def look(project: Project) -> list[int]:
    """Every command that only shows; their exit codes."""
    root = ("-C", str(project.path))
    codes = []
    for words in (
        ("task", "list", "--json"),
        ("task", "show", "TASK-001", "--json"),
        ("milestone", "list"),
        ("milestone", "show", "M01"),
        ("status",),
        ("status", "--json"),
        ("run", "list"),
        ("run", "show", "1"),
        ("adr", "list"),
        ("lane", "list"),
        ("recovery", "list"),
        ("op", "log"),
        ("op", "show", "3"),
    ):
        codes.append(run(*root, *words).code)
    return codes


@examples(12)
@given(data=st.data())
def test_a_damaged_file_leaves_the_others_listed_and_is_not_touched(origin: Project, data: st.DataObject) -> None:
    rel = data.draw(st.sampled_from(files(origin)))
    path = origin.path / STATE / rel
    whole = path.read_bytes()
    mutant = data.draw(mutants(whole))
    path.write_bytes(mutant)
    try:
        look(origin)
        damaged = damaged_paths(origin)
        listed = run("-C", str(origin.path), "task", "list", "--json")
        if rel != "project.json":
            ids = {task["id"] for task in json.loads(listed.stdout)["tasks"]}
            named = {f"TASK-{number:03d}" for number in range(1, 5)}
            assert ids >= named - {Path(rel).stem}, listed
            if damaged and f"{STATE}/{rel}" in damaged and rel.startswith("tasks/") and Path(rel).stem not in ids:
                assert listed.code == 5, listed
        assert path.read_bytes() == mutant
    finally:
        path.write_bytes(whole)


@examples(3)
@given(data=st.data())
def test_writing_commands_do_not_write_over_damage_and_a_repair_keeps_it(
    origin: Project, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("copy")
    try:
        shutil.copytree(origin.path, folder / "project", symlinks=True)
        project = Project(folder / "project")
        rel = data.draw(st.sampled_from([*files(origin), "journal.json"]))
        path = project.path / STATE / rel
        mutant = data.draw(mutants(path.read_bytes() if path.exists() else JOURNAL))
        path.write_bytes(mutant)
        damaged = damaged_paths(project)
        is_damaged = damaged is None or f"{STATE}/{rel}" in damaged
        words = data.draw(
            st.sampled_from(
                [
                    ("backlog", "add", "--title", "An idea"),
                    ("agent", "run", "--lane", "core"),
                    ("agent", "finish"),
                    ("agent", "task", "TASK-004"),
                    ("plan", "import"),
                    ("task", "block", "2", "why"),
                    ("task", "edit", "TASK-004", "--title", "Other"),
                    ("recovery", "abort", "M01-01", "--reason", "x"),
                    ("adr", "accept", "1"),
                    ("lane", "pause"),
                    ("undo",),
                    ("workspace", "reset", "--force"),
                    ("report", "all"),
                    ("state", "rebuild"),
                ]
            )
        )
        root = ("-C", str(project.path))
        run(*root, *words)
        if is_damaged and words[0] != "workspace" and words != ("state", "rebuild"):
            assert path.read_bytes() == mutant, (words, rel)
        run(*root, "doctor", "--json")
        run(*root, "doctor", "--fix")
        if is_damaged and words[0] != "workspace" and not holds(project, mutant):
            raise AssertionError(f"{rel} is kept nowhere")
        run(*root, "task", "list")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def holds(project: Project, data: bytes) -> bool:
    return any(path.read_bytes() == data for path in (project.path / WORKSPACE).rglob("*") if path.is_file())


JOURNAL = b"""{"journal": 1, "operation": "OP-000099-abcdef", "files": [{"path": "tasks/TASK-004.json", "before":
null, "text": null}, {"path": "conflicts/x", "before": null, "text": "x", "data": null}], "append":
{"path": "events/events.jsonl", "offset": 3, "text": "{}\\n"}}
"""


@examples(4)
@given(data=st.data())
def test_a_damaged_lock_or_cache_stops_nothing(origin: Project, data: st.DataObject) -> None:
    names = [name for name in sorted(os.listdir(origin.path / WORKSPACE / "locks")) if name != "unfinished"]
    path = origin.path / WORKSPACE / "locks" / data.draw(st.sampled_from(names))
    whole = path.read_bytes()
    path.write_bytes(data.draw(mutants(whole)))
    try:
        assert run("-C", str(origin.path), "task", "list").code == 0
        assert run("-C", str(origin.path), "status").code == 0
    finally:
        path.write_bytes(whole)


@examples(4)
@given(data=st.data())
def test_documents_in_a_workspace(
    origin: Project, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Plan, backlog, config, decision and templates, mutated where they lie, under the commands that read them."""
    commands: dict[str, list[tuple[str, ...]]] = {
        "docs/ai/plan/milestones.md": [
            ("plan", "validate"),
            ("plan", "import"),
            ("plan", "optimize", "--apply"),
            ("next",),
        ],
        "docs/ai/plan/backlog.md": [
            ("backlog", "list"),
            ("backlog", "edit", "1", "--status", "selected"),
            ("backlog", "promote", "1"),
            ("doctor",),
        ],
        ".ai-workflow.yaml": [
            ("status",),
            ("status", "--json"),
            ("task", "list", "--json"),
            ("config", "show"),
            ("doctor",),
            ("doctor", "--fix"),
            ("agent", "finish", "--dry-run"),
            ("config", "set", "git.merge_strategy", "squash"),
            ("next",),
        ],
        "docs/ai/workspace/adr/ADR-0001-errors-are-values.md": [
            ("adr", "accept", "1"),
            ("doctor",),
            ("prompt", "next"),
        ],
        "docs/ai/templates/prompt.md.j2": [("prompt", "next"), ("agent", "task")],
        ".gitignore": [("init",), ("doctor",)],
    }
    folder = tmp_path_factory.mktemp("copy")
    try:
        shutil.copytree(origin.path, folder / "project", symlinks=True)
        project = Project(folder / "project")
        rel = data.draw(st.sampled_from(sorted(commands)))
        path = project.path / rel
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(data.draw(mutants(path.read_bytes() if path.exists() else TEMPLATE)))
        for words in commands[rel]:
            before = path.read_bytes()
            ran = run("-C", str(project.path), *words)
            if ran.code not in (ExitCode.OK, ExitCode.BLOCKED):
                assert path.read_bytes() == before, (words, ran)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


TEMPLATE = b"""# {{ task.id }}: {{ task.title }}
{% for line in task.acceptance_criteria %}
- {{ line }}
{% endfor %}
{% if task.notes %}{{ task.notes | join(", ") }}{% endif %}
"""
