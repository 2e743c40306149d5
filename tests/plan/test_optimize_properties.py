"""What optimisation must never do, on generated plans (spec §4.3)."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from ai_workflow.models.plan import Plan, PlanTask
from ai_workflow.plan.dependencies import Resolver, find_cycles, task_graph
from ai_workflow.plan.matching import Place, places_of, task_at
from ai_workflow.plan.optimize import Mode, optimize_plan
from ai_workflow.plan.parse import parse_plan
from ai_workflow.plan.write import strip_positions, write_plan
from plan.strategies import plan_texts, sound_plans

MODES = st.sampled_from(("conservative", "balanced", "aggressive"))
texts = st.one_of(sound_plans(), sound_plans(), plan_texts)


def _tasks(plan: Plan) -> list[PlanTask]:
    return [task for milestone in plan.milestones for task in milestone.tasks]


def _words(plan: Plan) -> Counter[str]:
    """Everything that a person wrote into the plan and may not lose, as lines."""
    lines: list[str] = [plan.prose]
    for milestone in plan.milestones:
        lines += [milestone.prose]
        for task in milestone.tasks:
            lines += [task.title, task.description, *task.backlog, *task.verify, *task.conflicts, *task.acceptance]
            lines += [f"id {task.explicit_id}" if task.explicit_id else ""]
    flat = (line.strip().removeprefix("- ") for text in lines for line in text.split("\n"))
    return Counter(line for line in flat if line)


@settings(deadline=None, max_examples=80)
@given(texts, MODES)
def test_optimising_loses_no_line(text: str, mode: Mode) -> None:
    before = parse_plan(text, path="plan.md")
    after = optimize_plan(before, mode).plan
    kept = _words(after)
    assert [line for line in _words(before) if line not in kept] == []
    goals = {milestone.goal for milestone in after.milestones}
    assert {milestone.goal for milestone in before.milestones} <= goals
    assert sum(task.done for task in _tasks(after)) == sum(task.done for task in _tasks(before))


@settings(deadline=None, max_examples=80)
@given(texts, MODES)
def test_optimising_twice_changes_nothing_more(text: str, mode: Mode) -> None:
    once = optimize_plan(parse_plan(text, path="plan.md"), mode)
    twice = optimize_plan(once.plan, mode)
    assert twice.plan == once.plan
    assert [proposal for proposal in twice.proposals if proposal.applied] == []
    reread = optimize_plan(parse_plan(write_plan(once.plan), path="plan.md"), mode)
    assert strip_positions(reread.plan) == strip_positions(once.plan)


@settings(deadline=None, max_examples=80)
@given(texts, MODES)
def test_optimised_plan_can_be_written(text: str, mode: Mode) -> None:
    plan = optimize_plan(parse_plan(text, path="plan.md"), mode).plan
    assert strip_positions(parse_plan(write_plan(plan), path="plan.md")) == strip_positions(plan)


def _home(before: Plan, after: Plan) -> dict[Place, Place]:
    """Old place → place in the new plan of the task that holds its acceptance, for plans that name each of theirs."""
    home: dict[Place, Place] = {}
    for place in places_of(before):
        lines = set(task_at(before, place).acceptance)
        for other in places_of(after):
            if lines and lines <= set(task_at(after, other).acceptance):
                home[place] = other
    return home


@settings(deadline=None, max_examples=80)
@given(sound_plans(), MODES)
def test_written_dependencies_follow_their_targets(text: str, mode: Mode) -> None:
    before = parse_plan(text, path="plan.md")
    after = optimize_plan(before, mode).plan
    home = _home(before, after)
    old = task_graph(Resolver(before), before, chain=False)
    new = task_graph(Resolver(after), after, chain=True)
    for place, others in old.items():
        for other in others:
            if place in home and other in home and home[place] != home[other]:
                assert home[other] in new[home[place]]


@settings(deadline=None, max_examples=80)
@given(sound_plans(), MODES)
def test_optimising_makes_no_task_wait_for_itself(text: str, mode: Mode) -> None:
    before = parse_plan(text, path="plan.md")
    after = optimize_plan(before, mode).plan
    if not find_cycles(task_graph(Resolver(before), before, chain=True)):
        assert find_cycles(task_graph(Resolver(after), after, chain=True)) == ()
    resolver = Resolver(after)
    lost = {
        reference
        for place in places_of(after)
        for reference in task_at(after, place).depends or ()
        if resolver.resolve(reference, milestone=place[0]).kind in ("unknown", "ambiguous")
    }
    assert lost == set()
