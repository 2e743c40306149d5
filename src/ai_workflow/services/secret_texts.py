"""Keeps secrets out of what is taken in: plans, texts of files, words of the command line (spec §7.8, ADR 0032).

What is taken in becomes state, log, prompt and report. Refused at the door it has to be masked nowhere behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from ai_workflow.config.schema import SecretsSection
from ai_workflow.errors import AiwError, Kind
from ai_workflow.models import plan
from ai_workflow.policy.secrets import Finding, find_in_text, format_findings, mask

_SHOWN_CHARS = 40
_TAKE_OUT = "name the place where it is kept instead (a variable of the environment, a vault)"
_ALLOW = "if it is none, say so with `aiw:allow-secret` in its line, or secrets.allow in .ai-workflow.yaml"


def judge_text(
    settings: SecretsSection, text: str, *, name: str, first_line: int = 1
) -> tuple[tuple[plan.Finding, ...], Callable[[plan.Finding], plan.Finding]]:
    """What a plan must not hold, as findings of it.

    Args:
        name: how findings call the source.
        first_line: 1-based line of the source that the text begins in.

    Returns:
        The findings, and what makes other findings on the same text quote none of the secrets.
    """
    found = _search(settings, text, path=name, first_line=first_line)
    if not found:
        return (), lambda finding: finding
    findings = tuple(
        plan.Finding(
            level="warning" if settings.policy == "warn" else "error",
            code="secret",
            path=name,
            line=one.line,
            message=f"looks like a secret: {one.rule}, fingerprint {one.fingerprint}",
            hint=f"{_TAKE_OUT}; {_ALLOW}",
        )
        for one in found
    )
    return findings, lambda finding: replace(finding, message=mask(finding.message))


def require_clean_text(settings: SecretsSection, text: str, *, name: str, talk: Callable[[str], None]) -> None:
    """Passes when the text of a file may become part of the state.

    Raises:
        AiwError: SECRET, with file, line, rule and fingerprint of each.
    """
    found = _search(settings, text, path=name)
    if found:
        message = f"{name} holds what looks like a secret:\n{format_findings(found)}"
        _refuse(settings, message, f"{_TAKE_OUT}; {_ALLOW}", talk)


def require_clean_words(settings: SecretsSection, words: Sequence[str], *, talk: Callable[[str], None]) -> None:
    """Passes when nothing that was typed looks like a secret.

    Raises:
        AiwError: SECRET, with the option, the rule and the fingerprint, before anything was written.
    """
    for name, text in _values(words):
        found = _search(settings, text, path=name)
        if found:
            what = f"{found[0].rule}, fingerprint {found[0].fingerprint}"
            hint = f"{_TAKE_OUT}; if it is none, add its fingerprint to secrets.allow in .ai-workflow.yaml"
            _refuse(settings, f"{name} holds what looks like a secret ({what})", hint, talk)


def _search(settings: SecretsSection, text: str, *, path: str, first_line: int = 1) -> tuple[Finding, ...]:
    if settings.policy == "off":
        return ()
    return find_in_text(text, path=path, first_line=first_line, allowed=frozenset(settings.allow))


def _values(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each value of a command line with what names it: its option, else the word before it.

    A value of `--allow-secret` is looked at where it is used, with a better answer.
    """
    option, before = "", "aiw"
    for word in words:
        name, is_given, value = word.partition("=")
        if word.startswith("--") and is_given:
            option, text = "", value
        elif word.startswith("-") and " " not in word:
            # The next word may be its value; if not, naming it is still a help.
            option, name, text = word, "an option", word
        else:
            name, text, option = option or f"what follows `{before[:_SHOWN_CHARS]}`", word, ""
        if name != "--allow-secret":
            yield name, text
        before = word


def _refuse(settings: SecretsSection, message: str, hint: str, talk: Callable[[str], None]) -> None:
    if settings.policy != "warn":
        raise AiwError(Kind.SECRET, message, hint=hint)
    talk(f"warning: {message}")
