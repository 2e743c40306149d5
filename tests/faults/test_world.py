"""A full disk, no permission, closed streams, a clock that jumps, no git: a sentence, the right code, nothing lost
(spec §7.6).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.fault_cases import FINISH, STATE, check_finish, check_import, files_of, prepare_finish, prepare_import
from support.prepared import prepared
from support.project import Project, Result

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="made for Linux")]

READING = (("status",), ("task", "list"), ("doctor",), ("op", "log"), ("plan", "validate"))
AIW = f"{sys.executable} -m ai_workflow"


@pytest.fixture
def planned(tmp_path: Path) -> Project:
    return prepared(prepare_import, tmp_path)


@pytest.fixture
def worked(tmp_path: Path) -> Project:
    return prepared(prepare_finish, tmp_path)


def shell(project: Project, script: str, *, mounts: bool = False) -> Result:
    """Runs a shell script in the project, in a mount namespace of its own when it mounts something."""
    words = [*_namespace(), "sh", "-c", script] if mounts else ["bash", "-c", script]
    done = subprocess.run(
        words, cwd=project.path, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    result = Result(done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stdout + done.stderr, result
    return result


def _namespace() -> list[str]:
    words = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*words, "mount", "-t", "tmpfs", "x", "/mnt"]).returncode:
        pytest.skip("no file system can be mounted here, not even in a namespace of our own")
    return words


def refused(result: Result, words: str) -> None:
    """One sentence with these words, and exit 1."""
    assert result.code == 1, result
    assert [line for line in result.stderr.split("\n") if line.startswith("error: ")], result
    assert words in result.stderr, result


@pytest.mark.parametrize("room_kb", [0, 4, 16, 48, 160])
def test_a_disk_that_is_full_loses_nothing_and_with_room_the_same_command_heals(worked: Project, room_kb: int) -> None:
    command = f"{AIW} {' '.join(FINISH)}"
    script = f"""
        mount -t tmpfs -o size=8m disk /mnt && cp -a .. /mnt/all && cd /mnt/all/project || exit 99
        git remote set-url origin /mnt/all/origin.git
        head -c {room_kb}k /dev/zero > /mnt/room
        cat /dev/zero > /mnt/filled 2> /dev/null; rm /mnt/room
        {command}; code=$?
        {AIW} status > /dev/null || exit 98
        rm /mnt/filled
        if [ $code != 0 ]; then {command} > /dev/null || exit 97; fi
        cp -a /mnt/all {worked.path.parents[1]}/after; exit $code
    """
    done = shell(worked, script, mounts=True)
    assert done.code in (0, 1), done
    if done.code:
        assert "error: " in done.stderr, done
        assert "defect" not in done.stderr, done
    after = worked.path.parents[1] / "after"
    check_finish(Project(after / "project", after / "origin.git"))


def test_on_a_read_only_file_system_reading_works_and_writing_is_one_sentence(worked: Project) -> None:
    before = files_of(worked.path)
    for command in READING:
        result = shell(worked, f"mount --bind -r . . && cd $PWD && {AIW} {' '.join(command)}", mounts=True)
        assert result.code == worked.aiw(*command, code=None).code == 0, result
    for words in (" ".join(FINISH), "next", "backlog add --title x", "plan import", "undo"):
        result = shell(worked, f"mount --bind -r . . && cd $PWD && {AIW} {words}", mounts=True)
        refused(result, "Read-only file system")
    assert files_of(worked.path) == before


def test_a_limit_on_the_size_of_files_is_a_sentence(planned: Project) -> None:
    result = shell(planned, f"ulimit -f 1; {AIW} plan import")
    refused(result, "File too large")
    planned.aiw("plan", "import")
    check_import(planned)


@pytest.mark.parametrize("command", ["status", "task list --json", "--help", "op log"])
def test_a_reader_that_goes_away_is_no_error(planned: Project, command: str) -> None:
    result = shell(planned, f"set -o pipefail; {AIW} {command} | head -c 0")
    assert (result.code, result.stderr) == (0, "")


@pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_nothing_of_what_is_done(worked: Project, streams: str) -> None:
    result = shell(worked, f"{AIW} {' '.join(FINISH)} {streams}")
    assert result.code == 0, result
    check_finish(worked)
    assert shell(worked, f"{AIW} task show TASK-999 {streams}").code == 1


def test_talk_that_nobody_hears_does_not_leave_the_work_half_done(worked: Project) -> None:
    result = shell(worked, f"set -o pipefail; {AIW} {' '.join(FINISH)} --verbose 2>&1 >/dev/null | head -c 0")
    assert result.code == 0, result
    check_finish(worked)


def test_a_result_that_cannot_be_written_is_said(planned: Project) -> None:
    for command in ("status", "status --json", "--help"):
        result = shell(planned, f"{AIW} {command} > /dev/full")
        refused(result, "No space left on device")
    assert shell(planned, f"{AIW} status > /dev/full 2>&1").code == 1
    assert shell(planned, f"{AIW} task show TASK-999 2> /dev/full").code == 1


def test_without_git_it_says_so(planned: Project, tmp_path: Path) -> None:
    before = files_of(planned.path)
    result = planned.aiw("next", code=1, env={"PATH": str(tmp_path)})
    assert "cannot run `git`: no such program" in result.stderr
    assert planned.aiw("status", env={"PATH": str(tmp_path)}).code == 0
    assert files_of(planned.path).keys() == before.keys()


def test_a_clock_that_goes_back_changes_no_order_and_loses_nothing(worked: Project, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import time\n_now = time.gmtime\ntime.gmtime = lambda s=None: _now(time.time() - 9e8 if s is None else s)\n"
    )
    worked.aiw(*FINISH, env={"PYTHONPATH": str(tmp_path)})
    check_finish(worked)
    names = [one["name"] for one in worked.aiw("op", "log", "--json").json["operations"]]
    assert any(name.startswith("finish TASK-001") for name in (names[0], names[-1]))
    assert worked.aiw("doctor", "--json").json["ok"]
    worked.aiw("undo")
    assert worked.task(1)["status"] == "in_progress"


def test_a_state_that_may_not_be_read_or_written_is_a_sentence(planned: Project) -> None:
    as_others = ""
    if os.geteuid() == 0:
        # Root without the capabilities that let it pass every permission.
        as_others = "setpriv --bounding-set=-dac_override,-dac_read_search"
        if shutil.which("setpriv") is None or shell(planned, f"{as_others} true").code:
            pytest.skip("root cannot lay down its powers here: setpriv is missing or refused")
    state = planned.path / STATE
    for folder in (state, planned.path / "docs/ai/workspace/locks/unfinished"):
        folder.chmod(0o555)
        refused(shell(planned, f"{as_others} {AIW} plan import"), "Permission denied")
        assert shell(planned, f"{as_others} {AIW} status").code == 0
        folder.chmod(0o755)
    state.chmod(0)
    for command in ("status", "task list", "plan import", "next"):
        refused(shell(planned, f"{as_others} {AIW} {command}"), "Permission denied")
    state.chmod(0o755)
    planned.aiw("plan", "import")
    check_import(planned)
