"""The environment variables that bind a git process to one repository."""

from __future__ import annotations

REPOSITORY_VARIABLES = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_NAMESPACE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_QUARANTINE_PATH",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)
"""Set when aiw runs inside a hook; our git and a check's must find the repository by their folder instead.

Source: `git rev-parse --local-env-vars`, and the quarantine of receiving hooks (git-receive-pack(1)). The variables
that only carry settings (`GIT_CONFIG_COUNT`, `GIT_CONFIG_PARAMETERS`) are a person's wish and are not among them.
"""
