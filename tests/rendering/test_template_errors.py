"""A wrong template is a sentence with file, line and variable (spec §6.3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_workflow.errors import AiwError, Kind
from ai_workflow.rendering.environment import make_environment, render_template
from ai_workflow.rendering.prompts import render_task_prompt
from rendering.builders import make_plan


def refuse(folder: Path, source: str | bytes) -> AiwError:
    """The error that a prompt template with this text ends in."""
    (folder / "prompt.md.j2").write_bytes(source if isinstance(source, bytes) else source.encode())
    snapshot = make_plan(1, 1)
    with pytest.raises(AiwError) as caught:
        render_task_prompt(
            snapshot,
            snapshot.tasks["TASK-001"],
            claimed=True,
            command_prefix="",
            checks=(),
            scope_policy="refuse",
            companions=(),
            last_failure=None,
            early_paths=(),
            templates=str(folder) if folder else None,
        )
    assert caught.value.kind == Kind.TEMPLATE
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a\n{{ taks.id }}", "prompt.md.j2:2: 'taks' is undefined"),
        ("a\n\n{{ task.nope }}", "prompt.md.j2:3: TaskView has no field 'nope'"),
        ("{% if %}", "prompt.md.j2:1: Expected an expression, got 'end of statement block'"),
        ("{% for x in checks %}\n", "prompt.md.j2:1: Unexpected end of template."),
        ("{{ 'a' | shout }}", "prompt.md.j2:1: No filter named 'shout'."),
        ("\n{{ task.id + 1 }}", 'prompt.md.j2:2: can only concatenate str (not "int") to str'),
        ("{{ task() }}", "prompt.md.j2:1: 'TaskView' object is not callable"),
        ("\n{{ task.title | truncate(1) }}", "prompt.md.j2:2: expected length >= 3, got 1"),
        ("{{ cycler() }}", "prompt.md.j2:1: at least one item has to be provided"),
        ("{{ 1 // 0 }}", "prompt.md.j2:1: integer division or modulo by zero"),
        ("x\n{% include 'other.md.j2' %}", "prompt.md.j2:2: template other.md.j2 does not exist"),
        ('{% extends "prompt.md.j2" %}', "prompt.md.j2:1: the template includes or calls itself without end"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "the template includes or calls itself without end"),
        ("{{ task.__class__.__mro__ }}", "access to attribute '__class__' of 'TaskView' object is unsafe."),
        ("{{ [].append(1) }}", "access to attribute 'append' of 'list' object is unsafe."),
        ("{% for i in range(10 ** 9) %}{% endfor %}", "Range too big."),
        ("{% for i in range(99999) %}{{ 'x' * 100 }}{% endfor %}", "9999900 characters, more than 2000000"),
        (b"\xff\xfe", "cannot be read: 'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_error_names_file_line_and_cause(tmp_path: Path, source: str | bytes, message: str) -> None:
    error = refuse(tmp_path, source)
    assert f"{tmp_path.name}/prompt.md.j2" in error.message
    assert message in error.message


def test_hint_lists_the_names_that_exist(tmp_path: Path) -> None:
    assert "task" in (refuse(tmp_path, "{{ taks }}").hint or "").split(", ")
    assert "its fields are: id, title" in (refuse(tmp_path, "{{ task.nope }}").hint or "")


def test_error_in_an_included_template_names_that_one(tmp_path: Path) -> None:
    (tmp_path / "part.md.j2").write_text("a\nb\n{{ gone }}\n")
    error = refuse(tmp_path, "{% include 'part.md.j2' %}")
    assert error.message == f"{tmp_path.name}/part.md.j2:3: 'gone' is undefined"


def test_missing_packaged_template_is_an_error() -> None:
    with pytest.raises(AiwError, match="template nope does not exist"):
        render_template("nope", {})


def test_environment_is_made_once_for_each_folder(tmp_path: Path) -> None:
    assert make_environment(tmp_path) is make_environment(tmp_path)
    assert make_environment(tmp_path) is not make_environment(None)


def test_a_template_may_not_be_a_link_that_leads_out_of_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (tmp_path / "private").write_text("precious\n")
    (folder / "part.md.j2").symlink_to(tmp_path / "private")
    error = refuse(folder, "{% include 'part.md.j2' %}")
    assert error.message == "templates/part.md.j2 is a link that leads out of its folder"
    (folder / "part.md.j2").unlink()
    (folder / "real.md.j2").write_text("inside")
    (folder / "part.md.j2").symlink_to("real.md.j2")
    (folder / "prompt.md.j2").write_text("{% include 'part.md.j2' %}")
    assert render_template("prompt.md.j2", {}, overrides=str(folder)) == "inside"
