"""Reading `.ai-workflow.yaml`: whatever stands there, a config or a refusal comes out (spec §2)."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_workflow.config.keys import KEYS
from ai_workflow.config.load import load_config, parse_config
from ai_workflow.config.place import CONFIG_NAME
from ai_workflow.config.schema import Config
from ai_workflow.config.write import render_config
from ai_workflow.errors import AiwError, Kind

_SEED = render_config(base_branch="main", project_name="x", checks=["make test", "npm test"], command_prefix="uv run")
_SEED += """\
agents:
  mine: &a {command: [x, 1, 2.5, true, null, {deep: "1"}]}
  other: {<<: *a, env: {A: |
      text}}
"""
_ANY_TEXT = st.text(alphabet=st.characters(codec=None), max_size=200)
_SIGNS = [
    ":",
    "-",
    "[",
    "]",
    "{",
    "}",
    "&a",
    "*a",
    "!!str",
    "<<",
    "'",
    '"',
    "~",
    "#",
    "%YAML",
    "---",
    "...",
    "\\ud800",
    "\\U00110000",
    "true",
    "1e9",
    "../x",
    "?",
    "@",
    "`",
    ">",
    ".inf",
    "0x1",
    "0b2",
]
_SPACES = [": ", "\n", "\n  ", "\n- ", "|\n", "\t", "\u2028", "\x85", "\0", "\r", "\ufeff"]
_YAML_BITS = st.sampled_from([*KEYS, *_SIGNS, *_SPACES, "git", "agent", "base_branch", "run"])
_VALUES = st.sampled_from(
    ["[]", "{}", "[[1]]", "{run: 1}", "- 1", "~", "1", "-1", ".5", "yes", "[~]", "{~: ~}", "'{0}'", "{a}"]
)


def _assert_read_or_refused(data: str | bytes) -> None:
    refused: AiwError | None = None
    try:
        assert isinstance(parse_config(data, path="c.yaml"), Config)
    except AiwError as error:
        refused = error
    if refused is not None:
        assert refused.kind == Kind.CONFIG
        assert refused.message.startswith("c.yaml")
        assert refused.message.isprintable()


@settings(max_examples=300, deadline=None)
@given(data=st.one_of(st.binary(max_size=200), _ANY_TEXT, st.lists(_YAML_BITS, max_size=25).map("".join)))
def test_anything_is_read_or_refused(data: str | bytes) -> None:
    _assert_read_or_refused(data)


@settings(max_examples=300, deadline=None)
@given(start=st.integers(0, len(_SEED)), length=st.integers(0, 12), text=st.one_of(_ANY_TEXT, _YAML_BITS))
def test_a_mutated_file_is_read_or_refused(start: int, length: int, text: str) -> None:
    _assert_read_or_refused(_SEED[:start] + text[:12] + _SEED[start + length :])


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(sorted(KEYS)), value=st.one_of(_ANY_TEXT.map(json.dumps), _VALUES))
def test_any_value_of_any_key_is_read_or_refused(name: str, value: str) -> None:
    *sections, last = name.split(".")
    _assert_read_or_refused(
        "".join(f"{section}: {{" for section in sections) + f"{last}: {value}" + "}" * len(sections)
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=_ANY_TEXT)
def test_any_path_is_loaded_or_refused(tmp_path: Path, value: str) -> None:
    (tmp_path / CONFIG_NAME).write_text(f"workspace_dir: {json.dumps(value)}\n")
    with contextlib.suppress(AiwError):
        assert load_config(tmp_path).workspace_dir
