"""What is read without the record library is what the record library would accept."""

from __future__ import annotations

import types
import typing

import msgspec
import pytest

from ai_workflow.store.codec import KINDS
from ai_workflow.store.shapes import FIELDS

_PLAIN = {str: "s", int: "i", float: "fi", bool: "b", type(None): "n"}


def letters(wanted: typing.Any) -> set[str]:
    origin = typing.get_origin(wanted)
    if wanted in _PLAIN:
        return set(_PLAIN[wanted])
    if origin in (typing.Union, types.UnionType):
        return {letter for part in typing.get_args(wanted) for letter in letters(part)}
    if origin is typing.Literal:
        return {"s"}
    return {"l"} if origin in (tuple, list) else {"d"}


@pytest.mark.parametrize("kind", FIELDS)
def test_the_fields_are_those_of_the_record(kind: str) -> None:
    hints = typing.get_type_hints(KINDS[kind])
    known = {name: set(group) for group, names in FIELDS[kind].items() for name in names.split()}
    assert known == {field.encode_name: letters(hints[field.name]) for field in msgspec.structs.fields(KINDS[kind])}
