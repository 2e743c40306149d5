"""Judges a plan: every rule of spec §4.2, and the score. Pure but for the question whether a scope exists."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, TypeAlias

from ai_workflow.models.base import Record
from ai_workflow.models.plan import Finding, Level, Plan, PlanMilestone, PlanTask
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.plan.dependencies import Resolver, find_cycles, milestone_graph, task_graph
from ai_workflow.plan.matching import Place, task_at
from ai_workflow.plan.wording import (
    CONSUMERS,
    PRODUCERS,
    count_words,
    find_domain,
    first_word,
    is_generic,
    is_micro,
    is_vague,
)

ScopeState: TypeAlias = Literal["matches", "new", "nothing", "submodule", "outside", "parent"]
"""What a scope means in the work tree: `matches` something; `new`: nothing yet, but its folder exists; `nothing`: not
even that; lies in a `submodule`; `outside` the work tree; `parent`: above the root but inside the work tree."""

MAX_TASKS = 10
MAX_ACCEPTANCE = 12
MAX_SCOPES = 10
MAX_DOMAINS = 2
MIN_TITLE_WORDS = 3
_MAX_SUGGESTIONS = 20

RULES: dict[str, tuple[Level, int, str]] = {
    "no-milestone": ("error", 30, "add a heading such as `## M01 - Title` with `Tasks:` below it"),
    "milestone-without-tasks": ("error", 25, "add `Tasks:` and bullets; for a sub-heading use `###`"),
    "duplicate-milestone-id": ("error", 20, "give every milestone its own number"),
    "duplicate-task-id": ("error", 20, "remove the id from one of them"),
    "too-many-tasks": ("error", 15, "split it: aiw plan optimize --mode aggressive proposes how"),
    "no-acceptance": ("error", 12, "add `Acceptance:` with something that can be observed"),
    "vague-title": ("error", 10, "name the thing and what changes about it"),
    "unknown-dependency": ("error", 10, "use a task's title, M01/2, TASK-007, M02 or none"),
    "ambiguous-dependency": ("error", 10, "name the task by its place, for example M01/2"),
    "dependency-cycle": ("error", 10, "remove one of these dependencies; `Depends: none` cuts the implied one"),
    "path-outside": ("error", 10, "name paths relative to the root, inside the work tree"),
    "mixed-domains": ("warning", 10, "one milestone is one pull request: split unrelated work"),
    "consumer-before-producer": ("warning", 8, "put the task that builds the thing first"),
    "generic-acceptance": ("warning", 6, "say what can be seen when it is done"),
    "short-title": ("warning", 6, "the title becomes the commit's subject: use three words or more"),
    "too-many-acceptance": ("warning", 6, "split the task"),
    "too-many-scopes": ("warning", 6, "split the task or name a folder"),
    "same-first-word": ("warning", 5, "tasks that all begin alike are often steps of one: merge them"),
    "no-scope": ("warning", 4, "add `Conflict:` with the paths that the task may change"),
    "micro-task": ("warning", 0, "merge it into the task it belongs to: aiw plan optimize does"),
    "later-milestone": ("warning", 0, "milestones are worked through in the order of their numbers"),
    "scope-matches-nothing": ("warning", 0, "check the spelling"),
    "scope-in-submodule": ("warning", 0, "a commit here cannot change files of another repository"),
}
"""Code → level, penalty and hint. Penalties are those of 0.1.0, each time a rule fires; the errors that it did not know
cost as much as a vague title. Warnings that it did not know cost nothing: a micro-task pays for its short title
already, and a score must not depend on the checkout."""


_UNREADABLE = frozenset(
    {"no-milestone", "milestone-without-tasks", "duplicate-milestone-id", "duplicate-task-id", "unclosed-block"}
    | {"unknown-dependency", "ambiguous-dependency", "dependency-cycle"}
)


class Verdict(Record, frozen=True, kw_only=True):
    """What the rules say of a plan."""

    valid: bool
    """Whether there is no error."""
    score: int
    """0 to 100."""
    findings: tuple[Finding, ...]
    """Those of reading and those of the rules, by position."""


def judge_plan(
    plan: Plan,
    *,
    scope_exists: Callable[[str], ScopeState] | None,
    known: Snapshot | None,
    chain: bool = True,
    resolver: Resolver | None = None,
) -> Verdict:
    """The verdict on the plan.

    Args:
        scope_exists: tells what a `Conflict:` entry means in the work tree; None leaves that out.
        known: the state that references may point into, or None.
        chain: whether tasks without `Depends:` wait for the one before them.
        resolver: the plan's, if the caller has it already.
    """
    found = [
        *_judge_structure(plan),
        *_judge_tasks(plan, scope_exists),
        *_judge_task_ids(plan),
        *_judge_dependencies(plan, resolver or Resolver(plan, known=known), chain=chain),
    ]
    score = max(0, 100 - sum(RULES[finding.code][1] for finding in found))
    findings = sorted((*plan.findings, *found), key=lambda finding: (finding.line, finding.column))
    valid = not any(finding.level == "error" for finding in findings)
    return Verdict(valid=valid, score=score, findings=tuple(findings))


def find_unreadable(plan: Plan, *, resolver: Resolver, chain: bool) -> tuple[Finding, ...]:
    """The errors that leave open what the plan means; the others make a bad plan, which `judge_plan` tells."""
    found = (
        *plan.findings,
        *_judge_structure(plan),
        *_judge_task_ids(plan),
        *_judge_dependencies(plan, resolver, chain=chain),
    )
    return tuple(finding for finding in found if finding.code in _UNREADABLE)


def _judge_dependencies(plan: Plan, resolver: Resolver, *, chain: bool) -> Iterator[Finding]:
    graph = task_graph(resolver, plan, chain=chain)
    unknown = 0
    for place in graph:
        for finding in _judge_references(plan, resolver, place, suggests=unknown < _MAX_SUGGESTIONS):
            unknown += finding.code == "unknown-dependency"
            yield finding
    yield from _judge_cycles(plan, resolver, graph)


def _finding(
    plan: Plan, code: str, message: str, *, line: int = 1, column: int = 1, hint: str | None = None
) -> Finding:
    level, _, usual = RULES[code]
    return Finding(
        level=level, code=code, path=plan.path, line=line, column=column, message=message, hint=hint or usual
    )


def _places_of(task: PlanTask, field: str) -> list[tuple[int, int]]:
    """Line and column of every value of the field; those of the bullet where the source is not known."""
    places = [(position.line, position.column) for position in task.positions if position.field == field]
    count = len(getattr(task, field) or ())
    return (places + [(task.line, 1)] * count)[:count]


def _label(milestone: PlanMilestone) -> str:
    return f"{milestone.id} ({milestone.title})" if milestone.id else f"`{milestone.title}`"


def _judge_structure(plan: Plan) -> Iterator[Finding]:
    if not plan.milestones:
        yield _finding(plan, "no-milestone", "the plan has no milestone")
    first_lines: dict[str, int] = {}
    for milestone in plan.milestones:
        if milestone.id is not None and milestone.id in first_lines:
            message = f"{milestone.id} is used in line {first_lines[milestone.id]} already"
            yield _finding(plan, "duplicate-milestone-id", message, line=milestone.line)
        elif milestone.id is not None:
            first_lines[milestone.id] = milestone.line
        yield from _judge_milestone(plan, milestone)


def _judge_milestone(plan: Plan, milestone: PlanMilestone) -> Iterator[Finding]:
    line, tasks = milestone.line, milestone.tasks
    if not tasks:
        yield _finding(plan, "milestone-without-tasks", f"{_label(milestone)} has no tasks", line=line)
    if len(tasks) > MAX_TASKS:
        message = f"{_label(milestone)} has {len(tasks)} tasks, {MAX_TASKS} are the most"
        yield _finding(plan, "too-many-tasks", message, line=line)
    domains = tuple(dict.fromkeys(find_domain(task) for task in tasks))
    if len(domains) > MAX_DOMAINS:
        message = f"{_label(milestone)} works in {len(domains)} areas: {', '.join(domains)}"
        yield _finding(plan, "mixed-domains", message, line=line)
    words = Counter(first_word(task.title) for task in tasks)
    if len(tasks) >= 3 and len(words) == 1:
        message = f"all tasks of {_label(milestone)} begin with `{next(iter(words))}`"
        yield _finding(plan, "same-first-word", message, line=line)
    for number in find_early_consumers(milestone):
        task = tasks[number]
        message = f"`{task.title}` comes before the task that builds what it uses"
        yield _finding(plan, "consumer-before-producer", message, line=task.line)


def find_early_consumers(milestone: PlanMilestone) -> tuple[int, ...]:
    """Indexes of the tasks that use something (by their first word) before any task that builds something."""
    words = [first_word(task.title) for task in milestone.tasks]
    producers = [number for number, word in enumerate(words) if word in PRODUCERS]
    if not producers:
        return ()
    return tuple(number for number, word in enumerate(words) if word in CONSUMERS and number < producers[0])


def _judge_tasks(plan: Plan, scope_exists: Callable[[str], ScopeState] | None) -> Iterator[Finding]:
    for milestone in plan.milestones:
        for task in milestone.tasks:
            yield from _judge_title(plan, task)
            yield from _judge_acceptance(plan, task)
            yield from _judge_scopes(plan, task, scope_exists)


def _judge_task_ids(plan: Plan) -> Iterator[Finding]:
    first_lines: dict[str, int] = {}
    for milestone in plan.milestones:
        for task in milestone.tasks:
            if task.explicit_id is not None and task.explicit_id in first_lines:
                message = f"{task.explicit_id} is used in line {first_lines[task.explicit_id]} already"
                yield _finding(plan, "duplicate-task-id", message, line=task.line)
            elif task.explicit_id is not None:
                first_lines[task.explicit_id] = task.line


def _judge_title(plan: Plan, task: PlanTask) -> Iterator[Finding]:
    if is_vague(task.title):
        yield _finding(plan, "vague-title", f"`{task.title}` does not say what changes", line=task.line)
    if count_words(task.title) < MIN_TITLE_WORDS:
        yield _finding(plan, "short-title", f"`{task.title}` has under {MIN_TITLE_WORDS} words", line=task.line)
    if is_micro(task):
        yield _finding(plan, "micro-task", f"`{task.title}` is a step, not a commit", line=task.line)


def _judge_acceptance(plan: Plan, task: PlanTask) -> Iterator[Finding]:
    if not task.acceptance:
        yield _finding(plan, "no-acceptance", f"`{task.title}` has no Acceptance", line=task.line)
    if len(task.acceptance) > MAX_ACCEPTANCE:
        message = f"`{task.title}` has {len(task.acceptance)} acceptance lines, more than {MAX_ACCEPTANCE}"
        yield _finding(plan, "too-many-acceptance", message, line=task.line)
    for criterion, (line, column) in zip(task.acceptance, _places_of(task, "acceptance"), strict=True):
        if is_generic(criterion):
            message = f"`{criterion}` could be said of any task"
            yield _finding(plan, "generic-acceptance", message, line=line, column=column)


def _judge_scopes(plan: Plan, task: PlanTask, scope_exists: Callable[[str], ScopeState] | None) -> Iterator[Finding]:
    if not task.conflicts:
        yield _finding(plan, "no-scope", f"`{task.title}` names no paths", line=task.line)
    if len(task.conflicts) > MAX_SCOPES:
        message = f"`{task.title}` names {len(task.conflicts)} paths, more than {MAX_SCOPES}"
        yield _finding(plan, "too-many-scopes", message, line=task.line)
    for scope, (line, column) in zip(task.conflicts, _places_of(task, "conflicts"), strict=True):
        verdict = _judge_scope(scope, scope_exists)
        if verdict is not None:
            code, message = verdict
            yield _finding(plan, code, message, line=line, column=column)


def _judge_scope(scope: str, scope_exists: Callable[[str], ScopeState] | None) -> tuple[str, str] | None:
    if re.match(r"[/\\~]|[A-Za-z]:[/\\]", scope):
        return "path-outside", f"`{scope}` is an absolute path"
    state = scope_exists(scope) if scope_exists is not None else None
    climbs = posixpath.normpath(scope.replace("\\", "/")).split("/", 1)[0] == ".."
    if state == "outside" or (climbs and state != "parent"):
        return "path-outside", f"`{scope}` lies outside the work tree"
    if state == "nothing":
        return "scope-matches-nothing", f"`{scope}` matches no file, and its folder does not exist"
    if state == "submodule":
        return "scope-in-submodule", f"`{scope}` lies inside a submodule"
    return None


def _judge_references(plan: Plan, resolver: Resolver, place: Place, *, suggests: bool) -> Iterator[Finding]:
    task = task_at(plan, place)
    references = zip(task.depends or (), _places_of(task, "depends"), strict=True)
    for number, (reference, (line, column)) in enumerate(references):
        target = resolver.resolve(reference, milestone=place[0])
        if target.kind == "unknown":
            titles = resolver.find_near(reference) if suggests and number < _MAX_SUGGESTIONS else ()
            near = " or ".join(f"`{title}`" for title in titles)
            hint = f"did you mean {near}?" if near else None
            message = f"`{task.title}` depends on `{reference}`, which is not in the plan"
            yield _finding(plan, "unknown-dependency", message, line=line, column=column, hint=hint)
        elif target.kind == "ambiguous":
            message = f"`{reference}` may mean {', '.join(target.candidates)}"
            yield _finding(plan, "ambiguous-dependency", message, line=line, column=column)
        elif target.place is not None and target.place[0] > place[0]:
            message = f"`{task.title}` waits for work of a later milestone, `{reference}`"
            yield _finding(plan, "later-milestone", message, line=line, column=column)


def _judge_cycles(plan: Plan, resolver: Resolver, graph: dict[Place, tuple[Place, ...]]) -> Iterator[Finding]:
    cycles = find_cycles(graph)
    for cycle in cycles:
        names = [f"{resolver.match.milestone_ids[at]}/{n + 1} `{task_at(plan, (at, n)).title}`" for at, n in cycle]
        message = "tasks wait for each other: " + " → ".join((*names, names[0]))
        yield _finding(plan, "dependency-cycle", message, line=task_at(plan, cycle[0]).line)
    knotted = {at for cycle in cycles for at, _ in cycle}
    for ring in find_cycles(milestone_graph(graph)):
        if knotted.isdisjoint(ring):
            message = "milestones wait for each other: " + _ring(resolver.match.milestone_ids[at] for at in ring)
            yield _finding(plan, "dependency-cycle", message, line=plan.milestones[ring[0]].line)


def _ring(names: Iterable[str]) -> str:
    listed = list(names)
    return " → ".join((*listed, listed[0]))
