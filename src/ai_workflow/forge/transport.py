"""HTTP to a forge: retried where that is harmless, never waiting in silence, every failure told by its cause.

Retried are questions that change nothing: after a failure of the network, 429, and 500, 502, 503, 504. A question that
changes something is asked again only when it surely was not done: no connection, or a rate limit. How long is told by
`Retry-After` and the forges' `…-RateLimit-Reset` (GitHub "Rate limits for the REST API", GitLab "Rate limits"), else it
doubles. Redirects are not followed, nor pages on another host: the token would go along.
"""

from __future__ import annotations

import email.utils
import random
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from typing import Any
from urllib.parse import urlsplit

import httpx

from ai_workflow import __version__
from ai_workflow.clock import format_utc
from ai_workflow.forge.base import Cause, ForgeError

_TRIES = 4
_FIRST_PAUSE_S = 1.0
_MAX_TRANSIENT_WAIT_S = 60.0
_SECONDARY_LIMIT_S = 60.0
_LONGEST_LIMIT_S = 1e7
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_TRANSIENT = (500, 502, 503, 504)
_MAX_PAGES = 50
_MAX_DEPTH = 8
_MAX_ANSWER_S = 120.0
"""A timeout of the network ends silence only, not an answer in drops."""
_MAX_BYTES = 32 * 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

Talk = Callable[[str], None]


class Timing:
    """What a test replaces: the time and the waiting."""

    def now_s(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)


class Transport:
    """Asks one forge's API.

    Attributes:
        api_url: what paths are relative to, without a final slash.
    """

    def __init__(
        self,
        api_url: str,
        *,
        name: str,
        headers: Mapping[str, str],
        talk: Talk,
        max_wait_s: float,
        timing: Timing | None = None,
    ) -> None:
        """
        Args:
            name: the forge, for people.
            headers: sent with every question; the token is in them.
            talk: told before anything waits, why and until when.
            max_wait_s: the longest wait for a rate limit; beyond that it is an error with the time.
        """
        self.api_url = api_url
        self._token = headers.get("Authorization", "").rpartition(" ")[2]
        self._name = name
        self._talk = talk
        self._max_wait_s = max_wait_s
        self._timing = timing or Timing()
        # Proxies and certificates come from the environment; a proxy would read what goes to this machine unencrypted.
        self._client = httpx.Client(
            headers={"User-Agent": f"aiw/{__version__}", "Accept-Encoding": "gzip", **headers},
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=api_url.startswith("https:"),
            auth=_NoNetrc(),
        )

    def close(self) -> None:
        """Ends the connections."""
        self._client.close()

    def get(self, path: str, **params: str | int) -> Any:
        """The JSON at a path. Raises ForgeError."""
        return _decode(self._ask("GET", path, params=params))

    def find(self, path: str, **params: str | int) -> Any:
        """The JSON at a path; None where there is none. Raises ForgeError."""
        try:
            return self.get(path, **params)
        except ForgeError as error:
            if error.cause != "not_found":
                raise
            return None

    def pages(self, path: str, key: str | None = None, **params: str | int) -> Iterator[Any]:
        """Every element of a list that comes in pages (RFC 8288 `Link`, `rel="next"`).

        Args:
            key: that of the list, where a page is an object.

        Raises:
            ForgeError: also when the pages do not end.
        """
        url: str | None = path
        for _page in range(_MAX_PAGES):
            response = self._ask("GET", url or path, params={"per_page": 100, **params} if url == path else None)
            document = _decode(response)
            items = document.get(key) if key is not None and isinstance(document, dict) else document
            if not isinstance(items, list):
                raise ForgeError("unexpected", f"{self._name} answered {path} without a list")
            yield from items
            url = response.links.get("next", {}).get("url")
            if url is None:
                return
        raise ForgeError("unexpected", f"{self._name} has more than {_MAX_PAGES} pages at {path}")

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Changes something: asked once. The JSON of the answer, None without one. Raises ForgeError."""
        response = self._ask(method, path, body=body or {})
        return _decode(response) if response.content else None

    def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        url = self._url(path)
        is_reading = method == "GET"
        pause_s = _FIRST_PAUSE_S
        waited_s = 0.0
        for tries_left in range(_TRIES - 1, -1, -1):
            try:
                response = self._exchange(method, url, params, body)
            except ForgeError as error:
                is_harmless = is_reading or error.cause == "offline"
                if tries_left == 0 or not is_harmless:
                    raise
                until_s, why = self._timing.now_s() + pause_s, error.message
            else:
                failure = self._judge(response, path)
                if failure is None:
                    return response
                is_limit = failure.cause == "rate_limited"
                if tries_left == 0 or not (is_limit or (is_reading and response.status_code in _TRANSIENT)):
                    raise failure
                until_s = failure.until_s or self._timing.now_s() + pause_s
                why = failure.message
                longest_s = self._max_wait_s if is_limit else _MAX_TRANSIENT_WAIT_S
                if waited_s + until_s - self._timing.now_s() > longest_s:
                    raise failure
            waited_s += self._wait(until_s, why)
            pause_s *= 2
        raise AssertionError

    def _url(self, path: str) -> str:
        if not path.startswith(("http://", "https://")):
            return f"{self.api_url}/{path.lstrip('/')}"
        try:
            ours, theirs = urlsplit(self.api_url), urlsplit(path)
        except ValueError as error:
            raise ForgeError("unexpected", f"{self._name} pointed to {path}, which is no address") from error
        if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc):
            raise ForgeError("unexpected", f"{self._name} pointed to another host, {theirs.netloc}")
        return path

    def _exchange(
        self, method: str, url: str, params: Mapping[str, str | int] | None, body: Mapping[str, Any] | None
    ) -> httpx.Response:
        try:
            with self._client.stream(method, url, params=params or None, json=body) as response:
                content = self._read(response)
            return httpx.Response(
                response.status_code,
                headers=[(key, value) for key, value in response.headers.raw if key.lower() not in _BODY_HEADERS],
                content=content,
                request=response.request,
            )
        except _NEVER_SENT as error:
            raise ForgeError("offline", f"{self._name} could not be reached ({_words(error)})") from error
        except httpx.HTTPError as error:
            raise ForgeError("unanswered", f"{self._name} gave no answer ({_words(error)})") from error
        except httpx.InvalidURL as error:
            raise ForgeError("unexpected", f"{url} is no address ({error})") from error

    def _read(self, response: httpx.Response) -> bytes:
        """The body, whatever its size is said to be; one that is packed is never unpacked beyond what is taken."""
        packing = response.headers.get("content-encoding", "identity").strip().lower()
        if packing not in ("", "identity", "gzip"):
            raise ForgeError("unexpected", f"{self._name} packed its answer as {packing}, which nobody asked for")
        unpacker = zlib.decompressobj(_GZIP) if packing == "gzip" else None
        content = bytearray()
        end_s = time.monotonic() + _MAX_ANSWER_S
        for part in response.iter_raw():
            try:
                content += unpacker.decompress(part, _MAX_BYTES + 1 - len(content)) if unpacker else part
            except zlib.error as error:
                raise ForgeError("unanswered", f"{self._name} gave an answer that cannot be unpacked") from error
            if time.monotonic() > end_s:
                raise ForgeError("unanswered", f"{self._name} did not come to the end of its answer")
            if len(content) > _MAX_BYTES:
                raise ForgeError("unexpected", f"{self._name} answered with over {_MAX_BYTES >> 20} MiB")
        return bytes(content)

    def _judge(self, response: httpx.Response, path: str) -> ForgeError | None:
        """The failure that the answer tells of; None for a good one."""
        status = response.status_code
        if 200 <= status < 300:
            return None
        said = explain(response)
        if self._token:
            said = said.replace(self._token, "[token]")
        until_s = self._find_reset(response)
        if until_s is None and status == 403 and "rate limit" in said.lower():
            # GitHub: a secondary limit may come without a time, and wants a minute.
            until_s = self._timing.now_s() + _SECONDARY_LIMIT_S
        if status == 429 or (status == 403 and until_s is not None):
            when = f" until {format_utc(until_s)}" if until_s else ""
            return ForgeError("rate_limited", f"{self._name} limits the rate of questions{when}", until_s=until_s)
        if 300 <= status < 400:
            where = response.headers.get("location", "")
            return ForgeError("not_found", f"{self._name} says that this is elsewhere now ({where or status})")
        cause: Cause = _CAUSES.get(status, "server" if status >= 500 else "unexpected")
        return ForgeError(cause, f"{self._name} answered {status}: {said}", until_s=until_s, status=status)

    def _find_reset(self, response: httpx.Response) -> float | None:
        """When it may be asked again, in seconds since 1970, if the answer says so."""
        headers, now_s = response.headers, self._timing.now_s()
        there_s = _read_date(headers.get("date", ""))
        ahead_s = there_s - now_s if there_s is not None else 0.0
        """By how much its clock is: moments that it names are by that."""
        after = headers.get("retry-after", "").strip()
        seconds = _read_number(after)
        if seconds is not None:
            return now_s + min(seconds, _LONGEST_LIMIT_S)
        moment_s = _read_date(after)
        if moment_s is None:
            for prefix in ("x-ratelimit", "ratelimit"):
                if headers.get(f"{prefix}-remaining") == "0" and moment_s is None:
                    moment_s = _read_number(headers.get(f"{prefix}-reset", ""))
        return None if moment_s is None else now_s + min(max(moment_s - ahead_s - now_s, 0.0), _LONGEST_LIMIT_S)

    def _wait(self, until_s: float, why: str) -> float:
        now_s = self._timing.now_s()
        # Those who were refused together should not come back together.
        wait_s = max(0.0, until_s - now_s) + random.uniform(0.1, 0.5)  # noqa: S311
        self._talk(f"{why}; asking again at {format_utc(now_s + wait_s)}, in {wait_s:.0f} s")
        self._timing.sleep(wait_s)
        return wait_s


class _NoNetrc(httpx.Auth):
    """The token is in the headers; httpx would put what a `.netrc` holds for the host in its place."""


_BODY_HEADERS = (b"content-encoding", b"content-length", b"transfer-encoding")
_CAUSES: dict[int, Cause] = {
    401: "bad_credentials",
    403: "forbidden",
    404: "not_found",
    405: "not_mergeable",
    409: "head_moved",
    410: "not_found",
    422: "invalid",
}


def explain(response: httpx.Response) -> str:
    """What the answer says of itself: `message`, `error` and the fields named, on one line; at most 500 characters."""
    from ai_workflow.policy.secrets import mask

    try:
        document = response.json()
    except (ValueError, RecursionError):
        document = None
    parts: list[str] = []
    if isinstance(document, dict):
        parts += [_flatten(document[key]) for key in ("message", "error", "error_description") if document.get(key)]
        errors = document.get("errors") or []
        parts += [_flatten(one) for one in (errors if isinstance(errors, list) else [errors])]
    text = ": ".join(part for part in parts if part) or response.reason_phrase or "no reason"
    return mask(" ".join(text.split()))[:500]


def _flatten(value: Any, depth: int = 0) -> str:
    if depth > _MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        if value.get("message"):
            return _flatten(value["message"], depth + 1)
        named = [_flatten(value[key], depth + 1) for key in ("resource", "field", "code") if value.get(key)]
        return " ".join(named) or "; ".join(f"{key} {_flatten(one, depth + 1)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(_flatten(one, depth + 1) for one in value)
    # Python does not write a number of very many digits.
    return "…" if isinstance(value, int) and abs(value) > 10**15 else str(value)


def _decode(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError) as error:
        url = response.request.url
        kind = response.headers.get("content-type", "").partition(";")[0]
        page = f" but {kind}, as of a page to sign in" if kind == "text/html" else ""
        raise ForgeError("unexpected", f"the answer of {url.host}{url.path} is no JSON{page}") from error


def _read_number(text: str) -> float | None:
    return float(text[:20]) if text.isascii() and text.isdecimal() else None


def _read_date(text: str) -> float | None:
    """Seconds since 1970 of an HTTP date; None for anything else."""
    try:
        moment = email.utils.parsedate_to_datetime(text)
        # Without a zone it is meant as UTC.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, ArithmeticError, LookupError):
        return None


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
