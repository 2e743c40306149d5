"""Makes a task of what reviewers wrote, in a plan that is there: every other byte of it stays (spec §6.5). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.forge import ForgeComment
from ai_workflow.models.plan import Plan, PlanMilestone
from ai_workflow.plan.comma_lists import join_items
from ai_workflow.plan.drafts import without_positions
from ai_workflow.plan.parse import parse_plan

ACCEPTANCE = "Each point of the review is answered by a change, or by a reason against it."
_MAX_TEXT = 2_000
_MAX_COMMENTS = 50


def add_review_task(plan: Plan, text: str, milestone_id: str, comments: Sequence[ForgeComment]) -> str:
    """The plan's text with one more task at the end of the milestone.

    What people wrote is data: each comment becomes one line behind fixed words, and the result is read again: it must
    be the plan that was there, and a task with no command.

    Raises:
        AiwError: PLAN when the plan lacks the milestone, or the comments cannot be put into it.
    """
    places = [place for place, milestone in enumerate(plan.milestones) if milestone.id == milestone_id]
    if len(places) != 1:
        raise AiwError(
            Kind.PLAN,
            f"{plan.path} has no milestone {milestone_id} that a task could be added to",
            hint="add the task where your plan is, then: aiw plan import",
        )
    lines = text.split("\n")
    following = plan.milestones[places[0] + 1 :]
    end = following[0].line - 1 if following else len(lines)
    while end > 0 and not lines[end - 1].strip():
        end -= 1
    added = _write(milestone_id, comments, with_scopes=True), _write(milestone_id, comments, with_scopes=False)
    # As the file ends its lines.
    ending = "\r" if lines[0].endswith("\r") else ""
    for task in added:
        candidate = "\n".join([*lines[:end], *(line + ending for line in task), *(lines[end:] or [""])])
        if _is_sound(plan, parse_plan(candidate, path=plan.path), places[0]):
            return candidate
    raise AiwError(
        Kind.PLAN,
        f"the comments cannot be put into {plan.path} as a task",
        hint="write the task yourself, then: aiw plan import",
    )


def _write(milestone_id: str, comments: Sequence[ForgeComment], *, with_scopes: bool) -> list[str]:
    count = "1 comment" if len(comments) == 1 else f"{len(comments)} comments"
    lines = [f"- Answer the review of {milestone_id} ({count}, the last of {comments[-1].at[:16]}Z)"]
    lines.append(f"  Acceptance: {ACCEPTANCE}")
    paths = tuple(dict.fromkeys(comment.path for comment in comments if comment.path))
    if paths and with_scopes:
        lines.append(f"  Conflict: {join_items(paths)}")
    lines += [f"  {_show(comment)}" for comment in comments[:_MAX_COMMENTS]]
    if len(comments) > _MAX_COMMENTS:
        lines.append(f"  And {len(comments) - _MAX_COMMENTS} more comments, in the pull request.")
    return lines


def _show(comment: ForgeComment) -> str:
    where = f" on {_to_line(comment.path)}" + (f", line {comment.line}" if comment.line else "") if comment.path else ""
    words = _to_line(comment.text)
    cut = words if len(words) <= _MAX_TEXT else f"{words[:_MAX_TEXT]} …"
    who = "".join(char for char in comment.author if char.isalnum() or char in "-_.")
    return f"Comment by {who or 'somebody'}{where} says: {cut}"


def _to_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _is_sound(before: Plan, after: Plan, place: int) -> bool:
    if len(before.milestones) != len(after.milestones):
        return False
    for number, (old, new) in enumerate(zip(before.milestones, after.milestones, strict=True)):
        if number == place:
            *kept, added = new.tasks or (None,)
            if added is None or added.verify or added.acceptance != (ACCEPTANCE,) or added.depends is not None:
                return False
            if not _is_same(old, new, tasks=len(kept)):
                return False
        elif not _is_same(old, new, tasks=len(new.tasks)):
            return False
    return True


def _is_same(old: PlanMilestone, new: PlanMilestone, *, tasks: int) -> bool:
    """Whether both say the same, up to that many tasks."""
    if (old.id, old.title, old.goal, old.prose, len(old.tasks)) != (new.id, new.title, new.goal, new.prose, tasks):
        return False
    pairs = zip(old.tasks, new.tasks[:tasks], strict=True)
    return all(without_positions(one) == without_positions(other) for one, other in pairs)
