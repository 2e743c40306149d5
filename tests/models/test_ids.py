"""Ids: their forms, their order, and branch names for any title (spec §3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_workflow.errors import AiwError, ExitCode
from ai_workflow.models.ids import (
    format_id,
    format_milestone_id,
    id_order,
    make_branch_name,
    make_slug,
    parse_id,
    parse_milestone_id,
    require_lane_id,
)


@pytest.mark.parametrize("text", ["1", "001", "task-1", "TASK-001", "Task1", " 1 "])
def test_a_task_id_in_any_form(text: str) -> None:
    assert parse_id("task", text) == "TASK-001"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("1", "M01"), ("m1", "M01"), ("M01", "M01"), ("M100", "M100"), ("m1-2", "M01-02"), ("milestone-3", "M03")],
)
def test_a_milestone_id_in_any_form(text: str, canonical: str) -> None:
    assert parse_milestone_id(text) == canonical


@pytest.mark.parametrize("text", ["", "TASK", "TASK-", "../x", "TASK-1/..", "-1", "1.0", "1e3", "٣", "1\n2", "RUN-1"])
def test_what_is_no_task_id_is_refused_by_name(text: str) -> None:
    with pytest.raises(AiwError) as caught:
        parse_id("task", text)
    assert caught.value.message == f"{text!r} is not a task id"
    assert caught.value.exit_code == ExitCode.REFUSED
    assert caught.value.hint is not None


@pytest.mark.parametrize("text", ["", "M", "Mouse", "../M01", "M01-", "M-1"])
def test_what_is_no_milestone_id_is_refused(text: str) -> None:
    with pytest.raises(AiwError):
        parse_milestone_id(text)


def test_there_is_one_lane() -> None:
    assert require_lane_id("core") == "core"
    for text in ("", "x", "../core", "CORE"):
        with pytest.raises(AiwError):
            require_lane_id(text)


def test_order_is_by_number() -> None:
    ids = ["M10", "M2", "M100", "M01", "M01-02", "M01-01"]
    assert sorted(ids, key=id_order) == ["M01", "M01-01", "M01-02", "M2", "M10", "M100"]
    assert sorted(["TASK-1000", "TASK-999"], key=id_order) == ["TASK-999", "TASK-1000"]


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Parser cleanup", "parser-cleanup"),
        ("Fix: a/b (c)!", "fix-a-b-c"),
        ("日本語 のタイトル", "日本語-のタイトル"),
        ("Ünïcode Straße", "ünïcode-straße"),
        ("!!!", "item"),
        ("x" * 200, "x" * 60),
    ],
)
def test_slugs_keep_any_script(title: str, slug: str) -> None:
    assert make_slug(title) == slug


@given(st.text())
def test_a_slug_is_short_and_a_legal_part_of_a_ref(title: str) -> None:
    slug = make_slug(title)
    assert 0 < len(slug.encode()) <= 60
    assert not set(slug) & set(" ~^:?*[\\/@{}\x7f") | {char for char in slug if ord(char) < 32}
    assert ".." not in slug
    assert not slug.endswith((".lock", ".", "-"))


def test_names() -> None:
    assert make_branch_name("ai/", "M01", "Parser cleanup") == "ai/m01-parser-cleanup"
    assert (format_id("run", 7), format_id("adr", 12), format_id("blocker", 1)) == ("RUN-0007", "ADR-0012", "BLK-0001")
    assert (format_milestone_id(3), format_milestone_id(1, 2)) == ("M03", "M01-02")
