"""The prompt of one task: everything an agent needs to do it, and the one command that ends it (spec §6.3)."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ai_workflow.models.run import Run
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.task import Task
from ai_workflow.rendering.prompt_sections import TEMPLATE_NAME, render_sections
from ai_workflow.rendering.views import PromptView, make_prompt_view


def render_task_prompt(
    snapshot: Snapshot,
    task: Task,
    *,
    claimed: bool,
    command_prefix: str,
    checks: Sequence[str],
    scope_policy: str,
    companions: Sequence[str],
    last_failure: Run | None,
    early_paths: Sequence[str],
    templates: str | None,
) -> str:
    """The prompt as Markdown, with one final newline.

    Args:
        claimed: False for a prompt written ahead of its claim, which then says to claim first.
        command_prefix: put before every command, e.g. `uv run`; may be empty.
        checks: commands of `agent.checks`.
        scope_policy: `refuse`, `warn` or `off`.
        companions: patterns of files that may change with any task.
        last_failure: the task's last run when that failed.
        early_paths: paths that were changed before the claim and count as the task's.
        templates: folder of the repository's own templates; its `prompt.md.j2` wins.

    Raises:
        AiwError: TEMPLATE, when a template of the repository is wrong.
    """
    view = make_prompt_view(
        snapshot,
        task,
        claimed=claimed,
        command_prefix=command_prefix,
        checks=checks,
        scope_policy=scope_policy,
        companions=companions,
        last_failure=last_failure,
        early_paths=early_paths,
    )
    sections = render_sections(view)
    text = "".join(sections.values())
    if templates is not None and os.path.lexists(os.path.join(templates, TEMPLATE_NAME)):
        text = _render_own(view, sections, templates)
    return f"{text.strip()}\n"


def _render_own(view: PromptView, sections: dict[str, str], templates: str) -> str:
    # Only here is the template engine needed, whose import costs more than all the rest of a claim.
    from ai_workflow.rendering.environment import render_template

    values: dict[str, object] = {name: getattr(view, name) for name in PromptView.__struct_fields__}
    return render_template(TEMPLATE_NAME, {**values, "sections": sections}, overrides=templates)
