"""A look at the state while new files are being written: a torn one is no damage (spec §7.1, §7.4)."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from ai_workflow.clock import FixedClock
from ai_workflow.models.project import Project
from ai_workflow.models.snapshot import Changes
from ai_workflow.store import journal, operations, reader, transaction
from ai_workflow.store.layout import Layout
from ai_workflow.store.rows import Rows
from ai_workflow.store.transaction import Store
from rendering.builders import make_task

NOW = "2026-01-02T03:04:05Z"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(Layout(str(tmp_path), workspace_rel="docs/ai/workspace"), clock=FixedClock(NOW), actor="me")
    project = Project(project_name="p", base_branch="main", lineage="l", created_at=NOW, updated_at=NOW)
    with store.transaction("init") as change:
        change.apply(Changes(put=(project,)))
    return store


@pytest.fixture(params=[b"", b'{\n  "acceptance": ['], ids=["empty", "half"])
def torn(store: Store, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A task is being added: the journal is there, the files of task and operation have begun."""

    def begin(layout: Layout, change: journal.Journal) -> journal.Applied:
        for entry in change.files:
            if entry.before is None:
                Path(layout.in_state(entry.path)).parent.mkdir(exist_ok=True)
                Path(layout.in_state(entry.path)).write_bytes(request.param)
        raise KeyboardInterrupt

    monkeypatch.setattr(transaction, "apply_journal", begin)
    with pytest.raises(KeyboardInterrupt):
        add_task(store)
    return store


def add_task(store: Store) -> None:
    with store.transaction("add") as change:
        change.apply(Changes(put=(replace(make_task(1, status="ready"), description="added"),)))


def looks_before(monkeypatch: pytest.MonkeyPatch, module: object) -> None:
    """The first look of the module for a journal came before there was one."""
    answers = iter([None])
    monkeypatch.setattr(module, "find_journal", lambda layout: next(answers, journal.find_journal(layout)))


def test_a_showing_command_sees_the_new_text(torn: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(Rows, "_read_overlay", lambda _self: {})
        rows = Rows(torn.layout)
    assert [row["description"] for row in rows.of("task")] == ["added"]
    assert rows.damaged == []


def test_a_deciding_command_sees_the_new_text(torn: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    looks_before(monkeypatch, reader)
    snapshot = reader.StateReader(torn.layout).read()
    assert snapshot.damaged == ()
    assert snapshot.tasks["TASK-001"].description == "added"


@pytest.mark.parametrize("about", [None, "tasks/TASK-001.json"])
def test_the_log_sees_the_new_text(torn: Store, monkeypatch: pytest.MonkeyPatch, about: str | None) -> None:
    looks_before(monkeypatch, operations)
    log = operations.read_log(torn.layout, about=about)
    assert log.damaged == ()
    assert [one.name for one in log.operations][-1] == "add"
