"""Takes a workpackage's execution pack apart: one prompt per `# Task 1 …` heading (spec §6.8). Pure."""

from __future__ import annotations

import re
from itertools import pairwise

from ai_workflow.errors import AiwError, Kind
from ai_workflow.plan.markdown import normalise_text, scan

_TASK = re.compile(r"#{1,6}[ \t]+task[ \t-]*0*([1-9][0-9]{0,3})(?![0-9A-Za-z])", re.IGNORECASE)
_PLAN = re.compile(r"#[ \t]+milestones[ \t]*#*", re.IGNORECASE)
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SLUG_WISH = re.compile(r"[^A-Za-z0-9_-]+")


def require_slug(text: str) -> str:
    """The name of a pack itself, checked: it becomes the name of a folder.

    Raises:
        AiwError: USAGE, with a name that would do.
    """
    if _SLUG.fullmatch(text) is None:
        wish = _SLUG_WISH.sub("-", text).strip("-_").lower()[:64] or "my-pack"
        raise AiwError(
            Kind.USAGE,
            f"{text!r} cannot name a workpackage: letters, digits, - and _ only, 64 at most",
            hint=f"for example {wish}",
        )
    return text


def split_prompts(text: str) -> dict[str, str]:
    """The prompts of a pack: `task-01.md` → its text with the heading, in the order of the text.

    A prompt goes from its heading to the next one, or to a heading `# Milestones`; headings in code fences and
    comments are text. A number that comes again adds to its prompt.
    """
    lines = normalise_text(text).split("\n")
    prompts: dict[str, str] = {}
    starts: list[tuple[int, str | None]] = []
    for chunk in scan(text):
        match = _TASK.match(chunk.text)
        if match is not None and chunk.indent <= 3:
            starts.append((chunk.number - 1, f"task-{int(match.group(1)):02d}.md"))
        elif _PLAN.fullmatch(chunk.text):
            starts.append((chunk.number - 1, None))
    for (start, name), (end, _) in pairwise([*starts, (len(lines), None)]):
        if name is not None:
            body = "\n".join(lines[start:end]).strip("\n") + "\n"
            prompts[name] = f"{prompts[name]}\n{body}" if name in prompts else body
    return prompts
