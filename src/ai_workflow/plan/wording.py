"""What the words of a title or a criterion tell: vagueness, micro-tasks, producers and consumers, domains. Pure."""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Sequence

from ai_workflow.models.plan import PlanTask

PRODUCERS = frozenset({"add", "build", "create", "define", "implement", "introduce", "scaffold"})
CONSUMERS = frozenset({"consume", "integrate", "use", "wire"})
_WORD = re.compile(r"[^\W_]+(?:['’_-][^\W_]+)*")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STOP_WORDS = _words(
    "a all an and any are as at be been better bit by code everything for from general has have how in into is it its "
    "more of on one or our overall some stuff such that the their them these thing things this those to up various we "
    "when which with"
)
_VAGUE_VERBS = _words("improve polish cleanup clean-up")
_GENERIC = _words(
    "checks complete completed correctly done expected feature finished fine good implemented pass passes passing "
    "properly relevant should succeed task tests well work working works"
)
_TRIFLES = _words(
    "assertion assertions comment comments constant docstring docstrings helper import imports newline semicolon typo "
    "typos variable whitespace"
)
_MICRO = {
    "add": _TRIFLES,
    "bump": _words("version"),
    "delete": _TRIFLES,
    "edit": _TRIFLES,
    "fix": _words("comment import imports indentation lint typo typos whitespace"),
    "format": _words("file files source sources"),
    "insert": _TRIFLES,
    "move": _words("constant helper import imports variable"),
    "remove": _TRIFLES,
    "rename": _TRIFLES | _words("argument attribute class field file function method parameter symbol"),
    "run": _words("black checks eslint formatter formatters isort lint linter linters mypy prettier pytest ruff tests"),
    "sort": _words("import imports"),
    "update": _words("comment docstring import imports typo"),
    "write": _words("assertion assertions comment docstring test"),
}
"""First word → last words that make a short title one step of a checklist."""
_MAX_MICRO_WORDS = 3
_MAX_MICRO_ACCEPTANCE = 2
_WIDE_SCRIPTS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1780-\u17ff]")
_TEST_FOLDERS = frozenset({"test", "tests", "spec", "specs", "__tests__"})


@functools.lru_cache(maxsize=1024)
def list_words(text: str) -> tuple[str, ...]:
    """The words of the text in lower case; a hyphenated word is one."""
    return tuple(word.lower() for word in _WORD.findall(text))


def count_words(title: str) -> int:
    """How many words the title has; in scripts written without spaces two characters count as one."""
    return sum(max(1, len(_WIDE_SCRIPTS.findall(word)) // 2) for word in list_words(title))


def first_word(title: str) -> str:
    """The first word in lower case, empty when there is none."""
    return next(iter(list_words(title)), "")


def is_vague(title: str) -> bool:
    """Whether the title has a vague verb (improve, clean up, polish, make better) and, that verb and stop words
    aside, fewer than two concrete words."""
    words = list(list_words(title))
    has_vague = any(word in _VAGUE_VERBS for word in words)
    kept = [word for word in words if word not in _VAGUE_VERBS]
    for pair in (("clean", "up"), ("make", "better")):
        if pair[0] in kept and pair[1] in kept[kept.index(pair[0]) + 1 :]:
            has_vague = True
            kept.remove(pair[0])
            kept.remove(pair[1])
    concrete = [word for word in kept if word not in _STOP_WORDS]
    return has_vague and count_words(" ".join(concrete)) < 2


def is_generic(criterion: str) -> bool:
    """Whether the acceptance says nothing that could be observed, such as "works" or "relevant checks pass"."""
    return all(word in _GENERIC or word in _STOP_WORDS for word in list_words(criterion))


def is_micro(task: PlanTask) -> bool:
    """Whether the title is one step of a checklist, such as "add import" or "write one assertion".

    What has more than two acceptance lines is more than a step, whatever its title.
    """
    if len(task.acceptance) > _MAX_MICRO_ACCEPTANCE:
        return False
    words = [word for word in list_words(task.title) if word not in _STOP_WORDS and not word.isdigit()]
    return 2 <= len(words) <= _MAX_MICRO_WORDS and words[-1] in _MICRO.get(words[0], ())


def find_domain(task: PlanTask) -> str:
    """The area that the task works in: first path segment of its first scope, else first concrete title word."""
    if task.conflicts:
        return first_segment(task.conflicts[0])
    concrete = (word for word in list_words(task.title) if word not in _STOP_WORDS)
    return next(concrete, task.title.lower())


def first_segment(scope: str) -> str:
    """The first path segment of a scope."""
    return posixpath.normpath(scope).lstrip("/").split("/", 1)[0]


def list_segments(task: PlanTask) -> frozenset[str]:
    """The first path segments of all scopes of the task."""
    return frozenset(first_segment(scope) for scope in task.conflicts)


def is_test_scope(scope: str) -> bool:
    """Whether the scope lies in a folder of tests."""
    return any(part.lower() in _TEST_FOLDERS for part in posixpath.normpath(scope).split("/"))


def list_subjects(scopes: Sequence[str]) -> frozenset[str]:
    """The names of the files without extension and without what marks a test: `test_parser.py` is about `parser`."""
    names = (posixpath.basename(posixpath.normpath(scope)).split(".", 1)[0].lower() for scope in scopes)
    bare = (re.sub(r"^tests?[_-]|[_-](?:tests?|spec)$", "", name) for name in names)
    return frozenset(name for name in bare if re.search(r"\w", name) and "*" not in name)
