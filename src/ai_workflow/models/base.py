"""The record base: frozen, keyword-only, strict about unknown fields (spec §3).

Modules of records that are read from files do without `from __future__ import annotations`: the decoder would have to
compile each annotation from its text, which costs every command that decides.
"""

from __future__ import annotations

import msgspec

SCHEMA_VERSION = 2
"""Version of every state file written by this release.

History:
    1: aiw 0.1.0 (only `project.json` carried the number).
    2: `schema_version` in every file; tasks have `verify`, `attempts`, `key`, `blocker`; blockers are records of
       spec §8.1; milestones have `closeout`; operations and intents exist.
"""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An immutable value inside a state file."""


class Entity(Record, frozen=True, kw_only=True):
    """A record with a state file of its own."""

    schema_version: int = SCHEMA_VERSION
