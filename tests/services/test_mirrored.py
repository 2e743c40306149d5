"""Mirrors of thousands of tasks: those known to be right are left alone, any other is made (spec §2)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from ai_workflow.config.schema import Config
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.task import Task
from ai_workflow.rendering import mirrors
from ai_workflow.services.documents import Documents
from ai_workflow.store.transaction import Store
from store.test_index import COUNT, make_store, path_of, store, touch

__all__ = ["store"]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the tasks whose mirrors are rendered while the test runs."""
    ids: list[str] = []
    really = mirrors.render_task_mirror

    def render(snapshot: Snapshot, task: Task) -> str:
        ids.append(task.id)
        return really(snapshot, task)

    monkeypatch.setattr(mirrors, "render_task_mirror", render)
    return ids


@pytest.fixture(autouse=True)
def _remembered(store: Store) -> None:
    """Mirrors that were written, and later found to be right."""
    follow(store)
    time.sleep(0.03)
    follow(store)


def follow(store: Store) -> None:
    documents = Documents(root=store.layout.root, layout=store.layout, config=Config())
    documents.follow(None, make_store(Path(store.layout.root)).snapshot())


def mirror_of(store: Store, number: int) -> Path:
    (path,) = Path(store.layout.workspace, "tasks").glob(f"TASK-{number:03}-*.md")
    return path


def remembered(store: Store) -> Path:
    return Path(store.layout.locks, "mirrored-tasks.json")


def texts(store: Store) -> dict[str, str]:
    return {path.name: path.read_text() for path in Path(store.layout.workspace, "tasks").iterdir()}


def test_a_mirror_that_is_right_is_left_alone(store: Store, made: list[str]) -> None:
    follow(store)
    assert made == []
    assert len(texts(store)) == COUNT


def break_text(path: Path) -> None:
    # As long as it was, in place: only its time tells.
    text = path.read_text()
    path.write_text(text.replace("ready", "doned"))


def replace_file(path: Path) -> None:
    other = path.with_name(".other")
    other.write_text(path.read_text().upper())
    info = path.stat()
    os.utime(other, ns=(info.st_atime_ns, info.st_mtime_ns))
    os.replace(other, path)


@pytest.mark.parametrize("spoil", [break_text, replace_file, Path.unlink])
def test_a_mirror_that_somebody_touched_is_made_again(
    store: Store, made: list[str], spoil: Callable[[Path], None]
) -> None:
    before = texts(store)
    spoil(mirror_of(store, 7))
    follow(store)
    assert made == ["TASK-007"]
    assert texts(store) == before


def test_what_is_made_just_now_is_looked_at_once_more(store: Store, made: list[str]) -> None:
    break_text(mirror_of(store, 7))
    follow(store)
    # Within the same tick of the clock a second edit may look like the first text.
    follow(store)
    assert made == ["TASK-007", "TASK-007"]


def test_a_change_of_the_task_changes_its_mirror_alone(store: Store, made: list[str]) -> None:
    path = path_of(store, 8)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"title": "Another title"}))
    follow(store)
    assert made == ["TASK-008"]
    assert mirror_of(store, 8).name == "TASK-008-another-title.md"
    assert len(texts(store)) == COUNT


def test_mirrors_of_tasks_that_are_gone_go(store: Store, made: list[str]) -> None:
    with store.transaction("drop") as change:
        change.apply(Changes(remove=(change.before.tasks["TASK-009"],)))
    touch(store)
    made.clear()
    follow(store)
    assert not list(Path(store.layout.workspace, "tasks").glob("TASK-009-*"))
    assert set(made) <= {"TASK-001"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '["0.0.0",[],[],[],[[],[],[]]]',
        "[" * 100_000,
        '["0.2.0",["TASK-001"],[1],[1],[[1],[1],[1]]]',
    ],
)
def test_a_damaged_file_counts_for_nothing(store: Store, made: list[str], text: str) -> None:
    remembered(store).write_text(text)
    before = texts(store)
    follow(store)
    assert len(made) == COUNT
    assert texts(store) == before


def test_what_another_version_made_counts_for_nothing(store: Store, made: list[str]) -> None:
    rows = json.loads(remembered(store).read_text())
    remembered(store).write_text(json.dumps(["0.0.1", *rows[1:]]))
    follow(store)
    assert len(made) == COUNT


def test_it_leads_to_no_file_elsewhere(store: Store, tmp_path: Path) -> None:
    """One that came with a clone may hold anything; names in it are at most looked at."""
    other = tmp_path / "docs/ai/workspace/note.md"
    other.write_text("mine\n")
    rows = json.loads(remembered(store).read_text())
    rows[2][0] = "../note.md"
    remembered(store).write_text(json.dumps(rows))
    follow(store)
    assert other.read_text() == "mine\n"
    assert len(texts(store)) == COUNT


def test_a_changed_description_reaches_the_mirror(store: Store) -> None:
    with store.transaction("edit") as change:
        change.apply(Changes(put=(replace(change.before.tasks["TASK-003"], description="Fresh words."),)))
    follow(store)
    assert "Fresh words." in mirror_of(store, 3).read_text()
