"""A defect of aiw itself is told in two lines, with a report, and never as a traceback (spec §8)."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from ai_workflow.cli.boundary import guarded
from ai_workflow.cli.runtime import Globals
from ai_workflow.errors import AiwError, Kind
from ai_workflow.policy import secrets
from support.secret_corpus import Secrets

SECRET = Secrets().github()


def fail(_words: Sequence[str], _settings: Globals) -> int:
    raise RuntimeError(f"no answer to {SECRET}")


@pytest.fixture(autouse=True)
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_defect_is_told_with_a_report(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(fail, ["task", "list"]) == 70
    (report,) = reports.glob("aiw-report-*.md")
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("error: aiw stopped on a defect of its own: RuntimeError: no answer to [secret")
    assert said[1].endswith(f"the report is in {report}")
    assert len(said) == 2
    assert "- command: aiw task list" in report.read_text()
    assert "in fail" in report.read_text()
    assert SECRET not in report.read_text()


def test_a_report_that_cannot_be_written_is_no_second_defect(
    reports: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(reports / "gone"))
    assert guarded(fail, ["status"]) == 70
    assert "the report is in nowhere" in capsys.readouterr().err


def test_a_defect_of_what_hides_secrets_shows_none(
    reports: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_text: str) -> str:
        raise TypeError("broken too")

    monkeypatch.setattr(secrets, "mask", broken)
    assert guarded(fail, ["status"]) == 70
    said = capsys.readouterr().err
    assert said.startswith("error: aiw stopped on a defect of its own: RuntimeError\n")
    assert SECRET not in said
    assert "Traceback" not in said
    assert not list(reports.iterdir())


def test_a_defect_on_the_way_of_telling_a_refusal_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_words: Sequence[str], _settings: Globals) -> int:
        raise AiwError(Kind.STATE, "not now")

    def broken(_text: str) -> str:
        raise TypeError("broken too")

    monkeypatch.setattr(secrets, "mask", broken)
    assert guarded(refuse, ["status"]) == 70
    assert "Traceback" not in capsys.readouterr().err
