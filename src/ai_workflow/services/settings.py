"""Shows and changes the settings (spec §2)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from ai_workflow import fsio
from ai_workflow.config.edit import parse_values, set_key, unset_key
from ai_workflow.config.keys import KEYS, SECTIONS
from ai_workflow.config.load import (
    Setting,
    list_settings,
    load_config,
    parse_config,
    read_config_bytes,
    suggest_key,
)
from ai_workflow.config.nodes import inert
from ai_workflow.config.ownership import render_gitignore_block
from ai_workflow.config.place import CONFIG_NAME, require_inside
from ai_workflow.config.schema import Config
from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.base import Record
from ai_workflow.models.project import Accepted
from ai_workflow.models.snapshot import Changes
from ai_workflow.policy.claiming import find_active_task
from ai_workflow.policy.events import make_event
from ai_workflow.services import resume
from ai_workflow.services.workspace import Workspace

AGENT_VARIABLE = "AIW_AGENT"
"""Set in the environment of an agent that nobody watches (spec §7.9)."""


class Shown(Record, frozen=True, kw_only=True):
    """Settings, and whether they are those that a person accepted."""

    settings: tuple[Setting, ...]
    accepted: Accepted | None
    is_as_accepted: bool | None
    """None when nothing was ever accepted."""


class Changed(Record, frozen=True, kw_only=True):
    """What a change did."""

    key: str
    before: Any
    value: Any
    line: int | None
    changed: bool
    notes: tuple[str, ...] = ()


def show(ws: Workspace, name: str | None) -> Shown:
    """The settings below a name, or all of them. Writes nothing.

    Raises:
        AiwError: NOT_FOUND for a name that is neither a key nor a section.
    """
    settings = list_settings(read_config_bytes(ws.root), path=CONFIG_NAME)
    if name is not None:
        require_known(name)
        settings = tuple(one for one in settings if one.key == name or one.key.startswith(f"{name}."))
    project = ws.store.snapshot().project
    accepted = project.accepted if project else None
    is_same = None if accepted is None else (accepted.config, accepted.checks) == _digests(ws)
    return Shown(settings=settings, accepted=accepted, is_as_accepted=is_same)


def require_known(name: str, *, is_key: bool = False) -> None:
    """Passes for a key, or a section of keys. Raises AiwError(NOT_FOUND)."""
    if name not in KEYS and (is_key or name not in SECTIONS):
        what = "is a section of keys" if name in SECTIONS else f"is unknown{suggest_key(name)}"
        raise AiwError(Kind.NOT_FOUND, f"key `{inert(name)}` {what}", hint="see `aiw config show`")


def change(ws: Workspace, name: str, words: Sequence[str], *, unsets: bool = False) -> Changed:
    """Sets a key, or takes it out so that its default counts; every other byte of the file stays.

    Raises:
        AiwError: NOT_FOUND, CONFIG for a wrong value (nothing is written then), STATE for `workspace_dir`, IO.
    """
    require_known(name, is_key=True)
    resume.resume(ws)
    value = None if unsets else parse_values(name, words)
    path = os.path.join(ws.root, CONFIG_NAME)
    with ws.store.whole(f"set {name}"):
        data = read_config_bytes(ws.root)
        before = _find(data, name)
        edited = unset_key(data, name, path=CONFIG_NAME) if unsets else set_key(data, name, value, path=CONFIG_NAME)
        config = _require_valid(ws, edited, name)
        after = _find(edited, name)
        if edited != data:
            fsio.write_file(path, edited, temp_dir=ws.layout.temp, durable=True)
    if edited != data:
        _record(ws, name, before=data, after=edited)
    return Changed(
        key=name,
        before=before.value,
        value=after.value,
        line=after.line,
        changed=edited != data,
        notes=_notes(ws, config, name),
    )


def _find(data: bytes, name: str) -> Setting:
    found = next((one for one in list_settings(data, path=CONFIG_NAME) if one.key == name), None)
    return found or Setting(key=name, value=None, line=None, status=KEYS[name].status)


def _require_valid(ws: Workspace, data: bytes, name: str) -> Config:
    try:
        config = parse_config(data, path=CONFIG_NAME)
        if KEYS[name].expect.kind == "path":
            value: Any = config
            for part in name.split("."):
                value = getattr(value, part)
            if value is not None:
                require_inside(ws.root, value)
    except AiwError as error:
        raise AiwError(Kind.CONFIG, f"nothing was changed: {error.message}", hint=error.hint) from error
    if config.workspace_dir != ws.config.workspace_dir and os.path.isdir(ws.layout.state):
        raise AiwError(
            Kind.STATE,
            f"the state lies in {ws.layout.state_rel}, and would be left behind",
            hint=f"move the folder {ws.config.workspace_dir} first and change {CONFIG_NAME} by hand with it",
        )
    return config


def _record(ws: Workspace, name: str, *, before: bytes, after: bytes) -> None:
    """That the key was changed, in the log; without the value where that may be a secret."""
    if ws.store.snapshot().project is None:
        return
    ws.store.command = ("config", "set", name)
    with ws.store.transaction(f"set {name}") as done:
        done.apply(Changes(events=(make_event("config_changed", name, now=done.now, actor=ws.actor),)))
        if name.startswith("agent.env") or b"env:" in before:
            done.record_final(f"the log does not hold values of {CONFIG_NAME}, which has an `env`")
        else:
            done.record_file(CONFIG_NAME, before=before, after=after)


def _notes(ws: Workspace, config: Config, name: str) -> tuple[str, ...]:
    notes = []
    if KEYS[name].status == "dead":
        notes.append(f"{name} has no effect: {KEYS[name].about}")
    elif KEYS[name].status == "reserved":
        notes.append(f"{name} has no effect in this release")
    if render_gitignore_block(config) != render_gitignore_block(ws.config):
        notes.append(f"run `{ws.command('init')}`: .gitignore and the documents follow these folders")
    elif KEYS[name].expect.kind == "path":
        notes.append("what lies in the old place stays there")
    active = find_active_task(ws.store.snapshot()) if os.path.isdir(ws.layout.state) else None
    if active is not None:
        notes.append(f"{CONFIG_NAME} is no work of {active.id}, whose commit it stays out of unless its scope names it")
    return tuple(notes)


def accept(ws: Workspace, *, reason: str) -> Accepted:
    """Records that a person takes settings and check definitions as they are now.

    `config show` tells from then on whether they still are. Nothing else compares them in this release.

    Raises:
        AiwError: USAGE without a reason; TRUST for an agent that nobody watches.
    """
    if os.environ.get(AGENT_VARIABLE):
        raise AiwError(
            Kind.TRUST,
            f"only a person can accept settings ({AGENT_VARIABLE} is set: an unattended agent is at work)",
            hint="ask the person who runs you",
        )
    if not reason.strip():
        raise AiwError(Kind.USAGE, "accepting settings needs a reason", hint="add --reason 'why'; it is recorded")
    resume.resume(ws)
    load_config(ws.root)
    with ws.store.transaction("accept settings") as done:
        config, checks = _digests(ws)
        accepted = Accepted(config=config, checks=checks, reason=reason.strip(), actor=ws.actor, at=done.now)
        project = replace(done.before.require_project(), accepted=accepted)
        event = make_event("config_accepted", accepted.reason, now=done.now, actor=ws.actor)
        done.apply(Changes(put=(project,), events=(event,)))
    return accepted


def _digests(ws: Workspace) -> tuple[str, str]:
    """Of the file, and of the commands that prove tasks: the configured checks and every task's `Verify:` lines."""
    data = read_config_bytes(ws.root)
    config = parse_config(data, path=CONFIG_NAME)
    verify = {task.id: task.verify for task in ws.store.snapshot().tasks.values() if task.verify}
    commands = msgspec.json.encode({"checks": config.agent.checks, "verify": verify}, order="sorted")
    return fsio.sha256_of(data), fsio.sha256_of(commands)
