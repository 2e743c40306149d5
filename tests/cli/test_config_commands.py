"""`aiw config show|set|accept`: where settings come from, and changing one without touching another byte (spec §8)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.project import Project, make_ready

CONFIG = ".ai-workflow.yaml"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_ready(tmp_path, remote=False)


def test_show_tells_where_each_setting_comes_from(project: Project) -> None:
    before = project.status()
    shown = project.aiw("config", "show", "git.merge_strategy")
    line = project.read(CONFIG).split("\n").index("  merge_strategy: merge") + 1
    assert f"{CONFIG}:{line}" in shown.stdout
    assert "default" in project.aiw("config", "show", "checks.isolation").stdout
    everything = project.aiw("config", "show", "--json").json
    assert everything
    assert project.status() == before, "looking writes nothing"
    refused = project.aiw("config", "show", "git.merge_stratgy", code=None)
    assert refused.code in (1, 2)
    assert "git.merge_strategy" in refused.stderr, "the nearest key is named"


def test_set_changes_one_line_and_nothing_else(project: Project) -> None:
    before = project.read(CONFIG).split("\n")
    project.aiw("config", "set", "git.merge_strategy", "squash")
    after = project.read(CONFIG).split("\n")
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [("  merge_strategy: merge", "  merge_strategy: squash")]
    project.aiw("config", "set", "--unset", "git.merge_strategy")
    assert "merge_strategy:" not in project.read(CONFIG)
    assert "default" in project.aiw("config", "show", "git.merge_strategy").stdout


def test_a_wrong_value_changes_nothing(project: Project) -> None:
    before = project.read(CONFIG)
    refused = project.aiw("config", "set", "git.merge_strategy", "octopus", code=1)
    assert "merge, ff or squash" in refused.stderr
    assert project.aiw("config", "set", "no.such_key", "x", code=None).code in (1, 2)
    assert project.read(CONFIG) == before


def test_a_list_is_given_value_by_value(project: Project) -> None:
    project.aiw("config", "set", "agent.checks", "make lint", "make test")
    assert "make lint" in project.aiw("config", "show", "agent.checks").stdout
    project.next()
    prompt = project.read("docs/ai/workspace/prompts/next-core.md")
    assert "- `make lint`" in prompt
    assert "- `make test`" in prompt


def test_accept_is_for_people_and_needs_a_reason(project: Project) -> None:
    refused = project.aiw("config", "accept", code=2)
    assert "reason" in refused.stderr
    unattended = project.aiw("config", "accept", "--reason", "x", code=None, env={"AIW_AGENT": "1"})
    assert unattended.code == 1, unattended
    project.aiw("config", "accept", "--reason", "read and right")
    assert project.state("project.json")["accepted"]["reason"] == "read and right"
