"""What a damaged file and the log still tell of its right text (spec §7.5)."""

from __future__ import annotations

import pytest

from ai_workflow.fsio import sha256_of
from ai_workflow.models.lane import Lane
from ai_workflow.store.codec import encode
from ai_workflow.store.salvage import History, find_exact, list_readings, read_fields

NOW = "2026-01-02T03:04:05Z"
BEFORE = Lane(id="core", created_at=NOW, updated_at=NOW)
AFTER = Lane(id="core", status="active", milestone_id="M01", branch="ai/m01-x", created_at=NOW, updated_at=NOW)
RIGHT = encode(AFTER)
HISTORY = History(texts=(encode(BEFORE),), expected=sha256_of(RIGHT))
CONFLICT = b"<<<<<<< HEAD\n" + RIGHT + b"||||||| base\n{}\n=======\n" + encode(BEFORE) + b">>>>>>> other\n"


@pytest.mark.parametrize(
    "damaged",
    [
        b"\xef\xbb\xbf" + RIGHT,
        RIGHT.replace(b"\n", b"\r\n"),
        RIGHT.rstrip(),
        CONFLICT,
        CONFLICT.replace(b"\n", b"\r\n"),
        RIGHT.replace(b"{\n", b'{\n  "colour": "red",\n', 1),
        RIGHT[: RIGHT.index(b'"updated_at"') + 4],
    ],
)
def test_the_right_text_is_found_and_proven(damaged: bytes) -> None:
    assert find_exact(Lane, damaged, HISTORY) == RIGHT


@pytest.mark.parametrize("damaged", [b"", b"\0\0", b"{", b"[]", b"<<<<<<< HEAD\n", RIGHT[:30], b"{" * 100_000])
def test_what_cannot_be_proven_is_not_claimed(damaged: bytes) -> None:
    assert find_exact(Lane, damaged, HISTORY) is None
    assert find_exact(Lane, damaged, History()) is None


def test_only_whole_fields_before_a_cut_are_read() -> None:
    for end in range(len(RIGHT)):
        fields = read_fields(RIGHT[:end])
        assert all(value == getattr(AFTER, name) or value == [] for name, value in fields.items()), (end, fields)
    assert read_fields(CONFLICT) == {}


def test_both_sides_of_a_conflict_are_readings() -> None:
    assert list_readings(Lane, CONFLICT) == [AFTER, BEFORE]
