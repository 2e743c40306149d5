"""A stand-in of a GitLab: its REST API v4 over a real bare repository, with the people and the mishaps of a real one.

    forge = GitLabForge(project.origin)
    forge.set_job("work", "test", "failed")
    forge.fail_next(r"PUT .*/merge$", 502)
    … GitLab(forge.place, Transport(forge.place.api_url, headers=gitlab_headers("owner-token"), …)) …
    forge.close()

Branches and their tips are git's at the moment of the question. `log` holds what was asked and answered.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from ai_workflow.policy.forges import Place
from support.gitlab_api import Answer, Api, Question
from support.gitlab_documents import PROJECT
from support.gitlab_repository import ServedRepository
from support.gitlab_state import FORK_ID, Job, MergeRequest, Note, Pipeline, Refused, Settings, State

_PREFIX = "/api/v4/"


@dataclass
class Asked:
    """One line of the log."""

    method: str
    path: str
    """As sent, without `/api/v4`."""
    query: dict[str, str]
    body: Any
    status: int = 0
    """0: no answer was given."""
    answer: Any = None
    is_made_up: bool = False
    """Whether the answer is that of `fail_next`."""


@dataclass
class Fault:
    """What happens to questions like this instead of an answer, or before it."""

    pattern: str
    times: int
    kind: str
    status: int = 0
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


class GitLabForge:
    """The server, and the hands of those who work beside aiw.

    Attributes:
        state: all that it knows.
        settings: of the project; to be changed at will.
        tokens: what each may: `api`, `read_api`, or `none` who sees no project.
        log: every question, in the order of their ends.
    """

    def __init__(self, origin: Path) -> None:
        self.repository = ServedRepository(origin)
        self.state = State(self.repository)
        self.settings: Settings = self.state.settings
        self.tokens = {"owner-token": "api", "reader-token": "read_api", "stranger-token": "none"}
        self.log: list[Asked] = []
        self._faults: list[Fault] = []
        self._lock = threading.RLock()
        forge = self

        class Handler(_Handler):
            server_forge = forge

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.place = Place(forge="gitlab", host=self.url.removeprefix("http://"), project=PROJECT, base_url=self.url)
        self._api = Api(self.state, self.url)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops the server; again does nothing."""
        if not self._thread.is_alive():
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.repository.close()

    # People

    def request(self, number: int = 1) -> MergeRequest:
        """The record of a merge request, to look at or to change."""
        return self.state.requests[number]

    def open_by_hand(self, branch: str, *, base: str = "main", title: str = "By hand", is_foreign: bool = False) -> int:
        """A merge request that aiw did not open; its number."""
        with self._lock:
            number = len(self.state.requests) + 1
            request = MergeRequest(number, branch, base, title, "", self.state.moment())
            request.source_project = FORK_ID if is_foreign else request.source_project
            self.state.requests[number] = request
            return number

    def merge_by_hand(self, number: int = 1, *, by: str = "maria", squash: bool = False) -> None:
        """Merges whatever the rules say."""
        with self._lock:
            self.state.merge_as_asked(self.request(number), {"by": by, "squash": squash})

    def close_by_hand(self, number: int = 1, *, by: str = "maria") -> None:
        with self._lock:
            request = self.request(number)
            request.last_sha = self.state.head_of(request)
            request.state, request.closed_by, request.auto_merge = "closed", by, None

    def reopen_by_hand(self, number: int = 1) -> None:
        with self._lock:
            request = self.request(number)
            assert request.state == "closed"
            request.state, request.closed_by = "opened", None

    def push_by_hand(
        self, branch: str, files: Mapping[str, str | None], *, message: str = "By hand", start: str = "main"
    ) -> str:
        """A commit on a branch, which begins at `start` if it is new; its sha."""
        return self.repository.write(branch, files, message=message, start=start)

    def review(self, login: str, verdict: str, number: int = 1) -> None:
        """`approved`, `requested_changes`, `unapproved` or `reviewed`."""
        with self._lock:
            request = self.request(number)
            request.reviewers[login] = verdict
            request.approvals = [one for one in request.approvals if one != login]
            request.approvals += [login] if verdict == "approved" else []

    def comment(
        self,
        login: str,
        text: str,
        number: int = 1,
        *,
        path: str | None = None,
        line: int | None = None,
        resolvable: bool = True,
        system: bool = False,
        bot: bool = False,
        reply_to: int | None = None,
    ) -> int:
        """A note; its id."""
        with self._lock:
            note = Note(
                self.state.new_id(), login, text, self.state.moment(), system, bot, resolvable, False, path, line
            )
            discussions = self.request(number).discussions
            thread = next((notes for notes in discussions if notes[0].id == reply_to), None)
            if thread is None:
                discussions.append([note])
            else:
                thread.append(note)
            return note.id

    def resolve(self, note_id: int, number: int = 1) -> None:
        """The discussion that the note begins."""
        with self._lock:
            for notes in self.request(number).discussions:
                if notes[0].id == note_id:
                    for note in notes:
                        note.resolved = note.resolvable

    # CI

    def set_job(
        self, branch: str, name: str, status: str, *, allow_failure: bool = False, kind: str = "jobs"
    ) -> Pipeline:
        """Puts a job on the newest pipeline of the branch's tip. `kind`: `jobs`, `bridges` or `external`."""
        with self._lock:
            tip = self.repository.find_tip(branch)
            assert tip is not None, branch
            pipeline = self.state.get_pipeline(tip, branch)
            old = pipeline.jobs.get(name)
            pipeline.jobs[name] = Job(old.id if old else self.state.new_id(), name, status, allow_failure, kind)
            self.state.settle()
            return pipeline

    def add_pipeline(self, sha: str, ref: str, *, status: str | None = None, source: str = "push") -> Pipeline:
        """A pipeline of one's own making."""
        with self._lock:
            pipeline = Pipeline(self.state.new_id(), sha, ref, source, status)
            self.state.pipelines.append(pipeline)
            return pipeline

    def set_status_check(self, name: str, status: str) -> None:
        """An external status check: `passed`, `failed` or `pending`."""
        with self._lock:
            checks = [check for check in self.state.status_checks if check["name"] != name]
            self.state.status_checks[:] = [*checks, {"id": 1 + len(checks), "name": name, "status": status}]

    def run_train(self) -> None:
        """Merges what is in the train."""
        with self._lock:
            for request in self.state.requests.values():
                if request.is_in_train and request.auto_merge is not None:
                    self.state.merge_as_asked(request, request.auto_merge)

    # Mishaps. A pattern is sought in `METHOD path`, with the path as sent and without the query.

    def fail_next(
        self,
        pattern: str,
        status: int,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        times: int = 1,
    ) -> None:
        """Answers so, and does nothing."""
        document = {"message": f"{status} Made up"} if body is None else body
        self._faults.append(Fault(pattern, times, "fail", status, document, headers or {}))

    def limit_rate(self, pattern: str = "", *, seconds: int = 30, times: int = 1) -> None:
        """Too many questions; they may come again after so many seconds."""
        headers = {
            "Retry-After": str(seconds),
            "RateLimit-Limit": "600",
            "RateLimit-Remaining": "0",
            "RateLimit-Reset": str(int(time.time()) + seconds),
        }
        self.fail_next(pattern, 429, {"message": "429 Too Many Requests"}, headers, times)

    def drop_answer(self, pattern: str, times: int = 1) -> None:
        """Does what is asked, and ends the connection without an answer."""
        self._faults.append(Fault(pattern, times, "drop_answer"))

    def drop_question(self, pattern: str, times: int = 1) -> None:
        """Ends the connection and does nothing."""
        self._faults.append(Fault(pattern, times, "drop_question"))

    def slow(self, pattern: str, seconds: float, times: int = 1) -> None:
        """Waits before it does what is asked."""
        self._faults.append(Fault(pattern, times, "slow", seconds=seconds))

    def _find_fault(self, asked: Asked) -> Fault | None:
        for fault in self._faults:
            if fault.times > 0 and re.search(fault.pattern, f"{asked.method} {asked.path}"):
                fault.times -= 1
                return fault
        return None

    def _serve(self, asked: Asked, token: str) -> tuple[Answer | None, Mapping[str, str]]:
        """The answer (None: none is given) and headers of its own."""
        with self._lock:
            self.log.append(asked)
            fault = self._find_fault(asked)
        if fault is not None and fault.kind == "slow":
            time.sleep(fault.seconds)
        with self._lock:
            if fault is not None and fault.kind == "fail":
                asked.is_made_up = True
                return Answer(fault.status, fault.body), fault.headers
            if fault is not None and fault.kind == "drop_question":
                return None, {}
            try:
                answer = self._answer(asked, token)
            except Refused as refusal:
                answer = Answer(refusal.status, {"message": refusal.message})
            return (None if fault is not None and fault.kind == "drop_answer" else answer), {}

    def _answer(self, asked: Asked, token: str) -> Answer:
        access = self.tokens.get(token)
        if access is None:
            raise Refused(401, "401 Unauthorized")
        if access == "none" and asked.path.startswith("/projects/"):
            raise Refused(404, "404 Project Not Found")
        if access == "read_api" and asked.method != "GET":
            said = "The request requires higher privileges than provided by the access token."
            return Answer(403, {"error": "insufficient_scope", "error_description": said, "scope": "api"})
        login = token.partition("-")[0]
        return self._api.answer(Question(asked.method, asked.path[1:], asked.query, asked.body or {}, login))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Header and body in one packet: else each answer waits for an acknowledgement.
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    server_forge: GitLabForge

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length) if length else b""
        asked = Asked(
            self.command,
            "/" + parts.path.removeprefix(_PREFIX),
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            json.loads(content) if content else None,
        )
        token = self.headers.get("Authorization", "").removeprefix("Bearer ") or self.headers.get("PRIVATE-TOKEN", "")
        answer, headers = self.server_forge._serve(asked, token)
        if answer is None:
            self.close_connection = True
            return
        document = answer.document
        links: dict[str, str] = {}
        if isinstance(document, list) and self.command == "GET":
            document, links = self._page(document, parts.path, asked.query)
        asked.status, asked.answer = answer.status, document
        body = json.dumps(document).encode()
        self.send_response(answer.status)
        for key, value in {"Content-Type": "application/json", **links, **headers}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _page(self, items: list[Any], path: str, query: dict[str, str]) -> tuple[list[Any], dict[str, str]]:
        page, per_page = int(query.get("page", "1")), min(int(query.get("per_page", "20")), 100)
        end = page * per_page
        if end >= len(items):
            return items[end - per_page :], {}
        following = urlencode({**query, "page": page + 1, "per_page": per_page})
        return items[end - per_page : end], {"Link": f'<{self.server_forge.url}{path}?{following}>; rel="next"'}

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 - the base's names
