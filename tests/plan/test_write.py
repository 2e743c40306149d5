"""Writing a plan and reading it back (spec §4.1)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ai_workflow.plan.parse import parse_plan
from ai_workflow.plan.write import strip_positions, write_plan
from plan.strategies import plan_texts


@settings(deadline=None, max_examples=300)
@given(st.one_of(plan_texts, st.text(max_size=200)))
def test_written_plan_reads_back_as_the_same_plan(text: str) -> None:
    plan = parse_plan(text, path="plan.md")
    written = write_plan(plan)
    again = parse_plan(written, path="plan.md")
    assert strip_positions(again) == strip_positions(plan)
    assert write_plan(again) == written
