"""A damaged log of events: nothing depends on it, nothing of it is lost, a repair makes it healthy (spec §7.5)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_workflow.errors import ExitCode
from support.fuzzing import examples, mutants, run
from support.prepared import prepared
from support.project import Project, make_under_way

STATE = "docs/ai/workspace/state"
EVENTS = f"{STATE}/events/events.jsonl"
LINES = st.lists(
    st.sampled_from(
        [
            '{"at": "2026-01-01T00:00:00Z", "kind": "task_claimed", "summary": "x", "actor": "a"}',
            '{"at": 5, "kind": [], "summary": {}}',
            '{"schema_version": 99, "at": "x"}',
            *("{}", "[]", "null", "5", '"x"', "{", "", "\\", "\u2028", "\ufeff{}", "{}{}", "[" * 3000, '{"a":1e400}'),
            *("<<<<<<< ours", "=======", "\0\0\0\0", "{" * 2000, '{"summary": "\\ud800"}', '{"at": "' + "9" * 4000),
        ]
    ),
    max_size=12,
)


@pytest.fixture
def origin(tmp_path: Path) -> Project:
    return prepared(make_under_way, tmp_path)


@examples(4)
@given(data=st.data())
def test_a_damaged_log_of_events(
    origin: Project, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("copy")
    try:
        shutil.copytree(origin.path, folder / "project", symlinks=True)
        project = Project(folder / "project")
        path = project.path / EVENTS
        whole = path.read_bytes()
        text = LINES.map(lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass"))
        mutant = data.draw(mutants(whole) | text | text.map(lambda junk: whole + junk))
        path.write_bytes(mutant)
        root = ("-C", str(project.path))
        for line in ("status --json", "task list --json", "op log", "doctor --json"):
            run(*root, *line.split())
            assert path.read_bytes() == mutant, line
        assert run(*root, "task", "list").code == ExitCode.OK
        for line in ("backlog add --title Idea", "report all", "next", "undo"):
            run(*root, *line.split())
            assert path.read_bytes().startswith(mutant), line
        run(*root, "doctor", "--fix")
        kept = [one.read_bytes() for one in (project.path / "docs/ai/workspace").rglob("*.jsonl*") if one.is_file()]
        assert any(one.startswith(mutant) for one in kept)
        assert "events" not in run(*root, "doctor", "--json").stdout
    finally:
        shutil.rmtree(folder)
