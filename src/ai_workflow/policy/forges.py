"""Which forge a remote is on, and where its projects and its API are (spec §6.5). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from ai_workflow.models.base import Record
from ai_workflow.models.forge import ForgeName

_SCP_URL = re.compile(r"(?:[^@/]+@)?(?P<host>\[[^\]]+\]|[^:/]+):(?!//)(?P<path>.*)", re.DOTALL)
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[^/]*@)?(?P<host>\[[^\]]+\]|[^:/]+)(?::(?P<port>\d*))?(?P<path>/.*)?",
    re.IGNORECASE | re.DOTALL,
)
_FORGES: tuple[ForgeName, ...] = ("github", "gitlab")
_SAME_HOST = {
    "ssh.github.com": "github.com",
    "www.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "www.gitlab.com": "gitlab.com",
}
"""Where else the hosted ones listen."""
_GITHUB_RESIDENT = ".ghe.com"
"""GitHub Enterprise Cloud with data residency."""
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class Place(Record, frozen=True, kw_only=True):
    """A project on a forge."""

    forge: ForgeName
    host: str
    """That of the web pages and the API, lower case, with a port if it has one of its own."""
    project: str
    """`owner/name`; with GitLab any number of groups before the name."""
    base_url: str
    """Of the web pages, without a final slash: `https://github.com`, `https://git.example.org/gitlab`."""

    @property
    def api_url(self) -> str:
        """Where the REST API is, without a final slash.

        GitHub: "Getting started with the REST API" (github.com, *.ghe.com and GitHub Enterprise Server differ).
        """
        if self.forge == "gitlab":
            return f"{self.base_url}/api/v4"
        if self.host == "github.com":
            return "https://api.github.com"
        if self.host.endswith(_GITHUB_RESIDENT):
            return f"https://api.{self.host}"
        return f"{self.base_url}/api/v3"

    @property
    def noun(self) -> str:
        """What a pull request is called there."""
        return "merge request" if self.forge == "gitlab" else "pull request"

    def refer_to(self, number: int) -> str:
        """How a text there names a pull request, so that it becomes a link: `#7`, `!7`."""
        return f"{'!' if self.forge == 'gitlab' else '#'}{number}"

    @property
    def is_plain(self) -> bool:
        """Whether a token would cross a network unencrypted."""
        return self.base_url.startswith("http:") and _without_port(self.host) not in LOOPBACK


def host_of(url: str) -> str | None:
    """The host that a remote's URL names, lower case; None for a path or a `file:` URL."""
    match = _match(url)
    return match.group("host").lower() if match else None


def find_forge(url: str, *, override: str | None) -> str | None:
    """The known forge (`github`, `gitlab`) that the URL belongs to, or None.

    A self-hosted one is known by its host name (`gitlab.example.org`) or by `git.forge`; `none` says there is none.
    """
    if override:
        return None if override == "none" else override
    host = host_of(url)
    if host is None:
        return None
    if host.endswith(_GITHUB_RESIDENT):
        return "github"
    labels = re.split(r"[.:-]", host.strip("[]"))
    return next((forge for forge in _FORGES if forge in labels), None)


def find_place(urls: Iterable[str], *, override: str | None, forge_url: str | None) -> Place | None:
    """The project that the first of the URLs names that is on a forge; None when none tells owner and name.

    Args:
        urls: those of one remote, as `git.remotes.list_urls` gives them.
        override: `git.forge`.
        forge_url: `git.forge_url`, where the forge's pages are when the remote's host does not tell it.
    """
    for url in urls:
        forge = find_forge(url, override=override)
        known = next((name for name in _FORGES if name == forge), None)
        place = _place(known, url, forge_url) if known else None
        if place is not None:
            return place
    return None


def _place(forge: ForgeName, url: str, forge_url: str | None) -> Place | None:
    match = _match(url)
    path = match.group("path") if match else url if forge_url else None
    if path is None:
        return None
    base_url = forge_url.rstrip("/") if forge_url else _base_of(match)
    parts = urlsplit(base_url)
    path = path.partition("?")[0].partition("#")[0]
    if parts.path and match and path.startswith(f"{parts.path}/"):
        # The forge lies below a path, and an http remote names that path too.
        path = path[len(parts.path) :]
    names = [unquote(name) for name in path.removesuffix("/").removesuffix(".git").split("/") if name]
    if forge == "github" or match is None:
        names = names[-2:]
    if len(names) < 2 or any(name in (".", "..") or not name.isprintable() for name in names):
        return None
    return Place(forge=forge, host=parts.netloc.lower(), project="/".join(names), base_url=base_url)


def _base_of(match: re.Match[str] | None) -> str:
    assert match is not None
    host = match.group("host").lower()
    scheme = (match.groupdict().get("scheme") or "").lower()
    if scheme in ("http", "https"):
        port = match.group("port")
        usual = {"http": "80", "https": "443"}[scheme]
        host = host if not port or port == usual else f"{host}:{port}"
        return f"{scheme}://{plain_host(host)}"
    # The port of ssh says nothing of where the pages are. `[host:22]:path` is git's own form of scp's.
    plain = host if host.startswith("[") and host.count(":") > 1 else host.strip("[]").partition(":")[0]
    return f"https://{plain_host(plain)}"


def plain_host(host: str) -> str:
    """The host of the pages, for one that a hosted forge serves git on."""
    return _SAME_HOST.get(host, host)


def _match(url: str) -> re.Match[str] | None:
    if url.lower().startswith("file:"):
        return None
    match = _URL.match(url)
    if match is None and not url.startswith(("/", ".", "\\")) and not re.match(r"[A-Za-z]:[\\/]", url):
        match = _SCP_URL.match(url)
    return match


def _without_port(host: str) -> str:
    return re.sub(r":\d+$", "", host)
