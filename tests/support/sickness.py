"""Prepared workspaces to make sick, and the doctor called in this process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from ai_workflow.cli.main import main
from support.project import THREE_MILESTONES, Project, make_planned, make_ready

STATE = "docs/ai/workspace/state"


def prepare_active(folder: Path) -> Project:
    """M01 in progress: TASK-001 done, TASK-002 active with uncommitted work; M02 and M10 wait."""
    project = make_planned(folder, plan=THREE_MILESTONES, remote=False)
    project.next()
    project.write("src/parser.py", "one\n")
    project.finish()
    project.next()
    project.write("tests/test_parser.py", "half\n")
    return project


def prepare_merged(folder: Path) -> Project:
    """M01 merged, M02 waits for its start."""
    project = prepare_active(folder)
    project.finish()
    return project


def prepare_parked(folder: Path) -> Project:
    """TASK-002 of M01 parked, the hotfix TASK-005 active."""
    project = prepare_active(folder)
    project.aiw("task", "adhoc", "--kind", "hotfix", "--title", "Stop the crash at start")
    project.aiw("agent", "task", "TASK-005")
    return project


def prepare_recovery(folder: Path) -> Project:
    """TASK-001 failed its checks, M01-01 repairs it."""
    project = make_ready(folder, plan=THREE_MILESTONES, remote=False, checks=("test -e src/good",))
    project.aiw("plan", "import")
    project.next()
    project.write("src/parser.py", "bad\n")
    project.finish(code=1)
    return project


PREPARE = {
    "active": prepare_active,
    "merged": prepare_merged,
    "parked": prepare_parked,
    "recovery": prepare_recovery,
}


def call(project: Project, *args: str) -> tuple[int, str]:
    """Exit code and stdout of a command, run in this process."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = main(["-C", str(project.path), *args])
    return code, out.getvalue()


def examine(project: Project) -> list[dict[str, Any]]:
    """The findings of `doctor`."""
    findings: list[dict[str, Any]] = json.loads(call(project, "doctor", "--json")[1])["findings"]
    return findings


def serious(project: Project) -> list[str]:
    """Codes of errors and warnings."""
    return [one["code"] for one in examine(project) if one["level"] != "info"]


def find(project: Project, code: str) -> dict[str, Any]:
    """The first finding with this code."""
    found = examine(project)
    named = [one for one in found if one["code"] == code]
    assert named, f"{code} is not among {found}"
    return named[0]


def type_in(project: Project, line: str) -> None:
    """Runs the command that a finding names, as a person would type it at the root."""
    if line.startswith("aiw ") and "&&" not in line:
        code, out = call(project, *shlex.split(line)[1:])
        assert code in (0, 1), f"{line}: {code}\n{out}"
        return
    folder = project.path.parent / "bin"
    folder.mkdir(exist_ok=True)
    script = folder / "aiw"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m ai_workflow "$@"\n')
    script.chmod(0o755)
    env = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(line, shell=True, cwd=project.path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}: {done.returncode}\n{done.stdout}{done.stderr}"


def edit(project: Project, rel: str, **fields: Any) -> None:
    """Changes fields of a state file by hand."""
    path = project.path / STATE / rel
    text = json.loads(path.read_text())
    assert set(fields) <= set(text), set(fields) - set(text)
    path.write_text(json.dumps({**text, **fields}, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
