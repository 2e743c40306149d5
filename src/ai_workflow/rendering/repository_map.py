"""A repository's files as a bounded tree, and its languages, for prompts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ai_workflow.rendering.inert import inert
from ai_workflow.rendering.text import clip_bytes

_LEVELS = ((8, 40), (5, 20), (4, 12), (3, 8), (2, 6), (2, 3), (1, 12), (1, 4))
"""How deep, and how many names of a folder, tried in order until the tree fits."""
_MAX_NAME_BYTES = 80
_LANGUAGES = {
    "c": "C", "h": "C", "cc": "C++", "cpp": "C++", "cxx": "C++", "hpp": "C++", "cs": "C#", "clj": "Clojure",
    "css": "CSS", "scss": "CSS", "dart": "Dart", "ex": "Elixir", "exs": "Elixir", "erl": "Erlang", "go": "Go",
    "hs": "Haskell", "html": "HTML", "java": "Java", "js": "JavaScript", "jsx": "JavaScript", "mjs": "JavaScript",
    "cjs": "JavaScript", "jl": "Julia", "kt": "Kotlin", "kts": "Kotlin", "lua": "Lua", "ml": "OCaml", "nix": "Nix",
    "php": "PHP", "pl": "Perl", "py": "Python", "pyi": "Python", "r": "R", "rb": "Ruby", "rs": "Rust",
    "scala": "Scala", "sh": "Shell", "bash": "Shell", "sql": "SQL", "svelte": "Svelte", "swift": "Swift",
    "tf": "Terraform", "ts": "TypeScript", "tsx": "TypeScript", "vue": "Vue", "zig": "Zig", "md": "Markdown",
    "rst": "reStructuredText",
}  # fmt: skip
_PROSE = ("Markdown", "reStructuredText")
MAX_LANGUAGES = 8


class _Folder:
    """One folder of the tree: its sub-folders, its files, and the files below it in all."""

    def __init__(self) -> None:
        self.folders: dict[str, _Folder] = {}
        self.files: list[str] = []
        self.count = 0


def count_languages(paths: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """The languages by number of files, most first; languages of prose only when there is no other."""
    counts = Counter(_LANGUAGES[ending] for path in paths if (ending := path.rpartition(".")[2].lower()) in _LANGUAGES)
    programming = Counter({name: count for name, count in counts.items() if name not in _PROSE})
    ordered = sorted((programming or counts).items(), key=lambda item: (-item[1], item[0]))
    return tuple(ordered[:MAX_LANGUAGES])


def render_tree(paths: Sequence[str], *, max_bytes: int) -> str:
    """The files as an indented tree, folders first, each with the number of files below it.

    Every name is made inert. What has no room is counted, never left out in silence.

    Args:
        paths: POSIX paths relative to the root.
        max_bytes: upper bound of the result in UTF-8 bytes, 200 or more.
    """
    root = _Folder()
    for path in sorted(paths):
        _put(root, path.split("/"))
    text = ""
    for depth, width in _LEVELS:
        text = "\n".join(_lines(root, depth=depth, width=width, indent=""))
        if len(text.encode(errors="replace")) <= max_bytes:
            return text
    kept = clip_bytes(text, max_bytes - 40).rpartition("\n")[0]
    return f"{kept}\n… ({len(paths)} files in all)"


def _put(root: _Folder, parts: Sequence[str]) -> None:
    folder = root
    folder.count += 1
    for name in parts[:-1]:
        folder = folder.folders.setdefault(name, _Folder())
        folder.count += 1
    folder.files.append(parts[-1])


def _lines(folder: _Folder, *, depth: int, width: int, indent: str) -> Iterator[str]:
    folders = list(folder.folders.items())
    for name, below in folders[:width]:
        yield f"{indent}{_name(name)}/  ({_files(below.count)})"
        if depth > 1:
            yield from _lines(below, depth=depth - 1, width=width, indent=f"{indent}  ")
    if len(folders) > width:
        rest = sum(below.count for _, below in folders[width:])
        yield f"{indent}… {len(folders) - width} more folders ({_files(rest)})"
    for name in folder.files[:width]:
        yield f"{indent}{_name(name)}"
    if len(folder.files) > width:
        yield f"{indent}… {_files(len(folder.files) - width, more=True)}"


def _name(name: str) -> str:
    return clip_bytes(inert(name), _MAX_NAME_BYTES).rstrip()


def _files(count: int, *, more: bool = False) -> str:
    return f"{count} {'more ' if more else ''}file{'' if count == 1 else 's'}"
