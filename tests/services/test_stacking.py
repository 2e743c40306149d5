"""While a pull request waits for people the next milestone can go on top of it (spec §6.5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.github_forge import GithubForge
from support.landing import CHECK
from support.project import Project, make_ready
from support.requested import put_on_github, set_config

pytestmark = pytest.mark.slow

TWO = """# Milestones

## M01 - First thing
Tasks:
- Write the first file
  Acceptance: it is there.
  Conflict: both.txt

## M02 - Second thing
Tasks:
- Write the second file
  Acceptance: it is there.
  Conflict: both.txt
"""
FIRST, SECOND = "ai/m01-first-thing", "ai/m02-second-thing"
Both = tuple[Project, GithubForge]


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    """The first milestone's request waits for a review; the next task is handed out."""
    project = make_ready(tmp_path, plan=TWO, checks=(CHECK,))
    project.next()
    project.write("both.txt", "first\n")
    with put_on_github(project, monkeypatch, wait_s=10) as forge:
        forge.hub.people["mia"] = "write"
        forge.protect(approvals=1)
        yield project, forge


def go_on(project: Project) -> None:
    project.write("both.txt", "first\nsecond\n")
    project.finish(code=3)


def stack(project: Project) -> None:
    set_config(project, "git.unmerged_previous", "stack")
    project.finish(code=3)
    handed = project.aiw("agent", "run", "--mode", "queue")
    assert "note: M02 starts from ai/m01-first-thing, since M01 is not merged yet" in handed.stderr
    assert project.read("both.txt") == "first\n"
    go_on(project)


def assert_all_landed(project: Project, forge: GithubForge) -> None:
    assert [project.milestone(name)["status"] for name in ("M01", "M02")] == ["merged", "merged"]
    assert project.git("show", "main:both.txt") == "first\nsecond"
    assert project.git("rev-parse", "main") == project.git("rev-parse", "main", cwd=project.origin)
    assert project.git("branch", "--format=%(refname:short)", cwd=project.origin) == "main"
    assert project.git("branch", "--format=%(refname:short)") == "main"
    assert [pull.base for pull in forge.hub.pulls.values()] == ["main", "main"]
    assert project.status() == []


def test_it_waits_when_nobody_says_otherwise(both: Both) -> None:
    project, _ = both
    project.finish(code=3)
    waiting = project.aiw("agent", "run", "--mode", "queue", code=3)
    assert "lacks 1 approval" in waiting.stdout
    assert project.milestone("M02")["start_sha"] is None


def test_a_stacked_one_goes_into_the_branch_below_until_that_is_merged(both: Both) -> None:
    project, forge = both
    stack(project)
    assert project.milestone("M02")["stacked_on"] == "M01"
    pull = forge.pull(2)
    assert (pull.branch, pull.base) == (SECOND, FIRST)
    blocker = project.milestone("M02")["blocker"]
    assert blocker["message"].startswith("M02 is stacked on M01, which is not merged yet")
    assert blocker["next_command"].startswith("aiw milestone finish M01")
    forge.review(1, "mia", "APPROVED")
    forge.review(2, "mia", "APPROVED")
    project.aiw("milestone", "finish", "M02")
    assert_all_landed(project, forge)


@pytest.mark.parametrize("is_by_hand", [False, True], ids=["by-aiw", "by-hand"])
def test_one_on_a_squashed_milestone_does_not_conflict_with_itself(both: Both, is_by_hand: bool) -> None:
    project, forge = both
    set_config(project, "git.merge_strategy", "squash")
    stack(project)
    if is_by_hand:
        forge.merge_by_hand(1, "squash")
    else:
        forge.review(1, "mia", "APPROVED")
    forge.review(2, "mia", "APPROVED")
    project.aiw("milestone", "finish", "M01")
    assert forge.pull(2).base == "main"
    assert forge.pull(2).state == "open"
    project.aiw("milestone", "finish", "M02")
    assert_all_landed(project, forge)


def test_once(both: Both) -> None:
    project, forge = both
    project.finish(code=3)
    project.aiw("agent", "run", "--mode", "queue", "--allow-unmerged-previous")
    go_on(project)
    assert forge.pull(2).base == FIRST
    forge.review(1, "mia", "APPROVED")
    project.aiw("milestone", "finish", "M01")
    project.aiw("milestone", "finish", "M02", code=3)
    forge.review(2, "mia", "APPROVED")
    project.aiw("agent", "run", "--mode", "queue")
    assert_all_landed(project, forge)


def test_what_people_push_to_the_branch_below_holds_the_upper_one_up_only_where_it_conflicts(both: Both) -> None:
    project, forge = both
    stack(project)
    forge.push_by_hand(FIRST, {"both.txt": "other\n"})
    forge.merge_by_hand(1)
    forge.review(2, "mia", "APPROVED")
    project.aiw("pr", "sync")
    project.aiw("milestone", "finish", "M02", code=3)
    blocker = project.milestone("M02")["blocker"]
    assert blocker["message"] == f"{SECOND} and origin/main conflict in both.txt"
