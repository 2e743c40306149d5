"""A plan is found in what chat models really answer, and what is left out is counted (spec §4.5)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_workflow.errors import AiwError, Kind
from ai_workflow.plan.extract import Extracted, extract_plan
from ai_workflow.plan.parse import parse_plan
from ai_workflow.plan.quality import judge_plan

PLAN = """# Milestones

## M01 - Readable parser errors
Goal: a syntax error tells its place.
Tasks:
- Carry positions through the tokenizer
  Acceptance: Every token has line and column.
  Conflict: src/tokenizer.py
- Report syntax errors with their position
  Acceptance: A message begins with file and line.
  Conflict: src/parser.py

## M02 - Error documentation
Goal: users can look up every error.
Tasks:
- List all syntax errors in the manual
  Acceptance: docs/errors.md has one entry for each code.
  Conflict: docs/errors.md
"""
NESTED = """# Milestones

## M01 - Command line
Tasks:
- Print the version of the program
  Acceptance: The output is one line.
  ```sh
  $ tool --version
  ```
  Conflict: src/main.py
- Print the help of the program
  Acceptance: Help names every option.
  ```
  usage: tool
  ```
  Conflict: src/main.py
"""


def indent(text: str, by: str) -> str:
    return "".join(f"{by}{line}\n" if line else "\n" for line in text.split("\n")[:-1])


ANSWERS: dict[str, tuple[str, str, int, int]] = {
    "bare": (PLAN, PLAN, 0, 0),
    "no final line feed": (PLAN.rstrip("\n"), PLAN, 0, 0),
    "bom and crlf": ("\ufeff" + PLAN.replace("\n", "\r\n"), PLAN, 0, 0),
    "fence": (f"```markdown\n{PLAN}```\n", PLAN, 0, 0),
    "tildes with an info string": (f"~~~~ md title=plan\n{PLAN}~~~~\n", PLAN, 0, 0),
    "fence in prose": (
        f"Sure! Here is the plan you asked for:\n\n```markdown\n\n{PLAN}\n```\n\nLet me know if\nyou want changes!\n",
        PLAN, 1, 2,
    ),
    "indented fence in a list": (
        f"1. Here is the plan:\n\n   ```md\n{indent(PLAN, '   ')}   ```\n\n2. Next steps\n   - tell me more\n",
        PLAN, 1, 2,
    ),
    "two fences": (
        f"First run\n\n```sh\n# Milestones are below\naiw status\n```\n\nthen save\n\n```\n{PLAN}```\n", PLAN, 6, 0,
    ),
    "the same plan twice": (f"```\n{PLAN}```\n\nAgain, to copy:\n\n```\n{PLAN}```\n", PLAN, 0, 19),
    "nested fences of the same length": (f"```markdown\n{NESTED}```\n\nDone.\n", NESTED, 0, 1),
    "longer outer fence": (f"Plan:\n````\n{NESTED}````\n", NESTED, 1, 0),
    "nested fences without an outer one": (f"{NESTED}\n", NESTED, 0, 0),
    "never closed": (f"Here:\n```markdown\n{PLAN}", PLAN, 1, 0),
    "chatter without a fence": (
        f"Of course.\n\n{PLAN}\n---\n\n**Notes**\n\n- I assumed Python.\n- Ask me for more.\n", PLAN, 1, 4,
    ),
    "questions behind the plan": (
        f"{PLAN}\nWould you like me to:\n- split M02?\n- add estimates?\n\nGood luck!\n", PLAN, 0, 4,
    ),
    "a section of notes behind the plan": (f"{PLAN}\n## Assumptions\n- The parser is Python.\n", PLAN, 0, 2),
    "another document behind the plan": (f"{PLAN}\n# Risks\n\nNone.\n", PLAN, 0, 2),
    "a heading above the fence": (f"# Milestones\n\nThe plan:\n\n```markdown\n{PLAN}```\n", PLAN, 2, 0),
    "a heading above an indented fence": (f"# Milestones\n\n  ```markdown\n{indent(PLAN, '  ')}  ```\n", PLAN, 1, 0),
    "closing marks and capitals": (f"# MILESTONES #\n{PLAN[13:]}", f"# MILESTONES #\n{PLAN[13:]}", 0, 0),
    "a forgotten title": (f"Here you go:\n\n{PLAN[14:]}\nCheers\n", f"# Milestones\n{PLAN[14:]}", 1, 1),
    "a forgotten title in a fence": (f"```\n{PLAN[14:]}```\n", f"# Milestones\n{PLAN[14:]}", 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("case", ANSWERS)
def test_the_plan_of_a_models_answer(case: str) -> None:
    answer, plan, before, after = ANSWERS[case]
    found = extract_plan(answer)
    assert found.text == plan
    assert (found.dropped_before, found.dropped_after) == (before, after)
    lines = answer.removeprefix("\ufeff").splitlines()
    assert found.text.splitlines()[1] == lines[found.first_line].strip("\r").strip() or not found.text.splitlines()[1]
    assert judge_plan(parse_plan(found.text, path="p"), scope_exists=None, known=None).valid


def test_description_paragraphs_of_the_last_task_stay() -> None:
    plan = PLAN + "\n  A longer description\n  of the last task.\n\n  - with a list\n"
    assert extract_plan(f"{plan}\nBye!\n").text == plan


def test_a_last_task_without_fields_stays_and_is_found_by_validation() -> None:
    plan = PLAN + "- Write the last chapter of it\n"
    assert extract_plan(plan).text == plan


def test_prose_between_milestones_stays() -> None:
    plan = PLAN.replace("\n## M02", "\nThe second one is small.\n\n## M02")
    assert extract_plan(plan).text == plan


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "there is no text"),
        (" \n\n", "there is no text"),
        ("I cannot do that.\n", "the text holds no plan"),
        ("# Milestones\n\nTo be written.\n", "the text holds no plan"),
        ("```\n# Milestones\n```\n", "the text holds no plan"),
        (
            f"```\n{PLAN}```\nor\n```\n{PLAN.replace('M02', 'M03')}```\n",
            "2 different plans, which begin in lines 2 and 2",
        ),
        ("```\n" + PLAN.replace("\n## M02", "\n```\nand\n```\n## M02") + "```\n", "`## M02 - Error"),
    ],
)
def test_refusals_name_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(AiwError) as caught:
        extract_plan(text)
    assert caught.value.kind == Kind.PLAN
    assert says in caught.value.message
    assert caught.value.hint


pieces = st.sampled_from(
    [
        *PLAN.split("\n"),
        "```",
        "```md",
        "  ```",
        "~~~",
        "# Milestones",
        "chatter",
        "---",
        "# Other",
        "  indented",
        "\t- x",
    ]
)


@settings(deadline=None, max_examples=300)
@given(st.lists(pieces, max_size=30))
def test_any_text_gives_a_plan_that_is_found_again_or_a_refusal(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        found = extract_plan(text)
    except AiwError:
        return
    assert isinstance(found, Extracted)
    assert found.text.lower().startswith("# milestones")
    kept = [line for line in found.text.split("\n") if line.strip()]
    assert found.dropped_before + found.dropped_after + len(kept) <= len([ln for ln in lines if ln.strip()]) + 1


@pytest.mark.parametrize("line", ["# Milestones\n", "```\n# Milestones\n", "## Notes\n", "```md\n", "- a\n"])
def test_long_nonsense_is_refused_in_linear_time(line: str) -> None:
    with pytest.raises(AiwError):
        extract_plan(line * 40_000)
