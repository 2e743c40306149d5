"""Transactions: all or nothing, whatever is killed when (spec §7.1)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from ai_workflow import fsio
from ai_workflow.clock import FixedClock
from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.event import Event
from ai_workflow.models.lane import Lane
from ai_workflow.models.project import Project
from ai_workflow.models.snapshot import Changes
from ai_workflow.store.journal import Journal, JournalFile, write_journal
from ai_workflow.store.layout import Layout
from ai_workflow.store.transaction import Store

NOW = "2026-01-02T03:04:05Z"


def make_store(root: Path) -> Store:
    layout = Layout(str(root), workspace_rel="docs/ai/workspace")
    return Store(layout, clock=FixedClock(NOW), actor="tester", command=("test",))


def make_project() -> Project:
    return Project(project_name="p", base_branch="main", lineage="l", created_at=NOW, updated_at=NOW)


def make_lane(status: str = "idle") -> Lane:
    return Lane(id="core", status=status, created_at=NOW, updated_at=NOW)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = make_store(tmp_path)
    with store.transaction("init") as change:
        change.apply(Changes(put=(make_project(), make_lane())))
    return store


def reopened(store: Store) -> Store:
    """The store as another process finds it."""
    return make_store(Path(store.layout.root))


def state_files(store: Store) -> dict[str, str]:
    root = Path(store.layout.state)
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}


def test_a_transaction_writes_every_file_and_leaves_no_journal(store: Store) -> None:
    snapshot = store.snapshot()
    assert snapshot.project is not None
    assert snapshot.project.serial == 1
    assert snapshot.project.counters.operation == 1
    assert snapshot.lanes["core"].status == "idle"
    assert not Path(store.layout.journal).exists()
    files = state_files(store)
    assert files["lanes/core.json"] == textwrap.dedent("""\
        {
          "branch": null,
          "created_at": "2026-01-02T03:04:05Z",
          "current_task_id": null,
          "id": "core",
          "last_run_id": null,
          "locked_scopes": [],
          "milestone_id": null,
          "schema_version": 2,
          "status": "idle",
          "unfinished_task_id": null,
          "updated_at": "2026-01-02T03:04:05Z",
          "worktree": null
        }
        """)


def break_off(store: Store) -> None:
    with store.transaction("broken") as change:
        change.apply(Changes(put=(make_lane("active"),)))
        raise ZeroDivisionError


def test_an_exception_in_the_block_writes_nothing(store: Store) -> None:
    before = state_files(store)
    with pytest.raises(ZeroDivisionError):
        break_off(store)
    assert state_files(store) == before


def test_a_transaction_without_changes_leaves_no_trace(store: Store) -> None:
    before = state_files(store)
    with store.transaction("nothing"):
        pass
    assert state_files(store) == before


def test_an_operation_records_what_was_there_before(store: Store) -> None:
    with store.transaction("start", operation=None) as change:
        change.apply(Changes(put=(make_lane("active"),)))
    record = json.loads(state_files(store)[f"operations/{change.operation_id}.json"])
    assert record["name"] == "start"
    assert record["actor"] == "tester"
    assert record["serials"] == [2]
    paths = {entry["path"]: entry["before"] for entry in record["changes"]}
    assert json.loads(paths["lanes/core.json"])["status"] == "idle"


def test_two_transactions_of_one_operation_share_its_record(store: Store) -> None:
    with store.transaction("first half") as change:
        change.apply(Changes(put=(make_lane("active"),)))
    with store.transaction("whole", operation=change.operation_id) as second:
        second.apply(Changes(put=(make_lane("paused"),)))
        second.record_ref("refs/heads/x", before=None, after="abc")
    record = json.loads(state_files(store)[f"operations/{change.operation_id}.json"])
    assert record["name"] == "whole"
    assert record["serials"] == [2, 3]
    moved = {"ref": "refs/heads/x", "before": None, "after": "abc", "is_work": False, "serial": 3}
    assert record["refs"] == [moved]
    assert len(set(record["invocations"])) == 1
    assert [change["serial"] for change in record["changes"]] == [2, 2, 3, 3]
    assert store.snapshot().require_project().counters.operation == 2


def test_events_are_appended_even_behind_a_torn_line(store: Store) -> None:
    event = Event(timestamp=NOW, event="x", summary="s", actor="tester")
    path = Path(store.layout.in_state("events/events.jsonl"))
    path.parent.mkdir()
    path.write_text('{"torn": ')
    with store.transaction("log") as change:
        change.apply(Changes(events=(event,)))
    lines = path.read_text().split("\n")
    assert lines[0] == '{"torn": '
    assert json.loads(lines[1])["operation"] == change.operation_id
    assert lines[2] == ""


def test_readers_see_a_committed_journal_before_it_is_replayed(store: Store) -> None:
    interrupted = commit_without_applying(store, make_lane("active"))
    assert store.snapshot().lanes["core"].status == "active"
    assert json.loads(state_files(store)["lanes/core.json"])["status"] == "idle"
    assert store.recover() is True
    assert json.loads(state_files(store)["lanes/core.json"])["status"] == "active"
    assert not Path(store.layout.journal).exists()
    assert store.recover() is False
    assert interrupted.operation == "OP-000009-abcdef"


def commit_without_applying(store: Store, lane: Lane) -> Journal:
    from ai_workflow.store.codec import encode

    old = Path(store.layout.in_state("lanes/core.json")).read_bytes()
    journal = Journal(
        operation="OP-000009-abcdef",
        files=(JournalFile(path="lanes/core.json", before=fsio.sha256_of(old), text=encode(lane).decode()),),
    )
    write_journal(store.layout, journal)
    return journal


def test_a_hand_edit_between_crash_and_replay_is_kept(store: Store) -> None:
    commit_without_applying(store, make_lane("active"))
    edited = state_files(store)["lanes/core.json"].replace('"branch": null', '"branch": "mine"')
    Path(store.layout.in_state("lanes/core.json")).write_text(edited)
    assert store.recover() is True
    files = state_files(store)
    assert files["lanes/core.json"] == edited
    assert json.loads(files["conflicts/OP-000009-abcdef/lanes/core.json"])["status"] == "active"


@pytest.mark.parametrize("torn", ["", '{\n  "branch": null,\n  "created'])
def test_a_torn_file_is_replayed_over(store: Store, torn: str) -> None:
    commit_without_applying(store, make_lane("active"))
    Path(store.layout.in_state("lanes/core.json")).write_text(torn)
    store.recover()
    assert json.loads(state_files(store)["lanes/core.json"])["status"] == "active"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", Kind.CORRUPT),
        ('{"id": "core", ', Kind.CORRUPT),
        ('{"id": "core", "created_at": "x", "status": "paused", "updated_at": "x"}', Kind.LOCKED),
        (None, Kind.LOCKED),
    ],
)
def test_a_file_edited_after_it_was_read_is_not_written_over(store: Store, text: str | None, kind: str) -> None:
    path = Path(store.layout.in_state("lanes/core.json"))
    before = state_files(store)

    def overwrite() -> None:
        with store.transaction("overwrite") as change:
            change.apply(Changes(put=(make_lane("active"),)))
            path.unlink() if text is None else path.write_text(text)

    with pytest.raises(AiwError) as caught:
        overwrite()
    assert caught.value.kind == kind
    assert (path.read_text() if path.exists() else None) == text
    assert {**state_files(store), "lanes/core.json": ""} == {**before, "lanes/core.json": ""}


def test_the_same_state_is_read_once_and_an_edit_is_seen_within_a_second(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.snapshot()
    assert store.snapshot() is first
    path = Path(store.layout.in_state("lanes/core.json"))
    path.write_text(path.read_text().replace('"idle"', '"paused"'))
    now_s = time.monotonic() + 1.1
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    assert store.snapshot().lanes["core"].status == "paused"
    with reopened(store).transaction("elsewhere") as change:
        change.apply(Changes(put=(make_lane("active"),)))
    assert store.snapshot().lanes["core"].status == "active", "a change by aiw is seen at once"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ('{"id": "core", ', "the file is cut off or not JSON"),
        ('{\n<<<<<<< HEAD\n"id": 1\n', "the file holds merge-conflict markers"),
        ('{"id": "other", "created_at": "x", "updated_at": "x"}', "the file holds other, which is not its name"),
    ],
)
def test_a_damaged_file_is_named_and_never_overwritten(store: Store, text: str, message: str) -> None:
    path = Path(store.layout.in_state("lanes/core.json"))
    path.write_text(text)
    store = reopened(store)
    snapshot = store.snapshot()
    assert [(damage.path, damage.message) for damage in snapshot.damaged] == [
        ("docs/ai/workspace/state/lanes/core.json", message)
    ]
    assert snapshot.project is not None, "healthy files stay usable"
    with pytest.raises(AiwError) as caught, store.transaction("overwrite") as change:
        change.apply(Changes(put=(make_lane("active"),)))
    assert caught.value.kind == Kind.CORRUPT
    assert path.read_text() == text


def test_a_newer_file_is_refused_and_kept(store: Store) -> None:
    path = Path(store.layout.in_state("lanes/core.json"))
    newer = json.loads(path.read_text()) | {"schema_version": 99, "new_field": 1}
    path.write_text(json.dumps(newer))
    [damage] = reopened(store).snapshot().damaged
    assert damage.newer
    assert "schema version 99 is newer" in damage.message


def test_a_damaged_journal_stops_writers_and_names_the_file(store: Store) -> None:
    Path(store.layout.journal).write_text("{nonsense")
    with pytest.raises(AiwError) as caught, store.transaction("x"):
        pass
    assert caught.value.kind == Kind.CORRUPT
    assert "journal.json is damaged" in caught.value.message


def test_a_journal_cannot_write_outside_the_state(store: Store) -> None:
    Path(store.layout.journal).write_text(
        '{"journal": 1, "operation": "x", "files": [{"path": "../../evil", "before": null, "text": "x"}]}'
    )
    with pytest.raises(AiwError) as caught:
        store.recover()
    assert "outside the state" in caught.value.message


def test_waiting_for_the_lock_ends_with_the_holder_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIW_LOCK_TIMEOUT", "0.1")
    other = make_store(Path(store.layout.root))
    with store.transaction("the long one"), pytest.raises(AiwError) as caught, other.transaction("the waiting one"):
        pass
    assert caught.value.kind == Kind.LOCKED
    assert f"pid {os.getpid()}, the long one" in caught.value.message


def test_the_lock_goes_with_its_process(store: Store) -> None:
    script = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from store.test_transaction import make_store
        with make_store(Path(sys.argv[1])).transaction("killed"):
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    done = subprocess.run(
        [sys.executable, "-c", script, store.layout.root],
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert done.returncode == -9
    with store.transaction("next") as change:
        change.apply(Changes(put=(make_lane("active"),)))
    assert store.snapshot().lanes["core"].status == "active"


COUNT_UP = textwrap.dedent("""
    import sys
    from pathlib import Path
    from msgspec.structs import replace
    from ai_workflow.models.snapshot import Changes
    from store.test_transaction import make_store
    store = make_store(Path(sys.argv[1]))
    for _ in range(10):
        with store.transaction("count") as change:
            project = change.before.require_project()
            counters = replace(project.counters, task=project.counters.task + 1)
            change.apply(Changes(put=(replace(project, counters=counters),)))
""")


def test_processes_at_once_lose_no_update(store: Store) -> None:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    racers = [subprocess.Popen([sys.executable, "-c", COUNT_UP, store.layout.root], env=env) for _ in range(4)]
    assert [racer.wait() for racer in racers] == [0, 0, 0, 0]
    project = store.snapshot().require_project()
    assert project.counters.task == 40
    assert project.serial == 41
    assert len(list(Path(store.layout.operations).iterdir())) == 41


def test_a_full_disk_is_a_sentence_and_loses_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state_files(store)

    def full(*_args: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(AiwError) as caught, store.transaction("x") as change:
        change.apply(Changes(put=(make_lane("active"),)))
    monkeypatch.undo()
    assert caught.value.kind == Kind.IO
    assert "No space left on device" in caught.value.message
    assert state_files(store) == before


def test_replace_keeps_identity_fields(store: Store) -> None:
    project = store.snapshot().require_project()
    with store.transaction("rename") as change:
        change.apply(Changes(put=(replace(project, project_name="renamed"),)))
    assert store.snapshot().require_project().lineage == "l"
