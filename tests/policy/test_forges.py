"""The forge and the project follow from the remote's URLs and the config alone (spec §6.5)."""

from __future__ import annotations

import pytest

from ai_workflow.policy.forges import find_forge, find_place, host_of


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


PLACES = [
    ("https://github.com/x/y", "https://api.github.com", "x/y"),
    ("https://github.com:443/x/y.git", "https://api.github.com", "x/y"),
    ("https://bob:p@ss@github.com/x/y.git/", "https://api.github.com", "x/y"),
    ("git@github.com:x/y.git", "https://api.github.com", "x/y"),
    ("git@[github.com:22]:x/y", "https://api.github.com", "x/y"),
    ("ssh://git@ssh.github.com:443/x/y.git", "https://api.github.com", "x/y"),
    ("https://acme.ghe.com/github/y", "https://api.acme.ghe.com", "github/y"),
    ("https://github.example.org:8443/x/y.git", "https://github.example.org:8443/api/v3", "x/y"),
    ("ssh://git@github.example.org:2222/x/y.git", "https://github.example.org/api/v3", "x/y"),
    ("http://github.example.org/x/y", "http://github.example.org/api/v3", "x/y"),
    ("git@gitlab.com:group/sub/deep/y.git", "https://gitlab.com/api/v4", "group/sub/deep/y"),
    ("ssh://git@altssh.gitlab.com:443/group/y.git", "https://gitlab.com/api/v4", "group/y"),
    ("https://gitlab.example.org/a%20b/y", "https://gitlab.example.org/api/v4", "a b/y"),
    ("https://GitLab.example.org/Group/Y", "https://gitlab.example.org/api/v4", "Group/Y"),
]


@pytest.mark.parametrize(("url", "api", "project"), PLACES)
def test_the_place_of_a_project(url: str, api: str, project: str) -> None:
    place = find_place([url], override=None, forge_url=None)
    assert place is not None
    assert (place.api_url, place.project) == (api, project)


@pytest.mark.parametrize("url", ["https://github.com/", "https://github.com/x", "git@github.com:..", "/srv/x/y.git"])
def test_a_url_that_names_no_project(url: str) -> None:
    assert find_place([url], override=None, forge_url=None) is None


def test_a_forge_below_a_path() -> None:
    base = "https://git.example.org/gitlab"
    for url in ("https://git.example.org/gitlab/group/y.git", "git@git.example.org:group/y.git"):
        place = find_place([url], override="gitlab", forge_url=f"{base}/")
        assert place is not None
        assert (place.api_url, place.project) == (f"{base}/api/v4", "group/y")


def test_the_first_url_on_a_forge_counts() -> None:
    place = find_place(["/srv/mirror.git", "git@github.com:x/y.git"], override=None, forge_url=None)
    assert place is not None
    assert place.project == "x/y"


def test_a_token_never_goes_over_a_network_unencrypted() -> None:
    plain = [
        place.is_plain
        for url in ("http://github.example.org/x/y", "https://github.com/x/y", "http://127.0.0.1:8/x/y")
        if (place := find_place([url], override="github", forge_url=None))
    ]
    assert plain == [True, False, False]
