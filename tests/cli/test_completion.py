"""Completion in real shells: commands, options, ids, files; and silence when something is wrong (spec §8)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.prepared import prepared
from support.project import THREE_MILESTONES, Project, make_planned


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return prepared(make_planned, tmp_path, plan=THREE_MILESTONES, remote=False)


def complete(project: Project, *words: str, cwd: Path | None = None) -> list[str]:
    result = project.aiw("__complete", *words, cwd=cwd)
    assert result.stderr == ""
    return [line.partition("\t")[0] for line in result.stdout.splitlines()]


def test_commands_of_the_table(project: Project) -> None:
    assert complete(project, "mile") == ["milestone"]
    assert {"init", "plan", "agent", "status"} <= set(complete(project, ""))
    assert "__complete" not in complete(project, "")
    assert complete(project, "agent", "b") == ["bootstrap"]
    assert complete(project, "agent", "fin", "x") == []
    assert complete(project, "nonsense", "") == []
    assert project.aiw("__complete", "agent", "fin").stdout == "finish\tcheck the active task and commit it\n"


def test_options_of_the_commands_own_parser(project: Project) -> None:
    assert complete(project, "plan", "import", "--no-") == ["--no-chain"]
    assert complete(project, "plan", "import", "--dry-run", "--d") == []
    assert complete(project, "agent", "finish", "--allow", "x", "--allow") == [
        "--allow-failed",
        "--allow",
        "--allow-secret",
    ]
    assert complete(project, "agent", "run", "--mode", "") == ["single", "queue"]
    assert complete(project, "agent", "run", "--mode=q") == ["--mode=queue"]
    assert complete(project, "agent", "run", "--mode", "=", "q") == ["queue"]
    assert complete(project, "-") == [
        *("-C", "--root", "--json", "-q", "--quiet", "-v", "--verbose", "--version", "--help")
    ]


def test_ids_of_the_state(project: Project) -> None:
    tasks = ["TASK-001", "TASK-002", "TASK-003", "TASK-004"]
    for words in (("task", "show"), ("agent", "task"), ("agent", "finish", "--task"), ("agent", "finish", "-t")):
        assert complete(project, *words, "") == tasks
    assert complete(project, "agent", "finish", "--task=TASK-003") == ["--task=TASK-003"]
    assert complete(project, "task", "show", "TASK-001", "") == [], "there is no second task"
    for words in (("milestone", "show"), ("task", "list", "-m"), ("lane", "start", "core"), ("agent", "run", "-m")):
        assert complete(project, *words, "M0") == ["M01", "M02"]
    assert complete(project, "lane", "show", "") == ["core"]
    assert complete(project, "-C", str(project.path), "task", "show", "", cwd=project.path.parent) == tasks
    assert complete(project, "--json", "task", "show", "-C", str(project.path), "", cwd=project.path.parent) == tasks
    titles = project.aiw("__complete", "task", "show", "TASK-004").stdout
    assert titles == "TASK-004\tDescribe the parser grammar\n"


def test_files_and_folders_are_the_shells(project: Project) -> None:
    assert complete(project, "plan", "import", "x") == [":files"]
    assert complete(project, "agent", "run", "--plan", "") == [":files"]
    assert complete(project, "-C", "") == [":folders"]
    assert complete(project, "task", "list", "-C", "") == [":folders"]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("task", "show", ""),
        ("-C", "/nowhere", "task", "show", ""),
        ("-C",),
        ("task",),
        ("\x1b[31m", "--", "="),
        ("=", "=", "="),
        ("agent", "finish", "--task"),
        ("completion", "--", "-"),
    ],
)
def test_nothing_is_said_when_there_is_nothing_to_say(project: Project, tmp_path: Path, words: tuple[str, ...]) -> None:
    result = project.aiw("__complete", *words, cwd=tmp_path)
    assert result.stderr == ""
    assert "TASK" not in result.stdout


def test_damaged_state_and_config_are_silence(tmp_path: Path) -> None:
    project = make_planned(tmp_path, remote=False, plan=THREE_MILESTONES)
    project.write("docs/ai/workspace/state/tasks/TASK-002.json", "{")
    assert complete(project, "task", "show", "") == ["TASK-001", "TASK-003", "TASK-004"]
    project.write(".ai-workflow.yaml", "git: [\n")
    assert complete(project, "task", "show", "") == []
    assert complete(project, "task", "sh") == ["show"]


def test_a_hostile_title_is_one_inert_line(tmp_path: Path) -> None:
    plan = "# Milestones\n\n## M01 - A\nTasks:\n- Evil \x1b]0;x\x07 $(touch x) `y`\tz title\n  Acceptance: It is.\n"
    project = make_planned(tmp_path, remote=False, plan=plan)
    shown = project.aiw("__complete", "task", "show", "").stdout
    assert shown.count("\n") == 1
    assert shown.count("\t") == 1
    assert "\x1b" not in shown


def test_a_completion_starts_no_process_and_writes_nothing(project: Project, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    before = sorted(project.path.rglob("*"))
    project.aiw("__complete", "task", "show", "", env={"AIW_TRACE_PROCESSES": str(trace)})
    assert not trace.exists()
    assert sorted(project.path.rglob("*")) == before


# --- the real shells


def shell(project: Project, argv: Sequence[str], script: str, tmp_path: Path) -> str:
    """Runs a script in the shell with `aiw` on PATH; nothing may appear on stderr."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    for name in ("aiw", "ai-workflow"):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ai_workflow "$@"\n')
        program.chmod(0o755)
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(
        [*argv], input=script, cwd=project.path, env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    return done.stdout


def require(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


BASH = """
eval "$(aiw completion bash)"
ask() {
    COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMPREPLY=()
    $(complete -p aiw | sed 's/.*-F \\([^ ]*\\) .*/\\1/') aiw "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
    echo "${COMPREPLY[*]}"
}
"""


def test_bash(project: Project, tmp_path: Path) -> None:
    script = f"""{BASH}
ask aiw mile
ask aiw agent finish --task TASK-00
ask aiw agent run --mode = q
ask aiw agent run --mode =
ask aiw plan import src/
ask aiw -C docs/a
ask aiw nonsense ''
complete -p ai-workflow
"""
    assert shell(project, [require("bash"), "--norc"], script, tmp_path) == (
        "milestone\nTASK-001 TASK-002 TASK-003 TASK-004\nqueue\nsingle queue\nsrc/keep.txt\ndocs/ai\n\n"
        "complete -F _aiw_complete ai-workflow\n"
    )


def test_bash_with_an_aiw_that_fails_is_silent(project: Project, tmp_path: Path) -> None:
    script = (
        'eval "$(aiw completion bash)"\naiw() { echo no >&2; return 1; }\n' + BASH.partition("\n")[2].partition("\n")[2]
    )
    assert shell(project, [require("bash"), "--norc"], f"{script}\nask aiw sta", tmp_path) == "\n"


def test_zsh(project: Project, tmp_path: Path) -> None:
    script = """
autoload -Uz compinit && compinit -u -D
eval "$(aiw completion zsh)"
print -r -- "registered: ${_comps[aiw]} ${_comps[ai-workflow]}"
_describe() { print -rl -- "${(@P)3}" }
_files() { print -r -- "files $*" }
ask() { words=("$@"); CURRENT=$#; _aiw }
ask aiw mile
ask aiw agent finish --task TASK-001
ask aiw agent run --mode=q
ask aiw plan import src/
ask aiw -C d
ask aiw nonsense ''
"""
    assert shell(project, [require("zsh"), "-f"], script, tmp_path) == (
        "registered: _aiw _aiw\nmilestone:look at and drive milestones\n"
        "TASK-001:Add the parser module\n--mode=queue\nfiles \nfiles -/\n"
    )


def test_fish(project: Project, tmp_path: Path) -> None:
    script = """
aiw completion fish | source
complete -C 'aiw mile'
complete -C 'aiw agent finish --task TASK-00'
complete -C 'aiw agent run --mode=q'
complete -C 'aiw plan import src/k'
complete -C 'aiw nonsense '
"""
    assert shell(project, [require("fish"), "--no-config"], script, tmp_path) == (
        "milestone\tlook at and drive milestones\n"
        "TASK-001\tAdd the parser module\nTASK-002\tCover the parser with tests\n"
        "TASK-003\tReport the position of errors\nTASK-004\tDescribe the parser grammar\n"
        "--mode=queue\nsrc/keep.txt\n"
    )


# --- the command and the options of 0.1.0


def test_the_options_of_before_print_or_explain_and_change_nothing(project: Project, sealed_environment: Path) -> None:
    script = project.aiw("completion", "bash").stdout
    assert project.aiw("--show-completion", "bash").stdout == script
    assert project.aiw("--show-completion", env={"SHELL": "/usr/bin/bash"}).stdout == script
    before = sorted(sealed_environment.rglob("*"))
    for name in ("bash", "zsh", "fish"):
        assert project.aiw("completion", name, "--json").json["script"] == project.aiw("completion", name).stdout
        said = project.aiw(f"--install-completion={name}").stdout
        assert said.startswith("Nothing was changed: aiw does not edit the files of your shell.")
        assert f"aiw completion {name}" in said
    assert sorted(sealed_environment.rglob("*")) == before
    assert "no completion for tcsh" in project.aiw("--show-completion", code=2, env={"SHELL": "/bin/tcsh"}).stderr
    assert "SHELL does not say" in project.aiw("--install-completion", code=2, env={"SHELL": ""}).stderr


def test_of_more_ids_than_are_shown_the_one_being_typed_is_found(project: Project) -> None:
    text = project.read("docs/ai/plan/backlog.md")
    items = "".join(f"\n## BLG-{number:03} - Idea number {number}\n" for number in range(10, 700))
    project.write("docs/ai/plan/backlog.md", text + items)
    assert complete(project, "backlog", "show", "BLG-012") == ["BLG-012"]
    assert len(complete(project, "backlog", "show", "")) == 500
