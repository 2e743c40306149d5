"""How a finished milestone lands (spec §6.5). Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from ai_workflow.policy.forges import find_forge

CloseoutMode = Literal["pull_request", "direct_merge", "local_merge"]


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
