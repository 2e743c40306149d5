"""Lets only records of the right shape past an adapter, with nothing in them that acts (spec §7.7).

What a forge answers is text of strangers: names of checks, logins, addresses. It is shown, recorded, and commits of it
become arguments of git.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import msgspec
from msgspec.structs import replace

from ai_workflow.forge.base import ForgeError
from ai_workflow.models.forge import ForgeCheck, ForgeComment, ForgeRequest, Standing

P = ParamSpec("P")
T = TypeVar("T")

_SHA = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_ADDRESS = re.compile(r"https?://[!-~]{1,2000}", re.IGNORECASE)
_MAX_NUMBER = 2**53
_MAX_COUNT = 1000
_MAX_LINE, _MAX_TEXT = 500, 200_000


def sensible(method: Callable[P, T]) -> Callable[P, T]:
    """The method of an adapter, with ForgeError `unexpected` where an answer lacks a field, has one of another kind, or
    describes another request than the one that was asked for.
    """

    @wraps(method)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        name = getattr(args[0], "name", "the forge")
        try:
            result: T = _clean(method(*args, **kwargs))
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            raise ForgeError("unexpected", f"{name} gave an answer that makes no sense ({error!r:.100})") from error
        except msgspec.ValidationError as error:
            raise ForgeError("unexpected", f"{name} gave an answer that makes no sense ({error})") from error
        request = result.request if isinstance(result, Standing) else result
        asked = next((one for one in (*args[1:], kwargs.get("number")) if isinstance(one, int)), None)
        if isinstance(request, ForgeRequest) and asked is not None and request.number != asked:
            raise ForgeError("unexpected", f"{name} was asked for {asked} and described {request.number}")
        return result

    return guarded


def require_sound(request: ForgeRequest) -> ForgeRequest:
    """The request, whose fields may stand in the next question's address. For use inside of `sensible`."""
    cleaned: ForgeRequest = _clean(request)
    return cleaned


def _clean(value: Any) -> Any:
    """The value, sound. Raises ValueError or msgspec.ValidationError."""
    if isinstance(value, tuple):
        return tuple(map(_clean, value))
    if isinstance(value, str):
        return _line(value)
    if not isinstance(value, msgspec.Struct):
        return value
    # Records are not checked when they are made.
    checked = msgspec.convert(msgspec.to_builtins(value), type(value), strict=True)
    return _CLEANERS[type(checked)](checked)


def _clean_request(request: ForgeRequest) -> ForgeRequest:
    if not 0 < request.number < _MAX_NUMBER:
        raise ValueError(f"{request.number:.3g} is no number of a request")
    shas = [sha for sha in (request.head_sha, request.merged_sha) if sha]
    if not all(map(_SHA.fullmatch, shas)):
        raise ValueError("a commit that is none")
    if not _ADDRESS.fullmatch(request.url):
        raise ValueError("an address that is none")
    return replace(
        request,
        url=_mask(request.url),
        title=_text(request.title),
        body=_text(request.body),
        branch=_text(request.branch),
        base=_line(request.base),
        ended_by=None if request.ended_by is None else _line(request.ended_by),
        merged_sha=request.merged_sha or None,
    )


def _clean_check(check: ForgeCheck) -> ForgeCheck:
    return replace(check, name=_line(check.name), url=_address(check.url))


def _clean_standing(standing: Standing) -> Standing:
    return replace(
        standing,
        request=_clean_request(standing.request),
        checks=tuple(map(_clean_check, standing.checks)),
        missing_checks=tuple(map(_line, standing.missing_checks)),
        approvals_wanted=_count(standing.approvals_wanted),
        changes_wanted_by=tuple(map(_line, standing.changes_wanted_by)),
        open_conversations=_count(standing.open_conversations),
        rules=tuple(map(_line, standing.rules)),
    )


def _clean_comment(comment: ForgeComment) -> ForgeComment:
    return replace(
        comment,
        id=_line(comment.id),
        author=_line(comment.author),
        text=_mask(_text(comment.text)),
        path=None if comment.path is None else _line(comment.path),
        line=comment.line if comment.line and 0 < comment.line < _MAX_NUMBER else None,
        url=_address(comment.url),
        at=_line(comment.at),
    )


_CLEANERS: dict[type, Callable[[Any], Any]] = {
    ForgeRequest: _clean_request,
    ForgeCheck: _clean_check,
    Standing: _clean_standing,
    ForgeComment: _clean_comment,
}


def _count(number: int) -> int:
    return min(max(number, 0), _MAX_COUNT)


def _address(url: str | None) -> str | None:
    return _mask(url) if url and _ADDRESS.fullmatch(url) else None


def _line(text: str) -> str:
    """One line of what can be seen; a second one could pass for ours."""
    shown = "".join(char if char.isprintable() else " " for char in text[: 4 * _MAX_LINE])
    return _mask(" ".join(shown.split()))[:_MAX_LINE] or "(unnamed)"


def _text(text: str) -> str:
    """Text that can be written: JSON may hold halves of characters."""
    return text[:_MAX_TEXT].encode("utf-8", "replace").decode()


def _mask(text: str) -> str:
    from ai_workflow.policy.secrets import mask

    return mask(text)
