"""One key is changed, and every other byte of the file stays (spec §2)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_workflow.config.edit import parse_values, set_key, unset_key
from ai_workflow.config.load import list_settings
from ai_workflow.config.write import render_config
from ai_workflow.errors import AiwError


def value_of(data: bytes, name: str) -> Any:
    return next(one.value for one in list_settings(data, path="c.yaml") if one.key == name)


def edit(text: str, name: str, *words: str) -> str:
    return set_key(text.encode(), name, parse_values(name, words), path="c.yaml").decode()


CASES = {
    "a scalar": (
        "git:\n  base_branch: main # why\n", "git.base_branch", ["trunk"],
        "git:\n  base_branch: trunk # why\n",
    ),
    "quotes": ('git:\n  base_branch: "main"\n', "git.base_branch", ["a-b"], "git:\n  base_branch: a-b\n"),
    "a number": ("checks:\n  timeout_s: 900\n", "checks.timeout_s", ["5.5"], "checks:\n  timeout_s: 5.5\n"),
    "a flag": ("plan:\n  commit: false\n", "plan.commit", ["true"], "plan:\n  commit: true\n"),
    "a word like a flag": ("project:\n  name: x\n", "project.name", ["yes"], 'project:\n  name: "yes"\n'),
    "a number sign": ("project:\n  name: x\n", "project.name", ["a # b: c"], 'project:\n  name: "a # b: c"\n'),
    "an empty value": ("git:\n  forge:\n", "git.forge", ["none"], "git:\n  forge: none\n"),
    "an empty value with a comment": (
        "git:\n  forge: # later\n  base_branch: main\n", "git.forge", ["none"],
        "git:\n  forge: none # later\n  base_branch: main\n",
    ),
    "a list of lines": (
        "agent:\n  checks:\n    - a\n    - b\n  # after\n  attempts: 3\n", "agent.checks", ["c", "d: e", "f"],
        'agent:\n  checks:\n    - c\n    - "d: e"\n    - f\n  # after\n  attempts: 3\n',
    ),
    "a list at the key's own column": (
        "agent:\n  checks:\n  - a\n  attempts: 3\n", "agent.checks", ["b", "c"],
        "agent:\n  checks:\n  - b\n  - c\n  attempts: 3\n",
    ),
    "a list to nothing": ("agent:\n  checks:\n    - a\n", "agent.checks", ["[]"], "agent:\n  checks:\n    []\n"),
    "a list on one line": (
        "agent:\n  checks: [a, b] # x\n", "agent.checks", ["c,d"],
        'agent:\n  checks: ["c,d"] # x\n',
    ),
    "mappings in a list": (
        "agent:\n  checks:\n    - run: a\n      name: n\n    - b\n", "agent.checks", ["x"],
        "agent:\n  checks:\n    - x\n",
    ),
    "a block of text": (
        "agent:\n  checks:\n    - |\n      a\n      b\n  attempts: 3\n", "agent.checks", ["x"],
        "agent:\n  checks:\n    - x\n  attempts: 3\n",
    ),
    "a new key in a section": (
        "git:\n  base_branch: main\n\n# about plans\nplan:\n  commit: false\n", "git.forge", ["none"],
        "git:\n  base_branch: main\n  forge: none\n\n# about plans\nplan:\n  commit: false\n",
    ),
    "a new section": (
        "version: 1\n", "agent.timeouts.wall_s", ["5"],
        "version: 1\n\nagent:\n  timeouts:\n    wall_s: 5\n",
    ),
    "a new key at the top": ("version: 1\n", "plan_dir", ["plans"], "version: 1\nplan_dir: plans\n"),
    "an empty section": ("git:\nplan:\n  commit: false\n", "git.forge", ["none"], None),
    "an empty file": ("", "git.forge", ["none"], "git:\n  forge: none\n"),
    "only comments": ("# mine\n", "git.forge", ["none"], "# mine\ngit:\n  forge: none\n"),
    "no final newline": (
        "git:\n  base_branch: main", "git.forge", ["none"],
        "git:\n  base_branch: main\n  forge: none\n",
    ),
    "CRLF": (
        "git:\r\n  base_branch: main\r\nagent:\r\n  checks:\r\n    - a\r\n", "agent.checks", ["b", "c"],
        "git:\r\n  base_branch: main\r\nagent:\r\n  checks:\r\n    - b\r\n    - c\r\n",
    ),
    "CRLF, a new key": ("git:\r\n  base_branch: main\r\n", "git.forge", ["none"], None),
    "a byte order mark": (
        "\ufeffgit:\n  base_branch: main\n", "git.base_branch", ["x"],
        "\ufeffgit:\n  base_branch: x\n",
    ),
    "characters beyond the plane": (
        "project:\n  name: \U0001f600 é\ngit:\n  base_branch: main\n", "git.base_branch", ["x"],
        "project:\n  name: \U0001f600 é\ngit:\n  base_branch: x\n",
    ),
    "an anchor elsewhere": (
        "agent:\n  checks: &a [x]\n  setup: *a\ngit:\n  base_branch: main\n", "git.base_branch", ["x"],
        "agent:\n  checks: &a [x]\n  setup: *a\ngit:\n  base_branch: x\n",
    ),
    "an end mark": (
        "git:\n  base_branch: main\n...\n", "plan_dir", ["plans"], "git:\n  base_branch: main\nplan_dir: plans\n...\n",
    ),
    "a mapping": ("version: 1\n", "agent.env", ['{"A": "b: c", "B": ""}'], None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_only_the_key_changes(name: str) -> None:
    before, key, words, expected = CASES[name]
    after = edit(before, key, *words)
    assert expected is None or after == expected
    assert after.count("\r") == (after.count("\n") if "\r" in before else 0)
    old = {one.key: one.value for one in list_settings(before.encode(), path="c.yaml")}
    new = {one.key: one.value for one in list_settings(after.encode(), path="c.yaml")}
    assert {one for one in new if new[one] != old.get(one)} == {key}


REFUSED = {
    "comments in the list": ("agent:\n  checks:\n    - a # why\n    - b\n", "agent.checks", ["c"]),
    "a comment line in the list": ("agent:\n  checks:\n    - a\n    # next\n    - b\n", "agent.checks", ["c"]),
    "an alias": ("agent:\n  checks: &a [x]\n  setup: *a\n", "agent.setup", ["y"]),
    "an anchor that is used": ("agent:\n  checks: &a [x]\n  setup: *a\n", "agent.checks", ["y"]),
    "a section on one line": ("git: {base_branch: main}\n", "git.forge", ["none"]),
    "the whole file on one line": ("{git: {base_branch: main}}\n", "plan.commit", ["true"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_touch_more_is_refused(name: str) -> None:
    before, key, words = REFUSED[name]
    with pytest.raises(AiwError, match="cannot be changed by command") as refusal:
        edit(before, key, *words)
    assert refusal.value.kind == "config"


@pytest.mark.parametrize(
    ("before", "key", "after"),
    [
        ("git:\n  base_branch: main\n  # next\n  forge: none\n", "git.base_branch", "git:\n  # next\n  forge: none\n"),
        ("git:\n  forge: none # x\n", "git.forge", "git:\n"),
        ("agent:\n  checks:\n    - a\n    - b\n  attempts: 3\n", "agent.checks", "agent:\n  attempts: 3\n"),
        ("version: 1\n", "git.forge", "version: 1\n"),
        ("plan:\n  commit: true", "plan.commit", "plan:\n"),
    ],
)
def test_unset_takes_the_lines_of_the_key_out(before: str, key: str, after: str) -> None:
    assert unset_key(before.encode(), key, path="c.yaml").decode() == after


@pytest.mark.parametrize(
    ("key", "words", "message"),
    [
        ("git.forge", ["a", "b"], "takes one value, not 2"),
        ("agent.env", ["{"], "is not JSON"),
        ("agent.checks", ["[1"], "is not JSON"),
    ],
)
def test_words_that_mean_no_value(key: str, words: list[str], message: str) -> None:
    with pytest.raises(AiwError, match=message):
        parse_values(key, words)


lines = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=20).filter(
    lambda text: text.strip() == text and not text.startswith(("[", "{"))
)


@settings(max_examples=150, deadline=None)
@given(st.lists(lines, min_size=1, max_size=4), st.lists(lines, min_size=1, max_size=4))
def test_any_commands_come_back_as_they_were_given(first: list[str], second: list[str]) -> None:
    text = render_config(base_branch="main", checks=["a", "b"])
    for commands in (first, second):
        text = edit(text, "agent.checks", *commands)
        assert [check.run for check in value_of(text.encode(), "agent.checks")] == commands
