"""Opens the forge that a remote is on, with a token from wherever one is kept (spec §6.5)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from ai_workflow.errors import AiwError
from ai_workflow.forge.base import Forge, ForgeError
from ai_workflow.forge.tokens import Token, ask_tool, find_in_environment, is_usable, name_variable
from ai_workflow.git.credentials import find_password
from ai_workflow.git.remotes import Remote, list_urls
from ai_workflow.policy.forges import Place, find_place, plain_host
from ai_workflow.process import run
from ai_workflow.services.workspace import Workspace

_SSH_TIMEOUT_S = 10.0
MAX_RATE_WAIT_S = 5.0
"""A limit that ends later is the caller's to wait for: a closeout does so without holding the repository."""


def find_forge_place(ws: Workspace, remote: Remote) -> Place | None:
    """The remote's project on its forge, or None."""
    git = ws.config.git
    place = find_place(list_urls(ws.repository.git, remote), override=git.forge, forge_url=git.forge_url)
    if place is None or git.forge_url or "." in place.host or ":" in place.host or place.host == "localhost":
        return place
    # A name without a dot is one of the user's own in ssh's configuration: `git@github-work:owner/name`.
    host = find_host(place.host, cwd=ws.root)
    return replace(place, host=host, base_url=f"https://{host}") if host else place


def find_host(alias: str, *, cwd: str) -> str | None:
    """The host that ssh would connect to (ssh(1), `-G`), lower case; None when that is no other name."""
    try:
        done = run(("ssh", "-G", "--", alias), cwd=cwd, timeout_s=_SSH_TIMEOUT_S)
    except AiwError:
        return None
    fields = dict(line.partition(" ")[::2] for line in done.stdout.decode("utf-8", "replace").split("\n"))
    host = plain_host(fields.get("hostname", "").strip().lower())
    return host if done.returncode == 0 and host and host != alias else None


@contextmanager
def forge_of(ws: Workspace, remote: Remote) -> Iterator[Forge]:
    """The forge, for as long as the block lasts.

    Raises:
        ForgeError: `no_credentials`; `not_found` when the remote's URL names no project.
    """
    place = find_forge_place(ws, remote)
    if place is None:
        raise ForgeError("not_found", f"the URL of {remote.name} does not tell which project it is on which forge")
    if place.is_plain:
        raise ForgeError("no_credentials", f"{place.base_url} is not encrypted, so no token is sent there")
    token = find_token(ws, place)
    if token is None:
        raise ForgeError("no_credentials", f"there is no token for {place.host}")
    forge = _open(ws, place, token)
    try:
        yield forge
    finally:
        forge.close()


def find_token(ws: Workspace, place: Place) -> Token | None:
    """The token for a place: environment, then the forge's own tool, then git's credential helpers."""
    found = find_in_environment(place, os.environ) or ask_tool(place, cwd=ws.root)
    if found is not None:
        return found
    try:
        secret = find_password(ws.repository.git, url=f"{place.base_url}/{place.project}")
    except AiwError:
        return None
    return Token(secret=secret, source="git credential") if secret is not None and is_usable(secret) else None


def explain_credentials(place: Place | None) -> str:
    """What a person may do to give a token."""
    if place is None:
        return "set `git.forge` and `git.forge_url`"
    tool = {"github": "gh auth login", "gitlab": "glab auth login"}.get(place.forge, "")
    return f"set {name_variable(place)}, or run `{tool} --hostname {place.host}`"


def _open(ws: Workspace, place: Place, token: Token) -> Forge:
    # Here and not above: the client costs more than any command that does not speak to a forge.
    from ai_workflow.forge.registry import open_adapter

    return open_adapter(place, token.secret, talk=ws.talk, max_wait_s=MAX_RATE_WAIT_S)
