"""Commits of exactly one tree, made beside the user's index (spec §6.4 step 7)."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from ai_workflow.errors import AiwError
from ai_workflow.git.commits import (
    Made,
    PrivateIndex,
    Refusal,
    commit_index,
    find_commit_of_operation,
    make_commit,
    read_commit,
    read_tree_entries,
    set_index_entries,
)
from ai_workflow.git.merges import merge_trees
from ai_workflow.git.refs import delete_ref, find_commit, is_ancestor, move_ref, switch_to, worktrees_of_branches
from ai_workflow.git.remotes import delete_branch, fetch_branch, find_remote, push_branch
from ai_workflow.git.repository import Repository, find_repository
from support.project import Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


@pytest.fixture
def repository(project: Project) -> Repository:
    found = find_repository(str(project.path))
    assert found is not None
    return found


def commit(repository: Repository, paths: list[str], message: str) -> str | Refusal:
    head = find_commit(repository.git, "HEAD")
    index = PrivateIndex(repository, base=head, name="test")
    try:
        index.take_from_work_tree(paths)
        made = commit_index(index, message, branch="refs/heads/main", head=head)
        return made.sha if isinstance(made, Made) else made
    finally:
        index.close()


def test_only_the_named_paths_are_committed_and_the_users_index_stays(project: Project, repository: Repository) -> None:
    project.write("mine.txt", "staged by the user")
    project.git("add", "mine.txt")
    project.write("task.txt", "by the task")
    project.write("new\nline.txt", "hostile")
    made = commit(repository, ["task.txt", "new\nline.txt"], "# not a comment\n\nbody\n")
    assert isinstance(made, str)
    assert project.git("show", "--name-only", "--format=", "-z", made) == "new\nline.txt\0task.txt\0"
    assert project.git("log", "-1", "--format=%s") == "# not a comment"
    assert project.git("diff", "--cached", "--name-only", "--diff-filter=A") == "mine.txt"


def test_an_edit_of_the_same_size_in_the_same_second_is_seen(project: Project, repository: Repository) -> None:
    """Git sees such an edit by comparing the file's time with its index's own; a copy must keep that time."""
    stamp = int(time.time()) - 10
    path = project.write("a.txt", "a")
    os.utime(path, (stamp, stamp))
    project.git("add", "a.txt")
    project.git("commit", "-qm", "a")
    os.utime(project.path / ".git/index", (stamp, stamp))
    project.write("a.txt", "b")
    os.utime(path, (stamp, stamp))
    made = commit(repository, ["a.txt"], "b")
    assert isinstance(made, str)
    assert project.git("show", f"{made}:a.txt") == "b"


def test_deletions_modes_and_links_are_taken(project: Project, repository: Repository) -> None:
    (project.path / "README.md").unlink()
    (project.path / "src/keep.txt").chmod(0o755)
    (project.path / "link").symlink_to("src")
    made = commit(repository, ["README.md", "src/keep.txt", "link"], "x")
    assert isinstance(made, str)
    assert read_tree_entries(repository.git, made, ["README.md"]) == {"README.md": None}
    modes = project.git("ls-tree", "-r", "--format=%(objectmode) %(path)", made).split("\n")
    assert modes == ["120000 link", "100755 src/keep.txt"]


def test_a_file_in_place_of_a_folder(project: Project, repository: Repository) -> None:
    (project.path / "src/keep.txt").unlink()
    (project.path / "src").rmdir()
    project.write("src", "now a file")
    made = commit(repository, ["src/keep.txt", "src"], "x")
    assert isinstance(made, str)
    assert project.git("ls-tree", "-r", "--name-only", made).split("\n") == ["README.md", "src"]


def test_a_rejecting_hook_is_a_refusal_in_its_own_words(project: Project, repository: Repository) -> None:
    project.write(".git/hooks/pre-commit", "#!/bin/sh\necho no way >&2\nexit 1\n", mode=0o755)
    project.write("a.txt", "x")
    refusal = commit(repository, ["a.txt"], "x")
    assert isinstance(refusal, Refusal)
    assert refusal.message == "no way"


def test_a_failing_post_commit_hook_does_not_hide_the_commit(project: Project, repository: Repository) -> None:
    project.write(".git/hooks/post-commit", "#!/bin/sh\nexit 1\n", mode=0o755)
    project.write("a.txt", "x")
    made = commit(repository, ["a.txt"], "x")
    assert made == project.git("rev-parse", "HEAD")


def test_the_index_follows_for_named_paths_only(project: Project, repository: Repository) -> None:
    project.write("a.txt", "x")
    project.write("mine.txt", "mine")
    project.git("add", "mine.txt")
    made = commit(repository, ["a.txt"], "x")
    assert isinstance(made, str)
    set_index_entries(repository.git, read_tree_entries(repository.git, made, ["a.txt"]))
    assert project.git("status", "--porcelain").split("\n") == ["A  mine.txt"]


def test_find_commit_of_operation(project: Project, repository: Repository) -> None:
    start = project.git("rev-parse", "HEAD")
    project.write("a.txt", "x")
    made = commit(repository, ["a.txt"], "subject\n\nAiw-Op: OP-000001-aaaaaa\n")
    git = repository.git
    assert find_commit_of_operation(git, "OP-000001-aaaaaa", start=start, tip="HEAD") == made
    assert find_commit_of_operation(git, "OP-000002-bbbbbb", start=start, tip="HEAD") is None
    assert find_commit_of_operation(git, "OP-000001-aaaaaa", start=None, tip="HEAD") == made


def test_merges_on_objects(project: Project, repository: Repository) -> None:
    git = repository.git
    base = project.git("rev-parse", "HEAD")
    project.git("switch", "-qc", "one")
    project.write("README.md", "one\n")
    project.git("commit", "-qam", "one")
    project.git("switch", "-qc", "two", base)
    project.write("README.md", "two\n")
    project.write("other.txt", "x")
    project.git("add", "-A")
    project.git("commit", "-qm", "two")
    assert merge_trees(git, "one", base).conflicts == ()
    assert merge_trees(git, "one", "two").conflicts == ("README.md",)
    merged = make_commit(git, tree=merge_trees(git, base, "two").tree, parents=(base, "two"), message="m\n")
    assert isinstance(merged, str)
    assert read_commit(git, merged).parents == (base, project.git("rev-parse", "two"))
    assert is_ancestor(git, base, merged)


def test_refs_move_by_compare_and_swap(project: Project, repository: Repository) -> None:
    git = repository.git
    head = project.git("rev-parse", "HEAD")
    assert move_ref(git, "refs/heads/x", new=head, old=None, reason="t")
    assert not move_ref(git, "refs/heads/x", new=head, old=None, reason="t"), "it exists by now"
    assert switch_to(git, "x") is None
    assert worktrees_of_branches(git) == {"refs/heads/x": str(project.path)}
    project.git("switch", "-q", "main")
    assert not delete_ref(git, "refs/heads/x", old="1" * 40)
    assert delete_ref(git, "refs/heads/x", old=head)


def test_a_ref_that_moved_before_git_was_killed_has_moved(
    project: Project, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = project.git("rev-parse", "HEAD")
    shim = tmp_path / "bin/git"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\n{shutil.which("git")} "$@" || exit\ncase "$*" in *update-ref*) kill -9 $$;; esac\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}:{os.environ['PATH']}")
    assert move_ref(repository.git, "refs/heads/x", new=head, old=None, reason="t")


def _let_git_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, times: int) -> None:
    """The first few deletions of a ref fail, as on a disk that has an error."""
    shim, count = tmp_path / "bin/git", tmp_path / "count"
    shim.parent.mkdir()
    shim.write_text(
        f"""#!/bin/sh
case "$*" in *update-ref*-d*)
    echo >> {count}
    if [ $(wc -l < {count}) -le {times} ]; then echo "error: unable to unlink" >&2; exit 1; fi;;
esac
exec {shutil.which("git")} "$@"
"""
    )
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}:{os.environ['PATH']}")


def test_a_ref_that_could_not_be_deleted_once_is_deleted(
    project: Project, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = project.git("rev-parse", "HEAD")
    assert move_ref(repository.git, "refs/heads/x", new=head, old=None, reason="t")
    _let_git_fail(tmp_path, monkeypatch, times=1)
    assert delete_ref(repository.git, "refs/heads/x", old=head)
    assert find_commit(repository.git, "refs/heads/x") is None


def test_a_ref_that_cannot_be_deleted_is_no_ref_that_moved(
    project: Project, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = project.git("rev-parse", "HEAD")
    assert move_ref(repository.git, "refs/heads/x", new=head, old=None, reason="t")
    _let_git_fail(tmp_path, monkeypatch, times=9)
    with pytest.raises(AiwError, match=r"update-ref failed \(exit 1\): error: unable to unlink"):
        delete_ref(repository.git, "refs/heads/x", old=head)


def test_remote_branches_with_a_lease(project: Project, repository: Repository) -> None:
    git = repository.git
    remote = find_remote(git, "main")
    assert remote is not None
    assert remote.name == "origin"
    head = project.git("rev-parse", "HEAD")
    assert fetch_branch(git, "origin", "nope").sha is None
    assert fetch_branch(git, "origin", "nope").failure is None
    assert push_branch(git, "origin", sha=head, branch="ai/x", expected=None) is None
    assert push_branch(git, "origin", sha=head, branch="ai/y", expected="1" * 40) is not None
    assert fetch_branch(git, "origin", "ai/x").sha == head
    assert delete_branch(git, "origin", branch="ai/x", expected=head) is None
    assert fetch_branch(git, "origin", "ai/x").sha is None
    project.git("remote", "set-url", "origin", "/nowhere")
    assert fetch_branch(git, "origin", "main").failure is not None
