"""Writes the `.ai-workflow.yaml` of a new project: the keys that people change, each with a comment. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from ai_workflow.config.schema import CONFIG_VERSION, Config
from ai_workflow.errors import AiwError, Kind

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_WORDS = ("true", "false", "yes", "no", "on", "off", "y", "n", "null")
_NEEDS_ESCAPE = re.compile("[\x7f-\xa0\u2028\u2029\ufdd0-\ufdef\ufeff\ufffe\uffff]")
_NOT_IN_NAME = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")


def render_config(
    *,
    base_branch: str,
    project_name: str | None = None,
    checks: Sequence[str] = (),
    command_prefix: str = "",
    closeout_mode: str = "auto",
    workspace_dir: str = Config().workspace_dir,
    plan_dir: str = Config().plan_dir,
) -> str:
    """The text of the file; reading it gives these values back.

    Args:
        base_branch: where milestones start and land, whatever its name looks like.
        project_name: None, or nothing printable, leaves the key out.
        checks: shell lines, in order.
        command_prefix: `uv run` or nothing.
        workspace_dir, plan_dir: named in the file only when they are not the usual ones.

    Raises:
        AiwError: CONFIG when a value is no Unicode text and so cannot stand in the file.
    """
    name = _NOT_IN_NAME.sub(" ", project_name or "").strip()
    lines = ["# Settings of aiw. Every key may be left out.", f"version: {CONFIG_VERSION}"]
    for key, value in (("workspace_dir", workspace_dir), ("plan_dir", plan_dir)):
        if value != getattr(Config(), key):
            lines.append(f"{key}: {quote(value)}")
    if name:
        lines += ["", "project:", f"  name: {quote(name)}"]
    lines += [
        "",
        "git:",
        "  # Milestones start from this branch and land on it.",
        f"  base_branch: {quote(base_branch)}",
        "  # How a finished milestone lands: auto (pull request if the remote is a forge), pull_request, direct_merge.",
        f"  closeout_mode: {quote(closeout_mode)}",
        "  # merge (with a merge commit), ff or squash.",
        "  merge_strategy: merge",
        "",
        "agent:",
        "  # Put before every command that aiw suggests.",
        f"  command_prefix: {quote(command_prefix)}",
        "  # Commands that must pass before a task is done. aiw runs them itself, in this order.",
        *_render_checks(checks),
        "",
        "checks:",
        "  # Longest time of one check, in seconds.",
        f"  timeout_s: {Config().checks.timeout_s:g}",
        "",
        "scope:",
        "  # Changes outside a task's scope: refuse, warn or off.",
        "  policy: refuse",
        "",
        "plan:",
        "  # true puts milestones.md under version control; false keeps it local.",
        "  commit: false",
    ]
    return "\n".join(lines) + "\n"


def _render_checks(checks: Sequence[str]) -> list[str]:
    if not checks:
        return ["  checks: []"]
    return ["  checks:", *(f"    - {quote(check)}" for check in checks)]


def quote(text: str) -> str:
    """The text as a YAML scalar that every reader takes for this very text. Pure.

    Raises:
        AiwError: CONFIG when it is no Unicode text.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise AiwError(Kind.CONFIG, f"{text.encode('unicode_escape').decode()} is not UTF-8 text") from error
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return _NEEDS_ESCAPE.sub(lambda found: f"\\u{ord(found.group()):04x}", json.dumps(text, ensure_ascii=False))
