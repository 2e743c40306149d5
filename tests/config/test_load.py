"""Reading `.ai-workflow.yaml`: what is accepted, and from where (spec §2, §8.1)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ai_workflow.config.keys import KEYS, SECTIONS, default_of
from ai_workflow.config.load import GivenKey, list_given_keys, load_config, parse_config
from ai_workflow.config.place import CONFIG_NAME, find_root, require_inside
from ai_workflow.config.schema import CheckCommand, Config
from ai_workflow.errors import AiwError, Kind

EVERYTHING = """\
version: 1
workspace_dir: ops/ws
plan_dir: ops/plan
project: {name: "A: project"}
git:
  enabled: yes
  base_branch: no
  integration_branch: 2024-01-01
  branch_prefix: bot-
  closeout_mode: Pull-Request
  merge_strategy: rebase
  unmerged_previous: stack
  commit_subject: "[{milestone}] {title} ({id}) {{x}}"
  forge: gitlab
plan: {commit: true}
scope: {policy: off, companions: [a.lock, docs/**]}
checks: {timeout_s: 1.5e2, isolation: worktree}
agent:
  command_prefix:
  checks:
    - make test
    - run: |
        a
        b
      timeout_s: 7
    - {run: "c", name: see}
  driver: codex
  timeouts: {wall_s: 10}
  quota: {max_wait_s: 0}
  budget: {task: {usd: 2.5}, run: {tokens: 1000, minutes: }}
  env: {A: 1, B: "two", C: }
agents:
  mine: {command: [x, 1, 2.5, true, null, {deep: "1"}]}
notify: {command: say done}
"""


@pytest.mark.parametrize("text", ["", "\n# nothing\n", "---\n", "~", "\ufeff", "git:\nagent:\n  timeouts:\n", "{}"])
def test_an_empty_file_gives_the_defaults(text: str) -> None:
    assert parse_config(text, path="c.yaml") == Config()


def test_every_key_arrives_where_it_belongs() -> None:
    config = parse_config(EVERYTHING, path="c.yaml")
    git, agent = config.git, config.agent
    assert (config.workspace_dir, config.plan_dir, config.project.name) == ("ops/ws", "ops/plan", "A: project")
    assert (git.enabled, git.base_branch, git.integration_branch) == (True, "no", "2024-01-01")
    assert (git.branch_prefix, git.closeout_mode, git.merge_strategy) == ("bot-", "pull_request", "ff")
    assert (git.unmerged_previous, git.forge, config.target_branch) == ("stack", "gitlab", "2024-01-01")
    assert git.commit_subject == "[{milestone}] {title} ({id}) {{x}}"
    assert (config.plan.commit, config.scope.policy, config.scope.companions) == (True, "off", ("a.lock", "docs/**"))
    assert (config.checks.timeout_s, config.checks.isolation) == (150.0, "worktree")
    assert agent.checks == (
        CheckCommand(run="make test", timeout_s=150.0),
        CheckCommand(run="a\nb\n", timeout_s=7.0),
        CheckCommand(run="c", timeout_s=150.0, name="see"),
    )
    assert (agent.command_prefix, agent.driver, agent.timeouts.wall_s, agent.quota.max_wait_s) == ("", "codex", 10, 0)
    assert (agent.budget.task.usd, agent.budget.run.tokens, agent.budget.run.minutes) == (2.5, 1000, None)
    assert agent.env == {"A": "1", "B": "two", "C": ""}
    assert config.agents == {"mine": {"command": ["x", 1, 2.5, True, None, {"deep": "1"}]}}
    assert config.notify.command == "say done"


def test_folders_below_the_workspace_move_with_it() -> None:
    config = parse_config("workspace_dir: ws", path="c.yaml")
    assert (config.adr.dir, config.reports.dir, config.ai.prompt_dir) == ("ws/adr", "ws/reports", "ws/prompts")
    kept = parse_config("workspace_dir: ws\nadr: {dir: docs/adr}", path="c.yaml")
    assert (kept.adr.dir, kept.reports.dir) == ("docs/adr", "ws/reports")


@pytest.mark.parametrize("written", ["./a/b", "a//b/", "a/./b", '"a/b"'])
def test_a_path_has_one_spelling(written: str) -> None:
    assert parse_config(f"plan_dir: {written}", path="c.yaml").plan_dir == "a/b"


@pytest.mark.parametrize(
    ("written", "mode"),
    [
        ("direct", "direct_merge"),
        ("PR", "pull_request"),
        ("pullrequest", "pull_request"),
        ("Direct-Merge", "direct_merge"),
    ],
)
def test_closeout_modes_have_other_spellings(written: str, mode: str) -> None:
    assert parse_config(f"git: {{closeout_mode: {written}}}", path="c.yaml").git.closeout_mode == mode


def test_the_old_switch_for_pull_requests_counts_alone() -> None:
    assert parse_config("git: {pr_per_milestone: true}", path="c").git.closeout_mode == "pull_request"
    both = parse_config("git: {pr_per_milestone: true, closeout_mode: direct}", path="c")
    assert both.git.closeout_mode == "direct_merge"


def test_anchors_and_merged_mappings_work() -> None:
    text = "recovery: &r {enabled: false}\nagent:\n  checks: &c [x]\n  setup: *c\nplan:\n  <<: {commit: true}\n"
    config = parse_config(text, path="c.yaml")
    assert (config.agent.setup, config.plan.commit, config.recovery.enabled) == (("x",), True, False)
    own_wins = (
        "git:\n  <<: [{base_branch: a, branch_prefix: x/}, {base_branch: b, commit_subject: c}]\n  branch_prefix: y/\n"
    )
    git = parse_config(own_wins, path="c.yaml").git
    assert (git.base_branch, git.branch_prefix, git.commit_subject) == ("a", "y/", "c")


def test_what_0_1_0_wrote_is_accepted() -> None:
    text = """\
version: 1
git: {enabled: true, base_branch: ai-workflow, integration_branch: ai-workflow, branch_prefix: ai/,
  milestone_branch: true, task_commit: true, pr_provider: github, closeout_mode: direct_merge, pr_per_milestone: false,
  use_gh_cli: false,
  merge_strategy: merge}
parallel: {enabled: false, worktrees: false, worktrees_dir: .worktrees/ai-workflow, max_lanes: 1}
ai: {entrypoint: docs/ai/START_HERE.md, prompt_dir: docs/ai/workspace/prompts, default_actor: codex}
adr: {required: true, dir: docs/ai/workspace/adr}
reports: {dir: docs/ai/workspace/reports, auto_generate: true, active_file_max_bytes: 8192}
recovery: {enabled: true, max_attempts_per_task: 2, max_attempts_per_blocker: 1, auto_for_failed_checks: true,
  branch_per_recovery: false}
history: {mode: run_files, events_file: docs/ai/workspace/state/events/events.jsonl}
agent: {enabled: true, default_mode: single, stop_after_each_task: true, auto_commit: true, auto_report: true,
  default_lane: core, command_prefix: uv run, checks: [uv run python -m pytest]}
"""
    config = parse_config(text, path="c.yaml")
    assert (config.git.closeout_mode, config.agent.command_prefix) == ("direct_merge", "uv run")
    dead = [key for key in list_given_keys(text.encode(), path="c.yaml") if key.status == "dead"]
    assert dead[0] == GivenKey(name="git.milestone_branch", line=3, status="dead")
    assert len(dead) == 19


def _leaves(value: Any, prefix: str = "") -> set[str]:
    found = set()
    for name in value.__struct_fields__:
        child, dotted = getattr(value, name), f"{prefix}{name}"
        found |= _leaves(child, f"{dotted}.") if hasattr(child, "__struct_fields__") else {dotted}
    return found


def test_the_table_and_the_schema_have_the_same_keys() -> None:
    assert set(KEYS) == _leaves(Config())
    assert not set(KEYS) & SECTIONS
    assert default_of("checks.timeout_s") == 900


def test_the_nearest_folder_upward_is_the_root(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert tmp_path not in Path(find_root(deep) or "/").parents
    (tmp_path / CONFIG_NAME).write_text("")
    assert find_root(deep) == str(tmp_path)
    (tmp_path / "a" / CONFIG_NAME).write_text("")
    assert find_root(deep) == str(tmp_path / "a")
    (deep / CONFIG_NAME).mkdir()
    assert find_root(deep) == str(tmp_path / "a")
    assert find_root(tmp_path / "missing" / "folder") == str(tmp_path)


def test_a_config_is_loaded_from_its_root(tmp_path: Path) -> None:
    (tmp_path / CONFIG_NAME).write_text("git: {base_branch: dev}\n")
    assert load_config(tmp_path).git.base_branch == "dev"


def test_a_missing_file_names_init(tmp_path: Path) -> None:
    with pytest.raises(AiwError) as caught:
        load_config(tmp_path)
    assert (caught.value.kind, caught.value.hint) == (Kind.CONFIG, "run `aiw init`")
    assert caught.value.message == f"there is no {tmp_path}/{CONFIG_NAME}"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / CONFIG_NAME
    path.mkdir()
    with pytest.raises(AiwError, match="is not a file"):
        load_config(tmp_path)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(AiwError, match="is not a file"):
        load_config(tmp_path)
    path.unlink()
    path.symlink_to(path.name)
    with pytest.raises(AiwError, match="cannot read"):
        load_config(tmp_path)


def test_a_symbolic_link_does_not_lead_out(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "root-beside").mkdir()
    (root / "out").symlink_to("../root-beside")
    (root / "inner").symlink_to("real")
    (root / CONFIG_NAME).write_text("git: {}\nplan_dir: out/plan\n")
    with pytest.raises(AiwError) as caught:
        load_config(root)
    outside = tmp_path.resolve() / "root-beside" / "plan"
    assert caught.value.message == f"{CONFIG_NAME}:2: key `plan_dir`: `out/plan` leads out of the project, to {outside}"
    (root / CONFIG_NAME).write_text("plan_dir: inner/plan\n")
    assert load_config(root).plan_dir == "inner/plan"
    assert require_inside(root, "inner/plan") == str(root.resolve() / "real" / "plan")


def test_a_generated_folder_may_not_be_a_link_out(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "docs/ai/workspace").mkdir(parents=True)
    (root / CONFIG_NAME).write_text("")
    (root / "docs/ai/workspace/state").symlink_to(tmp_path)
    with pytest.raises(AiwError, match=r"^.ai-workflow.yaml: `docs/ai/workspace/state` leads out of the project"):
        load_config(root)
