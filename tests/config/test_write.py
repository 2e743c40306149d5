"""The `.ai-workflow.yaml` of a new project: whole text, and everything in it read back (spec §2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_workflow.config.load import parse_config
from ai_workflow.config.schema import CheckCommand, Config
from ai_workflow.config.write import quote, render_config
from ai_workflow.errors import AiwError, Kind

USUAL = """\
# Settings of aiw. Every key may be left out.
version: 1

project:
  name: parser

git:
  # Milestones start from this branch and land on it.
  base_branch: main
  # How a finished milestone lands: auto (pull request if the remote is a forge), pull_request, direct_merge.
  closeout_mode: auto
  # merge (with a merge commit), ff or squash.
  merge_strategy: merge

agent:
  # Put before every command that aiw suggests.
  command_prefix: "uv run"
  # Commands that must pass before a task is done. aiw runs them itself, in this order.
  checks:
    - "uv run python -m pytest"
    - "npm test"

checks:
  # Longest time of one check, in seconds.
  timeout_s: 900

scope:
  # Changes outside a task's scope: refuse, warn or off.
  policy: refuse

plan:
  # true puts milestones.md under version control; false keeps it local.
  commit: false
"""


def test_the_file_of_a_usual_project() -> None:
    checks = ("uv run python -m pytest", "npm test")
    text = render_config(base_branch="main", project_name="parser", checks=checks, command_prefix="uv run")
    assert text == USUAL
    config = parse_config(text, path="c")
    assert config.agent.checks == tuple(CheckCommand(run=check, timeout_s=900) for check in checks)
    assert (config.project.name, config.agent.command_prefix) == ("parser", "uv run")


def test_without_anything_found_it_means_the_defaults() -> None:
    text = render_config(base_branch="main")
    assert "  checks: []\n" in text
    assert parse_config(text, path="c") == Config()


def test_moved_folders_are_written_down() -> None:
    config = parse_config(render_config(base_branch="main", workspace_dir="ops/ws", plan_dir="p q: r"), path="c")
    assert (config.workspace_dir, config.plan_dir) == ("ops/ws", "p q: r")


@pytest.mark.parametrize(
    "branch", ["no", "on", "null", "1.0", "2024-01-01", "#x", "'q'", '"q', "a{b", "&a", "!t", "%x", "y", "ü"]
)
def test_a_hostile_branch_comes_back(branch: str) -> None:
    assert parse_config(render_config(base_branch=branch), path="c").git.base_branch == branch


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a\nb: c", "a b: c"),
        ("\x1b[2J", "[2J"),
        ("\u202eabc", "abc"),
        ("# no", "# no"),
        (" \n", None),
        ("ü \U0001f600", "ü \U0001f600"),
    ],
)
def test_a_hostile_project_name_is_made_harmless(name: str, read: str | None) -> None:
    assert parse_config(render_config(base_branch="main", project_name=name), path="c").project.name == read


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(AiwError) as caught:
        render_config(base_branch="a\udcff")
    assert (caught.value.kind, caught.value.message) == (Kind.CONFIG, "a\\udcff is not UTF-8 text")


@given(
    st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1).filter(
        lambda text: text.strip()
    )
)
def test_any_text_comes_back(text: str) -> None:
    config = parse_config(f"agent:\n  checks:\n  - {quote(text)}\n", path="c")
    assert config.agent.checks[0].run == text
