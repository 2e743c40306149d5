"""Generated plan texts: lines that mean something, mixed with lines that nearly do."""

from __future__ import annotations

from hypothesis import strategies as st

_FRAGMENTS = (
    "# Milestones", "# M02 - Wrong", "## M01 - Alpha", "## m2: Beta", "## M03 — Gamma ##", "##",
    "## Free title", "### M04 - Deep", "##M05 - Tight", "  ## M06 - Indented", "Goal: one", "Goal:",
    "  goal: two", "**Goal:** three", "Goal: ```", "Goal: <!-- x -->", "Goal: <!-- open", "Tasks:",
    "tasks: rest", "Tasks: - inline", "Tasks: ## M07 - In", "Tasks: ~~~", "- First task",
    "* [ ] Second, with comma", "+ [x] Third", "- TASK-007 - Seventh", "- task-8: Eighth", "- [ ] [x] boxed",
    "- [ ] - -", "-", "- [x]", "- - -", "---", "- Acceptance: bulleted", "  - Acceptance: nested", "  - nested",
    "      - deeper", "Acceptance: it is seen.", "  Acceptance: it is seen again.", "  Acceptance:",
    "Verify: `pytest -q`", "  Verify: make check", "Conflict: src/a.py, \"b,c.py\"", "  Conflicts: none",
    "Conflict:", "Depends: First task", "  Depends: Second, with comma, M01/2, TASK-007", "Depends: none",
    "Depends: -", "Depends: none, First task", "  Depends: \"Second, with comma\"", "Depends:",
    "Backlog: BLG-001, blg-2", "  Backlog: nonsense", "Priority: high", "  Priority: urgent", "  priority: LOW",
    "Note: unknown", "  Check: pytest", "plain text", "  indented text", "\tTab text", "    deep text", "```",
    "  ```py", "~~~~", "<!-- comment -->", "<!-- open", "-->", "  <!-- indented -->", "1. numbered",
    "a <!-- inline", "", "", "   ", "\u2003wide", "x\x0by", "Goal: \x85", "> quote",
)  # fmt: skip

plan_lines = st.lists(
    st.one_of(st.sampled_from(_FRAGMENTS), st.text(max_size=12), st.sampled_from(_FRAGMENTS)), max_size=25
)
plan_texts = plan_lines.map("\n".join)

TITLES = (
    "Add import", "Rename helper", "Write assertion", "Run formatter", "Sort imports", "Fix typo",
    "Implement token parser", "Build schema store", "Use schema in reader", "Wire parser, lexer and reader",
    "Integrate docs with parser", "Create command line", "Document the parser", "Improve parser", "Polish it",
)  # fmt: skip
SCOPES = ("src/parser.py", "src/lexer.py", "tests/test_parser.py", "docs/parser.md", "web/app.js", "infra/main.tf")


@st.composite
def sound_plans(draw: st.DrawFn) -> str:
    """The text of a plan whose references all mean something; it may hold any other fault."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    long_one = draw(st.sampled_from((0, 0, 0, 13)))
    sizes[0] += long_one
    lines = ["# Milestones"]
    numbered = draw(st.booleans())
    for at, size in enumerate(sizes, start=1):
        lines += [f"## M{at:02d} - Part {at} work" if numbered else f"## Part {at} work", "Tasks:"]
        for number in range(1, size + 1):
            lines += draw(_task_lines(at, number, sizes=sizes))
    return "\n".join(lines) + "\n"


@st.composite
def _task_lines(draw: st.DrawFn, at: int, number: int, *, sizes: list[int]) -> list[str]:
    box = draw(st.sampled_from(("", "", "", "[x] ")))
    named = draw(st.sampled_from(("", "", "", f"TASK-{at}{number:02d} - ")))
    lines = [f"- {box}{named}{draw(st.sampled_from(TITLES))} {draw(st.sampled_from(('', '', at * 100 + number)))}"]
    lines += [f"  Acceptance: seen {at} {number} {n}" for n in range(draw(st.integers(0, 3)))]
    lines += [f"  Verify: make {at}-{number}"] * draw(st.integers(0, 1))
    scopes = draw(st.lists(st.sampled_from(SCOPES), max_size=2, unique=True))
    lines += [f"  Conflict: {', '.join(scopes)}"] if scopes else []
    milestone = draw(st.integers(1, at))
    place = f"M{milestone:02d}/{draw(st.integers(1, sizes[milestone - 1]))}"
    depends = draw(st.sampled_from((None, None, None, "none", place, f"{place}, M{at:02d}/1", f"M{milestone:02d}")))
    lines += [f"  Depends: {depends}"] if depends else []
    lines += [f"  Backlog: BLG-{at}{number:02d}"] * draw(st.integers(0, 1))
    lines += [f"  Priority: {draw(st.sampled_from(('low', 'high')))}"] * draw(st.integers(0, 1))
    lines += [f"  described {at} {number}", f"    - deeper {at} {number}"] * draw(st.integers(0, 1))
    return lines
