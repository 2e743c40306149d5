"""Makes a plan's tasks commit-shaped without losing a word of it (spec §4.3). Pure.

Steps of a checklist are merged, producers come before consumers, milestones that are several in one are split (in
aggressive mode). What cannot be made better by moving text is flagged and stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from msgspec.structs import replace

from ai_workflow.models.base import Record
from ai_workflow.models.plan import Plan, PlanMilestone
from ai_workflow.plan.comma_lists import normalise_title
from ai_workflow.plan.dependencies import Resolver, find_cycles, task_graph
from ai_workflow.plan.micro_tasks import Merge, find_merges
from ai_workflow.plan.quality import find_early_consumers
from ai_workflow.plan.rewiring import Section, Slot, keep_section, rewire
from ai_workflow.plan.splitting import Split, find_split, split_sections
from ai_workflow.plan.wording import PRODUCERS, find_domain, first_word, is_micro, is_vague
from ai_workflow.plan.write import strip_positions

Mode: TypeAlias = Literal["conservative", "balanced", "aggressive"]


class Limits(Record, frozen=True, kw_only=True):
    """How far a mode goes; the numbers of paths and areas are those of 0.1.0."""

    scopes: int
    """Paths of a merged task."""
    acceptance: int
    """Acceptance lines of a merged task."""
    domains: int
    """Areas of a milestone before a split is proposed."""
    splits: bool
    """Whether splits are applied."""


LIMITS: dict[str, Limits] = {
    "conservative": Limits(scopes=2, acceptance=4, domains=2, splits=False),
    "balanced": Limits(scopes=4, acceptance=8, domains=2, splits=False),
    "aggressive": Limits(scopes=6, acceptance=12, domains=1, splits=True),
}


class Proposal(Record, frozen=True, kw_only=True):
    """One thing that the optimiser did or would do."""

    kind: Literal["merge", "split", "reorder", "reject"]
    rule: str
    """Name of the rule that fired."""
    subjects: tuple[str, ...]
    """Titles of the tasks, or of the milestone for a split."""
    reason: str
    applied: bool
    """Whether the plan was changed; a rejected task always stays."""


class Optimized(Record, frozen=True, kw_only=True):
    """The better plan and how it came about."""

    plan: Plan
    """The very plan that was given when nothing was changed; its positions are those of the old text."""
    proposals: tuple[Proposal, ...]


_Stage: TypeAlias = Callable[[Plan, Limits], "tuple[Plan, list[Proposal]]"]


def optimize_plan(plan: Plan, mode: Mode) -> Optimized:
    """The plan after every proposal that the mode applies, and all proposals in the order in which they were made.

    Deterministic, and idempotent: the optimised plan comes out unchanged, with no proposal applied. Every acceptance
    line, path, command, dependency, description, backlog link, title and free text of the input is in the output.
    """
    limits = LIMITS[mode]
    proposals: list[Proposal] = []
    current = plan
    stages: tuple[_Stage, ...] = (_merge_steps, _order_tasks, _split_milestones)
    while True:
        before = current
        for stage in stages:
            current, made = _guarded(stage, current, limits)
            proposals += made
        if strip_positions(current) == strip_positions(before):
            break
    proposals += [*_propose_splits(current, limits), *_reject_tasks(current)]
    return Optimized(plan=current, proposals=tuple(proposals))


def _guarded(stage: _Stage, plan: Plan, limits: Limits) -> tuple[Plan, list[Proposal]]:
    """The stage's plan, unless tasks wait for each other in it that did not before."""
    changed, proposals = stage(plan, limits)
    if not proposals or (_has_cycle(changed) and not _has_cycle(plan)):
        return plan, []
    return changed, proposals


def _has_cycle(plan: Plan) -> bool:
    return bool(find_cycles(task_graph(Resolver(plan), plan, chain=True)))


def _list_waits(plan: Plan) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Per milestone and task the indexes of the tasks of the same milestone that `Depends:` names."""
    graph = task_graph(Resolver(plan), plan, chain=False)
    return tuple(
        tuple(
            tuple(other for home, other in graph[(at, number)] if home == at and other != number)
            for number in range(len(milestone.tasks))
        )
        for at, milestone in enumerate(plan.milestones)
    )


def _merge_steps(plan: Plan, limits: Limits) -> tuple[Plan, list[Proposal]]:
    waits = _list_waits(plan)
    sections, proposals = [], []
    titles = {normalise_title(task.title) for milestone in plan.milestones for task in milestone.tasks}
    for at, milestone in enumerate(plan.milestones):
        merges = find_merges(milestone, waits[at], max_scopes=limits.scopes, max_acceptance=limits.acceptance)
        section = keep_section(plan, at)
        slots = dict(enumerate(section.slots))
        for merge in merges:
            title = _name_merge(milestone, merge, titles) if merge.is_new else None
            places = tuple((at, number) for number in merge.members)
            for number in merge.members:
                del slots[number]
            slots[merge.members[0]] = Slot(members=places, title=title)
            proposals.append(_explain_merge(milestone, merge, title))
        ordered = tuple(slots[number] for number in sorted(slots))
        sections.append(replace(section, slots=ordered))
    return (rewire(plan, sections), proposals) if proposals else (plan, [])


def _name_merge(milestone: PlanMilestone, merge: Merge, titles: set[str]) -> str:
    """A title that no task has yet; it is added to `titles`."""
    subject = milestone.title[:1].lower() + milestone.title[1:]
    area = find_domain(milestone.tasks[merge.members[0]])
    names = [f"Consolidate {subject} behavior"] if subject and not is_vague(f"Consolidate {subject} behavior") else []
    names += [f"Consolidate {area} task updates"]
    number = 2
    while normalise_title(names[0]) in titles:
        names = names[1:] or [f"Consolidate {area} task updates {number}"]
        number += 1
    titles.add(normalise_title(names[0]))
    return names[0]


def _explain_merge(milestone: PlanMilestone, merge: Merge, title: str | None) -> Proposal:
    head = milestone.tasks[merge.members[0]]
    steps = merge.members if merge.is_new else merge.members[1:]
    names = tuple(milestone.tasks[number].title for number in steps)
    listed = ", ".join(f"`{name}`" for name in names)
    if merge.is_new:
        reason = f"{listed} are steps of one change and become `{title}`"
        return Proposal(kind="merge", rule="micro-tasks-together", subjects=names, reason=reason, applied=True)
    reason = f"{listed}: a step of the same area as `{head.title}`, which takes it in"
    return Proposal(
        kind="merge", rule="micro-task-into-nearest", subjects=(*names, head.title), reason=reason, applied=True
    )


def _order_tasks(plan: Plan, limits: Limits) -> tuple[Plan, list[Proposal]]:
    waits = _list_waits(plan)
    sections, proposals = [], []
    for at, milestone in enumerate(plan.milestones):
        section = keep_section(plan, at)
        order = _find_order(milestone, waits[at])
        sections.append(replace(section, slots=tuple(section.slots[number] for number in order)))
        proposals += _explain_order(milestone, order, waits[at])
    return (rewire(plan, sections), proposals) if proposals else (plan, [])


def _find_order(milestone: PlanMilestone, waits: Sequence[tuple[int, ...]]) -> list[int]:
    """The tasks with every producer before those that use what it makes; as they stand where nothing speaks for
    another order, or where the written dependencies are circular."""
    count = len(milestone.tasks)
    if find_cycles(dict(enumerate(waits))):
        return list(range(count))
    rank = {number: (number, 0) for number in range(count)}
    producers = [number for number, task in enumerate(milestone.tasks) if first_word(task.title) in PRODUCERS]
    for consumer in find_early_consumers(milestone):
        behind = [number for number in producers if consumer not in _waited_for(number, waits)]
        if behind:
            rank[consumer] = (behind[-1], 1 + consumer)
    order: list[int] = []
    placed: set[int] = set()
    left = sorted(range(count), key=lambda number: rank[number])
    while left:
        ready = next(number for number in left if placed.issuperset(waits[number]))
        order.append(ready)
        placed.add(ready)
        left.remove(ready)
    return order


def _waited_for(start: int, waits: Sequence[tuple[int, ...]]) -> set[int]:
    seen: set[int] = set()
    open_tasks = [start]
    while open_tasks:
        for other in waits[open_tasks.pop()]:
            if other not in seen:
                seen.add(other)
                open_tasks.append(other)
    return seen


def _explain_order(milestone: PlanMilestone, order: Sequence[int], waits: Sequence[tuple[int, ...]]) -> list[Proposal]:
    proposals = []
    place = {number: at for at, number in enumerate(order)}
    for number, task in enumerate(milestone.tasks):
        passed = [other for other in range(number + 1, len(order)) if place[other] < place[number]]
        if not passed:
            continue
        names = ", ".join(f"`{milestone.tasks[other].title}`" for other in passed)
        if any(other in _waited_for(number, waits) for other in passed):
            rule, reason = "dependencies-first", f"`{task.title}` depends on what came later: {names} go first"
        else:
            rule, reason = "producers-first", f"`{task.title}` uses what is built later: {names} go first"
        proposals.append(Proposal(kind="reorder", rule=rule, subjects=(task.title,), reason=reason, applied=True))
    return proposals


def _split_milestones(plan: Plan, limits: Limits) -> tuple[Plan, list[Proposal]]:
    if not limits.splits:
        return plan, []
    for at, milestone in enumerate(plan.milestones):
        split = find_split(milestone, _list_waits(plan)[at], max_domains=limits.domains)
        sections: tuple[Section, ...] | None = split_sections(plan, at, split) if split is not None else None
        if split is not None and sections is not None:
            return rewire(plan, sections), [_explain_split(milestone, split, is_applied=True)]
    return plan, []


def _propose_splits(plan: Plan, limits: Limits) -> list[Proposal]:
    waits = _list_waits(plan)
    found = []
    for at, milestone in enumerate(plan.milestones):
        split = find_split(milestone, waits[at], max_domains=limits.domains)
        if split is not None:
            found.append(_explain_split(milestone, split, is_applied=False))
    return found


def _explain_split(milestone: PlanMilestone, split: Split, *, is_applied: bool) -> Proposal:
    sizes = " + ".join(str(len(part)) for part in split.parts)
    why = {
        "too-many-tasks": f"has {len(milestone.tasks)} tasks",
        "mixed-domains": "mixes areas that have nothing to do with each other",
    }[split.rule]
    advice = "" if is_applied else "; aggressive mode applies it where milestones stand in the order of their numbers"
    return Proposal(
        kind="split",
        rule=split.rule,
        subjects=(milestone.title,),
        reason=f"`{milestone.title}` {why}: {len(split.parts)} milestones of {sizes} tasks{advice}",
        applied=is_applied,
    )


def _reject_tasks(plan: Plan) -> list[Proposal]:
    found = []
    for milestone in plan.milestones:
        for task in milestone.tasks:
            reasons = {
                "vague-title": is_vague(task.title),
                "no-acceptance": not task.acceptance,
                "micro-task": is_micro(task),
            }
            texts = {
                "vague-title": "does not say what changes",
                "no-acceptance": "has nothing that shows when it is done",
                "micro-task": "is one step, and no task of its area can take it in",
            }
            for rule in (rule for rule, applies in reasons.items() if applies):
                reason = f"`{task.title}` {texts[rule]}; it stays for you to rewrite"
                found.append(Proposal(kind="reject", rule=rule, subjects=(task.title,), reason=reason, applied=False))
    return found
