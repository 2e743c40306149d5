"""A state made anew from the plan, the backlog, the decisions and what commits tell (spec §7.5, ADR 0034). Pure.

What a commit proves is done. What only the plan knows is there to be claimed. What nobody can tell is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from ai_workflow.models.adr import Adr
from ai_workflow.models.backlog import BacklogItem
from ai_workflow.models.base import Record
from ai_workflow.models.blocker import make_blocker_ref
from ai_workflow.models.history import CommittedTask, History, KnownWork, MilestoneMerge
from ai_workflow.models.ids import find_free_branch, id_number, id_order, make_branch_name, make_slug
from ai_workflow.models.lane import Lane
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.project import Counters, Project, Workpackage
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.models.status import TASK_CLOSED, MilestoneStatus
from ai_workflow.models.task import BACKLOG_NOTE, Decision, Parked, Task
from ai_workflow.policy.blockers import open_blocker
from ai_workflow.policy.claiming import KIND_NOTE, refresh_readiness
from ai_workflow.policy.gates import NO_CHECKS
from ai_workflow.policy.out_of_band import NUMBER

UNKNOWN_REST = "plan"
"""Step of the blocker that holds a milestone of which nobody can tell whether it had more tasks."""
_LINKED = ("selected", "active", "blocked", "done")


class Setting(Record, frozen=True, kw_only=True):
    """Where it happens."""

    project_name: str
    base_branch: str
    branch_prefix: str
    lineage: str
    command_prefix: str
    plan_path: str
    actor: str
    now: str


class Sources(Record, frozen=True, kw_only=True):
    """All that was found besides the plan."""

    history: History
    adrs: tuple[Adr, ...]
    items: tuple[BacklogItem, ...]
    branches: dict[str, str]
    """As `KnownWork` has them; `names` and `taken_branches` too."""
    starts: dict[str, str]
    """Milestone id → the commit that its branch left base at."""
    taken_branches: tuple[str, ...]
    names: dict[str, str]
    parked: dict[str, Parked]
    counters: Counters
    """The highest numbers that anything names."""


class Rebuilt(Record, frozen=True, kw_only=True):
    """The new state, the project first, and what a person should know of it."""

    snapshot: Snapshot
    notes: tuple[str, ...]


class Rebuilding:
    """One rebuild.

    Attributes:
        work: what a plan is compared with.
        empty: the state without milestones and tasks.
    """

    def __init__(self, sources: Sources, setting: Setting) -> None:
        self._sources = sources
        self._setting = setting
        self._now = setting.now
        self._notes: list[str] = []
        history = sources.history
        self._package = max(1, history.highest.workpackage)
        self._done = _choose_commits(one for one in history.tasks if one.workpackage == self._package)
        self._merges = {one.id: one for one in reversed(history.merges) if one.workpackage == self._package}
        self._listed = {task.id: task for merge in self._merges.values() for task in merge.tasks}
        self._homes = {task.id: merge.id for merge in self._merges.values() for task in merge.tasks}
        self._homes |= {one.id: one.milestone_id for one in self._done.values()}
        self._titles = {key: task.title for key, task in self._listed.items()}
        self._titles |= {key: one.title for key, one in self._done.items() if one.title}
        self._branches = [*sources.taken_branches]
        earlier = [id_number(one.id)[0] for one in history.tasks if one.workpackage < self._package]
        self.work = KnownWork(
            workpackage=self._package,
            homes=self._homes,
            titles=self._titles,
            names=sources.names,
            used=frozenset({one.id for one in history.tasks} | set(self._listed) | set(sources.parked)),
            first=max(earlier, default=0) + 1,
            branches=sources.branches,
            taken_branches=sources.taken_branches,
        )
        self.empty = self._empty()

    def build(self, planned: Snapshot | None) -> Rebuilt:
        """The state as far as it is known.

        Args:
            planned: the state with what the plan says, nothing of it done; None without a plan.
        """
        snapshot = self.empty if planned is None else planned
        self._branches += [m.branch for m in snapshot.milestones.values() if m.branch]
        in_plan = frozenset(snapshot.milestones)
        for milestone_id in sorted(set(self._homes.values()) | set(self._merges), key=id_order):
            snapshot = self._add_work(snapshot, milestone_id)
        for milestone in tuple(snapshot.milestones.values()):
            snapshot = self._settle(snapshot, milestone, is_planned=milestone.id in in_plan)
        snapshot = self._put_parked(snapshot)
        snapshot = snapshot.apply(Changes(put=(self._count(snapshot), self._lane(snapshot))))
        snapshot = snapshot.apply(refresh_readiness(snapshot, now=self._now))
        if planned is None and (self._done or self._merges):
            self._notes.append("without its plan only work with a commit is known, and of that the titles")
        return Rebuilt(snapshot=snapshot, notes=tuple(self._notes))

    def _empty(self) -> Snapshot:
        setting = self._setting
        package = Workpackage(number=self._package, plan_path=setting.plan_path, plan_digest="", imported_at=self._now)
        project = Project(
            project_name=setting.project_name,
            base_branch=setting.base_branch,
            lineage=setting.lineage,
            counters=replace(self._sources.counters, workpackage=max(0, self._package - 1)),
            workpackage=package if self._done or self._merges else None,
            scaffold_commit=self._sources.history.scaffold,
            created_at=self._now,
            updated_at=self._now,
        )
        return Snapshot(project=project, entities={Adr: {adr.id: adr for adr in self._sources.adrs}})

    def _count(self, snapshot: Snapshot) -> Project:
        project = snapshot.require_project()
        highest = max((id_number(task_id)[0] for task_id in snapshot.tasks), default=0)
        return replace(project, counters=replace(project.counters, task=max(project.counters.task, highest)))

    def _milestone(self, milestone_id: str, title: str, task_ids: tuple[str, ...]) -> Milestone:
        branch = self._sources.branches.get(milestone_id)
        if branch is None:
            name = make_branch_name(self._setting.branch_prefix, milestone_id, title)
            branch = find_free_branch(name, self._branches)
        self._branches.append(branch)
        return Milestone(
            id=milestone_id,
            title=title,
            status="ready",
            lane_id="core",
            base_branch=self._setting.base_branch,
            branch=branch,
            task_ids=task_ids,
            adr_ids=(),
            workpackage=self._package,
            created_at=self._now,
            updated_at=self._now,
        )

    def _add_work(self, snapshot: Snapshot, milestone_id: str) -> Snapshot:
        """What commits prove of one milestone: its tasks are done, or were given up before it was merged."""
        milestone = snapshot.find_milestone(milestone_id)
        merge = self._merges.get(milestone_id)
        own = sorted((key for key, home in self._homes.items() if home == milestone_id), key=id_order)
        if milestone is None:
            milestone = self._milestone(milestone_id, self._title_of(milestone_id, own, merge), ())
        put: list[Task] = []
        for task_id in own:
            task = snapshot.find_task(task_id) or self._new_task(task_id, milestone_id)
            put.append(self._finish(task, milestone))
        added = tuple(task_id for task_id in own if task_id not in milestone.task_ids)
        adr_ids = tuple(adr.id for adr in self._sources.adrs if adr.status == "accepted")
        milestone = replace(milestone, task_ids=(*milestone.task_ids, *added), adr_ids=milestone.adr_ids or adr_ids)
        return snapshot.apply(Changes(put=(milestone, *put)))

    def _title_of(self, milestone_id: str, own: Sequence[str], merge: MilestoneMerge | None) -> str:
        if merge is not None:
            return merge.title
        is_single = id_number(milestone_id)[0] == NUMBER and len(own) == 1
        if is_single:
            return self._titles.get(own[0], milestone_id)
        branch = self._sources.branches.get(milestone_id, "")
        slug = branch.removeprefix(f"{self._setting.branch_prefix}{milestone_id.lower()}-")
        return milestone_id if slug in ("", branch) else slug.replace("-", " ").capitalize()

    def _new_task(self, task_id: str, milestone_id: str) -> Task:
        title = self._titles.get(task_id, task_id)
        notes = [f"{KIND_NOTE}ad-hoc"] if id_number(milestone_id)[0] == NUMBER else []
        items = [one.id for one in self._sources.items if make_slug(one.title) == make_slug(title)]
        linked = [one for one in self._sources.items if one.id in items and one.status in _LINKED]
        if len(items) == 1 and linked:
            notes.append(f"{BACKLOG_NOTE}{items[0]}")
        return Task(
            id=task_id,
            title=title,
            status="ready",
            milestone_id=milestone_id,
            notes=tuple(notes),
            key=f"{milestone_id}/{make_slug(title)}",
            workpackage=self._package,
            created_at=self._now,
            updated_at=self._now,
        )

    def _finish(self, task: Task, milestone: Milestone) -> Task:
        made = self._done.get(task.id)
        if made is not None:
            held = _is_held(made.unproven)
            decision = Decision(kind="unproven", reason=made.unproven or "", actor=self._setting.actor, at=made.at)
            return replace(
                task,
                status="done",
                commit_sha=made.sha,
                branch=milestone.branch,
                lane_id="core",
                unproven=made.unproven,
                decisions=(decision,) if held else (),
                finished_at=made.at,
                updated_at=made.at,
            )
        listed = self._listed[task.id]
        at = self._merges[milestone.id].at
        ended = replace(task, status=listed.status, finished_at=at, updated_at=at)
        if listed.status == "done":
            return replace(ended, no_change_reason="the merge of its milestone counts it as done, without a commit")
        return ended

    def _settle(self, snapshot: Snapshot, milestone: Milestone, *, is_planned: bool) -> Snapshot:
        """The milestone's status, from what is known of its tasks and of base."""
        tasks = snapshot.tasks_of(milestone)
        made = [self._done[task.id] for task in tasks if task.id in self._done]
        is_whole = all(task.status in TASK_CLOSED for task in tasks)
        is_landed = bool(made) and all(one.is_landed for one in made)
        if milestone.id in self._merges:
            return self._merge(snapshot, milestone, tasks)
        if is_landed and is_whole:
            return snapshot.apply(Changes(put=(self._moved(milestone, "merged", made),)))
        if not made:
            return snapshot
        if is_landed:
            names = ", ".join(task.id for task in tasks if task.status not in TASK_CLOSED)
            self._notes.append(f"{milestone.id}: its commits are on base, and {names} of the plan is not done")
        started = self._moved(milestone, "in_progress", made)
        snapshot = snapshot.apply(Changes(put=(started,)))
        is_single = id_number(milestone.id)[0] == NUMBER
        if is_planned or is_single or not is_whole:
            return snapshot
        return self._hold(snapshot, started)

    def _merge(self, snapshot: Snapshot, milestone: Milestone, tasks: Iterable[Task]) -> Snapshot:
        merge = self._merges[milestone.id]
        left = [task for task in tasks if task.status not in TASK_CLOSED]
        reason = "its milestone was merged without it, before the state was rebuilt"
        skipped = tuple(
            replace(
                task,
                status="skipped",
                decisions=(Decision(kind="skip", reason=reason, actor=self._setting.actor, at=self._now),),
                finished_at=merge.at,
                updated_at=self._now,
            )
            for task in left
        )
        if left:
            names = ", ".join(task.id for task in left)
            self._notes.append(f"{milestone.id} is merged without {names}: counted as skipped")
        start = self._sources.starts.get(milestone.id)
        merged = replace(milestone, status="merged", start_sha=start, updated_at=merge.at)
        return snapshot.apply(Changes(put=(merged, *skipped)))

    def _moved(self, milestone: Milestone, status: MilestoneStatus, made: Sequence[CommittedTask]) -> Milestone:
        start = self._sources.starts.get(milestone.id)
        return replace(milestone, status=status, start_sha=start, updated_at=max(one.at for one in made))

    def _hold(self, snapshot: Snapshot, milestone: Milestone) -> Snapshot:
        """Nobody knows whether it is complete, so that it is not merged before a person says so."""
        message = f"{milestone.id} may have had more tasks than those with a commit: its plan is gone"
        command = f"aiw milestone finish {milestone.id} --accept-unproven 'it has no more tasks'"
        blocker, opened = open_blocker(
            snapshot,
            klass="human",
            step=UNKNOWN_REST,
            message=message,
            next_command=f"{self._setting.command_prefix}{command}",
            milestone_id=milestone.id,
            task_id=None,
            now=self._now,
        )
        blocked = replace(milestone, status="blocked", blocker=make_blocker_ref(blocker))
        self._notes.append(f"{message}; put the plan back and import it, or: {command}")
        return snapshot.apply(opened).apply(Changes(put=(blocked,)))

    def _put_parked(self, snapshot: Snapshot) -> Snapshot:
        for task_id, parked in self._sources.parked.items():
            task = snapshot.find_task(task_id)
            if task is not None and task.status not in TASK_CLOSED:
                snapshot = snapshot.apply(Changes(put=(replace(task, parked=parked),)))
                self._notes.append(f"the parked work of {task_id} comes back with its next claim")
            else:
                why = "which nothing else tells of" if task is None else f"which is {task.status}"
                self._notes.append(f"refs/aiw/parked/{task_id} holds parked work of {task_id}, {why}; it stays there")
        return snapshot

    def _lane(self, snapshot: Snapshot) -> Lane:
        lane = Lane(id="core", created_at=self._now, updated_at=self._now)
        under_way = [m for m in snapshot.milestones.values() if m.status in ("in_progress", "blocked")]
        planned = [m for m in under_way if id_number(m.id)[0] != NUMBER] or under_way
        if not planned:
            return lane
        current = planned[0]
        status = "blocked" if current.status == "blocked" else "active"
        return replace(lane, status=status, milestone_id=current.id, branch=current.branch)


def _choose_commits(found: Iterable[CommittedTask]) -> dict[str, CommittedTask]:
    """The commit of each task: one that is its own rather than a squash, and of copies the first that was made."""
    chosen: dict[str, CommittedTask] = {}
    for one in found:
        before = chosen.get(one.id)
        if before is None or one.is_alone >= before.is_alone:
            title = one.title or (before.title if before else None)
            is_landed = one.is_landed or (before is not None and before.is_landed)
            chosen[one.id] = replace(one, title=title, is_landed=is_landed)
        else:
            chosen[one.id] = replace(before, is_landed=before.is_landed or one.is_landed)
    return chosen


def _is_held(unproven: str | None) -> bool:
    """Whether a person waived a check, which holds the merge (ADR 0008)."""
    return unproven not in (None, NO_CHECKS)


def is_rest_unknown(milestone: Milestone) -> bool:
    """Whether a person has yet to say that a rebuilt milestone without a plan is complete."""
    blocker = milestone.blocker
    return blocker is not None and blocker.step == UNKNOWN_REST and not milestone.accepted_unproven
