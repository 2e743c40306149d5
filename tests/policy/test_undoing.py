"""What an undo takes back, from the log alone (spec §7.3)."""

from __future__ import annotations

import pytest

from ai_workflow.errors import AiwError
from ai_workflow.models.lane import Baseline, DirtyPath
from ai_workflow.models.operation import FileChange, Operation, RefChange
from ai_workflow.policy.undoing import choose_since, inert_serials, keep_known_dirt, plan_undo, undone_by

NOW = "2026-01-02T03:04:05Z"


def op(
    number: int, *serials: int, by: str, undoes: tuple[int, ...] = (), refs: tuple[RefChange, ...] = ()
) -> Operation:
    project = tuple(
        FileChange(
            path="project.json", before=f"p{serial - 1}" if serial > 1 else None, after_sha256="x", serial=serial
        )
        for serial in serials
    )
    return Operation(
        id=f"OP-{number:06d}-aaaaaa", name=f"step {number}", command=("x",), actor="me", pid=1, at=NOW, serials=serials,
        invocations=(by,) * len(serials), undoes=undoes, changes=project, refs=refs,
    )  # fmt: skip


def test_the_operations_of_one_command_go_together() -> None:
    log = [op(1, 1, by="a"), op(2, 2, by="b"), op(3, 3, 4, by="b"), op(4, 5, by="b")]
    assert choose_since(log, None) == 2
    assert choose_since(log, log[2]) == 2
    assert choose_since(log[:1], None) == 1


def test_an_undo_goes_further_back_than_what_is_undone() -> None:
    log = [op(1, 1, by="a"), op(2, 2, by="b"), op(3, 3, by="c"), op(4, 4, 5, by="d", undoes=(3,))]
    assert inert_serials(log) == {3}
    assert undone_by(log) == {log[2].id: log[3].id}
    assert choose_since(log, None) == 2


def test_an_undone_undo_holds_nothing_back() -> None:
    log = [op(1, 1, by="a"), op(2, 2, by="b"), op(3, 3, by="c", undoes=(2,)), op(4, 4, by="d", undoes=(3,))]
    assert inert_serials(log) == {3}
    assert undone_by(log) == {log[2].id: log[3].id}
    assert choose_since(log, None) == 2


def test_what_somebody_else_did_meanwhile_is_not_undone_unasked() -> None:
    log = [op(1, 1, by="a"), op(2, 2, 4, by="b"), op(3, 3, by="other")]
    with pytest.raises(AiwError) as refused:
        choose_since(log, None)
    assert refused.value.hint == "to undo both: aiw undo OP-000002-aaaaaa"
    assert choose_since(log, log[1]) == 2


def test_moves_are_reversed_newest_first_without_those_that_cancel_out() -> None:
    there = RefChange(ref="refs/heads/m", before="s", after="t", is_work=True, serial=2)
    back = RefChange(ref="refs/heads/m", before="t", after="s", is_work=True, serial=3)
    again = RefChange(ref="refs/heads/m", before="s", after="u", is_work=True, serial=4)
    head = RefChange(ref="HEAD", before="refs/heads/m", after="refs/heads/main", serial=4)
    log = [
        op(1, 1, by="a"),
        op(2, 2, by="b", refs=(there,)),
        op(3, 3, by="c", undoes=(2,), refs=(back,)),
        op(4, 4, by="d", refs=(again, head)),
    ]
    plan = plan_undo(log, since=2, until=4)
    assert plan.moves == (head, again)
    assert [one.id for one in plan.operations] == [log[3].id]
    assert plan.project_before == "p1"


def test_a_gap_in_the_log_is_not_crossed() -> None:
    with pytest.raises(AiwError, match="the state was replaced since"):
        plan_undo([op(1, 1, by="a"), op(3, 3, by="c")], since=1, until=3)


def test_what_became_the_users_dirt_later_stays_the_users() -> None:
    dirt = DirtyPath(mode="100644", blob="b")
    before = Baseline(id="core", paths={"old": dirt}, recorded_at=NOW)
    now = Baseline(id="core", paths={"new": dirt, "work": dirt}, recorded_at=NOW)
    assert set(keep_known_dirt(before, now, frozenset({"work"})).paths) == {"old", "new"}
    assert keep_known_dirt(before, None, frozenset()) == before
