"""Bringing the state in line with a plan (spec §4.4)."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.blocker import Blocker, make_blocker_ref
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.project import Counters, Project, Workpackage
from ai_workflow.models.snapshot import Changes, Damage, Snapshot
from ai_workflow.models.task import Task
from ai_workflow.plan.reconcile import Reconciled, reconcile_plan
from plan.examples import read
from plan.strategies import sound_plans

NOW, LATER = "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"
EMPTY = Snapshot(
    project=Project(project_name="demo", base_branch="main", lineage="abc", created_at=NOW, updated_at=NOW),
    entities={},
)
PLAN = """\
# Milestones
## M01 - Deps
Goal: g1
Tasks:
- First task of plan
  Acceptance: it is seen.
  Verify: make first
  Conflict: a, b
  Backlog: BLG-001
- Second task of plan
  Acceptance: it is heard.
  Depends: none
- Third task of plan
  Acceptance: it is felt.
  Depends: First task of plan, TASK-002
- Fourth task of plan
  Acceptance: it is smelled.
## Later work
Tasks:
- Fifth task of plan
  Acceptance: it is tasted.
  Depends: M01
  Priority: high
"""


def _reconcile(text: str, snapshot: Snapshot, *, now: str = LATER, **options: Any) -> Reconciled:
    defaults: dict[str, Any] = {"base_branch": "main", "branch_prefix": "ai/", "plan_path": "plan.md"}
    digest = hashlib.sha256(text.encode()).hexdigest()
    return reconcile_plan(read(text), snapshot, now=now, digest=digest, **(defaults | options))


def _import(text: str, snapshot: Snapshot = EMPTY, **options: Any) -> Snapshot:
    outcome = _reconcile(text, snapshot, now=NOW, **options)
    assert outcome.refusals == ()
    return snapshot.apply(outcome.changes)


def _set(snapshot: Snapshot, entity_id: str, **fields: Any) -> Snapshot:
    entity = snapshot.tasks.get(entity_id) or snapshot.milestones[entity_id]
    return snapshot.apply(Changes(put=(replace(entity, **fields),)))


def _summary(outcome: Reconciled) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(entry.kind, entry.id, entry.fields) for entry in outcome.entries if entry.kind != "unchanged"]


def _task(**fields: Any) -> Task:
    defaults: dict[str, Any] = {"status": "ready", "milestone_id": "M01", "created_at": NOW, "updated_at": NOW}
    return Task(**(defaults | fields))


def test_first_import_makes_these_entities() -> None:
    outcome = _reconcile(PLAN, EMPTY, now=NOW)
    project, first, second, *tasks = outcome.changes.put
    assert isinstance(project, Project)
    assert project.counters == Counters(task=5)
    assert project.workpackage == Workpackage(
        number=1, plan_path="plan.md", plan_digest=hashlib.sha256(PLAN.encode()).hexdigest(), imported_at=NOW
    )
    common: dict[str, Any] = {"status": "ready", "lane_id": "core", "base_branch": "main"}
    common |= {"created_at": NOW, "updated_at": NOW}
    assert first == Milestone(
        id="M01", title="Deps", goal="g1", branch="ai/m01-deps",
        task_ids=("TASK-001", "TASK-002", "TASK-003", "TASK-004"), **common,
    )  # fmt: skip
    assert second == Milestone(
        id="M02", title="Later work", branch="ai/m02-later-work", task_ids=("TASK-005",), **common
    )
    assert tasks == [
        _task(
            id="TASK-001", title="First task of plan", acceptance_criteria=("it is seen.",), verify=("make first",),
            conflict_scopes=("a", "b"), notes=("backlog_id: BLG-001",), key="M01/first-task-of-plan",
        ),
        _task(
            id="TASK-002", title="Second task of plan", acceptance_criteria=("it is heard.",),
            key="M01/second-task-of-plan",
        ),
        _task(
            id="TASK-003", title="Third task of plan", acceptance_criteria=("it is felt.",), status="planned",
            depends_on=("TASK-001", "TASK-002"), key="M01/third-task-of-plan",
        ),
        _task(
            id="TASK-004", title="Fourth task of plan", acceptance_criteria=("it is smelled.",), status="planned",
            depends_on=("TASK-003",), key="M01/fourth-task-of-plan",
        ),
        _task(
            id="TASK-005", title="Fifth task of plan", acceptance_criteria=("it is tasted.",), status="planned",
            depends_on=("M01",), priority="high", milestone_id="M02", key="M02/fifth-task-of-plan",
        ),
    ]  # fmt: skip
    assert outcome.changes.events == ()
    assert outcome.commands == ("make first",)
    assert [entry.kind for entry in outcome.entries] == ["added"] * 7


def test_without_chain_only_written_dependencies_count() -> None:
    tasks = _import(PLAN, chain=False).tasks
    assert [task.depends_on for task in tasks.values()] == [(), (), ("TASK-001", "TASK-002"), (), ("M01",)]


def test_same_plan_again_changes_nothing() -> None:
    snapshot = _set(_import(PLAN), "TASK-001", status="in_progress", priority="critical", started_at=NOW)
    outcome = _reconcile(PLAN, snapshot)
    assert outcome.changes == Changes()
    assert {entry.kind for entry in outcome.entries} == {"unchanged"}
    assert outcome.refusals == ()


def test_other_spelling_of_the_same_plan_only_notes_its_digest() -> None:
    outcome = _reconcile(PLAN + "\n", _import(PLAN))
    assert [type(entity) for entity in outcome.changes.put] == [Project]
    assert _summary(outcome) == []


def test_edited_plan_is_reconciled() -> None:
    edited = (
        PLAN.replace("it is smelled.", "it is smelled twice.")
        .replace("## M01 - Deps", "## M01 - Dependencies")
        .replace("- Third task of plan", "- New task of plan\n  Acceptance: new.\n- Third task of plan")
    )
    outcome = _reconcile(edited, _import(PLAN))
    assert _summary(outcome) == [
        ("changed", "M01", ("title", "task_ids")),
        ("added", "TASK-006", ()),
        ("changed", "TASK-004", ("acceptance_criteria",)),
    ]
    after = _import(PLAN).apply(outcome.changes)
    assert after.milestones["M01"].branch == "ai/m01-dependencies"
    assert after.milestones["M01"].task_ids == ("TASK-001", "TASK-002", "TASK-006", "TASK-003", "TASK-004")
    assert after.tasks["TASK-006"].depends_on == ("TASK-002",)
    assert after.require_project().counters.task == 6
    assert _reconcile(edited, after).changes == Changes()


def test_moved_task_keeps_its_id_and_record() -> None:
    fourth = "- Fourth task of plan\n  Acceptance: it is smelled.\n"
    snapshot = _set(_import(PLAN), "TASK-004", run_ids=("RUN-0001",))
    outcome = _reconcile(PLAN.replace(fourth, "") + fourth, snapshot)
    assert _summary(outcome) == [
        ("changed", "M01", ("task_ids",)),
        ("changed", "M02", ("task_ids",)),
        ("moved", "TASK-004", ("milestone_id", "depends_on")),
    ]
    after = snapshot.apply(outcome.changes)
    assert (after.tasks["TASK-004"].key, after.tasks["TASK-004"].run_ids) == ("M02/fourth-task-of-plan", ("RUN-0001",))
    assert after.tasks["TASK-004"].depends_on == ("TASK-005",)


def test_retitled_task_with_the_same_place_and_acceptance_is_the_same() -> None:
    outcome = _reconcile(PLAN.replace("- Fourth task of plan", "- Smell the plan"), _import(PLAN))
    assert _summary(outcome) == [("changed", "TASK-004", ("title",))]


def test_retitled_task_with_other_acceptance_is_another_one() -> None:
    edited = PLAN.replace("- Fourth task of plan", "- Smell the plan").replace("smelled", "sniffed")
    outcome = _reconcile(edited, _import(PLAN))
    assert _summary(outcome) == [
        ("changed", "M01", ("task_ids",)), ("added", "TASK-006", ()), ("removed", "TASK-004", ("status",))
    ]  # fmt: skip
    after = _import(PLAN).apply(outcome.changes)
    assert after.tasks["TASK-004"].status == "cancelled"
    assert (
        after.milestones["M01"].task_ids[-2:] == ("TASK-006", "TASK-004")
        or "TASK-004" in after.milestones["M01"].task_ids
    )


def test_removed_task_written_again_is_a_new_one() -> None:
    fourth = "- Fourth task of plan\n  Acceptance: it is smelled.\n"
    removed = _import(PLAN.replace(fourth, ""), _import(PLAN))
    assert removed.tasks["TASK-004"].status == "cancelled"
    again = _import(PLAN, removed)
    assert again.tasks["TASK-004"].status == "cancelled"
    assert again.tasks["TASK-006"].title == "Fourth task of plan"
    assert _reconcile(PLAN, again).changes == Changes()


def test_explicit_id_finds_its_task_anywhere() -> None:
    edited = PLAN.replace("- Fourth task of plan\n  Acceptance: it is smelled.\n", "")
    edited += "- TASK-004: Quite another title\n  Acceptance: other.\n"
    outcome = _reconcile(edited, _import(PLAN))
    assert ("moved", "TASK-004", ("title", "acceptance_criteria", "milestone_id", "depends_on")) in _summary(outcome)


def test_explicit_new_ids_are_honoured_and_never_given_twice() -> None:
    snapshot = _import(PLAN.replace("- First", "- TASK-003 - First").replace(", TASK-002", ""))
    assert {task.id: task.title.split()[0] for task in snapshot.tasks.values()} == {
        "TASK-001": "Second", "TASK-002": "Third", "TASK-003": "First", "TASK-004": "Fourth", "TASK-005": "Fifth",
    }  # fmt: skip
    assert snapshot.require_project().counters.task == 5


def test_repeated_titles_have_keys_of_their_own() -> None:
    text = "# Milestones\n## M01 - A\nTasks:\n- Do it\n  Acceptance: a\n- Do it\n  Acceptance: b\n"
    snapshot = _import(text)
    assert [task.key for task in snapshot.tasks.values()] == ["M01/do-it", "M01/do-it#2"]


def test_accepted_done_tasks_are_done_and_unproven() -> None:
    text = PLAN.replace("- First", "- [x] First").replace("- Second", "- [x] Second")
    snapshot = _import(text, accept_done=True)
    assert [task.status for task in snapshot.tasks.values()] == ["done", "done", "ready", "planned", "planned"]
    assert snapshot.tasks["TASK-001"].unproven == "accepted as done at import"
    careful = _import(text)
    assert [task.status for task in careful.tasks.values()] == ["ready", "ready", "planned", "planned", "planned"]
    assert "--accept-done" in _reconcile(text, EMPTY).entries[1].note
    accepted = careful.apply(_reconcile(text, careful, accept_done=True).changes)
    assert [task.status for task in accepted.tasks.values()] == ["done", "done", "ready", "planned", "planned"]
    assert _reconcile(text, accepted, accept_done=True).changes == Changes()


@pytest.mark.parametrize("status", ["claimed", "in_progress"])
def test_active_work_is_not_altered(status: str) -> None:
    snapshot = _set(_import(PLAN), "TASK-001", status=status)
    changed = _reconcile(PLAN.replace("it is seen.", "it is shown."), snapshot)
    assert [(refusal.code, refusal.line) for refusal in changed.refusals] == [("active-task-changed", 5)]
    assert changed.changes == Changes()
    removed = _reconcile(
        PLAN[: PLAN.index("- First")] + PLAN[PLAN.index("- Second") :].replace("First task of plan, TASK-002", "none"),
        snapshot,
    )
    assert [refusal.code for refusal in removed.refusals] == ["active-task-changed"]


def test_task_put_before_active_one_does_not_alter_it() -> None:
    snapshot = _set(_import(PLAN), "TASK-004", status="in_progress")
    outcome = _reconcile(PLAN.replace("- Fourth", "- New one here\n  Acceptance: n.\n- Fourth"), snapshot)
    assert outcome.refusals == ()
    assert _summary(outcome) == [("changed", "M01", ("task_ids",)), ("added", "TASK-006", ())]


def test_done_work_is_kept_as_it_was() -> None:
    snapshot = _set(_import(PLAN), "TASK-001", status="done", commit_sha="a" * 40)
    outcome = _reconcile(PLAN.replace("it is seen.", "it is shown."), snapshot)
    assert _summary(outcome) == []
    assert outcome.entries[1].note == "done: its acceptance criteria stays as it was"
    dropped = _reconcile(PLAN[: PLAN.index("- First")] + PLAN[PLAN.index("- Second") :], snapshot)
    assert dropped.refusals == ()
    after = snapshot.apply(dropped.changes)
    assert after.tasks["TASK-001"] == snapshot.tasks["TASK-001"]
    assert after.tasks["TASK-003"].depends_on == ("TASK-001", "TASK-002")
    assert after.milestones["M01"].task_ids == ("TASK-001", "TASK-002", "TASK-003", "TASK-004")


def test_blocked_task_that_was_begun_is_not_removed() -> None:
    fourth = "- Fourth task of plan\n  Acceptance: it is smelled.\n"
    snapshot = _set(_import(PLAN), "TASK-004", status="blocked", started_at=NOW)
    outcome = _reconcile(PLAN.replace(fourth, ""), snapshot)
    assert [refusal.code for refusal in outcome.refusals] == ["started-task-removed"]


def test_blocker_of_a_removed_task_is_resolved() -> None:
    fourth = "- Fourth task of plan\n  Acceptance: it is smelled.\n"
    blocker = Blocker(
        id="BLK-0001", klass="human", step="claim", message="?", since=NOW, next_command="x", blocked_task_id="TASK-004"
    )
    snapshot = _set(_import(PLAN), "TASK-004", status="blocked", blocker=make_blocker_ref(blocker))
    snapshot = snapshot.apply(Changes(put=(blocker,)))
    after = snapshot.apply(_reconcile(PLAN.replace(fourth, ""), snapshot).changes)
    assert (after.blockers["BLK-0001"].status, after.tasks["TASK-004"].blocker) == ("resolved", None)


def test_cancelled_task_does_not_hold_the_one_after_it() -> None:
    snapshot = _set(_import(PLAN), "TASK-003", status="cancelled")
    outcome = _reconcile(PLAN + "\n", snapshot)
    assert _summary(outcome) == [("changed", "TASK-004", ("depends_on",))]
    after = snapshot.apply(outcome.changes).tasks["TASK-004"]
    assert (after.depends_on, after.status) == (("TASK-002",), "planned")


def test_readiness_follows_the_dependencies() -> None:
    edited = PLAN.replace("  Depends: First task of plan, TASK-002\n", "  Depends: none\n")
    after = _import(edited, _import(PLAN))
    assert after.tasks["TASK-003"].status == "ready"
    back = _import(PLAN, after)
    assert back.tasks["TASK-003"].status == "planned"


def test_removed_milestone_is_cancelled_with_its_tasks() -> None:
    snapshot = _import(PLAN)
    outcome = _reconcile(PLAN[: PLAN.index("## Later")], snapshot)
    assert _summary(outcome) == [("removed", "TASK-005", ("status",)), ("removed", "M02", ("status",))]
    after = snapshot.apply(outcome.changes)
    assert (after.milestones["M02"].status, after.tasks["TASK-005"].status) == ("cancelled", "cancelled")


def test_begun_milestone_is_not_removed() -> None:
    snapshot = _set(_import(PLAN), "M02", status="in_progress")
    outcome = _reconcile(PLAN[: PLAN.index("## Later")], snapshot)
    assert [refusal.code for refusal in outcome.refusals] == ["started-milestone-removed"]


def test_merged_milestone_is_never_altered() -> None:
    snapshot = _set(_import(PLAN), "M02", status="merged")
    snapshot = _set(snapshot, "TASK-005", status="done")
    renamed = _reconcile(PLAN.replace("## Later work", "## M02 - Other work"), snapshot)
    assert _summary(renamed) == []
    grown = _reconcile(PLAN + "- Sixth task of plan\n  Acceptance: it is new.\n", snapshot)
    assert [(refusal.code, refusal.line) for refusal in grown.refusals] == [("closed-milestone-changed", 18)]


def test_faulty_dependencies_are_refused() -> None:
    outcome = _reconcile(PLAN.replace("Depends: M01", "Depends: M09"), EMPTY)
    assert [refusal.code for refusal in outcome.refusals] == ["unknown-dependency"]
    assert outcome.changes == Changes()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("# Milestones\n", "no-milestone"),
        (PLAN.replace("## Later", "## M01 - Later"), "duplicate-milestone-id"),
        (PLAN + "## M03 - Empty\n", "milestone-without-tasks"),
        (PLAN + "```\n", "unclosed-block"),
    ],
)
def test_plan_that_could_mean_anything_is_refused(text: str, code: str) -> None:
    outcome = _reconcile(text, _import(PLAN))
    assert code in {refusal.code for refusal in outcome.refusals}
    assert outcome.changes == Changes()


def test_ids_that_were_given_before_are_refused() -> None:
    used = replace(EMPTY.require_project(), counters=Counters(task=9))
    outcome = _reconcile(PLAN.replace("- First", "- TASK-008 - First"), EMPTY.apply(Changes(put=(used,))))
    assert [(refusal.code, refusal.line) for refusal in outcome.refusals] == [("task-id-taken", 5),
                                                                            ("unknown-dependency", 15)]  # fmt: skip


def test_out_of_band_work_is_left_alone_and_its_id_is_taken() -> None:
    snapshot = _import(PLAN)
    hotfix = _task(id="TASK-009", title="Hot", milestone_id="M03", key="M03/hot", notes=("kind: hotfix",))
    extra = replace(snapshot.milestones["M02"], id="M03", title="Hot", task_ids=("TASK-009",), branch="ai/m03-hot")
    snapshot = snapshot.apply(Changes(put=(hotfix, extra)))
    assert _summary(_reconcile(PLAN + "\n", snapshot)) == []
    taken = _reconcile(PLAN + "## M03 - Third\nTasks:\n- Sixth task of plan\n  Acceptance: x\n", snapshot)
    assert [refusal.code for refusal in taken.refusals] == ["milestone-id-taken"]
    free = _reconcile(PLAN + "## Third\nTasks:\n- Sixth task of plan\n  Acceptance: x\n", snapshot)
    assert _summary(free) == [("added", "M04", ()), ("added", "TASK-010", ())]


NEXT = """\
# Milestones
## M01 - Deps
Goal: another one
Tasks:
- Seventh task of plan
  Acceptance: it is new.
  Depends: TASK-005
"""


def _finished() -> Snapshot:
    snapshot = _import(PLAN)
    for task_id in snapshot.tasks:
        snapshot = _set(snapshot, task_id, status="done")
    return _set(_set(snapshot, "M01", status="merged"), "M02", status="merged")


def test_new_plan_after_a_finished_one_is_a_new_workpackage() -> None:
    text = NEXT.replace("- Deps", "- Speed")
    outcome = _reconcile(text, _finished(), taken_branches={"ai/m01-speed"})
    assert (outcome.new_workpackage, outcome.archive) == (True, ("M01", "M02"))
    assert _summary(outcome) == [("added", "M01", ()), ("added", "TASK-006", ())]
    after = _finished().apply(outcome.changes)
    package = after.require_project().workpackage
    assert package is not None
    assert package.number == 2
    assert (after.milestones["M01"].branch, after.milestones["M01"].workpackage) == ("ai/m01-speed-2", 2)
    task = after.tasks["TASK-006"]
    assert (task.status, task.depends_on, task.workpackage) == ("ready", (), 2)
    assert _reconcile(text, after).changes == Changes()


def test_branches_of_the_archive_are_not_used_again() -> None:
    text = NEXT.replace("M01 - Deps", "M02 - Later work").replace("Later work", "Later: work")
    finished = _set(_finished(), "M02", title="Old")
    outcome = _reconcile(text, finished)
    milestone = outcome.changes.put[1]
    assert isinstance(milestone, Milestone)
    assert milestone.branch == "ai/m02-later-work-2"


def test_finished_plan_that_grows_stays_the_same_workpackage() -> None:
    text = PLAN + "## M03 - More\nTasks:\n- Sixth task of plan\n  Acceptance: it is new.\n"
    outcome = _reconcile(text, _finished())
    assert not outcome.new_workpackage
    assert _summary(outcome) == [("added", "M03", ()), ("added", "TASK-006", ())]
    assert _reconcile(PLAN, _finished()).changes == Changes()


def test_damaged_state_is_refused() -> None:
    damaged = Snapshot(
        project=EMPTY.project, entities={}, damaged=(Damage(path="state/tasks/TASK-001.json", line=1, message="cut"),)
    )
    with pytest.raises(AiwError) as caught:
        _reconcile(PLAN, damaged)
    assert caught.value.kind == Kind.CORRUPT


@settings(deadline=None, max_examples=50)
@given(sound_plans())
def test_importing_twice_changes_nothing_and_ids_are_unique(text: str) -> None:
    outcome = _reconcile(text, EMPTY)
    if outcome.refusals:
        assert outcome.changes == Changes()
        return
    after = EMPTY.apply(outcome.changes)
    assert _reconcile(text, after).changes == Changes()
    respelled = _reconcile(text + "\n\n", after)
    assert _summary(respelled) == []
    assert [type(entity) for entity in respelled.changes.put] == [Project]
    assert len({task.key for task in after.tasks.values()}) == len(after.tasks)
    assert len({milestone.branch for milestone in after.milestones.values()}) == len(after.milestones)


@settings(deadline=None, max_examples=50)
@given(sound_plans(), sound_plans())
def test_importing_an_edit_settles(first: str, second: str) -> None:
    outcome = _reconcile(first, EMPTY)
    snapshot = EMPTY.apply(outcome.changes)
    edited = _reconcile(second, snapshot)
    after = snapshot.apply(edited.changes)
    if not edited.refusals:
        assert _reconcile(second, after).changes == Changes()
        assert _summary(_reconcile(second + "\n\n", after)) == []
        open_tasks = {task.id for task in after.tasks.values() if task.status != "cancelled"}
        assert {task_id for m in after.milestones.values() for task_id in m.task_ids} >= open_tasks
