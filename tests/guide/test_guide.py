"""The guide says what is so: its transcripts are what the commands print, its command lines and its links are good.

`make guide` writes the transcripts anew. Between the markers `<!-- transcript: NAME -->` and `<!-- end -->` stands what
a story of this folder recorded under that name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_workflow.cli.table import COMMANDS
from guide import care, first_steps, planning, refusals, remotes, trouble
from guide.stage import Story
from support.command_lines import find_command_lines, refuse

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide"
PAGES = (*sorted(GUIDE.glob("*.md")), ROOT / "README.md")
STORIES: tuple[Story, ...] = (
    *first_steps.STORIES,
    *planning.STORIES,
    *trouble.STORIES,
    *refusals.STORIES,
    *remotes.STORIES,
    *care.STORIES,
)
_PENDING = tuple(f"{command} " for story in STORIES for command in story.needs if command not in COMMANDS)
_BLOCK = re.compile(r"(?ms)^<!-- transcript: (\S+) -->\n(.*?)^<!-- end -->$")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# Read at import: the sealed environment of a test no longer has it.
_UPDATE = bool(os.environ.get("UPDATE_GUIDE"))


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_the_transcripts_of_a_story_are_what_the_commands_print(story: Story, tmp_path: Path) -> None:
    missing = [command for command in story.needs if command not in COMMANDS]
    if missing:
        pytest.skip(f"waits for {', '.join(f'`aiw {command}`' for command in missing)}")
    stage = story.play(tmp_path)
    assert set(stage.transcripts) == set(story.transcripts), "list in the story what it records"
    if _UPDATE:
        for page in PAGES:
            _rewrite(page, stage.transcripts)
    kept = {
        (page.parent.name, page.name, name): block
        for page in PAGES
        for name, block in _blocks(page)
        if name in stage.transcripts
    }
    assert kept == {key: _fence(stage.transcripts[key[-1]]) for key in kept}, (
        "run `make guide`, and read the difference"
    )


def test_every_block_of_a_page_belongs_to_one_story() -> None:
    named = {name for page in PAGES for name, _ in _blocks(page)}
    recorded = [name for story in STORIES for name in story.transcripts]
    assert sorted(named) == sorted(recorded)


def test_blocks_are_closed() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert text.count("<!-- transcript: ") == text.count("<!-- end -->") == len(_BLOCK.findall(text)), page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_command_lines_of_a_page_are_taken(page: Path) -> None:
    lines = [line for line in _prose_lines(page) if not f"{line} ".startswith(_PENDING)]
    assert [(line, why) for line in lines if (why := refuse(line)) is not None] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert [target for target in _links(page) if not _leads_somewhere(page, target)] == []


def test_the_guide_is_reached_from_its_index() -> None:
    reached = {target.partition("#")[0] for target in _links(GUIDE / "README.md")}
    assert {page.name for page in GUIDE.glob("*.md")} - {"README.md"} <= reached


def _blocks(page: Path) -> Iterator[tuple[str, str]]:
    yield from _BLOCK.findall(page.read_text(encoding="utf-8"))


def _fence(text: str) -> str:
    fence = "````" if "```" in text else "```"
    return f"{fence}console\n{text}{fence}\n"


def _rewrite(page: Path, transcripts: dict[str, str]) -> None:
    def fill(match: re.Match[str]) -> str:
        name = match[1]
        block = _fence(transcripts[name]) if name in transcripts else match[2]
        return f"<!-- transcript: {name} -->\n{block}<!-- end -->"

    old = page.read_text(encoding="utf-8")
    new = _BLOCK.sub(fill, old)
    if new != old:
        page.write_text(new, encoding="utf-8")


def _prose_lines(page: Path) -> Iterator[str]:
    yield from find_command_lines(_BLOCK.sub("", page.read_text(encoding="utf-8")))


def _links(page: Path) -> list[str]:
    text = re.sub(r"(?ms)^(`{3,})\w*\n.*?^\1$", "", page.read_text(encoding="utf-8"))
    return [target for target in _LINK.findall(re.sub(r"`[^`]*`", "", text)) if "://" not in target]


def _leads_somewhere(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    found = (page.parent / path) if path else page
    if not found.exists():
        return False
    return not anchor or anchor in _anchors(found)


def _anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    heads = re.findall(r"(?m)^#+ (.+)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
