"""Tells when the status has changed, for `status --watch`; looks at the times of a dozen folders (spec §8)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from ai_workflow.config.place import CONFIG_NAME
from ai_workflow.errors import AiwError
from ai_workflow.services.glance import Glance
from ai_workflow.services.status import Row, read_status
from ai_workflow.stamps import find_stamp
from ai_workflow.store.layout import KIND_FOLDERS, Layout

_READ_ANYWAY_S = 30.0
"""Files that a person edits in place change no folder's time; they are seen after so long at the latest."""


class StatusFeed:
    """The status as it changes.

    A state that cannot be read any more (a config that is being edited, say) is news too; only the first time raises.
    """

    def __init__(self, open_glance: Callable[[], Glance]) -> None:
        """Raises AiwError(CONFIG) when there is no workspace."""
        self._open = open_glance
        glance = open_glance()
        self._root = glance.root
        self._layout = glance.layout
        self._stamp: object = None
        self._last: Row | None = None
        self._read_at_s = 0.0

    def poll(self) -> Row | None:
        """The status when it differs from the last one given, else None; a failure is `{"error": sentence}`.

        Raises:
            AiwError: as `read_status`, the first time.
        """
        stamp = _read_stamp(self._layout, self._root)
        now_s = time.monotonic()
        if stamp == self._stamp and now_s - self._read_at_s < _READ_ANYWAY_S:
            return None
        try:
            status = read_status(self._open())
        except AiwError as error:
            if self._last is None:
                raise
            status = {"error": error.message}
        self._stamp, self._read_at_s = stamp, now_s
        if status == self._last:
            return None
        self._last = status
        return status


def _read_stamp(layout: Layout, root: str) -> tuple[object, ...]:
    folders = [layout.folder(kind) for kind in KIND_FOLDERS]
    paths = (os.path.join(root, CONFIG_NAME), layout.project, layout.journal, *folders)
    return tuple(find_stamp(path) for path in paths)
