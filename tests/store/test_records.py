"""Remembered records: never believed where a file is not as it was, or where they are damaged themselves."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from ai_workflow import fsio
from ai_workflow.models.snapshot import Changes
from ai_workflow.store import index
from ai_workflow.store.records import KINDS, read_records
from ai_workflow.store.rows import Rows
from ai_workflow.store.transaction import Store
from store.test_index import COUNT, make_store, path_of, printed, store, touch

__all__ = ["store"]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the task files that are read while the test runs."""
    names: list[str] = []
    really = fsio.find_with_stamp

    def find(path: str) -> tuple[bytes, tuple[int, int, int]] | None:
        if "/tasks/" in path:
            names.append(Path(path).name)
        return really(path)

    monkeypatch.setattr(fsio, "find_with_stamp", find)
    return names


def remembered_path(store: Store) -> Path:
    return Path(store.layout.locks) / "records-task.json"


def test_a_command_that_decides_reads_what_changed_only(store: Store, read: list[str]) -> None:
    snapshot = make_store(Path(store.layout.root)).snapshot()
    assert len(snapshot.tasks) == COUNT
    assert set(read) <= {"TASK-001.json"}
    assert list(snapshot.tasks) == [f"TASK-{number:03}" for number in range(1, COUNT + 1)]


@pytest.mark.parametrize("number", [1, 7, COUNT])
def test_an_edit_in_place_decides(store: Store, number: int, read: list[str]) -> None:
    path = path_of(store, number)
    path.write_text(path.read_text().replace('"ready"', '"blocked"'))
    fresh = make_store(Path(store.layout.root))
    assert fresh.snapshot().tasks[f"TASK-{number:03}"].status == "blocked"
    assert path.name in read
    assert len(read) <= 2
    assert "".join(Rows(store.layout).document("task")) == printed(store)


def test_files_that_come_go_and_break_are_seen(store: Store) -> None:
    path_of(store, 7).unlink()
    path_of(store, 8).write_text("{")
    extra = json.loads(path_of(store, 9).read_text()) | {"id": "TASK-999", "status": "done"}
    path_of(store, 999).write_text(json.dumps(extra))
    snapshot = make_store(Path(store.layout.root)).snapshot()
    assert "TASK-007" not in snapshot.tasks
    assert list(snapshot.tasks)[-1] == "TASK-999"
    assert [Path(damage.path).name for damage in snapshot.damaged] == ["TASK-008.json"]
    assert "".join(Rows(store.layout).document("task")) == printed(store)


def cut_off(data: bytes) -> bytes:
    return data[: len(data) // 2]


def nothing(_data: bytes) -> bytes:
    return b""


def one_byte_else(data: bytes) -> bytes:
    return data.replace(b'"ready"', b'"READY"', 1)


def a_zero_page(data: bytes) -> bytes:
    return data[:4096] + bytes(4096) + data[8192:]


def another_release(data: bytes) -> bytes:
    return data.replace(b"aiw ", b"aiw 9.", 1)


@pytest.mark.parametrize("damage", [cut_off, nothing, one_byte_else, a_zero_page, another_release])
def test_damaged_ones_count_for_nothing(store: Store, damage: Callable[[bytes], bytes], read: list[str]) -> None:
    path = remembered_path(store)
    path.write_bytes(damage(path.read_bytes()))
    assert read_records(store.layout, "task") is None
    snapshot = make_store(Path(store.layout.root)).snapshot()
    assert {task.status for task in snapshot.tasks.values()} == {"ready"}
    assert len(read) == COUNT
    assert "".join(Rows(store.layout).document("task")) == printed(store)


def test_an_edit_while_a_command_runs_is_not_remembered_as_read(store: Store) -> None:
    """The look that is remembered is that of what was read, not that of what lies there when it is written down."""
    other = make_store(Path(store.layout.root))
    other.snapshot()
    path = path_of(store, 7)
    path.write_text(path.read_text().replace('"ready"', '"blocked"'))
    os.unlink(Path(store.layout.locks) / "index.json")
    touch(other)
    time.sleep(0.03)
    assert make_store(Path(store.layout.root)).snapshot().tasks["TASK-007"].status == "blocked"
    assert json.loads("".join(Rows(store.layout).document("task")))["tasks"][6]["status"] == "blocked"


def test_a_full_disk_does_not_stop_the_change(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    os.unlink(Path(store.layout.locks) / "index.json")
    for kind in KINDS:
        path = Path(store.layout.locks) / f"records-{kind}.json"
        path.unlink()
        path.mkdir()
    touch(store)
    assert make_store(Path(store.layout.root)).snapshot().tasks["TASK-001"].description.endswith("xx")


def test_thousands_of_ids_stay_in_the_order_of_their_numbers(store: Store) -> None:
    with store.transaction("more") as change:
        task = change.before.tasks["TASK-001"]
        more = tuple(replace(task, id=f"TASK-{number}", key=f"M01/{number}") for number in (1000, 10000, 9999))
        change.apply(Changes(put=more))
    time.sleep(0.03)
    touch(make_store(Path(store.layout.root)), index.MAX_BEHIND)
    snapshot = make_store(Path(store.layout.root)).snapshot()
    assert list(snapshot.tasks)[-4:] == [f"TASK-{COUNT}", "TASK-1000", "TASK-9999", "TASK-10000"]
    assert "".join(Rows(store.layout).document("task")) == printed(store)
