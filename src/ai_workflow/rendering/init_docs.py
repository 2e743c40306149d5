"""The documents that `aiw init` writes once and that then belong to the repository (spec §2)."""

from __future__ import annotations

from collections.abc import Sequence

from ai_workflow.rendering.environment import render_template
from ai_workflow.rendering.text import wrap_long_lines
from ai_workflow.rendering.views import format_command

_DOCUMENTS = ("start_here", "readme", "backlog", "operator", "codex_agent")
"""Templates in the order of the documents; the templates also name each other's paths by these words."""


def render_init_documents(
    *,
    project_name: str,
    base_branch: str,
    command_prefix: str,
    checks: Sequence[str],
    workspace_dir: str = "docs/ai/workspace",
    plan_dir: str = "docs/ai/plan",
    entrypoint: str = "docs/ai/START_HERE.md",
    readme_path: str = "docs/ai/README.md",
    operator_path: str = "docs/operator/operator.md",
    codex_agent_path: str = "docs/operator/codex-agent.md",
    queue_path: str = "docs/operator/queue-run.md",
    prompt_dir: str | None = None,
    adr_dir: str | None = None,
    reports_dir: str | None = None,
    config_path: str = ".ai-workflow.yaml",
) -> dict[str, str]:
    """The documents: POSIX path relative to the root → text.

    They name no time, so that writing them again gives the same bytes.

    Args:
        checks: commands of `agent.checks` at set-up.
        workspace_dir, plan_dir: configured folders; all paths are relative to the root.
        prompt_dir, adr_dir, reports_dir: configured folders; None is their place under `workspace_dir`.

    Raises:
        AiwError: TEMPLATE, when a packaged template cannot be read.
    """
    values: dict[str, object] = {
        "project_name": project_name or "This project",
        "base_branch": base_branch,
        "checks": tuple(checks),
        "workspace_dir": workspace_dir,
        "plan_dir": plan_dir,
        "config_path": config_path,
        "queue_path": queue_path,
        "prompt_dir": f"{prompt_dir or f'{workspace_dir}/prompts'}/",
        "adr_dir": adr_dir or f"{workspace_dir}/adr",
        "reports_dir": f"{reports_dir or f'{workspace_dir}/reports'}/",
        "commands": _commands(command_prefix, f"{plan_dir}/milestones.md"),
    }
    paths = (entrypoint, readme_path, f"{plan_dir}/backlog.md", operator_path, codex_agent_path)
    values |= dict(zip(_DOCUMENTS, paths, strict=True))
    return {path: render_document(f"{name}.md.j2", values) for name, path in zip(_DOCUMENTS, paths, strict=True)}


def render_document(name: str, values: dict[str, object]) -> str:
    """The packaged template as a wrapped document with one final newline.

    Raises:
        AiwError: TEMPLATE, when it cannot be read.
    """
    return f"{wrap_long_lines(render_template(name, values)).strip()}\n"


def _commands(prefix: str, plan_path: str) -> dict[str, str]:
    commands = {
        "status": "status",
        "run": "agent run --lane core --mode queue",
        "finish": "agent finish --lane core --task TASK-001 --commit",
        "plan_prompt": "agent plan-prompt --target milestones --print",
        "plan_bootstrap": "agent plan-prompt --target bootstrap --print",
        "import_answer": "plan import -",
        "init": "init --force",
        "validate": f"plan validate {plan_path}",
        "optimize": f"plan optimize {plan_path} --dry-run",
        "import": f"plan import {plan_path}",
    }
    return {name: format_command(prefix, command) for name, command in commands.items()}
