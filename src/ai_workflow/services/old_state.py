"""Reads what aiw 0.1.0 left: its state files, and what git says of the work that it did (spec §2). Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ai_workflow.git.refs import branch_ref, find_commit, list_branches, merge_base
from ai_workflow.git.runner import Git
from ai_workflow.models.legacy import (
    GitFacts,
    OldAdr,
    OldBlocker,
    OldLane,
    OldMilestone,
    OldProject,
    OldRun,
    OldState,
    OldTask,
    TaskCommit,
)
from ai_workflow.models.snapshot import Damage
from ai_workflow.policy.takeover_records import highest_number
from ai_workflow.services.workspace import Workspace
from ai_workflow.store.codec import describe_damage

_FOLDERS: Mapping[str, type[Any]] = {
    "milestones": OldMilestone,
    "tasks": OldTask,
    "lanes": OldLane,
    "adrs": OldAdr,
    "runs": OldRun,
    "blockers": OldBlocker,
}
_COUNTED = {"task": "tasks", "run": "runs", "adr": "adrs", "blocker": "blockers"}
_STARTED = ("in_progress", "blocked", "done", "pr_created", "merged")


def read_old_state(files: Mapping[str, bytes], *, state_rel: str) -> tuple[OldState, tuple[Damage, ...]]:
    """The old records, and the files that hold none.

    Args:
        files: path relative to `state/` → bytes.
        state_rel: how damage names the folder.
    """
    damaged: list[Damage] = []
    found: dict[str, dict[str, Any]] = {folder: {} for folder in _FOLDERS}
    for rel, data in files.items():
        folder, _, name = rel.partition("/")
        if folder not in _FOLDERS or not name.endswith(".json") or "/" in name:
            continue
        record = _decode(_FOLDERS[folder], data, f"{state_rel}/{rel}", damaged)
        if record is not None and record.id != name.removesuffix(".json"):
            path = f"{state_rel}/{rel}"
            damaged.append(Damage(path=path, line=None, message=f"the file holds {record.id}, which is not its name"))
        elif record is not None:
            found[folder][record.id] = record
    project = None
    if "project.json" in files:
        project = _decode(OldProject, files["project.json"], f"{state_rel}/project.json", damaged)
    names = {kind: [rel for rel in files if rel.startswith(f"{folder}/")] for kind, folder in _COUNTED.items()}
    highest = {kind: highest_number(rel.rpartition("/")[2] for rel in rels) for kind, rels in names.items()}
    return OldState(project=project or OldProject(project_name=""), highest=highest, **found), tuple(damaged)


def _decode(record: type[Any], data: bytes, path: str, damaged: list[Damage]) -> Any:
    try:
        return msgspec.json.decode(data, type=record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        damaged.append(describe_damage(data, error, path))
        return None


def read_git_facts(ws: Workspace, old: OldState, commits: Mapping[str, TaskCommit]) -> GitFacts:
    """What git knows of the old state's commits and branches.

    Args:
        commits: from `read_task_commits`.

    Raises:
        AiwError: GIT.
    """
    git = ws.repository.git
    named = sorted({task.commit_sha for task in old.tasks.values() if task.commit_sha})
    facts = GitFacts(
        commits=_existing(git, named),
        by_task={task_id: commit.sha for task_id, commit in commits.items()},
        branches=frozenset(
            [ref.removeprefix("refs/heads/") for ref in list_branches(git)]
            + [ref.split("/", 3)[-1] for ref in list_branches(git, "refs/remotes")]
        ),
    )
    starts = {
        key: start
        for key, milestone in old.milestones.items()
        if milestone.branch and milestone.status in _STARTED and milestone.recovery is None
        if (start := _find_start(ws, milestone, old, facts))
    }
    return msgspec.structs.replace(facts, starts=starts)


def _existing(git: Git, shas: list[str]) -> frozenset[str]:
    if not shas:
        return frozenset()
    asked = "".join(f"{sha}\n" for sha in shas if sha.isalnum()).encode()
    lines = git.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=asked).stdout.decode().split("\n")
    return frozenset(line.split(" ")[0] for line in lines if line.endswith(" commit"))


def read_task_commits(ws: Workspace) -> dict[str, TaskCommit]:
    """Task id → the newest commit with a subject such as `TASK-001: title`, on any branch. Raises AiwError(GIT)."""
    git = ws.repository.git
    heads = ("HEAD",) if find_commit(git, "HEAD") else ()
    args = ("log", "--format=%H %s", "--grep=^TASK-[0-9][0-9]*: ", "--branches", "--remotes", *heads)
    found: dict[str, TaskCommit] = {}
    for line in git.run(*args, ok=None).stdout.decode("utf-8", "replace").split("\n"):
        sha, _, subject = line.partition(" ")
        task_id, colon, title = subject.partition(": ")
        if colon and task_id.startswith("TASK-"):
            found.setdefault(task_id, TaskCommit(sha=sha, title=title.strip()))
    return found


def _find_start(ws: Workspace, milestone: OldMilestone, old: OldState, facts: GitFacts) -> str | None:
    """Where the milestone's branch left base.

    That is their common ancestor; when base holds the whole branch already, or the branch is gone, the parent of the
    first commit that is known of its tasks; and base itself when there is none.
    """
    git = ws.repository.git
    base = find_commit(git, branch_ref(milestone.base_branch or ws.config.git.base_branch))
    base = base or find_commit(git, branch_ref(ws.config.git.base_branch))
    tip = find_commit(git, branch_ref(milestone.branch or ""))
    common = merge_base(git, tip, base) if tip and base else None
    if common is not None and common != tip:
        return common
    tasks = [old.tasks[key] for key in milestone.task_ids if key in old.tasks and old.tasks[key].status == "done"]
    shas = [task.commit_sha if task.commit_sha in facts.commits else facts.by_task.get(task.id) for task in tasks]
    for sha in filter(None, shas):
        parent = find_commit(git, f"{sha}^")
        if parent is not None:
            return parent
    return common or base or find_commit(git, "HEAD")
