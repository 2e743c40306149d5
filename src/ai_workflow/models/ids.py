"""Identifiers: their grammar, their order and the branch names made from them (spec §3).

Commands accept `1`, `task-1` and `TASK-001` alike; files and documents hold only the canonical form. Nothing that a
person typed becomes a path before it went through one of the parsers here. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable

from ai_workflow.errors import AiwError, Kind

_PREFIXES = {
    "task": ("TASK-", 3),
    "run": ("RUN-", 4),
    "adr": ("ADR-", 4),
    "blocker": ("BLK-", 4),
    "backlog": ("BLG-", 3),
}
_MILESTONE = re.compile(r"(?:m|milestone-?)?(\d{1,9})((?:-\d{1,9}){0,16})", re.IGNORECASE | re.ASCII)
_OPERATION = re.compile(r"OP-(\d{1,12})-([0-9a-f]{6})", re.ASCII)
_LANE = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
MAX_SLUG_BYTES = 60


def format_id(kind: str, number: int) -> str:
    """The canonical id, e.g. `format_id("task", 1)` is `TASK-001`.

    Args:
        kind: `task`, `run`, `adr`, `blocker` or `backlog`.
        number: 0 or more.
    """
    prefix, width = _PREFIXES[kind]
    return f"{prefix}{number:0{width}d}"


def parse_id(kind: str, text: str) -> str:
    """The canonical id for what a person typed (`1`, `task-1`, `TASK-001`).

    Raises:
        AiwError: NOT_FOUND, when the text is not such an id.
    """
    prefix, _ = _PREFIXES[kind]
    match = re.fullmatch(rf"(?:{re.escape(prefix[:-1])}-?)?(\d{{1,9}})", text.strip(), re.IGNORECASE | re.ASCII)
    if match is None:
        example = format_id(kind, 1)
        raise AiwError(
            Kind.NOT_FOUND,
            f"{text!r} is not a {kind} id",
            hint=f"ids look like {example}; 1 and {example.lower()} are understood too",
        )
    return format_id(kind, int(match.group(1)))


def format_milestone_id(number: int, recovery: int | None = None) -> str:
    """`M01`, or `M01-01` for the recovery milestone number `recovery` of it."""
    return f"M{number:02d}" + (f"-{recovery:02d}" if recovery is not None else "")


def parse_milestone_id(text: str) -> str:
    """The canonical milestone id for what a person typed (`1`, `m1`, `M01`, `M01-01`).

    0.1.0 nested recoveries without end, so that `M01-01-01` is an id too.

    Raises:
        AiwError: NOT_FOUND, when the text is not such an id.
    """
    match = _MILESTONE.fullmatch(text.strip())
    if match is None:
        raise AiwError(
            Kind.NOT_FOUND,
            f"{text!r} is not a milestone id",
            hint="ids look like M01; 1 and m1 are understood too",
        )
    return format_milestone_id(int(match.group(1))) + "".join(
        f"-{int(part):02d}" for part in match.group(2).split("-")[1:]
    )


def require_lane_id(text: str) -> str:
    """The lane id itself, checked.

    Raises:
        AiwError: NOT_FOUND, when it is not `core`; more lanes come later (spec §10).
    """
    if _LANE.fullmatch(text) is None or text != "core":
        raise AiwError(Kind.NOT_FOUND, f"lane {text!r} does not exist", hint="work is sequential: use --lane core")
    return text


def is_operation_id(text: str) -> bool:
    """Whether the text has the form of an operation id, `OP-000012-3fa2c1`."""
    return _OPERATION.fullmatch(text) is not None


def id_number(text: str) -> tuple[int, ...]:
    """The numbers in an id, for ordering: M2 before M10, M01 before M01-01."""
    return tuple(int(part) for part in re.findall(r"\d+", text))


def id_order(text: str) -> tuple[tuple[int, ...], str]:
    """Sort key of ids of one kind: by number, then by text."""
    return id_number(text), text


def highest_number(names: Iterable[str]) -> int:
    """The highest first number among ids or names of files; 0 without any."""
    return max((numbers[0] for name in names if (numbers := id_number(name))), default=0)


def sort_ids(ids: Iterable[str]) -> list[str]:
    """Ids of one kind by number; as `id_order`, and quick for thousands of the form `TASK-001`."""
    names = sorted(ids)
    stem = names[0].rstrip("0123456789") if names else ""
    size = len(stem)
    least = min(map(len, names), default=0)
    if stem and all(
        name.startswith(stem) and name[size:].isdecimal() and (len(name) == least or name[size] != "0")
        for name in names
    ):
        # Without needless zeros the shorter number is the lower one, and text tells the rest.
        return sorted(names, key=len)
    return sorted(names, key=id_order)


class _Kept(dict[int, str]):
    """What a slug keeps of each character; looked up once per character, since there may be thousands of titles."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        self[code] = char if char.isalnum() or unicodedata.category(char) in ("Mn", "Mc") else " "
        return self[code]


_KEPT = _Kept()


def make_slug(title: str, *, max_bytes: int = MAX_SLUG_BYTES) -> str:
    """A lower-case slug of the title that keeps letters and digits of any script.

    At most `max_bytes` UTF-8 bytes; `item` when nothing of the title is left. ASCII titles give the slugs of 0.1.0
    (runs of ASCII letters and digits joined by `-`).
    """
    text = unicodedata.normalize("NFC", title).lower()
    slug = "-".join(text.translate(_KEPT).split())
    slug = slug.encode()[:max_bytes].decode(errors="ignore").strip("-")
    return slug or "item"


def make_branch_name(prefix: str, milestone_id: str, title: str) -> str:
    """The milestone's branch, e.g. `ai/m01-parser-cleanup`; the title part is at most 60 bytes."""
    return f"{prefix}{milestone_id.lower()}-{make_slug(title)}"


def find_free_branch(name: str, taken: Collection[str]) -> str:
    """The branch name, or the first of `name-2`, `name-3` … that no taken one equals, upper and lower case alike."""
    used = {branch.casefold() for branch in taken}
    free, number = name, 2
    while free.casefold() in used:
        free, number = f"{name}-{number}", number + 1
    return free
