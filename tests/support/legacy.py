"""Builds repositories as aiw 0.1.0 left them: its config, its `.gitignore` lines, its state files, its commits.

Fields and values are those of states that the real 0.1.0 made; documents hold a word of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from support.project import THREE_MILESTONES, Project, make_project

AT = "2026-11-20T10:00:00+00:00"
PLAN = THREE_MILESTONES.partition("\n## M10")[0].replace("Depends: M01", "Depends: Add the parser module")
BRANCH = "ai/m01-parser-base"
SCOPES = {"TASK-001": "src/parser.py", "TASK-002": "tests/test_parser.py", "TASK-003": "src/errors.py"}
_TITLES = {
    "TASK-001": "Add the parser module",
    "TASK-002": "Cover the parser with tests",
    "TASK-003": "Report the position of errors",
}
_IGNORED = ("state", "tasks", "milestones", "prompts", "runs", "reports", "archive", "generated-packs")
_DEAD = """  milestone_branch: true
  task_commit: true
  pr_provider: github
  use_gh_cli: false
"""


def old_task(task_id: str, status: str, *, milestone: str = "M01", **fields: Any) -> dict[str, Any]:
    return {
        "acceptance_criteria": ["It can be seen."],
        "audit_path": None,
        "blocked_reason": None,
        "branch": None,
        "claimed_at": None,
        "commit_sha": None,
        "conflict_scopes": [SCOPES[task_id]] if task_id in SCOPES else [],
        "created_at": AT,
        "depends_on": [],
        "description": "",
        "finished_at": None,
        "id": task_id,
        "lane_id": None,
        "milestone_id": milestone,
        "notes": [],
        "priority": "medium",
        "run_ids": [],
        "started_at": None,
        "status": status,
        "title": _TITLES.get(task_id, f"Title of {task_id}"),
        "updated_at": AT,
        "worktree": None,
        **fields,
    }


def old_milestone(milestone_id: str, title: str, status: str, task_ids: Sequence[str], **fields: Any) -> dict[str, Any]:
    pr = {
        "blocker": None,
        "body_path": None,
        "created_at": None,
        "status": "not_created",
        "updated_at": None,
        "url": None,
    }
    return {
        "adr_ids": ["ADR-0001"],
        "base_branch": "main",
        "branch": None,
        "created_at": AT,
        "goal": "One goal.",
        "id": milestone_id,
        "lane_id": None,
        "pr": {**pr, **fields.pop("pr", {})},
        "recovery": None,
        "status": status,
        "task_ids": list(task_ids),
        "title": title,
        "updated_at": AT,
        "worktree": None,
        **fields,
    }


def old_run(run_id: str, task_id: str, status: str, **fields: Any) -> dict[str, Any]:
    return {
        "actor": "codex",
        "audit_path": None,
        "changed_files": [],
        "checks": [],
        "commit_sha": None,
        "finished_at": None if status == "started" else AT,
        "id": run_id,
        "lane_id": "core",
        "milestone_id": "M01",
        "prompt_path": None,
        "started_at": AT,
        "status": status,
        "summary": "",
        "task_id": task_id,
        **fields,
    }


def old_lane(lane_id: str = "core", **fields: Any) -> dict[str, Any]:
    return {
        "branch": None,
        "created_at": AT,
        "current_task_id": None,
        "id": lane_id,
        "last_run_id": None,
        "locked_scopes": [],
        "milestone_id": None,
        "status": "idle",
        "updated_at": AT,
        "worktree": None,
        **fields,
    }


def old_recovery(milestone_id: str, parent: str, task_id: str, first: int, *, active: bool) -> list[dict[str, Any]]:
    """A recovery milestone with its three tasks, the first of them under way or blocked by a recovery of its own."""
    ids = [f"TASK-{first + number:03d}" for number in range(3)]
    mark = {
        "blocked_task_id": task_id,
        "parent_milestone_id": parent,
        "recovery_attempt_number": 1,
        "recovery_status": "active",
        "return_target": parent,
    }
    milestone = old_milestone(
        milestone_id, f"Recover {task_id}", "ready", ids, branch=BRANCH, base_branch=BRANCH, recovery=mark
    )
    status = "in_progress" if active else "blocked"
    tasks = [
        old_task(one, status if number == 0 else "planned", milestone=milestone_id, branch=BRANCH, priority="high",
                 depends_on=ids[number - 1 : number] if number else [], started_at=AT)
        for number, one in enumerate(ids)
    ]  # fmt: skip
    return [milestone, *tasks]


def old_blocker(number: int, milestone_id: str, task_id: str) -> dict[str, Any]:
    return {
        "blocked_milestone_id": milestone_id,
        "blocked_task_id": task_id,
        "created_at": AT,
        "evidence": ["test -d src: failed"],
        "fingerprint": f"failed_checks:{milestone_id}:{task_id}",
        "id": f"BLK-{number:04d}",
        "reason": f"Task {task_id} audit failed",
        "recovery_attempt_count": 1,
        "resolved_at": None,
        "status": "open",
        "type": "failed_checks",
    }


class Legacy(Project):
    """A project with a workspace of 0.1.0."""

    def put(self, *records: dict[str, Any]) -> None:
        folders = {"TASK": "tasks", "M": "milestones", "RUN": "runs", "BLK": "blockers", "ADR": "adrs"}
        for record in records:
            head = record["id"].partition("-")[0]
            folder = folders.get(head) or ("milestones" if head[1:].isdigit() else "lanes")
            text = json.dumps(record, indent=2, sort_keys=True) + "\n"
            self.write(f"docs/ai/workspace/state/{folder}/{record['id']}.json", text)

    def commit_all(self, subject: str) -> str:
        """What a finish of 0.1.0 did: everything that is dirty, but its runtime files."""
        self.git("add", "--all", "--", ".", ":(exclude)docs/ai/plan/milestones.md")
        self.git("commit", "--quiet", "-m", subject)
        return self.git("rev-parse", "HEAD")

    def old_bytes(self) -> dict[str, bytes]:
        """Every file of the workspace, by path relative to the root."""
        folder = self.path / "docs/ai/workspace"
        return {str(path.relative_to(self.path)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def make_initialised(folder: Path, *, mode: str = "direct_merge") -> Legacy:
    """After `init` of 0.1.0 with `--base-branch main`."""
    made = make_project(folder, files={"README.md": "# project\n", "src/keep.txt": "kept\n", ".gitignore": "*.log\n"})
    project = Legacy(made.path, made.origin)
    is_pr = str(mode == "pull_request").lower()
    project.write(
        ".ai-workflow.yaml",
        f"version: 1\ngit:\n  enabled: true\n  base_branch: main\n  branch_prefix: ai/\n{_DEAD}"
        f"  closeout_mode: {mode}\n  pr_per_milestone: {is_pr}\n  merge_strategy: merge\n"
        "parallel:\n  enabled: false\nagent:\n  command_prefix: uv run\n  checks:\n  - test -d src\n",
    )
    lines = "".join(f"docs/ai/workspace/{name}/\n" for name in _IGNORED) + "docs/operator/queue-run.md\n"
    project.write(".gitignore", f"*.log\n\n{lines}")
    for rel in (
        "docs/ai/START_HERE.md",
        "docs/ai/README.md",
        "docs/operator/operator.md",
        "docs/operator/codex-agent.md",
    ):
        project.write(rel, "# old\n")
    project.write("docs/ai/plan/backlog.md", "# Backlog\n\n## BLG-001 - An idea\nStatus: idea\n")
    for name in ("active-roadmap", "current-status", "next-handoff"):
        project.write(f"docs/ai/workspace/{name}.md", "old\n")
    project.write("docs/ai/workspace/adr/ADR-0001-one.md", "# ADR-0001\n")
    project.write("docs/ai/workspace/tasks/TASK-000-set-up.md", "old mirror\n")
    project.write("docs/ai/workspace/reports/status.md", "old report\n")
    project.plan(PLAN)
    own = {"base_branch": "main", "created_at": AT, "project_name": "p", "schema_version": 1, "status": "active"}
    own |= {"updated_at": AT, "workspace_version": "0.2.0"}
    project.write("docs/ai/workspace/state/project.json", json.dumps(own, indent=2) + "\n")
    event = (
        '{"actor": "codex", "details": [], "event": "workspace_initialized", "lane_id": null, "milestone_id": null}\n'
    )
    project.write("docs/ai/workspace/state/events/events.jsonl", event)
    adr = {"applies_to": ["git"], "consequences": [], "created_at": AT, "decision": "So.", "id": "ADR-0001"}
    project.put(
        {**adr, "status": "accepted", "title": "One", "updated_at": AT},
        old_milestone("M00", "Bootstrap", "done", ["TASK-000"], branch="ai/m00-bootstrap"),
        old_task("TASK-000", "done", milestone="M00", lane_id="default", branch="ai/m00-bootstrap", finished_at=AT),
        old_lane("default"),
    )
    return project


def make_imported(folder: Path, *, mode: str = "direct_merge") -> Legacy:
    project = make_initialised(folder, mode=mode)
    project.put(
        old_milestone("M01", "Parser base", "ready", ["TASK-001", "TASK-002"]),
        old_milestone("M02", "Parser errors", "ready", ["TASK-003"]),
        old_task("TASK-001", "ready", notes=["backlog_id: BLG-001"]),
        old_task("TASK-002", "planned", depends_on=["TASK-001"]),
        old_task("TASK-003", "planned", milestone="M02", depends_on=["Add the parser module"]),
    )
    return project


def make_mid_task(folder: Path) -> Legacy:
    project = make_imported(folder)
    project.git("checkout", "--quiet", "-b", BRANCH)
    project.put(
        old_milestone("M01", "Parser base", "in_progress", ["TASK-001", "TASK-002"], lane_id="core", branch=BRANCH),
        old_task("TASK-001", "in_progress", lane_id="core", branch=BRANCH, run_ids=["RUN-0001"], started_at=AT),
        old_run("RUN-0001", "TASK-001", "started"),
        old_lane(
            status="active", milestone_id="M01", current_task_id="TASK-001", branch=BRANCH, last_run_id="RUN-0001"
        ),
    )
    lock = {"created_at": AT, "id": "task:TASK-001", "owner": "lane:core", "pid": 1}
    project.write("docs/ai/workspace/state/locks/task:TASK-001.lock", json.dumps(lock))
    project.write("src/parser.py", "begun\n")
    return project


def make_one_done(folder: Path) -> Legacy:
    project = make_mid_task(folder)
    (project.path / "docs/ai/workspace/state/locks/task:TASK-001.lock").unlink()
    sha = project.commit_all("TASK-001: Add the parser module")
    checks = [{"command": "test -d src", "output": "fine\n" * 40_000, "status": "passed"}]
    audit = "docs/ai/workspace/reports/audits/TASK-001.md"
    project.put(
        old_task(
            "TASK-001", "done", lane_id="core", branch=BRANCH, run_ids=["RUN-0001", "RUN-0002"], commit_sha=sha,
            audit_path=audit, started_at=AT, finished_at=AT,
        ),
        old_task("TASK-002", "ready", depends_on=["TASK-001"]),
        old_run("RUN-0002", "TASK-001", "completed", checks=checks, commit_sha=sha, audit_path=audit),
        old_lane(status="active", milestone_id="M01", branch=BRANCH, last_run_id="RUN-0002"),
    )  # fmt: skip
    return project


def _both_done(project: Legacy) -> None:
    project.write("tests/test_parser.py", "done\n")
    sha = project.commit_all("TASK-002: Cover the parser with tests")
    checks = [{"command": "test -d src", "output": "", "status": "passed"}]
    project.put(
        old_task("TASK-002", "done", depends_on=["TASK-001"], run_ids=["RUN-0003"], commit_sha=sha, finished_at=AT),
        old_run("RUN-0003", "TASK-002", "completed", checks=checks, commit_sha=sha),
    )


def make_merged(folder: Path) -> Legacy:
    project = make_one_done(folder)
    _both_done(project)
    project.git("push", "--quiet", "origin", BRANCH)
    project.git("checkout", "--quiet", "main")
    project.git("merge", "--quiet", "--ff-only", BRANCH)
    project.git("push", "--quiet", "origin", "main")
    project.put(
        old_milestone(
            "M01",
            "Parser base",
            "merged",
            ["TASK-001", "TASK-002"],
            lane_id="core",
            branch=BRANCH,
            pr={"status": "merged"},
        )
    )
    project.write("docs/ai/workspace/current-status.md", "changed by the closeout\n")
    return project


def make_pull_request(folder: Path) -> Legacy:
    project = make_one_done(folder)
    text = project.read(".ai-workflow.yaml")
    text = text.replace("direct_merge", "pull_request").replace("pr_per_milestone: false", "pr_per_milestone: true")
    project.write(".ai-workflow.yaml", text)
    _both_done(project)
    project.git("push", "--quiet", "origin", BRANCH)
    pr = {"blocker": "GitHub CLI automation is disabled", "body_path": "docs/ai/workspace/reports/pr/M01.md"}
    project.put(
        old_milestone("M01", "Parser base", "blocked", ["TASK-001", "TASK-002"], lane_id="core", branch=BRANCH, pr=pr)
    )
    return project


def make_ad_hoc(folder: Path) -> Legacy:
    project = make_mid_task(folder)
    notes = ["kind: hotfix", "reason: it is down", "suspended_task: TASK-001"]
    project.put(
        old_task(
            "TASK-004", "ready", milestone="M00", title="Fix the login", priority="high", notes=notes, branch=BRANCH
        )
    )
    return project


def make_recovery(folder: Path) -> Legacy:
    project = make_mid_task(folder)
    project.put(
        old_task("TASK-001", "blocked", lane_id="core", branch=BRANCH, run_ids=["RUN-0001"], blocked_reason="failed"),
        *old_recovery("M01-01", "M01", "TASK-001", 4, active=True),
        old_blocker(0, "M01", "TASK-001"),
        old_run("RUN-0002", "TASK-004", "started", milestone_id="M01-01"),
        old_lane(
            status="active", milestone_id="M01-01", current_task_id="TASK-004", branch=BRANCH, last_run_id="RUN-0002"
        ),
    )
    return project


def make_nested(folder: Path) -> Legacy:
    project = make_recovery(folder)
    project.put(
        *old_recovery("M01-01", "M01", "TASK-001", 4, active=False),
        *old_recovery("M01-01-01", "M01-01", "TASK-004", 7, active=True),
        old_blocker(1, "M01-01", "TASK-004"),
        old_lane(status="active", milestone_id="M01-01-01", current_task_id="TASK-007", branch=BRANCH),
    )
    return project


STATES: dict[str, Callable[[Path], Legacy]] = {
    "initialised": make_initialised,
    "imported": make_imported,
    "mid-task": make_mid_task,
    "one-done": make_one_done,
    "merged": make_merged,
    "pull-request": make_pull_request,
    "ad-hoc": make_ad_hoc,
    "recovery": make_recovery,
    "nested": make_nested,
}
