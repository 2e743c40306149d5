"""The way to land follows from the config and the remote's URLs alone (spec §6.5)."""

from __future__ import annotations

import pytest

from ai_workflow.policy.closeout import choose_mode, show_url

PLAIN = "/srv/x.git"
FORGE = "https://github.com/x/y"


@pytest.mark.parametrize(
    ("configured", "urls", "override", "mode"),
    [
        ("auto", (), None, "local_merge"),
        ("direct_merge", (), None, "local_merge"),
        ("pull_request", (), None, "local_merge"),
        ("auto", (PLAIN,), None, "direct_merge"),
        ("auto", (FORGE,), None, "pull_request"),
        ("auto", (FORGE, PLAIN), None, "pull_request"),
        ("auto", (PLAIN, FORGE), None, "pull_request"),
        ("auto", (FORGE,), "none", "direct_merge"),
        ("auto", (PLAIN,), "gitlab", "pull_request"),
        ("direct_merge", (FORGE,), None, "direct_merge"),
        ("pull_request", (PLAIN,), None, "pull_request"),
    ],
)
def test_the_mode(configured: str, urls: tuple[str, ...], override: str | None, mode: str) -> None:
    assert choose_mode(configured, remote_urls=urls, forge_override=override) == mode


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://bob:secret@host/x", "https://***@host/x"),
        ("https://token@host/x", "https://***@host/x"),
        ("https://bob:p@ss@host/x", "https://***@host/x"),
        ("ssh://git@host/x", "ssh://git@host/x"),
        ("ssh://git:secret@host/x", "ssh://git:***@host/x"),
        ("git@host:x", "git@host:x"),
        ("fatal: 'https://a:b@host/x' and https://c:d@host/y", "fatal: 'https://***@host/x' and https://***@host/y"),
    ],
)
def test_a_url_is_shown_without_secrets(url: str, shown: str) -> None:
    assert show_url(url) == shown
