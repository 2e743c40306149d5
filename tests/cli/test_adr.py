"""`aiw adr …`: decisions, their files, and the prompts that they reach (spec §3, §6.3, §6.8)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.project import Project, make_ready

FOLDER = "docs/ai/workspace/adr"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_ready(tmp_path, remote=False)


def propose(project: Project, title: str = "Errors are values", *args: str) -> str:
    return project.aiw("adr", "new", title, "-d", "Functions return errors.", *args).stdout


def statuses(project: Project) -> list[str]:
    return [adr["status"] for adr in project.aiw("adr", "list", "--json").json["adrs"]]


def test_a_decision_from_proposal_to_its_successor(project: Project) -> None:
    assert project.aiw("adr", "list").stdout == "no adrs\n"
    made = project.aiw(
        "adr", "new", "Errors are *values*", "-d", "Functions return errors.", "--applies-to", "src/**",
        "--consequence", "No exceptions.",
    )  # fmt: skip
    path = f"{FOLDER}/ADR-0001-errors-are-values.md"
    assert made.stdout == f"ADR-0001 is proposed: Errors are *values*\nFile: {path}\n"
    assert made.stderr == "it binds once it is accepted: aiw adr accept ADR-0001\n"
    text = (
        "# ADR-0001: Errors are \\*values\\*\n\nStatus: proposed\n\nApplies to: `src/**`\n\n"
        "## Decision\n\nFunctions return errors.\n\n## Consequences\n\n- No exceptions.\n"
    )
    assert project.read(path) == text
    assert project.aiw("adr", "accept", "adr-1").stdout.startswith("ADR-0001 is accepted: ")
    assert project.read(path) == text.replace("proposed", "accepted")
    propose(project, "Errors are exceptions")
    early = project.aiw("adr", "supersede", "1", "--by", "2", code=1)
    assert early.stderr == (
        "error: ADR-0002 is proposed, so it cannot take the place of ADR-0001\n"
        "hint: accept it first: aiw adr accept ADR-0002\n"
    )
    project.aiw("adr", "accept", "2")
    project.aiw("adr", "supersede", "1", "--by", "2")
    assert project.read(path) == text.replace("proposed", "superseded by ADR-0002")
    project.aiw("adr", "deprecate", "2", "--reason", "the module is gone")
    assert "\nStatus: deprecated (the module is gone)\n" in project.read(f"{FOLDER}/ADR-0002-errors-are-exceptions.md")
    assert project.aiw("adr", "list").stdout == (
        "ID        STATUS                  APPLIES TO  TITLE\n"
        "ADR-0001  superseded by ADR-0002  src/**      Errors are *values*\n"
        "ADR-0002  deprecated              everything  Errors are exceptions\n"
    )
    shown = project.aiw("adr", "show", "1").json
    assert (shown["status"], shown["superseded_by"], shown["consequences"]) == (
        "superseded", "ADR-0002", ["No exceptions."],
    )  # fmt: skip
    assert [entry["path"] for entry in project.state("project.json")["pending_edits"]] == [
        path, f"{FOLDER}/ADR-0002-errors-are-exceptions.md",
    ]  # fmt: skip


def test_illegal_moves_are_refused_by_name_and_write_nothing(project: Project) -> None:
    propose(project)
    project.aiw("adr", "accept", "1")
    before = project.read(f"{FOLDER}/ADR-0001-errors-are-values.md")
    refused = project.aiw("adr", "accept", "1", code=1)
    assert refused.stderr == (
        "error: ADR-0001 is accepted: accept is not possible\nhint: legal moves from accepted: deprecate, supersede\n"
    )
    assert "cannot supersede itself" in project.aiw("adr", "supersede", "1", "--by", "1", code=1).stderr
    assert "ADR-0009 does not exist" in project.aiw("adr", "supersede", "1", "--by", "9", code=1).stderr
    assert "ADR-0009 does not exist" in project.aiw("adr", "accept", "9", code=1).stderr
    project.aiw("adr", "supersede", "1", code=2)
    assert project.aiw("adr", "new", " ", code=2).stderr.startswith("error: a decision needs a title\n")
    assert (project.read(f"{FOLDER}/ADR-0001-errors-are-values.md"), statuses(project)) == (before, ["accepted"])


def test_what_people_write_in_the_file_stays_and_counts(project: Project) -> None:
    project.aiw("adr", "new", "Draft")
    refused = project.aiw("adr", "accept", "1", code=1)
    assert refused.stderr.startswith("error: ADR-0001 says nothing yet, so it cannot be accepted\n")
    mine = (
        "\ufeff# ADR-0001: Draft\r\n\r\n"
        "- **Status**: draft of mine\r\n\r\n## Context\r\n\r\nStatus: not this one\r\n\r\n"
        "## Decision\r\n\r\nWe use *tabs*.\r\n\r\n- always\r\n\r\n## Consequences\r\n\r\n- Wide\r\n  lines.\r\n"
    )
    project.write(f"{FOLDER}/ADR-0001-draft.md", mine)
    os.rename(project.path / FOLDER / "ADR-0001-draft.md", project.path / FOLDER / "ADR-0001-renamed.md")
    accepted = project.aiw("adr", "accept", "1")
    assert accepted.stdout.endswith(f"File: {FOLDER}/ADR-0001-renamed.md\n")
    data = (project.path / FOLDER / "ADR-0001-renamed.md").read_bytes()
    assert data == mine.replace("draft of mine", "accepted").encode()
    assert os.listdir(project.path / FOLDER) == ["ADR-0001-renamed.md"]
    shown = project.aiw("adr", "show", "1").json
    assert shown["decision"] == "We use *tabs*.\n\n- always"
    assert shown["consequences"] == ["Wide lines."]


def test_ids_never_restart_even_where_only_files_know_them(project: Project) -> None:
    project.write(f"{FOLDER}/ADR-0041-of-another-clone.md", "# kept\n")
    assert propose(project).startswith("ADR-0042 ")
    (project.path / "docs/ai/workspace/state/adrs/ADR-0042.json").unlink()
    (project.path / FOLDER / "ADR-0042-errors-are-values.md").unlink()
    assert propose(project).startswith("ADR-0043 ")


def test_hostile_texts_are_inert(project: Project) -> None:
    propose(project, "\x1b[31m../../x\n# y" + "z" * 5000, "--applies-to", "`src`\n/**", "--consequence", "# c\n- d")
    (name,) = os.listdir(project.path / FOLDER)
    assert len(name.encode()) < 100
    text = project.read(f"{FOLDER}/{name}")
    assert "\x1b" not in text
    assert [line for line in text.split("\n") if line.startswith("#")][1:] == ["## Decision", "## Consequences"]


def test_a_folder_in_place_of_the_file_is_refused_before_anything_is_recorded(project: Project) -> None:
    propose(project)
    (project.path / FOLDER / "ADR-0001-errors-are-values.md").unlink()
    (project.path / FOLDER / "ADR-0001-errors-are-values.md").mkdir()
    project.aiw("adr", "accept", "1", code=1)
    assert statuses(project) == ["proposed"]
    (project.path / FOLDER / "ADR-0001-errors-are-values.md").rmdir()
    project.aiw("adr", "accept", "1")
    assert "Status: accepted" in project.read(f"{FOLDER}/ADR-0001-errors-are-values.md")


def test_only_accepted_decisions_that_apply_reach_a_prompt(project: Project) -> None:
    prompt = "docs/ai/workspace/prompts/next-core.md"
    propose(project, "Parsers return errors", "--applies-to", "src/**")
    propose(project, "Pages are static", "--applies-to", "web/")
    propose(project, "Names are English")
    propose(project, "Only for the second", "--applies-to", "task-2")
    propose(project, "Still open", "--applies-to", "src/**")
    for number in ("1", "2", "3", "4"):
        project.aiw("adr", "accept", number)
    project.next()
    assert "Names are English" in project.read(prompt)
    told = {number for number in range(1, 6) if f"ADR-000{number}" in project.read(prompt)}
    assert told == {1, 3}
    assert "Functions return errors." in project.read(prompt)
    project.aiw("adr", "deprecate", "3")
    project.next()
    assert "Names are English" not in project.read(prompt)


def test_damaged_decisions_are_named_and_the_others_listed(project: Project) -> None:
    propose(project)
    propose(project, "Second one")
    project.write("docs/ai/workspace/state/adrs/ADR-0001.json", "{")
    listed = project.aiw("adr", "list", code=5)
    assert "ADR-0002" in listed.stdout
    assert "adrs/ADR-0001.json:1" in listed.stderr
    project.aiw("adr", "accept", "1", code=5)
    project.aiw("adr", "accept", "2")
