"""Records and snapshots for the tests of documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from ai_workflow.models.adr import Adr
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.project import Project
from ai_workflow.models.run import CheckResult, Run
from ai_workflow.models.snapshot import AnyEntity, Snapshot
from ai_workflow.models.task import Task

GOLDEN = Path(__file__).parent / "golden"
NOW = "2025-03-01T10:00:00Z"
HOSTILE = (
    "# not a heading *bold* _it_ __init__ `code` ``x` [l](http://e.test/a_b) <b>&amp; {{ x }} {% y %} | \\",
    "1. ---\n\n## Finish\n- [ ] x\t\x1b[31mred\u202eevil a@b.test www.e.test $m$ ~~s~~ snake_case \\",
    "```\n# out\n``` <!-- --> ![i](j) (f)[b] \u200b\u2028 日本語 é " + "very long words " * 12 + "#",
)
PIECES = (
    *"#*_`[]()<>&|\\~$!{}^=+-:.'\"1 \n\t\x1b\u202e\u200b\ufeff",
    *("```", "---", "===", "- ", "1. ", "> ", "<!--", "-->", "http://e.test/x_y", "a@b.test", "www.e.test", "&amp;"),
    *("**b**", "_i_", "snake_case", "[l](u)", "{{ a }}", "{% b %}", "word", "Aiw-Task: TASK-999", "日本", "é"),
)
hostile_texts = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=40).map("".join)


def make_task(number: int, **fields: Any) -> Task:
    """A task of M01 that is planned, with every field that a document shows by default."""
    values: dict[str, Any] = {
        "id": f"TASK-{number:03d}",
        "title": f"Report syntax errors with position {number}",
        "status": "planned",
        "milestone_id": "M01",
        "acceptance_criteria": ("Messages begin with `file:line`.", "Tests cover empty input."),
        "verify": ("python -m pytest tests/test_errors.py",),
        "conflict_scopes": ("src/parser.py", "tests/**"),
        "key": f"M01/task-{number}",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Task(**(values | fields))


def make_milestone(number: int, tasks: Sequence[Task], **fields: Any) -> Milestone:
    """A planned milestone that holds the tasks."""
    values: dict[str, Any] = {
        "id": f"M{number:02d}",
        "title": f"Readable parser errors {number}",
        "goal": "A syntax error tells its file, line and column.",
        "status": "planned",
        "base_branch": "main",
        "branch": f"ai/m{number:02d}-readable-parser-errors",
        "task_ids": tuple(task.id for task in tasks),
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Milestone(**(values | fields))


def make_adr(number: int, **fields: Any) -> Adr:
    """An accepted decision that binds everything."""
    values: dict[str, Any] = {
        "id": f"ADR-{number:04d}",
        "title": f"Positions start at one {number}",
        "status": "accepted",
        "decision": "Lines and columns are counted from 1.",
        "consequences": ("Editors show the same numbers.",),
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Adr(**(values | fields))


def make_run(number: int, **fields: Any) -> Run:
    """A run of TASK-001 that completed."""
    values: dict[str, Any] = {
        "id": f"RUN-{number:04d}",
        "lane_id": "core",
        "milestone_id": "M01",
        "task_id": "TASK-001",
        "status": "completed",
        "actor": "codex",
        "started_at": NOW,
        "finished_at": "2025-03-01T10:05:00Z",
    }
    return Run(**(values | fields))


def make_check(command: str = "python -m pytest", **fields: Any) -> CheckResult:
    """A check that passed."""
    values: dict[str, Any] = {
        "command": command,
        "status": "passed",
        "exit_code": 0,
        "duration_s": 2.04,
        "output_tail": "",
    }
    return CheckResult(**(values | fields))


def make_snapshot(*entities: AnyEntity, project_name: str = "demo") -> Snapshot:
    """A snapshot of the entities and a project on `main`."""
    members: dict[type, dict[str, AnyEntity]] = {}
    for entity in entities:
        members.setdefault(type(entity), {})[entity.id] = entity  # type: ignore[union-attr]
    project = Project(
        project_name=project_name, base_branch="main", lineage="0123456789abcdef", created_at=NOW, updated_at=NOW
    )
    grouped: Mapping[type, Mapping[str, AnyEntity]] = members
    return Snapshot(project=project, entities=grouped)


def make_plan(milestones: int, tasks_each: int, *, done: int = 0, **fields: Any) -> Snapshot:
    """A plan of chained tasks, the first `done` of them done; `fields` go into every task."""
    entities: list[AnyEntity] = []
    number = 0
    for milestone_number in range(1, milestones + 1):
        tasks = []
        for index in range(tasks_each):
            number += 1
            values: dict[str, Any] = {
                "milestone_id": f"M{milestone_number:02d}",
                "status": "done" if number <= done else "planned",
                "depends_on": (f"TASK-{number - 1:03d}",) if index else (),
            }
            tasks.append(make_task(number, **(values | fields)))
        entities += [*tasks, make_milestone(milestone_number, tasks)]
    return make_snapshot(*entities)
