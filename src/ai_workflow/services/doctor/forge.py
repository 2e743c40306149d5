"""Whether a finished milestone could land where it is to: nothing is asked over the network."""

from __future__ import annotations

from collections.abc import Iterator

from ai_workflow.config.place import CONFIG_NAME
from ai_workflow.git.remotes import list_urls
from ai_workflow.policy.closeout import choose_mode
from ai_workflow.policy.diagnosis.finding import Diagnosis
from ai_workflow.services.landing import find_target_remote
from ai_workflow.services.workspace import Workspace


def diagnose_forge(ws: Workspace) -> Iterator[Diagnosis]:
    """A finding where milestones land as pull requests and nobody could open one."""
    remote = find_target_remote(ws)
    if remote is None:
        return
    git = ws.config.git
    urls = list_urls(ws.repository.git, remote)
    if choose_mode(git.closeout_mode, remote_urls=urls, forge_override=git.forge) != "pull_request":
        return
    from ai_workflow.services.forge_access import explain_credentials, find_forge_place, find_token

    place = find_forge_place(ws, remote)
    if place is None:
        yield Diagnosis(
            level="warning",
            code="no-forge",
            message=f"milestones land as pull requests, and the URL of {remote.name} names no project on a known forge",
            path=CONFIG_NAME,
            fix=explain_credentials(None),
        )
    elif find_token(ws, place) is None:
        yield Diagnosis(
            level="warning",
            code="no-forge-token",
            message=f"milestones land as pull requests on {place.host}/{place.project}, and there is no token for it",
            path=CONFIG_NAME,
            fix=explain_credentials(place),
        )
