"""The way to land follows from the config and the remote's URLs alone (spec §6.5)."""

from __future__ import annotations

import pytest

from ai_workflow.policy.closeout import choose_mode, find_forge, host_of, show_url


@pytest.mark.parametrize(
    ("url", "host", "forge"),
    [
        ("https://github.com/x/y", "github.com", "github"),
        ("https://github.com:443/x/y.git", "github.com", "github"),
        ("HTTPS://GitHub.COM/x/y", "github.com", "github"),
        ("https://token@github.com/x/y", "github.com", "github"),
        ("https://bob:p@ss@github.com/x/y", "github.com", "github"),
        ("git@github.com:x/y.git", "github.com", "github"),
        ("github.com:x/y.git", "github.com", "github"),
        ("git@[github.com:22]:x/y", "[github.com:22]", "github"),
        ("ssh://git@github.com/x/y", "github.com", "github"),
        ("ssh://git@ssh.github.com:443/x/y", "ssh.github.com", "github"),
        ("git+ssh://git@gitlab.com/x/y", "gitlab.com", "gitlab"),
        ("git://gitlab.example.org:9418/x", "gitlab.example.org", "gitlab"),
        ("git@github-work:x/y.git", "github-work", "github"),
        ("https://git.example.org/github/y", "git.example.org", None),
        ("https://notgithub.example.org/x", "notgithub.example.org", None),
        ("git@example.org:github.com/y.git", "example.org", None),
        ("ssh://git@[::1]:22/x", "[::1]", None),
        ("file:///srv/github.com/x", None, None),
        ("/srv/github.com/x.git", None, None),
        ("../github.com:x", None, None),
        ("C:\\work\\github.com", None, None),
        ("c:/code/gitlab", None, None),
    ],
)
def test_host_and_forge_of_a_url(url: str, host: str | None, forge: str | None) -> None:
    assert host_of(url) == host
    assert find_forge(url, override=None) == forge
    assert find_forge(url, override="none") is None
    assert find_forge(url, override="gitlab") == "gitlab"


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
