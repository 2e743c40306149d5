"""Sets a workspace up: config, documents, `.gitignore` block, first state (spec §2).

Never switches a branch, never commits, never pushes; again is harmless.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence

from msgspec.structs import replace

from ai_workflow import fsio
from ai_workflow.config.detect import Detected, detect_checks
from ai_workflow.config.load import load_config, parse_new_config
from ai_workflow.config.ownership import readme_path, render_gitignore_block, update_gitignore
from ai_workflow.config.place import CONFIG_NAME, find_root
from ai_workflow.config.schema import Config
from ai_workflow.config.write import render_config
from ai_workflow.errors import AiwError, Kind
from ai_workflow.git.refs import branch_ref, find_commit, require_branch_name
from ai_workflow.git.remotes import find_default_branch
from ai_workflow.git.repository import Repository, find_repository, require_version
from ai_workflow.models.base import Record
from ai_workflow.models.lane import Lane
from ai_workflow.models.project import Project
from ai_workflow.models.snapshot import Changes
from ai_workflow.policy.events import make_event
from ai_workflow.services import resume
from ai_workflow.services.history import read_history, require_no_lost_state
from ai_workflow.services.secret_texts import require_clean_words
from ai_workflow.services.trusting import grant_own
from ai_workflow.services.workspace import Talk, Workspace

_USUAL_NAMES = ("main", "master", "trunk", "develop")


class InitRequest(Record, frozen=True, kw_only=True):
    """What was asked for; None takes what the repository says."""

    root: str
    base_branch: str | None = None
    project_name: str | None = None
    is_forced: bool = False
    is_nested: bool = False
    begins_anew: bool = False
    """Whether to begin with an empty state where the history holds work of aiw."""


class Initialized(Record, frozen=True, kw_only=True):
    """What was done; paths relative to the root."""

    root: str
    base_branch: str
    checks: tuple[str, ...]
    written: tuple[str, ...]
    kept: tuple[str, ...]
    """Files that were there and differ: a person's."""
    was_new: bool
    trusted: bool = False
    """Whether commands that the repository brings may run."""


def initialize(request: InitRequest, *, command: Sequence[str], talk: Talk) -> Initialized:
    """Sets the workspace up, or completes it.

    Raises:
        AiwError: GIT outside a repository or with a git too old; CONFIG when an existing config is wrong; STATE when
            the history holds aiw's work but this clone has no state.
    """
    repository = _require_repository(request)
    detected = detect_checks(request.root)
    config_path = os.path.join(request.root, CONFIG_NAME)
    is_new = not os.path.lexists(config_path)
    if is_new:
        config = parse_new_config(request.root, render_new_config(repository, request, detected))
    else:
        config = load_config(request.root)
        _refuse_other_base(request, config)
    ws = Workspace(request.root, config, command=command, talk=talk)
    ws.layout.require_own_folders()
    require_clean_words(config.secrets, command, talk=talk)
    resume.resume(ws, needs_state=False)
    before = ws.store.snapshot()
    if before.project is None:
        before.require_undamaged()
        if not request.begins_anew:
            require_no_lost_state(ws)
    documents = before.project.documents if before.project else {}
    done = _write(ws, request, detected, before_documents=documents)
    return replace(done, trusted=grant_own(ws))


def render_new_config(repository: Repository, request: InitRequest, detected: Detected) -> str:
    """The config of a workspace that is set up now. Raises AiwError(GIT) when the base branch cannot be told."""
    return render_config(
        base_branch=_choose_base(repository, request.base_branch),
        project_name=request.project_name or os.path.basename(os.path.abspath(request.root)),
        checks=detected.checks,
        command_prefix=detected.command_prefix,
    )


def _require_repository(request: InitRequest) -> Repository:
    repository = find_repository(request.root)
    if repository is None:
        raise AiwError(Kind.GIT, f"{request.root} is not in a git repository", hint="run `git init` first")
    require_version(repository.git)
    above = find_root(request.root)
    if above is not None and os.path.realpath(above) != os.path.realpath(request.root) and not request.is_nested:
        inside = os.path.realpath(above).startswith(os.path.realpath(repository.top))
        if inside:
            raise AiwError(
                Kind.STATE,
                f"{request.root} lies in the workspace of {above}",
                hint=f"use that one (aiw -C {above} …), or make one of its own here: aiw init --nested",
            )
    return repository


def _choose_base(repository: Repository, wanted: str | None) -> str:
    """The repository's default branch: the one asked for, the remote's, a usual name, or the one checked out."""
    git = repository.git
    head = git.find_line("symbolic-ref", "--quiet", "--short", "HEAD")
    if wanted is not None:
        require_branch_name(git, wanted)
        if find_commit(git, branch_ref(wanted)) is None and find_commit(git, "HEAD") is not None:
            raise AiwError(Kind.GIT, f"branch {wanted} does not exist", hint=f"make it first: git branch {wanted}")
        return wanted
    if find_commit(git, "HEAD") is None and head:
        return head
    remotes = [name for name in git.line("remote").split("\n") if name]
    for remote in sorted(remotes, key=lambda name: name != "origin"):
        default = find_default_branch(git, remote)
        if default:
            return default
    for name in (git.find_line("config", "--get", "init.defaultBranch"), *_USUAL_NAMES):
        if name and find_commit(git, branch_ref(name)):
            return name
    if head:
        return head
    raise AiwError(Kind.GIT, "HEAD is detached, so the base branch is unknown", hint="aiw init --base-branch NAME")


def _refuse_other_base(request: InitRequest, config: Config) -> None:
    if request.base_branch and request.base_branch != config.git.base_branch:
        raise AiwError(
            Kind.CONFIG,
            f"{CONFIG_NAME} says git.base_branch: {config.git.base_branch}, not {request.base_branch}",
            hint="edit that key; init keeps what you wrote",
        )


def _write(ws: Workspace, request: InitRequest, detected: Detected, *, before_documents: dict[str, str]) -> Initialized:
    texts = _documents(ws, request, detected)
    written: list[str] = []
    kept: list[str] = []
    digests = dict(before_documents)
    for rel, text in texts.items():
        done = _write_document(ws, rel, text.encode(), digests, is_forced=request.is_forced)
        (written if done == "written" else kept if done == "kept" else []).append(rel)
    if _update_gitignore(ws):
        written.append(".gitignore")
    was_new = _write_state(ws, digests)
    ws.documents.write_handoffs(ws.store.snapshot())
    return Initialized(
        root=ws.root,
        base_branch=ws.config.git.base_branch,
        checks=tuple(check.run for check in ws.config.agent.checks),
        written=tuple(written),
        kept=tuple(kept),
        was_new=was_new,
    )


def complete_documents(ws: Workspace) -> tuple[str, ...]:
    """Writes what is missing of the documents that `init` writes, and renews the block in `.gitignore`.

    What is there stays as it is. Returns the paths written, relative to the root. Raises AiwError(IO).
    """
    detected = detect_checks(ws.root)
    texts = _documents(ws, InitRequest(root=ws.root), detected)
    digests = dict(ws.store.snapshot().require_project().documents)
    missing = [rel for rel in texts if not os.path.lexists(os.path.join(ws.root, *rel.split("/")))]
    written = [rel for rel in missing if _write_document(ws, rel, texts[rel].encode(), digests, is_forced=False)]
    if _update_gitignore(ws):
        written.append(".gitignore")
    if missing:
        _write_state(ws, digests)
    return tuple(written)


def render_documents(ws: Workspace) -> dict[str, str]:
    """The documents that `init` would write now: path relative to the root → text."""
    return _documents(ws, InitRequest(root=ws.root), detect_checks(ws.root))


def _documents(ws: Workspace, request: InitRequest, detected: Detected) -> dict[str, str]:
    from ai_workflow.rendering.init_docs import render_init_documents

    config = ws.config
    texts = {
        CONFIG_NAME: render_config(
            base_branch=config.git.base_branch,
            project_name=config.project.name or request.project_name,
            checks=[check.run for check in config.agent.checks],
            command_prefix=config.agent.command_prefix,
        )
    }
    texts.update(
        render_init_documents(
            project_name=ws.project_name,
            base_branch=config.git.base_branch,
            command_prefix=config.agent.command_prefix.strip(),
            checks=[check.run for check in config.agent.checks],
            workspace_dir=config.workspace_dir,
            plan_dir=config.plan_dir,
            entrypoint=config.ai.entrypoint,
            readme_path=readme_path(config),
            operator_path=config.agent.operator_prompt,
            codex_agent_path=config.agent.codex_agent_prompt,
            queue_path=config.agent.queue_prompt,
            prompt_dir=config.ai.prompt_dir,
            adr_dir=config.adr.dir,
            reports_dir=config.reports.dir,
        )
    )
    return texts


def _write_document(ws: Workspace, rel: str, data: bytes, digests: dict[str, str], *, is_forced: bool) -> str:
    """Writes a document that is missing, or, when forced, one that nobody edited; a person's text is kept."""
    path = os.path.join(ws.root, *rel.split("/"))
    current = fsio.find_bytes(path)
    if current == data:
        digests.setdefault(rel, fsio.sha256_of(data))
        return "same"
    is_ours = current is not None and digests.get(rel) == fsio.sha256_of(current)
    if current is None or (is_forced and is_ours):
        fsio.write_file(path, data, temp_dir=ws.layout.temp, durable=False)
        digests[rel] = fsio.sha256_of(data)
        return "written"
    return "same" if is_ours else "kept"


def _update_gitignore(ws: Workspace) -> bool:
    path = os.path.join(ws.root, ".gitignore")
    before = (fsio.find_bytes(path) or b"").decode("utf-8", "surrogateescape")
    after = update_gitignore(before, render_gitignore_block(ws.config))
    if after == before:
        return False
    fsio.write_file(path, after.encode("utf-8", "surrogateescape"), temp_dir=ws.layout.temp, durable=False)
    return True


def _write_state(ws: Workspace, digests: dict[str, str]) -> bool:
    """The first state, or the digests of new documents; returns whether it was the first."""
    current = ws.store.snapshot()
    if current.project is not None and current.project.documents == digests and "core" in current.lanes:
        return False
    with ws.store.transaction("init") as change:
        now = change.now
        project = change.before.project
        was_new = project is None
        if project is None:
            project = Project(
                project_name=ws.project_name,
                base_branch=ws.config.git.base_branch,
                lineage=uuid.uuid4().hex,
                counters=read_history(ws).highest,
                created_at=now,
                updated_at=now,
            )
        change.apply(Changes(put=(replace(project, documents=digests),)))
        if "core" not in change.before.lanes:
            change.apply(Changes(put=(Lane(id="core", created_at=now, updated_at=now),)))
        if was_new:
            event = make_event("workspace_initialized", "workspace set up", now=now, actor=ws.actor)
            change.apply(Changes(events=(event,)))
    return was_new
