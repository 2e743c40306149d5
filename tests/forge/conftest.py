"""Forges to speak to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_workflow.forge.gitlab import GitLab
from support.gitlab_forge import GitLabForge
from support.gitlab_talk import check_contract, connect
from support.prepared import prepared
from support.project import make_project


@pytest.fixture
def gitlab_forge(tmp_path: Path) -> Iterator[GitLabForge]:
    project = prepared(make_project, tmp_path)
    assert project.origin is not None
    server = GitLabForge(project.origin)
    yield server
    server.close()
    check_contract(server)


@pytest.fixture
def gitlab(gitlab_forge: GitLabForge) -> Iterator[GitLab]:
    adapter = connect(gitlab_forge)
    yield adapter
    adapter.close()
