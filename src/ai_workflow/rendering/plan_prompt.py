"""The prompt with which any general planning model writes a plan for this repository (spec §4.5). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ai_workflow.models.adr import Adr
from ai_workflow.models.base import Record
from ai_workflow.plan.quality import MAX_ACCEPTANCE, MAX_SCOPES, MAX_TASKS
from ai_workflow.rendering.init_docs import render_document
from ai_workflow.rendering.repository_map import count_languages, render_tree
from ai_workflow.rendering.text import clip_bytes, render_block, render_code, render_inline, show_hidden
from ai_workflow.rendering.views import format_words

Target = Literal["milestones", "bootstrap"]
MAX_BYTES = 24 * 1024
_TREE_BYTES = 4500
_BACKLOG_BYTES = 4000
_ADR_BYTES = 2400
_PLAN_BYTES = 4000
_CHECK_BYTES = 800
_MILESTONE_BYTES = 1500
_LINE_BYTES = 200

EXAMPLE = """# Milestones

## M01 - Readable parser errors
Goal: a syntax error tells its file, line and column.
Tasks:
- Carry positions through the tokenizer
  Acceptance: Every token has line and column, both starting at 1.
  Acceptance: Tests cover tabs and lines that end in CRLF.
  Verify: python -m pytest tests/test_tokenizer.py
  Conflict: src/tokenizer.py, tests/test_tokenizer.py
- Report syntax errors with their position
  Acceptance: A message begins with file, line and column.
  Verify: python -m pytest tests/test_errors.py
  Conflict: src/parser.py, tests/test_errors.py
  Keep the wording of the existing messages after the position.

## M02 - Error documentation
Goal: users can look up every error.
Tasks:
- List all syntax errors in the manual
  Acceptance: docs/errors.md has one entry for each error code.
  Conflict: docs/errors.md
  Depends: M01
"""
"""A plan without a finding; what it is about has nothing to do with the repository."""


class MilestoneLine(Record, frozen=True, kw_only=True):
    """A milestone that the state knows."""

    id: str
    title: str
    status: str
    closed_tasks: int
    tasks: int
    is_open: bool


class PlanContext(Record, frozen=True, kw_only=True):
    """What a planning model should know about the repository."""

    project_name: str
    base_branch: str
    head_branch: str | None
    """None when HEAD is detached."""
    paths: tuple[str, ...]
    """Files, POSIX, relative to the root, without those of aiw."""
    is_tracked: bool
    """Whether `paths` are what git tracks; otherwise nothing is committed yet."""
    checks: tuple[str, ...]
    backlog: tuple[str, ...]
    """Items of the backlog as they are written, the important ones first."""
    adrs: tuple[Adr, ...]
    """Accepted decisions."""
    milestones: tuple[MilestoneLine, ...]
    unfinished_plan: str | None
    """The plan's text of the milestones that are not closed; None when there are none or it is not known."""
    first_number: int
    """Number of the first new milestone."""
    own_paths: tuple[str, ...]
    """Files and folders of aiw, which no task may change."""


def render_plan_prompt(context: PlanContext, *, target: Target) -> str:
    """The prompt as Markdown, at most `MAX_BYTES`; the same context gives the same bytes.

    Args:
        target: `milestones` plans the next work, `bootstrap` the first work in a new repository.

    Raises:
        AiwError: TEMPLATE when the packaged template cannot be read.
    """
    plan = context.unfinished_plan
    is_shown = plan is not None and len(plan.encode()) <= _PLAN_BYTES
    values: dict[str, object] = {
        "is_bootstrap": target == "bootstrap",
        "project_name": clip_bytes(context.project_name, _LINE_BYTES),
        "base_branch": render_code(context.base_branch, max_bytes=_LINE_BYTES),
        "head_branch": render_code(context.head_branch, max_bytes=_LINE_BYTES) if context.head_branch else None,
        "languages": ", ".join(f"{name} ({count})" for name, count in count_languages(context.paths)),
        "file_count": len(context.paths),
        "is_tracked": context.is_tracked,
        "tree": render_block(render_tree(context.paths, max_bytes=_TREE_BYTES)) if context.paths else "",
        "checks": _fit([f"- {render_code(line, max_bytes=_LINE_BYTES)}" for line in context.checks], _CHECK_BYTES),
        "backlog": render_block(_join_items(context.backlog)) if context.backlog else "",
        "adrs": _fit([_show_adr(adr) for adr in context.adrs], _ADR_BYTES),
        "milestones": _fit([_show_milestone(line) for line in _order(context.milestones)], _MILESTONE_BYTES),
        "has_open": any(line.is_open for line in context.milestones),
        "unfinished_plan": render_block(plan, language="markdown") if plan is not None and is_shown else "",
        "first_id": f"M{context.first_number:02d}",
        "own_paths": ", ".join(render_code(path, max_bytes=_LINE_BYTES) for path in context.own_paths),
        "example": render_block(EXAMPLE, language="markdown"),
        "limits": {"tasks": MAX_TASKS, "acceptance": MAX_ACCEPTANCE, "scopes": MAX_SCOPES},
    }
    return render_document("plan_prompt.md.j2", values)


def _fit(lines: Sequence[str], max_bytes: int) -> str:
    """As many of the list items as have room, and a count of the others; empty for none."""
    kept: list[str] = []
    size = 0
    for line in lines:
        size += len(line.encode(errors="replace")) + 1
        if size > max_bytes:
            kept.append(f"- and {len(lines) - len(kept)} more, not shown")
            break
        kept.append(line)
    return "\n".join(kept)


def _join_items(items: Sequence[str]) -> str:
    kept: list[str] = []
    size = 0
    for number, item in enumerate(items):
        lines = clip_bytes(show_hidden(item), _BACKLOG_BYTES // 2).splitlines()
        text = "\n".join(line.rstrip() for line in lines).strip("\n")
        size += len(text.encode(errors="replace")) + 2
        if size > _BACKLOG_BYTES:
            kept.append(f"(… and {len(items) - number} more items)")
            break
        kept.append(text)
    return "\n\n".join(kept)


def _show_adr(adr: Adr) -> str:
    scopes = ", ".join(render_code(scope, max_bytes=80) for scope in adr.applies_to[:5])
    where = f" (for {scopes})" if scopes else ""
    text = f": {render_inline(adr.decision, max_bytes=600)}" if adr.decision else ""
    return f"- {adr.id}, {render_inline(adr.title, max_bytes=_LINE_BYTES)}{where}{text}"


def _order(milestones: Sequence[MilestoneLine]) -> list[MilestoneLine]:
    """Open ones first, then the latest of the others: the early ones matter least."""
    return [
        *(line for line in milestones if line.is_open),
        *(line for line in reversed(milestones) if not line.is_open),
    ]


def _show_milestone(line: MilestoneLine) -> str:
    title = render_inline(line.title, max_bytes=_LINE_BYTES)
    return f"- {line.id}: {title} ({format_words(line.status)}, {line.closed_tasks} of {line.tasks} tasks closed)"
