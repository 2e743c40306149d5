"""HTTP to a forge: what is asked again, what is asked once, and how each failure is told (spec §6.5)."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ai_workflow.forge.base import ForgeError
from ai_workflow.forge.transport import Timing, Transport

NOW = 1_800_000_000.0


@dataclass
class Answer:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    is_dropped: bool = False
    date: str = "Fri, 15 Jan 2027 08:00:00 GMT"
    """What its clock says: `NOW`."""


@dataclass
class Server:
    url: str
    answers: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, str, Any, str | None]] = field(default_factory=list)
    encodings: set[str | None] = field(default_factory=set)


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            sent = json.loads(self.rfile.read(length)) if length else None
            served.asked.append((self.command, self.path, sent, self.headers.get("Authorization")))
            served.encodings.add(self.headers.get("Accept-Encoding"))
            given = served.answers.pop(0) if served.answers else Answer()
            if given.is_dropped:
                self.close_connection = True
                return
            data = given.body if isinstance(given.body, bytes) else json.dumps(given.body).encode()
            self.send_response_only(given.status)
            self.send_header("Date", given.date)
            for key, value in given.headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Server(url=f"http://127.0.0.1:{running.server_port}")
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield served
    running.shutdown()
    running.server_close()


class Stopped(Timing):
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = NOW
        self.slept: list[float] = []

    def now_s(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def timing() -> Stopped:
    return Stopped()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def http(server: Server, timing: Stopped, said: list[str]) -> Iterator[Transport]:
    headers = {"Authorization": "Bearer kept"}
    made = Transport(f"{server.url}/api", name="Forge", headers=headers, talk=said.append, max_wait_s=30, timing=timing)
    yield made
    made.close()


def test_the_token_and_the_path(http: Transport, server: Server) -> None:
    server.answers = [Answer(body={"ok": 1})]
    assert http.get("a/b", x=1) == {"ok": 1}
    assert server.asked == [("GET", "/api/a/b?x=1", None, "Bearer kept")]


def test_a_netrc_does_not_replace_the_token(
    http: Transport, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    http.get("a")
    assert server.asked[0][3] == "Bearer kept"


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_reading_is_repeated_with_longer_pauses_which_are_told(
    http: Transport, server: Server, timing: Stopped, said: list[str], status: int
) -> None:
    server.answers = [Answer(status=status, body={"message": "oops"})] * 2 + [Answer(body=1)]
    assert http.get("a") == 1
    assert [round(pause) for pause in timing.slept] in ([1, 2], [1, 3], [2, 2])
    assert len(said) == 2
    assert said[0].startswith(f"Forge answered {status}: oops; asking again at 2027-01-15T08:00:0")


def test_a_lost_answer_to_reading_is_asked_for_again(http: Transport, server: Server) -> None:
    server.answers = [Answer(is_dropped=True), Answer(body=2)]
    assert http.get("a") == 2


def test_reading_is_given_up_in_the_end(http: Transport, server: Server) -> None:
    server.answers = [Answer(status=503)] * 9
    with pytest.raises(ForgeError) as failure:
        http.get("a")
    assert failure.value.cause == "server"
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("answer", "cause"),
    [(Answer(status=500), "server"), (Answer(status=502), "server"), (Answer(is_dropped=True), "unanswered")],
)
def test_writing_is_asked_once(http: Transport, server: Server, answer: Answer, cause: str) -> None:
    server.answers = [answer, Answer(body=1)]
    with pytest.raises(ForgeError) as failure:
        http.send("POST", "a", {"x": 1})
    assert failure.value.cause == cause
    assert len(server.asked) == 1


def test_writing_that_was_never_heard_is_repeated(timing: Stopped, said: list[str]) -> None:
    http = Transport("http://127.0.0.1:1", name="Forge", headers={}, talk=said.append, max_wait_s=30, timing=timing)
    with pytest.raises(ForgeError) as failure:
        http.send("POST", "a", {})
    assert failure.value.cause == "offline"
    assert len(timing.slept) == 3
    assert "could not be reached" in said[0]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, {"Retry-After": "7"}),
        (403, {"Retry-After": "7"}),
        (429, {"Retry-After": "Fri, 15 Jan 2027 08:00:07 GMT"}),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(NOW) + 7)}),
        (429, {"RateLimit-Remaining": "0", "RateLimit-Reset": str(int(NOW) + 7)}),
    ],
)
def test_a_rate_limit_is_waited_for_also_by_writing(
    http: Transport, server: Server, timing: Stopped, said: list[str], status: int, headers: dict[str, str]
) -> None:
    server.answers = [Answer(status=status, headers=headers, body={"message": "slow down"}), Answer(body=3)]
    assert http.send("POST", "a", {}) == 3
    assert 7 <= timing.slept[0] <= 8
    assert "limits the rate of questions until 2027-01-15T08:00:07Z" in said[0]


@pytest.mark.parametrize(
    ("headers", "until_s"),
    [
        ({"Retry-After": "Fri, 15 Jan 2027 09:00:07 GMT"}, NOW + 7),
        ({"Retry-After": "Fri, 15 Jan 2027 08:59:00 GMT"}, NOW),
        ({"Retry-After": "Fri, 15 Jan 2027 09:00:07 -0000"}, NOW + 7),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(NOW) + 3607)}, NOW + 7),
        ({"Retry-After": "7"}, NOW + 7),
    ],
)
def test_a_clock_that_is_wrong_there(http: Transport, server: Server, headers: dict[str, str], until_s: float) -> None:
    slow = Answer(status=429, headers=headers, date="Fri, 15 Jan 2027 09:00:00 GMT")
    server.answers = [slow] * 4
    with pytest.raises(ForgeError) as failure:
        http.get("a")
    assert failure.value.until_s is not None
    assert until_s <= failure.value.until_s <= until_s + 25, "the waits before it are in it"


@pytest.mark.parametrize(
    "after",
    [
        *("-5", "0", "1e400", "9" * 400, "9" * 6000, "٣", "soon", "NaN", "7.5", "\x00"),
        *("Fri, 31 Dec 9999 23:59:59 -2359", "Fri, 15 Jan 99999999999999999999 08:00:07 GMT", "Fri, 15 Jan"),
        *("Fri, 15 Jan 0000 08:00:07 GMT", "Fri, 15 Jan 2027 08:00:07 +99999", "Fri, 99 Jan 2027 99:99:99 GMT"),
    ],
)
@pytest.mark.parametrize("header", ["Retry-After", "X-RateLimit-Reset", "Date"])
def test_a_time_that_is_absurd(http: Transport, server: Server, timing: Stopped, header: str, after: str) -> None:
    if "\x00" in after or not after.isascii():
        after = after.encode().decode("latin-1").replace("\x00", "\x9b")
    headers = {"X-RateLimit-Remaining": "0", **({} if header == "Date" else {header: after})}
    date = after if header == "Date" else Answer().date
    server.answers = [Answer(status=429, headers=headers, date=date) for _ in range(4)]
    with pytest.raises(ForgeError) as failure:
        http.get("a")
    assert failure.value.cause == "rate_limited"
    assert sum(timing.slept) < 40
    assert failure.value.until_s is None or failure.value.until_s <= NOW + sum(timing.slept) + 1e7


@pytest.mark.parametrize(
    "body",
    [
        *(b"[" * 100_000, b'{"message":' * 900 + b"1" + b"}" * 900, b'{"message": ' + b"9" * 5000 + b"}"),
        *(b'{"errors": 7}', b'{"errors": {"a": [{}]}}', b'{"message": {"message": [null, 1.5, {"a": 1e400}]}}'),
        *(
            b'{"message": "\\ud800 \\u0000\\u001b[31m\\nhint: run this"}',
            b"\xff\xfe",
            b"",
            b"null",
            b'{"message": %d}' % 10**40,
        ),
        *(b'{"errors": [{"resource": {"x": ' + b"[" * 400 + b"]" * 400 + b"}}]}", b'{"message": %d}' % 10**400),
    ],
)
def test_words_that_make_no_sense(http: Transport, server: Server, body: bytes) -> None:
    for status in (400, 403, 404, 422):
        server.answers = [Answer(status=status, body=body)]
        with pytest.raises(ForgeError) as failure:
            http.send("POST", "a", {})
        assert failure.value.message.isprintable()
        assert len(failure.value.message) <= 1000
        failure.value.message.encode()


@pytest.mark.parametrize(
    "link",
    [
        "http://[",
        "http://u@127.0.0.1/",
        "//evil.example/x",
        "\x9b",
        "http://127.0.0.1:99999/",
        "file:///etc",
        "?page=2",
    ],
)
def test_a_next_page_that_is_none(http: Transport, server: Server, link: str) -> None:
    server.answers = [Answer(body=[1], headers={"Link": f'<{link}>; rel="next"'})] + [Answer(status=404)] * 3
    with pytest.raises(ForgeError) as failure:
        list(http.pages("a"))
    assert failure.value.cause in ("unexpected", "not_found", "offline")
    assert failure.value.message.isprintable()


def test_a_page_to_sign_in_is_told(http: Transport, server: Server) -> None:
    server.answers = [Answer(body=b"<html>", headers={"Content-Type": "text/html; charset=utf-8"})]
    with pytest.raises(ForgeError, match="is no JSON but text/html, as of a page to sign in"):
        http.get("a")


def test_an_answer_in_drops_comes_to_an_end(http: Transport, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ai_workflow.forge.transport._MAX_ANSWER_S", -1.0)
    server.answers = [Answer(body=[1])]
    with pytest.raises(ForgeError, match="did not come to the end of its answer") as failure:
        http.send("POST", "a", {})
    assert failure.value.cause == "unanswered"


def test_a_token_that_is_not_encrypted_goes_to_no_proxy(
    server: Server, timing: Stopped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    server.answers = [Answer(body=[1])]
    http = Transport(server.url, name="Forge", headers={}, talk=lambda _: None, max_wait_s=1, timing=timing)
    assert http.get("a") == [1]
    http.close()


def test_an_answer_that_is_packed(http: Transport, server: Server) -> None:
    server.answers = [Answer(body=gzip.compress(b"[1]"), headers={"Content-Encoding": "gzip"})]
    assert http.get("a") == [1]
    assert server.encodings == {"gzip"}


def test_one_that_is_packed_again_and_again_is_not_unpacked(http: Transport, server: Server) -> None:
    bomb = gzip.compress(gzip.compress(bytes(5 * 10**7)))
    server.answers = [
        Answer(body=bomb, headers={"Content-Encoding": "gzip, gzip"}),
        Answer(body=gzip.compress(bytes(5 * 10**7)), headers={"Content-Encoding": "gzip"}),
        Answer(body=b"no gzip", headers={"Content-Encoding": "gzip"}),
    ]
    for cause, says in (
        ("unexpected", "packed its answer as gzip, gzip"),
        ("unexpected", "over 32 MiB"),
        ("unanswered", "cannot be unpacked"),
    ):
        with pytest.raises(ForgeError, match=says) as failure:
            http.send("POST", "a", {})
        assert failure.value.cause == cause


def test_where_it_went_to_is_told_without_a_secret(http: Transport, server: Server) -> None:
    token = "ghp_" + "R7kQ2mZx9LbT4vNs8WcY" + "1HpD6fGj3KaE5uXo"
    server.answers = [Answer(status=301, headers={"Location": f"/a?token={token}\x9b2J"})]
    with pytest.raises(ForgeError) as failure:
        http.get("a")
    assert token not in failure.value.message
    assert failure.value.message.isprintable()
    assert len(server.asked) == 1, "a loop has no beginning"


def test_a_token_that_is_said_back_is_not_told(http: Transport, server: Server) -> None:
    server.answers = [Answer(status=401, body={"message": "no such token: kept"})]
    with pytest.raises(ForgeError, match=r"no such token: \[token\]"):
        http.get("a")


def test_a_limit_that_ends_too_late_is_an_error_with_its_time(http: Transport, server: Server, timing: Stopped) -> None:
    server.answers = [Answer(status=429, headers={"Retry-After": "3600"})]
    with pytest.raises(ForgeError) as failure:
        http.get("a")
    assert (failure.value.cause, failure.value.until_s) == ("rate_limited", NOW + 3600)
    assert timing.slept == []


def test_a_secondary_limit_without_a_time(http: Transport, server: Server) -> None:
    server.answers = [Answer(status=403, body={"message": "You have exceeded a secondary rate limit."})]
    with pytest.raises(ForgeError) as failure:
        http.get("a")
    assert (failure.value.cause, failure.value.until_s) == ("rate_limited", NOW + 60)


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (401, "bad_credentials"),
        (403, "forbidden"),
        (404, "not_found"),
        (405, "not_mergeable"),
        (409, "head_moved"),
        (410, "not_found"),
        (418, "unexpected"),
        (422, "invalid"),
    ],
)
def test_each_status_has_its_cause(http: Transport, server: Server, status: int, cause: str) -> None:
    errors = [{"resource": "PullRequest", "field": "base", "code": "invalid"}, {"message": "No commits"}, "plain"]
    server.answers = [Answer(status=status, body={"message": "Validation\nFailed", "errors": errors})]
    with pytest.raises(ForgeError) as failure:
        http.get("a")
    assert failure.value.cause == cause
    says = f"Forge answered {status}: Validation Failed: PullRequest base invalid: No commits: plain"
    assert failure.value.message == says


def test_a_secret_in_an_answer_is_not_shown(http: Transport, server: Server) -> None:
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    server.answers = [Answer(status=422, body={"message": f"token {secret} is bad"})]
    with pytest.raises(ForgeError) as failure:
        http.get("a")
    assert secret not in failure.value.message


def test_pages_are_followed(http: Transport, server: Server) -> None:
    link = {"Link": f'<{server.url}/api/a?page=2>; rel="next", <{server.url}/api/a?page=9>; rel="last"'}
    server.answers = [Answer(body=[1, 2], headers=link), Answer(body=[3])]
    assert list(http.pages("a", q="x")) == [1, 2, 3]
    assert [path for _, path, _, _ in server.asked] == ["/api/a?per_page=100&q=x", "/api/a?page=2"]


def test_pages_lead_to_no_other_host_and_end(http: Transport, server: Server) -> None:
    server.answers = [Answer(body=[1], headers={"Link": '<http://127.0.0.2:1/api/a>; rel="next"'})]
    with pytest.raises(ForgeError, match="pointed to another host"):
        list(http.pages("a"))
    server.answers = [Answer(body=[1], headers={"Link": f'<{server.url}/api/a>; rel="next"'})] * 60
    with pytest.raises(ForgeError, match="more than 50 pages"):
        list(http.pages("a"))


def test_a_redirect_is_not_followed(http: Transport, server: Server) -> None:
    server.answers = [Answer(status=301, headers={"Location": "https://evil.example/x"})]
    with pytest.raises(ForgeError) as failure:
        http.get("a")
    assert failure.value.cause == "not_found"
    assert "https://evil.example/x" in failure.value.message


@pytest.mark.parametrize("body", [b"<html>", b"", b"[" * 100_000])
def test_an_answer_that_is_no_json(http: Transport, server: Server, body: bytes) -> None:
    server.answers = [Answer(body=body)]
    with pytest.raises(ForgeError) as failure:
        http.get("a")
    assert failure.value.cause == "unexpected"


def test_an_answer_without_end(http: Transport, server: Server) -> None:
    server.answers = [Answer(body=b'"' + b"x" * (33 * 1024 * 1024) + b'"')] * 4
    with pytest.raises(ForgeError, match="over 32 MiB"):
        http.get("a")
