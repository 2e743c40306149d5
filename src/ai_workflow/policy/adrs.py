"""Making and moving architecture decision records (spec §3, §6.8). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.adr import Adr
from ai_workflow.models.ids import format_id, id_number
from ai_workflow.models.snapshot import Changes, Snapshot
from ai_workflow.policy.events import make_event
from ai_workflow.policy.transitions import move


def create_adr(
    snapshot: Snapshot,
    *,
    title: str,
    decision: str,
    applies_to: Sequence[str],
    consequences: Sequence[str],
    taken: int,
    now: str,
    actor: str,
) -> tuple[Changes, Adr]:
    """A new proposed decision with the next number.

    Args:
        taken: the highest number among the files of the repository, which may know more than the state.

    Raises:
        AiwError: USAGE without a title.
    """
    if not title:
        raise AiwError(Kind.USAGE, "a decision needs a title", hint="aiw adr new 'Title' -d 'What was decided'")
    project = snapshot.require_project()
    known = max((id_number(adr_id)[0] for adr_id in snapshot.adrs), default=0)
    number = max(project.counters.adr, known, taken) + 1
    adr = Adr(
        id=format_id("adr", number),
        title=title,
        decision=decision,
        applies_to=tuple(applies_to),
        consequences=tuple(consequences),
        created_at=now,
        updated_at=now,
    )
    counted = replace(project, counters=replace(project.counters, adr=number))
    event = make_event("adr_created", f"{adr.id} proposed: {title}", now=now, actor=actor)
    return Changes(put=(counted, adr), events=(event,)), adr


def accept_adr(adr: Adr, *, now: str, actor: str) -> tuple[Changes, Adr]:
    """The decision in force. Raises AiwError(STATE) when it is not proposed, or says nothing yet."""
    accepted = move(adr, "accept", now=now)
    if not adr.decision.strip():
        raise AiwError(
            Kind.STATE,
            f"{adr.id} says nothing yet, so it cannot be accepted",
            hint="write its `## Decision` section in the file, then run the same command again",
        )
    return _moved(accepted, "adr_accepted", now=now, actor=actor)


def deprecate_adr(adr: Adr, *, reason: str | None, now: str, actor: str) -> tuple[Changes, Adr]:
    """The decision out of force, with nothing in its place. Raises AiwError(STATE)."""
    return _moved(move(adr, "deprecate", now=now, reason=reason), "adr_deprecated", now=now, actor=actor)


def supersede_adr(snapshot: Snapshot, adr: Adr, by: str, *, now: str, actor: str) -> tuple[Changes, Adr]:
    """The decision replaced by another one, which must be in force.

    Raises:
        AiwError: STATE, NOT_FOUND.
    """
    if by == adr.id:
        raise AiwError(Kind.STATE, f"{adr.id} cannot supersede itself", hint="name the decision that replaces it")
    successor = snapshot.get_adr(by)
    superseded = move(adr, "supersede", now=now, superseded_by=by)
    if successor.status != "accepted":
        raise AiwError(
            Kind.STATE,
            f"{by} is {successor.status}, so it cannot take the place of {adr.id}",
            hint=f"accept it first: aiw adr accept {by}" if successor.status == "proposed" else "see `aiw adr list`",
        )
    return _moved(superseded, "adr_superseded", now=now, actor=actor)


def _moved(adr: Adr, event: str, *, now: str, actor: str) -> tuple[Changes, Adr]:
    made = make_event(event, f"{adr.id} is {adr.status}", now=now, actor=actor)
    return Changes(put=(adr,), events=(made,)), adr
