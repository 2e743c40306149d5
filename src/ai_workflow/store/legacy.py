"""Recognises the state of aiw 0.1.0, which has to be taken over before anything else (spec §2)."""

from __future__ import annotations

import os

from ai_workflow.errors import AiwError, Kind
from ai_workflow.fsio import find_own_bytes

_FOLDERS = ("tasks", "milestones", "lanes", "runs", "adrs")


def is_legacy(state: str) -> bool:
    """Whether the folder `state/` holds a state of 0.1.0.

    By its `project.json`; where that is missing or damaged, by the other files. Reads no more than it must.
    """
    data = _find(os.path.join(state, "project.json"))
    if data is not None and b'"lineage"' in data:
        return False
    if data is not None and b'"workspace_version"' in data:
        return True
    for folder in _FOLDERS:
        for name in _names(os.path.join(state, folder)):
            found = _find(os.path.join(state, folder, name)) or b""
            if b'"schema_version"' in found:
                return False
            if b'"created_at"' in found or b'"started_at"' in found:
                return True
    return False


def legacy_error(state_rel: str) -> AiwError:
    """What every other command says of such a state."""
    return AiwError(
        Kind.STATE,
        f"the state in {state_rel} was written by aiw 0.1.0",
        hint="take it over first, nothing is lost: aiw migrate (look before: aiw migrate --dry-run)",
    )


def _names(folder: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    except OSError:
        return []


def _find(path: str) -> bytes | None:
    try:
        return find_own_bytes(path)
    except AiwError:
        return None
