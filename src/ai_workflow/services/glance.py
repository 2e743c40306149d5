"""Opens a workspace for looking only: no records, no YAML when the config was read before, no writes."""

from __future__ import annotations

from ai_workflow.config.cache import find_cached
from ai_workflow.config.place import find_root
from ai_workflow.store.layout import Layout
from ai_workflow.store.rows import Rows


class Glance:
    """A workspace being looked at.

    Attributes:
        root: the folder with the config.
        prefix: what stands before `aiw` in suggested commands, e.g. `uv run `.
        rows: the state.
        plan_dir: the folder of plan and backlog, relative to the root.
    """

    def __init__(self, root: str) -> None:
        settings = _settings(root)
        self.root = root
        self.plan_dir: str = settings["plan_dir"]
        self.prefix: str = settings["prefix"]
        self.layout = Layout(settings["state_root"], workspace_rel=settings["workspace_dir"])
        self.rows = Rows(self.layout)

    def command(self, text: str) -> str:
        """A command to suggest."""
        return f"{self.prefix}aiw {text}"


def open_glance(start: str) -> Glance:
    """The workspace of the nearest folder upward that holds a config.

    Raises:
        AiwError: CONFIG when there is none, or the config is wrong.
    """
    root = find_root(start)
    if root is None:
        from ai_workflow.config.load import explain_no_workspace

        raise explain_no_workspace(start)
    return Glance(root)


def _settings(root: str) -> dict[str, str]:
    """The few settings that showing needs, from the cache when the config is as it was."""
    cached = find_cached(root)
    if cached is not None:
        return {key: str(cached[key]) for key in ("prefix", "workspace_dir", "plan_dir", "state_root")}
    from ai_workflow.services.workspace import open_workspace

    ws = open_workspace(root)
    return {
        "prefix": ws.command_prefix,
        "workspace_dir": ws.config.workspace_dir,
        "plan_dir": ws.config.plan_dir,
        "state_root": ws.layout.root,
    }
