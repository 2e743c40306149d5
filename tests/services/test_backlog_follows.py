"""The backlog follows tasks, and that is never the reason for a failure (spec §5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_workflow.models.snapshot import Changes
from ai_workflow.models.status import TaskStatus
from ai_workflow.policy.transitions import move
from ai_workflow.services.workspace import Workspace, open_workspace
from support.prepared import prepared
from support.project import Project, make_project

BACKLOG = "docs/ai/plan/backlog.md"


def prepare(folder: Path) -> Project:
    made = make_project(folder, remote=False)
    made.aiw("init")
    made.aiw("backlog", "promote", "1")
    made.aiw("plan", "import")
    return made


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(prepare, tmp_path)


def open_with_notes(project: Project, said: list[str]) -> Workspace:
    return open_workspace(str(project.path), talk=said.append)


def move_task(ws: Workspace, *verbs: str) -> TaskStatus:
    with ws.store.transaction("test") as change:
        for verb in verbs:
            change.apply(Changes(put=(move(change.after.tasks["TASK-001"], verb, now=change.now),)))
    return ws.store.snapshot().tasks["TASK-001"].status


def item_status(project: Project) -> str:
    status: str = project.aiw("backlog", "show", "1").json["status"]
    return status


def test_an_item_goes_along_with_its_task(project: Project) -> None:
    said: list[str] = []
    ws = open_with_notes(project, said)
    text = project.read(BACKLOG)
    move_task(ws, "block")
    assert item_status(project) == "blocked"
    move_task(ws, "unblock")
    assert project.read(BACKLOG) == text
    move_task(ws, "unlock", "start", "finish")
    assert project.read(BACKLOG) == text.replace("Status: active", "Status: done")
    (edit,) = ws.store.snapshot().require_project().pending_edits
    assert edit.backlog is not None
    assert (edit.path, edit.backlog.item_id, edit.backlog.status) == (BACKLOG, "BLG-001", "done")
    assert said == []


def test_a_cancelled_task_archives_its_item_and_a_rejected_one_stays_so(project: Project) -> None:
    ws = open_with_notes(project, [])
    text = project.read(BACKLOG).replace("Status: active", "Status: rejected")
    project.write(BACKLOG, text)
    move_task(ws, "cancel")
    assert project.read(BACKLOG) == text


def test_cancelling_leaves_the_reason(project: Project) -> None:
    move_task(open_with_notes(project, []), "cancel")
    assert item_status(project) == "archived"
    assert "- archive_reason: TASK-001 was cancelled\n" in project.read(BACKLOG)


@pytest.mark.parametrize("damage", ["missing", "folder", "binary", "no item", "unclosed", "implied"])
def test_a_backlog_that_cannot_follow_stops_nothing(project: Project, damage: str) -> None:
    path = project.path / BACKLOG
    path.unlink()
    if damage == "folder":
        path.mkdir()
    texts = {
        "binary": b"\xff\xfe",
        "no item": b"# Backlog\n",
        "unclosed": b"<!-- open\n## BLG-001 - x\n",
        "implied": b"## An idea of somebody else\n",
    }
    if damage in texts:
        path.write_bytes(texts[damage])
    said: list[str] = []
    assert move_task(open_with_notes(project, said), "cancel") == "cancelled"
    assert len(said) == (1 if damage in ("folder", "binary") else 0)
    assert damage not in texts or path.read_bytes() == texts[damage]
    assert path.exists() == (damage != "missing")
