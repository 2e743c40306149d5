"""Running checks: what each result records (spec §6.4 step 5, §8.1)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ai_workflow.checks.runner import CheckCommand, check_environment, run_checks
from ai_workflow.models.run import CheckResult


def _command(run: str, *, timeout_s: float = 20.0) -> CheckCommand:
    return CheckCommand(run=run, timeout_s=timeout_s)


def _run_one(tmp_path: Path, run: str, *, timeout_s: float = 20.0) -> CheckResult:
    return run_checks([_command(run, timeout_s=timeout_s)], cwd=tmp_path)[0]


def test_all_commands_run_in_order_whatever_fails(tmp_path: Path) -> None:
    started: list[str] = []
    pieces: list[bytes] = []
    commands = [_command("echo one; exit 3"), _command("echo two"), _command("no-such-tool 2>/dev/null")]
    results = run_checks(
        commands, cwd=tmp_path, on_start=lambda command: started.append(command.run), on_output=pieces.append
    )
    assert [(each.command, each.status, each.exit_code, each.output_tail) for each in results] == [
        ("echo one; exit 3", "failed", 3, "one\n"),
        ("echo two", "passed", 0, "two\n"),
        ("no-such-tool 2>/dev/null", "not_started", None, ""),
    ]
    assert started == [command.run for command in commands]
    assert b"".join(pieces) == b"one\ntwo\n"
    assert all(each.duration_s == round(each.duration_s, 3) and not each.timed_out for each in results)


def test_nothing_to_run_gives_nothing(tmp_path: Path) -> None:
    assert run_checks([], cwd=tmp_path) == ()


def test_a_time_out_ends_its_own_command_only(tmp_path: Path) -> None:
    results = run_checks([_command("echo begun; sleep 60", timeout_s=0.3), _command("echo next")], cwd=tmp_path)
    assert (results[0].status, results[0].exit_code, results[0].timed_out) == ("timed_out", None, True)
    assert results[0].output_tail.startswith("begun\n")
    assert 0.3 <= results[0].duration_s < 5
    assert (results[1].status, results[1].timed_out) == ("passed", False)


def test_a_signal_is_a_failure(tmp_path: Path) -> None:
    result = _run_one(tmp_path, "kill -9 $$")
    assert (result.status, result.exit_code) == ("failed", -9)


def test_what_cannot_start_says_why(tmp_path: Path) -> None:
    result = _run_one(tmp_path / "gone", "true")
    assert (result.status, result.exit_code, result.duration_s) == ("not_started", None, 0.0)
    assert result.output_tail == f"cannot run `/bin/sh` in {tmp_path}/gone: there is no such folder"


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("no-such-program-anywhere --all", "not_started"),
        ("  no-such-program-anywhere\n", "not_started"),
        ("./missing.sh", "failed"),
        ("sh -c 'no-such-program-anywhere'", "failed"),
        ("exit 127", "failed"),
        ("cd . && no-such-program-anywhere", "failed"),
        ("A=1 no-such-program-anywhere", "failed"),
    ],
)
def test_a_program_that_is_not_installed_did_not_start(tmp_path: Path, command: str, status: str) -> None:
    """Only the program that the command itself names: what a script misses may be the task's doing."""
    result = _run_one(tmp_path, command)
    assert result.status == status
    assert result.exit_code == (None if status == "not_started" else 127)
    assert status == "failed" or "no-such-program-anywhere" in result.output_tail


def test_output_of_any_encoding_becomes_text(tmp_path: Path) -> None:
    result = _run_one(tmp_path, r"printf 'caf\351 \303\274 \0 end\n'")
    assert result.output_tail == "caf\ufffd ü  end\n"


def test_terminal_controls_are_taken_out_and_text_stays(tmp_path: Path) -> None:
    result = _run_one(tmp_path, r"printf '\033[1;31mred\033[0m\033]0;title\007 10%%\r100%%\r\nend\b\t.\n'")
    assert result.output_tail == "red 10%\n100%\nend\t.\n"


@pytest.mark.parametrize("unit", [r"\303\274", r"\351"])
def test_a_long_output_keeps_its_end_and_says_so(tmp_path: Path, unit: str) -> None:
    result = _run_one(tmp_path, f"yes \"$(printf '{unit}')\" | head -n 100000; printf the-end")
    first, _, rest = result.output_tail.partition("\n")
    assert first.startswith("[output before this is left out: ")
    assert rest.endswith("\nthe-end")
    assert 60_000 < len(result.output_tail.encode()) <= 64 * 1024


def test_the_environment_points_git_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/elsewhere/index")
    result = _run_one(tmp_path, 'echo "[$GIT_DIR$GIT_INDEX_FILE] $AIW_CHECK [$CI] $GIT_EDITOR"')
    assert result.output_tail == "[] 1 [] false\n"
    assert os.environ["GIT_DIR"] == "/elsewhere"
    assert check_environment({"A": "1", "GIT_WORK_TREE": "x"}) == {"A": "1", "AIW_CHECK": "1"}
