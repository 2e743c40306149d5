"""What git's credential helpers keep for a host (git-credential(1)); asked without a prompt."""

from __future__ import annotations

from ai_workflow.git.runner import Git

_TIMEOUT_S = 15.0


def find_password(git: Git, *, url: str) -> str | None:
    """The password, or token, that a helper has for the URL; None when none has.

    Args:
        url: `https://host/owner/name`, without a user.
    """
    if "\n" in url or "\0" in url:
        return None
    # No program may ask a person: only what is kept counts.
    silent = {"GIT_ASKPASS": "true", "SSH_ASKPASS": "true", "GCM_INTERACTIVE": "never", "GIT_TERMINAL_PROMPT": "0"}
    done = git.run(
        "-c", "credential.interactive=false", "credential", "fill",
        stdin=f"url={url}\n\n".encode(), env=silent, ok=None, timeout_s=_TIMEOUT_S,
    )  # fmt: skip
    fields = dict(line.partition("=")[::2] for line in done.stdout.decode("utf-8", "replace").split("\n"))
    return fields.get("password") or None if done.returncode == 0 else None
