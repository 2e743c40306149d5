"""Whose files are whose, wherever the folders are, and the managed block in `.gitignore` (spec §2)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_workflow.config import ownership
from ai_workflow.config.load import parse_config
from ai_workflow.config.ownership import (
    BLOCK_END,
    BLOCK_START,
    is_handoff,
    is_owned,
    is_runtime,
    remove_gitignore_block,
    render_gitignore_block,
    update_gitignore,
)
from ai_workflow.config.schema import Config

MOVED = parse_config(
    "workspace_dir: ws\nplan_dir: p\nai: {entrypoint: START.md}\nagent: {queue_prompt: q.md, operator_prompt: o/a.md,"
    " plan_builder_prompt: o/b.md}\nadr: {dir: decisions}\nplan: {commit: true}",
    path="c",
)


def test_owned_files_of_a_usual_project() -> None:
    assert ownership.owned_paths(Config()) == (
        ".ai-workflow.yaml",
        "docs/ai/START_HERE.md",
        "docs/ai/README.md",
        "docs/ai/plan/backlog.md",
        "docs/operator/operator.md",
        "docs/operator/codex-agent.md",
        "docs/ai/workspace/active-roadmap.md",
        "docs/ai/workspace/current-status.md",
        "docs/ai/workspace/next-handoff.md",
    )
    assert ownership.plan_path(Config()) == "docs/ai/plan/milestones.md"
    assert ownership.backlog_path(Config()) == "docs/ai/plan/backlog.md"
    assert ownership.prompt_path(Config(), "core") == "docs/ai/workspace/prompts/next-core.md"


def test_every_rule_follows_a_moved_folder() -> None:
    assert ownership.owned_paths(MOVED) == (
        ".ai-workflow.yaml",
        "START.md",
        "README.md",
        "p/backlog.md",
        "o/a.md",
        "o/b.md",
        "docs/operator/codex-agent.md",
        "ws/active-roadmap.md",
        "ws/current-status.md",
        "ws/next-handoff.md",
        "p/milestones.md",
    )
    assert render_gitignore_block(MOVED) == (
        f"{BLOCK_START}\n/ws/state/\n/ws/locks/\n/ws/runs/\n/ws/tasks/\n/ws/milestones/\n/ws/archive/\n"
        f"/ws/generated-packs/\n/ws/prompts/\n/ws/reports/\n/q.md\n{BLOCK_END}\n"
    )


def test_the_block_of_a_usual_project() -> None:
    folders = ["state", "locks", "runs", "tasks", "milestones", "archive", "generated-packs", "prompts", "reports"]
    assert ownership.runtime_patterns(Config()) == (
        *(f"/docs/ai/workspace/{folder}/" for folder in folders),
        "/docs/ai/plan/milestones.md",
        "/docs/operator/queue-run.md",
    )


@pytest.mark.parametrize(
    ("rel", "kinds"),
    [
        ("docs/ai/workspace/state/tasks/TASK-001.json", "runtime"),
        ("docs/ai/workspace/state", "runtime"),
        ("docs/ai/workspace/state/", "runtime"),
        ("docs/ai/workspace/state-of-affairs.md", ""),
        ("docs/ai/workspace/next-handoff.md", "owned handoff"),
        ("docs/ai/workspace/adr/ADR-0001-x.md", "owned"),
        ("docs/ai/workspace/adr/deep/x.md", ""),
        ("docs/ai/workspace/adr/image.png", ""),
        ("docs/ai/plan/milestones.md", "runtime"),
        ("docs/ai/plan/milestones.md.orig", ""),
        ("docs/operator/queue-run.md", "runtime"),
        (".ai-workflow.yaml", "owned"),
        ("src/a.py", ""),
        ("x/docs/ai/workspace/state/a", ""),
    ],
)
def test_each_path_has_one_owner(rel: str, kinds: str) -> None:
    rules = {"owned": is_owned, "handoff": is_handoff, "runtime": is_runtime}
    assert " ".join(name for name, rule in rules.items() if rule(Config(), rel)) == kinds


def test_a_committed_plan_is_owned_and_not_ignored() -> None:
    assert (is_owned(MOVED, "p/milestones.md"), is_runtime(MOVED, "p/milestones.md")) == (True, False)


def test_patterns_match_exactly_what_they_name_in_git(tmp_path: Path) -> None:
    config = parse_config("workspace_dir: '#w[s]*?! x'\nreports: {dir: '!r '}\nagent: {queue_prompt: 'q* '}", path="c")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text(render_gitignore_block(config))
    ignored = ["#w[s]*?! x/state/a", "!r/a", "q*", "docs/ai/plan/milestones.md"]
    free = ["#ws-- x/state/a", "qq", "deep/!r/a", "deep/docs/ai/plan/milestones.md", "#w[s]*?! x/next-handoff.md"]
    asked = "\0".join(ignored + free).encode()
    done = subprocess.run(["git", "check-ignore", "-z", "--stdin"], cwd=tmp_path, input=asked, capture_output=True)
    assert done.stdout.decode().rstrip("\0").split("\0") == ignored


BLOCK = render_gitignore_block(Config())


@pytest.mark.parametrize(
    "text", ["", "\n", "a", "a\n", "a\n\n", "a\r\nb\r\n", "a\r\nb", "a\r", "\r\n", "\x0c\u2028a\x0b", "\ufeffa\n"]
)
def test_removing_the_block_undoes_adding_it(text: str) -> None:
    added = update_gitignore(text, BLOCK)
    assert added.startswith(text)
    assert update_gitignore(added, BLOCK) == added
    assert remove_gitignore_block(added) == text


def test_the_block_stands_apart_and_takes_the_line_ends() -> None:
    assert update_gitignore("a\n", "S\nE\n") == "a\n\nS\nE\n"
    assert update_gitignore("a\r\n", "S\nE\n") == "a\r\n\r\nS\r\nE\r\n"
    assert update_gitignore("", "S\nE\n") == "S\nE\n"


def test_an_old_block_is_replaced_where_it_stands() -> None:
    old = f"a\n\n{BLOCK_START}\n/old/\n{BLOCK_END}\n\nb"
    assert update_gitignore(old, BLOCK) == f"a\n\n{BLOCK}\nb"
    assert remove_gitignore_block(old) == "a\n\nb"
    assert remove_gitignore_block(f"a\n{BLOCK}b\n") == "a\nb\n"
    assert remove_gitignore_block(f"{BLOCK}b\n") == "b\n"


def test_a_block_whose_last_line_has_no_end_stays_so() -> None:
    text = f"{BLOCK_START}\nold\n{BLOCK_END}"
    assert update_gitignore(text, BLOCK) == BLOCK.rstrip("\n")
    assert remove_gitignore_block(text) == ""


def test_a_second_block_is_taken_out() -> None:
    assert update_gitignore(f"{BLOCK}x\n{BLOCK}", BLOCK) == f"{BLOCK}x\n"


def test_half_a_block_swallows_nothing() -> None:
    half = f"{BLOCK_START}\nmine\n"
    added = update_gitignore(half, BLOCK)
    assert added == f"{half}\n{BLOCK}"
    assert update_gitignore(added, BLOCK) == added
    assert remove_gitignore_block(added) == half
    assert remove_gitignore_block(f"{BLOCK_END}\nmine\n") == f"{BLOCK_END}\nmine\n"


@settings(max_examples=200, deadline=None)
@given(
    lines=st.lists(st.sampled_from(["a", "", "\r", "\n", "\r\n", BLOCK_START, BLOCK_END, " ", "\u2028"]), max_size=12)
)
def test_whatever_stands_there_the_block_can_be_taken_out_again(lines: list[str]) -> None:
    text = "".join(lines)
    clean = remove_gitignore_block(text)
    while remove_gitignore_block(clean) != clean:
        clean = remove_gitignore_block(clean)
    added = update_gitignore(clean, BLOCK)
    assert update_gitignore(added, BLOCK) == added
    if BLOCK_START not in clean and BLOCK_END not in clean:
        assert remove_gitignore_block(added) == clean
