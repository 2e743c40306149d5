"""Compares a whole document with the one kept for it; `UPDATE_GOLDEN=1` rewrites the kept one."""

from __future__ import annotations

import os
from pathlib import Path

# Read at import: the sealed environment of a test no longer has it.
_UPDATE = bool(os.environ.get("UPDATE_GOLDEN"))


def assert_golden(path: Path, text: str) -> None:
    """Passes when the file holds exactly the text, byte for byte."""
    if _UPDATE:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    assert path.is_file(), f"{path.name} does not exist; UPDATE_GOLDEN=1 makes it"
    assert path.read_bytes().decode() == text
