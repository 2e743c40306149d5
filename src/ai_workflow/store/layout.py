"""Where everything of the workspace lies, as absolute paths."""

from __future__ import annotations

import os

from ai_workflow.config.place import require_inside

KIND_FOLDERS = {
    "milestone": "milestones",
    "task": "tasks",
    "lane": "lanes",
    "adr": "adrs",
    "run": "runs",
    "blocker": "blockers",
    "baseline": "baselines",
    "intent": "intents",
}
"""Folder under `state/` for each kind of entity; `project` is the single file `project.json`."""
_OWN_FOLDERS = (
    "",
    *("state", "locks", "runs", "tasks", "milestones", "archive", "generated-packs"),
    *(f"state/{name}" for name in (*KIND_FOLDERS.values(), "events", "operations", "conflicts")),
    "locks/unfinished",
)
"""Folders below the workspace that aiw writes to, and empties, without looking at each path."""
_KINDS = {folder: kind for kind, folder in KIND_FOLDERS.items()}


def find_kind(rel: str) -> str | None:
    """The kind of entity whose folder a path (relative to `state/`) begins with; None for other files."""
    return _KINDS.get(rel.partition("/")[0])


class Layout:
    """Paths of one workspace.

    Attributes:
        root: the folder that holds `.ai-workflow.yaml`.
        workspace: `docs/ai/workspace` unless configured otherwise.
        state, locks, temp: folders inside it.
    """

    def __init__(self, root: str, *, workspace_rel: str) -> None:
        self.root = root
        self.workspace_rel = workspace_rel
        self.workspace = os.path.join(root, *workspace_rel.split("/"))
        self.state = os.path.join(self.workspace, "state")
        self.state_rel = f"{workspace_rel}/state"
        self.locks = os.path.join(self.workspace, "locks")
        self.temp = os.path.join(self.locks, "unfinished")
        self.project = os.path.join(self.state, "project.json")
        self.journal = os.path.join(self.state, "journal.json")
        self.events_rel = "events/events.jsonl"
        self.operations = os.path.join(self.state, "operations")

    def folder(self, kind: str) -> str:
        """The folder of a kind of entity, e.g. `task`."""
        return os.path.join(self.state, KIND_FOLDERS[kind])

    def entity_rel(self, kind: str, entity_id: str) -> str:
        """Path of an entity's file relative to `state/`; ids are canonical by then, never what a person typed."""
        return "project.json" if kind == "project" else f"{KIND_FOLDERS[kind]}/{entity_id}.json"

    def in_state(self, rel: str) -> str:
        """Absolute path for a path relative to `state/`."""
        return os.path.join(self.state, *rel.split("/"))

    def require_own_folders(self) -> None:
        """Passes when none of the folders that aiw works in is a link that leads out of the root (spec §7.7).

        Raises:
            AiwError: CONFIG, naming the link and where it leads.
        """
        for name in _OWN_FOLDERS:
            rel = f"{self.workspace_rel}/{name}".rstrip("/")
            # Above the workspace a link may be anywhere; below it, looking at the folder itself is enough.
            if not name or os.path.islink(self.in_root(rel)):
                require_inside(self.root, rel)

    def to_write(self, rel: str) -> str:
        """Absolute path of a file that is to be written, for a path relative to the root.

        A link in the place of the file is no harm: writing replaces it.

        Raises:
            AiwError: CONFIG when its folder lies outside of the root, by `..` or by a link.
        """
        require_inside(self.root, os.path.dirname(rel))
        return self.in_root(rel)

    def in_root(self, rel: str) -> str:
        """Absolute path for a path relative to the root."""
        return os.path.join(self.root, *rel.split("/"))
