"""Makes milestones of backlog items (spec §5): one task an item, with the link back. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from ai_workflow.models.backlog import Backlog, BacklogItem
from ai_workflow.models.base import Record
from ai_workflow.models.ids import format_milestone_id, id_number
from ai_workflow.models.plan import Finding, Plan, PlanMilestone, PlanTask
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.status import BACKLOG_OPEN
from ai_workflow.models.task import backlog_ids
from ai_workflow.plan.comma_lists import normalise_title
from ai_workflow.plan.parse import parse_plan
from ai_workflow.plan.quality import MAX_TASKS
from ai_workflow.plan.write import strip_positions, write_plan

TITLE = "Backlog workpackage"
"""Title of a milestone that is made of several items."""
_BACKLOG_ID = re.compile(r"BLG-?\d{1,9}", re.IGNORECASE | re.ASCII)
_SETTLED = ("done", "archived", "rejected")


class Promotion(Record, frozen=True, kw_only=True):
    """What the items become."""

    milestones: tuple[PlanMilestone, ...] = ()
    problems: tuple[Finding, ...] = ()
    """Why the items cannot be promoted, with their places in the backlog; empty when they can."""


def promote_items(
    items: Sequence[BacklogItem], backlog: Backlog, *, existing: Plan | None, first_number: int, known: Snapshot
) -> Promotion:
    """The milestones for these items.

    Args:
        items: in the order wished for; those that others of them depend on are put first.
        existing: the plan that the milestones are appended to, or None.
        first_number: number of the first new milestone.
        known: the state, whose tasks dependencies may mean.
    """
    ordered = _put_in_order(items, backlog)
    count = -(-len(ordered) // MAX_TASKS)
    places: dict[str, str] = dict(find_linked(existing)) if existing is not None else {}
    chunks = [ordered[at * len(ordered) // count : (at + 1) * len(ordered) // count] for at in range(count)]
    for at, chunk in enumerate(chunks):
        for number, item in enumerate(chunk, start=1):
            places[item.id] = f"{format_milestone_id(first_number + at)}/{number}"
    problems: list[Finding] = []
    milestones = []
    for at, chunk in enumerate(chunks):
        tasks = tuple(_make_task(item, backlog, places, known, problems) for item in chunk)
        milestone_id = format_milestone_id(first_number + at)
        title = chunk[0].title if len(ordered) == 1 else TITLE if count == 1 else f"{TITLE}, part {at + 1}"
        names = ", ".join(item.id for item in chunk)
        goal = f"What {names} of the backlog {'asks' if len(chunk) == 1 else 'ask'} for is in place."
        milestones.append(PlanMilestone(id=milestone_id, title=title, goal=goal, tasks=tasks, line=0))
    return Promotion(milestones=tuple(milestones), problems=tuple(problems))


def find_linked(plan: Plan) -> Mapping[str, str]:
    """Item → place (`M01/2`) of the first task of the plan that links to it; milestones without id are left out."""
    found: dict[str, str] = {}
    for milestone in plan.milestones:
        for number, task in enumerate(milestone.tasks, start=1):
            for item_id in task.backlog:
                if milestone.id is not None:
                    found.setdefault(item_id, f"{milestone.id}/{number}")
    return found


def has_task(item: BacklogItem, known: Snapshot) -> bool:
    """Whether a task that was not given up works on the item, or did."""
    return bool(_tasks_of(item, known))


def _tasks_of(item: BacklogItem, known: Snapshot) -> list[str]:
    return [task.id for task in known.tasks.values() if item.id in backlog_ids(task) and task.status != "cancelled"]


def why_not_open(item: BacklogItem, known: Snapshot) -> str | None:
    """Why the item cannot come into a plan, as the end of a sentence; None when it can."""
    tasks = _tasks_of(item, known)
    if item.status not in BACKLOG_OPEN:
        return f"{item.status}{f' ({tasks[0]})' if tasks else ''}"
    return f"{item.status}, but {tasks[0]} works on it" if tasks else None


def write_appendix(milestones: Sequence[PlanMilestone]) -> str:
    """The text of the milestones alone, to be put behind an existing plan."""
    text = write_plan(Plan(path="", milestones=tuple(milestones)))
    return text.removeprefix("# Milestones\n\n")


def next_number(existing: Plan | None, known: Snapshot, *, workpackage: int) -> int:
    """The first number that no milestone of the plan, nor of the state's current workpackage, has."""
    taken = [milestone.id for milestone in existing.milestones if milestone.id] if existing is not None else []
    if existing is not None:
        taken += [m.id for m in known.milestones.values() if m.workpackage == workpackage]
    return max((id_number(milestone_id)[0] for milestone_id in taken), default=0) + 1


def find_item(plan: Plan, line: int) -> str | None:
    """The item that the plan's text at this line comes from, or None."""
    tasks = [task for milestone in plan.milestones for task in milestone.tasks if task.line <= line]
    return tasks[-1].backlog[0] if tasks and tasks[-1].backlog else None


def _put_in_order(items: Sequence[BacklogItem], backlog: Backlog) -> list[BacklogItem]:
    """The items with every one behind those that it depends on, otherwise in the order given."""
    wanted = {item.id: item for item in items}
    ordered: dict[str, BacklogItem] = {}
    for start in items:
        # Depth first without recursion: the backlog may be one long chain.
        stack = [(start, False)]
        entered: set[str] = set()
        while stack:
            item, is_ready = stack.pop()
            if is_ready:
                ordered.setdefault(item.id, item)
            elif item.id not in ordered and item.id not in entered:
                entered.add(item.id)
                stack.append((item, True))
                needs = (_find_reference(reference, backlog) for reference in reversed(item.depends))
                stack += [(wanted[need.id], False) for need in needs if need is not None and need.id in wanted]
    return list(ordered.values())


def _find_reference(reference: str, backlog: Backlog) -> BacklogItem | None:
    if _BACKLOG_ID.fullmatch(reference):
        number = id_number(reference)
        return next((item for item in backlog.items if id_number(item.id) == number), None)
    title = normalise_title(reference)
    return next((item for item in backlog.items if normalise_title(item.title) == title), None)


def _make_task(
    item: BacklogItem, backlog: Backlog, places: Mapping[str, str], known: Snapshot, problems: list[Finding]
) -> PlanTask:
    if not item.acceptance_criteria:
        hint = f"say what can be observed when it is done: aiw backlog edit {item.id} --acceptance 'text'"
        problems.append(_problem(backlog, item, f"{item.id} has no Acceptance", hint))
    depends = []
    for reference in item.depends:
        place, problem = _resolve(reference, item, backlog, places, known)
        if problem is not None:
            problems.append(problem)
        elif place is not None and place not in depends:
            depends.append(place)
    task = PlanTask(
        title=item.title,
        description=_describe(item),
        acceptance=item.acceptance_criteria,
        verify=item.verify,
        conflicts=item.conflict_scopes,
        # Items are ideas of their own: in the order of the list none waits for the one before it.
        depends=tuple(depends),
        backlog=(item.id,),
        priority=item.priority,
        line=0,
    )
    return _make_readable(task, item, backlog, problems)


def _problem(backlog: Backlog, item: BacklogItem, message: str, hint: str) -> Finding:
    return Finding(level="error", code="not-promotable", path=backlog.path, line=item.line, message=message, hint=hint)


def _describe(item: BacklogItem) -> str:
    notes = "\n".join(f"- {note}" for note in item.notes)
    return "\n\n".join(part for part in (notes, item.text.strip("\n")) if part)


def _make_readable(task: PlanTask, item: BacklogItem, backlog: Backlog, problems: list[Finding]) -> PlanTask:
    """The task as the plan's grammar reads it back: notes that look like fields are fenced off as text."""
    if _reads_back(task):
        return task
    ticks = max((len(run) for run in re.findall(r"`+", task.description)), default=0)
    fence = "`" * max(3, ticks + 1)
    fenced = replace(task, description=f"{fence}text\n{task.description}\n{fence}")
    if _reads_back(fenced):
        return fenced
    problems.append(
        _problem(
            backlog,
            item,
            f"{item.id} has a title or a value that means something else in a plan",
            f"reword it: aiw backlog edit {item.id} --title 'text'",
        )
    )
    return task


def _reads_back(task: PlanTask) -> bool:
    milestone = PlanMilestone(id="M01", title="Title", goal="Goal.", tasks=(task,), line=0)
    plan = Plan(path="", milestones=(milestone,))
    return strip_positions(parse_plan(write_plan(plan), path="")) == plan


def _resolve(
    reference: str, item: BacklogItem, backlog: Backlog, places: Mapping[str, str], known: Snapshot
) -> tuple[str | None, Finding | None]:
    """The reference as the plan has it (None: nothing to wait for), or why there is none."""
    other = _find_reference(reference, backlog)
    if other is None:
        if _BACKLOG_ID.fullmatch(reference):
            message = f"{item.id} depends on {reference}, which is not in the backlog"
            return None, _problem(backlog, item, message, "put its `Depends:` right")
        return reference, None
    if other.id in places and other.id != item.id:
        return places[other.id], None
    tasks = _tasks_of(other, known)
    if tasks:
        return tasks[-1], None
    if other.status == "done":
        return None, None
    state = f"which is {other.status}" if other.status in _SETTLED else "which is in no plan"
    hint = f"promote both, or put its `Depends:` right: aiw backlog promote {other.id} {item.id}"
    return None, _problem(backlog, item, f"{item.id} depends on {other.id}, {state}", hint)
