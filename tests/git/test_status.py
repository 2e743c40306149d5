"""What differs from HEAD, for every kind of difference and any file name (spec §6.4 step 2)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ai_workflow.git.runner import Git
from ai_workflow.git.status import (
    Entry,
    describe_path,
    is_same_content,
    key_to_path,
    parse_status,
    path_to_key,
    read_status,
    show_path,
)
from support.project import Project, make_project

HOSTILE = ["spa ce.txt", "-dash", "é.py", 'quo"te', "new\nline", "tab\tname", "a;rm -rf b", "$(x)", "*", "日本.md"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path, remote=False)


def test_hostile_names_come_through(project: Project) -> None:
    for name in HOSTILE:
        project.write(name, "x")
    status = read_status(Git(str(project.path)))
    assert sorted(status.entries) == sorted(HOSTILE)
    assert all(entry.is_untracked for entry in status.entries.values())
    assert status.branch == "main"


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS refuses file names that are not UTF-8")
def test_a_name_that_is_not_utf8_survives_storing(project: Project) -> None:
    (project.path / os.fsdecode(b"caf\xe9")).write_text("x")
    [path] = read_status(Git(str(project.path))).entries
    assert os.fsencode(path) == b"caf\xe9"
    assert path_to_key(path) == "\x00636166e9"
    assert key_to_path(path_to_key(path)) == path
    assert show_path(path) == '"caf\\351"'


def test_every_kind_of_change(project: Project) -> None:
    project.write("gone.txt", "x")
    project.write("mode.sh", "x")
    project.write("both.txt", "x")
    project.git("add", "--all")
    project.git("commit", "-qm", "more")
    (project.path / "gone.txt").unlink()
    (project.path / "mode.sh").chmod(0o755)
    project.write("both.txt", "staged")
    project.git("add", "both.txt")
    project.write("both.txt", "and changed again")
    project.write("README.md", "changed")
    (project.path / "link").symlink_to("README.md")
    status = read_status(Git(str(project.path)))
    found = {path: describe_path(str(project.path), entry).mode for path, entry in status.entries.items()}
    assert found == {
        "README.md": "100644",
        "both.txt": "100644",
        "gone.txt": "absent",
        "link": "120000",
        "mode.sh": "100755",
    }
    assert status.entries["both.txt"].is_staged
    assert not status.entries["README.md"].is_staged


def test_fingerprints_are_git_blobs_of_the_raw_bytes(project: Project) -> None:
    project.write("a.txt", "hello\r\n")
    entry = Entry(path="a.txt", is_untracked=True)
    assert describe_path(str(project.path), entry).blob == project.git("hash-object", "--no-filters", "a.txt")


def test_an_unchanged_file_is_not_read_again(project: Project) -> None:
    path = project.write("a.txt", "hello")
    entry = Entry(path="a.txt", is_untracked=True)
    known = describe_path(str(project.path), entry)
    path.chmod(0o000)
    assert describe_path(str(project.path), entry, known=known).blob == known.blob
    path.chmod(0o644)
    path.write_text("other")
    assert not is_same_content(describe_path(str(project.path), entry, known=known), known)


def test_nested_repositories_are_told_apart(project: Project) -> None:
    inner = project.path / "vendor" / "inner"
    inner.mkdir(parents=True)
    project.git("init", "-q", cwd=inner)
    (inner / "file").write_text("x")
    status = read_status(Git(str(project.path)))
    assert status.nested == ("vendor/inner/",)
    assert status.entries == {}


def test_unborn_detached_and_unmerged(tmp_path: Path) -> None:
    project = make_project(tmp_path, remote=False, commit=False)
    assert read_status(Git(str(project.path))).head is None
    project.git("add", "--all")
    project.git("commit", "-qm", "one")
    project.git("switch", "-q", "--detach")
    assert read_status(Git(str(project.path))).branch is None
    project.git("switch", "-q", "-c", "side")
    project.write("README.md", "side")
    project.git("commit", "-qam", "side")
    project.git("switch", "-q", "main")
    project.write("README.md", "main")
    project.git("commit", "-qam", "main")
    project.git("merge", "side", ok=(1,))
    assert read_status(Git(str(project.path))).entries["README.md"].is_unmerged


def test_parse_is_pure_and_ignores_what_it_does_not_know() -> None:
    assert parse_status(b"# branch.oid (initial)\0# branch.head main\0# stash 3\0").entries == {}
