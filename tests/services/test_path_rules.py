"""No path that a repository brings, by its state, its links or its settings, leads a command out of the root (§7.7)."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
import tarfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from ai_workflow.errors import AiwError
from ai_workflow.services.backlog_file import find_file
from support.prepared import prepared
from support.project import Project, make_under_way

WORKSPACE = "docs/ai/workspace"
STATE = f"{WORKSPACE}/state"
WRITING = (
    ("init",),
    ("agent", "run"),
    ("task", "block", "2", "see"),
    ("report", "all"),
    ("prompt", "next"),
    ("backlog", "add", "--title", "An idea"),
    ("adr", "new", "A decision"),
    ("undo",),
    ("doctor", "--fix"),
    ("workspace", "reset", "--force"),
    ("workspace", "restore", "--force"),
    ("state", "rebuild"),
    ("migrate",),
    ("uninstall", "--yes"),
)
"""Each may refuse; none may touch what lies outside."""


def make_outside(project: Project) -> Path:
    """A person's home beside the project, with a file and a folder that a path may lead to."""
    outside = project.path.parent / "outside"
    (outside / "folder").mkdir(parents=True)
    (outside / "file").write_text("precious\n")
    (outside / "folder" / "file").write_text("precious too\n")
    for path in (outside / "folder", *outside.rglob("file")):
        # Old enough to be taken for the remains of a killed process.
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return outside


def fingerprint(outside: Path) -> dict[str, bytes]:
    return {str(path.relative_to(outside)): path.read_bytes() for path in outside.rglob("*") if path.is_file()}


def edit(project: Project, rel: str, **fields: object) -> None:
    document = project.state(rel)
    document.update(fields)
    project.write(f"{STATE}/{rel}", json.dumps(document, indent=2, sort_keys=True) + "\n")


def link(project: Project, rel: str, target: Path) -> None:
    """A link in the place of a file or folder; what was in the folder lies where it leads, so that it is found."""
    place = project.path / rel
    if place.is_dir():
        for file in place.iterdir():
            file.rename(target / file.name)
        place.rmdir()
    place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


def plant_intent(project: Project, **fields: object) -> None:
    document = {
        "schema_version": 1, "id": "OP-000099-abcdef", "kind": "finish", "task_id": "TASK-002", "run_id": None,
        "branch": "refs/heads/ai/m01-parser-cleanup", "head": project.git("rev-parse", "HEAD"), "tree": "0" * 40,
        "index_file": None, "paths": [], "staged": {}, "since": None, "files": [], "decisions": [], "unproven": None,
        "baseline": {}, "at": "2026-01-01T00:00:00Z", **fields,
    }  # fmt: skip
    project.write(f"{STATE}/intents/OP-000099-abcdef.json", json.dumps(document))


def link_events(project: Project, outside: Path) -> None:
    link(project, f"{STATE}/events/events.jsonl", outside / "file")


def link_lock(project: Project, outside: Path) -> None:
    for name in ("state.lock", "finish-core.lock"):
        link(project, f"{WORKSPACE}/locks/{name}", outside / "file")


def link_to_nothing(project: Project, outside: Path) -> None:
    for name in ("state.lock", "finish-core.lock"):
        link(project, f"{WORKSPACE}/locks/{name}", outside / "new")
    link(project, f"{STATE}/events/events.jsonl", outside / "new too")


def link_folder(rel: str) -> Callable[[Project, Path], None]:
    def tamper(project: Project, outside: Path) -> None:
        link(project, rel, outside / "folder")

    return tamper


def name_audit(project: Project, outside: Path) -> None:
    for number in (1, 2):
        edit(project, f"tasks/TASK-00{number}.json", audit_path="../outside/file")


def name_lane(project: Project, outside: Path) -> None:
    edit(project, "tasks/TASK-002.json", lane_id="../../../../../outside/new")


def name_index(project: Project, outside: Path) -> None:
    plant_intent(project, index_file=str(outside / "file"))


def name_planned_file(project: Project, outside: Path) -> None:
    plant_intent(
        project, kind="undo", since=1,
        files=[{"path": "../outside/file", "seen_sha256": None, "text": "owned\n"}],
    )  # fmt: skip


def name_appended(project: Project, outside: Path) -> None:
    journal = {
        "journal": 1, "operation": "OP-000099-abcdef", "files": [],
        "append": {"path": "../../../../../outside/file", "offset": 0, "text": "owned\n"},
    }  # fmt: skip
    project.write(f"{STATE}/journal.json", json.dumps(journal))


def name_journal_file(project: Project, outside: Path) -> None:
    journal = {
        "journal": 1, "operation": "../../../../../../outside/folder", "append": None,
        "files": [{"path": "project.json", "before": "0", "after": "owned\n"}],
    }  # fmt: skip
    project.write(f"{STATE}/journal.json", json.dumps(journal))


def name_options(project: Project, outside: Path) -> None:
    option = f"--output={outside / 'file'}"
    plant_intent(project, head=None, tree=option)
    edit(project, "milestones/M01.json", start_sha=option)
    edit(project, "tasks/TASK-001.json", commit_sha=option)


def name_options_of_a_branch(project: Project, outside: Path) -> None:
    edit(project, "milestones/M01.json", branch=f"--output={outside / 'file'}")
    edit(project, "lanes/core.json", branch=f"--output={outside / 'file'}")


def name_documents(project: Project, outside: Path) -> None:
    digest = sha256(b"precious\n").hexdigest()
    pending = [{"kind": "file", "path": "../outside/file", "backlog": None}]
    edit(project, "project.json", documents={"../outside/file": digest}, pending_edits=pending)


TAMPERING: dict[str, Callable[[Project, Path], None]] = {
    "events.jsonl is a link": link_events,
    "the locks are links": link_lock,
    "links lead to nothing yet": link_to_nothing,
    "an audit lies outside": name_audit,
    "a lane is called like a path": name_lane,
    "an intent names an index outside": name_index,
    "an undo writes a file outside": name_planned_file,
    "the journal appends outside": name_appended,
    "the journal's operation is a path": name_journal_file,
    "documents and edits lie outside": name_documents,
    "commits are options of git": name_options,
    "branches are options of git": name_options_of_a_branch,
    **{
        f"{rel} is a link": link_folder(f"{WORKSPACE}/{rel}")
        for rel in (
            "state/tasks", "state/runs", "state/operations", "state/events", "state/intents", "state/conflicts",
            "locks/unfinished", "archive/damaged", "archive/replaced", "generated-packs/one", "reports/pr",
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("tamper", TAMPERING.values(), ids=TAMPERING)
def test_a_state_that_came_with_a_clone_leads_nobody_out(
    tmp_path: Path, tamper: Callable[[Project, Path], None]
) -> None:
    project = prepared(make_under_way, tmp_path)
    outside = make_outside(project)
    tamper(project, outside)
    before = fingerprint(outside)
    for words in WRITING:
        assert project.aiw(*words, code=None).code != 2, words
        assert fingerprint(outside) == before, words


@pytest.mark.parametrize("where", ["main", "linked"])
def test_a_linked_work_tree_follows_no_link_in_the_main_one(tmp_path: Path, where: str) -> None:
    project = prepared(make_under_way, tmp_path)
    outside = make_outside(project)
    tree = tmp_path / "tree"
    project.git("add", "--all")
    project.git("worktree", "add", "--quiet", "--detach", str(tree))
    link(project, f"{STATE}/tasks", outside / "folder")
    before = fingerprint(outside)
    refused = project.aiw("task", "block", "2", "see", cwd=tree if where == "linked" else None, code=1)
    assert "leads out of the project" in refused.stderr
    assert fingerprint(outside) == before


MEMBERS = (
    "../outside/file",
    "/aiw-owned",
    f"{WORKSPACE}/prompts/../../../../../outside/file",
    ".git/config",
    "README.md",
)


@pytest.mark.parametrize("name", [*MEMBERS, "a link"])
def test_an_archive_puts_nothing_elsewhere(tmp_path: Path, name: str) -> None:
    project = prepared(make_under_way, tmp_path)
    outside = make_outside(project)
    project.aiw("workspace", "reset", "--force")
    archive = next((project.path / WORKSPACE / "archive").glob("reset-*.tar.gz"))
    with tarfile.open(archive) as tar:
        members = [(member, (tar.extractfile(member) or io.BytesIO()).read()) for member in tar]
    manifest = json.loads(members[0][1])
    extra = tarfile.TarInfo(f"{WORKSPACE}/prompts/x" if name == "a link" else name)
    data = b"owned\n"
    if name == "a link":
        extra.type, extra.linkname, data = tarfile.SYMTYPE, str(outside / "file"), b""
    extra.size = len(data)
    manifest["files"][extra.name] = sha256(data).hexdigest()
    members[0] = (tarfile.TarInfo(members[0][0].name), json.dumps(manifest).encode())
    with tarfile.open(archive, "w:gz") as tar:
        for member, content in (*members, (extra, data)):
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    before, config = fingerprint(outside), project.read(".git/config")
    project.aiw("workspace", "restore", code=None)
    assert fingerprint(outside) == before
    assert project.read(".git/config") == config
    assert project.read("README.md") == "# project\n"
    assert not Path("/aiw-owned").exists()


@pytest.mark.parametrize("rel", ["tasks/TASK-002.json", "project.json", "milestones/M01.json", "journal.json"])
@pytest.mark.parametrize("target", ["/dev/zero", "private"])
def test_a_link_in_the_place_of_a_state_file_is_damage_and_is_not_read(tmp_path: Path, rel: str, target: str) -> None:
    project = prepared(make_under_way, tmp_path)
    place = project.path / STATE / rel
    private = tmp_path / "private"
    private.write_bytes(place.read_bytes() if place.exists() else b'{"journal": 1, "operation": "OP-1", "files": []}')
    before = private.read_bytes()
    place.unlink(missing_ok=True)
    place.symlink_to(tmp_path / target)
    for words in (("task", "list"), ("milestone", "list"), ("agent", "run"), ("doctor",)):
        shown = aiw_in_little_memory(project, *words)
        assert "Traceback" not in shown.stderr, shown
    assert f"{STATE}/{rel}" in shown.stdout + shown.stderr
    assert shown.returncode in (1, 5)
    project.aiw("doctor", "--fix", code=None)
    assert private.read_bytes() == before
    assert not place.is_symlink()
    assert all(copy.is_symlink() for copy in (project.path / WORKSPACE / "archive").rglob("*.json"))
    assert project.aiw("doctor", "--json").json["ok"]


def aiw_in_little_memory(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))

    command = [sys.executable, "-m", "ai_workflow", *words]
    return subprocess.run(
        command, cwd=project.path, capture_output=True, text=True, timeout=20, preexec_fn=limit, check=False
    )


@pytest.mark.parametrize("rel", ["../x", "docs/../../x", "/etc/passwd", ".git/config", "docs/.GIT/hooks/x", "out/x"])
def test_a_path_of_a_record_is_no_file_outside_and_none_of_gits(tmp_path: Path, rel: str) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "out").symlink_to(tmp_path)
    if rel.startswith("/"):
        assert find_file(str(tmp_path / "root"), rel) == str(tmp_path / "root" / rel.lstrip("/"))
        return
    with pytest.raises(AiwError):
        find_file(str(tmp_path / "root"), rel)
