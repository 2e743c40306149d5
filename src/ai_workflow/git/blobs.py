"""Reads what differs between two trees, as the bytes that lie in the repository: no filter, no diff driver."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from ai_workflow.git.runner import Git
from ai_workflow.models.base import Record

_BATCH_BYTES = 32 * 1024 * 1024
_SUBMODULE = "160000"
DIFF_OPTIONS = ("-r", "-z", "--no-renames", "--ignore-submodules=none")
"""Of `git diff-tree`: every path of its own, submodules too that `.gitmodules` says to ignore."""


class TreeChange(Record, frozen=True, kw_only=True):
    """A path that differs between two trees; each side is `<mode> <blob>`, or None when it is not there."""

    path: str
    old: str | None
    new: str | None


def read_changes(git: Git, old: str, new: str) -> tuple[TreeChange, ...]:
    """What differs between two commits or trees; a rename is a path that goes and one that comes. Raises GIT."""
    return parse_changes(git.run("diff-tree", *DIFF_OPTIONS, old, new).stdout)


def parse_changes(data: bytes) -> tuple[TreeChange, ...]:
    """The raw output of `git diff-tree -r -z`. Pure."""
    fields = data.split(b"\0")
    found = []
    for meta, path in zip(fields[0::2], fields[1::2], strict=False):
        old_mode, new_mode, old_sha, new_sha = meta.decode().lstrip(":").split(" ")[:4]
        old = None if old_mode == "000000" else f"{old_mode} {old_sha}"
        new = None if new_mode == "000000" else f"{new_mode} {new_sha}"
        found.append(TreeChange(path=os.fsdecode(path), old=old, new=new))
    return tuple(found)


class ChangedBlob(Record, frozen=True, kw_only=True):
    """A path whose content differs; None where a side has none. Submodules are left out."""

    path: str
    old: str | None
    new: str | None


def changed_blobs(changes: Iterable[TreeChange]) -> tuple[ChangedBlob, ...]:
    """The changes of content among changes of trees. Pure."""
    found = (ChangedBlob(path=one.path, old=_blob_of(one.old), new=_blob_of(one.new)) for one in changes)
    return tuple(one for one in found if one.old != one.new)


def _blob_of(entry: str | None) -> str | None:
    mode, _, blob = (entry or _SUBMODULE).partition(" ")
    return None if mode == _SUBMODULE else blob


def read_sizes(git: Git, blobs: Sequence[str]) -> dict[str, int]:
    """Bytes of each blob. Raises AiwError(GIT)."""
    if not blobs:
        return {}
    stdin = "".join(f"{blob}\n" for blob in blobs).encode()
    lines = git.run("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=stdin).stdout.decode().split("\n")
    return {name: int(size) for name, _, size in (line.partition(" ") for line in lines if line)}


def read_blobs(git: Git, sizes: dict[str, int]) -> Iterator[tuple[str, bytes]]:
    """Id and bytes of each blob, some 32 MB at a time in memory. Raises AiwError(GIT)."""
    batch: list[str] = []
    held_bytes = 0
    for blob, size_bytes in sizes.items():
        if batch and held_bytes + size_bytes > _BATCH_BYTES:
            yield from _read_batch(git, batch)
            batch, held_bytes = [], 0
        batch.append(blob)
        held_bytes += size_bytes
    if batch:
        yield from _read_batch(git, batch)


def _read_batch(git: Git, blobs: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    data = git.run("cat-file", "--batch", stdin="".join(f"{blob}\n" for blob in blobs).encode()).stdout
    at = 0
    for blob in blobs:
        end = data.index(b"\n", at)
        size_bytes = int(data[at:end].rsplit(b" ", 1)[1])
        yield blob, data[end + 1 : end + 1 + size_bytes]
        at = end + 1 + size_bytes + 1
