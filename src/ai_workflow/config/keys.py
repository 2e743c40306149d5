"""The table of all keys of `.ai-workflow.yaml`: what each accepts, what it is for, and whether it does anything.

Defaults are those of `config.schema`. The reference of the configuration is generated from this table.
"""

from __future__ import annotations

from typing import Any, Literal

from ai_workflow.config.schema import Config
from ai_workflow.models.base import Record

Status = Literal["effective", "reserved", "dead"]
"""`reserved`: checked and kept, but this release does nothing with it yet. `dead`: of 0.1.0, without effect."""


class Expect(Record, frozen=True, kw_only=True):
    """What a value must be."""

    kind: str
    """The reader of the value, see `config.values`."""
    text: str
    """For messages, after the word "expected"."""
    choices: tuple[str, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()
    """Other spellings, each with the choice that it means."""
    minimum: float = 0
    is_above: bool = False
    """Whether the minimum itself is too little."""
    optional: bool = False
    """Whether the value may be left empty, which means None."""


class Key(Record, frozen=True, kw_only=True):
    """One key."""

    name: str
    """Dotted path, e.g. `git.base_branch`."""
    expect: Expect
    status: Status
    about: str
    """One phrase for people."""
    below: str = ""
    """Where its default lies when `workspace_dir` is another folder: this name below it."""


FLAG = Expect(kind="flag", text="true or false")
TEXT = Expect(kind="text", text="a line of text")
NAME = Expect(kind="name", text="a line of text, not empty")
OPTIONAL_NAME = Expect(kind="name", text="a line of text", optional=True)
PATH = Expect(kind="path", text="a path inside the project, relative to its root")
OPTIONAL_PATH = Expect(kind="path", text="a path inside the project, relative to its root", optional=True)
BRANCH = Expect(kind="branch", text="a name that git allows for a branch")
OPTIONAL_BRANCH = Expect(kind="branch", text="a name that git allows for a branch", optional=True)
PREFIX = Expect(kind="prefix", text="text that begins a name which git allows for a branch, e.g. `ai/`")
OPTIONAL_URL = Expect(kind="url", text="the address of a forge, https://… without a password", optional=True)
SUBJECT = Expect(kind="subject", text="a line with no placeholders but {id}, {title} and {milestone}")
SECONDS = Expect(kind="number", text="a number of seconds above 0", is_above=True)
AMOUNT = Expect(kind="number", text="a number above 0", is_above=True, optional=True)
MEGABYTES = Expect(kind="number", text="a number of megabytes above 0", is_above=True)
COUNT = Expect(kind="whole", text="a whole number, 0 or more")
POSITIVE = Expect(kind="whole", text="a whole number, 1 or more", minimum=1)
OPTIONAL_POSITIVE = Expect(kind="whole", text="a whole number, 1 or more", minimum=1, optional=True)
VERSION = Expect(kind="choice", choices=("1",), text="1, the only version that this release reads")
TEXTS = Expect(kind="texts", text="a list of lines of text")
LINES = Expect(kind="lines", text="a list of commands, each a line")
PATTERNS = Expect(kind="patterns", text="a list of gitignore-style patterns, none beginning with !")
COMMANDS = Expect(kind="commands", text="a list of commands, each a line or {run, timeout_s, name}")
COMMAND = Expect(kind="command", text="a command", optional=True)
VARIABLES = Expect(kind="variables", text="a mapping of variable names to texts")
ADAPTERS = Expect(kind="adapters", text="a mapping of names to definitions of adapters")


def _choice(*choices: str, aliases: tuple[tuple[str, str], ...] = (), optional: bool = False) -> Expect:
    text = ", ".join(choices[:-1]) + f" or {choices[-1]}"
    return Expect(kind="choice", text=text, choices=choices, aliases=aliases, optional=optional)


CLOSEOUT = _choice(
    "auto",
    "direct_merge",
    "pull_request",
    aliases=(("direct", "direct_merge"), ("pr", "pull_request"), ("pullrequest", "pull_request")),
)
# 0.1.0 gave the word to its forge only, where it meant a history without merge commits; ours for that is ff.
STRATEGY = _choice("merge", "ff", "squash", aliases=(("rebase", "ff"), ("ff_only", "ff"), ("fast_forward", "ff")))
POLICY = _choice("refuse", "warn", "off")
ISOLATION = _choice("none", "worktree")


def _key(name: str, expect: Expect, about: str, *, status: Status = "effective", below: str = "") -> Key:
    return Key(name=name, expect=expect, status=status, about=about, below=below)


def _effective() -> tuple[Key, ...]:
    return (
        _key("version", VERSION, "version of this file's format"),
        _key("workspace_dir", PATH, "folder of the state and of everything generated"),
        _key("plan_dir", PATH, "folder of milestones.md and backlog.md"),
        _key("project.name", OPTIONAL_NAME, "what to call the project; empty: the name of its folder"),
        _key("git.base_branch", BRANCH, "branch that milestones start from"),
        _key("git.integration_branch", OPTIONAL_BRANCH, "branch that milestones land on; empty: the base branch"),
        _key("git.branch_prefix", PREFIX, "begins the name of every milestone branch"),
        _key("git.closeout_mode", CLOSEOUT, "how a finished milestone lands; auto asks the remote's URL"),
        _key("git.merge_strategy", STRATEGY, "how a milestone is merged; rebase of 0.1.0 counts as ff"),
        _key(
            "git.forge",
            _choice("github", "gitlab", "none", optional=True),
            "what the remote is; empty: told by its URL",
        ),
        _key("git.forge_url", OPTIONAL_URL, "where the forge's pages are; empty: on the remote's host"),
        *_pull_request(),
        _key(
            "git.unmerged_previous",
            _choice("wait", "stack"),
            "while a pull request waits for people: wait, or stack the next milestone on its branch",
        ),
        _key("git.commit_subject", SUBJECT, "first line of a task's commit"),
        _key("git.pr_per_milestone", FLAG, "of 0.1.0; true without closeout_mode means pull_request"),
        _key("plan.commit", FLAG, "true: milestones.md belongs to the repository"),
        _key("scope.policy", POLICY, "what happens to changes outside a task's scope"),
        _key("scope.companions", PATTERNS, "files that may change with any task"),
        _key("secrets.policy", POLICY, "what happens to a secret in a change"),
        _key("secrets.allow", TEXTS, "fingerprints of false alarms"),
        _key("checks.timeout_s", SECONDS, "longest time of one check"),
        _key("checks.isolation", ISOLATION, "worktree: checks run in a tree of their own"),
        _key("recovery.enabled", FLAG, "false: a failing task simply stays active"),
        _key("recovery.auto_for_failed_checks", FLAG, "true: failing checks open a recovery by themselves"),
        _key("recovery.max_attempts_per_task", COUNT, "attempts of a recovery before a person is needed"),
        _key("agent.checks", COMMANDS, "commands that must pass before a task is done"),
        _key("agent.command_prefix", TEXT, "put before every command that aiw suggests"),
        _key("agent.operator_prompt", PATH, "the operator's document"),
        _key("agent.plan_builder_prompt", PATH, "document for planning models"),
        _key("agent.codex_agent_prompt", PATH, "document for agents"),
        _key("agent.queue_prompt", PATH, "document of the queue mode, generated"),
        _key("recovery.enabled", FLAG, "false: a failing task simply stays active"),
        _key("recovery.auto_for_failed_checks", FLAG, "true: failing checks open a recovery by themselves"),
        _key(
            "recovery.max_attempts_per_task",
            COUNT,
            "attempts of a recovery before a person is needed; 0: none is opened",
        ),
        _key("reports.dir", PATH, "folder of the reports", below="reports"),
        _key("adr.dir", PATH, "folder of the decision records", below="adr"),
        _key("ai.entrypoint", PATH, "first document that an agent reads"),
        _key("ai.prompt_dir", PATH, "folder of the generated prompts", below="prompts"),
        _key(
            "ai.default_actor", NAME, "who acted, for the records, when neither AIW_ACTOR nor the account's name tells"
        ),
        _key("prompts.templates_dir", OPTIONAL_PATH, "folder of own prompt templates"),
    )


def _pull_request() -> tuple[Key, ...]:
    return (
        _key("git.pull_request.title", SUBJECT, "title of a milestone's pull request"),
        _key("git.pull_request.draft", FLAG, "true: opened with the first push, as a draft until all tasks are done"),
        _key("git.pull_request.labels", TEXTS, "labels that it gets"),
        _key("git.pull_request.reviewers", TEXTS, "logins (or org/team) that are asked to review it"),
        _key("git.pull_request.milestone", OPTIONAL_NAME, "title of the forge's milestone that it is put into"),
        _key(
            "git.pull_request.merge",
            _choice("auto", "forge", "never"),
            "who merges: aiw when it may, the forge by itself (auto-merge, merge queue), or people",
        ),
        _key(
            "git.pull_request.checks",
            _choice("auto", "reported"),
            "auto: where checks are run, none reported is not green; reported: only those that report count",
        ),
        _key("git.pull_request.wait_s", SECONDS, "longest wait for its checks, each time it is tried"),
    )


def _reserved() -> tuple[Key, ...]:
    rows = [
        ("git.enabled", FLAG, "false: no branch, no commit, no closeout"),
        ("agent.default_lane", NAME, "lane that is meant when none is named"),
        ("reports.active_file_max_bytes", POSITIVE, "largest size of a handoff file"),
        ("agent.driver", OPTIONAL_NAME, "agent that aiw launches by itself"),
        ("agent.isolation", ISOLATION, "where a launched agent works"),
        ("agent.setup", LINES, "commands that prepare a launched agent's tree"),
        ("agent.attempts", POSITIVE, "attempts of a launched agent per task"),
        ("agent.feedback_turns", COUNT, "times that failing gates are told to the same conversation"),
        ("agent.timeouts.no_output_s", SECONDS, "longest silence of a launched agent"),
        ("agent.timeouts.no_progress_s", SECONDS, "longest time without progress"),
        ("agent.timeouts.wall_s", SECONDS, "longest time of one attempt"),
        ("agent.timeouts.grace_s", SECONDS, "time to end by itself before it is killed"),
        (
            "agent.quota.max_wait_s",
            Expect(kind="number", text="a number of seconds, 0 or more"),
            "longest wait for a provider's quota",
        ),
        ("agent.env", VARIABLES, "variables for a launched agent"),
        ("agents", ADAPTERS, "own adapters, by name"),
        ("checkpoint.max_file_mb", MEGABYTES, "larger files are kept out of checkpoints"),
        ("notify.command", COMMAND, "run when something is blocked or done"),
    ]
    for level in ("task", "milestone", "run"):
        rows += [
            (f"agent.budget.{level}.minutes", AMOUNT, f"time limit per {level}; empty: none"),
            (f"agent.budget.{level}.usd", AMOUNT, f"money limit per {level}; empty: none"),
            (f"agent.budget.{level}.tokens", OPTIONAL_POSITIVE, f"token limit per {level}; empty: none"),
        ]
    return tuple(_key(name, expect, about, status="reserved") for name, expect, about in rows)


def _dead() -> tuple[Key, ...]:
    rows = [
        ("git.milestone_branch", FLAG, "a milestone always has its branch"),
        ("git.task_commit", FLAG, "a task always has its commit"),
        ("git.pr_provider", TEXT, "the remote's URL tells"),
        ("git.use_gh_cli", FLAG, "the closeout mode decides alone"),
        ("recovery.max_attempts_per_blocker", COUNT, "a blocker has one recovery"),
        ("recovery.branch_per_recovery", FLAG, "a recovery works on its milestone's branch"),
        ("reports.auto_generate", FLAG, "reports are written when asked for"),
        ("adr.required", FLAG, "never had an effect"),
        ("agent.enabled", FLAG, "never had an effect"),
        ("agent.default_mode", TEXT, "never had an effect"),
        ("agent.stop_after_each_task", FLAG, "never had an effect"),
        ("agent.auto_commit", FLAG, "never had an effect"),
        ("agent.auto_report", FLAG, "never had an effect"),
        ("parallel.enabled", FLAG, "never had an effect"),
        ("parallel.worktrees", FLAG, "never had an effect"),
        ("parallel.worktrees_dir", TEXT, "never had an effect"),
        ("parallel.max_lanes", COUNT, "never had an effect"),
        ("history.mode", TEXT, "never had an effect"),
        ("history.events_file", TEXT, "events lie in the state"),
    ]
    return tuple(_key(name, expect, about, status="dead") for name, expect, about in rows)


KEYS: dict[str, Key] = {key.name: key for key in (*_effective(), *_reserved(), *_dead())}
"""Dotted name → key, in the order in which the reference lists them."""

SECTIONS: frozenset[str] = frozenset(name[:at] for name in KEYS for at, char in enumerate(name) if char == ".")
"""Dotted names that hold further keys."""


def default_of(name: str) -> Any:
    """The value of a key that no file gives. Raises KeyError for a name that is no key. Pure."""
    value: Any = Config()
    for part in KEYS[name].name.split("."):
        value = getattr(value, part)
    return value
