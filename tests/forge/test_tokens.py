"""A token comes from where it is kept for that host, and goes to no other (spec §6.5)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ai_workflow.forge.tokens import Token, ask_tool, find_in_environment
from ai_workflow.git.credentials import find_password
from ai_workflow.git.repository import find_repository
from ai_workflow.policy.forges import Place, find_place
from support.project import make_project


def place(url: str) -> Place:
    found = find_place([url], override=None, forge_url=None)
    assert found is not None
    return found


HUB = place("https://github.com/x/y")
RESIDENT = place("https://acme.ghe.com/x/y")
SERVER = place("https://github.example.org/x/y")
LAB = place("https://gitlab.com/x/y")
OWN_LAB = place("https://gitlab.example.org/x/y")


@pytest.mark.parametrize(
    ("where", "environment", "source"),
    [
        (HUB, {"GH_TOKEN": "a", "GITHUB_TOKEN": "b"}, "GH_TOKEN"),
        (HUB, {"GITHUB_TOKEN": "b"}, "GITHUB_TOKEN"),
        (HUB, {"GH_TOKEN": " ", "GITHUB_TOKEN": "b"}, "GITHUB_TOKEN"),
        (HUB, {"GH_ENTERPRISE_TOKEN": "a", "GH_HOST": "github.com"}, None),
        (RESIDENT, {"GH_TOKEN": "a"}, "GH_TOKEN"),
        (SERVER, {"GH_TOKEN": "a", "GITHUB_TOKEN": "b"}, None),
        (SERVER, {"GH_ENTERPRISE_TOKEN": "a"}, None),
        (SERVER, {"GH_ENTERPRISE_TOKEN": "a", "GH_HOST": "github.example.com"}, None),
        (SERVER, {"GH_ENTERPRISE_TOKEN": "a", "GH_HOST": "github.example.org"}, "GH_ENTERPRISE_TOKEN"),
        (
            SERVER,
            {"GITHUB_ENTERPRISE_TOKEN": "a", "GITHUB_SERVER_URL": "https://github.example.org"},
            "GITHUB_ENTERPRISE_TOKEN",
        ),
        (LAB, {"GITLAB_TOKEN": "a"}, "GITLAB_TOKEN"),
        (LAB, {"GITLAB_TOKEN": "a", "GITLAB_HOST": "gitlab.example.org"}, None),
        (OWN_LAB, {"GITLAB_TOKEN": "a"}, None),
        (OWN_LAB, {"GITLAB_TOKEN": "a", "GITLAB_HOST": "https://gitlab.example.org/"}, "GITLAB_TOKEN"),
        (HUB, {"GITLAB_TOKEN": "a"}, None),
        (HUB, {"GH_TOKEN": "two words"}, None),
        (HUB, {"GH_TOKEN": "a\nX-Evil: 1"}, None),
        (HUB, {"GH_TOKEN": "gehéim"}, None),
    ],
)
def test_a_variable_speaks_for_its_host(where: Place, environment: dict[str, str], source: str | None) -> None:
    found = find_in_environment(where, environment)
    assert (found.source if found else None) == source


def test_a_token_is_not_shown() -> None:
    assert "hunter2" not in repr(Token(secret="hunter2", source="GH_TOKEN"))


def make_tool(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_the_tool_is_asked_for_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "tools"
    make_tool(tools, "gh", '[ "$*" = "auth token --hostname github.example.org" ] && echo kept || exit 1')
    make_tool(tools, "glab", '[ "$*" = "config get token --host gitlab.com" ] && echo other || exit 1')
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    assert ask_tool(HUB, cwd=str(tmp_path)) is None
    found = ask_tool(SERVER, cwd=str(tmp_path))
    assert found is not None
    assert (found.secret, found.source) == ("kept", "gh auth token")
    assert (lab := ask_tool(LAB, cwd=str(tmp_path))) is not None
    assert lab.secret == "other"
    make_tool(tools, "gh", "echo 'no oauth token'; exit 0")
    assert ask_tool(SERVER, cwd=str(tmp_path)) is None, "words are no token"


def test_no_tool_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask_tool(HUB, cwd=str(tmp_path)) is None


def test_gits_helpers_are_asked_and_no_person_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path)
    repository = find_repository(str(project.path))
    assert repository is not None
    url = "https://github.example.org/x/y"
    monkeypatch.setenv("GIT_ASKPASS", str(tmp_path / "asks"))
    make_tool(tmp_path, "asks", f"touch {tmp_path}/asked; echo typed")
    assert find_password(repository.git, url=url) is None
    assert not (tmp_path / "asked").exists()
    project.git("config", f"credential.{url.rsplit('/', 2)[0]}.helper", "!echo username=x; echo password=kept; :")
    assert find_password(repository.git, url=url) == "kept"
    assert find_password(repository.git, url="https://github.com/x/y") is None
    assert find_password(repository.git, url="https://github.example.org/x\nhost=evil") is None
