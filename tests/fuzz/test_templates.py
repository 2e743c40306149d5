"""A repository's own templates: whatever stands there, a prompt or a sentence comes out, and nothing is claimed in vain
(spec §6.3, §7.5).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_workflow.errors import ExitCode
from ai_workflow.rendering.prompts import render_task_prompt
from rendering.builders import make_plan
from support.fuzzing import examples, mutants, refuses_or, run
from support.prepared import prepared
from support.project import Project, make_planned

RICH = b"""{# what every agent reads first #}
{% macro line(text) %}
- {{ text | inline }}
{% endmacro %}
# {{ task.id }}: {{ task.title | truncate(40) }}
{% set names = ["a", "b"] %}
{% for line in task.acceptance_criteria if line %}
{{ loop.index }}. {{ line | quote }}
{% else %}
None.
{% endfor %}
{% if checks and scope_policy == "refuse" %}{{ checks | join(", ") | code }}{% endif %}
{% filter upper %}{{ finish_command | default("none") }}{% endfilter %}
{{ names | map("upper") | sort | batch(2) | list }} {{ "%s-%d" | format("x", 3) }}
{% with x = 1 %}{{ x + 1 }}{% endwith %}
{% raw %}{{ not this }}{% endraw %}
"""
_SIGNS = st.sampled_from(
    [
        *("{{ ", " }}", "{% ", " %}", "{# ", " #}", "{%- ", " -%}", "\n", " ", "(", ")", "[", "]", "{", "}", ",", ":"),
        *(" | ", ".", " + ", " - ", " * ", " / ", " // ", " % ", " ~ ", " == ", " < ", " in ", " is ", " not ", " = "),
        *("for x in ", "endfor", "if ", "elif ", "else", "endif", "set x = ", "endset", "macro m(x)", "endmacro"),
        *("call m(1)", "endcall", "filter ", "endfilter", "block b", "endblock", "extends ", "include ", "import "),
        *(" as y", " recursive", " ignore missing", " with context", "raw", "endraw", "do ", "autoescape true"),
        *(
            "task",
            "task.id",
            "task.title",
            "task.acceptance_criteria",
            "checks",
            "x",
            "loop",
            "self",
            "caller()",
            "m(x)",
        ),
        *("inline", "code", "block", "quote", "upper", "truncate(1)", "truncate", "batch(0)", "slice(2)", "map('x')"),
        *("groupby('x')", "sort", "first", "join", "indent", "wordwrap(0)", "round", "int", "float", "tojson", "list"),
        *("random", "sum", "unique", "urlize", "xmlattr", "default", "dictsort", "format", "replace('a', 'b')"),
        *(
            "range(3)",
            "range(99999999)",
            "cycler()",
            "joiner()",
            "namespace(a=1)",
            "dict(a=1)",
            "0",
            "1",
            "-1",
            "1e400",
        ),
        *("'a'", '"default/prompt.md.j2"', "'prompt.md.j2'", "'../x'", "'/etc/passwd'", "none", "true", "__class__"),
        *("\0", "\u2028", "\ufeff", "é", "\U0001f600", "9" * 40),
    ]
)
GRAMMAR = st.lists(_SIGNS, max_size=40).map("".join)
EXPRESSIONS = st.lists(_SIGNS, min_size=1, max_size=8).map(lambda signs: f"a\n{{{{ {''.join(signs)} }}}}\nb\n")
TEMPLATES = mutants(RICH) | (GRAMMAR | EXPRESSIONS).map(str.encode)


@examples(60)
@given(data=TEMPLATES)
def test_a_template(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("templates")
    try:
        (folder / "prompt.md.j2").write_bytes(data)
        snapshot = make_plan(1, 2)
        text = refuses_or(
            render_task_prompt,
            snapshot,
            snapshot.tasks["TASK-001"],
            claimed=True,
            command_prefix="uv run",
            checks=("make test",),
            scope_policy="refuse",
            companions=("*.lock",),
            last_failure=None,
            early_paths=("src/x.py",),
            templates=str(folder),
        )
        assert text is None or text.endswith("\n")
    finally:
        shutil.rmtree(folder)


def prepare(folder: Path) -> Project:
    """A plan is imported, and nothing is claimed."""
    project = make_planned(folder, remote=False)
    config = project.read(".ai-workflow.yaml")
    project.write(".ai-workflow.yaml", f"{config}prompts:\n  templates_dir: docs/ai/templates\n")
    return project


@examples(4)
@given(data=TEMPLATES)
def test_a_task_is_claimed_with_its_prompt_or_not_at_all(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("copy")
    try:
        project = prepared(prepare, folder)
        template = project.write("docs/ai/templates/prompt.md.j2", data)
        ran = run("-C", str(project.path), "agent", "run", "--lane", "core")
        prompt = project.path / "docs/ai/workspace/prompts/next-core.md"
        if ran.code == ExitCode.OK:
            assert project.task(1)["status"] == "in_progress"
            assert prompt.is_file()
        else:
            assert ran.code == ExitCode.REFUSED
            assert project.task(1)["status"] == "ready"
            assert "prompt.md.j2" in ran.stderr
        assert template.read_bytes() == data
        for words in (("status",), ("doctor",), ("prompt", "next"), ("task", "list")):
            run("-C", str(project.path), *words)
    finally:
        shutil.rmtree(folder)
