"""Reset keeps everything in an archive, and restore brings it back as it was (spec §6.10)."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from ai_workflow.clock import FixedClock
from ai_workflow.models.project import Counters
from ai_workflow.services.state_archive import REPLACED, RESET, list_archives, write_archive
from ai_workflow.services.workspace import open_workspace
from support.prepared import prepared
from support.project import PARSER_PLAN, Project, make_under_way, make_workspace

pytestmark = pytest.mark.slow

ARCHIVE = "docs/ai/workspace/archive"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(make_under_way, tmp_path)


def state(project: Project) -> dict[str, bytes]:
    folder = project.path / "docs/ai/workspace/state"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def archives(project: Project) -> list[str]:
    return sorted(path.name for path in (project.path / ARCHIVE).iterdir())


def test_it_needs_force(project: Project) -> None:
    before = state(project)
    result = project.aiw("workspace", "reset", code=2)
    assert result.stderr.endswith("hint: if that is meant: aiw workspace reset --force\n")
    assert state(project) == before


def test_reset_and_restore_give_the_same_bytes(project: Project) -> None:
    generated = ("tasks", "milestones", "prompts", "reports")
    folder = project.path / "docs/ai/workspace"
    before = state(project)
    documents = {str(path): path.read_bytes() for name in generated for path in (folder / name).rglob("*.md")}
    done = project.aiw("workspace", "reset", "--force", "--json").json
    assert (done["outcome"], done["active_task"], done["branches"]) == ("reset", "TASK-002", ["ai/m01-parser-cleanup"])
    assert [name for name in generated if (folder / name).exists()] == []
    assert project.status() == []
    project.aiw("workspace", "restore")
    assert state(project) == before
    assert {str(path): path.read_bytes() for name in generated for path in (folder / name).rglob("*.md")} == documents
    assert project.aiw("workspace", "restore", "--json").json["outcome"] == "nothing"
    assert len(archives(project)) == 1
    project.write("docs/parser.md", "x\n")
    project.finish()
    assert project.milestone()["status"] == "merged"


def test_ids_go_on_after_a_reset(project: Project) -> None:
    project.aiw("workspace", "reset", "--force")
    handed = project.next()
    assert handed["task"]["id"] == "TASK-003"
    assert handed["task"]["workpackage"] == 2
    assert project.milestone()["branch"] == "ai/m01-parser-cleanup-2"
    assert handed["task"]["run_ids"] == ["RUN-0003"]


def test_ids_given_out_before_a_restore_are_not_given_out_again(project: Project) -> None:
    before = state(project)
    project.aiw("workspace", "reset", "--force")
    project.next()
    result = project.aiw("workspace", "restore", "--json").json
    assert result["notes"] == ["ids that were given out since then are not given out again"]
    after = state(project)
    assert {rel for rel in after if after[rel] != before.get(rel)} == {"project.json"}
    assert project.aiw("task", "adhoc", "--title", "Look at it", "--json").json["id"] == "TASK-005"
    assert [name.partition("-2")[0] for name in archives(project)] == ["before-restore", "reset"]


def test_what_was_replaced_by_a_restore_comes_back_too(project: Project) -> None:
    project.aiw("workspace", "reset", "--force")
    project.aiw("task", "adhoc", "--title", "Made since")
    since = state(project)
    replaced = project.aiw("workspace", "restore", "--json").json["replaced"]
    project.aiw("workspace", "restore", replaced.rpartition("/")[2])
    after = state(project)
    assert {rel for rel in after if after[rel] != since.get(rel)} <= {"project.json"}


def test_accepted_decisions_stay(project: Project) -> None:
    project.aiw("adr", "new", "Errors are values", "-d", "They are.")
    project.aiw("adr", "accept", "ADR-0001")
    project.aiw("workspace", "reset", "--force")
    assert [adr["status"] for adr in project.aiw("adr", "list", "--json").json["adrs"]] == ["accepted"]
    assert len(list((project.path / "docs/ai/workspace/adr").glob("*.md"))) == 1
    project.aiw("adr", "new", "Made since", "-d", "So.")
    project.aiw("workspace", "restore")
    assert [adr["id"] for adr in project.aiw("adr", "list", "--json").json["adrs"]] == ["ADR-0001", "ADR-0002"]


def test_parked_work_survives_both(project: Project) -> None:
    project.write("docs/parser.md", "begun\n")
    task = project.aiw("task", "adhoc", "--kind", "hotfix", "--title", "Fix the login", "--json").json["id"]
    project.aiw("agent", "task", task)
    done = project.aiw("workspace", "reset", "--force", "--json").json
    assert done["parked"] == ["refs/aiw/parked/TASK-002"]
    project.aiw("workspace", "restore")
    project.write("login.py", "x\n")
    project.finish()
    project.aiw("agent", "run")
    assert project.read("docs/parser.md") == "begun\n"


def test_damaged_state_is_archived_and_restored_as_it_is(project: Project) -> None:
    project.write("docs/ai/workspace/state/tasks/TASK-001.json", b"\xff\xfe{")
    project.write("docs/ai/workspace/state/project.json", b"{")
    before = state(project)
    project.aiw("workspace", "reset", "--force")
    counters = project.state("project.json")["counters"]
    assert (counters["task"], counters["run"], counters["workpackage"]) == (2, 2, 1)
    assert project.aiw("status", "--json").json["damaged"] == []
    project.aiw("workspace", "restore", "--force")
    assert state(project) == before


def test_without_any_state_the_commits_tell_how_far_ids_went(project: Project) -> None:
    import shutil

    shutil.rmtree(project.path / "docs/ai/workspace/state")
    project.aiw("workspace", "reset", "--force")
    counters = project.state("project.json")["counters"]
    assert (counters["task"], counters["run"], counters["workpackage"]) == (1, 1, 1)


def test_the_plan_comes_back_with_the_state(project: Project) -> None:
    project.aiw("workspace", "reset", "--force")
    assert project.read("docs/ai/plan/milestones.md") == PARSER_PLAN
    project.plan("# Milestones\n")
    result = project.aiw("workspace", "restore", "--json").json
    assert result["notes"] == ["docs/ai/plan/milestones.md is the plan of that time again"]
    assert project.read("docs/ai/plan/milestones.md") == PARSER_PLAN


def test_reset_again_makes_no_second_archive(project: Project) -> None:
    project.aiw("workspace", "reset", "--force")
    assert project.aiw("workspace", "reset", "--force", "--json").json["outcome"] == "nothing"
    assert len(archives(project)) == 1


def test_handoffs_follow_only_when_asked(project: Project) -> None:
    handoff = project.read("docs/ai/workspace/active-roadmap.md")
    project.aiw("workspace", "reset", "--force")
    assert project.read("docs/ai/workspace/active-roadmap.md") == handoff
    project.aiw("workspace", "reset", "--force", "--regenerate-handoffs")
    assert "Parser cleanup" not in project.read("docs/ai/workspace/active-roadmap.md")


def test_a_finish_under_way_refuses_it(project: Project) -> None:
    import subprocess
    import sys
    import time

    project.write("docs/parser.md", "x\n")
    finish = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "ai_workflow",
            "agent",
            "finish",
            "--check-cmd",
            "touch ../started; while [ ! -e ../go ]; do sleep 0.1; done",
        ],
        cwd=project.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _step in range(200):
            if (project.path.parent / "started").exists():
                break
            time.sleep(0.05)
        before = state(project)
        result = project.aiw("workspace", "reset", "--force", code=1)
        assert "a task is being finished" in result.stderr
        assert project.aiw("workspace", "restore", code=1).stderr.startswith("error: a task is being finished")
        assert state(project) == before
    finally:
        (project.path.parent / "go").touch()
        assert finish.wait(30) == 0
    assert project.task(2)["status"] == "done"


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "outside", "missing"])
def test_a_bad_archive_changes_nothing(project: Project, tmp_path: Path, damage: str) -> None:
    project.aiw("workspace", "reset", "--force")
    [name] = archives(project)
    path = project.path / ARCHIVE / name
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        path.write_bytes(data[:-400] + bytes(byte ^ 255 for byte in data[-400:-300]) + data[-300:])
    elif damage == "text":
        path.write_text("no archive\n")
    elif damage == "outside":
        with tarfile.open(path, "w:gz") as tar:
            tar.add(project.path / "README.md", arcname="../../evil")
    else:
        path.unlink()
    before = state(project)
    result = project.aiw("workspace", "restore", name, code=None)
    assert result.code == (1 if damage == "missing" else 5)
    assert "aiw workspace restore --list" in result.stderr
    assert state(project) == before
    assert not (tmp_path / "evil").exists()


def test_an_archive_of_another_workspace_needs_force(project: Project, tmp_path: Path) -> None:
    other = make_workspace(tmp_path / "other", remote=False)
    other.plan()
    other.next()
    other.aiw("workspace", "reset", "--force")
    [name] = archives(other)
    path = str(other.path / ARCHIVE / name)
    assert "is of another workspace" in project.aiw("workspace", "restore", path, code=1).stderr
    project.aiw("workspace", "restore", path, "--force")
    assert project.aiw("task", "list", "--json").json["tasks"][0]["status"] == "in_progress"


def test_the_list_shows_the_newest_first(project: Project) -> None:
    assert project.aiw("workspace", "restore", "--list").stdout == "no archives\n"
    assert "there is no archive of a reset" in project.aiw("workspace", "restore", code=1).stderr
    project.aiw("workspace", "reset", "--force")
    project.aiw("task", "adhoc", "--title", "Made since")
    project.aiw("workspace", "restore")
    rows = project.aiw("workspace", "restore", "--list", "--json").json["archives"]
    assert [row["name"].partition("-2")[0] for row in rows] == ["before-restore", "reset"]
    assert rows[0].keys() == {"name", "made_at", "actor", "files"}


NOTES = "docs/ai/workspace/prompts/notes.md"


def test_a_second_reset_leaves_files_that_no_archive_holds(project: Project) -> None:
    project.aiw("workspace", "reset", "--force")
    project.write(NOTES, "mine\n")
    result = project.aiw("workspace", "reset", "--force")
    assert f"not aiw's, so it stays: {NOTES}" in result.stdout
    assert project.read(NOTES) == "mine\n"
    assert len(archives(project)) == 1


@pytest.mark.parametrize("rel", [NOTES, "docs/ai/plan/milestones.md"])
def test_a_restore_archives_what_was_written_since_the_reset(project: Project, rel: str) -> None:
    project.aiw("workspace", "reset", "--force")
    project.write(rel, "mine\n")
    replaced = project.aiw("workspace", "restore", "--json").json["replaced"]
    with tarfile.open(project.path / replaced) as tar:
        held = tar.extractfile(rel)
        assert held is not None
        assert held.read() == b"mine\n"


def test_a_restore_of_the_same_state_archives_what_it_takes_away(project: Project) -> None:
    project.aiw("workspace", "reset", "--force")
    project.aiw("workspace", "restore")
    project.write(NOTES, "mine\n")
    replaced = project.aiw("workspace", "restore", "--json").json["replaced"]
    with tarfile.open(project.path / replaced) as tar:
        assert NOTES in tar.getnames()
    assert project.aiw("workspace", "restore", "--json").json["outcome"] == "nothing"


def test_an_archive_writes_nothing_to_where_aiw_generates_nothing(project: Project, tmp_path: Path) -> None:
    archive = project.aiw("workspace", "reset", "--force", "--json").json["archive"]
    with tarfile.open(project.path / archive) as tar:
        held = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    manifest = json.loads(held["manifest.json"])
    before = project.read("src/parser.py")
    for rel in ("src/parser.py", ".git/hooks/post-commit"):
        held[rel] = b"evil"
        manifest["files"][rel] = hashlib.sha256(b"evil").hexdigest()
    held["manifest.json"] = json.dumps(manifest).encode()
    made = tmp_path / "made.tar.gz"
    with tarfile.open(made, "w:gz") as tar:
        for name, data in held.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    notes = project.aiw("workspace", "restore", str(made), "--json").json["notes"]
    assert notes == ["not put back, because aiw generates no such file: .git/hooks/post-commit, src/parser.py"]
    assert project.read("src/parser.py") == before
    assert not (project.path / ".git/hooks/post-commit").exists()


def test_within_a_second_the_newest_is_still_known(project: Project) -> None:
    ws = open_workspace(str(project.path))
    ws.clock = FixedClock("2026-11-25T12:00:00Z")
    for kind, text in ((RESET, b"1"), (REPLACED, b"2"), (RESET, b"3"), (REPLACED, b"4")):
        write_archive(ws, kind, {"a": text}, lineage=None, counters=Counters(), branches=set())
    assert list_archives(ws) == (
        "before-restore-20261125T120000Z-4.tar.gz",
        "reset-20261125T120000Z-3.tar.gz",
        "before-restore-20261125T120000Z-2.tar.gz",
        "reset-20261125T120000Z.tar.gz",
    )
