"""An agent without a model: makes the edits that a script holds for the task named in its prompt.

For demonstrations, rehearsals and tests. It is started like any other agent, as a program of its own, with the
prompt as its input, and edits real files:

    python -m ai_workflow.agents.scripted --script script.json --attempt 1 < prompt.md

The script is a JSON object: title of a task → list of attempts → list of edits. An edit is one of

    {"write": "path", "text": "…"}                     the whole file
    {"replace": "path", "old": "…", "new": "…"}        `old` must occur exactly once
    {"delete": "path"}

Attempts beyond the last one repeat it. Exit code 0; 1 when the prompt names no task of the script or an edit does not
fit.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from ai_workflow import fsio
from ai_workflow.errors import AiwError, Kind

Edit = dict[str, str]


def find_edits(script: dict[str, Any], prompt: str, *, attempt: int) -> tuple[str, list[Edit]]:
    """The task that the prompt is about, and the edits for this attempt. Pure.

    Args:
        attempt: 1-based.

    Raises:
        AiwError: NOT_FOUND when the prompt names none of the script's tasks.
    """
    head = prompt.split("\n## ", 1)[0]
    titles = [title for title in script if title in head] or [title for title in script if title in prompt]
    if not titles:
        raise AiwError(Kind.NOT_FOUND, "the prompt names no task of the script")
    title = max(titles, key=len)
    attempts = script[title]
    edits: list[Edit] = attempts[min(attempt, len(attempts)) - 1]
    return title, edits


def apply_edit(root: str, edit: Edit) -> str:
    """Makes one edit; returns what was done, as a sentence.

    Raises:
        AiwError: NOT_FOUND when the text to replace is not there exactly once; IO.
    """
    verb = next(iter(edit))
    rel = edit[verb]
    path = os.path.normpath(os.path.join(root, rel))
    if not path.startswith(os.path.normpath(root) + os.sep):
        raise AiwError(Kind.USAGE, f"{rel} lies outside the folder")
    if verb == "delete":
        fsio.remove_file(path)
        return f"deleted {rel}"
    if verb == "write":
        text = edit["text"]
    else:
        before = (fsio.find_bytes(path) or b"").decode()
        if before.count(edit["old"]) != 1:
            raise AiwError(Kind.NOT_FOUND, f"the text to replace is not exactly once in {rel}")
        text = before.replace(edit["old"], edit["new"])
    fsio.write_file(path, text.encode(), temp_dir=os.path.dirname(path), durable=False)
    return f"{'wrote' if verb == 'write' else 'changed'} {rel}"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the agent in the working directory."""
    import argparse

    parser = argparse.ArgumentParser(prog="scripted", description="An agent that follows a script.")
    parser.add_argument("--script", required=True)
    parser.add_argument("--attempt", type=int, default=1)
    args = parser.parse_args(argv)
    try:
        script = json.loads(fsio.read_bytes(args.script))
        _title, edits = find_edits(script, sys.stdin.read(), attempt=args.attempt)
        for edit in edits:
            sys.stdout.write(apply_edit(os.getcwd(), edit) + "\n")
    except AiwError as error:
        sys.stderr.write(f"scripted agent: {error.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
