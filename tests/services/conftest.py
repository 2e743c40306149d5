"""A finished milestone on either forge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.github_host import GithubHost
from support.gitlab_host import GitlabHost
from support.hosts import Host, Hosted
from support.requested import on_github, on_gitlab


@pytest.fixture(params=["github", pytest.param("gitlab", marks=pytest.mark.slow)])
def hosted(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    """The project and its forge; at the end there is one request at most, merged once at most, and nothing red."""
    host: Host
    if request.param == "github":
        with on_github(tmp_path, monkeypatch) as (project, github):
            host = GithubHost(github, monkeypatch)
            yield project, host
            host.assert_sound()
    else:
        with on_gitlab(tmp_path, monkeypatch) as (project, gitlab):
            host = GitlabHost(gitlab, monkeypatch)
            yield project, host
            host.assert_sound()
