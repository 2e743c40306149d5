"""Keeps the files that are functions of the state in step with it: mirrors, audits, handoffs (spec §2)."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection, Mapping

from ai_workflow import fsio
from ai_workflow.config.ownership import handoff_paths
from ai_workflow.config.schema import Config
from ai_workflow.models.ids import sort_ids
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.task import Task
from ai_workflow.policy.secrets import mask
from ai_workflow.store.index import MIN_FILES
from ai_workflow.store.layout import Layout
from ai_workflow.store.mirrored import find_mirrored, remember_mirrored

_MIRROR = re.compile(r"(TASK-\d+|M\d+(-\d+)?)-.*\.md")


class Documents:
    """Writes documents of one workspace, without secrets; each only when its bytes differ."""

    def __init__(self, *, root: str, layout: Layout, config: Config) -> None:
        self._root = root
        self._layout = layout
        self._config = config

    def follow(self, before: Snapshot | None, after: Snapshot) -> None:
        """Brings the mirrors of what changed up to date; of everything when `before` is None.

        Called by the store within each transaction, after the state is on disk. Raises AiwError(IO).
        """
        if before is None:
            self._follow_all(after)
            return
        tasks, milestones = after.changed_since(before, Task), after.changed_since(before, Milestone)
        for task_id in sort_ids(tasks):
            self._follow_changed_task(before, after, task_id)
        for milestone in after.milestones.values():
            if milestone.id in milestones or not tasks.isdisjoint(milestone.task_ids):
                self._follow_milestone(before.find_milestone(milestone.id), after, milestone)
        for dropped in before.milestones.keys() - after.milestones.keys():
            self._remove_milestone(before.milestones[dropped])

    def _follow_all(self, after: Snapshot) -> None:
        from ai_workflow.rendering.mirrors import checksum_milestone, checksum_task

        tasks, milestones = after.tasks, after.milestones
        sums = {task_id: checksum_task(task) for task_id, task in tasks.items()}
        self._mirror_all("tasks", sums, lambda task_id: self._mirror_task(after, tasks[task_id]))
        sums = {milestone.id: checksum_milestone(after, milestone) for milestone in milestones.values()}
        self._mirror_all("milestones", sums, lambda one: self._follow_milestone(None, after, milestones[one]))
        for task in tasks.values():
            if task.audit_path:
                self._follow_audit(after, task)

    def _mirror_all(self, folder: str, sums: Mapping[str, int], mirror: Callable[[str], str]) -> None:
        """Makes each mirror that is not known to be right, with `mirror` (id → file name), and removes all others."""
        since_ns = time.time_ns()
        right = find_mirrored(self._layout, folder, sums) if len(sums) >= MIN_FILES else {}
        names = {record_id: right.get(record_id) or mirror(record_id) for record_id in sums}
        self._sweep(folder, set(names.values()))
        if len(right) < len(names) >= MIN_FILES:
            remember_mirrored(self._layout, folder, sums, names, since_ns=since_ns)

    def _follow_changed_task(self, before: Snapshot, after: Snapshot, task_id: str) -> None:
        from ai_workflow.rendering.mirrors import task_mirror_name

        task, old = after.find_task(task_id), before.find_task(task_id)
        if task is not None:
            self._follow_task(old, after, task)
        elif old is not None:
            fsio.remove_file(self._runtime(f"tasks/{task_mirror_name(old)}"))

    def _mirror_task(self, after: Snapshot, task: Task) -> str:
        from ai_workflow.rendering.mirrors import render_task_mirror, task_mirror_name

        name = task_mirror_name(task)
        self._write_runtime(f"tasks/{name}", render_task_mirror(after, task))
        return name

    def _follow_task(self, old: Task | None, after: Snapshot, task: Task) -> None:
        from ai_workflow.rendering.mirrors import task_mirror_name

        name = self._mirror_task(after, task)
        if old is not None and task_mirror_name(old) != name:
            fsio.remove_file(self._runtime(f"tasks/{task_mirror_name(old)}"))
        if task.audit_path:
            self._follow_audit(after, task)

    def _follow_audit(self, after: Snapshot, task: Task) -> None:
        from ai_workflow.rendering.audits import render_audit

        runs = [after.runs[run_id] for run_id in task.run_ids if run_id in after.runs]
        ended = [run for run in runs if run.status in ("completed", "failed")]
        if not ended or task.audit_path is None:
            return
        run = ended[-1]
        verdict = "fail" if run.status != "completed" else "unproven" if task.unproven else "pass"
        reasons = (run.summary,) if run.status == "failed" and run.summary else ()
        text = render_audit(task, run, verdict=verdict, reasons=reasons, decisions=task.decisions)
        self.write_document(task.audit_path, text)

    def _follow_milestone(self, old: Milestone | None, after: Snapshot, milestone: Milestone) -> str:
        from ai_workflow.rendering.mirrors import milestone_mirror_name, render_milestone_mirror

        name = milestone_mirror_name(milestone)
        self._write_runtime(f"milestones/{name}", render_milestone_mirror(after, milestone))
        if old is not None and milestone_mirror_name(old) != name:
            self._remove_milestone(old)
        return name

    def _remove_milestone(self, milestone: Milestone) -> None:
        from ai_workflow.rendering.mirrors import milestone_mirror_name

        fsio.remove_file(self._runtime(f"milestones/{milestone_mirror_name(milestone)}"))

    def _sweep(self, folder: str, expected: set[str]) -> None:
        try:
            present = os.listdir(self._runtime(folder))
        except OSError:
            return
        for name in present:
            if name not in expected and _MIRROR.fullmatch(name):
                fsio.remove_file(self._runtime(f"{folder}/{name}"))

    def write_handoffs(self, snapshot: Snapshot, *, only: Collection[str] | None = None) -> tuple[str, ...]:
        """Writes the three handoffs as the snapshot wants them.

        Only operations that also commit them call this, besides `init`, `report all`, and repairs (spec §2).

        Args:
            only: paths of those that are written; None means all.

        Returns:
            Their paths relative to the root, changed or not.
        """
        from ai_workflow.rendering.handoff import render_handoffs

        prefix = self._config.agent.command_prefix.strip()
        texts = render_handoffs(snapshot, command_prefix=prefix)
        paths = [rel for rel in handoff_paths(self._config) if only is None or rel in only]
        for rel in paths:
            text = texts[rel.rsplit("/", 1)[-1]]
            self._write(os.path.join(self._root, *rel.split("/")), text)
        return tuple(paths)

    def write_queue_runbook(self, snapshot: Snapshot) -> str:
        """Writes the queue's runbook; returns its path relative to the state's root. Raises AiwError(IO, TEMPLATE)."""
        from ai_workflow.rendering.queue_runbook import render_queue_runbook

        rel = self._config.agent.queue_prompt
        self.write_document(
            rel, render_queue_runbook(snapshot, command_prefix=self._config.agent.command_prefix.strip())
        )
        return rel

    def write_document(self, rel: str, text: str) -> None:
        """Writes a generated document, path relative to the state's root. Raises AiwError(IO, CONFIG)."""
        self._write(self._layout.to_write(rel), text)

    def _runtime(self, rel: str) -> str:
        return os.path.join(self._layout.workspace, *rel.split("/"))

    def _write_runtime(self, rel: str, text: str) -> None:
        path = self._runtime(rel)
        data = mask(text).encode()
        if fsio.create_file(path, data) is None:
            fsio.write_if_changed(path, data, temp_dir=self._layout.temp)

    def _write(self, path: str, text: str) -> None:
        fsio.write_if_changed(path, mask(text).encode(), temp_dir=self._layout.temp)
