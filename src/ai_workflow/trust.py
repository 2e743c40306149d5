"""Whether this user trusts this clone, so that commands which the repository brings may run (spec §7.7, ADR 0033).

A token lies in the common git folder, where no clone, fetch or checkout puts anything; its digest lies in the user's
own state folder. Both must be there: a folder that somebody sends with a token of theirs is not trusted. The path is no
part of it, so that a clone may be moved and copied by its user.
"""

from __future__ import annotations

import json
import os
import secrets
import stat

from ai_workflow import folders, fsio
from ai_workflow.errors import AiwError

TRUST_VARIABLE = "AIW_TRUST"
"""Set to 1, everything is trusted: for CI, which has no person to ask and no home that lasts."""
_TOKEN_CHARS = 64


def is_trusted_by_environment() -> bool:
    """Whether `AIW_TRUST=1` is set."""
    return os.environ.get(TRUST_VARIABLE) == "1"


def is_recorded(common_dir: str) -> bool:
    """Whether this user has trusted the clone with this common git folder. Never raises, never writes."""
    token = _find_token(common_dir)
    if token is None:
        return False
    return _is_own_file(_record_path(token))


def grant(common_dir: str, *, at: str) -> None:
    """Records the trust; a clone that is trusted already stays as it is.

    The token is always a new one: one that came with the folder is known to whoever sent it.

    Args:
        at: UTC, ISO-8601, for people who read the record.

    Raises:
        AiwError: IO when the git folder or the user's state folder cannot be written.
    """
    if is_recorded(common_dir):
        return
    token = secrets.token_hex(_TOKEN_CHARS // 2)
    record = json.dumps({"git_dir": os.path.realpath(common_dir), "at": at}, sort_keys=True) + "\n"
    folder = trust_folder()
    fsio.write_file(_record_path(token), record.encode(), temp_dir=folder, durable=True, mode=0o600)
    try:
        path = token_path(common_dir)
        fsio.write_file(path, f"{token}\n".encode(), temp_dir=common_dir, durable=True, mode=0o600)
    except AiwError:
        fsio.remove_file(_record_path(token))
        raise


def clear_unfinished(common_dir: str) -> None:
    """Removes what a `grant` that was killed left beside the token and beside the records. Never raises."""
    folders.clear_unfinished(common_dir, prefix=os.path.basename(token_path(common_dir)))
    folders.clear_unfinished(trust_folder(), prefix="")


def revoke(common_dir: str) -> bool:
    """Takes the trust back, of every copy of this folder too; whether there was any. Raises AiwError(IO)."""
    token = _find_token(common_dir)
    was_recorded = is_recorded(common_dir)
    if token is not None:
        fsio.remove_file(_record_path(token))
    fsio.remove_file(token_path(common_dir))
    return was_recorded


def forget(common_dir: str) -> None:
    """Takes away what was put here for it; copies of this folder elsewhere stay trusted. Raises AiwError(IO)."""
    token = _find_token(common_dir)
    fsio.remove_file(token_path(common_dir))
    if token is None:
        return
    path = _record_path(token)
    try:
        made_for = str(json.loads(fsio.find_bytes(path) or b"{}").get("git_dir", ""))
    except (ValueError, AttributeError):
        made_for = ""
    if made_for == os.path.realpath(common_dir) or not os.path.isdir(made_for):
        fsio.remove_file(path)


def token_path(common_dir: str) -> str:
    """Where the token lies; each user of a shared repository has one of their own."""
    return os.path.join(common_dir, f"aiw-trust-{_user_id()}")


def trust_folder() -> str:
    """The folder of records: `$XDG_STATE_HOME/ai-workflow/trusted`, by default below `~/.local/state`.

    Without `HOME` the account's own folder counts (pwd(5)).
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):
        state = os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(state, "ai-workflow", "trusted")


def _record_path(token: str) -> str:
    return os.path.join(trust_folder(), f"{fsio.sha256_of(token.encode())}.json")


def _find_token(common_dir: str) -> str | None:
    path = token_path(common_dir)
    if not _is_own_file(path):
        return None
    try:
        text = (fsio.find_bytes(path) or b"").decode("ascii", "replace").strip()
    except AiwError:
        return None
    return text if len(text) == _TOKEN_CHARS and text.isalnum() else None


def _is_own_file(path: str) -> bool:
    """Whether it is a plain file of this user, no link and nobody else's."""
    try:
        info = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(info.st_mode) and info.st_uid in (_user_id(), 0)


def _user_id() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0
