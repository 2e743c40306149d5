"""Imports a plan into a state that is gone, under the ids that its tasks had (spec §7.5, ADR 0034). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from ai_workflow.models.base import Record
from ai_workflow.models.history import KnownWork
from ai_workflow.models.ids import find_free_branch, format_id, id_number, make_branch_name, make_slug
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.plan import Plan
from ai_workflow.models.project import Workpackage
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.task import Task
from ai_workflow.plan.matching import Place, make_keys, number_milestones, places_of, task_at
from ai_workflow.plan.quality import judge_plan
from ai_workflow.plan.reconcile import reconcile_plan


class Replanted(Record, frozen=True, kw_only=True):
    """The state with the plan's milestones and tasks, or why the plan was left out."""

    snapshot: Snapshot | None
    note: str | None = None


def replant(
    plan: Plan,
    empty: Snapshot,
    work: KnownWork,
    *,
    digest: str,
    plan_path: str,
    base_branch: str,
    branch_prefix: str,
    now: str,
) -> Replanted:
    """The plan as a first import takes it over, but under known ids; nothing of it is done yet.

    Args:
        empty: the state without milestones and tasks.
        work: what commits tell of its tasks.
    """
    verdict = judge_plan(plan, scope_exists=None, known=empty)
    if not verdict.valid:
        return Replanted(snapshot=None, note=f"{plan_path} has errors and was left out; see: aiw plan validate")
    given = {at: milestone.id for at, milestone in enumerate(plan.milestones) if milestone.id is not None}
    milestone_ids = number_milestones(plan, given=given, taken=())
    keys = make_keys(plan, milestone_ids)
    known = {f"{work.homes[task_id]}/{make_slug(title)}": task_id for task_id, title in work.titles.items()}
    if work.homes and not any(key in known for key in keys.values()):
        return Replanted(
            snapshot=None, note=f"{plan_path} is not the plan that the commits are of; take it over: aiw plan import"
        )
    task_ids = _number(plan, keys, known, work, highest=empty.require_project().counters.task)
    seeded = _seed(
        plan, empty, work, task_ids, keys, milestone_ids=milestone_ids, plan_path=plan_path, now=now,
        base_branch=base_branch, branch_prefix=branch_prefix,
    )  # fmt: skip
    reconciled = reconcile_plan(
        plan,
        seeded,
        now=now,
        digest=digest,
        plan_path=plan_path,
        base_branch=base_branch,
        branch_prefix=branch_prefix,
    )
    if reconciled.refusals:
        reason = reconciled.refusals[0].message
        return Replanted(snapshot=None, note=f"{plan_path} was left out: {reason}; take it over: aiw plan import")
    return Replanted(snapshot=seeded.apply(reconciled.changes))


def _seed(
    plan: Plan,
    empty: Snapshot,
    work: KnownWork,
    task_ids: Mapping[Place, str],
    keys: Mapping[Place, str],
    *,
    milestone_ids: Sequence[str],
    plan_path: str,
    base_branch: str,
    branch_prefix: str,
    now: str,
) -> Snapshot:
    """Milestones and tasks of the plan with nothing but their identity, for the import to fill."""
    tasks = {
        task_ids[place]: Task(
            id=task_ids[place],
            title=task_at(plan, place).title,
            status="ready",
            milestone_id=milestone_ids[place[0]],
            key=keys[place],
            workpackage=work.workpackage,
            created_at=now,
            updated_at=now,
        )
        for place in places_of(plan)
    }
    milestones: dict[str, Milestone] = {}
    taken = [*work.taken_branches, *work.branches.values()]
    for at, source in enumerate(plan.milestones):
        milestone_id = milestone_ids[at]
        name = find_free_branch(make_branch_name(branch_prefix, milestone_id, source.title), taken)
        taken.append(name)
        milestones[milestone_id] = Milestone(
            id=milestone_id,
            title=source.title,
            status="ready",
            lane_id="core",
            base_branch=base_branch,
            branch=work.branches.get(milestone_id, name),
            task_ids=tuple(task_ids[(at, number)] for number in range(len(source.tasks))),
            adr_ids=tuple(adr.id for adr in empty.adrs.values() if adr.status == "accepted"),
            workpackage=work.workpackage,
            created_at=now,
            updated_at=now,
        )
    project = empty.require_project()
    package = Workpackage(number=work.workpackage, plan_path=plan_path, plan_digest="", imported_at=now)
    return empty.apply(Changes(put=(replace(project, workpackage=package), *milestones.values(), *tasks.values())))


def _number(
    plan: Plan, keys: Mapping[Place, str], known: Mapping[str, str], work: KnownWork, *, highest: int
) -> dict[Place, str]:
    """The id of every task of the plan: the one that commits or mirrors give it, else by its place among those.

    An import numbers tasks in plan order, so that the distance between place and number tells the others'.

    Args:
        highest: the highest number that anything names.
    """
    places = places_of(plan)
    slugs = Counter(key.partition("/")[2] for key in keys.values())
    mirrors = {slug: task_id for task_id, slug in work.names.items()}
    found: dict[Place, str] = {}
    for place in places:
        slug = keys[place].partition("/")[2]
        by_mirror = mirrors.get(slug) if slugs[slug] == 1 else None
        for task_id in (known.get(keys[place]), task_at(plan, place).explicit_id, by_mirror):
            if task_id is not None and task_id not in found.values():
                found[place] = task_id
                break
    shifts = Counter(id_number(task_id)[0] - at for at, place in enumerate(places) if (task_id := found.get(place)))
    shift = shifts.most_common(1)[0][0] if shifts else work.first
    taken = {*work.used, *found.values()}
    following = max([highest, shift + len(places) - 1, *(id_number(task_id)[0] for task_id in taken)])
    for at, place in enumerate(places):
        if place not in found:
            number = shift + at
            if number < work.first or format_id("task", number) in taken:
                following = number = following + 1
            found[place] = format_id("task", number)
            taken.add(found[place])
    return found
