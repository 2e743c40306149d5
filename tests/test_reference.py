"""The generated reference says what the code says (`make reference` writes it anew)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import write_reference
from ai_workflow.cli.table import COMMANDS
from ai_workflow.config.keys import KEYS

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["cli.md", "config.md"])
def test_the_reference_is_up_to_date(name: str) -> None:
    kept = (ROOT / "docs/reference" / name).read_text(encoding="utf-8")
    assert kept == write_reference.render()[name], "run `make reference`"


def test_the_page_on_costs_holds_the_table_that_was_measured() -> None:
    table = (ROOT / "bench/results/table.md").read_text(encoding="utf-8").partition("\n")[2].strip()
    page = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    block = page.partition("<!-- bench: written by `make bench` -->\n")[2].partition("<!-- end -->")[0]
    assert block.strip() == table, "run `make bench`"


def test_every_command_and_every_key_is_in_it() -> None:
    texts = write_reference.render()
    for name in COMMANDS:
        assert texts["cli.md"].count(f"### aiw {name}\n") == 1
    for name in KEYS:
        assert texts["config.md"].count(f"| `{name}` |") == 1


def test_every_row_of_a_table_has_its_cells() -> None:
    for name, cells in (("cli.md", 2), ("config.md", 4)):
        for line in write_reference.render()[name].split("\n"):
            if line.startswith("|"):
                assert line.replace("\\|", "").count("|") == cells + 1, line


def test_the_width_of_the_terminal_does_not_show() -> None:
    script = "import sys; sys.path.insert(0, 'tools'); import write_reference; print(write_reference.render())"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": columns, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for columns in ("20", "200")
    }
    assert len(outputs) == 1
