"""What aiw commands write into repository files goes into the next commit, a person's lines do not (spec §6.4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.prepared import prepared
from support.project import LINKED_PLAN, Project, make_ready

BACKLOG = "docs/ai/plan/backlog.md"


def prepare(folder: Path) -> Project:
    project = make_ready(folder, plan=LINKED_PLAN)
    project.next()
    project.write("src/parser.py", "x\n")
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(prepare, tmp_path)


def committed(project: Project) -> list[str]:
    return project.git("show", "--name-only", "--format=", "HEAD").split("\n")


def test_the_item_of_a_task_is_done_in_the_commit_of_that_task(project: Project) -> None:
    project.finish()
    assert BACKLOG in committed(project)
    assert project.git("show", f"HEAD:{BACKLOG}") == project.read(BACKLOG).rstrip("\n")
    assert project.aiw("backlog", "show", "1").json["status"] == "done"
    assert project.status() == []
    assert project.state("project.json")["pending_edits"] == []


def test_commands_in_the_middle_of_a_task_are_committed_and_a_persons_lines_stay(project: Project) -> None:
    project.write(BACKLOG, project.read(BACKLOG) + "\nA line of mine.\n")
    project.aiw("backlog", "add", "--title", "Parse faster than before")
    project.aiw("adr", "new", "Parse by hand", "-d", "No generator.")
    added = project.aiw("backlog", "list", "--json").json["items"][-1]["id"]
    done = project.finish()
    assert "outside the scope" not in done.stderr
    text = project.git("show", f"HEAD:{BACKLOG}")
    assert f"## {added} - Parse faster than before" in text
    assert "A line of mine." not in text
    assert "docs/ai/workspace/adr/ADR-0001-parse-by-hand.md" in committed(project)
    assert project.status() == [f" M {BACKLOG}"]
    diff = project.git("diff", "--unified=0", "--", BACKLOG).split("\n")
    changed = [line for line in diff if line.startswith(("+", "-")) and not line.startswith(("+++", "---"))]
    assert sorted(changed) == ["+", "+A line of mine."]
    assert project.state("project.json")["pending_edits"] == []
    project.next()
    project.write("docs/parser.md", "x\n")
    project.finish()
    assert "A line of mine." in project.read(BACKLOG)
    assert project.milestone()["status"] == "merged"


def test_lines_that_a_person_staged_stay_staged(project: Project) -> None:
    project.write(BACKLOG, "A staged line of mine.\n\n" + project.read(BACKLOG))
    project.git("add", BACKLOG)
    project.finish()
    assert "A staged line of mine." not in project.git("show", f"HEAD:{BACKLOG}")
    staged = project.git("show", f":{BACKLOG}")
    assert staged.startswith("A staged line of mine.")
    assert "Status: done" in staged
    assert project.status() == [f"M  {BACKLOG}"]


def test_a_refused_finish_leaves_the_backlog_as_it_was(project: Project) -> None:
    before = project.read(BACKLOG)
    project.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 1\n", mode=0o755)
    project.finish(code=1)
    assert project.read(BACKLOG) == before
    assert project.status() == ["?? src/parser.py"]


def test_a_cancelled_task_archives_its_item_with_the_next_commit(project: Project) -> None:
    project.aiw("task", "cancel", "TASK-001", "--reason", "not wanted")
    assert project.aiw("backlog", "show", "1").json["status"] == "archived"
    project.aiw("task", "edit", "TASK-002", "--depends", "none")
    project.next()
    project.write("docs/parser.md", "x\n")
    project.finish()
    text = project.git("show", f"HEAD:{BACKLOG}")
    assert "archive_reason: TASK-001 was cancelled: not wanted" in text
    assert project.status() == []


def test_a_hand_edit_of_the_backlog_is_the_tasks_only_when_its_scope_says_so(tmp_path: Path) -> None:
    project = make_ready(tmp_path, plan=LINKED_PLAN.replace("Conflict: src/parser.py", f"Conflict: src/, {BACKLOG}"))
    project.next()
    project.write(BACKLOG, project.read(BACKLOG) + "\nThe agent's line.\n")
    project.finish()
    text = project.git("show", f"HEAD:{BACKLOG}")
    assert "The agent's line." in text
    assert "Status: done" in text
    assert project.status() == []


def test_statuses_that_both_sides_changed_conflict_for_nobody(tmp_path: Path) -> None:
    project = make_ready(tmp_path, plan=LINKED_PLAN.replace("- Update parser documentation", "- Update the docs of it"))
    for title in ("Second idea of somebody", "Third idea of somebody"):
        project.aiw("backlog", "add", "--title", title)
    project.next()
    project.write("src/parser.py", "x\n")
    project.finish()
    project.next()
    project.write("docs/parser.md", "x\n")
    other = tmp_path / "other"
    project.git("clone", "-q", str(project.origin), str(other), cwd=tmp_path)
    project.git("switch", "-qc", "theirs", cwd=other)
    base = project.git("show", f"main:{BACKLOG}")
    (other / BACKLOG).parent.mkdir(parents=True, exist_ok=True)
    (other / BACKLOG).write_text(base.replace("Status: active", "Status: selected", 1) + "\nTheir line.\n")
    project.git("fetch", "-q", str(project.path), "main", cwd=other)
    project.git("reset", "-q", "--soft", "FETCH_HEAD", cwd=other)
    project.git("add", "--", BACKLOG, cwd=other)
    project.git("commit", "-qm", "Theirs", "--", BACKLOG, cwd=other)
    project.git("push", "-q", "origin", "theirs:main", cwd=other)
    project.finish()
    assert project.milestone()["status"] == "merged", project.milestone()["blocker"]
    merged = project.git("show", f"main:{BACKLOG}")
    assert "Their line." in merged
    assert "Status: done" in merged


def test_a_failing_check_leaves_the_item_active_and_the_backlog_as_it_was(tmp_path: Path) -> None:
    project = make_ready(tmp_path, plan=LINKED_PLAN, checks=("test ! -e ../broken",))
    project.next()
    project.write("src/parser.py", "x\n")
    project.write("../broken", "")
    project.finish(code=1)
    assert "Status: active" in project.read(BACKLOG)
    assert project.status() == ["?? src/parser.py"]
    (tmp_path / "broken").unlink()
    project.finish()
    assert project.read(BACKLOG).count("Status: done") == 1


def test_a_status_that_followed_is_not_taken_for_a_persons_change(project: Project) -> None:
    project.aiw("task", "block", "TASK-001", "the parser's owner is away")
    assert project.status() == [f" M {BACKLOG}", "?? src/parser.py"]
    project.aiw("task", "unblock", "TASK-001")
    project.next()
    assert "no longer there" not in project.finish().stderr
    project.next()
    project.write("docs/parser.md", "x\n")
    assert "no longer there" not in project.finish().stderr


def test_a_status_that_could_not_follow_is_not_committed_back_by_a_later_task(project: Project) -> None:
    kept = project.read(BACKLOG)
    assert "Status: active" in kept
    (project.path / BACKLOG).unlink()
    project.finish()
    assert "Status: done" in project.git("show", f"HEAD:{BACKLOG}")
    project.write(BACKLOG, kept)
    project.next()
    project.write("docs/parser.md", "x\n")
    project.finish()
    assert "Status: done" in project.git("show", f"main:{BACKLOG}")
    assert project.read(BACKLOG) == kept, "what a person put back is theirs"


def test_a_removal_of_the_backlog_that_a_person_staged_stays_staged(project: Project) -> None:
    project.git("rm", "-q", "-f", BACKLOG)
    project.finish()
    assert "Status: done" in project.git("show", f"HEAD:{BACKLOG}")
    assert project.status() == [f"D  {BACKLOG}"]
