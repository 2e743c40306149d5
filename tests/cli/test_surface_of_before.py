"""Every command of 0.1.0 is there, takes its arguments and options, and answers `--help` (spec §8)."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

import pytest

from ai_workflow.cli.runtime import Command
from ai_workflow.cli.table import COMMANDS
from support.project import Project

SURFACE: dict[str, tuple[str, ...]] = {
    "version": (),
    "init": ("--force", "--base-branch main", "--project-name x", "--no-git"),
    "doctor": ("--fix", "--json"),
    "status": (),
    "next": ("--lane core", "-l core"),
    "plan import PATH": ("--no-chain", "--force", "--optimize"),
    "plan validate": ("PATH",),
    "plan optimize --dry-run": ("PATH", "--mode conservative", "--mode balanced", "--mode aggressive"),
    "plan optimize --apply": ("PATH",),
    "plan show": ("PATH",),
    "milestone list": (),
    "milestone show M01": (),
    "milestone start M01": ("--lane core", "--worktree", "--no-git", "--allow-unmerged-previous"),
    "milestone finish M01": ("--allow-incomplete",),
    "milestone pr M01": (),
    "task list": ("--milestone M01", "-m M01", "--status ready", "-s done"),
    "task show TASK-001": (),
    "task claim": ("--lane core",),
    "task start TASK-001": ("--lane core",),
    "task done TASK-001": ("--lane core", "--commit", "--summary x"),
    "task cancel TASK-001": ("--lane core", "--reason x"),
    "task adhoc --title x": ("--kind ad-hoc", "--kind hotfix", "--kind remedial", "--lane core", "--reason x"),
    "task block TASK-001 reason": (),
    "task unblock TASK-001": (),
    "backlog list": (),
    "backlog show BLG-001": (),
    "backlog add --title x": ("--priority high", "--note x", "--acceptance x", "--conflict x", "--tag x"),
    "backlog edit BLG-001 --priority high": ("--status idea", "--note x --note y"),
    "backlog select BLG-001": (),
    "backlog unselect BLG-001": (),
    "backlog archive BLG-001": ("--reason x",),
    "backlog promote": ("--selected", "BLG-001 --output docs/ai/plan/milestones.md", "BLG-001 BLG-002"),
    "lane list": (),
    "lane show core": (),
    "lane start core M01": ("--worktree", "--no-git", "--allow-unmerged-previous"),
    "lane pause core": (),
    "lane resume core": (),
    "lane finish core": (),
    "lane cleanup core --force": ("--detach", "--reason x"),
    "prompt next": ("--lane core", "--no-claim"),
    "prompt task TASK-001": ("--lane core",),
    "prompt milestone M01": (),
    "prompt print": ("--lane core",),
    "git branch M01": (),
    "git commit TASK-001": (),
    "git push M01": (),
    "git pr M01": ("--no-create",),
    "git sync": (),
    "git cleanup": ("--dry-run", "--local", "--remote", "--merged", "--force", "--allow-unmerged-remote"),
    "adr list": (),
    "adr show ADR-0001": (),
    "adr new Title": ("--decision x", "-d x", "--applies-to x --applies-to y", "--consequence x --consequence y"),
    "adr accept ADR-0001": (),
    "report all": (),
    "report status": (),
    "report tasks": (),
    "report milestones": (),
    "report lanes": (),
    "report git": (),
    "run list": (),
    "run show RUN-0001": (),
    "run start": ("--lane core", "--task TASK-001", "-t TASK-001", "--summary x"),
    "run finish RUN-0001": ("--status completed", "--summary x"),
    "recovery list": (),
    "recovery show M01-01": (),
    "recovery start M01-01": ("--lane core",),
    "recovery resolve M01-01": ("--lane core",),
    "recovery abort M01-01": ("--reason x",),
    "agent plan-prompt": ("--target milestones", "--target bootstrap", "--print"),
    "agent bootstrap": (
        *("--plan PATH", "--lane core", "--milestone M01", "-m M01", "--worktree", "--no-git"),
        *("--force-import", "--optimize-plan", "--allow-unmerged-previous"),
    ),
    "agent task": ("TASK-001", "1", "--lane core", "--allow-unmerged-previous"),
    "agent run": (
        *("--lane core", "--mode single", "--mode queue", "--plan PATH", "--milestone M01", "-m M01"),
        *("--worktree", "--no-git", "--force-import", "--allow-unmerged-previous"),
    ),
    "agent finish": (
        *("--lane core", "--task TASK-001", "-t 1", "--commit", "--no-commit", "--summary x", "--audit pass"),
        *("--audit fail", "--audit skipped", "--check", "--no-check", "--check-cmd x --check-cmd y", "--allow-failed"),
    ),
    "agent audit TASK-001": ("--lane core", "--result pass", "--check x --check y"),
    "workspace reset --force": ("--regenerate-handoffs",),
    "workpackage install --slug x --pack PATH": ("--optimize-plan",),
    "workpackage install x --pack PATH": (),
}
"""Command with its necessary arguments → each further argument or option that it takes, by itself."""

PENDING: set[str] = set()
"""Commands that do not exist yet; one that comes to exist must leave this list. It ends empty."""
PENDING_OPTIONS: set[tuple[str, str]] = set()


def path_of(line: str) -> str:
    """The path of the command in a line: the longest one that the table or `PENDING` has, else two words."""
    words = line.split()
    two = " ".join(words[:2])
    return two if two in COMMANDS or two in PENDING else words[0]


def parser_of(path: str) -> argparse.ArgumentParser:
    module, _, attribute = COMMANDS[path][0].partition(":")
    command = getattr(import_module(module), attribute)
    assert isinstance(command, Command)
    return command.make_parser(path)


def test_what_is_pending_does_not_exist_and_everything_else_does() -> None:
    paths = {path_of(line) for line in SURFACE}
    assert paths & PENDING & set(COMMANDS) == set(), "these exist: take them out of PENDING"
    assert paths - PENDING - set(COMMANDS) == set(), "these are missing"
    assert PENDING - paths == set()


@pytest.mark.parametrize("line", [line for line in SURFACE if path_of(line) not in PENDING])
def test_arguments_and_options_are_taken(line: str) -> None:
    path = path_of(line)
    parser = parser_of(path)
    needed = line.split()[len(path.split()) :]
    parser.parse_args(needed)
    for option in SURFACE[line]:
        if (line, option) in PENDING_OPTIONS:
            continue
        parser.parse_args([*needed, *option.split()])
        parser.parse_args([*option.split(), *needed])


def test_pending_options_are_really_missing() -> None:
    from ai_workflow.errors import AiwError

    for line, option in PENDING_OPTIONS:
        path = path_of(line)
        with pytest.raises(AiwError):
            parser_of(path).parse_args([*line.split()[len(path.split()) :], *option.split()])


@pytest.mark.parametrize("path", list(COMMANDS))
def test_every_command_answers_help(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    from ai_workflow.cli.main import main

    assert main([*path.split(), "--help"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.startswith(f"usage: aiw {path}")
    assert "example:\n  aiw " in shown.out


def test_every_group_answers_help_and_bare_it_is_a_usage_error() -> None:
    from ai_workflow.cli.main import main
    from ai_workflow.cli.table import GROUPS

    for group in GROUPS:
        assert main([group, "--help"]) == 0
        assert main([group]) == 2
    assert main(["--help"]) == 0
    assert main([]) == 2
    assert main(["--version"]) == 0


def test_root_options_of_before(tmp_path: Path) -> None:
    project = Project(tmp_path)
    for words in (("--root", ".", "version"), ("-C", ".", "version"), ("--version",), ("--show-completion", "bash")):
        project.aiw(*words)
