"""A forge on this machine: an HTTP server that keeps a log, fails on demand, and serves its git repository.

What it says is for the forges that are made of it (`github_forge`); each asks its own description whether question and
answer are right, and collects what is not in `violations`.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

Access = Literal["none", "read", "write"]


@dataclass(frozen=True)
class Token:
    """Who holds a token, and what it lets them do with the project."""

    login: str
    access: Access
    scopes: str = "repo"


@dataclass
class Exchange:
    """One question, and the status of its answer (None when there was none)."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    """By their names in lower case; without that of the token."""
    raw: bytes
    body: Any
    """The decoded JSON; None without."""
    secret: str | None = field(repr=False)
    base_url: str
    """What `path` was asked below: addresses of other pages begin with it."""
    operation: str = ""
    """Which of GraphQL's."""
    status: int | None = None

    @property
    def has_token(self) -> bool:
        """Whether one was sent."""
        return self.secret is not None

    @property
    def line(self) -> str:
        """What faults are matched with: `GET /repos/o/r/pulls?state=open`, `POST /graphql enqueuePullRequest`."""
        query = "&".join(f"{key}={text}" for key, text in self.query.items())
        return f"{self.method} {self.path}" + (f"?{query}" if query else "") + f" {self.operation}".rstrip()


@dataclass
class Answer:
    """What is sent back."""

    status: int
    body: Any = None
    """As JSON; bytes as they are."""
    headers: dict[str, str] = field(default_factory=dict)


Work = Literal["done", "undone", "late"]


@dataclass
class Held:
    """A question that is kept waiting.

    Attributes:
        work: `done` before it waits; `undone`: never; `late`: once it is let go.
        arrived: set when it has come, and its work is done if that is to be so.
        let_go: to be set by the test; then the answer is sent (`undone`: the connection is closed).
    """

    work: Work
    arrived: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)


@dataclass
class _Fault:
    pattern: re.Pattern[str]
    kind: Literal["answer", "drop_answer", "drop_question", "slow", "hold", "tamper"]
    times: int
    answer: Answer | None = None
    delay_s: float = 0.0
    held: Held | None = None
    skip: int = 0
    change: Callable[[Any], Any] | None = None


class StandIn:
    """The server. `with` starts and stops it.

    Attributes:
        repository: the bare repository that the project lies in.
        project: `owner/name`.
        api_prefix: what paths of the API begin with; those of `log` and faults are without it.
        tokens: every known token.
        is_private: whether reading (by git too) takes a token.
        log: every question to the API, the oldest first.
        git_log: every question of git: `GET /info/refs?service=git-upload-pack`.
        violations: what was asked or answered against the forge's own description, and defects of the stand-in.
    """

    def __init__(self, repository: Path, project: str, *, api_prefix: str, tokens: Mapping[str, Token]) -> None:
        self.repository = repository
        self.project = project
        self.api_prefix = api_prefix
        self.tokens = dict(tokens)
        self.is_private = True
        self.log: list[Exchange] = []
        self.git_log: list[str] = []
        self.violations: list[str] = []
        self.lock = threading.RLock()
        self._faults: list[_Fault] = []
        self._git_faults: list[tuple[re.Pattern[str], bool]] = []
        self._stopped = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.stand_in = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """Without a final slash."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def git_url(self) -> str:
        """Where git finds the repository on this server."""
        return f"{self.url}/{self.project}.git"

    def start(self) -> Self:
        """Listens from now on."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ends the server, and answers that wait."""
        self._stopped.set()
        self._server.shutdown()
        self._server.end_connections()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # Faults. Each `match` is a regular expression, searched for in `Exchange.line`; the first fault that fits is used
    # up first.

    def fail_next(
        self, match: str, status: int, *, body: Any = None, headers: Mapping[str, str] | None = None, times: int = 1
    ) -> None:
        """Answers so, and does nothing."""
        answer = Answer(status, {"message": "scheduled"} if body is None else body, dict(headers or {}))
        self._faults.append(_Fault(re.compile(match), "answer", times, answer))

    def drop_answer(self, match: str, *, times: int = 1) -> None:
        """Does what is asked, and closes the connection without a word."""
        self._faults.append(_Fault(re.compile(match), "drop_answer", times))

    def drop_question(self, match: str, *, times: int = 1) -> None:
        """Closes the connection, and does nothing."""
        self._faults.append(_Fault(re.compile(match), "drop_question", times))

    def slow(self, match: str, seconds: float, *, times: int = 1) -> None:
        """Does what is asked, and answers later."""
        self._faults.append(_Fault(re.compile(match), "slow", times, delay_s=seconds))

    def hold(self, match: str, *, work: Work, nth: int = 1) -> Held:
        """Keeps the n-th such question waiting until the test lets it go."""
        held = Held(work)
        self._faults.append(_Fault(re.compile(match), "hold", 1, held=held, skip=nth - 1))
        return held

    def tamper(self, match: str, change: Callable[[Any], Any], *, times: int = 1000) -> None:
        """Does what is asked, and says of it what `change` makes of a good answer."""
        self._faults.append(_Fault(re.compile(match), "tamper", times, change=change))

    def drop_git(self, match: str, *, is_done: bool, times: int = 1) -> None:
        """Closes the connection of the next such questions of git (as in `git_log`), their work done or not.

        Git's client asks a second time when that was its first question on a connection that it had before.
        """
        self._git_faults += [(re.compile(match), is_done)] * times

    def asked(self, match: str) -> list[Exchange]:
        """The questions of the log whose `line` holds the regular expression."""
        return [one for one in self.log if re.search(match, one.line)]

    # For the forges.

    def answer(self, exchange: Exchange) -> Answer:
        """What is said to a question of the API; called with the lock held."""
        raise NotImplementedError

    def inspect(self, exchange: Exchange, answer: Answer | None) -> None:
        """Adds to `violations` what is wrong with them; there is no answer to judge where a failure was scheduled."""
        raise NotImplementedError

    def name_operation(self, exchange: Exchange) -> str:
        """Which of GraphQL's operations is asked for; empty for others."""
        return ""

    def token_of(self, exchange: Exchange) -> Token | None:
        """Whose question it is; None without a token that is known."""
        return self.tokens.get(exchange.secret or "")

    def serve(self, exchange: Exchange) -> Answer | None:
        """The whole way of a question; None closes the connection."""
        exchange.operation = self.name_operation(exchange)
        with self.lock:
            self.log.append(exchange)
            fault = self._take_fault(exchange)
            if fault and (fault.kind == "drop_question" or fault.answer):
                self.inspect(exchange, None)
                exchange.status = fault.answer.status if fault.answer else None
                return fault.answer
        held = fault.held if fault else None
        if held is not None and held.work != "done":
            self._keep(held)
            if held.work == "undone":
                return None
        with self.lock:
            answer = self.answer(exchange)
            self.inspect(exchange, answer)
        if fault and fault.change:
            answer = replace(answer, body=fault.change(copy.deepcopy(answer.body)))
        if fault and fault.kind == "drop_answer":
            return None
        if fault and fault.kind == "slow":
            self._stopped.wait(fault.delay_s)
        if held is not None and held.work == "done":
            self._keep(held)
        exchange.status = answer.status
        return answer

    def _take_fault(self, exchange: Exchange) -> _Fault | None:
        for fault in self._faults:
            if fault.times and fault.pattern.search(exchange.line):
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                return fault
        return None

    def _keep(self, held: Held) -> None:
        held.arrived.set()
        while not (held.let_go.wait(0.02) or self._stopped.is_set()):
            pass

    def serve_git(self, exchange: Exchange, rest: str, query: str) -> Answer | None:
        """Git's smart protocol, by git's own CGI program; None closes the connection."""
        line = f"{exchange.method} {rest}" + (f"?{query}" if query else "")
        self.git_log.append(line)
        fault = next((one for one in self._git_faults if one[0].search(line)), None)
        if fault is not None:
            self._git_faults.remove(fault)
        answer = self._answer_git(exchange, rest, query) if fault is None or fault[1] else None
        return answer if fault is None else None

    def _answer_git(self, exchange: Exchange, rest: str, query: str) -> Answer:
        token = self.token_of(exchange)
        is_push = "git-receive-pack" in (rest + query)
        if (token is None and (is_push or self.is_private)) or (exchange.has_token and token is None):
            return Answer(401, b"Invalid username or token.\n", {"WWW-Authenticate": 'Basic realm="forge"'})
        access = token.access if token else "read"
        if access == "none":
            return Answer(404, b"Repository not found.\n")
        if is_push and access != "write":
            return Answer(403, f"Permission to {self.project}.git denied.\n".encode())
        done = subprocess.run(
            ["git", "http-backend"],
            input=exchange.raw,
            capture_output=True,
            check=True,
            env={
                "PATH": os.environ["PATH"],
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_TRANSLATED": f"{self.repository}{rest}",
                "REQUEST_METHOD": exchange.method,
                "QUERY_STRING": query,
                "CONTENT_TYPE": exchange.headers.get("content-type", ""),
                "CONTENT_LENGTH": str(len(exchange.raw)),
                "HTTP_CONTENT_ENCODING": exchange.headers.get("content-encoding", ""),
                "GIT_PROTOCOL": exchange.headers.get("git-protocol", ""),
                "REMOTE_USER": token.login if token else "",
                "REMOTE_ADDR": "127.0.0.1",
            },
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        return Answer(int(headers.pop("Status", "200")[:3]), body, headers)


class _Server(ThreadingHTTPServer):
    # `server_close` waits for the threads that are no daemons; `end_connections` wakes them.
    daemon_threads = False
    request_queue_size = 64
    stand_in: StandIn

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """Also those that clients keep for their next question."""
        for one in list(self._connections):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        import sys
        import traceback

        if not isinstance(sys.exception(), ConnectionError):
            self.stand_in.violations.append(f"defect of the stand-in: {traceback.format_exc()}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One packet for an answer: the kernel waits 40 ms between two small ones.
    wbufsize = 65536
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        assert isinstance(self.server, _Server)
        stand_in = self.server.stand_in
        parts = urlsplit(self.path)
        raw = self._read()
        headers = {key.lower(): text for key, text in self.headers.items()}
        kind, _, secret = headers.pop("authorization", "").partition(" ")
        if kind.lower() == "basic":
            secret = base64.b64decode(secret).decode().partition(":")[2]
        private = headers.pop("private-token", None)
        exchange = Exchange(
            method=self.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers=headers,
            raw=raw,
            body=None,
            secret=private or secret or None,
            base_url=f"http://{self.headers.get('Host', '')}",
        )
        git_prefix = f"/{stand_in.project}.git/"
        if parts.path.startswith(git_prefix):
            answer: Answer | None = stand_in.serve_git(exchange, parts.path[len(git_prefix) - 1 :], parts.query)
        else:
            exchange.path = parts.path.removeprefix(stand_in.api_prefix)
            exchange.base_url += parts.path[: len(parts.path) - len(exchange.path)]
            try:
                exchange.body = json.loads(raw) if raw else None
            except ValueError:
                answer = Answer(400, {"message": "Problems parsing JSON"})
            else:
                answer = stand_in.serve(exchange)
        self._send(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, answer: Answer | None) -> None:
        if answer is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        headers = {"Content-Type": "application/json; charset=utf-8", **answer.headers}
        body = b"" if answer.body is None else answer.body
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(answer.status)
        for key, text in headers.items():
            self.send_header(key, text)
        if answer.status not in (204, 304):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


def now() -> str:
    """As forges write the time."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
