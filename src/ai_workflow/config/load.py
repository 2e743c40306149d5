"""Reads `.ai-workflow.yaml` strictly: all of it or an error with the line, the key and what was expected (spec §2)."""

from __future__ import annotations

import os
import shlex
import stat
from typing import Any

from ai_workflow.config.keys import KEYS, SECTIONS, Status
from ai_workflow.config.nodes import MAX_BYTES, Node, inert, parse_nodes, refuse
from ai_workflow.config.ownership import handoff_paths, is_runtime, owned_paths, runtime_paths
from ai_workflow.config.place import CONFIG_NAME, require_inside
from ai_workflow.config.schema import CONFIG_VERSION, Config
from ai_workflow.config.values import MismatchError, read_value
from ai_workflow.errors import AiwError, Kind
from ai_workflow.models.base import Record

_CHUNK_BYTES = 32 * 1024


class GivenKey(Record, frozen=True, kw_only=True):
    """A key that a file gives."""

    name: str
    line: int
    """1-based."""
    status: Status


class _Parsed:
    """A config with the line of each key that the file gives."""

    __slots__ = ("config", "lines")

    def __init__(self, config: Config, lines: dict[str, int]) -> None:
        self.config = config
        self.lines = lines


def explain_no_workspace(start: str | os.PathLike[str]) -> AiwError:
    """The error for a folder in and above which there is no config; where a state lies, it does not lead to `init`."""
    from ai_workflow.config.schema import Config

    folder = os.path.abspath(start)
    message = f"no {CONFIG_NAME} in {start} or any folder above"
    while not os.path.isfile(os.path.join(folder, Config().workspace_dir, "state", "project.json")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return AiwError(Kind.CONFIG, message, hint="run `aiw init` in your repository")
        folder = parent
    git = f"git -C {shlex.quote(folder)}"
    return AiwError(
        Kind.CONFIG,
        f"{message}, but the state of a workspace lies in {folder}",
        hint=f"switch to a branch that has the file ({git} log --all --source -1 -- {CONFIG_NAME} names one), or bring"
        f" a deleted one back: {git} checkout -- {CONFIG_NAME}",
    )


def load_config(root: str | os.PathLike[str]) -> Config:
    """The configuration of the project at `root`.

    Raises:
        AiwError: CONFIG, one line, when the file is missing, unreadable or wrong, or when a path leaves the root.
    """
    parsed = _parse(read_config_bytes(root), CONFIG_NAME)
    _require_all_inside(root, parsed)
    return parsed.config


def parse_new_config(root: str | os.PathLike[str], text: str) -> Config:
    """The configuration that a text will mean as the file of the project at `root`.

    Raises:
        AiwError: CONFIG, one line, when it is wrong, or when a path leaves the root: links may have come with a clone.
    """
    parsed = _parse(text.encode("utf-8", "surrogatepass"), CONFIG_NAME)
    _require_all_inside(root, parsed)
    return parsed.config


def parse_config(text: str | bytes, *, path: str) -> Config:
    """The configuration that a text means, paths not followed. Pure.

    Args:
        text: the whole file; empty gives the defaults.
        path: for messages.

    Raises:
        AiwError: CONFIG, one line.
    """
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return _parse(data, path).config


def list_given_keys(text: bytes, *, path: str) -> tuple[GivenKey, ...]:
    """The keys that a valid text gives, in its order; `doctor` names those without effect. Pure.

    Raises:
        AiwError: CONFIG, one line.
    """
    lines = _parse(text, path).lines
    return tuple(GivenKey(name=name, line=line, status=KEYS[name].status) for name, line in lines.items())


class Setting(Record, frozen=True, kw_only=True):
    """One key with the value that counts."""

    key: str
    value: Any
    line: int | None
    """Line of the file that gives it; None for a default."""
    status: Status


def list_settings(data: bytes, *, path: str) -> tuple[Setting, ...]:
    """Every key with its value, in the order of the reference; of keys without effect only those that are given. Pure.

    Raises:
        AiwError: CONFIG, one line.
    """
    parsed = _parse(data, path)
    return tuple(
        Setting(key=name, value=_get(parsed.config, name), line=parsed.lines.get(name), status=key.status)
        for name, key in KEYS.items()
        if key.status != "dead" or name in parsed.lines
    )


def suggest_key(name: str) -> str:
    """`; did you mean …?` with the nearest key, or nothing. Pure."""
    return _suggest(name)


def read_config_bytes(root: str | os.PathLike[str]) -> bytes:
    """The file as it is. Raises AiwError(CONFIG) when there is none or it cannot be read."""
    path = os.path.join(root, CONFIG_NAME)
    try:
        # Not blocking: a named pipe would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise AiwError(Kind.CONFIG, f"{path} is not a file", hint="move it away, then run `aiw init`")
            data = b""
            while len(data) <= MAX_BYTES and (chunk := os.read(descriptor, _CHUNK_BYTES)):
                data += chunk
            return data
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AiwError(Kind.CONFIG, f"there is no {path}", hint="run `aiw init`") from error
    except OSError as error:
        raise AiwError(Kind.CONFIG, f"cannot read {path}: {error.strerror}", hint="make the file readable") from error


def guarded_paths(config: Config) -> tuple[str, ...]:
    """Every path of a config that may not lead out of the root, relative to it. Pure."""
    keys = (name for name, key in KEYS.items() if key.expect.kind == "path" and key.status != "dead")
    paths = [
        *(_get(config, name) for name in keys),
        *owned_paths(config),
        *handoff_paths(config),
        *(path.rstrip("/") for path in runtime_paths(config)),
    ]
    return tuple(dict.fromkeys(path for path in paths if path is not None))


def _require_all_inside(root: str | os.PathLike[str], parsed: _Parsed) -> None:
    config = parsed.config
    by_key = {
        _get(config, name): name for name, key in KEYS.items() if key.expect.kind == "path" and key.status != "dead"
    }
    for rel in guarded_paths(config):
        try:
            require_inside(root, rel)
        except AiwError as error:
            name = by_key.get(rel)
            key = f"key `{name}`: " if name else ""
            raise refuse(CONFIG_NAME, parsed.lines.get(name or ""), f"{key}{error.message}", hint=error.hint) from error


def _get(config: Config, name: str) -> Any:
    value: Any = config
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _parse(data: bytes, path: str) -> _Parsed:
    root = parse_nodes(data, path=path)
    if root is None or root.is_empty:
        return _Parsed(Config(), {})
    if root.entries is None:
        raise refuse(path, root.line, f"expected a mapping of keys, found {root.describe()}")
    _require_version(root.entries, path)
    given: dict[str, tuple[int, Node]] = {}
    _collect(root, "", given, path)
    values = {name: _read(name, line, node, path) for name, (line, node) in given.items()}
    lines = {name: line for name, (line, _) in given.items()}
    config = _build(values)
    clash = _find_clash(config)
    if clash is not None:
        raise _refuse_clash(clash, values=values, lines=lines, path=path)
    return _Parsed(config, lines)


def _require_version(entries: dict[str, tuple[int, Node]], path: str) -> None:
    # Before anything else: a later version may well have keys that are unknown here.
    if "version" in entries:
        line, node = entries["version"]
        if node.text != str(CONFIG_VERSION):
            raise refuse(
                path,
                line,
                f"key `version` expected {KEYS['version'].expect.text}, found {node.describe()}",
                hint="a newer release of aiw may have written the file",
            )


def _collect(node: Node, prefix: str, given: dict[str, tuple[int, Node]], path: str) -> None:
    for key, (line, value) in (node.entries or {}).items():
        name = f"{prefix}{key}"
        if name in KEYS:
            given[name] = (line, value)
        elif name not in SECTIONS:
            raise refuse(path, line, f"key `{inert(name)}` is unknown{_suggest(name)}")
        elif value.entries is not None:
            _collect(value, f"{name}.", given, path)
        elif not value.is_empty:
            raise refuse(path, value.line, f"key `{name}` expected a mapping of keys, found {value.describe()}")


def _suggest(name: str) -> str:
    """`; did you mean …?` with the nearest key, or nothing."""
    import difflib

    word = name[:100].lower().replace("-", "_")
    last = word.rpartition(".")[2]
    known = [*KEYS, *SECTIONS]
    misplaced = [key for key in KEYS if key.rpartition(".")[2] == last]
    siblings = [key for key in known if key.rpartition(".")[0] == word.rpartition(".")[0]]
    near = misplaced[:1] or difflib.get_close_matches(word, siblings, n=1, cutoff=0.7)
    near = near or difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    return f"; did you mean `{near[0]}`?" if near else ""


def _read(name: str, line: int, node: Node, path: str) -> Any:
    expect = KEYS[name].expect
    try:
        return read_value(node, expect)
    except MismatchError as error:
        # What stands below a key has a line of its own; an empty value has none worth showing.
        place = line if node.is_empty else error.line
        raise refuse(path, place, f"key `{name}` expected {expect.text}, found {error.found}") from error


def _build(values: dict[str, Any]) -> Config:
    import msgspec

    values = dict(values)
    if "version" in values:
        values["version"] = int(values["version"])
    if values.get("git.pr_per_milestone") and "git.closeout_mode" not in values:
        values["git.closeout_mode"] = "pull_request"
    workspace_dir = values.get("workspace_dir", Config().workspace_dir)
    for key in KEYS.values():
        if key.below:
            values.setdefault(key.name, f"{workspace_dir}/{key.below}")
    timeout_s = values.get("checks.timeout_s", Config().checks.timeout_s)
    if "agent.checks" in values:
        values["agent.checks"] = [
            {**check, "timeout_s": check["timeout_s"] or timeout_s} for check in values["agent.checks"]
        ]
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *sections, last = name.split(".")
        place = tree
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    return msgspec.convert(tree, Config)


def _find_clash(config: Config) -> str | None:
    """A path that the repository is to keep where generated files lie, which git would ignore with them."""
    kept = (*owned_paths(config), f"{config.adr.dir}/", f"{config.workspace_dir}/")
    return next((rel for rel in kept if is_runtime(config, rel)), None)


def _refuse_clash(clash: str, *, values: dict[str, Any], lines: dict[str, int], path: str) -> AiwError:
    message = f"expected `{inert(clash)}` outside of the folders whose files are generated and ignored"
    for name in reversed(values):
        others = {other: value for other, value in values.items() if other != name}
        if KEYS[name].expect.kind == "path" and _find_clash(_build(others)) is None:
            return refuse(path, lines[name], f"key `{name}`, found `{inert(values[name])}`: {message}")
    return refuse(path, None, message)
