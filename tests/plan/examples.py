"""The plans of the public description, letter for letter, and short ways to read and judge a plan."""

from __future__ import annotations

from collections.abc import Callable

from ai_workflow.models.plan import Finding, Plan
from ai_workflow.plan.parse import parse_plan
from ai_workflow.plan.quality import ScopeState, Verdict, judge_plan

MICRO_TASKS = """\
# Milestones
## M01 - Parser cleanup
Tasks:
- Add import
Acceptance: Import exists.
Conflict: src/parser.py
- Rename helper
Acceptance: Helper is renamed.
Conflict: src/parser.py
- Write assertion
Acceptance: Assertion exists.
Conflict: tests/test_parser.py
"""

WORKPACKAGE = """\
# Milestones
## M01 - Parser cleanup
Goal: Make parser cleanup reviewable as one implementation slice.
Tasks:
- Consolidate parser cleanup behavior
Acceptance: Parser uses the renamed helper through the intended import path.
Acceptance: Parser behavior is covered by focused tests.
Conflict: src/parser.py, tests/test_parser.py
- Update parser documentation
Acceptance: Parser docs describe the cleanup behavior.
Conflict: docs/parser.md
"""


def read(text: str) -> Plan:
    """The plan in the text."""
    return parse_plan(text, path="plan.md")


def judge(text: str, *, scope_exists: Callable[[str], ScopeState] | None = None, chain: bool = True) -> Verdict:
    """The verdict on the plan in the text, without any state."""
    return judge_plan(read(text), scope_exists=scope_exists, known=None, chain=chain)


def places(findings: tuple[Finding, ...]) -> list[tuple[str, int, int]]:
    """Code, line and column of every finding."""
    return [(finding.code, finding.line, finding.column) for finding in findings]
