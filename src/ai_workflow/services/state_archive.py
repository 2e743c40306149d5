"""One file that holds a whole workspace as it was: `archive/reset-20261125T120000Z.tar.gz` (spec §6.10).

In it lie `manifest.json` and every generated file at its path relative to the root. It is written whole and synced
before anything is changed, and read back only when every byte agrees with the manifest.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec

from ai_workflow import fsio
from ai_workflow.config.ownership import handoff_paths, plan_path, runtime_paths
from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.refs import find_commit, find_head_branch, list_branches
from ai_workflow.models.base import Record
from ai_workflow.models.project import Counters
from ai_workflow.services.workspace import Workspace
from ai_workflow.store.whole import read_files

MANIFEST = "manifest.json"
RESET, REPLACED = "reset", "before-restore"
"""What begins the name: made by a reset, or by a restore of what it replaces."""
_NAME = re.compile(r"(reset|before-restore)-(\d{8}T\d{6}Z)(?:-(\d+))?\.tar\.gz")
_MAX_BYTES = 8 * 1024**3


class Manifest(Record, frozen=True, kw_only=True):
    """What an archive says of itself."""

    archive: int = 1
    """Version of the format."""
    made_at: str
    actor: str
    workspace_dir: str
    lineage: str | None
    """None when `project.json` was missing or damaged."""
    counters: Counters
    head: str | None
    branch: str | None
    refs: dict[str, str]
    """Milestone branches and refs under `refs/aiw/`, which stay in git: full name → commit."""
    files: dict[str, str]
    """Path relative to the root → SHA-256."""


class Archive(Record, frozen=True, kw_only=True):
    """A read archive."""

    name: str
    manifest: Manifest
    files: dict[str, bytes]


def generated_roots(ws: Workspace) -> tuple[str, ...]:
    """What a reset empties: folders (with a `/`) and files relative to the root, without state, locks and archives."""
    kept = {f"{ws.config.workspace_dir}/{name}/" for name in ("state", "locks", "archive")}
    return tuple(path for path in runtime_paths(ws.config) if path not in kept and path != plan_path(ws.config))


def is_generated(ws: Workspace, rel: str) -> bool:
    """Whether the path, relative to the root, is one of, or lies in, what `generated_roots` names."""
    return any(rel.startswith(root) if root.endswith("/") else rel == root for root in generated_roots(ws))


def read_generated(ws: Workspace) -> dict[str, bytes]:
    """Every generated file but the state: path relative to the root → bytes. Raises AiwError(IO)."""
    found = {}
    for rel in generated_roots(ws):
        path = ws.layout.in_root(rel.rstrip("/"))
        if rel.endswith("/"):
            found.update({rel + below: data for below, data in read_files(path).items()})
        elif os.path.isfile(path):
            found[rel] = fsio.read_bytes(path)
    return found


def collect(ws: Workspace, state: Mapping[str, bytes]) -> dict[str, bytes]:
    """Everything that an archive holds: the state, what is generated, the plan and the handoffs."""
    files = {f"{ws.layout.state_rel}/{rel}": data for rel, data in state.items()}
    files.update(read_generated(ws))
    for rel in (plan_path(ws.config), *handoff_paths(ws.config)):
        data = fsio.find_bytes(os.path.join(ws.root, *rel.split("/")))
        if data is not None:
            files[rel] = data
    return files


def write_archive(
    ws: Workspace, kind: str, files: Mapping[str, bytes], *, lineage: str | None, counters: Counters, branches: set[str]
) -> str:
    """Writes the archive, synced; one that holds the very same files is taken instead.

    Returns:
        Its path relative to the root. Raises AiwError(IO, GIT).
    """
    digests = {rel: fsio.sha256_of(data) for rel, data in files.items()}
    newest = find_newest(ws, kind)
    if newest is not None and find_digests(ws, kind) == digests:
        return _rel(ws, newest)
    now = ws.clock.now_utc()
    git = ws.repository.git
    refs = list_branches(git, "refs/aiw")
    refs.update({ref: sha for ref, sha in list_branches(git).items() if ref.removeprefix("refs/heads/") in branches})
    manifest = Manifest(
        made_at=now,
        actor=ws.actor,
        workspace_dir=ws.config.workspace_dir,
        lineage=lineage,
        counters=counters,
        head=find_commit(git, "HEAD"),
        branch=find_head_branch(git),
        refs=refs,
        files=digests,
    )
    stamp = now.replace("-", "").replace(":", "")
    name, number = f"{kind}-{stamp}.tar.gz", 2
    # Counted over both kinds: within a second the number alone tells which is newer.
    while any(os.path.lexists(_path(ws, name.replace(kind, any_kind, 1))) for any_kind in (RESET, REPLACED)):
        name, number = f"{kind}-{stamp}-{number}.tar.gz", number + 1
    fsio.write_file(_path(ws, name), _pack(manifest, files), temp_dir=ws.layout.temp, durable=True)
    return _rel(ws, name)


def _pack(manifest: Manifest, files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        head = msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=2) + b"\n"
        for rel, data in ((MANIFEST, head), *sorted(files.items())):
            member = tarfile.TarInfo(rel)
            member.size = len(data)
            member.mode = 0o644
            tar.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def list_archives(ws: Workspace) -> tuple[str, ...]:
    """Names of the archives, the newest first."""
    try:
        names = os.listdir(os.path.join(ws.layout.workspace, "archive"))
    except OSError:
        return ()
    return tuple(sorted((name for name in names if _NAME.fullmatch(name)), key=_age, reverse=True))


def find_newest(ws: Workspace, kind: str) -> str | None:
    """Name of the newest archive of a kind, or None."""
    return next((name for name in list_archives(ws) if name.startswith(f"{kind}-")), None)


def _age(name: str) -> tuple[str, int, str]:
    match = _NAME.fullmatch(name)
    assert match is not None
    return match.group(2), int(match.group(3) or 1), match.group(1)


def _path(ws: Workspace, name: str) -> str:
    return os.path.join(ws.layout.workspace, "archive", name)


def _rel(ws: Workspace, name: str) -> str:
    return f"{ws.config.workspace_dir}/archive/{name}"


def find_digests(ws: Workspace, kind: str) -> dict[str, str]:
    """What the newest archive of a kind holds: path relative to the root → SHA-256; empty when there is none."""
    newest = find_newest(ws, kind)
    try:
        return read_manifest(ws, newest).files if newest is not None else {}
    except AiwError:
        return {}


def read_manifest(ws: Workspace, name: str) -> Manifest:
    """What an archive in the workspace says of itself. Raises AiwError(CORRUPT)."""
    path = _path(ws, name)
    with _named(path), tarfile.open(path, "r:gz") as tar:
        member = tar.next()
        stream = tar.extractfile(member) if member is not None and member.name == MANIFEST else None
        if stream is None:
            raise tarfile.TarError("there is no manifest")
        return msgspec.json.decode(stream.read(), type=Manifest)


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Turns what a damaged archive raises into a sentence."""
    hint = "take another one: aiw workspace restore --list"
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AiwError(Kind.CORRUPT, f"{path} is damaged: {error}", hint=hint) from error
    except OSError as error:
        raise AiwError(Kind.IO, f"cannot read {path}: {error.strerror or error}", hint=hint) from error


def read_archive(ws: Workspace, wanted: str | None) -> Archive:
    """An archive with everything in it, every byte compared with its manifest.

    Args:
        wanted: the name of one in the workspace, or a path; None takes the newest that a reset made.

    Raises:
        AiwError: NOT_FOUND, CORRUPT, IO.
    """
    name = wanted if wanted is not None else find_newest(ws, RESET)
    if name is None:
        raise AiwError(Kind.NOT_FOUND, "there is no archive of a reset", hint="see `aiw workspace restore --list`")
    inside = _path(ws, name) if "/" not in name else ""
    path = inside if os.path.isfile(inside) else os.path.abspath(name)
    if not os.path.isfile(path):
        raise AiwError(Kind.NOT_FOUND, f"there is no archive {name}", hint="see `aiw workspace restore --list`")
    files: dict[str, bytes] = {}
    with _named(path), tarfile.open(path, "r:gz") as tar:
        total = 0
        for member in tar:
            stream = tar.extractfile(member) if member.isreg() else None
            total += member.size
            if stream is None or total > _MAX_BYTES:
                raise tarfile.TarError(f"{member.name} is not a file of a workspace")
            files[member.name] = stream.read()
        manifest = msgspec.json.decode(files.pop(MANIFEST, b""), type=Manifest)
        for rel, data in files.items():
            if manifest.files.get(rel) != fsio.sha256_of(data) or not _is_inside(rel):
                raise tarfile.TarError(f"{rel} is not what the manifest says")
        lacking = next((rel for rel in manifest.files if rel not in files), None)
        if lacking is not None:
            raise tarfile.TarError(f"{lacking} is missing in it")
    return Archive(name=os.path.basename(path), manifest=manifest, files=files)


def _is_inside(rel: str) -> bool:
    return not rel.startswith("/") and "\\" not in rel and not {"", ".", ".."} & set(rel.split("/"))
