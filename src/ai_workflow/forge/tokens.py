"""Where a forge's token comes from: the environment, then the forge's own tool; never stored, never shown (spec §6.5).

A variable speaks for one host only. Without that rule a clone's remote could name any host and be sent the token:
`GH_TOKEN` is for github.com, `GH_ENTERPRISE_TOKEN` for the host in `GH_HOST` (as the manual of `gh environment` says),
`GITLAB_TOKEN` for gitlab.com or the host in `GITLAB_HOST`. The tools and git's helpers keep their tokens by host.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from ai_workflow.errors import AiwError
from ai_workflow.models.base import Record
from ai_workflow.policy.forges import Place
from ai_workflow.process import run

_TOOL_TIMEOUT_S = 15.0


class Token(Record, frozen=True, kw_only=True):
    """A token; its text is not shown when this is."""

    secret: str
    source: str
    """For people: `GH_TOKEN`, `gh auth token`."""

    def __repr__(self) -> str:
        return f"Token(source={self.source!r})"


def find_in_environment(place: Place, environment: Mapping[str, str]) -> Token | None:
    """The token that a variable holds for this host."""
    for name in _variables(place, environment):
        secret = environment.get(name, "").strip()
        if is_usable(secret):
            return Token(secret=secret, source=name)
    return None


def name_variable(place: Place) -> str:
    """What a person may set, in words: `GH_TOKEN`, or `GH_HOST=… with GH_ENTERPRISE_TOKEN`."""
    if place.forge == "gitlab":
        return "GITLAB_TOKEN" if place.host == "gitlab.com" else f"GITLAB_HOST={place.host} and GITLAB_TOKEN"
    if _is_hosted_github(place):
        return "GH_TOKEN"
    return f"GH_HOST={place.host} and GH_ENTERPRISE_TOKEN"


def _variables(place: Place, environment: Mapping[str, str]) -> tuple[str, ...]:
    if place.forge == "gitlab":
        named = _host(environment.get("GITLAB_HOST") or environment.get("GL_HOST") or "gitlab.com")
        return ("GITLAB_TOKEN", "GITLAB_ACCESS_TOKEN") if named == place.host else ()
    if _is_hosted_github(place):
        return ("GH_TOKEN", "GITHUB_TOKEN")
    server = environment.get("GH_HOST") or environment.get("GITHUB_SERVER_URL") or ""
    return ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN") if _host(server) == place.host else ()


def _is_hosted_github(place: Place) -> bool:
    return place.host == "github.com" or place.host.endswith(".ghe.com")


def _host(text: str) -> str:
    return (urlsplit(text).netloc if "://" in text else text).strip().strip("/").lower()


def ask_tool(place: Place, *, cwd: str) -> Token | None:
    """The token that `gh` or `glab` keeps for this host; None when it is not installed or has none."""
    words = {
        "gitlab": ("glab", "config", "get", "token", "--host", place.host),
        "github": ("gh", "auth", "token", "--hostname", place.host),
    }
    argv = words.get(place.forge)
    if argv is None:
        return None
    try:
        done = run(argv, cwd=cwd, timeout_s=_TOOL_TIMEOUT_S)
    except AiwError:
        return None
    secret = done.stdout.decode("ascii", "replace").strip()
    if done.returncode != 0 or not is_usable(secret):
        return None
    return Token(secret=secret, source=" ".join(argv[:3]))


def is_usable(secret: str) -> bool:
    """Whether it can stand in a header: one word of printable ASCII."""
    return bool(secret) and secret.isascii() and secret.isprintable() and " " not in secret
