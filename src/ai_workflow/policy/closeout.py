"""How a finished milestone lands (spec §6.5). Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

CloseoutMode = Literal["pull_request", "direct_merge", "local_merge"]
_SCP_URL = re.compile(r"(?:[^@/]+@)?(?P<host>\[[^\]]+\]|[^:/]+):(?!//)")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/]*@)?(?P<host>\[[^\]]+\]|[^:/]+)", re.IGNORECASE)
_FORGES = ("github", "gitlab")


def host_of(url: str) -> str | None:
    """The host that a remote's URL names, lower case; None for a path or a `file:` URL."""
    if url.lower().startswith("file:"):
        return None
    match = _URL.match(url)
    if match is None and not url.startswith(("/", ".", "\\")) and not re.match(r"[A-Za-z]:[\\/]", url):
        match = _SCP_URL.match(url)
    return match.group("host").lower() if match else None


def find_forge(url: str, *, override: str | None) -> str | None:
    """The known forge (`github`, `gitlab`) that the URL belongs to, or None.

    A self-hosted one is known by its host name (`gitlab.example.org`) or by `git.forge`; `none` says there is none.
    """
    if override:
        return None if override == "none" else override
    host = host_of(url)
    if host is None:
        return None
    labels = re.split(r"[.:-]", host.strip("[]"))
    return next((forge for forge in _FORGES if forge in labels), None)


def choose_mode(configured: str, *, remote_urls: Sequence[str], forge_override: str | None) -> CloseoutMode:
    """The way to land, from the config and the remote's URLs only.

    Args:
        configured: `auto`, `direct_merge` or `pull_request`.
        remote_urls: every URL that names the remote (as configured, and after `url.insteadOf`, for fetches and for
            pushes); one of a forge is enough. Empty when there is no remote.
    """
    if not remote_urls:
        return "local_merge"
    if configured == "pull_request":
        return "pull_request"
    if configured == "direct_merge":
        return "direct_merge"
    on_forge = any(find_forge(url, override=forge_override) for url in remote_urls)
    return "pull_request" if on_forge else "direct_merge"


def show_url(url: str) -> str:
    """The URL (or a text with URLs in it) without a password or a token; the user of an ssh URL stays."""
    url = re.sub(r"(https?://)[^/\s]+@", r"\1***@", url, flags=re.IGNORECASE)
    return re.sub(r"(://[^:/@\s]+):[^/\s]+@", r"\1:***@", url)
