"""The opened workspace: root, config, store and repository, as every use case gets them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from ai_workflow.clock import Clock
from ai_workflow.config.cache import find_cached, read_stamp, write_cached
from ai_workflow.config.place import CONFIG_NAME, find_root, require_inside
from ai_workflow.config.schema import Config
from ai_workflow.errors import AiwError, Kind
from ai_workflow.fsio import remove_file
from ai_workflow.git.half_moves import take_back_half_move
from ai_workflow.git.left_locks import clear_left_locks
from ai_workflow.git.repository import Repository, find_repository
from ai_workflow.locks import KernelLock
from ai_workflow.models.project import PendingEdit
from ai_workflow.models.snapshot import Snapshot
from ai_workflow.models.task import Task
from ai_workflow.policy.secrets import mask
from ai_workflow.services.documents import Documents
from ai_workflow.services.secret_texts import require_clean_words
from ai_workflow.store.layout import Layout
from ai_workflow.store.rows import Rows
from ai_workflow.store.transaction import Store, Transaction

Ask = Callable[[str], bool]
"""Asks the person at the terminal a question that yes answers."""
Talk = Callable[[str], None]
"""Tells the person something on the way; never a result."""


class Workspace:
    """One opened workspace.

    Attributes:
        root: absolute path of the folder that holds `.ai-workflow.yaml`.
        config: the validated configuration.
        layout: where the state lies; in a linked work tree that is the main work tree's workspace (spec §3).
        store, documents: the state and what follows from it.
        actor: who acts, for records.
        talk: progress and notes for people.
    """

    def __init__(
        self,
        root: str,
        config: Config,
        *,
        clock: Clock | None = None,
        command: Sequence[str] = (),
        talk: Talk | None = None,
        stamp: list[int] | None = None,
        idle: list[tuple[str, int]] | None = None,
    ) -> None:
        """
        Args:
            stamp: of the config file, when what it means is to be remembered with the next change.
            idle: see `idle_keys`, when they are known.
        """
        self._stamp = stamp
        self._idle = idle
        self.root = root
        self.config = config
        self.clock = clock or Clock()
        self.talk: Talk = talk or _say_nothing
        self.ask: Ask | None = None
        """None where nobody can be asked."""
        self.actor = find_actor() or config.ai.default_actor
        self.layout = Layout(find_state_root(root), workspace_rel=config.workspace_dir)
        said = tuple(mask(word) for word in command)
        self.store = Store(self.layout, clock=self.clock, actor=self.actor, command=said, on_wait=self.talk)
        self.documents = Documents(root=root, layout=self.layout, config=config)
        self.store.write_documents = self._follow
        self.store.before_commit = self._follow_backlog
        self.followed: Transaction | None = None
        """The transaction in which the backlog has followed already."""
        self._repository: Repository | None = None

    def _follow(self, before: Snapshot | None, after: Snapshot) -> None:
        """What is derived from a change of state, and, since something is being written, from the config."""
        self.documents.follow(before, after)
        if self._stamp is None:
            return
        from ai_workflow.config.load import guarded_paths

        values = msgspec.to_builtins(self.config)
        # Checks may hold secrets too, in a config that was committed long ago.
        has_secrets = self.config.agent.env or self.config.agents or mask(text := str(values)) != text
        fields = {
            "prefix": self.command_prefix,
            "workspace_dir": self.config.workspace_dir,
            "plan_dir": self.config.plan_dir,
            "state_root": self.layout.root,
            "guarded": list(guarded_paths(self.config)),
            "idle": self.idle_keys(),
            "config": None if has_secrets else values,
        }
        rel = self.config.workspace_dir
        write_cached(self.root, fields, stamp=self._stamp, workspace_dir=rel, temp=self.layout.temp)

    def _follow_backlog(self, change: Transaction) -> None:
        """Items of the backlog keep in step with their tasks, whatever command moves those (spec §5)."""
        from ai_workflow.services.own_edits import follow_before_commit

        if any(isinstance(entity, Task) for entity in change.changes.put):
            follow_before_commit(self, change)

    @property
    def repository(self) -> Repository:
        """The git repository around the root.

        Raises:
            AiwError: GIT when there is none.
        """
        if self._repository is None:
            self._repository = find_repository(self.root)
        if self._repository is None:
            raise AiwError(Kind.GIT, f"{self.root} is not in a git repository", hint="run `git init`, then `aiw init`")
        return self._repository

    @property
    def project_name(self) -> str:
        """What the project is called: by the config, else by its folder."""
        return self.config.project.name or os.path.basename(os.path.abspath(self.root))

    @property
    def command_prefix(self) -> str:
        """What stands before `aiw` in suggested commands: empty, or e.g. `uv run `."""
        prefix = self.config.agent.command_prefix.strip()
        return f"{prefix} " if prefix else ""

    def idle_keys(self) -> list[tuple[str, int]]:
        """Keys that the config gives and nothing reads in this release, with their lines. Raises AiwError(CONFIG)."""
        if self._idle is None:
            from ai_workflow.config.load import list_given_keys, read_config_bytes

            given = list_given_keys(read_config_bytes(self.root), path=CONFIG_NAME)
            self._idle = [(key.name, key.line) for key in given if key.status == "reserved"]
        return self._idle

    def command(self, text: str) -> str:
        """A command to suggest, e.g. `command("next")` is `uv run aiw next`."""
        return f"{self.command_prefix}aiw {text}"

    def pending_edits(self) -> tuple[PendingEdit, ...]:
        """What commands of aiw did to files of the repository and no commit holds yet; see `own_edits`."""
        project = Rows(self.layout, accepts_old=True).project() or {}
        return msgspec.convert(project.get("pending_edits") or [], tuple[PendingEdit, ...])

    @contextmanager
    def git_effects(self, purpose: str) -> Iterator[None]:
        """Holds the lock of the git repository; git children inherit it, so an orphan of ours keeps it.

        What a killed holder, or a killed child of ours, left of git's own locks is cleared: see `git.left_locks`.

        Raises:
            AiwError: LOCKED after the deadline, with the holder named.
        """
        path = os.path.join(self.repository.common_dir, "aiw.lock")
        git = self.repository.git
        with KernelLock(path, purpose=purpose, on_wait=self.talk, on_left=self._settle_git) as lock:
            git.held_locks = (lock.descriptor,)
            git.move_note = (self._move_note, os.path.join(self.repository.git_dir, "HEAD"))
            self._sweep("aiw-index-")
            self._sweep(f"{os.path.basename(self._move_note)}.")
            try:
                yield
            finally:
                git.held_locks = ()
                git.move_note = None
                if not git.has_lost_child and os.path.lexists(self._move_note):
                    # Its move has ended, only the note could not be removed.
                    remove_file(self._move_note)
                if git.has_lost_child or git.has_named_lock:
                    lock.settle_own()

    @property
    def _move_note(self) -> str:
        return os.path.join(self.repository.git_dir, "aiw-moving")

    def _settle_git(self, since_ns: int) -> bool:
        if not clear_left_locks(self.repository, since_ns=since_ns):
            return False
        take_back_half_move(self.repository, self._move_note)
        return True

    def _sweep(self, prefix: str) -> None:
        """Removes private indexes and temporaries of killed commands; with an intent open one may still be in use."""
        intents = self.layout.folder("intent")
        if os.path.isdir(intents) and os.listdir(intents):
            return
        for name in os.listdir(self.repository.git_dir):
            if name.startswith(prefix):
                remove_file(os.path.join(self.repository.git_dir, name))

    def sweep_candidates(self) -> None:
        """Removes what a killed finish left in the git folder; only for the holder of the finish lease."""
        self._sweep("aiw-candidate-")

    @contextmanager
    def finishing(self, lane_id: str, task_id: str) -> Iterator[KernelLock]:
        """Holds the finish lease, at once or not at all.

        Raises:
            AiwError: LOCKED, with who holds it and since when.
        """
        lease = self.finish_lease(lane_id, task_id)
        try:
            lease.acquire(deadline_s=0)
        except AiwError as error:
            raise AiwError(
                Kind.LOCKED,
                f"{task_id} is being finished already: {error.message.partition(': ')[2]}",
                hint="wait for it to end",
            ) from error
        try:
            yield lease
        finally:
            lease.release()

    def finish_lease(self, lane_id: str, task_id: str) -> KernelLock:
        """The lease of the one finish that may be under way; the death of its process gives it back."""
        path = os.path.join(self.layout.locks, f"finish-{lane_id}.lock")
        return KernelLock(path, purpose=f"finish {task_id}", on_wait=None)


def open_workspace(start: str, *, command: Sequence[str] = (), talk: Talk | None = None) -> Workspace:
    """The workspace of the nearest folder upward that holds a config.

    Raises:
        AiwError: CONFIG when there is none, the config is wrong, or a folder of aiw's leads out of the root; SECRET
            when the command line holds one.
    """
    ws = _open(start, command=command, talk=talk)
    ws.layout.require_own_folders()
    require_clean_words(ws.config.secrets, command, talk=ws.talk)
    return ws


def _open(start: str, *, command: Sequence[str], talk: Talk | None) -> Workspace:
    root = find_root(start)
    if root is None:
        from ai_workflow.config.load import explain_no_workspace

        raise explain_no_workspace(start)
    cached = find_cached(root)
    config = _revive(root, cached) if cached is not None else None
    if cached is not None and config is not None:
        return Workspace(root, config, command=command, talk=talk, idle=[(name, line) for name, line in cached["idle"]])
    from ai_workflow.config.load import load_config

    stamp = read_stamp(root)
    return Workspace(root, load_config(root), command=command, talk=talk, stamp=stamp)


def _revive(root: str, cached: dict[str, Any]) -> Config | None:
    """The config as it was read last, unless a path leads out of the root since, or its values were not kept."""
    if not cached.get("config"):
        return None
    try:
        config = msgspec.convert(cached["config"], Config)
        for rel in cached["guarded"]:
            require_inside(root, rel)
    except (msgspec.ValidationError, AiwError, KeyError, TypeError):
        return None
    return config


def find_actor() -> str | None:
    """Who acts: `AIW_ACTOR`, or the user's account name; None when neither is known."""
    return next((name for key in ("AIW_ACTOR", "LOGNAME", "USER") if (name := os.environ.get(key))), None)


def find_state_root(root: str) -> str:
    """The folder whose workspace holds the state: the root itself, or its twin in the main work tree.

    Reads files only: a linked work tree's `.git` is a file that leads to the common folder (gitrepository-layout(5)).
    """
    top = os.path.abspath(root)
    while not os.path.lexists(os.path.join(top, ".git")):
        parent = os.path.dirname(top)
        if parent == top:
            return root
        top = parent
    marker = os.path.join(top, ".git")
    if not os.path.isfile(marker):
        return root
    try:
        with open(marker, encoding="utf-8") as stream:
            git_dir = os.path.join(top, stream.read().strip().removeprefix("gitdir: "))
        with open(os.path.join(git_dir, "commondir"), encoding="utf-8") as stream:
            common_dir = os.path.normpath(os.path.join(git_dir, stream.read().strip()))
    except (OSError, UnicodeDecodeError):
        # No `commondir`: a submodule or a separate git folder, which is a main work tree of its own.
        return root
    if os.path.basename(common_dir) != ".git":
        return root
    return os.path.normpath(os.path.join(os.path.dirname(common_dir), os.path.relpath(root, top)))


def _say_nothing(_text: str) -> None:
    return
