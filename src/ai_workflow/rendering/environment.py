"""The template environment: package templates, a repository's overrides, and their errors as sentences (spec §6.3).

A template in the overrides folder wins over the package's of the same name; it can build on that one with
`{% extends "default/prompt.md.j2" %}` and replace its blocks. The package's prompt is written by `prompt_sections`, so
that the engine is imported only where a repository has a prompt of its own: what such a template extends has one block
for each section. Templates are sandboxed: they loop and insert, they do not call into the program.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ai_workflow.errors import AiwError, Kind
from ai_workflow.rendering.prompt_sections import SECTIONS, TEMPLATE_NAME
from ai_workflow.rendering.text import make_line, render_block, render_code, render_inline, render_quote

if TYPE_CHECKING:
    from jinja2 import Environment

_PACKAGED = os.path.join(os.path.dirname(__file__), "templates")
_MAX_CHARS = 2_000_000
_NO_FIELD = re.compile(r"'ai_workflow\.rendering\.views\.(\w+) object' has no attribute ('.*')")


@functools.lru_cache(maxsize=8)
def make_environment(overrides: str | None) -> Environment:
    """The environment for one overrides folder; made once per folder.

    Filters: `inline` (one line of Markdown), `code` (inline code span), `block` (fenced block), `quote` (block
    quote): each makes the text inert. Unknown names fail.

    Args:
        overrides: folder of the repository's own templates, absolute; it need not exist.
    """
    from jinja2 import ChoiceLoader, DictLoader, FileSystemLoader, PrefixLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    packaged = ChoiceLoader([FileSystemLoader(_PACKAGED), DictLoader({TEMPLATE_NAME: _make_base(SECTIONS)})])

    class OwnLoader(FileSystemLoader):
        """The repository's folder, without what a link in it would bring in from elsewhere (spec §7.7)."""

        def get_source(self, environment: Environment, template: str) -> Any:
            found = super().get_source(environment, template)
            place = os.path.realpath(found[1])
            if not place.startswith(os.path.realpath(self.searchpath[0]) + os.sep):
                shown = f"{os.path.basename(self.searchpath[0])}/{make_line(template)}"
                raise AiwError(
                    Kind.TEMPLATE,
                    f"{shown} is a link that leads out of its folder",
                    hint="replace the link by the file",
                )
            return found

    folders = [OwnLoader(overrides)] if overrides is not None else []
    environment = ImmutableSandboxedEnvironment(
        loader=ChoiceLoader([*folders, packaged, PrefixLoader({"default": packaged})]),
        undefined=StrictUndefined,
        autoescape=False,  # the documents are Markdown; the filters below make text inert
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        cache_size=0,  # an override that appears or goes while the program runs must count at once
    )
    environment.filters |= {
        "inline": render_inline,
        "code": render_code,
        "block": render_block,
        "quote": render_quote,
    }
    return environment


def _make_base(sections: Iterable[str]) -> str:
    """A template with a block for each section, which inserts the section."""
    return "".join(f"{{% block {name} %}}{{{{ sections.{name} }}}}{{% endblock %}}" for name in sections)


def render_template(name: str, values: Mapping[str, object], *, overrides: str | None = None) -> str:
    """The document that the template makes of the values.

    Args:
        name: file name of the template, e.g. `prompt.md.j2`.
        values: what the template may name.
        overrides: folder of the repository's own templates.

    Raises:
        AiwError: TEMPLATE, naming file, line and variable, when a template is missing, wrong or forbidden.
    """
    environment = make_environment(overrides)
    try:
        text = environment.get_template(name).render(values)
    except AiwError:
        raise
    except Exception as error:
        # Filters raise what they like, even AssertionError: it is the template that is wrong.
        raise _explain(error, name, values, overrides) from error
    if len(text) > _MAX_CHARS:
        raise AiwError(
            Kind.TEMPLATE,
            f"{_show_file(name, overrides)}: the document has {len(text)} characters, more than {_MAX_CHARS}",
            hint="a loop of the template repeats too much",
        )
    return text


def _explain(error: Exception, name: str, values: Mapping[str, object], overrides: str | None) -> AiwError:
    from jinja2 import TemplateNotFound, TemplateSyntaxError, UndefinedError
    from jinja2.exceptions import SecurityError

    found = list(_template_frames(error.__traceback__))
    file, line = found[-1] if found else (name, None)
    reason = make_line(str(error)) or type(error).__name__
    hint = f"see the template's line; it may use: {', '.join(sorted(values))}"
    if isinstance(error, TemplateSyntaxError):
        file, line = error.filename or error.name or name, error.lineno
        hint = "the template's syntax is Jinja2's"
    elif isinstance(error, TemplateNotFound):
        reason = f"template {error.name} does not exist" if error.name else "a template does not exist"
        hint = "a packaged template is reached as default/<name>"
    elif isinstance(error, UndefinedError):
        reason, hint = _explain_undefined(reason, values)
    elif isinstance(error, SecurityError):
        hint = "templates only loop and insert; they cannot reach into the program"
    elif isinstance(error, RecursionError):
        reason = "the template includes or calls itself without end"
        hint = "extend the packaged template as default/<name>, not under its own name"
    elif not found:
        reason = f"cannot be read: {reason}"
    place = _show_file(file, overrides) + (f":{line}" if line else "")
    return AiwError(Kind.TEMPLATE, f"{place}: {reason}", hint=hint)


def _explain_undefined(reason: str, values: Mapping[str, object]) -> tuple[str, str]:
    from ai_workflow.rendering import views

    match = _NO_FIELD.match(reason)
    record = getattr(views, match.group(1), None) if match else None
    if match is None or record is None:
        return reason, f"the template may use: {', '.join(sorted(values))}"
    return f"{match.group(1)} has no field {match.group(2)}", f"its fields are: {', '.join(record.__struct_fields__)}"


def _template_frames(traceback: TracebackType | None) -> Iterator[tuple[str, int]]:
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if file.endswith(".j2"):
            yield file, traceback.tb_lineno
        traceback = traceback.tb_next


def _show_file(file: str, overrides: str | None) -> str:
    for folder in (overrides, _PACKAGED):
        if folder is not None and file.startswith(folder + os.sep):
            shown = os.path.relpath(file, folder).replace(os.sep, "/")
            return f"{os.path.basename(folder)}/{shown}" if folder is overrides else shown
    if overrides is not None and os.path.isfile(os.path.join(overrides, file)):
        return f"{os.path.basename(overrides)}/{file}"
    return make_line(file)
