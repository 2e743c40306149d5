"""The configuration as the program sees it: typed, complete, frozen; every default stands here (spec §2, §8.1).

What each key accepts and whether it does anything yet is in `config.keys`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ai_workflow.models.base import Record

CONFIG_VERSION = 1
"""The only version so far; 0.1.0 wrote it and never looked at it."""

DEFAULT_COMPANIONS = (
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
    "bun.lockb",
    "deno.lock",
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "Pipfile.lock",
    "Cargo.lock",
    "go.sum",
    "go.work.sum",
    "Gemfile.lock",
    "composer.lock",
    "mix.lock",
    "pubspec.lock",
    "packages.lock.json",
    "gradle.lockfile",
    "Package.resolved",
    "Podfile.lock",
    "flake.lock",
    "__snapshots__/",
    "CHANGELOG.md",
)

CloseoutMode = Literal["auto", "direct_merge", "pull_request"]
MergeStrategy = Literal["merge", "ff", "squash"]
UnmergedPrevious = Literal["wait", "stack"]
RequestMerge = Literal["auto", "forge", "never"]
ExpectedChecks = Literal["auto", "reported"]
ScopePolicy = Literal["refuse", "warn", "off"]
Isolation = Literal["none", "worktree"]


class CheckCommand(Record, frozen=True, kw_only=True):
    """One command that must exit with 0."""

    run: str
    """A line, or several, for `sh -c`."""
    timeout_s: float
    name: str | None = None
    """What to call it instead of the command itself."""


class ProjectSection(Record, frozen=True, kw_only=True):
    """`project`."""

    name: str | None = None
    """None: the name of the root folder."""


class PullRequestSection(Record, frozen=True, kw_only=True):
    """`git.pull_request`; GitLab's merge requests too."""

    title: str = "{id}: {title}"
    """Placeholders as those of `git.commit_subject`."""
    draft: bool = False
    """Opened as a draft, made ready when the milestone is complete."""
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    milestone: str | None = None
    """Title of the forge's own milestone."""
    merge: RequestMerge = "auto"
    """`auto`: aiw, as soon as it may; `forge`: the forge, where it asks for what is missing; `never`: people."""
    checks: ExpectedChecks = "auto"
    """`auto`: where the repository runs checks, none reported is not green; `reported`: only what reports counts."""
    wait_s: float = 600.0
    """Longest wait for checks that run, each time it is tried."""


class GitSection(Record, frozen=True, kw_only=True):
    """`git`."""

    enabled: bool = True
    base_branch: str = "main"
    integration_branch: str | None = None
    """Where milestones land; None: the base branch."""
    branch_prefix: str = "ai/"
    closeout_mode: CloseoutMode = "auto"
    merge_strategy: MergeStrategy = "merge"
    unmerged_previous: UnmergedPrevious = "wait"
    commit_subject: str = "{id}: {title}"
    """Placeholders `{id}`, `{title}` and `{milestone}`."""
    forge: str | None = None
    """None: told by the remote's URL; `none`: the remote is no forge."""
    forge_url: str | None = None
    """Where the forge's pages are, when the remote's host does not tell it."""
    pull_request: PullRequestSection = PullRequestSection()
    pr_per_milestone: bool = False
    """0.1.0's second switch; true without `closeout_mode` means `pull_request`."""
    milestone_branch: bool = True
    task_commit: bool = True
    pr_provider: str = "github"
    use_gh_cli: bool = False


class PlanSection(Record, frozen=True, kw_only=True):
    """`plan`."""

    commit: bool = False
    """Whether `milestones.md` belongs to the repository instead of being ignored."""


class ScopeSection(Record, frozen=True, kw_only=True):
    """`scope`."""

    policy: ScopePolicy = "refuse"
    companions: tuple[str, ...] = DEFAULT_COMPANIONS
    """gitignore-style patterns of files that may change with any task."""


class ChecksSection(Record, frozen=True, kw_only=True):
    """`checks`: how check commands run; which ones is `agent.checks`."""

    timeout_s: float = 900.0
    isolation: Isolation = "none"


class AgentTimeouts(Record, frozen=True, kw_only=True):
    """`agent.timeouts`, all in seconds."""

    no_output_s: float = 300.0
    no_progress_s: float = 900.0
    wall_s: float = 3600.0
    grace_s: float = 10.0


class AgentQuota(Record, frozen=True, kw_only=True):
    """`agent.quota`."""

    max_wait_s: float = 21600.0


class BudgetLimits(Record, frozen=True, kw_only=True):
    """Limits of one level; None is no limit."""

    minutes: float | None = None
    usd: float | None = None
    tokens: int | None = None


class AgentBudget(Record, frozen=True, kw_only=True):
    """`agent.budget`."""

    task: BudgetLimits = BudgetLimits()
    milestone: BudgetLimits = BudgetLimits()
    run: BudgetLimits = BudgetLimits()


class AgentSection(Record, frozen=True, kw_only=True):
    """`agent`."""

    checks: tuple[CheckCommand, ...] = ()
    command_prefix: str = ""
    """Put before every command that aiw suggests, e.g. `uv run`."""
    default_lane: str = "core"
    operator_prompt: str = "docs/operator/operator.md"
    plan_builder_prompt: str = "docs/operator/operator.md"
    codex_agent_prompt: str = "docs/operator/codex-agent.md"
    queue_prompt: str = "docs/operator/queue-run.md"
    driver: str | None = None
    isolation: Isolation = "none"
    setup: tuple[str, ...] = ()
    attempts: int = 3
    feedback_turns: int = 2
    timeouts: AgentTimeouts = AgentTimeouts()
    quota: AgentQuota = AgentQuota()
    budget: AgentBudget = AgentBudget()
    env: dict[str, str] = msgspec.field(default_factory=dict)
    enabled: bool = True
    default_mode: str = "single"
    stop_after_each_task: bool = True
    auto_commit: bool = True
    auto_report: bool = True


class RecoverySection(Record, frozen=True, kw_only=True):
    """`recovery`."""

    enabled: bool = True
    auto_for_failed_checks: bool = True
    max_attempts_per_task: int = 2
    max_attempts_per_blocker: int = 1
    branch_per_recovery: bool = False


class ReportsSection(Record, frozen=True, kw_only=True):
    """`reports`."""

    dir: str = "docs/ai/workspace/reports"
    active_file_max_bytes: int = 8192
    auto_generate: bool = True


class AdrSection(Record, frozen=True, kw_only=True):
    """`adr`."""

    dir: str = "docs/ai/workspace/adr"
    required: bool = True


class AiSection(Record, frozen=True, kw_only=True):
    """`ai`."""

    entrypoint: str = "docs/ai/START_HERE.md"
    prompt_dir: str = "docs/ai/workspace/prompts"
    default_actor: str = "codex"


class CheckpointSection(Record, frozen=True, kw_only=True):
    """`checkpoint`."""

    max_file_mb: float = 50.0


class PromptsSection(Record, frozen=True, kw_only=True):
    """`prompts`."""

    templates_dir: str | None = None


class SecretsSection(Record, frozen=True, kw_only=True):
    """`secrets`."""

    policy: ScopePolicy = "refuse"
    allow: tuple[str, ...] = ()
    """Fingerprints of false alarms."""


class NotifySection(Record, frozen=True, kw_only=True):
    """`notify`."""

    command: str | None = None


class ParallelSection(Record, frozen=True, kw_only=True):
    """`parallel`, of 0.1.0; nothing reads it."""

    enabled: bool = False
    worktrees: bool = False
    worktrees_dir: str = ".worktrees/ai-workflow"
    max_lanes: int = 1


class HistorySection(Record, frozen=True, kw_only=True):
    """`history`, of 0.1.0; nothing reads it."""

    mode: str = "run_files"
    events_file: str = "docs/ai/workspace/state/events/events.jsonl"


class Config(Record, frozen=True, kw_only=True):
    """The whole file, with the defaults filled in."""

    version: int = CONFIG_VERSION
    workspace_dir: str = "docs/ai/workspace"
    plan_dir: str = "docs/ai/plan"
    project: ProjectSection = ProjectSection()
    git: GitSection = GitSection()
    plan: PlanSection = PlanSection()
    scope: ScopeSection = ScopeSection()
    checks: ChecksSection = ChecksSection()
    agent: AgentSection = AgentSection()
    agents: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    """Name → definition of an own adapter, as written."""
    recovery: RecoverySection = RecoverySection()
    reports: ReportsSection = ReportsSection()
    adr: AdrSection = AdrSection()
    ai: AiSection = AiSection()
    checkpoint: CheckpointSection = CheckpointSection()
    prompts: PromptsSection = PromptsSection()
    secrets: SecretsSection = SecretsSection()
    notify: NotifySection = NotifySection()
    parallel: ParallelSection = ParallelSection()
    history: HistorySection = HistorySection()

    @property
    def target_branch(self) -> str:
        """The branch that milestones land on."""
        return self.git.integration_branch or self.git.base_branch
