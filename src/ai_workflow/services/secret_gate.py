"""The secret gate of everything that aiw commits (spec §6.4 step 4, §7.8, ADR 0032)."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.blobs import ChangedBlob, TreeChange, changed_blobs, read_blobs, read_changes, read_sizes
from ai_workflow.git.status import show_path
from ai_workflow.models.base import Record
from ai_workflow.models.task import Task
from ai_workflow.policy.secrets import Finding, find_secrets, fingerprint, format_findings, is_marked, line_of
from ai_workflow.services.workspace import Workspace

MAX_FILE_BYTES = 64 * 1024 * 1024
_MAX_FINDINGS = 50
_SNIFFED_BYTES = 8000
"""As many as git looks at to tell a binary file."""
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")


class Search(Record, frozen=True, kw_only=True):
    """What was found in a change set; paths are relative to the root."""

    findings: tuple[Finding, ...] = ()
    """Those that nobody allowed, at most 50."""
    used: tuple[str, ...] = ()
    """Allowed fingerprints that were met."""
    marked: tuple[str, ...] = ()
    """`path:line` of false alarms by a pragma."""
    unread: tuple[str, ...] = ()
    """Files that are too big to be searched."""


def search_change(ws: Workspace, changes: Sequence[TreeChange], *, allowed: frozenset[str] = frozenset()) -> Search:
    """Looks for secrets that the new side has and no file that changed had on the old one.

    Args:
        changes: between two trees.
        allowed: fingerprints, besides those of the config.

    Raises:
        AiwError: GIT.
    """
    git = ws.repository.git
    changed = changed_blobs(changes)
    paths: dict[str, str] = {}
    for one in changed:
        if one.new is not None:
            paths.setdefault(one.new, show_path(ws.repository.to_root(one.path)))
    sizes = _tell_sizes(ws, changed)
    readable = {blob: size for blob, size in sizes.items() if size <= MAX_FILE_BYTES}
    known = _Known(ws, changed)
    granted = allowed | set(ws.config.secrets.allow)
    findings: list[Finding] = []
    used: list[str] = []
    marked: list[str] = []
    for blob, raw in read_blobs(git, readable):
        data, is_binary = _as_text(raw)
        for found in find_secrets(data, is_binary=is_binary):
            secret = data[found.start : found.end]
            if known.holds(secret):
                continue
            line = 0 if is_binary else line_of(data, found.start)[0]
            if is_marked(data, found):
                marked.append(f"{paths[blob]}:{line}")
                continue
            mark = fingerprint(secret)
            if mark in granted:
                used.append(mark)
                continue
            findings.append(Finding(path=paths[blob], line=line, rule=found.rule, fingerprint=mark))
            if len(findings) >= _MAX_FINDINGS:
                return Search(findings=tuple(findings), used=tuple(used), marked=tuple(marked))
    unread = tuple(paths[blob] for blob, size in sizes.items() if size > MAX_FILE_BYTES)
    return Search(findings=tuple(findings), used=tuple(used), marked=tuple(marked), unread=unread)


def _tell_sizes(ws: Workspace, changed: tuple[ChangedBlob, ...]) -> dict[str, int]:
    """Bytes of each new blob; git is asked only when a file in the work tree is big or gone, to save a process."""
    sizes: dict[str, int] = {}
    for one in changed:
        if one.new is not None:
            try:
                sizes[one.new] = os.lstat(os.path.join(ws.repository.top, one.path)).st_size
            except OSError:
                sizes[one.new] = MAX_FILE_BYTES + 1
    is_small = all(size_bytes <= MAX_FILE_BYTES for size_bytes in sizes.values())
    return sizes if is_small else read_sizes(ws.repository.git, tuple(sizes))


class _Known:
    """What the changed files held before; read when the first secret is met, since there seldom is one."""

    def __init__(self, ws: Workspace, changed: tuple[ChangedBlob, ...]) -> None:
        self._git = ws.repository.git
        self._blobs = tuple(dict.fromkeys(blob.old for blob in changed if blob.old is not None))
        self._texts: list[bytes] | None = None

    def holds(self, secret: bytes) -> bool:
        """Whether the secret is in history already: moved, or in a line that was only touched."""
        if self._texts is None:
            sizes = read_sizes(self._git, self._blobs)
            readable = {blob: size for blob, size in sizes.items() if size <= MAX_FILE_BYTES}
            self._texts = [_as_text(data)[0] for _, data in read_blobs(self._git, readable)]
        return any(secret in text for text in self._texts)


def _as_text(data: bytes) -> tuple[bytes, bool]:
    """The bytes as UTF-8 where they are UTF-16 text, and whether they are binary."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace").encode(), False
    return data, b"\0" in data[:_SNIFFED_BYTES]


def require_fingerprints(given: tuple[str, ...]) -> frozenset[str]:
    """The fingerprints of `--allow-secret`.

    Raises:
        AiwError: USAGE for anything else, without repeating it: it might be the secret.
    """
    if not all(_FINGERPRINT.fullmatch(mark) for mark in given):
        raise AiwError(
            Kind.USAGE,
            "--allow-secret takes a fingerprint of 16 hexadecimal digits, not the secret",
            hint="finish without it first: the refusal names file, line and fingerprint",
        )
    return frozenset(given)


def pass_gate(ws: Workspace, task: Task, changes: Sequence[TreeChange], *, given: tuple[str, ...] = ()) -> Search:
    """Lets a change into a commit of the task, or not.

    Args:
        given: fingerprints of `--allow-secret`; the task's recorded ones count too.

    Raises:
        AiwError: SECRET, with file, line, rule and fingerprint of each.
    """
    if ws.config.secrets.policy == "off":
        return Search()
    recorded = {one.fingerprint for one in task.decisions if one.kind == "allow-secret" and one.fingerprint}
    search = search_change(ws, changes, allowed=require_fingerprints(given) | recorded)
    for path in search.unread:
        ws.talk(f"note: {path} has more than {MAX_FILE_BYTES // 1024 // 1024} MB and was not searched for secrets")
    if search.marked:
        ws.talk(f"note: taken for no secret because the line says so: {', '.join(search.marked[:10])}")
    if not search.findings:
        return search
    listed = format_findings(search.findings)
    if ws.config.secrets.policy == "warn":
        ws.talk(f"warning: {task.id} commits what looks like a secret:\n{listed}")
        return search
    finish = ws.command(f"agent finish --lane {task.lane_id or 'core'} --task {task.id} --commit")
    raise AiwError(
        Kind.SECRET,
        f"{task.id} would commit what looks like a secret:\n{listed}",
        hint="take it out of the file (the environment and ignored files are places for it), or if it is none\n"
        f"  let it in:        {finish} --allow-secret FINGERPRINT --reason …\n"
        "  say so for good:  `aiw:allow-secret` in a comment on its line, or secrets.allow in .ai-workflow.yaml",
    )


def require_no_secret(ws: Workspace, old: str, new: str, *, subject: str) -> None:
    """The gate for a commit that belongs to no task. Raises AiwError(SECRET)."""
    if ws.config.secrets.policy == "off":
        return
    findings = search_change(ws, read_changes(ws.repository.git, old, new)).findings
    if not findings:
        return
    message = f"the commit `{subject}` would hold what looks like a secret:\n{format_findings(findings)}"
    if ws.config.secrets.policy == "warn":
        ws.talk(f"warning: {message}")
        return
    raise AiwError(
        Kind.SECRET,
        message,
        hint="take it out of the file, or if it is none, say so with `aiw:allow-secret` in a comment on its line",
    )
