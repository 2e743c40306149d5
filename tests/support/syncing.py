"""Reads from a trace whether a power cut could have emptied or lost a file of the state (spec §7.1)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from support.syscalls import Call

_RENAMES = {"rename", "renameat", "renameat2"}
_WRITES = {"write", "pwrite64", "writev", "pwritev", "ftruncate", "truncate"}
_OPENS = {"open", "openat", "creat"}
_REMOVALS = {"unlink", "unlinkat"}


def find_unsynced(calls: Sequence[Call], state: Path) -> list[str]:
    """What is not safe, in the order of the calls, with paths relative to `state`; empty when all of it is.

    A file is safe when it is synced before its rename and its folder after; or when, while a journal exists that was
    synced in that very way, it and its folder are synced before the journal is removed. No file is emptied in place.
    """
    look = _Look(str(state))
    for call in calls:
        if call.is_change and not call.failed and call.paths:
            look.take(call)
    look.end("at the end")
    return look.wrong


class _Look:
    def __init__(self, state: str) -> None:
        self.state = state
        self.journal = f"{state}/journal.json"
        self.has_journal = False
        self.synced: set[str] = set()
        self.texts: dict[str, None] = {}
        """Files of the state whose bytes are not synced."""
        self.names: dict[str, str] = {}
        """Folders whose names are not synced → the file renamed into it."""
        self.wrong: list[str] = []

    def take(self, call: Call) -> None:
        path = call.paths[-1]
        is_inside = path.startswith(f"{self.state}/")
        if call.name in ("fsync", "fdatasync"):
            self.synced.add(path)
            self.texts.pop(path, None)
            self.names.pop(path, None)
        elif call.name == "syncfs":
            self.texts.clear()
            self.names.clear()
        elif call.name in _WRITES:
            self.synced.discard(path)
            self.texts |= {path: None} if is_inside else {}
        elif call.name in _OPENS and is_inside and "O_TRUNC" in call.arguments:
            self.say(path, "emptied in place")
        elif call.name in _RENAMES and is_inside:
            self.rename(call.paths[0], path)
        elif call.name in _REMOVALS and path == self.journal:
            self.end("when the journal goes")
            self.has_journal = False

    def rename(self, source: str, path: str) -> None:
        is_synced = source in self.synced
        if path == self.journal:
            self.has_journal = True
            if not is_synced:
                self.say(path, "its text is not synced before its rename")
        elif self.names.get(self.state) == self.journal:
            self.say(path, "renamed before the journal's name is synced")
            self.names.pop(self.state)
        elif not is_synced and not self.has_journal:
            self.say(path, "renamed unsynced, and no journal holds it")
        if not is_synced and path != self.journal:
            self.texts[path] = None
        self.names[os.path.dirname(path)] = path

    def end(self, when: str) -> None:
        for path in self.texts:
            self.say(path, f"not synced {when}")
        for path in self.names.values():
            if path not in self.texts:
                self.say(path, f"its name is not synced {when}")
        self.texts.clear()
        self.names.clear()

    def say(self, path: str, what: str) -> None:
        self.wrong.append(f"{os.path.relpath(path, self.state)}: {what}")
