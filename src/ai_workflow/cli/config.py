"""`aiw config show|set|accept`."""

from __future__ import annotations

from ai_workflow.cli.runtime import Command, Session, table, to_json
from ai_workflow.errors import AiwError, ExitCode, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from ai_workflow.services.settings import Shown


_WIDE = 60
"""Longer values are cut off where all keys are listed."""


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", metavar="KEY", nargs="?", help="a key, or a section such as git (default: all)")


def _show(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services import settings

    shown = settings.show(session.open(), args.key)
    is_whole = args.key is not None
    rows = [[one.key, _source(one.line, one.status), _text(one.value, is_whole=is_whole)] for one in shown.settings]
    session.show(*table(rows, head=("KEY", "FROM", "VALUE")))
    if args.key is None:
        session.show(*_accepted(shown))
    settings_json = [{**to_json(one), "from": _source(one.line, one.status)} for one in shown.settings]
    is_one = len(settings_json) == 1 and settings_json[0]["key"] == args.key
    session.show_json(
        settings_json[0]
        if is_one
        else {
            "settings": settings_json,
            "accepted": to_json(shown.accepted),
            "is_as_accepted": shown.is_as_accepted,
        }
    )
    return ExitCode.OK


def _text(value: Any, *, is_whole: bool = True) -> str:
    import json

    if isinstance(value, str):
        return value
    plain = to_json(value)
    if isinstance(plain, (list, tuple)):
        plain = [_short(item) for item in plain]
    text = "-" if plain is None else json.dumps(plain, ensure_ascii=False)
    return text if is_whole or len(text) <= _WIDE else f"{text[: _WIDE - 1]}…"


def _short(item: Any) -> Any:
    """A check as people write it: the line alone when it has no name."""
    return item["run"] if isinstance(item, dict) and "run" in item and not item.get("name") else item


def _source(line: int | None, status: str) -> str:
    from ai_workflow.config.place import CONFIG_NAME

    place = "default" if line is None else f"{CONFIG_NAME}:{line}"
    return place if status == "effective" else f"{place}, without effect{' yet' if status == 'reserved' else ''}"


def _accepted(shown: Shown) -> list[str]:
    if shown.accepted is None:
        return []
    now = "and are as they were then" if shown.is_as_accepted else "and have CHANGED since then"
    who = shown.accepted
    return ["", f"accepted by {who.actor} on {who.at} ({who.reason}), {now}"]


def _set_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", metavar="KEY", help="e.g. git.merge_strategy")
    parser.add_argument("values", metavar="VALUE", nargs="*", help="one; for a list one each, or one of JSON")
    parser.add_argument("--unset", action="store_true", help="take the key out, so that its default counts")


def _set(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services import settings

    if args.unset == bool(args.values):
        raise AiwError(
            Kind.USAGE,
            f"key {args.key} needs a value, or --unset" + (", not both" if args.unset else ""),
            hint=f"an empty list is '[]': aiw config set {args.key} '[]'",
        )
    done = settings.change(session.open(), args.key, args.values, unsets=args.unset)
    place = f"line {done.line}" if done.line else "its default"
    if done.changed:
        session.show(f"{done.key}: {_text(done.before)} → {_text(done.value)} ({place})")
    else:
        session.show(f"{done.key} is {_text(done.value)} already ({place})")
    for note in done.notes:
        session.say(f"note: {note}")
    session.show_json(to_json(done))
    return ExitCode.OK


def _accept_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", default="", metavar="WHY", help="required; recorded")


def _accept(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services import settings

    accepted = settings.accept(session.open(), reason=args.reason)
    session.show(
        "Accepted the settings and the check definitions as they are now",
        "`aiw config show` tells whether they still are; nothing else compares them in this release",
    )
    session.show_json({"accepted": to_json(accepted)})
    return ExitCode.OK


SHOW = Command(
    _show,
    about="Shows every setting that counts, and whether the file gives it (with the line) or it is the default.",
    example="aiw config show git",
    shape='`{"settings": [{"key", "value", "line", "status", "from"}], "accepted", "is_as_accepted"}`; with one key\n'
    "its element alone",
    arguments=_show_arguments,
)
SET = Command(
    _set,
    about="Changes one setting in .ai-workflow.yaml and leaves every other byte, comments too. A wrong value changes\n"
    "nothing.",
    example="aiw config set git.merge_strategy squash",
    shape='`{"key", "before", "value", "line", "changed", "notes"}`',
    arguments=_set_arguments,
)
ACCEPT = Command(
    _accept,
    about="Records that you take the settings and the check definitions as they are now, with your reason. An\n"
    "unattended agent cannot do it.",
    example="aiw config accept --reason 'reviewed the new checks'",
    shape='`{"accepted": {"config", "checks", "reason", "actor", "at"}}`',
    arguments=_accept_arguments,
)
