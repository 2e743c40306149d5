"""`aiw backlog …`: what it prints, what it writes, and what it leaves alone (spec §5)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ai_workflow.models.project import PendingEdit
from ai_workflow.plan.backlog_edits import apply_edits
from ai_workflow.plan.pending_edits import backlog_edits
from support.prepared import prepared
from support.project import Project, make_project

BACKLOG = "docs/ai/plan/backlog.md"
PLAN = "docs/ai/plan/milestones.md"
ITEMS = """# Ideas

Kept by hand. <!-- really -->

## BLG-001 - Report the line of an error

Status: idea
Priority: high
Tags: parser

Notes:

- Users ask for it.
- Verify: this is only a note.

Acceptance:

- An error names its line.

Conflict: src/errors.py, tests/test_errors.py
Verify: true

## BLG-002: Describe the error format
Depends: BLG-001
Acceptance: The format stands in the docs.
Conflict: docs/errors.md

Prose of a person.

## BLG-003 - Something vague
Status: archived
"""


def prepare(folder: Path) -> Project:
    made = make_project(folder, remote=False)
    made.aiw("init")
    made.checks("true")
    made.write(BACKLOG, ITEMS)
    return made


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(prepare, tmp_path)


def pending(project: Project) -> Any:
    edits = project.state("project.json")["pending_edits"]
    return [
        {key: value for key, value in (entry["backlog"] or entry).items() if value not in (None, [], False)}
        for entry in edits
    ]


def statuses(project: Project) -> dict[str, str]:
    items = project.aiw("backlog", "list", "--json").json["items"]
    return {item["id"]: item["status"] for item in items}


def test_list_and_show(project: Project) -> None:
    listed = project.aiw("backlog", "list")
    assert listed.stdout == (
        "ID       STATUS    PRIORITY  TAGS    TITLE\n"
        "BLG-001  idea      high      parser  Report the line of an error\n"
        "BLG-002  idea      medium    -       Describe the error format\n"
        "BLG-003  archived  medium    -       Something vague\n"
    )
    assert listed.stderr == ""
    chosen = project.aiw("backlog", "list", "--status", "archived", "--json").json
    assert [item["id"] for item in chosen["items"]] == ["BLG-003"]
    shown = project.aiw("backlog", "show", "blg-2").json
    assert shown == {
        "id": "BLG-002",
        "is_implied": False,
        "title": "Describe the error format",
        "status": "idea",
        "priority": "medium",
        "tags": [],
        "notes": [],
        "acceptance_criteria": ["The format stands in the docs."],
        "conflict_scopes": ["docs/errors.md"],
        "verify": [],
        "depends": ["BLG-001"],
        "text": "Prose of a person.",
        "line": 23,
        "selected": False,
    }
    missing = project.aiw("backlog", "show", "9", code=1)
    assert missing.stderr == f"error: BLG-009 does not exist in {BACKLOG}\nhint: see `aiw backlog list`\n"


def test_what_is_not_understood_is_named_and_the_items_stay_usable(project: Project) -> None:
    project.write(BACKLOG, "## BLG-001 - A\nStatus: doing\n## BLG-001 - B\nPriority: urgent\n## No id\nOwner: me\n")
    listed = project.aiw("backlog", "list")
    assert [line.split()[0] for line in listed.stdout.splitlines()[1:]] == ["BLG-001", "BLG-001", "BLG-002"]
    assert listed.stderr == (
        f"warning: {BACKLOG}:2: `doing` is no status\n"
        f"error: {BACKLOG}:3: BLG-001 is used in line 1 already\n"
        f"warning: {BACKLOG}:4: `urgent` is no priority\n"
        f"warning: {BACKLOG}:5: `No id` has no id; until then it is BLG-002\n"
        f"warning: {BACKLOG}:6: `Owner:` is no field of an item and is kept as text\n"
    )
    project.aiw("backlog", "edit", "1", "--status", "selected")
    assert project.read(BACKLOG).startswith("## BLG-001 - A\nStatus: selected\n## BLG-001 - B\n")


def test_looking_writes_nothing_and_starts_no_process(project: Project, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in project.path.rglob("*") if path.is_file()}
    trace = tmp_path / "trace"
    for args in (("list",), ("list", "--json"), ("show", "1")):
        project.aiw("backlog", *args, env={"AIW_TRACE_PROCESSES": str(trace)})
    assert not trace.exists()
    assert {path: path.stat().st_mtime_ns for path in project.path.rglob("*") if path.is_file()} == before


def test_add_gives_the_next_id_and_changes_nothing_else(project: Project) -> None:
    added = project.aiw(
        "backlog", "add", "--title", "Say\x1b[1m what is\nwrong", "--priority", "low", "--note", "n", "--tag", "a,b",
        "--acceptance", "It is said.", "--conflict", "src/, docs/", "--verify", "make", "--depends", "blg-1",
    )  # fmt: skip
    assert added.stdout == "Added BLG-004: Say[1m what is wrong\n"
    assert project.read(BACKLOG) == ITEMS + (
        "\n## BLG-004 - Say[1m what is wrong\n\nStatus: idea\nPriority: low\nTags: a, b\n\nNotes:\n\n- n\n"
        "\nAcceptance:\n\n- It is said.\n\nConflict scopes:\n\n- src/\n- docs/\n"
        "\nVerify:\n\n- make\n\nDepends:\n\n- blg-1\n"
    )
    assert pending(project)[0]["item_id"] == "BLG-004"
    assert project.state("project.json")["counters"]["backlog"] == 4
    project.write(BACKLOG, ITEMS)
    assert project.aiw("backlog", "add", "--title", "Next").stdout == "Added BLG-005: Next\n", "ids are not given again"
    project.aiw("backlog", "add", code=2)
    assert "needs a title" in project.aiw("backlog", "add", "--title", " ", code=2).stderr


def test_add_makes_a_missing_file(project: Project) -> None:
    (project.path / BACKLOG).unlink()
    listed = project.aiw("backlog", "list")
    assert (listed.stdout, listed.stderr) == (
        "no items\n",
        f"there is no {BACKLOG}; `aiw backlog add --title …` makes it\n",
    )
    project.aiw("backlog", "edit", "1", "--status", "done", code=1)
    project.aiw("backlog", "add", "--title", "First idea")
    assert project.read(BACKLOG) == "# Backlog\n\n## BLG-001 - First idea\n\nStatus: idea\nPriority: medium\n"


def test_edit_touches_the_named_fields_only_in_any_line_ends(project: Project) -> None:
    text = "\ufeff" + ITEMS.replace("\n", "\r\n")
    project.write(BACKLOG, text)
    edited = project.aiw("backlog", "edit", "BLG-001", "--title", "New title", "--priority", "low", "--tag", "")
    assert edited.stdout == "BLG-001 is idea: New title\n"
    expected = text.replace("Report the line of an error", "New title").replace("Priority: high", "Priority: low")
    expected = expected.replace("Tags: parser\r\n\r\n", "\r\n")
    assert (project.path / BACKLOG).read_bytes() == expected.encode()
    again = project.aiw("backlog", "edit", "BLG-001", "--title", "New title", "--priority", "low")
    assert again.stdout == "BLG-001 is idea: New title (nothing changed)\n"
    assert project.aiw("backlog", "edit", "1", code=2).stderr.startswith("error: there is nothing to edit\n")
    assert project.aiw("backlog", "edit", "1", "--status", "doing", code=2).code == 2


def test_select_unselect_archive(project: Project) -> None:
    assert project.aiw("backlog", "select", "1", "2").stdout == (
        "BLG-001 is selected: Report the line of an error\nBLG-002 is selected: Describe the error format\n"
    )
    project.aiw("backlog", "unselect", "2")
    project.aiw("backlog", "archive", "1", "--reason", "solved elsewhere")
    assert statuses(project) == {"BLG-001": "archived", "BLG-002": "idea", "BLG-003": "archived"}
    assert "- Verify: this is only a note.\n- archive_reason: solved elsewhere\n" in project.read(BACKLOG)
    assert pending(project) == [
        {"item_id": "BLG-001", "status": "archived", "added_notes": ["archive_reason: solved elsewhere"]},
        {"item_id": "BLG-002", "status": "idea"},
    ]


def test_all_edits_of_one_command_are_made_or_none(project: Project) -> None:
    project.aiw("backlog", "select", "1", "9", code=1)
    assert project.read(BACKLOG) == ITEMS
    assert pending(project) == []


@pytest.mark.parametrize("content", [b"## BLG-001 - \xe9\n", b"## BLG-001 - a\0b\n"])
def test_a_file_that_is_no_text_is_refused_with_its_line(project: Project, content: bytes) -> None:
    project.write(BACKLOG, content)
    for args in (("list",), ("add", "--title", "x y z"), ("promote", "1")):
        refused = project.aiw("backlog", *args, code=1)
        assert refused.stderr.startswith(f"error: {BACKLOG}:1: ")
    assert (project.path / BACKLOG).read_bytes() == content


def test_a_folder_or_a_link_out_of_the_root_is_refused(project: Project, tmp_path: Path) -> None:
    path = project.path / BACKLOG
    path.unlink()
    path.mkdir()
    assert "Is a directory" in project.aiw("backlog", "add", "--title", "x", code=1).stderr
    path.rmdir()
    outside = tmp_path / "outside.md"
    outside.write_text("## BLG-001 - Not ours\n")
    path.symlink_to(outside)
    assert "leads out of" in project.aiw("backlog", "add", "--title", "x", code=1).stderr
    assert outside.read_text() == "## BLG-001 - Not ours\n"
    path.unlink()
    (project.path / "real.md").write_text("## BLG-001 - Ours\n")
    path.symlink_to("../../../real.md")
    project.aiw("backlog", "select", "1")
    assert path.is_symlink()
    assert "Status: selected" in (project.path / "real.md").read_text()


def test_many_adds_at_once_give_different_ids_and_lose_nothing(project: Project) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-m", "ai_workflow", "backlog", "add", "--title", f"Idea number {number}"],
            cwd=project.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(20)
    ]
    outputs = [racer.communicate() for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 20, outputs
    given = {out.split(":")[0].removeprefix("Added ") for out, _ in outputs}
    assert given == {f"BLG-{number:03d}" for number in range(4, 24)}
    text = project.read(BACKLOG)
    assert text.startswith(ITEMS)
    assert all(text.count(f" - Idea number {number}\n") == 1 for number in range(20))


def test_recorded_edits_replay_on_another_version_of_the_file(project: Project) -> None:
    project.aiw("backlog", "add", "--title", "A new idea", "--tag", "x")
    project.aiw("backlog", "edit", "2", "--priority", "critical")
    project.write(BACKLOG, project.read(BACKLOG).replace("Prose of a person.", "Prose edited, not committed."))
    entries = json.dumps(project.state("project.json")["pending_edits"]).encode()
    import msgspec

    edits = backlog_edits(msgspec.json.decode(entries, type=tuple[PendingEdit, ...]), path=BACKLOG)
    replayed = apply_edits(ITEMS, edits, path=BACKLOG)
    assert replayed == project.read(BACKLOG).replace("Prose edited, not committed.", "Prose of a person.")
    assert apply_edits("", edits, path=BACKLOG).startswith("# Backlog\n\n## BLG-004 - A new idea\n")


def test_quick_start_works_as_published_even_without_a_commit(tmp_path: Path) -> None:
    project = make_project(tmp_path, remote=False, commit=False)
    project.aiw("init")
    promoted = project.aiw("backlog", "promote", "BLG-001", "--output", PLAN)
    assert promoted.stdout == (f"Wrote BLG-001 to {PLAN} as M01\nNext: aiw agent run --lane core --mode queue\n")
    assert promoted.stderr == ""
    assert project.aiw("plan", "validate", "--strict", PLAN).stdout == (
        "Plan is valid: 0 errors, 0 warnings, quality 100/100\n"
    )
    project.aiw("agent", "run", "--lane", "core", "--mode", "queue")
    task = project.task(1)
    assert (task["status"], task["notes"]) == ("in_progress", ["backlog_id: BLG-001"])
    project.write("docs/development.md", "text\n")
    project.finish()
    assert project.task(1)["status"] == "done"


def test_promote_carries_everything_over(project: Project) -> None:
    promoted = project.aiw("backlog", "promote", "2", "1", "--json").json
    assert (promoted["plan"], promoted["milestones"], promoted["backup"]) == (PLAN, ["M01"], None)
    assert project.read(PLAN) == (
        "# Milestones\n\n## M01 - Backlog workpackage\n\n"
        "Goal: What BLG-001, BLG-002 of the backlog ask for is in place.\n\nTasks:\n\n"
        "- Report the line of an error\n"
        "  Acceptance: An error names its line.\n"
        "  Verify: true\n"
        "  Conflict: src/errors.py, tests/test_errors.py\n"
        "  Depends: none\n"
        "  Backlog: BLG-001\n"
        "  Priority: high\n"
        "  ```text\n"
        "  - Users ask for it.\n"
        "  - Verify: this is only a note.\n"
        "  ```\n\n"
        "- Describe the error format\n"
        "  Acceptance: The format stands in the docs.\n"
        "  Conflict: docs/errors.md\n"
        "  Depends: M01/1\n"
        "  Backlog: BLG-002\n"
        "  Priority: medium\n"
        "  Prose of a person.\n"
    )
    assert statuses(project) == {"BLG-001": "active", "BLG-002": "active", "BLG-003": "archived"}
    project.aiw("plan", "import")
    assert project.task(1)["verify"] == ["true"]
    assert project.task(2)["depends_on"] == ["TASK-001"]
    again = project.aiw("backlog", "promote", "1", "2")
    assert again.stdout == (
        f"BLG-001 is in {PLAN} already\nBLG-002 is in {PLAN} already\nNext: aiw agent run --lane core --mode queue\n"
    )


def test_promote_names_what_is_missing_in_which_item(project: Project) -> None:
    text = "## BLG-001 - Improve it\nConflict: /etc\n\n## BLG-002 - Second good title\n"
    text += "Depends: BLG-009, BLG-003\nAcceptance: x y z\n\n## BLG-003 - Third good title\n"
    project.write(BACKLOG, text)
    before = project.read(BACKLOG)
    refused = project.aiw("backlog", "promote", "1", "2", code=1)
    assert refused.stderr == (
        "error: these items do not make a valid plan yet:\n"
        f"  {BACKLOG}:1: BLG-001 has no Acceptance\n"
        f"  {BACKLOG}:4: BLG-002 depends on BLG-009, which is not in the backlog\n"
        f"  {BACKLOG}:4: BLG-002 depends on BLG-003, which is in no plan\n"
        f"  {BACKLOG}:1: BLG-001: `Improve it` does not say what changes\n"
        f"  {BACKLOG}:1: BLG-001: `/etc` is an absolute path\n"
        "hint: say what can be observed when it is done: aiw backlog edit BLG-001 --acceptance 'text'\n"
    )
    assert project.read(BACKLOG) == before
    assert not (project.path / PLAN).exists()


@pytest.mark.parametrize("status", ["archived", "done", "rejected", "active", "blocked"])
def test_promote_takes_open_items_only(project: Project, status: str) -> None:
    project.aiw("backlog", "edit", "1", "--status", status)
    refused = project.aiw("backlog", "promote", "2", "1", code=1)
    assert refused.stderr.startswith(f"error: only ideas and selected items are promoted: BLG-001 is {status}\n")
    assert not (project.path / PLAN).exists()


def test_promote_selected(project: Project) -> None:
    assert "no item of the backlog is selected" in project.aiw("backlog", "promote", "--selected", code=1).stderr
    assert project.aiw("backlog", "promote", code=2).stderr.startswith("error: name the items to promote")
    project.aiw("backlog", "select", "1")
    assert project.aiw("backlog", "promote", "--selected").stdout.startswith(f"Wrote BLG-001 to {PLAN} as M01\n")
    assert "## M01 - Report the line of an error" in project.read(PLAN)


def test_more_than_ten_items_become_several_milestones(project: Project) -> None:
    items = "".join(
        f"## BLG-{n:03d} - Write chapter number {n}\nAcceptance: Chapter {n} is there.\nConflict: docs/{n}.md\n"
        for n in range(1, 24)
    )
    project.write(BACKLOG, items + "## BLG-024 - Write the last chapter\nAcceptance: It is there.\nDepends: blg-1\n")
    promoted = project.aiw("backlog", "promote", *[str(n) for n in range(24, 0, -1)])
    assert "as M01, M02, M03\n" in promoted.stdout
    project.aiw("plan", "import")
    tasks = project.aiw("task", "list", "--json").json["tasks"]
    assert len(tasks) == 24
    counts = [sum(task["milestone_id"] == f"M0{n}" for task in tasks) for n in (1, 2, 3)]
    assert counts == [8, 8, 8]


def test_promote_refuses_to_overwrite_unfinished_work(project: Project) -> None:
    project.aiw("backlog", "promote", "1")
    first = project.read(PLAN)
    refused = project.aiw("backlog", "promote", "2", code=1)
    assert refused.stderr == (
        f"error: {PLAN} holds a plan that was not imported, which would be overwritten\n"
        "hint: add to it: aiw backlog promote … --append; or replace it, the old text is kept: "
        "aiw backlog promote … --force\n"
    )
    project.aiw("plan", "import")
    assert "is the plan of unfinished work (M01)" in project.aiw("backlog", "promote", "2", code=1).stderr
    assert (project.read(PLAN), statuses(project)["BLG-002"]) == (first, "idea")
    (project.path / PLAN).unlink()
    assert "is the plan of unfinished work" in project.aiw("backlog", "promote", "2", code=1).stderr


def test_promote_appends_byte_for_byte_with_the_next_number(project: Project) -> None:
    project.aiw("backlog", "promote", "1")
    project.aiw("plan", "import")
    mine = "\ufeff" + project.read(PLAN).replace("\n", "\r\n") + "\r\n<!-- mine -->"
    project.write(PLAN, mine)
    appended = project.aiw("backlog", "promote", "2", "--append")
    assert appended.stdout == f"Wrote BLG-002 to {PLAN} as M02\nNext: aiw plan import {PLAN}\n"
    after = (project.path / PLAN).read_bytes().decode()
    assert after.startswith(mine + "\r\n\r\n## M02 - Describe the error format\r\n")
    assert "\r\n  Depends: M01/1\r\n" in after
    assert after.count("\n") == after.count("\r\n")
    project.aiw("plan", "import")
    assert project.task(2)["depends_on"] == ["TASK-001"]


def test_promote_by_force_keeps_the_old_plan(project: Project) -> None:
    project.write(PLAN, "# Milestones\n\n## M07 - Mine\nTasks:\n- Do my own thing\n")
    forced = project.aiw("backlog", "promote", "1", "--force", "--json").json
    assert project.read(forced["backup"]) == "# Milestones\n\n## M07 - Mine\nTasks:\n- Do my own thing\n"
    assert project.git("check-ignore", forced["backup"]) == forced["backup"]
    assert "M07" not in project.read(PLAN)


def test_promote_by_force_takes_items_of_the_replaced_plan_again_unless_work_began(project: Project) -> None:
    project.aiw("backlog", "promote", "1")
    forced = project.aiw("backlog", "promote", "1", "2", "--force")
    assert forced.stdout.startswith(f"Wrote BLG-001, BLG-002 to {PLAN} as M01\n")
    assert project.read(PLAN).count("Backlog: BLG-00") == 2
    project.aiw("plan", "import")
    refused = project.aiw("backlog", "promote", "1", "--force", code=1)
    assert "BLG-001 is active (TASK-001)" in refused.stderr


def test_promote_after_finished_work_begins_anew(project: Project) -> None:
    project.aiw("backlog", "promote", "1")
    project.next()
    project.write("src/errors.py", "x\n")
    project.finish()
    assert project.milestone()["status"] == "merged"
    promoted = project.aiw("backlog", "promote", "2")
    assert promoted.stdout.startswith(f"Wrote BLG-002 to {PLAN} as M01\n")
    assert "Depends: TASK-001\n" in project.read(PLAN)
    assert project.next()["task"]["title"] == "Describe the error format"


@pytest.mark.parametrize("output", [BACKLOG, ".ai-workflow.yaml", ".gitignore", "docs/ai/workspace/state/x.md", "src"])
def test_promote_writes_to_no_place_of_others(project: Project, output: str) -> None:
    assert "is no place for a plan" in project.aiw("backlog", "promote", "1", "--output", output, code=2).stderr
    outside = project.aiw("backlog", "promote", "1", "--output", "../plan.md", code=2)
    assert "lies outside" in outside.stderr
    taken = project.aiw("backlog", "promote", "1", "--output", "README.md", code=1)
    assert "would be overwritten" in taken.stderr
    assert project.read("README.md") == "# project\n"


def test_promote_finds_the_plan_from_a_sub_folder_and_takes_another_path(project: Project) -> None:
    project.aiw("backlog", "promote", "1", "--output", PLAN, cwd=project.path / "src")
    assert (project.path / PLAN).exists()
    made = project.aiw("backlog", "promote", "2", "--output", "other.md", code=1)
    assert "BLG-002 depends on BLG-001, which is in no plan" in made.stderr
    project.aiw("plan", "import")
    made = project.aiw("backlog", "promote", "2", "--output", "other.md")
    assert made.stdout == "Wrote BLG-002 to other.md as M01\nNext: aiw plan import other.md\n"


def test_a_status_that_contradicts_tasks_is_refused_and_others_are_followed(project: Project) -> None:
    project.aiw("backlog", "promote", "1", "2")
    project.aiw("plan", "import")
    refused = project.aiw("backlog", "unselect", "1", code=1)
    assert refused.stderr == (
        "error: BLG-001 cannot be idea: TASK-001 is ready (Report the line of an error)\n"
        "hint: work it off, or give it up: aiw backlog archive BLG-001\n"
    )
    project.aiw("backlog", "edit", "1", "--status", "done", code=1)
    blocked = project.aiw("backlog", "edit", "1", "--status", "blocked", "--reason", "waits for legal")
    assert blocked.stderr == "TASK-001 is blocked now: Report the line of an error\n"
    task = project.task(1)
    assert (task["status"], task["blocker"]["message"]) == (
        "blocked",
        "backlog item BLG-001 is blocked: waits for legal",
    )
    (shown,) = project.aiw("status", "--json").json["blockers"]
    assert shown["next_command"] == "aiw backlog edit BLG-001 --status active"
    project.aiw("backlog", "edit", "1", "--status", "active")
    assert project.task(1)["status"] == "ready"
    assert project.aiw("status", "--json").json["blockers"] == []
    archived = project.aiw("backlog", "archive", "1", "--reason", "no longer wanted")
    assert archived.stderr == (
        "TASK-001 is cancelled now: Report the line of an error\n"
        "TASK-002 waits for it and can no longer be claimed: Describe the error format\n"
    )
    assert project.task(1)["status"] == "cancelled"
    assert project.task(1)["decisions"][-1]["reason"] == "no longer wanted"


def test_an_item_under_way_or_done_is_not_given_up(project: Project) -> None:
    project.aiw("backlog", "promote", "1")
    project.next()
    for args in (("archive", "1"), ("edit", "1", "--status", "rejected"), ("edit", "1", "--status", "blocked")):
        refused = project.aiw("backlog", *args, code=1)
        assert "TASK-001 is in progress (Report the line of an error)" in refused.stderr
        assert "agent finish --task TASK-001 --commit" in refused.stderr
    assert statuses(project)["BLG-001"] == "active"


def test_commands_need_a_workspace(tmp_path: Path) -> None:
    project = make_project(tmp_path, remote=False)
    assert "no .ai-workflow.yaml" in project.aiw("backlog", "list", code=1).stderr
    os.makedirs(project.path / "x")
    assert "no .ai-workflow.yaml" in project.aiw("backlog", "add", "--title", "t", code=1).stderr
