"""Reading `.ai-workflow.yaml`: the one line for everything that is wrong (spec §2)."""

from __future__ import annotations

import pytest

from ai_workflow.config.keys import KEYS
from ai_workflow.config.load import parse_config
from ai_workflow.config.nodes import MAX_BYTES
from ai_workflow.errors import AiwError, Kind


def _refusal(text: str | bytes) -> AiwError:
    with pytest.raises(AiwError) as caught:
        parse_config(text, path="c.yaml")
    assert caught.value.kind == Kind.CONFIG
    assert caught.value.exit_code == 1
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("git:\n  base_brnch: x", "2: key `git.base_brnch` is unknown; did you mean `git.base_branch`?"),
        ("base_branch: x", "1: key `base_branch` is unknown; did you mean `git.base_branch`?"),
        ("\nGit: {}", "2: key `Git` is unknown; did you mean `git`?"),
        ("git: {base-branch: x}", "1: key `git.base-branch` is unknown; did you mean `git.base_branch`?"),
        ("zzzzzz: 1", "1: key `zzzzzz` is unknown"),
        ('"a\\e[31m\\nb": 1', "1: key `a\\x1b[31m\\nb` is unknown"),
        ("a" * 500 + ": 1", f"1: key `{'a' * 59}…` is unknown"),
        ("git: 3", "1: key `git` expected a mapping of keys, found `3`"),
        ("- a", "1: expected a mapping of keys, found a list"),
        ("hello", "1: expected a mapping of keys, found `hello`"),
        ("git:\n  base_branch: a\n  base_branch: b", "3: key `git.base_branch` is given twice, first in line 2"),
        ("plan: {}\ngit: {}\nplan: {}", "3: key `plan` is given twice, first in line 1"),
        ("a: b: c", "1: not valid YAML: mapping values are not allowed in this context"),
        ("git:\n\tx: 1", "2: not valid YAML: found character that cannot start any token"),
        ("git: [\n", "1: not valid YAML: did not find expected node content"),
        ("a: 1\n---\nb: 2", "2: a second document begins here; one is expected"),
        ("? [a]\n: b", "1: a key must be a plain word"),
        ("agents: &a\n  x: *a", "2: `*a` contains itself"),
        ("git: *no", "1: there is no `&no` above"),
        ("git: !!python/name:os.system x", "1: the tag `tag:yaml.org,2002:python/name:os.system` is not allowed"),
        ("git: !x {}", "1: the tag `!x` is not allowed"),
        ("git: {<<: 3}", "1: `<<` expected a mapping"),
        ("a: \x00", "1: the character U+0000 is not allowed"),
        ("agents: " + "[" * 500, "1: nested deeper than 16 levels"),
        (b"git: {}\n\xff", "2: not UTF-8 text"),
        ("git: {}\n".encode("utf-16"), "1: not UTF-8 text"),
        ("git: \ud800", "1: not UTF-8 text"),
        (b" " * (MAX_BYTES + 1), " 262145 bytes are more than a configuration can have (262144)"),
    ],
)
def test_a_wrong_file_is_refused_with_one_line(text: str | bytes, message: str) -> None:
    assert _refusal(text).message == f"c.yaml:{message}"


@pytest.mark.parametrize(
    ("text", "line", "key", "found"),
    [
        ("version: 2\nbrand_new: 1", 1, "version", "`2`"),
        ("version: [1]", 1, "version", "a list"),
        ("plan: {commit: maybe}", 1, "plan.commit", "`maybe`"),
        ("plan: {commit: 'true'}", 1, "plan.commit", "`true`"),
        ("plan:\n  commit:\n", 2, "plan.commit", "nothing"),
        ("checks:\n timeout_s: soon", 2, "checks.timeout_s", "`soon`"),
        ("checks: {timeout_s: 0}", 1, "checks.timeout_s", "`0`"),
        ("checks: {timeout_s: .inf}", 1, "checks.timeout_s", "`.inf`"),
        ("checks: {timeout_s: 1e999}", 1, "checks.timeout_s", "`1e999`"),
        ("checks: {timeout_s: '9'}", 1, "checks.timeout_s", "`9`"),
        ("agent: {attempts: 0}", 1, "agent.attempts", "`0`"),
        ("agent: {attempts: 1.5}", 1, "agent.attempts", "`1.5`"),
        ("agent: {attempts: 9999999999999999999999}", 1, "agent.attempts", "`9999999999999999999999`"),
        ("scope: {policy: nope}", 1, "scope.policy", "`nope`"),
        ("scope: {companions: [a, '!b']}", 1, "scope.companions", "`!b`"),
        ("agent:\n  checks: make test", 2, "agent.checks", "`make test`"),
        ("agent:\n  checks:\n  - a\n  - run: b\n    tiemout: 3", 5, "agent.checks", "the key `tiemout`"),
        ("agent:\n  checks:\n  - run: b\n    timeout_s: 0", 4, "agent.checks", "`0`"),
        ("agent: {checks: [{name: x}]}", 1, "agent.checks", "one without run"),
        ("agent: {checks: ['']}", 1, "agent.checks", "nothing"),
        ("agent: {env: {1A: x}}", 1, "agent.env", "the name `1A`"),
        ("agents: {A/b: {}}", 1, "agents", "the name `A/b`"),
        ("git: {branch_prefix: 'a b/'}", 1, "git.branch_prefix", "`a b/`"),
        *(
            (f'git: {{{key}: "{value}"}}', 1, f"git.{key}", f"`{shown}`")
            for key in ("branch_prefix", "base_branch", "integration_branch")
            for value, shown in (
                ("-x/a", "-x/a"),
                ("../a", "../a"),
                ("a@{b", "a@{b"),
                ("a\\nb", "a\\nb"),
                ("ext::a", "ext::a"),
                ("--output=a", "--output=a"),
                ("a\\e[31m", "a\\x1b[31m"),
                (".lock/a", ".lock/a"),
            )
        ),
        ("git: {commit_subject: '{id.__class__}'}", 1, "git.commit_subject", "`{id.__class__}`"),
        ("git: {commit_subject: '{'}", 1, "git.commit_subject", "`{`"),
        ("git: {commit_subject: '{id!r}'}", 1, "git.commit_subject", "`{id!r}`"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(text: str, line: int, key: str, found: str) -> None:
    assert _refusal(text).message == f"c.yaml:{line}: key `{key}` expected {KEYS[key].expect.text}, found {found}"


def test_what_is_kept_may_not_lie_where_files_are_ignored() -> None:
    expected = "outside of the folders whose files are generated and ignored"
    message = _refusal("plan_dir: p\nreports:\n  dir: docs").message
    assert message == f"c.yaml:3: key `reports.dir`, found `docs`: expected `docs/ai/START_HERE.md` {expected}"
    message = _refusal("workspace_dir: ws\nadr: {dir: ws/state}").message
    assert message == f"c.yaml:2: key `adr.dir`, found `ws/state`: expected `ws/state/` {expected}"
    message = _refusal("workspace_dir: a\nplan_dir: a/state\nai: {entrypoint: a/tasks/x}").message
    assert message == f"c.yaml:1: key `workspace_dir`, found `a`: expected `a/tasks/x` {expected}"


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("/etc", "`/etc`, which is not relative"),
        ("~/x", "`~/x`, which is not relative"),
        ("'C:\\x'", "`C:\\x`, which is not relative"),
        ("'a\\b'", "`a\\b`, which has a backslash"),
        ("a/../..", "`a/../..`, which may leave the project"),
        ("..", "`..`, which may leave the project"),
        (".git/aiw", "`.git/aiw`, which belongs to git"),
        ("a/.GIT", "`a/.GIT`, which belongs to git"),
        ("a/.git. ./x", "`a/.git. ./x`, which belongs to git"),
        ("Git~1/x", "`Git~1/x`, which belongs to git"),
        (".", "`.`, which is the project itself"),
        ("''", "nothing"),
        ("", "nothing"),
        ('"a\\0b"', "`a\\x00b`"),
        ('"a\\nb"', "`a\\nb`"),
        ("x" * 300, f"`{'x' * 59}…`, which is too long"),
        ("[a]", "a list"),
    ],
)
def test_a_path_stays_inside(written: str, why: str) -> None:
    expected = "c.yaml:1: key `workspace_dir` expected a path inside the project, relative to its root, found "
    assert _refusal(f"workspace_dir: {written}").message == expected + why


_NO_BRANCHES = [
    r"-x",
    r"/x",
    r"x/",
    r"x.",
    r"a..b",
    r"a~b",
    r"a^b",
    r"a:b",
    r"a?b",
    r"a*b",
    r"a[b",
    r"a\b",
    r"@",
    r"a@{b",
    r"HEAD",
    r".a",
    r"a/.b",
    r"a.lock",
    r"a.lock/b",
    r"a//b",
]


@pytest.mark.parametrize("name", [*_NO_BRANCHES, "a b", "x" * 245, "\u202ea"])
def test_a_branch_has_a_name_that_git_allows(name: str) -> None:
    assert "expected a name that git allows for a branch" in _refusal(f"git: {{base_branch: '{name}'}}").message


@pytest.mark.parametrize("name", ["main", "feature/ünï-кирил", "1.0", "a@b", "x#y", "a{b"])
def test_a_branch_may_have_any_name_that_git_allows(name: str) -> None:
    assert parse_config(f"git: {{base_branch: '{name}'}}", path="c").git.base_branch == name


def test_aliases_of_aliases_end_quickly() -> None:
    levels = ["a0: &a0 {k: [x,x,x,x,x,x,x,x,x,x]}"]
    levels += [f"a{i}: &a{i} {{{', '.join(f'k{j}: *a{i - 1}' for j in range(10))}}}" for i in range(1, 12)]
    laughs = "agents:\n" + "\n".join(f"  {level}" for level in levels)
    assert "found more than anybody writes" in _refusal(laughs).message
