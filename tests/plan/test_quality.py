"""The rules for a plan and their score (spec §4.2)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from ai_workflow.plan.quality import RULES, ScopeState
from plan.examples import MICRO_TASKS, WORKPACKAGE, judge, places
from plan.strategies import plan_texts

HEAD = "# Milestones\n## M01 - Parser\nTasks:\n"
BODY = "  Acceptance: seen in the log\n  Conflict: src/a.py\n"


def _plan(*titles: str, body: str = BODY) -> str:
    return HEAD + "".join(f"- {title}\n{body}" for title in titles)


CASES = [
    ("# Milestones\n", [("no-milestone", 1, 1)]),
    ("# Milestones\n## M01 - Parser\n", [("milestone-without-tasks", 2, 1)]),
    (_plan("Read the file") + _plan("Write the file")[13:], [("duplicate-milestone-id", 7, 1)]),
    (_plan("TASK-001 - Read the file", "TASK-001 - Write the file"), [("duplicate-task-id", 7, 1)]),
    (_plan(*(f"{word} the big file" for word in "ABCDEFGHIJK")), [("too-many-tasks", 2, 1)]),
    (_plan("Read the file", body="  Conflict: a\n"), [("no-acceptance", 4, 1)]),
    (_plan("Improve the parser"), [("vague-title", 4, 1)]),
    (_plan("Read the file", body=BODY + "  Depends: Reed the file\n"), [("unknown-dependency", 7, 12)]),
    (_plan("Read the file", body=BODY + "  Depends: M01/2, TASK-009, M07\n"),
     [("unknown-dependency", 7, 12), ("unknown-dependency", 7, 19), ("unknown-dependency", 7, 29)]),
    (_plan("Read the file", "Read the file", "Read a file") + "  Depends: Read the file\n",
     [("same-first-word", 2, 1), ("ambiguous-dependency", 13, 12)]),
    (_plan("Read the file", body=BODY + "  Depends: Read the file\n"), [("dependency-cycle", 4, 1)]),
    (_plan("Read the file", body="  Acceptance: seen in the log\n  Conflict: /etc/x, ../y, a/../../z, C:\\w, ~/v\n"),
     [("path-outside", 6, 13), ("path-outside", 6, 21), ("path-outside", 6, 27), ("path-outside", 6, 38),
      ("path-outside", 6, 44)]),
    (HEAD + "".join(f"- {w} the file\n  Acceptance: seen in the log\n  Conflict: {w}/x\n" for w in ("A", "B", "C")),
     [("mixed-domains", 2, 1)]),
    (_plan("Use the parser", "Build the parser"), [("consumer-before-producer", 4, 1)]),
    (_plan("Read the file", body="  Acceptance: It works.\n  Acceptance: relevant checks pass\n  Conflict: a\n"),
     [("generic-acceptance", 5, 15), ("generic-acceptance", 6, 15)]),
    (_plan("Read file"), [("short-title", 4, 1)]),
    (_plan("Read the file", body="  Acceptance: seen in the log\n" * 13 + "  Conflict: a\n"),
     [("too-many-acceptance", 4, 1)]),
    (_plan("Read the file", body="  Acceptance: seen in the log\n  Conflict: " + ", ".join("abcdefghijk") + "\n"),
     [("too-many-scopes", 4, 1)]),
    (_plan("Read the file", "Read a table", "Read one list"), [("same-first-word", 2, 1)]),
    (_plan("Read the file", body="  Acceptance: seen in the log\n"), [("no-scope", 4, 1)]),
    (_plan("Write one assertion"), [("micro-task", 4, 1)]),
    (_plan("Read the file", body=BODY + "  Depends: M02\n") + _plan("Write the file")[13:].replace("M01", "M02"),
     [("later-milestone", 7, 12)]),
    (_plan("Read the file", body="  Acceptance: seen in the log\n  Conflict: nothing/a\n"),
     [("scope-matches-nothing", 6, 13)]),
    (_plan("Read the file", body="  Acceptance: seen in the log\n  Conflict: submodule/a\n"),
     [("scope-in-submodule", 6, 13)]),
    (_plan("Read the file", body="  Acceptance: seen in the log\n  Conflict: outside/a\n"), [("path-outside", 6, 13)]),
]  # fmt: skip


def _scope_exists(scope: str) -> ScopeState:
    states: dict[str, ScopeState] = {"nothing": "nothing", "submodule": "submodule", "outside": "outside"}
    return states.get(scope.split("/", maxsplit=1)[0], "matches")


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_rules(text: str, expected: list[tuple[str, int, int]]) -> None:
    verdict = judge(text, scope_exists=_scope_exists)
    assert places(verdict.findings) == expected
    assert verdict.valid == all(RULES[code][0] != "error" for code, _, _ in expected)
    assert verdict.score == max(0, 100 - sum(RULES[code][1] for code, _, _ in expected))


def test_every_rule_is_shown_by_a_case() -> None:
    assert {code for _, expected in CASES for code, _, _ in expected} == set(RULES)


def test_public_examples() -> None:
    good, bad = judge(WORKPACKAGE), judge(MICRO_TASKS)
    assert (good.valid, good.score, good.findings) == (True, 100, ())
    assert (bad.valid, bad.score) == (True, 82)
    assert places(bad.findings) == [(code, line, 1) for line in (4, 7, 10) for code in ("short-title", "micro-task")]


@pytest.mark.parametrize(
    ("title", "is_vague"),
    [
        ("Improve parser", True),
        ("Clean up the code", True),
        ("Polish things a bit", True),
        ("Make it better", True),
        ("Make the parser better", True),
        ("Cleanup", True),
        ("Improve parser error messages", False),
        ("Clean up token buffer on close", False),
        ("Improved lookup table", False),
        ("Document the improvement process", False),
        ("Make parser accept tabs", False),
        ("Docs", False),
    ],
)
def test_vague_titles(title: str, is_vague: bool) -> None:
    assert ("vague-title" in {finding.code for finding in judge(_plan(title)).findings}) is is_vague


@pytest.mark.parametrize(
    ("title", "is_micro"),
    [
        ("Add import", True),
        ("Rename the variable", True),
        ("Run formatter", True),
        ("Write one assertion", True),
        ("Fix typo", True),
        ("Add audit log", False),
        ("Write parser assertions for every token", False),
        ("Rename the public parser package everywhere", False),
    ],
)
def test_micro_tasks(title: str, is_micro: bool) -> None:
    assert ("micro-task" in {finding.code for finding in judge(_plan(title)).findings}) is is_micro


def test_cycle_is_printed_as_the_cycle() -> None:
    text = _plan("Read the file", body=BODY + "  Depends: Sort the lines\n") + "- Join the lines\n" + BODY
    text += "- Sort the lines\n" + BODY
    (finding,) = judge(text).findings
    assert finding.message == (
        "tasks wait for each other: M01/1 `Read the file` → M01/3 `Sort the lines` → M01/2 `Join the lines` → "
        "M01/1 `Read the file`"
    )
    assert judge(text, chain=False).findings == ()


def test_milestones_that_wait_for_each_other_are_a_cycle() -> None:
    first = _plan("Read the file", "Sort the lines", body=BODY + "  Depends: none\n")
    first = first.replace("Depends: none", "Depends: M02/1", 1)
    second = _plan("Join the lines", body=BODY + "  Depends: Sort the lines\n")[13:].replace("M01", "M02")
    findings = [finding for finding in judge(first + second).findings if finding.level == "error"]
    assert [finding.message for finding in findings] == ["milestones wait for each other: M01 → M02 → M01"]


def test_near_titles_are_suggested() -> None:
    (finding,) = judge(_plan("Read the file", body=BODY + "  Depends: Raed the file\n")).findings
    assert finding.hint == "did you mean `Read the file`?"


def test_own_milestone_comes_first_when_a_title_repeats() -> None:
    text = _plan("Read the file") + _plan("Read the file", "Sort the lines")[13:].replace("M01", "M02")
    assert judge(text + "  Depends: read the  FILE.\n").valid


@settings(deadline=None, max_examples=150)
@given(plan_texts)
def test_any_plan_is_judged(text: str) -> None:
    verdict = judge(text)
    assert 0 <= verdict.score <= 100
    assert list(verdict.findings) == sorted(verdict.findings, key=lambda finding: (finding.line, finding.column))
