"""Milestones and done tasks of aiw 0.1.0 whose file cannot be read, made anew from what shows them (spec §2). Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ai_workflow.models.ids import id_order, make_slug
from ai_workflow.models.legacy import OldMilestone, OldState, OldTask, TaskCommit
from ai_workflow.models.status import TASK_ACTIVE
from ai_workflow.policy.takeover import BOOTSTRAP


def add_committed_tasks(
    old: OldState, commits: Mapping[str, TaskCommit], *, homes: Mapping[str, str]
) -> tuple[OldState, tuple[str, ...]]:
    """The state with the tasks that have a commit and no readable file, and one sentence for each.

    Without them their work would be planned, and done, a second time.

    Args:
        commits: task id → its commit.
        homes: slug of a task's title → the milestone that the plan has it in; for tasks that no milestone lists.
    """
    listed = {task_id: key for key, milestone in old.milestones.items() for task_id in milestone.task_ids}
    there = {make_slug(task.title) for task in old.tasks.values()}
    made = {}
    for task_id, commit in commits.items():
        slug = make_slug(commit.title)
        home = listed.get(task_id) or (homes.get(slug) if slug not in there else None)
        if task_id not in old.tasks and home is not None:
            made[task_id] = OldTask(
                id=task_id, title=commit.title or task_id, status="done", milestone_id=home, commit_sha=commit.sha
            )
    notes = (
        f"{key} was made anew from its commit: its own file could not be read" for key in sorted(made, key=id_order)
    )
    return msgspec.structs.replace(old, tasks={**old.tasks, **made}), tuple(notes)


def add_missing_milestones(old: OldState, *, titles: Mapping[str, str]) -> tuple[OldState, tuple[str, ...]]:
    """The state with a milestone for every task, and one sentence for each that was made.

    Args:
        titles: milestone id → title in the plan; without one the id stands in.
    """
    made: dict[str, OldMilestone] = {}
    for milestone_id in {task.milestone_id for task in old.tasks.values()} - set(old.milestones) - {BOOTSTRAP}:
        own = sorted(
            (one for one in old.tasks.values() if one.milestone_id == milestone_id), key=lambda one: id_order(one.id)
        )
        is_begun = any(one.status in TASK_ACTIVE or one.status in ("done", "blocked") for one in own)
        made[milestone_id] = OldMilestone(
            id=milestone_id,
            title=titles.get(milestone_id, milestone_id),
            status="in_progress" if is_begun else "ready",
            branch=next((one.branch for one in own if one.branch), None),
            task_ids=tuple(one.id for one in own),
        )
    notes = (
        f"{key} was made anew from its tasks: its own file could not be read" for key in sorted(made, key=id_order)
    )
    return msgspec.structs.replace(old, milestones={**old.milestones, **made}), tuple(notes)
