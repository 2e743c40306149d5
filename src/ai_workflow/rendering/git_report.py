"""The report on branches, `reports/git-monitor.md` (spec §6.8). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ai_workflow.models.base import Record
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.rendering.reports import TITLE_BYTES, blocker_lines, damage_lines, finish
from ai_workflow.rendering.tables import render_table
from ai_workflow.rendering.text import render_code
from ai_workflow.rendering.views import SHORT_SHA, format_command, format_words

_GIT_CLASSES = ("base", "push", "credentials", "protected_branch", "pr", "merge", "cleanup", "infra")


class BranchLine(Record, frozen=True, kw_only=True):
    """One branch as git has it."""

    branch: str
    milestone_id: str | None = None
    """None for a base branch."""
    local_tip: str | None
    remote_tip: str | None
    """As last fetched."""
    ahead: int | None = None
    behind: int | None = None
    """Commits that it has and base lacks, and the other way round; of a base branch against the remote's."""


class GitFacts(Record, frozen=True, kw_only=True):
    """What the report says of the repository, collected without asking the remote."""

    head: str | None
    """The branch HEAD is on; None when it is detached."""
    remote: str | None
    base: str
    """What the milestones' branches are compared with, e.g. `origin/main`."""
    bases: tuple[BranchLine, ...]
    branches: tuple[BranchLine, ...]
    more: int = 0
    """Branches that were not looked at."""


def render_git_report(snapshot: Snapshot, facts: GitFacts, *, command_prefix: str) -> str:
    """`git-monitor.md`: base and milestone branches, how far apart, and what blocks them."""
    head = render_code(facts.head, max_bytes=TITLE_BYTES) if facts.head else "no branch (detached)"
    remote = render_code(facts.remote, max_bytes=TITLE_BYTES) if facts.remote else "none"
    lines = ["# Branches", *damage_lines(snapshot), "", f"- HEAD: {head}", f"- Remote: {remote}"]
    lines += ["", "## Base", "", *_table(facts.bases, snapshot, first="Branch", against="the remote")]
    lines += ["", "## Milestones", ""]
    if facts.branches:
        base = render_code(facts.base, max_bytes=TITLE_BYTES)
        lines += _table(facts.branches, snapshot, first="Milestone", against=base)
    else:
        lines.append("No milestone has a branch now.")
    if facts.more:
        see = render_code(format_command(command_prefix, "git cleanup --dry-run"))
        lines += ["", f"… and {facts.more} more, see {see}"]
    blockers = [blocker for blocker in snapshot.open_blockers() if blocker.klass in _GIT_CLASSES]
    lines += ["", "## Blocked", "", *blocker_lines(blockers)]
    sync = render_code(format_command(command_prefix, "git sync"))
    return finish([*lines, "", f"The remote is shown as it was last fetched; {sync} asks it."])


def _table(branches: Sequence[BranchLine], snapshot: Snapshot, *, first: str, against: str) -> list[str]:
    rows = []
    for line in branches:
        milestone = snapshot.find_milestone(line.milestone_id)
        own = [line.milestone_id, format_words(milestone.status) if milestone else "-"] if line.milestone_id else []
        rows.append(
            [
                *[cell or "-" for cell in own],
                render_code(line.branch, max_bytes=TITLE_BYTES),
                _short(line.local_tip),
                _short(line.remote_tip),
                "-" if line.ahead is None else str(line.ahead),
                "-" if line.behind is None else str(line.behind),
            ]
        )
    leading = ["Milestone", "Status", "Branch"] if first == "Milestone" else ["Branch"]
    return render_table([*leading, "Here", "Remote", f"Ahead of {against}", "Behind"], rows)


def _short(tip: str | None) -> str:
    return render_code(tip[:SHORT_SHA]) if tip else "-"
