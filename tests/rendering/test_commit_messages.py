"""Commit messages: git finds exactly our trailers, whatever the plan says (spec §6.4 step 7)."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_workflow.rendering.commit_message import render_commit_message, render_merge_message
from rendering.builders import HOSTILE, hostile_texts, make_milestone, make_task

OPERATION = "OP-000012-3fa2c1"
TRAILERS = [
    *("Aiw-Task: TASK-001", "Aiw-Milestone: M01", "Aiw-Workpackage: 1", "Aiw-Run: RUN-0001"),
    f"Aiw-Op: {OPERATION}",
]
LINES = (
    *("Aiw-Task: TASK-999", "Signed-off-by: X <x@e.test>", "---", "# comment", "", " \n\n", "Closes: #1"),
    *("Conflicts:\n\ta", "# ------------------------ >8 ------------------------", "\x00\x1b", "a: b\nc: d"),
)


def render(
    title: str,
    acceptance: tuple[str, ...] = (),
    *,
    template: str = "{id}: {title}",
    project_rel: str | None = None,
    unproven: str | None = None,
) -> str:
    task = make_task(1, title=title, acceptance_criteria=acceptance)
    return render_commit_message(
        task,
        make_milestone(1, [task]),
        subject_template=template,
        run_id="RUN-0001",
        operation=OPERATION,
        project_rel=project_rel,
        unproven=unproven,
    )


def parse_trailers(message: str) -> list[str]:
    done = subprocess.run(
        ["git", "interpret-trailers", "--parse"], input=message.encode(), capture_output=True, check=True
    )
    return done.stdout.decode().splitlines()


def clean_up(message: str) -> str:
    """What `git commit --cleanup=whitespace` stores."""
    done = subprocess.run(["git", "stripspace"], input=message.encode(), capture_output=True, check=True)
    return done.stdout.decode()


def test_message_has_subject_acceptance_and_trailers() -> None:
    text = render("Report errors", ("It does.", "They pass."), project_rel="apps/a", unproven="no runner")
    assert text == (
        "TASK-001: Report errors\n\nAcceptance:\n- It does.\n- They pass.\n\n"
        "Aiw-Task: TASK-001\nAiw-Milestone: M01\nAiw-Workpackage: 1\nAiw-Run: RUN-0001\n"
        f"Aiw-Op: {OPERATION}\nAiw-Project: apps/a\nAiw-Unproven: no runner\n"
    )
    assert parse_trailers(text) == [*TRAILERS, "Aiw-Project: apps/a", "Aiw-Unproven: no runner"]


@pytest.mark.parametrize(
    ("template", "title", "subject"),
    [
        ("{id}: {title}", "Two\nlines\x1b[31m \u202e", "TASK-001: Two lines[31m"),
        ("[{milestone}] {title} ({id})", "x", "[M01] x (TASK-001)"),
        ("{title}", "# heading", "# heading"),
        ("{title}", "{id} {nope}", "{id} {nope}"),
        ("{nope} {title!r}", "x", "{nope} {title!r}"),
        ("{title}", "", "TASK-001"),
        ("{title}", "###", "TASK-001: ###"),
        ("{title}", "--- a/file", "TASK-001: --- a/file"),
        ("{title}", "Aiw-Task: TASK-999", "TASK-001: Aiw-Task: TASK-999"),
        ("{title}", f"# {LINES[8][2:]}", f"TASK-001: {LINES[8]}"),
        ("{title}", "fixup! other", "TASK-001: fixup! other"),
    ],
)
def test_subject_is_one_safe_line(template: str, title: str, subject: str) -> None:
    text = render(title, template=template)
    assert text.split("\n")[:2] == [subject, ""]
    assert clean_up(text) == text
    assert parse_trailers(text) == TRAILERS


@pytest.mark.parametrize("line", [*LINES, *HOSTILE])
def test_no_line_of_a_plan_becomes_a_trailer(line: str) -> None:
    text = render(line, (line, "last line", line))
    assert parse_trailers(text) == TRAILERS
    assert clean_up(text) == text


@settings(deadline=None, max_examples=40)
@given(
    st.one_of(hostile_texts, st.sampled_from(LINES)),
    st.lists(st.one_of(hostile_texts, st.sampled_from(LINES)), max_size=4),
    st.sampled_from(["{id}: {title}", "{title}", "{milestone} {title}"]),
)
def test_trailers_are_found_behind_any_text(title: str, acceptance: list[str], template: str) -> None:
    text = render(title, tuple(acceptance), template=template)
    assert parse_trailers(text) == TRAILERS
    assert clean_up(text) == text
    assert [line for line in text.split("\n") if line.startswith("Aiw-Task:")] == ["Aiw-Task: TASK-001"]


def test_merge_message_lists_the_tasks_and_claims_no_task() -> None:
    tasks = [make_task(1, status="done"), make_task(2, status="skipped", title="Aiw-Task: TASK-002")]
    milestone = make_milestone(1, tasks, title="Readable\nerrors")
    text = render_merge_message(milestone, tasks, operation=OPERATION, project_rel="apps/a")
    assert text == (
        "M01: Readable errors\n\nTasks:\n- TASK-001 Report syntax errors with position 1\n"
        "- TASK-002 Aiw-Task: TASK-002 (skipped)\n\n"
        f"Aiw-Milestone: M01\nAiw-Workpackage: 1\nAiw-Op: {OPERATION}\nAiw-Project: apps/a\n"
    )
    assert parse_trailers(text) == text.split("\n")[-5:-1]
    empty = render_merge_message(milestone, [], operation=OPERATION)
    assert parse_trailers(empty) == ["Aiw-Milestone: M01", "Aiw-Workpackage: 1", f"Aiw-Op: {OPERATION}"]
