"""What the measured commands run in: an interpreter's environment and variables of their own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def install_package(folder: Path, python: Path, requirement: str) -> Path:
    """A Python package in an environment of its own: what else is installed would cost start-up time.

    Args:
        folder: where to make the environment.
        python: the interpreter to make it of.
        requirement: what pip installs.

    Returns:
        The interpreter in it.

    Raises:
        subprocess.CalledProcessError: it does not install.
    """
    subprocess.run([python, "-m", "venv", folder], check=True)
    inner = folder / "bin/python"
    pip: list[str | Path] = [inner, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    # The newest pip writes a console script that imports nothing but what it starts; older ones import `re` there.
    subprocess.run([*pip, "install", "--upgrade", "pip"], check=True)
    # Not there from Python 3.12 on. Its .pth file costs every start of the interpreter.
    subprocess.run([*pip, "uninstall", "--yes", "setuptools"], check=True, capture_output=True)
    subprocess.run([*pip, "install", requirement], check=True, capture_output=True, text=True)
    subprocess.run([inner, "-m", "compileall", "-q", folder / "lib"], check=False, capture_output=True)
    return inner


def read_python_version(python: Path) -> str:
    """As in `3.12.1`."""
    script = "import platform; print(platform.python_version())"
    return subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def make_environment(base: Path) -> dict[str, str]:
    """The variables, with an empty home folder in `base` where only git knows a name."""
    home = base / "home"
    home.mkdir(exist_ok=True)
    (home / ".gitconfig").write_text("[user]\n\tname = Bench\n\temail = bench@example.org\n")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("GIT_", "PYTHON", "AIW_", "XDG_"))}
    kept.pop("VIRTUAL_ENV", None)
    return {**kept, "HOME": str(home), "LC_ALL": "C.UTF-8"}
