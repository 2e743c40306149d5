"""Pure work that the repository has a say in ends (spec §7.7)."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from ai_workflow.errors import AiwError, Kind
from ai_workflow.rendering.environment import render_template
from ai_workflow.services.deadline import limited

ERROR = AiwError(Kind.TEMPLATE, "too long")
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


def test_a_template_that_loops_without_end_is_left(tmp_path: Path) -> None:
    (tmp_path / "prompt.md.j2").write_text(ENDLESS)
    begin_s = time.monotonic()
    with pytest.raises(AiwError, match="too long"), limited(0.2, ERROR):
        render_template("prompt.md.j2", {}, overrides=str(tmp_path))
    assert time.monotonic() - begin_s < 5


def test_what_ends_in_time_leaves_no_alarm_behind() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with limited(0.05, ERROR):
        pass
    time.sleep(0.1)
    assert signal.getsignal(signal.SIGALRM) is before
