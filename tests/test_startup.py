"""Start-up is a feature: what the quick commands import, and how many processes the others start (spec §1, §8)."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from support.project import Project, make_planned, make_ready

HEAVY = {"msgspec", "yaml", "jinja2", "pathspec", "argparse", "subprocess", "typing", "dataclasses", "re", "asyncio"}


def modules_of(project: Project, *args: str) -> set[str]:
    """Modules that the command imports beyond those of a bare interpreter."""
    script = (
        "import sys; bare = set(sys.modules); from ai_workflow.cli.main import main; code = main(sys.argv[1:]);"
        " sys.stderr.write('\\nmodules: ' + ' '.join(sorted(set(sys.modules) - bare))); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, *args], cwd=project.path, capture_output=True, text=True, check=True
    )
    return set(done.stderr.rsplit("modules: ", 1)[1].split())


def top_level(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_planned(tmp_path)


def test_version_imports_three_small_modules(project: Project) -> None:
    names = modules_of(project, "--version")
    own = {name for name in names if name.startswith("ai_workflow")}
    assert own == {
        "ai_workflow",
        "ai_workflow.cli",
        "ai_workflow.cli.boundary",
        "ai_workflow.cli.main",
        "ai_workflow.cli.runtime",
        "ai_workflow.errors",
    }
    assert not top_level(names) & (HEAVY | {"json"})


def test_help_reads_the_table_only(project: Project) -> None:
    names = modules_of(project, "--help")
    assert {name for name in names if name.startswith("ai_workflow.") and ".cli" not in name} == {"ai_workflow.errors"}
    assert not top_level(names) & (HEAVY | {"json"})


def test_status_needs_no_records_no_yaml_and_no_process(project: Project) -> None:
    names = modules_of(project, "status")
    own = {name for name in names if name.startswith("ai_workflow.") and ".cli" not in name}
    assert own == {
        "ai_workflow.config",
        "ai_workflow.config.cache",
        "ai_workflow.config.place",
        "ai_workflow.errors",
        "ai_workflow.rendering",
        "ai_workflow.rendering.inert",
        "ai_workflow.services",
        "ai_workflow.services.glance",
        "ai_workflow.services.status",
        "ai_workflow.stamps",
        "ai_workflow.store",
        "ai_workflow.store.index",
        "ai_workflow.store.layout",
        "ai_workflow.store.looks",
        "ai_workflow.store.rows",
        "ai_workflow.store.shapes",
    }
    assert not top_level(names) & (HEAVY - {"re"})


def test_a_claim_imports_neither_yaml_nor_a_template_engine(project: Project) -> None:
    names = top_level(modules_of(project, "next"))
    assert "msgspec" in names
    assert not names & {"yaml", "jinja2", "pathspec", "dataclasses", "asyncio", "tempfile"}


def processes_of(project: Project, tmp_path: Path, *args: str) -> Counter[str]:
    """How often each program was started by a command."""
    trace = tmp_path / "trace"
    project.aiw(*args, env={"AIW_TRACE_PROCESSES": str(trace)})
    lines = trace.read_text().splitlines() if trace.exists() else []
    return Counter(Path(json.loads(line)[0]).name for line in lines)


def test_processes_per_command(tmp_path: Path) -> None:
    project = make_ready(tmp_path)
    project.next()
    assert processes_of(project, tmp_path, "status") == Counter()
    assert processes_of(project, tmp_path, "task", "list", "--json") == Counter()
    project.write("src/parser.py", "x\n")
    assert processes_of(project, tmp_path / "..", "agent", "finish", "--commit") == Counter({"git": 10, "sh": 1})
    (tmp_path / "../trace").unlink()
    assert processes_of(project, tmp_path / "..", "next") == Counter({"git": 2})


def cpu_s(argv: list[str], cwd: Path) -> float:
    process = subprocess.Popen(argv, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, argv
    return usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize(("args", "bound"), [(("--version",), 8), (("status",), 15), (("task", "list", "--json"), 15)])
def test_no_command_that_shows_costs_tenfold(project: Project, args: tuple[str, ...], bound: int) -> None:
    """Generous: `make bench` measures; this notices an order of magnitude, on any machine."""
    ratios = []
    for _ in range(5):
        bare = cpu_s([sys.executable, "-I", "-c", "pass"], project.path)
        ratios.append(cpu_s([sys.executable, "-I", "-m", "ai_workflow", *args], project.path) / bare)
    assert statistics.median(ratios) < bound
