"""Lets commands that a repository brings run only in a clone that this user trusts (spec §7.7)."""

from __future__ import annotations

from collections.abc import Sequence

from ai_workflow import trust
from ai_workflow.config.ownership import plan_path
from ai_workflow.config.place import CONFIG_NAME
from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.status import show_path
from ai_workflow.models.base import Record
from ai_workflow.services.workspace import Workspace

_SHOWN = 10


class Trust(Record, frozen=True, kw_only=True):
    """Whether the commands of this clone may run."""

    trusted: bool
    by: str | None = None
    """`record`, `environment`, or None."""
    commands: tuple[str, ...] = ()
    """What the config and the open tasks would run."""


def read_trust(ws: Workspace) -> Trust:
    """The trust of this clone as it is, and what it is about. Raises AiwError(GIT)."""
    tasks = ws.store.snapshot().tasks.values()
    own = [command for task in tasks if task.status not in ("done", "skipped", "cancelled") for command in task.verify]
    commands = tuple(dict.fromkeys((*(check.run for check in ws.config.agent.checks), *own)))
    by = None
    if trust.is_recorded(ws.repository.common_dir):
        by = "record"
    elif trust.is_trusted_by_environment():
        by = "environment"
    return Trust(trusted=by is not None, by=by, commands=commands)


def is_trusted(ws: Workspace) -> bool:
    """Whether commands of the repository may run. Raises AiwError(GIT)."""
    return trust.is_trusted_by_environment() or trust.is_recorded(ws.repository.common_dir)


def require_trust(ws: Workspace, commands: Sequence[str]) -> None:
    """Passes when there is nothing to run, the clone is trusted, or the person at the terminal says so now.

    Args:
        commands: what the config and the plan bring.

    Raises:
        AiwError: TRUST, naming the commands.
    """
    if not commands or is_trusted(ws):
        return
    listed = list_commands(commands)
    if ws.ask is not None and ws.ask(
        f"This repository brings commands, which run with your rights:\n{listed}\nTrust this clone from now on?"
    ):
        grant(ws)
        return
    raise AiwError(Kind.TRUST, untrusted_message(commands), hint=untrusted_hint(ws))


def untrusted_message(commands: Sequence[str]) -> str:
    """Why nothing ran."""
    return f"this clone is not trusted, so its commands do not run:\n{list_commands(commands)}"


def untrusted_hint(ws: Workspace) -> str:
    """What to do about it."""
    return f"read them, then: {ws.command('trust')} (in CI: {trust.TRUST_VARIABLE}=1)"


def list_commands(commands: Sequence[str]) -> str:
    """One indented line for each of the first ten."""
    lines = [f"  {show_path(' '.join(command.split()))}" for command in commands[:_SHOWN]]
    return "\n".join([*lines, *([f"  … and {len(commands) - _SHOWN} more"] if len(commands) > _SHOWN else [])])


def grant(ws: Workspace) -> None:
    """Trusts this clone.

    Raises:
        AiwError: IO, with the way for a home that cannot be written.
    """
    try:
        trust.grant(ws.repository.common_dir, at=ws.clock.now_utc())
    except AiwError as error:
        raise AiwError(
            error.kind,
            f"the trust cannot be recorded: {error.message}",
            hint=f"make that folder writable, or set {trust.TRUST_VARIABLE}=1 for each command",
        ) from error


def revoke(ws: Workspace) -> bool:
    """Takes it back; whether there was any. Raises AiwError(IO)."""
    return trust.revoke(ws.repository.common_dir)


def forget(ws: Workspace) -> None:
    """What uninstall takes along: the trust, unless another workspace of this repository needs it. Raises AiwError."""
    repository = ws.repository
    trust.clear_unfinished(repository.common_dir)
    files = repository.git.run("ls-files", "-z", "--cached", "--others").stdout.decode("utf-8", "surrogateescape")
    own = repository.from_root(CONFIG_NAME)
    if any(path.rpartition("/")[2] == CONFIG_NAME and path != own for path in files.split("\0")):
        return
    trust.forget(repository.common_dir)


def grant_own(ws: Workspace, paths: Sequence[str] | None = None) -> bool:
    """Trusts a clone whose workspace is this user's own work: nothing that brings commands came with it.

    Args:
        paths: relative to the root; what must not be in git. None: the config, the plan and the state, which holds the
            commands of `Verify:` lines.

    Returns:
        Whether it is trusted now. A place that cannot be written is told and is no error.
    """
    trust.clear_unfinished(ws.repository.common_dir)
    if is_trusted(ws):
        return True
    brought = [
        ws.repository.from_root(rel) for rel in paths or (CONFIG_NAME, plan_path(ws.config), ws.layout.state_rel)
    ]
    done = ws.repository.git.run("ls-files", "-z", "--", *brought)
    if done.stdout:
        return False
    try:
        grant(ws)
    except AiwError as error:
        ws.talk(f"note: {error.message}; {error.hint}")
        return False
    return True
