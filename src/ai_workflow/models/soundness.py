"""What a stored record must not hold, since files of the state can come with a clone (spec §3, §7.7). Pure."""

from __future__ import annotations

import msgspec

_REVISIONS = frozenset(
    {
        "base_branch", "base_sha", "branch", "branch_tip", "commit", "commit_sha", "head", "head_ref", "landed_sha",
        "merge_sha", "pushed_branch_sha", "start_sha", "tested_tree", "tree",
    }
)  # fmt: skip
"""Fields that become arguments of git, in whatever record they are."""


def find_unsound(record: msgspec.Struct) -> tuple[str, str] | None:
    """The first field that could act as something else than it says, and what is wrong with it; None when all is well.

    A revision that begins with a dash would be an option of git, such as `--output=<file>`.
    """
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, str):
            if name in _REVISIONS and (value.startswith("-") or not value.isprintable()):
                return name, "is neither a branch nor a commit"
        elif isinstance(value, msgspec.Struct):
            found = find_unsound(value)
            if found is not None:
                return found
    return None
