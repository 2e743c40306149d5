"""Who is told about running checks."""

from __future__ import annotations

from collections.abc import Callable

from ai_workflow.config.schema import CheckCommand
from ai_workflow.models.base import Record


class Listener(Record, frozen=True, kw_only=True):
    """What is called as checks run."""

    on_start: Callable[[CheckCommand], None] | None = None
    on_output: Callable[[bytes], None] | None = None
