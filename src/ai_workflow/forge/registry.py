"""The adapter of each forge."""

from __future__ import annotations

from ai_workflow.forge.base import Forge
from ai_workflow.forge.github import GitHub, github_headers
from ai_workflow.forge.gitlab import GitLab, gitlab_headers
from ai_workflow.forge.transport import Talk, Timing, Transport
from ai_workflow.policy.forges import Place


def open_adapter(place: Place, secret: str, *, talk: Talk, max_wait_s: float, timing: Timing | None = None) -> Forge:
    """The adapter for a place; nothing is asked yet.

    Args:
        secret: the token.
        talk, max_wait_s, timing: as those of `Transport`.
    """
    adapter, headers = (GitLab, gitlab_headers(secret)) if place.forge == "gitlab" else (GitHub, github_headers(secret))
    transport = Transport(
        place.api_url, name=adapter.name, headers=headers, talk=talk, max_wait_s=max_wait_s, timing=timing
    )
    return adapter(place, transport)
