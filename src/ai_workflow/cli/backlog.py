"""`aiw backlog list|show|add|edit|select|unselect|archive|promote`."""

from __future__ import annotations

from ai_workflow.cli.runtime import Command, Session, table, to_json
from ai_workflow.errors import AiwError, ExitCode, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

    from ai_workflow.models.backlog import Backlog, BacklogEdit, BacklogItem
    from ai_workflow.services.backlog import Edited

_STATUSES = ("idea", "selected", "active", "blocked", "done", "archived", "rejected")
_PRIORITIES = ("low", "medium", "high", "critical")


def _read(session: Session) -> tuple[Backlog | None, str]:
    from ai_workflow.services.backlog_file import read_backlog

    glance = session.glance()
    backlog = read_backlog(glance.root, glance.plan_dir)
    for finding in backlog.findings if backlog is not None else ():
        if finding.level != "info":
            session.say(f"{finding.level}: {finding.path}:{finding.line}: {finding.message}")
    return backlog, f"{glance.plan_dir}/backlog.md"


def _element(item: BacklogItem) -> dict[str, Any]:
    element: dict[str, Any] = to_json(item)
    element["selected"] = item.status == "selected"
    return element


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-s", "--status", choices=_STATUSES, help="only items in this status")


def _list(session: Session, args: argparse.Namespace) -> int:
    backlog, rel = _read(session)
    if backlog is None:
        session.say(f"there is no {rel}; `aiw backlog add --title …` makes it")
    items = [item for item in backlog.items if args.status in (None, item.status)] if backlog is not None else []
    rows = [[item.id, item.status, item.priority, ", ".join(item.tags) or "-", item.title] for item in items]
    session.show(*(table(rows, head=("ID", "STATUS", "PRIORITY", "TAGS", "TITLE")) if rows else ["no items"]))
    findings = to_json(backlog.findings) if backlog is not None else []
    session.show_json({"items": [_element(item) for item in items], "findings": findings})
    return ExitCode.OK


def _item_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("item", metavar="ID", help="e.g. BLG-001, blg-1 or 1")


def _items_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("items", metavar="ID", nargs="+", help="e.g. BLG-001, blg-1 or 1")


def _show(session: Session, args: argparse.Namespace) -> int:
    import json
    import sys

    from ai_workflow.models.ids import parse_id

    item_id = parse_id("backlog", args.item)
    backlog, rel = _read(session)
    item = backlog.find(item_id) if backlog is not None else None
    if item is None:
        raise AiwError(Kind.NOT_FOUND, f"{item_id} does not exist in {rel}", hint="see `aiw backlog list`")
    sys.stdout.write(json.dumps(_element(item), indent=2, ensure_ascii=False, sort_keys=True) + "\n")
    return ExitCode.OK


def _field_arguments(parser: argparse.ArgumentParser, *, replaces: bool) -> None:
    how = "; replaces the list, an empty text empties it" if replaces else ""
    parser.add_argument("--priority", choices=_PRIORITIES, help="how much it matters")
    rows = (
        (("--note",), "what else is to be known (repeatable"),
        (("--acceptance",), "what can be observed when it is done (repeatable"),
        (("--conflict", "--scope"), "path or pattern that the work may change (repeatable"),
        (("--tag",), "a word to find it by (repeatable"),
        (("--verify",), "command that proves it (repeatable"),
        (("--depends",), "id or title that must be done before (repeatable"),
    )
    for flags, text in rows:
        parser.add_argument(*flags, action="append", metavar="TEXT", help=f"{text}{how})")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--title", required=True, help="what is to be done, in a few words")
    _field_arguments(parser, replaces=False)


def _edit_arguments(parser: argparse.ArgumentParser) -> None:
    _item_argument(parser)
    parser.add_argument("--title", help="the new title")
    parser.add_argument("--status", choices=_STATUSES, help="the new status; unfinished tasks of the item follow")
    parser.add_argument("--reason", metavar="WHY", help="why, for the tasks that follow a new status")
    _field_arguments(parser, replaces=True)
    parser.add_argument("--add-note", action="append", metavar="TEXT", help="one more note (repeatable)")


def _make_edit(args: argparse.Namespace, item_id: str, *, is_edit: bool) -> BacklogEdit:
    from ai_workflow.models.backlog import BacklogEdit

    def values(words: list[str] | None) -> tuple[str, ...] | None:
        return None if words is None else tuple(words)

    return BacklogEdit(
        item_id=item_id,
        title=args.title,
        status=args.status if is_edit else None,
        priority=args.priority,
        tags=values(args.tag),
        notes=values(args.note),
        acceptance_criteria=values(args.acceptance),
        conflict_scopes=values(args.conflict),
        verify=values(args.verify),
        depends=values(args.depends),
        added_notes=tuple(args.add_note or ()) if is_edit else (),
    )


def _add(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.services import backlog, resume

    ws = session.open()
    resume.resume(ws)
    added = backlog.add_item(ws, _make_edit(args, "BLG-000", is_edit=False))
    session.show(f"Added {added.item.id}: {added.item.title}")
    session.show_json({"changed": True, "item": _element(added.item)})
    return ExitCode.OK


def _edit(session: Session, args: argparse.Namespace) -> int:
    from msgspec.structs import replace

    from ai_workflow.models.ids import parse_id

    edit = _make_edit(args, parse_id("backlog", args.item), is_edit=True)
    if edit == replace(edit, **dict.fromkeys(("title", "status", "priority", *_LISTS)), added_notes=()):
        raise AiwError(
            Kind.USAGE,
            "there is nothing to edit",
            hint=f"name a field: aiw backlog edit {edit.item_id} --priority high",
        )
    return _run_edits(session, [edit], reason=args.reason, name="backlog edit")


_LISTS = ("tags", "notes", "acceptance_criteria", "conflict_scopes", "verify", "depends")


def _run_edits(session: Session, edits: Sequence[BacklogEdit], *, reason: str | None, name: str) -> int:
    from ai_workflow.services import backlog, resume

    ws = session.open()
    resume.resume(ws)
    done = backlog.edit_items(ws, edits, reason=reason, name=name)
    for result in done:
        _show_edited(session, result)
    elements = [{"changed": result.changed, "item": _element(result.item)} for result in done]
    session.show_json(elements[0] if len(elements) == 1 else {"items": elements})
    return ExitCode.OK


def _show_edited(session: Session, result: Edited) -> None:
    item = result.item
    session.show(f"{item.id} is {item.status}: {item.title}" + ("" if result.changed else " (nothing changed)"))
    for sentence in result.moved:
        session.say(sentence)


def _set_status(status: str, name: str) -> Any:
    def run(session: Session, args: argparse.Namespace) -> int:
        from ai_workflow.models.backlog import BacklogEdit
        from ai_workflow.models.ids import parse_id

        ids = dict.fromkeys(parse_id("backlog", word) for word in args.items)
        edits = [BacklogEdit(item_id=item_id, status=status) for item_id in ids]  # type: ignore[arg-type]
        return _run_edits(session, edits, reason=None, name=name)

    return run


def _archive_arguments(parser: argparse.ArgumentParser) -> None:
    _items_argument(parser)
    parser.add_argument("--reason", metavar="WHY", help="why; becomes a note of the item")


def _archive(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_id
    from ai_workflow.services.backlog import make_archive_edit

    ids = dict.fromkeys(parse_id("backlog", word) for word in args.items)
    edits = [make_archive_edit(item_id, args.reason) for item_id in ids]
    return _run_edits(session, edits, reason=args.reason, name="backlog archive")


def _promote_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("items", metavar="ID", nargs="*", help="e.g. BLG-001, blg-1 or 1")
    parser.add_argument("--selected", action="store_true", help="every selected item")
    parser.add_argument("--output", "-o", metavar="PATH", help="the plan (default: docs/ai/plan/milestones.md)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--append", action="store_true", help="put the milestone behind those of the plan that is there")
    how.add_argument("--force", action="store_true", help="replace a plan that is there; its text is kept")


def _promote(session: Session, args: argparse.Namespace) -> int:
    from ai_workflow.models.ids import parse_id
    from ai_workflow.services import promotion, resume

    ids = tuple(parse_id("backlog", word) for word in args.items)
    if not ids and not args.selected:
        raise AiwError(
            Kind.USAGE,
            "name the items to promote, or --selected",
            hint="aiw backlog promote BLG-001 --output docs/ai/plan/milestones.md",
        )
    ws = session.open()
    resume.resume(ws)
    request = promotion.Request(
        item_ids=ids, takes_selected=args.selected, output=args.output, is_forced=args.force, appends=args.append
    )
    done = promotion.promote(ws, request)
    for finding in done.findings:
        session.say(f"{finding.level}: {finding.path}:{finding.line}: {finding.message}")
    if done.backup_rel is not None:
        session.say(f"the plan that was there is kept in {done.backup_rel}")
    for item_id in done.already:
        session.show(f"{item_id} is in {done.rel} already")
    if done.milestone_ids:
        names = [item.id for item in done.items if item.id not in done.already]
        session.show(f"Wrote {', '.join(names)} to {done.rel} as {', '.join(done.milestone_ids)}")
    session.show(f"Next: {done.next_command}")
    session.show_json(
        {
            "plan": done.rel,
            "milestones": list(done.milestone_ids),
            "items": [_element(item) for item in done.items],
            "already": list(done.already),
            "backup": done.backup_rel,
            "findings": to_json(done.findings),
            "next_command": done.next_command,
        }
    )
    return ExitCode.OK


LIST = Command(
    _list,
    about="Lists the items of the backlog in the order of the file. What is not understood there is named on stderr.",
    example="aiw backlog list --status selected",
    shape='`{"items": […], "findings": […]}`.',
    arguments=_list_arguments,
)
SHOW = Command(
    _show,
    about="Prints one item as JSON.",
    example="aiw backlog show BLG-001",
    shape="the item; without it too.",
    arguments=_item_argument,
)
ADD = Command(
    _add,
    about="Adds an idea at the end of the backlog and says its id. Nothing else in the file changes.",
    example="aiw backlog add --title 'Report the line of an error' --acceptance 'An error names its line.'",
    shape='`{"changed", "item"}`.',
    arguments=_add_arguments,
)
EDIT = Command(
    _edit,
    about="Changes fields of one item and leaves every other byte of the file. A status that gives an item up or\n"
    "blocks it does the same to its tasks that were not begun, and is refused when one was.",
    example="aiw backlog edit BLG-001 --priority high --tag parser",
    shape='`{"changed", "item", "moved"}`; several items: `{"items": […]}`.',
    arguments=_edit_arguments,
)
SELECT = Command(
    _set_status("selected", "backlog select"),
    about="Marks items for `backlog promote --selected`.",
    example="aiw backlog select BLG-001",
    shape="as `backlog edit`.",
    arguments=_items_argument,
)
UNSELECT = Command(
    _set_status("idea", "backlog unselect"),
    about="Makes items ideas again.",
    example="aiw backlog unselect BLG-001",
    shape="as `backlog edit`.",
    arguments=_items_argument,
)
ARCHIVE = Command(
    _archive,
    about="Puts items aside; they stay in the file. Tasks of them that were not begun are cancelled, and it is\n"
    "refused when one was.",
    example="aiw backlog archive BLG-001 --reason 'solved elsewhere'",
    shape="as `backlog edit`.",
    arguments=_archive_arguments,
)
PROMOTE = Command(
    _promote,
    about="Makes a plan of backlog items: one task each, with notes, priority, acceptance, scopes and the link back.\n"
    "It refuses to write over unfinished work, and names what an item lacks.",
    example="aiw backlog promote BLG-001 --output docs/ai/plan/milestones.md",
    shape='`{"plan", "milestones", "items", "already", "backup"}`.',
    arguments=_promote_arguments,
)
