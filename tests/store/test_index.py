"""The derived index of summaries: never believed where a file is not as it was, and deletable at any time."""

from __future__ import annotations

import json
import os
import shutil
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from ai_workflow import __version__
from ai_workflow.clock import FixedClock
from ai_workflow.models.project import Project
from ai_workflow.models.snapshot import Changes
from ai_workflow.store import index
from ai_workflow.store.layout import Layout
from ai_workflow.store.looks import look_at
from ai_workflow.store.rows import Rows
from ai_workflow.store.transaction import Store
from rendering.builders import make_task

NOW = "2026-01-02T03:04:05Z"
COUNT = index.MIN_FILES + 4


def make_store(root: Path) -> Store:
    return Store(Layout(str(root), workspace_rel="docs/ai/workspace"), clock=FixedClock(NOW), actor="me")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A state with many tasks, and an index of them."""
    store = make_store(tmp_path)
    project = Project(project_name="p", base_branch="main", lineage="l", created_at=NOW, updated_at=NOW)
    tasks = [make_task(number, status="ready") for number in range(1, COUNT + 1)]
    with store.transaction("init") as change:
        change.apply(Changes(put=(project, *tasks)))
    time.sleep(0.03)
    # Read by another process, which finds the files settled; the first index had rows for none of them.
    os.unlink(Path(store.layout.locks) / "index.json")
    touch(make_store(tmp_path))
    return store


def touch(store: Store, count: int = 1) -> None:
    for _ in range(count):
        with store.transaction("touch") as change:
            task = change.before.tasks["TASK-001"]
            change.apply(Changes(put=(replace(task, description=task.description + "x"),)))


def path_of(store: Store, number: int) -> Path:
    return Path(store.layout.in_state(f"tasks/TASK-{number:03}.json"))


def counted(store: Store) -> Counter[str]:
    return Counter(Rows(store.layout).statuses("task"))


def indexed(store: Store) -> int:
    return len(index.read_index(store.layout)["task"].names)


def test_files_that_are_as_they_were_are_not_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert indexed(store) >= COUNT - 1
    rows = Rows(store.layout)
    read: list[str] = []
    monkeypatch.setattr(rows, "_read", lambda rel, _id: read.append(rel))
    rows.statuses("task")
    assert read in ([], ["tasks/TASK-001.json"])


def edit_in_place(path: Path) -> None:
    with path.open("r+b") as stream:
        text = stream.read().replace(b'"ready"', b'"block"')
        stream.seek(0)
        stream.write(text)


def replace_by_rename(path: Path) -> None:
    other = path.with_name(".new")
    other.write_text(path.read_text().replace('"ready"', '"block"'))
    os.replace(other, path)


def keep_time_and_size(path: Path) -> None:
    info = path.stat()
    replace_by_rename(path)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


@pytest.mark.parametrize("edit", [edit_in_place, replace_by_rename, keep_time_and_size])
def test_an_edit_by_hand_is_seen(store: Store, edit: Callable[[Path], None]) -> None:
    edit(path_of(store, 7))
    assert counted(store) == {"ready": COUNT - 1, "block": 1}


def test_a_file_put_back_after_two_changes_of_one_process_is_seen(store: Store, tmp_path: Path) -> None:
    """As a backup of hard links does: time, size and inode are those that the process had seen before its changes."""
    kept = tmp_path / "kept.json"
    os.link(path_of(store, 7), kept)
    other = make_store(tmp_path)
    with other.transaction("first") as change:
        change.apply(Changes(put=(replace(change.before.tasks["TASK-007"], status="done"),)))
    os.unlink(Path(store.layout.locks) / "index.json")
    touch(other)
    os.replace(kept, path_of(store, 7))
    assert make_store(tmp_path).snapshot().tasks["TASK-007"].status == "ready"
    assert counted(store) == {"ready": COUNT}
    assert "".join(Rows(store.layout).document("task")) == printed(store)


def forge(store: Store, head: str, document: bytes) -> None:
    """Remembered records as a clone may bring them, with the right checksum."""
    rest = head.encode() + b"\n" + document
    first = f"aiw {__version__} records 1 {zlib.crc32(rest):08x}\n".encode()
    (Path(store.layout.locks) / "records-task.json").write_bytes(first + rest)


NAMES = json.dumps([f"TASK-{number:03}.json" for number in range(1, COUNT + 1)])
ONES = json.dumps([1] * COUNT)
ELEMENT = b'{\n  "tasks": [\n    {\n      "a": 1\n    }\n  ]\n}\n'


@pytest.mark.parametrize(
    ("head", "document"),
    [
        (f"[{NAMES}, [{ONES}, {ONES}, {ONES}]]", ELEMENT),
        (f"[{NAMES}, [{ONES}, {ONES}, {ONES}]]", ELEMENT.replace(b"{\n      ", b"\xff\n    },\n    {\n" * (COUNT - 1))),
        ('[["TASK-001.json"], [[1], [2], [3]]]', b"[]"),
        ('[["TASK-001.json"], [[1], [2]]]', ELEMENT),
        ('[["TASK-001.json"], [1, 2, 3]]', ELEMENT),
        ("[[[]], [[1], [2], [3]]]", ELEMENT),
        ("[null, null]", ELEMENT),
        ("[" * 100_000, ELEMENT),
    ],
)
def test_records_that_somebody_made_up_count_for_nothing(store: Store, head: str, document: bytes) -> None:
    forge(store, head, document)
    assert "".join(Rows(store.layout).document("task")) == printed(store)
    assert len(make_store(Path(store.layout.root)).snapshot().tasks) == COUNT


@pytest.mark.parametrize("name", ["index.json", "records-task.json"])
def test_a_link_in_their_place_is_not_read(store: Store, name: str) -> None:
    path = Path(store.layout.locks) / name
    path.unlink()
    path.symlink_to("/dev/zero")
    assert counted(store) == {"ready": COUNT}
    assert "".join(Rows(store.layout).document("task")) == printed(store)
    touch(make_store(Path(store.layout.root)))
    assert path.is_symlink() is (name == "records-task.json")


def test_an_edit_in_the_same_second_is_seen_where_times_are_whole_seconds(store: Store) -> None:
    path, second_ns = path_of(store, 7), time.time_ns() // 10**9 * 10**9
    os.utime(path, ns=(second_ns, second_ns))
    time.sleep(0.03)
    os.unlink(Path(store.layout.locks) / "index.json")
    touch(make_store(Path(store.layout.root)))
    edit_in_place(path)
    os.utime(path, ns=(second_ns, second_ns))
    assert counted(store) == {"ready": COUNT - 1, "block": 1}


def test_files_that_come_and_go_are_seen(store: Store) -> None:
    path_of(store, 7).unlink()
    path_of(store, 8).write_text("{")
    extra = json.loads(path_of(store, 9).read_text()) | {"id": "TASK-999", "status": "done"}
    path_of(store, 999).write_text(json.dumps(extra))
    rows = Rows(store.layout)
    assert Counter(rows.statuses("task")) == {"ready": COUNT - 2, "done": 1}
    assert [text.split(":")[0].rpartition("/")[2] for text in rows.damaged] == ["TASK-008.json"]


@pytest.mark.parametrize("text", [None, "", "{nonsense", "[]", '{"version": 1, "kinds": {"task": {"names": ["x"]}}}'])
def test_without_a_usable_index_everything_is_read(store: Store, text: str | None) -> None:
    path = Path(store.layout.locks) / "index.json"
    path.unlink() if text is None else path.write_text(text)
    assert counted(store) == {"ready": COUNT}


def printed(store: Store) -> str:
    """What a list prints that reads every file."""
    rows = Rows(store.layout).of("task")
    return json.dumps({"tasks": rows}, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def test_the_document_is_that_of_the_parsed_rows(store: Store) -> None:
    path_of(store, 5).write_text(json.dumps(json.loads(path_of(store, 5).read_text())))
    rows = Rows(store.layout)
    assert "".join(rows.document("task")) == printed(store)


def test_the_index_is_renewed_after_some_changes_only(store: Store) -> None:
    path = Path(store.layout.locks) / "index.json"
    path.unlink()
    touch(store)
    first = path.stat().st_ino
    touch(store, index.MAX_BEHIND - 1)
    assert path.stat().st_ino == first
    touch(store)
    assert path.stat().st_ino != first
    assert counted(store) == {"ready": COUNT}


def test_a_copied_workspace_gets_its_own_with_the_next_change(store: Store, tmp_path: Path) -> None:
    shutil.copytree(store.layout.root, tmp_path / "copy")
    copied = make_store(tmp_path / "copy")
    assert counted(copied) == {"ready": COUNT}
    time.sleep(0.03)
    touch(copied)
    column = index.read_index(copied.layout)["task"]
    looks = look_at(copied.layout.folder("task"), column.names)
    assert sum(one == other for one, other in zip(looks[2], column.looks[2], strict=True)) >= COUNT - 1


def test_a_small_state_has_none(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    project = Project(project_name="p", base_branch="main", lineage="l", created_at=NOW, updated_at=NOW)
    with store.transaction("init") as change:
        change.apply(Changes(put=(project, make_task(1, status="ready"))))
    assert not (Path(store.layout.locks) / "index.json").exists()
    assert counted(store) == {"ready": 1}
