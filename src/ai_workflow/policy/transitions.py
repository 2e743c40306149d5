"""The legal moves of every status, in one table (spec §3). Pure.

Every command that changes a status goes through `move_*`; what the table does not hold is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, TypeVar

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.adr import Adr
from ai_workflow.models.lane import Lane
from ai_workflow.models.milestone import Milestone
from ai_workflow.models.run import Run
from ai_workflow.models.task import Task

_E = TypeVar("_E", Task, Milestone, Lane, Run, Adr)
Moved: TypeAlias = Task | Milestone | Lane | Run | Adr
Moves = Mapping[str, Mapping[str, str]]
"""verb → status before → status after."""

TASK_MOVES: Moves = {
    "unlock": {"planned": "ready"},
    "relock": {"ready": "planned"},
    "claim": {"ready": "claimed"},
    "start": {"ready": "in_progress", "claimed": "in_progress"},
    "finish": {"claimed": "done", "in_progress": "done"},
    "block": {"planned": "blocked", "ready": "blocked", "claimed": "blocked", "in_progress": "blocked"},
    "unblock": {"blocked": "planned"},
    "recover": {"blocked": "in_progress"},
    "release": {"claimed": "ready", "in_progress": "ready"},
    "skip": {
        "planned": "skipped",
        "ready": "skipped",
        "claimed": "skipped",
        "in_progress": "skipped",
        "blocked": "skipped",
    },
    "cancel": {
        "planned": "cancelled",
        "ready": "cancelled",
        "claimed": "cancelled",
        "in_progress": "cancelled",
        "blocked": "cancelled",
    },
}

MILESTONE_MOVES: Moves = {
    "unlock": {"planned": "ready"},
    "relock": {"ready": "planned"},
    "start": {"planned": "in_progress", "ready": "in_progress", "blocked": "in_progress"},
    "complete": {"in_progress": "done", "blocked": "done", "ready": "done", "planned": "done"},
    "block": {"in_progress": "blocked", "done": "blocked", "pr_created": "blocked", "blocked": "blocked"},
    "open_pr": {"done": "pr_created"},
    "merge": {"done": "merged", "pr_created": "merged"},
    "reopen": {"done": "in_progress", "blocked": "in_progress"},
    "suspend": {"in_progress": "ready"},
    "cancel": {
        "planned": "cancelled",
        "ready": "cancelled",
        "in_progress": "cancelled",
        "blocked": "cancelled",
        "done": "cancelled",
    },
}

LANE_MOVES: Moves = {
    "start": {"idle": "active", "active": "active", "finished": "active", "blocked": "active"},
    "pause": {"idle": "paused", "active": "paused", "blocked": "paused", "finished": "paused"},
    "resume": {"paused": "active"},
    "wake": {"paused": "idle"},
    "detach": {"active": "idle", "blocked": "idle", "idle": "idle", "paused": "paused"},
    "block": {"active": "blocked", "blocked": "blocked"},
    "finish": {"active": "idle", "blocked": "idle", "paused": "paused", "idle": "idle"},
    "close": {"idle": "finished", "active": "finished", "blocked": "finished"},
}

RUN_MOVES: Moves = {
    "complete": {"started": "completed"},
    "fail": {"started": "failed"},
    "cancel": {"started": "cancelled"},
}

ADR_MOVES: Moves = {
    "accept": {"proposed": "accepted"},
    "deprecate": {"proposed": "deprecated", "accepted": "deprecated"},
    "supersede": {"accepted": "superseded"},
}

_TABLES: Mapping[type, tuple[str, Moves]] = {
    Task: ("task", TASK_MOVES),
    Milestone: ("milestone", MILESTONE_MOVES),
    Lane: ("lane", LANE_MOVES),
    Run: ("run", RUN_MOVES),
    Adr: ("ADR", ADR_MOVES),
}


def can_move(entity: Moved, verb: str) -> bool:
    """Whether the table has this move from the entity's status."""
    return entity.status in _TABLES[type(entity)][1][verb]


def legal_verbs(entity: Moved) -> tuple[str, ...]:
    """The verbs that are possible now, in table order."""
    return tuple(verb for verb, moves in _TABLES[type(entity)][1].items() if entity.status in moves)


def require_move(entity: Moved, verb: str) -> str:
    """The status after the move.

    Raises:
        AiwError: STATE, naming the entity, its status and the moves that are legal.
    """
    word, table = _TABLES[type(entity)]
    after = table[verb].get(entity.status)
    if after is None:
        legal = ", ".join(name.replace("_", " ") for name in legal_verbs(entity)) or "none"
        raise AiwError(
            Kind.STATE,
            f"{_name(word, entity)} is {entity.status}: {verb.replace('_', ' ')} is not possible",
            hint=f"legal moves from {entity.status}: {legal}",
        )
    return after


def _name(word: str, entity: Moved) -> str:
    return entity.id if isinstance(entity, Adr) else f"{word} {entity.id}"


def move(entity: _E, verb: str, *, now: str, **fields: Any) -> _E:
    """The entity after the move, stamped; `fields` are changed along with the status.

    Raises:
        AiwError: STATE, see `require_move`.
    """
    if not isinstance(entity, Run):
        fields["updated_at"] = now
    return replace(entity, status=require_move(entity, verb), **fields)
