"""What optimisation proposes and does (spec §4.3)."""

from __future__ import annotations

import pytest

from ai_workflow.plan.optimize import Mode, Optimized, optimize_plan
from ai_workflow.plan.write import write_plan
from plan.examples import MICRO_TASKS, WORKPACKAGE, judge, read

HEAD = "# Milestones\n\n## M01 - Parser\n\nTasks:\n\n"


def _task(title: str, scope: str, *, extra: str = "") -> str:
    return f"- {title}\n  Acceptance: {title} is seen.\n  Conflict: {scope}\n{extra}"


def _plan(*tasks: str) -> str:
    return HEAD + "\n".join(tasks)


def _optimize(text: str, mode: Mode = "balanced") -> Optimized:
    return optimize_plan(read(text), mode)


def _summary(optimized: Optimized) -> list[tuple[str, str, tuple[str, ...], bool]]:
    return [(made.kind, made.rule, made.subjects, made.applied) for made in optimized.proposals]


@pytest.mark.parametrize("mode", ["conservative", "balanced", "aggressive"])
def test_public_micro_tasks_become_one_task(mode: Mode) -> None:
    optimized = _optimize(MICRO_TASKS, mode)
    assert write_plan(optimized.plan) == (
        "# Milestones\n\n## M01 - Parser cleanup\n\nTasks:\n\n- Consolidate parser cleanup behavior\n"
        "  Acceptance: Import exists.\n  Acceptance: Helper is renamed.\n  Acceptance: Assertion exists.\n"
        "  Conflict: src/parser.py, tests/test_parser.py\n  - Add import\n  - Rename helper\n  - Write assertion\n"
    )
    assert _summary(optimized) == [
        ("merge", "micro-tasks-together", ("Add import", "Rename helper", "Write assertion"), True)
    ]
    assert judge(write_plan(optimized.plan)).score == 100


@pytest.mark.parametrize("mode", ["conservative", "balanced", "aggressive"])
def test_public_workpackage_is_left_as_it_is(mode: Mode) -> None:
    plan = read(WORKPACKAGE)
    assert optimize_plan(plan, mode) == Optimized(plan=plan, proposals=())


def test_step_goes_into_nearest_task_of_its_area_with_all_it_has() -> None:
    step = _task("Add import", "src/a.py", extra="  Verify: make import\n  Backlog: BLG-002\n  Why it is needed.\n")
    text = _plan(
        _task("Implement token parser", "src/a.py", extra="  Backlog: BLG-001\n  Note of the task.\n"),
        _task("Document the parser", "docs/guide.md"),
        step,
        _task("Draw the diagram", "docs/tree.svg", extra="  Depends: Add import\n"),
    )
    optimized = _optimize(text)
    assert write_plan(optimized.plan) == _plan(
        "- Implement token parser\n  Acceptance: Implement token parser is seen.\n  Acceptance: Add import is seen.\n"
        "  Verify: make import\n  Conflict: src/a.py\n  Backlog: BLG-001, BLG-002\n  Note of the task.\n"
        "  - Add import\n    Why it is needed.\n",
        _task("Document the parser", "docs/guide.md"),
        _task("Draw the diagram", "docs/tree.svg", extra="  Depends: Implement token parser\n"),
    )
    assert _summary(optimized) == [("merge", "micro-task-into-nearest", ("Add import", "Implement token parser"), True)]


def test_step_that_needs_what_comes_between_is_not_pulled_over_it() -> None:
    text = _plan(
        _task("Implement token parser", "src/a.py"),
        _task("Extract token module", "lib/token.py", extra="  Depends: Implement token parser\n"),
        _task("Add import", "src/a.py", extra="  Depends: Extract token module\n"),
    )
    optimized = _optimize(text)
    assert optimized.plan == read(text)
    assert _summary(optimized) == [("reject", "micro-task", ("Add import",), False)]


def test_steps_known_to_the_state_are_not_merged() -> None:
    text = _plan(
        _task("Implement token parser", "src/a.py"),
        _task("TASK-007 - Add import", "src/a.py"),
        _task("[x] Rename helper", "src/a.py"),
    )
    assert _optimize(text).plan == read(text)


def test_limits_keep_merged_tasks_reviewable() -> None:
    steps = [_task("Add import", f"src/{letter}.py") for letter in "abcdefg"]
    sizes = {
        mode: [len(task.conflicts) for task in _optimize(_plan(*steps), mode).plan.milestones[0].tasks]
        for mode in ("conservative", "balanced", "aggressive")
    }
    assert sizes == {"conservative": [2, 2, 2, 1], "balanced": [4, 3], "aggressive": [6, 1]}


def test_consumer_moves_behind_producers_and_the_chain_keeps_its_meaning() -> None:
    text = _plan(
        _task("Use the parser everywhere", "src/cli.py", extra="  Depends: none\n"),
        _task("Build the parser module", "src/parser.py"),
        _task("Check the whole thing", "src/all.py"),
    )
    optimized = _optimize(text)
    assert write_plan(optimized.plan) == _plan(
        _task("Build the parser module", "src/parser.py"),
        _task("Use the parser everywhere", "src/cli.py", extra="  Depends: none\n"),
        _task(
            "Check the whole thing",
            "src/all.py",
            extra="  Depends: Build the parser module, Use the parser everywhere\n",
        ),
    )
    assert _summary(optimized) == [("reorder", "producers-first", ("Use the parser everywhere",), True)]
    assert "consumer-before-producer" not in {finding.code for finding in judge(write_plan(optimized.plan)).findings}


def test_implied_chain_stays_implied_where_the_new_order_has_it() -> None:
    text = _plan(_task("Use the parser", "src/a.py"), _task("Build the parser", "src/b.py"), _task("Test it all", "t"))
    plan = _optimize(text).plan
    assert [(task.title, task.depends) for task in plan.milestones[0].tasks] == [
        ("Build the parser", None),
        ("Use the parser", None),
        ("Test it all", None),
    ]


def test_written_dependency_puts_its_target_first() -> None:
    text = _plan(_task("Read the file", "src/a.py", extra="  Depends: M01/2\n"), _task("Open the file", "src/b.py"))
    optimized = _optimize(text)
    assert write_plan(optimized.plan) == _plan(
        _task("Open the file", "src/b.py"), _task("Read the file", "src/a.py", extra="  Depends: Open the file\n")
    )
    assert _summary(optimized) == [("reorder", "dependencies-first", ("Read the file",), True)]


MIXED = _plan(
    _task("Read the file", "src/a.py"), _task("Paint the page", "web/x.js"), _task("Sort the lines", "src/b.py"),
    _task("Plan the network", "infra/net.tf", extra="  Depends: Sort the lines\n"),
) + "\n## M02 - Next\n\nTasks:\n\n" + _task("Ship the thing", "src/c.py", extra="  Depends: M01, M01/2\n")  # fmt: skip


def test_split_is_only_proposed_in_balanced_mode() -> None:
    optimized = _optimize(MIXED)
    assert optimized.plan == read(MIXED)
    assert _summary(optimized) == [("split", "mixed-domains", ("Parser",), False)]


def test_split_is_applied_in_aggressive_mode() -> None:
    optimized = _optimize(MIXED, "aggressive")
    assert _summary(optimized) == [("split", "mixed-domains", ("Parser",), True)]
    assert write_plan(optimized.plan) == (
        "# Milestones\n\n## M01 - Parser part 1\n\nTasks:\n\n"
        + _task("Read the file", "src/a.py")
        + "\n"
        + _task("Sort the lines", "src/b.py")
        + "\n## M02 - Parser part 2\n\nTasks:\n\n"
        + _task("Paint the page", "web/x.js", extra="  Depends: Read the file\n")
        + "\n## M03 - Parser part 3\n\nTasks:\n\n"
        + _task("Plan the network", "infra/net.tf", extra="  Depends: Sort the lines\n")
        + "\n## M04 - Next\n\nTasks:\n\n"
        + _task("Ship the thing", "src/c.py", extra="  Depends: M01, M02, M03, Paint the page\n")
    )


def test_long_milestone_is_split_evenly() -> None:
    words = ["Alpha", "Beta", "Gamma", "Delta", "Epsilon", "Zeta", "Eta", "Theta", "Iota", "Kappa", "Lambda"]
    text = _plan(*(_task(f"{word} is read", "src/a.py") for word in words))
    plan = _optimize(text, "aggressive").plan
    assert [(milestone.id, len(milestone.tasks)) for milestone in plan.milestones] == [("M01", 6), ("M02", 5)]
    assert judge(write_plan(plan)).valid


def test_split_waits_for_milestones_in_numeric_order() -> None:
    text = MIXED.replace("## M02", "## M00")
    optimized = _optimize(text, "aggressive")
    assert [milestone.id for milestone in optimized.plan.milestones] == ["M01", "M00"]
    assert _summary(optimized) == [("split", "mixed-domains", ("Parser",), False)]


def test_rejected_tasks_stay_and_are_flagged() -> None:
    text = HEAD + "- Improve parser\n  Conflict: src/a.py\n"
    optimized = _optimize(text)
    assert optimized.plan == read(text)
    assert _summary(optimized) == [
        ("reject", "vague-title", ("Improve parser",), False),
        ("reject", "no-acceptance", ("Improve parser",), False),
    ]


def test_prose_and_goal_survive_a_merge() -> None:
    text = MICRO_TASKS.replace("Tasks:", "<!-- note -->\nGoal: Keep it.\nTasks:").replace(
        "- Rename", "between\n- Rename"
    )
    plan = _optimize(text).plan
    assert (plan.milestones[0].prose, plan.milestones[0].goal) == ("<!-- note -->\n\nbetween", "Keep it.")
