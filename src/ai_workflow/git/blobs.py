"""Reads what differs between two trees, as the bytes that lie in the repository: no filter, no diff driver."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from ai_workflow.git.runner import Git
from ai_workflow.models.base import Record

_BATCH_BYTES = 32 * 1024 * 1024
_SUBMODULE = "160000"


class ChangedBlob(Record, frozen=True, kw_only=True):
    """A path whose content differs; None where a side has none. Submodules are left out."""

    path: str
    old: str | None
    new: str | None


def changed_blobs(git: Git, old: str, new: str) -> tuple[ChangedBlob, ...]:
    """What differs between two commits or trees; a rename is a path that goes and one that comes. Raises GIT."""
    fields = git.run("diff-tree", "-r", "-z", "--no-renames", old, new).stdout.split(b"\0")
    found = []
    for meta, path in zip(fields[0::2], fields[1::2], strict=False):
        old_mode, new_mode, old_sha, new_sha = meta.decode().lstrip(":").split(" ")[:4]
        before = None if old_mode in ("000000", _SUBMODULE) else old_sha
        after = None if new_mode in ("000000", _SUBMODULE) else new_sha
        if before != after:
            found.append(ChangedBlob(path=os.fsdecode(path), old=before, new=after))
    return tuple(found)


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
